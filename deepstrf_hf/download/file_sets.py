"""Single files of a mirror that has no archive of them: each is looked for in folder after folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from deepstrf_hf.corpus import Archive, FileSet
from deepstrf_hf.download.archive_job import FETCHED, Outcome
from deepstrf_hf.download.data_directory import DataDirectory
from deepstrf_hf.download.lock_file import LockedArchive, LockedFile
from deepstrf_hf.download.sessions import HostSession
from deepstrf_hf.download.transfer import Expected, fetch
from deepstrf_hf.errors import NotAtHostError
from deepstrf_hf.raw_tree import RawTree

FILES_AT_ONCE = 4
NAMED_AT_MOST = 20
"""Missing files that are named in a note; the others are counted."""


def fetch_file_set(
    archive: Archive, files: FileSet, raw: RawTree, data: DataDirectory, session: HostSession
) -> Outcome:
    """Fetch the files of a set that are not there yet; what no folder of the mirror has is reported.

    Parameters
    ----------
    archive : Archive
        The set.
    files : FileSet
        Where its files are.
    raw : RawTree
        The recordings, which tell the names.
    data : DataDirectory
        Where to.
    session : HostSession
        Of the mirror.

    Raises
    ------
    DownloadError
        The mirror could not be asked, or a file of it not be had.
    """
    started = time.monotonic()
    data.begin(archive)
    known = dict(data.members_there(archive))
    missing = [name for name in dict.fromkeys(files.names(raw)) if name not in known]

    def find(name: str) -> LockedFile | None:
        for folder in files.folders:
            try:
                fetched = fetch(session, f"{folder}/{quote(name)}", data.path / archive.name / name, Expected())
            except NotAtHostError:
                continue
            return LockedFile(fetched.size_bytes, fetched.sha256)
        return None

    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        found = dict(zip(missing, pool.map(find, missing), strict=True))
    fetched = {name: file for name, file in found.items() if file is not None}
    data.finish(archive, LockedArchive(archive.url, "", True, members={**known, **fetched}))
    return Outcome(
        archive.name,
        FETCHED,
        sum(file.size_bytes for file in fetched.values()),
        time.monotonic() - started,
        len(fetched),
        _absent([name for name, file in found.items() if file is None], archive),
    )


def _absent(names: Sequence[str], archive: Archive) -> tuple[str, ...]:
    if not names:
        return ()
    more = f" and {len(names) - NAMED_AT_MOST} more" if len(names) > NAMED_AT_MOST else ""
    return (f"{archive.name}: no folder of the mirror has {', '.join(names[:NAMED_AT_MOST])}{more}",)
