"""CRCNS, which wants a login and publishes the sizes of a data set's files in a list."""

from __future__ import annotations

import re
from collections.abc import Sequence

from deepstrf_hf.corpus import Archive
from deepstrf_hf.download.credentials import Credentials
from deepstrf_hf.download.hosts.crcns_session import FILES, SITE, CrcnsSession, path_of
from deepstrf_hf.download.hosts.host import Host, Published
from deepstrf_hf.download.retries import Retries
from deepstrf_hf.download.sessions import HostSession
from deepstrf_hf.download.transfer import Expected
from deepstrf_hf.errors import DownloadError, LoginError

COLD_STORAGE_TIMEOUT_S = 600.0
LINE = re.compile(r"[+\s]*(?P<path>[^#\s].*?)\s+(?P<size>\d+)(?:\s+\(.*\))?\s*")
"""Of ``filelist.txt``: a plus sign or a blank, path, bytes, and the size for people."""


class Crcns(Host):
    """``https://download.crcns.org/<data set>/<file>``, of ``<data set>/filelist.txt``."""

    names = frozenset({"crcns.org", "download.crcns.org", "portal.nersc.gov"})
    login_site = SITE
    read_timeout_s = COLD_STORAGE_TIMEOUT_S

    def session(
        self,
        credentials: Credentials | None = None,
        *,
        read_timeout_s: float | None = None,
        offline: bool = False,
        retries: Retries | None = None,
    ) -> HostSession:
        """Make a session that logs in with its first request (see the base)."""
        timeout = read_timeout_s or self.read_timeout_s
        return CrcnsSession(credentials, read_timeout_s=timeout, offline=offline, retries=retries)

    def published(self, session: HostSession, archives: Sequence[Archive]) -> Published:
        """Read the list of each data set (see the base).

        Raises
        ------
        LoginError
            The login was not taken: nothing else can be fetched either.
        """
        sizes: dict[str, int] = {}
        notes = []
        for data_set in dict.fromkeys(path_of(archive.url).partition("/")[0] for archive in archives):
            try:
                text = session.document(f"{FILES}{data_set}/filelist.txt").decode("utf-8", "replace")
            except LoginError:
                raise
            except DownloadError as error:
                notes.append(f"{data_set}: {error.problem}; sizes are learned instead")
                continue
            sizes |= sizes_in(text, data_set)
        files = {archive.name: Expected(sizes.get(path_of(archive.url))) for archive in archives}
        notes += [f"{name}: the host tells no size" for name, known in files.items() if known.size_bytes is None]
        return Published(files, tuple(notes))


def sizes_in(text: str, data_set: str) -> dict[str, int]:
    """Return the sizes that a ``filelist.txt`` gives, bytes, by path below the site.

    Parameters
    ----------
    text : str
        The list; its paths begin with the data set or not.
    data_set : str
        For example ``"aa-1"``.
    """
    sizes = {}
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        if match is not None:
            sizes[f"{data_set}/{match['path'].removeprefix(f'{data_set}/')}"] = int(match["size"])
    return sizes
