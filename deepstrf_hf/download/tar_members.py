"""The members of a tar archive, plain or gzipped.

`tarfile` reads the fields of a header; the walk is ours: that of `tarfile` ends without complaint at a damaged header,
recurses once per extension header, believes sizes below zero, and does not read on to gzip's check sum.

References
----------
.. [1] POSIX.1-2017, pax, sections ustar Interchange Format and pax Header Block.
.. [2] GNU tar manual, Basic Tar Format (long names, sparse files).
"""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Collection, Iterator
from typing import IO, BinaryIO

from deepstrf_hf.download.archive_members import BLOCK, Entry, refusal
from deepstrf_hf.errors import ArchiveError
from deepstrf_hf.formats.inflate import INFLATE_ERRORS, open_gzip

GZIP_MAGIC = b"\x1f\x8b"
_RECORD = tarfile.BLOCKSIZE
_MOST_EXTENSION_BYTES = 2**20
"""Bytes of extension headers before a member: long names and attributes are short texts."""
_MOST_PADDING = 2**24
"""Zeros after the end: tar fills up to a multiple of its blocking factor, by default 10 KiB."""
_FILE_TYPES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_PAX_TYPES = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE)
_OTHER_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.GNUTYPE_LONGLINK: "a link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}
_DAMAGE: tuple[type[Exception], ...] = (EOFError, gzip.BadGzipFile, *INFLATE_ERRORS)


class TarMembers:
    """A tar archive, open for reading (see `PackedMembers`).

    Gzip streams may follow each other, and zeros may follow them; other bytes after them are refused, like anything but
    zeros after the end of the tar archive. An archive without its end mark is taken as cut short.

    Parameters
    ----------
    file : BinaryIO
        The archive, seekable.
    archive : str
        Its name, for messages.
    """

    def __init__(self, file: BinaryIO, archive: str) -> None:
        self._file, self._archive = file, archive

    def entries(self) -> Iterator[Entry]:
        """Pass over the headers, and over all contents, to gzip's check sum (see `PackedMembers`)."""
        for entry, content in self._walk():
            yield entry
            for _ in content:
                pass

    def contents(self, chosen: Collection[int]) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Pass over contents (see `PackedMembers`)."""
        for number, (_, content) in enumerate(self._walk()):
            if number in chosen:
                yield number, content
            else:
                for _ in content:
                    pass

    def _walk(self) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        self._file.seek(0)
        is_gzip = self._file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        self._file.seek(0)
        if is_gzip:
            with open_gzip(self._file) as unzipped:
                yield from _TarStream(unzipped, self._archive).members()
        else:
            yield from _TarStream(self._file, self._archive).members()


class _TarStream:
    """One pass over the bytes of a tar archive."""

    def __init__(self, file: IO[bytes], archive: str) -> None:
        self._file, self._archive = file, archive
        self._position = 0
        self._member: str | None = None

    def members(self) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        while (entry := self._next_entry()) is not None:
            self._member = entry.name
            yield entry, self._blocks(entry.size_bytes)
            self._skip_padding(entry.size_bytes)
        padding = 0
        while block := self._read(BLOCK):
            padding += len(block)
            if block.strip(b"\0") or padding > _MOST_PADDING:
                raise self._damaged("bytes after its end", "nothing but padding after the end mark")

    def _next_entry(self) -> Entry | None:
        """Read the header of the next member, with the extension headers before it; None at the end mark."""
        name, size = None, None
        extension_bytes = 0
        while True:
            block = self._exactly(_RECORD, "the end mark of the archive")
            if not block.strip(b"\0"):
                if extension_bytes:
                    raise self._damaged("an extension header without a member", "a member")
                return None
            header = self._header(block)
            if header.type not in (*_PAX_TYPES, tarfile.GNUTYPE_LONGNAME):
                return self._entry(header, name, header.size if size is None else size)
            extension_bytes += _RECORD + header.size
            if header.size < 0 or extension_bytes > _MOST_EXTENSION_BYTES:
                raise self._damaged(
                    f"an extension header of {header.size} bytes", f"0 to {_MOST_EXTENSION_BYTES} in all"
                )
            text = self._exactly(header.size, "an extension header")
            self._skip_padding(header.size)
            if header.type == tarfile.GNUTYPE_LONGNAME:
                name = text.rstrip(b"\0").decode("utf-8", "surrogateescape")
                continue
            keywords = self._pax_keywords(text)
            if any(key.startswith("GNU.sparse") for key in keywords):
                raise self._other_kind(header.name, "a sparse file")
            if header.type == tarfile.XGLTYPE and not keywords.keys().isdisjoint(("path", "size")):
                raise self._damaged("a name or size for all members", "one for each member")
            if "path" in keywords:
                name = keywords["path"]
            if "size" in keywords:
                size = self._pax_number(keywords["size"])

    def _header(self, block: bytes) -> tarfile.TarInfo:
        try:
            return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise self._damaged(f"{error}, {self._position - _RECORD} bytes into its contents", "tar") from error

    def _entry(self, header: tarfile.TarInfo, long_name: str | None, size: int) -> Entry:
        name, is_folder = header.name if long_name is None else long_name, header.type == tarfile.DIRTYPE
        if not is_folder and header.type not in _FILE_TYPES:
            raise self._other_kind(name, _OTHER_KINDS.get(header.type, f"a member of type {header.type!r}"))
        if size < 0 or (is_folder and size):
            raise self._other_kind(name, f"a {'folder' if is_folder else 'file'} of {size} bytes")
        return Entry(name, is_folder, size)

    def _pax_keywords(self, text: bytes) -> dict[str, str]:
        """Read records of a length, a space, ``keyword=value`` and a newline; the length counts all of these [1]_."""
        keywords, begin = {}, 0
        while begin < len(text):
            space = text.find(b" ", begin, begin + 20)
            end = begin + self._pax_number(text[begin : max(space, begin)].decode("ascii", "replace"))
            record = text[space + 1 : end]
            keyword, equals, value = record.removesuffix(b"\n").partition(b"=")
            if end > len(text) or not record.endswith(b"\n") or not equals:
                raise self._damaged("a broken pax header", "records of a length, a keyword and a value")
            keywords[keyword.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
            begin = end
        return keywords

    def _pax_number(self, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise self._damaged(f"the number {text[:40]!r} in a pax header", "digits")
        return int(text)

    def _blocks(self, size: int) -> Iterator[bytes]:
        while size:
            block = self._read(min(BLOCK, size))
            if not block:
                raise self._damaged(f"{size} bytes of a member are missing", "the whole member")
            size -= len(block)
            yield block

    def _exactly(self, size: int, what: str) -> bytes:
        content = b""
        while len(content) < size:
            block = self._read(size - len(content))
            if not block:
                raise self._damaged(f"an end after {self._position} bytes", what)
            content += block
        return content

    def _skip_padding(self, size: int) -> None:
        self._exactly(-size % _RECORD, "the whole member")

    def _read(self, size: int) -> bytes:
        try:
            block = self._file.read(size)
        except _DAMAGE as error:
            raise self._damaged(error, "a whole gzip stream") from error
        self._position += len(block)
        return block

    def _other_kind(self, name: str, found: str) -> ArchiveError:
        problem = "A tar archive has a member that cannot be unpacked"
        return refusal(problem, self._archive, member=name, found=found, expected="a file or folder")

    def _damaged(self, found: object, expected: object) -> ArchiveError:
        problem = "An archive is damaged, cut short, or not a tar archive"
        return refusal(problem, self._archive, member=self._member, found=found, expected=expected)
