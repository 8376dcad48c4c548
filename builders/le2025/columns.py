"""Metadata columns of Le 2025."""

from deepstrf_hf.corpus import Column

STIMULUS_COLUMNS = {
    "name": Column("string", "Name of the sound file without its extension."),
    "experiment": Column("string", "nat8a, nat8b or synth8b."),
    "motif": Column("string", "The motif as the file names it: a song bird, nat8mk0 to 7 or synth8mk0 to 7."),
    "song_bird": Column("string", "Whose song the motif is from; null for scrambled motifs."),
    "syntax": Column("string", "natural, or scrambled: syllables in another order (synth8b)."),
    "variant": Column(
        "string",
        "C continuous, G with a gap, N the noise burst alone, GB gap and burst, CB continuous with burst, GM gap and "
        "mask, CM continuous with mask.",
    ),
    "critical_interval": Column("string", "Which of the motif's intervals: 1, 2, 2a or 4a; null for C and CM."),
    "noise_snr_db": Column("int32", "Level of the motif above the noise, from the name; null where it has none.", "dB"),
    "ci_onset_s": Column("float64", "Begin of the critical interval, from sound onset; null for C and CM.", "s"),
    "ci_offset_s": Column("float64", "End of the critical interval, from sound onset; null for C and CM.", "s"),
    "duration_s": Column("float64", "Length of the sound.", "s"),
}
NEURON_COLUMNS = {
    "cell_id": Column("string", "The lab's name of the unit: its file without extension."),
    "pprox_file": Column("string", "File of the unit."),
    "experiment": Column("string", "nat8a, nat8b or synth8b."),
    "cohort": Column("int32", "Birds: 1 (nat8a alpha), 2 (nat8a beta) or 3 (nat8b and synth8b)."),
    "animal_id": Column("string", "Bird, as the files name it."),
    "listed_bird": Column(
        "string", "Bird in the lab's table of birds; Rb291 for the files of Rb219. Null if not listed."
    ),
    "animal_uuid": Column("string", "Identifier of the bird."),
    "sex": Column("string", "male or female."),
    "age_days": Column("int32", "Age, a year counted as 365 days.", "d"),
    "site": Column("string", "Recording site, from the name of the unit."),
    "channel": Column("int32", "Channel, where the unit's name tells it (cohort 1)."),
    "cluster": Column("int32", "Cluster of the spike sorter; numbers of different sites are unrelated."),
    "probe": Column("string", "Electrode, as the lab's table of sites names it."),
    "hemisphere": Column("string", "As the lab writes it."),
    "area": Column("string", "As the lab writes it: NCM in one cohort may be NCM/L3 in another. Null if unknown."),
    "area_group": Column("string", "The same in one vocabulary: NCM/L3, L2a/b or CM/L1."),
    "familiar_room": Column("string", "Room whose songs the bird was raised with (178B or 180B), where told."),
    "familiar_motifs": Column("string", "Song birds of that room, sorted, with commas between."),
}
RECORDING_COLUMNS = {
    "familiar": Column("bool", "Whether the bird was raised with the song; null where its room is not told."),
    "events_before": Column("int32", "Events before sound onset, over all trials; not in the response."),
    "events_after": Column("int32", "Events after the last bin, over all trials; not in the response."),
    "before_ms": Column(
        "float64", "Recorded time before onset in every trial; null where a trial does not tell.", "ms"
    ),
    "after_ms": Column("float64", "Recorded time after the last bin in every trial; null where not told.", "ms"),
}
