"""The archives of a corpus in a data directory, against their declaration and the lock file of the download."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.corpus import Archive, Unpack
from deepstrf_hf.download.checksums import parse_checksum
from deepstrf_hf.download.lock_file import LOCK_NAME, LockedArchive, LockFile
from deepstrf_hf.download.needed import needed_archives
from deepstrf_hf.download.tree_contents import PACKED, Counted, Place, count_contents, files_below
from deepstrf_hf.download.tree_files import FileTest
from deepstrf_hf.verification_findings import Findings
from deepstrf_hf.where import Where

SHOWN = 5
"""Names of files that a finding gives."""


class TreeFaults:
    """Collects findings, and which cohorts they leave incomplete.

    Parameters
    ----------
    corpus : str
        Name of the corpus, for what mends a fault.
    directory : Path
        The data directory.
    """

    def __init__(self, corpus: str, directory: Path) -> None:
        self.findings = Findings()
        self.incomplete: set[str] = set()
        self.unbuildable: set[str] = set()
        self._corpus, self.directory = corpus, directory

    def failure(
        self,
        cohorts: Sequence[str],
        problem: str,
        path: Path,
        *,
        field: str | None = None,
        found: object = None,
        expected: object = None,
        mend: str | None = None,
    ) -> None:
        """Note something that some cohorts are incomplete for; a download mends it by default."""
        self.incomplete.update(cohorts)
        self.findings.failure(
            problem,
            self.shown(path),
            field=field,
            found=found,
            expected=expected,
            mend=mend or f"remove it, then {self.download(cohorts)}",
        )

    def remark(
        self, problem: str, path: Path, *, found: object = None, expected: object = None, mend: str | None = None
    ) -> None:
        """Note something that should be known."""
        self.findings.remark(problem, self.shown(path), found=found, expected=expected, mend=mend)

    def download(self, cohorts: Sequence[str]) -> str:
        """Return the command that fetches what some cohorts need."""
        return " ".join(["deepstrf-hf download", self._corpus, *cohorts, "--dest", str(self.directory)])

    def shown(self, path: Path) -> str:
        """Return a path as findings give it: below the data directory."""
        return path.relative_to(self.directory).as_posix() if path.is_relative_to(self.directory) else str(path)


def some(names: Iterable[str]) -> str:
    """Return how many names there are, and the first of them."""
    every = sorted(names)
    shown = ", ".join(every[:SHOWN]) + (", …" if len(every) > SHOWN else "")
    return f"{len(every)} file{'' if len(every) == 1 else 's'}: {shown}"


class ArchiveCheck:
    """Looks at the archives that some cohorts can use, and gathers which files are to be read through.

    Parameters
    ----------
    builder : type of CorpusBuilder
        Of the corpus.
    cohorts : sequence of str
        Names of the cohorts that are asked for.
    where : Where
        Conditions of the build.
    lock : LockFile or None
        What was fetched.
    faults : TreeFaults
        Takes what is found.
    """

    def __init__(
        self,
        builder: type[CorpusBuilder],
        cohorts: Sequence[str],
        where: Where,
        lock: LockFile | None,
        faults: TreeFaults,
    ) -> None:
        self._builder, self._asked, self._where, self._faults = builder, cohorts, where, faults
        self._locked = {} if lock is None else dict(lock.archives)
        usable = needed_archives(builder, cohorts, where, optional=True)
        self._usable = {archive.name: archive for archive in usable}
        self._tests: dict[Path, FileTest] = {}
        self._cohorts: dict[Path, tuple[str, ...]] = {}
        self.reported: set[tuple[Path, str]] = set()
        """Folders and patterns below them of which files are missing."""

    @property
    def all_locked(self) -> bool:
        """Whether the lock file says that every archive that is needed was fetched whole."""
        needed = [archive.name for archive in self._usable.values() if not archive.optional]
        return all(name in self._locked and self._locked[name].complete for name in needed)

    def tests(self) -> list[FileTest]:
        """Return the files that are to be read through, by name."""
        return [self._tests[path] for path in sorted(self._tests)]

    def cohorts_of(self, path: Path) -> tuple[str, ...]:
        """Return which of the cohorts asked for need a file."""
        return self._cohorts[path]

    def check(self, place: Place) -> None:
        """Look at an archive; one that no cohort asked for can use is passed over."""
        archive = place.archive
        if archive.name not in self._usable:
            return
        locked = self._locked.get(archive.name)
        cohorts = tuple(name for name in self._asked if not archive.cohorts or name in archive.cohorts)
        if locked is not None and not locked.complete and not archive.optional:
            self._faults.failure(
                cohorts,
                "The download of this archive was not finished",
                Path(archive.name),
                found=f"{LOCK_NAME} says so",
                mend=self._faults.download(cohorts),
            )
        if place.file is not None:
            self._check_file(place.file, archive, locked, cohorts)
        if not place.is_there:
            self._missing(place, cohorts)
        elif archive.unpack is not None and place.folder is not None:
            self._check_folder(place.folder, archive, archive.unpack, locked, cohorts)

    def look_through(self, path: Path, cohorts: tuple[str, ...]) -> FileTest:
        """Return the test of a file, which packed recordings among them must pass by opening to their end."""
        self._cohorts[path] = tuple(dict.fromkeys((*self._cohorts.get(path, ()), *cohorts)))
        if path not in self._tests:
            self._tests[path] = FileTest(path, opens=path.name.endswith(PACKED))
            if not path.stat().st_size:
                self._faults.failure(cohorts, "A file is empty", path, found="0 bytes")
        return self._tests[path]

    def _check_file(self, path: Path, archive: Archive, locked: LockedArchive | None, cohorts: tuple[str, ...]) -> None:
        size = path.stat().st_size
        # What its host published when it was fetched stands above what was known when this was written.
        fetched = None if locked is None else locked.size_bytes
        expected, source = (archive.size_bytes, "as published") if fetched is None else (fetched, "as fetched")
        if expected not in (None, size):
            self._faults.failure(
                cohorts, "A file has another size", path, found=f"{size:,} bytes", expected=f"{expected:,} {source}"
            )
        test = self.look_through(path, cohorts)
        published = (locked.checksum if locked else None) or archive.checksum
        if published is not None:
            algorithm, digest = parse_checksum(published)
            test.digests[algorithm] = digest, "as published"
        if locked is not None and locked.sha256 is not None:
            test.digests.setdefault("sha256", (locked.sha256, "as fetched"))

    def _missing(self, place: Place, cohorts: tuple[str, ...]) -> None:
        archive, path = place.archive, Path(place.archive.name)
        if archive.optional:
            self._faults.remark("An optional file is not here", path, expected=archive.note)
        elif place.file is not None and archive.unpack is not None:
            self._faults.failure(
                cohorts,
                "An archive is still packed",
                place.file,
                found="no files of it",
                expected=f"{archive.unpack.into}/ with {', '.join(archive.unpack.contains)}",
                mend=f"unpack it into {archive.unpack.into}, or {self._faults.download(cohorts)}",
            )
        else:
            self._faults.failure(
                cohorts, "An archive is missing", path, expected=archive.note, mend=self._faults.download(cohorts)
            )

    def _check_folder(
        self, folder: Path, archive: Archive, unpack: Unpack, locked: LockedArchive | None, cohorts: tuple[str, ...]
    ) -> None:
        if locked is not None:
            self._check_members(folder, archive, unpack, locked, cohorts)
        named_by_digest = set(files_below(folder, unpack.named_by_md5)) if unpack.named_by_md5 else set()
        for counted in count_contents(folder, unpack):
            concerned = _narrowed(cohorts, unpack, counted.pattern)
            if not concerned:
                continue
            self._compare_count(folder, archive, counted, locked, concerned)
            for path in counted.files:
                if locked is None or path not in self._tests:
                    test = self.look_through(path, concerned)
                    if path in named_by_digest:
                        test.digests["md5"] = path.stem.lower(), "by its name"

    def _check_members(
        self, folder: Path, archive: Archive, unpack: Unpack, locked: LockedArchive, cohorts: tuple[str, ...]
    ) -> None:
        wanted = self._builder.archive_members(archive, self._asked, self._where) if archive.remote_members else None
        missing: dict[tuple[str, ...], list[str]] = {}
        for name, member in locked.members.items():
            concerned = next(
                (_narrowed(cohorts, unpack, one) for one in unpack.of_cohorts if PurePosixPath(name).match(one)),
                cohorts,
            )
            if not concerned or (wanted is not None and not wanted(name)):
                continue
            path = folder / name
            if not path.is_file():
                missing.setdefault(concerned, []).append(name)
                continue
            size = path.stat().st_size
            self._cohorts[path] = concerned
            self._tests[path] = FileTest(path, {"sha256": (member.sha256, "as fetched")})
            if size != member.size_bytes:
                self._faults.failure(
                    concerned,
                    "A file has another size",
                    path,
                    found=f"{size:,} bytes",
                    expected=f"{member.size_bytes:,} as fetched",
                )
        for concerned, names in missing.items():
            self._faults.failure(
                concerned,
                "Files that were fetched are gone",
                folder,
                found=some(names),
                mend=self._mend(archive, concerned),
            )

    def _compare_count(
        self, folder: Path, archive: Archive, counted: Counted, locked: LockedArchive | None, cohorts: tuple[str, ...]
    ) -> None:
        narrowed = archive.remote_members and bool(self._where)
        too_few = not counted.files if narrowed else counted.too_few
        if not too_few and not counted.too_many:
            return
        path = folder / counted.pattern
        found = len(counted.files)
        expected = "at least one" if counted.published is None or narrowed else f"{counted.published:,}"
        # What was fetched whole and is all there holds as many as it holds, whatever was published.
        whole = locked is not None and locked.complete and not archive.remote_members
        if too_few and not archive.optional and not whole:
            self.reported.add((folder, counted.pattern))
            self._faults.failure(
                cohorts,
                "Files are missing",
                path,
                found=f"{found:,}",
                expected=expected,
                mend=self._mend(archive, cohorts),
            )
        else:
            problem = "There are fewer files than published" if too_few else "There are more files than published"
            self._faults.remark(problem, path, found=f"{found:,}", expected=expected)

    def _mend(self, archive: Archive, cohorts: tuple[str, ...]) -> str:
        return f"unpack {archive.name} again, or {self._faults.download(cohorts)}"


def _narrowed(cohorts: tuple[str, ...], unpack: Unpack, pattern: str) -> tuple[str, ...]:
    """Return which of some cohorts need the files of a pattern."""
    only = unpack.of_cohorts.get(pattern)
    return cohorts if only is None else tuple(name for name in cohorts if name in only)
