"""Wingert 2026: the numbers of the real corpus, against its files read without the library."""

import csv
import io
import json
import tarfile

import h5py
import numpy as np
import pytest

from deepstrf_hf import build
from tests.builders.wingert2026_trees import neurons_of, pairs_of, stimuli_of

SITE = "CLT027c"


@pytest.fixture(scope="module")
def real_raw(real_data):
    directory = real_data / "wingert2026"
    if not (directory / "cell_list.csv").is_file():
        pytest.skip("no real recordings of Wingert 2026")
    return directory


@pytest.fixture(scope="module")
def site(real_raw):
    """Return channels, spike times, epochs and spectrograms of the archive that holds one site."""
    for path in sorted((real_raw / "recordings").glob("*.tgz")):
        with tarfile.open(path) as archive:
            members = {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}

        def content(end, members=members):
            return next(data for name, data in members.items() if name.endswith(end))

        channels = json.loads(content(".resp.json"))["chans"]
        if channels[0].startswith(f"{SITE}-"):
            with h5py.File(io.BytesIO(content(".resp.h5"))) as file:
                times = {cell: file[cell][()] for cell in channels}
            with h5py.File(io.BytesIO(content(".stim.h5"))) as file:
                tiles = {name: file[name][()] for name in file}
            return times, list(csv.DictReader(io.StringIO(content(".resp.epoch.csv").decode()))), tiles
    pytest.skip(f"no archive of {SITE}")


@pytest.fixture(scope="module")
def real_site(real_raw, tmp_path_factory):
    out = tmp_path_factory.mktemp("real") / "wingert2026"
    report = build("wingert2026", ["a1"], data_dir=real_raw, out=out, where={"neuron.site": SITE})
    return report, out, f"a1-neuron.site_{SITE}"


@pytest.mark.real
def test_a_real_site_has_the_documented_numbers(real_site):
    report, out, config = real_site
    counts = next(iter(report.cohorts.values())).counts
    assert (counts["neurons"], counts["stimuli"]) == (20, 11)
    assert {row["n_bins"] for row in stimuli_of(out, config).values()} == {2200}


@pytest.mark.real
def test_real_counts_equal_a_plain_count_of_the_spike_times(real_site, site):
    _, out, config = real_site
    times, epochs, tiles = site
    for (_, name, cell), row in pairs_of(out, config).items():
        starts = [float(epoch["start"]) for epoch in epochs if epoch["name"] == name]
        expected = np.zeros((len(starts), tiles[name].shape[1]), int)
        for trial, start in enumerate(starts):
            places = np.floor(times[cell] * 100).astype(int) - int(np.round(start * 100))
            np.add.at(expected[trial], places[(places >= 0) & (places < expected.shape[1])], 1)
        np.testing.assert_array_equal(row["response"], expected)


@pytest.mark.real
def test_the_whole_release_has_the_published_counts(real_raw, tmp_path):
    report = build("wingert2026", ["a1_peg"], data_dir=real_raw, out=tmp_path / "out", num_proc=2)
    entry = report.cohorts["a1_peg"]
    assert {name: entry.counts[name] for name in entry.published} == entry.published
    assert all(row["neuron_layer"] in ("13", "44", "56") for row in neurons_of(tmp_path / "out", "a1_peg").values())
