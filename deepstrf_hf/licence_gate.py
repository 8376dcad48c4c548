"""The licence gate: what may stand in a public repository, decided by what the corpus declares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from deepstrf_hf.corpus import Corpus, Redistribution
from deepstrf_hf.errors import RedistributionError
from deepstrf_hf.report import BuildReport

VERDICTS = {
    Redistribution.UNVERIFIED: "nobody has verified that {what} may be handed on",
    Redistribution.FORBIDDEN: "its terms do not allow {what} to be handed on",
}
WAYS_OUT = (
    "push with private=True (--private), or give the text of the owners' permission (permission=..., --permission)"
)


@dataclass(frozen=True)
class LicenceGate:
    """What keeps a built directory from a public repository.

    Parameters
    ----------
    corpus : Corpus
        Declaration.
    restriction : str
        What is not allowed; empty where everything may be public.
    terms : str
        Name, address and words of the terms.
    mend : str
        What to do.
    """

    corpus: Corpus
    restriction: str = ""
    terms: str = ""
    mend: str = WAYS_OUT

    @classmethod
    def of_build(cls, directory: Path, report: BuildReport, corpus: Corpus) -> LicenceGate:
        """Ask the declaration of a corpus, and of the sounds of each cohort that the directory holds.

        Parameters
        ----------
        directory : Path
            Built directory, whole.
        report : BuildReport
            Its report.
        corpus : Corpus
            Declaration.
        """
        licence = corpus.licence
        if corpus.redistribution is not Redistribution.PERMITTED:
            unverified = corpus.redistribution is Redistribution.UNVERIFIED
            verdict = VERDICTS[corpus.redistribution].format(what="its data" if unverified else "the data")
            return cls(corpus, verdict, f"{licence.name}, {licence.url}. {licence.terms}")
        for name, entry in report.cohorts.items():
            cohort = corpus.cohort(entry.cohort)
            rule = cohort.audio_redistribution or Redistribution.PERMITTED
            if rule is Redistribution.PERMITTED or not _holds_audio(directory, report, name):
                continue
            return cls(
                corpus,
                VERDICTS[rule].format(what=f"the sounds of {name}"),
                cohort.audio_terms,
                f"build it without them (audio=False, --no-audio); or {WAYS_OUT}",
            )
        return cls(corpus)

    def refusal(self, what: str, kind: str = "public") -> RedistributionError:
        """Return the error for something that would hand the data on, in a public or gated repository."""
        return RedistributionError(
            f"{self.corpus.name} cannot be pushed to a {kind} repository: {self.restriction}",
            field="redistribution",
            found=f"{what}; terms: {self.terms}",
            mend=self.mend,
        )

    def refusal_of(self, private: bool | None, gated: str | None, permission: str | None) -> RedistributionError | None:
        """Return why a push may not be; None if it may.

        Parameters
        ----------
        private : bool or None
            Whether only the owner may read the repository; None asks for no visibility, which can mean public.
        gated : str or None
            The gate asked for.
        permission : str or None
            Text of a permission.
        """
        if self.opened_by(permission):
            return None
        if gated is not None:
            what = "behind a gate the data are handed on all the same, to everybody who is let in"
            return self.refusal(what, "gated")
        return None if private else self.refusal("a push that is not private")

    def opened_by(self, permission: str | None) -> bool:
        """Return whether a public repository is allowed, given the text of a permission."""
        return not self.restriction or bool(permission and permission.strip())

    def says(self, permission: str | None) -> str:
        """Return, in words, what may be done, given the text of a permission."""
        if not self.restriction:
            return f"may be public ({self.corpus.licence.name})"
        if self.opened_by(permission):
            return (
                f"may be public by the permission given, which is written into the card; otherwise {self.restriction}"
            )
        return f"private only: {self.restriction}"


def _holds_audio(directory: Path, report: BuildReport, cohort: str) -> bool:
    """Return whether a file of a cohort holds a sound; asks the statistics of the files, not their values."""
    for splits in report.cohorts[cohort].configs.values():
        for name in (name for split in splits.values() for name in split.files):
            footer = pq.read_metadata(directory / name)
            for index in range(footer.num_row_groups):
                group = footer.row_group(index)
                for number in range(group.num_columns):
                    column = group.column(number)
                    if column.path_in_schema.startswith("audio."):
                        known = column.is_stats_set and column.statistics.has_null_count
                        if not known or column.statistics.null_count < group.num_rows:
                            return True
    return False
