"""The files of a cohort, made of those of its parts: shards under their final names, stimuli each once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from deepstrf_hf.build_part import STIMULI, PartJob, read_stimulus
from deepstrf_hf.errors import BuilderContractError
from deepstrf_hf.output import Output
from deepstrf_hf.parquet import ShardWriter
from deepstrf_hf.part_result import PartFile, PartResult, StoredStimulus
from deepstrf_hf.part_store import PartStore
from deepstrf_hf.raw_tree import sha256_of
from deepstrf_hf.report import SplitFiles
from deepstrf_hf.summaries import summary_of_stimuli

RUN_BYTES = 96 * 2**20
"""Unfolded size above which a new run of stimuli is begun, with a file of its own."""


class MergedStimuli:
    """The stimuli of all parts, each once, whichever part has it.

    Parameters
    ----------
    schema : pyarrow.Schema
        Of the stimuli table.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._places: dict[str, tuple[PartJob, StoredStimulus]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def add(self, job: PartJob, result: PartResult) -> None:
        """Take in those of a part.

        Raises
        ------
        BuilderContractError
            An earlier part has a different stimulus under one ``stim_id``.
        """
        for place in result.stored:
            _, known = known_place = self._places.setdefault(place.stim_id, (job, place))
            if known.sha256 != place.sha256 and not self._read(*known_place).equals(self._read(job, place)):
                raise BuilderContractError(f"Two different stimuli are called {place.stim_id}", field="stim_id")

    def write(self, directory: Path, metadata: Mapping[str, Any], n_threads: int) -> list[ShardWriter]:
        """Write the table, in ascending order of ``stim_id``, in runs that do not depend on who writes them.

        Parameters
        ----------
        directory : Path
            Where the files go.
        metadata : mapping of str to Any
            Written into every file.
        n_threads : int
            Runs that are written at once; encoding leaves Python's lock.

        Returns
        -------
        list of ShardWriter
            What wrote each run, in order.
        """

        def write_run(number: int, stim_ids: Sequence[str]) -> ShardWriter:
            with ShardWriter(directory, f"run-{number:05d}", self._schema, metadata, summary_of_stimuli) as writer:
                for stim_id in stim_ids:
                    writer.write(pa.Table.from_batches([self._read(*self._places[stim_id])]))
            return writer

        runs = self._runs()
        with ThreadPoolExecutor(n_threads) as pool:
            return list(pool.map(write_run, range(len(runs)), runs))

    def _runs(self) -> list[list[str]]:
        runs: list[list[str]] = []
        size = RUN_BYTES
        for stim_id in sorted(self._places):
            if size >= RUN_BYTES:
                runs.append([])
                size = 0
            _, place = self._places[stim_id]
            runs[-1].append(stim_id)
            size += place.end - place.begin
        return runs

    def _read(self, job: PartJob, place: StoredStimulus) -> pa.RecordBatch:
        return read_stimulus(job.store.local(job.number, STIMULI), place, self._schema)


@dataclass
class CohortShards:
    """Files of one split of one table, of all parts in order."""

    files: list[tuple[int, PartFile]] = field(default_factory=list)
    unfolded_bytes: int = 0

    def place(self, output: Output, parts: PartStore, config: str, split: str) -> SplitFiles:
        """Give the files the names that ``datasets`` uses, now that their number is known.

        Parameters
        ----------
        output : Output
            Where they are placed.
        parts : PartStore
            Where they are.
        config, split : str
            Names of the configuration and of the split.
        """
        names = [f"{config}/{final_name(split, number, len(self.files))}" for number in range(len(self.files))]
        for name, (part, file) in zip(names, self.files, strict=True):
            output.place(parts, part, file.name, name)
        return SplitFiles(
            files=names,
            rows=sum(file.rows for _, file in self.files),
            bytes=sum(file.bytes for _, file in self.files),
            unfolded_bytes=self.unfolded_bytes,
            sha256={name: file.sha256 for name, (_, file) in zip(names, self.files, strict=True)},
        )


def final_name(split: str, number: int, n_files: int) -> str:
    """Return the name of a file of a split."""
    return f"{split}-{number:05d}-of-{n_files:05d}.parquet"


def written_files(writers: Sequence[ShardWriter], split: str, tree: Path) -> SplitFiles:
    """Give the files of a table that was written as a whole their final names.

    Parameters
    ----------
    writers : sequence of ShardWriter
        What wrote it, in order.
    split : str
        Name of the split.
    tree : Path
        Directory below which the writers wrote.
    """
    written = [path for writer in writers for path in writer.paths]
    paths = [
        path.rename(path.with_name(final_name(split, number, len(written)))) for number, path in enumerate(written)
    ]
    names = [path.relative_to(tree).as_posix() for path in paths]
    return SplitFiles(
        files=names,
        rows=sum(sum(writer.rows) for writer in writers),
        bytes=sum(path.stat().st_size for path in paths),
        unfolded_bytes=sum(writer.unfolded_bytes for writer in writers),
        sha256={name: sha256_of(path) for name, path in zip(names, paths, strict=True)},
    )
