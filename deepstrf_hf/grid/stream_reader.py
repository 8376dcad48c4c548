"""Items of a stream from row groups: only the columns and rows asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.grid.description import GridDescription
from deepstrf_hf.grid.steps import ResponsePreprocessing, StimulusPreprocessing
from deepstrf_hf.grid.storage import PackedGrid
from deepstrf_hf.grid.stream_files import OpenTable
from deepstrf_hf.grid.stream_index import StreamIndex, dictionary_codes
from deepstrf_hf.grid.stream_stimuli import StimulusReader, StimulusTable
from deepstrf_hf.parquet import as_numpy

OPEN_FILES = 8
"""Files that stay open: reading the end of a file again costs as much as a small row group."""
BATCH_VALUES = 2**18
"""Values decoded at a time: what decoding needs in between is several times as large as they are."""
SHAPES = ("neuron_id", "n_trials", "n_bins")


@dataclass(frozen=True, eq=False)
class StreamContent:
    """All that is known of a stream before responses are read; can be sent to other processes.

    Parameters
    ----------
    index : StreamIndex
        Its items.
    stimuli : StimulusTable
        Its stimuli.
    neuron_place : mapping of str to int
        Place of each neuron of the cohort among those that are kept, -1 for the others.
    nrn_meta : list of dict
        Metadata of the neurons that are kept.
    description : GridDescription
        Bin width and the like.
    for_stimuli : StimulusPreprocessing
        What is done to spectrograms.
    for_responses : ResponsePreprocessing
        What is done to responses, for the neurons that are kept.
    """

    index: StreamIndex
    stimuli: StimulusTable
    neuron_place: Mapping[str, int]
    nrn_meta: list[dict[str, Any]]
    description: GridDescription
    for_stimuli: StimulusPreprocessing
    for_responses: ResponsePreprocessing


class StreamItem(NamedTuple):
    """One item: its stimulus, and a grid of that stimulus alone."""

    stimulus: NDArray[np.float32]
    grid: PackedGrid
    stim_meta: dict[str, Any]


class _Rows(NamedTuple):
    """Shapes of the rows of a row group; `place` is -1 for neurons that are not kept."""

    place: NDArray[np.int64]
    trials: NDArray[np.int64]
    bins: NDArray[np.int64]


class _Piece(NamedTuple):
    """Responses of the kept neurons in one span."""

    rows: _Rows
    values: NDArray[Any]


class ItemReader:
    """Reads items; belongs to one process and one thread.

    Parameters
    ----------
    content : StreamContent
        What there is.
    """

    def __init__(self, content: StreamContent) -> None:
        self._content = content
        self._stimuli = StimulusReader(content.stimuli, content.description, content.for_stimuli)
        self._open: OrderedDict[int, OpenTable] = OrderedDict()

    def read(self, items: Sequence[int]) -> dict[int, StreamItem]:
        """Read items of one block; row groups they share are read once.

        Parameters
        ----------
        items : sequence of int
            Items of one file.

        Raises
        ------
        TableFormatError
            A file is broken, or states shapes that responses do not have.
        GridError
            Responses or stimuli that do not fit together.
        HubError
            The Hub refused or could not be reached.
        """
        index = self._content.index
        by_group: dict[int, list[tuple[int, int, int]]] = {}
        for item in sorted(items):
            for span in index.spans_of(item):
                by_group.setdefault(span.group, []).append((item, span.start, span.stop))
        table = self._table(int(index.item_file[items[0]]))
        pieces: dict[int, list[_Piece]] = {item: [] for item in items}
        for group, spans in sorted(by_group.items()):
            for (item, *_), piece in zip(spans, self._read_group(table, group, spans), strict=True):
                pieces[item].append(piece)
        return {item: self._item(item, of_item) for item, of_item in pieces.items()}

    def close(self) -> None:
        """Close all files."""
        self._stimuli.close()
        while self._open:
            self._open.popitem()[1].close()

    def _table(self, number: int) -> OpenTable:
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        while len(self._open) >= OPEN_FILES:
            self._open.popitem(last=False)[1].close()
        self._open[number] = OpenTable(self._content.index.files[number])
        return self._open[number]

    def _read_group(self, table: OpenTable, group: int, spans: Sequence[tuple[int, int, int]]) -> list[_Piece]:
        """Read some spans of a row group."""
        table.require((*SHAPES, "response"))
        table.prepare([group], (*SHAPES, "response"))
        rows = self._shapes(table, group)
        sizes = rows.trials * rows.bins
        begin = np.concatenate(([0], np.cumsum(sizes)))
        pieces, filled = [], [0] * len(spans)
        for _, start, stop in spans:
            kept = start + np.flatnonzero(rows.place[start:stop] >= 0)
            values = np.empty(int(sizes[kept].sum()), _value_type(table))
            pieces.append(_Piece(_Rows(*(column[kept] for column in rows)), values))
        at_a_time = max(1, int(BATCH_VALUES * len(sizes) // max(1, begin[-1])))
        row, number = 0, 0
        for batch in table.batches(group, "response", at_a_time):
            last = row + len(batch)
            flat = None
            while number < len(spans) and spans[number][1] < last:
                if flat is None:
                    flat = _checked(batch, rows.trials[row:last], rows.bins[row:last], table)
                _, start, stop = spans[number]
                here = slice(max(start, row), min(stop, last))
                values = flat[begin[here.start] - begin[row] : begin[here.stop] - begin[row]]
                is_kept = rows.place[here] >= 0
                if not is_kept.all():
                    values = values[np.repeat(is_kept, sizes[here])]
                pieces[number].values[filled[number] : filled[number] + len(values)] = values
                filled[number] += len(values)
                if stop > last:
                    break
                number += 1
            row = last
            if number == len(spans):
                break
        return pieces

    def _shapes(self, table: OpenTable, group: int) -> _Rows:
        columns = table.read(group, SHAPES)
        codes, names = dictionary_codes(columns.column("neuron_id"), table, "neuron_id")
        places = self._content.neuron_place
        unknown = [name for name in names if name not in places]
        if unknown:
            raise TableFormatError(
                "The main table names what its companion table lacks",
                path=str(table.file),
                field="neuron_id",
                found=unknown[0],
            )
        trials, bins = (as_numpy(columns.column(name)).astype(np.int64) for name in SHAPES[1:])
        if len(names) and (trials.min() < 0 or bins.min() < 0):
            raise _misshapen(table)
        return _Rows(np.array([places[name] for name in names], np.int64)[codes], trials, bins)

    def _item(self, item: int, pieces: Sequence[_Piece]) -> StreamItem:
        """Put the pieces of an item together."""
        content = self._content
        stimulus = int(content.index.item_stimulus[item])
        place, trials, bins = (
            np.concatenate(columns) for columns in zip(*(piece.rows for piece in pieces), strict=True)
        )
        values = pieces[0].values if len(pieces) == 1 else np.concatenate([piece.values for piece in pieces])
        grid = PackedGrid.from_pairs(
            values,
            np.zeros(len(place), np.int64),
            place,
            trials,
            bins,
            n_stimuli=1,
            n_neurons=len(content.nrn_meta),
            dt_ms=content.description.dt_ms,
            steps=content.for_responses.of(content.stimuli.meta[stimulus].get("subset")),
        )
        array = self._stimuli.read(stimulus, int(grid.bins[0]))
        return StreamItem(array, grid, dict(content.stimuli.meta[stimulus]))


def _value_type(table: OpenTable) -> np.dtype[Any]:
    """Return the type of a stored value of a response.

    Raises
    ------
    TableFormatError
        Responses are not lists of lists of numbers.
    """
    kind = table.schema.field("response").type
    depth = 0
    while pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind, depth = kind.value_type, depth + 1
    if depth != 2 or not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise TableFormatError(
            "Responses are not lists of trials of numbers",
            path=str(table.file),
            field="response",
            found=table.schema.field("response").type,
            mend="build or download it again",
        )
    return np.dtype(kind.to_pandas_dtype())


def _checked(array: pa.ListArray, trials: NDArray[np.int64], bins: NDArray[np.int64], table: OpenTable) -> NDArray[Any]:
    """Return the values of some rows, after checking that they have the shapes stated."""
    of_trials = array.flatten()
    values = of_trials.flatten()
    as_stated = (
        not (array.null_count or of_trials.null_count or values.null_count)
        and np.array_equal(as_numpy(array.value_lengths()), trials)
        and np.array_equal(as_numpy(of_trials.value_lengths()), np.repeat(bins, trials))
    )
    if not as_stated:
        raise _misshapen(table)
    return as_numpy(values)


def _misshapen(table: OpenTable) -> TableFormatError:
    return TableFormatError(
        "Responses do not have the trials and bins that their rows state",
        path=str(table.file),
        field="response",
        mend="build or download it again",
    )
