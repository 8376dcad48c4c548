"""Where raw files are kept unless a user names a directory."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

DIRECTORY_VARIABLE = "DEEPSTRF_DATA_DIR"


def data_directory(corpus: str, dest: str | Path | None = None) -> Path:
    """Return the directory of a corpus's raw files; it need not exist.

    Parameters
    ----------
    corpus : str
        Name of the corpus.
    dest : str or Path, optional
        The directory itself. Otherwise a folder of the corpus's name in the directory that ``DEEPSTRF_DATA_DIR``
        names, or in the platform's directory for data that programs can fetch again.
    """
    if dest is not None:
        return Path(dest).expanduser().absolute()
    chosen = os.environ.get(DIRECTORY_VARIABLE, "").strip()
    root = Path(chosen) if chosen else platformdirs.user_cache_path("deepstrf-hf", appauthor=False) / "raw"
    return root.expanduser().absolute() / corpus
