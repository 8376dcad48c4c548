"""Divisions of stimuli: published ones, and what a division must be."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders.ns1 import Ns1
from deepstrf_hf import Splits, load
from deepstrf_hf.errors import GridError, UnknownNameError
from deepstrf_hf.published_split import StimulusSplit
from tests.grid.built_files import STIM_IDS, TEST_CLIPS
from tests.grid.examples import names_of, toy

TOY = Splits({"train": ["a", "b", "c"], "test": ["d"]}, "of a publication")


# What a division is ---------------------------------------------------------------------------------------------------


def test_a_division_is_a_mapping() -> None:
    assert list(TOY) == ["train", "test"] and len(TOY) == 2
    assert TOY["train"] == ("a", "b", "c") and TOY.get("val") is None and "val" not in TOY
    assert dict(TOY) == {"train": ("a", "b", "c"), "test": ("d",)}
    assert Splits({"test": ["d"], "train": ("a", "b", "c")}) == TOY
    assert Splits({"train": ["a", "b"], "test": ["d"]}) != TOY
    assert repr(TOY) == "Splits(train: 3, test: 1; of a publication)" and repr(Splits({})) == "Splits(none)"


def test_an_unknown_split() -> None:
    with pytest.raises(UnknownNameError, match="No split is named 'tets'.*did you mean 'test'"):
        TOY["tets"]


def test_which_split_a_stimulus_is_in() -> None:
    assert [TOY.split_of(stim_id) for stim_id in ("a", "d", "e")] == ["train", "test", None]


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda splits: pickle.loads(pickle.dumps(splits))])  # noqa: S301
def test_copies(duplicate: Any) -> None:
    other = duplicate(TOY)
    assert other == TOY and other.source == TOY.source and other.split_of("d") == "test"


def test_ids_may_come_in_any_list() -> None:
    members = {"train": np.array(["a", "b"]), "test": iter("cd"), "val": (), "rest": {"e": 1}.keys()}
    assert dict(Splits(members)) == {"train": ("a", "b"), "test": ("c", "d"), "val": (), "rest": ("e",)}


def test_what_was_given_can_be_changed_afterwards() -> None:
    ids = ["a"]
    splits = Splits({"train": ids})
    ids.append("b")
    assert splits["train"] == ("a",)


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"train": ["a", "b"], "test": ["b"]}, "stands twice in a division. Field: b. Found: train and test"),
        ({"train": ["a", "a"]}, "stands twice in a division. Field: a. Found: train and train"),
        ({"train": [0, 1]}, r"list of the ids of its stimuli. Field: train. Found: \[0, 1\]"),
        ({"train": np.array([0, 1])}, "list of the ids"),
        ({"train": ["a", None]}, "list of the ids"),
        ({"train": "clip01"}, "list of the ids of its stimuli. Field: train. Found: 'clip01'"),
        ({"train": 3}, "list of the ids"),
        ({"train": None}, "list of the ids"),
        (["a", "b"], "Splits have names"),
    ],
)
def test_what_is_no_division(members: Any, problem: str) -> None:
    with pytest.raises(GridError, match=problem):
        Splits(members)
    if not problem.startswith("stands"):
        with pytest.raises(GridError, match=problem):
            Splits.published(members)


@pytest.mark.parametrize(
    "members",
    [
        {"train": ["a", "b", "c"], "val": ["c", "d"], "test": ["d", "b"]},
        {"val": ["c", "d"], "train": ["a", "b", "c"], "test": ["d", "b"]},
        {"val": ["c", "d"], "test": ["d", "b"], "train": ["a", "b", "c"]},
    ],
)
def test_what_is_held_out_anywhere_is_held_out_everywhere(members: dict[str, list[str]]) -> None:
    splits = Splits.published(members, "sites differ")
    assert splits == {"train": ("a",), "val": ("c",), "test": ("d", "b")}
    assert splits.source == "sites differ" and list(splits) == list(members)


def test_ids_that_stand_twice_in_published_files() -> None:
    assert Splits.published({"train": ["b", "a", "b"]}) == {"train": ("b", "a")}


def test_other_ids() -> None:
    renamed = TOY.renamed({"a": "x/a", "d": "x/d", "unknown": "y"})
    assert renamed == {"train": ("x/a", "b", "c"), "test": ("x/d",)} and renamed.source == TOY.source
    with pytest.raises(GridError, match="stands twice"):
        TOY.renamed({"a": "d"})


def test_several_divisions_together() -> None:
    other = Splits({"test": ["f"], "est": ["g"]}, "of another")
    joined = Splits.join([TOY, other, Splits({}, ""), Splits({"test": []}, "of another")])
    assert joined == {"train": ("a", "b", "c"), "test": ("d", "f"), "est": ("g",)}
    assert joined.source == "of a publication; of another"
    assert Splits.join([]) == {}
    with pytest.raises(GridError, match="Field: d. Found: test and est"):
        Splits.join([TOY, Splits({"est": ["d"]})])


# Those of data sets ---------------------------------------------------------------------------------------------------


def test_splits_of_arrays() -> None:
    stim_meta = [{"name": f"s{index}", "stim_id": f"clip{index}"} for index in range(4)]
    dataset = toy(stim_meta=stim_meta, splits={"test": ["clip3", "clip0"], "train": ("clip1", "clip2")})
    assert dataset.splits == {"test": ("clip3", "clip0"), "train": ("clip1", "clip2")}
    assert names_of(dataset.where(stims=dataset.splits["test"])) == ["s0", "s3"]
    assert toy().splits == {}
    with pytest.raises(GridError, match="ids of its stimuli"):
        toy(splits={"train": [0, 1]})


def test_splits_stay_what_they_are_whatever_is_selected() -> None:
    stim_meta = [{"name": f"s{index}", "stim_id": f"clip{index}"} for index in range(4)]
    dataset = toy(stim_meta=stim_meta, splits={"test": ["clip2"], "train": ["clip0", "clip1", "clip3"]})
    dataset.select_stims([1, 2])
    assert dataset.splits["train"] == ("clip0", "clip1", "clip3")
    assert names_of(dataset.where(stims=dataset.splits["train"])) == ["s1"]
    dataset.reset_stim_selection()
    assert names_of(dataset.where(stims=dataset.splits["test"])) == ["s2"]


def declared_split() -> StimulusSplit:
    (cohort,) = Ns1.CORPUS.cohorts
    assert isinstance(cohort.splits, StimulusSplit)
    return cohort.splits


def test_the_published_division_of_ns1(ns1_built: Path) -> None:
    dataset = load(ns1_built, "a1")
    expected = {
        "train": tuple(STIM_IDS[clip] for clip in range(20) if clip not in TEST_CLIPS),
        "test": tuple(STIM_IDS[clip] for clip in TEST_CLIPS),
    }
    assert dataset.splits == expected and list(dataset.splits) == ["train", "test"]
    assert set(declared_split().test) == set(expected["test"])
    assert dataset.splits.source == declared_split().source and "Rahman" in dataset.splits.source
    by_attribute = dataset.where(stims={"subset": "test"})
    by_split = dataset.where(stims=dataset.splits["test"])
    assert len(by_split) == 4 and by_split.S_sel == by_attribute.S_sel


@pytest.mark.parametrize("split", ["train", "test"])
def test_one_split_of_ns1_knows_itself_alone(ns1_built: Path, split: str) -> None:
    whole, part = load(ns1_built, "a1"), load(ns1_built, "a1", split=split)
    assert list(part.splits) == [split] and part.splits[split] == whole.splits[split]
    assert part.splits.source == whole.splits.source
    assert [entry["stim_id"] for entry in part.stim_meta] == list(part.splits[split])
    assert len(part.where(stims=part.splits[split])) == part.get_S() == len(whole.splits[split])
    with pytest.raises(UnknownNameError, match=f"one of: {split}"):
        part.splits["train" if split == "test" else "test"]


def test_ns1_divides_its_training_stimuli_and_keeps_its_test_stimuli(ns1_built: Path) -> None:
    dataset = load(ns1_built, "a1")
    published = dataset.splits
    drawn = dataset.stratified_splits({"train": 0.75, "val": 0.25}, seed=3, keep={"test": published["test"]})
    assert drawn["test"] == tuple(sorted(published["test"]))
    assert sorted(drawn["train"] + drawn["val"]) == sorted(published["train"])
    assert (len(drawn["train"]), len(drawn["val"])) == (12, 4)
    assert len(dataset.where(stims=drawn["val"])) == 4


def test_a_division_names_stimuli_that_are_there() -> None:
    meta = [{"stim_id": f"s{index}"} for index in range(4)]
    with pytest.raises(UnknownNameError, match="did you mean 's2'"):
        toy(stim_meta=meta, splits={"test": ["s22"]})
    with pytest.raises(GridError, match="twice"):
        toy(stim_meta=meta, splits={"train": ["s1"], "test": ["s1"]})
