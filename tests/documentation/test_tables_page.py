"""The table contract states what builds write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from deepstrf_hf._version import TABLE_VERSION
from deepstrf_hf.columns import COVERAGE_COLUMNS, FIXED_COLUMNS
from deepstrf_hf.names import AUDIO_ONSET, SUFFIX
from deepstrf_hf.parquet import read_provenance
from deepstrf_hf.registry import corpus_names
from tests.documentation.blocks import ROOT

TABLES = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
FIDELITY = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
PREFIXED = ("stim_", "neuron_", "recording_")


def rows(heading: str) -> Iterator[list[str]]:
    """Yield the cells of the rows of the tables below a heading."""
    section = TABLES.partition(f"\n{heading}\n")[2]
    section = re.split(r"^#", section, maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    yield from ([cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:])


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def first_file(built: Path, table: str) -> Path:
    return sorted((built / f"a1{SUFFIX[table]}").glob("*.parquet"))[0]


@pytest.mark.parametrize(
    ("heading", "tables"),
    [
        ("## Columns of the main table", ("rows", "waveform")),
        ("## Columns of `-stimuli`", ("stimuli",)),
        ("## Columns of `-neurons`", ("neurons",)),
    ],
)
def test_columns_are_those_of_a_build(ns1_built: Path, heading: str, tables: tuple[str, ...]) -> None:
    stated = [name for row in rows(heading) for name in names(row[0]) if not name.endswith(("*", "NAME"))]
    written = [name for table in tables for name in pq.read_schema(first_file(ns1_built, table)).names]
    fixed = [name for name in written if not name.startswith(PREFIXED) or name in FIXED_COLUMNS]
    assert set(stated) == set(fixed)
    assert {row[0] for row in rows(heading)} >= {f"`{prefix}*`" for prefix in PREFIXED[:2] if tables == ("rows",)}
    for row in rows(heading):
        for name in names(row[0]):
            column = {**FIXED_COLUMNS, **(COVERAGE_COLUMNS if tables == ("neurons",) else {})}.get(name)
            if column is not None and column.dtype in ("string", "int32", "float64") and row[1]:
                assert row[1] == column.dtype


def test_the_columns_of_every_corpus_are_named(ns1_built: Path) -> None:
    assert f"`{AUDIO_ONSET}` (float64" in TABLES and "`stim_sample_rate_hz` (float64" in TABLES
    assert {AUDIO_ONSET, "stim_sample_rate_hz"} <= set(pq.read_schema(first_file(ns1_built, "stimuli")).names)


def test_provenance_is_what_files_carry(ns1_built: Path) -> None:
    stated = [name for row in rows("### What each file says of itself") for name in names(row[0])]
    assert sorted(stated) == sorted(read_provenance(first_file(ns1_built, "rows")))
    assert f"| of the tables ({TABLE_VERSION}) |" in TABLES


def test_configurations_are_those_of_a_build(ns1_built: Path) -> None:
    stated = [names(row[0])[0] for row in rows("## Configurations")]
    assert stated == [f"COHORT{suffix}" for suffix in SUFFIX.values()]


def test_every_corpus_is_in_the_table_of_fidelity() -> None:
    assert all(f"\n| `{name}` |" in FIDELITY for name in corpus_names())
