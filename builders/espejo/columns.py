"""Metadata columns of Espejo 2019."""

from deepstrf_hf.corpus import Column

STIMULUS_COLUMNS = {
    "name": Column("string", "The lab's name of the sound, as its epochs have it; several stimuli may share it."),
    "type": Column("string", "nat (natural sound) or vmn (vocalisation-modulated noise)."),
    "duration_s": Column("float64", "Duration of the epoch, silences included.", "s"),
    "pre_silence_s": Column("float64", "Silence from the first bin to the onset of the sound (PreStimSilence).", "s"),
    "post_silence_s": Column("float64", "Silence after the sound (PostStimSilence).", "s"),
    "content_id": Column("string", "SHA-256 of the spectrogram; equal for stimuli that differ in name or onset only."),
    "n_repeats": Column("int32", "How often the name was played, in the recording of the release that played it most."),
    "split": Column(
        "string",
        "test where the name has the largest count, above 1, of any recording, else estimation: the division of "
        "deepSTRF 0.1.0, over the whole tree. The published one is in subset.",
    ),
    "named_00": Column("bool", "Whether the sound's name begins with 00, as the lab's much repeated ones do."),
    "wav_file": Column("string", "File of the waveform, where it is there."),
}
NEURON_COLUMNS = {
    "cell_id": Column("string", "The lab's name of the neuron."),
    "experiment_set": Column("string", "nat or vmn; no neuron is in both."),
    "area": Column("string", "Brain area, as the paper states it for all neurons."),
    "site": Column("string", "Recording site, the first part of the name."),
    "animal_id": Column("string", "Animal, the letters that the site begins with."),
    "channel": Column("string", "Electrode, as the name writes it: 05, c1."),
    "unit": Column("string", "Unit on the electrode, as the name writes it."),
}
RECORDING_COLUMNS = {
    "n_repeats": Column("int32", "How often the sound was played, over all recordings the trials are from."),
    "archive": Column("string", "Recordings the trials are from, in the order of the trials, by commas."),
    "archive_trials": Column("string", "Number of trials from each of them: 5,3 is 5 rows, then 3."),
    "archive_repeats": Column("string", "How often each of them played the sound's name."),
    "archive_subset": Column("string", "est or val, by the published rule, in each of them."),
}
