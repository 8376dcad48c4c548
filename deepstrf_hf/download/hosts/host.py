"""What all hosts have in common, and the host that nothing is known of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deepstrf_hf.corpus import Archive
from deepstrf_hf.download.credentials import Credentials
from deepstrf_hf.download.retries import Retries
from deepstrf_hf.download.sessions import READ_TIMEOUT_S, HostSession
from deepstrf_hf.download.transfer import Expected
from deepstrf_hf.errors import DownloadError, ParameterError


@dataclass(frozen=True)
class Published:
    """What a host tells of archives before they are fetched.

    Parameters
    ----------
    files : mapping of str to Expected
        Size and checksum by the archive's name, as far as the host publishes them.
    notes : tuple of str
        What could not be learned, and other things to know, for people.
    """

    files: Mapping[str, Expected] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Host:
    """A host that gives plain files over https.

    Attributes
    ----------
    names : frozenset of str
        Host names that addresses of archives have.
    login_site : str or None
        Key of `deepstrf_hf.download.credentials.ACCOUNTS`, where a login is needed.
    read_timeout_s : float
        Longest wait for the next bytes, s, where nothing else is asked for.
    """

    names: frozenset[str] = frozenset()
    login_site: str | None = None
    read_timeout_s: float = READ_TIMEOUT_S

    def session(
        self,
        credentials: Credentials | None = None,
        *,
        read_timeout_s: float | None = None,
        offline: bool = False,
        retries: Retries | None = None,
    ) -> HostSession:
        """Make a session; nothing is asked yet.

        Parameters
        ----------
        credentials : Credentials, optional
            Of the user, where a login is needed; sent to this host only.
        read_timeout_s : float, optional
            Longest wait for the next bytes, s; `Host.read_timeout_s` if not given.
        offline : bool
            Whether every request is refused.
        retries : Retries, optional
            How patient it is.
        """
        return HostSession(read_timeout_s=read_timeout_s or self.read_timeout_s, offline=offline, retries=retries)

    def published(self, session: HostSession, archives: Sequence[Archive]) -> Published:
        """Ask what the host publishes of archives.

        A host that does not tell, or cannot be asked, stops nothing: sizes and checksums are then learned.

        Parameters
        ----------
        session : HostSession
            Of this host.
        archives : sequence of Archive
            All of this host.
        """
        return Published()


class ApiHost(Host, ABC):
    """A host with an API that tells sizes and checksums, as JSON."""

    @abstractmethod
    def api_url(self, archive: Archive) -> str | None:
        """Return the address of the record that tells of an archive; None where there is none."""

    @abstractmethod
    def read(self, record: Any, url: str) -> Expected:
        """Read what a record tells of the file at an address."""

    def published(self, session: HostSession, archives: Sequence[Archive]) -> Published:
        """Ask what the host publishes of archives: each record once (see the base)."""
        records: dict[str, Any] = {}
        files = {}
        notes = []
        for archive in archives:
            question = self.api_url(archive)
            if question is None:
                notes.append(f"{archive.name}: its address does not tell which record of the host it belongs to")
                continue
            if question not in records:
                try:
                    records[question] = session.json(question)
                except DownloadError as error:
                    notes.append(f"{error.problem}; sizes and checksums are learned instead")
                    records[question] = None
            if records[question] is None:
                continue
            expected = self.read(records[question], archive.url)
            files[archive.name] = expected
            notes += [
                f"{archive.name}: the host tells no {what}"
                for what, value in (("size", expected.size_bytes), ("checksum", expected.checksum))
                if value is None
            ]
        return Published(files, tuple(notes))


def entry(document: Any, *keys: str) -> Any:
    """Return what is under some keys of nested JSON objects; None where that is nothing."""
    for key in keys:
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def entries(document: Any, *keys: str) -> list[Any]:
    """Return the list under some keys of nested JSON objects; empty where there is none."""
    found = entry(document, *keys)
    return found if isinstance(found, list) else []


def expected_of(size: Any, *checksums: tuple[Any, Any]) -> Expected:
    """Make an `Expected` of what a record says, without anything that is malformed.

    Parameters
    ----------
    size : object
        Bytes.
    *checksums : tuple
        Algorithm and digest; the first that is understood is taken.
    """
    known_size = size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else None
    for algorithm, digest in checksums:
        try:
            return Expected(known_size, f"{algorithm}:{digest}".lower())
        except ParameterError:
            continue
    return Expected(known_size)
