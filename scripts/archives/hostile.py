"""Hostile and broken archives, each with one fault, beside a file that is as it should be."""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import struct
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace

from deepstrf_hf.download.unpack import Limits
from scripts.archives.packing import (
    DEFLATED,
    FOLDER,
    STORED,
    UTF8,
    TarMember,
    ZipMember,
    deflated,
    pax,
    tar_of,
    tgz_of,
    zip64_sizes,
    zip_of,
)

LIMITS = Limits(largest_bytes=1_000_000, most_members=50, largest_ratio=100)
"""What all of them are unpacked with."""
CONTENT = bytes(range(256)) * 4
GOOD_ZIP, GOOD_TAR = ZipMember("good/data.bin", CONTENT), TarMember("good/data.bin", CONTENT)

NAMES = {
    "parent": "../outside",
    "parent inside": "good/../../outside",
    "parent, staying": "good/../other",
    "parent at the end": "good/..",
    "parent after dot": "./../outside",
    "parent alone": "..",
    "dot alone": ".",
    "dot inside": "good/./other",
    "absolute": "/deepstrf-outside",
    "absolute, two slashes": "//host/outside",
    "drive": "C:\\outside",
    "drive, slashes": "C:/outside",
    "drive, relative": "C:outside",
    "UNC": "\\\\host\\share\\outside",
    "long path of Windows": "\\\\?\\C:\\outside",
    "backslash": "good\\other",
    "parent with backslash": "..\\outside",
    "stream of a file": "good/data.bin:stream",
    "new line": "good/a\nb",
    "escape": "good/\x1b[2J",
    "delete": "good/a\x7f",
    "C1 control": "good/a\x85",
    "empty component": "good//other",
    "slash at the end of a file's name twice": "good//",
    "empty": "",
    "dot at the end": "good/other.",
    "space at the end": "good/other ",
    "folder with a dot at the end": "bad./other",
    "three dots": ".../other",
    "device": "CON",
    "device, small": "good/nul",
    "device with an end": "good/aux.mat",
    "device as folder": "prn/other",
    "device with a space": "good/com1 .txt",
    "device with superscript": "good/LPT¹",
    "device of the console": "CONIN$",
    "component too long": "n" * 256,
    "component too long in bytes": "é" * 128,
    "name too long": "/".join(["deep"] * 250),
    "not UTF-8": "good/\udcff",
}
CLASHES = {
    "twice": ("other", "other"),
    "twice in a folder": ("good/other", "good/other"),
    "case": ("good/other", "good/Other"),
    "case of a folder": ("other/a", "Other/b"),
    "case beyond ASCII": ("straße", "STRASSE"),
    "composition": ("caf\u00e9", "cafe\u0301"),
    "composition of a folder": ("caf\u00e9/a", "cafe\u0301/b"),
    "case and composition": ("CAF\u00c9", "cafe\u0301"),
    "file, then folder": ("other", "other/a"),
    "folder, then file": ("other/a", "other"),
    "file, then folder, case": ("other", "OTHER/a"),
    "with ./": ("other", "./other"),
}
KINDS_OF_TAR = {
    "symbolic link out": TarMember("link", kind=tarfile.SYMTYPE, link="../outside"),
    "symbolic link, absolute": TarMember("link", kind=tarfile.SYMTYPE, link="/etc"),
    "symbolic link inside": TarMember("link", kind=tarfile.SYMTYPE, link="good"),
    "hard link out": TarMember("link", kind=tarfile.LNKTYPE, link="../outside"),
    "hard link inside": TarMember("link", kind=tarfile.LNKTYPE, link="good/data.bin"),
    "hard link with content": TarMember("link", b"content", kind=tarfile.LNKTYPE, link="good/data.bin"),
    "character device": TarMember("device", kind=tarfile.CHRTYPE),
    "block device": TarMember("device", kind=tarfile.BLKTYPE),
    "pipe": TarMember("pipe", kind=tarfile.FIFOTYPE),
    "sparse": TarMember("sparse", kind=tarfile.GNUTYPE_SPARSE),
    "long link": TarMember("link", b"x\0", kind=tarfile.GNUTYPE_LONGLINK),
    "volume label": TarMember("label", kind=b"V"),
    "part of a file": TarMember("part", kind=b"M"),
    "dump of a folder": TarMember("dump", b"Yx\0\0", kind=b"D"),
    "unknown": TarMember("unknown", kind=b"Z"),
    "folder with content": TarMember("folder", b"content", kind=tarfile.DIRTYPE),
}


Archives = Iterator[tuple[str, bytes]]


def _zip_names() -> Archives:
    for label, name in {**NAMES, "NUL": "good/other\0.txt", "NUL at the end": "good/other\0"}.items():
        raw = name.encode("utf-8", "surrogateescape")
        yield label, zip_of([GOOD_ZIP, ZipMember(raw, b"outside")])
        yield f"{label}, first", zip_of([ZipMember(raw, b"outside"), GOOD_ZIP])
    yield "folder outside", zip_of([GOOD_ZIP, ZipMember("../outside/", mode=FOLDER, method=STORED)])
    yield "parent, not flagged as UTF-8", zip_of([GOOD_ZIP, ZipMember("../outside", b"outside", flags=0)])
    yield "parent in the member's own header", zip_of([GOOD_ZIP, ZipMember("other", b"x", local_name=b"../outside")])


def _tar_names() -> Archives:
    for label, name in {**NAMES, "NUL": "good/other\0.txt"}.items():
        if len(name.encode("utf-8", "surrogateescape")) <= 100 and "\0" not in name:
            member = TarMember(name.encode("utf-8", "surrogateescape"), b"outside")
            yield label, tgz_of([GOOD_TAR, member])
            yield f"{label}, plain tar, first", tar_of([member, GOOD_TAR])
        raw = name.encode("utf-8", "surrogateescape") + b"\0"
        yield f"{label}, in a pax header", tgz_of([GOOD_TAR, pax({"path": name}), TarMember("other", b"outside")])
        long_name = TarMember("long", raw, kind=tarfile.GNUTYPE_LONGNAME)
        yield f"{label}, as a long name", tgz_of([GOOD_TAR, long_name, TarMember("other", b"outside")])
    yield "folder outside", tgz_of([GOOD_TAR, TarMember("../outside", kind=tarfile.DIRTYPE)])
    yield "name for all members", tgz_of([pax({"path": "other"}, for_all=True), GOOD_TAR])
    yield "name outside for all members", tgz_of([pax({"path": "../outside"}, for_all=True), GOOD_TAR])


def _zip_clashes() -> Archives:
    for label, (first, second) in CLASHES.items():
        yield label, zip_of([GOOD_ZIP, ZipMember(first, b"first"), ZipMember(second, b"second")])
    folder = ZipMember("good/data.bin/", mode=FOLDER, method=STORED)
    yield "folder of a file's name", zip_of([GOOD_ZIP, folder])
    yield "folder in another case", zip_of([GOOD_ZIP, replace(folder, name="Good/")])


def _tar_clashes() -> Archives:
    for label, (first, second) in CLASHES.items():
        yield label, tgz_of([GOOD_TAR, TarMember(first, b"first"), TarMember(second, b"second")])
    yield "folder of a file's name", tgz_of([GOOD_TAR, TarMember("good/data.bin", kind=tarfile.DIRTYPE)])
    yield "folder in another case", tgz_of([GOOD_TAR, TarMember("Good", kind=tarfile.DIRTYPE)])


def _zip_kinds() -> Archives:
    for label, kind in {
        "symbolic link": stat.S_IFLNK,
        "character device": stat.S_IFCHR,
        "block device": stat.S_IFBLK,
        "pipe": stat.S_IFIFO,
        "socket": stat.S_IFSOCK,
        "folder by its mode": stat.S_IFDIR,
        "kind that does not exist": 0o110000,
    }.items():
        yield label, zip_of([GOOD_ZIP, ZipMember("other", b"../outside", mode=kind | 0o777)])
    yield (
        "symbolic link of another system",
        zip_of([GOOD_ZIP, ZipMember("other", b"../outside", mode=stat.S_IFLNK | 0o777, system=0)]),
    )
    yield "file by its mode", zip_of([GOOD_ZIP, ZipMember("other/", method=STORED)])
    yield "folder with content", zip_of([GOOD_ZIP, ZipMember("other/", b"content", mode=FOLDER)])
    for label, flags in {
        "encrypted": 1,
        "strongly encrypted": 0x41,
        "patched": 0x20,
        "masked headers": 0x2000,
    }.items():
        yield label, zip_of([GOOD_ZIP, ZipMember("other", b"content", flags=flags | UTF8)])
    for method in (1, 6, 9, 12, 14, 93, 95, 98, 99):
        yield f"method {method}", zip_of([GOOD_ZIP, ZipMember("other", b"content", method=method)])


def _tar_kinds() -> Archives:
    for label, member in KINDS_OF_TAR.items():
        yield label, tgz_of([GOOD_TAR, member])
        yield f"{label}, plain tar, first", tar_of([member, GOOD_TAR])
    link = TarMember("link", kind=tarfile.SYMTYPE, link="..")
    yield "file through a link", tgz_of([link, TarMember("link/outside", b"outside")])
    yield "sparse by pax, 0.1", tgz_of([GOOD_TAR, pax({"GNU.sparse.map": "0,1", "GNU.sparse.size": "99"}), GOOD_TAR])
    yield (
        "sparse by pax, 1.0",
        tgz_of([GOOD_TAR, pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}), TarMember("other", b"1\n0\n1\n")]),
    )


def _zip_bombs() -> Archives:
    zeros = bytes(990_000)
    yield "ratio", zip_of([GOOD_ZIP, ZipMember("zeros", zeros)])
    yield "too much in one", zip_of([GOOD_ZIP, ZipMember("zeros", bytes(2_000_000))])
    noise = deflated(zeros)
    yield "too much in several", zip_of([ZipMember(f"zeros{n}", zeros, packed=noise) for n in range(40)])
    yield "too many", zip_of([ZipMember(f"file{n}", CONTENT) for n in range(51)])
    yield "too many, counted as one", zip_of([ZipMember(f"file{n}", CONTENT) for n in range(51)], count=1)
    yield "too many folders", zip_of([GOOD_ZIP, *(ZipMember(f"{n}/", mode=FOLDER, method=STORED) for n in range(50))])
    yield "many with long names", zip_of([ZipMember(f"{n:05}" * 40, b"x", method=STORED) for n in range(1000)])
    yield "lies, small", zip_of([GOOD_ZIP, ZipMember("zeros", zeros, size=10, crc=_crc(zeros[:10]))])
    yield "lies, nothing", zip_of([GOOD_ZIP, ZipMember("zeros", zeros, size=0, crc=0)])
    yield "lies, one byte less", zip_of([GOOD_ZIP, ZipMember("other", CONTENT, size=len(CONTENT) - 1)])
    yield "lies, one byte more", zip_of([GOOD_ZIP, ZipMember("other", CONTENT, size=len(CONTENT) + 1)])
    yield "lies, packed size", zip_of([GOOD_ZIP, ZipMember("other", CONTENT, packed_size=len(deflated(CONTENT)) - 1)])
    yield "members of one content", zip_of([GOOD_ZIP, replace(GOOD_ZIP, name="good/other", offset=0)])
    yield "quoted members", _quoted_members()
    yield (
        "content over the directory",
        zip_of([GOOD_ZIP, ZipMember("other", b"x", method=STORED, size=99, packed_size=99)]),
    )
    yield (
        "content over the next member",
        zip_of([ZipMember("other", b"x", method=STORED, size=60, packed_size=60), GOOD_ZIP]),
    )
    shifted = ZipMember("other", b"defPK\3", method=STORED, packed=b"abcdef", local_extra_length=3)
    yield "content over the next member by its own header", zip_of([shifted, GOOD_ZIP])
    for label, size in (("terabyte", 2**40), ("exabytes", 2**63), ("largest number", 2**64 - 1)):
        extra = zip64_sizes(size, len(noise))
        member = ZipMember("zeros", zeros, packed=noise, size=2**32 - 1, packed_size=2**32 - 1, extra=extra)
        yield f"{label} by zip64", zip_of([GOOD_ZIP, member])


def _quoted_members() -> bytes:
    """Let each member hold the header of the next as a stored block of its stream, and all share one content."""
    zeros = bytes(100_000)
    kernel = deflated(zeros)
    body, size, members, bodies = kernel, len(zeros), [], []
    for number in reversed(range(8)):
        name = f"file{number}".encode()
        header = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 33, 0, len(body), size, len(name), 0) + name
        members.append((name, len(body), size, len(header)))
        bodies.append(header + body)
        quote = b"\0" + struct.pack("<2H", len(header), len(header) ^ 0xFFFF) + header
        body, size = quote + body, size + len(header)
    archive = bodies[-1]
    directory = b""
    for (name, packed, announced, _), whole in zip(members, bodies, strict=True):
        offset = len(archive) - len(whole)
        fields = (b"PK\1\2", 20, 20, 0, 8, 0, 33, 0, packed, announced, len(name), 0, 0, 0, 0, 0, offset)
        directory += struct.pack("<4s6H3L5H2L", *fields) + name
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(members), len(members), len(directory), len(archive), 0)
    return archive + directory + end


def _tar_bombs() -> Archives:
    yield "ratio", tgz_of([GOOD_TAR, TarMember("zeros", bytes(990_000))])
    yield "too much in one", tgz_of([GOOD_TAR, TarMember("zeros", bytes(2_000_000))])
    yield "too much in several", tgz_of([TarMember(f"zeros{n}", bytes(30_000)) for n in range(40)])
    yield "too many", tgz_of([TarMember(f"file{n}", CONTENT) for n in range(51)])
    yield "too many, empty", tgz_of([TarMember(f"file{n}") for n in range(60_000)])
    for label, size in (("terabyte", 2**40), ("exabytes", 2**62), ("below zero", -512), ("far below zero", -(2**62))):
        yield f"size of {label}", tgz_of([GOOD_TAR, TarMember("zeros", CONTENT, size=size)])
        yield f"size of {label}, plain tar", tar_of([TarMember("zeros", CONTENT, size=size), GOOD_TAR])
        yield f"size of {label} by pax", tgz_of([GOOD_TAR, pax({"size": str(size)}), TarMember("zeros", CONTENT)])
        for kind in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME):
            header = TarMember("header", b"x" * 512, kind=kind, size=size)
            yield f"header {kind.decode()} of {label}", tgz_of([GOOD_TAR, header, TarMember("other", b"x")])
    yield "size of no number by pax", tgz_of([GOOD_TAR, pax({"size": "1e3"}), TarMember("zeros", CONTENT)])
    yield "size of many digits by pax", tgz_of([GOOD_TAR, pax({"size": "9" * 10_000}), TarMember("zeros", CONTENT)])
    yield "long pax header", tgz_of([GOOD_TAR, pax({"comment": "x" * 3_000_000}), TarMember("other", b"x")])
    yield "long name", tgz_of([GOOD_TAR, TarMember("n", b"n" * 3_000_000, tarfile.GNUTYPE_LONGNAME), TarMember("o")])
    yield "chain of pax headers", tgz_of([GOOD_TAR, *[pax({"comment": "x"})] * 20_000, TarMember("other", b"x")])
    records = TarMember("pax", b"1" * 500_000 + b" x=", tarfile.XHDTYPE)
    yield "pax header of one long number", tgz_of([GOOD_TAR, records, TarMember("other", b"x")])
    yield "zeros after the end", tgz_of([GOOD_TAR], end=bytes(50_000_000))


def _zip_damage() -> Archives:
    whole = zip_of([GOOD_ZIP, ZipMember("other", CONTENT), ZipMember("stored", CONTENT, method=STORED)])
    for left in (4, 29, 60, len(whole) // 2, len(whole) - 100, len(whole) - 22, len(whole) - 1):
        yield f"cut after {left} bytes", whole[:left]
    for method in (STORED, DEFLATED):
        yield f"check sum, method {method}", zip_of([GOOD_ZIP, ZipMember("other", CONTENT, method=method, crc=1)])
    packed = deflated(CONTENT)
    yield "bytes after a stream", zip_of([GOOD_ZIP, ZipMember("other", CONTENT, packed=packed + b"tail")])
    yield "a second stream", zip_of([GOOD_ZIP, ZipMember("other", CONTENT, packed=packed + packed)])
    yield "stream without end", zip_of([GOOD_ZIP, ZipMember("other", CONTENT, packed=packed[:-2])])
    yield "no stream", zip_of([GOOD_ZIP, ZipMember("other", CONTENT, packed=b"\xff" * 99)])
    yield "empty stream", zip_of([GOOD_ZIP, ZipMember("other", b"", packed=b"")])
    yield "stored in another size", zip_of([GOOD_ZIP, ZipMember("other", CONTENT, method=STORED, size=1)])
    yield "another name", zip_of([GOOD_ZIP, ZipMember("other", b"x", local_name=b"othes")])
    yield (
        "another name of a folder",
        zip_of([GOOD_ZIP, ZipMember("other/", mode=FOLDER, method=STORED, local_name=b"othes/")]),
    )
    yield "another method", zip_of([GOOD_ZIP, ZipMember("other", b"x", local_method=STORED)])
    yield "encrypted in one header", zip_of([GOOD_ZIP, ZipMember("other", b"x", local_flags=UTF8 | 1)])
    yield "another encoding", zip_of([GOOD_ZIP, ZipMember("é", b"x", local_flags=0)])
    yield "name not UTF-8, flagged as such", zip_of([GOOD_ZIP, ZipMember(b"good/\xff\xfe", b"x")])
    yield "offset beyond the end", zip_of([GOOD_ZIP, ZipMember("other", b"x", offset=2**31)])
    yield "directory before the beginning", zip_of([GOOD_ZIP], directory_size=5000)
    yield "places that count from elsewhere", zip_of([GOOD_ZIP]) + zip_of([ZipMember("other", b"x")])
    yield "directory of fewer members", zip_of([GOOD_ZIP, ZipMember("other", b"x")], count=1)
    yield "directory of more members", zip_of([GOOD_ZIP], count=2)
    yield "bytes after the end", zip_of([GOOD_ZIP]) + b"\n"
    yield "directory of no size", zip_of([GOOD_ZIP], directory_size=0)


def _tar_damage() -> Archives:
    members = [GOOD_TAR, TarMember("other", CONTENT), TarMember("third", CONTENT)]
    plain = tar_of(members)
    zipped = tgz_of(members)
    for left in (1, 511, 512, 700, 1536, 2000, len(plain) - 1024):
        yield f"plain tar cut after {left} bytes", plain[:left]
    for left in (2, 9, 30, len(zipped) // 2, len(zipped) - 9, len(zipped) - 8, len(zipped) - 1):
        yield f"cut after {left} bytes", zipped[:left]
    for back in (8, 5, 4, 1):
        broken = bytearray(zipped)
        broken[-back] ^= 1
        yield f"trailer, byte {back} from the end", bytes(broken)
    broken = bytearray(plain)
    broken[1536] ^= 1
    yield "header in the middle", gzip.compress(bytes(broken))
    yield "header in the middle, plain tar", bytes(broken)
    yield "no end mark", tgz_of(members, end=b"")
    yield "header that begins after the end mark", tgz_of(members, end=bytes(512) + plain)
    yield "two archives", gzip.compress(plain + plain)
    yield "bytes after gzip", zipped + b"tail"
    yield "a second stream that is broken", zipped + zipped[:-3]
    yield "second stream after the end", zipped + zipped
    yield "extension header at the end", tgz_of([GOOD_TAR, pax({"comment": "x"})])
    for label, text in {
        "length of a pax record": b"99 path=x\n",
        "pax record of length 0": b"0 path=x\n",
        "pax record without length": b"path=x\n",
        "second pax record without length": b"9 a=bcde\n" + b"path=" + b"x" * 30 + b"\n",
        "pax record without =": b"7 path\n",
        "pax record without end": b"9 path=xx",
    }.items():
        yield label, tgz_of([GOOD_TAR, TarMember("pax", text, tarfile.XHDTYPE), TarMember("other", b"x")])


def _no_archives() -> Archives:
    yield "nothing", b""
    yield "one byte", b"P"
    yield "page of a login", b"<!DOCTYPE html><html><title>Log in</title></html>" * 40
    yield "text in gzip", gzip.compress(b"spike times\n" * 100)
    yield "nothing in gzip", gzip.compress(b"")
    yield "gzip in gzip", gzip.compress(tgz_of([GOOD_TAR]))
    yield "zip in gzip", gzip.compress(zip_of([GOOD_ZIP]))
    yield "zip without members", zip_of([])
    yield "zip of folders", zip_of([ZipMember("folder/", mode=FOLDER, method=STORED)])
    yield "tar without members", tar_of([])
    yield "tar of folders", tgz_of([TarMember("folder", kind=tarfile.DIRTYPE)])
    yield "bzip2", bz2.compress(tar_of([GOOD_TAR]))
    yield "xz", lzma.compress(tar_of([GOOD_TAR]))
    yield "7z", b"7z\xbc\xaf\x27\x1c" + bytes(100)
    yield "rar", b"Rar!\x1a\x07\x01\x00" + bytes(100)


def _crc(content: bytes) -> int:
    return ZipMember("", content).sizes()[0]


GROUPS: dict[str, Callable[[], Archives]] = {
    "name, zip": _zip_names,
    "name, tar": _tar_names,
    "clash, zip": _zip_clashes,
    "clash, tar": _tar_clashes,
    "kind, zip": _zip_kinds,
    "kind, tar": _tar_kinds,
    "bomb, zip": _zip_bombs,
    "bomb, tar": _tar_bombs,
    "damage, zip": _zip_damage,
    "damage, tar": _tar_damage,
    "no archive": _no_archives,
}
"""What yields the names and bytes of the archives of each group."""
