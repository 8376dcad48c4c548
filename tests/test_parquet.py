import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepstrf_hf import parquet
from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.parquet import ShardWriter, as_numpy, read_provenance, row_groups, row_groups_ahead

BANDS, BINS = 32, 500


def stimulus_rows(name: str, neurons: int, seed: int) -> pa.Table:
    """Return rows of one stimulus: a noise spectrogram, the same in every row, and responses of their own."""
    rng = np.random.default_rng(seed)
    spectrogram = pa.array([rng.normal(size=(BANDS, BINS)).astype(np.float32).tolist()], SPECTROGRAM)
    responses = rng.poisson(0.3, (neurons, 10, BINS)).astype(np.uint8).tolist()
    return pa.table(
        {
            "stim_id": pa.array([name] * neurons),
            "response": pa.array(responses, pa.list_(pa.list_(pa.uint8()))),
            "spectrogram": spectrogram.take(pa.array([0] * neurons)),
        }
    )


SPECTROGRAM = pa.list_(pa.list_(pa.float32()))


@pytest.fixture
def small_limits(monkeypatch):
    def set_limits(target, limit, shard):
        monkeypatch.setattr(parquet, "ROW_GROUP_TARGET_BYTES", target)
        monkeypatch.setattr(parquet, "ROW_GROUP_LIMIT_BYTES", limit)
        monkeypatch.setattr(parquet, "SHARD_BYTES", shard)

    return set_limits


def write(directory, tables, metadata=None):
    with ShardWriter(directory, "train", tables[0].schema, metadata or {"corpus": "toy"}) as writer:
        for table in tables:
            writer.write(table)
    return writer


def test_what_is_written_is_read(tmp_path):
    tables = [stimulus_rows(f"s{index}", 5, index) for index in range(4)]
    writer = write(tmp_path, tables)
    assert pa.concat_tables(pq.read_table(path) for path in writer.paths).equals(pa.concat_tables(tables))
    assert sum(writer.rows) == 20


def test_a_spectrogram_that_many_neurons_heard_is_stored_once(tmp_path):
    one = write(tmp_path / "one", [stimulus_rows("s", 1, 0)]).paths[0].stat().st_size
    many = write(tmp_path / "many", [stimulus_rows("s", 40, 0)]).paths[0].stat().st_size
    copies_of_responses = 40 * 10 * BINS // 2  # generous: half a byte a bin
    assert many < one + copies_of_responses
    plain = tmp_path / "plain.parquet"
    pq.write_table(stimulus_rows("s", 40, 0), plain)
    assert many * 5 < plain.stat().st_size


def test_a_row_group_holds_whole_stimuli(tmp_path, small_limits):
    size = stimulus_rows("s", 5, 0).nbytes
    small_limits(target=2.5 * size, limit=10 * size, shard=10**9)
    writer = write(tmp_path, [stimulus_rows(f"s{index}", 5, index) for index in range(7)])
    groups = [group.column("stim_id").to_pylist() for group in row_groups(writer.paths, ["stim_id"])]
    assert [sorted(set(names)) for names in groups] == [["s0", "s1", "s2"], ["s3", "s4", "s5"], ["s6"]]


def test_a_stimulus_beyond_the_limit_is_split(tmp_path, small_limits):
    table = stimulus_rows("s", 12, 0)
    small_limits(target=1, limit=table.nbytes / 3.9, shard=10**9)
    writer = write(tmp_path, [table])
    with pq.ParquetFile(writer.paths[0]) as file:
        assert file.num_row_groups == 4
        assert all(file.metadata.row_group(index).total_byte_size < 2 * table.nbytes / 3.9 for index in range(4))
    assert pq.read_table(writer.paths[0]).equals(table)


def test_a_table_without_repeats_has_pages_that_take_little_memory_to_write(tmp_path, monkeypatch):
    tables = {
        "inline": stimulus_rows("s", 40, 0),
        "reference": stimulus_rows("s", 40, 0).drop_columns(["spectrogram"]),
    }

    def sizes():
        return {name: write(tmp_path / name, [table]).paths[0].stat().st_size for name, table in tables.items()}

    usual = sizes()
    monkeypatch.setattr(parquet, "PAGE_BYTES", 2**10)
    small = sizes()
    assert small["inline"] == usual["inline"]
    assert small["reference"] > usual["reference"]  # every page has a header
    assert pq.read_table(tmp_path / "reference").equals(tables["reference"])


def test_shards_hold_whole_row_groups(tmp_path, small_limits):
    small_limits(target=1, limit=10**9, shard=1)
    writer = write(tmp_path, [stimulus_rows(f"s{index}", 2, index) for index in range(3)])
    assert [path.name for path in writer.paths] == [f"train-{index:05d}.parquet" for index in range(3)]
    assert writer.rows == [2, 2, 2]


def test_memory_is_bounded_by_a_row_group(tmp_path, small_limits):
    small_limits(target=1, limit=10**9, shard=10**12)
    table = stimulus_rows("s", 2, 0)
    with ShardWriter(tmp_path, "train", table.schema, {}) as writer:
        for _ in range(5):
            writer.write(table)
            assert writer._pending == []


def test_the_same_rows_give_the_same_bytes(tmp_path):
    contents = [
        write(tmp_path / name, [stimulus_rows("s", 3, 1)], {"b": 1, "a": [1, 2]}).paths[0].read_bytes()
        for name in ("one", "two")
    ]
    assert contents[0] == contents[1]


def test_layout_of_a_file(tmp_path):
    path = write(tmp_path, [stimulus_rows("s", 6, 0)]).paths[0]
    with pq.ParquetFile(path) as file:
        group = file.metadata.row_group(0)
        columns = {group.column(index).path_in_schema: group.column(index) for index in range(group.num_columns)}
    spectrogram = columns["spectrogram.list.element.list.element"]
    assert spectrogram.compression == "ZSTD"
    assert "BYTE_STREAM_SPLIT" in spectrogram.encodings
    assert "RLE_DICTIONARY" not in spectrogram.encodings
    assert "RLE_DICTIONARY" in columns["response.list.element.list.element"].encodings
    assert columns["stim_id"].statistics.max == "s"
    assert columns["stim_id"].has_offset_index


def test_nothing_is_left_open_when_writing_fails(tmp_path):
    table = stimulus_rows("s", 2, 0)
    with pytest.raises(RuntimeError, match="stop"), ShardWriter(tmp_path, "train", table.schema, {}) as writer:
        writer.write(table)
        raise RuntimeError("stop")
    assert writer._writer is None
    assert writer._sink is None


def test_provenance_comes_back(tmp_path):
    path = write(tmp_path, [stimulus_rows("s", 1, 0)], {"corpus": "toy", "dt_ms": 5.0}).paths[0]
    assert read_provenance(path) == {"corpus": "toy", "dt_ms": 5.0}


def test_files_that_are_not_ours_or_broken(tmp_path):
    foreign = tmp_path / "foreign.parquet"
    pq.write_table(pa.table({"x": [1]}), foreign)
    with pytest.raises(TableFormatError, match="not written by deepstrf-hf"):
        read_provenance(foreign)
    for content in (b"", b"PAR1", foreign.read_bytes()[:-20]):
        broken = tmp_path / "broken.parquet"
        broken.write_bytes(content)
        with pytest.raises(TableFormatError, match="Not a readable Parquet file") as caught:
            read_provenance(broken)
        assert caught.value.path == str(broken)
        with pytest.raises(TableFormatError, match="Not a readable Parquet file"):
            list(row_groups([broken], ["x"]))
    with pytest.raises(TableFormatError, match="lacks columns") as lacking:
        list(row_groups([foreign], ["x", "y"]))
    assert lacking.value.expected == "y"


def test_numbers_without_nulls_as_numpy():
    column = pa.chunked_array([pa.array([1, 2], pa.int32()), pa.array([3], pa.int32())])
    assert as_numpy(column).tolist() == [1, 2, 3]
    assert as_numpy(pa.array([1.5, float("nan")], pa.float32())).dtype == np.float32
    assert as_numpy(pa.array([1, 2, 3, 4], pa.uint8()).slice(1, 2)).tolist() == [2, 3]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_row_groups_ahead_are_the_row_groups(tmp_path, monkeypatch, workers):
    monkeypatch.setattr("deepstrf_hf.parquet.ROW_GROUP_TARGET_BYTES", 1)
    monkeypatch.setattr("deepstrf_hf.parquet.SHARD_BYTES", 1000)
    writer = write(tmp_path, [stimulus_rows(f"s{index}", 2, index) for index in range(7)])
    assert len(writer.paths) > 1
    columns = ["stim_id", "spectrogram"]
    expected = list(row_groups(writer.paths, columns))
    assert list(row_groups_ahead(writer.paths, columns, workers)) == expected
    first = next(row_groups_ahead(writer.paths, columns, workers))  # and the rest is let go of
    assert first == expected[0]
    with pytest.raises(TableFormatError, match="lacks columns"):
        next(row_groups_ahead(writer.paths, ["no such column"], workers))
    os.truncate(writer.paths[-1], 50)
    with pytest.raises(TableFormatError, match="Not a readable Parquet file"):
        list(row_groups_ahead(writer.paths, columns, workers))
