"""NAT4: the numbers of the real corpus."""

import csv

import pytest

from builders.nat4 import AREAS
from deepstrf_hf import build
from tests.builders.nat4_trees import neurons, pairs


@pytest.fixture(scope="module", params=sorted(AREAS))
def real_build(request, real_data, tmp_path_factory):
    directory, area = real_data / "nat4", AREAS[request.param]
    if not any(directory.glob(f"{area}_NAT4_ozgf.fs100.ch18*")):
        pytest.skip(f"no real recordings of NAT4 {area}")
    out = tmp_path_factory.mktemp("real") / "nat4"
    report = build("nat4", [request.param], data_dir=directory, out=out)
    return directory, request.param, report.cohorts[request.param], out


@pytest.mark.real
def test_real_counts_are_the_published_ones(real_build):
    _, _, entry, _ = real_build
    assert entry.published
    assert entry.differences() == {}


@pytest.mark.real
def test_real_cells_are_those_of_the_table(real_build):
    directory, cohort, _, out = real_build
    with (directory / f"{AREAS[cohort]}_pred_correlation.csv").open(encoding="utf-8") as file:
        listed = {row["cellid"]: row["sig_auditory"] for row in csv.DictReader(file)}
    found = neurons(out, cohort)
    for cell in listed.keys() & found.keys():
        assert str(found[cell]["neuron_auditory"]) == listed[cell]
    assert len(listed.keys() & found.keys()) > 0.9 * len(found)


@pytest.mark.real
def test_real_trials_are_those_of_the_release(real_build):
    _, cohort, _, out = real_build
    rows = pairs(out, cohort)
    assert {row["n_bins"] for row in rows.values()} == {150}
    assert {(row["subset"], row["n_trials"]) for row in rows.values()} == {("est", 1), ("val", 20)}
