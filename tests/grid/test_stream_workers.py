"""A stream in the workers of a loader, and on the nodes of a cluster: every pair once, also after a resume."""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, get_worker_info

from deepstrf_hf import neural_collate
from deepstrf_hf.errors import ParameterError
from deepstrf_hf.grid import stream_dataset
from deepstrf_hf.grid.stream import stream
from deepstrf_hf.grid.stream_dataset import ResponseStream
from tests.grid.examples import assert_same_batch
from tests.grid.stream_corpora import N_STIMULI, Together, assert_same_items, build_toy, grid_of, stored_items
from tests.toy import Toy


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a corpus with a row group for each stimulus."""
    return build_toy(Together, tmp_path_factory.mktemp("workers"), ROW_GROUP_TARGET_BYTES=1)


@pytest.fixture(scope="module")
def by_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a corpus whose files hold a site each: twelve items."""
    return build_toy(Toy, tmp_path_factory.mktemp("by_site"))


def ids_of(items: Any) -> list[str]:
    return [item["stim_meta"]["stim_id"] for item in items]


def as_it_is(item: Any) -> Any:
    return item


def shares(
    found: ResponseStream, workers: int, monkeypatch: pytest.MonkeyPatch, epoch: int = 0
) -> list[list[dict[str, Any]]]:
    """Return the items of each worker, worked out in this process."""
    items = []
    found.set_epoch(epoch)
    for worker in range(workers):
        info = SimpleNamespace(id=worker, num_workers=workers)
        with monkeypatch.context() as patch:
            patch.setattr(stream_dataset, "get_worker_info", lambda info=info: info)
            items.append(list(found))
    return items


def in_turns(batches_of_workers: Sequence[Sequence[Any]]) -> list[Any]:
    """Return batches in the order in which a loader takes them from its workers."""
    longest = max(map(len, batches_of_workers))
    return [batches[turn] for turn in range(longest) for batches in batches_of_workers if turn < len(batches)]


def batched(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


@pytest.mark.parametrize(
    ("cohort", "context", "workers"),
    [("counts", None, 0), ("counts", "fork", 1), ("counts", "fork", 2), ("potentials", "fork", 2),
     ("potentials", "spawn", 2)],
)  # fmt: skip
def test_batches_of_a_loader(
    built: Path, cohort: str, context: str | None, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = stream(built, cohort, shuffle=True, shuffle_buffer=3, seed=2)
    next(iter(found))  # this process has files open and a thread behind it when the workers start
    loader = DataLoader(
        found, batch_size=2, collate_fn=neural_collate, num_workers=workers, multiprocessing_context=context
    )
    expected = in_turns([batched(share, 2) for share in shares(found, max(workers, 1), monkeypatch)])
    batches = list(loader)
    assert len(batches) == len(expected)
    for batch, items in zip(batches, expected, strict=True):
        assert_same_batch(batch, neural_collate(items))
    names = [entry["stim_id"] for batch in batches for entry in batch["stim_meta"]]
    assert sorted(names) == sorted(name for name, _ in stored_items(built, cohort))


def test_items_cross_processes(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = stream(built, "potentials")
    loader = DataLoader(found, batch_size=None, num_workers=2, multiprocessing_context="fork", collate_fn=as_it_is)
    assert_same_items(list(loader), in_turns(shares(found, 2, monkeypatch)))


def test_workers_that_outlive_an_epoch_see_the_next(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = stream(built, "counts", shuffle=True, seed=4)
    loader = DataLoader(
        found, batch_size=2, collate_fn=ids_of, num_workers=2, persistent_workers=True, multiprocessing_context="fork"
    )
    seen = []
    for epoch in (0, 1, 5):
        found.set_epoch(epoch)
        seen.append(list(loader))
        of_workers = shares(stream(built, "counts", shuffle=True, seed=4), 2, monkeypatch, epoch)
        assert seen[-1] == in_turns([batched(ids_of(share), 2) for share in of_workers])
    assert len({json.dumps(batches) for batches in seen}) == 3


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_more_workers_than_items(built: Path) -> None:
    found = stream(built, "counts", split="test")
    loader = DataLoader(found, batch_size=1, collate_fn=ids_of, num_workers=5, multiprocessing_context="fork")
    assert sorted(name for batch in loader for name in batch) == ["sound1", "sound4"]


# Resuming -------------------------------------------------------------------------------------------------------------


def ids_and_state(items: Any) -> tuple[int, list[str], dict[str, Any]]:
    """Collate in a worker: who, what, and how far it has come."""
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


def test_each_worker_resumes(built: Path) -> None:
    """What a loader that keeps its workers' states does: they go on where they were."""

    def loader(**options: Any) -> DataLoader[Any]:
        found = stream(built, "counts", shuffle=True, shuffle_buffer=3)
        return DataLoader(
            found, batch_size=2, collate_fn=ids_and_state, num_workers=2, multiprocessing_context="fork", **options
        )

    whole = [(worker, ids) for worker, ids, _ in loader()]
    coming, before, states = iter(loader()), [], {}
    for _ in range(3):
        worker, ids, state = next(coming)
        before.append((worker, ids))
        states[worker] = json.loads(json.dumps(state))
    del coming
    assert {(worker, state["worker"], state["workers"], state["position"]) for worker, state in states.items()} == {
        (0, 0, 2, 4),
        (1, 1, 2, 2),
    }
    after = [(worker, ids) for worker, ids, _ in loader(worker_init_fn=LoadState(states))]
    for worker in (0, 1):
        pieces = [[ids for who, ids in part if who == worker] for part in (before, after, whole)]
        assert pieces[0] + pieces[1] == pieces[2]


@pytest.mark.parametrize(("state", "here"), [((0, 1), (0, 2)), ((0, 1), (1, 2)), ((1, 2), (0, 2)), ((0, 2), (0, 1))])
def test_a_state_of_other_workers_is_refused_in_the_worker(
    built: Path, state: tuple[int, int], here: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is loaded before there are workers, so it cannot be refused earlier."""
    found = stream(built, "counts")
    found.load_state_dict(found.state_dict() | {"worker": state[0], "workers": state[1]})
    info = SimpleNamespace(id=here[0], num_workers=here[1]) if here[1] > 1 else None
    monkeypatch.setattr(stream_dataset, "get_worker_info", lambda: info)
    with pytest.raises(ParameterError, match="another stream") as caught:
        iter(found)
    assert caught.value.field == "worker"
    assert (caught.value.found, caught.value.expected) == tuple(f"{one} of {all_}" for one, all_ in (state, here))


# Nodes ----------------------------------------------------------------------------------------------------------------


def one_node(rank: int, world_size: int, directory: str, meeting: str, out: str) -> None:
    """Run two epochs as one process of a distributed job, with a break in the middle of the second."""
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=world_size)
    torch.set_num_threads(1)

    def fresh(uneven: str) -> ResponseStream:
        whole = stream(directory, "counts", shuffle=True, shuffle_buffer=3, seed=9)
        return whole.split_by_node(dist.get_rank(), dist.get_world_size(), uneven=uneven)

    def step(batch: Any) -> list[tuple[str, str]]:
        """Take part in a step of all nodes; return the pairs of a batch."""
        loss = torch.nan_to_num(batch["responses"]).sum()
        dist.all_reduce(loss)
        valid = batch["valid_mask"].flatten(2).any(dim=2)
        return [
            (entry["stim_id"], names[neuron])
            for entry, row in zip(batch["stim_meta"], valid, strict=True)
            for neuron in torch.nonzero(row).flatten().tolist()
        ]

    share = fresh("keep")
    names = [entry["neuron_id"] for entry in share.nrn_meta]
    result: dict[str, Any] = {"sizes": [len(share)], "epochs": []}
    # Six items each: as many steps on both nodes.
    result["epochs"].append([pair for batch in DataLoader(share, 2, collate_fn=neural_collate) for pair in step(batch)])
    share.set_epoch(1)
    coming = iter(DataLoader(share, 2, collate_fn=neural_collate))
    pairs = step(next(coming))
    state = json.dumps(share.state_dict())
    del coming, share
    dist.barrier()
    share = fresh("keep")
    share.load_state_dict(json.loads(state))
    share.set_epoch(1)
    for batch in DataLoader(share, 2, collate_fn=neural_collate):
        pairs += step(batch)
    result["epochs"].append(pairs)
    # With one stimulus less the shares are uneven; every step waits for both nodes all the same.
    for uneven in ("drop", "repeat"):
        whole = stream(directory, "counts", neurons=names[:1] + names[-1:], split="train", shuffle=True)
        part = whole.split_by_node(rank, world_size, uneven=uneven)
        result["sizes"].append(len(part))
        result["epochs"].append(
            [pair for batch in DataLoader(part, 1, collate_fn=neural_collate) for pair in step(batch)]
        )
    Path(out).write_text(json.dumps(result))
    dist.destroy_process_group()


def test_two_nodes_hand_out_every_pair_once(by_site: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    nodes = [
        context.Process(
            target=one_node, args=(rank, 2, str(by_site), str(tmp_path / "meeting"), str(tmp_path / f"{rank}.json"))
        )
        for rank in range(2)
    ]
    try:
        for node in nodes:
            node.start()
        for node in nodes:
            node.join(300)
    finally:
        for node in nodes:
            node.kill()
    assert [node.exitcode for node in nodes] == [0, 0]
    results = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    grid = grid_of(by_site, "counts")
    stored = Counter(
        (grid.stim_meta[stimulus]["stim_id"], grid.nrn_meta[neuron]["neuron_id"])
        for stimulus, neuron in torch.nonzero(grid.nrn_masks).tolist()
    )
    assert [result["sizes"][0] for result in results] == [6, 6]
    for epoch in range(2):
        handed = Counter(tuple(pair) for result in results for pair in result["epochs"][epoch])
        assert handed == stored and set(handed.values()) == {1}
    assert results[0]["epochs"][0] != results[0]["epochs"][1]
    assert len({len(result["sizes"]) for result in results}) == 1
    for number in (1, 2):
        assert results[0]["sizes"][number] == results[1]["sizes"][number] == 3


def test_shares_differ_by_one_item_at_most(built: Path) -> None:
    whole = stream(built, "counts", shuffle=True)
    parts = [whole.split_by_node(rank, 4) for rank in range(4)]
    assert sorted(map(len, parts)) == [2, 2, 2, 3] and len(whole) == N_STIMULI
    items = [item for part in parts for item in part]
    assert sorted(ids_of(items)) == sorted(ids_of(whole))
    even = [[len(whole.split_by_node(rank, 4, uneven=how)) for rank in range(4)] for how in ("drop", "repeat")]
    assert even == [[2] * 4, [3] * 4]
