"""The columns of the three tables of a cohort: names, types, meanings.

Main table: one row per (stimulus, neuron). Stimuli table: one row per stimulus. Neurons table: one row per neuron.
"""

from __future__ import annotations

from collections.abc import Mapping

from deepstrf_hf.corpus import Cohort, Column, Corpus
from deepstrf_hf.errors import BuilderContractError
from deepstrf_hf.names import AUDIO_ONSET, BAND_MAX, BAND_MIN, NEURON_PREFIX, RECORDING_PREFIX, STIMULUS_PREFIX

SAMPLE_RATE = Column("float64", "True sampling rate of the waveform; need not be an integer.", "Hz")
AUDIO_ONSET_MS = Column("float64", "When the waveform begins after the first bin does; null without a waveform.", "ms")

FIXED_COLUMNS: Mapping[str, Column] = {
    "stim_id": Column("string", "Stable name of the stimulus."),
    "neuron_id": Column("string", "Stable name of the neuron."),
    "response": Column("list", "Response, one list per trial (repeat), one value per bin."),
    "spectrogram": Column("list", "Stimulus spectrogram, one list per frequency band, lowest band first."),
    "audio": Column("audio", "Stimulus waveform, lossless (FLAC or 32-bit float WAV)."),
    "picture": Column("image", "Picture of the spectrogram: time to the right, frequency upwards, dark is loud."),
    "n_trials": Column("int32", "Trials in the response; in the neurons table, over all its stimuli."),
    "n_bins": Column("int32", "Time bins of the response and of the spectrogram."),
    "dt_ms": Column("float64", "Bin width.", "ms"),
    "signal_type": Column("string", "What was recorded: spikes, subthreshold or eeg."),
    "subset": Column("string", "The lab's own word for the division the row belongs to."),
}
COVERAGE_COLUMNS: Mapping[str, Column] = {
    "n_stimuli": Column("int32", "Stimuli the neuron heard."),
    "n_trials": Column("int32", "Trials over all stimuli."),
    "mean_response": Column("float64", "Mean over all stimuli, trials and bins.", "response unit"),
    "response_min": Column("float64", "Smallest value over all stimuli, trials and bins.", "response unit"),
    "response_max": Column("float64", "Largest value over all stimuli, trials and bins.", "response unit"),
    "signal_power": Column("float64", "Power of the repeatable part of the response.", "response unit squared"),
    "noise_power": Column("float64", "Power of the trial-to-trial variability.", "response unit squared"),
    "snr": Column("float64", "Signal power over noise power."),
    "ccmax": Column("float64", "Best correlation a perfect model could reach with the trial mean."),
}


def refuse_reserved_columns(corpus: Corpus) -> None:
    """Refuse metadata columns that would have the name of another column once their prefix is stripped.

    Raises
    ------
    BuilderContractError
        Naming the columns.
    """
    reserved = {"id", "sample_rate_hz", "audio_onset_ms", *FIXED_COLUMNS, *COVERAGE_COLUMNS}
    taken = sorted(reserved & {*corpus.stimulus_columns, *corpus.neuron_columns})
    if taken:
        raise BuilderContractError(
            f"{corpus.name} declares columns under names that every corpus has",
            field=", ".join(taken),
            mend="give them names of their own, for example lab_snr",
        )


def stimulus_columns(corpus: Corpus) -> dict[str, Column]:
    """Return the stimulus metadata columns of a corpus, by their prefixed names."""
    columns = {STIMULUS_PREFIX + name: column for name, column in corpus.stimulus_columns.items()}
    return {**columns, STIMULUS_PREFIX + "sample_rate_hz": SAMPLE_RATE, AUDIO_ONSET: AUDIO_ONSET_MS}


def neuron_columns(corpus: Corpus) -> dict[str, Column]:
    """Return the neuron metadata columns of a corpus, by their prefixed names."""
    return {NEURON_PREFIX + name: column for name, column in corpus.neuron_columns.items()}


def recording_columns(corpus: Corpus) -> dict[str, Column]:
    """Return the columns of single pairs of a corpus, by their prefixed names."""
    return {RECORDING_PREFIX + name: column for name, column in corpus.recording_columns.items()}


def range_columns(cohort: Cohort) -> dict[str, Column]:
    """Return the columns of the stimuli table that hold ranges of bands, by name."""
    return {
        beginning + name: Column("list", f"{which} value of each band over {over}.", "spectrogram unit")
        for name, over in cohort.band_ranges.items()
        for beginning, which in ((BAND_MIN, "Smallest"), (BAND_MAX, "Largest"))
    }


def table_columns(corpus: Corpus, cohort: Cohort, table: str, stimulus: str) -> dict[str, Column]:
    """List the columns of one table, in order.

    Parameters
    ----------
    corpus, cohort : Corpus, Cohort
        Declarations.
    table : str
        One of ``TABLES``.
    stimulus : str
        ``"inline"`` or ``"reference"``: whether the main table carries the spectrogram.

    Returns
    -------
    dict of str to Column
        Name and meaning of each column.
    """
    fixed = dict(FIXED_COLUMNS)
    if table == "neurons":
        return {"neuron_id": fixed["neuron_id"], **neuron_columns(corpus), **COVERAGE_COLUMNS}
    if table == "stimuli":
        names = ["stim_id", "spectrogram", "audio", "picture", "n_bins", "dt_ms", "subset"]
        return {**{name: fixed[name] for name in names}, **range_columns(cohort), **stimulus_columns(corpus)}
    carried = {"waveform": ["audio"], "rows": ["spectrogram"] if stimulus == "inline" else []}[table]
    names = ["stim_id", "neuron_id", "response", *carried, "n_trials", "n_bins", "dt_ms", "signal_type", "subset"]
    return {
        **{name: fixed[name] for name in names},
        **recording_columns(corpus),
        **{name: column for name, column in stimulus_columns(corpus).items() if not column.large},
        **neuron_columns(corpus),
    }
