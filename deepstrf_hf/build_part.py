"""Build one part of a cohort: walk its recordings once and write its shards of all tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pyarrow as pa

from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.config import CorpusConfig
from deepstrf_hf.names import SUFFIX
from deepstrf_hf.parquet import ShardWriter
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Part, Stimulus
from deepstrf_hf.summaries import summary_of_rows
from deepstrf_hf.tally import NeuronTally


@dataclass(frozen=True)
class PartJob:
    """Everything a process needs to build one part; can be pickled.

    Parameters
    ----------
    builder : type
        The corpus's builder.
    config : CorpusConfig
        Of the main table.
    config_name : str
        Name of the configuration, with the suffix of changed parameters.
    raw : RawTree
        Raw files.
    part : Part
        What to build.
    number : int
        Position of the part; orders its shards among those of the others.
    tables : tuple of str
        ``"rows"``, and ``"waveform"`` if wanted.
    staging : Path
        Where to write.
    provenance : mapping
        Written into every file.
    build : str
        Of this build of this cohort and no other, the same for all its parts.
    """

    builder: type[CorpusBuilder]
    config: CorpusConfig
    config_name: str
    raw: RawTree
    part: Part
    number: int
    tables: tuple[str, ...]
    staging: Path
    provenance: Mapping[str, Any]
    build: str


@dataclass
class Shards:
    """Files of one split of one table, in order, with their rows."""

    paths: list[Path] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    unfolded_bytes: int = 0

    def extend(self, other: Shards | ShardWriter) -> None:
        """Append other files."""
        self.paths += other.paths
        self.rows += other.rows
        self.unfolded_bytes += other.unfolded_bytes


@dataclass
class PartResult:
    """What building a part left behind.

    Parameters
    ----------
    shards : dict
        Files by (table, split).
    stimuli : Path
        Arrow file with one record batch per stimulus.
    stim_ids : list of str
        The stimuli in it, in order.
    neurons : NeuronTally
        Neurons and their quality sums.
    log : BuildLog
        What was left out.
    """

    shards: dict[tuple[str, str], Shards]
    stimuli: Path
    stim_ids: list[str]
    neurons: NeuronTally
    log: BuildLog


_WRITTEN: WeakKeyDictionary[Stimulus, set[str]] = WeakKeyDictionary()
"""Builds of a cohort for which this process has written a stimulus."""


def _first_of(stimulus: Stimulus, job: PartJob) -> bool:
    """Return whether a stimulus is to be written: not yet, by this process, for any part of this build."""
    written = _WRITTEN.setdefault(stimulus, set())
    if job.build in written:
        return False
    written.add(job.build)
    return True


def build_part(job: PartJob, advance: Callable[[int], object] | None = None) -> PartResult:
    """Write the shards of one part.

    Parameters
    ----------
    job : PartJob
        What to build.
    advance : callable, optional
        Called with 1 after each stimulus.

    Returns
    -------
    PartResult
        Files, neurons and log.
    """
    builder, log = job.builder, BuildLog(job.config.on_error)
    encoder = builder.encoder(job.config)
    neurons, stim_ids = NeuronTally(), list[str]()
    stimuli_path = job.staging / ".stimuli" / f"{job.config_name}-{job.number:05d}.arrow"
    stimuli_path.parent.mkdir(parents=True, exist_ok=True)
    writers: dict[tuple[str, str], ShardWriter] = {}
    with ExitStack() as stack:
        stimuli = stack.enter_context(pa.ipc.new_file(str(stimuli_path), encoder.schemas["stimuli"]))
        last = None
        for split, block in builder.blocks(job.raw, job.config, job.part, log):
            neurons.add_block(block)
            for table in job.tables:
                if (table, split) not in writers:
                    writers[table, split] = stack.enter_context(
                        ShardWriter(
                            job.staging / (job.config_name + SUFFIX[table]),
                            f"{split}-{job.number:05d}",
                            encoder.schemas[table],
                            {**job.provenance, "table": table},
                            summary_of_rows,
                        )
                    )
                writers[table, split].write(encoder.rows(block, table))
            # Heard in the other split too, or in a part before: one object is one stimulus.
            if _first_of(block[0].stimulus, job):
                stimuli.write_batch(encoder.stimulus_row(block[0].stimulus).to_batches()[0])
                stim_ids.append(block[0].stimulus.stim_id)
            if advance is not None and block[0].stimulus is not last:
                advance(1)
            last = block[0].stimulus
    shards: dict[tuple[str, str], Shards] = {}
    for key, writer in writers.items():
        shards.setdefault(key, Shards()).extend(writer)
    return PartResult(shards, stimuli_path, stim_ids, neurons, log)
