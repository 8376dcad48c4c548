"""The one function that unpacks archives. Archives are not trusted, whoever published them.

Zip, tar and gzipped tar, recognised by content. What an archive announces is judged as a whole before anything is
written: names (`member_names`), kinds of member (only files and folders), number, sizes, free space. What is written is
judged again: bytes against the announced size, and zip's and gzip's check sums to the end. A tar archive is
decompressed twice for this. Modes, owners and times that an archive carries are not applied. Archives inside an archive
are files like others.

A tar archive that is not gzipped has no check sum of its contents: for it, that of the download must serve.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from deepstrf_hf.download.archive_members import Entry, PackedMembers, refusal
from deepstrf_hf.download.member_names import NameClashes, Parts, split_name, without_wrapper
from deepstrf_hf.download.tar_members import TarMembers
from deepstrf_hf.download.unpack_staging import UnpackStaging
from deepstrf_hf.download.zip_members import ZIP_MAGIC, ZipMembers
from deepstrf_hf.errors import ArchiveError, DownloadError, MissingRawFileError

_DISK_BLOCK = 4096
"""Bytes that file systems hand out at a time: a file takes up to so many more than its content."""
_OTHER_MAGIC = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"7z\xbc\xaf": "7z",
    b"Rar!": "rar",
    b"\x28\xb5\x2f\xfd": "zstd",
}


@dataclass(frozen=True)
class Limits:
    """What an archive may unpack to at most; all members count, wanted or not.

    Parameters
    ----------
    largest_bytes : int
        Bytes of all files together.
    most_members : int
        Files and folders together, as the archive lists them.
    largest_ratio : float
        Bytes of all files over bytes of the archive. Recordings pack to a tenth at best; deflate can reach 1032.
    """

    largest_bytes: int
    most_members: int
    largest_ratio: float = 200.0


@dataclass(frozen=True)
class Member:
    """A file that was unpacked.

    Parameters
    ----------
    name : str
        Path below the target, components joined by ``/``.
    size_bytes : int
        Bytes.
    sha256 : str
        Of the bytes as they were written, in hexadecimal.
    """

    name: str
    size_bytes: int
    sha256: str


def unpack(
    archive: Path | BinaryIO,
    target: Path,
    *,
    strip: Sequence[str] = (),
    limits: Limits,
    wanted: Callable[[str], bool] | None = None,
    progress: Callable[[int], None] | None = None,
    placed: Callable[[Member], None] | None = None,
) -> list[Member]:
    """Unpack an archive into a folder.

    Unpacking happens in a hidden neighbour of the folder, which takes its place when whole: whatever goes wrong, the
    folder is as it was before. A run that was killed leaves that neighbour, which the next run clears away. With
    `wanted`, files are added to the folder (or put in the place of earlier ones) one by one, each when it is whole.

    Parameters
    ----------
    archive : Path or BinaryIO
        The archive, or a seekable binary file that holds it (of a zip archive, only the directory and the wanted
        members are read).
    target : Path
        The folder that becomes the content of the archive. Without `wanted`, what it held before is gone afterwards.
    strip : sequence of str
        Leading folders that are taken off the names of members, as many of them as all members lie in (``__MACOSX/``,
        ``.DS_Store`` and ``._name`` beside them are then left out).
    limits : Limits
        What it may unpack to at most.
    wanted : callable, optional
        Whether to unpack the file of this name below the target; without it, everything is unpacked, with empty
        folders.
    progress : callable, optional
        Called with the number of bytes just written.
    placed : callable, optional
        With `wanted`, called with each file that is whole and in the folder.

    Returns
    -------
    list of Member
        The files that were written, in the order of the archive.

    Raises
    ------
    ArchiveError
        Not an archive of these kinds, or damaged; beyond the limits; with members that are links, devices, encrypted,
        packed in another way than stored or deflated; with names that are not safe on every system, or clash on some;
        or without any file. Nothing of it is left, except files that were `wanted` and placed before.
    MissingRawFileError
        There is no archive.
    DownloadError
        There is not enough free space, or the system refuses to write.
    """
    with _opened(archive) as (file, label):
        packed, size_bytes = _recognised(file, label)
        planned = _plan(_within_limits(packed.entries(), size_bytes, limits, label), tuple(strip), label)
        chosen = {
            number: member
            for number, member in enumerate(planned)
            if member.parts and (wanted is None or (not member.is_folder and wanted(member.name)))
        }
        _check_free_space(target, list(chosen.values()))
        members = []
        with _writing_to(target), UnpackStaging(target) as staging:
            for number, packed_content in packed.contents(chosen):
                member = chosen[number]
                content, path = _as_announced(packed_content, member, label), staging.folder / member.name
                if member.is_folder:
                    path.mkdir(parents=True, exist_ok=True)
                    for _ in content:  # none; but its header is checked
                        pass
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                members.append(Member(member.name, member.size_bytes, _write(path, content, progress)))
                if wanted is not None:
                    staging.place(member.name)
                    if placed is not None:
                        placed(members[-1])
            if wanted is None:
                staging.commit()
    return members


@dataclass(frozen=True)
class _Planned:
    """A member that passed, and where it goes; without components where it is left out."""

    parts: Parts
    is_folder: bool
    size_bytes: int

    @property
    def name(self) -> str:
        return "/".join(self.parts)


@contextmanager
def _opened(archive: Path | BinaryIO) -> Iterator[tuple[BinaryIO, str]]:
    if not isinstance(archive, Path):
        yield archive, str(getattr(archive, "name", "archive"))
        return
    if not archive.is_file():
        raise MissingRawFileError("There is no archive to unpack", path=archive, mend="download it first")
    with archive.open("rb") as file:
        yield file, str(archive)


def _recognised(file: BinaryIO, label: str) -> tuple[PackedMembers, int]:
    """Return the reader for the archive, by how it begins, and its size in bytes."""
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    begin = file.read(6)
    if begin[:4] in ZIP_MAGIC:
        return ZipMembers(file, label), size_bytes
    for magic, kind in _OTHER_MAGIC.items():
        if begin.startswith(magic):
            raise refusal("This kind of archive is not unpacked", label, found=kind, expected="zip, tar or tar.gz")
    return TarMembers(file, label), size_bytes


def _within_limits(entries: Iterator[Entry], size_bytes: int, limits: Limits, label: str) -> Iterator[Entry]:
    """Pass entries on while they stay below the limits; of a tar archive, no member is decompressed beyond them."""
    total = 0
    for number, entry in enumerate(entries, start=1):
        total += entry.size_bytes
        found, expected = None, None
        if number > limits.most_members:
            found, expected = f"more than {limits.most_members} members", f"at most {limits.most_members}"
        elif total > limits.largest_bytes:
            found, expected = f"{total} bytes or more", f"at most {limits.largest_bytes} bytes"
        elif total > limits.largest_ratio * size_bytes:
            found = f"{total} bytes or more, packed into {size_bytes}"
            expected = f"at most {limits.largest_ratio:g} times the bytes of the archive"
        if found:
            problem = "An archive would unpack to more than was declared"
            raise refusal(problem, label, member=entry.name, found=found, expected=expected)
        yield entry


def _plan(entries: Iterator[Entry], wrapper: Parts, label: str) -> list[_Planned]:
    judged = [(split_name(entry.name, entry.is_folder, label), entry) for entry in entries]
    names = without_wrapper([(parts, entry.is_folder) for parts, entry in judged], wrapper)
    clashes = NameClashes(label)
    for parts, (_, entry) in zip(names, judged, strict=True):
        if parts:
            clashes.add(parts, entry.is_folder)
    planned = [
        _Planned(parts, entry.is_folder, entry.size_bytes) for parts, (_, entry) in zip(names, judged, strict=True)
    ]
    if not any(member.parts and not member.is_folder for member in planned):
        raise refusal("An archive holds no files", label, found=f"{len(planned)} folders", expected="files")
    return planned


def _check_free_space(target: Path, chosen: Sequence[_Planned]) -> None:
    existing = Path(target).resolve()
    while not existing.exists():
        existing = existing.parent
    needed = sum(member.size_bytes + _DISK_BLOCK for member in chosen)
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise DownloadError(
            "There is not enough free space to unpack an archive",
            path=target,
            found=f"{free / 1e9:.1f} GB free",
            expected=f"{needed / 1e9:.1f} GB",
            mend="free space on that disk, or choose a folder on another",
        )


@contextmanager
def _writing_to(target: Path) -> Iterator[None]:
    """Turn what the system says while files are written into an error of ours."""
    try:
        yield
    except OSError as error:
        raise DownloadError(
            "An archive cannot be unpacked",
            path=target,
            found=error,
            mend="free space on that disk or make the folder writable, or choose another folder; then start again",
        ) from error


def _as_announced(content: Iterator[bytes], member: _Planned, label: str) -> Iterator[bytes]:
    """Pass content on, of the announced size: not a block more, and no byte less."""
    size = 0
    for block in content:
        size += len(block)
        if size > member.size_bytes:
            raise _size_refusal(f"{size} bytes or more", member, label)
        yield block
    if size < member.size_bytes:
        raise _size_refusal(f"{size} bytes", member, label)


def _size_refusal(found: str, member: _Planned, label: str) -> ArchiveError:
    problem = "A member of an archive does not have the size that it announces"
    return refusal(problem, label, member=member.name, found=found, expected=f"{member.size_bytes} bytes")


def _write(path: Path, content: Iterator[bytes], progress: Callable[[int], None] | None) -> str:
    """Write a file that is not there yet, and return the SHA-256 of its content."""
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for block in content:
            file.write(block)
            digest.update(block)
            if progress is not None:
                progress(len(block))
    return digest.hexdigest()
