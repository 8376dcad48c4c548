import cmath
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.features import gammatone
from deepstrf_hf.features.gammatone import (
    erb_centre_frequencies,
    frame_starts,
    gammatone_rms,
    gammatone_sections,
    window_samples,
)

RATE = 16_000


def slaney_filter(sound, frequency, rate):
    """Filter a sound by the published recurrences, written out: four sections in a row, then one overall gain."""
    period = 1 / rate
    decay_rate = 1.019 * 2 * math.pi * (frequency / 9.26449 + 24.7)
    decay, angle = math.exp(-decay_rate * period), 2 * math.pi * frequency * period
    z, g = cmath.exp(2j * angle), cmath.exp(1j * angle - decay_rate * period)
    gain = (period / decay / (-decay + 1 + z * (1 - 1 / decay))) ** 4
    roots = [s * math.sqrt(3 + t * 2**1.5) for t in (1, -1) for s in (1, -1)]
    for root in roots:
        mix = math.cos(angle) + root * math.sin(angle)
        gain *= z - g * mix
        out = [0.0] * len(sound)
        for n, sample in enumerate(sound):
            out[n] = period * sample
            if n >= 1:
                out[n] += -period * decay * mix * sound[n - 1] + 2 * decay * math.cos(angle) * out[n - 1]
            if n >= 2:
                out[n] -= decay * decay * out[n - 2]
        sound = out
    return np.array(sound) / abs(gain)


def rms(sound, rate=RATE, *, bands=(500.0, 2000.0), window=40, starts=None):
    starts = frame_starts(len(sound), rate, dt_ms=5, window=window) if starts is None else np.asarray(starts)
    return gammatone_rms(sound, rate, centre_frequencies_hz=np.array(bands), window=window, starts=starts)


@pytest.mark.parametrize("rate", [16_000, 40_000, 44_100, 48_000])
def test_equals_the_published_recurrences_written_out(rate):
    sound = np.random.default_rng(0).normal(size=rate // 20) * 0.1
    bands = erb_centre_frequencies(300, 7000, 3)
    starts = [0, 7, 100, 101, 500]
    got = rms(sound, rate, bands=bands, window=55, starts=starts)
    for band, frequency in enumerate(bands):
        filtered = slaney_filter(sound.tolist(), frequency, rate)
        expected = [math.sqrt(sum(v * v for v in filtered[s : s + 55]) / 55) for s in starts]
        np.testing.assert_allclose(got[band], expected, rtol=1e-6)


def test_centre_frequencies_are_evenly_spaced_in_bandwidths():
    bands = erb_centre_frequencies(1000, 8000, 50)
    assert bands[0] == pytest.approx(1000, rel=1e-12)
    scale = np.log(bands + 9.26449 * 24.7)
    np.testing.assert_allclose(np.diff(scale), np.diff(scale)[0])
    # The upper end of the range is one more step up, and no centre itself.
    assert math.exp(scale[-1] + np.diff(scale)[0]) - 9.26449 * 24.7 == pytest.approx(8000)


def test_known_centre_frequencies():
    # f = -c + (8000 + c) exp(k ln((20 + c) / (8000 + c)) / 2), c = 228.833
    middle = -228.832903 + math.sqrt((8000 + 228.832903) * (20 + 228.832903))
    np.testing.assert_allclose(erb_centre_frequencies(20, 8000, 2), [20, middle])


@pytest.mark.parametrize("frequency", [100.0, 1000.0, 7000.0])
def test_a_tone_at_the_centre_keeps_its_amplitude(frequency):
    sound = 0.3 * np.sin(2 * np.pi * frequency * np.arange(RATE) / RATE)
    late = rms(sound, bands=(frequency,), window=1600, starts=[RATE - 1600])
    assert late[0, 0] == pytest.approx(0.3 / math.sqrt(2), rel=1e-3)


def test_a_tone_is_loudest_in_its_own_band():
    bands = erb_centre_frequencies(200, 7000, 20)
    for index in (0, 7, 19):
        sound = np.sin(2 * np.pi * bands[index] * np.arange(4000) / RATE)
        assert rms(sound, bands=bands)[:, -1].argmax() == index


def test_every_section_has_unit_gain_at_the_centre():
    sections = gammatone_sections(1234.5, RATE)
    z = cmath.exp(2j * math.pi * 1234.5 / RATE)
    for b0, b1, b2, a0, a1, a2 in sections:
        assert abs((b0 + b1 / z + b2 / z**2) / (a0 + a1 / z + a2 / z**2)) == pytest.approx(1)


def test_silence_before_a_sound_is_exactly_zero_and_silence_after_it_fades():
    sound = np.zeros(8000)
    sound[2000:2400] = 1.0
    got = rms(sound, bands=(1000.0,), window=40)
    begins = 2000 // 80
    assert (got[:, :begins] == 0).all()
    assert got[0, begins] > 1e-4
    assert 0 < got[0, 3200 // 80] < 1e-13  # no rounding noise of what was loud before, 50 ms after it


def test_result_does_not_depend_on_how_many_windows_are_held_at_once(monkeypatch):
    sound = np.random.default_rng(1).normal(size=3000)
    whole = rms(sound, window=64)
    monkeypatch.setattr(gammatone, "SAMPLES_AT_ONCE", 100)
    np.testing.assert_array_equal(rms(sound, window=64), whole)


@given(st.floats(0.001, 1000), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_amplitude_is_proportional_to_that_of_the_sound(scale, seed):
    sound = np.random.default_rng(seed).normal(size=800)
    np.testing.assert_allclose(rms(sound * scale), rms(sound) * scale, rtol=1e-5)


@pytest.mark.parametrize(
    ("rate", "window_ms", "expected"),
    [(40_000, 2.5, 100), (48_000, 2.5, 120), (44_100, 2.5, 110), (44_100, 25, 1103), (1000, 0.1, 1)],
)
def test_windows_are_rounded_half_up(rate, window_ms, expected):
    assert window_samples(window_ms, rate) == expected


@pytest.mark.parametrize(
    ("rate", "dt_ms", "hop"),
    [(40_000, 5, 200), (48_000, 5, 240), (44_100, 5, 221), (44_100, 1, 44), (44_100, 10, 441)],
)
def test_whole_hops_are_rounded_half_up(rate, dt_ms, hop):
    starts = frame_starts(rate, rate, dt_ms=dt_ms, window=100, placement="whole_hop")
    assert set(np.diff(starts)) == {hop}
    assert len(starts) == 1 + (rate - 100) // hop


def test_exact_windows_follow_the_bins_where_the_hop_is_not_whole():
    starts = frame_starts(441_000, 44_100, dt_ms=5, window=110)
    assert starts[:5].tolist() == [0, 221, 441, 662, 882]
    assert starts[-1] + 110 <= 441_000 < starts[-1] + 221 + 110
    assert starts[1800] == 9 * 44_100  # 9 s: the whole hop of 221 samples is 900 samples late here


@given(
    st.integers(0, 200_000),
    st.sampled_from([8000, 40_000, 44_100, 48_000, 97_656.25]),
    st.sampled_from([1, 2.5, 5, 10, 7]),
    st.integers(1, 3000),
)
@settings(max_examples=100, deadline=None)
def test_exact_windows_slip_by_half_a_sample_at_most_and_none_is_missing(n_samples, rate, dt_ms, window):
    starts = frame_starts(n_samples, rate, dt_ms=dt_ms, window=window)
    slip = starts - np.arange(len(starts)) * dt_ms * rate / 1000
    assert (np.abs(slip) <= 0.5 + 1e-6).all()
    assert (starts + window <= n_samples).all()
    following = math.floor(len(starts) * dt_ms * rate / 1000 + 0.5 + 1e-7)
    assert following + window > n_samples


@pytest.mark.parametrize("placement", ["exact", "whole_hop"])
def test_a_sound_shorter_than_a_window_has_no_windows(placement):
    starts = frame_starts(99, RATE, dt_ms=5, window=100, placement=placement)
    assert starts.shape == (0,)
    assert rms(np.zeros(99), window=100, starts=starts).shape == (2, 0)


@pytest.mark.parametrize("placement", ["exact", "whole_hop"])
def test_a_sound_of_one_window_has_one(placement):
    assert frame_starts(100, RATE, dt_ms=5, window=100, placement=placement).tolist() == [0]


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: erb_centre_frequencies(0, 8000, 5), "range of frequencies"),
        (lambda: erb_centre_frequencies(9000, 8000, 5), "from 9000 to 8000 Hz"),
        (lambda: erb_centre_frequencies(20, 8000, 0), "0 bands"),
        (lambda: gammatone_sections(8000, RATE), "beyond half the sampling rate.*below 8000 Hz"),
        (lambda: frame_starts(100, RATE, dt_ms=0.01, window=5), "0.16 samples apart"),
        (lambda: frame_starts(100, RATE, dt_ms=5, window=5, placement="centred"), "'centred'"),
        (lambda: rms(np.zeros((10, 2)), starts=[0]), r"one channel.*\(10, 2\)"),
        (lambda: rms(np.full(100, np.nan), starts=[0]), "not finite"),
        (lambda: rms(np.zeros(100), starts=[0, 61]), "outside of the sound.*0 to 61.*100 samples"),
        (lambda: rms(np.zeros(100), starts=[-1]), "outside of the sound"),
        (lambda: rms(np.zeros(100), window=0, starts=[0]), "outside of the sound"),
    ],
)
def test_errors_say_what_is_wrong(call, match):
    with pytest.raises(ParameterError, match=match):
        call()
