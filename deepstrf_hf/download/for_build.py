"""Which directory of raw files a build reads, and whether it may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.download.data_directory import refuse_unfinished
from deepstrf_hf.download.locations import DIRECTORY_VARIABLE, data_directory
from deepstrf_hf.download.needed import needed_archives
from deepstrf_hf.errors import DataDirectoryError


def raw_directory(
    builder: type[CorpusBuilder],
    data_dir: str | Path | None,
    cohorts: Sequence[str],
    where: Mapping[str, Any] | None = None,
) -> Path:
    """Return the directory of raw files that a build reads.

    Parameters
    ----------
    builder : type of CorpusBuilder
        Of the corpus.
    data_dir : str or Path, optional
        As the user gave it; otherwise where downloads of the corpus go.
    cohorts : sequence of str
        Names of the cohorts that are to be built.
    where : mapping, optional
        Conditions of the build.

    Raises
    ------
    DataDirectoryError
        None was given and nothing was downloaded, or a download of what is needed has not finished.
    """
    name = builder.CORPUS.name
    directory = data_directory(name, data_dir)
    if data_dir is None and not directory.is_dir():
        raise DataDirectoryError(
            f"There are no raw files of {name}",
            path=directory,
            expected=f"what `deepstrf-hf download {name}` fetches",
            mend=f"download them, name their directory with data_dir (--data-dir), or set {DIRECTORY_VARIABLE}",
        )
    refuse_unfinished(directory, needed_archives(builder, cohorts, where, optional=True))
    return directory
