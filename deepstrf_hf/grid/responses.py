"""Responses of a main table into one flat array, without ever holding a row group of them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deepstrf_hf.cache.stores import ArrayStore
from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.parquet import as_numpy, column_batches, innermost_type, row_group_sizes

WORKERS = 2
"""Row groups decoded at a time; decoding leaves Python's lock."""


def read_responses(
    files: Sequence[Path], trials: NDArray[np.int64], bins: NDArray[np.int64], store: ArrayStore
) -> NDArray[np.bool_] | None:
    """Read all responses into an array ``values``, back to back in the order of their rows, in the stored type.

    Parameters
    ----------
    files : sequence of Path
        Files of a main table, with one row at least.
    trials, bins : ndarray of int64, shape (rows,)
        Shape of each row's response.
    store : ArrayStore
        Takes the values.

    Returns
    -------
    ndarray of bool, shape (rows,), or None
        Whether each response holds a finite value; None where all must, being whole numbers.

    Raises
    ------
    TableFormatError
        A response is absent, or has other trials or bins than its row states.
    """
    begin = np.concatenate(([0], np.cumsum(trials * bins)))
    kind = innermost_type(files[0], "response")
    store.reserve("values", kind, int(begin[-1]))
    heard = np.ones(len(trials), bool) if kind.kind == "f" else None

    def fill(path: Path, index: int, row: int) -> None:
        for array in column_batches(path, index, "response"):
            here = slice(row, row + len(array))
            flat = _checked(array, trials[here], bins[here], path)
            store.put("values", int(begin[row]), flat)
            if heard is not None and len(array):
                # The edge after the last value keeps an empty response at the end within bounds.
                edges = begin[row : row + len(array)] - begin[row]
                heard[here] = (
                    np.logical_or.reduceat(np.append(np.isfinite(flat), False), edges) & (trials * bins > 0)[here]
                )
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
    return heard


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
