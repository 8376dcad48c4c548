"""What the pictures of a card are drawn from: only the columns and row groups that they show are read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.parquet import column_batches, read_provenance, require_columns, row_groups, table_errors
from deepstrf_hf.responses.quality import ResponseQuality

NEURON_COLUMNS = ["neuron_id", "n_stimuli", "n_trials", "snr", "ccmax"]
PAIR_COLUMNS = ["stim_id", "neuron_id", "n_trials", "n_bins", "subset"]
MOST_COMPARED = 6
"""Responses of equally many trials that are looked at for the clearest one."""
MOST_COMPARED_BYTES = 48 * 2**20
"""Unfolded size of the responses decoded for that: a row group is decoded up to the row wanted."""


@dataclass(frozen=True)
class CohortFiles:
    """Parquet files of the three tables of a cohort.

    Parameters
    ----------
    rows, stimuli, neurons : list of Path
        In order.
    """

    rows: list[Path]
    stimuli: list[Path]
    neurons: list[Path]


@dataclass(frozen=True)
class Place:
    """Where a row is: file, row group, and row in it."""

    path: Path
    group: int
    row: int


@dataclass(frozen=True)
class Pair:
    """One row of the chosen neuron, without its response.

    Parameters
    ----------
    stim_id : str
        What it heard.
    n_trials, n_bins : int
        Shape of the response.
    subset : str or None
        The lab's word for the division it belongs to.
    place : Place
        Where the row is.
    response_bytes : int
        Unfolded size of the responses of its row group.
    """

    stim_id: str
    n_trials: int
    n_bins: int
    subset: str | None
    place: Place
    response_bytes: int


@dataclass(frozen=True)
class Unit:
    """One neuron's response to one stimulus.

    Parameters
    ----------
    neuron_id, stim_id : str
        Whose, and to what.
    snr : float or None
        Signal-to-noise ratio of the neuron over all its stimuli.
    response : ndarray of float64, shape (trials, bins)
        NaN where a sample is missing.
    spectrogram : ndarray of float32, shape (bands, bins)
        As stored.
    """

    neuron_id: str
    stim_id: str
    snr: float | None
    response: NDArray[np.float64]
    spectrogram: NDArray[np.float32]


def read_neurons(files: CohortFiles) -> pa.Table:
    """Read names, coverage and quality of all neurons of a cohort (errors as in `row_groups`)."""
    return pa.concat_tables(list(row_groups(files.neurons, NEURON_COLUMNS)))


def stimulus_places(files: CohortFiles) -> dict[str, Place]:
    """Return where each stimulus is, in the order of the table (errors as in `row_groups`)."""
    places: dict[str, Place] = {}
    for path in files.stimuli:
        with table_errors(path), pq.ParquetFile(path, pre_buffer=False) as file:
            require_columns(file, path, ["stim_id"])
            for group in range(file.num_row_groups):
                names = file.read_row_group(group, columns=["stim_id"]).column("stim_id").to_pylist()
                for row, name in enumerate(names):
                    places.setdefault(name, Place(path, group, row))
    return places


@dataclass(frozen=True)
class PairBlock:
    """The pairs of one row group.

    Parameters
    ----------
    stimuli, neurons : ndarray of int64, shape (rows,)
        Positions in their tables.
    n_trials : ndarray of int64, shape (rows,)
        Trials of each pair.
    of_unit : list of Pair
        Those of the chosen neuron.
    """

    stimuli: NDArray[np.int64]
    neurons: NDArray[np.int64]
    n_trials: NDArray[np.int64]
    of_unit: list[Pair]


class _Positions:
    """Positions of names in a table; those of the dictionary of the row group before are mostly the same."""

    def __init__(self, names: Sequence[str], table: str) -> None:
        self._names, self._table = pa.array(names, pa.string()), table
        self._known: pa.Array | None = None
        self._places: NDArray[np.int64] = np.zeros(0, np.int64)

    def of(self, column: pa.ChunkedArray, path: Path) -> NDArray[np.int64]:
        pieces = [np.zeros(0, np.int64)]
        for chunk in column.chunks:
            names = chunk.dictionary
            if chunk.null_count or names.null_count:
                raise TableFormatError("A row lacks a name", path=path, field=self._table, mend="build it again")
            if self._known is None or not names.equals(self._known):
                places = pc.index_in(names.cast(pa.string()), value_set=self._names)
                if places.null_count:
                    lost = names.filter(places.is_null())[0].as_py()
                    raise TableFormatError(
                        f"A row names what is not in the table of {self._table}",
                        path=path,
                        found=lost,
                        mend="build it again",
                    )
                self._known, self._places = names, np.asarray(places.to_numpy(zero_copy_only=False), np.int64)
            pieces.append(self._places[chunk.indices.to_numpy(zero_copy_only=False)])
        return np.concatenate(pieces)


def pair_blocks(
    files: CohortFiles, stim_ids: Sequence[str], neuron_ids: Sequence[str], unit: int
) -> Iterator[PairBlock]:
    """Read who heard what, row group by row group.

    Parameters
    ----------
    files : CohortFiles
        Where.
    stim_ids, neuron_ids : sequence of str
        Names in the order of their tables.
    unit : int
        Position of the neuron whose rows are told in detail.

    Raises
    ------
    TableFormatError
        A file is broken, or names a stimulus or neuron that its table lacks.
    """
    stimuli, neurons = _Positions(stim_ids, "stimuli"), _Positions(neuron_ids, "neurons")
    for path in files.rows:
        with table_errors(path), pq.ParquetFile(path, read_dictionary=PAIR_COLUMNS[:2], pre_buffer=False) as file:
            require_columns(file, path, [*PAIR_COLUMNS, "response"])
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=PAIR_COLUMNS, use_threads=False)
                of_neurons = neurons.of(table.column("neuron_id"), path)
                mine = np.flatnonzero(of_neurons == unit)
                size = _unfolded(file.metadata.row_group(group), "response") if len(mine) else 0
                yield PairBlock(
                    stimuli.of(table.column("stim_id"), path),
                    of_neurons,
                    np.asarray(table.column("n_trials").to_numpy(), np.int64),
                    [
                        Pair(**fields, place=Place(path, group, int(row)), response_bytes=size)
                        for row, fields in zip(
                            mine, table.take(pa.array(mine)).drop_columns("neuron_id").to_pylist(), strict=True
                        )
                    ],
                )


def _unfolded(group: Any, column: str) -> int:
    columns = (group.column(index) for index in range(group.num_columns))
    return sum(part.total_uncompressed_size for part in columns if part.path_in_schema.split(".")[0] == column)


def choose_neuron(neurons: pa.Table) -> int:
    """Return the position of the neuron of highest signal-to-noise ratio; of most trials where there is none."""
    snr = finite(neurons, "snr")
    return int(np.nanargmax(snr)) if np.isfinite(snr).any() else int(np.argmax(finite(neurons, "n_trials")))


def finite(table: pa.Table, column: str) -> NDArray[np.float64]:
    """Return a column of numbers as float64, NaN where there is none, shape (rows,)."""
    values = np.array(table.column(column).cast(pa.float64()).fill_null(math.nan).to_numpy(), np.float64)
    values[~np.isfinite(values)] = math.nan
    return values


def read_unit(neuron: dict[str, Any], pairs: Sequence[Pair], places: dict[str, Place]) -> Unit:
    """Read the clearest of a neuron's responses of most trials, and its stimulus.

    Parameters
    ----------
    neuron : dict
        Row of the neurons table.
    pairs : sequence of Pair
        What it heard.
    places : dict of str to Place
        Where stimuli are.

    Raises
    ------
    TableFormatError
        A file is broken, or has no row of the neuron.
    """
    if not pairs:
        raise TableFormatError(
            "A neuron of the neurons table is in no row", found=neuron["neuron_id"], mend="build it again"
        )
    most = max(pair.n_trials for pair in pairs)
    repeated = sorted((pair for pair in pairs if pair.n_trials == most), key=lambda pair: pair.subset != "test")
    chosen, response, highest, budget = repeated[0], None, -math.inf, MOST_COMPARED_BYTES
    for number, pair in enumerate(repeated[:MOST_COMPARED]):
        budget -= pair.response_bytes
        if number and budget < 0:
            break
        candidate = np.array(_cell(pair.place, "response"), np.float64).reshape(pair.n_trials, pair.n_bins)
        clarity = _clarity(candidate)
        if response is None or clarity > highest:
            chosen, response, highest = pair, candidate, clarity
    spectrogram = np.array(_cell(places[chosen.stim_id], "spectrogram"), np.float32)
    snr = neuron["snr"]
    known = snr is not None and math.isfinite(snr)
    return Unit(neuron["neuron_id"], chosen.stim_id, snr if known else None, np.asarray(response), spectrogram)


def _clarity(response: NDArray[np.float64]) -> float:
    """Return the signal power of a response; the variance of a single trial."""
    quality = ResponseQuality()
    quality.add(response)
    if quality.weight:
        return quality.signal_power_sum / quality.weight
    present = response[np.isfinite(response)]
    return float(present.var()) if len(response) == 1 and present.size else -math.inf


def _cell(place: Place, column: str) -> Any:
    """Return one value of a nested column; rows are decoded a few at a time, up to the one wanted."""
    before = 0
    for batch in column_batches(place.path, place.group, column):
        if place.row < before + len(batch):
            return batch[place.row - before].as_py()
        before += len(batch)
    raise TableFormatError("A row group ends early", path=place.path, field=column, mend="build or download it again")


def read_facts(files: CohortFiles) -> dict[str, Any]:
    """Return what the files say about the cohort: units, bin width, frequencies (errors as in `read_provenance`)."""
    return read_provenance(files.rows[0])
