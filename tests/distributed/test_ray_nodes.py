"""Two nodes of a Ray cluster share a stream, are stopped, and go on in new actors."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.distributed.sharing import (
    CASES,
    NODES,
    build_corpora,
    check,
    read_after_the_break,
    read_until_the_break,
)

ray = pytest.importorskip("ray")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Start a cluster of two nodes on this machine, each with a resource that only it has."""
    from ray.cluster_utils import Cluster

    # Ray's sockets lie there, and their paths must be short.
    directory = tempfile.mkdtemp(prefix="ray")
    options = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Loopback alone: otherwise Ray takes the address that the machine has in its network.
        patch.setattr("ray._private.ray_constants.ENABLE_RAY_CLUSTER", False)
        started = Cluster()
        try:
            for rank in range(NODES):
                of_head = {"temp_dir": directory} if rank == 0 else {}
                started.add_node(resources={f"node{rank}": 1}, node_ip_address="127.0.0.1", **options, **of_head)
            runtime = {"env_vars": {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}}
            ray.init(address=started.address, runtime_env=runtime, log_to_driver=False)
            yield
        finally:
            ray.shutdown()
            started.shutdown()
            shutil.rmtree(directory, ignore_errors=True)


class Reader:
    """One process on one node."""

    def node(self) -> str:
        """Return the node that this runs on."""
        return str(ray.get_runtime_context().get_node_id())

    def until_the_break(self, corpora: dict[str, str], rank: int) -> dict[str, Any]:
        """Read part of an epoch."""
        return read_until_the_break(corpora, (rank, NODES))

    def after_the_break(self, corpora: dict[str, str], rank: int, before: dict[str, Any]) -> dict[str, Any]:
        """Read the rest of it, and another one."""
        return read_after_the_break(corpora, (rank, NODES), before)


def readers() -> list[Any]:
    """Start a reader on each node."""
    remote = ray.remote(Reader)
    return [remote.options(num_cpus=1, resources={f"node{rank}": 1}).remote() for rank in range(NODES)]


def test_every_pair_once_also_after_a_break(cluster: None, tmp_path: Path) -> None:
    corpora = build_corpora(tmp_path)
    first = readers()
    assert len(set(ray.get([reader.node.remote() for reader in first]))) == NODES
    before = ray.get([reader.until_the_break.remote(corpora, rank) for rank, reader in enumerate(first)])
    for reader in first:
        ray.kill(reader)
    second = readers()
    after = ray.get([reader.after_the_break.remote(corpora, rank, before[rank]) for rank, reader in enumerate(second)])
    for case in CASES:
        check(case, corpora, before, after)
