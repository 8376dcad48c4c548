"""CRCNS AA2: what comes out of its files, and what is wrong with them."""

import shutil

import datasets
import numpy as np
import pytest

import deepstrf_hf
from builders.crcns_aa2 import CrcnsAa2
from deepstrf_hf import build
from deepstrf_hf.errors import DataDirectoryError, MissingRawFileError, RawFormatError
from deepstrf_hf.features.mel import mel_spectrogram
from tests.raw_writers.crcns_aa2 import write_crcns_aa2


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_crcns_aa2(tmp_path_factory.mktemp("raw"), seed=3)


@pytest.fixture(scope="module")
def built(written, tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "aa2"
    return build("crcns_aa2", data_dir=written.root, out=out), out


@pytest.fixture
def truth(tmp_path):
    """Return a small tree of its own, to be damaged."""
    return write_crcns_aa2(tmp_path / "raw", n_extra=0)


def rows_of(out, config="all"):
    table = datasets.load_dataset(str(out), config, split="train").with_format("numpy")
    return {(row["stim_name"], row["neuron_id"]): row for row in table}


def built_again(truth, tmp_path, **options):
    report = build("crcns_aa2", data_dir=truth.root, out=tmp_path / "out", **options)
    return next(iter(report.cohorts.values()))


# What comes out -------------------------------------------------------------------------------------------------------


def test_counts_equal_the_spike_times_that_were_written(written, built):
    rows, pairs = rows_of(built[1]), written.pairs()
    assert rows.keys() == pairs.keys()
    for (wav, cell), row in rows.items():
        response, trials = np.stack(row["response"]), pairs[wav, cell]
        assert response.shape == (len(trials), 1 + len(written.sounds[wav]) // 32)
        assert "spectrogram" not in row, "found by stim_id"
        for counts, trial in zip(response, trials, strict=True):
            bins = np.array([round(t * 1000) // 1000 for t in trial], int)
            inside = bins[(bins >= 0) & (bins < response.shape[1])]
            np.testing.assert_array_equal(counts, np.bincount(inside, minlength=response.shape[1]))


def test_each_sound_is_one_stimulus_with_its_own_class(written, built):
    stimuli = datasets.load_dataset(str(built[1]), "all-stimuli", split="train").remove_columns(["audio", "picture"])
    assert len(stimuli) == 7
    for row in stimuli:
        samples = written.sounds[row["stim_name"]]
        assert row["stim_type"] == written.classes[row["stim_name"]]
        assert (row["stim_n_samples"], row["stim_duration_s"]) == (len(samples), len(samples) / 32_000)
        expected = mel_spectrogram((samples / 32_768).astype(np.float32), 32_000, dt_ms=1.0)
        np.testing.assert_array_equal(np.array(row["spectrogram"], np.float32), expected)


def test_a_songrip_sound_filed_under_conspecific_is_a_songrip_sound(written, built):
    wav = written.of_class("songrip")[0]
    heard = {cell: row for (name, cell), row in rows_of(built[1]).items() if name == wav}
    assert heard["pupu2122_2_A"]["recording_folder"] == "conspecific"
    assert heard["blabla0903_1_A"]["recording_folder"] == "songrip"
    assert {str(row["stim_type"]) for row in heard.values()} == {"songrip"}
    assert built[0].cohorts["all"].counts["pairs_in_the_folder_of_another_class"] == 1


def test_a_sound_without_a_row_has_the_class_of_its_folders(written, built):
    wav = written.of_class("songrip")[1]
    assert [note for note in built[0].cohorts["all"].notes if wav in note and "is not in stim_data.csv" in note]
    assert {str(row["stim_type"]) for (name, _), row in rows_of(built[1]).items() if name == wav} == {"songrip"}


def test_further_trials_are_stacked_and_copies_are_one_presentation(written, built):
    song, noise, rows = written.of_class("conspecific")[1], written.of_class("flatrip")[0], rows_of(built[1])
    again = rows[song, "gg0116_2_A"]
    assert again["n_trials"] == 17
    assert (again["recording_presentations"], again["recording_presentation_trials"]) == ("2,12", "10,7")
    copied = rows[noise, "gg0116_2_A"]
    assert (copied["n_trials"], copied["recording_n_presentations"]) == (10, 1)
    entry = built[0].cohorts["all"]
    left_out = {name: reason for kind, name, reason in entry.left_out if kind == "presentations"}
    assert "byte for byte" in left_out["all_cells/gg0116_2_A/flatrip/spike5"]
    assert "flatrip/spike1" in left_out["all_cells/gg0116_2_A/flatrip/spike5"]
    assert (entry.counts["copied_presentations"], entry.counts["pairs_presented_again"]) == (1, 1)


def test_what_has_no_partner_is_left_out_by_name_without_stopping(written, built):
    entry = built[0].cohorts["all"]
    left_out = {(kind, name): reason for kind, name, reason in entry.left_out}
    assert left_out["presentations", "all_cells/gg0116_1_A/conspecific/spike8"].startswith("there is no stim file")
    assert left_out["presentations", "all_cells/gg0116_3_A/songrip/stim1"].startswith("there is no spike file")
    unheard = {name for kind, name in left_out if kind == "sounds"}
    assert unheard == {*written.of_class("bengalese"), *written.of_class("unknown")}
    assert entry.counts["pairs_by_folder"] == len(written.pairs())


def test_areas_are_text_with_none_among_them(written, built):
    neurons = {row["neuron_id"]: row for row in datasets.load_dataset(str(built[1]), "all-neurons", split="train")}
    assert {name: row["neuron_area"] for name, row in neurons.items()} == written.areas
    assert neurons["blabla0903_2"]["neuron_area"] == "None"
    assert neurons["blabla0903_2"]["neuron_rig"] is None
    assert built[0].cohorts["all"].counts["area_None"] == 1
    grid = deepstrf_hf.load(built[1], "all")
    assert len(grid.select_pop_by_nrn_attr("area", "None")) == 1


def test_trials_are_as_many_as_were_recorded(built):
    assert {int(row["n_trials"]) for row in rows_of(built[1]).values()} == {1, 10, 17, 20}


def test_cells_of_aa1_are_marked(tmp_path):
    truth = write_crcns_aa2(tmp_path / "raw", n_extra=0)
    (truth.root / "all_cells" / "blabla0903_1_A").rename(truth.root / "all_cells" / "gg0304_10_B")
    regions = truth.root / "cell_regions.csv"
    regions.write_text(regions.read_text().replace("blabla0903_1_A", "gg0304_10_B"))
    build("crcns_aa2", data_dir=truth.root, out=tmp_path / "out")
    neurons = datasets.load_dataset(str(tmp_path / "out"), "all-neurons", split="train")
    also = dict(zip(neurons["neuron_id"], neurons["neuron_also_in"], strict=True))
    assert also.pop("gg0304_10_B") == "crcns_aa1/gg0304_10_B"
    assert set(also.values()) == {None}


def test_published_counts_are_declared(built):
    published = built[0].cohorts["all"].published
    assert published["neurons"] == 494 == sum(count for name, count in published.items() if name.startswith("area_"))
    assert published["stimuli"] == 105 == sum(count for name, count in published.items() if name.startswith("stimuli_"))
    found = built[0].cohorts["all"].counts
    assert set(published) - set(found) == set(), "each of them is counted"


def test_conditions_keep_areas_and_classes(written, tmp_path):
    where = {"neuron.area": ["None", "mld"], "stim.type": "songrip"}
    entry = built_again(written, tmp_path, where=where)
    rows = datasets.load_dataset(str(tmp_path / "out"), next(iter(entry.configs)), split="train")
    assert set(rows["neuron_id"]) == {"blabla0903_2", "blabla0903_1_B", "yy1616_1_A"}
    assert set(rows["stim_type"]) == {"songrip"}


def test_layouts_and_processes_do_not_change_the_bytes(tmp_path):
    write_crcns_aa2(tmp_path / "flat", n_extra=0)
    write_crcns_aa2(tmp_path / "wrapped", n_extra=0, wrapped=True)
    build("crcns_aa2", data_dir=tmp_path / "flat", out=tmp_path / "out_flat")
    build("crcns_aa2", data_dir=tmp_path / "wrapped", out=tmp_path / "out_wrapped", num_proc=2)
    flat, wrapped = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in sorted((tmp_path / name).rglob("*.parquet"))}
        for name in ("out_flat", "out_wrapped")
    )
    assert flat == wrapped
    assert flat


@pytest.mark.parametrize("name", ["all", "all-waveform", "all-stimuli", "all-neurons"])
def test_the_builder_gives_datasets_the_same_rows(truth, tmp_path, name):
    build("crcns_aa2", data_dir=truth.root, out=tmp_path / "out", waveform=True)
    builder = CrcnsAa2(config_name=name, data_dir=str(truth.root), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare()
    ours, theirs = datasets.load_dataset(str(tmp_path / "out"), name, split="train"), builder.as_dataset("train")
    assert theirs.features == ours.features
    assert theirs.data.table.cast(ours.data.table.schema).to_pylist() == ours.data.table.to_pylist()


# Trees with something else in them ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hostile", ["solo-first", "short-first", "stim-no-newline", "unknown-region", "unread-class-cell"]
)
def test_what_stops_other_readers_is_read_whole(tmp_path, hostile):
    truth = write_crcns_aa2(tmp_path / "raw", n_extra=0, hostile=hostile)
    entry = built_again(truth, tmp_path)
    rows = rows_of(tmp_path / "out")
    assert rows.keys() == truth.pairs().keys()
    assert {cell: str(row["neuron_area"]) for (_, cell), row in rows.items()} == truth.areas
    assert {cell: str(row["neuron_animal_id"]) for (_, cell), row in rows.items()} == {
        cell: cell.split("_")[0] for cell in truth.areas
    }
    assert any("NCM" in note for note in entry.notes) == (hostile == "unknown-region")


def test_a_cell_of_the_tables_without_a_folder_is_left_out_by_name(tmp_path):
    truth = write_crcns_aa2(tmp_path / "raw", n_extra=0, hostile="csv-only-cell")
    entry = built_again(truth, tmp_path)
    assert ("cells", "zz0001_1_A", "in cell_regions.csv, but without a folder") in entry.left_out
    assert entry.counts["neurons"] == 11


def test_a_class_of_the_tables_without_a_folder_is_left_out_by_name(truth, tmp_path):
    shutil.rmtree(truth.root / "all_cells" / "blabla0903_1_A" / "songrip")
    entry = built_again(truth, tmp_path)
    assert ("folders", "all_cells/blabla0903_1_A/songrip", "in cell_stim_classes.csv, but absent") in entry.left_out


def test_the_table_of_classes_may_be_absent(truth, tmp_path):
    (truth.root / "cell_stim_classes.csv").unlink()
    assert built_again(truth, tmp_path).counts["rows"] == len(truth.pairs())


def test_a_cell_that_the_tables_do_not_list_has_no_area(truth, tmp_path):
    regions = truth.root / "cell_regions.csv"
    regions.write_text("".join(line for line in regions.open() if not line.startswith("oo0909_4_A")))
    entry = built_again(truth, tmp_path)
    row = next(row for (_, cell), row in rows_of(tmp_path / "out").items() if cell == "oo0909_4_A")
    assert row["neuron_area"] is None
    assert any("oo0909_4_A is not in cell_regions.csv" in note for note in entry.notes)
    assert entry.counts["area_unlisted"] == 1


def test_strays_are_named(truth, tmp_path):
    for place in (truth.root / "all_cells", truth.root / "all_stims", truth.root / "all_cells/gg0116_1_A/flatrip"):
        (place / ".DS_Store").write_bytes(b"\0")
    strays = {name for kind, name, _ in built_again(truth, tmp_path).left_out if kind == "files"}
    assert strays == {"all_cells/.DS_Store", "all_stims/.DS_Store", "all_cells/gg0116_1_A/flatrip/.DS_Store"}


def test_what_the_table_states_of_a_sound_is_compared_with_it(truth, tmp_path):
    wav = truth.of_class("flatrip")[1]
    table = truth.root / "stim_data.csv"
    table.write_text(table.read_text().replace(f"{wav},32000.000000,16,20801", f"{wav},32000.000000,16,20802"))
    entry = built_again(truth, tmp_path)
    assert any(wav in note and "20802" in note and "20801" in note for note in entry.notes)


def test_a_sound_of_unclear_class_has_none(truth, tmp_path):
    wav = truth.of_class("songrip")[0]
    table = truth.root / "stim_data.csv"
    table.write_text("".join(line for line in table.open() if not line.startswith(wav)))
    entry = built_again(truth, tmp_path)
    types = {row["stim_type"] for (name, _), row in rows_of(tmp_path / "out").items() if name == wav}
    assert types == {None}, "filed under songrip and under conspecific"
    assert entry.counts["stimuli_unknown"] == 1


# Bad input ------------------------------------------------------------------------------------------------------------


def test_a_missing_sound_stops_the_build_or_is_left_out_by_name(tmp_path):
    truth = write_crcns_aa2(tmp_path / "raw", n_extra=0, hostile="wav-missing")
    wav = truth.of_class("conspecific")[2]
    with pytest.raises(MissingRawFileError, match="that was played is missing") as caught:
        built_again(truth, tmp_path)
    assert caught.value.path == wav
    assert "and 7 more" in caught.value.found
    entry = built_again(truth, tmp_path, on_error="skip")
    assert wav in [name for kind, name, _ in entry.left_out if kind == "sounds"]
    assert entry.counts["rows"] == len([key for key in truth.pairs() if key[0] != wav])


def test_a_damaged_spike_file_stops_the_build_or_is_left_out_by_name(truth, tmp_path):
    place = "all_cells/oo0909_4_B/flatrip/spike2"
    (truth.root / place).write_text("1.0 one \n")
    with pytest.raises(RawFormatError, match="cannot be read"):
        built_again(truth, tmp_path)
    entry = built_again(truth, tmp_path, on_error="skip")
    assert place in [name for kind, name, _ in entry.left_out if kind == "presentations"]
    assert entry.counts["rows"] == len(truth.pairs()) - 1


@pytest.mark.parametrize("table", ["cell_regions.csv", "stim_data.csv"])
def test_a_missing_table_always_stops(truth, tmp_path, table):
    (truth.root / table).unlink()
    with pytest.raises(MissingRawFileError, match=r"crcns-aa2-docs\.tar\.gz") as caught:
        built_again(truth, tmp_path, on_error="skip")
    assert table in caught.value.path


@pytest.mark.parametrize(
    ("table", "line", "found"),
    [
        ("cell_regions.csv", "gg0116_9_A", "gg0116_9_A"),
        ("cell_regions.csv", "gg0116_9_A,L1,L2a", "gg0116_9_A,L1,L2a"),
        ("cell_regions.csv", "gg0116_9_A,", "gg0116_9_A,"),
        ("cell_regions.csv", "gg0116_1_A,CM", "gg0116_1_A in L and in CM"),
        ("cell_stim_classes.csv", "gg0116_9_A", "gg0116_9_A"),
        ("stim_data.csv", "X.wav,32000.0,16,many,flatrip", "X.wav,32000.0,16,many,flatrip"),
        ("stim_data.csv", "X.wav,32000.0,16,flatrip", "X.wav,32000.0,16,flatrip"),
    ],
)
def test_a_damaged_row_of_a_table_always_stops_with_its_line(truth, tmp_path, table, line, found):
    path = truth.root / table
    path.write_text(path.read_text() + f"\n{line}\n")
    number = path.read_text().splitlines().index(line) + 1
    with pytest.raises(RawFormatError) as caught:
        built_again(truth, tmp_path, on_error="skip")
    assert (caught.value.path, caught.value.field, caught.value.found) == (str(path), f"line {number}", found)


def test_two_different_rows_of_one_sound_stop(truth, tmp_path):
    table, wav = truth.root / "stim_data.csv", truth.of_class("flatrip")[0]
    table.write_text(table.read_text() + f"{wav},32000.000000,16,16000,songrip\n")
    with pytest.raises(RawFormatError, match="twice, with different values"):
        built_again(truth, tmp_path)


def test_a_table_that_is_not_text_stops(truth, tmp_path):
    (truth.root / "cell_regions.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(RawFormatError, match="cannot be read"):
        built_again(truth, tmp_path)


def test_a_directory_without_cells_is_refused(truth, tmp_path):
    shutil.rmtree(truth.root / "all_cells")
    with pytest.raises(DataDirectoryError) as caught:
        built_again(truth, tmp_path)
    assert caught.value.expected == "all_cells"
