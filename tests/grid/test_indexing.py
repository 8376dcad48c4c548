"""Indices and metadata queries: integers of any library, everything else refused with a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from deepstrf_hf.errors import SelectionError, UnknownNameError
from deepstrf_hf.grid.conditions import matching_attribute
from deepstrf_hf.grid.indexing import checked_index, checked_indices, matching_predicate

BOOLEANS = [True, np.True_, np.array(True), torch.tensor(True)]
NOT_INTEGERS = [*BOOLEANS, 1.0, np.float64(1), torch.tensor(1.0), "1", b"1", None, [1], (1,), {"a": 1}, slice(1)]
BOOLEAN_MASKS = [[True, False, True], np.array([True, False, True]), torch.tensor([True, False, True])]
NOT_LISTS = [
    {0, 1},
    frozenset({0, 1}),
    {0: 1}.keys(),
    1,
    np.array(1),
    torch.tensor(1),
    "12",
    b"12",
    {0: 1},
    {},
    "",
    1.5,
    None,
]
ENTRIES = [
    {"area": "A1", "depth": 5, "good": True, "note": None},
    {"area": "AAF", "depth": None, "good": False},
    {"area": "A1", "depth": 9, "good": 1},
]


def described(value: Any) -> str:
    """Return a name for a test, the same in every process."""
    text = "" if hasattr(value, "__next__") else repr(value)  # iterators show their address
    return f"{type(value).__module__}.{type(value).__name__}-{text}"


@pytest.mark.parametrize("index", [2, np.int64(2), np.uint8(2), np.array(2), torch.tensor(2)], ids=described)
def test_integers_of_any_library(index: Any) -> None:
    result = checked_index(index, 4, "neuron")
    assert result == 2 and type(result) is int


@pytest.mark.parametrize("index", [-1, np.int64(-1), torch.tensor(-1)], ids=described)
def test_indices_count_from_the_end(index: Any) -> None:
    assert checked_index(index, 4, "neuron") == 3


@pytest.mark.parametrize("index", NOT_INTEGERS, ids=described)
def test_anything_else_is_refused(index: Any) -> None:
    with pytest.raises(SelectionError, match="neuron index must be an integer") as caught:
        checked_index(index, 4, "neuron")
    assert type(index).__name__ in str(caught.value.found)
    assert isinstance(caught.value, IndexError)


@pytest.mark.parametrize(("index", "length"), [(4, 4), (-5, 4), (0, 0), (-1, 0), (2**70, 4)])
def test_indices_out_of_range(index: int, length: int) -> None:
    with pytest.raises(SelectionError, match="No stimulus has this index") as caught:
        checked_index(index, length, "stimulus")
    assert caught.value.found == index
    assert caught.value.expected == (f"from {-length} to {length - 1}" if length else "none")


@pytest.mark.parametrize(
    "indices",
    [[3, 0, 0, -1], (3, 0, 0, -1), np.array([3, 0, 0, -1]), torch.tensor([3, 0, 0, -1]), iter([3, 0, 0, -1])],
    ids=described,
)
def test_lists_keep_order_and_repetitions(indices: Any) -> None:
    checked = checked_indices(indices, 4, "neuron")
    assert checked.dtype == np.int64
    assert checked.tolist() == [3, 0, 0, 3]


@pytest.mark.parametrize("indices", [[], (), np.array([], int), torch.tensor([], dtype=torch.int64), range(0)])
def test_empty_lists_are_empty(indices: Any) -> None:
    checked = checked_indices(indices, 4, "neuron")
    assert checked.dtype == np.int64 and checked.shape == (0,)


@pytest.mark.parametrize("indices", NOT_LISTS, ids=described)
def test_what_is_no_list_is_refused(indices: Any) -> None:
    with pytest.raises(SelectionError, match="list of integers") as caught:
        checked_indices(indices, 4, "neuron")
    assert caught.value.found == repr(indices)


@pytest.mark.parametrize("indices", [*BOOLEAN_MASKS, [0, 1.0], np.array([0.0]), [[0, 1]], [None]], ids=described)
def test_lists_of_what_is_no_integer_are_refused(indices: Any) -> None:
    with pytest.raises(SelectionError, match="must be an integer"):
        checked_indices(indices, 4, "neuron")


@pytest.mark.parametrize(
    ("key", "value", "matching"),
    [
        ("area", "A1", [0, 2]),
        ("area", "a1", []),
        ("depth", 5, [0]),
        ("depth", 5.0, [0]),
        ("depth", "5", []),
        ("depth", None, [1]),
        ("note", None, [0]),
        ("good", True, [0]),
        ("good", False, [1]),
        ("good", 1, [2]),
        ("good", 0, []),
        ("depth", float("nan"), []),
    ],
)
def test_attributes_match_by_equality(key: str, value: Any, matching: list[int]) -> None:
    assert matching_attribute(ENTRIES, key, value, "neuron") == matching


@pytest.mark.parametrize(("stored", "asked"), [(np.True_, True), (True, np.True_), (np.True_, np.True_)])
def test_truth_values_of_numpy_are_truth_values(stored: Any, asked: Any) -> None:
    entries = [{"good": stored}, {"good": 1}, {"good": np.int64(1)}]
    assert matching_attribute(entries, "good", asked, "neuron") == [0]
    assert matching_attribute(entries, "good", 1, "neuron") == [1, 2]


@pytest.mark.parametrize(
    ("key", "near"), [("aera", "area"), ("dept", "depth"), ("Good", "good"), ("nothing like it", None)]
)
def test_an_attribute_nobody_has_is_an_error_with_near_matches(key: str, near: str | None) -> None:
    with pytest.raises(UnknownNameError, match="neuron attribute") as caught:
        matching_attribute(ENTRIES, key, "A1", "neuron")
    assert isinstance(caught.value, KeyError)
    assert repr(key) in str(caught.value)
    assert caught.value.expected == "one of: area, depth, good, note"
    assert caught.value.mend is None if near is None else repr(near) in str(caught.value.mend)


@pytest.mark.parametrize(
    ("predicate", "matching"),
    [
        (lambda entry: entry["depth"] > 4, [0, 2]),  # None > 4 is no match
        (lambda entry: entry["note"] is None, [0]),  # others have no note
        (lambda entry: entry.get("note") is None, [0, 1, 2]),
        (lambda entry: np.bool_(entry["area"] == "AAF"), [1]),
        (lambda entry: entry["good"], [0, 2]),
        (lambda entry: None, []),
    ],
)
def test_predicates(predicate: Callable[[Any], Any], matching: list[int]) -> None:
    assert matching_predicate(ENTRIES, predicate, "neuron") == matching


def test_a_predicate_on_an_attribute_nobody_has_is_an_error() -> None:
    with pytest.raises(UnknownNameError) as caught:
        matching_predicate(ENTRIES, lambda entry: entry["dpeth"] > 4, "stimulus")
    assert "stimulus attribute" in caught.value.problem
    assert "'depth'" in str(caught.value.mend)


def test_other_errors_of_a_predicate_are_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        matching_predicate(ENTRIES, lambda entry: 1 / 0, "neuron")
    with pytest.raises(AttributeError):
        matching_predicate(ENTRIES, lambda entry: entry["area"].lowercase(), "neuron")


def test_a_wrong_comparison_is_not_swallowed_where_the_value_is_there() -> None:
    complete = [{"depth": 5}, {"depth": 9}]
    with pytest.raises(TypeError):
        matching_predicate(complete, lambda entry: entry["depth"] > "deep", "neuron")


def test_a_wrong_comparison_is_not_swallowed_because_another_attribute_is_absent() -> None:
    entries = [{"depth": 5, "ccmax": None}, {"depth": 9, "ccmax": None}]
    with pytest.raises(TypeError):
        matching_predicate(entries, lambda entry: entry["depth"] > "deep", "neuron")


def test_a_key_error_of_the_predicates_own_is_not_taken_for_a_missing_attribute() -> None:
    thresholds = {"A1": 3}
    with pytest.raises(KeyError, match="PEG") as caught:
        matching_predicate([{"area": "PEG"}], lambda entry: thresholds[entry["area"]] > 2, "neuron")
    assert not isinstance(caught.value, UnknownNameError)


def test_a_typo_behind_get_is_an_unknown_attribute() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'depth'"):
        matching_predicate([{"depth": 5}], lambda entry: (entry.get("dpeth") or 0) > 3, "neuron")
    assert matching_predicate([{"depth": 5}, {}], lambda entry: entry.get("depth", 9) > 3, "neuron") == [0, 1]
