"""How the linear reference of a cohort is fitted, and what papers report: declared by the corpus."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedScore:
    """A score that somebody published, to stand beside ours.

    Parameters
    ----------
    what : str
        Model, score and neurons, in the source's terms.
    value : float
        The score, a correlation.
    source : str
        Where it stands.
    note : str
        What makes it comparable with ours, or not.
    group : str
        Entry of our summary that it is to be compared with: ``"all"``, ``"area MLd"``, or the name of
        `LinearBaseline.scored`.
    score : str
        Which of our scores of that group.
    """

    what: str
    value: float
    source: str
    note: str = ""
    group: str = "all"
    score: str = "cc_norm_mean"


@dataclass(frozen=True)
class LinearBaseline:
    """How the linear reference of a cohort is fitted: what `deepstrf-hf baseline` does unless told otherwise.

    The default is for cohorts that declare nothing, and for corpora that this installation does not know.

    Parameters
    ----------
    window_ms : float
        Length of the receptive fields, ms.
    bin_ms : float, optional
        Width to which responses and spectrograms are averaged before the fit, ms, where stored bins are finer than
        papers use; a multiple of the stored width. None: as stored.
    by : str, optional
        Column of neurons whose values are summed up each by itself; None, or a column that is not there: none.
    stratify : tuple of str
        Where no division is published: columns of stimuli whose combinations are divided each in the same
        proportions.
    together : str, optional
        Where no division is published: column of stimuli whose values are not torn apart, such as a motif that
        occurs in many variants.
    scored : str, optional
        Column of neurons that is true of those that papers score.
    source : str
        Where window, bins and selection come from.
    published : tuple of PublishedScore
        What papers report.
    """

    window_ms: float = 150.0
    bin_ms: float | None = None
    by: str | None = "area"
    stratify: tuple[str, ...] = ()
    together: str | None = None
    scored: str | None = None
    source: str = "the library's default"
    published: tuple[PublishedScore, ...] = ()
