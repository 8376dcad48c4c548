"""The Parquet files of a corpus: written so that repetition costs nothing, read by column and row group.

A stimulus that many neurons heard stands in all their rows. Rows of one stimulus share a row group and a row group is
one page, so that zstd sees the copies next to each other and stores them once.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.summaries import SUMMARY_KEY, packed

ROW_GROUP_TARGET_BYTES = 4 * 2**20
"""Unfolded size above which a row group is closed; smaller stimuli share one. Writing takes many times the memory."""
ROW_GROUP_LIMIT_BYTES = 100 * 2**20
"""Unfolded size a row group never exceeds; the Hub's viewer refuses reads beyond 286 MiB."""
SHARD_BYTES = 64 * 2**20
"""Size on disk above which a new file is begun."""
REPEATED = frozenset({"spectrogram", "audio"})
"""Columns that many rows have one value of. In a table with one, a column of a row group is one page: repeats are only
found within a page."""
PAGE_BYTES = 2**20
"""Size of pages in other tables: writing a larger one takes many times as much more memory, and saves a hundredth."""
COMPRESSION_LEVEL = 3
METADATA_KEY = b"deepstrf_hf"
"""Key in the file metadata under which provenance lies, as JSON."""


def _encodings(schema: pa.Schema) -> tuple[list[str], dict[str, str]]:
    """Divide the leaf columns into those worth a dictionary and those whose bytes are better stored plane by plane.

    The latter are lists of floating-point numbers, spectrograms and potentials: their first bytes resemble each other,
    so that zstd finds more, and they are read in half the time.
    """
    with_dictionary: list[str] = []
    by_plane: dict[str, str] = {}

    def walk(path: str, kind: pa.DataType) -> None:
        if pa.types.is_list(kind):
            walk(f"{path}.list.element", kind.value_type)
        elif pa.types.is_struct(kind):
            for member in kind:
                walk(f"{path}.{member.name}", member.type)
        elif path.endswith("list.element") and pa.types.is_floating(kind):
            by_plane[path] = "BYTE_STREAM_SPLIT"
        else:
            with_dictionary.append(path)

    for column in schema:
        walk(column.name, column.type)
    return with_dictionary, by_plane


class ShardWriter:
    """Writes one table of one part as a run of Parquet files, in memory bounded by two row groups.

    A row group is encoded in a thread of its own, while the next one is gathered: encoding leaves Python's lock.

    Parameters
    ----------
    directory : Path
        Where the files go; made if missing.
    stem : str
        Files are named ``<stem>-<number>.parquet``.
    schema : pyarrow.Schema
        Of the table.
    metadata : mapping of str to Any
        Provenance, written as JSON into every file.
    summary_of : callable, optional
        Returns what the end of a file repeats of a row group (see `deepstrf_hf.summaries`).
    """

    def __init__(
        self,
        directory: Path,
        stem: str,
        schema: pa.Schema,
        metadata: Mapping[str, Any],
        summary_of: Callable[[pa.Table], pa.Table] | None = None,
    ) -> None:
        self._directory, self._stem, self._schema = directory, stem, schema
        self._metadata = {METADATA_KEY: json.dumps(metadata, sort_keys=True).encode()}
        self._summary_of, self._summaries = summary_of, list[pa.Table]()
        self._pending: list[pa.Table] = []
        self._pending_bytes = 0
        self._writer: pq.ParquetWriter | None = None
        self._sink: pa.NativeFile | None = None
        self._thread = ThreadPoolExecutor(1)
        self._encoding: Future[None] | None = None
        self.paths: list[Path] = []
        self.rows: list[int] = []
        self.unfolded_bytes = 0

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
                self._wait()
        finally:
            self._thread.shutdown(wait=True, cancel_futures=True)
            self._close()
            pa.default_memory_pool().release_unused()  # what encoding took; the next part reads its files first

    def write(self, table: pa.Table) -> None:
        """Add rows that belong together (all of one stimulus, or one stimulus's share of them)."""
        size = table.nbytes  # counted anew each time it is asked for
        self.unfolded_bytes += size
        if self._pending and self._pending_bytes + size > ROW_GROUP_LIMIT_BYTES:
            self._flush()
        rows_within_limit = max(1, int(ROW_GROUP_LIMIT_BYTES // max(1, size / max(1, len(table)))))
        for start in range(0, len(table), rows_within_limit):
            piece = table.slice(start, rows_within_limit)
            self._pending.append(piece)
            self._pending_bytes += size if len(piece) == len(table) else piece.nbytes
            if self._pending_bytes >= ROW_GROUP_TARGET_BYTES:
                self._flush()

    def _flush(self) -> None:
        if not self._pending:
            return
        assembled = pa.concat_tables(self._pending)
        self._pending, self._pending_bytes = [], 0
        self._wait()
        self._encoding = self._thread.submit(self._encode, assembled)

    def _wait(self) -> None:
        """Wait for the row group that is being written; an error in writing it is raised here."""
        if self._encoding is not None:
            encoding, self._encoding = self._encoding, None
            encoding.result()

    def _encode(self, assembled: pa.Table) -> None:
        if self._writer is None:
            self._open()
        self._writer.write_table(assembled, row_group_size=len(assembled))  # type: ignore[union-attr]
        self.rows[-1] += len(assembled)
        if self._summary_of is not None:
            self._summaries.append(self._summary_of(assembled))
        if self._sink.tell() >= SHARD_BYTES:  # type: ignore[union-attr]
            self._close()

    def _open(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / f"{self._stem}-{len(self.paths):05d}.parquet"
        self._sink = pa.OSFile(str(path), "wb")
        with_dictionary, by_plane = _encodings(self._schema)
        self._writer = pq.ParquetWriter(
            self._sink,
            self._schema,
            compression="zstd",
            compression_level=COMPRESSION_LEVEL,
            use_dictionary=with_dictionary,
            column_encoding=by_plane,
            data_page_size=PAGE_BYTES if REPEATED.isdisjoint(self._schema.names) else 2 * ROW_GROUP_LIMIT_BYTES,
            dictionary_pagesize_limit=2 * ROW_GROUP_LIMIT_BYTES,
            write_batch_size=2**20,
            write_statistics=True,
            write_page_index=True,
        )
        self._writer.add_key_value_metadata(self._metadata)
        self.paths.append(path)
        self.rows.append(0)

    def _close(self) -> None:
        if self._writer is not None:
            if self._summaries:
                self._writer.add_key_value_metadata({SUMMARY_KEY: packed(self._summaries)})
                self._summaries = []
            self._writer.close()
            self._writer = None
        if self._sink is not None:
            self._sink.close()
            self._sink = None


def read_provenance(path: Path) -> dict[str, Any]:
    """Read what a Parquet file of ours says about itself: corpus, configuration, parameters, raw files.

    Raises
    ------
    TableFormatError
        Not a Parquet file, or not one that this library wrote.
    """
    with _readable(path) as file:
        return provenance_in(file.metadata.metadata or {}, path)


def provenance_in(metadata: Mapping[bytes, bytes], path: str | Path) -> dict[str, Any]:
    """Return what the metadata of a Parquet file say about it (arguments and errors as in `read_provenance`)."""
    if METADATA_KEY not in metadata:
        raise TableFormatError(
            "This Parquet file was not written by deepstrf-hf",
            path=path,
            field=METADATA_KEY.decode(),
            expected="provenance in the file metadata",
        )
    try:
        provenance = json.loads(metadata[METADATA_KEY])
    except json.JSONDecodeError:
        provenance = None
    if not isinstance(provenance, dict):
        raise TableFormatError(
            "This Parquet file was not written by deepstrf-hf",
            path=path,
            field=METADATA_KEY.decode(),
            found=metadata[METADATA_KEY][:60],
            expected="provenance in the file metadata, as JSON",
        )
    return provenance


def as_numpy(column: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    """Return numbers without nulls as a NumPy array, without a copy where they lie in one piece.

    pyarrow's own conversion imports pandas, which costs more than opening a corpus.

    Raises
    ------
    TableFormatError
        There are nulls.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if array.null_count:
        raise TableFormatError(
            "A table holds nulls where numbers are expected",
            found=f"{array.null_count} nulls among {len(array)} values of {array.type}",
            mend="build or download it again",
        )
    values: NDArray[Any] = np.from_dlpack(array)
    return values


BATCH_ROWS = 16
"""Rows decoded at a time where a large column is read through: what is in between stays in the processor's cache."""


def row_groups(paths: Sequence[Path], columns: Sequence[str]) -> Iterator[pa.Table]:
    """Read files row group by row group, only the columns asked for.

    Parameters
    ----------
    paths : sequence of Path
        Parquet files of one table, in order.
    columns : sequence of str
        Columns to read.

    Yields
    ------
    pyarrow.Table
        One row group, in order.

    Raises
    ------
    TableFormatError
        A file is broken, or lacks a column.
    """
    for path in paths:
        with _readable(path) as file:
            require_columns(file, path, columns)
            for index in range(file.num_row_groups):
                yield file.read_row_group(index, columns=list(columns))


def row_groups_ahead(paths: Sequence[Path], columns: Sequence[str], workers: int = 2) -> Iterator[pa.Table]:
    """Read files as `row_groups` does, some row groups ahead of where they are needed.

    Decoding leaves Python's lock: it goes on while the caller works. One row group more than there are workers is held.
    """

    def read(path: Path, index: int) -> pa.Table:
        with _readable(path) as file:
            return file.read_row_group(index, columns=list(columns), use_threads=False)

    for path in paths:
        with _readable(path) as file:
            require_columns(file, path, columns)
    places = [(path, index) for path in paths for index in range(len(row_group_sizes(path)))]
    ahead: deque[Future[pa.Table]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for place in places:
                ahead.append(pool.submit(read, *place))
                if len(ahead) > workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def row_group_sizes(path: Path) -> list[int]:
    """Return the number of rows of each row group of a file (errors as in `row_groups`)."""
    with _readable(path) as file:
        return [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)]


def column_batches(path: Path, index: int, column: str) -> Iterator[pa.Array]:
    """Read one column of one row group a few rows at a time (errors as in `row_groups`)."""
    with _readable(path) as file:
        require_columns(file, path, [column])
        for batch in file.iter_batches(BATCH_ROWS, row_groups=[index], columns=[column], use_threads=False):
            yield batch.column(0)


def innermost_type(path: Path, column: str) -> np.dtype[Any]:
    """Return the type of the numbers in a column of lists of lists (errors as in `row_groups`)."""
    with _readable(path) as file:
        require_columns(file, path, [column])
        kind = file.schema_arrow.field(column).type
        while pa.types.is_list(kind) or pa.types.is_large_list(kind):
            kind = kind.value_type
        return np.dtype(kind.to_pandas_dtype())


def column_names(path: Path) -> list[str]:
    """Return the names of the columns of a file.

    Raises
    ------
    TableFormatError
        The file is broken.
    """
    with _readable(path) as file:
        return list(file.schema_arrow.names)


def n_rows(path: Path) -> int:
    """Return the number of rows of a file (errors as in `column_names`)."""
    with _readable(path) as file:
        return int(file.metadata.num_rows)


def require_columns(file: pq.ParquetFile, path: str | Path, columns: Sequence[str]) -> None:
    """Check that a file has columns.

    Raises
    ------
    TableFormatError
        Naming those that it lacks.
    """
    missing = [column for column in columns if column not in file.schema_arrow.names]
    if missing:
        raise TableFormatError(
            "A table lacks columns",
            path=path,
            found=", ".join(file.schema_arrow.names),
            expected=", ".join(missing),
        )


@contextmanager
def _readable(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; what cannot be read in it is an error of ours."""
    with table_errors(path), pq.ParquetFile(path, pre_buffer=False) as file:
        yield file


@contextmanager
def table_errors(path: str | Path) -> Iterator[None]:
    """Turn what pyarrow raises while it reads a file into `TableFormatError`."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise TableFormatError(
            "Not a readable Parquet file", path=path, found=error, mend="build or download it again"
        ) from error
