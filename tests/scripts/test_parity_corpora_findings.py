"""Comparison of two snapshots: equal whatever the order, and no change goes unseen."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.parity.corpus_findings import Finding, Tolerance, Totals, compare
from scripts.parity.corpus_snapshot import (
    AmbiguousNameError,
    Snapshot,
    Vocabulary,
    load,
    plain,
    same,
    save,
    snapshot_of,
)
from tests.scripts.parity_corpora_examples import example_dataset, example_snapshot

EXACT = Tolerance(0.0)
SPECTROGRAM = Tolerance(1e-4, relative=True)


def found(ours: Snapshot, theirs: Snapshot) -> list[Finding]:
    return compare(ours, theirs, SPECTROGRAM, EXACT).findings


def test_a_snapshot_does_not_depend_on_order() -> None:
    one, other = example_snapshot(), example_snapshot(order=True)
    result = compare(one, other, EXACT, EXACT)
    assert result.findings == []
    assert result.largest == {"stimuli": 0.0, "responses": 0.0}
    assert result.compared == {"stimuli": 4, "responses": 10}
    assert list(one.neurons) != list(other.neurons)
    assert [f"{s}/s{n}" for n, s in enumerate(["call", "song"] * 2)] == list(one.stimuli)


def test_absent_pairs_are_absent() -> None:
    snapshot = example_snapshot()
    assert Totals.of(snapshot) == Totals(3, 4, 10, 3 * 2 + 4 * 3 + 3 * 4, 2 * 35 + 3 * 46 + 4 * 34)
    assert ("song/s1", "n0") not in snapshot.responses
    assert ("call/s2", "n2") not in snapshot.responses


def test_a_snapshot_survives_being_written(tmp_path: Path) -> None:
    snapshot = example_snapshot()
    snapshot.neurons["n1"]["depth"] = float("nan")
    save(snapshot, tmp_path / "snapshot.npz")
    read = load(tmp_path / "snapshot.npz")
    assert found(snapshot, read) == []
    assert read.responses.keys() == snapshot.responses.keys()
    assert all(array.dtype == np.float32 for array in (*read.values.values(), *read.responses.values()))
    assert math.isnan(read.neurons["n1"]["depth"])


def test_an_empty_snapshot_survives_being_written(tmp_path: Path) -> None:
    save(Snapshot({}, {}, {}, {}, {}), tmp_path / "snapshot.npz")
    assert Totals.of(load(tmp_path / "snapshot.npz")) == Totals(0, 0, 0, 0, 0)


@pytest.mark.parametrize("fields", [("animal",), ("absent",)])
def test_names_that_are_not_unique_are_refused(fields: tuple[str, ...]) -> None:
    with pytest.raises(AmbiguousNameError, match="neurons share their"):
        snapshot_of(example_dataset(), fields, ("name",))


def test_our_metadata_are_read_in_deepstrfs_words() -> None:
    words = Vocabulary(
        {"cell": "cell_id", "where": "depth", "never": "no such column"},
        {"name": "name", "letters": lambda entry: list(entry["type"])},
    )
    snapshot = snapshot_of(example_dataset(), ("cell",), ("name",), words)
    assert snapshot.neurons["n2"] == {"cell": "n2", "where": 200.0}
    assert snapshot.stimuli["s1"] == {"name": "s1", "letters": ["s", "o", "n", "g"]}


def changed(snapshot: Snapshot, what: str, at: int, bin_: int) -> tuple[Snapshot, str]:
    """Change one thing and say which kind of finding it must be."""
    neurons, stimuli = dict(snapshot.neurons), dict(snapshot.stimuli)
    values, responses = dict(snapshot.values), dict(snapshot.responses)
    pair, neuron, stimulus = (sorted(names)[at % len(names)] for names in (responses, neurons, stimuli))
    if what == "count":
        responses[pair] = responses[pair].copy()
        responses[pair].flat[bin_ % responses[pair].size] += 1
        kind = "values of responses"
    elif what == "sample lost":
        responses[pair] = responses[pair].copy()
        responses[pair].flat[bin_ % responses[pair].size] = np.nan
        kind = "values of responses"
    elif what == "rows exchanged":
        responses[pair] = responses[pair].copy()
        responses[pair][0] += 1
        responses[pair] = responses[pair][::-1]
        kind = "values of responses"
    elif what == "trial":
        responses[pair] = responses[pair][1:]
        kind = "trials"
    elif what == "bin":
        responses[pair] = responses[pair][:, 1:]
        kind = "shape of responses"
    elif what == "pair":
        del responses[pair]
        kind = "pair of one only"
    elif what == "stimulus":
        values[stimulus] = values[stimulus].copy()
        values[stimulus].flat[bin_ % values[stimulus].size] += 1e-2
        kind = "values of stimuli"
    elif what == "band":
        values[stimulus] = values[stimulus][:, 1:]
        kind = "shape of stimuli"
    elif what == "neuron":
        neurons["other"] = neurons.pop(neuron)
        responses = {(s, "other" if n == neuron else n): response for (s, n), response in responses.items()}
        kind = "neuron of one only"
    elif what == "stimulus name":
        stimuli["other"], values["other"] = stimuli.pop(stimulus), values.pop(stimulus)
        responses = {("other" if s == stimulus else s, n): response for (s, n), response in responses.items()}
        kind = "stimulus of one only"
    elif what == "neuron's metadata":
        neurons[neuron] = {**neurons[neuron], "depth": neurons[neuron]["depth"] + 1}
        kind = "metadata of neuron: depth"
    elif what == "stimulus' metadata":
        stimuli[stimulus] = {name: value for name, value in stimuli[stimulus].items() if name != "length"}
        kind = "metadata of stimulus: length"
    else:
        return replace(snapshot, facts={**snapshot.facts, "species": None}), "metadata of dataset: species"
    return Snapshot(snapshot.facts, neurons, stimuli, values, responses), kind


CHANGES = (
    "count", "sample lost", "rows exchanged", "trial", "bin", "pair", "stimulus", "band", "neuron", "stimulus name",
    "neuron's metadata", "stimulus' metadata", "fact",
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(what=st.sampled_from(CHANGES), at=st.integers(0, 50), bin_=st.integers(0, 500), swapped=st.booleans())
def test_no_change_goes_unseen(what: str, at: int, bin_: int, swapped: bool) -> None:
    snapshot = example_snapshot()
    other, kind = changed(snapshot, what, at, bin_)
    findings = found(other, snapshot) if swapped else found(snapshot, other)
    assert kind in {finding.kind for finding in findings}
    assert len({finding.kind for finding in findings}) == 1


def test_pairs_of_an_absent_neuron_are_told_by_it_alone() -> None:
    snapshot = example_snapshot()
    without = snapshot.of_neurons(lambda neuron: neuron["cell_id"] != "n1")
    assert found(snapshot, without) == [Finding("neuron of one only", "n1", "there", "absent")]


def test_neurons_take_their_stimuli_along() -> None:
    only = example_snapshot().of_neurons(lambda neuron: neuron["cell_id"] == "n0")
    assert set(only.neurons) == {"n0"}
    assert set(only.stimuli) == set(only.values) == {"call/s0", "call/s2", "song/s3"}


@pytest.mark.parametrize(
    ("tolerance", "ours", "theirs", "difference"),
    [
        (Tolerance(0), [1.0, 2.0], [1.0, 4.0], 2.0),
        (Tolerance(0, relative=True), [1.0, 2.0], [1.0, -4.0], 1.5),
        (Tolerance(0, relative=True), [0.0, 0.0], [0.0, 0.0], 0.0),
        (Tolerance(0, relative=True), [0.0, 1e-30], [0.0, 0.0], np.inf),
        (Tolerance(0), [np.nan, 1.0], [np.nan, 1.0], 0.0),
        (Tolerance(0), [np.nan, 1.0], [0.0, 1.0], np.inf),
        (Tolerance(0), [0.0, 1.0], [np.nan, 1.0], np.inf),
        (Tolerance(0), [np.inf, 1.0], [np.inf, 1.0], 0.0),
        (Tolerance(0), [np.inf, 1.0], [-np.inf, 1.0], np.inf),
        (Tolerance(0, floor=-150.0), [-240.0, -3.0], [-200.0, -3.5], 0.5),
        (Tolerance(0, floor=-150.0), [-140.0, -3.0], [-200.0, -3.0], 10.0),
        (Tolerance(0, relative=True, floor=-150.0), [-240.0, -100.0], [-200.0, -101.0], 1 / 150),
    ],
)
def test_differences_by_hand(tolerance: Tolerance, ours: Any, theirs: Any, difference: float) -> None:
    measured = tolerance.difference(np.array(ours, np.float32), np.array(theirs, np.float32))
    assert measured == pytest.approx(difference)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (1, 1.0, True),
        (1.0, 1.0 + 1e-12, True),
        (1.0, 1.001, False),
        (float("nan"), float("nan"), True),
        (None, float("nan"), False),
        (None, None, True),
        (None, 0, False),
        (True, 1, False),
        ("1", 1, False),
        ([1, 2.0], (1, 2), True),
        ([1, 2], [1, 2, 3], False),
        ("A1", "A1", True),
    ],
)
def test_metadata_are_the_same_or_not(one: Any, other: Any, expected: bool) -> None:
    assert same(plain(one), plain(other)) is expected
    assert same(plain(other), plain(one)) is expected
