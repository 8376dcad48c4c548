"""Where the cache is and how large it may be: arguments, environment, or what the platform is used to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from deepstrf_hf.errors import ParameterError

DIRECTORY_VARIABLE = "DEEPSTRF_CACHE_DIR"
SIZE_VARIABLE = "DEEPSTRF_CACHE_GB"
DEFAULT_GB = 20.0
BYTES_PER_GB = 10**9


@dataclass(frozen=True)
class CacheSettings:
    """A place for opened grids.

    Parameters
    ----------
    directory : Path
        Made when something is written.
    limit_bytes : int
        Bytes it may hold; what was used longest ago goes first.
    """

    directory: Path
    limit_bytes: int


def cache_settings(cache: bool | str | Path = True) -> CacheSettings | None:
    """Return where opened grids are kept, or None where they are not.

    Parameters
    ----------
    cache : bool, str or Path
        False for no cache, True for the user's (``DEEPSTRF_CACHE_DIR``, or the platform's directory for caches), or a
        directory. ``DEEPSTRF_CACHE_GB`` says how large it may grow, 20 GB if it is not set; 0 is no cache.

    Raises
    ------
    ParameterError
        The variable is not a number of gigabytes.
    """
    text = os.environ.get(SIZE_VARIABLE, "").strip()
    try:
        gigabytes = float(text) if text else DEFAULT_GB
        if not 0 <= gigabytes < float("inf"):
            raise ValueError
    except ValueError:
        raise ParameterError(
            "The size of the cache must be a number of gigabytes", field=SIZE_VARIABLE, found=repr(text), expected="20"
        ) from None
    if cache is False or not gigabytes:
        return None
    if cache is True:
        chosen = os.environ.get(DIRECTORY_VARIABLE, "").strip()
        directory = Path(chosen) if chosen else platformdirs.user_cache_path("deepstrf-hf", appauthor=False) / "grids"
    else:
        directory = Path(cache)
    return CacheSettings(directory.expanduser().absolute(), int(gigabytes * BYTES_PER_GB))
