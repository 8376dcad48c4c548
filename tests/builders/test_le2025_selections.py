"""Choices of stimuli that Le 2025 declares for its grids."""

import numpy as np
import pytest

import deepstrf_hf
from builders.le2025.selections import critical_interval, restoration_quartet
from deepstrf_hf import build
from deepstrf_hf.errors import SelectionError
from tests.raw_writers.le2025 import write_le2025


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    directory = tmp_path_factory.mktemp("le2025_selections")
    write_le2025(directory / "raw", seed=5)
    build("le2025", data_dir=directory / "raw", out=directory / "out", parameters={"n_bands": 2})
    return directory / "out"


@pytest.fixture(params=["nat8a", "nat8b", "synth8b"])
def dataset(built, request):
    return deepstrf_hf.load(built, f"{request.param}-n_bands_2")


def load(built, experiment):
    return deepstrf_hf.load(built, f"{experiment}-n_bands_2")


def chosen(dataset, key):
    return {item["stim_meta"][key] for item in dataset}


@pytest.mark.parametrize(
    ("experiment", "interval", "column"),
    [
        ("nat8a", 1, "1"),
        ("nat8a", "2", "2"),
        ("nat8b", np.int64(2), "2"),
        ("synth8b", "2a", "2a"),
    ],
)
def test_an_interval_is_kept_with_the_motifs_as_a_whole(built, experiment, interval, column):
    dataset = load(built, experiment)
    indices = dataset.select_critical_interval(interval)
    expected = [i for i, entry in enumerate(dataset.stim_meta) if entry["critical_interval"] in (column, None)]
    assert indices == expected
    assert chosen(dataset, "critical_interval") == {column, None}
    whole = {"C"} if experiment == "nat8a" else {"C", "CM"}
    assert {entry["variant"] for entry in dataset.stim_meta if entry["critical_interval"] is None} == whole
    assert whole < chosen(dataset, "variant")


@pytest.mark.parametrize("interval", [3, "2b", None, True, 1.0, "", "C"])
def test_an_interval_that_nothing_has_is_refused(dataset, interval):
    there = "2a, 4a" if dataset.stim_meta[0]["experiment"] == "synth8b" else "1, 2"
    if dataset.stim_meta[0]["experiment"] == "synth8b" and interval is None:
        there = "2a, 4a"
    with pytest.raises(SelectionError, match=rf"No stimulus has this critical interval.*Expected: {there}\.") as caught:
        dataset.select_critical_interval(interval)
    assert repr(interval) in str(caught.value)
    assert len(dataset) == len(dataset.stims), "the choice before stays"


@pytest.mark.parametrize("experiment", ["nat8b", "synth8b"])
def test_the_quartet_is_what_the_paper_compares(built, experiment):
    dataset = load(built, experiment)
    dataset.select_restoration_quartet()
    assert chosen(dataset, "variant") == {"C", "CB", "GB", "GM"}
    motifs = {entry["motif"] for entry in dataset.stim_meta}
    assert len(dataset) == len(motifs) * (1 + 3 * 2)
    interval = {"nat8b": 2, "synth8b": "4a"}[experiment]
    dataset.select_restoration_quartet(interval)
    assert chosen(dataset, "variant") == {"C", "CB", "GB", "GM"}
    assert chosen(dataset, "critical_interval") == {str(interval), None}
    assert len(dataset) == len(motifs) * 4
    with pytest.raises(SelectionError, match="No stimulus has this critical interval"):
        dataset.select_restoration_quartet(interval=7)


@pytest.mark.parametrize("interval", [None, 1])
def test_there_is_no_quartet_without_masked_gaps(built, interval):
    match = r"there is no GM\..*Found: C, CB, G, GB, N\. Expected: C, CB, GB, GM\..*nat8a has no GM"
    with pytest.raises(SelectionError, match=match):
        load(built, "nat8a").select_restoration_quartet(interval)


def test_the_functions_themselves_take_any_metadata():
    stimuli = [
        {"variant": variant, "critical_interval": interval}
        for variant, interval in (("C", None), ("CM", None), ("GB", "1"), ("CB", "1"), ("GM", "1"), ("GM", "2"))
    ]
    assert critical_interval(stimuli, "1") == [True, True, True, True, True, False]
    assert restoration_quartet(stimuli) == [True, False, True, True, True, True]
    assert restoration_quartet(stimuli, 1) == [True, False, True, True, True, False]
    with pytest.raises(SelectionError, match="there is no CB and no GB"):
        restoration_quartet(stimuli, 2)
    with pytest.raises(SelectionError, match="nothing: no stimulus has one"):
        critical_interval(stimuli[:2], 1)
