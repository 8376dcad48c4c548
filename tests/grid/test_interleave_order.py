"""Whose turn it is: a plan that holds for any sizes, chances and shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.grid.interleave_order import InterleavedOrder

SIZES = st.lists(st.integers(0, 40), min_size=2, max_size=5)
SHARES = st.tuples(st.integers(0, 3), st.just(0), st.just(1), st.integers(0, 3), st.just(4))


@st.composite
def orders(draw: st.DrawFn, stop: str) -> tuple[InterleavedOrder, list[int]]:
    sizes = draw(SIZES)
    weights = draw(st.none() | st.lists(st.integers(1, 9), min_size=len(sizes), max_size=len(sizes)))
    chances = None if weights is None else [weight / sum(weights) for weight in weights]
    return InterleavedOrder.checked(len(sizes), chances, draw(st.integers(0, 9)), stop), sizes


@given(orders("all"), SHARES)
def test_all_gives_every_item_once(order_and_sizes: tuple[InterleavedOrder, list[int]], share: tuple[int, ...]) -> None:
    order, sizes = order_and_sizes
    turns = order.turns(sizes, *share)
    assert np.bincount(turns, minlength=len(sizes)).tolist() == sizes
    assert turns.tolist() == order.turns(sizes, *share).tolist()


@given(orders("first"), SHARES)
def test_first_ends_with_the_last_item_of_one(
    order_and_sizes: tuple[InterleavedOrder, list[int]], share: tuple[int, ...]
) -> None:
    order, sizes = order_and_sizes
    turns = order.turns(sizes, *share)
    given_ = np.bincount(turns, minlength=len(sizes))
    assert (given_ <= sizes).all()
    if not all(sizes):
        assert len(turns) == 0
        return
    before = np.bincount(turns[:-1], minlength=len(sizes))
    assert (before < sizes).all() and (given_ == sizes).sum() == 1 and given_[turns[-1]] == sizes[turns[-1]]
    # It is the beginning of what would come if all went on.
    whole = InterleavedOrder(order.probabilities, order.seed, "all").turns(sizes, *share)
    assert whole[: len(turns)].tolist() == turns.tolist()


def test_chances_are_kept_and_so_are_their_ratios_when_one_has_ended() -> None:
    order = InterleavedOrder.checked(3, [0.6, 0.3, 0.1], 5, "all")
    turns = order.turns([300, 9000, 3000], 0, 0, 1, 0, 1)
    end = int(np.flatnonzero(turns == 0)[-1]) + 1
    before, after = (np.bincount(part, minlength=3) for part in (turns[:end], turns[end : end + 4000]))
    np.testing.assert_allclose(before / before.sum(), [0.6, 0.3, 0.1], atol=0.06)
    np.testing.assert_allclose(after / after.sum(), [0, 0.75, 0.25], atol=0.03)


def test_without_chances_streams_come_as_often_as_they_are_long() -> None:
    turns = InterleavedOrder.checked(2, None, 0, "first").turns([9000, 3000], 0, 0, 1, 0, 1)
    assert len(turns) > 11_900, "both last until the end"
    for quarter in np.split(turns[:11_600], 4):
        assert np.mean(quarter == 0) == pytest.approx(0.75, abs=0.03)


def test_seed_epoch_node_and_worker_change_the_order() -> None:
    share = [0, 0, 2, 0, 2]
    order = InterleavedOrder.checked(2, [0.5, 0.5], 0, "all")
    others = [order.turns([50, 50], *share)]
    others += [order.turns([50, 50], *[value + (place == changed) for place, value in enumerate(share)])
               for changed in (0, 1, 3)]  # fmt: skip
    others.append(InterleavedOrder.checked(2, [0.5, 0.5], 1, "all").turns([50, 50], *share))
    assert len({turns.tobytes() for turns in others}) == 5


def test_the_order_is_that_of_earlier_versions() -> None:
    """States of a run must resume after an upgrade: the first turns, worked out from PCG64's raw bits."""
    bits = np.random.PCG64(np.random.SeedSequence((7, 2, 1, 0, 1, 0, 1))).random_raw(12)
    expected = [int(int(number) / 2**64 >= 0.25) for number in bits]
    turns = InterleavedOrder.checked(2, [0.25, 0.75], 7, "all").turns([6, 6], 1, 0, 1, 0, 1)
    assert turns[:6].tolist() == expected[:6]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"stop": "last"}, "stop"),
        ({"stop": None}, "stop"),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seed": True}, "seed"),
        ({"probabilities": [1.0]}, "probabilities"),
        ({"probabilities": [0.5, 0.6]}, "probabilities"),
        ({"probabilities": [0.0, 1.0]}, "probabilities"),
        ({"probabilities": [-0.5, 1.5]}, "probabilities"),
        ({"probabilities": [float("nan"), 1.0]}, "probabilities"),
        ({"probabilities": ["a", "b"]}, "probabilities"),
        ({"probabilities": 0.5}, "probabilities"),
    ],
)
def test_what_cannot_be_used(changes: dict[str, Any], field: str) -> None:
    arguments: dict[str, Any] = {"probabilities": None, "seed": 0, "stop": "all"} | changes
    with pytest.raises(ParameterError) as caught:
        InterleavedOrder.checked(2, **arguments)
    assert caught.value.field == field and caught.value.expected
