"""Metadata columns of Wingert 2026."""

from deepstrf_hf.corpus import Column

STIMULUS_COLUMNS = {
    "name": Column("string", "The lab's name: STIM_ and the name of the sound file."),
    "session": Column("string", "Recording session; every session has stimuli of its own."),
    "content_id": Column(
        "string", "SHA-256 of the spectrogram as published: equal wherever two sessions hold the same one."
    ),
    "n_presentations": Column("int32", "How often the session played it: the trials of its rows."),
    "count_rule_subset": Column(
        "string", "est or val by the published rule, from how often the session played each sound."
    ),
    "presented_bins": Column(
        "int32", "Bins of the shortest presentation in the epoch table; responses beyond lie outside of it."
    ),
    "first_sound_ms": Column(
        "float64", "Start of the first bin that is not silent in all bands; null if all are.", "ms"
    ),
    "wav": Column("string", "Sound file that the waveform is from."),
}
NEURON_COLUMNS = {
    "cell_id": Column("string", "The lab's name of the unit."),
    "site": Column("string", "Recording site; the second probe of a session is a site of its own (SLJ032a-B)."),
    "session": Column("string", "Recording session: the text before the first - of the cell's name."),
    "area": Column("string", "A1, PEG, AC or HC, as the lab writes them; null where it does not tell."),
    "layer": Column("string", "The lab's word for the layers: 13 (1 to 3), 44 (4), 56 (5 and 6), or another one."),
    "depth_um": Column("float64", "Depth from the border of layers 3 and 4.", "um"),
    "narrow": Column("bool", "Whether spikes are narrow: sw_ms below 0.35 (0.375 for Neuropixels)."),
    "celltype": Column("string", "N (narrow) or R (regular), and the layers."),
    "sw_ms": Column("float64", "Width of the spikes.", "ms"),
    "goodpred": Column("bool", "Whether the lab's models predict the unit well."),
    "animal": Column("string", "First three letters of the cell's name."),
    "probe": Column("string", "Probe, where the cell's name tells it."),
    "electrode": Column("int32", "Electrode, from the cell's name."),
    "unit_in_electrode": Column("int32", "Unit on the electrode, from the cell's name."),
    "recording_max": Column(
        "int32", "Largest count in a bin over the whole recording, between the sounds too.", "spikes per bin"
    ),
}
