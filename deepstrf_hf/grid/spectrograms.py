"""Spectrograms of a table as matrices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.parquet import as_numpy


def matrix_of(bands: pa.ListArray | None, name: str, path: str | Path) -> NDArray[np.float32]:
    """Return a list of bands as a matrix of its own.

    Parameters
    ----------
    bands : pyarrow.ListArray or None
        One list per band.
    name : str
        ``stim_id``, for the message.
    path : str or Path
        File or directory, for the message.

    Raises
    ------
    TableFormatError
        Absent, bands of different length, or values that are absent.
    """
    lengths = set() if bands is None else set(bands.value_lengths().to_pylist())
    if bands is None or len(lengths) != 1 or bands.flatten().null_count:
        raise TableFormatError(
            "A spectrogram is not a matrix",
            path=path,
            field=f"spectrogram of {name}",
            found="none" if bands is None else f"bands of {sorted(lengths, key=str)} bins",
            mend="build or download it again",
        )
    matrix: NDArray[np.float32] = as_numpy(bands.flatten()).reshape(len(bands), -1).astype(np.float32, copy=True)
    return matrix
