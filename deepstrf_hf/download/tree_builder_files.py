"""The files that the builder of a corpus names, and numbers of files that several archives share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.corpus import Corpus
from deepstrf_hf.download.tree_archives import ArchiveCheck, TreeFaults, some
from deepstrf_hf.download.tree_contents import Place, files_below
from deepstrf_hf.errors import DeepstrfError
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.where import Where


def check_builder_files(
    builder: type[CorpusBuilder],
    raw: RawTree,
    cohorts: Sequence[str],
    where: Where,
    places: Sequence[Place],
    archives: ArchiveCheck,
    faults: TreeFaults,
) -> set[Path]:
    """Look for the files that builds of some cohorts would read.

    Parameters
    ----------
    builder : type of CorpusBuilder
        Of the corpus.
    raw : RawTree
        Raw files.
    cohorts : sequence of str
        Names of the cohorts.
    where : Where
        Conditions of the build.
    places : sequence of Place
        Where the archives are: files of those that are not there were reported already.
    archives : ArchiveCheck
        Takes the files that are there, to be read through.
    faults : TreeFaults
        Takes what is found.

    Returns
    -------
    set of Path
        The files that are there.
    """
    found: set[Path] = set()
    for name in cohorts:
        config = replace(builder.default_config(name), where=where)
        try:
            named = builder.raw_files(raw, builder.CORPUS.cohort(name), config)
        except DeepstrfError as error:
            faults.unbuildable.add(name)
            faults.findings.failure(
                f"Cohort {name} cannot be built: {error.problem[0].lower()}{error.problem[1:]}",
                faults.shown(Path(error.path or raw.root)),
                field=error.field,
                found=error.found,
                expected=error.expected,
                mend=error.mend or faults.download([name]),
            )
            continue
        missing = []
        for file in dict.fromkeys(named):
            path = raw.root / file
            if path.is_file():
                found.add(path)
                archives.look_through(path, (name,))
            elif not _is_reported(path, places, archives):
                missing.append(file)
        if missing:
            faults.failure(
                (name,),
                "Files that a build reads are missing",
                raw.root / sorted(missing)[0],
                found=some(missing),
                mend=faults.download([name]),
            )
    return found


def _is_reported(path: Path, places: Sequence[Place], archives: ArchiveCheck) -> bool:
    """Return whether the lack of a file follows from what was reported of its archive."""
    for place in places:
        if not place.is_there and (path.name == place.archive.name or _is_of(path, place)):
            return True
    return any(
        path.is_relative_to(folder) and PurePosixPath(path.relative_to(folder).as_posix()).match(pattern)
        for folder, pattern in archives.reported
    )


def _is_of(path: Path, place: Place) -> bool:
    into = place.archive.unpack.into if place.archive.unpack else place.archive.name
    return into in path.parts


def check_raw_counts(
    corpus: Corpus, raw: RawTree, cohorts: Sequence[str], archives: ArchiveCheck, faults: TreeFaults
) -> None:
    """Compare the numbers of files that several archives share with the published ones."""
    for pattern, published in corpus.raw_counts.items():
        found = len(files_below(raw.root, pattern))
        if found < published and not archives.all_locked:
            faults.failure(
                cohorts,
                "Files are missing",
                raw.root / pattern,
                found=f"{found:,}",
                expected=f"{published:,}",
                mend=faults.download(cohorts),
            )
        elif found != published:
            faults.remark(
                "There are more or fewer files than published", raw.root / pattern, found=found, expected=published
            )
