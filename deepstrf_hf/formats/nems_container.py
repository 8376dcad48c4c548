"""The members of a NEMS recording, one after the other, from a gzipped tar archive or a directory.

Nothing is unpacked to disk, and an archive is decompressed once, in order: a member is read while the walk stands at
it, or not at all. `tarfile` ends without complaint at a damaged header, and does not read on to gzip's check sum; both
are looked at here.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from deepstrf_hf.errors import MissingRawFileError, RawFormatError
from deepstrf_hf.formats.inflate import INFLATE_ERRORS, open_gzip

REPAIR = "the file is damaged or not the published one: fetch it again"
GZIP_MAGIC = b"\x1f\x8b"
KINDS = {".meta.json": "meta", ".epoch.csv": "epochs", ".json": "json", ".csv": "csv", ".h5": "h5"}
"""Kinds of member by the end of the name; a longer end comes before a shorter one that it contains."""
LIMITS = {"meta": 2**26, "json": 2**26, "epochs": 2**28, "h5": 2**31, "csv": 2**35}
"""Largest member of each kind, bytes: many times the largest known. Those of csv files are never held whole."""
HEADER_LIMIT = 2**20
"""Largest header of a tar member, bytes: long names are short texts."""
DAMAGE: tuple[type[Exception], ...] = (EOFError, OSError, *INFLATE_ERRORS)
_STEP = 2**20


@dataclass(frozen=True)
class Member:
    """One file of a recording.

    Parameters
    ----------
    name : str
        Path in the archive, or below the directory.
    signal : str
        Signal it belongs to; ``""`` for the meta data and for files of no known kind.
    kind : str
        ``"meta"``, ``"json"``, ``"epochs"``, ``"csv"``, ``"h5"``, or ``""`` for a file of no known kind.
    size : int
        Bytes.
    """

    name: str
    signal: str
    kind: str
    size: int


class MemberStream:
    """The bytes of a member, from the beginning to the end.

    Parameters
    ----------
    path : Path
        The recording.
    member : Member
        Which.
    read : callable
        Gives up to that many of the next bytes, none at the end.
    """

    def __init__(self, path: Path, member: Member, read: Callable[[int], bytes]) -> None:
        self.path, self.member, self._read, self._left = path, member, read, member.size

    def error(self, problem: str, *, field: str = "", found: object = None, expected: object = None) -> RawFormatError:
        """Make the error for a member that is not as published; `field` is where in it."""
        place = f"{self.member.name}: {field}" if field else self.member.name
        return RawFormatError(problem, path=self.path, field=place, found=found, expected=expected, mend=REPAIR)

    def read(self, size: int) -> bytes:
        """Return the next bytes: as many as asked for, fewer at the end, and none after it.

        Raises
        ------
        RawFormatError
            The archive is damaged, or the member ends before its size.
        """
        wanted = min(size, self._left)
        content = io.BytesIO()  # grows in place: pieces put together at the end would be held twice
        while wanted:
            try:
                piece = self._read(min(wanted, _STEP))
            except OSError as error:
                raise self.error("A file of a recording cannot be read", found=error) from error
            if not piece:
                found = f"{self.member.size - self._left} bytes"
                raise self.error("A recording is cut short", found=found, expected=f"{self.member.size} bytes")
            content.write(piece)
            wanted -= len(piece)
            self._left -= len(piece)
        return content.getvalue()

    def whole(self) -> bytes:
        """Return all bytes that are left (errors as in `read`)."""
        return self.read(self._left)


def walk_members(path: Path) -> Generator[MemberStream, None, None]:
    """Pass over the members of a recording, once.

    Each must be read before the next is asked for. A caller that has what it needs may stop; one that goes on to the
    end knows that the whole archive is intact.

    Parameters
    ----------
    path : Path
        A gzipped tar archive, or a directory that holds the files, or that holds one directory which does.

    Yields
    ------
    MemberStream
        In the order of the archive; for a directory, by name. Hidden files (``.DS_Store``) are passed over.

    Raises
    ------
    MissingRawFileError
        There is nothing of that name, or a directory holds no recording.
    RawFormatError
        Not an archive, cut short or damaged; two members of one signal and kind, or in two directories; a link, a
        device or another odd member; a member far larger than any known.
    """
    seen: dict[tuple[str, str], str] = {}
    folders: dict[PurePosixPath, str] = {}
    for stream in _from_directory(path) if path.is_dir() else _from_archive(path):
        member = stream.member
        if member.kind:
            if member.size > LIMITS[member.kind]:
                limit = f"at most {LIMITS[member.kind]} bytes"
                raise stream.error("A member of a recording is too large", found=f"{member.size} bytes", expected=limit)
            if (member.signal, member.kind) in seen:
                twin = f"also {seen[member.signal, member.kind]}"
                raise stream.error("A recording holds two files of one kind", found=twin, expected="one")
            seen[member.signal, member.kind] = member.name
            folders.setdefault(PurePosixPath(member.name).parent, member.name)
            if len(folders) > 1:
                raise stream.error("Files of a recording lie in two directories", found=", ".join(folders.values()))
        yield stream


def describe(name: str, size: int) -> Member:
    """Return what the name of a member says: ``<recording>.<signal>.<kind>``.

    The recording's name may hold dots, and may differ between members.
    """
    base = PurePosixPath(name).name
    for end, kind in KINDS.items():
        if not base.endswith(end):
            continue
        stem = base.removesuffix(end)
        if kind == "meta":
            return Member(name, "", kind, size)
        signal = stem.rpartition(".")[2]
        if stem and signal:
            return Member(name, signal, kind, size)
    return Member(name, "", "", size)


def _hidden(name: str) -> bool:
    return PurePosixPath(name).name.startswith(".")


def _from_directory(path: Path) -> Iterator[MemberStream]:
    candidates = [path, *sorted(entry for entry in path.iterdir() if entry.is_dir() and not _hidden(entry.name))]
    holding = [
        folder
        for folder in candidates
        if any(
            describe(entry.name, 0).kind in ("meta", "json") and not _hidden(entry.name) for entry in folder.iterdir()
        )
    ]
    if len(holding) != 1:
        shown = ", ".join(folder.name for folder in holding) or "no JSON files of a recording"
        problem = "A directory holds several recordings" if holding else "A directory holds no recording"
        raise (RawFormatError if holding else MissingRawFileError)(
            problem, path=path, found=shown, expected="the files of one recording, or one directory with them"
        )
    for entry in sorted(holding[0].iterdir()):
        if _hidden(entry.name) or entry.is_dir():
            continue
        member = describe(entry.relative_to(path).as_posix(), entry.stat().st_size)
        try:
            file = entry.open("rb")
        except OSError as error:
            raise RawFormatError(
                "A file of a recording cannot be read", path=path, field=member.name, found=error, mend=REPAIR
            ) from error
        with file:
            yield MemberStream(path, member, file.read)


class _Forward:
    """Contents of a compressed file, read onwards only: looking for the next member, `tarfile` never seeks back."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file, self._path = file, path
        self.position = 0
        self.last = b""
        """What `tarfile` last read: at the end of the archive, the block that it took for the end."""
        self.inside = ""

    def tell(self) -> int:
        return self.position

    def seek(self, position: int) -> None:
        while self.position < position and self.next_bytes(min(position - self.position, _STEP)):
            pass

    def read(self, size: int) -> bytes:
        """Read on behalf of `tarfile`: a header, or the last byte before one."""
        if size > HEADER_LIMIT:
            raise RawFormatError(
                "An archive has a header that is too large",
                path=self._path,
                field=f"after {self.inside}" if self.inside else None,
                found=f"{size} bytes",
                expected=f"at most {HEADER_LIMIT} bytes",
                mend=REPAIR,
            )
        pieces = []
        while size and (piece := self.next_bytes(size)):
            pieces.append(piece)
            size -= len(piece)
        self.last = b"".join(pieces)
        return self.last

    def next_bytes(self, size: int) -> bytes:
        try:
            data = self._file.read(size)
        except DAMAGE as error:
            raise RawFormatError(
                "A recording is cut short" if isinstance(error, EOFError) else "A recording cannot be decompressed",
                path=self._path,
                field=self.inside or None,
                found=f"{error} (after {self.position} bytes of its contents)",
                expected="a whole .tgz archive",
                mend=REPAIR,
            ) from error
        self.position += len(data)
        return data


def _from_archive(path: Path) -> Iterator[MemberStream]:
    if not path.is_file():
        raise MissingRawFileError(
            "A recording is missing",
            path=path,
            expected="a .tgz archive or a directory",
            mend="complete the download, or leave it out with on_error='skip' where that is allowed",
        )
    with path.open("rb") as raw:
        magic = raw.read(len(GZIP_MAGIC))
        if magic != GZIP_MAGIC:
            found = f"{path.stat().st_size} bytes that begin with {magic!r}"
            raise RawFormatError(
                "A file is not a gzip archive", path=path, found=found, expected="a .tgz archive", mend=REPAIR
            )
        raw.seek(0)
        with open_gzip(raw) as file:
            yield from _walk_tar(path, _Forward(file, path))


def _walk_tar(path: Path, forward: _Forward) -> Iterator[MemberStream]:
    def damaged(found: object) -> RawFormatError:
        return RawFormatError(
            "An archive is damaged, or not a tar archive",
            path=path,
            field=f"after {forward.inside}" if forward.inside else None,
            found=found,
            expected="tar",
            mend=REPAIR,
        )

    try:
        archive = tarfile.TarFile(fileobj=forward, mode="r", errors="surrogateescape")  # type: ignore[arg-type]
        info = archive.next()
        while info is not None:
            forward.inside = info.name
            if not info.isdir():
                if not info.isfile() or info.issparse():
                    raise RawFormatError(
                        "An archive holds something other than files",
                        path=path,
                        field=info.name,
                        found="a link" if info.issym() or info.islnk() else f"a member of type {info.type!r}",
                        expected="files and directories",
                        mend=REPAIR,
                    )
                forward.seek(info.offset_data)
                if not _hidden(info.name):
                    yield MemberStream(path, describe(info.name, info.size), forward.next_bytes)
            info = archive.next()
    except (tarfile.TarError, ValueError) as error:
        raise damaged(error) from error
    if forward.last.strip(b"\0"):
        raise damaged(f"a broken header at byte {forward.position - len(forward.last)} of its contents")
    while forward.next_bytes(_STEP):  # to the end, where gzip's check sum stands
        pass
