"""What the tables of a cohort take on disk, beside three normalised tables that plain pyarrow writes of the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

MEDIA = ("audio", "picture")
"""Columns that no layout makes smaller: they are compressed as they are."""
OF_PAIRS = ("stim_id", "neuron_id")


def sizes(out: str, cohort: str, scratch: str) -> dict[str, Any]:
    """Write the normalised tables and compare sizes, with and without columns of `MEDIA`; a job.

    One table has a row per (stimulus, neuron) and no column of the other two, one a row per stimulus, one a row per
    neuron; zstd, everything else as pyarrow does by default.

    Returns
    -------
    dict
        MB: ``tables`` (the files as built), ``normalised``, and both ``_without_media``.
    """
    directory = Path(scratch)
    directory.mkdir(parents=True, exist_ok=True)
    configs = {name: sorted((Path(out) / f"{cohort}{name}").glob("*.parquet")) for name in ("", "-stimuli", "-neurons")}
    tables = sum(path.stat().st_size for files in configs.values() for path in files)
    media = sum(map(_media_bytes, (path for files in configs.values() for path in files)))
    found = {"tables": tables, "tables_without_media": tables - media, "normalised": 0, "normalised_without_media": 0}
    for name, files in configs.items():
        columns = [column for column in pq.read_schema(files[0]).names if name or _is_of_pairs(column)]
        for suffix, left_out in (("", ()), ("_without_media", MEDIA)):
            kept = [column for column in columns if column not in left_out]
            path = directory / f"{name or 'pairs'}{suffix}.parquet"
            whole = pa.concat_tables([pq.read_table(file, columns=kept) for file in files])
            pq.write_table(whole, path, compression="zstd")
            found[f"normalised{suffix}"] += path.stat().st_size
    return {what: n_bytes / 1e6 for what, n_bytes in found.items()}


def _is_of_pairs(column: str) -> bool:
    """Return whether a column of the main table is told neither by the stimulus nor by the neuron."""
    return column in OF_PAIRS or not column.startswith(("stim_", "neuron_", "spectrogram", "audio"))


def _media_bytes(path: Path) -> int:
    metadata = pq.read_metadata(path)
    return sum(
        chunk.total_compressed_size
        for group in map(metadata.row_group, range(metadata.num_row_groups))
        for chunk in map(group.column, range(metadata.num_columns))
        if chunk.path_in_schema.partition(".")[0] in MEDIA
    )
