"""Chunks of HDF5 data sets, inflated without the HDF5 library, which takes half as long again.

Only what is stored plainly is read here: 64-bit floating point in chunks that went through gzip and nothing else. The
layout: https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html, "Data Storage - Filter Pipeline Message".
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from h5py import h5d, h5i, h5t, h5z
from numpy.typing import NDArray

from deepstrf_hf.formats.inflate import INFLATE_ERRORS, inflater


def read_deflated(dataset: Any, content: memoryview) -> NDArray[np.float64] | None:
    """Read a data set from the bytes of its file.

    Parameters
    ----------
    dataset : h5py.h5d.DatasetID
        What to read.
    content : memoryview of bytes
        The file.

    Returns
    -------
    ndarray of float64 or None
        None where it is stored in another way, or not all of it is: such a one is for the HDF5 library to read.

    Raises
    ------
    ValueError
        A chunk cannot be inflated, or holds another number of values than a chunk has.
    """
    layout = dataset.get_create_plist()
    if (
        layout.get_layout() != h5d.CHUNKED
        or layout.get_nfilters() != 1
        or layout.get_filter(0)[0] != h5z.FILTER_DEFLATE
        or not dataset.get_type().equal(h5t.IEEE_F64LE)
        or h5i.get_file_id(dataset).get_create_plist().get_userblock()  # places of chunks are counted from behind it
    ):
        return None
    shape, chunk = dataset.shape, layout.get_chunk()
    size = 8 * math.prod(chunk)
    values = np.empty(shape, np.float64)
    along = [
        [slice(start, start + step) for start in range(0, length, step)]
        for length, step in zip(shape, chunk, strict=True)
    ]
    for covered in itertools.product(*along):
        start = tuple([one.start for one in covered])
        place = dataset.get_chunk_info_by_coord(start)
        if place.byte_offset is None or place.filter_mask:
            return None
        piece = _inflated(content[place.byte_offset : place.byte_offset + place.size], size, start)
        target, found = values[covered], np.frombuffer(piece, "<f8").reshape(chunk)
        if target.shape != chunk:  # at the end of a dimension a chunk is whole too, and reaches beyond it
            found = found[tuple(map(slice, target.shape))]
        target[...] = found
    return values


def _inflated(compressed: memoryview, size: int, start: tuple[int, ...]) -> bytes:
    stream = inflater()
    try:
        piece = stream.decompress(compressed, size + 1)
    except INFLATE_ERRORS as error:
        raise ValueError(f"the chunk at {start} cannot be inflated: {error}") from error
    if len(piece) != size or not stream.eof:
        cut = "" if stream.eof or len(piece) > size else " and is cut short"
        raise ValueError(f"the chunk at {start} has {len(piece)} bytes{cut}, not {size}")
    return piece
