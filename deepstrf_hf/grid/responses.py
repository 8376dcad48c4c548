"""Responses of a main table into one buffer, without ever holding a row group of them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.parquet import as_numpy, column_batches, row_group_sizes

WORKERS = 2
"""Row groups decoded at a time; decoding leaves Python's lock."""


def read_responses(files: Sequence[Path], trials: NDArray[np.int64], bins: NDArray[np.int64]) -> NDArray[Any]:
    """Read all responses, back to back in the order of their rows.

    Parameters
    ----------
    files : sequence of Path
        Files of a main table, with one row at least.
    trials, bins : ndarray of int64, shape (rows,)
        Shape of each row's response.

    Returns
    -------
    ndarray, shape (values,)
        In the stored type.

    Raises
    ------
    TableFormatError
        A response is absent, or has other trials or bins than its row states.
    """
    begin = np.concatenate(([0], np.cumsum(trials * bins)))
    first = next(array for path in files for array in column_batches(path, 0, "response") if len(array))
    values = np.empty(begin[-1], as_numpy(first.flatten().flatten()).dtype)

    def fill(path: Path, index: int, row: int) -> None:
        for array in column_batches(path, index, "response"):
            here = slice(row, row + len(array))
            flat = _checked(array, trials[here], bins[here], path)
            values[begin[row] : begin[row] + len(flat)] = flat
            row += len(array)

    places, row = [], 0
    for path in files:
        for index, size in enumerate(row_group_sizes(path)):
            places.append((path, index, row))
            row += size
    with ThreadPoolExecutor(WORKERS) as pool:
        for done in [pool.submit(fill, *place) for place in places]:
            done.result()
    pa.default_memory_pool().release_unused()
    return values


def _checked(array: pa.ListArray, trials: NDArray[np.int64], bins: NDArray[np.int64], path: Path) -> NDArray[Any]:
    """Return the values of some rows, after checking that they have the shapes stated."""
    of_trials = array.flatten()
    as_stated = np.array_equal(as_numpy(array.value_lengths()), trials) and np.array_equal(
        as_numpy(of_trials.value_lengths()), np.repeat(bins, trials)
    )
    if not as_stated:
        raise TableFormatError(
            "Responses do not have the trials and bins that their rows state",
            path=path,
            field="response",
            mend="build or download it again",
        )
    return as_numpy(of_trials.flatten())
