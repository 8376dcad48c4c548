"""Chunks read from the bytes of a file: the same as what the HDF5 library reads, or an error."""

from __future__ import annotations

import io
import zlib
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.formats.hdf5_chunks import read_deflated
from deepstrf_hf.formats.nems_h5 import H5Member

NAME = "STIM_a.wav"
VALUES = np.random.default_rng(0).normal(size=(5, 33))
"""With chunks of (2, 10), the last ones in both dimensions reach beyond the end."""


def file_with(values: NDArray[Any] = VALUES, file_options: dict[str, Any] | None = None, **options: Any) -> bytes:
    """Write a file with one data set."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **(file_options or {})) as file:
        file.create_dataset(NAME, data=values, **options)
    return buffer.getvalue()


def read_fast(content: bytes) -> NDArray[np.float64] | None:
    with h5py.File(io.BytesIO(content), "r") as file:
        return read_deflated(file[NAME].id, memoryview(content))


def read_member(content: bytes, dimensions: int = 2) -> NDArray[np.float64]:
    with H5Member(content, "a.tgz", "a.stim.h5") as member:
        return member.values(NAME, dimensions)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    shape = tuple(draw(st.lists(st.integers(1, 40), min_size=1, max_size=3)))
    chunk = tuple(draw(st.integers(1, length + 3)) for length in shape)
    seed, share = draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from([0.0, 0.5, 1.0]))
    generator = np.random.default_rng(seed)
    values = generator.normal(size=shape) * (generator.random(shape) < share)
    values.ravel()[0] = draw(st.sampled_from([0.0, -0.0, np.nan, np.inf, 5e-324]))
    return values, chunk


@settings(deadline=None)
@given(layouts(), st.integers(0, 9), st.sampled_from(["earliest", "latest"]))
def test_any_gzipped_layout_is_read_as_the_library_reads_it(
    layout: tuple[NDArray[np.float64], tuple[int, ...]], level: int, version: str
) -> None:
    values, chunk = layout
    limits = tuple(None if step > length else length for step, length in zip(chunk, values.shape, strict=True))
    content = file_with(
        values, {"libver": version}, chunks=chunk, maxshape=limits, compression="gzip", compression_opts=level
    )
    found = read_fast(content)
    assert found is not None and found.dtype == np.float64
    assert found.tobytes() == values.tobytes()  # signs of zeros and NaN too


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (2, 10)},
        {"chunks": (2, 10), "compression": "lzf"},
        {"chunks": (2, 10), "compression": "gzip", "shuffle": True},
        {"chunks": (2, 10), "compression": "gzip", "fletcher32": True},
        {"chunks": (2, 10), "compression": "gzip", "dtype": ">f8"},
        {"chunks": (2, 10), "compression": "gzip", "dtype": "<f4"},
        {"chunks": (2, 10), "compression": "gzip", "dtype": "<i8"},
        {"chunks": (2, 10), "compression": "gzip", "file_options": {"userblock_size": 512}},
    ],
    ids=str,
)
def test_what_is_stored_otherwise_is_left_to_the_library(options: dict[str, Any]) -> None:
    content = file_with(**options)
    assert read_fast(content) is None
    np.testing.assert_array_equal(read_member(content), VALUES.astype(options.get("dtype", "f8")).astype("f8"))


def chunked(chunks: dict[tuple[int, int], tuple[int, bytes]]) -> bytes:
    """Write a file of chunks as they are given: filter mask and bytes by first element."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        dataset = file.create_dataset(NAME, (4, 20), "f8", chunks=(2, 10), compression="gzip", fillvalue=7)
        for start, (mask, content) in chunks.items():
            dataset.id.write_direct_chunk(start, content, mask)
    return buffer.getvalue()


TILE = np.arange(20.0).reshape(2, 10)
DEFLATED = zlib.compress(TILE.tobytes())
STARTS = [(0, 0), (0, 10), (2, 0), (2, 10)]


def test_chunks_that_were_never_written_hold_the_fill_value() -> None:
    content = chunked(dict.fromkeys(STARTS[:3], (0, DEFLATED)))
    assert read_fast(content) is None
    np.testing.assert_array_equal(read_member(content), np.block([[TILE, TILE], [TILE, np.full((2, 10), 7)]]))


def test_chunks_that_went_past_the_filter_are_read() -> None:
    content = chunked({**dict.fromkeys(STARTS, (0, DEFLATED)), (2, 10): (1, TILE.tobytes())})
    assert read_fast(content) is None
    np.testing.assert_array_equal(read_member(content), np.tile(TILE, (2, 2)))


@pytest.mark.parametrize(
    ("chunk", "said"),
    [
        (DEFLATED[:-6], "cut short"),
        (DEFLATED[:-1], "cut short"),
        (b"\0" * 40, "cannot be inflated"),
        (DEFLATED[:-4] + b"\0\0\0\0", "cannot be inflated"),
        (zlib.compress(TILE[:, 1:].tobytes()), "144 bytes, not 160"),
        (zlib.compress(bytes(2**20)), "161 bytes, not 160"),
    ],
    ids=["data", "check sum", "no stream", "wrong check sum", "too short", "too long"],
)
def test_a_damaged_chunk_is_an_error_that_says_where(chunk: bytes, said: str) -> None:
    content = chunked({**dict.fromkeys(STARTS, (0, DEFLATED)), (2, 0): (0, chunk)})
    with pytest.raises(RawFormatError, match=rf"a\.stim\.h5: STIM_a\.wav[\s\S]*chunk at \(2, 0\)[\s\S]*{said}"):
        read_member(content)


def test_a_chunk_beyond_the_end_of_the_file_is_an_error() -> None:
    content = chunked(dict.fromkeys(STARTS, (0, DEFLATED)))
    with h5py.File(io.BytesIO(content), "r") as file:
        place = file[NAME].id.get_chunk_info_by_coord((2, 0)).byte_offset
        with pytest.raises(ValueError, match="cut short"):
            read_deflated(file[NAME].id, memoryview(content)[:place])
