"""Files of a data directory, looked at one by one: digests, and whether archives open to their end."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from deepstrf_hf.download.checksums import digests_of
from deepstrf_hf.formats.inflate import INFLATE_ERRORS, open_gzip
from deepstrf_hf.progress import progress_bar

BLOCK = 2**20
_DAMAGE: tuple[type[Exception], ...] = (OSError, EOFError, RuntimeError, zipfile.BadZipFile, *INFLATE_ERRORS)
"""What readers raise; RuntimeError is how `zipfile` says that a member is encrypted, or packed by another method."""


@dataclass
class FileTest:
    """What is to be looked at in a file.

    Parameters
    ----------
    path : Path
        The file.
    digests : dict of str to (str, str)
        By algorithm: the digest that is expected, and who says so.
    opens : bool
        Whether it is an archive that must open to its end.
    """

    path: Path
    digests: dict[str, tuple[str, str]] = field(default_factory=dict)
    opens: bool = False


@dataclass(frozen=True)
class Fault:
    """What is wrong with a file.

    Parameters
    ----------
    path : Path
        The file.
    problem : str
        In one sentence.
    field : str or None
        Algorithm of a digest.
    found, expected : str
        What is there, and what should be.
    """

    path: Path
    problem: str
    field: str | None
    found: str
    expected: str


def run_tests(tests: Iterable[FileTest], description: str) -> Iterator[Fault]:
    """Look at files, two at a time, with a progress bar of bytes; memory is bounded by a block of each.

    Parameters
    ----------
    tests : iterable of FileTest
        What to look at.
    description : str
        For the progress bar.
    """
    needed = [test for test in tests if test.digests or test.opens]
    sizes = [test.path.stat().st_size for test in needed]
    with ThreadPoolExecutor(max_workers=2) as pool, progress_bar(sum(sizes), description, "B") as bar:
        for size, faults in zip(sizes, pool.map(_faults, needed), strict=True):
            yield from faults
            bar.update(size)


def _faults(test: FileTest) -> list[Fault]:
    faults = []
    try:
        found = digests_of(test.path, *test.digests) if test.digests else {}
    except OSError as error:
        return [Fault(test.path, "A file cannot be read", None, str(error), "a file that can be read")]
    for algorithm, (expected, source) in test.digests.items():
        if found[algorithm] != expected:
            faults.append(
                Fault(
                    test.path, "A file is not the one it should be", algorithm, found[algorithm], f"{expected} {source}"
                )
            )
    if test.opens:
        damage = find_damage(test.path)
        if damage is not None:
            faults.append(
                Fault(
                    test.path,
                    "An archive does not open to its end",
                    None,
                    damage,
                    "an archive that can be read through",
                )
            )
    return faults


def find_damage(path: Path) -> str | None:
    """Return why an archive (zip, or gzipped) cannot be read to its end; None where it can."""
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                broken = archive.testzip()
            return None if broken is None else f"its member {broken} is damaged"
        with path.open("rb") as file, open_gzip(file) as content:
            while content.read(BLOCK):
                pass
    except _DAMAGE as error:
        return str(error) or type(error).__name__
    return None
