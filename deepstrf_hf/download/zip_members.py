"""The members of a zip archive.

They are decompressed here: `zipfile` cuts a member to its announced size without a word, and before Python 3.12.2 it
unpacks members that lie over each other, of which a small file can hold terabytes [2]_.

References
----------
.. [1] PKWARE, APPNOTE.TXT, .ZIP File Format Specification, version 6.3.10, sections 4.3.7 and 4.4.
.. [2] Fifield (2019), A better zip bomb, 13th USENIX Workshop on Offensive Technologies.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Collection, Iterator
from typing import BinaryIO

from deepstrf_hf.download.archive_members import BLOCK, Entry, refusal
from deepstrf_hf.download.zip_directory import UTF8, ZipDirectory, ZipEntry
from deepstrf_hf.errors import ArchiveError
from deepstrf_hf.formats.inflate import INFLATE_ERRORS, inflater

ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
"""How a zip archive begins; the second, an empty one."""
_LOCAL_HEADER = struct.Struct("<4s2xHH16xHH")  # signature, flags, method, lengths of name and of extra field
_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 0x1
_UNREADABLE_FLAGS = _ENCRYPTED | 0x20 | 0x40 | 0x2000  # and patched data, strong encryption, masked headers


class ZipMembers:
    """A zip archive, open for reading (see `PackedMembers`).

    Parameters
    ----------
    file : BinaryIO
        The archive, seekable; where it is remote, only the directory and the chosen members are read.
    archive : str
        Its name, for messages.

    Raises
    ------
    ArchiveError
        There is no directory, or it is damaged.
    """

    def __init__(self, file: BinaryIO, archive: str) -> None:
        self._file, self._archive = file, archive
        self._directory = ZipDirectory(file, archive)
        self._members: list[ZipEntry] = []
        self._ends: list[int] = []

    def entries(self) -> Iterator[Entry]:
        """Pass over the directory (see `PackedMembers`); the member's own headers come with their contents."""
        for member in self._directory.entries():
            is_folder = member.name.endswith("/")
            self._check_kind(member, is_folder)
            self._members.append(member)
            yield Entry(member.name, is_folder, member.size_bytes)
        self._ends = self._find_ends()

    def contents(self, chosen: Collection[int]) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Pass over contents (see `PackedMembers`); that of a folder is empty, but its header is checked."""
        for number, (member, end) in enumerate(zip(self._members, self._ends, strict=True)):
            if number in chosen:
                yield number, self._content(member, end)

    def _find_ends(self) -> list[int]:
        """Return where each member must end at the latest: where the next one, or the directory, begins."""
        order = sorted(range(len(self._members)), key=lambda number: self._members[number].begin)
        ends = [self._directory.begin] * len(order)
        for number, following in zip(order, order[1:], strict=False):
            ends[number] = self._members[following].begin
        for member, end in zip(self._members, ends, strict=True):
            if member.begin + _LOCAL_HEADER.size + member.packed_bytes > end:
                raise self._overlap(member)
        return ends

    def _overlap(self, member: ZipEntry) -> ArchiveError:
        problem = "A zip archive has members that lie over each other, or over its directory"
        return refusal(problem, self._archive, member=member.name)

    def _check_kind(self, member: ZipEntry, is_folder: bool) -> None:
        kind = stat.S_IFMT(member.mode)  # 0 where the archive was not made on Unix
        found = None
        if kind not in (0, stat.S_IFDIR if is_folder else stat.S_IFREG):
            found = "a symbolic link" if kind == stat.S_IFLNK else f"mode {member.mode:#o}"
        elif member.flags & _UNREADABLE_FLAGS:
            found = "an encrypted member" if member.flags & _ENCRYPTED else f"flags {member.flags:#06x}"
        elif member.method not in (_STORED, _DEFLATED):
            found = f"compression method {member.method}"
        elif is_folder and member.size_bytes:  # its packed size may be 2: Java packs an empty stream
            found = f"a folder with {member.size_bytes} bytes of content"
        elif member.method == _STORED and member.packed_bytes != member.size_bytes:
            found = f"{member.size_bytes} bytes stored in {member.packed_bytes}"
        if found:
            raise refusal(
                "A zip archive has a member that cannot be unpacked",
                self._archive,
                member=member.name,
                found=found,
                expected="a file or folder, stored or deflated, not encrypted",
            )

    def _content(self, member: ZipEntry, end: int) -> Iterator[bytes]:
        self._find_content(member, end)
        check_sum = 0
        for block in self._stored(member) if member.method == _STORED else self._inflated(member):
            check_sum = zlib.crc32(block, check_sum)
            yield block
        if check_sum != member.check_sum:
            raise self._damaged(member, f"CRC-32 {check_sum:08x}", f"{member.check_sum:08x}")

    def _find_content(self, member: ZipEntry, end: int) -> None:
        """Go to where the content begins, and compare the member's own header with the directory."""
        self._file.seek(member.begin)
        header = self._file.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size or header[:4] != ZIP_MAGIC[0]:
            raise self._damaged(member, "no header where the directory says", "the header of the member")
        _, flags, method, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        name = self._file.read(name_length).decode("utf-8" if flags & UTF8 else "cp437", "replace")
        checked = _UNREADABLE_FLAGS | UTF8
        if (name, method, flags & checked) != (member.name, member.method, member.flags & checked):
            found = f"{ascii(name)}, method {method}, flags {flags:#06x}"
            raise self._damaged(member, found, f"method {member.method}, flags {member.flags:#06x}, as the directory")
        begin = member.begin + _LOCAL_HEADER.size + name_length + extra_length
        if begin + member.packed_bytes > end:
            raise self._overlap(member)
        self._file.seek(begin)

    def _stored(self, member: ZipEntry) -> Iterator[bytes]:
        left = member.packed_bytes
        while left:
            block = self._file.read(min(BLOCK, left))
            if not block:
                raise self._damaged(member, f"{left} bytes are missing", f"{member.packed_bytes} bytes")
            left -= len(block)
            yield block

    def _inflated(self, member: ZipEntry) -> Iterator[bytes]:
        stream = inflater(raw=True)
        for packed in self._stored(member):
            if stream.eof:
                raise self._damaged(member, "bytes after the end of its stream", "none")
            pending = packed
            try:
                while block := stream.decompress(pending, BLOCK):
                    yield block
                    pending = stream.unconsumed_tail
            except INFLATE_ERRORS as error:
                raise self._damaged(member, error, "a deflated stream") from error
        if not stream.eof or stream.unused_data:
            found = "bytes after the end of its stream" if stream.eof else "its stream does not end"
            raise self._damaged(member, found, f"one stream of {member.packed_bytes} bytes")

    def _damaged(self, member: ZipEntry, found: object, expected: object) -> ArchiveError:
        problem = "A member of a zip archive is damaged"
        return refusal(problem, self._archive, member=member.name, found=found, expected=expected)
