"""Verify Parquet files by their footers: columns and types, rows, and what they say about themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from deepstrf_hf._version import TABLE_VERSION
from deepstrf_hf.corpus import Cohort
from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.parquet import provenance_in, table_errors
from deepstrf_hf.raw_tree import sha256_of_list
from deepstrf_hf.report import BuildReport, CohortReport
from deepstrf_hf.verification_findings import Findings

BATCH_VALUES, LARGEST_BATCH_ROWS = 2**20, 1024
"""How much is looked at together: numbers, some 8 MB of them, and rows."""


@dataclass(frozen=True)
class TableFile:
    """A Parquet file whose columns are as they should be.

    Parameters
    ----------
    name : str
        Below the directory or repository.
    path : Path
        On disk.
    split : str
        Split it belongs to.
    """

    name: str
    path: Path
    split: str

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read the file, row group by row group, some rows of it at a time.

        Raises
        ------
        TableFormatError
            The file is broken.
        """
        with readable(self.path), pq.ParquetFile(self.path, pre_buffer=False) as file:
            for index in range(file.num_row_groups):
                rows = _rows_at_a_time(file.metadata.row_group(index))
                yield from file.iter_batches(rows, row_groups=[index], use_threads=False)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what reading and looking at a broken file raises into `TableFormatError`."""
    with table_errors(path):
        try:
            yield
        except UnicodeDecodeError as error:  # texts are decoded when they are looked at
            raise TableFormatError("A file holds a text that is none", path=path, found=error.reason) from error


@dataclass
class CohortToVerify:
    """A cohort of a build: what is stated of it, and its files.

    Parameters
    ----------
    name : str
        Name of its main configuration.
    report : BuildReport
        Of the build.
    entry : CohortReport
        Report on the cohort.
    declared : Cohort or None
        Its declaration; None if the build is of another version of the corpus than this library declares.
    features : dict of str to datasets.Features
        Columns that each of its configurations must have.
    findings : Findings
        Takes what is wrong.
    """

    name: str
    report: BuildReport
    entry: CohortReport
    declared: Cohort | None
    features: Mapping[str, datasets.Features]
    findings: Findings
    provenance: dict[str, Any] = field(default_factory=dict)

    def open_tables(self, paths: Mapping[str, Path]) -> dict[str, list[TableFile]]:
        """Check the footers of all files.

        Parameters
        ----------
        paths : mapping of str to Path
            Where files are, by name; those that are missing are not in it.

        Returns
        -------
        dict of str to list of TableFile
            Files by table (``"rows"``, ``"stimuli"`` …). A table of which a file is missing, broken or of other
            columns is left out: what would be found in the rest of it would mislead.

        Raises
        ------
        TableFormatError
            A file is of a later version of the tables than this library knows.
        """
        whole: dict[str, list[TableFile]] = {}
        for config, splits in self.entry.configs.items():
            table = self.entry.tables[config]
            expected = {split: files.files for split, files in splits.items()}
            names = [(split, name) for split, files in expected.items() for name in files if name in paths]
            good = [file for split, name in names if (file := self._open(table, config, split, name, paths[name]))]
            if len(good) == sum(map(len, expected.values())) > 0:
                whole[table] = good
                for split, files in splits.items():
                    found = sum(_rows(file.path) for file in good if file.split == split)
                    if found != files.rows:
                        self.findings.failure(
                            "The files of a split do not have the rows that the build report states",
                            f"{config}/{split}",
                            field="rows",
                            found=found,
                            expected=files.rows,
                        )
            else:
                self.findings.remark(
                    "The values of this table were not verified, since files of it are missing or cannot be used",
                    config,
                )
        return whole

    def _open(self, table: str, config: str, split: str, name: str, path: Path) -> TableFile | None:
        try:
            with readable(path):
                footer = pq.read_metadata(path)
                schema = footer.schema.to_arrow_schema().with_metadata(footer.metadata)
            provenance = provenance_in(footer.metadata or {}, path)
        except TableFormatError as error:
            self.findings.error(error, name)
            return None
        self._check_provenance(provenance, table, name)
        return TableFile(name, path, split) if self._check_columns(schema, self.features[config], name) else None

    def _check_columns(self, schema: pa.Schema, features: datasets.Features, name: str) -> bool:
        """Return whether a file has the columns it must have."""
        before = len(self.findings.all)
        expected: pa.Schema = features.arrow_schema
        for column in expected:
            if column.name not in schema.names:
                self.findings.failure("A column is missing", name, field=column.name, expected=column.type)
            elif schema.field(column.name).type != column.type:
                self.findings.failure(
                    "A column has another type",
                    name,
                    field=column.name,
                    found=schema.field(column.name).type,
                    expected=column.type,
                )
        for column in schema.names:
            if column not in expected.names:
                self.findings.failure("A column is not declared", name, field=column)
        if len(self.findings.all) > before:
            return False
        if schema.names != expected.names:
            self.findings.failure(
                "Columns are not in the declared order",
                name,
                field="columns",
                found=", ".join(schema.names),
                expected=", ".join(expected.names),
            )
            return False
        wrong = _other_features(schema, features)
        if wrong:
            self.findings.failure(
                "What `datasets` reads from the file is not what is declared", name, field="features", found=wrong
            )
        return True

    def _check_provenance(self, provenance: Mapping[str, Any], table: str, name: str) -> None:
        """Compare what a file says about itself with the report and with the first file of the cohort.

        Raises
        ------
        TableFormatError
            It is of a later version of the tables.
        """
        version = provenance.get("table_version")
        if isinstance(version, int) and version > TABLE_VERSION:
            raise_later_version(name, version)
        entry = self.entry
        stated = {
            "table": table,
            "corpus": self.report.corpus,
            "corpus_version": self.report.corpus_version,
            "cohort": entry.cohort,
            "config": self.name,
            "stimulus": entry.stimulus,
            "parameters": entry.parameters,
            "where": entry.where,
            "raw_files": len(entry.raw_sha256),
            "raw_sha256": sha256_of_list(entry.raw_sha256),
        }
        if not self.provenance:
            self.provenance = dict(provenance)
        for key in sorted({*stated, *provenance, *self.provenance}):
            expected = stated[key] if key in stated else self.provenance.get(key)
            if key not in provenance or provenance[key] != expected:
                self.findings.failure(
                    "A file says something else about itself than "
                    + ("the build report" if key in stated else "the other files of its cohort"),
                    name,
                    field=key,
                    found=provenance.get(key, "nothing"),
                    expected=expected,
                )


def raise_later_version(name: str, version: int) -> None:
    """Refuse a file of a later version of the tables.

    Raises
    ------
    TableFormatError
        Always.
    """
    raise TableFormatError(
        "These tables were written by a later version of deepstrf-hf",
        path=name,
        field="table_version",
        found=version,
        expected=f"at most {TABLE_VERSION}",
        mend="upgrade deepstrf-hf",
    )


def _rows_at_a_time(group: pq.RowGroupMetaData) -> int:
    """Return how many rows of a row group are looked at together, by how many numbers they hold."""
    values = sum(group.column(number).num_values for number in range(group.num_columns))
    return max(1, min(LARGEST_BATCH_ROWS, BATCH_VALUES * group.num_rows // max(1, values)))


def _rows(path: Path) -> int:
    return int(pq.read_metadata(path).num_rows)


def _other_features(schema: pa.Schema, features: datasets.Features) -> str:
    """Return in words which features of a file are not those expected; empty if all are."""
    try:
        found = datasets.Features.from_arrow_schema(schema)
    except (KeyError, TypeError, ValueError) as error:  # somebody else's metadata
        return f"metadata that `datasets` cannot read: {error}"
    others = [name for name in features if found.get(name) != features[name]]
    return ", ".join(f"{name} as {type(found[name]).__name__}" for name in others)


def columns_but(batch: pa.RecordBatch, left_out: Sequence[str]) -> list[str]:
    """Return the names of the columns of a batch, without some."""
    return [name for name in batch.schema.names if name not in left_out]
