"""Single files of Git repositories at GitHub and Bitbucket: nothing is published but the commit in the address."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from deepstrf_hf.corpus import Archive
from deepstrf_hf.download.hosts.host import Host, Published
from deepstrf_hf.download.sessions import HostSession

PINNED = re.compile(r"/[^/]+/[^/]+/(?:raw/)?[0-9a-f]{40}/.+")


class GitRaw(Host):
    """``https://raw.githubusercontent.com/<owner>/<name>/<commit>/<path>``, and ``/raw/<commit>/`` of the others."""

    names = frozenset({"raw.githubusercontent.com", "github.com", "bitbucket.org"})

    def published(self, session: HostSession, archives: Sequence[Archive]) -> Published:
        """Tell which addresses are of no commit; nothing is asked (see the base)."""
        return Published(
            notes=tuple(
                f"{archive.name}: its address names no commit, so its content may change"
                for archive in archives
                if PINNED.fullmatch(urlsplit(archive.url).path) is None
            )
        )
