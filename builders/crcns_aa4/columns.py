"""Metadata columns of CRCNS AA4."""

from deepstrf_hf.corpus import Column

STIMULUS_COLUMNS = {
    "name": Column("string", "What the sound is known by in all birds: the MD5 of the file that was played."),
    "type": Column("string", "song, call or mlnoise (modulation-limited noise)."),
    "class": Column("string", "The lab's class of the stimulus."),
    "duration_s": Column("float64", "Duration as the unit files state it.", "s"),
    "source": Column("string", "Where the sound comes from, as the lab states it."),
    "source_sex": Column("string", "Sex of the bird that uttered it."),
    "original_wav": Column("string", "The lab's own name of the file."),
    "wav_md5": Column("string", "MD5 of the file the waveform is from; equals the name where it is verified."),
}
NEURON_COLUMNS = {
    "cell_id": Column("string", "The lab's name of the unit; the same name occurs in several birds."),
    "animal_id": Column("string", "Bird."),
    "sex": Column("string", "F or M, from the name of the bird."),
    "site": Column("string", "Recording site of the bird."),
    "electrode": Column("int32", "Electrode, 1 to 32; which of them are left or right is not documented."),
    "left_depth_um": Column("float64", "Depth of the left array.", "um"),
    "right_depth_um": Column("float64", "Depth of the right array.", "um"),
    "sort_type": Column("string", "single or multi."),
    "sort_id": Column("int32", "Number from online sorting."),
    "subsort_id": Column("int32", "Number from offline sorting, from the name of the unit."),
}
RECORDING_COLUMNS = {
    "protocol": Column("string", "Protocols that presented the sound, in the order of the trials, by commas."),
    "stimulus_number": Column("string", "The bird's number of the sound in each of them."),
    "protocol_trials": Column("string", "Number of trials of each of them: 10,4 is 10 rows, then 4."),
    "trial": Column("string", "The lab's number of each trial, in the order of the rows of the response."),
    "recorded_bins": Column(
        "int32", "Bins recorded in all trials (sound and post_time); zeros past them are no observation."
    ),
}
