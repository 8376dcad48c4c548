"""Espejo 2019: waveforms of natural sounds, and when they begin."""

import io

import numpy as np
import pytest
import soundfile

import deepstrf_hf
from deepstrf_hf import build
from deepstrf_hf.errors import RawFormatError
from tests.builders.espejo_trees import pairs, table_rows
from tests.raw_writers.espejo import (
    AUDIO_FS,
    NAT_SOUNDS,
    SILENCE_BEFORE_S,
    SOUNDS,
    Drawing,
    WrittenRecording,
    WrittenTrial,
    write_espejo,
    write_sound,
)

TONE = "tone.wav"


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    return write_espejo(tmp_path_factory.mktemp("espejo_raw"), seed=6)


@pytest.fixture(scope="module")
def built(truth, tmp_path_factory):
    out = tmp_path_factory.mktemp("espejo_built") / "espejo"
    return build("espejo", ["nat"], data_dir=truth.directory, out=out, waveform=True).cohorts["nat"], out


def decoded(row):
    samples, rate = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="int16")
    assert rate == row["stim_sample_rate_hz"]
    return samples


def test_waveforms_are_what_was_played_from_the_onset_that_the_epochs_tell(truth, built):
    rows = table_rows(built[1], "nat-stimuli")
    assert len(rows) == 11
    for row in rows:
        samples, _ = truth.sounds[row["stim_name"].removeprefix("STIM_")]
        silence = SILENCE_BEFORE_S[row["n_bins"]]
        played = round((row["n_bins"] / 100 - silence - 0.5) * AUDIO_FS)
        np.testing.assert_array_equal(decoded(row), samples[:played])
        assert row["stim_audio_onset_ms"] == 1000 * silence
        assert row["stim_wav_file"] == f"{SOUNDS}/{row['stim_name'].removeprefix('STIM_')}"
    longest = {row["n_bins"]: len(decoded(row)) for row in rows if row["stim_name"] == f"STIM_{NAT_SOUNDS[1]}"}
    assert longest == {500: 4 * AUDIO_FS, 550: 3 * AUDIO_FS}


def test_the_grid_places_waveforms_on_the_bins(truth, built):
    grid = deepstrf_hf.load(built[1], "nat", stimulus="waveform")
    assert (grid.audio_fs, grid.hop) == (44_100, 441)
    for meta, waveform in zip(grid.stim_meta, grid.stims, strict=True):
        samples, _ = truth.sounds[meta["name"].removeprefix("STIM_")]
        bins = round(100 * meta["duration_s"])
        begin = round(SILENCE_BEFORE_S[bins] * AUDIO_FS)
        end = min(begin + len(samples), bins * 441 - AUDIO_FS // 2)
        expected = np.zeros(bins * 441, np.float32)
        expected[begin:end] = samples[: end - begin] / np.float32(32768)
        np.testing.assert_allclose(waveform.numpy().ravel(), expected, atol=1e-6)


def test_sounds_shorter_than_their_window_are_noted(truth, built):
    notes = [note for note in built[0].notes if note.startswith(f"{SOUNDS}/{NAT_SOUNDS[2]} lasts 0.600 s")]
    assert len(notes) == 1
    assert not any(NAT_SOUNDS[0] in note for note in built[0].notes)


def test_waveforms_change_neither_ids_nor_responses(truth, built, tmp_path):
    write_espejo(tmp_path / "raw", seed=6, wavs=False)
    build("espejo", ["nat"], data_dir=tmp_path / "raw", out=tmp_path / "out")
    without, rows = pairs(tmp_path / "out", "nat"), pairs(built[1], "nat")
    assert {pair: row["response"] for pair, row in without.items()} == {p: row["response"] for p, row in rows.items()}
    assert {row["stim_wav_file"] for row in without.values()} == {None}


# Sounds that are missing, odd or damaged ------------------------------------------------------------------------------


def one_sound(tmp_path, *, before_s=0.5, after_s=0.5, bins=400, sound=TONE):
    draw = Drawing(0)
    trials = (WrittenTrial(sound, 1.0, bins, before_s, after_s),)
    spikes = {"AMT001a-01-1": draw.spikes(trials, 8.0)}
    tiles = {sound: draw.tile("nat", sound, bins)}
    WrittenRecording("nat", "AMT001a", ("AMT001a-01-1",), trials, tiles, spikes).write(tmp_path / "raw")
    return np.round(draw.rng.uniform(-0.5, 0.5, 4 * AUDIO_FS) * 32767).astype(np.int16)


def built_stimulus(tmp_path, **options):
    report = build("espejo", ["nat"], data_dir=tmp_path / "raw", out=tmp_path / "out", **options).cohorts["nat"]
    (row,) = table_rows(tmp_path / "out", "nat-stimuli")
    return report, row


def test_a_sound_that_is_missing_leaves_a_stimulus_without_waveform(tmp_path):
    samples = one_sound(tmp_path)
    write_sound(tmp_path / "raw", "other.wav", samples)
    report, row = built_stimulus(tmp_path)
    assert row["audio"] is None
    assert row["stim_wav_file"] is None
    assert row["stim_audio_onset_ms"] is None
    assert report.left_out == [("waveforms", f"STIM_{TONE}", "no such file in nat_waveforms")]


def test_an_onset_that_is_not_known_leaves_out_the_waveform_by_name(tmp_path):
    write_sound(tmp_path / "raw", TONE, one_sound(tmp_path, before_s=None))
    report, row = built_stimulus(tmp_path)
    assert row["audio"] is None
    assert row["stim_pre_silence_s"] is None
    assert report.left_out == [("waveforms", row["stim_id"], "its epochs do not tell when the sound began")]


def test_without_silence_after_it_a_sound_lasts_to_the_end(tmp_path):
    samples = one_sound(tmp_path, after_s=None)
    write_sound(tmp_path / "raw", TONE, samples)
    _, row = built_stimulus(tmp_path)
    np.testing.assert_array_equal(decoded(row), samples[: round(3.5 * AUDIO_FS)])
    assert row["stim_post_silence_s"] is None


def test_a_window_of_silence_alone_has_no_waveform(tmp_path):
    write_sound(tmp_path / "raw", TONE, one_sound(tmp_path, before_s=3.5))
    report, row = built_stimulus(tmp_path)
    assert row["audio"] is None
    assert report.left_out == [("waveforms", row["stim_id"], "its epochs leave no time for the sound")]


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 1), (44_100, 2)])
def test_odd_sounds_are_stored_as_they_are_and_noted(tmp_path, rate, channels):
    samples = one_sound(tmp_path)
    samples = samples if channels == 1 else np.stack([samples, samples[::-1]], axis=1)
    write_sound(tmp_path / "raw", TONE, samples, rate)
    report, row = built_stimulus(tmp_path)
    np.testing.assert_array_equal(decoded(row), samples[: 3 * rate])
    assert row["stim_sample_rate_hz"] == rate
    said = "one channel" if channels == 1 else "several channels"
    assert report.notes == [f"nat_waveforms/{TONE} has {rate} Hz and {said}; stored as it is."]


@pytest.mark.parametrize("keep", [0, 20, 5000])
def test_a_damaged_sound_stops_the_build_or_is_left_out(tmp_path, keep):
    path = write_sound(tmp_path / "raw", TONE, one_sound(tmp_path))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RawFormatError) as caught:
        build("espejo", ["nat"], data_dir=tmp_path / "raw", out=tmp_path / "out")
    assert caught.value.path == str(path)
    report, row = built_stimulus(tmp_path, on_error="skip")
    assert row["audio"] is None
    assert [(kind, name) for kind, name, _ in report.left_out] == [("waveforms", f"nat_waveforms/{TONE}")]
    assert len(pairs(tmp_path / "out", "nat")) == 1


def test_a_name_that_leads_out_of_the_folder_reads_nothing(tmp_path):
    sound, draw = "../outside.wav", Drawing(0)
    trials = (WrittenTrial(sound, 1.0, 400),)
    stim = draw.rng.random((600, 18))  # text, since names of tiles cannot hold a slash
    spikes = {"AMT001a-01-1": draw.spikes(trials, 8.0)}
    WrittenRecording("nat", "AMT001a", ("AMT001a-01-1",), trials, {}, spikes, stim=stim).write(tmp_path / "raw")
    write_sound(tmp_path / "raw", "inside.wav", np.zeros(100, np.int16))
    write_sound(tmp_path / "raw", sound, np.zeros(100, np.int16))
    report, row = built_stimulus(tmp_path)
    assert row["audio"] is None
    assert report.left_out == [("waveforms", f"STIM_{sound}", "no such file in nat_waveforms")]
