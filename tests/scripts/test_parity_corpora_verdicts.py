"""Verdicts on corpora: deliberate only what a model explains to the last value, and exit codes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scripts.parity.corpora import exit_code
from scripts.parity.corpus_declaration import CorpusParity, RawFolder, Run
from scripts.parity.corpus_report import differences_seen, documented, markdown, summary
from scripts.parity.corpus_snapshot import Snapshot
from scripts.parity.corpus_verdicts import (
    DELIBERATE,
    DIFFERENT,
    EQUAL,
    NOTHING_COMPARED,
    OURS_RAISED,
    PEER_RAISED,
    RunVerdict,
    judge,
    not_seen,
)
from tests.scripts.parity_corpora_examples import RUN, declaration, difference, example_snapshot, nowhere

PAIR = "call/s0", "n1"


def with_count(snapshot: Snapshot, add: float) -> Snapshot:
    return snapshot.with_responses({**snapshot.responses, PAIR: snapshot.responses[PAIR] + add})


def one_more(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    return with_count(ours, 1)


def unchanged(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    return ours


def without_pair(theirs: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    return theirs.with_responses({pair: response for pair, response in theirs.responses.items() if pair != PAIR})


def verdict_on(ours: Snapshot, theirs: Snapshot, corpus: CorpusParity) -> RunVerdict:
    return judge(corpus, RUN, 3, ours, theirs, nowhere(*corpus.differences))


def test_equal_snapshots_are_equal() -> None:
    verdict = verdict_on(example_snapshot(), example_snapshot(order=True), declaration())
    assert (verdict.verdict, verdict.as_stated, verdict.kinds, verdict.findings) == (EQUAL, True, {}, ())
    assert (verdict.corpus, verdict.run, verdict.seed) == ("made-up", "counts", 3)


def test_what_no_model_explains_is_different() -> None:
    ours = example_snapshot()
    verdict = verdict_on(ours, with_count(ours, 1), declaration())
    assert verdict.verdict == DIFFERENT
    assert not verdict.as_stated
    assert verdict.unexplained == 1
    assert verdict.findings[0].place == "call/s0 | n1"


def test_what_a_model_explains_is_deliberate() -> None:
    ours = example_snapshot()
    verdict = verdict_on(ours, with_count(ours, 1), declaration(difference(as_deepstrf=one_more)))
    assert verdict.verdict == DELIBERATE
    assert verdict.as_stated
    assert verdict.kinds == {"values of responses": 1}
    assert verdict.differences == {"on-purpose": {"values of responses": 1}}
    assert verdict.largest == {"stimuli": 0.0, "responses": 0.0}


@pytest.mark.parametrize("theirs", [0, 2, 1.001])
def test_a_model_must_give_deepstrfs_very_values(theirs: float) -> None:
    ours = example_snapshot()
    verdict = verdict_on(ours, with_count(ours, theirs), declaration(difference(as_deepstrf=one_more)))
    assert verdict.verdict == DIFFERENT
    assert verdict.differences


def test_a_model_hides_no_other_difference() -> None:
    ours = example_snapshot()
    theirs = with_count(ours, 1)
    theirs.neurons["n2"]["depth"] = -1.0
    verdict = verdict_on(example_snapshot(), theirs, declaration(difference(as_deepstrf=one_more)))
    assert verdict.verdict == DIFFERENT
    assert [finding.kind for finding in verdict.findings] == ["metadata of neuron: depth"]


def test_models_are_applied_one_after_the_other_and_named_where_they_change_something() -> None:
    ours = example_snapshot()
    corpus = declaration(
        difference("first", as_deepstrf=one_more),
        difference("idle", as_deepstrf=unchanged),
        difference("second", as_deepstrf=one_more),
    )
    verdict = verdict_on(ours, with_count(ours, 2), corpus)
    assert verdict.verdict == DELIBERATE
    assert list(verdict.differences) == ["first", "second"]
    assert not_seen(corpus, [verdict]) == ["idle"]


def test_what_we_leave_out_is_taken_from_deepstrf() -> None:
    theirs = example_snapshot()
    ours = without_pair(theirs, nowhere(), RUN)
    assert verdict_on(ours, theirs, declaration()).verdict == DIFFERENT
    corpus = declaration(difference(as_ours=without_pair))
    verdict = verdict_on(ours, theirs, corpus)
    assert verdict.verdict == DELIBERATE
    assert verdict.differences == {"on-purpose": {"pair of one only": 1}}
    assert verdict.kinds == {"pair of one only": 1}
    assert verdict_on(theirs, theirs, corpus).verdict == DIFFERENT


def test_other_neurons_than_those_of_the_cohort_do_not_count() -> None:
    theirs = example_snapshot()
    ours = theirs.of_neurons(lambda neuron: neuron["animal"] == "a")
    assert verdict_on(ours, theirs, declaration()).verdict == DIFFERENT
    assert verdict_on(ours, theirs, declaration(keeps=lambda neuron: neuron["animal"] == "a")).verdict == EQUAL


def test_nothing_is_not_equal_to_nothing() -> None:
    nothing = Snapshot({}, {}, {}, {}, {})
    verdict = verdict_on(nothing, nothing, declaration())
    assert verdict.verdict == NOTHING_COMPARED
    assert not verdict.as_stated


def test_findings_are_kept_in_part_and_counted_in_full() -> None:
    ours = example_snapshot()
    theirs = replace(ours, neurons={f"m{n}": {} for n in range(40)}, responses={})
    verdict = verdict_on(ours, theirs, declaration())
    assert verdict.unexplained == 43
    assert len(verdict.findings) == 20


@pytest.mark.parametrize(
    ("kinds", "unseen", "expected"),
    [
        ([EQUAL], {}, 0),
        ([DELIBERATE, EQUAL], {"made-up": []}, 0),
        ([], {}, 1),
        ([EQUAL, DIFFERENT], {}, 1),
        ([PEER_RAISED], {}, 1),
        ([OURS_RAISED], {}, 1),
        ([NOTHING_COMPARED], {}, 1),
        ([EQUAL], {"made-up": ["on-purpose"]}, 1),
    ],
)
def test_exit_code_is_zero_for_what_is_stated_alone(kinds: list[str], unseen: Any, expected: int) -> None:
    assert exit_code([RunVerdict("made-up", "counts", 0, kind) for kind in kinds], unseen) == expected


def test_nothing_is_out_of_date_where_nothing_was_compared() -> None:
    corpus = declaration(difference(as_deepstrf=one_more))
    assert not_seen(corpus, [RunVerdict("made-up", "counts", 0, PEER_RAISED, error="no")]) == []
    equal = verdict_on(example_snapshot(), example_snapshot(), declaration())
    assert not_seen(corpus, [equal]) == ["on-purpose"]
    assert not_seen(corpus, [replace(equal, corpus="other")]) == []


def test_the_table_says_how_much_what_differs_and_why() -> None:
    ours, corpus = example_snapshot(), declaration(difference(as_deepstrf=one_more))
    theirs = with_count(ours, 1)
    theirs.neurons["n2"]["depth"] = -1.0
    deliberate, different = (
        verdict_on(ours, with_count(ours, 1), corpus),
        verdict_on(example_snapshot(), theirs, corpus),
    )
    raised = RunVerdict("made-up", "counts", 4, PEER_RAISED, error="TypeError: a | b")
    table = markdown([deliberate, different, raised])
    lines = table.splitlines()
    assert lines[2] == "| made-up | 3 | counts | 3 | 4 | 10 | 30 | 344 | equal | 0 | 0 | deliberate: on-purpose |"
    assert "| differ: depth |" in lines[3]
    assert lines[3].endswith("| different: on-purpose |")
    assert lines[4].count(" | ") == 11
    assert "- metadata of neuron: depth, n2: ours 200.0, deepSTRF -1.0" in lines
    assert "made-up, seed 4, counts: TypeError: a | b" in lines
    assert lines[-1] == "3 comparisons: 1 deliberate, 1 different, 1 deepSTRF raised."
    assert "| made-up | on-purpose | values of responses (2) |" in differences_seen([deliberate, different, raised])
    left = replace(deliberate, largest={"stimuli": 0.25, "responses": 3e-7})
    one_line = summary([left, different, raised]).splitlines()[-1]
    trials = 2 * 30  # of the two comparisons for which there is something
    assert one_line == f"| made-up | 2 | 3 | 1 | 20 | {trials} | 2.5e-01 | 3.0e-07 |"


def test_totals_that_differ_are_both_told() -> None:
    ours = example_snapshot()
    verdict = verdict_on(ours, without_pair(ours, nowhere(), RUN), declaration())
    assert "| 10 (deepSTRF 9) | 30 (deepSTRF 27) | 344 (deepSTRF 314) |" in markdown([verdict])


def test_a_difference_of_several_corpora_is_documented_once() -> None:
    one = difference()
    table = documented([declaration(one), declaration(one, difference("own"), name="other")])
    assert [line.split(" | ")[:2] for line in table.splitlines()[2:]] == [
        ["| on-purpose", "made-up, other"],
        ["| own", "other"],
    ]
