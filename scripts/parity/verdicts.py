"""How each of deepSTRF's tests ended with our classes, and whether that is as we say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from scripts.parity.differences import Difference

PASSED = "passed"
DELIBERATE = "deliberate"
FAILED = "failed"
FAILED_OTHERWISE = "failed otherwise than named"
PASSES_BY_NOW = "named as a difference, but passes"
NOT_THERE = "named as a difference, but not among the tests"
NOT_COMPARABLE = "does not pass with deepSTRF either"
NOT_JUDGED = "measures time, not judged"
AS_STATED = frozenset({PASSED, DELIBERATE, NOT_JUDGED})
"""Verdicts that need no action."""
TIMED = frozenset({"test_nrn_masks_cache.py::test_nrn_masks_caching_is_faster_than_recompute"})
"""Tests whose outcome depends on how busy the machine is."""
DOCUMENT = "docs/parity_with_deepstrf.md"


@dataclass(frozen=True)
class Result:
    """How one test ended.

    Parameters
    ----------
    test : str
        ``file::test``.
    outcome : str
        passed, failed or skipped.
    error : str
        Type of the exception, empty without one.
    message : str
        Its first line.
    """

    test: str
    outcome: str
    error: str = ""
    message: str = ""


@dataclass(frozen=True)
class Verdict:
    """What to say of one test.

    Parameters
    ----------
    test : str
        ``file::test``.
    verdict : str
        One of the constants of this module.
    difference : str
        Name of the deliberate difference, if one is named for this test.
    error, message : str
        What it failed with.
    """

    test: str
    verdict: str
    difference: str = ""
    error: str = ""
    message: str = ""

    @property
    def as_stated(self) -> bool:
        """Whether nothing has to be done about it."""
        return self.verdict in AS_STATED


def judge(ours: Iterable[Result], theirs: Iterable[Result], differences: Sequence[Difference]) -> list[Verdict]:
    """Compare how tests ended with what the list of differences says.

    Parameters
    ----------
    ours, theirs : iterable of Result
        With our classes, and with deepSTRF's own.
    differences : sequence of Difference
        Deliberate differences.

    Returns
    -------
    list of Verdict
        One per test, also for named tests that do not exist; in the order of `theirs`.
    """
    named = {test: (difference.name, error) for difference in differences for test, error in difference.tests.items()}
    with_ours = {result.test: result for result in ours}
    own = {result.test: result for result in theirs}
    return [
        _verdict(test, with_ours.get(test), own.get(test), *named.get(test, ("", "")))
        for test in dict.fromkeys([*own, *with_ours, *named])
    ]


def _verdict(test: str, ours: Result | None, theirs: Result | None, difference: str, error: str) -> Verdict:
    if theirs is None and ours is None:
        return Verdict(test, NOT_THERE, difference)
    if test in TIMED:
        return Verdict(test, NOT_JUDGED, difference)
    if theirs is None and ours is not None and ours.outcome == "failed":  # a module that cannot even be imported
        return Verdict(test, FAILED, difference, ours.error, ours.message)
    if theirs is None or theirs.outcome != "passed":
        return Verdict(test, NOT_COMPARABLE, difference, *((theirs.error, theirs.message) if theirs else ()))
    if ours is None:
        return Verdict(test, FAILED, difference, message="the test was not collected with our classes")
    if ours.outcome == "passed":
        return Verdict(test, PASSES_BY_NOW if difference else PASSED, difference)
    if not difference:
        return Verdict(test, FAILED, "", ours.error, ours.message)
    as_named = ours.outcome == "failed" and ours.error == error
    return Verdict(test, DELIBERATE if as_named else FAILED_OTHERWISE, difference, ours.error, ours.message)


def markdown(verdicts: Sequence[Verdict]) -> str:
    """Return verdicts as a Markdown table, test by test, with a count of each kind below."""
    lines = ["| test | verdict | difference |", "| --- | --- | --- |"]
    for verdict in verdicts:
        said = "" if verdict.as_stated else f"{verdict.error}: {verdict.message}" if verdict.error else verdict.message
        link = f"[{verdict.difference}]({DOCUMENT}#{verdict.difference})" if verdict.difference else ""
        shown = " ".join(filter(None, [link, said])).replace("|", "\\|")
        lines.append(f"| {verdict.test} | {verdict.verdict} | {shown} |")
    counts = Counter(verdict.verdict for verdict in verdicts)
    total = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
    return "\n".join([*lines, "", f"{len(verdicts)} tests: {total or 'none'}."])


def as_json(verdicts: Iterable[Verdict]) -> list[Mapping[str, str]]:
    """Return verdicts as plain objects."""
    return [asdict(verdict) for verdict in verdicts]
