"""Verify what files repeat of their small columns in their end: it is what readers of streams go by."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.summaries import LARGE_COLUMNS, summary_of_rows, summary_of_stimuli, unpacked
from deepstrf_hf.verification_findings import Findings
from deepstrf_hf.verification_tables import TableFile, readable


def check_summaries(table: str, files: Sequence[TableFile], findings: Findings) -> None:
    """Compare the summary of each file with its rows; a file without one has nothing wrong.

    Parameters
    ----------
    table : str
        Which table the files are of.
    files : sequence of TableFile
        Files whose columns are as they should be.
    findings : Findings
        Takes what is wrong.
    """
    for file in files:
        try:
            with readable(file.path), pq.ParquetFile(file.path, pre_buffer=False) as opened:
                stated = unpacked(opened.metadata.metadata or {}, file.name)
                matches = stated is None or stated.equals(_summary(table, opened))
        except TableFormatError as error:
            findings.error(error, file.name)
            continue
        if not matches:
            findings.failure("The end of a file says something else than its rows", file.name, field="summary")


def _summary(table: str, file: pq.ParquetFile) -> pa.Table:
    """Return what the end of a file should say."""
    names = file.schema_arrow.names
    columns = [name for name in names if name not in LARGE_COLUMNS] if table == "stimuli" else ["stim_id"]
    summary_of = summary_of_stimuli if table == "stimuli" else summary_of_rows
    groups = (file.read_row_group(index, columns=columns) for index in range(file.num_row_groups))
    return pa.concat_tables(map(summary_of, groups)).replace_schema_metadata(None)
