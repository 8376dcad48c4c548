"""Check a directory of raw files: what each cohort needs, what is missing, what is extra, what is damaged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.download.lock_file import LockFile
from deepstrf_hf.download.tree_archives import ArchiveCheck, TreeFaults
from deepstrf_hf.download.tree_builder_files import check_builder_files, check_raw_counts
from deepstrf_hf.download.tree_contents import find_place
from deepstrf_hf.download.tree_extra import note_extra_files
from deepstrf_hf.download.tree_files import run_tests
from deepstrf_hf.errors import DataDirectoryError
from deepstrf_hf.registry import load_builder
from deepstrf_hf.verification_findings import FAILURE, REMARK, Finding, Found, findings_table, how_many
from deepstrf_hf.where import checked_where

COMPLETE, INCOMPLETE, NOT_BUILDABLE = "complete", "incomplete", "cannot be built"


@dataclass(frozen=True)
class TreeFindings(Found):
    """What a check of a directory found.

    Parameters
    ----------
    corpus : str
        Name of the corpus.
    directory : str
        As the user gave it.
    cohorts : dict of str to str
        Of each cohort that was asked for: ``"complete"``; ``"incomplete"`` (something of it is missing or damaged;
        what is there may be built); ``"cannot be built"``.
    files, bytes : int
        What lies in the directory.
    hashed : int
        Files whose digests were compared.
    findings : tuple of Finding
        Failures first, then remarks.
    """

    corpus: str
    directory: str
    cohorts: dict[str, str]
    files: int
    bytes: int
    hashed: int
    findings: tuple[Finding, ...]

    @property
    def complete(self) -> bool:
        """Whether every cohort that was asked for is complete."""
        return set(self.cohorts.values()) == {COMPLETE}

    def to_json(self) -> dict[str, Any]:
        """Return everything as what JSON can hold."""
        return {**asdict(self), "complete": self.complete}

    def print(self, console: Console) -> None:
        """Print the findings as a table, the state of each cohort, and a summary.

        Parameters
        ----------
        console : Console
            Where to print.
        """
        if self.findings:
            console.print(findings_table(self.findings))
        cohorts = Table("cohort", "state")
        for name, state in self.cohorts.items():
            cohorts.add_row(name, state, style=None if state == COMPLETE else "bold red")
        console.print(cohorts)
        console.print(
            f"{self.corpus}: {how_many(self.files, 'file')}, {self.bytes / 1e6:,.1f} MB, "
            f"{self.hashed} compared with known digests; "
            f"{how_many(len(self.failures), FAILURE)}, {how_many(len(self.remarks), REMARK)}",
            highlight=False,
        )


def check_tree(
    corpus: str | type[CorpusBuilder],
    data_dir: str | Path,
    cohorts: Iterable[str] | None = None,
    *,
    where: Mapping[str, Any] | None = None,
    hashes: bool = True,
) -> TreeFindings:
    """Check that a directory holds what the builds of some cohorts need, whole.

    Archives and their content against the declaration of the corpus (sizes, checksums, numbers of files) and against
    the lock file of the download where there is one; the files that the builder names; empty files and archives that
    do not open to their end; what lies there besides. It works on trees that were unpacked by hand, in all layouts
    that the builder reads. All findings are collected; nothing is changed.

    Parameters
    ----------
    corpus : str or type
        Name of a corpus, or a builder class.
    data_dir : str or Path
        Directory of the raw files, as a build takes it.
    cohorts : iterable of str, optional
        Names of the cohorts that are to be built; all by default.
    where : mapping, optional
        Conditions of the build.
    hashes : bool
        Whether to read the files through, which takes as long as the disk needs: digests, and archives to their end.

    Returns
    -------
    TreeFindings
        What was found.

    Raises
    ------
    DataDirectoryError
        It is not a directory of this corpus, or its lock file is damaged.
    UnknownNameError
        No such cohort or column; near matches are offered.
    ParameterError
        A condition that cannot be used.
    """
    builder = load_builder(corpus) if isinstance(corpus, str) else corpus
    declared = builder.CORPUS
    names = [declared.cohort(name).name for name in cohorts or (cohort.name for cohort in declared.cohorts)]
    names = list(dict.fromkeys(names))
    conditions = checked_where(where, declared)
    raw, directory = builder.open_raw(str(data_dir)), Path(data_dir)
    lock = LockFile.read(directory)
    if lock is not None and lock.corpus != declared.name:
        raise DataDirectoryError(
            "This directory was filled by the download of another corpus",
            path=directory,
            found=lock.corpus,
            expected=declared.name,
            mend="name the directory of this corpus",
        )
    faults = TreeFaults(declared.name, directory)
    places = [find_place(archive, directory, raw) for archive in declared.archives]
    archives = ArchiveCheck(builder, names, conditions, lock, faults)
    for place in places:
        archives.check(place)
    files = check_builder_files(builder, raw, names, conditions, places, archives, faults)
    check_raw_counts(declared, raw, names, archives, faults)
    tests = archives.tests()
    for fault in run_tests(tests if hashes else (), f"checking {declared.name}"):
        faults.failure(
            archives.cohorts_of(fault.path),
            fault.problem,
            fault.path,
            field=fault.field,
            found=fault.found,
            expected=fault.expected,
        )
    total = note_extra_files(raw, places, lock, files, faults)
    states = {
        name: NOT_BUILDABLE if name in faults.unbuildable else INCOMPLETE if name in faults.incomplete else COMPLETE
        for name in names
    }
    return TreeFindings(
        corpus=declared.name,
        directory=str(data_dir),
        cohorts=states,
        files=total.files,
        bytes=total.bytes,
        hashed=sum(bool(test.digests) for test in tests) if hashes else 0,
        findings=tuple(sorted(faults.findings.all, key=lambda finding: finding.severity != FAILURE)),
    )
