"""Loading through the cache: the same grid, at once, never that of other files."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from torch.utils.data import DataLoader

from deepstrf_hf import NeuralDataset, build, load, neural_collate
from deepstrf_hf.cache import digests
from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.features.scaling import LogCompress
from tests.grid.examples import assert_same_batch
from tests.grid.stream_corpora import Together, build_toy
from tests.scaled_toy import ScaledToy
from tests.toy import write_toy

WAYS: tuple[dict[str, Any], ...] = (
    {"config": "counts"},
    {"config": "counts", "split": "test"},
    {"config": "counts", "preprocessing": None},
    {"config": "counts", "stimulus": "waveform"},
    {"config": "counts", "stimulus": "waveform", "audio_fs": 2000, "split": "train"},
    {"config": "potentials"},
    {"config": "potentials", "split": "train"},
)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_toy(Together, tmp_path_factory.mktemp("cached"))


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scaled")
    build(ScaledToy, data_dir=write_toy(root / "raw"), out=root / "built")
    return root / "built"


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that were just written count as old enough to be known by their time stamps."""
    monkeypatch.setattr(digests, "FINE_TICK_NS", -(10**10))
    monkeypatch.setattr(digests, "COARSE_TICK_NS", -(10**10))


def no_parquet(*_: Any, **__: Any) -> Any:
    raise AssertionError("a Parquet file is opened")


def assert_same_grid(one: NeuralDataset, other: NeuralDataset) -> None:
    assert one.stim_meta == other.stim_meta
    assert one.nrn_meta == other.nrn_meta
    assert (dict(one.splits), one.splits.source) == (dict(other.splits), other.splits.source)
    for name in ("dt", "F", "audio_fs", "species", "signal_type", "response_unit", "name", "band_frequencies_hz"):
        assert getattr(one, name) == getattr(other, name), name
    assert [step.describe() for step in one.preprocessing] == [step.describe() for step in other.preprocessing]
    np.testing.assert_array_equal(one.nrn_masks, other.nrn_masks)
    np.testing.assert_array_equal(one.n_trials, other.n_trials)
    assert len(one) == len(other) > 0
    for index in range(len(one)):
        assert_same_batch(neural_collate([one[index]]), neural_collate([other[index]]))


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_the_grid_is_the_same_first_again_and_without_cache(
    toy: Path, tmp_path: Path, way: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = load(toy, **way, cache=False)
    assert not list(tmp_path.iterdir())
    assert_same_grid(load(toy, **way, cache=tmp_path), plain)
    if way.get("stimulus") != "waveform":  # the number of bands is not asked of the tables then
        monkeypatch.setattr(pq, "ParquetFile", no_parquet)
    again = load(toy, **way, cache=tmp_path)
    assert_same_grid(again, plain)
    again.validate()


@pytest.mark.parametrize("preprocessing", ["published", "deepstrf", None])
def test_preprocessing_of_stimuli_is_part_of_what_is_known(
    scaled: Path, tmp_path: Path, preprocessing: str | None
) -> None:
    for other in ("published", "deepstrf", None):  # the others are in the cache already
        load(scaled, preprocessing=other, cache=tmp_path)
    plain = load(scaled, preprocessing=preprocessing, cache=False)
    assert_same_grid(load(scaled, preprocessing=preprocessing, cache=tmp_path), plain)


def test_splits_and_configurations_do_not_get_into_each_others_way(toy: Path, tmp_path: Path) -> None:
    for _ in range(2):
        for way in WAYS:
            assert_same_grid(load(toy, **way, cache=tmp_path), load(toy, **way, cache=False))


class Louder:
    """A step of somebody's own, whose code may change from day to day."""

    name = "louder"
    applies_to = "stimuli"
    factor = 2.0

    def apply(self, spectrogram: np.ndarray) -> np.ndarray:
        return spectrogram * np.float32(self.factor)

    def describe(self) -> str:
        return "louder"


class LogOfMine(LogCompress):
    """A declared step that somebody changed."""

    def apply(self, spectrogram: np.ndarray) -> np.ndarray:
        return np.zeros_like(spectrogram)


def test_steps_of_ones_own_are_done_each_time(scaled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(scaled, preprocessing=[Louder()], cache=tmp_path).stims[0]
    monkeypatch.setattr(Louder, "factor", 3.0)
    np.testing.assert_allclose(load(scaled, preprocessing=[Louder()], cache=tmp_path).stims[0], 1.5 * first)
    assert load(scaled, preprocessing=[LogCompress(-1)], cache=tmp_path).stims[0].any()
    assert not load(scaled, preprocessing=[LogOfMine(-1)], cache=tmp_path).stims[0].any()


def test_another_build_in_the_same_place_is_another_grid(tmp_path: Path) -> None:
    raw, out, cache = write_toy(tmp_path / "raw"), tmp_path / "out", tmp_path / "cache"
    build(Together, ["counts"], data_dir=raw, out=out)
    before = load(out, cache=cache).stims[0].clone()
    write_toy(raw, seed=5, stimuli=4)
    build(Together, ["counts"], data_dir=raw, out=out)
    after = load(out, cache=cache)
    assert len(after) == 4
    assert_same_grid(after, load(out, cache=False))
    np.testing.assert_array_equal(before, after.stims[0])  # the toy makes the same sounds, only fewer


def test_one_file_of_another_content_is_another_grid(toy: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(toy, tmp_path / "copy"))
    load(copy, "counts", cache=tmp_path / "cache")
    (path,) = (copy / "counts-stimuli").iterdir()
    table = pq.read_table(path)
    place = table.column_names.index("spectrogram")
    spectrogram = table.column("spectrogram").combine_chunks()
    doubled = [[[2 * value for value in band] for band in bands] for bands in spectrogram.to_pylist()]
    stamp = path.stat()
    table = table.set_column(place, table.field(place), pa.array(doubled, table.field(place).type))
    pq.write_table(table.replace_schema_metadata(pq.read_metadata(path).metadata), path)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    changed, plain = load(copy, "counts", cache=tmp_path / "cache"), load(toy, "counts", cache=False)
    for one, other in zip(changed.stims, plain.stims, strict=True):
        np.testing.assert_array_equal(one, 2 * other)


def test_the_same_content_elsewhere_is_found(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(toy, "counts", cache=tmp_path / "cache")
    copy = Path(shutil.copytree(toy, tmp_path / "copy"))
    monkeypatch.setattr(pq, "ParquetFile", no_parquet)
    assert load(copy, "counts", cache=tmp_path / "cache").path == str(copy)


def test_a_broken_table_is_an_error_with_a_cache_too(toy: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(toy, tmp_path / "copy"))
    load(copy, "counts", cache=tmp_path / "cache")
    (path,) = (copy / "counts-stimuli").iterdir()
    os.truncate(path, 100)
    with pytest.raises(TableFormatError, match="Not a readable Parquet file"):
        load(copy, "counts", cache=tmp_path / "cache")
    left = [path.name for path in (tmp_path / "cache").iterdir() if path.name.startswith(".")]
    assert left == [], "what was begun is cleared away"


def test_a_full_cache_does_not_keep_anybody_from_their_data(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DEEPSTRF_CACHE_GB", "1e-8")
    assert_same_grid(load(toy, "counts", cache=tmp_path), load(toy, "counts", cache=False))
    assert "Not kept in the cache" in caplog.text


def test_changing_what_is_handed_out_changes_nothing_for_others(toy: Path, tmp_path: Path) -> None:
    load(toy, "counts", preprocessing=None, cache=tmp_path)
    mine = load(toy, "counts", preprocessing=None, cache=tmp_path)
    mine.stims[0][:] = 99
    mine._grid.values[:] = 99
    assert_same_grid(
        load(toy, "counts", preprocessing=None, cache=tmp_path), load(toy, "counts", preprocessing=None, cache=False)
    )


def opened_elsewhere(arguments: tuple[str, str]) -> float:
    dataset = load(arguments[0], "counts", cache=arguments[1])
    return float(sum(item["stims"].sum() for item in dataset))


def test_processes_that_open_a_cold_cache_at_once_all_get_the_grid(toy: Path, tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(opened_elsewhere, [(str(toy), str(tmp_path))] * 4))
    assert found == [opened_elsewhere((str(toy), str(tmp_path)))] * 4
    assert len([path for path in tmp_path.iterdir() if len(path.name) == 64]) == 2, "responses and stimuli"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_of_a_loader_see_what_is_mapped(toy: Path, tmp_path: Path, context: str) -> None:
    load(toy, "counts", cache=tmp_path)
    mapped, plain = load(toy, "counts", cache=tmp_path), load(toy, "counts", cache=False)
    loader = DataLoader(mapped, batch_size=2, collate_fn=neural_collate, num_workers=2, multiprocessing_context=context)
    for found, begin in zip(loader, range(0, len(plain), 2), strict=True):
        expected = neural_collate([plain[index] for index in range(begin, min(begin + 2, len(plain)))])
        assert_same_batch(found, expected)


def test_a_pickle_holds_the_values(toy: Path, tmp_path: Path) -> None:
    load(toy, "potentials", cache=tmp_path)
    sent = pickle.dumps(load(toy, "potentials", cache=tmp_path))
    shutil.rmtree(tmp_path)
    received: NeuralDataset = pickle.loads(sent)  # noqa: S301 (made here)
    assert_same_grid(received, load(toy, "potentials", cache=False))


def test_names_of_the_environment_are_heeded(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from deepstrf_hf.cli import main

    def cli(*arguments: str) -> str:
        with pytest.raises(SystemExit) as left:
            main(["cache", *arguments])
        assert not left.value.code
        return "".join(capsys.readouterr().out.split("\n"))

    monkeypatch.setenv("DEEPSTRF_CACHE_DIR", str(tmp_path / "mine"))
    load(toy, "counts")
    assert "2 entries" in cli()
    assert "of at most 20 GB" in cli()
    assert "removed 2 entries" in cli("--clear")
    assert "0 entries, 0.0 MB" in cli()
    monkeypatch.setenv("DEEPSTRF_CACHE_GB", "0")
    load(toy, "counts")
    assert "There is no cache" in cli()
    assert not list((tmp_path / "mine").iterdir())
