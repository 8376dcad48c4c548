"""Fetch the raw files of a corpus: what is needed and not there yet, checked, unpacked, several files at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from rich.console import Console
from rich.table import Table

from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.corpus import Archive
from deepstrf_hf.download.archive_job import THERE, ArchiveJob, Outcome
from deepstrf_hf.download.credentials import credentials_for
from deepstrf_hf.download.data_directory import DataDirectory
from deepstrf_hf.download.disk_space import refuse_too_little_space
from deepstrf_hf.download.file_sets import fetch_file_set
from deepstrf_hf.download.hosts import Host, host_of
from deepstrf_hf.download.locations import data_directory
from deepstrf_hf.download.needed import needed_archives
from deepstrf_hf.download.retries import Retries
from deepstrf_hf.download.sessions import HostSession, is_offline
from deepstrf_hf.download.terms import terms_of
from deepstrf_hf.download.transfer import Expected
from deepstrf_hf.download.transfer_progress import TotalProgress
from deepstrf_hf.errors import DeepstrfError, DownloadError, ParameterError
from deepstrf_hf.registry import load_builder
from deepstrf_hf.where import checked_where

logger = logging.getLogger(__name__)

FILES_AT_ONCE = 3
"""Archives that are fetched side by side; hosts of research data serve few connections per client well."""
GUARD_NAME = ".deepstrf-download.lock"


@dataclass(frozen=True)
class Downloaded:
    """What a download left behind.

    Parameters
    ----------
    corpus : str
        Name of the corpus.
    directory : Path
        Its raw files.
    outcomes : tuple of Outcome
        What became of each archive that is needed.
    notes : tuple of str
        What a user should know.
    """

    corpus: str
    directory: Path
    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...]

    def print(self, console: Console) -> None:
        """Print what became of each archive, the notes, and where the files are.

        Parameters
        ----------
        console : Console
            Where to print.
        """
        table = Table("file", "", "MB", "s", "files")
        for outcome in self.outcomes:
            amounts = (f"{outcome.size_bytes / 1e6:,.1f}", f"{outcome.seconds:.1f}", str(outcome.files))
            table.add_row(outcome.name, outcome.action, *(amounts if outcome.action != THERE else ("", "", "")))
        console.print(table)
        for note in self.notes:
            console.print(f"- {note}", highlight=False, markup=False)
        console.print(f"Raw files of {self.corpus}: {self.directory}", highlight=False, markup=False)


def download_corpus(
    corpus: str | type[CorpusBuilder],
    cohorts: Sequence[str] | None = None,
    *,
    dest: str | Path | None = None,
    where: Mapping[str, Any] | None = None,
    waveforms: bool = False,
    optional: bool = False,
    keep_archives: bool = False,
    offline: bool = False,
    ask: bool = False,
    files_at_once: int = FILES_AT_ONCE,
    announce: Callable[[str], object] | None = None,
    retries: Retries | None = None,
) -> Downloaded:
    """Fetch the raw files that a build needs.

    What is there is not fetched again, and what was begun is continued. Each file is checked against the size and
    checksum that the corpus declares or its host publishes; SHA-256 are kept in ``deepstrf-download.json`` beside the
    data, and hold for later downloads.

    Parameters
    ----------
    corpus : str or type
        Name of a corpus, or a builder class.
    cohorts : sequence of str, optional
        Only what these cohorts need; all by default.
    dest : path, optional
        Directory of the raw files: by default a folder of the corpus in ``DEEPSTRF_DATA_DIR``, or in the platform's
        directory for caches.
    where : mapping, optional
        Only what a build with these conditions needs (see `deepstrf_hf.build`).
    waveforms : bool
        With archives that are for waveforms only.
    optional : bool
        With everything that can be used.
    keep_archives : bool
        Keep archives that were unpacked, beside what came of them.
    offline : bool
        Make no request: an error tells what is missing. So do ``DEEPSTRF_OFFLINE=1`` and ``HF_HUB_OFFLINE=1``.
    ask : bool
        Ask in the terminal for a user name and password that are neither in the environment nor in the keyring.
    files_at_once : int
        Archives that are fetched side by side.
    announce : callable, optional
        Is given the terms of the corpus as text, before its first download into the directory; by default they are
        logged as a warning.
    retries : Retries, optional
        How patient it is with hosts.

    Returns
    -------
    Downloaded
        Where the files are, and what became of each archive.

    Raises
    ------
    UnknownNameError
        No such corpus, cohort or column.
    ParameterError
        A value that cannot be used.
    DataDirectoryError
        The directory holds another corpus, or its lock file is damaged.
    DownloadError
        A file cannot be had, or the disk is too small. What was fetched is kept, and continued by the next call.
    ArchiveError
        What was fetched cannot be unpacked.
    """
    builder = load_builder(corpus) if isinstance(corpus, str) else corpus
    if files_at_once < 1:
        raise ParameterError("At least one file is fetched at a time", field="files_at_once", found=files_at_once)
    declared = builder.CORPUS
    archives = needed_archives(builder, cohorts, where, optional=optional, waveforms=waveforms)
    names = list(cohorts) if cohorts is not None else [cohort.name for cohort in declared.cohorts]
    conditions = checked_where(where, declared)
    directory = data_directory(declared.name, dest)
    directory.mkdir(parents=True, exist_ok=True)
    with FileLock(directory / GUARD_NAME), ExitStack() as stack:
        data = DataDirectory(directory, declared.name)
        if data.is_new:
            (announce or logger.warning)(terms_of(declared))
        offline = offline or is_offline()
        # Which members of an archive are there says nothing of those that are needed now: its host is asked again.
        missing = [
            archive for archive in archives if not data.holds(archive) or (archive.remote_members and not offline)
        ]
        there = [archive for archive in archives if archive not in missing]
        for archive in there:  # a run that was killed may have left it
            data.remove_passing(archive)
        outcomes = {archive.name: Outcome(archive.name, THERE) for archive in there}
        hosts = _sessions(missing, stack, offline, ask, retries)
        whole = [archive for archive in missing if archive.file_set is None]
        expected, notes = _expected(whole, hosts, data)
        refuse_too_little_space(directory, whole, expected)
        sizes = [expected[archive.name].size_bytes for archive in whole if not archive.remote_members]
        total = None if None in sizes else sum(size for size in sizes if size is not None)
        with TotalProgress(total) as progress:
            jobs = [
                ArchiveJob(
                    archive,
                    data,
                    hosts[host_of(archive.url)],
                    expected[archive.name],
                    progress,
                    builder.archive_members(archive, names, conditions) if archive.remote_members else None,
                    keep_archives,
                )
                for archive in whole
            ]
            outcomes |= {outcome.name: outcome for outcome in _run(jobs, files_at_once, progress)}
        for archive in missing:
            if archive.file_set is not None:
                session = hosts[host_of(archive.url)]
                raw = builder.open_raw(str(directory))
                outcomes[archive.name] = fetch_file_set(archive, archive.file_set, raw, data, session)
    in_order = tuple(outcomes[archive.name] for archive in archives)
    told = [*notes, *(note for outcome in in_order for note in outcome.notes)]
    return Downloaded(declared.name, directory, in_order, tuple(told))


def _sessions(
    archives: Sequence[Archive], stack: ExitStack, offline: bool, ask: bool, retries: Retries | None
) -> dict[Host, HostSession]:
    """Make a session for each host; credentials are looked for once, and only where they are needed."""
    sessions = {}
    for host in dict.fromkeys(host_of(archive.url) for archive in archives):
        login = host.login_site if not offline else None
        credentials = credentials_for(login, ask=ask) if login is not None else None
        sessions[host] = stack.enter_context(host.session(credentials, offline=offline, retries=retries))
    return sessions


def _expected(
    archives: Sequence[Archive], sessions: Mapping[Host, HostSession], data: DataDirectory
) -> tuple[dict[str, Expected], list[str]]:
    """Put together what is known of each archive: what its host publishes now, what is declared, what was learned."""
    known: dict[str, Expected] = {}
    notes: list[str] = []
    for host, session in sessions.items():
        own = [archive for archive in archives if host_of(archive.url) is host]
        published = host.published(session, own)
        notes += published.notes
        for archive in own:
            told = published.files.get(archive.name, Expected())
            learned = data.entry(archive)
            sha256 = f"sha256:{learned.sha256}" if learned is not None and learned.sha256 is not None else None
            known[archive.name] = Expected(
                told.size_bytes or archive.size_bytes, told.checksum or archive.checksum or sha256
            )
            for what, said, stated in (
                ("size", told.size_bytes, archive.size_bytes),
                ("checksum", told.checksum, archive.checksum),
            ):
                if None not in (said, stated) and said != stated and _comparable(said, stated):
                    notes.append(
                        f"{archive.name}: its host publishes the {what} {said}, where {stated} is known of it: it may "
                        "be another version"
                    )
    return known, notes


def _comparable(one: int | str | None, other: int | str | None) -> bool:
    """Return whether two sizes, or two checksums of the same kind, can be compared."""
    return str(one).partition(":")[0] == str(other).partition(":")[0] or isinstance(one, int)


def _run(jobs: Sequence[ArchiveJob], at_once: int, progress: TotalProgress) -> list[Outcome]:
    """Run all jobs; one that fails does not keep the others from being finished.

    Raises
    ------
    DownloadError, ArchiveError
        The only failure, or all of them together.
    """
    outcomes: list[Outcome] = []
    failures: list[DeepstrfError] = []
    with ThreadPoolExecutor(at_once, thread_name_prefix="deepstrf-download") as pool:
        coming = [pool.submit(job.run) for job in jobs]
        try:
            for future in coming:
                try:
                    outcomes.append(future.result())
                except DeepstrfError as error:
                    failures.append(error)
        except (
            BaseException
        ):  # the user's interruption: files in transfer stop at their next bytes, and stay to be continued
            progress.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise DownloadError(
            f"{len(failures)} files could not be fetched",
            path=jobs[0].data.path,
            found=" | ".join(str(error) for error in failures),
            mend="run it again: what was fetched is kept and continued",
        )
    return outcomes
