import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.responses.half_splits import (
    HalfSplits,
    number_of_splits,
    spearman_brown_ceiling,
    split_correlation,
)


def all_divisions(n_trials):
    """Every division into two halves, as a set of sets: by trying every assignment of trials."""
    half, divisions = n_trials // 2, set()
    for sides in itertools.product((0, 1, 2), repeat=n_trials):  # 2: left out
        first, second = (frozenset(np.flatnonzero(np.array(sides) == side).tolist()) for side in (0, 1))
        if len(first) == len(second) == half:
            divisions.add(frozenset((first, second)))
    return divisions


def as_sets(splits):
    return [frozenset((frozenset(first), frozenset(second))) for first, second in splits]


@given(st.integers(2, 40), st.integers(1, 60), st.sampled_from(["random", "first"]), st.integers(0, 3))
def test_splits_are_distinct_divisions_into_equal_halves(n_trials, maximum, order, seed):
    splits = HalfSplits(maximum, order, seed).of(n_trials)
    for first, second in splits:
        assert len(first) == len(second) == n_trials // 2
        assert not set(first) & set(second)
        assert set(first) | set(second) <= set(range(n_trials))
    assert len(set(as_sets(splits))) == len(splits)


@pytest.mark.parametrize("n_trials", range(2, 9))
def test_few_trials_give_all_divisions(n_trials):
    divisions = all_divisions(n_trials)
    assert number_of_splits(n_trials) == len(divisions)
    assert set(as_sets(HalfSplits(len(divisions)).of(n_trials))) == divisions
    fewer = HalfSplits(max(1, len(divisions) - 1)).of(n_trials)
    assert len(fewer) == max(1, len(divisions) - 1)
    assert set(as_sets(fewer)) <= divisions


@pytest.mark.parametrize("n_trials", [0, 1])
def test_too_few_trials_give_no_splits(n_trials):
    assert HalfSplits().of(n_trials) == []


@pytest.mark.parametrize("n_trials", [4, 5, 9, 12, 13])
def test_first_splits_are_in_lexicographic_order_without_the_last_of_odd_trials(n_trials):
    even = n_trials - n_trials % 2
    combinations = list(itertools.combinations(range(even), even // 2))
    expected = [(first, tuple(sorted(set(range(even)) - set(first)))) for first in combinations]
    expected = expected[: min(len(combinations) // 2, 126)]
    assert HalfSplits(126, "first").of(n_trials) == expected


def test_first_splits_of_many_trials_are_drawn_lazily():
    splits = HalfSplits(126, "first").of(66)  # there are 3.6e18 of them
    assert len(splits) == 126
    assert splits[0] == (tuple(range(33)), tuple(range(33, 66)))


def test_random_splits_are_spread_over_the_trials():
    apart = np.zeros((20, 20))
    for first, second in HalfSplits(2000).of(20):
        apart[np.ix_(first, second)] += 1
    apart = (apart + apart.T)[~np.eye(20, dtype=bool)] / 2000
    np.testing.assert_allclose(apart, 10 / 19, atol=0.06)  # chance that two of 20 trials are in different halves


def test_a_random_one_of_odd_trials_is_left_out():
    left_out = [set(range(21)) - set(first) - set(second) for first, second in HalfSplits(2000).of(21)]
    counts = np.bincount([trial for (trial,) in left_out], minlength=21)
    np.testing.assert_allclose(counts / 2000, 1 / 21, atol=0.02)


def test_a_draw_depends_on_seed_and_number_of_trials_alone():
    one, other = HalfSplits(50, seed=3), HalfSplits(50, seed=3)
    other.of(14)
    assert one.of(20) == other.of(20)
    assert HalfSplits(50, seed=4).of(20) != one.of(20)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"maximum": 0}, "max_half_splits"),
        ({"maximum": 2.5}, "max_half_splits"),
        ({"maximum": True}, "max_half_splits"),
        ({"seed": -1}, "seed"),
        ({"seed": None}, "seed"),
        ({"order": "last"}, "half_splits"),
    ],
)
def test_what_cannot_be_used_is_named(arguments, field):
    with pytest.raises(ParameterError) as caught:
        HalfSplits(**arguments)
    assert caught.value.field == field


@pytest.mark.parametrize("n_splits", [1, 126, 300])
def test_correlation_is_that_of_the_means_of_halves(n_splits):
    rng = np.random.default_rng(0)
    trials = rng.normal(size=(3, 12, 25)) + rng.normal(size=(3, 1, 25)) + 100
    splits = HalfSplits(n_splits).of(12)
    expected = [
        np.mean([np.corrcoef(pair[list(a)].mean(0), pair[list(b)].mean(0))[0, 1] for a, b in splits]) for pair in trials
    ]
    covariance = np.stack([np.cov(pair) for pair in trials])
    np.testing.assert_allclose(split_correlation(covariance, splits), expected, rtol=1e-9)


def test_splits_with_a_constant_half_do_not_count():
    rng = np.random.default_rng(1)
    trials = rng.normal(size=(4, 30))
    trials[1] = 0.1 - trials[0]  # the mean of these two is constant, that of the others is not
    splits = [((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2))]
    expected = [np.corrcoef(trials[list(a)].mean(0), trials[list(b)].mean(0))[0, 1] for a, b in splits[1:]]
    assert split_correlation(np.cov(trials)[None], splits)[0] == pytest.approx(np.mean(expected))
    assert np.isnan(split_correlation(np.cov(trials)[None], splits[:1])[0])


def test_no_pairs_have_no_correlation():
    assert split_correlation(np.empty((0, 4, 4)), HalfSplits().of(4)).shape == (0,)


def test_ceiling_is_that_of_the_mean_of_all_trials():
    rng = np.random.default_rng(2)
    signal = rng.normal(size=100_000)
    first, second = (signal + 2 * rng.normal(size=100_000) for _ in range(2))
    correlation = np.corrcoef(first, second)[0, 1]
    reached = np.corrcoef(signal, (first + second) / 2)[0, 1]
    assert spearman_brown_ceiling(np.array([correlation]))[0] == pytest.approx(reached, abs=0.01)


def test_halves_that_do_not_correlate_have_no_ceiling():
    ceiling = spearman_brown_ceiling(np.array([1.0, 1 / 3, 1e-17, 0.0, -0.5, np.nan]))
    np.testing.assert_allclose(ceiling, [1, np.sqrt(0.5), np.nan, np.nan, np.nan, np.nan])
