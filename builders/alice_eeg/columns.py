"""Metadata columns of Alice EEG."""

from deepstrf_hf.corpus import Column

STIMULUS_COLUMNS = {
    "name": Column("string", "Sound file, as deepSTRF names it."),
    "type": Column("string", "alice_chapter1, of all stimuli."),
    "segment": Column("int32", "Number of the segment of the chapter, from 1."),
    "n_samples": Column("int64", "Samples of the sound."),
    "duration_s": Column("float64", "Duration of the sound.", "s"),
    "n_words": Column("int32", "Words in the word table; null where the tree has no word table."),
    "words": Column(
        "string",
        "The lab's word table of the segment: JSON, a list of values for each of the table's columns (Word, onset and "
        "offset in s from the start of the sound, LogFreq, …). Null without word table.",
        large=True,
    ),
}
NEURON_COLUMNS = {
    "channel_id": Column("string", "Name of the channel: its number in the montage (easycap M10)."),
    "subject": Column("string", "Subject."),
    "area": Column("string", "EEG, of all channels."),
    "x_m": Column("float64", "Position of the electrode in the head's frame, to the right ear; null if absent.", "m"),
    "y_m": Column("float64", "The same, to the nose.", "m"),
    "z_m": Column("float64", "The same, upwards.", "m"),
    "segments_present": Column("string", "Numbers of the segments that the subject heard, separated by commas."),
}
RECORDING_COLUMNS = {
    "onset_s": Column("float64", "When the sound began after the first sample of the subject's recording.", "s"),
    "missing_bins": Column("int32", "Bins of the response that are NaN: artefacts, or after the recording's end."),
}
