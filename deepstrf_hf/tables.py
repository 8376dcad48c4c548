"""The three tables of a cohort: their columns, types, and the way recordings become Arrow rows.

Main table: one row per (stimulus, neuron). Stimuli table: one row per stimulus. Neurons table: one row per neuron.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deepstrf_hf.audio import audio_bytes, audio_onset_ms
from deepstrf_hf.corpus import Cohort, Column, Corpus
from deepstrf_hf.errors import BuilderContractError
from deepstrf_hf.names import AUDIO_ONSET, NEURON_PREFIX, RECORDING_PREFIX, STIMULUS_PREFIX, TABLES
from deepstrf_hf.picture import spectrogram_png
from deepstrf_hf.recording import Neuron, Recording, Stimulus

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
        return {**{name: fixed[name] for name in names}, **stimulus_columns(corpus)}
    carried = {"waveform": ["audio"], "rows": ["spectrogram"] if stimulus == "inline" else []}[table]
    names = ["stim_id", "neuron_id", "response", *carried, "n_trials", "n_bins", "dt_ms", "signal_type", "subset"]
    return {
        **{name: fixed[name] for name in names},
        **recording_columns(corpus),
        **stimulus_columns(corpus),
        **neuron_columns(corpus),
    }


class EncodedAudio(datasets.Audio):
    """An ``Audio`` column whose values come encoded, so that torchcodec is not needed to write it."""

    def encode_example(self, value: dict[str, Any]) -> dict[str, Any]:
        """Return the bytes and path as they are."""
        return value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, datasets.Audio) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


def table_features(corpus: Corpus, cohort: Cohort, table: str, stimulus: str) -> datasets.Features:
    """Return the ``datasets.Features`` of one table (arguments as in `table_columns`)."""
    special = {
        "response": datasets.List(datasets.List(datasets.Value(cohort.response_dtype))),
        "spectrogram": datasets.List(datasets.List(datasets.Value("float32"))),
        "audio": EncodedAudio(),
        "picture": datasets.Image(),
    }
    columns = table_columns(corpus, cohort, table, stimulus)
    return datasets.Features(
        {name: special[name] if name in special else datasets.Value(column.dtype) for name, column in columns.items()}
    )


def stored_response(recording: Recording, cohort: Cohort) -> NDArray[Any]:
    """Return a recording's response in the cohort's stored type, after checking that nothing is lost by it.

    Returns
    -------
    ndarray, shape (trials, bins)
        C-contiguous, of the cohort's ``response_dtype``.

    Raises
    ------
    BuilderContractError
        Not two-dimensional, no trials, bins that differ from the spectrogram's, or values the type cannot hold.
    """
    where = f"response of {recording.neuron.neuron_id} to {recording.stimulus.stim_id}"
    response = np.asarray(recording.response)
    bins = recording.stimulus.spectrogram.shape[-1]
    if response.ndim != 2 or response.shape[0] == 0 or response.shape[1] != bins:
        raise BuilderContractError(
            "A response must be (trials, bins) on the bins of its spectrogram, with one trial at least",
            field=where,
            found=f"shape {response.shape}",
            expected=f"(>= 1, {bins})",
        )
    with np.errstate(invalid="ignore", over="ignore"):  # what does not fit is found below
        stored = np.ascontiguousarray(response, dtype=cohort.response_dtype)
    if stored.dtype.kind == "f" and np.isinf(stored).any():
        raise BuilderContractError("A response holds infinite values", field=where, mend="a missing sample is NaN")
    if stored.dtype.kind in "ui" and response.dtype != stored.dtype and not np.array_equal(stored, response):
        raise BuilderContractError(
            "Values do not fit the declared type of the response",
            field=where,
            found=f"{response.dtype} from {response.min()} to {response.max()}",
            expected=f"whole numbers within {cohort.response_dtype}",
            mend="declare a wider response_dtype on the cohort",
        )
    return stored


def stored_spectrogram(stimulus: Stimulus) -> NDArray[np.float32]:
    """Return a stimulus's spectrogram as stored, float32 (bands, bins).

    Raises
    ------
    BuilderContractError
        Not two-dimensional, empty, or not finite.
    """
    spectrogram = np.ascontiguousarray(stimulus.spectrogram, dtype=np.float32)
    if spectrogram.ndim != 2 or 0 in spectrogram.shape or not np.isfinite(spectrogram).all():
        raise BuilderContractError(
            "A spectrogram must be a finite (bands, bins) array",
            field=f"spectrogram of {stimulus.stim_id}",
            found=f"shape {spectrogram.shape}, {int((~np.isfinite(spectrogram)).sum())} values not finite",
        )
    return spectrogram


def metadata_values(item: Stimulus | Neuron | Recording, columns: Mapping[str, Column], prefix: str) -> dict[str, Any]:
    """Return the metadata of a stimulus, neuron or pair by prefixed column name, absent values as None.

    Raises
    ------
    BuilderContractError
        A key that the corpus does not declare, or an empty or ``"nan"`` text, which hides an absent value.
    """
    if isinstance(item, Recording):
        name = f"{item.neuron.neuron_id} hearing {item.stimulus.stim_id}"
    else:
        name = item.stim_id if isinstance(item, Stimulus) else item.neuron_id
    undeclared = [key for key in item.metadata if prefix + key not in columns]
    if undeclared:
        raise BuilderContractError(
            f"Metadata of {name} has keys that the corpus does not declare", field=", ".join(undeclared)
        )
    values = {}
    for column in columns:
        value = item.metadata.get(column.removeprefix(prefix))
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, float) and math.isnan(value):
            value = None
        if isinstance(value, str) and value.strip().lower() in ("", "nan"):
            raise BuilderContractError(
                f"An absent value of {name} must be None", field=column, found=repr(value), expected="None"
            )
        values[column] = value
    return values


def _nested_list(values: NDArray[Any], shapes: Sequence[tuple[int, int]], kind: pa.DataType) -> pa.ListArray:
    """Nest flat values into one list of lists per shape, without a Python loop over values."""
    inner_counts = np.fromiter((rows for rows, _ in shapes), np.int32, len(shapes))
    inner_lengths = np.repeat(np.fromiter((length for _, length in shapes), np.int32, len(shapes)), inner_counts)
    outer = np.concatenate(([0], np.cumsum(inner_counts))).astype(np.int32)
    inner = np.concatenate(([0], np.cumsum(inner_lengths))).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(inner), pa.array(values))
    return pa.ListArray.from_arrays(pa.array(outer), lists).cast(kind)


class RowEncoder:
    """Turns stimuli, neurons and recordings into Arrow rows of one cohort's tables.

    Parameters
    ----------
    corpus, cohort : Corpus, Cohort
        Declarations.
    dt_ms : float
        Bin width, ms.
    stimulus : str
        ``"inline"`` or ``"reference"``.
    """

    def __init__(self, corpus: Corpus, cohort: Cohort, dt_ms: float, stimulus: str) -> None:
        self.cohort, self.dt_ms = cohort, dt_ms
        self.features = {table: table_features(corpus, cohort, table, stimulus) for table in TABLES}
        self.schemas: dict[str, pa.Schema] = {table: self.features[table].arrow_schema for table in TABLES}
        self._stimulus_columns = {STIMULUS_PREFIX + name: column for name, column in corpus.stimulus_columns.items()}
        self._neuron_columns = neuron_columns(corpus)
        self._recording_columns = recording_columns(corpus)
        self._encoded: tuple[Stimulus | None, dict[str, Any]] = (None, {})

    def stimulus_values(self, stimulus: Stimulus) -> dict[str, Any]:
        """Return the row of the stimuli table, its parts encoded once per stimulus object."""
        if self._encoded[0] is not stimulus:
            spectrogram = stored_spectrogram(stimulus)
            values = metadata_values(stimulus, self._stimulus_columns, STIMULUS_PREFIX)
            values["stim_sample_rate_hz"] = stimulus.sample_rate_hz
            values[AUDIO_ONSET] = audio_onset_ms(stimulus)
            values |= {
                "stim_id": stimulus.stim_id,
                "spectrogram": spectrogram,
                "audio": audio_bytes(stimulus),
                "picture": {"bytes": spectrogram_png(spectrogram), "path": f"{stimulus.stim_id}.png"},
                "n_bins": spectrogram.shape[1],
                "dt_ms": self.dt_ms,
                "subset": self.cohort.splits.split_of(stimulus.stim_id),
            }
            self._encoded = (stimulus, values)
        return self._encoded[1]

    def row_values(self, recording: Recording, table: str) -> dict[str, Any]:
        """Return one row of the main table (``"rows"`` or ``"waveform"``) as plain values; the response as stored."""
        values = {
            **self.stimulus_values(recording.stimulus),
            **metadata_values(recording.neuron, self._neuron_columns, NEURON_PREFIX),
            **metadata_values(recording, self._recording_columns, RECORDING_PREFIX),
            "neuron_id": recording.neuron.neuron_id,
            "response": recording.response,
            "n_trials": len(recording.response),
            "signal_type": self.cohort.signal_type,
        }
        return {name: values[name] for name in self.features[table]}

    def rows(self, recordings: Sequence[Recording], table: str) -> pa.Table:
        """Return the rows of one stimulus, in the order given.

        Parameters
        ----------
        recordings : sequence of Recording
            All of one and the same stimulus object, responses in the cohort's stored type.
        table : str
            ``"rows"`` or ``"waveform"``.

        Returns
        -------
        pyarrow.Table
            One row per recording.
        """
        schema = self.schemas[table]
        responses = [recording.response for recording in recordings]
        once = self.stimulus_values(recordings[0].stimulus)
        of_pairs = [
            {
                **metadata_values(recording.neuron, self._neuron_columns, NEURON_PREFIX),
                **metadata_values(recording, self._recording_columns, RECORDING_PREFIX),
            }
            for recording in recordings
        ]
        repeat = pa.array(np.zeros(len(recordings), np.int64))
        columns = []
        for column in schema:
            if column.name == "response":
                flat = np.concatenate([response.ravel() for response in responses])
                columns.append(_nested_list(flat, [response.shape for response in responses], column.type))
            elif column.name == "neuron_id":
                columns.append(pa.array([recording.neuron.neuron_id for recording in recordings], column.type))
            elif column.name == "n_trials":
                columns.append(pa.array([len(response) for response in responses], column.type))
            elif column.name == "signal_type":
                columns.append(pa.array([self.cohort.signal_type], column.type).take(repeat))
            elif column.name in of_pairs[0]:
                columns.append(pa.array([values[column.name] for values in of_pairs], column.type))
            else:
                columns.append(self._single(once, column).take(repeat))
        return pa.Table.from_arrays(columns, schema=schema)

    def stimulus_row(self, stimulus: Stimulus) -> pa.Table:
        """Return the one-row table of a stimulus for the stimuli table."""
        values, schema = self.stimulus_values(stimulus), self.schemas["stimuli"]
        return pa.Table.from_arrays([self._single(values, column) for column in schema], schema=schema)

    def neuron_rows(self, neurons: Iterable[tuple[Neuron, Mapping[str, Any]]]) -> pa.Table:
        """Return the neurons table from neurons and their coverage and quality columns."""
        rows = [
            {
                "neuron_id": neuron.neuron_id,
                **metadata_values(neuron, self._neuron_columns, NEURON_PREFIX),
                **coverage,
            }
            for neuron, coverage in neurons
        ]
        return pa.Table.from_pylist(rows, schema=self.schemas["neurons"])

    @staticmethod
    def _single(values: Mapping[str, Any], column: pa.Field) -> pa.Array:
        value = values[column.name]
        if column.name == "spectrogram":
            return _nested_list(value.ravel(), [value.shape], column.type)
        return pa.array([value], column.type)
