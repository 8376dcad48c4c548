import cmath
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.features import log_spectrogram
from deepstrf_hf.features.cochleagram import frame_slip_ms
from deepstrf_hf.features.log_spectrogram import (
    frame_centres,
    goertzel_log_spectrogram,
    log_spaced_bands,
    n_bands_below_nyquist,
)


def by_the_definition(waveform, rate, bands, dt_ms, window_ms, frames):
    """Sum term by term, frame by frame, band by band."""
    hop = max(round(dt_ms * rate / 1000), 1)
    length = max(round(window_ms * rate / 1000), 4)
    n_frames = math.ceil(len(waveform) / (hop if frames == "fixed_hop" else dt_ms * rate / 1000))
    level = np.full((len(bands), n_frames), 20 * math.log10(1e-12))
    for k, band in enumerate(bands):
        if frames == "exact" and band >= rate / 2:
            continue
        for i in range(n_frames):
            centre = i * hop if frames == "fixed_hop" else round((i + 0.5) * dt_ms * rate / 1000)
            total = 0
            for n in range(length):
                at = centre - length // 2 + n
                if 0 <= at < len(waveform):
                    window = 0.54 - 0.46 * math.cos(2 * math.pi * n / (length - 1))
                    total += waveform[at] * window * cmath.exp(-2j * math.pi * band * n / rate)
            level[k, i] = 20 * math.log10(abs(total) + 1e-12)
    return level


@pytest.mark.parametrize("frames", ["fixed_hop", "exact"])
@pytest.mark.parametrize(
    ("rate", "dt_ms", "window_ms"), [(4410.0, 5.0, None), (9765.6, 2.0, 7.3), (4410.0, 5.0, 1.0), (500.0, 5.0, 0.1)]
)
def test_levels_are_those_of_the_definition(frames, rate, dt_ms, window_ms):
    waveform = np.random.default_rng(1).standard_normal(int(0.043 * rate))
    bands = log_spaced_bands(50.0, 3000.0, 2)
    found = goertzel_log_spectrogram(waveform, rate, bands, dt_ms=dt_ms, window_ms=window_ms, frames=frames)
    expected = by_the_definition(waveform, rate, bands, dt_ms, window_ms or 2 * dt_ms, frames)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


def test_silence_is_the_floor():
    silent = goertzel_log_spectrogram(np.zeros(2000), 44_100.0, log_spaced_bands(100, 45_000, 6))
    assert silent.shape == (53, 10)
    np.testing.assert_array_equal(silent, np.float32(-240))


@pytest.mark.parametrize(
    ("low", "high", "density", "number"), [(100, 45_000, 6, 53), (100, 25_600, 6, 49), (100, 6400, 75, 451)]
)
def test_published_numbers_of_bands(low, high, density, number):
    assert len(log_spaced_bands(low, high, density)) == number


def test_published_frequencies():
    bands = log_spaced_bands(100.0, 45_000.0, 6)
    np.testing.assert_allclose(bands[[0, 1, 6, -1]], [100, 112.246, 200, 40_637.5], rtol=1e-5)


@given(st.floats(20, 1000), st.floats(0, 9), st.floats(0.5, 80))
def test_bands_end_below_their_limit_and_no_earlier(low, octaves, density):
    high = low * 2**octaves
    bands = log_spaced_bands(low, high, density)
    assert bands[0] == low
    assert bands[-1] <= high * (1 + 1e-9)
    assert bands[-1] * 2 ** (1 / density) > high


@pytest.mark.parametrize(("low", "high", "density"), [(0, 100, 6), (200, 100, 6), (100, 200, 0), (100, math.inf, 6)])
def test_bands_that_do_not_rise(low, high, density):
    with pytest.raises(ParameterError, match="fmin, fmax, bins_per_octave"):
        log_spaced_bands(low, high, density)


def test_bands_above_half_the_rate_hold_images_or_nothing():
    rate, bands = 44_100.0, log_spaced_bands(100.0, 45_000.0, 6)
    tone = np.sin(2 * np.pi * (rate - bands[-1]) * np.arange(20_000) / rate)  # 3462.5 Hz
    assert n_bands_below_nyquist(bands, rate) == 47
    published = goertzel_log_spectrogram(tone, rate, bands)
    image = goertzel_log_spectrogram(tone, rate, np.array([rate - bands[-1]]))
    assert published[-1, 20] == pytest.approx(41.5, abs=0.1)
    np.testing.assert_allclose(published[-1], image[0], atol=1e-3)
    exact = goertzel_log_spectrogram(tone, rate, bands, frames="exact")
    np.testing.assert_array_equal(exact[47:], np.float32(-240))
    assert exact[:47].max() > 30


@pytest.mark.parametrize(("rate", "slip_ms"), [(44_100.0, -34), (97_656.0, -8.6)])
def test_frames_of_a_fixed_hop_slip_and_exact_ones_do_not(rate, slip_ms):
    n_samples = int(15 * rate)
    bins_ms = 5.0 * np.arange(3000)
    slipping = frame_centres(n_samples, rate, 5.0, "fixed_hop")[:3000] / rate * 1000
    exact = frame_centres(n_samples, rate, 5.0, "exact") / rate * 1000
    assert (slipping - bins_ms)[-1] == pytest.approx(slip_ms, abs=0.1)
    assert (slipping - bins_ms)[-1] == pytest.approx(frame_slip_ms(rate, 5.0, 3000))
    assert np.abs(exact[:3000] - bins_ms - 2.5).max() <= 0.5 / rate * 1000 + 1e-9


@pytest.mark.parametrize("frames", ["fixed_hop", "exact"])
def test_a_click_is_loudest_in_the_frame_centred_on_it(frames):
    rate = 44_100.0
    for centre in frame_centres(4410, rate, 5.0, frames)[:-1]:
        click = np.zeros(4410)
        click[centre] = 1
        level = goertzel_log_spectrogram(click, rate, np.array([1000.0]), frames=frames)[0]
        assert frame_centres(4410, rate, 5.0, frames)[level.argmax()] == centre


@settings(max_examples=30)
@given(st.integers(1, 900), st.sampled_from(["fixed_hop", "exact"]), st.floats(0.01, 100))
def test_frames_cover_the_sound_and_gain_shifts_levels(n_samples, frames, gain):
    rate, bands = 9765.6, np.array([700.0, 1500.0])
    waveform = np.random.default_rng(n_samples).standard_normal(n_samples)
    level = goertzel_log_spectrogram(waveform, rate, bands, frames=frames)
    per_bin = 49 if frames == "fixed_hop" else 5 * rate / 1000
    assert level.shape == (2, math.ceil(n_samples / per_bin))
    louder = goertzel_log_spectrogram(gain * waveform, rate, bands, frames=frames)
    audible = level > -60
    np.testing.assert_allclose((louder - level)[audible], 20 * math.log10(gain), atol=1e-3)


def test_the_division_into_blocks_does_not_show(monkeypatch):
    waveform = np.random.default_rng(0).standard_normal(5000)
    bands = log_spaced_bands(100.0, 20_000.0, 3)
    whole = goertzel_log_spectrogram(waveform, 44_100.0, bands)
    monkeypatch.setattr(log_spectrogram, "BLOCK_BYTES", 8 * 441 * 7)
    np.testing.assert_allclose(goertzel_log_spectrogram(waveform, 44_100.0, bands), whole, rtol=1e-6)


def test_unknown_frames():
    with pytest.raises(ParameterError, match="fixed_hop"):
        goertzel_log_spectrogram(np.zeros(100), 44_100.0, np.array([100.0]), frames="loose")
