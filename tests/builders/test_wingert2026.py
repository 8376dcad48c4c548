"""Wingert 2026: the values that come out of its files."""

import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

import deepstrf_hf
from builders.wingert2026 import Wingert2026
from builders.wingert2026.release import COHORT_AREAS
from deepstrf_hf import build
from tests.builders.wingert2026_trees import (
    compressed,
    count_rule,
    deepstrf_tiles,
    expected_neuron,
    left_out,
    load_rows,
    neurons_of,
    pairs_of,
    published_tile,
    rows_of,
    scaled,
    spikes_in_no_presentation,
    stimuli_of,
)
from tests.raw_writers.wingert2026 import GHOST, NEVER_PLAYED, NOT_LISTED, NOT_RECORDED, SILENT, write_wingert2026

AREAS = {cohort: tuple(area or "" for area in areas) for cohort, areas in COHORT_AREAS.items()}
SESSIONS = {
    "a1": ["CLT027c", "PRN015a", "SLJ032a"], "peg": ["PRN018a"], "a1_peg": ["CLT027c", "PRN015a", "PRN018a", "SLJ032a"],
    "ac": ["LMD033a"], "hc": ["SLJ032a"], "unlabeled": ["PRN010b"],
}  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_wingert2026(tmp_path_factory.mktemp("wingert_raw"), seed=3, sounds="none")


@pytest.fixture(scope="module")
def built(written, tmp_path_factory):
    out = tmp_path_factory.mktemp("wingert_built") / "wingert2026"
    return build("wingert2026", data_dir=written.directory, out=out), out


# Counts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cohort", AREAS)
def test_counts_equal_the_spike_times_that_were_written(written, built, cohort):
    rows, expected = pairs_of(built[1], cohort), written.pairs(*AREAS[cohort])
    assert set(rows) == set(expected)
    assert {session for session, _, _ in rows} == set(SESSIONS[cohort])
    for key, counts in expected.items():
        np.testing.assert_array_equal(rows[key]["response"], counts, err_msg=str(key))
        assert (rows[key]["n_trials"], rows[key]["n_bins"]) == counts.shape
        assert (rows[key]["dt_ms"], rows[key]["signal_type"]) == (10.0, "spikes")


def test_a_spike_before_the_start_of_a_presentation_counts_in_the_bin_that_both_are_in(written, built):
    session = written.sessions["CLT027c"]
    rows, early = pairs_of(built[1], "a1"), 0
    for (of_session, name, cell), row in rows.items():
        if of_session != "CLT027c":
            continue
        for trial, start in enumerate(session.starts(name)):
            first = round(start * 100)
            before = [time for time in session.times_s[cell] if first / 100 <= time < start]
            early += len(before)
            assert row["response"][trial][0] >= len(before)
    assert early > 0, "the tree has spikes between the start of a bin and the start of a presentation in it"


def test_both_lengths_of_window_are_there(built):
    assert {row["n_bins"] for row in rows_of(built[1], "a1")} == {2000, 2200}
    counts = built[0].cohorts["a1_peg"].counts
    assert (counts["sessions_of_2000_bins"], counts["sessions_of_2200_bins"], counts["sessions"]) == (2, 2, 4)


@pytest.mark.parametrize("cohort", ["a1", "hc"])
def test_every_spike_is_in_a_row_or_in_the_report(written, built, cohort):
    report = built[0].cohorts[cohort]
    cells = neurons_of(built[1], cohort)
    sessions = {cell: written.sessions[cell.split("-")[0]] for cell in cells}
    outside = sum(spikes_in_no_presentation(session, cell) for cell, session in sessions.items())
    assert outside > 0
    assert report.amounts == [("spikes", "between the sounds, or before and after them", outside)]
    assert report.counts["spikes"] + outside == sum(len(session.times_s[cell]) for cell, session in sessions.items())


def test_a_silent_cell_is_rows_of_zeros(built):
    rows = [row for key, row in pairs_of(built[1], "a1").items() if key[2] == SILENT]
    assert len(rows) == 4
    assert not any(np.any(row["response"]) for row in rows)
    assert neurons_of(built[1], "a1")[SILENT]["neuron_recording_max"] == 0


# Metadata -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cohort", AREAS)
def test_neurons_are_what_the_list_of_cells_says(written, built, cohort):
    neurons = neurons_of(built[1], cohort)
    wanted = {cell for cell, row in written.cells.items() if row["area"] in AREAS[cohort]} - {NOT_RECORDED}
    assert set(neurons) == wanted
    for cell, row in neurons.items():
        expected = expected_neuron(written, cell)
        assert {name: row[name] for name in expected} == expected


def test_the_largest_count_is_that_of_the_whole_recording(written, built):
    neurons, rows = neurons_of(built[1], "a1"), rows_of(built[1], "a1")
    for cell, row in neurons.items():
        in_sounds = max(np.max(one["response"]) for one in rows if one["neuron_id"] == cell)
        assert row["response_max"] == in_sounds
        assert row["neuron_recording_max"] >= in_sounds
    assert any(row["neuron_recording_max"] > row["response_max"] for row in neurons.values())


def test_two_probes_of_a_session_hear_one_copy_of_its_stimuli(built):
    a1, hc = (stimuli_of(built[1], cohort) for cohort in ("a1", "hc"))
    assert {row["neuron_site"] for row in neurons_of(built[1], "hc").values()} == {"SLJ032a-B"}
    shared = {key: row for key, row in a1.items() if key[0] == "SLJ032a"}
    assert {key: row["stim_id"] for key, row in shared.items()} == {key: row["stim_id"] for key, row in hc.items()}


@pytest.mark.parametrize("cohort", ["a1_peg", "unlabeled"])
def test_stimuli_are_told_by_session_and_name(written, built, cohort):
    stimuli = stimuli_of(built[1], cohort)
    assert set(stimuli) == {(name, sound) for name in SESSIONS[cohort] for sound in written.sessions[name].heard}
    for (session, name), row in stimuli.items():
        one = written.sessions[session]
        assert row["stim_id"] == f"{session}-{name}"
        assert row["subset"] == ("val" if name.startswith("STIM_00") else "est")
        assert row["stim_n_presentations"] == len(one.starts(name))
        assert row["stim_count_rule_subset"] == count_rule(one)[name]
        assert abs(row["stim_presented_bins"] - one.tiles[name].shape[1]) <= 1
        loud = np.flatnonzero(one.tiles[name].any(axis=0))
        assert row["stim_first_sound_ms"] == 10.0 * loud[0]
        assert row["stim_wav"] is None
        assert row["audio"] is None


def test_the_published_rule_and_the_names_can_disagree(built):
    row = stimuli_of(built[1], "a1")["CLT027c", "STIM_00seq1.wav"]
    assert (row["subset"], row["stim_count_rule_subset"], row["stim_n_presentations"]) == ("val", "est", 1)


def test_stimuli_of_one_content_share_an_id(written, built):
    stimuli = stimuli_of(built[1], "a1_peg")
    same = different = 0
    for one, row in stimuli.items():
        for other, other_row in stimuli.items():
            if one < other:
                equal = np.array_equal(
                    written.sessions[one[0]].tiles[one[1]], written.sessions[other[0]].tiles[other[1]]
                )
                assert (row["stim_content_id"] == other_row["stim_content_id"]) == equal
                same, different = same + equal, different + (one[1] == other[1] and not equal)
    assert same > 0
    assert different > 0, "a name does not make a content: the windows of two sessions differ"


def test_splits_are_those_of_the_names(built):
    for split, subset in (("train", "est"), ("test", "val")):
        rows = load_rows(built[1], "a1", split)
        assert len(rows) > 0
        assert set(rows["subset"]) == {subset}
        assert all(name.startswith("STIM_00") == (subset == "val") for name in rows["stim_name"])


def test_shards_are_by_session(built):
    sessions = []
    for file in sorted((built[1] / "a1").glob("train-*.parquet")):
        sessions.append({row["stim_session"] for row in pq.read_table(file, columns=["stim_session"]).to_pylist()})
    assert sessions == [{session} for session in SESSIONS["a1"]]


def test_rows_stream(written, built):
    rows = list(load_rows(built[1], "hc", "train", streaming=True))
    assert {(row["stim_name"], row["neuron_id"]) for row in rows} == {
        (name, cell) for _, name, cell in written.pairs("HC") if not name.startswith("STIM_00")
    }


# Scaling --------------------------------------------------------------------------------------------------------------


def test_tables_hold_the_linear_spectrograms(written, built):
    for cohort in ("a1_peg", "ac"):
        for (session, name), row in stimuli_of(built[1], cohort).items():
            expected = written.sessions[session].tiles[name].astype(np.float32)
            np.testing.assert_array_equal(np.array(row["spectrogram"], np.float32), expected)


def test_ranges_are_those_of_the_whole_recording_and_of_all_spectrograms(written, built):
    for (session, _), row in stimuli_of(built[1], "a1_peg").items():
        one = written.sessions[session]
        whole, tiles = one.rasterised(), np.concatenate(list(one.tiles.values()), axis=1)
        for name, values in (("recording", whole), ("tiles", tiles)):
            np.testing.assert_array_equal(row[f"band_min_{name}"], values.min(axis=1).astype(np.float32))
            np.testing.assert_array_equal(row[f"band_max_{name}"], values.max(axis=1).astype(np.float32))
    never = written.sessions["CLT027c"]
    assert never.tiles[NEVER_PLAYED].max() > never.rasterised().max(), "what is never played counts in one range alone"


@pytest.mark.parametrize("cohort", ["a1", "ac"])
def test_published_scaling_is_per_recording(written, built, cohort):
    dataset = deepstrf_hf.load(built[1], cohort)
    for position, meta in enumerate(dataset.stim_meta):
        session = written.sessions[meta["session"]]
        np.testing.assert_allclose(dataset.stims[position][0], published_tile(session, meta["name"]), atol=2e-6)
        for number, neuron in enumerate(dataset.nrn_meta):
            if neuron["session"] == meta["session"]:
                largest = session.raster(neuron["cell_id"]).max()
                counts = session.counts(neuron["cell_id"], meta["name"])
                expected = counts / largest if largest else counts
                np.testing.assert_allclose(dataset.responses[position][number], expected, rtol=1e-6)


@pytest.mark.parametrize("cohort", ["a1", "ac", "hc"])
def test_scaling_as_in_deepstrf_is_over_the_cohort(written, built, cohort):
    tiles = deepstrf_tiles([written.sessions[name] for name in SESSIONS[cohort]])
    dataset = deepstrf_hf.load(built[1], cohort, preprocessing="deepstrf")
    counts = written.pairs(*AREAS[cohort])
    for position, meta in enumerate(dataset.stim_meta):
        expected = tiles[meta["session"], meta["name"]]
        np.testing.assert_allclose(dataset.stims[position][0], expected, atol=2e-6)
        for number, neuron in enumerate(dataset.nrn_meta):
            if neuron["session"] == meta["session"]:
                of_cell = [values for key, values in counts.items() if key[2] == neuron["cell_id"]]
                low, high = min(map(np.min, of_cell)), max(map(np.max, of_cell))
                expected = counts[meta["session"], meta["name"], neuron["cell_id"]]
                if high > low:
                    expected = scaled(expected, low, high)
                np.testing.assert_allclose(dataset.responses[position][number], expected, rtol=1e-6)


def test_a_value_that_is_quiet_becomes_exactly_zero(written, built):
    dataset = deepstrf_hf.load(built[1], "ac")
    session = written.sessions["LMD033a"]
    name = next(name for name, tile in session.tiles.items() if tile[3, 7] == 2e-7)
    position = [meta["name"] for meta in dataset.stim_meta].index(name)
    assert 0 < compressed(session.tiles[name])[3, 7] < 1e-5
    assert dataset.stims[position][0][3, 7] == 0
    assert not dataset.stims[position][0][31].any(), "the band without sound"


def test_no_published_value_depends_on_what_else_is_built_or_loaded(built, written, tmp_path):
    tables = {
        "all": (built[1], "a1", None),
        "test": (built[1], "a1", "test"),
        "one": (tmp_path / "one", "a1-neuron.site_SLJ032a", None),
    }
    build("wingert2026", ["a1"], data_dir=written.directory, out=tmp_path / "one", where={"neuron.site": "SLJ032a"})
    values = {}
    for label, (out, config, split) in tables.items():
        dataset = deepstrf_hf.load(out, config, split=split)
        values[label] = {
            (meta["stim_id"], neuron["cell_id"]): (dataset.stims[position].numpy(), dataset.responses[position][number])
            for position, meta in enumerate(dataset.stim_meta)
            for number, neuron in enumerate(dataset.nrn_meta)
            if neuron["session"] == meta["session"]
        }
    assert 0 < len(values["test"]) < len(values["all"])
    assert 0 < len(values["one"]) < len(values["all"])
    for label in ("test", "one"):
        for key, (stimulus, response) in values[label].items():
            np.testing.assert_array_equal(stimulus, values["all"][key][0])
            np.testing.assert_array_equal(response, values["all"][key][1])


# Report ---------------------------------------------------------------------------------------------------------------


def test_what_is_not_built_is_named(built):
    report = built[0].cohorts["a1_peg"]
    units, stimuli = left_out(report, "units"), left_out(report, "stimuli")
    assert set(units) == {NOT_LISTED, NOT_RECORDED}
    assert "not in cell_list.csv" in units[NOT_LISTED]
    assert "CLT027c" in units[NOT_RECORDED] and "not among the channels" in units[NOT_RECORDED]
    assert set(stimuli) == {f"CLT027c {GHOST}", f"CLT027c {NEVER_PLAYED}"}
    assert "no spectrogram" in stimuli[f"CLT027c {GHOST}"]
    assert "never played" in stimuli[f"CLT027c {NEVER_PLAYED}"]


def test_an_archive_that_is_there_twice_is_used_once(written, built):
    first, second = written.sessions["PRN018a"].files
    archives = left_out(built[0].cohorts["peg"], "archives")
    assert archives == {second: f"the same recording as {first}"}
    assert built[0].cohorts["peg"].counts["stimuli"] == 6
    assert {first, second} <= set(built[0].cohorts["peg"].raw_sha256)


def test_a_session_is_told_by_its_cells_not_by_its_file(written, built):
    (file,) = written.sessions["PRN015a"].files
    assert "PRN015b" in file
    assert any(key[0] == "PRN015a" for key in pairs_of(built[1], "a1"))


def test_counts_are_beside_the_published_ones(built):
    a1, paper = built[0].cohorts["a1"], built[0].cohorts["a1_peg"]
    assert a1.published == {"neurons": 2128, "sessions": 50}
    assert paper.published["neurons"] == 2874 == sum(paper.published[f"layer_{layer}"] for layer in (13, 44, 56))
    neurons = neurons_of(built[1], "a1_peg").values()
    assert paper.counts["narrow"] == sum(row["neuron_narrow"] for row in neurons)
    assert paper.counts["goodpred"] == sum(row["neuron_goodpred"] for row in neurons)
    assert paper.counts["layer_13"] == sum(row["neuron_layer"] == "13" for row in neurons)


# The tree, and the conditions of a build ------------------------------------------------------------------------------


def test_a_tree_that_holds_a_part_is_built_as_it_is(tmp_path):
    raw = write_wingert2026(tmp_path / "raw", seed=1, sessions=("PRN015a", "LMD033a"), sounds="none")
    (raw.directory / raw.sessions["LMD033a"].files[0]).unlink()
    (raw.directory / "recordings" / ".DS_Store").write_bytes(b"x")
    report = build("wingert2026", ["a1"], data_dir=raw.directory, out=tmp_path / "out").cohorts["a1"]
    assert report.counts["neurons"] == 2
    assert left_out(report, "files") == {"recordings/.DS_Store": "not a recording"}
    with pytest.raises(deepstrf_hf.errors.MissingRawFileError, match="No recording of wingert2026/ac"):
        build("wingert2026", ["ac"], data_dir=raw.directory, out=tmp_path / "out")


def test_cells_of_a_session_without_archive_are_named(tmp_path):
    raw = write_wingert2026(tmp_path / "raw", seed=1, sessions=("PRN015a", "CLT027c"), sounds="none")
    (raw.directory / raw.sessions["CLT027c"].files[0]).unlink()
    report = build("wingert2026", ["a1"], data_dir=raw.directory, out=tmp_path / "out").cohorts["a1"]
    units = left_out(report, "units")
    assert set(units) == {cell for cell in raw.cells if cell.startswith("CLT027c")}
    assert all("no archive of its session, CLT027c" in reason for reason in units.values())


@pytest.mark.parametrize(
    ("where", "keeps"),
    [
        ({"neuron.site": "SLJ032a"}, lambda key, row: key[0] == "SLJ032a"),
        ({"stim.session": ["CLT027c"]}, lambda key, row: key[0] == "CLT027c"),
        ({"stim.name": "STIM_00seq1.wav"}, lambda key, row: key[1] == "STIM_00seq1.wav"),
        ({"neuron.goodpred": True, "neuron.narrow": False}, lambda key, row: row["goodpred"] and not row["narrow"]),
        ({"neuron.recording_max": 0}, lambda key, row: key[2] == SILENT),
        ({"stim.count_rule_subset": "val", "stim.n_presentations": 2}, lambda key, row: key[1] == "STIM_00seq2.wav"),
    ],
)
def test_conditions_on_cells_and_sounds(written, built, tmp_path, where, keeps):
    report = build("wingert2026", ["a1"], data_dir=written.directory, out=tmp_path / "out", where=where)
    (config,) = report.cohorts
    every = pairs_of(built[1], "a1")
    words = {key: {"goodpred": row["neuron_goodpred"], "narrow": row["neuron_narrow"]} for key, row in every.items()}
    expected = {key for key in every if keeps(key, words[key])}
    rows = pairs_of(tmp_path / "out", config)
    assert set(rows) == expected
    assert expected
    assert all(rows[key]["response"] == every[key]["response"] for key in expected)


def test_sites_that_are_not_wanted_are_not_read(written, tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(written.directory, raw)
    stranger = raw / written.sessions["CLT027c"].files[0]
    stranger.write_bytes(stranger.read_bytes()[: stranger.stat().st_size // 2])
    out = tmp_path / "out"
    build("wingert2026", ["a1"], data_dir=raw, out=out, where={"neuron.site": "SLJ032a"})
    assert {key[0] for key in pairs_of(out, "a1-neuron.site_SLJ032a")} == {"SLJ032a"}


def test_processes_do_not_change_the_tables(written, built, tmp_path):
    build("wingert2026", ["a1"], data_dir=written.directory, out=tmp_path / "out", num_proc=2)
    files = sorted(path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.parquet"))
    assert len(files) > 5
    for file in files:
        assert (tmp_path / "out" / file).read_bytes() == (built[1] / file).read_bytes(), file


def test_the_builder_is_a_builder_of_datasets(written, built, tmp_path):
    builder = Wingert2026(config_name="hc", data_dir=str(written.directory), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare()
    rows = builder.as_dataset("train")
    expected = {(row["stim_id"], row["neuron_id"]): row["response"] for row in rows_of(built[1], "hc")}
    assert len(rows) > 0
    for row in rows:
        assert row["response"] == expected[row["stim_id"], row["neuron_id"]]


def test_the_bins_of_the_release_are_the_only_ones(written, tmp_path):
    with pytest.raises(deepstrf_hf.errors.ParameterError, match="dt_ms"):
        build("wingert2026", ["a1"], data_dir=written.directory, out=tmp_path / "out", parameters={"dt_ms": 5.0})
