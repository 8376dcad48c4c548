"""Wingert 2026: waveforms, and when they begin."""

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

import deepstrf_hf
from builders.wingert2026.onset import DEFAULT_MS, Onset, correlations, envelope, session_onset
from builders.wingert2026.sounds import wav_files, wav_of
from deepstrf_hf import build
from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.raw_tree import RawTree
from tests.builders.wingert2026_trees import left_out, stimuli_of
from tests.raw_writers.wingert2026 import AUDIO_HZ, write_sound, write_wingert2026

SESSIONS = ("CLT027c", "PRN015a")


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    return write_wingert2026(tmp_path_factory.mktemp("told"), seed=2, sessions=SESSIONS, sounds="told")


@pytest.fixture(scope="module")
def built(told, tmp_path_factory):
    out = tmp_path_factory.mktemp("told_built") / "out"
    return build("wingert2026", ["a1"], data_dir=told.directory, out=out).cohorts["a1"], out


@pytest.fixture
def unrelated(tmp_path):
    return write_wingert2026(tmp_path / "raw", seed=2, sessions=SESSIONS)


def build_a1(truth, out, **options):
    return next(iter(build("wingert2026", ["a1"], data_dir=truth.directory, out=out, **options).cohorts.values()))


# Onsets in trees ------------------------------------------------------------------------------------------------------


def test_onsets_are_found_session_by_session_and_reported(built):
    report, out = built
    stimuli = stimuli_of(out, "a1")
    assert {key[0]: row["stim_audio_onset_ms"] for key, row in stimuli.items()} == {"CLT027c": 1000.0, "PRN015a": 0.0}
    assert report.counts["sessions_of_2200_bins_with_sound_at_1000_ms"] == 1
    assert report.counts["sessions_of_2000_bins_with_sound_at_0_ms"] == 1
    assert not any("unknown_time" in name for name in report.counts)


def test_another_onset_than_the_documents_state_is_found_too(tmp_path):
    truth = write_wingert2026(
        tmp_path / "raw", seed=4, sessions=("PRN015a",), sounds="told", onsets_s={2000: 0.35, 2200: 1.0}
    )
    report = build_a1(truth, tmp_path / "out")
    assert {row["stim_audio_onset_ms"] for row in stimuli_of(tmp_path / "out", "a1").values()} == {350.0}
    assert report.counts["sessions_of_2000_bins_with_sound_at_350_ms"] == 1


def test_where_nothing_tells_the_onset_it_is_that_of_deepstrf(unrelated, tmp_path):
    report = build_a1(unrelated, tmp_path / "out")
    assert {row["stim_audio_onset_ms"] for row in stimuli_of(tmp_path / "out", "a1").values()} == {1000.0}
    assert report.counts["sessions_of_2000_bins_with_sound_at_unknown_time"] == 1
    assert any("prestim_ms" in note for note in report.notes)


def test_a_given_onset_overrides_what_is_found(told, tmp_path):
    report = build_a1(told, tmp_path / "out", parameters={"prestim_ms": "250"})
    stimuli = stimuli_of(tmp_path / "out", "a1-prestim_ms_250")
    assert {row["stim_audio_onset_ms"] for row in stimuli.values()} == {250.0}
    assert report.counts["sessions_of_2200_bins_with_sound_at_1000_ms"] == 1, "what is found is still reported"


def test_waveforms_lie_on_the_bins_of_the_responses(told, built):
    dataset = deepstrf_hf.load(built[1], "a1", stimulus="waveform")
    assert (dataset.audio_fs, dataset.hop) == (44_100, 441)
    for position, meta in enumerate(dataset.stim_meta):
        samples = told.sounds[meta["name"].removeprefix("STIM_")] / np.float32(32768)
        n_bins = told.sessions[meta["session"]].tiles[meta["name"]].shape[1]
        first = {2000: 0, 2200: 44_100}[n_bins]
        expected = np.zeros(n_bins * 441, np.float32)
        expected[first : first + len(samples)] = samples[: len(expected) - first]
        np.testing.assert_allclose(dataset.stims[position][0], expected, atol=1e-7)


# Files ----------------------------------------------------------------------------------------------------------------


def test_sounds_are_stored_as_they_are(told, built):
    for (_, name), row in stimuli_of(built[1], "a1").items():
        assert row["stim_wav"] == name.removeprefix("STIM_")
        assert row["stim_sample_rate_hz"] == AUDIO_HZ
        samples, rate = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="int16")
        assert rate == AUDIO_HZ
        np.testing.assert_array_equal(samples, told.sounds[row["stim_wav"]])


def test_two_channels_and_another_rate(unrelated, tmp_path):
    rng = np.random.default_rng(0)
    stereo = rng.integers(-9000, 9000, (30_000, 2)).astype(np.int16)
    write_sound(unrelated.directory, "seq0001.wav", stereo)
    write_sound(unrelated.directory, "seq0032.wav", stereo[:, 0], rate_hz=48_000)
    build_a1(unrelated, tmp_path / "out")
    stimuli = stimuli_of(tmp_path / "out", "a1")
    samples, _ = soundfile.read(io.BytesIO(stimuli["CLT027c", "STIM_seq0001.wav"]["audio"]["bytes"]), dtype="int16")
    np.testing.assert_array_equal(samples, stereo)
    assert stimuli["CLT027c", "STIM_seq0032.wav"]["stim_sample_rate_hz"] == 48_000
    dataset = deepstrf_hf.load(tmp_path / "out", "a1", stimulus="waveform")
    position = [meta["stim_id"] for meta in dataset.stim_meta].index("CLT027c-STIM_seq0001.wav")
    mono = stereo.astype(np.float64).mean(axis=1) / 32768
    np.testing.assert_allclose(dataset.stims[position][0][44_100 : 44_100 + len(mono)], mono, atol=1e-6)


def test_capitals_of_a_file_name_do_not_matter(unrelated, tmp_path):
    path = unrelated.directory / "wav" / "seq0001.wav"
    path.rename(path.with_name("SEQ0001.WAV"))
    build_a1(unrelated, tmp_path / "out")
    assert stimuli_of(tmp_path / "out", "a1")["CLT027c", "STIM_seq0001.wav"]["stim_wav"] == "SEQ0001.WAV"


def test_files_that_differ_by_capitals_alone_stop_the_build(unrelated, tmp_path):
    write_sound(unrelated.directory, "SEQ0001.wav", np.zeros(100, np.int16))
    with pytest.raises(RawFormatError, match="capitals alone"):
        build_a1(unrelated, tmp_path / "out", on_error="skip")


def test_hidden_files_and_other_files_are_no_sounds(tmp_path):
    (tmp_path / "wav").mkdir()
    for name in ("._seq0001.wav", "readme.txt", "Seq0002.wav"):
        (tmp_path / "wav" / name).write_bytes(b"x")
    (tmp_path / "wav" / "folder.wav").mkdir()
    files = wav_files(RawTree(tmp_path, "wingert2026", []))
    assert files == {"seq0002.wav": "wav/Seq0002.wav"}
    assert wav_of("STIM_seq0002.WAV", files) == "wav/Seq0002.wav"
    assert wav_of("STIM_seq0003.wav", files) is None


def test_a_sound_without_file_is_named(unrelated, tmp_path):
    (unrelated.directory / "wav" / "seq0001.wav").unlink()
    report = build_a1(unrelated, tmp_path / "out")
    assert set(left_out(report, "waveforms")) == {"CLT027c STIM_seq0001.wav"}
    row = stimuli_of(tmp_path / "out", "a1")["CLT027c", "STIM_seq0001.wav"]
    assert row["audio"] is row["stim_wav"] is row["stim_audio_onset_ms"] is None


@pytest.mark.parametrize("content", [b"", b"RIFF", b"no sound file at all", "half"])
def test_a_damaged_sound(unrelated, tmp_path, content):
    path = unrelated.directory / "wav" / "seq0001.wav"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    with pytest.raises(RawFormatError) as caught:
        build_a1(unrelated, tmp_path / "out")
    assert caught.value.path == str(path)
    report = build_a1(unrelated, tmp_path / "out", on_error="skip")
    assert set(left_out(report, "waveforms")) == {"wav/seq0001.wav"}
    assert report.counts["stimuli"] == 7, "the spectrogram and the responses are there"
    assert stimuli_of(tmp_path / "out", "a1")["CLT027c", "STIM_seq0001.wav"]["audio"] is None


def test_without_sound_files_everything_else_is_there(told, built, tmp_path):
    truth = write_wingert2026(tmp_path / "raw", seed=2, sessions=SESSIONS, sounds="none")
    report = build_a1(truth, tmp_path / "out")
    assert report.counts["rows"] == built[0].counts["rows"]
    assert any("no sound files" in note for note in report.notes)
    assert not left_out(report, "waveforms")


# The comparison itself ------------------------------------------------------------------------------------------------


def sound_of(rng, n_bins):
    return np.repeat(rng.gamma(0.7, 0.3, n_bins // 10 + 1), 10)[:n_bins] + 0.01


def placed(sound, onset, n_bins):
    course = np.zeros(n_bins)
    course[onset : onset + len(sound)] = sound[: n_bins - onset]
    return np.outer([0.5, 1.0, 0.2], course).astype(np.float32)


@given(st.integers(0, 2**32), st.integers(0, 150), st.integers(60, 200), st.integers(180, 300))
def test_the_best_onset_is_the_one_that_was_used(seed, onset, length, n_bins):
    sound = sound_of(np.random.default_rng(seed), length)
    r = correlations(placed(sound, onset, n_bins), sound)
    assert r.shape == (n_bins,)
    assert (np.abs(r) <= 1 + 1e-9).all()
    heard = sound[: n_bins - onset]
    if np.std(np.pad(heard, (0, n_bins - len(heard)))) > 0:
        assert r[onset] == pytest.approx(1, abs=1e-5)
        assert r.max() == pytest.approx(1, abs=1e-5)


@given(st.integers(0, 2**32), st.integers(0, 90))
def test_correlations_are_those_of_pearson(seed, onset):
    rng = np.random.default_rng(seed)
    spectrogram, sound = rng.gamma(0.5, 1, (4, 100)).astype(np.float32), rng.gamma(0.5, 1, 70)
    template = np.zeros(100)
    heard = np.cbrt(sound[: 100 - onset])
    template[onset : onset + len(heard)] = heard
    loudness = np.cbrt(spectrogram.sum(axis=0))
    expected = np.corrcoef(loudness, template)[0, 1]
    assert correlations(spectrogram, sound)[onset] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("spectrogram", "sound"),
    [
        (np.zeros((3, 50), np.float32), np.ones(20)),
        (np.ones((3, 50), np.float32), np.ones(80)),
        (np.ones((3, 50), np.float32), np.zeros(20)),
        (np.ones((3, 50), np.float32), np.empty(0)),
    ],
)
def test_what_does_not_vary_tells_nothing(spectrogram, sound):
    assert not correlations(spectrogram, sound).any()


def test_the_envelope_is_the_root_of_the_mean_square():
    rng = np.random.default_rng(0)
    for rate in (44_100, 48_000, 44_144.5):
        samples = rng.uniform(-1, 1, 5_000).astype(np.float32)
        found = envelope(samples, rate)
        edges = [round(k * rate / 100) for k in range(len(found) + 1)]
        assert len(found) == int(5_000 / (rate / 100))
        expected = [np.sqrt(np.mean(samples[a:b].astype(float) ** 2)) for a, b in zip(edges, edges[1:], strict=False)]
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert envelope(np.ones(100, np.float32), 44_100).size == 0


def sounds_with_onsets(onsets, n_bins=600):
    for seed, onset in enumerate(onsets):
        rng = np.random.default_rng(seed)
        sound = sound_of(rng, 400)
        course = placed(sound, onset, n_bins) if onset is not None else rng.gamma(0.5, 1, (3, n_bins))
        yield course.astype(np.float32), sound


@pytest.mark.parametrize(
    ("onsets", "expected"),
    [
        ([100, 100, 100], Onset(1000.0, 3, 3, True)),
        ([0, 0, 0, 0], Onset(0.0, 4, 4, True)),
        ([102, 102, 101], Onset(1000.0, 3, 3, True)),  # filters delay
        ([1, 1, 2], Onset(0.0, 3, 3, True)),
        ([35, 35, 36], Onset(350.0, 3, 3, True)),
        ([100, 100, None], Onset(1000.0, 2, 3, True)),
        ([100, 50, 0], Onset(DEFAULT_MS, 1, 3, False)),
        ([100, 100, 50, 50], Onset(DEFAULT_MS, 2, 4, False)),
        ([0], Onset(DEFAULT_MS, 1, 1, False)),
        ([None, None], Onset(DEFAULT_MS, 0, 2, False)),
        ([], Onset(DEFAULT_MS, 0, 0, False)),
    ],
)
def test_sounds_of_a_session_must_agree(onsets, expected):
    assert session_onset(sounds_with_onsets(onsets)) == expected
