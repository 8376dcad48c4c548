"""Alice EEG: every parameter changes what it says, and nothing else."""

import numpy as np
import pytest

from builders.alice_eeg import AliceEeg
from deepstrf_hf import build
from deepstrf_hf.errors import ParameterError
from tests.builders.alice_eeg_trees import expected_responses, gaussian_spectrogram, heeris_spectrogram, rows_of
from tests.raw_writers.alice_eeg import write_alice_eeg

PART = {"neuron.subject": ["S01", "S05"], "neuron.channel_id": ["1", "45"], "stim.segment": [2, 3, 12]}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_alice_eeg(tmp_path_factory.mktemp("alice_raw"), seed=8)


def built(written, tmp_path, **parameters):
    """Build a part, and return its stimuli and rows."""
    out = tmp_path / "out"
    report = build("alice_eeg", data_dir=written.directory, out=out, parameters=parameters, where=PART)
    (config,) = report.cohorts
    return rows_of(out, config, "-stimuli"), rows_of(out, config), report.cohorts[config]


def check_responses(written, stimuli, rows, **options):
    n_bins = {segment: row["n_bins"] for segment, row in stimuli.items()}
    keys = set()
    for name in PART["neuron.subject"]:
        subject = written.subjects[name]
        kept = dict(subject.onsets_s)
        for (segment, channel), response in expected_responses(
            subject, {number: n_bins.get(number, 1) for number in kept}, **options
        ).items():
            if segment not in n_bins or channel not in PART["neuron.channel_id"]:
                continue
            keys.add((segment, name, channel))
            got = np.array(rows[segment, name, channel]["response"][0], float)
            np.testing.assert_array_equal(np.isnan(got), np.isnan(response))
            np.testing.assert_allclose(got, response, atol=1e-6 * np.nanmax(np.abs(response)))
    assert set(rows) == keys
    assert len(keys) == 9  # channel 45 of S01 is bad


@pytest.mark.parametrize(
    ("parameters", "options"),
    [
        ({}, {}),
        ({"dt_ms": 20.0}, {"dt_ms": 20.0}),
        ({"dt_ms": 5.0}, {"dt_ms": 5.0}),
        ({"dt_ms": 4.0}, {"dt_ms": 4.0}),
        ({"n_bands": 12, "f_min": 100.0, "f_max": 8000.0}, {"n_bands": 12, "f_min": 100.0, "f_max": 8000.0}),
        ({"window_ms": 25.0}, {"n_fft": 1102}),  # 1102.5, halves to even
        ({"window_ms": 25.02}, {"n_fft": 1103}),
        ({"window_ms": 2.0}, {"n_fft": 441}),  # no shorter than a bin
    ],
)
def test_gaussian_spectrograms(written, tmp_path, parameters, options):
    stimuli, rows, _ = built(written, tmp_path, **parameters)
    for segment, row in stimuli.items():
        expected = gaussian_spectrogram(written.sounds[segment], **options)
        got = np.array(row["spectrogram"])
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=1e-6)
    check_responses(written, stimuli, rows, dt_ms=parameters.get("dt_ms", 10.0))


@pytest.mark.parametrize(
    ("parameters", "options"),
    [
        ({}, {}),
        ({"dt_ms": 5.0, "window_ms": 10.0}, {"dt_ms": 5.0, "window_ms": 10.0}),
        ({"n_bands": 3, "f_min": 200.0, "f_max": 4000.0}, {"n_bands": 3, "f_min": 200.0, "f_max": 4000.0}),
    ],
)
def test_heeris_spectrograms_and_the_bins_of_the_responses(written, tmp_path, parameters, options):
    stimuli, rows, _ = built(written, tmp_path, spectrogram_backend="heeris", **parameters)
    for segment, row in stimuli.items():
        expected = heeris_spectrogram(written.sounds[segment], **options)
        got = np.array(row["spectrogram"])
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-12)
    check_responses(written, stimuli, rows, dt_ms=parameters.get("dt_ms", 10.0))
    if not parameters:
        samples = len(written.sounds[2])
        assert stimuli[2]["n_bins"] == 1 + (samples - 1103) // 441 == 1 + samples // 441 - 3


def test_frames_do_not_slip(written, tmp_path):
    """At 5 ms, a hop of 220 samples would give one bin more every 2.2 s."""
    stimuli, _, _ = built(written, tmp_path, dt_ms=5.0)
    for segment, row in stimuli.items():
        samples = len(written.sounds[segment])
        assert row["n_bins"] == sum(round(frame * 220.5 + 1e-6) <= samples for frame in range(samples // 220 + 2))
        assert row["n_bins"] - 1 <= samples / 220.5 + 0.5


@pytest.mark.parametrize(
    ("parameters", "options"),
    [
        ({"high_pass_hz": None}, {"high_pass": None}),
        ({"high_pass_hz": "none"}, {"high_pass": None}),
        ({"high_pass_hz": 0.5, "low_pass_hz": 20.0}, {"high_pass": 0.5, "low_pass": 20.0}),
        ({"high_pass_hz": None, "low_pass_hz": 8.0}, {"high_pass": None, "low_pass": 8.0}),
    ],
)
def test_filters(written, tmp_path, parameters, options):
    stimuli, rows, _ = built(written, tmp_path, **parameters)
    check_responses(written, stimuli, rows, **options)


def test_bins_wider_than_the_window_are_remarked_on(written, tmp_path):
    assert not any("leaves out sound" in note for note in built(written, tmp_path / "a")[2].notes)
    assert any("leaves out sound" in note for note in built(written, tmp_path / "b", dt_ms=25.0)[2].notes)


@pytest.mark.parametrize(
    ("parameters", "centres"),
    [
        ({}, [80, 340, 820, 1703, 3332, 6332, 11862, 22050]),
        ({"spectrogram_backend": "heeris", "n_bands": 2, "f_max": 5000.0}, [80, 1038.239]),
    ],
)
def test_the_files_tell_the_bands(parameters, centres):
    from dataclasses import replace

    config = replace(AliceEeg.default_config("all"), **parameters)
    config.check()
    found = AliceEeg.band_frequencies_hz(AliceEeg.CORPUS.cohorts[0], config)
    shift = 9.26449 * 24.7
    if parameters:
        assert found[1] == pytest.approx(((80 + shift) * (5000 + shift)) ** 0.5 - shift)  # halfway, on the ERB scale
        assert found[0] == pytest.approx(80)
    else:
        np.testing.assert_array_equal(np.round(found), centres)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"n_bands": 0}, "n_bands"),
        ({"f_min": 0.0}, "f_min, f_max"),
        ({"f_max": 80.0}, "f_min, f_max"),
        ({"f_max": 22_051.0}, "f_min, f_max"),
        ({"window_ms": 0.0}, "window_ms"),
        ({"window_ms": float("nan")}, "window_ms"),
        ({"dt_ms": 0.01}, "dt_ms"),
        ({"dt_ms": 0.0}, "dt_ms"),
        ({"high_pass_hz": 0.0}, "high_pass_hz, low_pass_hz"),
        ({"high_pass_hz": 20.0, "low_pass_hz": 10.0}, "high_pass_hz, low_pass_hz"),
        ({"spectrogram_backend": "mel"}, "spectrogram_backend"),
        ({"low_pass_hz": 250.0}, "high_pass_hz, low_pass_hz"),
        ({"window_ms": 60_000.0}, "window_ms"),
    ],
)
def test_values_that_cannot_be_used_are_refused(written, tmp_path, parameters, field):
    with pytest.raises(ParameterError) as caught:
        built(written, tmp_path, **parameters)
    assert caught.value.field == field
    assert not (tmp_path / "out").exists()
