"""Where a build goes: a directory, or a place that fsspec knows, such as a bucket of an object store."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from deepstrf_hf.errors import DeepstrfError, OutputDirectoryError
from deepstrf_hf.part_store import PartStore
from deepstrf_hf.report import BuildReport

logger = logging.getLogger(__name__)


class Output(Protocol):
    """What `deepstrf_hf.staging.OutputDirectory` does, and says more of."""

    path: Any
    """A `Path` on this machine, a URL elsewhere."""
    existing: BuildReport | None
    """Of the earlier build that is there."""
    tree: Path
    """Local directory for what the build itself writes."""

    def __enter__(self) -> Output:
        """Take hold of the place."""

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of it; after an error, finished parts stay for the next build."""

    def keep_parts_of(self, configs: Collection[str]) -> None:
        """Remove the parts that an earlier build left of other configurations."""

    def parts(self, config: str, key: str) -> PartStore:
        """Return the place of the parts of a configuration; parts of other keys are removed."""

    def place(self, parts: Any, number: int, file: str, name: str) -> None:
        """Put a file of a part where it belongs in the end."""

    def carry_over(self, replaced: Collection[str]) -> None:
        """Keep of the earlier build what is not replaced."""

    def commit(self) -> None:
        """Put the new content in place of the old."""


def open_output(out: str | Path, corpus: str) -> Output:
    """Return the output of a build, to be entered.

    Parameters
    ----------
    out : str or Path
        A directory, or the URL of a place that fsspec knows: ``s3://bucket/ns1``.
    corpus : str
        Name of the corpus.

    Raises
    ------
    ParameterError, MissingDependencyError
        fsspec does not know such places, or needs another package for them.
    """
    from deepstrf_hf.remote_place import RemotePlace
    from deepstrf_hf.staging import OutputDirectory

    if "://" not in str(out):
        return OutputDirectory(out, corpus)
    place = RemotePlace.of(str(out))
    local = place.local_path()
    if local is not None:
        return OutputDirectory(local, corpus)
    from deepstrf_hf.remote_output import RemoteOutput

    return RemoteOutput(place, corpus)


def refuse_other_content(path: object, corpus: str, content: Sequence[str], report: BuildReport | None) -> None:
    """Refuse a place that holds something else than an earlier build of the corpus.

    Parameters
    ----------
    path : object
        The place.
    corpus : str
        What is built.
    content : sequence of str
        Names of what it holds.
    report : BuildReport, optional
        The report in it.

    Raises
    ------
    OutputDirectoryError
        It does.
    """
    if content and (report is None or report.corpus != corpus):
        raise OutputDirectoryError(
            f"The output directory holds something else than a build of {corpus}",
            path=str(path),
            found=f"a build of {report.corpus}" if report else ", ".join(content[:8]),
            expected=f"nothing, or an earlier build of {corpus}",
            mend="choose another directory; nothing in this one was touched",
        )


def tell_what_is_kept(error: BaseException | None, place: str, n_parts: int, n_bytes: int) -> None:
    """Say, with the error that ended a build, what it leaves for the next one."""
    text = (
        f"{n_parts} finished parts ({n_bytes / 1e6:.1f} MB) are kept in {place}: the same build goes on from them,"
        " and another one, or removing that directory, does away with them"
    )
    if isinstance(error, DeepstrfError):
        error.mend = f"{error.mend}; {text}" if error.mend else text
    else:
        logger.warning("%s", text)
