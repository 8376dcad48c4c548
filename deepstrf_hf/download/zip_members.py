"""The members of a zip archive.

`zipfile` reads the central directory, within bounds; members are decompressed here. `zipfile` itself would cut a member
to its announced size without a word, and before Python 3.12.2 unpack members that lie over each other, of which a small
file can hold terabytes [2]_.

References
----------
.. [1] PKWARE, APPNOTE.TXT, .ZIP File Format Specification, version 6.3.10, sections 4.3.7, 4.3.12, 4.4.4.
.. [2] Fifield (2019), A better zip bomb, 13th USENIX Workshop on Offensive Technologies.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from typing import BinaryIO, cast

from deepstrf_hf.download.archive_members import BLOCK, Entry, refusal
from deepstrf_hf.formats.inflate import INFLATE_ERRORS, inflater

ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
"""How a zip archive begins; the second, an empty one."""
_LOCAL_HEADER = struct.Struct("<4s2xHH16xHH")  # signature, flags, method, lengths of name and of extra field
_ENCRYPTED, _UTF8 = 0x1, 0x800
_UNREADABLE_FLAGS = _ENCRYPTED | 0x20 | 0x40 | 0x2000  # and patched data, strong encryption, masked headers
_TAIL = 2**17
"""Bytes that the end records of an archive may take, with its comment."""
_DIRECTORY_BYTES = 1024
"""Bytes that a member takes at most in the central directory, on average."""


class ZipMembers:
    """A zip archive, open for reading (see `PackedMembers`).

    The Unicode Path extra field is not looked at: versions of Python differ in whether they do. Names without the flag
    for UTF-8 are read as code page 437, as the format has it [1]_.

    Parameters
    ----------
    file : BinaryIO
        The archive, seekable; where it is remote, only the directory and the chosen members are read.
    archive : str
        Its name, for messages.
    most_members : int
        How many members it may have; bounds what is read of the directory.

    Raises
    ------
    ArchiveError
        There is no central directory, or it is damaged, or far too large; members lie over each other.
    """

    def __init__(self, file: BinaryIO, archive: str, most_members: int) -> None:
        self._file, self._archive = file, archive
        bounded = _BoundedReads(file, archive, most_members * _DIRECTORY_BYTES + _TAIL)
        try:
            with zipfile.ZipFile(cast(BinaryIO, bounded)) as directory:
                self._infos = directory.infolist()
                self._ends = self._find_ends(directory.start_dir)
        except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, struct.error) as error:
            raise refusal("A zip archive is damaged or cut short", archive, found=error) from error

    def entries(self) -> Iterator[Entry]:
        """Pass over the central directory (see `PackedMembers`)."""
        for info in self._infos:
            is_folder = info.orig_filename.endswith("/")
            self._check_kind(info, is_folder)
            yield Entry(info.orig_filename, is_folder, info.file_size)

    def contents(self, chosen: Collection[int]) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Pass over contents (see `PackedMembers`); those of a folder are empty, but its header is checked."""
        for number, info in enumerate(self._infos):
            if number in chosen:
                yield number, self._content(info, self._ends[number])

    def _find_ends(self, directory_begin: int) -> list[int]:
        """Return where each member must end at the latest: where the next one, or the directory, begins."""
        order = sorted(range(len(self._infos)), key=lambda number: self._infos[number].header_offset)
        ends = [directory_begin] * len(order)
        for number, following in zip(order, order[1:], strict=False):
            ends[number] = self._infos[following].header_offset
        for info, end in zip(self._infos, ends, strict=True):
            if info.header_offset + _LOCAL_HEADER.size + info.compress_size > end:
                raise self._overlap(info)
        return ends

    def _overlap(self, info: zipfile.ZipInfo) -> Exception:
        problem = "A zip archive has members that lie over each other, or over its directory"
        return refusal(problem, self._archive, member=info.orig_filename)

    def _check_kind(self, info: zipfile.ZipInfo, is_folder: bool) -> None:
        kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive was not made on Unix
        found = None
        if kind not in (0, stat.S_IFDIR if is_folder else stat.S_IFREG):
            found = "a symbolic link" if kind == stat.S_IFLNK else f"mode {info.external_attr >> 16:#o}"
        elif info.flag_bits & _UNREADABLE_FLAGS:
            found = "an encrypted member" if info.flag_bits & _ENCRYPTED else f"flags {info.flag_bits:#06x}"
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            found = f"compression method {info.compress_type}"
        elif is_folder and (info.file_size or info.compress_size):
            found = f"a folder with {info.file_size} bytes of content"
        elif info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
            found = f"{info.file_size} bytes stored in {info.compress_size}"
        if found:
            raise refusal(
                "A zip archive has a member that cannot be unpacked",
                self._archive,
                member=info.orig_filename,
                found=found,
                expected="a file or folder, stored or deflated, not encrypted",
            )

    def _content(self, info: zipfile.ZipInfo, end: int) -> Iterator[bytes]:
        self._find_content(info, end)
        check_sum = 0
        for block in self._stored(info) if info.compress_type == zipfile.ZIP_STORED else self._inflated(info):
            check_sum = zlib.crc32(block, check_sum)
            yield block
        if check_sum != info.CRC:
            raise self._damaged(info, f"CRC-32 {check_sum:08x}", f"{info.CRC:08x}")

    def _find_content(self, info: zipfile.ZipInfo, end: int) -> None:
        """Go to where the content begins, and compare the member's own header with the directory."""
        self._file.seek(info.header_offset)
        header = self._file.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size or header[:4] != ZIP_MAGIC[0]:
            raise self._damaged(info, "no header where the directory says", "the header of the member")
        _, flags, method, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        name = self._file.read(name_length).decode("utf-8" if flags & _UTF8 else "cp437", "replace")
        checked = _UNREADABLE_FLAGS | _UTF8
        if (name, method, flags & checked) != (info.orig_filename, info.compress_type, info.flag_bits & checked):
            found = f"{ascii(name)}, method {method}, flags {flags:#06x}"
            raise self._damaged(
                info, found, f"method {info.compress_type}, flags {info.flag_bits:#06x}, as the directory"
            )
        begin = info.header_offset + _LOCAL_HEADER.size + name_length + extra_length
        if begin + info.compress_size > end:
            raise self._overlap(info)
        self._file.seek(begin)

    def _stored(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        left = info.compress_size
        while left:
            block = self._file.read(min(BLOCK, left))
            if not block:
                raise self._damaged(info, f"{left} bytes are missing", f"{info.compress_size} bytes")
            left -= len(block)
            yield block

    def _inflated(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        stream = inflater(raw=True)
        for packed in self._stored(info):
            if stream.eof:
                raise self._damaged(info, "bytes after the end of its stream", "none")
            pending = packed
            try:
                while block := stream.decompress(pending, BLOCK):
                    yield block
                    pending = stream.unconsumed_tail
            except INFLATE_ERRORS as error:
                raise self._damaged(info, error, "a deflated stream") from error
        if not stream.eof or stream.unused_data:
            found = "bytes after the end of its stream" if stream.eof else "its stream does not end"
            raise self._damaged(info, found, f"one stream of {info.compress_size} bytes")

    def _damaged(self, info: zipfile.ZipInfo, found: object, expected: object) -> Exception:
        problem = "A member of a zip archive is damaged"
        return refusal(problem, self._archive, member=info.orig_filename, found=found, expected=expected)


class _BoundedReads:
    """What `zipfile` reads a directory through: not more at once than `most` bytes, and never before the beginning."""

    def __init__(self, file: BinaryIO, archive: str, most: int) -> None:
        self._file, self._archive, self._most = file, archive, most

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 0 and offset < 0:
            raise refusal("A zip archive is damaged", self._archive, found="a directory before its beginning")
        return self._file.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        if size > self._most:
            found, expected = f"{size} bytes", f"at most {self._most} bytes, by the number of members that are declared"
            raise refusal("The directory of a zip archive is too large", self._archive, found=found, expected=expected)
        return self._file.read(size)
