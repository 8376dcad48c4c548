"""Metadata columns of NAT4."""

from deepstrf_hf.corpus import Column

STIMULUS_COLUMNS = {
    "name": Column("string", "Name of the clip's epoch in the recordings; the stim_id."),
    "wav_file": Column("string", "File of the waveform, where it is there."),
    "silence_before_ms": Column("float64", "Silence before the sound (PreStimSilence), where it is stated.", "ms"),
    "silence_after_ms": Column("float64", "Silence after the sound (PostStimSilence), where it is stated.", "ms"),
}
NEURON_COLUMNS = {
    "cell_id": Column("string", "The lab's name of the cell in the population recording; the neuron_id."),
    "area": Column("string", "A1 or PEG."),
    "auditory": Column("bool", "Whether the lab calls it auditory (sig_auditory); null where its table lacks it."),
    "site": Column("string", "Recording site: the name up to the first hyphen."),
    "animal": Column("string", "First three letters of the site."),
    "electrode": Column("int32", "Electrode, from the name."),
    "unit": Column("int32", "Number of the unit on its electrode, from the name."),
    "site_cell_id": Column("string", "Name of the cell in its single-site recording; null without one."),
    "val_matches_population": Column(
        "bool",
        "Whether the mean over trials of the val clips is the one in the population recording; null where there is "
        "nothing to compare.",
    ),
    "val_population_difference": Column(
        "float64", "Largest difference between the two.", "spikes per bin, mean over trials"
    ),
    "population_min": Column("float64", "Smallest value of the cell in the population recording.", "spikes per bin"),
    "population_max": Column("float64", "Largest value of the cell in the population recording.", "spikes per bin"),
    "area_min": Column("float64", "Smallest value of all cells of the population recording.", "spikes per bin"),
    "area_max": Column("float64", "Largest value of all cells of the population recording.", "spikes per bin"),
}
