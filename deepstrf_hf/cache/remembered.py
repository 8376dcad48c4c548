"""What costs time to make, made once and found in the cache afterwards; made all the same where there is none."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from typing import Any

from deepstrf_hf._version import TABLE_VERSION, __version__
from deepstrf_hf.cache.entries import CacheDirectory, Opened
from deepstrf_hf.cache.stores import ArrayStore, CacheFailedError, MemoryArrays

logger = logging.getLogger(__name__)


def cache_key(*parts: Any) -> str:
    """Return the key of what these parts, which are plain data, determine; another version has other keys."""
    text = json.dumps([__version__, TABLE_VERSION, *parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def remembered(cache: CacheDirectory | None, key: str, make: Callable[[ArrayStore], Any]) -> Opened:
    """Return what a function makes, from the cache if it was made before.

    Parameters
    ----------
    cache : CacheDirectory or None
        None makes it in memory.
    key : str
        Of what `make` makes (see `cache_key`).
    make : callable
        Puts arrays into a store and returns plain data.

    Returns
    -------
    content : object
        The plain data.
    arrays : mapping of str to sequence of ndarray
        Pieces of each array, in order. Those of the cache are mapped from its files.
    """
    if cache is not None:
        found = cache.open(key)
        if found is not None:
            return found
        try:
            cache.make(key, make)
            found = cache.open(key)
        except CacheFailedError as error:
            logger.warning("Not kept in the cache %s: %s", cache.settings.directory, error)
        if found is not None:
            return found
    store = MemoryArrays()
    content = make(store)
    return content, store.arrays
