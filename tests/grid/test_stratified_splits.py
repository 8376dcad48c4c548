"""Divisions drawn by chance: shares, kinds, seeds, and what they do not depend on."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import Splits
from deepstrf_hf.errors import GridError, ParameterError, UnknownNameError
from deepstrf_hf.grid.splits import stratified_splits
from tests.grid.examples import property_settings, toy

HALVES = {"train": 0.5, "val": 0.5}


def stimuli(counts: Mapping[Any, int], key: str = "kind") -> list[dict[str, Any]]:
    """Return so many stimuli of each kind; their ids tell nothing of it."""
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    return [{"stim_id": f"clip{index:03d}", key: kind} for index, kind in enumerate(kinds)]


def shares_of(splits: Splits, entries: Sequence[Mapping[str, Any]], key: str = "kind") -> dict[tuple[str, Any], int]:
    return Counter((str(splits.split_of(entry["stim_id"])), entry[key]) for entry in entries)


# Shares ---------------------------------------------------------------------------------------------------------------


def test_shares_that_come_out_even() -> None:
    entries = stimuli({"speech": 20, "music": 10, "noise": 5})
    splits = stratified_splits(entries, {"train": 0.6, "val": 0.2, "test": 0.2}, by="kind")
    assert list(splits) == ["train", "val", "test"]
    assert shares_of(splits, entries) == {
        ("train", "speech"): 12, ("val", "speech"): 4, ("test", "speech"): 4,
        ("train", "music"): 6, ("val", "music"): 2, ("test", "music"): 2,
        ("train", "noise"): 3, ("val", "noise"): 1, ("test", "noise"): 1,
    }  # fmt: skip
    assert all(list(ids) == sorted(ids) for ids in splits.values())


@pytest.mark.parametrize("share", [0.07, 0.29, 0.57, 0.58, 1 / 3, 0.1])
def test_shares_that_binary_numbers_only_come_near(share: float) -> None:
    fractions = {"part": share, "rest": 1 - share}
    splits = stratified_splits(stimuli({"one": 300}), fractions)
    assert (len(splits["part"]), len(splits["rest"])) == (round(300 * share), 300 - round(300 * share))


fractions_of_splits = st.lists(st.integers(1, 30), min_size=1, max_size=6).map(
    lambda parts: {f"split{index}": part / sum(parts) for index, part in enumerate(parts)}
)
some_kinds = st.lists(st.integers(1, 12), min_size=1, max_size=15).map(lambda counts: dict(enumerate(counts)))


@given(some_kinds, fractions_of_splits, st.integers(0, 3))
@property_settings
def test_every_kind_has_its_share_give_or_take_one(
    counts: dict[int, int], fractions: dict[str, float], seed: int
) -> None:
    entries = stimuli(counts)
    splits = stratified_splits(entries, fractions, by="kind", seed=seed)
    assert sorted(stim_id for ids in splits.values() for stim_id in ids) == [entry["stim_id"] for entry in entries]
    assert list(splits) == list(fractions)
    shares = shares_of(splits, entries)
    for kind, count in counts.items():
        for name, fraction in fractions.items():
            assert abs(shares[name, kind] - count * fraction) <= 1 + 1e-6
    if len(fractions) <= 3:
        for name, fraction in fractions.items():
            assert abs(len(splits[name]) - len(entries) * fraction) < 1


def test_kinds_of_one_stimulus_do_not_all_go_to_one_split() -> None:
    entries = stimuli(dict.fromkeys(range(40), 1))
    splits = stratified_splits(entries, {"train": 0.8, "val": 0.2}, by="kind")
    assert (len(splits["train"]), len(splits["val"])) == (32, 8)


def test_chance_does_not_prefer_a_kind_or_a_stimulus() -> None:
    entries = stimuli({"a": 1, "b": 1, "c": 3, "d": 3})
    held_out = Counter[str]()
    for seed in range(400):
        held_out.update(stratified_splits(entries, HALVES, by="kind", seed=seed)["val"])
    # 400 fair coins each: five standard deviations are 50.
    assert set(held_out) == {entry["stim_id"] for entry in entries}
    assert all(abs(count - 200) < 50 for count in held_out.values()), held_out


# What a division does and does not depend on --------------------------------------------------------------------------

ENTRIES = stimuli({"speech": 11, "music": 6, "noise": 3})


@given(st.permutations(ENTRIES))
@property_settings
def test_the_order_of_stimuli_does_not_matter(shuffled: list[dict[str, Any]]) -> None:
    assert stratified_splits(shuffled, HALVES, by="kind", seed=5) == stratified_splits(
        ENTRIES, HALVES, by="kind", seed=5
    )


def test_the_seed_matters_and_nothing_else_is_random() -> None:
    divisions = [stratified_splits(ENTRIES, HALVES, by="kind", seed=seed) for seed in range(20)]
    assert divisions == [stratified_splits(ENTRIES, HALVES, by="kind", seed=seed) for seed in range(20)]
    assert len({splits["train"] for splits in divisions}) == 20
    assert divisions[3] == stratified_splits(ENTRIES, HALVES, by="kind", seed=np.int64(3))


def test_a_division_is_the_same_in_every_process() -> None:
    program = (
        "from deepstrf_hf.grid.splits import stratified_splits\n"
        "entries = [{'stim_id': f'clip{i}', 'kind': 'abc'[i % 3], 'site': i % 2} for i in range(30)]\n"
        "print(dict(stratified_splits(entries, {'a': 0.7, 'b': 0.3}, by=('site', 'kind'))))"
    )
    entries = [{"stim_id": f"clip{i}", "kind": "abc"[i % 3], "site": i % 2} for i in range(30)]
    here = dict(stratified_splits(entries, {"a": 0.7, "b": 0.3}, by=["kind", "site"]))
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        run = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
        )
        assert run.stdout.strip() == repr(here)


@pytest.mark.parametrize("others", [{}, {"other": 1}, {"other": 3, "third": 5}, {"0": 7, "~": 7}])
def test_other_kinds_move_nothing_where_shares_come_out_even(others: dict[str, int]) -> None:
    fractions = {"train": 0.6, "val": 0.2, "test": 0.2}
    alone = stratified_splits(ENTRIES[:10], fractions, by="kind")
    extra = [{**entry, "stim_id": "x" + entry["stim_id"]} for entry in stimuli(others)]
    among = stratified_splits(extra + ENTRIES[:10], fractions, by="kind")
    assert {name: tuple(i for i in ids if not i.startswith("x")) for name, ids in among.items()} == dict(alone)


def test_other_kinds_move_nothing_where_shares_come_out_even_but_for_the_rounding_of_numbers() -> None:
    fractions = {"a": 0.02, "b": 0.26, "c": 0.29, "d": 0.25, "e": 0.18}
    assert 100 * fractions["c"] < 29
    own = [{"stim_id": f"own{index}", "kind": "own"} for index in range(100)]
    for counts in ([5, 4, 3, 2, 3], [1] * 9, [7], []):
        others = [{"stim_id": f"c{k}.{i}", "kind": f"o{k}"} for k, count in enumerate(counts) for i in range(count)]
        among = stratified_splits(own + others, fractions, by="kind")
        counted = Counter(among.split_of(entry["stim_id"]) for entry in own)
        assert counted == {"a": 2, "b": 26, "c": 29, "d": 25, "e": 18}


@given(some_kinds, st.integers(1, 14), fractions_of_splits)
@property_settings
def test_other_kinds_move_only_what_is_left_over_in_rounding(
    counts: dict[int, int], count: int, fractions: dict[str, float]
) -> None:
    own = [{"stim_id": f"own{index}", "kind": "own"} for index in range(count)]
    alone = stratified_splits(own, fractions, by="kind")
    among = stratified_splits(own + stimuli(counts), fractions, by="kind")
    left_over = count - sum(math.floor(count * fraction + 1e-6) for fraction in fractions.values())
    moved = [entry for entry in own if alone.split_of(entry["stim_id"]) != among.split_of(entry["stim_id"])]
    assert len(moved) <= left_over


# Kinds ----------------------------------------------------------------------------------------------------------------


def test_kinds_by_several_attributes() -> None:
    entries = [
        {"stim_id": f"clip{index:02d}", "class": "ab"[index % 2], "level": index % 4 // 2, "fs": 1}
        for index in range(40)
    ]
    splits = stratified_splits(entries, {"train": 0.7, "val": 0.3}, by=["class", "level"])
    shares = Counter((splits.split_of(e["stim_id"]), e["class"], e["level"]) for e in entries)
    assert set(shares.values()) == {7, 3} and len(shares) == 8
    assert splits == stratified_splits(entries, {"train": 0.7, "val": 0.3}, by=("level", "class"))


def test_absent_and_mixed_values_are_kinds() -> None:
    entries = stimuli({None: 4, "None": 4, 1: 4, "1": 4, math.nan: 4})
    for entry in stimuli({"x": 4}):
        entries.append({"stim_id": "lacking" + entry["stim_id"]})
    splits = stratified_splits(entries, HALVES, by="kind")
    kinds = {"absent": [e for e in entries if e.get("kind") is None]}
    kinds |= {
        repr(kind): [e for e in entries if repr(e.get("kind")) == repr(kind)] for kind in ("None", 1, "1", math.nan)
    }
    assert sorted(len(members) for members in kinds.values()) == [4, 4, 4, 4, 8]
    for members in kinds.values():
        assert sum(splits.split_of(entry["stim_id"]) == "val" for entry in members) == len(members) // 2


def test_values_of_other_libraries_are_the_same_kind() -> None:
    entries = stimuli({"a": 4, "b": 4})
    other = [{**e, "kind": np.str_(e["kind"])} if index % 2 else e for index, e in enumerate(entries)]
    assert stratified_splits(other, HALVES, by="kind") == stratified_splits(entries, HALVES, by="kind")


def test_lists_as_values_are_kinds() -> None:
    entries = [{"stim_id": f"clip{index}", "tags": [["a"], ["a", "b"]][index % 2]} for index in range(8)]
    splits = stratified_splits(entries, HALVES, by="tags")
    assert Counter(int(stim_id[-1]) % 2 for stim_id in splits["val"]) == {0: 2, 1: 2}


def test_no_kinds() -> None:
    splits = stratified_splits(ENTRIES, {"train": 0.7, "val": 0.3})
    assert (len(splits["train"]), len(splits["val"])) == (14, 6)
    assert splits.source == "drawn with seed 0"
    assert stratified_splits(ENTRIES, {"all": 1}) == {"all": tuple(entry["stim_id"] for entry in ENTRIES)}


def test_the_division_says_where_it_comes_from() -> None:
    splits = stratified_splits([{**entry, "site": 1} for entry in ENTRIES], HALVES, by=["site", "kind"], seed=7)
    assert splits.source == "drawn with seed 7, stratified by kind, site"


# Splits that are kept -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [{"test": ["clip011", "clip002"]}, Splits({"test": ["clip011", "clip002"]})])
def test_kept_splits_are_not_divided_again(kept: Any) -> None:
    splits = stratified_splits(ENTRIES, HALVES, by="kind", keep=kept)
    assert list(splits) == ["test", "train", "val"] and splits["test"] == ("clip002", "clip011")
    assert {"clip002", "clip011"}.isdisjoint(splits["train"] + splits["val"])
    rest = [entry for entry in ENTRIES if entry["stim_id"] not in ("clip002", "clip011")]
    without = stratified_splits(rest, HALVES, by="kind")
    assert (splits["train"], splits["val"]) == (without["train"], without["val"])
    assert list(kept["test"]) == ["clip011", "clip002"]


def test_everything_kept() -> None:
    splits = stratified_splits(ENTRIES, HALVES, keep={"test": [entry["stim_id"] for entry in ENTRIES]})
    assert (splits["train"], splits["val"]) == ((), ()) and len(splits["test"]) == 20


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fractions",
    [
        {},
        {"train": 0.8, "val": 0.3},
        {"train": 0.8},
        {"train": 1.2, "val": -0.2},
        {"train": 1.0, "val": 0.0},
        {"train": math.nan, "val": 0.5},
        {"train": math.inf},
        {"train": "0.8", "val": "0.2"},
        {"train": 80, "val": 20},
        {"train": None},
        [0.8, 0.2],
        0.8,
        None,
    ],
)
def test_shares_that_are_none(fractions: Any) -> None:
    with pytest.raises(ParameterError, match="must be positive and add up to 1.*Field: fractions"):
        stratified_splits(ENTRIES, fractions)


@pytest.mark.parametrize(
    ("options", "error", "problem"),
    [
        ({"by": "knid"}, UnknownNameError, "stimulus attribute is named 'knid'.*did you mean 'kind'"),
        ({"by": ["kind", "site"]}, UnknownNameError, "'site'"),
        ({"keep": {"test": ["clip999"]}}, UnknownNameError, "No stimulus is named 'clip999'"),
        ({"keep": {"val": ["clip001"]}}, ParameterError, "kept as it is or drawn, not both.*Found: val"),
        ({"keep": {"test": "clip001"}}, GridError, "list of the ids"),
        ({"keep": {"test": [1]}}, GridError, "list of the ids"),
        ({"keep": {"test": ["clip001"], "rest": ["clip001"]}}, GridError, "stands twice"),
    ],
)
def test_options_that_are_refused(options: dict[str, Any], error: type[Exception], problem: str) -> None:
    with pytest.raises(error, match=problem):
        stratified_splits(ENTRIES, HALVES, **options)


@pytest.mark.parametrize("entry", [{}, {"stim_id": None}, {"stim_id": 7}])
def test_stimuli_without_ids(entry: dict[str, Any]) -> None:
    with pytest.raises(GridError, match=r"needs stable ids of the stimuli. Field: stim_meta\[20\]"):
        stratified_splits([*ENTRIES, entry], HALVES)
    with pytest.raises(GridError, match=r"stim_meta\[0\]. Found: no stim_id"):
        toy().stratified_splits(HALVES)


def test_a_view_divides_the_chosen_stimuli_alone() -> None:
    dataset = toy(stim_meta=[{"stim_id": f"s{index}"} for index in range(4)])
    drawn = dataset.where(stims=["s3", "s1"]).stratified_splits({"a": 0.5, "b": 0.5})
    assert sorted([*drawn["a"], *drawn["b"]]) == ["s1", "s3"]
