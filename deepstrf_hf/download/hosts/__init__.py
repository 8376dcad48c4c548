"""Hosts that labs publish at: what they tell of a file before it is fetched, and how they want to be asked."""

from __future__ import annotations

from urllib.parse import urlsplit

from deepstrf_hf.download.hosts.crcns import Crcns
from deepstrf_hf.download.hosts.drum import Drum
from deepstrf_hf.download.hosts.figshare import Figshare
from deepstrf_hf.download.hosts.git_raw import GitRaw
from deepstrf_hf.download.hosts.host import Host, Published
from deepstrf_hf.download.hosts.osf import Osf
from deepstrf_hf.download.hosts.zenodo import Zenodo

__all__ = ["Host", "Published", "host_of"]

KNOWN: tuple[Host, ...] = (Crcns(), Zenodo(), Osf(), Figshare(), Drum(), GitRaw())


def host_of(url: str) -> Host:
    """Return the host of an address; one that nothing is known of gives plain files.

    Parameters
    ----------
    url : str
        Where an archive is.
    """
    name = urlsplit(url).hostname or ""
    return next((host for host in KNOWN if name in host.names), Host())
