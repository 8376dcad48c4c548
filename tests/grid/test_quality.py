"""Quality of the neurons of a grid, against the formulas written out as plain loops."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import NeuralDataset
from deepstrf_hf.errors import ParameterError
from deepstrf_hf.grid import quality
from deepstrf_hf.grid.quality import QUALITIES, compute_quality
from deepstrf_hf.responses.half_splits import HalfSplits
from deepstrf_hf.responses.preprocessing import HanningSmooth
from deepstrf_hf.responses.quality import ResponseQuality
from tests.grid.examples import dataset_of, property_settings, toy


def first_splits(n_trials):
    """Yield the splits that deepSTRF 0.1.0 takes: without the last of odd trials, the first 126 of all."""
    even = n_trials - n_trials % 2
    wanted = min(math.comb(even, even // 2) // 2, 126)
    for first in itertools.islice(itertools.combinations(range(even), even // 2), wanted):
        yield list(first), [trial for trial in range(even) if trial not in first]


def mean_half_correlation(response, splits):
    correlations = []
    for first, second in splits:
        halves = [response[list(half)].sum(axis=0) / len(half) for half in (first, second)]
        if all(np.ptp(half) > 1e-9 for half in halves):
            correlations.append(np.corrcoef(*halves)[0, 1])
    return np.mean(correlations) if correlations else math.nan


def powers_of(response):
    trials = len(response)
    single = np.mean([np.var(trial, ddof=1) for trial in response])
    of_mean = np.var(response.mean(axis=0), ddof=1)
    signal = (trials * of_mean - single) / (trials - 1)
    return signal, single - signal, of_mean


def quality_by_loop(pairs, n_neurons, splits=first_splits, without_repeats=math.nan):
    """Every quality of every neuron, one pair at a time."""
    found = {name: np.full(n_neurons, math.nan) for name in ("signal_power", "noise_power", "snr", "hsu", "schoppe")}
    for neuron in range(n_neurons):
        repeated, powers, ceilings = False, [], []
        for (_, other), response in sorted(pairs.items()):
            if other != neuron:
                continue
            response = response.astype(float)
            response = response[np.isfinite(response).any(axis=1)]
            repeated |= len(response) > 1
            response = response[:, np.isfinite(response).all(axis=0)]
            if len(response) < 2 or response.shape[1] < 2:
                continue
            powers.append((response.shape[1], *powers_of(response)))
            rho = mean_half_correlation(response, splits(len(response)))
            if rho > 1e-9:
                ceilings.append((response.shape[1], np.sqrt(2 * rho / (1 + rho))))
        if not repeated:
            found["hsu"][neuron] = found["schoppe"][neuron] = without_repeats
        if powers:
            weights, signal, noise, of_mean = np.array(powers).T
            signal, noise, of_mean = (np.average(power, weights=weights) for power in (signal, noise, of_mean))
            found["signal_power"][neuron], found["noise_power"][neuron] = signal, noise
            found["snr"][neuron] = signal / noise if noise > 1e-9 else (math.inf if signal > 1e-9 else 0)
            if signal > 1e-12:
                found["schoppe"][neuron] = min(1, np.sqrt(signal / of_mean))
        if ceilings:
            weights, values = np.array(ceilings).T
            found["hsu"][neuron] = np.average(values, weights=weights)
    found["ccmax_hsu"], found["ccmax_schoppe"] = found.pop("hsu"), found.pop("schoppe")
    return found


def assert_same(found, expected, rtol=1e-6):
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=rtol, atol=1e-9, err_msg=name)


def driven(n_stimuli=3, n_neurons=4, trials=20, bins=40, seed=0):
    """Return counts of neurons that stimuli drive; all neurons heard all stimuli."""
    rng = np.random.default_rng(seed)
    rate = np.maximum(rng.normal(0.4, 0.8, (n_stimuli, n_neurons, 1, bins)), 0.05)
    counts = rng.poisson(np.broadcast_to(rate, (n_stimuli, n_neurons, trials, bins))).astype(np.uint8)
    return {(s, n): counts[s, n] for s in range(n_stimuli) for n in range(n_neurons)}


@st.composite
def ragged_pairs(draw):
    """Pairs of different numbers of trials and bins, some with gaps, trials that are all missing, or no variance."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    bins = [draw(st.integers(1, 14)) for _ in range(draw(st.integers(1, 4)))]
    n_neurons, pairs = draw(st.integers(1, 4)), {}
    for stimulus, length in enumerate(bins):
        for neuron in range(n_neurons):
            if rng.random() < 0.25:
                continue
            trials = int(rng.integers(1, 10))
            signal = rng.normal(size=length) * rng.choice([0, 1, 2])
            response = (signal + rng.normal(size=(trials, length)) * rng.choice([0, 1])).astype(np.float32)
            response += np.float32(rng.choice([0, 0.1, -65]))
            if rng.random() < 0.3:
                response[rng.random(response.shape) < 0.08] = np.nan
            if rng.random() < 0.3:
                response[rng.integers(trials)] = np.nan
            if np.isfinite(response).any():
                pairs[stimulus, neuron] = response
    return pairs, bins, n_neurons


@property_settings
@given(ragged_pairs())
def test_every_quality_is_that_of_its_formula(example):
    pairs, bins, n_neurons = example
    dataset = dataset_of(pairs, bins, n_neurons)
    found = compute_quality(dataset, half_splits="first")
    assert list(found) == list(QUALITIES)
    assert all(values.shape == (n_neurons,) and values.dtype == np.float64 for values in found.values())
    # Noise that is the rounding of float32 has a ratio of its own: powers are compared where the ratio is not.
    expected = quality_by_loop(pairs, n_neurons)
    noisy = np.nan_to_num(expected["noise_power"], nan=1) > 1e-9
    for name, values in expected.items():
        where = noisy | (name in ("signal_power", "noise_power"))
        np.testing.assert_allclose(found[name][where], values[where], rtol=1e-5, atol=1e-8, err_msg=name)


@property_settings
@given(ragged_pairs(), st.integers(0, 2**32))
def test_neither_order_nor_unit_matters(example, seed):
    pairs, bins, n_neurons = example
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(bins))
    changed = {
        (int(np.flatnonzero(order == stimulus)[0]), neuron): 4 * response[rng.permutation(len(response))]
        for (stimulus, neuron), response in pairs.items()
    }
    options = {"max_half_splits": 10_000}  # all there are, so that none of them is chosen by the order of trials
    one = compute_quality(dataset_of(pairs, bins, n_neurons), **options)
    other = compute_quality(dataset_of(changed, [bins[index] for index in order], n_neurons), **options)
    for name in ("signal_power", "noise_power"):
        np.testing.assert_allclose(other[name], 16 * one[name], rtol=1e-6, atol=1e-9)
    clear = np.nan_to_num(one["noise_power"]) > 1e-9
    for name in ("snr", "ccmax_hsu"):
        np.testing.assert_allclose(other[name][clear], one[name][clear], rtol=1e-6, atol=1e-9)


def test_random_splits_are_those_drawn():
    pairs = driven(trials=21)
    drawn = HalfSplits(40, "random", 7)
    found = compute_quality(dataset_of(pairs, [40] * 3, 4), max_half_splits=40, seed=7)
    assert_same(found, quality_by_loop(pairs, 4, drawn.of))
    assert (
        compute_quality(dataset_of(pairs, [40] * 3, 4), max_half_splits=40, seed=8)["ccmax"] != found["ccmax"]
    ).all()


def test_what_a_neuron_gets_does_not_depend_on_the_others():
    pairs = driven(trials=15)
    whole = compute_quality(dataset_of(pairs, [40] * 3, 4))
    alone = compute_quality(dataset_of({(s, 0): pairs[s, 2] for s in range(3)}, [40] * 3, 1))
    for name in QUALITIES:
        assert alone[name][0] == pytest.approx(whole[name][2], rel=1e-12)


def test_thirty_three_repeats_need_no_list_of_all_splits():
    pairs = driven(1, 2, trials=33)  # a thousand million splits
    dataset = dataset_of(pairs, [40], 2)
    assert_same(compute_quality(dataset, half_splits="first"), quality_by_loop(pairs, 2))
    assert np.isfinite(compute_quality(dataset)["ccmax"]).all()


def test_both_ceilings_are_the_correlation_of_the_signal_with_the_mean_of_trials():
    rng = np.random.default_rng(3)
    signal = rng.normal(size=20_000)
    response = (signal + 2 * rng.normal(size=(6, 20_000))).astype(np.float32)
    found = compute_quality(dataset_of({(0, 0): response}, [20_000], 1))
    reached = np.corrcoef(signal, response.mean(axis=0))[0, 1]
    assert found["signal_power"][0] == pytest.approx(1, abs=0.03)
    assert found["noise_power"][0] == pytest.approx(4, rel=0.02)
    assert found["snr"][0] == pytest.approx(0.25, abs=0.01)
    assert found["ccmax_hsu"][0] == pytest.approx(reached, abs=0.01)
    assert found["ccmax_schoppe"][0] == pytest.approx(reached, abs=0.01)


def test_the_ceiling_asked_for_is_ccmax():
    dataset = dataset_of(driven(), [40] * 3, 4)
    hsu, schoppe = compute_quality(dataset), compute_quality(dataset, ccmax="schoppe")
    np.testing.assert_array_equal(hsu["ccmax"], hsu["ccmax_hsu"])
    np.testing.assert_array_equal(schoppe["ccmax"], hsu["ccmax_schoppe"])
    assert (hsu["ccmax_hsu"] != hsu["ccmax_schoppe"]).all()


def test_stored_responses_have_the_quality_that_builds_report():
    pairs = driven(trials=7)
    dataset = dataset_of(pairs, [40] * 3, 4, preprocessing=(HanningSmooth(50),))
    found = compute_quality(dataset, responses="stored", ccmax="schoppe")
    for neuron in range(4):
        reported = ResponseQuality()
        for stimulus in range(3):
            reported.add(pairs[stimulus, neuron])
        for name in ("signal_power", "noise_power", "snr", "ccmax"):
            assert found[name][neuron] == pytest.approx(reported.columns()[name]), name


def test_smoothing_raises_the_ratios_of_slow_signals():
    rate, step = 1 + np.sin(np.arange(40) / 5), HanningSmooth(50)
    rng = np.random.default_rng(8)
    pairs = {(s, n): rng.poisson(rate, (6, 40)).astype(np.uint8) for s in range(3) for n in range(4)}
    dataset = dataset_of(pairs, [40] * 3, 4, preprocessing=(step,))
    smoothed = {pair: step.apply(response.astype(np.float32), 5) for pair, response in pairs.items()}
    found = compute_quality(dataset, half_splits="first")
    assert_same(found, quality_by_loop(smoothed, 4), rtol=1e-5)
    stored = compute_quality(dataset, half_splits="first", responses="stored")
    assert_same(stored, quality_by_loop(pairs, 4))
    for name in ("snr", "ccmax_hsu", "ccmax_schoppe"):
        assert (stored[name] < found[name]).all()


def test_selections_do_not_matter():
    dataset = toy()
    whole = compute_quality(dataset)
    dataset.select_stims([1])
    dataset.select_population([1])
    for name, values in compute_quality(dataset).items():
        np.testing.assert_array_equal(values, whole[name])


def test_work_is_divided_without_a_trace(monkeypatch):
    pairs = driven(n_neurons=9) | {(1, 4): driven(1, 1, trials=5, seed=9)[0, 0]}
    dataset = dataset_of(pairs, [40] * 3, 9)
    whole = compute_quality(dataset)
    monkeypatch.setattr(quality, "VALUES_AT_ONCE", 2000)
    for name, values in compute_quality(dataset).items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-12)


@pytest.mark.parametrize("without", [math.nan, 1.0])
def test_neurons_without_repeats_get_the_ceiling_asked_for(without):
    rng = np.random.default_rng(4)
    pairs = {
        (0, 0): rng.normal(size=(1, 9)),  # heard once
        (0, 1): np.vstack([rng.normal(size=(1, 9)), np.full((1, 9), np.nan)]),  # the repeat was lost
        (1, 2): rng.normal(size=(4, 1)),  # repeated, but without any course in time
        (0, 3): np.where(np.eye(2, 9, dtype=bool), 1.0, np.nan),  # no bin without a gap
        (0, 5): np.array([[1.0, 0, 1, 0, 1, 0, 1, 0, 0], [0, 1, 0, 1, 0, 1, 0, 1, 0]]),  # halves that oppose each other
    }
    found = compute_quality(dataset_of(pairs, [9, 1], 6), ccmax_without_repeats=without)
    expected = [without, without, math.nan, math.nan, without, math.nan]
    for name in ("ccmax", "ccmax_hsu", "ccmax_schoppe"):
        np.testing.assert_array_equal(found[name], expected)
    assert np.isnan(found["snr"][:5]).all()
    assert found["snr"][5] < 0


def test_gaps_cost_their_bins_and_nothing_else():
    pairs = {pair: response.astype(np.float32) for pair, response in driven(trials=8).items()}
    gaps = {pair: response.copy() for pair, response in pairs.items()}
    gaps[1, 2][3, 10:20] = np.nan
    gaps[1, 2] = np.insert(gaps[1, 2], 2, np.nan, axis=0)
    cut = {**pairs, (1, 2): np.delete(pairs[1, 2], np.s_[10:20], axis=1)}
    found = compute_quality(dataset_of(gaps, [40] * 3, 4), half_splits="first")
    assert_same(found, quality_by_loop(cut, 4))


def test_trials_that_do_not_differ_have_no_noise():
    course = np.random.default_rng(5).normal(size=30)
    found = compute_quality(dataset_of({(0, 0): np.tile(course, (5, 1))}, [30], 1))
    assert found["snr"][0] == math.inf
    assert found["ccmax_hsu"][0] == pytest.approx(1)
    assert found["ccmax_schoppe"][0] == pytest.approx(1)


@pytest.mark.parametrize("level", [0, 0.1, -65.3])
def test_a_neuron_that_never_responds_has_no_signal_and_no_ceiling(level):
    found = compute_quality(dataset_of({(0, 0): np.full((5, 30), level)}, [30], 1))
    assert (found["signal_power"][0], found["noise_power"][0], found["snr"][0]) == (0, 0, 0)
    assert np.isnan(found["ccmax_hsu"][0])
    assert np.isnan(found["ccmax_schoppe"][0])


def test_halves_that_are_uncorrelated_but_for_rounding_do_not_count():
    uncorrelated = np.array([[0, 0, 1, 1, 0, 0, 1, 1] * 3, [0, 1, 0, 1, 0, 1, 0, 1] * 3], np.uint8)
    assert np.cov(uncorrelated)[0, 1] == pytest.approx(0, abs=1e-12)
    driven_pair = driven(1, 1, trials=6, bins=24)[0, 0]
    alone = compute_quality(dataset_of({(0, 0): driven_pair}, [24], 1))
    both = compute_quality(dataset_of({(0, 0): driven_pair, (1, 0): uncorrelated}, [24, 24], 1))
    assert both["ccmax"][0] == alone["ccmax"][0]


def test_pairs_with_a_constant_half_keep_their_other_splits():
    response = driven(1, 1, trials=6, seed=6)[0, 0]
    response[:3] = 0  # one split of ten has a silent half
    with np.errstate(all="raise"):
        found = compute_quality(dataset_of({(0, 0): response}, [40], 1))
    assert_same(found, quality_by_loop({(0, 0): response}, 1))
    assert np.isfinite(found["ccmax"][0])


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"max_half_splits": 0}, "max_half_splits"),
        ({"half_splits": "all"}, "half_splits"),
        ({"seed": "a"}, "seed"),
        ({"ccmax": "half"}, "ccmax"),
        ({"responses": "smoothed"}, "responses"),
    ],
)
def test_what_cannot_be_used_is_named(arguments, field):
    with pytest.raises(ParameterError) as caught:
        compute_quality(toy(), **arguments)
    assert caught.value.field == field


def test_a_grid_without_repeats_has_no_quality():
    dataset = NeuralDataset.from_arrays([np.zeros((2, 5))], {(0, 0): np.ones((1, 5))}, dt_ms=5)
    assert all(np.isnan(values).all() for values in compute_quality(dataset).values())
