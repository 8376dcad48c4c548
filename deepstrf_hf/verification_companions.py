"""Verify the tables of stimuli and of neurons, and keep what rows are compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from deepstrf_hf.corpus import Cohort
from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.parquet import as_numpy
from deepstrf_hf.published_split import RecordedSplit
from deepstrf_hf.verification_findings import RowFaults
from deepstrf_hf.verification_tables import CohortToVerify, TableFile, columns_but, readable

HEAVY = ("response", "spectrogram", "audio", "picture")
"""Columns that are looked at value by value, and not kept."""


@dataclass
class Companion:
    """What a table of stimuli or neurons says.

    Parameters
    ----------
    key : str
        ``"stim_id"`` or ``"neuron_id"``.
    metadata : pyarrow.Table
        All columns but the heavy ones.
    contents : dict of str to list of bytes
        Of stimuli: digests of spectrogram and sound, in the order of the rows; empty bytes where there is none.
    """

    key: str
    metadata: pa.Table
    contents: dict[str, list[bytes]]

    def __post_init__(self) -> None:
        self.ids: pa.Array = _in_one_piece(self.metadata.column(self.key))

    def __len__(self) -> int:
        return len(self.ids)

    def places(self, ids: pa.Array) -> NDArray[np.int64]:
        """Return the row of each id; -1 where the table lacks it."""
        found = pa.compute.fill_null(pa.compute.index_in(ids, self.ids), -1)
        return as_numpy(found).astype(np.int64)

    def column(self, name: str) -> pa.Array:
        """Return a column in one piece."""
        return _in_one_piece(self.metadata.column(name))


def read_companion(cohort: CohortToVerify, table: str, files: Sequence[TableFile]) -> Companion | None:
    """Check the table of stimuli or neurons of a cohort.

    Parameters
    ----------
    cohort : CohortToVerify
        The cohort.
    table : str
        ``"stimuli"`` or ``"neurons"``.
    files : sequence of TableFile
        Its files, in order.

    Returns
    -------
    Companion or None
        What it says; None if it is broken, or names a row by nothing.
    """
    key = {"stimuli": "stim_id", "neurons": "neuron_id"}[table]
    kept: list[pa.RecordBatch] = []
    contents: dict[str, list[bytes]] = {"spectrogram": [], "audio": []}
    whole = True
    for file in files:
        faults = RowFaults(file.name)
        try:
            with readable(file.path):
                for batch in file.batches():
                    kept.append(batch.select(columns_but(batch, HEAVY)))
                    if table == "stimuli":
                        check_spectrograms(batch, cohort, faults, contents["spectrogram"])
                        contents["audio"] += audio_digests(batch)
                        _check_words(batch, cohort.declared, faults)
        except TableFormatError as error:
            cohort.findings.error(error, file.name)
            whole = False
        faults.report(cohort.findings)
    if not whole or not kept:
        return None
    metadata = pa.Table.from_batches(kept)
    return Companion(key, metadata, contents) if _check_ids(metadata, key, files, cohort) else None


def _check_ids(metadata: pa.Table, key: str, files: Sequence[TableFile], cohort: CohortToVerify) -> bool:
    """Check that ids are there, unique and ascending; return whether all are there."""
    ids = metadata.column(key)
    name = files[0].name
    if ids.null_count:
        cohort.findings.failure("Rows have no id", name, field=key, found=f"{ids.null_count} nulls")
        return False
    listed = ids.to_pylist()
    twice = sorted({one for one, other in pairwise(sorted(listed)) if one == other})
    if twice:
        cohort.findings.failure(
            "A companion table names one thing more than once", name, field=key, found=", ".join(twice[:3])
        )
    disorder = next((f"{other} after {one}" for one, other in pairwise(listed) if other < one), None)
    if disorder:
        cohort.findings.failure("Rows are not in ascending order", name, field=key, found=disorder)
    return True


def check_spectrograms(batch: pa.RecordBatch, cohort: CohortToVerify, faults: RowFaults, digests: list[bytes]) -> None:
    """Check the spectrograms of some rows, and take digests of them.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        With columns ``spectrogram``, ``n_bins`` and ``stim_id``.
    cohort : CohortToVerify
        The cohort.
    faults : RowFaults
        Takes what is wrong.
    digests : list of bytes
        The digest of each row is appended; empty bytes for one that has nulls.
    """
    column, ids = batch.column("spectrogram"), batch.column("stim_id")
    n_bins, frequencies = batch.column("n_bins").to_pylist(), cohort.provenance.get("band_frequencies_hz")
    empty, ragged, infinite, other_bands = (np.zeros(len(batch), bool) for _ in range(4))
    shapes = ["none"] * len(batch)
    for number in range(len(batch)):
        bands = column[number].values
        values = None if bands is None or bands.null_count else bands.flatten()
        if values is None or values.null_count or not len(values):
            empty[number] = True
            digests.append(b"")
            continue
        lengths, numbers = as_numpy(bands.value_lengths()), as_numpy(values)
        shapes[number] = f"{len(lengths)} bands of {lengths.min()} to {lengths.max()} bins"
        ragged[number] = (lengths != n_bins[number]).any()
        infinite[number] = not np.isfinite(numbers).all()
        other_bands[number] = isinstance(frequencies, list) and len(lengths) != len(frequencies)
        digests.append(hashlib.blake2b(numbers.tobytes(), digest_size=16).digest())

    def shown(number: int) -> str:
        return f"{ids[number]}: {shapes[number]}"

    faults.note("A row has no spectrogram", "spectrogram", empty, shown)
    faults.note(
        "A spectrogram has other bins than its row states",
        "spectrogram",
        ragged,
        lambda number: f"{shown(number)}, n_bins {n_bins[number]}",
    )
    faults.note("A spectrogram is not finite", "spectrogram", infinite, lambda number: str(ids[number]))
    faults.note(
        "A spectrogram has other bands than its file states",
        "spectrogram",
        other_bands,
        shown,
        f"{len(frequencies)} bands" if isinstance(frequencies, list) else None,
    )


def audio_digests(batch: pa.RecordBatch) -> list[bytes]:
    """Return a digest of the encoded sound of each row; empty bytes where there is none."""
    sounds = batch.column("audio").field("bytes")
    return [
        hashlib.blake2b(memoryview(sound.as_buffer()), digest_size=16).digest() if sound.is_valid else b""
        for sound in sounds
    ]


def _check_words(batch: pa.RecordBatch, declared: Cohort | None, faults: RowFaults) -> None:
    """Check the division that stimuli say they belong to; one that differs from site to site has none."""
    if declared is None:
        return
    known: Any = declared.splits.splits if isinstance(declared.splits, RecordedSplit) else declared.splits.names
    words, ids = batch.column("subset").to_pylist(), batch.column("stim_id")
    faults.note(
        "A stimulus belongs to a division that is not declared",
        "subset",
        [word is not None and word not in known for word in words],
        lambda number: f"{ids[number]}: {words[number]!r}",
        " or ".join(map(repr, known)),
    )


def _in_one_piece(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    return pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole
