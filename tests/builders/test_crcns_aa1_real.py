"""CRCNS AA1: the numbers of the real corpus."""

import hashlib
import zipfile
from collections import Counter

import datasets
import numpy as np
import pyarrow.dataset
import pytest
import soundfile

import deepstrf_hf
from builders.crcns_aa1.cells import FIELD_L_CELLS, MLD_CELLS
from deepstrf_hf import build


@pytest.fixture(scope="module")
def real_raw(real_data, tmp_path_factory):
    directory = tmp_path_factory.mktemp("real") / "raw"
    with zipfile.ZipFile(real_data / "crcns_aa1" / "crcns-aa1.zip") as archive:
        archive.extractall(directory)
    return directory


@pytest.fixture(scope="module")
def real_build(real_raw, tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "aa1"
    return build("crcns_aa1", data_dir=real_raw, out=out), out


@pytest.fixture(scope="module")
def counted(real_raw):
    """Count trials and spikes straight from the text files, with nothing of the reader under test."""
    counts = Counter()
    for stim in sorted(real_raw.glob("crcns-aa1/*_cells/*/*/stim*")):
        wav = stim.read_text().split()[0]
        kind = stim.parent.name
        bins = 1 + soundfile.info(real_raw / "crcns-aa1" / "all_stims" / kind / wav).frames // 32
        lines = stim.with_name(stim.name.replace("stim", "spike")).read_text().split("\n")[:-1]
        counts["rows"] += 1
        counts["trials"] += len(lines)
        for line in lines:
            times = [int(text.replace(".", "")) for text in line.split()]  # three decimals: microseconds
            counts["silent"] += not times
            counts["before"] += sum(t < 0 for t in times)
            counts["after"] += sum(t >= bins * 1000 for t in times)
            counts["inside"] += sum(0 <= t < bins * 1000 for t in times)
    return counts


@pytest.mark.real
def test_real_counts_are_the_published_ones(real_build):
    entry = real_build[0].cohorts["all"]
    assert entry.published
    assert entry.differences() == {}
    assert entry.counts["pairs_presented_again"] == entry.counts["copied_presentations"] == 0
    assert entry.left_out == [("files", "Field_L_cells/.DS_Store", "not a file of the release")]
    assert entry.notes == []


@pytest.mark.real
def test_real_spikes_are_all_there(real_build, counted):
    entry = real_build[0].cohorts["all"]
    amounts = {reason: amount for kind, reason, amount in entry.amounts if kind == "spikes"}
    assert counted["rows"] == entry.counts["rows"] == 2960
    assert counted["trials"] == entry.counts["trials"] == 29_900
    assert counted["silent"] == 116
    assert counted["inside"] == entry.counts["spikes"] == 578_201
    assert amounts == {"before sound onset": counted["before"], "after the last bin of the sound": counted["after"]}
    assert amounts == {"before sound onset": 79_913, "after the last bin of the sound": 71_763}
    assert counted["inside"] + counted["before"] + counted["after"] == 729_877


@pytest.mark.real
def test_real_grid_opens_whole(real_build):
    grid = deepstrf_hf.load(real_build[1], "all", preprocessing=None)
    assert (grid.get_S(), grid.N_neurons, grid.F, grid.dt) == (30, 100, 32, 1)
    assert int(np.asarray(grid.nrn_masks).sum()) == 2960
    assert {meta["cell_id"] for meta in grid.nrn_meta if meta["area"] == "Field_L"} == FIELD_L_CELLS
    assert {meta["cell_id"] for meta in grid.nrn_meta if meta["area"] == "MLd"} == MLD_CELLS
    assert all(meta["also_in"] == f"crcns_aa2/{meta['cell_id']}" for meta in grid.nrn_meta)
    trials = Counter(
        grid.responses[s][n].shape[0] for s, n in zip(*np.nonzero(np.asarray(grid.nrn_masks)), strict=True)
    )
    assert trials == {10: 2900, 15: 60}
    bins = sorted(stim.shape[-1] for stim in grid.stims)
    assert (bins[0], bins[-1]) == (1649, 2502)


@pytest.mark.real
def test_real_sounds_are_named_by_their_digest(real_raw):
    sounds = sorted(real_raw.glob("crcns-aa1/all_stims/*/*.wav"))
    assert len(sounds) == 30
    for path in sounds:
        assert hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest().upper() == path.stem


@pytest.mark.real
def test_real_filters_read_the_row_groups_of_their_stimuli_only(real_build, tmp_path):
    files = pyarrow.dataset.dataset(sorted((real_build[1] / "all").glob("*.parquet")))

    def row_groups(condition=None):
        pieces = [piece for file in files.get_fragments() for piece in file.split_by_row_group(condition)]
        return sum(len(piece.row_groups) for piece in pieces)

    assert (row_groups(), row_groups(pyarrow.dataset.field("stim_type") == "flatrip")) == (30, 10)
    stim_id = files.to_table(columns=["stim_id"])["stim_id"][1000].as_py()
    assert row_groups(pyarrow.dataset.field("stim_id") == stim_id) == 1
    rows = datasets.load_dataset(
        str(real_build[1]), "all", split="train", columns=["stim_id", "stim_type", "neuron_area"],
        filters=[("stim_type", "==", "flatrip"), ("neuron_area", "==", "MLd")],
        verification_mode="no_checks", cache_dir=str(tmp_path),
    )  # fmt: skip
    assert len(rows) == 500 and set(rows["stim_type"]) == {"flatrip"} and set(rows["neuron_area"]) == {"MLd"}
