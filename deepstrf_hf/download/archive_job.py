"""One archive: fetched whole or by its members, unpacked, and noted in the lock file only when all of it is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

from deepstrf_hf.corpus import Archive, Unpack
from deepstrf_hf.download.data_directory import DataDirectory
from deepstrf_hf.download.lock_file import LockedArchive, LockedFile
from deepstrf_hf.download.range_file import RangeFile
from deepstrf_hf.download.sessions import HostSession
from deepstrf_hf.download.transfer import Expected, Fetched, fetch
from deepstrf_hf.download.transfer_progress import TotalProgress
from deepstrf_hf.download.unpack import Limits, Member, unpack
from deepstrf_hf.errors import DownloadError, NotAtHostError, RangesNotServedError

THERE, FETCHED, UNPACKED, MEMBERS = "was there", "fetched", "fetched and unpacked", "members fetched"
NOT_AT_HOST = "not at its host"


@dataclass(frozen=True)
class Outcome:
    """What became of an archive.

    Parameters
    ----------
    name : str
        Its name.
    action : str
        ``"was there"``, ``"fetched"``, ``"fetched and unpacked"``, ``"members fetched"`` or ``"not at its host"``.
    size_bytes : int
        Bytes of the archive, or of the members that were fetched.
    seconds : float
        How long it took.
    files : int
        Files that came of it.
    notes : tuple of str
        What a user should know.
    """

    name: str
    action: str
    size_bytes: int = 0
    seconds: float = 0.0
    files: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ArchiveJob:
    """One archive to fetch.

    Parameters
    ----------
    archive : Archive
        Which.
    data : DataDirectory
        Where to.
    session : HostSession
        Of its host.
    expected : Expected
        What is known of it.
    progress : TotalProgress
        Is told how far it is.
    wanted : callable or None
        Which members are needed; None: all.
    keep_archive : bool
        Whether the archive stays when it has been unpacked.
    """

    archive: Archive
    data: DataDirectory
    session: HostSession
    expected: Expected
    progress: TotalProgress
    wanted: Callable[[str], bool] | None
    keep_archive: bool

    def run(self) -> Outcome:
        """Fetch it; of an archive that builds can do without, its absence is no error.

        Raises
        ------
        DownloadError
            It cannot be had.
        ArchiveError
            What was fetched is not an archive that can be unpacked.
        """
        started = time.monotonic()
        try:
            outcome = self._fetched()
        except NotAtHostError as error:
            if not self.archive.optional:
                raise
            self.data.forget(self.archive)
            outcome = Outcome(self.archive.name, NOT_AT_HOST, notes=(f"{self.archive.name}: {error}",))
        return replace(outcome, seconds=time.monotonic() - started)

    def _fetched(self) -> Outcome:
        if self.archive.unpack is None:
            return self._keep()
        if self.archive.remote_members:
            return self._fetch_members(self.archive.unpack)
        return self._fetch_and_unpack(self.archive.unpack)

    def _keep(self) -> Outcome:
        self.data.begin(self.archive)
        fetched = self._fetch(self.data.path / self.archive.name)
        self.data.finish(self.archive, self._locked(fetched))
        return Outcome(self.archive.name, FETCHED, fetched.size_bytes, files=1)

    def _fetch_and_unpack(self, how: Unpack) -> Outcome:
        self.data.begin(self.archive)
        by_hand = self.data.path / self.archive.name
        passing = self.data.passing(self.archive)
        fetched = self._fetch(by_hand if self.keep_archive or by_hand.is_file() else passing)
        members = self._unpack(fetched.path, how, self.wanted)
        self.data.finish(self.archive, self._locked(fetched, members))
        self.data.remove_passing(self.archive)
        return Outcome(self.archive.name, UNPACKED, fetched.size_bytes, files=len(members))

    def _fetch_members(self, how: Unpack) -> Outcome:
        """Read the members that are needed and not there from the server; the whole where it serves no ranges."""
        try:
            file = RangeFile(self.session, self.archive.url)
        except RangesNotServedError as error:
            outcome = self._fetch_and_unpack(how)
            return replace(outcome, notes=(f"{error.problem}: it was fetched whole",))
        with file:
            before = self.data.entry(self.archive)
            known = dict(self.data.members_there(self.archive))
            if known and before is not None and (before.size_bytes, before.etag) != (file.size_bytes, file.etag):
                raise DownloadError(
                    f"{self.archive.name} at its host is another file than the one members were fetched from before",
                    path=self.data.path / how.into,
                    found=f"{file.size_bytes:,} bytes, ETag {file.etag}",
                    expected=f"{before.size_bytes:,} bytes, ETag {before.etag}",
                    mend="fetch all of it into another directory",
                )
            begun = LockedArchive(
                self.archive.url, "", False, file.size_bytes, self.expected.checksum, None, file.etag, known
            )

            def placed(member: Member) -> None:
                known[member.name] = LockedFile(member.size_bytes, member.sha256)
                self.data.add_members(self.archive, begun)

            self.data.begin(self.archive)
            members = self._unpack(
                cast(BinaryIO, file), how, lambda name: name not in known and self._is_wanted(name), placed
            )
        self.data.finish(self.archive, begun)
        return Outcome(self.archive.name, MEMBERS, sum(member.size_bytes for member in members), files=len(members))

    def _fetch(self, target: Path) -> Fetched:
        advance = self.progress.of(self.archive.name)
        return fetch(self.session, self.archive.url, target, self.expected, progress=advance)

    def _is_wanted(self, name: str) -> bool:
        return self.wanted is None or self.wanted(name)

    def _unpack(
        self,
        archive: Path | BinaryIO,
        how: Unpack,
        wanted: Callable[[str], bool] | None,
        placed: Callable[[Member], None] | None = None,
    ) -> list[Member]:
        written = 0
        advance = self.progress.of(self.archive.name, "unpacking", counts=self.archive.remote_members)

        def progress(n_bytes: int) -> None:
            nonlocal written
            written += n_bytes
            advance(written)

        return unpack(
            archive,
            self.data.path / how.into,
            strip=how.strip,
            limits=Limits(how.largest_bytes, how.most_members),
            wanted=wanted,
            progress=progress,
            placed=placed,
        )

    def _locked(self, fetched: Fetched, members: Sequence[Member] = ()) -> LockedArchive:
        return LockedArchive(
            self.archive.url,
            "",
            True,
            fetched.size_bytes,
            self.expected.checksum,
            fetched.sha256,
            None,
            {member.name: LockedFile(member.size_bytes, member.sha256) for member in members},
        )
