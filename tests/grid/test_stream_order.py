"""The order of a stream, whatever the corpus, the shares and the buffer: every item once, and the same after a cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.grid import stream_dataset
from deepstrf_hf.grid.description import GridDescription
from deepstrf_hf.grid.steps import ResponsePreprocessing, StimulusPreprocessing
from deepstrf_hf.grid.storage import PackedGrid
from deepstrf_hf.grid.stream_dataset import ResponseStream
from deepstrf_hf.grid.stream_files import TableFile
from deepstrf_hf.grid.stream_index import StreamIndex
from deepstrf_hf.grid.stream_order import StreamOrder
from deepstrf_hf.grid.stream_reader import StreamContent, StreamItem
from deepstrf_hf.grid.stream_stimuli import StimulusTable

block_sizes = st.lists(st.integers(1, 7), max_size=12)
"""Items that begin in each row group."""
orders = st.builds(
    StreamOrder,
    shuffle=st.booleans(),
    buffer=st.integers(1, 12),
    seed=st.integers(0, 2**40),
    uneven=st.sampled_from(["keep", "drop", "repeat"]),
)
worlds = st.integers(1, 5)
some = settings(max_examples=150)


def blocks_of(sizes: Sequence[int]) -> np.ndarray:
    return np.repeat(np.arange(len(sizes)), sizes)


# The order alone ------------------------------------------------------------------------------------------------------


@given(block_sizes, orders, worlds, worlds, st.integers(0, 9))
@some
def test_every_item_goes_to_one_worker_of_one_node(
    sizes: list[int], order: StreamOrder, nodes: int, workers: int, epoch: int
) -> None:
    items = blocks_of(sizes)
    handed, per_node = Counter[int](), []
    for rank in range(nodes):
        share = replace(order, rank=rank, world_size=nodes)
        of_node = []
        for worker in range(workers):
            arrivals = share.arrivals(items, epoch, worker, workers)
            leaving = share.departures(len(arrivals), epoch, worker, workers)
            assert sorted(leaving) == list(range(len(arrivals)))
            of_node.append(len(arrivals))
            handed.update(arrivals[leaving].tolist())
        assert sum(of_node) == share.node_size(len(items)) and max(of_node) - min(of_node) <= 1
        per_node.append(sum(of_node))
    n_items = len(items)
    if order.uneven == "keep":
        assert handed == Counter(range(n_items)) and max(per_node) - min(per_node) <= 1
    else:
        assert len(set(per_node)) == 1
        assert set(handed.values()) <= {1, 2} and set(handed) <= set(range(n_items))
        missing, extra = n_items - len(handed), handed.total() - len(handed)
        assert (missing, extra) == ((n_items % nodes, 0) if order.uneven == "drop" else (0, -n_items % nodes))


@given(block_sizes, orders, worlds, worlds, st.integers(0, 9))
@some
def test_blocks_stay_together_until_the_buffer(
    sizes: list[int], order: StreamOrder, nodes: int, workers: int, epoch: int
) -> None:
    """Reading goes block by block; nodes and workers cut through one block each at most."""
    items, parts = blocks_of(sizes), 0
    for rank in range(nodes):
        share = replace(order, rank=rank, world_size=nodes, uneven="keep")
        for worker in range(workers):
            blocks = items[share.arrivals(items, epoch, worker, workers)]
            runs = blocks[np.flatnonzero(np.diff(blocks, prepend=-1))].tolist()
            assert len(set(runs)) == len(runs)
            parts += len(runs)
    assert parts <= len(sizes) + nodes * workers - 1


@given(st.integers(0, 80), orders, st.integers(0, 9))
@some
def test_the_buffer_holds_no_more_than_it_may(n_items: int, order: StreamOrder, epoch: int) -> None:
    leaving = order.departures(n_items, epoch, 0, 1)
    held = 0
    for position, place in enumerate(leaving.tolist()):
        assert place < position + order.buffer, "it has arrived before the buffer is full"
        read = int(leaving[: position + 1].max()) + 1
        held = max(held, read - position)
    assert held <= order.buffer
    if not order.shuffle or order.buffer == 1:
        assert leaving.tolist() == list(range(n_items))


def test_stored_order_without_shuffling() -> None:
    items = blocks_of([3, 1, 4])
    for epoch in range(3):
        assert StreamOrder().arrivals(items, epoch, 0, 1).tolist() == list(range(8))


def test_shuffling_depends_on_seed_and_epoch_alone() -> None:
    items = blocks_of([4] * 30)

    def sequence(seed: int, epoch: int) -> list[int]:
        order = StreamOrder(shuffle=True, seed=seed)
        arrivals = order.arrivals(items, epoch, 0, 1)
        return arrivals[order.departures(len(arrivals), epoch, 0, 1)].tolist()

    found = [sequence(seed, epoch) for seed in range(3) for epoch in range(3)]
    assert found == [sequence(seed, epoch) for seed in range(3) for epoch in range(3)]
    assert len(set(map(tuple, found))) == 9
    assert sequence(1, 0) != sequence(0, 1)


def test_shuffling_mixes() -> None:
    """Each item is first about equally often, and neighbours in a row group do not stay neighbours."""
    items = blocks_of([5] * 4)
    first, neighbours = Counter[int](), 0
    for epoch in range(2000):
        order = StreamOrder(shuffle=True, buffer=8)
        arrivals = order.arrivals(items, epoch, 0, 1)
        handed = arrivals[order.departures(20, epoch, 0, 1)]
        first[int(handed[0])] += 1
        neighbours += int((items[handed[1:]] == items[handed[:-1]]).sum())
    assert set(first) == set(range(20)) and max(first.values()) < 2 * 100 and min(first.values()) > 100 / 2
    assert neighbours / (2000 * 19) < 0.5, "16 of 19 if row groups came one after the other"


def test_the_order_is_the_same_in_every_version() -> None:
    """A state that is resumed after an upgrade counts on it."""
    order = StreamOrder(shuffle=True, buffer=3, seed=7)
    arrivals = order.arrivals(blocks_of([2, 3, 1]), 4, 0, 1)
    assert arrivals.tolist() == [0, 1, 3, 2, 4, 5]
    assert order.departures(6, 4, 0, 1).tolist() == [0, 3, 2, 1, 4, 5]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("shuffle", "yes"), ("buffer", 0), ("buffer", 1.5), ("buffer", True), ("seed", -1), ("seed", None),
        ("rank", -1), ("rank", 1), ("world_size", 0), ("uneven", "pad"),
    ],
)  # fmt: skip
def test_orders_that_are_none(field: str, value: Any) -> None:
    with pytest.raises(ParameterError) as caught:
        StreamOrder(**{field: value})
    assert caught.value.field == ("shuffle_buffer" if field == "buffer" else field)
    assert str(value) in str(caught.value.found)


def test_numpy_numbers_are_numbers() -> None:
    order = StreamOrder(shuffle=np.True_, buffer=np.int32(4), seed=np.uint8(3))  # type: ignore[arg-type]
    assert order == StreamOrder(shuffle=True, buffer=4, seed=3)
    assert [type(value) for value in (order.shuffle, order.buffer, order.seed)] == [bool, int, int]


# The stream on top of it, reading nothing ----------------------------------------------------------------------------


class NoReader:
    """Makes items that know their number, and notes which were asked for."""

    asked: list[list[int]]

    def __init__(self, content: StreamContent) -> None:
        self._content = content

    def read(self, items: Sequence[int]) -> dict[int, StreamItem]:
        self.asked.append(list(items))
        one = np.ones(1, np.int64)
        grid = PackedGrid.from_pairs(
            np.ones(1, np.uint8), 0 * one, 0 * one, one, one, n_stimuli=1, n_neurons=1, dt_ms=5.0
        )
        return {item: StreamItem(np.zeros((1, 1), np.float32), grid, {"item": item}) for item in items}

    def close(self) -> None:
        pass


@pytest.fixture
def no_reader(monkeypatch: pytest.MonkeyPatch) -> type[NoReader]:
    monkeypatch.setattr(stream_dataset, "ItemReader", NoReader)
    NoReader.asked = []
    return NoReader


def stream_of(sizes: Sequence[int], order: StreamOrder) -> ResponseStream:
    """Make a stream of items in row groups of these sizes, in one file."""
    items = blocks_of(sizes)
    spans = np.stack([items, np.zeros_like(items), np.ones_like(items)], axis=1).astype(np.int32)
    index = StreamIndex(
        (TableFile("main"),), np.zeros(len(items), np.int32), np.arange(len(items)), np.arange(len(items) + 1), spans
    )
    stimuli = StimulusTable((), np.empty((0, 3), np.int32), [])
    content = StreamContent(
        index,
        stimuli,
        {"n0": 0},
        [{"neuron_id": "n0"}],
        GridDescription(5.0, 1),
        StimulusPreprocessing(),
        ResponsePreprocessing(),
    )
    return ResponseStream(content, order, {"items": index.digest()}, 0)


def numbers(items: Iterator[dict[str, Any]]) -> list[int]:
    return [item["stim_meta"]["item"] for item in items]


@pytest.mark.parametrize("in_worker", [False, True])
def test_a_cut_changes_nothing(no_reader: type[NoReader], monkeypatch: pytest.MonkeyPatch, in_worker: bool) -> None:
    """What was yielded before a cut and after a resume is the uncut order; what is left is read, and nothing else."""

    @given(
        block_sizes,
        orders,
        worlds,
        st.integers(0, 4),
        st.integers(1, 4),
        st.integers(0, 3),
        st.integers(0, 9),
        st.data(),
    )
    @settings(max_examples=200)
    def run(
        sizes: list[int],
        order: StreamOrder,
        nodes: int,
        rank: int,
        workers: int,
        worker: int,
        epoch: int,
        data: st.DataObject,
    ) -> None:
        order = replace(order, rank=rank % nodes, world_size=nodes)
        info = SimpleNamespace(id=worker % workers, num_workers=workers) if in_worker else None
        monkeypatch.setattr(stream_dataset, "get_worker_info", lambda: info)

        def fresh() -> ResponseStream:
            stream = stream_of(sizes, order)
            stream.set_epoch(epoch)
            return stream

        whole = numbers(iter(fresh()))
        cut = data.draw(st.integers(0, len(whole)))
        first = fresh()
        coming = iter(first)
        before = [next(coming)["stim_meta"]["item"] for _ in range(cut)]
        state = first.state_dict()
        second = stream_of(sizes, order)
        second.load_state_dict(state)
        assert second.state_dict() == state
        no_reader.asked.clear()
        after = numbers(iter(second))
        assert before + after == whole
        assert sorted(item for task in no_reader.asked for item in task) == sorted(after)
        assert numbers(iter(second)) == whole, "the next iteration is a whole one"

    run()


def test_nodes_and_workers_together_yield_every_item(
    no_reader: type[NoReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    handed = Counter[int]()
    whole = stream_of([3, 1, 5, 2, 2, 6], StreamOrder(shuffle=True, buffer=4))
    whole.set_epoch(3)
    for rank in range(3):
        share = whole.split_by_node(rank, 3)
        assert share.epoch == 3
        for worker in range(2):
            info = SimpleNamespace(id=worker, num_workers=2)
            monkeypatch.setattr(stream_dataset, "get_worker_info", lambda info=info: info)
            handed.update(numbers(iter(share)))
    assert handed == Counter(range(19))
