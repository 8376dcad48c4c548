"""Metadata columns of CRCNS AC1."""

from deepstrf_hf.corpus import Column

STIMULUS_COLUMNS = {
    "experimenter": Column("string", "wehr or asari."),
    "category": Column("string", "Folder of the sound; of Asari's, the class of the first segment, or mixed."),
    "idx": Column("int32", "Wehr: number of the sound in its folder."),
    "description": Column("string", "Wehr: of the sound. Asari: of the sequence, in the first cell's files."),
    "duration_s": Column("float64", "Duration by the first trial of the first cell.", "s"),
    "class_n": Column("int32", "Asari: class of the first segment."),
    "segments": Column("string", "Asari: numbers of the segments in the first cell's files, by blanks."),
    "segment_files": Column("string", "Asari: files of the segments, by blanks; only they identify the sound."),
    "sequence": Column("string", "Asari: what the first cell's files call the sequence."),
    "n_valid_bands": Column("int32", "Bands below half the sampling rate, counted from the lowest."),
    "frame_slip_ms": Column("float64", "How late the last frame is against the last bin; negative: how early.", "ms"),
    "header_sample_rate_hz": Column("float64", "Sampling rate as the file states it.", "Hz"),
}
NEURON_COLUMNS = {
    "experimenter": Column("string", "wehr or asari."),
    "session": Column("string", "Folder of the session."),
    "animal_id": Column("string", "mw, or ha1 to ha4."),
    "penetration": Column("int32", "Electrode penetration."),
    "date": Column("string", "Day of the recording, yyyymmdd."),
    "site": Column("string", "A1 or MGB."),
    "recording_type": Column("string", "Mode of the recording in the lab's words."),
    "species": Column("string", "rat."),
    "wehr_cell_idx": Column("int32", "Wehr: position of the session among all session folders, from 0."),
    "published_valid": Column("bool", "Wehr: one of the 21 cells that were analysed (Rancon et al. 2025)."),
    "published_n_train": Column("int32", "Wehr: stimulus blocks for training, historical: see the text."),
    "published_n_validation": Column("int32", "Wehr: stimulus blocks for validation, historical."),
    "published_n_test": Column("int32", "Wehr: stimulus blocks for the test, historical."),
}
RECORDING_COLUMNS = {
    "n_recorded": Column("int32", "Repeats that were recorded."),
    "n_rejected_range": Column("int32", "Repeats that the range gate rejected."),
    "n_rejected_step": Column("int32", "Repeats that the step gate rejected."),
    "n_rejected_cross_trial": Column("int32", "Repeats that the cross-trial gate rejected."),
    "trials": Column("string", "File, and for Asari number of the trigger, of each trial in order, by blanks."),
}
