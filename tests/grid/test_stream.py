"""A stream hands out what the grid hands out, however the corpus is laid out."""

from __future__ import annotations

import pickle
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.utils.data import DataLoader

from deepstrf_hf import load, neural_collate
from deepstrf_hf.grid import stream_dataset, stream_stimuli
from deepstrf_hf.grid.stream import stream
from deepstrf_hf.grid.stream_files import OpenTable
from deepstrf_hf.grid.stream_reader import ItemReader
from deepstrf_hf.responses.preprocessing import HanningSmooth
from tests.grid.examples import LeaveOutOnset, assert_same_batch
from tests.grid.stream_corpora import (
    COHORTS,
    N_NEURONS,
    N_STIMULI,
    TEST_STIMULI,
    Together,
    assert_same_items,
    build_toy,
    expected_items,
    files_in_order,
    grid_of,
    regroup,
    stored_items,
)
from tests.toy import N_NEURONS_PER_SITE, SITES, Toy

LAYOUTS: dict[str, dict[str, Any]] = {
    "as built": {},
    "a row group for each stimulus": {"ROW_GROUP_TARGET_BYTES": 1},
    "a stimulus in several row groups": {"ROW_GROUP_TARGET_BYTES": 1, "ROW_GROUP_LIMIT_BYTES": 600},
    "a stimulus in several files": {"ROW_GROUP_TARGET_BYTES": 1, "ROW_GROUP_LIMIT_BYTES": 600, "SHARD_BYTES": 1},
    "rows by 1": {"rows": 1},
    "rows by 2": {"rows": 2},
    "rows by 3": {"rows": 3},
    "rows by 7": {"rows": 7},
}
"""The builder's own limits, or row groups that cut anywhere."""


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the corpus in every layout."""
    built = {}
    for name, how in LAYOUTS.items():
        limits = {key: value for key, value in how.items() if key != "rows"}
        built[name] = build_toy(Together, tmp_path_factory.mktemp("together"), **limits)
        if "rows" in how:
            regroup(built[name], how["rows"])
    return built


@pytest.fixture(scope="module")
def built(layouts: dict[str, Path]) -> Path:
    """Return the corpus with a row group for each stimulus."""
    return layouts["a row group for each stimulus"]


@pytest.fixture(scope="module")
def by_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a corpus whose files hold a site each."""
    return build_toy(Toy, tmp_path_factory.mktemp("by_site"))


def ids_of(items: Any) -> list[str]:
    return [item["stim_meta"]["stim_id"] for item in items]


# The same as the grid -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", [None, "train", "test"])
@pytest.mark.parametrize("cohort", COHORTS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_items_are_those_of_the_grid(layouts: dict[str, Path], layout: str, cohort: str, split: str | None) -> None:
    directory = layouts[layout]
    stored = stored_items(directory, cohort, split)
    whole = layout != "a stimulus in several files"
    n_stimuli = {None: N_STIMULI, "train": N_STIMULI - len(TEST_STIMULI), "test": len(TEST_STIMULI)}[split]
    assert (len(stored) == n_stimuli) == whole, "else this is not the layout it is called"
    found = stream(directory, cohort, split=split)
    assert len(found) == len(stored)
    assert_same_items(list(found), expected_items(grid_of(directory, cohort), stored))
    if whole:
        grid = grid_of(directory, cohort, split=split)
        assert_same_items(sorted(found, key=lambda item: item["stim_meta"]["stim_id"]), [*grid])


@pytest.mark.parametrize("cohort", COHORTS)
def test_files_by_site_give_an_item_for_each_site(by_site: Path, cohort: str) -> None:
    stored = stored_items(by_site, cohort)
    found = list(stream(by_site, cohort))
    assert len(found) == len(SITES) * 4 and set(Counter(ids_of(found)).values()) == {len(SITES)}
    assert_same_items(found, expected_items(grid_of(by_site, cohort), stored))
    heard = torch.stack([item["valid_mask"] for item in found])
    assert (heard.sum(dim=1) == N_NEURONS_PER_SITE).all(), "the neurons of one site"
    assert torch.equal(heard.sum(dim=0), torch.full((6,), 4)), "every pair in one item"


@pytest.mark.parametrize("layout", ["as built", "rows by 2"])
@pytest.mark.parametrize("cohort", COHORTS)
@pytest.mark.parametrize(
    "options",
    [
        {"preprocessing": None},
        {"preprocessing": "deepstrf"},
        {"preprocessing": [HanningSmooth(40.0), LeaveOutOnset(2)]},
        {"stimulus": "waveform"},
        {"stimulus": "waveform", "audio_fs": 1600},
    ],
    ids=str,
)
def test_options_are_those_of_load(layouts: dict[str, Path], layout: str, cohort: str, options: dict[str, Any]) -> None:
    directory = layouts[layout]
    grid, found = load(directory, cohort, **options), stream(directory, cohort, **options)
    assert_same_items(list(found), expected_items(grid, stored_items(directory, cohort)))
    assert found.preprocessing == grid.preprocessing
    for name in ("dt", "F", "audio_fs", "hop", "N_neurons", "nrn_meta"):
        assert getattr(found, name) == getattr(grid, name), name
    assert (found.get_N(), found.get_F(), found.get_nrn_meta()) == (grid.get_N(), grid.get_F(), grid.get_nrn_meta())
    assert type(found.dt) is type(grid.dt)


def test_ns1_is_that_of_the_grid(ns1_built: Path) -> None:
    grid, found = load(ns1_built), stream(ns1_built)
    assert_same_items(list(found), expected_items(grid, stored_items(ns1_built, "a1")))
    assert len(found) == 20 and found.F == 34


@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_are_those_of_the_grid(layouts: dict[str, Path], shuffle: bool) -> None:
    directory = layouts["rows by 3"]
    found = stream(directory, "potentials", split="train", shuffle=shuffle, shuffle_buffer=3, seed=5)
    grid = grid_of(directory, "potentials", split="train")
    place = {entry["stim_id"]: number for number, entry in enumerate(grid.stim_meta)}
    ids = ids_of(found)
    assert (ids == sorted(ids)) == (not shuffle)
    batches = list(DataLoader(found, batch_size=4, collate_fn=neural_collate))
    assert [len(batch["stims"]) for batch in batches] == [4, 3]
    for batch, start in zip(batches, (0, 4), strict=True):
        expected = neural_collate([grid[place[name]] for name in ids[start : start + 4]])
        assert_same_batch(batch, expected)


def test_a_stimulus_with_nothing_but_gaps_is_an_item(tmp_path: Path) -> None:
    """The index cannot know; the grid, which has read everything, hides it."""

    class Gaps(Together):
        CORPUS = Together.CORPUS

        @classmethod
        def recordings(cls, *arguments: Any) -> Iterator[Any]:
            for recording in super().recordings(*arguments):
                if recording.stimulus.stim_id == "sound2" and recording.response.dtype.kind == "f":
                    recording.response[:] = np.nan
                yield recording

    directory = build_toy(Gaps, tmp_path)
    found = {item["stim_meta"]["stim_id"]: item for item in stream(directory, "potentials")}
    grid = load(directory, "potentials")
    assert found.keys() - set(ids_of(grid)) == {"sound2"}
    assert not found["sound2"]["valid_mask"].any()


# Neurons --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["as built", "a stimulus in several row groups", "rows by 2"])
@pytest.mark.parametrize("cohort", COHORTS)
@pytest.mark.parametrize("numbers", [[0], [4], [3, 1], [0, 1, 2, 3, 4], [2, 2, 0], []])
def test_neurons_asked_for(layouts: dict[str, Path], layout: str, cohort: str, numbers: list[int]) -> None:
    """Order and repetitions of the request do not matter; stimuli that none of them heard are left out."""
    directory = layouts[layout]
    names = [f"site_a-n{number}" for number in numbers]
    found = stream(directory, cohort, neurons=names)
    grid = grid_of(directory, cohort)
    expected = expected_items(grid, stored_items(directory, cohort), names)
    assert len(found) == len(expected)
    assert_same_items(list(found), expected)
    assert [entry["neuron_id"] for entry in found.nrn_meta] == sorted(set(names)) and found.N_neurons == len({*numbers})
    if numbers == [4]:
        assert ids_of(found) == ["sound0", "sound2", "sound1"], "those it heard, training set first"


def test_neurons_of_a_site_need_no_other_file(by_site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = stream(by_site, "counts", neurons=["site_b-n1", "site_b-n0"])
    opened = []

    class Noting(OpenTable):
        def __init__(self, file: Any) -> None:
            opened.append(file.path)
            super().__init__(file)

    monkeypatch.setattr("deepstrf_hf.grid.stream_reader.OpenTable", Noting)
    items = list(found)
    assert len(items) == 4 and all(item["valid_mask"].all() for item in items)
    files = files_in_order(by_site, "counts")
    assert opened == [path for path in files if "00001-of" in path.name] and len(opened) == 2 < len(files)


# What is read ---------------------------------------------------------------------------------------------------------


class Log:
    """Which columns of which row groups were read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.columns: Counter[tuple[str, str]] = Counter()
        read, batches = OpenTable.read, OpenTable.batches

        def noted_read(table: OpenTable, group: int, columns: Any) -> pa.Table:
            self.columns.update((f"{table.file.name}:{group}", name) for name in columns)
            return read(table, group, columns)

        def noted_batches(table: OpenTable, group: int, column: str, rows: int) -> Any:
            self.columns[f"{table.file.name}:{group}", column] += 1
            return batches(table, group, column, rows)

        monkeypatch.setattr(OpenTable, "read", noted_read)
        monkeypatch.setattr(OpenTable, "batches", noted_batches)

    def of(self, table: str) -> set[str]:
        return {column for (place, column) in self.columns if place.startswith(table + "/")}


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("cohort", COHORTS)
def test_each_row_group_is_read_once_and_only_what_is_needed(
    built: Path, cohort: str, shuffle: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(monkeypatch)
    found = stream(built, cohort, shuffle=shuffle, shuffle_buffer=2)
    assert log.of(cohort) == set(), "a row group of one stimulus says so itself"
    assert log.of(cohort + "-stimuli") & {"spectrogram", "audio", "picture"} <= {"spectrogram"}
    log.columns.clear()
    assert sorted(ids_of(found)) == sorted(name for name, _ in stored_items(built, cohort))
    assert log.of(cohort) == {"neuron_id", "n_trials", "n_bins", "response"}
    assert log.of(cohort + "-stimuli") == {"spectrogram"}
    assert set(log.columns.values()) == {1}


def test_few_stimuli_are_kept(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoded stimuli are kept up to a limit, the one in use in any case; the items stay the same."""
    monkeypatch.setattr(stream_stimuli, "CACHE_BYTES", 1)
    kept = []
    group = stream_stimuli.StimulusReader._group

    def noted(reader: Any, file: int, number: int) -> Any:
        columns = group(reader, file, number)
        kept.append(len(reader._decoded))
        return columns

    monkeypatch.setattr(stream_stimuli.StimulusReader, "_group", noted)
    found = list(stream(built, "counts", shuffle=True))
    stored = [(item["stim_meta"]["stim_id"], {f"site_a-n{number}" for number in range(N_NEURONS)}) for item in found]
    assert_same_items(found, expected_items(grid_of(built, "counts"), stored))
    assert len(kept) == N_STIMULI and set(kept) == {1}


@pytest.mark.parametrize(("prefetch", "buffer"), [(0, 1), (0, 4), (1, 1), (1, 3), (2, 2), (30, 2)])
def test_no_more_than_a_few_items_are_held(
    built: Path, monkeypatch: pytest.MonkeyPatch, prefetch: int, buffer: int
) -> None:
    """Decoded and not yet handed out: the buffer, the row group in use, and those read ahead."""
    read, handed, most, lock = 0, 0, 0, threading.Lock()

    class Counting(ItemReader):
        def read(self, items: Any) -> Any:
            nonlocal read, most
            with lock:
                read += len(items)
                most = max(most, read - handed)
            return super().read(items)

    monkeypatch.setattr(stream_dataset, "ItemReader", Counting)
    for _ in stream(built, "counts", shuffle=True, shuffle_buffer=buffer, prefetch=prefetch):
        with lock:
            handed += 1
    assert read == handed == N_STIMULI
    assert most <= buffer + prefetch + 1


def test_items_hold_their_own_values_alone(layouts: dict[str, Path]) -> None:
    """An item that is kept does not keep the row group it came from."""
    for item in stream(layouts["as built"], "counts", preprocessing=None):
        values = item["responses"]._grid.values
        assert values.base is None and values.size == sum(r.numel() for r in item["responses"] if r.shape != (1, 1))
        assert item["stims"].untyped_storage().nbytes() == item["stims"].numel() * 4
        again = pickle.loads(pickle.dumps(item))  # noqa: S301 (our own)
        assert_same_items([again], [item])


def test_items_belong_to_whoever_got_them(built: Path) -> None:
    """What is done to an item is not seen in the next epoch."""
    found = stream(built, "counts")
    for item in found:
        item["stims"].zero_()
        item["stim_meta"].clear()
    assert_same_items(list(found), expected_items(grid_of(built, "counts"), stored_items(built, "counts")))


# The stream itself ----------------------------------------------------------------------------------------------------


def test_threads_end_with_the_iteration(built: Path) -> None:
    found, before = stream(built, "counts", prefetch=2), threading.active_count()
    coming = iter(found)
    next(coming)
    assert before < threading.active_count() <= before + 2
    del coming
    assert threading.active_count() == before
    list(found)
    assert threading.active_count() == before


def test_two_iterations_at_once_do_not_disturb_each_other(built: Path) -> None:
    found = stream(built, "counts", shuffle=True)
    one, other = iter(found), iter(found)
    pairs = list(zip(one, other, strict=True))
    assert len(pairs) == N_STIMULI
    assert_same_items([mine for mine, _ in pairs], [theirs for _, theirs in pairs])


def test_what_it_says_of_itself(built: Path) -> None:
    found = stream(built, "counts", shuffle=True, seed=3)
    assert repr(found) == (
        f"ResponseStream({built}: 9 items (3-band spectrograms) of 5 neurons, dt 5 ms, shuffled with seed 3)"
    )
    share = stream(built, "counts", stimulus="waveform").split_by_node(1, 2)
    assert "5 items (waveforms)" in repr(share) and "in stored order, node 1 of 2" in repr(share)
    assert found.epoch == 0


@pytest.mark.parametrize("split", [None, "test"])
@pytest.mark.parametrize("stimulus", ["spectrogram", "waveform"])
def test_description_is_that_of_the_grid(built: Path, by_site: Path, split: str | None, stimulus: str) -> None:
    for directory in (built, by_site):
        mine = stream(directory, "potentials", split=split, stimulus=stimulus).description
        theirs = load(directory, "potentials", split=split, stimulus=stimulus)._description
        assert mine == theirs, "the division of the stimuli too"
    assert mine.splits and mine.species == "toy ferret"


def test_a_stream_is_small(built: Path) -> None:
    """Sent to another process it holds the index and the metadata, and never a token in what it says of itself."""
    found = stream(built, "counts")
    before = len(pickle.dumps(found))
    list(found)
    assert len(pickle.dumps(found)) <= before < 12_000
    again = pickle.loads(pickle.dumps(found))  # noqa: S301 (our own)
    assert_same_items(list(again), list(found))


def test_a_built_directory_may_move(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative source is found again wherever the process goes."""
    monkeypatch.chdir(built.parent)
    found = stream("built", "counts")
    monkeypatch.chdir(tmp_path)
    assert len(list(found)) == N_STIMULI
