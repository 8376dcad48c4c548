"""A stream that was interrupted goes on where it was, and only there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import DataLoader

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.grid import stream_dataset
from deepstrf_hf.grid.stream import stream
from deepstrf_hf.grid.stream_dataset import ResponseStream
from deepstrf_hf.grid.stream_reader import ItemReader
from tests.grid.stream_corpora import N_STIMULI, Together, assert_same_items, build_toy, regroup


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a corpus whose row groups cut anywhere."""
    return regroup(build_toy(Together, tmp_path_factory.mktemp("resume")), 4)


def shuffled(built: Path, **changes: Any) -> ResponseStream:
    return stream(built, **({"config": "counts", "shuffle": True, "shuffle_buffer": 3, "seed": 1} | changes))


def ids_of(items: Any) -> list[str]:
    return [item["stim_meta"]["stim_id"] for item in items]


@pytest.mark.parametrize("prefetch", [0, 1, 2])
@pytest.mark.parametrize("cut", [0, 1, 4, 8, 9])
def test_resume_with_data(built: Path, cut: int, prefetch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state goes through JSON; the same items follow, with the same values, and nothing else is read."""
    read = Counter[int]()

    class Counting(ItemReader):
        def read(self, items: Any) -> Any:
            read.update(items)
            return super().read(items)

    monkeypatch.setattr(stream_dataset, "ItemReader", Counting)
    whole = list(shuffled(built, prefetch=prefetch))
    first = shuffled(built, prefetch=prefetch)
    coming = iter(first)
    before = [next(coming) for _ in range(cut)]
    state = json.loads(json.dumps(first.state_dict()))
    del coming
    read.clear()
    second = shuffled(built, prefetch=prefetch)
    second.load_state_dict(state)
    after = list(second)
    assert_same_items([*before, *after], whole)
    assert read.total() == len(read) == N_STIMULI - cut


def test_state_while_iterating_and_between_epochs(built: Path) -> None:
    found = shuffled(built)

    def where() -> tuple[int, int]:
        state = found.state_dict()
        return state["epoch"], state["position"]

    assert where() == (0, 0)
    coming = iter(found)
    assert where() == (0, 0), "nothing was handed out yet"
    next(coming)
    assert where() == (0, 1)
    list(coming)
    assert where() == (0, N_STIMULI)
    found.set_epoch(1)
    assert where() == (1, 0)
    next(iter(found))
    assert where() == (1, 1)


def test_end_of_an_epoch_is_an_end(built: Path) -> None:
    """The state of a finished epoch leaves nothing; then comes a whole one."""
    found = shuffled(built)
    whole = ids_of(found)
    other = shuffled(built)
    other.load_state_dict(found.state_dict())
    assert list(other) == []
    assert ids_of(other) == whole


def test_epochs_of_a_resumed_run(built: Path) -> None:
    """The usual loop: the epoch that was interrupted is set once more, and goes on."""
    found = shuffled(built)
    expected = []
    for epoch in range(3):
        found.set_epoch(epoch)
        expected.append(ids_of(found))
    assert len(set(map(tuple, expected))) == 3
    found.set_epoch(1)
    coming = iter(found)
    before = ids_of(next(coming) for _ in range(5))
    again = shuffled(built)
    again.load_state_dict(found.state_dict())
    assert again.epoch == 1
    seen = []
    for epoch in range(again.epoch, 3):
        again.set_epoch(epoch)
        seen.append(ids_of(again))
    assert [before + seen[0], seen[1]] == expected[1:]


def test_another_epoch_drops_the_state(built: Path) -> None:
    found = shuffled(built)
    next(iter(found))
    other = shuffled(built)
    other.load_state_dict(found.state_dict())
    other.set_epoch(2)
    assert other.state_dict()["position"] == 0
    assert sorted(ids_of(other)) == sorted(ids_of(found))


def test_resume_of_a_share(built: Path) -> None:
    for rank in range(2):
        share = shuffled(built).split_by_node(rank, 2)
        whole = ids_of(share)
        coming = iter(share)
        before = ids_of(next(coming) for _ in range(2))
        again = shuffled(built).split_by_node(rank, 2)
        again.load_state_dict(share.state_dict())
        assert before + ids_of(again) == whole


def test_resume_in_a_loader_without_workers(built: Path) -> None:
    """The stream that the loader iterates over is the one whose state is taken."""

    def collate(items: Any) -> list[str]:
        return ids_of(items)

    found = shuffled(built)
    coming = iter(DataLoader(found, batch_size=2, collate_fn=collate))
    before = [next(coming), next(coming)]
    again = shuffled(built)
    again.load_state_dict(found.state_dict())
    after = list(DataLoader(again, batch_size=2, collate_fn=collate))
    assert before + after == list(DataLoader(shuffled(built), batch_size=2, collate_fn=collate))


def test_a_moved_directory_is_the_same_source(built: Path, tmp_path: Path) -> None:
    found = shuffled(built)
    coming = iter(found)
    before = ids_of(next(coming) for _ in range(4))
    moved = tmp_path / "elsewhere"
    moved.symlink_to(built)
    again = shuffled(moved)
    again.load_state_dict(found.state_dict())
    assert before + ids_of(again) == ids_of(shuffled(built))


# States that are refused ----------------------------------------------------------------------------------------------

CHANGES: dict[str, tuple[Callable[[Path], ResponseStream], str]] = {
    "seed": (lambda built: shuffled(built, seed=2), "seed"),
    "no shuffling": (lambda built: shuffled(built, shuffle=False), "shuffle"),
    "buffer": (lambda built: shuffled(built, shuffle_buffer=4), "buffer"),
    "config": (lambda built: shuffled(built, config="potentials"), "config"),
    "split": (lambda built: shuffled(built, split="train"), "split"),
    "neurons": (lambda built: shuffled(built, neurons=["site_a-n0"]), "neurons"),
    "share": (lambda built: shuffled(built).split_by_node(0, 2), "world_size"),
    "other share": (lambda built: shuffled(built).split_by_node(0, 1, uneven="drop"), "uneven"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_state_of_another_stream_is_refused(built: Path, change: str) -> None:
    make, field = CHANGES[change]
    state = shuffled(built).state_dict()
    other = make(built)
    with pytest.raises(ParameterError, match="another stream") as caught:
        other.load_state_dict(state)
    assert caught.value.field == field
    assert caught.value.found != caught.value.expected and caught.value.mend
    assert len(list(other)) == len(other), "it is as it was"


def test_a_state_of_another_node_is_refused(built: Path) -> None:
    state = shuffled(built).split_by_node(0, 2).state_dict()
    with pytest.raises(ParameterError, match="another stream") as caught:
        shuffled(built).split_by_node(1, 2).load_state_dict(state)
    assert (caught.value.field, caught.value.found, caught.value.expected) == ("rank", 0, 1)


def test_a_state_of_another_layout_is_refused(built: Path, tmp_path: Path) -> None:
    """The same rows in other row groups come in another order."""
    other = shuffled(regroup(build_toy(Together, tmp_path), 5))
    with pytest.raises(ParameterError, match="another stream") as caught:
        other.load_state_dict(shuffled(built).state_dict())
    assert caught.value.field == "items"


def test_preprocessing_is_no_part_of_the_order(built: Path) -> None:
    found = shuffled(built)
    next(iter(found))
    other = shuffled(built, preprocessing=None, stimulus="waveform", prefetch=0)
    other.load_state_dict(found.state_dict())
    assert len(list(other)) == N_STIMULI - 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: None,
        lambda state: [],
        lambda state: {},
        lambda state: {**state, "version": 2},
        lambda state: {**state, "more": 1},
        lambda state: {key: value for key, value in state.items() if key != "position"},
        lambda state: {**state, "position": "first"},
        lambda state: {**state, "position": -1},
        lambda state: {**state, "position": True},
        lambda state: {**state, "epoch": -1},
        lambda state: {**state, "source": "here"},
    ],
)
def test_what_is_no_state(built: Path, spoil: Callable[[Any], Any]) -> None:
    found = shuffled(built)
    with pytest.raises(ParameterError) as caught:
        found.load_state_dict(spoil(found.state_dict()))
    assert caught.value.problem == "This is not a state of a ResponseStream"
    assert caught.value.field == "state_dict"
    assert len(list(found)) == N_STIMULI


def test_a_position_behind_the_end(built: Path) -> None:
    found = shuffled(built)
    with pytest.raises(ParameterError) as caught:
        found.load_state_dict({**found.state_dict(), "position": 10})
    assert (caught.value.field, caught.value.found, caught.value.expected) == ("position", 10, "at most 9")


@pytest.mark.parametrize("epoch", [-1, 1.5, "2", None, True])
def test_epochs_that_are_none(built: Path, epoch: Any) -> None:
    found = shuffled(built)
    with pytest.raises(ParameterError) as caught:
        found.set_epoch(epoch)
    assert (caught.value.field, caught.value.found) == ("epoch", repr(epoch))


@pytest.mark.parametrize(
    ("rank", "world_size", "uneven", "field"),
    [
        (2, 2, "keep", "rank"), (-1, 2, "keep", "rank"), (0, 0, "keep", "world_size"), ("0", 2, "keep", "rank"),
        (0, 2, "pad", "uneven"),
    ],
)  # fmt: skip
def test_shares_that_are_none(built: Path, rank: Any, world_size: Any, uneven: str, field: str) -> None:
    with pytest.raises(ParameterError) as caught:
        shuffled(built).split_by_node(rank, world_size, uneven=uneven)
    assert caught.value.field == field


def test_a_share_is_not_shared_again(built: Path) -> None:
    with pytest.raises(ParameterError, match="share of a node already") as caught:
        shuffled(built).split_by_node(1, 2).split_by_node(0, 2)
    assert caught.value.found == "node 1 of 2"


def test_shares_do_not_share_their_epoch(built: Path) -> None:
    whole = shuffled(built)
    share = whole.split_by_node(0, 2)
    share.set_epoch(5)
    assert (whole.epoch, share.epoch) == (0, 5)
