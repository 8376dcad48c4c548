"""Build one part of a cohort: walk its recordings once and write its shards of all tables."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import pyarrow as pa

from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.config import CorpusConfig
from deepstrf_hf.errors import DataDirectoryError
from deepstrf_hf.parquet import ShardWriter
from deepstrf_hf.part_result import PartFile, PartResult, Shards, StoredStimulus, manifest_of, result_of
from deepstrf_hf.part_store import MANIFEST, PartStore
from deepstrf_hf.raw_tree import RawTree, sha256_of
from deepstrf_hf.recording import Part, Stimulus
from deepstrf_hf.summaries import summary_of_rows
from deepstrf_hf.tables import RowEncoder
from deepstrf_hf.tally import NeuronTally

STIMULI = "stimuli.arrow"
"""File of the stimuli of a part: record batches as Arrow's IPC writes them, without a schema before them."""


@dataclass(frozen=True)
class PartJob:
    """Everything a process needs to build one part; can be pickled.

    Parameters
    ----------
    builder : type
        The corpus's builder.
    config : CorpusConfig
        Of the main table.
    raw : RawTree
        Raw files.
    part : Part
        What to build.
    number : int
        Position of the part; orders its shards among those of the others.
    tables : tuple of str
        ``"rows"``, and ``"waveform"`` if wanted.
    store : PartStore
        Where finished parts are kept.
    provenance : mapping
        Written into every file.
    key : str
        Of all that the result depends on.
    build : str
        Of this build of this cohort and no other, the same for all its parts. Never written.
    """

    builder: type[CorpusBuilder]
    config: CorpusConfig
    raw: RawTree
    part: Part
    number: int
    tables: tuple[str, ...]
    store: PartStore
    provenance: Mapping[str, Any]
    key: str
    build: str

    def finished(self) -> PartResult | None:
        """Return what the part left behind; None if it is not finished."""
        manifest = self.store.manifest(self.number)
        if manifest is None:
            return None
        return result_of(manifest, self.key, self.part.name, self.config.on_error)


_WRITTEN: WeakKeyDictionary[Stimulus, str] = WeakKeyDictionary()
"""The build of a cohort for which this process last wrote a stimulus, in a part that is finished."""


def build_part(job: PartJob, advance: Callable[[int], object] | None = None) -> None:
    """Write the shards of one part, unless it is finished, and keep them with a manifest.

    Parameters
    ----------
    job : PartJob
        What to build.
    advance : callable, optional
        Called with 1 after each stimulus.

    Raises
    ------
    DataDirectoryError, OutputDirectoryError
        This process does not see the raw files, or the place where finished parts are kept.
    DeepstrfError
        Whatever the builder finds wrong.
    """
    if job.finished() is not None:  # by a worker that was lost before it could say so
        return
    if not job.raw.root.is_dir():
        raise DataDirectoryError(
            "A worker does not see the raw files",
            path=job.raw.root,
            mend="with workers on several machines, the raw files must be on all of them under the same path",
        )
    written: WeakSet[Stimulus] = WeakSet()
    with job.store.writing(job.number) as directory:
        result = _write_part(job, directory, written, advance or (lambda _: None))
        (directory / MANIFEST).write_text(manifest_of(result, job.key, job.part.name), encoding="utf-8")
    for stimulus in written:
        _WRITTEN[stimulus] = job.build


def _write_part(
    job: PartJob, directory: Path, written: WeakSet[Stimulus], advance: Callable[[int], object]
) -> PartResult:
    builder, log, neurons = job.builder, BuildLog(job.config.on_error), NeuronTally()
    encoder = builder.encoder(job.config)
    writers: dict[tuple[str, str], ShardWriter] = {}
    stimuli = _StimuliFile(directory / STIMULI, encoder)
    n_stimuli, last = 0, None
    with ExitStack() as stack:
        stack.enter_context(stimuli)
        for split, block in builder.blocks(job.raw, job.config, job.part, log):
            neurons.add_block(block)
            for table in job.tables:
                if (table, split) not in writers:
                    writers[table, split] = stack.enter_context(
                        ShardWriter(
                            directory,
                            f"{table}-{split}",
                            encoder.schemas[table],
                            {**job.provenance, "table": table},
                            summary_of_rows,
                        )
                    )
                writers[table, split].write(encoder.rows(block, table))
            stimulus = block[0].stimulus
            if stimulus is last:  # heard in the other split too
                continue
            # One object is one stimulus, also where several parts share it.
            if _WRITTEN.get(stimulus) != job.build:
                stimuli.write(stimulus)
                written.add(stimulus)
            n_stimuli, last = n_stimuli + 1, stimulus
            advance(1)
    shards = {
        key: Shards(
            [_part_file(path, rows) for path, rows in zip(writer.paths, writer.rows, strict=True)],
            writer.unfolded_bytes,
        )
        for key, writer in writers.items()
    }
    # Where the raw directory lies on the builder's machine is nobody's business.
    log.left_out = {named: job.raw.shown(reason) for named, reason in log.left_out.items()}
    log.notes = dict.fromkeys(map(job.raw.shown, log.notes))
    stimuli_file = _part_file(stimuli.path, len(stimuli.stored))
    return PartResult(shards, stimuli_file, stimuli.stored, n_stimuli, neurons, log)


class _StimuliFile:
    """Rows of the stimuli table, each readable by itself."""

    def __init__(self, path: Path, encoder: RowEncoder) -> None:
        self.path, self._encoder = path, encoder
        self._file = path.open("wb")
        self.stored: list[StoredStimulus] = []

    def __enter__(self) -> _StimuliFile:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def write(self, stimulus: Stimulus) -> None:
        """Append the row of a stimulus."""
        message = self._encoder.stimulus_row(stimulus).to_batches()[0].serialize()
        begin = self._file.tell()
        self._file.write(message)
        digest = hashlib.sha256(message).hexdigest()
        self.stored.append(StoredStimulus(stimulus.stim_id, begin, begin + message.size, digest))


def read_stimulus(path: Path, place: StoredStimulus, schema: pa.Schema) -> pa.RecordBatch:
    """Read the row of a stimulus.

    Parameters
    ----------
    path : Path
        File of the stimuli of a part.
    place : StoredStimulus
        Where it is.
    schema : pyarrow.Schema
        Of the stimuli table.
    """
    with path.open("rb") as file:
        file.seek(place.begin)
        return pa.ipc.read_record_batch(pa.py_buffer(file.read(place.end - place.begin)), schema)


def _part_file(path: Path, rows: int) -> PartFile:
    return PartFile(path.name, rows, path.stat().st_size, sha256_of(path))
