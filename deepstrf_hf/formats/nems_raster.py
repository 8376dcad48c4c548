"""Rasterised signals of NEMS recordings: text of one line per time bin and one column per channel, up to gigabytes.

The text is parsed block by block while it is decompressed; only the result and one block are held.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import DTypeLike, NDArray

from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.formats.nems_container import MemberStream
from deepstrf_hf.formats.nems_fixed_width import parse_fixed_width
from deepstrf_hf.formats.nems_signal import NemsSignal

BLOCK_BYTES = 2**23
"""Text parsed at a time: hundreds of lines of a population recording, so that the work per column is small."""
LINE_LIMIT = 2**26
"""Longest line, bytes (2.7 million channels)."""
RESULT_LIMIT = 2**33
"""Largest result, bytes: many times the largest known."""

RasterSink = Callable[[int, NDArray[np.float64]], None]
"""Takes the number of the first bin of a block, and the block: float64, shape (channels, bins), NaN where missing."""


class Raster(NamedTuple):
    """A rasterised signal.

    Parameters
    ----------
    values : ndarray, shape (channels, bins)
        In the order of record; NaN is a missing value. Of no bins where the values went elsewhere.
    n_bins : int
        Lines of the file.
    n_missing : int
        How many values are NaN.
    """

    values: NDArray[Any]
    n_bins: int
    n_missing: int

    def check(self, signal: NemsSignal) -> None:
        """Compare channels and bins with the header, where it states them.

        Raises
        ------
        RawFormatError
            They differ.
        """
        if signal.channels is not None and len(signal.channels) != len(self.values):
            raise signal.error(
                "A signal has another number of columns than channels", "chans", len(self.values), len(signal.channels)
            )
        if signal.n_samples is not None and signal.n_samples != self.n_bins:
            raise signal.error(
                "A signal has another number of lines than time bins", "segments", self.n_bins, signal.n_samples
            )


def read_raster(stream: MemberStream, dtype: DTypeLike = np.float32) -> Raster:
    """Read a rasterised signal.

    Parameters
    ----------
    stream : MemberStream
        The csv member.
    dtype : dtype
        Of the result. An integer type takes whole numbers in its range alone.

    Raises
    ------
    RawFormatError
        Empty; a line of another number of columns than the first; a value that is no number, is infinite, or does not
        fit the type. The message names the line.
    """
    kind = np.dtype(dtype)
    held = np.empty((0, 0), kind)
    n_bins = n_missing = 0
    for block, values, missing in _parsed(stream):
        end = n_bins + values.shape[1]
        if end > held.shape[1]:
            # What the first block says of the rest; "nan" is shorter than a number, so that more lines may come.
            estimate = math.ceil(values.shape[1] * stream.member.size / len(block)) if not n_bins else end * 5 // 4
            held = _grown(stream, held, len(values), max(end, estimate))
        with np.errstate(invalid="ignore", over="ignore"):
            held[:, n_bins:end] = values
        if kind.kind in "iu" and (different := held[:, n_bins:end] != values).any():
            channel, line = np.argwhere(different)[0]
            raise stream.error(
                "A value of a signal does not fit its type",
                field=f"line {n_bins + line + 1}, column {channel + 1}",
                found=values[channel, line],
                expected=f"whole numbers of type {kind}",
            )
        n_bins, n_missing = end, n_missing + missing
    return Raster(held[:, :n_bins], n_bins, n_missing)


def stream_raster(stream: MemberStream, sink: RasterSink) -> Raster:
    """Read a rasterised signal and hand it on block by block, to hold only what is needed of it.

    Parameters
    ----------
    stream : MemberStream
        The csv member.
    sink : callable
        Called with the number of the first bin of each block, and the block (float64, channels by bins).

    Returns
    -------
    Raster
        Of no bins; with the numbers of channels, lines and missing values. Errors as in `read_raster`.
    """
    n_channels = n_bins = n_missing = 0
    for _, values, missing in _parsed(stream):
        sink(n_bins, values)
        n_channels, n_bins = len(values), n_bins + values.shape[1]
        n_missing += missing
    return Raster(np.empty((n_channels, 0)), n_bins, n_missing)


def _grown(stream: MemberStream, held: NDArray[Any], n_channels: int, n_bins: int) -> NDArray[Any]:
    """Return a larger array that begins with what is held."""
    n_bytes = n_channels * n_bins * held.dtype.itemsize
    if n_bytes > RESULT_LIMIT:
        found = f"{n_channels} channels of about {n_bins} bins"
        raise stream.error("A signal is too large", found=found, expected=f"at most {RESULT_LIMIT} bytes")
    grown = np.empty((n_channels, n_bins), held.dtype)
    grown[: len(held), : held.shape[1]] = held
    return grown


def _parsed(stream: MemberStream) -> Iterator[tuple[bytes, NDArray[np.float64], int]]:
    """Yield blocks of whole lines: their text, values of shape (channels, lines), and how many of these are NaN."""
    names: list[str] = []
    first_line = 1
    for block in _whole_lines(stream):
        if not names:
            names = [str(column) for column in range(block.partition(b"\n")[0].count(b",") + 1)]
        values = parse_fixed_width(block, len(names))
        if values is None:
            values = _parse(stream, block, names, first_line)
        finite = np.isfinite(values)
        n_missing = 0 if finite.all() else int(np.isnan(values).sum())
        if n_missing < finite.size - np.count_nonzero(finite):
            channel, line = np.argwhere(np.isinf(values))[0]
            place = f"line {first_line + line}, column {channel + 1}"
            raise stream.error("A signal holds an infinite value", field=place, found=values[channel, line])
        yield block, values, n_missing
        first_line += values.shape[1]
    if not names:
        raise stream.error("A signal has no values", found="an empty file", expected="one line per time bin")


def _whole_lines(stream: MemberStream) -> Iterator[bytes]:
    """Yield the text in blocks that end with a line, each decompressed while the one before it is parsed."""
    rest = b""
    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(stream.read, BLOCK_BYTES)
        while text := coming.result():
            coming = pool.submit(stream.read, BLOCK_BYTES)
            end = text.rfind(b"\n") + 1
            if end:
                yield rest + text[:end]
                rest = text[end:]
            else:
                rest += text
            if len(rest) > LINE_LIMIT:
                raise stream.error("A line of a signal is too long", found=f"over {LINE_LIMIT} bytes")
    if rest:
        yield rest


def _parse(stream: MemberStream, block: bytes, names: list[str], first_line: int) -> NDArray[np.float64]:
    """Return the values of a block, shape (channels, lines)."""
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(block),
            # One thread: with more, messages do not number the lines; one block, since it is one already.
            read_options=pyarrow.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(block) + 1),
            parse_options=pyarrow.csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.float64()), null_values=[], check_utf8=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise _bad_line(stream, str(error), first_line, len(names)) from error
    values = np.empty((len(names), table.num_rows))
    for row, column in zip(values, table.itercolumns(), strict=True):
        row[:] = column.to_numpy()
    return values


def _bad_line(stream: MemberStream, message: str, first_line: int, n_columns: int) -> RawFormatError:
    """Make the error for a block that cannot be parsed, with lines numbered in the file and columns from 1."""
    row, column = re.search(r"[Rr]ow #(\d+)", message), re.search(r"column #(\d+)", message)
    places = [f"line {first_line + int(row[1]) - 1}"] if row else [f"after line {first_line - 1}"]
    places += [f"column {int(column[1]) + 1}"] if column else []
    found = message.rpartition("error: ")[2] if not row else message[row.end() :].lstrip(": ")
    return stream.error(
        "A line of a signal cannot be read",
        field=", ".join(places),
        found=found[:200],
        expected=f"{n_columns} numbers, as in the first line",
    )
