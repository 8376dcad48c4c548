"""A file of which only ranges are fetched reads like the whole file."""

from __future__ import annotations

import io
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstrf_hf.grid import stream_remote
from deepstrf_hf.grid.stream_remote import RangeFile


class Remote(io.BytesIO):
    """A file far away, which notes what is asked of it."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.size = len(content)
        self.requests: list[tuple[int, int]] = []

    def read(self, size: int | None = -1) -> bytes:
        start = self.tell()
        data = super().read(size)
        self.requests.append((start, start + len(data)))
        return data


@pytest.fixture
def short_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_remote, "END_BYTES", 10)
    monkeypatch.setattr(stream_remote, "LARGEST_GAP_BYTES", 4)


positions = st.integers(0, 60)


@pytest.mark.usefixtures("short_ends")
def test_reads_as_the_whole_file_does() -> None:
    @given(
        st.binary(max_size=60),
        st.lists(st.tuples(st.lists(st.tuples(positions, positions), max_size=4), positions, st.integers(-1, 60))),
    )
    @settings(max_examples=200)
    def run(content: bytes, steps: list[tuple[list[tuple[int, int]], int, int]]) -> None:
        remote, whole = Remote(content), io.BytesIO(content)
        file = RangeFile(remote)
        for pairs, position, size in steps:
            ranges = [(min(pair), min(max(pair), len(content))) for pair in pairs if min(pair) < len(content)]
            file.fetch(ranges)
            asked = len(remote.requests)
            for start, stop in ranges:
                assert (file.seek(start), file.read(stop - start)) == (start, content[start:stop])
            assert len(remote.requests) == asked, "what was fetched is known"
            assert file.seek(position) == whole.seek(position) == file.tell()
            assert file.read(size) == whole.read(size)
            back = min(position, len(content))
            assert file.seek(-back, 2) == whole.seek(-back, 2)
            assert file.read(3) == whole.read(3)
            assert file.seek(1, 1) == whole.seek(1, 1)
            assert file.read() == whole.read()
        assert file.readable() and file.seekable() and not file.closed
        file.close()
        assert file.closed and remote.closed

    run()


@pytest.mark.usefixtures("short_ends")
def test_ranges_that_are_near_each_other_are_fetched_together() -> None:
    content = random.Random(0).randbytes(100)
    remote = Remote(content)
    file = RangeFile(remote)
    assert remote.requests == [(90, 100)], "the end, when it is opened"
    file.fetch([(50, 60), (10, 20), (24, 30), (35, 36), (92, 95)])
    assert remote.requests[1:] == [(10, 30), (35, 36), (50, 60)], "the end is known"
    file.fetch([(70, 75)])
    file.seek(10)
    file.read(5)
    assert remote.requests[4:] == [(70, 75), (10, 15)], "earlier ranges are forgotten"


def test_an_index_longer_than_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The columns of a file of many row groups are described at length."""
    table, buffer = pa.table({"number": list(range(2000))}), io.BytesIO()
    pq.write_table(table, buffer, row_group_size=10)
    monkeypatch.setattr(stream_remote, "END_BYTES", 100)
    remote = Remote(buffer.getvalue())
    with pq.ParquetFile(RangeFile(remote), pre_buffer=False) as file:
        assert file.metadata.serialized_size > 100 and file.num_row_groups == 200
        assert file.read_row_group(150).equals(table.slice(1500, 10))
    assert sum(stop - start for start, stop in remote.requests) < 2 * remote.size
