"""Buffers that processes share: what is sent, who holds it, and that workers see the same values without a copy."""

from __future__ import annotations

import copy
import gc
import pickle
import warnings
import weakref
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deepstrf_hf import NeuralDataset, neural_collate
from deepstrf_hf.grid.shared import SharedArray
from tests.grid.examples import Array, assert_same_batch, full_counts, items_of, toy, with_plain_lists

N_STIMULI, N_NEURONS, TRIALS, BINS = 40, 10, 8, 2500
BUFFER_BYTES = N_STIMULI * N_NEURONS * TRIALS * BINS
"""Eight megabytes: far more than workers need for themselves to read a few items."""
needs_maps = pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux tells what memory is shared")
contexts = pytest.mark.parametrize("context", ["fork", "spawn"])


def sent(entry: Any) -> Any:
    """Return what another process would receive, in this one."""
    return pickle.loads(bytes(ForkingPickler.dumps(entry)))  # noqa: S301


def pickled(entry: Any) -> Any:
    return pickle.loads(pickle.dumps(entry))  # noqa: S301


def read_only() -> Array:
    array = np.arange(7.0)
    array.flags.writeable = False
    return array


ARRAYS: dict[str, Callable[[], Array]] = {
    "float32": lambda: np.linspace(-1, 1, 9, dtype=np.float32),
    "uint8": lambda: np.arange(250, 256, dtype=np.uint8),
    "uint16": lambda: np.arange(65530, 65536, dtype=np.uint16),
    "big-endian": lambda: np.arange(5, dtype=">u2"),
    "bool": lambda: np.array([True, False, True]),
    "with gaps": lambda: np.arange(20, dtype=np.float32)[::3],
    "read-only": read_only,
    "from bytes": lambda: np.frombuffer(b"\x01\x02\x03\x04", np.uint8),
    "empty": lambda: np.empty(0, np.uint16),
}
all_arrays = pytest.mark.parametrize("make", ARRAYS.values(), ids=ARRAYS)


# One array ------------------------------------------------------------------------------------------------------------


@all_arrays
@pytest.mark.parametrize("way", [pickled, copy.deepcopy, sent])
def test_values_and_type_survive_on_both_sides(make: Callable[[], Array], way: Callable[[Any], Any]) -> None:
    array = make()
    shared = SharedArray(array)
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            received = way(shared)
    finally:
        torch.set_warn_always(False)
    for side in (shared, received):
        assert side.array.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(side.array, make())
    np.testing.assert_array_equal(array, make())


@pytest.mark.parametrize("way", [pickled, copy.deepcopy])
@pytest.mark.parametrize("before", [False, True], ids=["private", "shared"])
def test_pickles_and_copies_have_values_of_their_own(way: Callable[[Any], Any], before: bool) -> None:
    original = SharedArray(np.arange(6, dtype=np.uint16))
    if before:
        sent(original)
    other = way(original)
    assert original.is_shared == before and not other.is_shared
    other.array[:] = 9
    assert original.array.tolist() == list(range(6))
    original.array[:] = 3
    assert other.array.tolist() == [9] * 6


def test_what_is_sent_is_the_same_memory_every_time() -> None:
    original = SharedArray(np.arange(6, dtype=np.uint16))
    assert not original.is_shared
    first, second = sent(original), sent(original)
    third = sent(second)
    assert original.is_shared and first.is_shared and third.is_shared
    third.array[4] = 77
    for side in (original, first, second):
        assert side.array.tolist() == [0, 1, 2, 3, 77, 5]


def test_the_private_copy_is_let_go_at_once() -> None:
    array = np.arange(1000.0)
    gone, shared = weakref.ref(array), SharedArray(array)
    assert shared.array is array  # nothing is copied before it is sent
    del array
    sent(shared)
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("way", [lambda entry: entry, pickled, copy.deepcopy], ids=["made", "pickled", "copied"])
def test_what_was_handed_out_before_stays_good(way: Callable[[Any], Any]) -> None:
    """Memory must not be freed under a tensor that a user still holds."""
    dataset = way(NeuralDataset.from_arrays([np.full((8, 90_000), 5.0)], [[np.ones((1, 90_000))]], dt_ms=5))
    held, view = dataset.stims[0], dataset._stimuli.buffers[0].array[:100]
    sent(dataset)
    gc.collect()
    other = [np.zeros((8, 90_000), np.float32) for _ in range(4)]  # takes the place of what was freed
    assert float(held.mean()) == 5 and view.mean() == 5 and not other[0].any()
    assert float(dataset.stims[0].mean()) == 5


def test_a_memory_map(tmp_path: Path) -> None:
    np.save(tmp_path / "values.npy", np.arange(50, dtype=np.uint8))
    mapped = np.load(tmp_path / "values.npy", mmap_mode="r")
    for way in (pickled, copy.deepcopy, sent):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert way(SharedArray(mapped)).array.tolist() == list(range(50))


# Datasets -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [pickled, copy.deepcopy, sent])
def test_datasets_are_the_same_however_they_travel(way: Callable[[Any], Any]) -> None:
    dataset = transformed()
    expected = neural_collate(items_of(dataset))
    assert_same_batch(neural_collate(items_of(way(dataset))), expected)
    assert_same_batch(neural_collate(items_of(dataset)), expected)


def test_views_are_sent_with_one_buffer() -> None:
    parent = toy()
    view = parent.where(stims=[0, 2])
    view.standardize_stims()
    view.smooth_responses()
    one, other = sent((parent, view))
    for here, there in ((parent, view), (one, other)):
        assert here._grid.buffers[0].shared is there._grid.buffers[0].shared
        assert here._stimuli.buffers[0] is there._stimuli.buffers[0]
    again = sent(view)
    assert np.shares_memory(again._grid.values, parent._grid.values)
    assert_same_batch(neural_collate(items_of(again)), neural_collate(items_of(view)))


def transformed() -> NeuralDataset:
    """Return the toy with a selection and all transforms."""
    dataset = toy()
    dataset.select_population([2, 0])
    dataset.standardize_stims([0, 1])
    dataset.smooth_responses(gain="unit")
    dataset.normalize_responses("zscore")
    return dataset


def as_items(items: list[Any]) -> list[Any]:
    """Do not collate: items cross from worker to parent."""
    return items


class Placed(torch.utils.data.Dataset[dict[str, Any]]):
    """A dataset whose items say where its buffers lie in the process that made them."""

    def __init__(self, dataset: NeuralDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {**self.dataset[index], "places": self.places()}

    def places(self) -> list[dict[str, Any]]:
        arrays = [self.dataset._grid.values, self.dataset._stimuli.buffers[0].array]
        return [{"sum": int(array.sum(dtype=np.int64)), **mapping_of(array)} for array in arrays]


def mapping_of(array: Array) -> dict[str, Any]:
    """Return of the mapping that holds an array: whether it is shared, which file it is, and its private bytes."""
    address, found = array.ctypes.data, {}
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            begin, end = (int(edge, 16) for edge in words[0].split("-"))
            here = begin <= address < end
            if here:
                found = {"shared": words[1].endswith("s"), "file": words[4], "private": 0}
        elif here and words[0] in ("Private_Dirty:", "Private_Clean:"):
            found["private"] += 1024 * int(words[1])
    return found


def large() -> NeuralDataset:
    pairs = full_counts(N_STIMULI, N_NEURONS, TRIALS, BINS)
    rows = [np.stack([pairs[s, n] for n in range(N_NEURONS)]) for s in range(N_STIMULI)]
    return NeuralDataset.from_arrays([np.ones((20, BINS)) for _ in rows], rows, dt_ms=5)


@needs_maps
@contexts
def test_workers_do_not_copy_the_buffers(context: str) -> None:
    dataset = Placed(large())
    subset = torch.utils.data.Subset(dataset, range(4))
    loader = torch.utils.data.DataLoader(
        subset, batch_size=2, num_workers=2, collate_fn=neural_collate, multiprocessing_context=context
    )
    batches = list(loader)
    parent = dataset.places()
    assert dataset.dataset._grid.values.nbytes == BUFFER_BYTES
    for batch, first in zip(batches, (0, 2), strict=True):
        for places in batch.pop("places"):
            for here, there in zip(parent, places, strict=True):
                assert there["sum"] == here["sum"]  # every page was looked at
                assert there["private"] < BUFFER_BYTES / 2
                assert (there["shared"], here["shared"]) == (context == "spawn",) * 2
                assert there["file"] == here["file"]
        assert_same_batch(batch, neural_collate([dataset.dataset[index] for index in (first, first + 1)]))


@contexts
@pytest.mark.parametrize("collate", [neural_collate, as_items])
def test_workers_give_the_same_items_and_batches(context: str, collate: Callable[[Any], Any]) -> None:
    dataset = transformed()
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=2, num_workers=1, collate_fn=collate, multiprocessing_context=context
    )
    received = list(loader)
    assert len(received) == 2
    for batch, positions in zip(received, ([0, 1], [2, 3]), strict=True):
        expected = [dataset[position] for position in positions]
        if collate is as_items:
            for one, other in zip(with_plain_lists(batch), with_plain_lists(expected), strict=True):
                assert_same_batch(neural_collate([one]), neural_collate([other]))
            assert [item["valid_mask"].tolist() for item in batch] == [i["valid_mask"].tolist() for i in expected]
            batch = neural_collate(batch)
        assert_same_batch(batch, neural_collate(expected))
