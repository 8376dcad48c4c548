"""Conditions on metadata: values, lists, ranges, masks and ids, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import between
from deepstrf_hf.errors import ParameterError, SelectionError, UnknownNameError
from deepstrf_hf.grid.conditions import matching, matching_attribute
from tests.grid.examples import property_settings

NEURONS: list[dict[str, Any]] = [
    {"neuron_id": "a0", "area": "A1", "snr": 0.5, "layer": 1, "single": True, "sites": [1, 2]},
    {"neuron_id": "b1", "area": "PEG", "snr": math.nan, "layer": None, "single": False, "sites": [3]},
    {"neuron_id": "c2", "area": None, "snr": 2.0, "layer": 3, "single": True, "sites": []},
    {"neuron_id": "d3", "snr": None, "layer": "3", "sites": None},
    {
        "neuron_id": "e4",
        "area": np.str_("A1"),
        "snr": np.float32(0.25),
        "layer": np.int64(1),
        "single": np.True_,
        "sites": np.array([1, 2]),
    },
]


def chosen(condition: Any) -> list[int]:
    return matching(NEURONS, condition, "neuron", "neuron_id")[0].tolist()


# Values ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "wanted", "expected"),
    [
        ("area", "A1", [0, 4]),
        ("area", None, [2]),  # d3 has no area: that is not an area of None
        ("area", ["PEG", None], [1, 2]),
        ("area", ("A1", "PEG"), [0, 1, 4]),
        ("area", {"A1"}, [0, 4]),
        ("area", {"A1": 1, "PEG": 2}.keys(), [0, 1, 4]),
        ("area", {"x": "PEG"}.values(), [1]),
        ("area", iter(["PEG", "A1"]), [0, 1, 4]),
        ("area", (name for name in ("A1",)), [0, 4]),
        ("area", np.array(["A1", "PEG"]), [0, 1, 4]),
        ("area", np.array("PEG"), [1]),
        ("area", pd.Series(["A1"], index=[7]), [0, 4]),
        ("area", [], []),
        ("area", "", []),
        ("area", "A", []),
        ("layer", 1, [0, 4]),
        ("layer", 1.0, [0, 4]),
        ("layer", np.int8(1), [0, 4]),
        ("layer", torch.tensor(1), [0, 4]),
        ("layer", torch.tensor([1, 3]), [0, 2, 4]),
        ("layer", np.array([3, 1]), [0, 2, 4]),
        ("layer", range(2, 4), [2]),
        ("layer", [1, "3"], [0, 3, 4]),
        ("layer", True, []),
        ("layer", np.array([True]), []),
        ("single", True, [0, 2, 4]),
        ("single", np.bool_(False), [1]),
        ("single", 1, []),
        ("single", [0, 1], []),
        ("snr", math.nan, [1]),
        ("snr", [None, float("nan")], [1, 3]),
        ("snr", 0.25, [4]),
        ("sites", [1, 2], [0, 4]),
        ("sites", (1, 2), [0, 4]),
        ("sites", np.array([1, 2]), [0, 4]),
        ("sites", [[3], [1, 2]], [0, 1, 4]),
        ("sites", [], [2]),
        ("sites", 3, []),
        ("sites", [3], [1]),
    ],
)
def test_values_and_lists_of_values(key: str, wanted: Any, expected: list[int]) -> None:
    assert matching_attribute(NEURONS, key, wanted, "neuron") == expected


def test_an_attribute_that_nobody_has() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'area'"):
        chosen({"aera": "A1"})
    with pytest.raises(UnknownNameError, match="No neuron attribute is named 'depth'"):
        chosen([{"area": "A1"}, {"depth": 3}])


@pytest.mark.parametrize("wanted", [lambda snr: snr > 1, math.isfinite, [lambda snr: snr > 1], [0.5, math.isnan]])
def test_a_function_in_the_place_of_a_value(wanted: Any) -> None:
    with pytest.raises(ParameterError, match=r"not with a function.*Field: snr.*lambda entry: \.\.\. entry\['snr'\]"):
        chosen({"snr": wanted})


# Ranges ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.5, None, [0, 2]),
        (None, 0.5, [0, 4]),
        (0.25, 0.5, [0, 4]),
        (0.5, 0.5, [0]),
        (0.6, 1.9, []),
        (-math.inf, math.inf, [0, 2, 4]),
        (np.float32(0.25), torch.tensor(0.3), [4]),
    ],
)
def test_ranges_hold_their_ends_and_no_absent_value(low: Any, high: Any, expected: list[int]) -> None:
    assert chosen({"snr": between(low, high)}) == expected


def test_ranges_of_text() -> None:
    assert chosen({"neuron_id": between("b", "d3")}) == [1, 2, 3]


def test_any_of_several_ranges_and_values() -> None:
    assert chosen({"snr": [between(high=0.3), between(1)]}) == [2, 4]
    assert chosen({"snr": [between(1), None, 0.5]}) == [0, 2, 3]


@pytest.mark.parametrize(
    ("low", "high", "problem"),
    [
        (None, None, "needs a lower or an upper end"),
        (2, 1, "must begin below its end.*from 2 to 1"),
        (math.nan, 1, "must begin below its end"),
        (0, math.nan, "must begin below its end"),
        (math.nan, None, "must begin below its end"),
        (None, math.nan, "must begin below its end"),
        ("a", 1, "ends of a range cannot be compared.*from 'a' to 1"),
        (np.array([1, 2]), 3, "ends of a range cannot be compared"),
    ],
)
def test_ranges_that_are_none(low: Any, high: Any, problem: str) -> None:
    with pytest.raises(ParameterError, match=problem):
        between(low, high)


@pytest.mark.parametrize(
    ("key", "wanted"), [("layer", between(1)), ("sites", between(1)), ("area", between(3)), ("area", ["x", between(3)])]
)
def test_values_that_cannot_be_compared_with_a_range(key: str, wanted: Any) -> None:
    with pytest.raises(ParameterError, match=f"cannot be compared with the range. Field: {key}. Found: .*Between"):
        chosen({key: wanted})


def test_a_range_of_no_attribute() -> None:
    with pytest.raises(ParameterError, match=r"needs an attribute of a neuron.*Between\(low=1"):
        chosen(between(1))


# Combinations ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"area": "A1", "snr": between(0.3)}, [0]),
        ({"area": "A1", "single": False}, []),
        ([{"area": "PEG"}, {"area": "A1", "snr": between(0.3)}], [0, 1]),
        ([{"area": "A1"}, {"layer": 1}], [0, 4]),
        ([{"area": "nowhere"}], []),
        (iter([{"area": "PEG"}]), [1]),
        ({}, [0, 1, 2, 3, 4]),
        ([{}], [0, 1, 2, 3, 4]),
        ([], []),
        ((), []),
        (set(), []),
        ("", "unknown"),
        (lambda neuron: neuron["snr"] > 0.3, [0, 2]),
        (lambda neuron: neuron.get("area") == "A1" and neuron["layer"] == 1, [0, 4]),
        (lambda neuron: False, []),
    ],
)
def test_combined_conditions(condition: Any, expected: Any) -> None:
    if expected == "unknown":
        with pytest.raises(UnknownNameError):
            chosen(condition)
    else:
        assert chosen(condition) == expected


POOL: list[Any] = [None, 0, 1, 2, 0.5, 1.0, math.nan, True, False, "a", "b", ""]
values = st.sampled_from(POOL)


def equal_by_hand(one: Any, other: Any) -> bool:
    if type(one) is bool or type(other) is bool:
        return one is other
    both_nan = isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)
    return both_nan or one == other


@given(
    st.lists(st.dictionaries(st.sampled_from("xyz"), values), min_size=1, max_size=6),
    st.lists(st.dictionaries(st.sampled_from("xyz"), values | st.lists(values, max_size=3)), min_size=1, max_size=3),
)
@property_settings
def test_every_combination_against_loops(entries: list[dict[str, Any]], conditions: list[dict[str, Any]]) -> None:
    entries = [*entries, {"x": "all", "y": "keys", "z": "there"}]
    expected = []
    for index, entry in enumerate(entries):
        for condition in conditions:
            holds = True
            for key, wanted in condition.items():
                any_of = wanted if isinstance(wanted, list) else [wanted]
                holds = holds and key in entry and any(equal_by_hand(entry[key], one) for one in any_of)
            if holds and index not in expected:
                expected.append(index)
    assert matching(entries, conditions, "neuron", "neuron_id")[0].tolist() == expected


# Ids, indices, masks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "expected", "ordered"),
    [
        ("c2", [2], True),
        (np.str_("c2"), [2], True),
        (["c2", "a0", "c2"], [2, 0, 2], True),
        (("e4",), [4], True),
        (np.array(["d3", "b1"]), [3, 1], True),
        (np.array(["d3", "b1"], object), [3, 1], True),
        (pd.Series(["d3", "b1"]), [3, 1], True),
        (pd.Index(["d3", "b1"]), [3, 1], True),
        ((name for name in ("d3", "b1")), [3, 1], True),
        ({"d3": 0, "b1": 0}.keys(), [3, 1], True),
        ({"d3", "b1", "e4", "a0"}, [0, 1, 3, 4], False),
        (frozenset({4, 0, -2}), [0, 3, 4], False),
        ([4, -5, 4], [4, 0, 4], True),
        (range(3, 0, -2), [3, 1], True),
        (np.array([4, 0], np.uint8), [4, 0], True),
        (torch.tensor([4, -1]), [4, 4], True),
        ([np.int64(4), torch.tensor(0)], [4, 0], True),
        (pd.Series([4, 0], dtype="Int64"), [4, 0], True),
        (iter([4, 0]), [4, 0], True),
        (np.array([]), [], True),
        ([True, False, False, True, False], [0, 3], False),
        ([np.True_, False, np.False_, True, False], [0, 3], False),
        (np.array([True, False, False, True, False]), [0, 3], False),
        (torch.tensor([True, False, False, True, False]), [0, 3], False),
        (pd.Series([True, False, False, True, False], index=list("vwxyz")), [0, 3], False),
        (pd.Series([True, False, False, True, False], dtype="boolean"), [0, 3], False),
        (pd.DataFrame(NEURONS)["area"] == "A1", [0, 4], False),
        ([entry["snr"] is None for entry in NEURONS], [3], False),
    ],
)
def test_ids_indices_and_masks(condition: Any, expected: list[int], ordered: bool) -> None:
    found, in_order = matching(NEURONS, condition, "neuron", "neuron_id")
    assert found.dtype == np.int64
    assert (found.tolist(), in_order) == (expected, ordered)


def test_unknown_ids_offer_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="No neuron is named 'b2'.*Field: neuron_id.*did you mean .*'b1'"):
        chosen(["a0", "b2"])


def test_ids_where_there_are_none() -> None:
    with pytest.raises(UnknownNameError, match="No stimulus attribute is named 'stim_id'"):
        matching([{"name": "s0"}, {"name": "s1"}], ["s0"], "stimulus", "stim_id")


def test_ids_where_only_some_have_one() -> None:
    entries = [{"stim_id": "s0"}, {"stim_id": None}, {}]
    assert matching(entries, "s0", "stimulus", "stim_id")[0].tolist() == [0]
    with pytest.raises(UnknownNameError, match=r"No stimulus is named 'None'.*one of: s0\."):
        matching(entries, "None", "stimulus", "stim_id")


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        (3, "Not a condition on neurons. Found: 3"),
        (np.array(3), "Not a condition on neurons"),
        (True, "Not a condition on neurons"),
        (1.5, "Not a condition on neurons"),
        (b"a0", "Not a condition on neurons"),
        ([0, "a0"], "must be an integer. Found: 'a0'"),
        (["a0", None], "must be an integer"),
        ([0.0, 1.0], "must be an integer"),
        (np.array([0.0]), "must be an integer"),
        ([True, 0], "must be an integer. Found: True"),
        ([{"area": "A1"}, 0], "must be an integer"),
        ([math.nan], "must be an integer"),
        ([0, 5], "No neuron has this index. Found: 5"),
        ([-6], "No neuron has this index. Found: -6"),
        ([True, False], "A mask must have one entry per neuron. Found: 2. Expected: 5"),
        (np.ones(6, bool), "A mask must have one entry per neuron. Found: 6. Expected: 5"),
        (np.ones((5, 1), bool), "must be an integer"),
        (pd.Series([True, None, True, True, False], dtype="boolean"), "must be an integer"),
    ],
)
def test_what_is_no_condition(condition: Any, problem: str) -> None:
    with pytest.raises(SelectionError, match=problem):
        chosen(condition)


def test_stimuli_are_called_stimuli() -> None:
    with pytest.raises(SelectionError, match="Not a condition on stimuli"):
        matching(NEURONS, 3, "stimulus", "neuron_id")
