"""Small corpora laid out in many ways, and what a stream must make of them, worked out from the tables and the grid."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from deepstrf_hf import NeuralDataset, build, load
from deepstrf_hf import parquet as parquet_module
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.corpus import Cohort, Corpus
from deepstrf_hf.grid.views import ItemResponses
from deepstrf_hf.published_split import StimulusSplit
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Neuron, Part, Recording
from tests.toy import Toy, ToyConfig, toy_response, toy_stimulus, write_toy

TEST_STIMULI = ("sound1", "sound4")
N_STIMULI, N_NEURONS = 9, 5
COHORTS = ("counts", "potentials")
"""Inline whole numbers, and by-reference potentials with gaps."""
NOTHING_BUT_GAPS = ("sound3", "site_a-n1")
"""A pair that was recorded and of which nothing is left, in the potentials."""


class Together(Toy):
    """All neurons in one part; who heard what is ragged."""

    CORPUS = Corpus(
        **{
            **vars(Toy.CORPUS),
            "name": "together",
            "cohorts": tuple(
                Cohort(**{**vars(cohort), "splits": StimulusSplit(test=TEST_STIMULI, source="x"), "counts": {}})
                for cohort in Toy.CORPUS.cohorts
            ),
        }
    )

    @classmethod
    def parts(cls, raw: RawTree, cohort: Cohort, config: Any) -> Sequence[Part]:
        return [Part("all")]

    @classmethod
    def recordings(
        cls, raw: RawTree, cohort: Cohort, config: ToyConfig, part: Part, log: BuildLog
    ) -> Iterator[Recording]:
        for index in range(json.loads(raw.path("toy.json").read_text()).get("stimuli", N_STIMULI)):
            stimulus = toy_stimulus(index, 0, cohort)
            for number in range(N_NEURONS):
                name = f"site_a-n{number}"
                if (index + number) % 4 == 3 or (number == 4 and index > 2):
                    continue
                response = toy_response(stimulus, name, cohort, config)
                if cohort.name == "potentials" and (stimulus.stim_id, name) == NOTHING_BUT_GAPS:
                    response = np.full_like(response, np.nan)
                yield Recording(stimulus, Neuron(name, {"site": "site_a", "good": number == 0}), response)


def build_toy(builder: type[Toy], directory: Path, **limits: int) -> Path:
    """Build a corpus, with other sizes of row groups and files where given; return its directory."""
    raw = write_toy(directory / "raw")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in limits.items():
            patch.setattr(parquet_module, name, value)
        build(builder, data_dir=raw, out=directory / "built")
    return directory / "built"


def regroup(directory: Path, rows: int) -> Path:
    """Write the main tables of a build again with row groups of some rows, wherever they cut; return the directory."""
    for path in itertools.chain.from_iterable((directory / cohort).glob("*.parquet") for cohort in COHORTS):
        table, metadata = pq.read_table(path), pq.read_metadata(path).metadata
        with pq.ParquetWriter(path, table.schema) as writer:
            writer.write_table(table, row_group_size=rows)
            writer.add_key_value_metadata({b"deepstrf_hf": metadata[b"deepstrf_hf"]})
    return directory


def files_in_order(directory: Path, config: str, split: str | None = None) -> list[Path]:
    """Return the files of a main table: those of the training set, then those of the test set."""
    return [
        path
        for name in ("train", "test")
        if split in (None, name)
        for path in sorted((directory / config).glob(f"{name}-*.parquet"))
    ]


def stored_items(directory: Path, config: str, split: str | None = None) -> list[tuple[str, set[str]]]:
    """Return stimulus and neurons of each item, in stored order: what stands together in one file."""
    found = []
    for path in files_in_order(directory, config, split):
        rows = pq.read_table(path, columns=["stim_id", "neuron_id"]).to_pylist()
        for stim_id, of_stimulus in itertools.groupby(rows, key=lambda row: row["stim_id"]):
            found.append((stim_id, {row["neuron_id"] for row in of_stimulus}))
    return found


@cache
def grid_of(directory: Path, config: str, **options: Any) -> NeuralDataset:
    return load(directory, config, **options)


def expected_items(
    grid: NeuralDataset, stored: Sequence[tuple[str, set[str]]], neurons: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Return the items of a grid as the files divide them, of some neurons."""
    place = {entry["stim_id"]: number for number, entry in enumerate(grid.stim_meta)}
    ids = [entry["neuron_id"] for entry in grid.nrn_meta]
    kept = [number for number, name in enumerate(ids) if neurons is None or name in neurons]
    missing = torch.full((1, 1), float("nan"))
    items = []
    for stim_id, there in stored:
        if not any(ids[number] in there for number in kept):
            continue
        stimulus = place[stim_id]
        responses = [grid.responses[stimulus][number] if ids[number] in there else missing for number in kept]
        items.append(
            {
                "stims": grid.stims[stimulus],
                "responses": responses,
                "valid_mask": torch.tensor([bool(torch.isfinite(response).any()) for response in responses]),
                "stim_meta": grid.stim_meta[stimulus],
            }
        )
    return items


def assert_same_items(found: Sequence[Mapping[str, Any]], expected: Sequence[Mapping[str, Any]]) -> None:
    """Compare items value by value, type by type."""
    assert [item["stim_meta"]["stim_id"] for item in found] == [item["stim_meta"]["stim_id"] for item in expected]
    for one, other in zip(found, expected, strict=True):
        where = one["stim_meta"]["stim_id"]
        assert list(one) == ["stims", "responses", "valid_mask", "stim_meta"]
        assert one["stim_meta"] == other["stim_meta"]
        assert isinstance(one["responses"], ItemResponses)
        pairs = list(zip(one["responses"], other["responses"], strict=True))
        for mine, theirs in [(one["stims"], other["stims"]), (one["valid_mask"], other["valid_mask"]), *pairs]:
            assert mine.dtype == theirs.dtype and mine.shape == theirs.shape, where
            np.testing.assert_array_equal(mine.numpy(), theirs.numpy(), err_msg=where)
