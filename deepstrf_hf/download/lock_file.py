"""What was fetched into a data directory, when, and which files came of it: ``deepstrf-download.json``."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import urlsplit

from deepstrf_hf.errors import DataDirectoryError

LOCK_NAME = "deepstrf-download.json"
LOCK_VERSION = 1
MEND = f"remove {LOCK_NAME}; `deepstrf-hf download` writes it again"
SHA256 = re.compile(r"[0-9a-f]{64}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass(frozen=True)
class LockedFile:
    """A file that came of an archive.

    Parameters
    ----------
    size_bytes : int
        Size.
    sha256 : str
        SHA-256, hexadecimal.
    """

    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class LockedArchive:
    """An archive that was fetched.

    Parameters
    ----------
    url : str
        The address that the corpus declares; never with a name, a password or a signature in it.
    fetched_at : str
        When, UTC: ``2026-01-31T12:00:00Z``.
    complete : bool
        Whether all that was asked for is there.
    size_bytes : int, optional
        Size of the archive.
    checksum : str, optional
        What the declaration or the host publishes, ``"md5:..."``.
    sha256 : str, optional
        What was learned when it was fetched; None where only members were read.
    etag : str, optional
        The server's word for this state of the file, where members were read from it.
    members : mapping of str to LockedFile
        Files by their name below the folder that the archive is unpacked to; none of an archive that is kept as it is.
    """

    url: str
    fetched_at: str
    complete: bool
    size_bytes: int | None = None
    checksum: str | None = None
    sha256: str | None = None
    etag: str | None = None
    members: Mapping[str, LockedFile] = field(default_factory=dict)


@dataclass(frozen=True)
class LockFile:
    """The lock file of a data directory.

    Parameters
    ----------
    corpus : str
        Name of the corpus.
    archives : mapping of str to LockedArchive
        By the names of the declaration.
    """

    corpus: str
    archives: Mapping[str, LockedArchive] = field(default_factory=dict)

    @classmethod
    def read(cls, data_dir: str | Path) -> LockFile | None:
        """Read the lock file of a data directory; None where there is none.

        Raises
        ------
        DataDirectoryError
            It cannot be read, is damaged, or was written by a later version.
        """
        path = Path(data_dir) / LOCK_NAME
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise _damage(path, None, error, "a text file") from error
        return _parse(path, text)

    def write(self, data_dir: str | Path) -> None:
        """Write the lock file: the earlier one or this one is there at any moment, never a part of it.

        Raises
        ------
        DataDirectoryError
            It holds what a lock file must not: a name that leads out of its folder, an address with a password.
        OSError
            The disk is full, or the directory cannot be written to.
        """
        path = Path(data_dir) / LOCK_NAME
        content = {"version": LOCK_VERSION, **asdict(self)}
        text = json.dumps(content, indent=1, sort_keys=True) + "\n"
        _parse(path, text)
        handle, name = tempfile.mkstemp(prefix=f".{LOCK_NAME}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _parse(path: Path, text: str) -> LockFile:
    """Return what the text of a lock file says, after checking all of it."""
    try:
        content = json.loads(text, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise _damage(path, None, error, "JSON") from error
    if not isinstance(content, dict) or content.get("version") != LOCK_VERSION:
        found = repr(content.get("version")) if isinstance(content, dict) else type(content).__name__
        raise _damage(path, "version", found, str(LOCK_VERSION))
    values = _Values(path, "", content, ("version", "corpus", "archives"))
    archives = values.mapping("archives")
    return LockFile(
        values.text("corpus"), {name: _archive(path, name, entry) for name, entry in sorted(archives.items())}
    )


def _archive(path: Path, name: str, entry: object) -> LockedArchive:
    where = f"archives.{name}"
    _relative(path, where, name)
    keys = ("url", "fetched_at", "complete", "size_bytes", "checksum", "sha256", "etag", "members")
    values = _Values(path, f"{where}.", entry, keys)
    members = {}
    for member, content in sorted(values.mapping("members").items()):
        field_of_member = f"{where}.members.{member}"
        _relative(path, field_of_member, member)
        file = _Values(path, f"{field_of_member}.", content, ("size_bytes", "sha256"))
        members[member] = LockedFile(file.size("size_bytes"), file.matching("sha256", SHA256, "64 hexadecimal digits"))
    size, sha256 = values.content["size_bytes"], values.content["sha256"]
    return LockedArchive(
        url=_address(path, f"{where}.url", values.text("url")),
        fetched_at=values.matching("fetched_at", TIME, "a time such as 2026-01-31T12:00:00Z"),
        complete=values.truth("complete"),
        size_bytes=None if size is None else values.size("size_bytes"),
        checksum=values.text_or_none("checksum"),
        sha256=None if sha256 is None else values.matching("sha256", SHA256, "64 hexadecimal digits"),
        etag=values.text_or_none("etag"),
        members=members,
    )


class _Values:
    """The values of one object of the file, each of which must have its type; no other keys, and none missing."""

    def __init__(self, path: Path, prefix: str, content: object, keys: tuple[str, ...]) -> None:
        self._path, self._prefix = path, prefix
        if not isinstance(content, dict) or set(content) != set(keys):
            found = ", ".join(sorted(content)) if isinstance(content, dict) else type(content).__name__
            raise _damage(path, prefix.rstrip(".") or None, found, f"the keys {', '.join(sorted(keys))}")
        self.content: dict[str, Any] = content

    def text(self, key: str) -> str:
        value = self.content[key]
        if not isinstance(value, str) or not value:
            raise self._error(key, "text")
        return value

    def text_or_none(self, key: str) -> str | None:
        return None if self.content[key] is None else self.text(key)

    def matching(self, key: str, pattern: re.Pattern[str], expected: str) -> str:
        value = self.content[key]
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise self._error(key, expected)
        return value

    def truth(self, key: str) -> bool:
        value = self.content[key]
        if not isinstance(value, bool):
            raise self._error(key, "true or false")
        return value

    def size(self, key: str) -> int:
        value = self.content[key]
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self._error(key, "a number of bytes")
        return value

    def mapping(self, key: str) -> dict[str, Any]:
        value = self.content[key]
        if not isinstance(value, dict):
            raise self._error(key, "an object")
        return value

    def _error(self, key: str, expected: str) -> DataDirectoryError:
        return _damage(self._path, f"{self._prefix}{key}", repr(self.content[key]), expected)


def _relative(path: Path, where: str, name: str) -> None:
    """Refuse a name that is not a plain path below a folder, on any system."""
    windows = PureWindowsPath(name)
    parts = name.split("/")
    if windows.drive or windows.root or "\\" in name or not set(parts).isdisjoint(("", ".", "..")):
        raise _damage(path, where, repr(name), f"a relative path such as {PurePosixPath('folder', 'file')}")


def _address(path: Path, where: str, url: str) -> str:
    """Return an address; what could be a credential is refused, and not repeated."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _damage(path, where, "no web address", "https://host/file")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise _damage(path, where, "an address with a user, a query or a fragment", f"https://{parts.hostname}/file")
    return url


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key stands twice")
    return content


def _damage(path: Path, where: str | None, found: object, expected: str) -> DataDirectoryError:
    return DataDirectoryError(
        "The lock file of a data directory is not one of ours, or damaged",
        path=path,
        field=where,
        found=found,
        expected=expected,
        mend=MEND,
    )
