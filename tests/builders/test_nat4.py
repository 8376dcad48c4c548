"""NAT4: what comes out of its files."""

import io
import math

import numpy as np
import pytest
import soundfile

import deepstrf_hf
from builders.nat4 import Nat4
from deepstrf_hf import build
from deepstrf_hf.errors import ParameterError
from tests.builders.nat4_trees import (
    POPULATION,
    change_response,
    in_population,
    left_out,
    neurons,
    pairs,
    sound_of,
    table_rows,
    val_trials,
)
from tests.raw_writers.nat4 import RESPELT_SITE, SITES, write_nat4

COHORTS = [("a1", "A1"), ("peg", "PEG")]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    directory = tmp_path_factory.mktemp("nat4_raw")
    return directory, write_nat4(directory, seed=3, n_sites=5, odd_waveforms=True)


@pytest.fixture(scope="module")
def built(written, tmp_path_factory):
    out = tmp_path_factory.mktemp("nat4_built") / "nat4"
    return build("nat4", data_dir=written[0], out=out, waveform=True), out


# Rows -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cohort", "area"), COHORTS)
def test_rows_are_the_pairs_that_have_values(written, built, cohort, area):
    truth = written[1].areas[area]
    expected = {(clip, cell) for clip in written[1].est for cell in truth.cells} - {truth.empty_pair}
    expected |= {(clip, cell) for clip in written[1].val for cell in truth.site_cells}
    assert pairs(built[1], cohort).keys() == expected
    assert (truth.empty_pair[0], truth.lost) in expected, "a cell without val responses keeps the others"


@pytest.mark.parametrize(("cohort", "area"), COHORTS)
def test_est_responses_are_the_counts_of_the_population_recording(written, built, cohort, area):
    truth, seen = written[1].areas[area], 0
    for (clip, cell), row in pairs(built[1], cohort).items():
        if clip in written[1].est:
            np.testing.assert_array_equal(row["response"], [in_population(truth, clip, cell)])
            assert (row["subset"], row["hf_split"], row["n_trials"]) == ("est", "train", 1)
            seen += sum(row["response"][0])
    assert seen > 100


@pytest.mark.parametrize(("cohort", "area"), COHORTS)
def test_val_responses_are_counted_from_the_spike_times(written, built, cohort, area):
    truth, seen = written[1].areas[area], 0
    for (clip, cell), row in pairs(built[1], cohort).items():
        if clip in written[1].val:
            np.testing.assert_array_equal(row["response"], val_trials(truth, clip, cell))
            assert (row["subset"], row["hf_split"], row["n_trials"]) == ("val", "test", 20)
            seen += np.sum(row["response"])
    assert seen == built[0].cohorts[cohort].counts["spikes"] - sum(
        np.sum(row["response"]) for row in table_rows(built[1], cohort) if row["subset"] == "est"
    )
    assert seen > 100


def test_cells_with_another_name_in_their_own_recording_have_val_responses(written, built):
    truth, rows = written[1].areas["A1"], neurons(built[1], "a1")
    respelt = [f"{RESPELT_SITE}-{tail}" for tail in SITES["A1"][RESPELT_SITE]]
    assert rows[respelt[0]]["neuron_site_cell_id"] == "TNC010a-031-3"
    for cell in respelt:
        assert rows[cell]["neuron_site_cell_id"] == truth.site_cells[cell][1] != cell
        assert rows[cell]["neuron_val_matches_population"] is True
        assert (written[1].val[0], cell) in pairs(built[1], "a1")
    (note,) = [note for note in built[0].cohorts["a1"].notes if "another name" in note]
    assert "3 cells" in note and "of 3 of them" in note
    assert all(f"{cell} = {truth.site_cells[cell][1]}" in note for cell in respelt)


def test_counts_are_compared_with_the_published_ones(built):
    for name, cells, auditory, sites in (("a1", 849, 777, 22), ("peg", 398, 339, 11)):
        entry = built[0].cohorts[name]
        assert entry.published == {
            "neurons": cells,
            "auditory": auditory,
            "sites": sites,
            "stimuli": 593,
            "est_clips": 575,
            "val_clips": 18,
            "rows": cells * 593,
            "trials": cells * (575 + 18 * 20),
            "with_val_responses": cells,
            "val_matches_population": cells,
        }
        assert entry.published.keys() <= entry.counts.keys()
    found = built[0].cohorts["a1"].counts
    assert {name: found[name] for name in ("neurons", "sites", "stimuli", "est_clips", "val_clips")} == {
        "neurons": 13, "sites": 5, "stimuli": 9, "est_clips": 6, "val_clips": 3
    }  # fmt: skip
    assert found["with_val_responses"] == found["val_matches_population"] == 12


@pytest.mark.parametrize(("cohort", "area"), COHORTS)
def test_what_is_left_out_is_named(written, built, cohort, area):
    truth, entry = written[1].areas[area], built[0].cohorts[cohort]
    (cell,) = left_out(entry, "cells")
    assert cell.startswith(truth.site_only)
    assert left_out(entry, "pairs").keys() == {f"{truth.empty_pair[0]}, {truth.empty_pair[1]}"}
    assert left_out(entry, "val responses").keys() == {truth.lost}
    strange = left_out(entry, "single-site recordings")
    assert [name[:11] for name in strange] == ([] if area == "A1" else ["PEG_TNC022a"])
    assert all(reason == "none of its 2 cells is in the population recording" for reason in strange.values())
    ((kind, _, outside),) = entry.amounts
    every = sum(
        len(truth.sites[site].spikes_s[name]) - sum(val_trials(truth, clip, cell).sum() for clip in written[1].val)
        for cell, (site, name) in truth.site_cells.items()
    )
    assert (kind, outside) == ("spikes of single-site recordings", every)


# Neurons --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cohort", "area"), COHORTS)
def test_metadata_of_neurons(written, built, cohort, area):
    truth, rows = written[1].areas[area], neurons(built[1], cohort)
    assert rows.keys() == set(truth.cells)
    for number, cell in enumerate(truth.cells):
        row, values = rows[cell], truth.responses[:, number]
        assert (row["neuron_cell_id"], row["neuron_area"]) == (cell, area)
        assert row["neuron_auditory"] is truth.auditory.get(cell)
        site, electrode, unit = cell.split("-") if cell.count("-") == 2 else (cell.split("-")[0], None, None)
        assert row["neuron_site"] == site
        assert row["neuron_electrode"] == (electrode and int(electrode))
        assert row["neuron_unit"] == (unit and int(unit))
        assert row["neuron_animal"] == (electrode and site[:3])
        assert (row["neuron_population_min"], row["neuron_population_max"]) == (np.nanmin(values), np.nanmax(values))
        assert row["neuron_area_max"] == np.nanmax(truth.responses)
        assert row["neuron_area_min"] == np.nanmin(truth.responses)
    assert rows[truth.unlisted]["neuron_auditory"] is None
    assert any(truth.unlisted in note and "auditory" in note for note in built[0].cohorts[cohort].notes)
    assert rows[truth.lost]["neuron_site_cell_id"] is None
    assert rows[truth.lost]["neuron_val_matches_population"] is None
    assert built[0].cohorts[cohort].counts["auditory"] == sum(truth.auditory.values())


def test_a_cell_whose_trials_are_not_those_of_the_population_recording_is_flagged(tmp_path):
    truth = write_nat4(tmp_path / "raw", seed=4, areas=("A1",), n_sites=2, waveforms=False).areas["A1"]
    column = truth.cells.index("TNC010a-40-1")
    was = truth.responses[7, column]
    change_response(tmp_path / "raw" / POPULATION, 7, column, was + 0.05)
    report = build("nat4", ["a1"], data_dir=tmp_path / "raw", out=tmp_path / "out").cohorts["a1"]
    rows = neurons(tmp_path / "out", "a1")
    for cell in truth.site_cells:
        assert rows[cell]["neuron_val_matches_population"] is (cell != "TNC010a-40-1")
    assert rows["TNC010a-40-1"]["neuron_val_population_difference"] == pytest.approx(0.05, abs=1e-6)
    assert report.counts["val_matches_population"] == 5
    (note,) = [note for note in report.notes if "is not the one in the population recording" in note]
    assert "TNC010a-40-1 (0.05)" in note and "ARM029a" not in note
    (note,) = [note for note in report.notes if "another name" in note]
    assert "3 cells" in note and "of 2 of them" in note
    assert (tmp_path / "out").exists() and any(cell == "TNC010a-40-1" for _, cell in pairs(tmp_path / "out", "a1"))


def test_averages_in_bins_of_the_recording_are_recognised(tmp_path):
    write_nat4(tmp_path / "raw", seed=5, areas=("A1",), n_sites=2, waveforms=False, coarse=True)
    report = build("nat4", ["a1"], data_dir=tmp_path / "raw", out=tmp_path / "out").cohorts["a1"]
    assert report.counts["val_matches_population"] == 6
    (note,) = [note for note in report.notes if "averaged in bins of the recording" in note]
    assert "of 6 cells" in note or "of 5 cells" in note


# Stimuli --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cohort", "area"), COHORTS)
def test_spectrograms_are_the_linear_ones_of_the_population_recording(written, built, cohort, area):
    truth = written[1].areas[area]
    rows = {row["stim_id"]: row for row in table_rows(built[1], f"{cohort}-stimuli")}
    assert rows.keys() == {*written[1].est, *written[1].val}
    for clip, row in rows.items():
        np.testing.assert_array_equal(row["spectrogram"], sound_of(truth, clip).astype(np.float32))
        assert row["subset"] == ("val" if clip in written[1].val else "est")
        assert (row["stim_name"], row["n_bins"], row["dt_ms"]) == (clip, 150, 10)
        assert (row["stim_silence_before_ms"], row["stim_silence_after_ms"]) == (250, 250)
        np.testing.assert_array_equal(row["band_min_population"], truth.cochleagram.min(axis=0).astype(np.float32))
        np.testing.assert_array_equal(row["band_max_population"], truth.cochleagram.max(axis=0).astype(np.float32))


def test_waveforms_are_those_of_the_files_whatever_the_case_of_their_names(written, built):
    truth, differ = written[1], 0
    for row in table_rows(built[1], "a1-stimuli"):
        clip = row["stim_id"]
        samples, rate = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="int16")
        np.testing.assert_array_equal(samples, truth.waveforms[clip])
        assert row["stim_sample_rate_hz"] == rate == (48_000 if clip == truth.val[1] else 44_100)
        assert row["stim_wav_file"] == truth.wav_files[clip]
        assert row["stim_audio_onset_ms"] == 250
        differ += clip.removeprefix("STIM_") != truth.wav_files[clip]
    assert differ == 1


def test_waveforms_begin_after_the_silence(written, built):
    dataset = deepstrf_hf.load(built[1], "a1", stimulus="waveform")
    assert dataset.audio_fs == 44_100
    for meta, waveform in zip(dataset.stim_meta, dataset.stims, strict=True):
        assert waveform.shape == (1, 66_150)
        samples = written[1].waveforms[meta["stim_id"]].astype(np.float64) / 2**15
        if len(samples) != 44_100:
            continue
        expected = np.zeros(66_150)
        expected[11_025 : 11_025 + 44_100] = samples if samples.ndim == 1 else samples.mean(axis=1)
        np.testing.assert_allclose(waveform[0], expected, atol=1e-7)


# Preprocessing --------------------------------------------------------------------------------------------------------


def scaled(values, low, high, zero_below):
    result = (np.asarray(values, float) - low) / (high - low)
    return np.where(result < zero_below, 0, result)


@pytest.mark.parametrize("split", [None, "train", "test"])
@pytest.mark.parametrize(("cohort", "area"), COHORTS)
def test_published_preprocessing(written, built, cohort, area, split):
    """NEMS: ``normalize_sig`` with minmax and log_compress=1 for the stimulus, with minmax for the response."""
    truth = written[1].areas[area]
    dataset = deepstrf_hf.load(built[1], cohort, split=split)
    compressed = np.log(1 + 10 * truth.cochleagram)
    low, high = compressed.min(axis=0)[:, None], compressed.max(axis=0)[:, None]
    names = [meta["stim_id"] for meta in dataset.stim_meta]
    in_split = {"train": written[1].est, "test": written[1].val, None: (*written[1].est, *written[1].val)}
    assert sorted(names) == sorted(in_split[split])
    for position, clip in enumerate(names):
        expected = scaled(np.log(1 + 10 * sound_of(truth, clip)), low, high, 1e-6)
        np.testing.assert_allclose(dataset.stims[position][0], expected, atol=1.1e-6)
        for number, meta in enumerate(dataset.nrn_meta):
            cell = meta["cell_id"]
            response = np.asarray(dataset.responses[position][number])
            if clip in written[1].val:
                if cell == truth.lost:
                    continue
                raw = val_trials(truth, clip, cell)
            else:
                raw = in_population(truth, clip, cell)[None]
                if np.isnan(raw).all():
                    assert response.shape == (1, 1) and math.isnan(response[0, 0])
                    continue
            column = truth.responses[:, truth.cells.index(cell)]
            expected = scaled(raw, np.nanmin(column), np.nanmax(column), 1e-6)
            np.testing.assert_allclose(response, expected, rtol=1e-6)


@pytest.mark.parametrize(("cohort", "area"), COHORTS)
def test_preprocessing_of_deepstrf(written, built, cohort, area):
    """One range for all bands and one for all cells; counts of val clips as they are."""
    truth = written[1].areas[area]
    dataset = deepstrf_hf.load(built[1], cohort, preprocessing="deepstrf")
    compressed = np.log(1 + truth.cochleagram)
    all_cells = np.nanmin(truth.responses), np.nanmax(truth.responses)
    for position, meta in enumerate(dataset.stim_meta):
        clip = meta["stim_id"]
        expected = scaled(np.log(1 + sound_of(truth, clip)), compressed.min(), compressed.max(), 0)
        np.testing.assert_allclose(dataset.stims[position][0], expected, atol=3e-7)
        for number, neuron in enumerate(dataset.nrn_meta):
            pair = clip, neuron["cell_id"]
            if pair in pairs(built[1], cohort):
                if clip in written[1].val:
                    expected = val_trials(truth, *pair)
                else:
                    expected = scaled(in_population(truth, *pair)[None], *all_cells, 0)
                np.testing.assert_allclose(dataset.responses[position][number], expected, rtol=1e-6)


# Parameters, parts of a build -----------------------------------------------------------------------------------------


def test_another_bin_width_is_refused_and_why(written, tmp_path):
    with pytest.raises(ParameterError, match=r"at 100 Hz only.*Found: 5 ms"):
        build("nat4", data_dir=written[0], out=tmp_path / "out", parameters={"dt_ms": 5})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "where",
    [
        {"neuron.site": [RESPELT_SITE]},
        {"neuron.auditory": True},
        {"neuron.val_matches_population": True, "neuron.animal": "TNC"},
        {"stim.name": ["STIM_00cat172_rec1_geese_excerpt1.wav", "STIM_cat107_rec2_horse_neighing_excerpt2.wav"]},
    ],
)
def test_a_part_has_the_rows_of_the_whole(built, written, tmp_path, where):
    report = build("nat4", ["a1"], data_dir=written[0], out=tmp_path / "out", where=where)
    ((name, entry),) = report.cohorts.items()
    wanted = {
        f"{'neuron' if key.startswith('neuron') else 'stim'}_{key.partition('.')[2]}": value
        for key, value in where.items()
    }
    expected = {
        pair: row
        for pair, row in pairs(built[1], "a1").items()
        if all(row[key] in (value if isinstance(value, list) else [value]) for key, value in wanted.items())
    }
    assert pairs(tmp_path / "out", name) == expected != {}
    assert entry.published == {}
    for pair_split in ("train", "test"):
        whole = deepstrf_hf.load(built[1], "a1", split=pair_split, preprocessing="deepstrf")
        part = deepstrf_hf.load(tmp_path / "out", name, split=pair_split, preprocessing="deepstrf")
        place = {meta["cell_id"]: number for number, meta in enumerate(whole.nrn_meta)}
        clips = {meta["stim_id"]: number for number, meta in enumerate(whole.stim_meta)}
        for position, meta in enumerate(part.stim_meta):
            stimulus = clips[meta["stim_id"]]
            np.testing.assert_array_equal(part.stims[position], whole.stims[stimulus])
            for number, neuron in enumerate(part.nrn_meta):
                theirs = whole.responses[stimulus][place[neuron["cell_id"]]]
                np.testing.assert_array_equal(part.responses[position][number], theirs)


def test_packed_and_unpacked_trees_give_the_same_tables(tmp_path):
    tables = []
    for name, unpacked in (("packed", False), ("unpacked", True)):
        write_nat4(tmp_path / name, seed=6, n_sites=2, n_est=2, n_val=1, waveforms=False, unpacked=unpacked)
        report = build("nat4", data_dir=tmp_path / name, out=tmp_path / f"{name}_built")
        tables.append([
            table_rows(tmp_path / f"{name}_built", config)
            for config in ("a1", "a1-neurons", "a1-stimuli", "peg", "peg-neurons", "peg-stimuli")
        ])  # fmt: skip
        assert any("resp.csv" in file for file in report.cohorts["a1"].raw_sha256) is unpacked
        assert (POPULATION in report.cohorts["a1"].raw_sha256) is not unpacked
        assert any("There are no waveforms" in note for note in report.cohorts["a1"].notes)
    assert tables[0] == tables[1]


def test_of_a_packed_and_an_unpacked_population_recording_the_packed_one_is_read(tmp_path):
    write_nat4(tmp_path / "raw", seed=6, areas=("A1",), n_sites=1, n_est=2, n_val=1, waveforms=False)
    (tmp_path / "raw" / POPULATION.removesuffix(".tgz")).mkdir()  # as an interrupted unpacking leaves it
    report = build("nat4", ["a1"], data_dir=tmp_path / "raw", out=tmp_path / "out")
    assert any("packed and unpacked" in note for note in report.cohorts["a1"].notes)


@pytest.mark.parametrize("name", ["peg", "peg-waveform", "peg-stimuli", "peg-neurons"])
def test_the_builder_gives_datasets_the_same_rows(written, built, tmp_path, name):
    import datasets

    builder = Nat4(config_name=name, data_dir=str(written[0]), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare()
    for split, table in datasets.load_dataset(str(built[1]), name).items():
        theirs = builder.as_dataset(split)
        assert theirs.features == table.features
        assert theirs.data.table.cast(table.data.table.schema).to_pylist() == table.data.table.to_pylist()


def test_a_build_is_the_same_every_time(written, built, tmp_path):
    build("nat4", data_dir=written[0], out=tmp_path / "again", waveform=True)
    for file in sorted(built[1].rglob("*.parquet")):
        assert (tmp_path / "again" / file.relative_to(built[1])).read_bytes() == file.read_bytes()
