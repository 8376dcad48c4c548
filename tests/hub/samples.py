"""Small data sets to put on a Hub."""

from __future__ import annotations

import io
import random

import pyarrow as pa
import pyarrow.parquet as pq

WITHOUT_TORCH = {"USE_TORCH": "0"}
"""Variables of a client that streams: ``datasets`` imports torch to do so, which costs it a second."""

CARD = b"""---
configs:
- config_name: wehr
  data_files:
  - split: train
    path: wehr/train-*.parquet
  default: true
---
# A card
"""


def parquet(rows: int, first: int = 0, payload: int = 0) -> bytes:
    """Write a Parquet file with a number, a ragged list and, if wanted, a heavy column.

    Parameters
    ----------
    rows
        How many rows.
    first
        Number of the first row.
    payload
        Bytes per row of a column ``payload`` that does not compress.
    """
    numbers = range(first, first + rows)
    columns = {"number": list(numbers), "response": [[float(number)] * (number % 3 + 1) for number in numbers]}
    if payload:
        generator = random.Random(first)
        columns["payload"] = [generator.randbytes(payload) for _ in numbers]
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def dataset(rows: int, first: int = 0, payload: int = 0) -> dict[str, bytes]:
    """Make the files of a dataset with a card and two shards."""
    half = rows // 2
    return {
        "README.md": CARD,
        "wehr/train-00000-of-00002.parquet": parquet(half, first, payload),
        "wehr/train-00001-of-00002.parquet": parquet(rows - half, first + half, payload),
    }
