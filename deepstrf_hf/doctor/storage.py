"""Directories that the library writes to: where they are, how full, and whether they can be written to."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from deepstrf_hf.cache.settings import DIRECTORY_VARIABLE as CACHE_VARIABLE
from deepstrf_hf.cache.settings import SIZE_VARIABLE, cache_settings
from deepstrf_hf.doctor.findings import NOTE, OK, PROBLEM, Check
from deepstrf_hf.download.locations import DIRECTORY_VARIABLE as DATA_VARIABLE
from deepstrf_hf.download.locations import data_directory
from deepstrf_hf.errors import ParameterError

TOPIC = "storage"
LITTLE_BYTES = 2 * 10**9
"""Free space below which a build of a middling corpus does not fit."""


def examine_storage() -> list[Check]:
    """Check the directories of raw files, of opened grids, of the Hub's client and of ``datasets``."""
    import datasets.config
    import huggingface_hub.constants

    raw = data_directory("any").parent
    return [
        _directory("raw files", raw, DATA_VARIABLE),
        _grids(),
        _directory("files from the Hub", Path(huggingface_hub.constants.HF_HUB_CACHE), "HF_HUB_CACHE"),
        _directory("cache of datasets", Path(datasets.config.HF_DATASETS_CACHE), "HF_DATASETS_CACHE"),
    ]


def _grids() -> Check:
    name = "opened grids"
    try:
        settings = cache_settings()
    except ParameterError as error:
        return Check(TOPIC, name, PROBLEM, f"{SIZE_VARIABLE} is {error.found}", f"set {SIZE_VARIABLE} to gigabytes")
    if settings is None:
        return Check(TOPIC, name, NOTE, f"not kept: {SIZE_VARIABLE} is 0", f"unset {SIZE_VARIABLE} to keep them")
    limit = f", at most {settings.limit_bytes / 1e9:g} GB"
    return _directory(name, settings.directory, CACHE_VARIABLE, limit)


def _directory(name: str, path: Path, variable: str, limit: str = "") -> Check:
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    size = f"{_bytes_below(path) / 1e9:.2f} GB{limit}" if path.exists() else "not made yet"
    other = f"name another directory with {variable}"
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        found = f"{path}: {size}; cannot be written to ({error.strerror})"
        return Check(TOPIC, name, PROBLEM, found, f"make it writable, or {other}")
    free = shutil.disk_usage(there).free
    found = f"{path}: {size}; {free / 1e9:.1f} GB free"
    if free < LITTLE_BYTES:
        return Check(TOPIC, name, NOTE, found, f"make room, or {other}")
    return Check(TOPIC, name, OK, found)


def _bytes_below(root: Path) -> int:
    """Return the size of all files below a directory, each once; links are not followed."""
    total = 0
    for folder, _, names in os.walk(root):
        for name in names:
            try:
                total += (Path(folder) / name).lstat().st_size
            except FileNotFoundError:  # removed meanwhile
                continue
    return total
