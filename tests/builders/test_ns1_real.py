"""NS1: the numbers of the real corpus."""

import hashlib

import numpy as np
import pytest
import scipy.io

import deepstrf_hf
from builders.ns1 import Ns1
from builders.ns1.raw import CLIPS, read_units
from deepstrf_hf import build
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.responses.binning import bin_spikes_one_per_ms

N_BINS = 999


# The real corpus ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_build(real_data, tmp_path_factory):
    out = tmp_path_factory.mktemp("real") / "ns1"
    return build("ns1", data_dir=real_data / "ns1", out=out), out


@pytest.mark.real
def test_real_counts_are_the_published_ones(real_build):
    entry = real_build[0].cohorts["a1"]
    assert entry.published
    assert entry.differences() == {}
    assert [name for kind, name, _ in entry.left_out if kind == "units"] == []


@pytest.mark.real
def test_real_spikes_are_all_there(real_build, real_data):
    """Count the spikes of the .mat files with nothing of the reader under test."""
    inside, every = 0, 0
    metadata = scipy.io.loadmat(real_data / "ns1" / "MetadataSHEnCneurons.mat", simplify_cells=True)["neuron"]
    for neuron in metadata:
        data = scipy.io.loadmat(real_data / "ns1" / "spikesandwav" / neuron["path"], simplify_cells=True)["data"]
        for stimulus_set in data["set"][:20]:
            for repeat in stimulus_set["repeats"]:
                times = np.atleast_1d(repeat["t"]).astype(float)
                every += times.size
                inside += int((times < 4995).sum())
    assert every == 3_164_715
    assert real_build[0].cohorts["a1"].counts["spikes"] == inside == 3_071_786


@pytest.mark.real
def test_real_counts_under_deepstrfs_rule_have_its_fingerprint(real_data):
    """The SHA-256 of deepSTRF 0.1.0's counts on the same files, (unit, clip, trial, bin) as uint8."""
    counts = np.zeros((119, 20, 20, N_BINS), np.uint8)
    for position, (_, unit) in enumerate(read_units(RawTree(real_data / "ns1", "ns1", Ns1.LANDMARKS))):
        for clip in CLIPS:
            counts[position, clip.index] = bin_spikes_one_per_ms(*unit.spikes[clip.key], N_BINS, 5.0).counts
    assert counts.sum() == 2_990_905
    assert counts.sum(axis=(1, 2, 3))[:5].tolist() == [18985, 26322, 21366, 54627, 25438]
    digest = hashlib.sha256(counts.tobytes()).hexdigest()
    assert digest == "2de10c6c1d8a0a5911b30c0c879bc1baf29ce0824239557e8edd0d9880d0a69c"


@pytest.mark.real
def test_real_waveforms_have_their_nominal_levels(real_build):
    assert not any("dB SPL" in note for note in real_build[0].cohorts["a1"].notes)


@pytest.mark.real
def test_real_grid_opens_whole(real_build):
    grid = deepstrf_hf.load(real_build[1], "a1", preprocessing=None)
    assert (grid.get_S(), grid.N_neurons, grid.F, grid.dt) == (20, 119, 34, 5)
    assert bool(grid.nrn_masks.all())
    assert grid.responses[0][0].shape == (20, N_BINS)
    assert len(grid.select_pop_by_nrn_attr("single_unit_at_known_depth", True)) == 73
