"""Arrays used where they lie (``copy=False``): the same data set, without a copy until it is sent."""

from __future__ import annotations

import pickle
import warnings
from multiprocessing.reduction import ForkingPickler
from typing import Any

import hypothesis.extra.numpy as numpy_strategies
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import NeuralDataset, neural_collate
from deepstrf_hf.errors import GridError
from deepstrf_hf.grid.shared import GatheredArray, SharedArray
from tests.grid.examples import Array, assert_same_batch, items_of, property_settings

PIECES = st.lists(numpy_strategies.arrays(np.uint8, st.integers(0, 6)), min_size=1, max_size=6)
N_NEURONS = 3


def sent(entry: Any) -> Any:
    """Return what another process would receive, in this one."""
    return pickle.loads(bytes(ForkingPickler.dumps(entry)))  # noqa: S301


@property_settings
@given(PIECES, st.data())
def test_parts_are_those_of_the_pieces_put_together(pieces: list[Array], data: Any) -> None:
    whole, gathered = np.concatenate(pieces), GatheredArray(pieces)
    assert (gathered.size, gathered.dtype) == (whole.size, whole.dtype)
    begin = data.draw(st.integers(0, whole.size))
    end = data.draw(st.integers(begin, whole.size))
    np.testing.assert_array_equal(gathered.part(begin, end), whole[begin:end])
    for way in (lambda entry: entry, lambda entry: pickle.loads(pickle.dumps(entry)), sent):  # noqa: S301
        received = way(gathered)
        np.testing.assert_array_equal(received.part(begin, end), whole[begin:end])
        np.testing.assert_array_equal(received.array, whole)
    np.testing.assert_array_equal(gathered.part(begin, end), whole[begin:end])


def test_pieces_are_views_until_they_are_sent() -> None:
    pieces = [np.arange(4, dtype=np.float32), np.arange(6, dtype=np.float32).reshape(2, 3)]
    gathered = GatheredArray(pieces)
    assert np.shares_memory(gathered.part(1, 3), pieces[0]) and np.shares_memory(gathered.part(4, 10), pieces[1])
    assert gathered.part(2, 6).tolist() == [2, 3, 0, 1]
    received = sent(gathered)
    assert gathered.is_shared and type(received) is SharedArray
    assert np.shares_memory(gathered.part(0, 10), received.array)
    assert not np.shares_memory(gathered.array, pieces[1])


def arrays() -> tuple[list[Array], list[Array]]:
    rng = np.random.default_rng(4)
    stimuli = [rng.normal(size=(4, bins)).astype(np.float32) for bins in (7, 9, 7, 5)]
    responses = [rng.integers(0, 9, (N_NEURONS, 1 + s % 3, stim.shape[1])).astype(np.uint8)
                 for s, stim in enumerate(stimuli)]  # fmt: skip
    return stimuli, responses


def rows_of(responses: list[Array], kind: str) -> list[Any]:
    """Give responses as arrays, as arrays of some neurons, as float with a neuron not recorded, or pair by pair."""
    if kind == "arrays":
        return responses
    if kind == "some neurons":
        return [([2, 0], array[[2, 0]]) for array in responses]
    if kind == "pairs":
        return [list(array) for array in responses]
    floats = [array.astype(np.float32) for array in responses]
    floats[1][2] = np.nan
    return floats


@pytest.mark.parametrize("kind", ["arrays", "some neurons", "floats", "pairs"])
def test_a_data_set_is_the_same_with_and_without_a_copy(kind: str) -> None:
    stimuli, responses = arrays()
    made = [
        NeuralDataset.from_arrays(stimuli, rows_of(responses, kind), n_neurons=N_NEURONS, dt_ms=5, copy=copy)
        for copy in (True, False)
    ]
    for change in (
        lambda dataset: None,
        lambda dataset: dataset.select_population([2, 1]),
        lambda dataset: dataset.select_stims([1, 3]),
        lambda dataset: dataset.smooth_responses(),
        lambda dataset: dataset.standardize_stims(),
    ):
        for dataset in made:
            change(dataset)
        copied, taken = made
        np.testing.assert_array_equal(taken.nrn_masks, copied.nrn_masks)
        assert_same_batch(neural_collate(items_of(taken)), neural_collate(items_of(copied)))
    assert_same_batch(neural_collate(items_of(sent(taken))), neural_collate(items_of(copied)))
    assert_same_batch(neural_collate(items_of(taken + taken)), neural_collate(items_of(copied + copied)))
    np.testing.assert_array_equal(taken.compute_neuron_quality()["snr"], copied.compute_neuron_quality()["snr"])


def test_what_lies_right_is_not_copied_and_what_does_not_is() -> None:
    stimuli, responses = arrays()
    stimuli[1] = np.asfortranarray(stimuli[1])
    responses[2] = responses[2].astype(np.int64)
    taken = NeuralDataset.from_arrays(stimuli, [responses[0], responses[1], None or responses[2], responses[3]],
                                      dt_ms=5, copy=False)  # fmt: skip
    shares = [np.shares_memory(stimulus.numpy(), own) for stimulus, own in zip(taken.stims, stimuli, strict=True)]
    assert shares == [True, False, True, True]
    # Integers of eight bytes make all responses float32.
    assert taken.responses[0][1].numpy().tolist() == responses[0][1].tolist()
    small = NeuralDataset.from_arrays(stimuli, arrays()[1], dt_ms=5, copy=False)
    assert small._grid.buffers[0].dtype == np.uint8
    own = arrays()[1]
    small = NeuralDataset.from_arrays(stimuli, own, dt_ms=5, copy=False)
    assert np.shares_memory(small._grid.buffers[0].shared.part(0, 3), own[0])


def test_read_only_stimuli_give_no_warning() -> None:
    stimuli, responses = arrays()
    for stimulus in stimuli:
        stimulus.flags.writeable = False
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            dataset = NeuralDataset.from_arrays(stimuli, responses, dt_ms=5, copy=False)
            assert dataset[0]["stims"].shape == (1, 4, 7)
    finally:
        torch.set_warn_always(False)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_stimulus_that_is_not_finite_is_refused(value: float) -> None:
    stimuli, responses = arrays()
    stimuli[2][1, 3] = value
    with pytest.raises(GridError, match="stimulus 2.*fill it in"):
        NeuralDataset.from_arrays(stimuli, responses, dt_ms=5, copy=False)


def test_large_finite_values_are_taken() -> None:
    stimuli, responses = arrays()
    stimuli[0][:] = 3e38  # whose sum is infinite
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NeuralDataset.from_arrays(stimuli, responses, dt_ms=5, copy=False)


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_see_the_same_items(context: str) -> None:
    stimuli, responses = arrays()
    dataset = NeuralDataset.from_arrays(stimuli, responses, dt_ms=5, copy=False)
    expected = neural_collate(items_of(dataset))
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=4, num_workers=1, collate_fn=neural_collate, multiprocessing_context=context
    )
    assert_same_batch(next(iter(loader)), expected)
