"""Grids that the tests of the grid share, and what must come out of them, worked out by plain loops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from hypothesis import settings
from numpy.typing import NDArray

from deepstrf_hf import NeuralDataset
from deepstrf_hf.grid.response_buffer import Rows
from deepstrf_hf.grid.storage import PackedGrid

Array = NDArray[Any]
Pairs = Mapping[tuple[int, int], Array]

TOY_BINS = (4, 6, 5, 3)
TOY_BANDS = 2
TOY_TRIALS = {(0, 0): 3, (0, 1): 2, (1, 0): 1, (1, 1): 1, (2, 0): 1, (2, 2): 2, (3, 0): 2}
TOY_HEARD = [[True, True, False], [True, True, False], [True, False, True], [True, False, False]]
TOY_BATCH_COUNTS = [[12, 8, 0], [6, 6, 0], [5, 0, 9]]

property_settings = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@dataclass(frozen=True)
class LeaveOutOnset:
    """A step of a user's own: the first bins are not to be fitted."""

    bins: int = 1
    name: ClassVar[str] = "leave_out_onset"
    keeps_finite: ClassVar[bool] = False

    def apply(self, values: Array, dt_ms: float) -> Array:
        values = values.copy()
        values[..., : self.bins] = np.nan
        return values

    def describe(self) -> str:
        return "The first bins are missing."


def toy_pairs() -> dict[tuple[int, int], Array]:
    """Return the toy of the paradigm: every value tells its stimulus, neuron, trial and bin; one is missing."""
    pairs = {}
    for (stimulus, neuron), trials in TOY_TRIALS.items():
        response = np.empty((trials, TOY_BINS[stimulus]), np.float32)
        for trial in range(trials):
            for time in range(TOY_BINS[stimulus]):
                response[trial, time] = 1000 * stimulus + 100 * neuron + 10 * trial + time + 1
        pairs[stimulus, neuron] = response
    pairs[2, 2][1, 3] = np.nan
    return pairs


def toy_stimuli() -> list[Array]:
    return [
        np.arange(1, TOY_BANDS * bins + 1, dtype=np.float32).reshape(TOY_BANDS, bins) + 100 * stimulus
        for stimulus, bins in enumerate(TOY_BINS)
    ]


def toy_waveforms(samples_per_bin: int) -> list[Array]:
    return [
        np.arange(1, bins * samples_per_bin + 1, dtype=np.float32) + 1000 * stimulus
        for stimulus, bins in enumerate(TOY_BINS)
    ]


TOY_STIM_META = [
    {"name": "s0", "split": "test", "ci": None},
    {"name": "s1", "split": "est", "ci": 1},
    {"name": "s2", "split": "est", "ci": 2},
    {"name": "s3", "split": "est", "ci": 3},
]
TOY_NRN_META = [
    {"name": "n0", "area": "A1", "depth": 100, "single": True},
    {"name": "n1", "area": "A1", "depth": None, "single": False},
    {"name": "n2", "area": "AAF", "depth": 900},
]


def nested(pairs: Pairs, n_stimuli: int, n_neurons: int) -> list[list[Array | None]]:
    """Return pairs as rows of one entry per neuron, None where there is no pair."""
    return [[pairs.get((stimulus, neuron)) for neuron in range(n_neurons)] for stimulus in range(n_stimuli)]


def toy(**changes: Any) -> NeuralDataset:
    """Return the toy as a dataset, with other arguments where they are given."""
    arguments: dict[str, Any] = {
        "stims": toy_stimuli(),
        "responses": nested(toy_pairs(), 4, 3),
        "stim_meta": TOY_STIM_META,
        "nrn_meta": TOY_NRN_META,
        "dt_ms": 5,
    }
    return NeuralDataset.from_arrays(**(arguments | changes))


def toy_with_waveforms(**changes: Any) -> NeuralDataset:
    """Return the toy with waveforms of 8 kHz: 40 samples per bin of 5 ms."""
    return toy(**({"stims": toy_waveforms(40), "audio_fs": 8000} | changes))


def full_counts(n_stimuli: int, n_neurons: int, trials: int, bins: int) -> dict[tuple[int, int], Array]:
    """Return counts in which every neuron heard every stimulus equally often."""
    generator = np.random.default_rng(5)
    return {
        (stimulus, neuron): generator.integers(0, 9, (trials, bins), dtype=np.uint8)
        for stimulus in range(n_stimuli)
        for neuron in range(n_neurons)
    }


def dataset_of(pairs: Pairs, bins: Sequence[int], n_neurons: int, **options: Any) -> NeuralDataset:
    """Return pairs as a dataset whose stimuli are numbered."""
    stimuli = [np.full((2, length), stimulus + 1, np.float32) for stimulus, length in enumerate(bins)]
    return NeuralDataset.from_arrays(stimuli, nested(pairs, len(bins), n_neurons), **({"dt_ms": 5} | options))


def packed(
    entries: Iterable[tuple[int, int, Array]], n_stimuli: int, n_neurons: int, dt_ms: float = 5.0, steps: Any = ()
) -> PackedGrid:
    """Return (stimulus, neuron, response) entries as a packed grid whose buffer has them in this order."""
    entries = list(entries)
    return PackedGrid.from_pairs(
        np.concatenate([response.ravel() for *_, response in entries]),
        np.array([stimulus for stimulus, *_ in entries]),
        np.array([neuron for _, neuron, _ in entries]),
        np.array([response.shape[0] for *_, response in entries]),
        np.array([response.shape[1] for *_, response in entries]),
        n_stimuli=n_stimuli,
        n_neurons=n_neurons,
        dt_ms=dt_ms,
        steps=steps,
    )


def packed_toy() -> PackedGrid:
    return packed(((*pair, response) for pair, response in toy_pairs().items()), 4, 3)


def joined(rows: Rows) -> Array:
    """Return the values of rows as one matrix, after checking that their blocks follow each other."""
    blocks = list(rows.blocks())
    for which, values in blocks:
        assert values.dtype == np.float32
        assert list(range(len(rows.trial)))[which] == list(range(which.start, which.start + len(values)))
    starts = [which.start for which, _ in blocks]
    assert starts == [sum(len(values) for _, values in blocks[:number]) for number in range(len(blocks))]
    empty = np.empty((0, rows.stored.shape[1]), np.float32)
    return np.concatenate([empty, *(values for _, values in blocks)])


def heard_by_loop(pairs: Pairs, n_stimuli: int, n_neurons: int) -> list[list[bool]]:
    """Return who heard what: a pair with one finite value at least."""
    heard = [[False] * n_neurons for _ in range(n_stimuli)]
    for (stimulus, neuron), response in pairs.items():
        heard[stimulus][neuron] = any(np.isfinite(value) for value in response.ravel())
    return heard


def visible_by_loop(
    heard: Sequence[Sequence[bool]], neurons: Sequence[int] | None, stimuli: Sequence[int] | None
) -> tuple[list[int], list[int]]:
    """Return the neurons of an item and the stimuli that are iterated, from the rule as the paradigm states it."""
    candidates = list(range(len(heard[0]))) if neurons is None else list(neurons)
    chosen = list(range(len(heard))) if stimuli is None else sorted(set(stimuli))
    if stimuli is not None:
        candidates = [neuron for neuron in candidates if any(heard[stimulus][neuron] for stimulus in chosen)]
    iterated = [stimulus for stimulus in chosen if any(heard[stimulus][neuron] for neuron in candidates)]
    return candidates, iterated


def batch_by_loop(pairs: Pairs, stimuli: Sequence[int], neurons: Sequence[int]) -> Array:
    """Return the responses of a batch, (items, neurons, trials, bins), NaN where nothing was recorded."""
    there = [pairs[stimulus, neuron] for stimulus in stimuli for neuron in neurons if (stimulus, neuron) in pairs]
    trials = max((response.shape[0] for response in there), default=1)
    bins = max((response.shape[1] for response in there), default=1)
    batch = np.full((len(stimuli), len(neurons), trials, bins), np.nan, np.float32)
    for item, stimulus in enumerate(stimuli):
        for place, neuron in enumerate(neurons):
            if (stimulus, neuron) in pairs:
                response = pairs[stimulus, neuron]
                for trial in range(response.shape[0]):
                    for time in range(response.shape[1]):
                        batch[item, place, trial, time] = response[trial, time]
    return batch


def items_of(dataset: NeuralDataset) -> list[dict[str, Any]]:
    return [dataset[index] for index in range(len(dataset))]


def names_of(dataset: NeuralDataset) -> list[str]:
    """Return the names of the stimuli that are iterated, in order."""
    return [item["stim_meta"]["name"] for item in items_of(dataset)]


def neurons_of(dataset: NeuralDataset) -> list[str]:
    """Return the names of the neurons of an item, in order."""
    return [entry["name"] for entry in dataset.get_nrn_meta()]


def with_plain_lists(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return items with their responses as plain lists of tensors, as deepSTRF has them."""
    return [{**item, "responses": list(item["responses"])} for item in items]


def assert_same_batch(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    assert list(one) == list(other)
    for key, value in one.items():
        if isinstance(value, torch.Tensor):
            assert value.dtype == other[key].dtype, key
            np.testing.assert_array_equal(value.numpy(), other[key].numpy(), err_msg=key)
        else:
            assert value == other[key], key


def is_sentinel(response: torch.Tensor) -> bool:
    return tuple(response.shape) == (1, 1) and bool(torch.isnan(response).all())


def response_of(grid: PackedGrid, stimulus: int, neuron: int) -> Array | None:
    """Return one response as the grid hands it out, None where the pair was not recorded."""
    (pair,) = grid.find(stimulus, np.array([neuron]))
    return None if pair < 0 else grid.pair_response(stimulus, int(pair))
