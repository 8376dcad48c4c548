"""What the recipes of docs/hub.md fetch: columns and row groups that are not asked for stay on the server.

The corpora are made up, under the names that the recipes use, and large enough that reading ahead does not hide it:
files of 7 MB, whose stimuli cost ten times as much as the responses to them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from deepstrf_hf.corpus import Column
from deepstrf_hf.recording import Neuron, Recording, Stimulus
from tests.grid.stream_corpora import build_toy
from tests.hub.client_env import run_client
from tests.hub.records import RequestRecord
from tests.hub.server import LoopbackHub
from tests.hub_helpers import CLIENT, TOKEN, read_files, requested, steps
from tests.hub_recipes_examples import RUN
from tests.toy import Toy

N_STIMULI, N_NEURONS, N_BANDS, N_BINS = 40, 4, 32, 1500
AREAS = {"site_a": "A1", "site_b": "PEG", "site_c": "A1"}
READ_AHEAD = 5 * 2**20
"""Bytes that the Hub's file system reads further unless it is told otherwise."""


class Large(Toy):
    """Three sites in two areas; each hears the same sounds, whose spectrograms no compression makes smaller."""

    CORPUS = replace(
        Toy.CORPUS,
        name="large",
        neuron_columns={**Toy.CORPUS.neuron_columns, "area": Column("string", "Area.")},
        cohorts=tuple(
            replace(cohort, name=name, counts={}, signal_type="spikes", response_dtype="uint8", stimulus=stimulus)
            for cohort, name, stimulus in zip(
                Toy.CORPUS.cohorts, ("a1", "a1_peg"), ("inline", "reference"), strict=True
            )
        ),
    )

    @classmethod
    def recordings(cls, raw: Any, cohort: Any, config: Any, part: Any, log: Any) -> Iterator[Recording]:
        trials = 3 if cohort.name == "a1" else 40
        for number in range(N_STIMULI):
            rng = np.random.default_rng(number)
            spectrogram = rng.normal(size=(N_BANDS, N_BINS)).astype(np.float32)
            stimulus = Stimulus(f"sound{number:02d}", spectrogram, {"name": f"Sound {number}", "level": 60.0})
            for unit in range(N_NEURONS):
                neuron = Neuron(f"{part.name}-n{unit}", {"site": part.name, "area": AREAS[part.name]})
                rng = np.random.default_rng([number, unit, ord(part.name[-1])])
                yield Recording(stimulus, neuron, rng.poisson(0.3, (trials, N_BINS)))


WAYS = ("whole, inline", "columns", "columns, default reads", "whole, reference", "filters", "filters, default reads",
        "pyarrow", "polars-elsewhere")  # fmt: skip


@dataclass(frozen=True)
class Fetched:
    """What each way found, the bytes of Parquet files that it fetched, and in how many requests."""

    directory: Path
    found: dict[str, Any]
    bytes: dict[str, int]
    requests: dict[str, int]


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Fetched:
    """Run recipes on the large corpora, each with a mark in the Hub's log behind it."""
    built = build_toy(Large, tmp_path_factory.mktemp("large"))
    with LoopbackHub() as server:
        server.add_user("alice", TOKEN)
        for name in ("deepstrf/ns1", "deepstrf/wingert2026"):
            server.add_repository(name).commit(read_files(built))
        found = run_client(
            server,
            RUN
            + """
import re
from huggingface_hub import HfApi

def by_default(code):
    return re.sub(r",\\s*storage_options=small_reads,?", "", code)

def whole(code):
    return re.sub(r",\\s*filters=[^\\n]*\\]", "", re.sub(r", columns=[^]]*\\]", "", by_default(code)))

def counted(name, *change):
    found = run([name], *change)[name]
    HfApi().whoami()
    return len(found)

report({
    "whole, inline": counted("columns", whole),
    "columns": counted("columns"),
    "columns, default reads": counted("columns", by_default),
    "whole, reference": counted("filters", whole),
    "filters": counted("filters"),
    "filters, default reads": counted("filters", by_default),
    "pyarrow": counted("pyarrow"),
    "polars-elsewhere": counted("polars-elsewhere"),
})
""",
            home=tmp_path_factory.mktemp("client"),
            token=TOKEN,
            extra=CLIENT,
        )
        records = [requested(step, "GET", ".parquet") for step in steps(server)]
        assert server.internal_errors == []
    by_way: dict[str, list[RequestRecord]] = dict(zip(WAYS, records, strict=False))
    return Fetched(
        built,
        found,
        {way: sum(record.bytes_sent for record in of_way) for way, of_way in by_way.items()},
        {way: len(of_way) for way, of_way in by_way.items()},
    )


def train_files(fetched: Fetched, config: str) -> list[Path]:
    return sorted((fetched.directory / config).glob("train-*.parquet"))


def test_the_corpora_are_large_enough(fetched: Fetched) -> None:
    assert all(path.stat().st_size > READ_AHEAD for path in train_files(fetched, "a1"))
    for config, way in (("a1", "whole, inline"), ("a1_peg", "whole, reference")):
        size = sum(path.stat().st_size for path in train_files(fetched, config))
        assert fetched.bytes[way] >= size
    rows = N_NEURONS * N_STIMULI * len(AREAS)
    assert fetched.found["whole, inline"] == fetched.found["columns"] == rows
    assert fetched.found["columns, default reads"] == fetched.found["whole, reference"] == rows


def test_one_column_is_a_tenth(fetched: Fetched) -> None:
    """Little more than the column itself, the end of each file, and 64 kB for each read."""
    needed = 0
    for path in train_files(fetched, "a1"):
        metadata = pq.read_metadata(path)
        for group in range(metadata.num_row_groups):
            columns = [metadata.row_group(group).column(index) for index in range(metadata.num_columns)]
            needed += sum(one.total_compressed_size for one in columns if one.path_in_schema.startswith("response."))
    slack = 2**16 * fetched.requests["columns"]
    assert needed < fetched.bytes["columns"] <= needed + slack
    assert fetched.bytes["columns"] < 0.15 * fetched.bytes["whole, inline"]


def test_one_column_is_less_even_with_the_usual_read_ahead(fetched: Fetched) -> None:
    assert fetched.bytes["columns, default reads"] < 0.95 * fetched.bytes["whole, inline"]
    assert fetched.bytes["columns"] < 0.2 * fetched.bytes["columns, default reads"]


@pytest.mark.parametrize("way", ["filters", "filters, default reads", "pyarrow", "polars-elsewhere"])
def test_one_area_is_its_files(fetched: Fetched, way: str) -> None:
    """The files of the area's site, and of the others their ends."""
    _, peg, _ = (path.stat().st_size for path in train_files(fetched, "a1_peg"))
    assert fetched.found[way] == N_NEURONS * N_STIMULI
    assert 0.9 * peg < fetched.bytes[way] < 0.5 * fetched.bytes["whole, reference"]
