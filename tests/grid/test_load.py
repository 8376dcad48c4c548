"""Loading a build: values against the raw tree and against the tables."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
import torch

from deepstrf_hf import load, neural_collate
from deepstrf_hf.responses.preprocessing import HanningSmooth
from tests.grid.built_files import pair_responses, table_rows, true_counts
from tests.grid.conftest import KnownBuild
from tests.grid.examples import Array, LeaveOutOnset, assert_same_batch, items_of
from tests.raw_writers.ns1 import NATURAL_SETS

DT_MS, N_BINS, N_BANDS = 5, 999, 34
STIM_IDS = [f"source{source}.set{set_number}.stim{number:02d}" for source, set_number, number, _ in NATURAL_SETS]
TEST_CLIPS = [3, 6, 9, 19]
"""Of Rahman et al. 2020, counted from 0."""


# Values ---------------------------------------------------------------------------------------------------------------


def test_responses_are_the_counts_of_the_raw_tree(known_build: KnownBuild) -> None:
    dataset = load(known_build.directory, "a1", preprocessing=None)
    expected = true_counts(known_build)
    cell_ids = {neuron["neuron_id"]: neuron["cell_id"] for neuron in dataset.nrn_meta}
    loaded = {(stim_id, cell_ids[neuron_id]): r for (stim_id, neuron_id), r in pair_responses(dataset).items()}
    assert loaded.keys() == expected.keys() and len(expected) == 60
    for pair, counts in expected.items():
        np.testing.assert_array_equal(loaded[pair], counts, err_msg=str(pair))
    assert sorted({len(counts) for counts in expected.values()}) == [19, 20]
    assert sum(int(counts.sum()) for counts in expected.values()) > 10_000


def test_published_preprocessing_is_the_hanning_window_of_21_ms(known_build: KnownBuild) -> None:
    stored = pair_responses(load(known_build.directory, preprocessing=None))
    published = load(known_build.directory)
    assert published.preprocessing == (HanningSmooth(21.0),)
    smoothed = pair_responses(published)
    assert smoothed.keys() == stored.keys()
    for pair, counts in stored.items():
        expected = [np.convolve(trial.astype(float), [0.5, 1, 0.5], mode="same") for trial in counts]
        np.testing.assert_allclose(smoothed[pair], expected, rtol=1e-6, err_msg=str(pair))


@pytest.mark.parametrize(
    ("preprocessing", "scale"),
    [("published", 1), ("deepstrf", 1), ([HanningSmooth(21.0)], 1), ((HanningSmooth(21.0, gain="unit"),), 0.5)],
)
def test_preprocessing(known_build: KnownBuild, preprocessing: Any, scale: float) -> None:
    published = neural_collate(items_of(load(known_build.directory))[:4])["responses"]
    other = neural_collate(items_of(load(known_build.directory, preprocessing=preprocessing))[:4])["responses"]
    np.testing.assert_allclose(other, scale * published, rtol=1e-6)


def test_steps_of_a_users_own(ns1_built: Path) -> None:
    stored = neural_collate(items_of(load(ns1_built, preprocessing=None))[:2])["responses"]
    batch = neural_collate(items_of(load(ns1_built, preprocessing=[LeaveOutOnset(bins=7)]))[:2])
    assert not batch["valid_mask"][..., :7].any() and batch["valid_mask"][..., 7:].all()
    assert torch.isnan(batch["responses"][..., :7]).all()
    assert torch.equal(batch["responses"][..., 7:], stored[..., 7:])


def test_no_preprocessing_at_all(known_build: KnownBuild) -> None:
    for nothing in (None, [], ()):
        dataset = load(known_build.directory, preprocessing=nothing)
        assert dataset.preprocessing == ()
        responses = neural_collate(items_of(dataset))["responses"]
        values = responses[~torch.isnan(responses)]
        assert torch.equal(values, values.round())


def test_everything_of_the_tables_is_there(ns1_built: Path) -> None:
    dataset = load(ns1_built, "a1", preprocessing=None)
    rows = {(row["stim_id"], row["neuron_id"]): row for row in table_rows(ns1_built, "a1")}
    loaded = pair_responses(dataset)
    assert loaded.keys() == rows.keys() and len(rows) == 100
    for pair, row in rows.items():
        np.testing.assert_array_equal(loaded[pair], np.array(row["response"], np.float32))
    stimuli = {row["stim_id"]: row for row in table_rows(ns1_built, "a1-stimuli")}
    for entry, stimulus in zip(dataset.stim_meta, dataset.stims, strict=True):
        np.testing.assert_array_equal(
            stimulus[0].numpy(), np.array(stimuli[entry["stim_id"]]["spectrogram"], np.float32)
        )
        assert tuple(stimulus.shape) == (1, N_BANDS, N_BINS)


def test_metadata_lose_their_prefixes_and_large_columns(ns1_built: Path) -> None:
    dataset = load(ns1_built, "a1")
    for entries, config, prefix, identity in (
        (dataset.stim_meta, "a1-stimuli", "stim_", "stim_id"),
        (dataset.nrn_meta, "a1-neurons", "neuron_", "neuron_id"),
    ):
        rows = sorted(table_rows(ns1_built, config), key=lambda row: row[identity])
        assert [entry[identity] for entry in entries] == [row[identity] for row in rows]
        for entry, row in zip(entries, rows, strict=True):
            expected = {
                name if name == identity else name.removeprefix(prefix): value
                for name, value in row.items()
                if name not in ("spectrogram", "audio", "picture")
            }
            assert entry == expected
            assert not [name for name in entry if name.startswith(prefix) and name != identity]
    assert dataset.stim_meta[0]["type"] == "water_sounds" and dataset.stim_meta[1]["type"] is None
    assert all(isinstance(neuron["snr"], float) for neuron in dataset.nrn_meta)


def test_stimuli_and_neurons_are_in_the_order_of_their_ids(ns1_built: Path) -> None:
    dataset = load(ns1_built)
    assert [entry["stim_id"] for entry in dataset.stim_meta] == STIM_IDS
    neuron_ids = [entry["neuron_id"] for entry in dataset.nrn_meta]
    assert neuron_ids == sorted(neuron_ids) and len(neuron_ids) == 5


def test_what_the_dataset_tells_of_itself(ns1_built: Path) -> None:
    dataset = load(str(ns1_built))
    assert (dataset.dt, dataset.F, dataset.N_neurons, dataset.get_S()) == (DT_MS, N_BANDS, 5, 20)
    assert (dataset.audio_fs, dataset.hop, dataset.return_waveform) == (None, None, False)
    assert (dataset.species, dataset.signal_type, dataset.path) == ("ferret", "spikes", str(ns1_built))
    assert dataset.hearing_range_hz == (200, 40_000)
    expected = [500 * 2 ** (band / 6) for band in range(N_BANDS)]
    np.testing.assert_allclose(dataset.band_frequencies_hz, expected, rtol=1e-5)
    dataset.validate()


@pytest.mark.parametrize("split", ["train", "test"])
def test_splits(ns1_built: Path, split: str) -> None:
    part, whole = load(ns1_built, "a1", split=split), load(ns1_built, "a1")
    expected = [STIM_IDS[clip] for clip in range(20) if (clip in TEST_CLIPS) == (split == "test")]
    assert [entry["stim_id"] for entry in part.stim_meta] == expected
    assert {entry["subset"] for entry in part.stim_meta} == {split}
    assert part.nrn_meta == whole.nrn_meta
    assert len(part) == part.get_S() == len(part.responses) == len(part.stims) == len(expected)
    everything = pair_responses(whole)
    loaded = pair_responses(part)
    assert loaded.keys() == {pair for pair in everything if pair[0] in expected}
    for pair, response in loaded.items():
        np.testing.assert_array_equal(response, everything[pair])
    whole.select_stims_by_attr("subset", split)
    assert_same_batch(neural_collate(items_of(part)), neural_collate(items_of(whole)))


# Waveforms ------------------------------------------------------------------------------------------------------------


def in_band(samples: Array, rate: float) -> Array:
    """Keep the lower quarter of the band, where every resampler must agree."""
    return np.convolve(samples, scipy.signal.firwin(401, rate / 8, fs=rate), mode="same")


def test_waveforms_lie_on_the_bins_of_the_responses(known_build: KnownBuild) -> None:
    dataset = load(known_build.directory, stimulus="waveform")
    assert (dataset.audio_fs, dataset.hop, dataset.F, dataset.return_waveform) == (48_000, 240, N_BANDS, True)
    batch = neural_collate(items_of(dataset)[:2])
    assert tuple(batch["stims"].shape) == (2, 1, N_BINS * 240)
    assert batch["responses"].shape[-1] == N_BINS
    assert all(tuple(stimulus.shape) == (1, N_BINS * 240) for stimulus in dataset.stims)
    dataset.validate()


@pytest.mark.parametrize(("audio_fs", "up", "down"), [(48_000, 3072, 3125), (None, 3072, 3125), (24_000, 1536, 3125)])
@pytest.mark.parametrize("clip", [0, 17])
def test_waveforms_are_resampled(known_build: KnownBuild, audio_fs: int | None, up: int, down: int, clip: int) -> None:
    rate = audio_fs or 48_000
    dataset = load(known_build.directory, stimulus="waveform", audio_fs=audio_fs)
    assert dataset.audio_fs == rate and dataset.hop == rate // 200
    loaded = dataset.stims[clip][0].numpy()
    assert dataset.stim_meta[clip]["stim_id"] == STIM_IDS[clip]
    source = known_build.truth.waveforms[clip].astype(np.float64)
    expected = scipy.signal.resample_poly(source, up, down, window=("kaiser", 10.0))
    length = math.ceil(len(source) * rate / 48_828.125)
    difference = in_band(loaded[:length], rate) - in_band(expected[:length], rate)
    inside = slice(500, length - 500)
    error = np.sqrt(np.mean(difference[inside] ** 2) / np.mean(in_band(expected, rate)[inside] ** 2))
    assert error < 2e-3
    assert not loaded[length + 1 :].any()


def test_responses_do_not_depend_on_the_kind_of_stimulus(ns1_built: Path) -> None:
    spectrograms, waveforms = load(ns1_built), load(ns1_built, stimulus="waveform")
    assert waveforms.nrn_meta == spectrograms.nrn_meta and waveforms.stim_meta == spectrograms.stim_meta
    one, other = (neural_collate(items_of(dataset)) for dataset in (spectrograms, waveforms))
    for key in ("responses", "valid_mask"):
        np.testing.assert_array_equal(one[key].numpy(), other[key].numpy())


def test_waveforms_of_one_split(ns1_built: Path) -> None:
    part, whole = (load(ns1_built, stimulus="waveform", split=split) for split in ("test", None))
    assert len(part) == 4
    for place, clip in enumerate(TEST_CLIPS):
        np.testing.assert_array_equal(part.stims[place].numpy(), whole.stims[clip].numpy())
