"""The small columns of a file once more in its end, where a reader far away finds them all in one request.

Without this, finding out what a file holds takes a request for each of its row groups: small columns lie between large
ones. The columns in the row groups stay what counts; a summary only repeats them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute

from deepstrf_hf.errors import TableFormatError

SUMMARY_KEY = b"deepstrf_hf_summary"
"""Key in the file metadata under which the summary lies: an Arrow stream, compressed with zstd, as base64, since other
readers of Parquet take metadata for text."""
LARGE_COLUMNS = ("spectrogram", "audio", "picture")
"""Columns of the stimuli table that hold the stimulus itself."""
RUN_SCHEMA = pa.schema({"stim_id": pa.string(), "rows": pa.int32()})


def summary_of_stimuli(row_group: pa.Table) -> pa.Table:
    """Return the rows of a stimuli table without the stimuli themselves."""
    return row_group.drop_columns([name for name in LARGE_COLUMNS if name in row_group.column_names])


def summary_of_rows(row_group: pa.Table) -> pa.Table:
    """Return which stimuli a row group of a main table has, and how many rows of each, in order.

    Returns
    -------
    pyarrow.Table
        Columns ``stim_id`` and ``rows``; the same stimulus can follow itself in the next row group.
    """
    runs = pa.compute.run_end_encode(row_group.column("stim_id").combine_chunks(), run_end_type=pa.int32())
    lengths = np.diff(np.from_dlpack(runs.run_ends), prepend=0).astype(np.int32)
    return pa.table([runs.values, lengths], schema=RUN_SCHEMA)


def packed(summaries: Sequence[pa.Table]) -> bytes:
    """Return the summaries of all row groups of a file as they stand in its metadata."""
    table = pa.concat_tables(summaries).replace_schema_metadata(None).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return base64.b64encode(sink.getvalue())


def unpacked(metadata: Mapping[bytes, bytes], path: str | Path) -> pa.Table | None:
    """Return the summary that the metadata of a Parquet file hold; None where it has none.

    Raises
    ------
    TableFormatError
        What is there is none.
    """
    if SUMMARY_KEY not in metadata:
        return None
    try:
        with pa.ipc.open_stream(base64.b64decode(metadata[SUMMARY_KEY], validate=True)) as reader:
            return reader.read_all()
    except (pa.ArrowException, binascii.Error) as error:
        raise TableFormatError(
            "The summary in a file's end cannot be read",
            path=path,
            field=SUMMARY_KEY.decode(),
            found=error,
            mend="build or download it again",
        ) from error
