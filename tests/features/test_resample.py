"""The short resampler, against its formula in double precision."""

import math

import numpy as np
import pytest

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.features.resample import resample_windowed_sinc


def slow(x, rate, new_rate):
    common = math.gcd(rate, new_rate)
    o, n = rate // common, new_rate // common
    base = 0.99 * min(o, n)
    width = math.ceil(6 * o / base)
    out = []
    for place in range(math.ceil(n * len(x) / o)):
        m, j = divmod(place, n)
        total = 0.0
        for i in range(-width, width + o):
            u = min(6.0, max(-6.0, base * (i / o - j / n)))
            k = (1.0 if u == 0 else math.sin(math.pi * u) / (math.pi * u)) * math.cos(math.pi * u / 12) ** 2 * base / o
            if 0 <= m * o + i < len(x):
                total += k * float(x[m * o + i])
        out.append(total)
    return np.array(out)


@pytest.mark.parametrize(
    ("rate", "new_rate", "n"), [(41_000, 16_000, 500), (16_000, 20_000, 160), (48_000, 16_000, 301), (3, 2, 1)]
)
def test_samples_are_those_of_the_formula(rate, new_rate, n):
    waveform = np.random.default_rng(n).uniform(-1, 1, n).astype(np.float32)
    resampled = resample_windowed_sinc(waveform, rate, new_rate)
    assert resampled.dtype == np.float32
    np.testing.assert_allclose(resampled, slow(waveform, rate, new_rate), atol=1e-5)


def test_a_tone_keeps_its_pitch_and_loudness_over_many_blocks():
    seconds = np.arange(41_000 * 2) / 41_000
    tone = np.sin(2 * np.pi * 1000 * seconds).astype(np.float32)
    resampled = resample_windowed_sinc(tone, 41_000, 16_000)
    assert len(resampled) == 32_000
    expected = np.sin(2 * np.pi * 1000 * np.arange(32_000) / 16_000)
    np.testing.assert_allclose(resampled[100:-100], expected[100:-100], atol=3e-3)


def test_the_same_rate_changes_nothing():
    waveform = np.random.default_rng(0).standard_normal(10).astype(np.float32)
    np.testing.assert_array_equal(resample_windowed_sinc(waveform, 16_000, 16_000), waveform)
    assert resample_windowed_sinc(np.empty(0, np.float32), 41_000, 16_000).shape == (0,)


@pytest.mark.parametrize(("rate", "new_rate", "field"), [(0, 16_000, "rate_hz"), (16_000, 0.5, "new_rate_hz")])
def test_rates_must_be_whole(rate, new_rate, field):
    with pytest.raises(ParameterError) as caught:
        resample_windowed_sinc(np.zeros(3, np.float32), rate, new_rate)
    assert caught.value.field == field
