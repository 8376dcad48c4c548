"""The central directory of a zip archive, entry by entry.

`zipfile` is not used for it. It holds the whole directory before anything can be counted, and does not compare the
number of entries with the one that is announced (a wrong length in one entry can swallow the next ones without a word);
its versions differ in what they take for the name of a member.

References
----------
.. [1] PKWARE, APPNOTE.TXT, .ZIP File Format Specification, version 6.3.10, sections 4.3.12 to 4.3.16 and 4.5.3.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from deepstrf_hf.download.archive_members import refusal
from deepstrf_hf.errors import ArchiveError

UTF8 = 0x800
"""Flag of a member whose name is UTF-8; without it, it is code page 437."""
_ENTRY = struct.Struct("<4s4xHH4x3L3H4x2L")
_END, _END_MAGIC = struct.Struct("<4s4H2LH"), b"PK\x05\x06"
_END64, _END64_MAGIC = struct.Struct("<4sQ4x2L4Q"), b"PK\x06\x06"
_LOCATOR, _LOCATOR_MAGIC = struct.Struct("<4sLQL"), b"PK\x06\x07"
_LONGEST_COMMENT = 2**16 - 1
_IN_EXTRA = 2**32 - 1
"""What stands in place of a number that is in the extra field of 64 bits."""


@dataclass(frozen=True)
class ZipEntry:
    """What the directory says of a member.

    Parameters
    ----------
    name : str
        Path.
    flags, method : int
        General purpose flags, compression method.
    check_sum : int
        CRC-32 of the content.
    packed_bytes, size_bytes : int
        Bytes of content, packed and not.
    begin : int
        Where the member begins in the archive.
    mode : int
        Kind and permissions as Unix has them; 0 where the archive was made elsewhere.
    """

    name: str
    flags: int
    method: int
    check_sum: int
    packed_bytes: int
    size_bytes: int
    begin: int
    mode: int


class ZipDirectory:
    """The central directory of a zip archive.

    It must reach to the records at the end of the archive, and those to the end of the file, with nothing in between.

    Parameters
    ----------
    file : BinaryIO
        The archive, seekable.
    archive : str
        Its name, for messages.

    Attributes
    ----------
    begin : int
        Where it begins in the archive.

    Raises
    ------
    ArchiveError
        There is no end record, or it does not fit.
    """

    def __init__(self, file: BinaryIO, archive: str) -> None:
        self._file, self._archive = file, archive
        size = file.seek(0, os.SEEK_END)
        tail_begin = max(0, size - _END.size - _LONGEST_COMMENT - _LOCATOR.size)
        file.seek(tail_begin)
        tail = file.read(size - tail_begin)
        at = self._find_end(tail)
        _, disk, first_disk, here, self._count, length, self.begin, _ = _END.unpack_from(tail, at)
        end = tail_begin + at
        if at >= _LOCATOR.size and tail.startswith(_LOCATOR_MAGIC, at - _LOCATOR.size):
            _, _, end, _ = _LOCATOR.unpack_from(tail, at - _LOCATOR.size)
            file.seek(min(end, size))
            record = file.read(_END64.size)
            if len(record) < _END64.size or not record.startswith(_END64_MAGIC):
                raise self._damaged("no end record of 64 bits where its locator says")
            _, _, disk, first_disk, here, self._count, length, self.begin = _END64.unpack(record)
        if disk or first_disk or here != self._count:
            raise self._damaged("a part of an archive in several")
        if self.begin + length != end:
            raise self._damaged(f"a directory from byte {self.begin} to {self.begin + length}, not to its end at {end}")
        self._end = end

    def entries(self) -> Iterator[ZipEntry]:
        """Pass over the entries, reading as far as is asked for.

        Raises
        ------
        ArchiveError
            An entry is damaged, or their number or length is not the one that is announced.
        """
        self._file.seek(self.begin)
        position = self.begin
        for number in range(self._count):
            if position + _ENTRY.size > self._end:
                raise self._damaged(f"{number} members of {self._count}")
            fields = self._file.read(_ENTRY.size)
            (
                magic,
                flags,
                method,
                check_sum,
                packed,
                size,
                name_length,
                extra_length,
                comment_length,
                attributes,
                begin,
            ) = _ENTRY.unpack(fields)
            lengths = name_length + extra_length + comment_length
            position += _ENTRY.size + lengths
            if magic != b"PK\x01\x02":
                raise self._damaged(f"no entry where member {number + 1} of {self._count} should be")
            text = self._file.read(lengths)
            name = self._name(text[:name_length], flags)
            if _IN_EXTRA in (packed, size, begin):
                extra = text[name_length : name_length + extra_length]
                size, packed, begin = self._in_64_bits(extra, (size, packed, begin), name)
            yield ZipEntry(name, flags, method, check_sum, packed, size, begin, attributes >> 16)
        if position != self._end:
            raise self._damaged(f"{self._end - position} bytes after the last of {self._count} members")

    def _find_end(self, tail: bytes) -> int:
        """Return where the end record begins, whose comment reaches to the end of the file."""
        at = tail.rfind(_END_MAGIC)
        while at >= 0:
            comment_begin = at + _END.size
            if comment_begin <= len(tail) and comment_begin + _END.unpack_from(tail, at)[-1] == len(tail):
                return at
            at = tail.rfind(_END_MAGIC, 0, at)
        raise self._damaged("no end record: the archive is cut short, or continues after its end")

    def _name(self, text: bytes, flags: int) -> str:
        try:
            return text.decode("utf-8" if flags & UTF8 else "cp437")
        except UnicodeDecodeError as error:
            raise self._damaged(f"the name {text[:200]!r}, which is not UTF-8") from error

    def _in_64_bits(self, extra: bytes, numbers: tuple[int, ...], name: str) -> list[int]:
        """Return the numbers, those that are in the extra field taken from there."""
        at = 0
        while at + 4 <= len(extra):
            kind, length = struct.unpack_from("<2H", extra, at)
            if kind == 1:
                missing = sum(number == _IN_EXTRA for number in numbers)
                if missing * 8 <= min(length, len(extra) - at - 4):
                    found = iter(struct.unpack_from(f"<{missing}Q", extra, at + 4))
                    return [next(found) if number == _IN_EXTRA else number for number in numbers]
            at += 4 + length
        raise self._damaged(f"no size or place of {name!a} in 64 bits")

    def _damaged(self, found: str) -> ArchiveError:
        return refusal("The directory of a zip archive is damaged", self._archive, found=found)
