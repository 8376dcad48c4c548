"""Some fields of the structures in a MATLAB file, without holding, or even making, the others.

A channel file of this corpus is waveforms of spikes for nine tenths, and the file of the sentences holds spectrograms
and labels besides the sounds. `scipy.io.loadmat` makes all fields of a structure or none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import MissingRawFileError, RawFormatError
from deepstrf_hf.formats.inflate import INFLATE_ERRORS, inflater
from deepstrf_hf.formats.matlab import REPAIR, MatlabStruct

# "MAT-File Format", The MathWorks: a header of 128 bytes, then elements of a type, a length and that many bytes.
HEADER_BYTES = 128
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
MATRIX, COMPRESSED = 14, 15
CELL, STRUCTURE, CHARACTERS = 1, 2, 4
STORED = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
TEXTS = {1: "latin-1", 2: "latin-1", 16: "utf-8"}
NUMERIC = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
COMPLEX = 0x0800
CHUNK_BYTES = 2**18
DAMAGE: tuple[type[Exception], ...] = (EOFError, *INFLATE_ERRORS, KeyError, ValueError, OverflowError)
LONGEST_HEADER = 2**20
"""Bytes of dimensions, names or names of fields, beyond which a file is damaged."""


def read_structures(path: Path, variable: str, fields: Collection[str]) -> Iterator[MatlabStruct]:
    """Read some fields of a structure array, element by element.

    Parameters
    ----------
    path : Path
        A MATLAB 5 to 7.2 file.
    variable : str
        Name of the structure array.
    fields : collection of str
        Fields that are wanted; those that a file lacks are lacking.

    Yields
    ------
    MatlabStruct
        One element; numbers and text alone are read, other fields are empty.

    Raises
    ------
    MissingRawFileError
        No such file.
    RawFormatError
        Cut short or damaged; version 7.3; no such variable; the variable is no structure.
    """
    if not path.is_file():
        raise MissingRawFileError("A MATLAB file is missing", path=path, expected="a file", mend=REPAIR)
    with path.open("rb") as file:
        order = _byte_order(file, path)
        try:
            for _, stream in _variables(file, order, path):
                kind, dimensions, name, _ = _matrix_header(stream)
                if name != variable:
                    continue
                if kind != STRUCTURE:
                    raise _error(path, variable, f"an array of class {kind}", "a structure")
                yield from _elements(stream, path, variable, dimensions, fields)
                stream.finish()
                return
        except DAMAGE as error:
            said = f"{type(error).__name__}: {error} (file of {path.stat().st_size} bytes)"
            raise _error(path, variable, said, "a whole MATLAB 5 file") from error
    raise RawFormatError("A MATLAB file lacks a variable", path=path, field=variable, mend=REPAIR)


def _error(path: Path, field: str, found: object, expected: str) -> RawFormatError:
    return RawFormatError(
        "A MATLAB file cannot be read", path=path, field=field, found=found, expected=expected, mend=REPAIR
    )


def _byte_order(file: BinaryIO, path: Path) -> str:
    header = file.read(HEADER_BYTES)
    if b"MATLAB 7.3" in header[:116] or header.startswith(HDF5_SIGNATURE):
        raise RawFormatError(
            "A MATLAB file is of version 7.3, which this corpus is not published in",
            path=path,
            found="MATLAB 7.3 (HDF5)",
            expected="MATLAB 5 to 7.2",
            mend="fetch the published file, or save it again in MATLAB with save(..., '-v7')",
        )
    order = {b"IM": "<", b"MI": ">"}.get(header[126:128])
    if order is None:
        raise _error(path, "header", f"{len(header)} bytes, {header[:20]!r} …", "the header of a MATLAB 5 file")
    return order


class _Stream:
    """Bytes of one element of a file, as they are or as they come out of compression."""

    def __init__(self, file: BinaryIO, n_bytes: int, order: str, *, compressed: bool) -> None:
        self._file, self._left, self.order = file, n_bytes, order
        self._inflate = inflater() if compressed else None
        self._ready = memoryview(b"")

    def _fill(self) -> None:
        """Get more bytes.

        Raises
        ------
        EOFError
            There are none.
        """
        while not self._ready:
            pending = self._inflate.unconsumed_tail if self._inflate else b""
            if not pending:
                pending = self._file.read(min(CHUNK_BYTES, self._left))
                self._left -= len(pending)
                if not pending:
                    raise EOFError("the file ends within an element")
            self._ready = memoryview(self._inflate.decompress(pending, CHUNK_BYTES) if self._inflate else pending)

    def take(self, n_bytes: int) -> bytes:
        """Return the next bytes."""
        pieces = []
        while n_bytes:
            self._fill()
            pieces.append(bytes(self._ready[:n_bytes]))
            self._ready = self._ready[n_bytes:]
            n_bytes -= len(pieces[-1])
        return b"".join(pieces)

    def skip(self, n_bytes: int) -> None:
        """Pass over the next bytes; those that are not compressed are not even read."""
        while n_bytes:
            if self._inflate is None and not self._ready:
                if n_bytes > self._left:
                    raise EOFError("the file ends within an element")
                self._file.seek(n_bytes, 1)
                self._left -= n_bytes
                return
            self._fill()
            passed = min(n_bytes, len(self._ready))
            self._ready = self._ready[passed:]
            n_bytes -= passed

    def finish(self) -> None:
        """Pass over what is left; of compressed bytes this compares their checksum.

        Raises
        ------
        EOFError
            The end is missing.
        """
        self._ready = memoryview(b"")
        while self._inflate is not None and not self._inflate.eof:
            self._fill()
            self._ready = memoryview(b"")

    def numbers(self, count: int) -> list[int]:
        """Return unsigned 32-bit numbers."""
        return np.frombuffer(self.take(4 * count), f"{self.order}u4").tolist()

    def element(self, longest: int | None = None) -> tuple[int, bytes]:
        """Return type and bytes of the next element.

        Raises
        ------
        ValueError
            Longer than can be.
        """
        kind, n_bytes = self.numbers(2)
        if kind >> 16:  # up to four bytes lie within the tag
            kind, n_bytes, inside = kind & 0xFFFF, kind >> 16, n_bytes
            if n_bytes > 4:
                raise ValueError(f"a small element of {n_bytes} bytes")
            return kind, np.array(inside, f"{self.order}u4").tobytes()[:n_bytes]
        if longest is not None and n_bytes > longest:
            raise ValueError(f"an element of {n_bytes} bytes where {longest} are enough")
        content = self.take(n_bytes)
        self.skip(-n_bytes % 8)
        return kind, content


def _variables(file: BinaryIO, order: str, path: Path) -> Iterator[tuple[int, _Stream]]:
    """Yield (length, bytes after the tag) of each variable; what is not taken of one is passed over."""
    while tag := file.read(8):
        if len(tag) < 8:
            raise EOFError("the file ends within a tag")
        kind, n_bytes = np.frombuffer(tag, f"{order}u4").tolist()
        begin = file.tell()
        if begin + n_bytes > path.stat().st_size:
            raise EOFError(f"an element of {n_bytes} bytes goes past the end of the file")
        stream = _Stream(file, n_bytes, order, compressed=kind == COMPRESSED)
        if kind == COMPRESSED:
            inner, n_inner = stream.numbers(2)
            if inner == MATRIX:
                yield n_inner, stream
        elif kind == MATRIX:
            yield n_bytes, stream
        file.seek(begin + n_bytes)


def _matrix_header(stream: _Stream) -> tuple[int, tuple[int, ...], str, bool]:
    """Return class, shape and name of an array, and whether it is complex."""
    _, flags = stream.element(8)
    (word,) = np.frombuffer(flags[:4], f"{stream.order}u4").tolist()
    _, shape = stream.element(LONGEST_HEADER)
    dimensions = tuple(np.frombuffer(shape, f"{stream.order}i4").tolist())
    _, name = stream.element(LONGEST_HEADER)
    return word & 0xFF, dimensions, name.decode("latin-1"), bool(word & COMPLEX)


def _elements(
    stream: _Stream, path: Path, variable: str, dimensions: tuple[int, ...], fields: Collection[str]
) -> Iterator[MatlabStruct]:
    _, width = stream.element(8)
    (n_width,) = np.frombuffer(width, f"{stream.order}i4").tolist()
    _, packed = stream.element(LONGEST_HEADER)
    names = [
        packed[begin : begin + n_width].split(b"\0")[0].decode("latin-1") for begin in range(0, len(packed), n_width)
    ]
    kept = [name for name in names if name in fields]
    record = np.dtype([(name, object) for name in kept])
    for number in range(int(np.prod(dimensions))):
        values = np.empty(1, record)
        for name in names:
            kind, n_bytes = stream.numbers(2)
            if kind != MATRIX:
                raise ValueError(f"field {name} of element {number + 1} is of type {kind}")
            if name in fields:
                values[name][0] = _array(stream, n_bytes)
            else:
                stream.skip(n_bytes)
        yield MatlabStruct(values[0], path, f"{variable}({number + 1})")


def _array(stream: _Stream, n_bytes: int) -> NDArray[Any]:
    """Read an array of numbers or characters; an empty one in the place of anything else."""
    if not n_bytes:
        return np.empty((0, 0))
    inner = _Counted(stream, n_bytes)
    kind, dimensions, _, is_complex = _matrix_header(inner)
    values: NDArray[Any] = np.empty((0, 0), object)
    if kind == CHARACTERS:
        stored, content = inner.element()
        text = content.decode(TEXTS.get(stored) or ("utf-16-be" if stream.order == ">" else "utf-16-le"))
        values = np.array([text])
    elif kind in NUMERIC and not is_complex:
        stored, content = inner.element()
        flat = np.frombuffer(content, stream.order + STORED[stored])
        values = flat.astype(NUMERIC[kind]).reshape(dimensions, order="F")
    inner.finish()
    return values


class _Counted(_Stream):
    """Bytes of an element within another: no more than it says, and all of them in the end."""

    def __init__(self, outer: _Stream, n_bytes: int) -> None:
        self._outer, self._n_left, self.order = outer, n_bytes, outer.order

    def take(self, n_bytes: int) -> bytes:
        """Return the next bytes."""
        self._count(n_bytes)
        return self._outer.take(n_bytes)

    def skip(self, n_bytes: int) -> None:
        """Pass over the next bytes."""
        self._count(n_bytes)
        self._outer.skip(n_bytes)

    def finish(self) -> None:
        """Pass over what is left."""
        self.skip(self._n_left)

    def _count(self, n_bytes: int) -> None:
        if n_bytes > self._n_left:
            raise ValueError("an element is longer than what it lies in")
        self._n_left -= n_bytes
