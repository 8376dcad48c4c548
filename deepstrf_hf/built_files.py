"""The files of a built directory as they go to the Hub: checked, hashed once, the card with a permission if given."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import CommitOperationAdd

from deepstrf_hf.card_assets import pictures_in_card
from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.names import CARD_NAME, REPORT_NAME
from deepstrf_hf.parquet import n_rows
from deepstrf_hf.report import BuildReport
from deepstrf_hf.repository import Repository

Contents = Mapping[str, CommitOperationAdd]
"""Files to push, by their path in the repository; each knows the size and SHA-256 of its content."""


def check_whole(directory: Path, report: BuildReport) -> list[str]:
    """Return the files of a build, after checking that each is there, has its rows, and stands in the card.

    Parameters
    ----------
    directory : Path
        Built directory.
    report : BuildReport
        Its report.

    Raises
    ------
    TableFormatError
        Something is missing, or does not fit together.
    """
    listed = {
        config: {split: files.files for split, files in splits.items()}
        for entry in report.cohorts.values()
        for config, splits in entry.configs.items()
    }
    card = Repository.open(directory)
    if not listed or {config: dict(splits) for config, splits in card.configs.items()} != listed:
        raise TableFormatError(
            "The card and the build report name different files",
            path=directory,
            found=", ".join(card.configs),
            expected=", ".join(listed) or "a cohort",
            mend="build it again",
        )
    for entry in report.cohorts.values():
        for splits in entry.configs.values():
            for split in splits.values():
                missing = [name for name in split.files if not (directory / name).is_file()]
                if missing:
                    raise TableFormatError(
                        "A file of the build is missing", path=directory / missing[0], mend="build it again"
                    )
                found = sum(n_rows(directory / name) for name in split.files)
                if found != split.rows:
                    raise TableFormatError(
                        "Files do not have the rows that the build report states",
                        path=directory / split.files[0],
                        found=found,
                        expected=split.rows,
                        mend="build it again",
                    )
    return [CARD_NAME, REPORT_NAME, *report.files(), *_pictures(directory)]


def _pictures(directory: Path) -> list[str]:
    names = pictures_in_card((directory / CARD_NAME).read_text(encoding="utf-8"))
    missing = [name for name in names if not (directory / name).is_file()]
    if missing:
        raise TableFormatError(
            "A picture that the card shows is missing",
            path=directory / missing[0],
            mend="draw them again with `deepstrf-hf illustrate`",
        )
    return names


@contextmanager
def contents_to_push(directory: Path, names: list[str], permission: str | None) -> Iterator[Contents]:
    """Yield files of a build as they are to be pushed, with the permission written into a copy of the card.

    Parameters
    ----------
    directory : Path
        Built directory.
    names : list of str
        Files below it.
    permission : str, optional
        Text of a permission to publish; nothing is written if it is empty or blank.
    """
    with tempfile.TemporaryDirectory() as scratch:
        paths = {name: directory / name for name in names}
        if permission and permission.strip():
            paths[CARD_NAME] = _card_with_permission(paths[CARD_NAME], permission, Path(scratch))
        yield {name: CommitOperationAdd(name, str(path)) for name, path in paths.items()}


def _card_with_permission(card: Path, permission: str, scratch: Path) -> Path:
    copy = Path(shutil.copy(card, scratch))
    with copy.open("a", encoding="utf-8") as file:
        file.write(
            "\n## Permission to publish\n\n"
            "Whatever is said above on handing the data on, this copy was allowed:\n\n"
            f"{permission.strip()}\n"
        )
    return copy
