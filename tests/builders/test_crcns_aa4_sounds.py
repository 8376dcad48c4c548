"""CRCNS AA4: which file holds a sound, and what becomes of it."""

import io

import numpy as np
import pytest
import soundfile

from builders.crcns_aa4 import CrcnsAa4
from deepstrf_hf import build
from deepstrf_hf.errors import ParameterError, RawFormatError
from deepstrf_hf.parquet import read_provenance
from tests.builders.crcns_aa4_trees import fixed_hop_bins, mel_of, pairs, table_rows
from tests.raw_writers.crcns_aa4 import (
    ANIMALS,
    SAMPLE_RATE_HZ,
    WrittenPresentation,
    WrittenSound,
    WrittenUnit,
    draw_trials,
    make_sound,
    unit_attributes,
    write_crcns_aa4,
    write_sound,
    write_unit,
)

FIRST, SECOND = ANIMALS[:2]
CELL = "Site1_L100R100_e1_s0_ss1"


@pytest.fixture
def song():
    return make_sound(np.random.default_rng(1), "song", "song", 6_000)


def unit_hearing(raw, animal, sound, number=1, cell=CELL, post_time_s=1.0, **attributes):
    """Write a unit that hears one sound, without its wav file."""
    trials = draw_trials(np.random.default_rng(2), sound, 3)
    heard = WrittenPresentation("Call1", number, sound, trials, post_time_s, attributes)
    return write_unit(raw, WrittenUnit(animal, cell, [heard], unit_attributes(cell, "single")))


def build_all(tmp_path, **options):
    report = build("crcns_aa4", data_dir=tmp_path / "raw", out=tmp_path / "out", **options)
    ((name, entry),) = report.cohorts.items()
    return entry, tmp_path / "out", name


def stimuli_of(out, name="all"):
    return {row["stim_id"]: row for row in table_rows(out, f"{name}-stimuli")}


def unit_samples(sound):
    return sound.samples / 32768


# Spectrograms ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["cubic", "log1p", "none"])
def test_the_spectrogram_is_the_published_mel_spectrogram(tmp_path, song, compression):
    unit_hearing(tmp_path / "raw", FIRST, song)
    write_sound(tmp_path / "raw", FIRST, 1, song)
    _, out, name = build_all(tmp_path, parameters={"compression": compression})
    found = np.array(stimuli_of(out, name)[song.md5]["spectrogram"])
    starts = 24 * np.arange(1 + 6_000 // 24)  # hop int(24.414) samples, window round(10 / 1 * 24)
    power = mel_of(unit_samples(song), SAMPLE_RATE_HZ, starts, 240)
    expected = {"cubic": np.cbrt, "log1p": np.log1p, "none": lambda x: x}[compression](power)
    assert found.shape == (32, 251)
    np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())


def test_parameters_of_the_spectrogram(tmp_path, song):
    unit_hearing(tmp_path / "raw", FIRST, song)
    write_sound(tmp_path / "raw", FIRST, 1, song)
    _, out, name = build_all(tmp_path, parameters={"dt_ms": 5.0, "n_bands": 20, "window_ms": 25.0})
    assert name == "all-dt5-n_bands_20-window_ms_25"
    found = np.array(stimuli_of(out, name)[song.md5]["spectrogram"])
    starts = 122 * np.arange(1 + 6_000 // 122)  # hop int(122.07), window round(25 / 5 * 122)
    expected = np.cbrt(mel_of(unit_samples(song), SAMPLE_RATE_HZ, starts, 610, 20))
    np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())


def test_exact_frames_lie_on_their_bins_and_end_with_the_sound(tmp_path, song):
    unit_hearing(tmp_path / "raw", FIRST, song)
    write_sound(tmp_path / "raw", FIRST, 1, song)
    entry, out, name = build_all(tmp_path, parameters={"frames": "exact"})
    found = np.array(stimuli_of(out, name)[song.md5]["spectrogram"])
    n_bins = int(np.ceil(6_000 / 24.414))
    expected = np.cbrt(
        mel_of(unit_samples(song), SAMPLE_RATE_HZ, np.round(np.arange(n_bins) * 24.414).astype(int), 244)
    )
    assert found.shape == expected.shape == (32, 246)
    np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())
    assert not any("frame" in note for note in entry.notes)


def test_the_slip_of_the_published_frames_is_stated(tmp_path):
    sound = make_sound(np.random.default_rng(0), "long", "song", 3 * SAMPLE_RATE_HZ)
    unit_hearing(tmp_path / "raw", FIRST, sound)
    write_sound(tmp_path / "raw", FIRST, 1, sound)
    entry, out, _ = build_all(tmp_path)
    n_bins = 1 + 3 * SAMPLE_RATE_HZ // 24
    slip = (n_bins - 1) * (1 - 24 / 24.414)
    assert 51 < slip < 53
    assert any(f"(3.000 s) lies {slip:.1f} ms before its bin" in note for note in entry.notes)
    assert stimuli_of(out)[sound.md5]["n_bins"] == n_bins == 3052, "1.7 % more than 3000"


def test_bins_beyond_the_sound_hold_what_was_recorded(tmp_path, song):
    """T is longer than the sound; a spike between the end of the sound and the last bin is there."""
    end = song.duration_s
    assert fixed_hop_bins(song) / 1000 > end + 0.003
    heard = WrittenPresentation("Call1", 1, song, {1: np.array([end + 0.002]), 2: None}, post_time_s=0.001)
    write_unit(tmp_path / "raw", WrittenUnit(FIRST, CELL, [heard], unit_attributes(CELL, "single")))
    write_sound(tmp_path / "raw", FIRST, 1, song)
    entry, out, _ = build_all(tmp_path)
    (row,) = table_rows(out, "all")
    assert row["response"][0][int((end + 0.002) * 1000)] == 1
    assert row["recording_recorded_bins"] == int((end + 0.001) * 1000) < row["n_bins"]
    assert any(note.startswith(f"{FIRST}: 1 recordings have a trial that ends before the last") for note in entry.notes)


def test_the_trial_that_ends_first_decides_what_was_recorded(tmp_path, song):
    rng = np.random.default_rng(0)
    blocks = [
        WrittenPresentation(protocol, 1, song, draw_trials(rng, song, 2), post_time_s)
        for protocol, post_time_s in (("Call1", 1.0), ("Call2", -0.1), ("STRF1", 0.5))
    ]
    write_unit(tmp_path / "raw", WrittenUnit(FIRST, CELL, blocks, unit_attributes(CELL, "single")))
    write_sound(tmp_path / "raw", FIRST, 1, song)
    _, out, _ = build_all(tmp_path)
    (row,) = table_rows(out, "all")
    assert row["recording_recorded_bins"] == int((song.duration_s - 0.1) * 1000)


def test_enough_recorded_time_covers_all_bins(tmp_path, song):
    unit_hearing(tmp_path / "raw", FIRST, song, post_time_s=1.0)
    write_sound(tmp_path / "raw", FIRST, 1, song)
    entry, out, _ = build_all(tmp_path)
    (row,) = table_rows(out, "all")
    assert row["recording_recorded_bins"] == row["n_bins"]
    assert not any("ends before" in note for note in entry.notes)


def test_bands_of_the_usual_rate_are_in_the_files(tmp_path, song):
    unit_hearing(tmp_path / "raw", FIRST, song)
    write_sound(tmp_path / "raw", FIRST, 1, song)
    _, out, _ = build_all(tmp_path)
    bands = read_provenance(next((out / "all").glob("*.parquet")))["band_frequencies_hz"]
    top = 2595 * np.log10(1 + (SAMPLE_RATE_HZ // 2) / 700)
    np.testing.assert_allclose(bands, 700 * (10 ** (np.arange(1, 33) * top / 33 / 2595) - 1), atol=1e-3)


# Which file -----------------------------------------------------------------------------------------------------------


def test_a_sound_that_one_bird_lacks_comes_from_another(tmp_path):
    truth = write_crcns_aa4(tmp_path / "raw", seed=0, extra_units=0)
    _, out, _ = build_all(tmp_path)
    rows = pairs(out)
    for name, animal, others in (("song2", "BlaBro09xxF", "GreBlu9508M"), ("call2", "LblBlu2028M", "WhiBlu5396M")):
        assert not (tmp_path / "raw" / animal / "wavfiles" / f"stim{truth.numbers[animal, name]}.wav").exists()
        heard = {neuron.partition("-")[0] for stim_id, neuron in rows if stim_id == truth.sounds[name].md5}
        assert {animal, others} <= heard


def test_a_bird_without_sounds_of_its_own_is_built(tmp_path, song):
    unit_hearing(tmp_path / "raw", FIRST, song, number=5)
    unit_hearing(tmp_path / "raw", SECOND, song, number=77)
    write_sound(tmp_path / "raw", SECOND, 77, song)
    entry, out, _ = build_all(tmp_path)
    assert len(table_rows(out, "all")) == 2
    assert len(table_rows(out, "all-stimuli")) == 1
    assert entry.counts["stimuli_with_verified_md5"] == 1


def test_a_sound_nobody_has_leaves_its_units_out_by_name(tmp_path, song):
    other = make_sound(np.random.default_rng(5), "other", "call", 4_000)
    unit_hearing(tmp_path / "raw", FIRST, song)
    unit_hearing(tmp_path / "raw", FIRST, other, number=2, cell="Site1_L1R1_e2_s0")
    write_sound(tmp_path / "raw", FIRST, 2, other)
    entry, out, _ = build_all(tmp_path)
    left_out = {(kind, name): reason for kind, name, reason in entry.left_out}
    assert left_out["stimuli", song.md5] == "no bird's folder holds its wav file"
    assert left_out["units", f"{FIRST}/{CELL}.h5"] == "no trial of the stimuli that are built"
    assert [row["neuron_id"] for row in table_rows(out, "all-neurons")] == [f"{FIRST}-Site1_L1R1_e2_s0"]
    assert entry.counts[f"neurons_{FIRST}"] == 1


def test_a_file_that_is_not_the_sound_is_replaced_by_the_one_that_is(tmp_path, song):
    other = make_sound(np.random.default_rng(5), "other", "song", 4_000)
    unit_hearing(tmp_path / "raw", FIRST, song, number=5)
    unit_hearing(tmp_path / "raw", SECOND, song, number=77)
    write_sound(tmp_path / "raw", FIRST, 5, other)
    write_sound(tmp_path / "raw", SECOND, 77, song)
    entry, out, _ = build_all(tmp_path)
    row = stimuli_of(out)[song.md5]
    assert row["stim_wav_md5"] == song.md5
    assert row["n_bins"] == fixed_hop_bins(song)
    (note,) = [note for note in entry.notes if "replaced" in note]
    assert note.startswith(f"{FIRST}: ")
    assert f"{FIRST}/wavfiles/stim5.wav (for {song.md5})" in note
    assert entry.counts["stimuli_with_verified_md5"] == 1


def test_a_sound_whose_file_is_nowhere_verified_is_the_first_birds_in_all_parts(tmp_path, song):
    shipped = [make_sound(np.random.default_rng(seed), "other", "song", 4_000 + seed) for seed in (5, 6)]
    unit_hearing(tmp_path / "raw", FIRST, song, number=5)
    unit_hearing(tmp_path / "raw", SECOND, song, number=77)
    write_sound(tmp_path / "raw", FIRST, 5, shipped[0])
    write_sound(tmp_path / "raw", SECOND, 77, shipped[1])
    entry, out, _ = build_all(tmp_path, num_proc=2)
    row = stimuli_of(out)[song.md5]
    assert row["stim_name"] == song.md5
    assert row["stim_wav_md5"] == shipped[0].md5
    assert {row["n_bins"] for row in table_rows(out, "all")} == {fixed_hop_bins(shipped[0])}
    unverified = [note for note in entry.notes if "no wav file has the stim_md5" in note]
    assert [note.partition(":")[0] for note in unverified] == [FIRST, SECOND]
    assert all(song.md5 in note for note in unverified)
    assert entry.counts["stimuli_with_verified_md5"] == 0
    assert any("stim_duration differs" in note for note in entry.notes)


def test_birds_that_disagree_on_a_sound_get_the_first_ones_word(tmp_path, song):
    unit_hearing(tmp_path / "raw", FIRST, song, stim_class="zfsongs", stim_source=None)
    unit_hearing(tmp_path / "raw", SECOND, song, stim_class="wcalls", stim_source="wild", stim_duration=0.3)
    for animal in (FIRST, SECOND):
        write_sound(tmp_path / "raw", animal, 1, song)
    entry, out, _ = build_all(tmp_path)
    row = stimuli_of(out)[song.md5]
    assert (row["stim_class"], row["stim_source"]) == ("zfsongs", "wild"), "what the first does not say, another may"
    notes = [note for note in entry.notes if song.md5 in note]
    assert any(f"stim_class is zfsongs and, in {SECOND}, wcalls" in note for note in notes)
    assert any("stim_duration" in note for note in notes)


def test_a_hair_of_duration_is_no_disagreement(tmp_path, song):
    unit_hearing(tmp_path / "raw", FIRST, song, stim_duration=song.duration_s)
    unit_hearing(tmp_path / "raw", SECOND, song, stim_duration=song.duration_s + 0.0004)
    write_sound(tmp_path / "raw", SECOND, 1, song)
    entry, _, _ = build_all(tmp_path)
    assert not any("disagree on stimulus" in note or "stim_duration differs" in note for note in entry.notes)


# Formats --------------------------------------------------------------------------------------------------------------


def test_a_stereo_sound_keeps_its_channels_and_has_the_spectrogram_of_their_mean(tmp_path):
    sound = make_sound(np.random.default_rng(1), "stereo", "song", 5_000, channels=2)
    unit_hearing(tmp_path / "raw", FIRST, sound)
    write_sound(tmp_path / "raw", FIRST, 1, sound)
    entry, out, _ = build_all(tmp_path)
    row = stimuli_of(out)[sound.md5]
    samples, _ = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="int16")
    np.testing.assert_array_equal(samples, sound.samples)
    expected = np.cbrt(mel_of(unit_samples(sound).mean(axis=1), SAMPLE_RATE_HZ, 24 * np.arange(209), 240))
    np.testing.assert_allclose(row["spectrogram"], expected, atol=1e-5 * expected.max())
    assert any("2 channels" in note for note in entry.notes)


def test_a_sound_of_another_rate_has_its_own_hop_and_is_named(tmp_path):
    sound = make_sound(np.random.default_rng(1), "fast", "call", 8_820, rate=44_100)
    unit_hearing(tmp_path / "raw", FIRST, sound)
    write_sound(tmp_path / "raw", FIRST, 1, sound)
    entry, out, _ = build_all(tmp_path)
    row = stimuli_of(out)[sound.md5]
    expected = np.cbrt(mel_of(unit_samples(sound), 44_100, 44 * np.arange(201), 440))
    np.testing.assert_allclose(row["spectrogram"], expected, atol=1e-5 * expected.max())
    assert row["stim_sample_rate_hz"] == 44_100
    assert f"Stimulus {sound.md5} has 44100 Hz; its bands reach to 22050 Hz." in entry.notes


@pytest.mark.parametrize("subtype", ["PCM_24", "FLOAT"])
def test_a_sound_of_finer_samples_is_kept_as_it_is(tmp_path, song, subtype):
    path = write_sound(tmp_path / "raw", FIRST, 1, song)
    fine = (unit_samples(song) + 2.0**-20).astype(np.float32)
    soundfile.write(path, fine, SAMPLE_RATE_HZ, subtype=subtype, format="WAV")
    unit_hearing(tmp_path / "raw", FIRST, song)
    _, out, _ = build_all(tmp_path)
    samples, _ = soundfile.read(io.BytesIO(stimuli_of(out)[song.md5]["audio"]["bytes"]), dtype="float32")
    np.testing.assert_array_equal(samples, fine)


@pytest.mark.parametrize(
    "damage", [lambda wav: wav[: len(wav) // 2], lambda wav: b"not a sound", lambda wav: b"", lambda wav: wav[:44]]
)
def test_a_damaged_sound_stops_the_build_or_is_left_out_by_name(tmp_path, song, damage):
    call = make_sound(np.random.default_rng(5), "call", "call", 4_000)
    unit_hearing(tmp_path / "raw", FIRST, song)
    unit_hearing(tmp_path / "raw", FIRST, call, number=2, cell="Site1_L1R1_e2_s0")
    write_sound(tmp_path / "raw", FIRST, 2, call)
    broken = write_sound(tmp_path / "raw", FIRST, 1, song)
    broken.write_bytes(damage(broken.read_bytes()))
    with pytest.raises(RawFormatError) as caught:
        build_all(tmp_path)
    assert caught.value.path == str(broken)
    assert not (tmp_path / "out").exists()
    entry, out, _ = build_all(tmp_path, on_error="skip")
    assert [name for kind, name, _ in entry.left_out if kind == "stimuli"] == [song.md5]
    assert {stim_id for stim_id, _ in pairs(out)} == {call.md5}


def test_a_damaged_sound_is_no_loss_where_another_bird_has_it_whole(tmp_path, song):
    for animal in (FIRST, SECOND):
        unit_hearing(tmp_path / "raw", animal, song)
        path = write_sound(tmp_path / "raw", animal, 1, song)
        if animal == FIRST:
            path.write_bytes(path.read_bytes()[:1000])
    entry, out, _ = build_all(tmp_path)
    assert len(table_rows(out, "all")) == 2
    assert any("replaced" in note for note in entry.notes)


def test_a_sound_shorter_than_half_the_window_is_named_and_left_out(tmp_path, song):
    short = WrittenSound("click", "call", "click", np.arange(120, dtype=np.int16))
    unit_hearing(tmp_path / "raw", FIRST, short)
    unit_hearing(tmp_path / "raw", FIRST, song, number=2, cell="Site1_L1R1_e2_s0")
    path = write_sound(tmp_path / "raw", FIRST, 1, short)
    write_sound(tmp_path / "raw", FIRST, 2, song)
    with pytest.raises(RawFormatError, match="too short for the window") as caught:
        build_all(tmp_path)
    assert caught.value.path == str(path)
    assert (caught.value.found, caught.value.expected.split(",")[0]) == ("120 samples", "at least 121 samples")
    entry, out, _ = build_all(tmp_path, on_error="skip")
    assert [name for kind, name, _ in entry.left_out if kind == "stimuli"] == [short.md5]
    assert {stim_id for stim_id, _ in pairs(out)} == {song.md5}


def test_a_window_that_was_chosen_too_long_for_a_sound_is_a_parameter(tmp_path, song):
    unit_hearing(tmp_path / "raw", FIRST, song)
    path = write_sound(tmp_path / "raw", FIRST, 1, song)
    with pytest.raises(ParameterError, match="window of 600 ms") as caught:
        build_all(tmp_path, parameters={"window_ms": 600.0}, on_error="skip")
    assert caught.value.path == str(path)
    assert "window_ms" in caught.value.field


def test_a_sound_of_numbers_without_bound_is_named_and_left_out(tmp_path, song):
    call = make_sound(np.random.default_rng(5), "call", "call", 4_000)
    unit_hearing(tmp_path / "raw", FIRST, call, number=2)
    unit_hearing(tmp_path / "raw", FIRST, song, cell="Site1_L1R1_e2_s0")
    write_sound(tmp_path / "raw", FIRST, 2, call)
    path = write_sound(tmp_path / "raw", FIRST, 1, song)
    values = unit_samples(song).astype(np.float32)
    values[77] = np.inf
    soundfile.write(path, values, SAMPLE_RATE_HZ, subtype="FLOAT", format="WAV")
    with pytest.raises(RawFormatError, match="not finite") as caught:
        build_all(tmp_path)
    assert caught.value.path == str(path)
    entry, _, _ = build_all(tmp_path, on_error="skip")
    assert [name for kind, name, _ in entry.left_out if kind == "stimuli"] == [song.md5]


def test_bands_without_a_fourier_bin_are_said(tmp_path, song):
    unit_hearing(tmp_path / "raw", FIRST, song)
    write_sound(tmp_path / "raw", FIRST, 1, song)
    entry, out, name = build_all(tmp_path, parameters={"n_bands": 64})
    found = np.array(stimuli_of(out, name)[song.md5]["spectrogram"])
    empty = np.flatnonzero(~found.any(axis=1)).tolist()
    assert empty
    (note,) = [note for note in entry.notes if "narrower than the resolution" in note]
    assert note.startswith(f"Bands {', '.join(map(str, empty))} (from 0)")
    assert "24,414 Hz" in note


def test_wrong_parameters_are_refused(tmp_path, song):
    unit_hearing(tmp_path / "raw", FIRST, song)
    write_sound(tmp_path / "raw", FIRST, 1, song)
    for parameters, field in (
        ({"compression": "root"}, "compression"),
        ({"frames": "exactly"}, "frames"),
        ({"n_bands": 0}, "n_bands"),
        ({"window_ms": -1.0}, "window_ms"),
        ({"window_ms": float("inf")}, "window_ms"),
        ({"dt_ms": 0.03}, "dt_ms"),  # a sample lasts 0.041 ms: frames would not be the bins of the responses
        ({"dt_ms": 20.0, "window_ms": 15.0}, "window_ms"),  # of no effect: the window is a bin at least
    ):
        with pytest.raises(ParameterError) as caught:
            build_all(tmp_path, parameters=parameters)
        assert field in caught.value.field
    assert set(CrcnsAa4.BUILDER_CONFIG_CLASS.parameter_fields()) == {
        "dt_ms", "n_bands", "compression", "window_ms", "frames",
    }  # fmt: skip
