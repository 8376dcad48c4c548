"""Standardized stimuli against double precision: which statistics are taken, of what, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deepstrf_hf.errors import DeepstrfError, ParameterError, SelectionError, UnknownNameError
from tests.grid.examples import property_settings
from tests.grid.standardizing import BINS, all_stimuli, assert_standardized, grid, spectrograms, statistics

CHOICES: dict[str, tuple[Any, list[int]]] = {
    "all": (None, [0, 1, 2, 3]),
    "indices": ([0, 2], [0, 2]),
    "NumPy integers": (np.array([2, 0]), [0, 2]),
    "torch integers": (torch.tensor([3]), [3]),
    "from the end": ([-1], [3]),
    "repeated indices": ([1, 1, 1, 3], [1, 3]),
    "ids": (["s2", "s1"], [1, 2]),
    "one id": ("s3", [3]),
    "a mapping": ({"subset": "est"}, [1, 2]),
    "a function": (lambda entry: entry["subset"] == "val", [0, 3]),
    "a mask": (np.array([True, False, False, True]), [0, 3]),
}


# Which statistics, of what --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("condition", "chosen"), CHOICES.values(), ids=CHOICES)
@pytest.mark.parametrize("per_band", [True, False])
def test_statistics_are_those_of_the_stimuli_named(condition: Any, chosen: list[int], per_band: bool) -> None:
    dataset = grid()
    found = dataset.standardize_stims(condition, per_band=per_band)
    mean, std = statistics(spectrograms(), chosen, per_band)
    shape = (1, 3, 1) if per_band else ()
    assert list(found) == ["mean", "std", "per_band", "stim_indices"]
    for name, expected in (("mean", mean), ("std", std)):
        assert found[name].dtype == torch.float32 and tuple(found[name].shape) == shape
        np.testing.assert_allclose(found[name].numpy(), expected.reshape(shape), rtol=1e-5)
    assert found["per_band"] is per_band
    assert found["stim_indices"] == chosen
    assert_standardized(dataset, spectrograms(), chosen, per_band)


def test_what_was_returned_is_kept() -> None:
    dataset = grid()
    assert dataset.stim_normalization is None
    first = dataset.standardize_stims([0])
    assert dataset.stim_normalization is first
    assert dataset.standardize_stims([1], per_band=False) is dataset.stim_normalization


def test_what_was_returned_is_not_what_is_used() -> None:
    dataset = grid()
    found = dataset.standardize_stims()
    found["mean"].zero_()
    found["std"].fill_(0)
    assert_standardized(dataset, spectrograms(), range(4))


@pytest.mark.parametrize("per_band", [True, False])
def test_waveforms_have_one_band(per_band: bool) -> None:
    generator = np.random.default_rng(1)
    waveforms = [generator.normal(0.2, 3, 8 * bins).astype(np.float32) for bins in BINS]
    dataset = grid(waveforms, audio_fs=1600)
    found = dataset.standardize_stims([1, 2], per_band=per_band)
    mean, std = statistics(waveforms, [1, 2])
    shape = (1, 1) if per_band else ()
    assert tuple(found["mean"].shape) == tuple(found["std"].shape) == shape
    np.testing.assert_allclose(found["mean"].numpy(), mean.reshape(shape), rtol=1e-5)
    np.testing.assert_allclose(found["std"].numpy(), std.reshape(shape), rtol=1e-5)
    assert_standardized(dataset, waveforms, [1, 2])
    dataset.validate()


def test_a_spectrogram_of_one_band_is_no_waveform() -> None:
    stims = [stimulus[:1] for stimulus in spectrograms()]
    dataset = grid(stims)
    assert tuple(dataset.standardize_stims()["mean"].shape) == (1, 1, 1)
    assert_standardized(dataset, stims, range(4))


def test_a_small_spread_far_from_zero() -> None:
    stims = [np.float32(1000) + stimulus / 1000 for stimulus in spectrograms(bins=(500, 700))]
    found = grid(stims).standardize_stims()
    mean, std = statistics(stims, [0, 1])
    np.testing.assert_allclose(found["mean"].numpy()[0], mean, rtol=1e-7)
    np.testing.assert_allclose(found["std"].numpy()[0], std, rtol=1e-5)


def test_a_stimulus_given_twice_counts_twice_and_is_done_once() -> None:
    first, second = spectrograms(bins=(6, 4))
    dataset = grid([first, second, first])
    dataset.standardize_stims()
    assert_standardized(dataset, [first, second, first], [0, 1, 2])


# Bands that do not vary, and too few values ---------------------------------------------------------------------------


@pytest.mark.parametrize("eps", [1e-8, 0.5])
def test_a_constant_band_is_divided_by_the_smallest_scale(eps: float) -> None:
    stims = spectrograms()
    for stimulus in stims[:3]:
        stimulus[1] = -60.1
    stims[3][1] = -60.1 + np.arange(5)
    dataset = grid(stims)
    found = dataset.standardize_stims([0, 1, 2], eps=eps)
    assert found["std"][0, 1, 0] == np.float32(eps)
    for index in range(3):
        assert not dataset.stims[index][0, 1].any()
    expected = (stims[3][1] - np.float32(-60.1)) / np.float32(eps)
    np.testing.assert_allclose(dataset.stims[3][0, 1].numpy(), expected, rtol=1e-6)


def test_two_stimuli_of_one_bin_are_enough() -> None:
    stims = spectrograms(bins=(1, 1, 3))
    dataset = grid(stims)
    dataset.standardize_stims([0, 1])
    assert_standardized(dataset, stims, [0, 1])


def test_one_bin_of_several_bands_is_enough_for_all_together() -> None:
    stims = spectrograms(bins=(1, 4))
    dataset = grid(stims)
    dataset.standardize_stims([0], per_band=False)
    assert_standardized(dataset, stims, [0], per_band=False)


@pytest.mark.parametrize(
    ("condition", "per_band", "bands"), [([], True, 3), ([], False, 3), ([0], True, 3), ([0], False, 1)]
)
def test_too_few_values(condition: Any, per_band: bool, bands: int) -> None:
    dataset = grid([stimulus[:bands] for stimulus in spectrograms(bins=(1, 4))])
    before = all_stimuli(dataset)
    with pytest.raises(ParameterError, match="two values") as caught:
        dataset.standardize_stims(condition, per_band=per_band)
    assert isinstance(caught.value, ValueError)
    assert caught.value.field == "stim_indices" and caught.value.found == f"{len(condition)} stimuli"
    assert dataset.stim_normalization is None
    for one, other in zip(all_stimuli(dataset), before, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("condition", [np.zeros(4, bool), lambda entry: False, {"subset": "none of these"}])
def test_conditions_that_nothing_fulfils(condition: Any) -> None:
    with pytest.raises(ParameterError, match="two values"):
        grid().standardize_stims(condition)


@pytest.mark.parametrize(
    ("condition", "error"),
    [
        ([4], SelectionError),
        ([0.0], SelectionError),
        ([True, False, True], SelectionError),
        (0, SelectionError),
        (np.ones(3, bool), SelectionError),
        (["s9"], UnknownNameError),
        ({"subsett": "est"}, UnknownNameError),
    ],
)
def test_conditions_that_are_mistakes(condition: Any, error: type[DeepstrfError]) -> None:
    dataset = grid()
    with pytest.raises(error):
        dataset.standardize_stims(condition)
    np.testing.assert_array_equal(dataset.stims[0][0].numpy(), spectrograms()[0])


@pytest.mark.parametrize("eps", [0, 0.0, -1e-8, np.nan, np.inf, 1e-60, "1e-8", None])
def test_smallest_scales_that_are_none(eps: Any) -> None:
    dataset = grid([np.zeros((3, 4), np.float32)])
    with pytest.raises(ParameterError, match="must be positive") as caught:
        dataset.standardize_stims(eps=eps)
    assert caught.value.field == "eps" and caught.value.found == repr(eps)
    assert not dataset.stims[0].any()  # and no NaN


@given(st.data())
@property_settings
def test_the_stimuli_named_have_zero_mean_and_unit_variance(data: Any) -> None:
    bins = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=5))
    values = st.floats(-100, 100, width=32)
    stims = [data.draw(arrays(np.float32, (2, length), elements=values)) for length in bins]
    chosen = data.draw(st.lists(st.integers(0, len(bins) - 1), min_size=1, unique=True))
    if sum(bins[index] for index in chosen) < 2:
        chosen = list(range(len(bins)))
    if sum(bins[index] for index in chosen) < 2:
        return
    dataset = grid(stims)
    dataset.standardize_stims(chosen, eps=0.01)
    _, spread = statistics(stims, chosen)
    mean, std = statistics(all_stimuli(dataset), chosen)
    np.testing.assert_allclose(mean, 0, atol=2e-3)
    np.testing.assert_allclose(std[spread > 0.01], 1, rtol=1e-3)
    assert (std[spread <= 0.01] <= 1.001).all()
