"""What files repeat of their small columns in their end."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.summaries import SUMMARY_KEY, packed, summary_of_rows, summary_of_stimuli, unpacked
from tests.verify_helpers import MAIN, STIMULI, found, known, reseal, toy, toy_built  # noqa: F401


def restate(path: Path, summary: bytes) -> None:
    """Write a file again with another summary."""
    table, metadata = pq.read_table(path), pq.read_metadata(path).metadata
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({b"deepstrf_hf": metadata[b"deepstrf_hf"], SUMMARY_KEY: summary})


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=9), min_size=1, max_size=4))
def test_runs_are_those_of_the_rows(groups: list[list[str]]) -> None:
    tables = [summary_of_rows(pa.table({"stim_id": names, "other": range(len(names))})) for names in groups]
    summary = unpacked({SUMMARY_KEY: packed(tables)}, "a file")
    assert summary is not None
    expected = [(name, len(list(run))) for names in groups for name, run in groupby(names)]
    assert list(zip(*summary.to_pydict().values(), strict=True)) == expected


def test_files_of_a_build_have_them(toy_built: Path) -> None:  # noqa: F811
    stimuli = unpacked(pq.read_metadata(toy_built / STIMULI).metadata, STIMULI)
    table = pq.read_table(toy_built / STIMULI)
    assert stimuli is not None
    assert stimuli.equals(summary_of_stimuli(table).replace_schema_metadata(None))
    assert set(table.column_names) - set(stimuli.column_names) == {"spectrogram", "audio", "picture"}
    rows = unpacked(pq.read_metadata(toy_built / MAIN).metadata, MAIN)
    assert rows is not None
    assert sum(rows.column("rows").to_pylist()) == pq.read_metadata(toy_built / MAIN).num_rows


def test_other_readers_take_it_for_text(toy_built: Path) -> None:  # noqa: F811
    assert pq.read_metadata(toy_built / STIMULI).metadata[SUMMARY_KEY].decode("ascii")


@pytest.mark.parametrize("name", [MAIN, STIMULI])
def test_one_that_does_not_fit_the_rows_is_found(toy: Path, name: str) -> None:  # noqa: F811
    stated = unpacked(pq.read_metadata(toy / name).metadata, name)
    assert stated is not None
    restate(toy / name, packed([stated.slice(1)]))
    reseal(toy)
    assert found(toy) == {("The end of a file says something else than its rows", "summary", name)}


@pytest.mark.parametrize("summary", [b"!", b"QUJD"])
def test_one_that_cannot_be_read_is_found(toy: Path, summary: bytes) -> None:  # noqa: F811
    with pytest.raises(TableFormatError, match="cannot be read"):
        unpacked({SUMMARY_KEY: summary}, MAIN)
    restate(toy / MAIN, summary)
    reseal(toy)
    assert found(toy) == {("The summary in a file's end cannot be read", "deepstrf_hf_summary", MAIN)}


def test_a_file_without_one_is_whole(toy: Path) -> None:  # noqa: F811
    assert unpacked({}, MAIN) is None
    table, metadata = pq.read_table(toy / MAIN), pq.read_metadata(toy / MAIN).metadata
    with pq.ParquetWriter(toy / MAIN, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({b"deepstrf_hf": metadata[b"deepstrf_hf"]})
    reseal(toy)
    assert found(toy) == set()
