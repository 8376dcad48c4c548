"""Judge what two libraries made of one raw tree: equal, different on purpose, or different."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from scripts.parity.corpus_declaration import CorpusParity, RawFolder, Run
from scripts.parity.corpus_findings import Compared, Finding, Totals, compare
from scripts.parity.corpus_snapshot import Snapshot

EQUAL = "equal"
DELIBERATE = "deliberate"
DIFFERENT = "different"
PEER_RAISED = "deepSTRF raised"
OURS_RAISED = "ours raised"
NOTHING_COMPARED = "nothing to compare"
AS_STATED = (EQUAL, DELIBERATE)
KEPT_FINDINGS = 20


@dataclass(frozen=True)
class RunVerdict:
    """The verdict on one way to load one raw tree.

    Parameters
    ----------
    corpus, run : str
        Names.
    seed : int
        Of the raw tree.
    verdict : str
        One of the above.
    ours, theirs : Totals or None
        How much each has.
    kinds : dict
        What differs, before any model of a deliberate difference: how often, by kind.
    largest : dict
        Largest differences of stimuli and responses, with all models.
    compared : dict
        How many arrays these are of.
    differences : dict
        Deliberate differences that show here: what they change, by kind.
    findings : tuple of Finding
        What no model explains; the first of many.
    unexplained : int
        How many there are.
    error : str
        What was raised.
    """

    corpus: str
    run: str
    seed: int
    verdict: str
    ours: Totals | None = None
    theirs: Totals | None = None
    kinds: Mapping[str, int] = field(default_factory=dict)
    largest: Mapping[str, float] = field(default_factory=dict)
    compared: Mapping[str, int] = field(default_factory=dict)
    differences: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    unexplained: int = 0
    error: str = ""

    @property
    def as_stated(self) -> bool:
        """Whether everything is equal but for what is named."""
        return self.verdict in AS_STATED

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as plain data."""
        return asdict(self)


def judge(corpus: CorpusParity, run: Run, seed: int, ours: Snapshot, theirs: Snapshot, folder: RawFolder) -> RunVerdict:
    """Compare two snapshots, before and after the models of all deliberate differences.

    Parameters
    ----------
    corpus, run
        What is compared, and how near it must be.
    seed : int
        Of the raw tree.
    ours, theirs : Snapshot
        What the libraries made of it.
    folder : RawFolder
        The raw tree, for the models.

    Returns
    -------
    RunVerdict
        Equal if nothing differs; deliberate if nothing does once our snapshot went through the models.
    """
    if corpus.keeps is not None:
        theirs = theirs.of_neurons(corpus.keeps)
    plain = compare(ours, theirs, run.stimuli, run.responses)
    seen: dict[str, dict[str, int]] = {}
    modelled, rest = ours, theirs
    for difference in corpus.differences:
        before = modelled, rest
        if difference.as_deepstrf is not None:
            modelled = difference.as_deepstrf(modelled, folder, run)
        if difference.as_ours is not None:
            rest = difference.as_ours(rest, folder, run)
        changed: Counter[str] = Counter()
        for one, other in zip(before, (modelled, rest), strict=True):
            if one is not other:
                changed.update(compare(one, other, run.stimuli, run.responses).kinds())
        if changed:
            seen[difference.name] = dict(changed)
    left: Compared = compare(modelled, rest, run.stimuli, run.responses) if seen else plain
    if not (left.compared["stimuli"] and left.compared["responses"]) and not left.findings:
        verdict = NOTHING_COMPARED
    elif left.findings:
        verdict = DIFFERENT
    else:
        verdict = DELIBERATE if seen else EQUAL
    return RunVerdict(
        corpus.name,
        run.name,
        seed,
        verdict,
        Totals.of(ours),
        Totals.of(theirs),
        plain.kinds(),
        left.largest,
        left.compared,
        seen,
        tuple(left.findings[:KEPT_FINDINGS]),
        len(left.findings),
    )


def not_seen(corpus: CorpusParity, verdicts: Sequence[RunVerdict]) -> list[str]:
    """Return the deliberate differences of a corpus that none of its verdicts shows: the list is out of date.

    Parameters
    ----------
    corpus : CorpusParity
        The corpus.
    verdicts : sequence of RunVerdict
        Of all corpora.
    """
    of_corpus = [verdict for verdict in verdicts if verdict.corpus == corpus.name and verdict.ours is not None]
    shown = {name for verdict in of_corpus for name in verdict.differences}
    return [difference.name for difference in corpus.differences if of_corpus and difference.name not in shown]
