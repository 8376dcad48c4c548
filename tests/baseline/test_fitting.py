"""Receptive fields and scores of a simulated cohort: who is scored, who is not and why, and what nothing depends on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstrf_hf.baselines import designs, fitting
from deepstrf_hf.baselines.fitting import FittedDivision, fit_division
from deepstrf_hf.baselines.groups import groups_of, joined_bins, trials_of
from deepstrf_hf.strf.ridge import fit_ridge, predict
from deepstrf_hf.strf.scores import evaluate
from tests.baseline.examples import (
    IDS,
    N_BINS,
    N_LAGS,
    SETTINGS,
    STILL,
    TEST,
    TRAIN,
    cohort,
    cohort_arrays,
    true_fields,
)

WITHOUT_CC_RAW = {
    "deaf": fitting.NOT_HEARD,
    "few training clips": fitting.FEW_TRAINING_CLIPS,
    "no test clip": fitting.NO_TEST_CLIP,
    "silent": fitting.SILENT_IN_TRAINING,
    "silent in test": fitting.SILENT_IN_TEST,
    "still clip": fitting.CONSTANT_PREDICTION,
}
WITHOUT_CORRECTION = {
    "one trial": fitting.NO_REPEATS,
    "contrary trials": fitting.NO_SIGNAL,
    "still clip repeated": fitting.CONSTANT_IN_REPEATED,
    "unlike halves": fitting.UNLIKE_HALVES,
}


def fitted(grid=None) -> FittedDivision:
    grid = cohort() if grid is None else grid
    return fit_division(grid, groups_of(grid, 1), grid.splits, SETTINGS)


def test_neurons_that_heard_the_same_bins_are_a_group() -> None:
    groups = [[IDS[n] for n in group.neurons] for group in groups_of(cohort(), 1)]
    assert ["gaps", "gaps too"] in groups and ["heard less"] in groups
    assert {"linear", "linear too", "silent", "one trial", "contrary trials"} <= set(
        next(group for group in groups if "linear" in group)
    )
    assert "deaf" not in [name for group in groups for name in group]
    assert sorted(name for group in groups for name in group) == sorted(set(IDS) - {"deaf"})


def test_every_reason_is_given_to_the_neurons_it_holds_for() -> None:
    found = fitted()
    reasons = {IDS[n]: reason for reason, neurons in found.left_out.items() for n in neurons}
    assert reasons == WITHOUT_CC_RAW | WITHOUT_CORRECTION
    for n, name in enumerate(IDS):
        assert np.isnan(found.scores["cc_raw"][n]) == (name in WITHOUT_CC_RAW), name
        lacks = name in WITHOUT_CC_RAW or name in WITHOUT_CORRECTION
        assert np.isnan(found.scores["cc_norm_hsu"][n]) == lacks, name
        assert np.isnan(found.scores["cc_norm"][n]) == (lacks and name != "unlike halves"), name


def test_known_receptive_fields_are_recovered() -> None:
    found, grid = fitted(), cohort()
    deviation = np.concatenate([grid.stims[s][0].numpy() for s in TRAIN], axis=1).std(axis=1)
    for name in ("linear", "linear too", "heard less", "gaps", "gaps too", "one trial"):
        n = IDS.index(name)
        truth = true_fields()[n] * deviation[:, None]
        assert np.abs(found.weights[n] - truth).max() < 0.03 * np.abs(truth).max(), name
        assert found.scores["cc_raw"][n] > 0.9


def test_a_group_equals_its_neurons_fitted_alone() -> None:
    grid, found = cohort(), fitted()
    sounds, pairs = cohort_arrays()
    n = IDS.index("linear")
    alone = fit_ridge(
        [sounds[s] for s in TRAIN], [pairs[s, n].mean(axis=0)[None] for s in TRAIN], N_LAGS, SETTINGS.penalties
    )
    np.testing.assert_allclose(found.weights[n], alone.weights[0], rtol=1e-6, atol=1e-9)
    scores = evaluate(alone, [sounds[s] for s in TEST], [pairs[s, n][None] for s in TEST])
    for name in fitting.SCORES:
        assert found.scores[name][n] == pytest.approx(getattr(scores, name)[0], rel=1e-6), name
    np.testing.assert_allclose(predict(found.model, sounds[9])[n], predict(alone, sounds[9])[0], rtol=1e-5, atol=1e-6)
    assert grid.N_neurons == len(found.weights)


def test_test_clips_bear_on_no_weight_or_penalty() -> None:
    _, pairs = cohort_arrays()
    rng = np.random.default_rng(5)
    changed = {
        (s, n): np.where(np.isnan(values), values, 100 * rng.normal(size=values.shape)).astype(np.float32)
        if s in TEST
        else values
        for (s, n), values in pairs.items()
    }
    before, after = fitted(), fitted(cohort(pairs=changed))
    np.testing.assert_array_equal(before.weights, after.weights)
    np.testing.assert_array_equal(before.scores["penalty"], after.scores["penalty"])
    assert not np.array_equal(before.scores["cc_raw"][:3], after.scores["cc_raw"][:3])
    n = IDS.index("linear")
    other = {(s, m): values * (2 if s in TRAIN and m == n else 1) for (s, m), values in pairs.items()}
    assert not np.allclose(before.weights[n], fitted(cohort(pairs=other)).weights[n])


@settings(max_examples=8, deadline=None)
@given(st.permutations(range(11)), st.permutations(range(len(IDS))))
def test_the_order_of_stimuli_and_neurons_does_not_matter(stimuli: list[int], neurons: list[int]) -> None:
    straight, shuffled = fitted(), fitted(cohort(stimulus_order=stimuli, neuron_order=neurons))
    for name in fitting.SCORES:
        np.testing.assert_allclose(shuffled.scores[name], straight.scores[name][neurons], rtol=1e-7, atol=1e-9)
    names = {reason: {IDS[n] for n in left} for reason, left in straight.left_out.items()}
    assert {reason: {IDS[neurons[n]] for n in left} for reason, left in shuffled.left_out.items()} == names


@pytest.mark.parametrize("n_bytes", [0, 700 * 8])
def test_how_much_is_kept_for_other_groups_does_not_matter(n_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plenty = fitted()
    monkeypatch.setattr(designs, "SHARED_BYTES", n_bytes)
    monkeypatch.setattr(fitting, "VALUES_AT_ONCE", 1)
    little = fitted()
    for name in fitting.SCORES:
        np.testing.assert_allclose(little.scores[name], plenty.scores[name], rtol=1e-12)


def test_moments_are_kept_while_another_group_needs_them_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    original = designs.StimulusMoments.of
    monkeypatch.setattr(
        designs.StimulusMoments, "of", classmethod(lambda cls, design: made.append(len(design)) or original(design))
    )
    kept: list[designs.Designs] = []
    initialise = designs.Designs.__init__
    monkeypatch.setattr(
        designs.Designs,
        "__init__",
        lambda self, *arguments: (kept.append(self), initialise(self, *arguments))[0] and None,
    )
    fitted()
    assert made.count(N_BINS) == len(TRAIN)  # once for all groups that heard all of a clip
    assert made.count(N_BINS - 30) == len(TRAIN)  # once for those with gaps
    assert not kept[0]._kept and kept[0]._free == designs.SHARED_BYTES


def test_bins_are_joined() -> None:
    values = np.arange(14, dtype=np.float32).reshape(2, 7)
    np.testing.assert_array_equal(joined_bins(values, 3), [[1, 4], [8, 11]])
    values[0, 0] = np.nan
    np.testing.assert_array_equal(np.isnan(joined_bins(values, 3)), [[True, False], [False, False]])
    trials = trials_of(cohort(), 0, np.array([0, IDS.index("one trial")]), 2)
    assert trials.shape == (2, 3, N_BINS // 2) and np.isnan(trials[1, 1:]).all() and np.isfinite(trials[0]).all()
    assert np.isnan(trials_of(cohort(), STILL, np.array([IDS.index("still clip")]), 1)[0, :, 0]).all()
