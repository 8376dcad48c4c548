"""Verdicts on corpora as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from scripts.parity.corpus_declaration import CorpusDifference, CorpusParity
from scripts.parity.corpus_verdicts import RunVerdict, Totals

COLUMNS = ("neurons", "stimuli", "pairs", "trials", "bins")
SHOWN_FINDINGS = 5


def markdown(verdicts: Sequence[RunVerdict]) -> str:
    """Return verdicts as a table, one line each, with what is unexplained below."""
    head = ["corpus", "seed", "loaded as", *COLUMNS, "metadata", "spectrograms or waveforms", "responses", "verdict"]
    lines = [_row(head), _row(["---"] * len(head))]
    lines += [_row(_cells(verdict)) for verdict in verdicts]
    for verdict in verdicts:
        if verdict.error:
            lines += ["", f"{_title(verdict)}: {verdict.error}"]
        elif not verdict.as_stated:
            lines += ["", f"{_title(verdict)}: {verdict.unexplained} differences that nothing explains, for example"]
            lines += [
                f"- {found.kind}, {found.place}: ours {found.ours}, deepSTRF {found.theirs}"
                for found in verdict.findings[:SHOWN_FINDINGS]
            ]
    counts = Counter(verdict.verdict for verdict in verdicts)
    total = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
    return "\n".join([*lines, "", f"{len(verdicts)} comparisons: {total or 'none'}."])


def summary(verdicts: Iterable[RunVerdict]) -> str:
    """Return one line for each corpus: what was compared, and the largest difference that is left."""
    of: dict[str, list[RunVerdict]] = {}
    for verdict in verdicts:
        of.setdefault(verdict.corpus, []).append(verdict)
    head = ["corpus", "trees", "comparisons", "as stated", "pairs", "trials", "spectrograms or waveforms", "responses"]
    lines = [_row(head), _row(["---"] * len(head))]
    for corpus, mine in of.items():
        totals = [verdict.ours for verdict in mine if verdict.ours is not None]
        lines.append(
            _row(
                [
                    corpus,
                    str(len({verdict.seed for verdict in mine})),
                    str(len(mine)),
                    str(sum(verdict.as_stated for verdict in mine)),
                    *(f"{sum(getattr(total, name) for total in totals):,}" for name in ("pairs", "trials")),
                    *(
                        f"{max((verdict.largest.get(kind, 0.0) for verdict in mine), default=0.0):.1e}"
                        for kind in ("stimuli", "responses")
                    ),
                ]
            )
        )
    return "\n".join(lines)


def differences_seen(verdicts: Iterable[RunVerdict]) -> str:
    """Return what each deliberate difference changed, over all seeds and ways to load, as a table."""
    changed: dict[tuple[str, str], Counter[str]] = {}
    for verdict in verdicts:
        for name, kinds in verdict.differences.items():
            changed.setdefault((verdict.corpus, name), Counter()).update(kinds)
    lines = [_row(["corpus", "deliberate difference", "what it changes, over all seeds"]), _row(["---"] * 3)]
    for (corpus, name), kinds in sorted(changed.items()):
        lines.append(_row([corpus, name, "; ".join(f"{kind} ({count:,})" for kind, count in sorted(kinds.items()))]))
    return "\n".join(lines)


def documented(corpora: Iterable[CorpusParity]) -> str:
    """Return the deliberate differences of all corpora as the table of the documentation."""
    of: dict[CorpusDifference, list[str]] = {}
    for corpus in corpora:
        for difference in corpus.differences:
            of.setdefault(difference, []).append(corpus.name)
    lines = [_row(["difference", "corpora", "deepSTRF 0.1.0", "here", "why"]), _row(["---"] * 5)]
    for one, names in of.items():
        lines.append(_row([one.name, ", ".join(names), one.theirs, one.ours, one.reason]))
    return "\n".join(lines)


def _cells(verdict: RunVerdict) -> list[str]:
    first = [verdict.corpus, str(verdict.seed), verdict.run]
    if verdict.ours is None or verdict.theirs is None:
        return [*first, *[""] * (len(COLUMNS) + 3), verdict.verdict]
    names = ", ".join(verdict.differences)
    return [
        *first,
        *(_count(name, verdict.ours, verdict.theirs) for name in COLUMNS),
        _metadata(verdict),
        _largest(verdict, "stimuli"),
        _largest(verdict, "responses"),
        f"{verdict.verdict}: {names}" if names else verdict.verdict,
    ]


def _count(name: str, ours: Totals, theirs: Totals) -> str:
    one, other = getattr(ours, name), getattr(theirs, name)
    return f"{one:,}" if one == other else f"{one:,} (deepSTRF {other:,})"


def _metadata(verdict: RunVerdict) -> str:
    differ = sorted({kind.partition(": ")[2] for kind in verdict.kinds if kind.startswith("metadata")})
    return f"differ: {', '.join(differ)}" if differ else "equal"


def _largest(verdict: RunVerdict, what: str) -> str:
    return f"{verdict.largest[what]:.2g}" if verdict.compared[what] else "none"


def _title(verdict: RunVerdict) -> str:
    return f"{verdict.corpus}, seed {verdict.seed}, {verdict.run}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
