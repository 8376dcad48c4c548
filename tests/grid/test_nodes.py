"""How a process finds out which node it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch.distributed as dist

from deepstrf_hf import interleave, stream
from deepstrf_hf.errors import ParameterError
from deepstrf_hf.grid.nodes import this_node
from tests.grid.stream_corpora import Together, build_toy


@pytest.fixture(autouse=True)
def _started_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


def test_what_is_given_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert this_node(4, 5) == (4, 5)


def test_torchrun_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert this_node(None, None) == (0, 1)
    monkeypatch.setenv("RANK", "2")
    assert this_node(None, None) == (0, 1), "one of the two alone is something else's"
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert this_node(None, None) == (2, 3)


def test_an_initialised_group_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "7")
    monkeypatch.setenv("WORLD_SIZE", "8")
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1)
    try:
        assert this_node(None, None) == (0, 1)
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize(("rank", "world_size", "field"), [(0, None, "world_size"), (None, 2, "rank")])
def test_half_of_it_is_refused(rank: int | None, world_size: int | None, field: str) -> None:
    with pytest.raises(ParameterError, match="number of nodes") as caught:
        this_node(rank, world_size)
    assert caught.value.field == field


def test_an_environment_without_numbers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "first")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ParameterError, match="which node this is") as caught:
        this_node(None, None)
    assert "first" in str(caught.value)


def test_streams_find_their_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = stream(build_toy(Together, tmp_path), "counts")
    assert len(whole.split_by_node()) == len(whole) == 9
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert len(whole.split_by_node()) == 5
    assert len(interleave([whole, whole], stop="all").split_by_node(uneven="drop")) == 8
