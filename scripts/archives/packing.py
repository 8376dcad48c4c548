"""Writers of zip and tar archives that let every field be wrong."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

STORED, DEFLATED = 0, 8
UTF8 = 0x800
FILE, FOLDER = 0o100644, 0o040755


@dataclass(frozen=True)
class ZipMember:
    """A member of a zip archive; a field that is None is what it should be.

    Parameters
    ----------
    name : str or bytes
        Path; encoded as UTF-8.
    content : bytes
        What is packed.
    method, flags, mode, system : int
        Compression method, general purpose flags, Unix mode, system it was made on (3 is Unix).
    packed : bytes, optional
        What stands in the archive as packed content.
    crc, size, packed_size : int, optional
        As they are announced.
    local_name : bytes, optional
        Name in the member's own header.
    local_flags, local_method : int, optional
        Flags and method in the member's own header.
    local_extra_length : int
        Length that the member's own header announces of its extra field, which is not there.
    offset : int, optional
        Where the directory says that the member begins.
    extra : bytes
        Extra field in the directory.
    """

    name: str | bytes
    content: bytes = b""
    method: int = DEFLATED
    flags: int = UTF8
    mode: int = FILE
    system: int = 3
    packed: bytes | None = None
    crc: int | None = None
    size: int | None = None
    packed_size: int | None = None
    local_name: bytes | None = None
    local_flags: int | None = None
    local_method: int | None = None
    local_extra_length: int = 0
    offset: int | None = None
    extra: bytes = b""

    @property
    def raw_name(self) -> bytes:
        """The name as bytes."""
        return self.name if isinstance(self.name, bytes) else self.name.encode("utf-8", "surrogatepass")

    @property
    def raw_packed(self) -> bytes:
        """The packed content."""
        if self.packed is not None:
            return self.packed
        return deflated(self.content) if self.method == DEFLATED else self.content

    def sizes(self) -> tuple[int, int, int]:
        """Return check sum, packed size and size as announced."""
        crc = zlib.crc32(self.content) if self.crc is None else self.crc
        packed_size = len(self.raw_packed) if self.packed_size is None else self.packed_size
        return crc, packed_size, len(self.content) if self.size is None else self.size


def deflated(content: bytes) -> bytes:
    """Return a raw deflate stream."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def zip_of(members: Sequence[ZipMember], *, directory_size: int | None = None, count: int | None = None) -> bytes:
    """Write a zip archive; size and count of the directory may be announced wrong."""
    archive, directory = bytearray(), bytearray()
    for member in members:
        name, packed, sizes = member.raw_name, member.raw_packed, member.sizes()
        offset = len(archive) if member.offset is None else member.offset
        local_name = name if member.local_name is None else member.local_name
        flags = member.flags if member.local_flags is None else member.local_flags
        method = member.method if member.local_method is None else member.local_method
        limited = [min(size, 0xFFFFFFFF) for size in sizes]
        lengths = len(local_name), member.local_extra_length
        archive += struct.pack("<4s5H3L2H", b"PK\3\4", 45, flags, method, 0, 33, *limited, *lengths)
        archive += local_name + packed
        directory += struct.pack(
            "<4s4B4H3L5H2L",
            *(b"PK\1\2", 45, member.system, 45, 0, member.flags, member.method, 0, 33, *limited),
            *(len(name), len(member.extra), 0, 0, 0, member.mode << 16, offset),
        )
        directory += name + member.extra
    size = len(directory) if directory_size is None else directory_size
    number = len(members) if count is None else count
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, number, number, size, len(archive), 0)
    return bytes(archive + directory + end)


def zip64_sizes(size: int, packed_size: int) -> bytes:
    """Return the extra field that announces sizes of 64 bits."""
    return struct.pack("<2H2Q", 1, 16, size, packed_size)


@dataclass(frozen=True)
class TarMember:
    """A member of a tar archive; a field that is None is what it should be.

    Parameters
    ----------
    name : str or bytes
        Path, at most 100 bytes; encoded as UTF-8.
    content : bytes
        What follows the header, before padding.
    kind : bytes
        Type of the header.
    link : str
        What a link points to.
    size : int, optional
        As it is announced.
    """

    name: str | bytes
    content: bytes = b""
    kind: bytes = tarfile.REGTYPE
    link: str = ""
    size: int | None = None

    def packed(self) -> bytes:
        """Return header, content and padding."""
        info = tarfile.TarInfo(
            self.name if isinstance(self.name, str) else self.name.decode("utf-8", "surrogateescape")
        )
        info.type, info.linkname = self.kind, self.link
        info.size = len(self.content) if self.size is None else self.size
        header = info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
        return header + self.content + bytes(-len(self.content) % tarfile.BLOCKSIZE)


def tar_of(members: Sequence[TarMember], *, end: bytes = bytes(2 * tarfile.BLOCKSIZE)) -> bytes:
    """Write a tar archive."""
    return b"".join(member.packed() for member in members) + end


def tgz_of(members: Sequence[TarMember], *, end: bytes = bytes(2 * tarfile.BLOCKSIZE)) -> bytes:
    """Write a gzipped tar archive."""
    return gzip.compress(tar_of(members, end=end), mtime=0)


def pax(records: dict[str, str], *, for_all: bool = False) -> TarMember:
    """Return the extension header that says these things of the next member."""
    text = b""
    for keyword, value in records.items():
        record = f" {keyword}={value}\n".encode("utf-8", "surrogateescape")
        length = len(record) + 1
        while len(str(length)) + len(record) != length:
            length = len(str(length)) + len(record)
        text += str(length).encode() + record
    return TarMember("pax", text, tarfile.XGLTYPE if for_all else tarfile.XHDTYPE)


def zip_by_library(files: dict[str, bytes]) -> bytes:
    """Write a zip archive with the standard library, of stored and deflated members."""
    import zipfile

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        for number, (name, content) in enumerate(files.items()):
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            info.external_attr = (FOLDER if name.endswith("/") else FILE) << 16
            writer.writestr(info, content, STORED if number % 2 or name.endswith("/") else DEFLATED)
    return archive.getvalue()


def tgz_by_library(files: dict[str, bytes]) -> bytes:
    """Write a gzipped tar archive with the standard library."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as writer:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if name.endswith("/"):
                info.type, info.mode = tarfile.DIRTYPE, FOLDER
            writer.addfile(info, io.BytesIO(content))
    return archive.getvalue()
