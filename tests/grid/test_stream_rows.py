"""Rows to items, wherever row groups and files cut, and whichever items and neurons are asked for."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.grid.description import GridDescription
from deepstrf_hf.grid.steps import ResponsePreprocessing, StimulusPreprocessing
from deepstrf_hf.grid.stream_files import TableFile
from deepstrf_hf.grid.stream_index import read_index
from deepstrf_hf.grid.stream_prefetch import read_ahead
from deepstrf_hf.grid.stream_reader import ItemReader, StreamContent
from deepstrf_hf.grid.stream_stimuli import StimulusTable

N_NEURONS = 4
METADATA = {b"deepstrf_hf": b"{}"}


class Row(NamedTuple):
    stimulus: int
    neuron: int
    response: list[list[float]]


def rows_of(heard: list[tuple[int, set[int]]]) -> list[Row]:
    """Return rows whose values all differ: bins and neurons of each stimulus are given, trials follow from them."""
    values, rows = itertools.count(), []
    for stimulus, (bins, neurons) in enumerate(heard):
        for neuron in sorted(neurons):
            trials = 1 + (stimulus + neuron) % 3
            rows.append(Row(stimulus, neuron, [[float(next(values)) for _ in range(bins)] for _ in range(trials)]))
    return rows


def write_rows(path: Path, rows: list[Row], kind: pa.DataType, row_group_size: int) -> None:
    table = pa.table(
        {
            "stim_id": [f"s{row.stimulus:02d}" for row in rows],
            "neuron_id": [f"n{row.neuron}" for row in rows],
            "response": pa.array([row.response for row in rows], pa.list_(pa.list_(kind))),
            "n_trials": pa.array([len(row.response) for row in rows], pa.int32()),
            "n_bins": pa.array([len(row.response[0]) for row in rows], pa.int32()),
        }
    )
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table, row_group_size=row_group_size)
        writer.add_key_value_metadata(METADATA)


def write_stimuli(path: Path, bins: list[int], row_group_size: int) -> None:
    spectrograms = [[[100.0 * stimulus + time for time in range(length)]] for stimulus, length in enumerate(bins)]
    table = pa.table(
        {
            "stim_id": [f"s{stimulus:02d}" for stimulus in range(len(bins))],
            "spectrogram": pa.array(spectrograms, pa.list_(pa.list_(pa.float32()))),
            "stim_name": [f"Sound {stimulus}" for stimulus in range(len(bins))],
        }
    )
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table, row_group_size=row_group_size)
        writer.add_key_value_metadata(METADATA)


corpora = st.lists(
    st.tuples(st.integers(1, 5), st.sets(st.integers(0, N_NEURONS - 1), min_size=1)), min_size=1, max_size=8
)


@pytest.mark.parametrize("batch_values", [1, 7, 2**18])
@pytest.mark.parametrize("kind", [pa.uint16(), pa.float32()], ids=str)
def test_items_from_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: pa.DataType, batch_values: int) -> None:
    monkeypatch.setattr("deepstrf_hf.grid.stream_reader.BATCH_VALUES", batch_values)

    @given(
        corpora, st.integers(1, 9), st.integers(1, 4), st.lists(st.integers(0, 30), max_size=3),
        st.none() | st.sets(st.integers(0, N_NEURONS - 1)), st.randoms(use_true_random=False), st.data(),
    )  # fmt: skip
    @settings(max_examples=40)
    def run(
        heard: list[tuple[int, set[int]]],
        rows_per_group: int,
        stimuli_per_group: int,
        cuts: list[int],
        wanted: set[int] | None,
        random: Any,
        data: st.DataObject,
    ) -> None:
        rows = rows_of(heard)
        edges = [0, *sorted({cut for cut in cuts if cut < len(rows)} - {0}), len(rows)]
        parts = [rows[start:stop] for start, stop in itertools.pairwise(edges)]
        files = []
        for number, part in enumerate(parts):
            files.append(TableFile(f"main-{number}", tmp_path / f"main-{number}.parquet"))
            write_rows(tmp_path / f"main-{number}.parquet", part, kind, rows_per_group)
        write_stimuli(tmp_path / "stimuli.parquet", [bins for bins, _ in heard], stimuli_per_group)
        stimuli, _ = StimulusTable.read([TableFile("stimuli", tmp_path / "stimuli.parquet")])
        names = None if wanted is None else {f"n{neuron}" for neuron in wanted}
        index, said = read_index(files, stimuli.ids(), names)
        assert said == [{}] * len(parts)

        # What must be there, by plain loops over rows.
        kept = list(range(N_NEURONS)) if wanted is None else sorted(wanted)
        expected = []
        for part in parts:
            for stimulus, of_stimulus in itertools.groupby(part, key=lambda row: row.stimulus):
                responses = {kept.index(row.neuron): row.response for row in of_stimulus if row.neuron in kept}
                if responses:
                    expected.append((stimulus, responses))
        assert index.item_stimulus.tolist() == [stimulus for stimulus, _ in expected] and len(index) == len(expected)

        place = {f"n{neuron}": kept.index(neuron) if neuron in kept else -1 for neuron in range(N_NEURONS)}
        content = StreamContent(
            index,
            stimuli,
            place,
            [{}] * len(kept),
            GridDescription(5.0, 1),
            StimulusPreprocessing(),
            ResponsePreprocessing(),
        )
        blocks = index.item_block()
        asked = data.draw(st.lists(st.sampled_from(range(len(index))), unique=True) if len(index) else st.just([]))
        tasks = [
            [item for item in asked if blocks[item] == block] for block in sorted({blocks[item] for item in asked})
        ]
        random.shuffle(tasks)
        found: dict[int, Any] = {}
        for result in read_ahead(tasks, lambda: ItemReader(content), data.draw(st.integers(0, 2))):
            found |= result
        assert found.keys() == set(asked)
        for item, read in found.items():
            stimulus, responses = expected[item]
            assert read.grid.values.dtype == kind.to_pandas_dtype()
            assert read.grid.pair_neuron.tolist() == sorted(responses)
            for pair, neuron in enumerate(read.grid.pair_neuron.tolist()):
                np.testing.assert_array_equal(read.grid.pair_response(0, pair), np.array(responses[neuron], np.float32))
            np.testing.assert_array_equal(
                read.stimulus, 100.0 * stimulus + np.arange(heard[stimulus][0], dtype=np.float32)[None]
            )
            assert read.stim_meta == {"stim_id": f"s{stimulus:02d}", "name": f"Sound {stimulus}"}

    run()


def test_blocks_are_the_items_that_begin_in_a_row_group(tmp_path: Path) -> None:
    """Three rows of a stimulus: 0 0 0 | 1 1 1 | ... in row groups of four."""
    rows = rows_of([(2, {0, 1, 2})] * 5)
    files = [TableFile(name, tmp_path / name) for name in ("one", "two")]
    for file, part in zip(files, (rows[:9], rows[9:]), strict=True):
        write_rows(tmp_path / file.name, part, pa.uint8(), 4)
    index, _ = read_index(files, {f"s{number:02d}": number for number in range(5)}, None)
    assert index.item_block().tolist() == [0, 0, 1, 2, 2]
    assert [index.spans_of(item) for item in range(5)] == [
        [(0, 0, 3)],
        [(0, 3, 4), (1, 0, 2)],
        [(1, 2, 4), (2, 0, 1)],
        [(0, 0, 3)],
        [(0, 3, 4), (1, 0, 2)],
    ]
    again, _ = read_index(files, {f"s{number:02d}": number for number in range(5)}, None)
    assert index.digest() == again.digest()
    less, _ = read_index(files, {f"s{number:02d}": number for number in range(5)}, {"n0", "n1"})
    assert len(less) == 5 and less.digest() == index.digest(), "the same items; the neurons are told apart elsewhere"
    write_rows(tmp_path / "two", rows[9:], pa.uint8(), 3)
    other, _ = read_index(files, {f"s{number:02d}": number for number in range(5)}, None)
    assert index.digest() != other.digest()


def test_many_files_are_closed_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A corpus of more files than may stay open."""
    monkeypatch.setattr("deepstrf_hf.grid.stream_reader.OPEN_FILES", 2)
    rows = rows_of([(3, {0, 2})] * 6)
    files = [TableFile(str(number), tmp_path / str(number)) for number in range(6)]
    for number, file in enumerate(files):
        write_rows(tmp_path / file.name, rows[2 * number : 2 * number + 2], pa.uint8(), 9)
    write_stimuli(tmp_path / "stimuli", [3] * 6, 2)
    stimuli, _ = StimulusTable.read([TableFile("stimuli", tmp_path / "stimuli")])
    index, _ = read_index(files, stimuli.ids(), None)
    content = StreamContent(
        index,
        stimuli,
        {f"n{neuron}": neuron for neuron in range(4)},
        [{}] * 4,
        GridDescription(5.0, 1),
        StimulusPreprocessing(),
        ResponsePreprocessing(),
    )
    reader = ItemReader(content)
    for item in (0, 5, 1, 0, 4, 2, 3):
        assert reader.read([item])[item].stim_meta["stim_id"] == f"s{item:02d}"
        assert len(reader._open) <= 2
    reader.close()
    assert not reader._open


def test_a_row_group_of_one_stimulus_and_a_row_without_name(tmp_path: Path) -> None:
    """The statistics of the row group name one stimulus; they leave out what has no name."""
    path = tmp_path / "main"
    write_rows(path, rows_of([(3, {0, 1, 2})]), pa.uint8(), 9)
    table = pq.read_table(path)
    table = table.set_column(0, "stim_id", pa.array(["s00", None, "s00"]))
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(METADATA)
    with pytest.raises(TableFormatError, match="A row lacks its name") as caught:
        read_index([TableFile("main", path)], {"s00": 0}, None)
    assert (caught.value.path, caught.value.field) == (str(path), "stim_id")


class Echo(ItemReader):
    """Hands back what it is asked for."""

    def __init__(self) -> None:
        self.is_open = True

    def read(self, items: Any) -> Any:
        assert self.is_open
        return dict.fromkeys(items)

    def close(self) -> None:
        self.is_open = False


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("taken", [1, 4, 10])
def test_reading_ahead_goes_so_far_and_ends(depth: int, taken: int) -> None:
    """Tasks are begun in order, `depth` ahead of the one whose items are used; in the end all readers are closed."""
    begun, readers = [], []

    def tasks() -> Any:
        for task in range(10):
            begun.append(task)
            yield [task]

    def make() -> Echo:
        readers.append(Echo())
        return readers[-1]

    reading = read_ahead(tasks(), make, depth)
    for number in range(taken):
        assert list(next(reading)) == [number]
        assert begun == list(range(min(10, number + 1 + depth)))
    assert 0 < len(readers) <= max(1, depth) and all(reader.is_open for reader in readers)
    reading.close()  # type: ignore[attr-defined]
    assert not any(reader.is_open for reader in readers)


def test_an_error_while_reading_ahead_comes_in_its_turn() -> None:
    class Broken(Echo):
        def read(self, items: Any) -> Any:
            if items == [2]:
                raise TableFormatError("The third is broken")
            return super().read(items)

    reading = read_ahead(([task] for task in range(9)), Broken, 2)
    assert [list(next(reading)) for _ in range(2)] == [[0], [1]]
    with pytest.raises(TableFormatError, match="The third"):
        next(reading)
    assert list(reading) == []
