"""CRCNS AA4: parts of the corpus, and what datasets and the grid make of its tables."""

import numpy as np
import pyarrow.parquet as pq
import pytest

import deepstrf_hf
from builders.crcns_aa4 import CrcnsAa4
from deepstrf_hf import build
from tests.builders.crcns_aa4_trees import fixed_hop_bins, pairs, real_units, table_rows
from tests.raw_writers.crcns_aa4 import ANIMALS, write_crcns_aa4
from tests.toy import fingerprint


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_crcns_aa4(tmp_path_factory.mktemp("aa4_raw"), seed=3)


@pytest.fixture(scope="module")
def built(written, tmp_path_factory):
    out = tmp_path_factory.mktemp("aa4_built") / "crcns_aa4"
    report = build("crcns_aa4", data_dir=written.directory, out=out)
    return report.cohorts["all"], out


# Parts ----------------------------------------------------------------------------------------------------------------


def test_rows_refer_to_their_stimulus_and_shards_are_by_bird(written, built):
    files = sorted((built[1] / "all").glob("*.parquet"))
    assert len(files) == len(ANIMALS)
    birds = [set(pq.read_table(file, columns=["neuron_animal_id"])["neuron_animal_id"].to_pylist()) for file in files]
    assert birds == [{animal} for animal in ANIMALS]
    assert "spectrogram" not in pq.read_schema(files[0]).names
    assert len(table_rows(built[1], "all-stimuli")) == len({stim_id for stim_id, _ in pairs(built[1])}) == 7


def test_two_processes_give_the_same_bytes(written, built, tmp_path):
    build("crcns_aa4", data_dir=written.directory, out=tmp_path / "two", num_proc=2)
    assert fingerprint(tmp_path / "two") == fingerprint(built[1])


@pytest.mark.parametrize("birds", [ANIMALS[4:5], (ANIMALS[5], ANIMALS[1])])
def test_a_partial_tree_builds_what_is_there_and_says_so(written, built, tmp_path, birds):
    truth = write_crcns_aa4(tmp_path / "raw", seed=3, birds=birds)
    report = build("crcns_aa4", data_dir=tmp_path / "raw", out=tmp_path / "out").cohorts["all"]
    absent = [animal for animal in ANIMALS if animal not in birds]
    assert f"No unit files of {', '.join(absent)} are in this tree." in report.notes
    part, whole = pairs(tmp_path / "out"), pairs(built[1])
    assert {name.partition("-")[0] for _, name in part} == set(birds)
    assert part == {key: whole[key] for key in part}
    available = {truth.sounds[name].md5 for (_, name) in truth.numbers} & {stim_id for stim_id, _ in part}
    assert {row["stim_id"] for row in table_rows(tmp_path / "out", "all-stimuli")} == available


def test_files_that_are_no_units_change_nothing(written, built, tmp_path):
    write_crcns_aa4(tmp_path / "raw", seed=3)
    in_bird = (".DS_Store", "._Site1_L1400R1400_e10_s0_ss1.h5", "readme.txt", "wavfiles/._stim85.wav", "wavfiles/x.wav")
    for name in (".DS_Store", *(f"BlaBro09xxF/{name}" for name in in_bird)):
        (tmp_path / "raw" / name).write_bytes(b"nothing")
    build("crcns_aa4", data_dir=tmp_path / "raw", out=tmp_path / "out")
    assert fingerprint(tmp_path / "out") == fingerprint(built[1])


def test_another_folder_with_units_is_left_out_by_name(tmp_path):
    write_crcns_aa4(tmp_path / "raw", seed=3, birds=ANIMALS[5:], extra_units=0)
    (tmp_path / "raw" / "RedRed0000M").mkdir()
    (tmp_path / "raw" / "RedRed0000M" / "Site1_L1R1_e1_s0.h5").write_bytes(b"")
    report = build("crcns_aa4", data_dir=tmp_path / "raw", out=tmp_path / "out").cohorts["all"]
    assert ("folders", "RedRed0000M", "not one of the six birds of the release") in report.left_out


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ({"neuron.animal_id": "GreBlu9508M"}, lambda row: row["neuron_animal_id"] == "GreBlu9508M"),
        ({"neuron.sex": "F", "stim.type": "song"}, lambda row: row["neuron_sex"] == "F" and row["stim_type"] == "song"),
        ({"neuron.sort_type": ["multi"]}, lambda row: row["neuron_sort_type"] == "multi"),
        ({"stim.type": ["call", "mlnoise"]}, lambda row: row["stim_type"] in ("call", "mlnoise")),
    ],
)
def test_a_part_can_be_chosen_by_metadata(written, built, tmp_path, where, kept):
    report = build("crcns_aa4", data_dir=written.directory, out=tmp_path / "out", where=where)
    ((name, entry),) = report.cohorts.items()
    whole = pairs(built[1])
    assert pairs(tmp_path / "out", name) == {key: row for key, row in whole.items() if kept(row)}
    assert entry.published == {}
    if "neuron.animal_id" in where:
        assert not any(file.endswith(".h5") and "GreBlu" not in file for file in entry.raw_sha256)


# The builder as datasets and the grid see it --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["all", "all-stimuli", "all-neurons"])
def test_the_builder_gives_datasets_the_same_rows(written, built, tmp_path, name):
    import datasets

    builder = CrcnsAa4(config_name=name, data_dir=str(written.directory), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare()
    ours = datasets.load_dataset(str(built[1]), name, split="train")
    theirs = builder.as_dataset("train")
    assert theirs.features == ours.features
    assert theirs.data.table.cast(ours.data.table.schema).to_pylist() == ours.data.table.to_pylist()


def test_the_grid_smooths_as_published(written, built):
    pytest.importorskip("torch")
    grid = deepstrf_hf.load(built[1], "all")
    plain = deepstrf_hf.load(built[1], "all", preprocessing=None)
    assert (grid.F, grid.dt, grid.N_neurons, grid.get_S()) == (32, 1.0, len(real_units(written)), 7)
    place = [s for s, n in zip(*np.nonzero(np.asarray(grid.nrn_masks)), strict=True) if n == 0][0]
    counts, smoothed = np.asarray(plain.responses[place][0]), np.asarray(grid.responses[place][0])
    kernel = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(21) / 20)
    np.testing.assert_allclose(smoothed, [np.convolve(row, kernel, "same") for row in counts], atol=1e-4)


def test_the_grid_gives_waveforms_on_the_bins(written, built):
    pytest.importorskip("torch")
    grid = deepstrf_hf.load(built[1], "all", stimulus="waveform")
    assert grid.audio_fs == 24_000
    lengths = {entry["name"]: int(stim.shape[-1]) for entry, stim in zip(grid.stim_meta, grid.stims, strict=True)}
    expected = {sound.md5: 24 * fixed_hop_bins(sound) for sound in written.sounds.values()}
    assert len(lengths) == 7
    assert lengths == {md5: expected[md5] for md5 in lengths}
