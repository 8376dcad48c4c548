"""The sequences of tensors that a dataset shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from deepstrf_hf.errors import SelectionError
from tests.grid.examples import TOY_BINS, TOY_TRIALS, is_sentinel, toy, toy_pairs, toy_stimuli, toy_with_waveforms

SEQUENCES: dict[str, tuple[Callable[[], Any], int]] = {
    "stimuli": (lambda: toy().stims, 4),
    "responses": (lambda: toy().responses, 4),
    "responses to one stimulus": (lambda: toy().responses[2], 3),
    "responses of an item": (lambda: toy()[2]["responses"], 3),
}
all_sequences = pytest.mark.parametrize(("make", "length"), SEQUENCES.values(), ids=SEQUENCES)


def as_arrays(entry: Any) -> Any:
    """Return a tensor, or a sequence of tensors, as something that compares."""
    return entry.tolist() if isinstance(entry, torch.Tensor) else [tensor.tolist() for tensor in entry]


def same(one: Any, other: Any) -> bool:
    return repr(as_arrays(one)) == repr(as_arrays(other))  # NaN is not equal to itself, its text is


@all_sequences
def test_length_iteration_and_both_directions(make: Callable[[], Any], length: int) -> None:
    sequence = make()
    entries = list(sequence)
    assert len(sequence) == len(entries) == length
    assert all(same(sequence[index], entries[index]) for index in range(length))
    assert all(same(sequence[index - length], entries[index]) for index in range(length))
    backwards = list(reversed(sequence))
    assert all(same(backwards[length - 1 - index], entries[index]) for index in range(length))


@all_sequences
@pytest.mark.parametrize("index", [np.int64(1), np.uint8(1), torch.tensor(1), np.array(1)], ids=lambda i: str(type(i)))
def test_integers_of_any_library(make: Callable[[], Any], length: int, index: Any) -> None:
    assert same(make()[index], make()[1])


@all_sequences
@pytest.mark.parametrize("part", [slice(1, 3), slice(None, None, -1), slice(-2, None), slice(5, 9), slice(0, 99, 2)])
def test_slices_are_lists(make: Callable[[], Any], length: int, part: slice) -> None:
    sequence = make()
    taken, expected = sequence[part], list(sequence)[part]
    assert isinstance(taken, list) and len(taken) == len(expected)
    assert all(same(one, other) for one, other in zip(taken, expected, strict=True))


@all_sequences
@pytest.mark.parametrize(
    "index", [True, np.True_, torch.tensor(True), 1.0, np.float32(1), "1", None, [0], (0,), 99, -99, np.int64(99)]
)
def test_everything_else_is_refused(make: Callable[[], Any], length: int, index: Any) -> None:
    with pytest.raises(SelectionError):
        make()[index]


def test_the_error_tells_what_was_indexed() -> None:
    with pytest.raises(SelectionError, match="No stimulus has this index") as of_stimulus:
        toy().stims[4]
    with pytest.raises(SelectionError, match="No neuron has this index") as of_neuron:
        toy().responses[0][3]
    assert (of_stimulus.value.found, of_stimulus.value.expected) == (4, "from -4 to 3")
    assert (of_neuron.value.found, of_neuron.value.expected) == (3, "from -3 to 2")


@all_sequences
def test_entries_cannot_be_replaced(make: Callable[[], Any], length: int) -> None:
    with pytest.raises(TypeError):
        make()[0] = torch.zeros(1, 1)


def test_responses_are_what_was_given_and_sentinels_elsewhere() -> None:
    responses, pairs = toy().responses, toy_pairs()
    for stimulus in range(4):
        for neuron in range(3):
            response = responses[stimulus][neuron]
            assert response.dtype == torch.float32
            if (stimulus, neuron) in TOY_TRIALS:
                np.testing.assert_array_equal(response.numpy(), pairs[stimulus, neuron])
            else:
                assert is_sentinel(response)


def test_stimuli_have_a_channel_axis() -> None:
    for stimulus, expected in zip(toy().stims, toy_stimuli(), strict=True):
        assert stimulus.dtype == torch.float32
        np.testing.assert_array_equal(stimulus.numpy(), expected[None])
    assert [tuple(waveform.shape) for waveform in toy_with_waveforms().stims] == [(1, 40 * bins) for bins in TOY_BINS]


def test_changing_a_response_or_a_sentinel_changes_nothing_else() -> None:
    dataset = toy()
    dataset.responses[0][0].fill_(-1)
    dataset.responses[0][2].fill_(-1)
    dataset[0]["responses"][0].fill_(-1)
    np.testing.assert_array_equal(dataset.responses[0][0].numpy(), toy_pairs()[0, 0])
    assert is_sentinel(dataset.responses[0][2])


def test_repr_says_what_it_is() -> None:
    assert repr(toy().stims) == "<GridStimuli of 4 entries>"
    assert repr(toy().responses) == "<GridResponses of 4 entries>"
    assert repr(toy().responses[0]) == "<ItemResponses of 3 entries>"
