"""An interleaved stream in the workers of a loader, and on nodes: every item once, also after a resume."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import DataLoader, get_worker_info

from deepstrf_hf import interleave, neural_collate
from deepstrf_hf.errors import ParameterError
from deepstrf_hf.grid.interleave_stream import InterleavedStream
from deepstrf_hf.grid.stream import stream
from tests.grid.stream_corpora import Together, build_toy
from tests.toy import Toy


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return two corpora: nine items of five neurons, twelve of six."""
    together = build_toy(Together, tmp_path_factory.mktemp("together"), ROW_GROUP_TARGET_BYTES=1)
    return [together, build_toy(Toy, tmp_path_factory.mktemp("toy"))]


def both(corpora: list[Path], stop: str = "all", probabilities: list[float] | None = None) -> InterleavedStream:
    parts = [stream(directory, "counts", shuffle=True, shuffle_buffer=3, seed=1) for directory in corpora]
    return interleave(parts, probabilities, seed=4, stop=stop)


def ids_of(items: Any) -> list[tuple[str, str, tuple[int, ...]]]:
    """Return what tells an item from the others: a stimulus that several sites heard is an item of each."""
    return [
        (item["dataset"], item["stim_meta"]["stim_id"], tuple(item["valid_mask"].nonzero().flatten().tolist()))
        for item in items
    ]


def ids_and_state(items: Any) -> tuple[int, list[Any], dict[str, Any]]:
    info = get_worker_info()
    assert info is not None
    return info.id, ids_of(items), info.dataset.state_dict()


class LoadState:
    """Makes each worker go on where its state was taken."""

    def __init__(self, states: dict[int, Any]) -> None:
        self._states = states

    def __call__(self, worker: int) -> None:
        info = get_worker_info()
        assert info is not None
        info.dataset.load_state_dict(self._states[worker])


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize(("context", "workers"), [("fork", 1), ("fork", 2), ("fork", 4), ("spawn", 2)])
def test_workers_hand_out_every_item_once(corpora: list[Path], context: str, workers: int) -> None:
    whole = both(corpora, probabilities=[0.7, 0.3])
    next(iter(whole))  # this process has files open and a thread behind it when the workers start
    loader = DataLoader(whole, batch_size=2, collate_fn=ids_of, num_workers=workers, multiprocessing_context=context)
    found = [item for batch in loader for item in batch]
    assert Counter(found) == Counter(ids_of(whole)) and len(found) == 21
    assert found == [item for batch in loader for item in batch], "the same epoch, the same order"


def test_workers_that_outlive_an_epoch_see_the_next(corpora: list[Path]) -> None:
    whole = both(corpora)
    loader = DataLoader(
        whole, 3, collate_fn=ids_of, num_workers=2, persistent_workers=True, multiprocessing_context="fork"
    )
    seen = []
    for epoch in (0, 1, 5):
        whole.set_epoch(epoch)
        seen.append([item for batch in loader for item in batch])
    assert len({json.dumps(items) for items in seen}) == 3
    assert len({json.dumps(sorted(items)) for items in seen}) == 1


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_each_worker_stops_for_itself(corpora: list[Path]) -> None:
    """With ``stop="first"``, no item comes twice, and each worker ends with the last item of one of its shares."""
    whole = both(corpora, stop="first", probabilities=[0.5, 0.5])
    by_worker: dict[int, list[Any]] = {0: [], 1: []}
    for worker, items, _ in DataLoader(
        whole, 1, collate_fn=ids_and_state, num_workers=2, multiprocessing_context="fork"
    ):
        by_worker[worker] += items
    every = by_worker[0] + by_worker[1]
    assert set(Counter(every).values()) == {1} and len(every) < 21
    for worker, items in by_worker.items():
        counts = Counter(name for name, *_ in items)
        of_worker = {
            name: n * (worker + 1) // 2 - n * worker // 2 for name, n in zip(whole.names, (9, 12), strict=True)
        }
        assert [name for name in whole.names if counts[name] == of_worker[name]] == [items[-1][0]]


def test_each_worker_resumes(corpora: list[Path]) -> None:
    def loader(**options: Any) -> DataLoader[Any]:
        return DataLoader(
            both(corpora), 2, collate_fn=ids_and_state, num_workers=2, multiprocessing_context="fork", **options
        )

    whole = [(worker, ids) for worker, ids, _ in loader()]
    coming, before, states = iter(loader()), [], {}
    for _ in range(5):
        worker, ids, state = next(coming)
        before.append((worker, ids))
        states[worker] = json.loads(json.dumps(state))
    del coming
    assert {worker: sum(state["positions"]) for worker, state in states.items()} == {0: 6, 1: 4}
    after = [(worker, ids) for worker, ids, _ in loader(worker_init_fn=LoadState(states))]
    for worker in (0, 1):
        pieces = [[ids for who, ids in part if who == worker] for part in (before, after, whole)]
        assert pieces[0] + pieces[1] == pieces[2]


def test_a_state_of_another_worker_is_refused_when_iteration_begins(corpora: list[Path]) -> None:
    coming = iter(DataLoader(both(corpora), 2, collate_fn=ids_and_state, num_workers=2, multiprocessing_context="fork"))
    _, _, state = next(coming)
    del coming
    alone = both(corpora)
    alone.load_state_dict(state)
    with pytest.raises(ParameterError, match="another stream") as caught:
        iter(alone)
    assert caught.value.field == "worker"


@pytest.mark.parametrize("nodes", [2, 3])
def test_nodes_with_workers_hand_out_every_item_once(corpora: list[Path], nodes: int) -> None:
    whole = both(corpora, probabilities=[0.4, 0.6])
    whole.set_epoch(2)
    found = []
    for rank in range(nodes):
        share = whole.split_by_node(rank, nodes)
        assert share.epoch == 2
        batches = list(DataLoader(share, 2, collate_fn=ids_of, num_workers=2, multiprocessing_context="fork"))
        items = [item for batch in batches for item in batch]
        assert len(items) == len(share)
        found += items
    assert Counter(found) == Counter(ids_of(whole))
    with pytest.raises(ParameterError, match="share of a node already"):
        share.split_by_node(0, 2)


@pytest.mark.parametrize(("uneven", "size"), [("drop", 4 + 6), ("repeat", 5 + 6)])
def test_nodes_with_equally_many_items(corpora: list[Path], uneven: str, size: int) -> None:
    shares = [both(corpora).split_by_node(rank, 2, uneven=uneven) for rank in range(2)]
    assert [len(list(share)) for share in shares] == [len(share) for share in shares] == [size, size]


def test_shares_may_be_interleaved_too(corpora: list[Path]) -> None:
    expected = ids_of(both(corpora).split_by_node(1, 2))
    parts = [stream(directory, "counts", shuffle=True, shuffle_buffer=3, seed=1) for directory in corpora]
    assert ids_of(interleave([part.split_by_node(1, 2) for part in parts], seed=4, stop="all")) == expected


def test_a_resumed_share_of_a_node(corpora: list[Path]) -> None:
    share = both(corpora).split_by_node(1, 2)
    whole = ids_of(share)
    coming = iter(DataLoader(share, 2, collate_fn=neural_collate))
    next(coming), next(coming)
    again = both(corpora).split_by_node(1, 2)
    again.load_state_dict(json.loads(json.dumps(share.state_dict())))
    assert ids_of(again) == whole[4:]
