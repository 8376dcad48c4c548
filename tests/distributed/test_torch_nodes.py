"""Two processes of torch.distributed share a stream, are stopped, and go on in two new ones."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import torch.distributed as dist

from tests.distributed.sharing import (
    CASES,
    NODES,
    Case,
    build_corpora,
    check,
    read_after_the_break,
    read_until_the_break,
)


class Found(NamedTuple):
    """What the nodes read, each at its rank."""

    corpora: dict[str, str]
    before: list[dict[str, Any]]
    after: list[dict[str, Any]]


def one_node(rank: int, meeting: str, out: str, read: Callable[..., Any], *arguments: Any) -> None:
    """Join the others, read, and write down what was read."""
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=NODES)
    torch.set_num_threads(1)
    Path(out).write_bytes(pickle.dumps(read(*arguments)))
    dist.barrier()
    dist.destroy_process_group()


def on_all_nodes(directory: Path, read: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Run a function in a fresh process for each node; return what they returned."""
    directory.mkdir()
    context = multiprocessing.get_context("spawn")
    files = [directory / f"{rank}.pickle" for rank in range(NODES)]
    nodes = [
        context.Process(target=one_node, args=(rank, str(directory / "meeting"), str(file), read, *arguments[rank]))
        for rank, file in enumerate(files)
    ]
    try:
        for node in nodes:
            node.start()
        for node in nodes:
            node.join(300)
    finally:
        for node in nodes:
            node.kill()
    assert [node.exitcode for node in nodes] == [0] * NODES
    return [pickle.loads(file.read_bytes()) for file in files]  # noqa: S301 (written above)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    directory = tmp_path_factory.mktemp("torch_nodes")
    corpora = build_corpora(directory)
    before = on_all_nodes(directory / "before", read_until_the_break, [(corpora, ())] * NODES)
    after = on_all_nodes(directory / "after", read_after_the_break, [(corpora, (), states) for states in before])
    return Found(corpora, before, after)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_pair_once_also_after_a_break(found: Found, case: Case) -> None:
    check(case, *found)
