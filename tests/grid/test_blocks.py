"""Responses given as arrays of many neurons, and as arrays of some: what they mean, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import NeuralDataset, neural_collate
from deepstrf_hf.errors import GridError
from deepstrf_hf.grid.arrays import pack_responses
from tests.grid.examples import Array, Pairs, is_sentinel, items_of, property_settings

BINS = (4, 6, 5)
NAN = np.nan


def grid(responses: Any, bins: Any = BINS, **options: Any) -> NeuralDataset:
    return NeuralDataset.from_arrays([np.ones((2, length)) for length in bins], responses, dt_ms=5, **options)


def block(neurons: int, trials: int, bins: int, seed: int = 0, kind: str = "float32") -> Array:
    return np.random.default_rng([seed, bins]).integers(1, 200, (neurons, trials, bins)).astype(kind)


def assert_is(dataset: NeuralDataset, pairs: Pairs) -> None:
    """Check that a dataset holds these pairs and no others."""
    for stimulus in range(dataset.get_S()):
        for neuron in range(dataset.N_neurons):
            found = dataset.responses[stimulus][neuron]
            if (stimulus, neuron) in pairs:
                np.testing.assert_array_equal(found.numpy(), pairs[stimulus, neuron])
            else:
                assert is_sentinel(found)
    assert all(stimulus < dataset.get_S() and neuron < dataset.N_neurons for stimulus, neuron in pairs)


# Whole arrays ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [np.asarray, torch.from_numpy, np.asfortranarray], ids=["array", "tensor", "Fortran"])
def test_one_array_for_every_stimulus(form: Any) -> None:
    arrays = [block(3, trials, bins) for trials, bins in zip((2, 1, 3), BINS, strict=True)]
    dataset = grid([form(array) for array in arrays])
    assert dataset.N_neurons == 3
    assert_is(dataset, {(s, n): arrays[s][n] for s in range(3) for n in range(3)})


def test_a_neuron_that_is_nan_throughout_was_not_recorded() -> None:
    arrays = [block(3, 2, bins) for bins in BINS]
    arrays[0][1] = arrays[2][0] = arrays[2][2] = NAN
    arrays[1][2, 0] = arrays[1][0, 1, :5] = NAN  # a trial, and samples of another: recorded all the same
    dataset = grid(arrays)
    left_out = [(0, 1), (2, 0), (2, 2)]
    assert_is(dataset, {(s, n): arrays[s][n] for s in range(3) for n in range(3) if (s, n) not in left_out})
    assert dataset.nrn_masks.tolist() == [[True, False, True], [True, True, True], [False, True, False]]
    assert dataset.n_trials.tolist() == [[2, 0, 2], [2, 2, 2], [0, 2, 0]]


def test_a_stimulus_that_nobody_heard() -> None:
    dataset = grid([block(2, 1, 4), np.full((2, 3, 6), NAN), block(2, 1, 5)])
    assert dataset.nrn_masks.tolist() == [[True, True], [False, False], [True, True]]
    assert len(dataset) == 2


@pytest.mark.parametrize(
    ("kinds", "kept"),
    [
        (["uint8", "uint8"], "uint8"),
        (["uint16", "uint8"], "uint16"),
        (["int8", "uint8"], "int16"),
        (["int64", "uint8"], "float32"),
        (["float64", "uint8"], "float32"),
    ],
)
def test_stored_type(kinds: list[str], kept: str) -> None:
    arrays = [block(2, 2, 4, seed, "uint8").astype(kind) for seed, kind in enumerate(kinds)]
    packed = pack_responses([arrays[0], ([1], arrays[1][1:])], 2, None, 5.0)
    assert packed.values.dtype == np.dtype(kept)
    assert packed.values.tolist() == [*arrays[0].ravel(), *arrays[1][1].ravel()]


# Arrays of some neurons -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "neurons",
    [[2, 0], (2, 0), np.array([2, 0], np.uint16), torch.tensor([2, 0]), range(2, -1, -2)],
    ids=["list", "tuple", "array", "tensor", "range"],
)
def test_an_array_of_some_neurons_in_any_order(neurons: Any) -> None:
    array = block(2, 3, 4)
    dataset = grid([(neurons, array)], (4,))
    assert dataset.N_neurons == 3  # as many as the last one says
    assert_is(dataset, {(0, 2): array[0], (0, 0): array[1]})
    assert grid([(neurons, torch.from_numpy(array))], (4,), n_neurons=7).N_neurons == 7


def test_nan_in_an_array_of_some_neurons() -> None:
    array = block(3, 2, 4)
    array[1] = NAN
    array[2, 0] = NAN
    assert_is(grid([([4, 3, 0], array)], (4,)), {(0, 4): array[0], (0, 0): array[2]})


def test_no_neurons_at_all() -> None:
    dataset = grid([([], np.empty((0, 1, 4))), ([1], block(1, 1, 6))], (4, 6))
    assert dataset.nrn_masks.tolist() == [[False, False], [False, True]]


def test_all_forms_together() -> None:
    whole, some, single = block(3, 2, 4), block(2, 1, 6, 1), block(1, 4, 5, 2)[0]
    dataset = grid([whole, ([2, 1], some), [None, single, np.full((1, 1), NAN)]])
    expected = {(0, neuron): whole[neuron] for neuron in range(3)}
    assert_is(dataset, expected | {(1, 2): some[0], (1, 1): some[1], (2, 1): single})


def test_a_tuple_of_two_responses_is_a_row_of_two_neurons() -> None:
    first, second = block(1, 2, 4)[0], block(1, 3, 4, 1)[0]
    assert_is(grid([(first, second)], (4,)), {(0, 0): first, (0, 1): second})
    assert_is(grid([(None, second)], (4,)), {(0, 1): second})
    assert_is(grid([(first.tolist(), second.tolist())], (4,)), {(0, 0): first, (0, 1): second})
    assert_is(grid([(torch.from_numpy(first), torch.from_numpy(second))], (4,)), {(0, 0): first, (0, 1): second})


def test_rows_that_are_made_on_demand() -> None:
    """Read once, so that nothing is lost of what can be read only once."""
    array = block(3, 1, 4)
    assert_is(grid(iter([iter([array[0], None, array[2]])]), (4,)), {(0, 0): array[0], (0, 2): array[2]})


# What is given stays the user's ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["float32", "uint8", "float64"])
def test_later_changes_of_what_was_given_do_not_reach_the_grid(kind: str) -> None:
    stims = [np.arange(8, dtype=kind).reshape(2, 4), np.arange(12, dtype=kind).reshape(2, 6)]
    arrays = [block(2, 2, 4, kind=kind), block(1, 1, 6, kind=kind)]
    neurons = np.array([1])
    before = [array.copy() for array in (*stims, *arrays)]
    dataset = NeuralDataset.from_arrays(stims, [arrays[0], (neurons, arrays[1])], dt_ms=5)
    dataset.smooth_responses()
    dataset.standardize_stims()
    dataset.normalize_responses("max", [0])
    neural_collate(items_of(dataset))
    for array, expected in zip((*stims, *arrays), before, strict=True):
        np.testing.assert_array_equal(array, expected)
    plain = NeuralDataset.from_arrays(stims, [arrays[0], (neurons, arrays[1])], dt_ms=5)
    for array in (*stims, *arrays, neurons):
        array[...] = 0
    assert_is(plain, {(0, 0): before[2][0], (0, 1): before[2][1], (1, 1): before[3][0]})
    for stimulus, expected in zip(plain.stims, before[:2], strict=True):
        np.testing.assert_array_equal(stimulus[0].numpy(), expected)


def test_tensors_that_belong_to_a_model_are_taken_as_they_are_now() -> None:
    weights = torch.arange(8.0).reshape(1, 2, 4).requires_grad_()
    dataset = NeuralDataset.from_arrays(weights, [weights * 2], dt_ms=5)
    assert not dataset.stims[0].requires_grad and not dataset.responses[0][0].requires_grad
    with torch.no_grad():
        weights.zero_()
    np.testing.assert_array_equal(dataset.stims[0][0].numpy(), np.arange(8).reshape(2, 4))


class OnDemand(Sequence[Any]):
    """A sequence whose entries are made when asked for, and gone when they are not held."""

    def __init__(self, shape: tuple[int, ...], form: Any, count: int) -> None:
        self.shape, self.form, self.count = shape, form, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self.count:
            raise IndexError
        return self.form(np.full(self.shape, index + 1, np.float64))


@pytest.mark.parametrize("form", [np.ndarray.tolist, torch.from_numpy, np.asarray], ids=["list", "tensor", "array"])
@pytest.mark.parametrize("shape", [(2, 4), (1, 2, 4)])
@pytest.mark.parametrize("taken", [lambda stims: stims, iter], ids=["sequence", "iterator"])
def test_stimuli_that_are_made_on_demand_are_not_taken_for_one_another(
    form: Any, shape: tuple[int, ...], taken: Any
) -> None:
    stims, responses = OnDemand(shape, form, 40), [[np.ones((1, 4))]] * 40
    dataset = NeuralDataset.from_arrays(taken(stims), responses, dt_ms=5)
    assert [float(stimulus.mean()) for stimulus in dataset.stims] == list(range(1, 41))


@pytest.mark.parametrize("kind", ["float32", "float64", "int16"])
def test_a_stimulus_given_several_times_is_stored_once(kind: str) -> None:
    first, second = np.ones((2, 4), kind), np.zeros((2, 4), kind)
    dataset = NeuralDataset.from_arrays([first, second, first, second.tolist(), first], [[None]] * 5, dt_ms=5)
    (values,) = dataset._stimuli.buffers
    assert values.array.size == 3 * first.size
    assert [float(stimulus.mean()) for stimulus in dataset.stims] == [1, 0, 1, 0, 1]
    assert dataset.stims[0].data_ptr() == dataset.stims[4].data_ptr()


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "neurons",
    [0, "01", ["a", "b"], [0.0, 1.0], [True, False], np.array([True, False]), [[0, 1]], {0, 1}, [0, None], [0, [1]],
     [-1, 0], iter([0, 1]), block(2, 1, 4)],
    ids=lambda neurons: type(neurons).__name__,
)  # fmt: skip
@pytest.mark.parametrize("n_neurons", [None, 3])
def test_neurons_that_are_no_list_of_numbers(neurons: Any, n_neurons: int | None) -> None:
    with pytest.raises(GridError, match="numbered from 0") as caught:
        grid([(neurons, block(2, 1, 4))], (4,), n_neurons=n_neurons)
    assert caught.value.field == "stimulus 0"


def test_neurons_that_are_not_there() -> None:
    with pytest.raises(GridError, match="No neuron has this index") as caught:
        grid([[None] * 3, ([1, 3], block(2, 1, 6))], (4, 6))
    assert (caught.value.field, caught.value.found) == ("stimulus 1", 3)
    assert "3 neurons" in str(caught.value.expected)


def test_neurons_that_stand_twice() -> None:
    with pytest.raises(GridError, match="stands twice") as caught:
        grid([([1, 0, 1], block(3, 1, 4))], (4,))
    assert caught.value.found == "stimulus 0, neuron 1"


@pytest.mark.parametrize("neurons", [[0], [0, 1, 2]])
def test_another_number_of_neurons_than_responses(neurons: list[int]) -> None:
    with pytest.raises(GridError, match="do not fit the neurons") as caught:
        grid([(neurons, block(2, 1, 4))], (4,))
    assert (caught.value.found, caught.value.expected) == ("2 responses", f"{len(neurons)} neurons")


@pytest.mark.parametrize("array", [block(3, 1, 4), ([0, 1], block(2, 1, 4))], ids=["all", "some"])
@pytest.mark.parametrize("bins", [3, 5])
def test_arrays_that_do_not_fit_the_stimulus(array: Any, bins: int) -> None:
    with pytest.raises(GridError, match="does not fit"):
        grid([array], (bins,))


def test_responses_of_different_bins() -> None:
    with pytest.raises(GridError, match="different numbers of bins"):
        grid({(0, 0): np.ones((1, 4)), (0, 1): np.ones((1, 5))}, (4,))


@pytest.mark.parametrize("others", [block(2, 1, 6), [None, None]], ids=["array", "row"])
def test_arrays_of_another_number_of_neurons(others: Any) -> None:
    with pytest.raises(GridError, match="one entry per neuron") as caught:
        grid([block(3, 1, 4), others], (4, 6))
    assert caught.value.found == "rows of [2, 3] entries"


@pytest.mark.parametrize("shape", [(3, 0, 4), (3, 2, 0)])
@pytest.mark.parametrize("some", [False, True])
def test_arrays_without_trials_or_bins(shape: tuple[int, ...], some: bool) -> None:
    array = np.empty(shape)
    with pytest.raises(GridError, match="must be") as caught:
        grid([([0, 1, 2], array) if some else array], (4,))
    assert caught.value.field == "stimulus 0" and str(shape) in str(caught.value.found)


@pytest.mark.parametrize("some", [False, True])
@pytest.mark.parametrize(
    ("values", "match"),
    [
        (np.full((3, 1, 4), np.inf), "infinite"),
        (np.full((3, 1, 4), 1e300), "beyond float32"),
        (np.full((3, 1, 4), "a"), "numbers"),
        (np.ones((3, 1, 4), complex), "numbers"),
        (torch.ones((3, 1, 4), dtype=torch.bfloat16), "numbers"),
    ],
)
def test_values_that_are_no_responses(values: Any, match: str, some: bool) -> None:
    with pytest.raises(GridError, match=match) as caught:
        grid([([0, 1, 2], values) if some else values], (4,))
    assert str(caught.value.field).startswith("stimulus 0")


@pytest.mark.parametrize("row", [None, 3, np.float64(3), torch.tensor(3.0), np.array(3)], ids=str)
def test_rows_that_are_no_lists(row: Any) -> None:
    with pytest.raises(GridError, match="list or array of one entry per neuron") as caught:
        grid([[None, None], row], (4, 6))
    assert caught.value.field == "responses to stimulus 1" and caught.value.found == repr(row)


@pytest.mark.parametrize("key", [0, (0,), (0, 0, 0), ("a", "b"), "ab", (0.0, 0.5), (0, True), None], ids=str)
def test_names_of_pairs_that_are_none(key: Any) -> None:
    with pytest.raises(GridError, match="named by") as caught:
        grid({key: np.ones((1, 4))}, (4,))
    assert caught.value.found == repr(key)


@pytest.mark.parametrize("shape", [(0, 4), (2, 0), (0, 0), (1, 2, 0)])
def test_stimuli_without_values(shape: tuple[int, ...]) -> None:
    with pytest.raises(GridError, match="no values") as caught:
        NeuralDataset.from_arrays([np.ones((2, 4)), np.ones(shape)], [[None], [None]], dt_ms=5)
    assert caught.value.field == "stimulus 1"


@pytest.mark.parametrize(("stims", "responses"), [(3, [[None]]), (None, [[None]]), ([np.ones((2, 4))], 3)])
def test_what_is_no_list_at_all(stims: Any, responses: Any) -> None:
    with pytest.raises(GridError, match="one entry per stimulus"):
        NeuralDataset.from_arrays(stims, responses, dt_ms=5)


@given(st.data())
@property_settings
def test_all_forms_of_one_grid_are_the_same_grid(data: Any) -> None:
    n_stimuli, n_neurons = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 4))
    bins = data.draw(st.lists(st.integers(1, 4), min_size=n_stimuli, max_size=n_stimuli))
    pairs, rows = {}, []
    for stimulus, length in enumerate(bins):
        trials = data.draw(st.integers(1, 3))
        heard = data.draw(st.permutations(range(n_neurons)))[: data.draw(st.integers(0, n_neurons))]
        array = block(n_neurons, trials, length, stimulus)
        pairs |= {(stimulus, neuron): array[neuron] for neuron in heard}
        form = data.draw(st.sampled_from(["row", "all", "some"]))
        if form == "row":
            rows.append([array[neuron] if neuron in heard else None for neuron in range(n_neurons)])
        elif form == "all":
            rows.append(np.stack([array[n] if n in heard else np.full_like(array[n], NAN) for n in range(n_neurons)]))
        else:
            rows.append((list(heard), array[list(heard)]))
    dataset = grid(rows, bins, n_neurons=n_neurons)
    assert dataset.N_neurons == n_neurons
    assert_is(dataset, pairs)
