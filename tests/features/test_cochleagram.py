import numpy as np
import pytest

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.features.cochleagram import (
    FLOOR_DB,
    band_frequencies,
    frame_slip_ms,
    log_cochleagram,
    log_frequency_filters,
)

RATE = 48_828.125
HIGHEST = 500 * 2 ** (33 / 6)


def tone(frequency_hz, seconds=0.5, rate=RATE):
    return np.sin(2 * np.pi * frequency_hz * np.arange(int(seconds * rate)) / rate).astype(np.float32)


def test_bands_are_a_sixth_of_an_octave_apart_from_500_hz():
    bands = band_frequencies(34, 500, HIGHEST)
    assert bands[0] == pytest.approx(500)
    assert bands[-1] == pytest.approx(22_627.4, abs=0.1)
    np.testing.assert_allclose(np.diff(np.log2(bands)), 1 / 6)


def test_filters_sum_to_one_and_peak_at_their_centres():
    filters = log_frequency_filters(RATE, 1952, 34, 500, HIGHEST)
    assert filters.shape == (34, 977)
    np.testing.assert_allclose(filters.sum(axis=1), 1)
    peaks = np.fft.rfftfreq(1952, 1 / RATE)[filters.argmax(axis=1)]
    assert np.all(np.abs(peaks - band_frequencies(34, 500, HIGHEST)) <= RATE / 1952)


def test_equals_the_formula_written_out():
    rng = np.random.default_rng(0)
    sound = rng.normal(size=244 * 8).astype(np.float32)
    got = log_cochleagram(sound, RATE, n_bins=7)
    window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(488) / 487)
    filters = log_frequency_filters(RATE, 1952, 34, 500, HIGHEST)
    for frame in range(7):
        segment = sound[244 * frame : 244 * frame + 488].astype(float) * window
        spectrum = [abs(np.sum(segment * np.exp(-2j * np.pi * k * np.arange(488) / 1952))) for k in range(0, 977, 1)]
        expected = 20 * np.log10(filters @ np.array(spectrum))
        np.testing.assert_allclose(got[:, frame], expected, atol=1e-3)


@pytest.mark.parametrize("frequency_hz", [700, 2000, 8000, 16_000])
def test_a_tone_is_loudest_in_its_band(frequency_hz):
    levels = log_cochleagram(tone(frequency_hz), RATE, n_bins=90).mean(axis=1)
    loudest = band_frequencies(34, 500, HIGHEST)[levels.argmax()]
    assert abs(np.log2(loudest / frequency_hz)) <= 1 / 12 + 0.01


def test_ten_times_the_pressure_is_20_db_more():
    quiet = log_cochleagram(tone(2000), RATE, n_bins=50)
    loud = log_cochleagram(10 * tone(2000), RATE, n_bins=50)
    audible = quiet > FLOOR_DB + 1
    np.testing.assert_allclose((loud - quiet)[audible], 20, atol=1e-3)


def test_silence_is_the_floor_and_a_short_sound_is_followed_by_it():
    levels = log_cochleagram(tone(2000, seconds=0.1), RATE, n_bins=100)
    assert levels.dtype == np.float32
    assert levels.shape == (34, 100)
    assert np.all(levels[:, 30:] == FLOOR_DB)
    assert levels[:, :18].max() > 0


def test_a_click_shows_where_frames_lie():
    # Exact frames of 10 ms centred on 5 ms bins: a click in the middle of bin 40 is loudest in frame 40.
    click = np.zeros(int(RATE), np.float32)
    click[round(40.5 * 5e-3 * RATE)] = 1
    exact = log_cochleagram(click, RATE, n_bins=100, frames="exact").max(axis=0)
    assert exact.argmax() == 40
    # Published frames begin at their bin and reach into the next: the click is loudest one frame earlier or in it.
    fixed = log_cochleagram(click, RATE, n_bins=100, frames="fixed_hop").max(axis=0)
    assert fixed.argmax() in (39, 40)
    assert np.flatnonzero(fixed > FLOOR_DB).tolist() == [39, 40]


def test_slip_of_the_published_frames():
    assert frame_slip_ms(RATE, 5, 999) == pytest.approx(998 * (244 / 48.828125 - 5))
    assert frame_slip_ms(RATE, 5, 999) == pytest.approx(-2.875, abs=0.01)
    assert frame_slip_ms(48_000, 5, 999) == 0


def test_other_bin_widths_keep_the_bands():
    for dt_ms in (1, 2, 10, 20):
        levels = log_cochleagram(tone(2000), RATE, n_bins=int(400 / dt_ms), dt_ms=dt_ms)
        assert band_frequencies(34, 500, HIGHEST)[levels.mean(axis=1).argmax()] == pytest.approx(2000, rel=0.06)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"low_hz": 0.0}, "low_hz"),
        ({"low_hz": 30_000.0}, "high_hz"),
        ({"high_hz": 30_000.0}, "high_hz"),
        ({"n_bands": 1}, "n_bands"),
        ({"n_bands": 400}, "n_bands"),
        ({"dt_ms": 0.1}, "dt_ms"),
        ({"frames": "loose"}, "frames"),
    ],
)
def test_values_that_cannot_be_used(changes, field):
    with pytest.raises(ParameterError) as caught:
        log_cochleagram(tone(1000), RATE, n_bins=10, **changes)
    assert field in str(caught.value)
