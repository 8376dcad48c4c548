"""Which of a lab's files a build needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.corpus import Archive, Corpus
from deepstrf_hf.where import Where, checked_where


def needed_archives(
    corpus: Corpus | type[CorpusBuilder],
    cohorts: Iterable[str] | None = None,
    where: Mapping[str, Any] | None = None,
    *,
    optional: bool = False,
    waveforms: bool = False,
) -> list[Archive]:
    """Return the archives that a build needs, each once, in the order of their declaration.

    Parameters
    ----------
    corpus : Corpus or type of CorpusBuilder
        Which corpus.
    cohorts : iterable of str, optional
        Names of the cohorts that are to be built; all by default.
    where : mapping, optional
        Conditions of the build, as `deepstrf_hf.build` takes them: archives that hold nothing of it are left out.
    optional : bool
        With everything that these cohorts can use, not only what they need.
    waveforms : bool
        With what waveforms come from.

    Raises
    ------
    UnknownNameError
        No such cohort or column; near matches are offered.
    ParameterError
        A condition that cannot be used.
    """
    declared = corpus if isinstance(corpus, Corpus) else corpus.CORPUS
    names = [cohort.name for cohort in declared.cohorts] if cohorts is None else list(cohorts)
    wanted = {declared.cohort(name).name for name in names}
    conditions = checked_where(where, declared)
    return [
        archive
        for archive in declared.archives
        if (not archive.cohorts or wanted.intersection(archive.cohorts))
        and may_hold(archive, conditions)
        and (not archive.optional or optional or archive.by_default or (waveforms and archive.waveforms))
    ]


def may_hold(archive: Archive, where: Where) -> bool:
    """Return whether an archive may hold something that fulfils the conditions."""
    return all(archive.where.get(column) in (None, *values) for column, values in where.items())
