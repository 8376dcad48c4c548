"""The mel spectrogram against its formula written out, in float64 and frame by frame."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.features import mel
from deepstrf_hf.features.mel import (
    empty_bands,
    frame_positions,
    frame_slip_ms,
    hop_samples,
    mel_band_frequencies,
    mel_filters,
    mel_spectrogram,
    shortest_sound,
)


def sound(n_samples, rate=32_000, seed=0):
    """Return syllables over faint noise, float32, within ±1."""
    seconds = np.arange(n_samples) / rate
    tone = 0.3 * np.sin(2 * np.pi * 700 * seconds) * (np.sin(2 * np.pi * 3 * seconds) > 0)
    return (tone + 1e-3 * np.random.default_rng(seed).standard_normal(n_samples)).astype(np.float32)


def mel_of(hz):
    return 2595 * math.log10(1 + hz / 700)


def written_out(samples, rate, centres, n_fft, n_bands):
    """Return the uncompressed spectrogram from its definition: mirrored ends, direct transform, single weights."""
    corners = [700 * (10 ** (mel_of(rate // 2) * i / (n_bands + 1) / 2595) - 1) for i in range(n_bands + 2)]
    length, bins_hz = len(samples), [k * (rate // 2) / (n_fft // 2) for k in range(n_fft // 2 + 1)]
    weights = np.zeros((n_bands, len(bins_hz)))
    for band in range(n_bands):
        low, middle, high = corners[band : band + 3]
        for k, hz in enumerate(bins_hz):
            if low < hz <= middle:
                weights[band, k] = (hz - low) / (middle - low)
            elif middle < hz < high:
                weights[band, k] = (high - hz) / (high - middle)
    samples_of = np.arange(n_fft)
    transform = np.exp(-2j * np.pi * np.outer(np.arange(n_fft // 2 + 1), samples_of) / n_fft)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * samples_of / n_fft)
    columns = []
    for centre in centres:
        place = np.abs(centre - n_fft // 2 + samples_of)  # before the beginning: mirrored about the first sample
        place = np.where(place >= length, 2 * (length - 1) - place, place)  # after the end: about the last
        frame = samples[place].astype(np.float64) * window
        columns.append(weights @ np.abs(transform @ frame) ** 2)
    return np.array(columns).T


COMPRESS = {"cubic": lambda x: x ** (1 / 3), "log1p": lambda x: np.log(1 + x), "none": lambda x: x}


@pytest.mark.parametrize("compression", ["cubic", "log1p", "none"])
@pytest.mark.parametrize(
    ("rate", "dt_ms", "window_ms", "n_bands", "n_fft", "hop"),
    [
        (32_000, 1.0, 10.0, 32, 320, 32),
        (32_000, 5.0, 10.0, 32, 320, 160),
        (32_000, 25.0, 10.0, 16, 800, 800),
        (24_414, 1.0, 10.0, 32, 240, 24),
        (32_000, 2.3, 10.0, 32, 317, 73),  # a hop of 73.6 samples, cut
        (44_100, 2.0, 7.0, 20, 308, 88),
        (32_000, 1.0, 7.03125, 32, 225, 32),
    ],
)
def test_equals_the_formula_written_out(rate, dt_ms, window_ms, n_bands, n_fft, hop, compression):
    samples = sound(5003, rate)
    got = mel_spectrogram(samples, rate, dt_ms=dt_ms, window_ms=window_ms, n_bands=n_bands, compression=compression)
    n_frames = 1 + (len(samples) + 2 * (n_fft // 2) - n_fft) // hop
    expected = COMPRESS[compression](written_out(samples, rate, hop * np.arange(n_frames), n_fft, n_bands))
    assert got.dtype == np.float32
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= 1e-6 * expected.max()


def test_exact_frames_equal_the_formula_written_out():
    rate, samples = 24_414, sound(9001, 24_414)
    got = mel_spectrogram(samples, rate, dt_ms=1.0, frames="exact", compression="none")
    n_bins = math.ceil(len(samples) / 24.414)
    centres = [round(k * 24.414) for k in range(n_bins)]
    expected = written_out(samples, rate, centres, 244, 32)
    assert got.shape == (32, n_bins)
    assert np.abs(got - expected).max() <= 1e-6 * expected.max()


def test_exact_frames_are_the_published_ones_where_a_hop_is_a_bin():
    samples = sound(16_000)
    published = mel_spectrogram(samples, 32_000, dt_ms=1.0)
    exact = mel_spectrogram(samples, 32_000, dt_ms=1.0, frames="exact")
    assert published.shape == (32, 501)
    assert exact.shape == (32, 500), "no frame past the end"
    np.testing.assert_array_equal(published[:, :500], exact)


@pytest.mark.parametrize("frames", ["fixed_hop", "exact"])
def test_a_click_is_found_where_the_slip_says(frames):
    rate, time_ms = 24_414, 2900
    samples = np.zeros(3 * rate, np.float32)
    samples[round(time_ms * rate / 1000)] = 1
    found = mel_spectrogram(samples, rate, dt_ms=1.0, window_ms=4.0, frames=frames, compression="none")[20].argmax()
    slip = frame_slip_ms(rate, 1.0, int(found) + 1) if frames == "fixed_hop" else 0.0
    assert abs(found + slip - time_ms) <= 1
    assert (frames == "exact") == (abs(found - time_ms) <= 1)


def test_the_slip_is_that_of_the_cut_hop():
    assert frame_slip_ms(32_000, 1.0, 3000) == 0
    assert frame_slip_ms(24_414, 1.0, 3000) == pytest.approx(2999 * (24 / 24.414 - 1))
    assert frame_slip_ms(24_414, 1.0, 3000) == pytest.approx(-51, abs=0.2)
    assert hop_samples(32_000, 0.001) == 1


def test_bands_are_even_on_the_mel_scale_up_to_half_the_rate():
    bands = mel_band_frequencies(32_000, 32)
    mels = [mel_of(hz) for hz in bands]
    assert len(bands) == 32
    np.testing.assert_allclose(mels, mel_of(16_000) * np.arange(1, 33) / 33)
    np.testing.assert_allclose(mel_band_frequencies(24_415, 4), mel_band_frequencies(24_414, 4))  # rounded down


def test_a_tone_peaks_in_its_band():
    bands = mel_band_frequencies(32_000, 32)
    for band in (6, 15, 28):
        tone = np.sin(2 * np.pi * bands[band] * np.arange(8000) / 32_000).astype(np.float32)
        assert mel_spectrogram(tone, 32_000, dt_ms=1.0)[:, 125].argmax() == band


def test_filters_peak_at_one_or_below_and_empty_ones_are_named():
    filters = mel_filters(32_000, 320, 32)
    assert filters.shape == (32, 161)
    assert filters.max() <= 1
    assert empty_bands(32_000, dt_ms=1.0) == []
    empty = empty_bands(32_000, dt_ms=1.0, n_bands=64)
    assert empty
    rows = mel_spectrogram(sound(8000), 32_000, dt_ms=1.0, n_bands=64)
    assert sorted(empty) == np.flatnonzero(~rows.any(axis=1)).tolist()
    assert empty_bands(32_000, dt_ms=1.0, n_bands=64, window_ms=40.0) == []


@pytest.mark.parametrize("n_bins", [1, 250, 501, 640])
def test_bins_are_cropped_or_padded_with_silence(n_bins):
    samples = sound(16_000)
    whole = mel_spectrogram(samples, 32_000, dt_ms=1.0)
    got = mel_spectrogram(samples, 32_000, dt_ms=1.0, n_bins=n_bins)
    assert got.shape == (32, n_bins)
    np.testing.assert_array_equal(got[:, :501], whole[:, :n_bins])
    assert not got[:, 501:].any()


def test_values_do_not_depend_on_the_blocks(monkeypatch):
    samples = sound(16_000)
    whole = mel_spectrogram(samples, 32_000, dt_ms=1.0)
    monkeypatch.setattr(mel, "BLOCK_VALUES", 320 * 7)
    np.testing.assert_allclose(mel_spectrogram(samples, 32_000, dt_ms=1.0), whole, rtol=1e-6)
    monkeypatch.setattr(mel, "BLOCK_VALUES", 1)
    np.testing.assert_allclose(mel_spectrogram(samples, 32_000, dt_ms=1.0), whole, rtol=1e-6)


def test_memory_is_bounded_by_the_sound_not_by_its_frames():
    samples = sound(40 * 32_000)  # all frames together: 102 MB, and as much again for the transform
    tracemalloc.start()
    mel_spectrogram(samples, 32_000, dt_ms=1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80e6


@given(
    n_samples=st.integers(200, 3000),
    dt_ms=st.sampled_from([0.5, 1.0, 2.3, 5.0]),
    frames=st.sampled_from(["fixed_hop", "exact"]),
    gain=st.sampled_from([0.25, 0.5, 2.0]),
)
def test_power_grows_with_the_square_of_the_sound(n_samples, dt_ms, frames, gain):
    samples = sound(n_samples)
    options = {"dt_ms": dt_ms, "window_ms": 5.0, "compression": "none", "frames": frames}
    power = mel_spectrogram(samples, 32_000, **options)
    louder = mel_spectrogram(samples * np.float32(gain), 32_000, **options)
    np.testing.assert_allclose(louder, power * gain**2, rtol=1e-5)
    assert (power >= 0).all()
    assert power.shape[1] == len(frame_positions(n_samples, 32_000, dt_ms=dt_ms, window_ms=5.0, frames=frames).centres)
    if frames == "exact":
        assert power.shape[1] == math.ceil(round(n_samples / 32 / dt_ms, 6))


@given(bins=st.integers(1, 20))
def test_a_delayed_sound_is_a_delayed_spectrogram(bins):
    samples = sound(3200)
    delayed = np.concatenate([np.zeros(32 * bins, np.float32), samples])
    plain, later = (mel_spectrogram(of, 32_000, dt_ms=1.0) for of in (samples, delayed))
    np.testing.assert_allclose(later[:, bins + 6 : bins + 90], plain[:, 6:90], rtol=1e-6)


def test_silence_is_zero():
    for compression in ("cubic", "log1p", "none"):
        assert not mel_spectrogram(np.zeros(800, np.float32), 32_000, dt_ms=1.0, compression=compression).any()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"compression": "db"}, "compression"),
        ({"frames": "sliding"}, "frames"),
        ({"n_bins": 0}, "n_bins"),
        ({"n_bands": 0}, "n_bands"),
        ({"dt_ms": 0.0}, "dt_ms"),
        ({"window_ms": -1.0}, "window_ms"),
        ({"window_ms": 60.0}, "window_ms"),
        ({"waveform": np.zeros(800, np.int16)}, "waveform"),
        ({"waveform": np.zeros((2, 800), np.float32)}, "waveform"),
        ({"waveform": np.full(800, np.nan, np.float32)}, "waveform"),
        ({"waveform": np.zeros(160, np.float32)}, "window_ms"),
    ],
)
def test_what_cannot_be_computed_is_refused(change, field):
    arguments = {"waveform": np.zeros(800, np.float32), "sample_rate_hz": 32_000, "dt_ms": 1.0} | change
    with pytest.raises(ParameterError) as caught:
        mel_spectrogram(arguments.pop("waveform"), arguments.pop("sample_rate_hz"), **arguments)
    assert field in caught.value.field


def test_the_shortest_sound_is_one_sample_longer_than_half_the_window():
    assert mel_spectrogram(sound(161), 32_000, dt_ms=1.0).shape == (32, 6)


@given(
    rate=st.sampled_from([24_414, 32_000, 44_100]),
    dt_ms=st.floats(0.1, 30),
    window_ms=st.floats(0.5, 30),
    frames=st.sampled_from(["fixed_hop", "exact"]),
)
def test_the_shortest_sound_is_taken_and_a_sample_less_is_not(rate, dt_ms, window_ms, frames):
    options = {"dt_ms": dt_ms, "window_ms": window_ms, "frames": frames}
    shortest = shortest_sound(rate, **options)
    assert mel_spectrogram(np.zeros(shortest, np.float32), rate, **options).shape[1] >= 1
    with pytest.raises(ParameterError, match="too short"):
        mel_spectrogram(np.zeros(shortest - 1, np.float32), rate, **options)


def test_an_odd_window_has_one_frame_less_where_the_sound_is_whole_hops():
    assert mel_spectrogram(sound(32 * 150), 32_000, dt_ms=1.0).shape[1] == 151
    # 225 samples of window, padded by 112 on each side: 1 + (4800 + 224 - 225) // 32 frames fit.
    assert mel_spectrogram(sound(32 * 150), 32_000, dt_ms=1.0, window_ms=7.03125).shape[1] == 150
