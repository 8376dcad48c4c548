"""Whether the lab's tables know what the files name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import RawFormatError

FEWEST = 20
"""Items from which on a part of them is judged; of fewer, one alone may be a tenth."""


def check_join(
    found: Mapping[str, bool], kind: str, what: str, path: Path, smallest: float, log: BuildLog | None = None
) -> None:
    """Check that enough of the files are found in a table, or among the sounds; name in the log those that are not.

    Parameters
    ----------
    found : mapping of str to bool
        Whether each item is found.
    kind : str
        What the items are, in the plural.
    what : str
        What is looked up of each.
    path : Path
        Where.
    smallest : float
        Part that must be found.
    log : BuildLog, optional
        Is told which are not.

    Raises
    ------
    RawFormatError
        Fewer are found.
    """
    absent = [name for name, is_there in found.items() if not is_there]
    if log is not None and absent:
        log.note(f"{path.name} does not tell the {what} of {len(absent)} of {len(found)} {kind}: {_some(absent)}.")
    if len(found) >= FEWEST:
        check_part(len(found) - len(absent), len(found), kind, what, path, smallest)


def check_part(n_found: int, n_all: int, kind: str, what: str, path: Path, smallest: float) -> None:
    """Check that enough of the files are found, by their number (arguments and errors as `check_join`)."""
    if n_found < smallest * n_all:
        raise RawFormatError(
            f"Too few {kind} are found in {path.name}",
            path=path,
            field=what,
            found=f"{n_found} of {n_all}",
            expected=f"{smallest:.0%} at least",
            mend="are all files of the same release? smallest_join sets another part",
        )


def _some(names: list[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
