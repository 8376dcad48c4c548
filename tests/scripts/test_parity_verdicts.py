"""Verdicts on deepSTRF's tests: nothing that is not as stated goes unseen."""

from __future__ import annotations

import itertools

import pytest

from scripts.parity import verdicts
from scripts.parity.differences import Difference
from scripts.parity.published_tests import exit_code
from scripts.parity.verdicts import Result, Verdict, judge, markdown

TEST = "test_concat.py::test_one"
NAMED = Difference("own-errors", "theirs", "ours", "reason", {TEST: "GridError"})


def verdict_on(ours: Result | None, theirs: Result | None, *differences: Difference) -> Verdict:
    (verdict,) = judge([ours] if ours else [], [theirs] if theirs else [], differences)
    return verdict


PASSED = Result(TEST, "passed")
FAILED = Result(TEST, "failed", "GridError", "A grid needs a stimulus.")
OTHERWISE = Result(TEST, "failed", "TypeError", "unexpected")
SKIPPED = Result(TEST, "skipped", "Skipped", "no data")


@pytest.mark.parametrize(
    ("ours", "theirs", "named", "expected"),
    [
        (PASSED, PASSED, False, verdicts.PASSED),
        (FAILED, PASSED, False, verdicts.FAILED),
        (SKIPPED, PASSED, False, verdicts.FAILED),
        (None, PASSED, False, verdicts.FAILED),
        (FAILED, PASSED, True, verdicts.DELIBERATE),
        (OTHERWISE, PASSED, True, verdicts.FAILED_OTHERWISE),
        (SKIPPED, PASSED, True, verdicts.FAILED_OTHERWISE),
        (PASSED, PASSED, True, verdicts.PASSES_BY_NOW),
        (None, None, True, verdicts.NOT_THERE),
        (PASSED, OTHERWISE, False, verdicts.NOT_COMPARABLE),
        (FAILED, SKIPPED, True, verdicts.NOT_COMPARABLE),
        (PASSED, None, False, verdicts.NOT_COMPARABLE),
        (OTHERWISE, None, False, verdicts.FAILED),
    ],
)
def test_verdict_on_every_combination(ours: Result | None, theirs: Result | None, named: bool, expected: str) -> None:
    verdict = verdict_on(ours, theirs, *([NAMED] if named else []))
    assert verdict.verdict == expected
    assert verdict.difference == ("own-errors" if named else "")
    assert exit_code([verdict]) == (0 if expected in (verdicts.PASSED, verdicts.DELIBERATE) else 1)


def test_only_passing_and_named_failures_are_as_stated() -> None:
    results = [PASSED, FAILED, OTHERWISE, SKIPPED, None]
    for ours, theirs, named in itertools.product(results, results, (True, False)):
        if ours is None and theirs is None and not named:
            continue
        verdict = verdict_on(ours, theirs, *([NAMED] if named else []))
        passes = ours is PASSED and theirs is PASSED and not named
        fails_as_named = ours is FAILED and theirs is PASSED and named
        assert verdict.as_stated == (passes or fails_as_named)


def test_a_timed_test_is_not_judged_however_it_ends() -> None:
    (timed,) = verdicts.TIMED
    for outcome in ("passed", "failed"):
        (verdict,) = judge([Result(timed, outcome, "AssertionError")], [Result(timed, "passed")], [])
        assert verdict.verdict == verdicts.NOT_JUDGED
        assert exit_code([verdict]) == 0


def test_no_tests_are_not_a_success() -> None:
    assert exit_code([]) == 1


def test_table_has_a_line_per_test_a_link_and_the_cause() -> None:
    judged = [
        Verdict("a.py::one", verdicts.PASSED),
        Verdict("a.py::two", verdicts.DELIBERATE, "own-errors", "GridError", "as expected"),
        Verdict("a.py::three", verdicts.FAILED, "", "TypeError", "int | None"),
        Verdict("a.py::four", verdicts.PASSED),
    ]
    table = markdown(judged)
    one, two, three, four = table.splitlines()[2:6]
    assert one == "| a.py::one | passed |  |"
    assert two == "| a.py::two | deliberate | [own-errors](docs/parity_with_deepstrf.md#own-errors) |"
    assert three == "| a.py::three | failed | TypeError: int \\| None |"
    assert four.startswith("| a.py::four |")
    assert table.splitlines()[-1] == "4 tests: 2 passed, 1 deliberate, 1 failed."
