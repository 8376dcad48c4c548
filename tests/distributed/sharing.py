"""What a node does with its share of a stream: part of an epoch, the rest in a new process, another epoch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from datasets import load_dataset
from datasets.distributed import split_dataset_by_node
from torchdata.stateful_dataloader import StatefulDataLoader

from deepstrf_hf import build, neural_collate, stream
from deepstrf_hf import parquet as parquet_module
from tests.grid.stream_corpora import Together, build_toy
from tests.toy import Toy, write_toy

NODES = 2
CONFIG = "counts"
BATCHES_BEFORE_THE_BREAK = 2
Pairs = list[tuple[str, str]]
"""``stim_id`` and ``neuron_id`` of what was handed out."""


@dataclass(frozen=True)
class Case:
    """One way to read a corpus.

    Parameters
    ----------
    reader : str
        ``"stream"`` of ours, or plain ``"datasets"``.
    corpus : str
        ``"even"``: as many files for every worker of every node; ``"sites"``: three files.
    workers : int
        Of the loader of each node.
    """

    reader: str
    corpus: str
    workers: int

    def __str__(self) -> str:
        return f"{self.reader}-{self.corpus}-{self.workers}"


CASES = [
    Case(reader, corpus, workers)
    for reader, corpus in (("stream", "sites"), ("datasets", "even"), ("datasets", "sites"))
    for workers in (0, 2)
]


def build_corpora(directory: Path) -> dict[str, str]:
    """Build both corpora; return their directories."""
    raw = write_toy(directory / "raw", stimuli=10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_module, "ROW_GROUP_TARGET_BYTES", 1)
        patch.setattr(parquet_module, "SHARD_BYTES", 1)
        build(Together, data_dir=raw, out=directory / "even")
    n_files = len(list((directory / "even" / CONFIG).glob("train-*.parquet")))
    assert n_files == 8, "a multiple of nodes times workers"
    return {"even": str(directory / "even"), "sites": str(build_toy(Toy, directory / "by_site"))}


def stored_pairs(case: Case, corpora: dict[str, str]) -> Counter[tuple[str, str]]:
    """Return what a case must hand out, read from the files: plain `datasets` is asked for the training set alone."""
    pattern = "*.parquet" if case.reader == "stream" else "train-*.parquet"
    return Counter(
        (row["stim_id"], row["neuron_id"])
        for path in (Path(corpora[case.corpus]) / CONFIG).glob(pattern)
        for row in pq.read_table(path, columns=["stim_id", "neuron_id"]).to_pylist()
    )


class Share:
    """What one node reads.

    Parameters
    ----------
    case : Case
        How.
    corpora : dict
        Directories of the corpora.
    node : tuple of int
        Rank and number of nodes; none where `stream` is to find them itself.
    """

    def __init__(self, case: Case, corpora: dict[str, str], node: tuple[int, int] | tuple[()]) -> None:
        directory = corpora[case.corpus]
        if case.reader == "stream":
            self.dataset: Any = stream(directory, CONFIG, shuffle=True, shuffle_buffer=2, seed=9).split_by_node(*node)
            self._neurons = [entry["neuron_id"] for entry in self.dataset.nrn_meta]
            collate, size = neural_collate, 1
        else:
            rank, world_size = node or (torch.distributed.get_rank(), torch.distributed.get_world_size())
            rows = load_dataset(directory, CONFIG, split="train", streaming=True)
            self.dataset = split_dataset_by_node(rows, rank=rank, world_size=world_size)
            collate, size = list, 2
        context = "fork" if case.workers else None
        self.loader = StatefulDataLoader(
            self.dataset, size, num_workers=case.workers, collate_fn=collate, multiprocessing_context=context
        )

    def until_the_break(self) -> tuple[Pairs, dict[str, Any]]:
        """Read some batches; return what was in them, and the state of the loader."""
        coming = iter(self.loader)
        pairs = [pair for _ in range(BATCHES_BEFORE_THE_BREAK) for pair in self._pairs(next(coming))]
        return pairs, self.loader.state_dict()

    def after_the_break(self, state: dict[str, Any]) -> tuple[Pairs, Pairs]:
        """Return what is left of the epoch of a state, and all of the next epoch."""
        self.loader.load_state_dict(state)
        rest = [pair for batch in self.loader for pair in self._pairs(batch)]
        self.dataset.set_epoch(1)
        return rest, [pair for batch in self.loader for pair in self._pairs(batch)]

    def _pairs(self, batch: Any) -> Iterator[tuple[str, str]]:
        if isinstance(batch, list):
            yield from ((row["stim_id"], row["neuron_id"]) for row in batch)
            return
        for entry, valid in zip(batch["stim_meta"], batch["valid_mask"].flatten(2).any(dim=2), strict=True):
            yield from ((entry["stim_id"], self._neurons[number]) for number in valid.nonzero().flatten().tolist())


def read_until_the_break(corpora: dict[str, str], node: tuple[int, int] | tuple[()]) -> dict[str, Any]:
    """Read part of an epoch in all ways; return pairs and states."""
    return {str(case): Share(case, corpora, node).until_the_break() for case in CASES}


def read_after_the_break(
    corpora: dict[str, str], node: tuple[int, int] | tuple[()], before: dict[str, Any]
) -> dict[str, Any]:
    """Read the rest of the epoch and another one, in all ways."""
    return {str(case): Share(case, corpora, node).after_the_break(before[str(case)][1]) for case in CASES}


def check(
    case: Case, corpora: dict[str, str], before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]
) -> None:
    """Check that the nodes handed out every pair once, with a break and without, and about as many each."""
    stored = stored_pairs(case, corpora)
    broken = [one[str(case)][0] + other[str(case)][0] for one, other in zip(before, after, strict=True)]
    whole = [one[str(case)][1] for one in after]
    for epoch in (broken, whole):
        assert Counter(pair for of_node in epoch for pair in of_node) == stored
        assert set(stored.values()) == {1}
        assert min(map(len, epoch)) > 0.35 * len(stored)
    assert all(0 < len(one[str(case)][0]) < len(of_node) for one, of_node in zip(before, broken, strict=True))
