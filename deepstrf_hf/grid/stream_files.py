"""Parquet files read by row group and column, in a directory or on the Hub; there only the bytes needed are fetched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deepstrf_hf.grid.stream_remote import RangeFile, cached_copy, open_on_hub
from deepstrf_hf.parquet import provenance_in, require_columns, table_errors
from deepstrf_hf.repository import Repository
from deepstrf_hf.summaries import unpacked


@dataclass(frozen=True)
class TableFile:
    """Where a Parquet file is; small, and can be sent to other processes.

    Parameters
    ----------
    name : str
        Path within the directory or repository.
    path : Path or None
        The file, if it is in a directory.
    repository, revision : str
        Repository and commit, if it is on the Hub.
    token : str, bool or None
        As in ``huggingface_hub``.
    """

    name: str
    path: Path | None = None
    repository: str = ""
    revision: str | None = None
    token: str | bool | None = field(default=None, repr=False)

    @classmethod
    def of(cls, repository: Repository, config: str, split: str | None = None) -> tuple[TableFile, ...]:
        """Return the files of a configuration, in order; on the Hub nothing is fetched.

        Raises
        ------
        UnknownNameError
            No such configuration or split.
        TableFormatError
            The directory lacks a file.
        """
        names = repository.names(config, split)
        if repository.directory is not None:
            paths = repository.files(config, split)
            # Absolute: a process may change its directory before it opens them.
            return tuple(cls(name, path.absolute()) for name, path in zip(names, paths, strict=True))
        place: dict[str, Any] = {"revision": repository.revision, "token": repository.token}
        return tuple(cls(name, None, repository.source, **place) for name in names)

    def __str__(self) -> str:
        return f"{self.repository}@{self.revision}/{self.name}" if self.path is None else str(self.path)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what clients of the Hub and pyarrow raise into `HubError` and `TableFormatError`."""
        with table_errors(str(self)):
            if self.path is not None:
                yield
                return
            from deepstrf_hf.hub_errors import hub_errors  # importing the Hub's client costs a third of a second

            with hub_errors(self.repository, self.revision):
                yield


class OpenTable:
    """An open Parquet file; belongs to one process and one thread.

    Parameters
    ----------
    file : TableFile
        Which file.

    Raises
    ------
    TableFormatError
        Not a readable Parquet file.
    HubError
        The Hub refused or could not be reached.
    """

    def __init__(self, file: TableFile) -> None:
        self.file = file
        self._remote: RangeFile | None = None
        with file.errors():
            source: Any = file.path
            if source is None:
                source = cached_copy(file.repository, file.name, file.revision)
            if source is None:
                source = self._remote = open_on_hub(file.repository, file.name, file.revision, file.token)
            # No reading ahead by Arrow: its threads do not survive a fork, and may outlive the interpreter.
            self._parquet = pq.ParquetFile(source, pre_buffer=False)

    def __enter__(self) -> OpenTable:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def n_row_groups(self) -> int:
        """Number of row groups."""
        return int(self._parquet.num_row_groups)

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""
        return self._parquet.schema_arrow

    def provenance(self) -> dict[str, Any]:
        """Return what the file says about itself (errors as in `read_provenance`)."""
        return provenance_in(self._parquet.metadata.metadata or {}, str(self.file))

    def require(self, columns: Sequence[str]) -> None:
        """Check that the file has columns.

        Raises
        ------
        TableFormatError
            Naming those that it lacks.
        """
        require_columns(self._parquet, str(self.file), columns)

    def rows_of(self, group: int) -> int:
        """Return the number of rows of a row group."""
        return int(self._parquet.metadata.row_group(group).num_rows)

    def only_value(self, group: int, column: str) -> Any:
        """Return the value that all rows of a row group have in a column; None if that is not known without reading."""
        for chunk in self._chunks(group, [column]):
            found = chunk.statistics
            if found is not None and found.has_min_max and found.null_count == 0 and found.min == found.max:
                return found.min
        return None

    def prepare(self, groups: Iterable[int], columns: Sequence[str]) -> None:
        """Fetch columns of row groups from the Hub, to be read next; does nothing in a directory."""
        if self._remote is None:
            return
        ranges = []
        for chunk in (chunk for group in groups for chunk in self._chunks(group, columns)):
            start = chunk.data_page_offset
            if chunk.dictionary_page_offset is not None:
                start = min(start, chunk.dictionary_page_offset)
            ranges.append((start, start + chunk.total_compressed_size))
        with self.file.errors():
            self._remote.fetch(ranges)

    def read(self, group: int, columns: Sequence[str]) -> pa.Table:
        """Read columns of a row group.

        Raises
        ------
        TableFormatError
            The file is broken, or lacks a column.
        HubError
            The Hub refused or could not be reached.
        """
        self.require(columns)
        with self.file.errors():
            return self._parquet.read_row_group(group, columns=list(columns), use_threads=False)

    def row_groups(self, columns: Sequence[str]) -> list[pa.Table]:
        """Read small columns of all row groups; of a file on the Hub, all together from its end if they stand there.

        Raises
        ------
        TableFormatError, HubError
            As in `read`.
        """
        groups = range(self.n_row_groups)
        summary = self.summary()
        if summary is None or not set(columns) <= set(summary.column_names):
            self.prepare(groups, columns)
            return [self.read(group, columns) for group in groups]
        starts = accumulate(map(self.rows_of, groups), initial=0)
        chosen = summary.select(list(columns))
        return [chosen.slice(start, self.rows_of(group)) for group, start in zip(groups, starts, strict=False)]

    def summary(self) -> pa.Table | None:
        """Return what the end of a file on the Hub says of its rows (see `deepstrf_hf.summaries`); None elsewhere.

        Raises
        ------
        TableFormatError
            It cannot be read.
        """
        if self._remote is None:
            return None
        return unpacked(self._parquet.metadata.metadata or {}, str(self.file))

    def batches(self, group: int, column: str, rows: int) -> Iterator[pa.Array]:
        """Read one column of a row group some rows at a time (errors as in `read`)."""
        self.require([column])
        with self.file.errors():
            for batch in self._parquet.iter_batches(rows, row_groups=[group], columns=[column], use_threads=False):
                yield batch.column(0)

    def close(self) -> None:
        """Close the file."""
        self._parquet.close()
        if self._remote is not None:
            self._remote.close()

    def _chunks(self, group: int, columns: Sequence[str]) -> list[Any]:
        """Return where and what the leaves of some columns are in a row group."""
        described = self._parquet.metadata.row_group(group)
        chunks = (described.column(index) for index in range(described.num_columns))
        return [chunk for chunk in chunks if chunk.path_in_schema.partition(".")[0] in columns]
