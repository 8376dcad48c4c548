"""Verify a built directory or a Hub repository: files, tables, keys and counts, against card, report, declaration."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.names import REPORT_NAME
from deepstrf_hf.progress import progress_bar
from deepstrf_hf.registry import load_builder
from deepstrf_hf.report import BuildReport, CohortReport
from deepstrf_hf.repository import Repository
from deepstrf_hf.verification_companions import read_companion
from deepstrf_hf.verification_counts import check_cohort, compare_published
from deepstrf_hf.verification_declared import cohorts_to_verify, published_counts, read_infos
from deepstrf_hf.verification_files import check_files
from deepstrf_hf.verification_findings import (
    BUILD_AGAIN,
    FAILURE,
    REMARK,
    Finding,
    Findings,
    Found,
    findings_table,
    how_many,
)
from deepstrf_hf.verification_rows import MainTally, read_main
from deepstrf_hf.verification_sources import DirectorySource, HubSource, Source
from deepstrf_hf.verification_summaries import check_summaries
from deepstrf_hf.verification_tables import CohortToVerify, TableFile


@dataclass(frozen=True)
class Verification(Found):
    """What a verification found.

    Parameters
    ----------
    source : str
        Directory or repository, as the user gave it.
    revision : str or None
        Commit, on the Hub.
    corpus, corpus_version : str
        What was built.
    files : int
        Data files that were there.
    bytes : int
        Their size.
    counts : dict of str to dict of str to int
        What was counted, by cohort.
    findings : tuple of Finding
        Failures first, then remarks.
    """

    source: str
    revision: str | None
    corpus: str
    corpus_version: str
    files: int
    bytes: int
    counts: dict[str, dict[str, int]]
    findings: tuple[Finding, ...]

    @property
    def whole(self) -> bool:
        """Whether there is no failure."""
        return not self.failures

    def to_json(self) -> dict[str, Any]:
        """Return everything as what JSON can hold."""
        return {**asdict(self), "whole": self.whole}

    def print(self, console: Console) -> None:
        """Print the findings as a table, and a summary.

        Parameters
        ----------
        console : Console
            Where to print.
        """
        if self.findings:
            console.print(findings_table(self.findings))
        for name, counts in self.counts.items():
            counted = ", ".join(f"{number:,} {what}" for what, number in counts.items())
            console.print(f"{name}: {counted}", highlight=False, markup=False)
        console.print(
            f"{self.corpus} {self.corpus_version}: {self.files} files, {self.bytes / 1e6:,.1f} MB; "
            f"{how_many(len(self.failures), FAILURE)}, {how_many(len(self.remarks), REMARK)}",
            highlight=False,
        )


def verify(source: str | Path, *, revision: str | None = None, token: str | bool | None = None) -> Verification:
    """Verify that a built directory or a Hub repository is whole and says the truth about itself.

    Files against the card and the build report (names, sizes, SHA-256; on the Hub also against the digests that it
    states), columns and types against the declaration of the corpus, provenance, keys over all splits, order, shapes,
    finite spectrograms, and counts. All findings are collected. Files on the Hub are fetched whole, through its
    client's cache; memory is bounded by a row group, the ids, and 16 bytes for each row.

    Parameters
    ----------
    source : str or Path
        A directory that `deepstrf_hf.build` wrote, or the id of a Hub repository.
    revision : str, optional
        Branch, tag or commit on the Hub.
    token : str, bool or None
        As in ``huggingface_hub``.

    Returns
    -------
    Verification
        Failures and remarks. Counts that differ from published ones are remarks.

    Raises
    ------
    TableFormatError
        The directory or repository is not one of ours, or of a later version of the tables.
    UnknownNameError
        This library does not know the corpus.
    ParameterError
        A revision of a directory.
    HubError
        The Hub refused or could not be reached.
    """
    repository = Repository.open(source, revision=revision, token=token)
    files: Source = HubSource(repository) if repository.directory is None else DirectorySource(repository.directory)
    report = _report_of(files.root)
    builder = load_builder(report.corpus)
    findings = Findings()
    paths = check_files(repository, report, files, findings)
    infos = read_infos(files.root, findings)
    counts = {}
    cohorts = cohorts_to_verify(builder, report, infos, findings)
    with progress_bar(len(cohorts), f"verifying {report.corpus}", "cohort") as bar:
        for cohort in cohorts:
            counted = _verify_tables(cohort, cohort.open_tables(paths))
            if counted:
                counts[cohort.name] = counted
                compare_published(cohort, counted, published_counts(builder, cohort))
            bar.update()
    return Verification(
        source=str(source),
        revision=repository.revision,
        corpus=report.corpus,
        corpus_version=report.corpus_version,
        files=len(paths),
        bytes=sum(path.stat().st_size for path in paths.values()),
        counts=counts,
        findings=tuple(sorted(findings.all, key=lambda finding: finding.severity != FAILURE)),
    )


def _report_of(root: Path) -> BuildReport:
    """Read the build report.

    Raises
    ------
    TableFormatError
        There is none that can be read, or what it says cannot be followed.
    """
    report = BuildReport.read(root)
    if (
        not report.cohorts
        or not isinstance(report.corpus, str)
        or not all(map(_can_be_followed, report.cohorts.values()))
    ):
        raise TableFormatError(
            "This build report does not say which cohorts and files there are",
            path=root / REPORT_NAME,
            mend=BUILD_AGAIN,
        )
    return report


def _can_be_followed(entry: CohortReport) -> bool:
    """Return whether the report on a cohort has the types it must have; it may come from anywhere."""
    mappings = (entry.counts, entry.parameters, entry.where, entry.raw_sha256, entry.tables)
    texts = (entry.cohort, entry.stimulus, *(entry.tables.values() if isinstance(entry.tables, dict) else ()))
    splits = [files for of_config in entry.configs.values() for files in of_config.values()]
    return (
        all(isinstance(mapping, dict) for mapping in mappings)
        and all(isinstance(text, str) for text in texts)
        and all(isinstance(number, int) for number in entry.counts.values())
        and all(isinstance(digest, str) for digest in entry.raw_sha256.values())
        and all(
            isinstance(files.files, list)
            and all(isinstance(name, str) for name in files.files)
            and isinstance(files.rows, int)
            and isinstance(files.bytes, int)
            and isinstance(files.sha256, dict)
            for files in splits
        )
    )


def _verify_tables(cohort: CohortToVerify, tables: dict[str, list[TableFile]]) -> dict[str, int]:
    """Verify the values of a cohort's tables, as far as they can be read; return what was counted."""
    companions = {
        table: read_companion(cohort, table, tables[table]) for table in ("stimuli", "neurons") if table in tables
    }
    for table in ("rows", "waveform", "stimuli"):
        check_summaries(table, tables.get(table, ()), cohort.findings)
    stimuli, neurons = companions.get("stimuli"), companions.get("neurons")
    if stimuli is None or neurons is None:
        cohort.findings.remark(
            "Rows, keys and counts were not verified, since the table of stimuli or of neurons cannot be used",
            cohort.name,
        )
        return {}
    tallies: dict[str, MainTally] = {}
    for table in ("rows", "waveform"):
        if table in tables:
            tally = read_main(cohort, table, tables[table], stimuli, neurons)
            if tally.whole:
                tallies[table] = tally
    if "rows" not in tallies:
        cohort.findings.remark("Keys and counts were not verified, since rows cannot be read", cohort.name)
    return check_cohort(cohort, tallies, stimuli, neurons)
