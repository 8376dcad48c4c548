"""What a stream hands out: which rows of which row groups make an item, worked out without reading responses."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.grid.stream_files import OpenTable, TableFile

REQUESTS_AT_ONCE = 8
"""Files on the Hub whose index is read at the same time; each costs a few short requests."""


class Span(NamedTuple):
    """Rows of one stimulus in one row group: first, and behind the last."""

    group: int
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class StreamIndex:
    """The items of a stream in the order in which they are stored.

    An item is one stimulus with all its neurons in one file; its rows may lie in several consecutive row groups.
    Items that begin in the same row group form a block: they are read together.

    Parameters
    ----------
    files : tuple of TableFile
        Files of the main table.
    item_file, item_stimulus : ndarray of int32, shape (items,)
        File and stimulus of each item.
    span_begin : ndarray of int64, shape (items + 1,)
        First span of each item.
    spans : ndarray of int32, shape (spans, 3)
        As `Span`.
    """

    files: tuple[TableFile, ...]
    item_file: NDArray[np.int32]
    item_stimulus: NDArray[np.int32]
    span_begin: NDArray[np.int64]
    spans: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.item_file)

    def spans_of(self, item: int) -> list[Span]:
        """Return the rows of an item, in order."""
        return [Span(*row) for row in self.spans[self.span_begin[item] : self.span_begin[item + 1]].tolist()]

    def item_block(self) -> NDArray[np.int64]:
        """Return the block of each item, counted from 0 in the order of the items, shape (items,)."""
        if not len(self):
            return np.empty(0, np.int64)
        place = np.stack([self.item_file, self.spans[self.span_begin[:-1], 0]])
        return np.concatenate(([0], np.cumsum((place[:, 1:] != place[:, :-1]).any(axis=0))))

    def digest(self) -> str:
        """Return a hash of what the items are and where they lie within their files; not of where the files are."""
        total = hashlib.sha256("\n".join(file.name for file in self.files).encode())
        for array in (self.item_file, self.item_stimulus, self.span_begin, self.spans):
            total.update(repr(array.shape).encode() + array.tobytes())
        return total.hexdigest()


def read_index(
    files: Sequence[TableFile], stimuli: Mapping[str, int], neurons: Collection[str] | None
) -> tuple[StreamIndex, list[dict[str, Any]]]:
    """Read which stimulus is where.

    Where the statistics of a row group name its only stimulus, nothing but the end of the file is read.

    Parameters
    ----------
    files : sequence of TableFile
        Files of the main table, in order.
    stimuli : mapping of str to int
        Number of each stimulus by ``stim_id``.
    neurons : collection of str, optional
        Only stimuli that one of these neurons heard.

    Returns
    -------
    StreamIndex
        The items.
    list of dict
        What each file says about itself.

    Raises
    ------
    TableFormatError
        A file is broken, names an unknown stimulus, or has the rows of a stimulus in several places; or there are no
        rows.
    HubError
        The Hub refused or could not be reached.
    """

    def read(file: TableFile) -> tuple[list[_Item], dict[str, Any], int]:
        with OpenTable(file) as table:
            return (
                _items(table, stimuli, neurons),
                table.provenance(),
                sum(map(table.rows_of, range(table.n_row_groups))),
            )

    if files[0].path is None and len(files) > 1:
        with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
            found = list(pool.map(read, files))
    else:
        found = [read(file) for file in files]
    if not any(rows for _, _, rows in found):
        raise TableFormatError("The main table has no rows", path=str(files[0]), mend="build or download it again")
    items = [(number, *item) for number, (of_file, _, _) in enumerate(found) for item in of_file]
    counts = [len(spans) for _, _, spans in items]
    index = StreamIndex(
        tuple(files),
        np.array([number for number, _, _ in items], np.int32),
        np.array([stimulus for _, stimulus, _ in items], np.int32),
        np.concatenate(([0], np.cumsum(counts, dtype=np.int64))),
        np.array([span for _, _, spans in items for span in spans], np.int32).reshape(-1, 3),
    )
    return index, [provenance for _, provenance, _ in found]


class _Item(NamedTuple):
    stimulus: int
    spans: list[Span]


def _items(table: OpenTable, stimuli: Mapping[str, int], neurons: Collection[str] | None) -> list[_Item]:
    """Return the items of a file, in order."""
    items: list[_Item] = []
    heard: list[bool] = []
    for group, runs in enumerate(_runs_of_groups(table, neurons)):
        for name, start, stop, is_heard in runs:
            if name not in stimuli:
                raise TableFormatError(
                    "The main table names what its companion table lacks",
                    path=str(table.file),
                    field="stim_id",
                    found=name,
                )
            if items and items[-1].stimulus == stimuli[name]:  # it goes on from the row group before
                items[-1].spans.append(Span(group, start, stop))
                heard[-1] |= is_heard
            else:
                items.append(_Item(stimuli[name], [Span(group, start, stop)]))
                heard.append(is_heard)
    if len({item.stimulus for item in items}) < len(items):
        raise TableFormatError(
            "The rows of a stimulus do not stand together",
            path=str(table.file),
            field="stim_id",
            mend="build it again; deepstrf_hf.load reads rows in any order",
        )
    return [item for item, is_heard in zip(items, heard, strict=True) if is_heard]


Run = tuple[str, int, int, bool]
"""Rows of one stimulus in a row group: ``stim_id``, first row, behind the last, whether one of the neurons heard it."""


def _runs_of_groups(table: OpenTable, neurons: Collection[str] | None) -> Iterable[Iterable[Run]]:
    """Return the stimuli of each row group."""
    summary = table.summary() if neurons is None else None
    if summary is not None:
        return _runs_of_summary(table, summary)
    columns = ["stim_id"] if neurons is None else ["stim_id", "neuron_id"]
    groups = range(table.n_row_groups)
    only = [None if neurons is not None else table.only_value(group, "stim_id") for group in groups]
    table.prepare([group for group in groups if only[group] is None], columns)
    return (_runs(table, group, only[group], columns, neurons) for group in groups)


def _runs_of_summary(table: OpenTable, summary: pa.Table) -> list[list[Run]]:
    """Return the stimuli of each row group, from what the end of the file repeats.

    Raises
    ------
    TableFormatError
        It does not fit the row groups.
    """
    names, lengths = summary.column("stim_id").to_pylist(), summary.column("rows").to_pylist()
    runs = iter(zip(names, lengths, strict=True))
    groups: list[list[Run]] = []
    for group in range(table.n_row_groups):
        groups.append([])
        start = 0
        while start < table.rows_of(group):
            name, length = next(runs, ("", 0))
            if not length:
                break
            groups[-1].append((name, start, start + length, True))
            start += length
        if start != table.rows_of(group):
            raise TableFormatError(
                "The end of a file says something else than its row groups",
                path=str(table.file),
                field=f"row group {group}",
                found=f"{start} rows",
                expected=f"{table.rows_of(group)} rows",
                mend="build it again",
            )
    return groups


def _runs(
    table: OpenTable, group: int, only: str | None, columns: Sequence[str], neurons: Collection[str] | None
) -> Iterator[Run]:
    """Yield the stimuli of a row group."""
    rows = table.rows_of(group)
    if only is not None:
        yield only, 0, rows, True
        return
    if not rows:
        return
    keys = table.read(group, columns)
    codes, names = dictionary_codes(keys.column("stim_id"), table, "stim_id")
    kept = np.ones(rows, bool)
    if neurons is not None:
        neuron, known = dictionary_codes(keys.column("neuron_id"), table, "neuron_id")
        kept = np.array([name in neurons for name in known], bool)[neuron]
    starts = np.flatnonzero(np.diff(codes, prepend=-1)).tolist()
    for start, stop in zip(starts, [*starts[1:], rows], strict=True):
        yield names[codes[start]], start, stop, bool(kept[start:stop].any())


def dictionary_codes(column: pa.ChunkedArray, table: OpenTable, name: str) -> tuple[NDArray[Any], list[str]]:
    """Return a column of names as numbers, shape (rows,), and the name that each number stands for.

    Raises
    ------
    TableFormatError
        A name is absent.
    """
    if column.null_count:
        raise TableFormatError("A row lacks its name", path=str(table.file), field=name, mend="build it again")
    array = column.combine_chunks().dictionary_encode()
    codes: NDArray[Any] = np.from_dlpack(array.indices)
    return codes, array.dictionary.to_pylist()
