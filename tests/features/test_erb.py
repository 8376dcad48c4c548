"""Power in Gaussian bands on the scale of equivalent rectangular bandwidths."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.features.erb import erb_band_centres, erb_band_power, erb_band_weights, erb_rate
from tests.builders.alice_eeg_trees import gaussian_spectrogram

RATE = 44_100


def test_published_centres():
    """The documents of Alice EEG list them, to the Hz."""
    centres = erb_band_centres(80, RATE / 2, 8)
    np.testing.assert_array_equal(np.round(centres), [80, 340, 820, 1703, 3332, 6332, 11862, 22050])


@given(st.floats(20, 5000), st.floats(1.01, 8), st.integers(2, 64))
def test_centres_are_evenly_spaced(low, factor, n_bands):
    centres = erb_band_centres(low, low * factor, n_bands)
    assert centres[0] == pytest.approx(low)
    assert centres[-1] == pytest.approx(low * factor)
    steps = np.diff([erb_rate(centre) for centre in centres])
    np.testing.assert_allclose(steps, steps.mean(), rtol=1e-6)


def test_one_band_is_the_lowest():
    np.testing.assert_allclose(erb_band_centres(440, 8000, 1), [440])


def test_weights_are_gaussian():
    centres = np.array([1000.0, 4000.0])
    weights = erb_band_weights(centres, 32_000, 640)  # bins every 50 Hz
    assert weights.shape == (2, 321)
    assert (weights[0, 20], weights[1, 80]) == (1.0, 1.0)
    width = 24.7 * (0.00437 * 1000 + 1)
    assert weights[0, 22] == pytest.approx(math.exp(-((100 / width) ** 2)))
    assert weights[0, 18] == pytest.approx(weights[0, 22])


@pytest.mark.parametrize("n_fft", [1024, 1102, 1103])
@pytest.mark.parametrize("dt_ms", [10.0, 5.0])
def test_power_is_that_of_the_formula(n_fft, dt_ms):
    sound = (4000 * np.random.default_rng(2).standard_normal(6000)).astype(np.int16)
    expected = gaussian_spectrogram(sound, n_fft=n_fft, dt_ms=dt_ms)
    starts = np.floor(np.arange(expected.shape[1]) * dt_ms * RATE / 1000 + 0.5).astype(np.int64)
    centres = erb_band_centres(80, RATE / 2, 8)
    power = erb_band_power(sound / 32768, RATE, centres_hz=centres, n_fft=n_fft, starts=starts)
    assert power.dtype == np.float32
    np.testing.assert_allclose(power, expected, rtol=1e-6)


def test_silence_is_zero():
    power = erb_band_power(
        np.zeros(4000), RATE, centres_hz=np.array([500.0]), n_fft=1024, starts=np.arange(0, 4000, 441)
    )
    np.testing.assert_array_equal(power, 0)


@given(st.integers(0, 5000), st.floats(0.01, 100), st.integers(1, 3000))
def test_power_scales_with_the_square_and_frames_stand_alone(seed, scale, place):
    rng = np.random.default_rng(seed)
    sound, centres = rng.standard_normal(4000), np.array([300.0, 3000.0])
    starts = np.array([0, place, 3999])
    power = erb_band_power(sound, RATE, centres_hz=centres, n_fft=512, starts=starts)
    louder = erb_band_power(scale * sound, RATE, centres_hz=centres, n_fft=512, starts=starts)
    np.testing.assert_allclose(louder, scale**2 * power, rtol=1e-5)
    alone = erb_band_power(sound, RATE, centres_hz=centres, n_fft=512, starts=starts[1:2])
    np.testing.assert_allclose(alone[:, 0], power[:, 1], rtol=1e-6)


def test_a_tone_is_loudest_in_its_own_band():
    centres = erb_band_centres(80, RATE / 2, 8)
    for band, centre in enumerate(centres[:-1]):
        tone = np.sin(2 * np.pi * centre * np.arange(8000) / RATE)
        power = erb_band_power(tone, RATE, centres_hz=centres, n_fft=1024, starts=np.array([4000]))
        assert power[:, 0].argmax() == band


def test_frames_are_worked_on_in_pieces_without_a_seam(monkeypatch):
    sound, centres = np.random.default_rng(3).standard_normal(5000), np.array([300.0, 3000.0])
    starts = np.arange(0, 5001, 50)
    whole = erb_band_power(sound, RATE, centres_hz=centres, n_fft=256, starts=starts)
    monkeypatch.setattr("deepstrf_hf.features.erb.FRAMES_AT_ONCE", 7)
    pieces = erb_band_power(sound, RATE, centres_hz=centres, n_fft=256, starts=starts)
    np.testing.assert_allclose(pieces, whole, rtol=1e-6)


@pytest.mark.parametrize(("low", "high", "n_bands"), [(80, 80, 8), (900, 80, 8), (80, 8000, 0), (-1, 80, 2)])
def test_bands_without_a_range_are_refused(low, high, n_bands):
    with pytest.raises(ParameterError, match="range of frequencies"):
        erb_band_centres(low, high, n_bands)


@pytest.mark.parametrize(
    ("sound", "starts", "message"),
    [
        (np.zeros((2, 4000)), [0], "one channel"),
        (np.full(4000, np.nan), [0], "finite"),
        (np.zeros(512), [0], "too short"),
        (np.zeros(4000), [-1], "beyond its sound"),
        (np.zeros(4000), [4001], "beyond its sound"),
    ],
)
def test_what_cannot_be_framed_is_refused(sound, starts, message):
    with pytest.raises(ParameterError, match=message):
        erb_band_power(sound, RATE, centres_hz=np.array([500.0]), n_fft=1024, starts=np.array(starts))
