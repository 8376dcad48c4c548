"""The packed buffer: any order of pairs gives one index, and both ways of gathering trials give the same rows."""

from __future__ import annotations

import random

import numpy as np
import pytest

from deepstrf_hf.errors import GridError
from deepstrf_hf.grid import response_buffer
from deepstrf_hf.grid.storage import PackedGrid
from tests.grid.examples import TOY_BINS, TOY_HEARD, Array, joined, packed, packed_toy, response_of, toy_pairs


def toy_entries() -> list[tuple[int, int, Array]]:
    return [(*pair, response) for pair, response in toy_pairs().items()]


def expected_rows(selection: list[tuple[int, int]]) -> tuple[list[Array], list[int], list[int]]:
    """Return values, neuron and trial of each row, from (stimulus, neuron) pairs in the order of a selection."""
    values, neurons, trials = [], [], []
    for place, pair in enumerate(selection):
        for trial, row in enumerate(toy_pairs().get(pair, ())):
            values.append(row)
            neurons.append(place)
            trials.append(trial)
    return values, neurons, trials


@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_pairs_in_the_buffer_does_not_matter(seed: int) -> None:
    entries = toy_entries()
    random.Random(seed).shuffle(entries)
    grid, reference = packed(entries, 4, 3), packed_toy()
    for name in ("pair_start", "pair_neuron", "pair_trials", "bins", "pair_stimulus", "pair_heard", "mask"):
        np.testing.assert_array_equal(getattr(grid, name), getattr(reference, name), err_msg=name)
    for (stimulus, neuron), response in toy_pairs().items():
        np.testing.assert_array_equal(response_of(grid, stimulus, neuron), response)


def test_index_of_the_toy() -> None:
    grid = packed_toy()
    assert grid.pair_start.tolist() == [0, 2, 4, 6, 7]
    assert grid.pair_neuron.tolist() == [0, 1, 0, 1, 0, 2, 0]
    assert grid.pair_trials.tolist() == [3, 2, 1, 1, 1, 2, 2]
    assert grid.bins.tolist() == list(TOY_BINS)
    assert grid.pair_stimulus.tolist() == [0, 0, 1, 1, 2, 2, 3]
    assert grid.n_stimuli == 4


def test_stimuli_without_pairs_at_the_ends_and_in_the_middle() -> None:
    response = np.ones((1, 2), np.uint8)
    grid = packed([(1, 0, response), (3, 1, response)], 6, 2)
    assert grid.pair_start.tolist() == [0, 0, 1, 1, 2, 2, 2]
    assert grid.pair_stimulus.tolist() == [1, 3]
    assert grid.bins.tolist() == [0, 2, 0, 2, 0, 0]
    assert [grid.find(stimulus, None).tolist() for stimulus in range(6)] == [
        [-1, -1], [0, -1], [-1, -1], [-1, 1], [-1, -1], [-1, -1]
    ]  # fmt: skip
    assert response_of(grid, 0, 0) is None and response_of(grid, 1, 1) is None


@pytest.mark.parametrize("where", [0, 3, 7])
def test_a_pair_that_stands_twice_is_refused(where: int) -> None:
    entries = toy_entries()
    entries.insert(where, (2, 0, np.zeros((1, 5), np.float32)))
    with pytest.raises(GridError, match="twice") as caught:
        packed(entries, 4, 3)
    assert caught.value.found == "stimulus 2, neuron 0"
    assert "one response" in str(caught.value.mend)


def test_responses_to_one_stimulus_with_other_bins_are_refused() -> None:
    entries = toy_entries()
    entries[3] = (1, 1, np.zeros((1, 7), np.float32))
    with pytest.raises(GridError, match="different numbers of bins") as caught:
        packed(entries, 4, 3)
    assert caught.value.field == "stimulus 1"
    assert caught.value.found == [6, 7]
    assert "NaN" in str(caught.value.mend)


def test_equal_sizes_do_not_hide_other_bins() -> None:
    entries = [(0, 0, np.zeros((2, 6), np.uint8)), (0, 1, np.zeros((3, 4), np.uint8))]
    with pytest.raises(GridError, match="different numbers of bins"):
        packed(entries, 1, 2)


@pytest.mark.parametrize(
    ("stimulus", "neurons", "pairs"),
    [
        (0, None, [0, 1, -1]),
        (2, None, [4, -1, 5]),
        (2, [2, 0], [5, 4]),
        (2, [0, 0, 1, 2, 2], [4, 4, -1, 5, 5]),
        (3, [2, 1], [-1, -1]),
        (3, [], []),
        (0, [2], [-1]),
    ],
)
def test_find(stimulus: int, neurons: list[int] | None, pairs: list[int]) -> None:
    chosen = None if neurons is None else np.array(neurons, np.int64)
    found = packed_toy().find(stimulus, chosen)
    assert found.dtype == np.int64
    assert found.tolist() == pairs


def test_find_where_all_neurons_heard_the_stimulus() -> None:
    response = np.zeros((1, 2), np.uint8)
    grid = packed([(1, 1, response), (0, 0, response), (1, 0, response)], 2, 2)
    assert grid.find(1, None).tolist() == [1, 2]
    assert grid.find(0, None).tolist() == [0, -1]


@pytest.mark.parametrize("block_values", [2**17, 1, 5, 11], ids="blocks of {}".format)
@pytest.mark.parametrize("reverse", [False, True], ids=["contiguous", "gathered"])
@pytest.mark.parametrize(
    ("stimulus", "neurons"),
    [(0, [0, 1, 2]), (0, [0]), (0, [1, 0]), (0, [1, 1, 0, 1]), (2, [0, 1, 2]), (2, [2, 1, 0]), (2, [2]), (3, [1, 0])],
)
def test_rows(
    stimulus: int, neurons: list[int], reverse: bool, block_values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response_buffer, "BLOCK_VALUES", block_values)
    entries = toy_entries()
    grid = packed(reversed(entries) if reverse else entries, 4, 3)
    rows = grid.rows(stimulus, grid.find(stimulus, np.array(neurons)))
    values, places, trials = expected_rows([(stimulus, neuron) for neuron in neurons])
    np.testing.assert_array_equal(joined(rows), values)
    assert rows.neuron.tolist() == places
    assert rows.trial.tolist() == trials


@pytest.mark.parametrize("neurons", [[1, 2], []])
def test_rows_of_neurons_that_heard_nothing_are_none(neurons: list[int]) -> None:
    grid = packed_toy()
    rows = grid.rows(3, grid.find(3, np.array(neurons, np.int64)))
    assert joined(rows).shape == (0, 3)
    assert rows.neuron.tolist() == rows.trial.tolist() == []


def test_a_gap_in_the_buffer_is_not_read_as_a_run() -> None:
    first, between, last = (np.full((2, 3), value, np.uint8) for value in (1, 2, 3))
    grid = packed([(0, 0, first), (1, 0, between), (0, 1, last)], 2, 2)
    rows = grid.rows(0, grid.find(0, None))
    np.testing.assert_array_equal(joined(rows), [[1] * 3, [1] * 3, [3] * 3, [3] * 3])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_what_is_handed_out_is_a_copy(dtype: type) -> None:
    grid = packed([(0, 0, np.ones((2, 3), dtype)), (0, 1, np.ones((1, 3), dtype))], 1, 2)
    for _, values in grid.rows(0, grid.find(0, None)).blocks():
        values[:] = 7
    handed_out = response_of(grid, 0, 0)
    assert handed_out is not None
    handed_out[:] = 8
    np.testing.assert_array_equal(grid.values, np.ones(9))


def test_one_finite_value_is_enough_to_have_heard() -> None:
    values = [[np.nan, np.nan], [np.nan, 1.0], [2.0, 3.0], [np.inf, -np.inf]]
    entries = [(0, neuron, np.array([row], np.float32)) for neuron, row in enumerate(values)]
    grid = packed(entries, 1, 5)
    assert grid.pair_heard.tolist() == [False, True, True, False]
    assert grid.mask.tolist() == [[False, True, True, False, False]]


def test_counts_were_heard_even_without_a_spike() -> None:
    assert packed([(0, 0, np.zeros((1, 2), np.uint8))], 1, 1).pair_heard.tolist() == [True]


def test_mask_of_the_toy_is_read_only() -> None:
    grid = packed_toy()
    assert grid.mask.tolist() == TOY_HEARD
    with pytest.raises(ValueError, match="read-only"):
        grid.mask[0, 2] = True


def test_large_whole_numbers_keep_their_values() -> None:
    response = np.array([[65_535, 256, 255]], np.uint16)
    grid: PackedGrid = packed([(0, 0, response)], 1, 1)
    assert grid.values.dtype == np.uint16
    np.testing.assert_array_equal(response_of(grid, 0, 0), [[65_535, 256, 255]])


def test_a_buffer_of_another_size_than_its_pairs_need() -> None:
    with pytest.raises(GridError, match="fill their buffer") as caught:
        PackedGrid.from_pairs(
            np.zeros(5, np.uint8),
            np.array([0]),
            np.array([0]),
            np.array([2]),
            np.array([3]),
            n_stimuli=1,
            n_neurons=1,
            dt_ms=5.0,
        )
    assert (caught.value.found, caught.value.expected) == (5, 6)


def test_which_pairs_hold_data_is_told_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepstrf_hf.grid.storage.FINITE_BLOCK_VALUES", 5)
    rng = np.random.default_rng(0)
    heard = rng.random(40) < 0.6
    trials = rng.integers(1, 4, 40)
    pieces = [np.full(count * 3, np.nan) for count in trials]
    for piece, has_data in zip(pieces, heard, strict=True):
        piece[rng.integers(len(piece))] = 1.0 if has_data else np.nan
    order = rng.permutation(40)  # the buffer is not in the order of the pairs
    grid = PackedGrid.from_pairs(
        np.concatenate([pieces[index] for index in order]).astype(np.float32),
        order // 8,
        order % 8,
        trials[order],
        np.full(40, 3),
        n_stimuli=5,
        n_neurons=8,
        dt_ms=5.0,
    )
    np.testing.assert_array_equal(grid.mask, heard.reshape(5, 8))
