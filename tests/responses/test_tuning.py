"""The tuning criterion of Ahmed et al. 2025, against its definition."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.stats

from deepstrf_hf.errors import GridError, ParameterError
from deepstrf_hf.responses.tuning import TrialPairs, Tuning, can_be_tested, compute_paper_tuning, in_wider_bins


def locked(rng, trials, bins, noise):
    drive = rng.gamma(1.0, 2.0, bins)
    return rng.poisson(drive + noise, (trials, bins)).astype(np.float32)


def by_definition(responses, rng, resamples):
    """Return p and effect, row by row."""
    pairs = []
    for response in responses:
        i = rng.integers(0, len(response), size=resamples)
        j = rng.integers(0, len(response) - 1, size=resamples)
        pairs.append((i, j + (j >= i)))
    n_bins = sum(response.shape[1] for response in responses)
    shifts = rng.integers(1, n_bins, size=resamples)
    true, null = [], []
    for row in range(resamples):
        one = np.concatenate([response[i[row]] for response, (i, _) in zip(responses, pairs, strict=True)])
        other = np.concatenate([response[j[row]] for response, (_, j) in zip(responses, pairs, strict=True)])
        turned = np.array([other[(t - shifts[row]) % n_bins] for t in range(n_bins)])
        if one.std() > 0 and other.std() > 0:
            true.append(np.corrcoef(one, other)[0, 1])
            null.append(np.corrcoef(one, turned)[0, 1])
    p = scipy.stats.ranksums(true, null, alternative="greater").pvalue
    return p, (np.mean(true) - np.mean(null)) / np.std(null)


@pytest.mark.parametrize("noise", [0.0, 2.0, 50.0])
@pytest.mark.parametrize("shapes", [((11, 40), (11, 37), (22, 51)), ((2, 5), (3, 9))])
def test_numbers_are_those_of_the_definition(noise, shapes):
    rng = np.random.default_rng(int(noise))
    responses = [locked(rng, trials, bins, noise) for trials, bins in shapes]
    trials, bins = zip(*shapes, strict=True)
    found = TrialPairs.draw(np.random.default_rng(4), trials, bins, 300).tuning(responses)
    p, delta = by_definition(responses, np.random.default_rng(4), 300)
    assert found.p_value == pytest.approx(p, rel=1e-5)
    assert found.delta == pytest.approx(delta, rel=1e-9)


def test_blocks_make_no_difference(monkeypatch):
    rng = np.random.default_rng(0)
    responses = [locked(rng, 11, 30, 1.0), locked(rng, 11, 25, 1.0)]
    pairs = TrialPairs.draw(np.random.default_rng(0), (11, 11), (30, 25), 500)
    whole = pairs.tuning(responses)
    monkeypatch.setattr("deepstrf_hf.responses.tuning.BLOCK_VALUES", 1)
    assert pairs.tuning(responses) == whole


def test_a_pair_never_is_one_trial_twice_and_a_shift_never_none():
    pairs = TrialPairs.draw(np.random.default_rng(1), (2, 11), (5, 9), 5000)
    for one, other, trials in zip(pairs.first, pairs.second, (2, 11), strict=True):
        assert (one != other).all()
        assert set(one.tolist()) == set(other.tolist()) == set(range(trials))
    assert set(pairs.shift.tolist()) == set(range(1, 14))


def test_silent_trials_are_left_out_and_a_silent_neuron_has_no_verdict():
    pairs = TrialPairs.draw(np.random.default_rng(1), (4,), (30,), 100)
    silent = pairs.tuning([np.zeros((4, 30))])
    assert math.isnan(silent.p_value) and math.isnan(silent.delta)
    assert not silent.is_tuned() and not silent.is_well_tuned()
    half = locked(np.random.default_rng(2), 4, 30, 0.0)
    half[0] = 0
    assert pairs.tuning([half]).is_tuned()


@pytest.mark.parametrize(
    ("found", "tuned", "well_tuned"),
    [
        (Tuning(0.049, 0.5), True, True), (Tuning(0.049, 0.49), True, False),
        (Tuning(0.05, 3.0), False, False), (Tuning(0.9, -1.0), False, False),
    ],
)  # fmt: skip
def test_verdicts(found, tuned, well_tuned):
    assert (found.is_tuned(), found.is_well_tuned()) == (tuned, well_tuned)


def test_two_trials_of_every_stimulus_are_needed():
    one, two = np.zeros((1, 3)), np.zeros((2, 3))
    assert can_be_tested([two, two], [3, 3])
    assert not can_be_tested([two, one], [3, 3])
    assert not can_be_tested([two, None], [3, 0])
    assert not can_be_tested([], [])
    assert not can_be_tested([two[:, :1]], [1])


def test_wider_bins_are_sums_and_what_is_left_over_is_cut():
    response = np.arange(14).reshape(2, 7)
    np.testing.assert_array_equal(in_wider_bins(response, 3), [[3, 12], [24, 33]])
    assert in_wider_bins(response, 3).dtype == np.float32


# Data sets ------------------------------------------------------------------------------------------------------------

MISSING = np.full((1, 1), np.nan, np.float32)


def grid(**changes):
    """Return four neurons: tuned, without a test stimulus, with one trial, tuned; in another order than by session."""
    rng = np.random.default_rng(3)
    good = [[locked(rng, 11, bins, 0.1) for bins in (63, 70, 66)] for _ in range(2)]
    neurons = {
        "c_2_x": ("2", good[0]), "b_3_x": ("3", [good[0][0], MISSING, good[0][2]]),
        "b_1_x": ("1", [good[1][0], good[1][1][:1], good[1][2]]), "d_1_x": ("1", good[1]),
    }  # fmt: skip
    columns = [responses for _, responses in neurons.values()]
    return SimpleNamespace(
        dt=5.0,
        stim_meta=[{"subset": "test"}, {"subset": "test"}, {"subset": "estimation"}],
        nrn_meta=[{"neuron_id": name, "session_id": session} for name, (session, _) in neurons.items()],
        responses=[[of_neuron[stimulus] for of_neuron in columns] for stimulus in range(3)],
        **changes,
    )


def test_a_data_set_is_tested_neuron_after_neuron_with_one_generator():
    dataset = grid()
    summary = compute_paper_tuning(dataset, n_resamples=200, seed=7)
    rng = np.random.default_rng(7)
    for index in (3, 0):  # session 1 before session 2, and those that cannot be tested draw nothing
        grouped = [
            dataset.responses[stimulus][index][:, : bins * 10].reshape(11, bins, 10).sum(axis=2)
            for stimulus, bins in ((0, 6), (1, 7))
        ]
        p, delta = by_definition(grouped, rng, 200)
        entry = dataset.nrn_meta[index]
        assert entry["tuning_p_value"] == pytest.approx(p, rel=1e-5)
        assert entry["tuning_delta"] == pytest.approx(delta, rel=1e-9)
        assert entry["tuned"] is bool(p < 0.05)
    for index in (1, 2):
        entry = {
            name: dataset.nrn_meta[index][name] for name in ("tuned", "well_tuned", "tuning_p_value", "tuning_delta")
        }
        assert entry == {"tuned": False, "well_tuned": False, "tuning_p_value": None, "tuning_delta": None}
    assert summary == {"n_with_data": 2, "tuned": 2, "well_tuned": sum(e["well_tuned"] for e in dataset.nrn_meta)}


def test_thresholds_are_those_that_are_asked_for():
    dataset = grid()
    compute_paper_tuning(dataset, n_resamples=200, alpha=0.0)
    assert not any(entry["tuned"] for entry in dataset.nrn_meta)
    compute_paper_tuning(dataset, n_resamples=200, delta=1e9)
    assert [entry["well_tuned"] for entry in dataset.nrn_meta] == [False] * 4
    assert dataset.nrn_meta[0]["tuned"]


@pytest.mark.parametrize(
    ("options", "error", "field"),
    [
        ({"dt_ms_analysis": 12.0}, ParameterError, "dt_ms_analysis"),
        ({"dt_ms_analysis": 1.0}, ParameterError, "dt_ms_analysis"),
        ({"n_resamples": 1}, ParameterError, "n_resamples"),
        ({"test": "val"}, GridError, "subset"),
    ],
)
def test_what_cannot_be_tested(options, error, field):
    with pytest.raises(error) as caught:
        compute_paper_tuning(grid(), **options)
    assert caught.value.field == field
