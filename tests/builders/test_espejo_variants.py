"""Espejo 2019: presentations of one name that differ, and recordings that hold the same."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.espejo.catalogue import Catalogue, Heading
from builders.espejo.config import NAT
from builders.espejo.responses import EpochBins, RasterCounts, RecordingBins
from deepstrf_hf import build
from deepstrf_hf.errors import MissingRawFileError
from deepstrf_hf.formats.nems_events import EventTimes
from tests.builders.espejo_trees import counts_from_start, nems_counts, pairs, table_rows
from tests.raw_writers.espejo import Drawing, WrittenRecording, WrittenTrial

CELL, TONE, NOISE = "AMT001a-01-1", "tone.wav", "noise.wav"


@pytest.fixture
def draw():
    return Drawing(5)


def nat_recording(draw, trials, tiles, *, cells=(CELL,), site="AMT001a", session=0):
    spikes = {cell: draw.spikes(trials, 8.0 + index) for index, cell in enumerate(cells)}
    return WrittenRecording("nat", site, tuple(cells), tuple(trials), tiles, spikes, meta={"session": session})


def built(recordings, tmp_path, name="out", **options):
    raw = tmp_path / f"{name}_raw"
    for recording in recordings:
        recording.write(raw)
    release = recordings[0].release
    report = build("espejo", [release], data_dir=raw, out=tmp_path / name, **options).cohorts[release]
    return report, pairs(tmp_path / name, release)


def by_bins(rows):
    return {row["n_bins"]: row for row in rows.values()}


# One recording --------------------------------------------------------------------------------------------------------


def test_presentations_of_two_lengths_are_two_stimuli_and_no_bin_is_invented(draw, tmp_path):
    trials = [WrittenTrial(TONE, 1.0, 400), WrittenTrial(TONE, 6.0, 300), WrittenTrial(TONE, 11.0, 450)]
    recording = nat_recording(draw, trials, {TONE: draw.tile("nat", TONE, 400)})
    report, rows = built([recording], tmp_path)
    found = by_bins(rows)
    assert sorted(found) == [300, 400, 450]
    tile = recording.tiles[TONE].astype(np.float32)
    np.testing.assert_array_equal(found[400]["spectrogram"], tile)
    np.testing.assert_array_equal(found[300]["spectrogram"], tile[:, :300])
    np.testing.assert_array_equal(found[450]["spectrogram"], np.pad(tile, ((0, 0), (0, 50))))
    for trial in trials:
        expected = nems_counts(recording.spikes_s[CELL], trial)
        np.testing.assert_array_equal(found[trial.bins]["response"], [expected])
        assert found[trial.bins]["recording_n_repeats"] == 3
        assert found[trial.bins]["recording_archive_repeats"] == "3"
        assert found[trial.bins]["recording_archive_trials"] == "1"
    assert sorted(report.notes)[0].startswith(f"{recording.name}: STIM_{TONE} was played for 300 bins and its tile has")
    assert "300 bins and its tile has 400; it was cut, as in NEMS" in " ".join(report.notes)
    assert "450 bins and its tile has 400; zeros follow it, as in NEMS" in " ".join(report.notes)
    assert "1 of 300 bins" in " ".join(report.notes)


def test_one_tile_with_two_onsets_is_two_stimuli_of_one_content(draw, tmp_path):
    trials = [WrittenTrial(TONE, 1.0, 400, 0.5), WrittenTrial(TONE, 6.0, 400, 1.5), WrittenTrial(TONE, 11.0, 400, None)]
    _, rows = built([nat_recording(draw, trials, {TONE: draw.tile("nat", TONE, 400)})], tmp_path)
    assert {row["stim_pre_silence_s"] for row in rows.values()} == {0.5, 1.5, None}
    assert len({row["stim_id"] for row in rows.values()}) == 3
    assert len({row["stim_content_id"] for row in rows.values()}) == 1


def test_floating_point_noise_makes_no_other_stimulus(draw, tmp_path):
    starts = [0.1 + 0.2, 6.02, 11.94, 17.88 + 1e-9, 24.07]
    trials = [WrittenTrial(TONE, start, 550, 2.0) for start in starts]
    _, rows = built([nat_recording(draw, trials, {TONE: draw.tile("nat", TONE, 550)})], tmp_path)
    ((_, row),) = rows.items()
    assert row["n_trials"] == 5


def test_starts_between_two_bins_keep_their_length(draw, tmp_path):
    trials = [WrittenTrial(TONE, start, 401) for start in (1.005, 6.015, 11.025, 16.035)]
    recording = nat_recording(draw, trials, {TONE: draw.tile("nat", TONE, 401)})
    _, rows = built([recording], tmp_path)
    ((_, row),) = rows.items()
    expected = [nems_counts(recording.spikes_s[CELL], trial) for trial in trials]
    np.testing.assert_array_equal(row["response"], expected)


def test_presentations_that_overlap_are_left_out_as_in_nems(draw, tmp_path):
    trials = [WrittenTrial(TONE, 1.0, 400), WrittenTrial(TONE, 2.0, 400), WrittenTrial(TONE, 7.0, 400)]
    trials = [replace(trial, before_s=None, after_s=None) for trial in trials]
    recording = nat_recording(draw, trials, {TONE: draw.tile("nat", TONE, 400)})
    report, rows = built([recording], tmp_path)
    ((_, row),) = rows.items()
    expected = [nems_counts(recording.spikes_s[CELL], trial) for trial in (trials[0], trials[2])]
    np.testing.assert_array_equal(row["response"], expected)
    assert ("presentations", "overlap an earlier one of the same sound, which NEMS leaves out", 1) in report.amounts


def test_missing_values_of_a_tile_are_zero_and_counted_once(draw, tmp_path):
    tile = draw.tile("nat", TONE, 400).copy()
    tile[3, 100:107] = np.nan
    trials = [WrittenTrial(TONE, 1.0, 400), WrittenTrial(TONE, 6.0, 400)]
    report, rows = built([nat_recording(draw, trials, {TONE: tile})], tmp_path)
    ((_, row),) = rows.items()
    np.testing.assert_array_equal(row["spectrogram"], np.nan_to_num(tile).astype(np.float32))
    stored = "missing in the lab's files; stored as 0, as NEMS reads them"
    assert ("values of spectrograms", stored, 7) in report.amounts


# Counts as text -------------------------------------------------------------------------------------------------------


def test_text_stimuli_that_differ_are_told_apart(draw, tmp_path):
    recording = draw.text_recording("chn002h", ["chn002h-b1"], [("a", 400, 3), ("b", 400, 1)])
    stim, second = recording.stim.copy(), recording.of("a")[1]
    begin = round(second.start_s * 100)
    stim[begin + 200, 1] += 1.0
    _, rows = built([replace(recording, stim=stim)], tmp_path)
    of_a = sorted((row for row in rows.values() if row["stim_name"] == "STIM_a"), key=lambda row: row["n_trials"])
    assert [row["n_trials"] for row in of_a] == [1, 2]
    np.testing.assert_array_equal(of_a[0]["spectrogram"], stim[begin : begin + 400].T.astype(np.float32))


def test_trials_with_missing_samples_are_left_out_and_counted(draw, tmp_path):
    cells = ["chn002h-b1", "chn002h-b2"]
    recording = draw.text_recording("chn002h", cells, [("a", 400, 3), ("b", 400, 1)])
    resp = recording.resp.copy()
    resp[round(recording.of("a")[0].start_s * 100) + 5, 0] = np.nan
    resp[round(recording.of("b")[0].start_s * 100) + 5, 1] = np.nan
    report, rows = built([replace(recording, resp=resp)], tmp_path)
    trials = {(row["stim_name"], row["neuron_id"]): row["n_trials"] for row in rows.values()}
    assert trials == {("STIM_a", cells[0]): 2, ("STIM_a", cells[1]): 3, ("STIM_b", cells[0]): 1}
    assert ("trials", f"samples are missing in {recording.name}", 2) in report.amounts
    ((kind, name, reason),) = report.left_out
    assert (kind, reason) == ("pairs", "all its trials have missing samples")
    assert name.startswith("STIM_b@")
    assert name.endswith(f", {cells[1]}")


# Several recordings ---------------------------------------------------------------------------------------------------


def test_one_name_with_two_contents_is_two_stimuli(draw, tmp_path):
    trials = [WrittenTrial(TONE, 1.0, 400)]
    tiles = [{TONE: draw.tile("nat", sound, 400)} for sound in (TONE, NOISE)]
    recordings = [
        nat_recording(draw, trials, tile, site=site, cells=(f"{site}-01-1",))
        for tile, site in zip(tiles, ("AMT001a", "AMT002a"), strict=True)
    ]
    _, rows = built(recordings, tmp_path)
    found = {row["neuron_id"]: row for row in rows.values()}
    for recording in recordings:
        row = found[recording.cells[0]]
        np.testing.assert_array_equal(row["spectrogram"], recording.tiles[TONE].astype(np.float32))
    assert len({row["stim_id"] for row in rows.values()}) == 2


def test_a_cell_that_two_recordings_divide_differently_is_held_out(draw, tmp_path):
    tiles = {sound: draw.tile("nat", sound, 400) for sound in (TONE, NOISE)}
    plans = [[(TONE, 400, 4), (NOISE, 400, 1)], [(TONE, 400, 1), (NOISE, 400, 2)]]
    recordings = [nat_recording(draw, draw.trials(plan), tiles, session=s) for s, plan in enumerate(plans)]
    report, rows = built(recordings, tmp_path)
    assert {row["stim_name"]: (row["n_trials"], row["subset"], row["stim_split"]) for row in rows.values()} == {
        f"STIM_{TONE}": (5, "val", "test"),
        f"STIM_{NOISE}": (3, "val", "test"),
    }
    assert {row["recording_archive_subset"] for row in rows.values()} == {"val,est", "est,val"}
    for sound in (TONE, NOISE):
        held = f"{CELL}: STIM_{sound} is held out in one of its recordings and not in another"
        assert any(note.startswith(held) for note in report.notes)


def test_a_copy_of_a_recording_is_left_out_by_name(draw, tmp_path):
    recording = nat_recording(draw, draw.trials([(TONE, 400, 3)]), {TONE: draw.tile("nat", TONE, 400)}, session=1)
    copy = replace(recording, meta={"session": 2})
    first, second = sorted([recording.name, copy.name])
    assert first != second
    report, rows = built([recording, copy], tmp_path)
    assert [row["n_trials"] for row in rows.values()] == [3]
    assert report.left_out == [("recordings", second, f"holds the same as {first}")]


def test_spikes_that_differ_make_no_copy(draw, tmp_path):
    recording = nat_recording(draw, draw.trials([(TONE, 400, 3)]), {TONE: draw.tile("nat", TONE, 400)}, session=1)
    other = replace(recording, meta={"session": 2}, spikes_s={CELL: recording.spikes_s[CELL][1:]})
    _, rows = built([recording, other], tmp_path)
    assert [row["n_trials"] for row in rows.values()] == [6]


def test_directories_are_read_as_archives_are(draw, tmp_path):
    recording = nat_recording(draw, draw.trials([(TONE, 400, 3)]), {TONE: draw.tile("nat", TONE, 400)})
    _, archived = built([recording], tmp_path)
    raw = tmp_path / "raw"
    recording.writer().write_directory(raw / NAT.folder / "AMT001a" / "AMT001a")
    (raw / NAT.folder / "notes.txt").write_text("x")
    (raw / NAT.folder / ".DS_Store").write_text("x")
    report = build("espejo", ["nat"], data_dir=raw, out=tmp_path / "dir").cohorts["nat"]
    rows = pairs(tmp_path / "dir", "nat")
    assert report.left_out == [("files", "notes.txt", "not a recording")]
    assert len(report.raw_sha256) == 7
    assert {pair: row["response"] for pair, row in rows.items()} == {p: r["response"] for p, r in archived.items()}


# Parts ----------------------------------------------------------------------------------------------------------------


def catalogue_of(cells_by_name, size=1):
    headings = {name: Heading(name, tuple(cells), {"STIM_a": 1}) for name, cells in sorted(cells_by_name.items())}
    return Catalogue(headings, dict.fromkeys(headings, size))


def test_recordings_that_share_a_cell_are_in_one_part():
    catalogue = catalogue_of({"a": "xy", "b": "z", "c": "yw", "d": "wv", "e": "u"})
    assert list(catalogue.parts(1).values()) == [["a", "c", "d"], ["b"], ["e"]]
    assert [part.name for part in catalogue.parts(1)] == ["a", "b", "e"]
    assert list(catalogue.parts(2).values()) == [["a", "c", "d"], ["b", "e"]]
    assert list(catalogue.parts(100).values()) == [["a", "b", "c", "d", "e"]]


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.frozensets(st.integers(0, 9)), min_size=1),
       st.integers(1, 6))  # fmt: skip
def test_parts_hold_every_recording_once_and_share_no_cell(cells, part_bytes):
    parts = catalogue_of({name: [str(cell) for cell in several] for name, several in cells.items()}).parts(part_bytes)
    assert sorted(name for names in parts.values() for name in names) == sorted(cells)
    held = [{cell for name in names for cell in cells[name]} for names in parts.values()]
    assert sum(map(len, held)) == len(set().union(*held))
    assert len({part.name for part in parts}) == len(parts)


def test_small_parts_give_the_same_rows(tmp_path, monkeypatch):
    from tests.raw_writers.espejo import write_espejo

    write_espejo(tmp_path / "raw", seed=2, wavs=False)
    build("espejo", data_dir=tmp_path / "raw", out=tmp_path / "large")
    monkeypatch.setattr(Catalogue.parts, "__defaults__", (1,))
    build("espejo", data_dir=tmp_path / "raw", out=tmp_path / "small")
    for release, n_parts in (("nat", 5), ("vmn", 4)):
        assert pairs(tmp_path / "small", release) == pairs(tmp_path / "large", release)
        assert len(list((tmp_path / "small" / release).glob("train-*.parquet"))) == n_parts
        for table in ("stimuli", "neurons"):
            config = f"{release}-{table}"
            assert table_rows(tmp_path / "small", config) == table_rows(tmp_path / "large", config)


# Binning --------------------------------------------------------------------------------------------------------------


TIMES = st.lists(st.integers(0, 40_000).map(lambda tick: tick / 1000) | st.floats(0, 40), max_size=60)


@given(TIMES, st.lists(st.integers(0, 3000).map(lambda tick: tick / 100) | st.floats(0, 30), min_size=1, max_size=4))
def test_both_binnings_follow_their_formulas(times, starts):
    events = EventTimes((CELL,), (np.sort(np.array(times, np.float64)),))
    trials = [WrittenTrial(TONE, start, 37) for start in starts]
    begin = np.array([round(start * 100) for start in starts])
    for kind, formula in ((RecordingBins, nems_counts), (EpochBins, counts_from_start)):
        (counts,) = kind(events, 5000).counts(np.array(starts), begin, 37)
        np.testing.assert_array_equal(counts, [formula(events.times_s[0], trial) for trial in trials])


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), max_size=5))
def test_counts_outside_windows_are_those_of_no_window(windows):
    values = np.arange(84, dtype=np.float32).reshape(2, 42)
    spans = np.array([(start, start + length) for start, length in windows], np.int64).reshape(-1, 2)
    held = {b for start, end in spans for b in range(start, end)}
    expected = sum(int(values[:, b].sum()) for b in range(42) if b not in held)
    assert RasterCounts(values).outside(spans[:, 0] / 100, spans) == expected


def test_a_tree_of_one_release_builds_it_and_names_the_other(draw, tmp_path):
    recording = nat_recording(draw, draw.trials([(TONE, 400, 3)]), {TONE: draw.tile("nat", TONE, 400)})
    built([recording], tmp_path)
    with pytest.raises(MissingRawFileError) as caught:
        build("espejo", data_dir=tmp_path / "out_raw", out=tmp_path / "both", on_error="skip")
    assert caught.value.path.endswith("A1_voc_mod_noise/VMN")
    assert caught.value.mend == "unpack A1_voc_mod_noise.tgz there, or build the cohort nat alone"
