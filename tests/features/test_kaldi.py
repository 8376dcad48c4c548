"""The filter bank of Kaldi, against its formulas written out one by one."""

import math

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.features.kaldi import SMALLEST_ENERGY, KaldiFilterBank


def sound(n_samples, seed=0):
    rng = np.random.default_rng(seed)
    seconds = np.arange(n_samples) / 16_000
    return (0.3 * np.sin(2 * np.pi * 440 * seconds) + 0.05 * rng.standard_normal(n_samples)).astype(np.float32)


def mel(hertz):
    return 1127 * math.log(1 + hertz / 700)


def slow_energies(waveform, frame, *, rate=16_000, shift=80, window=400, length=512, bands=80, low=0.0, high=8000.0):
    """Return the energies of one frame: sample by sample, bin by bin, band by band."""
    x = [float(value) * 32768 for value in waveform[frame * shift : frame * shift + window]]
    mean = sum(x) / window
    x = [value - mean for value in x]
    y = [0.03 * x[0]] + [x[i] - 0.97 * x[i - 1] for i in range(1, window)]
    y = [value * (0.5 - 0.5 * math.cos(2 * math.pi * i / (window - 1))) for i, value in enumerate(y)]
    energies = [0.0] * bands
    width = (mel(high) - mel(low)) / (bands + 1)
    for k in range(length // 2):
        real = sum(value * math.cos(2 * math.pi * k * i / length) for i, value in enumerate(y))
        imaginary = sum(value * math.sin(2 * math.pi * k * i / length) for i, value in enumerate(y))
        power, place = real**2 + imaginary**2, mel(k * rate / length)
        for band in range(bands):
            left = mel(low) + band * width
            if left < place < left + 2 * width:
                rise = (place - left) / width
                energies[band] += power * (rise if rise <= 1 else 2 - rise)
    return energies


def test_energies_are_those_of_the_formulas():
    waveform = sound(2000)
    energies = KaldiFilterBank().frame_energies(waveform)
    assert energies.shape == (80, 1 + (2000 - 400) // 80)
    for frame in (0, 7, energies.shape[1] - 1):
        np.testing.assert_allclose(energies[:, frame], slow_energies(waveform, frame), rtol=1e-9)


def test_other_parameters_are_those_of_the_formulas():
    bank = KaldiFilterBank(20_000, dt_ms=4, window_ms=16, n_bands=23, low_hz=20, high_hz=7600)
    waveform = sound(1000, seed=1)
    options = {"rate": 20_000, "shift": 80, "window": 320, "length": 512, "bands": 23, "low": 20.0, "high": 7600.0}
    np.testing.assert_allclose(bank.frame_energies(waveform)[:, 3], slow_energies(waveform, 3, **options), rtol=1e-9)


def test_blocks_of_frames_make_no_difference():
    waveform = sound(80 * 2100, seed=2)
    bank = KaldiFilterBank()
    whole = bank.frame_energies(waveform)
    np.testing.assert_array_equal(whole[:, 2000:], bank.frame_energies(waveform[80 * 2000 :]))


def test_bins_after_the_last_whole_window_are_zero():
    spectrogram, n_frames = KaldiFilterBank().spectrogram(sound(80 * 100), 100)
    assert (spectrogram.shape, spectrogram.dtype, n_frames) == ((80, 100), np.float32, 96)
    assert (spectrogram[:, :96] > 0).all()
    assert not spectrogram[:, 96:].any()


@pytest.mark.parametrize("n_samples", [0, 1, 399])
def test_a_sound_shorter_than_the_window_has_no_frames(n_samples):
    spectrogram, n_frames = KaldiFilterBank().spectrogram(sound(n_samples), 4)
    assert (spectrogram.shape, n_frames) == ((80, 4), 0)
    assert not spectrogram.any()


@pytest.mark.parametrize(("dt_ms", "group"), [(20, 2), (50, 5)])
def test_wide_bins_hold_the_mean_logarithm_of_frames_10_ms_apart(dt_ms, group):
    waveform = sound(16_000, seed=3)
    waveform[:800] = 0  # frames without energy count as the floor
    frames = KaldiFilterBank(dt_ms=10).frame_energies(waveform)
    spectrogram, n_frames = KaldiFilterBank(dt_ms=dt_ms).spectrogram(waveform, 1000 // dt_ms)
    assert n_frames == frames.shape[1] // group
    logarithms = np.log(np.maximum(frames, SMALLEST_ENERGY))
    expected = [logarithms[:, i * group : (i + 1) * group].mean(axis=1) for i in range(n_frames)]
    np.testing.assert_allclose(np.log(spectrogram[:, :n_frames]), np.transpose(expected), atol=3e-6)
    assert not spectrogram[:, n_frames:].any()


def test_frames_after_the_last_bin_are_cut():
    bank = KaldiFilterBank(window_ms=1)
    spectrogram, n_frames = bank.spectrogram(sound(80 * 10 + 16), 10)
    assert (spectrogram.shape[1], n_frames) == (10, 10)
    assert bank.frame_energies(sound(80 * 10 + 16)).shape[1] == 11


def test_centres_are_equally_far_in_mel():
    bank = KaldiFilterBank()
    steps = np.diff([0.0, *map(mel, bank.centres_hz), mel(8000)])
    np.testing.assert_allclose(steps, mel(8000) / 81)
    assert bank.empty_bands == []


def test_a_pure_tone_is_loudest_where_its_band_is():
    bank = KaldiFilterBank()
    for hertz in (300, 1000, 4000):
        tone = 0.5 * np.sin(2 * np.pi * hertz * np.arange(3200) / 16_000)
        loudest = bank.frame_energies(tone).mean(axis=1).argmax()
        assert abs(bank.centres_hz[loudest] - hertz) < 40 + hertz * 0.03


def test_bands_narrower_than_the_transform_are_empty():
    bank = KaldiFilterBank(n_bands=400)
    energies = bank.frame_energies(sound(4000))
    assert bank.empty_bands
    assert not energies[bank.empty_bands].any()
    others = sorted(set(range(400)) - set(bank.empty_bands))
    assert (energies[others] > 0).all()


@hypothesis.given(
    factor=st.floats(0.01, 100), offset=st.floats(-0.5, 0.5), n_samples=st.integers(400, 1500), seed=st.integers(0, 9)
)
def test_energy_grows_with_the_square_and_knows_no_offset(factor, offset, n_samples, seed):
    waveform = sound(n_samples, seed).astype(np.float64)
    bank = KaldiFilterBank()
    energies = bank.frame_energies(waveform)
    moved = bank.frame_energies(factor * waveform + offset)
    np.testing.assert_allclose(moved, factor**2 * energies, rtol=1e-5, atol=1e-9 * energies.max() * factor**2)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"dt_ms": 12.5}, "dt_ms"), ({"dt_ms": 25}, "dt_ms"), ({"dt_ms": 0}, "dt_ms"),
        ({"dt_ms": math.inf}, "dt_ms"), ({"dt_ms": 3.33}, "dt_ms"), ({"dt_ms": 0.01}, "dt_ms"),
        ({"n_bands": 0}, "n_bands"), ({"high_hz": 8001}, "low_hz, high_hz"), ({"low_hz": 8000}, "low_hz, high_hz"),
        ({"low_hz": -1}, "low_hz, high_hz"), ({"window_ms": 0.1}, "window_ms"), ({"window_ms": math.inf}, "window_ms"),
        ({"sample_rate_hz": 0}, "sample_rate_hz"),
    ],
)  # fmt: skip
def test_values_that_make_no_filter_bank(options, field):
    with pytest.raises(ParameterError) as caught:
        KaldiFilterBank(**options)
    assert caught.value.field == field
    assert caught.value.expected
