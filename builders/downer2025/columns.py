"""Metadata columns of Downer 2025."""

from deepstrf_hf.corpus import Column

STIMULUS_COLUMNS = {
    "name": Column("string", "Name of the sentence in TIMIT (fadg0_si1279), or mvoc_ and the number of the call."),
    "type": Column("string", "timit (a spoken sentence) or mvoc (a call of a squirrel monkey)."),
    "code": Column("int32", "The lab's number of the sentence or call."),
    "duration_s": Column(
        "float64",
        "Of a sentence without the silence at its ends; of a call its shortest slot, with the silence that follows.",
        "s",
    ),
    "call_duration_s": Column(
        "float64",
        "Of a call alone by the lab's rule: up to the first 100 ms below a thousandth of full scale; null of "
        "sentences, and where no slot of it is silent for so long.",
        "s",
    ),
    "n_samples": Column("int32", "Samples of the waveform at its own rate."),
    "n_frames": Column("int32", "Bins of the spectrogram that hold a whole window of sound; those after them are 0."),
    "trimmed_before_s": Column("float64", "Silence that was cut from the beginning of the sentence.", "s"),
    "trimmed_after_s": Column("float64", "Silence that was cut from its end.", "s"),
    "n_reps_canonical": Column("int32", "Presentations in a session as published: 11 or 15 of test stimuli, else 1."),
    "n_reps_in_wav": Column("int32", "Slots of the call in the recording that was played."),
    "slot_onset_s": Column(
        "float64", "Where in that recording the waveform is from: start of the call's first slot.", "s"
    ),
    "pulse_onset_ms": Column("float64", "First onset pulse of that slot on the second channel, from its start.", "ms"),
    "n_pulses": Column("int32", "Onset pulses of that slot: 1, and 3 in the slot that opens the recording."),
}
TUNING_COLUMNS = {
    "tuned": Column(
        "bool", "Whether trials are more alike than chance, p < 0.05 (Ahmed et al. 2025); null if it cannot be tested."
    ),
    "well_tuned": Column("bool", "Tuned, with tuning_delta of 0.5 or more."),
    "tuning_p_value": Column(
        "float64", "Of the rank-sum test of paired against shifted trials, test stimuli, 50 ms bins."
    ),
    "tuning_delta": Column("float64", "Difference of their mean correlations in standard deviations of the shifted."),
}
NEURON_COLUMNS = {
    "cell_id": Column("string", "Name of the channel's file: animal, session, channel and mounting."),
    "session_id": Column("string", "Recording session, yymmdd."),
    "animal_id": Column("string", "Letter of the monkey, from the name of the file."),
    "hemisphere": Column("string", "RH or LH."),
    "area_group": Column("string", "core or non-primary, as the release tells; null where it does not."),
    "area": Column("string", "Field as the authors assigned it; null for sessions that they never assigned."),
    "area_is_certain": Column("bool", "False where the authors say that they are unsure of it."),
    "deepstrf_area": Column("string", "What deepSTRF 0.1.0 calls the field: a guess where area is null."),
    "coord_x": Column("float64", "Place of the session on the authors' map.", "mm"),
    "coord_y": Column("float64", "Place of the session on the authors' map.", "mm"),
    "channel": Column("int32", "Number of the recording channel."),
    "channel_suffix": Column("string", "p, s2 or ps2: another mounting of that number, and another unit."),
    "n_channels_in_session": Column("int32", "Files of channels in the session's folder, those not read included."),
    "recording_type": Column("string", "multi-unit: threshold crossings of one channel, not sorted."),
    "listed_well_tuned_timit": Column("bool", "Whether deepSTRF 0.1.0 lists the channel as well tuned to sentences."),
    "listed_well_tuned_mvocs": Column("bool", "Whether deepSTRF 0.1.0 lists the channel as well tuned to calls."),
    **TUNING_COLUMNS,
}
