"""Verify the files of a build as files: which are there, how large they are, and their digests."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from deepstrf_hf.hub_integrity import FETCH_AGAIN
from deepstrf_hf.names import CARD_NAME, REPORT_NAME
from deepstrf_hf.raw_tree import sha256_of
from deepstrf_hf.report import BuildReport, SplitFiles
from deepstrf_hf.repository import Repository
from deepstrf_hf.verification_findings import Findings
from deepstrf_hf.verification_sources import SHA256, Source, git_blob_of


def check_files(repository: Repository, report: BuildReport, source: Source, findings: Findings) -> dict[str, Path]:
    """Check names, sizes and digests.

    Parameters
    ----------
    repository : Repository
        What the card says.
    report : BuildReport
        What the build says.
    source : Source
        What is there.
    findings : Findings
        Takes what is wrong.

    Returns
    -------
    dict of str to Path
        Where the data files are on disk, by name: those that are there.

    Raises
    ------
    HubError
        A file could not be fetched.
    """
    _compare_card(repository, report, findings)
    sizes = source.sizes()
    names = _named(report, findings)
    for name in names:
        if name not in sizes:
            findings.failure("A file that the build report names is missing", name)
    for name in _unnamed(report, set(sizes) - set(names), source):
        findings.failure(
            "A file of ours is there that the build report does not name",
            name,
            mend="remove it; it is left from an earlier build",
        )
    paths = _readable(source.fetch(name for name in names if name in sizes), findings)
    sha256 = functools.cache(sha256_of)
    for config, split, files in _splits(report):
        present = {name: paths[name] for name in files.files if name in paths}
        if len(present) == len(files.files):
            _check_size(f"{config}/{split}", files, sum(path.stat().st_size for path in present.values()), findings)
        if files.sha256:
            _check_digests(files, present, sha256, findings)
    without = [f"{config}/{split}" for config, split, files in _splits(report) if not files.sha256]
    if without:
        findings.remark(
            "The content of files cannot be verified: the build report, of an earlier version, has no digests of them",
            REPORT_NAME,
            field="sha256",
            found=", ".join(without),
            mend="build again; today's reports have digests",
        )
    beside = {name: source.root / name for name in (CARD_NAME, REPORT_NAME)}
    for name, path in {**beside, **paths}.items():
        stated = source.stated(name)
        if stated is None:
            continue
        found = sha256(path) if stated[0] == SHA256 else git_blob_of(path)
        if found != stated[1]:
            findings.failure(
                "What was fetched is not what the Hub states",
                name,
                field=stated[0],
                found=found,
                expected=stated[1],
                mend=FETCH_AGAIN,
            )
    return paths


def _readable(paths: dict[str, Path], findings: Findings) -> dict[str, Path]:
    """Return the files that can be opened."""
    opened = {}
    for name, path in paths.items():
        try:
            with path.open("rb"):
                opened[name] = path
        except OSError as error:
            findings.failure("A file cannot be read", name, found=error.strerror)
    return opened


def _splits(report: BuildReport) -> list[tuple[str, str, SplitFiles]]:
    return [
        (config, split, files)
        for entry in report.cohorts.values()
        for config, splits in entry.configs.items()
        for split, files in splits.items()
    ]


def _compare_card(repository: Repository, report: BuildReport, findings: Findings) -> None:
    """Compare the files that the card names, by configuration and split, with those that the report names."""
    of_report = {(config, split): list(files.files) for config, split, files in _splits(report)}
    of_card = {
        (config, split): list(files) for config, splits in repository.configs.items() for split, files in splits.items()
    }
    for config, split in sorted({*of_report, *of_card}):
        named, listed = of_report.get((config, split)), of_card.get((config, split))
        if named != listed:
            findings.failure(
                "The card and the build report name different files",
                CARD_NAME,
                field=f"{config}/{split}",
                found="nothing" if listed is None else ", ".join(listed),
                expected="nothing" if named is None else ", ".join(named),
            )


def _named(report: BuildReport, findings: Findings) -> list[str]:
    """Return the names of all data files, each once, without those that lead out of the directory."""
    counted = Counter(report.files())
    for name, times in counted.items():
        if times > 1:
            findings.failure("The build report names a file more than once", name, found=times, expected=1)
    inside = []
    for name in counted:
        place = PurePosixPath(name)
        if place.is_absolute() or ".." in place.parts or "\\" in name:
            findings.failure("The build report names a file outside of the directory", REPORT_NAME, found=name)
        else:
            inside.append(name)
    return inside


def _unnamed(report: BuildReport, others: set[str], source: Source) -> list[str]:
    """Return the files that nothing names and that are ours: in the folder of a configuration, or by provenance."""
    folders = {config for entry in report.cohorts.values() for config in entry.configs}
    parquet = sorted(name for name in others if name.endswith(".parquet"))
    return [name for name in parquet if name.split("/")[0] in folders or source.is_ours(name)]


def _check_size(place: str, files: SplitFiles, size: int, findings: Findings) -> None:
    if size != files.bytes:
        findings.failure(
            "The files of a split do not have the size that the build report states",
            place,
            field="bytes",
            found=size,
            expected=files.bytes,
        )


def _check_digests(
    files: SplitFiles, paths: dict[str, Path], sha256: Callable[[Path], str], findings: Findings
) -> None:
    """Compare the content of files with the digests of the report."""
    for name in sorted(set(files.files) ^ set(files.sha256)):
        known = name in files.sha256
        findings.failure(
            "The build report has a digest of a file that it does not name"
            if known
            else "The build report has no digest of a file that it names",
            name,
            field="sha256",
        )
    for name, path in paths.items():
        digest = sha256(path)
        if digest != files.sha256.get(name, digest):
            findings.failure(
                "A file has not the content that was built",
                name,
                field="sha256",
                found=digest,
                expected=files.sha256[name],
            )
