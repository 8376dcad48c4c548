"""Compression and standardization of spectrograms where tables are loaded, streamed, or made of arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepstrf_hf import NeuralDataset, build, load, stream
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.corpus import Column
from deepstrf_hf.errors import GridError
from deepstrf_hf.features.compression import LogFloored, LogPlusOne, StandardizeBands
from deepstrf_hf.features.scaling import ScaleBands
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Part, Recording
from tests.scaled_toy import ScaledToy, spectrogram
from tests.toy import write_toy

FRAMES = {"s0": 5, "s1": None, "s2": 7}


class FramedToy(ScaledToy):
    """The analysis of one stimulus ends before its last bin, that of another is not known."""

    CORPUS = replace(
        ScaledToy.CORPUS,
        name="framed_toy",
        stimulus_columns={**ScaledToy.CORPUS.stimulus_columns, "n_frames": Column("int32", "Bins with sound.")},
        cohorts=(
            replace(
                ScaledToy.CORPUS.cohorts[0],
                preprocessing=(LogFloored(1e-3), StandardizeBands("n_frames")),
                deepstrf_preprocessing=(LogPlusOne(10.0), ScaleBands("tiles")),
            ),
        ),
    )

    @classmethod
    def recordings(cls, raw: RawTree, cohort: Any, config: Any, part: Part, log: BuildLog) -> Iterator[Recording]:
        """Add the frames to each stimulus."""
        framed: dict[int, Any] = {}
        for recording in super().recordings(raw, cohort, config, part, log):
            old = recording.stimulus
            new = framed.setdefault(id(old), replace(old, metadata={**old.metadata, "n_frames": FRAMES[old.stim_id]}))
            framed[id(new)] = old  # keeps it alive, so that its id stays its own
            yield replace(recording, stimulus=new)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("framed")
    build(FramedToy, data_dir=write_toy(root / "raw"), out=root / "built")
    return root / "built"


def standardized(name: str) -> np.ndarray:
    logarithm = np.log(spectrogram(name).astype(np.float64) + 1e-3)
    reached = FRAMES[name] or logarithm.shape[1]
    own = logarithm[:, :reached]
    expected = np.zeros_like(logarithm)
    expected[:, :reached] = (own - own.mean(axis=1)[:, None]) / own.std(axis=1)[:, None]
    return expected


def test_bands_are_standardized_over_frames_whatever_is_loaded(built: Path) -> None:
    for split in (None, "train", "test"):
        dataset = load(built, split=split)
        for meta, stimulus in zip(dataset.stim_meta, dataset.stims, strict=True):
            np.testing.assert_allclose(stimulus[0], standardized(meta["stim_id"]), atol=2e-5)
    seen = {item["stim_meta"]["stim_id"]: item["stims"][0] for item in stream(built)}
    assert sorted(seen) == ["s0", "s1", "s2"]
    for name, stimulus in seen.items():
        np.testing.assert_allclose(stimulus, standardized(name), atol=2e-5)


def test_ranges_go_through_compressions(built: Path) -> None:
    for meta, stimulus in zip((dataset := load(built, preprocessing="deepstrf")).stim_meta, dataset.stims, strict=True):
        assert float(stimulus.min()) >= 0
        assert float(stimulus.max()) <= 1 + 1e-6, meta


def test_arrays_in_memory_are_standardized_over_frames_of_their_metadata() -> None:
    names = list(FRAMES)
    arrays = {"stims": [spectrogram(name) for name in names], "responses": [[np.ones((1, 7))]] * 3, "dt_ms": 5.0}
    steps = [LogFloored(1e-3), StandardizeBands("n_frames")]
    meta = [{"n_frames": FRAMES[name]} for name in names]
    dataset = NeuralDataset.from_arrays(**arrays, stim_meta=meta, preprocessing=steps)
    for name, stimulus in zip(names, dataset.stims, strict=True):
        np.testing.assert_allclose(stimulus[0], standardized(name), atol=2e-5)
    for lacking in (None, [{}] * 3, meta[:2]):
        with pytest.raises(GridError, match=r"attribute that the stimuli lack.*n_frames.*StandardizeBands\(\)"):
            NeuralDataset.from_arrays(**arrays, stim_meta=lacking, preprocessing=steps)


def test_an_attribute_that_the_tables_lack_is_named(built: Path) -> None:
    for opening in (load, stream):
        with pytest.raises(GridError, match="attribute that the stimuli lack.*n_bins_of_sound"):
            opening(built, preprocessing=[StandardizeBands("n_bins_of_sound")])


def test_stored_ranges_after_standardization_are_refused(built: Path) -> None:
    with pytest.raises(GridError, match="ScaleBands after StandardizeBands"):
        load(built, preprocessing=[StandardizeBands(), ScaleBands("tiles")])
