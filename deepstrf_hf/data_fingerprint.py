"""One number for the data of a cohort, so that figures made of them can tell whether they belong to them."""

from __future__ import annotations

import hashlib

from deepstrf_hf.names import SUFFIX
from deepstrf_hf.raw_tree import sha256_of
from deepstrf_hf.repository import Repository


def data_fingerprint(repository: Repository, config: str) -> str:
    """Return a digest of all files of a cohort: rows, stimuli and neurons.

    Parameters
    ----------
    repository : Repository
        Of a built directory or on the Hub, from where the files are fetched if they are not in its cache.
    config : str
        Main configuration.

    Returns
    -------
    str
        SHA-256, in hexadecimal digits, of lines ``name:SHA-256`` of the files in ascending order of their names.

    Raises
    ------
    UnknownNameError, TableFormatError, HubError
        As in `Repository.files`.
    """
    tables = (config, config + SUFFIX["stimuli"], config + SUFFIX["neurons"])
    lines = sorted(
        f"{name}:{sha256_of(path)}"
        for table in tables
        for name, path in zip(repository.names(table), repository.files(table), strict=True)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
