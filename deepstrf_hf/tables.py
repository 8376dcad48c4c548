"""The three tables of a cohort: their types, and the way recordings become Arrow rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deepstrf_hf.audio import audio_bytes, audio_onset_ms
from deepstrf_hf.columns import neuron_columns, range_columns, recording_columns, table_columns
from deepstrf_hf.corpus import Cohort, Corpus
from deepstrf_hf.features.compression import COMPRESSIONS
from deepstrf_hf.names import AUDIO_ONSET, NEURON_PREFIX, RECORDING_PREFIX, STIMULUS_PREFIX, TABLES
from deepstrf_hf.picture import spectrogram_png
from deepstrf_hf.recording import Neuron, Recording, Stimulus
from deepstrf_hf.stored_values import metadata_values, range_values, stored_spectrogram


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
        **dict.fromkeys(range_columns(cohort), datasets.List(datasets.Value("float32"))),
    }
    columns = table_columns(corpus, cohort, table, stimulus)
    return datasets.Features(
        {name: special[name] if name in special else datasets.Value(column.dtype) for name, column in columns.items()}
    )


def _nested_list(values: NDArray[Any], shapes: Sequence[tuple[int, int]], kind: pa.DataType) -> pa.ListArray:
    """Nest flat values into one list of lists per shape, without a Python loop over values."""
    inner_counts = np.fromiter((rows for rows, _ in shapes), np.int32, len(shapes))
    inner_lengths = np.repeat(np.fromiter((length for _, length in shapes), np.int32, len(shapes)), inner_counts)
    outer = np.concatenate(([0], np.cumsum(inner_counts))).astype(np.int32)
    inner = np.concatenate(([0], np.cumsum(inner_lengths))).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(inner), pa.array(values))
    return pa.ListArray.from_arrays(pa.array(outer), lists).cast(kind)


class _Encoded(dict[str, Any]):
    """Values by column, some of which are made when they are asked for."""

    def __init__(self, values: Mapping[str, Any], encode: Mapping[str, Callable[[], Any]]) -> None:
        super().__init__(values)
        self._encode = encode

    def __missing__(self, name: str) -> Any:
        self[name] = self._encode[name]()
        return self[name]


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
    audio : bool
        Whether waveforms are stored; False leaves their columns empty.
    """

    def __init__(self, corpus: Corpus, cohort: Cohort, dt_ms: float, stimulus: str, audio: bool = True) -> None:
        self.cohort, self.dt_ms, self._audio = cohort, dt_ms, audio
        self.features = {table: table_features(corpus, cohort, table, stimulus) for table in TABLES}
        self.schemas: dict[str, pa.Schema] = {table: self.features[table].arrow_schema for table in TABLES}
        self._stimulus_columns = {STIMULUS_PREFIX + name: column for name, column in corpus.stimulus_columns.items()}
        self._neuron_columns = neuron_columns(corpus)
        self._recording_columns = recording_columns(corpus)
        self._encoded: tuple[Stimulus | None, Mapping[str, Any]] = (None, {})
        self._encoded_neurons: tuple[list[Neuron], dict[str, pa.Array]] = ([], {})

    def stimulus_values(self, stimulus: Stimulus) -> Mapping[str, Any]:
        """Return the row of the stimuli table; sound and picture are encoded when asked for, once while in use."""
        if self._encoded[0] is not stimulus:
            spectrogram = stored_spectrogram(stimulus)
            values = metadata_values(stimulus, self._stimulus_columns, STIMULUS_PREFIX)
            values["stim_sample_rate_hz"] = stimulus.sample_rate_hz if self._audio else None
            values[AUDIO_ONSET] = audio_onset_ms(stimulus) if self._audio else None
            values |= {
                "stim_id": stimulus.stim_id,
                "spectrogram": spectrogram,
                "n_bins": spectrogram.shape[1],
                "dt_ms": self.dt_ms,
                "subset": self.cohort.splits.subset_of(stimulus),
                **range_values(stimulus, self.cohort),
            }
            encode = {"audio": lambda: self._sound(stimulus), "picture": lambda: self._picture(stimulus)}
            self._encoded = (stimulus, _Encoded(values, encode))
        return self._encoded[1]

    def _sound(self, stimulus: Stimulus) -> dict[str, Any] | None:
        return audio_bytes(stimulus) if self._audio else None

    def _picture(self, stimulus: Stimulus) -> dict[str, Any]:
        shown = self._shown(stored_spectrogram(stimulus))
        return {"bytes": spectrogram_png(shown), "path": f"{stimulus.stim_id}.png"}

    def _shown(self, spectrogram: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a spectrogram as papers show it: a linear one compressed as they compress it."""
        for step in self.cohort.preprocessing:
            if isinstance(step, COMPRESSIONS):
                spectrogram = step.apply(spectrogram)
        return spectrogram

    def row_values(self, recording: Recording, table: str) -> dict[str, Any]:
        """Return one row of the main table (``"rows"`` or ``"waveform"``) as plain values; the response as stored."""
        once = self.stimulus_values(recording.stimulus)
        values = {
            **metadata_values(recording.neuron, self._neuron_columns, NEURON_PREFIX),
            **metadata_values(recording, self._recording_columns, RECORDING_PREFIX),
            "neuron_id": recording.neuron.neuron_id,
            "response": recording.response,
            "n_trials": len(recording.response),
            "signal_type": self.cohort.signal_type,
        }
        values["subset"] = recording.subset or once["subset"]
        return {name: values[name] if name in values else once[name] for name in self.features[table]}

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
        of_neurons = self._of_neurons([recording.neuron for recording in recordings], schema)
        of_pairs = [
            metadata_values(recording, self._recording_columns, RECORDING_PREFIX)
            for recording in recordings
            if self._recording_columns or recording.metadata
        ]
        n_rows = len(recordings)
        columns = []
        for column in schema:
            if column.name == "response":
                flat = np.concatenate([response.ravel() for response in responses])
                columns.append(_nested_list(flat, [response.shape for response in responses], column.type))
            elif column.name in of_neurons:
                columns.append(of_neurons[column.name])
            elif column.name == "n_trials":
                columns.append(pa.array([len(response) for response in responses], column.type))
            elif column.name == "subset":
                words = [recording.subset or once["subset"] for recording in recordings]
                columns.append(pa.array(words, column.type))
            elif column.name == "signal_type":
                columns.append(pa.repeat(pa.scalar(self.cohort.signal_type, column.type), n_rows))
            elif column.name in self._recording_columns:
                columns.append(pa.array([values[column.name] for values in of_pairs], column.type))
            else:
                columns.append(pa.repeat(self._single(once, column)[0], n_rows))
        return pa.Table.from_arrays(columns, schema=schema)

    def _of_neurons(self, neurons: list[Neuron], schema: pa.Schema) -> dict[str, pa.Array]:
        """Return the columns of neurons; those of the stimulus before are mostly the same, and encoded once."""
        known, columns = self._encoded_neurons
        if len(known) != len(neurons) or any(one is not other for one, other in zip(known, neurons, strict=True)):
            values = [metadata_values(neuron, self._neuron_columns, NEURON_PREFIX) for neuron in neurons]
            columns = {
                name: pa.array([entry[name] for entry in values], schema.field(name).type)
                for name in self._neuron_columns
            }
            columns["neuron_id"] = pa.array([neuron.neuron_id for neuron in neurons], schema.field("neuron_id").type)
            self._encoded_neurons = neurons, columns
        return columns

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
