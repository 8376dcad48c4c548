"""When a waveform begins on the bins of its responses: built, stored and loaded, against plain loops."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io.wavfile
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import NeuralDataset, build, load, neural_collate
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.corpus import Cohort
from deepstrf_hf.errors import BuilderContractError, GridError, TableFormatError
from deepstrf_hf.grid.waveforms import waveform_on_bins
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Neuron, Part, Recording
from tests.grid.built_files import one_file, rewrite, table_rows, with_column
from tests.grid.examples import Array, items_of, property_settings
from tests.toy import SITES, Toy, ToyConfig, toy_response, toy_stimulus, write_toy

DT_MS, RATE, HOP = 5, 1000, 5
ONSETS = {
    "s00": (0.0, 50),
    "s01": (20.0, 50),
    "s02": (-15.0, 50),
    "s03": (1e6, 50),
    "s04": (-1e6, 50),
    "s05": (2.4, 50),
    "s06": (2.6, 50),
    "s07": (-2.6, 50),
    "s08": (49.0, 50),
    "s09": (50.0, 50),
    "s10": (-49.0, 50),
    "s11": (7, 20),
    "s12": (-7.0, 20),
    "s13": (-7.0, 80),
    "s14": (np.float32(7.0), 80),
}
"""Onset in ms and samples of each waveform; all responses have 10 bins of 5 ms, 50 samples."""


def waveform(stim_id: str) -> Array:
    """Return samples none of which is silent or equal to another."""
    number, length = int(stim_id[1:]), ONSETS[stim_id][1]
    return (np.arange(1, length + 1) + 100 * number).astype(np.int16)


def on_bins(samples: Array, onset_ms: float, rate: int = RATE, length: int = 50) -> list[float]:
    """Place samples one by one: sample j is heard at j plus the onset, rounded to a sample."""
    onset = round(Fraction(float(onset_ms)) * rate / 1000)
    placed = [0.0] * length
    for index, value in enumerate(samples.tolist()):
        if 0 <= index + onset < length:
            placed[index + onset] = value
    return placed


class Delayed(Toy):
    """Stimuli whose waveforms begin at some time."""

    @classmethod
    def recordings(
        cls, raw: RawTree, cohort: Cohort, config: ToyConfig, part: Part, log: BuildLog
    ) -> Iterator[Recording]:
        """Yield the same stimuli in each part."""
        changes = json.loads(raw.path("toy.json").read_text()).get("change", {})
        for stim_id, (onset_ms, _) in sorted(ONSETS.items()):
            sound = replace(
                toy_stimulus(0, 0, cohort), stim_id=stim_id, waveform=waveform(stim_id), audio_onset_ms=onset_ms
            )
            if stim_id in changes:
                sound = replace(sound, **changes[stim_id])
            neuron = Neuron(f"{part.name}-n0", {"site": part.name, "good": True})
            yield Recording(sound, neuron, toy_response(sound, neuron.neuron_id, cohort, config))


def built(root: Path, **changes: Any) -> Path:
    """Build the corpus with other stimuli where changes are given."""
    build(Delayed, ["counts"], data_dir=write_toy(root / "raw", change=changes), out=root / "out")
    return root / "out"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a build that tests only read."""
    return built(tmp_path_factory.mktemp("delayed"))


def by_id(dataset: NeuralDataset) -> dict[str, Array]:
    return {
        entry["stim_id"]: stimulus[0].numpy() for entry, stimulus in zip(dataset.stim_meta, dataset.stims, strict=True)
    }


# What is loaded -------------------------------------------------------------------------------------------------------


def test_sample_j_belongs_to_bin_j_over_hop(corpus: Path) -> None:
    dataset = load(corpus, "counts", stimulus="waveform")
    assert (dataset.audio_fs, dataset.hop, dataset.dt) == (RATE, HOP, DT_MS)
    waveforms = by_id(dataset)
    assert list(waveforms) == sorted(ONSETS)
    for stim_id, (onset_ms, _) in ONSETS.items():
        assert waveforms[stim_id].shape == (10 * HOP,)
        np.testing.assert_array_equal(waveforms[stim_id] * 2**15, on_bins(waveform(stim_id), onset_ms), err_msg=stim_id)
    dataset.validate()
    batch = neural_collate(items_of(dataset))
    assert tuple(batch["stims"].shape) == (len(ONSETS), 1, 50) and batch["responses"].shape[-1] == 10


def test_examples_by_hand(corpus: Path) -> None:
    waveforms = {
        name: (values * 2**15).tolist() for name, values in by_id(load(corpus, "counts", stimulus="waveform")).items()
    }
    assert waveforms["s01"] == [0] * 20 + list(range(101, 131))
    assert waveforms["s02"] == list(range(216, 251)) + [0] * 15
    assert waveforms["s03"] == waveforms["s04"] == waveforms["s09"] == [0] * 50
    assert waveforms["s05"] == [0] * 2 + list(range(501, 549))
    assert waveforms["s06"] == [0] * 3 + list(range(601, 648))
    assert waveforms["s07"] == list(range(704, 751)) + [0] * 3
    assert waveforms["s11"] == [0] * 7 + list(range(1101, 1121)) + [0] * 23


def test_responses_and_metadata_do_not_depend_on_the_kind_of_stimulus(corpus: Path) -> None:
    spectrograms, waveforms = load(corpus, "counts"), load(corpus, "counts", stimulus="waveform")
    assert waveforms.stim_meta == spectrograms.stim_meta and waveforms.nrn_meta == spectrograms.nrn_meta
    one, other = (neural_collate(items_of(dataset)) for dataset in (spectrograms, waveforms))
    assert one["responses"].shape == (len(ONSETS), len(SITES), *one["responses"].shape[2:])
    for key in ("responses", "valid_mask"):
        np.testing.assert_array_equal(one[key].numpy(), other[key].numpy())


def test_onsets_are_columns_and_metadata(corpus: Path) -> None:
    expected = {stim_id: float(onset_ms) for stim_id, (onset_ms, _) in ONSETS.items()}
    assert {row["stim_id"]: row["stim_audio_onset_ms"] for row in table_rows(corpus, "counts-stimuli")} == expected
    rows = table_rows(corpus, "counts")
    assert len(rows) == len(SITES) * len(ONSETS)
    assert all(row["stim_audio_onset_ms"] == expected[row["stim_id"]] for row in rows)
    assert {entry["stim_id"]: entry["audio_onset_ms"] for entry in load(corpus, "counts").stim_meta} == expected


# Resampled ------------------------------------------------------------------------------------------------------------


def tone(times: Array) -> Array:
    """Return a sound that is known at any time in seconds: two tones that swell and fade within 0.4 s."""
    envelope = np.where((times > 0) & (times < 0.4), np.sin(np.pi * times / 0.4) ** 2, 0)
    return envelope * (np.sin(2 * np.pi * 110 * times) + 0.5 * np.cos(2 * np.pi * 63 * times))


def encoded(samples: Array, rate: int) -> bytes:
    buffer = io.BytesIO()
    scipy.io.wavfile.write(buffer, rate, samples.astype(np.float32))
    return buffer.getvalue()


@pytest.mark.parametrize("onset_ms", [0.0, 35.0, -35.0, 350.0, None])
@pytest.mark.parametrize(("true_rate", "audio_fs"), [(4000, 1000), (1000, 2000), (1000.4, 1000), (4882.8125, 1600)])
def test_onsets_count_in_time_not_in_samples(true_rate: float, audio_fs: int, onset_ms: float | None) -> None:
    samples = tone(np.arange(round(0.4 * true_rate)) / true_rate)
    length = round(0.5 * audio_fs)
    found = waveform_on_bins(encoded(samples, round(true_rate)), "tone", true_rate, audio_fs, length, onset_ms)
    assert found.dtype == np.float32 and found.shape == (length,)
    onset = (onset_ms or 0) / 1000
    np.testing.assert_allclose(found, tone(np.arange(length) / audio_fs - onset), atol=5e-3)
    begin = round(onset * audio_fs)
    assert not found[: max(0, begin)].any()
    assert not found[begin + round(0.4 * audio_fs) + 2 :].any()


@given(
    length=st.integers(1, 30), n_bins=st.integers(1, 6), onset_ms=st.integers(-400, 400).map(lambda tenth: tenth / 10)
)
@property_settings
def test_every_sample_that_fits_is_kept_and_the_rest_is_silence(length: int, n_bins: int, onset_ms: float) -> None:
    samples = np.arange(1, length + 1)
    found = waveform_on_bins(encoded(samples, RATE), "s", RATE, RATE, n_bins * HOP, onset_ms)
    assert found.tolist() == on_bins(samples, onset_ms, length=n_bins * HOP)


@pytest.mark.parametrize(("true_rate", "audio_fs"), [(1000, 1000), (8000, 1000)])
@pytest.mark.parametrize("length", [0, 1])
def test_hardly_a_waveform(true_rate: int, audio_fs: int, length: int) -> None:
    found = waveform_on_bins(encoded(np.ones(length), true_rate), "short", true_rate, audio_fs, 10, 3.0)
    assert found.shape == (10,) and not np.delete(found, 3).any() and np.isfinite(found).all()


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("onset_ms", [float("nan"), float("inf"), -float("inf"), None, "10"], ids=str)
def test_onsets_that_are_no_time_are_not_built(tmp_path: Path, onset_ms: Any) -> None:
    with pytest.raises(BuilderContractError, match="begin at some time") as caught:
        built(tmp_path, s03={"audio_onset_ms": onset_ms})
    assert caught.value.field == "audio_onset_ms of s03" and caught.value.found == repr(onset_ms)
    assert not (tmp_path / "out").exists()


def test_a_stimulus_without_waveform_has_no_onset_and_cannot_be_loaded_as_one(tmp_path: Path) -> None:
    out = built(tmp_path, s02={"waveform": None, "sample_rate_hz": None, "audio_onset_ms": float("nan")})
    onsets = {entry["stim_id"]: entry["audio_onset_ms"] for entry in load(out, "counts").stim_meta}
    assert onsets.pop("s02") is None and None not in onsets.values()
    with pytest.raises(GridError, match="no waveform") as caught:
        load(out, "counts", stimulus="waveform")
    assert caught.value.field == "s02" and "spectrogram" in str(caught.value.mend)


@pytest.mark.parametrize("onset_ms", [float("nan"), float("inf")])
def test_tables_with_onsets_that_are_no_time(tmp_path: Path, onset_ms: float) -> None:
    out = built(tmp_path)
    rewrite(
        one_file(out, "counts-stimuli"),
        table=lambda table: with_column(table, "stim_audio_onset_ms", lambda onsets: [onset_ms for _ in onsets]),
    )
    with pytest.raises(TableFormatError, match="onset of a waveform") as caught:
        load(out, "counts", stimulus="waveform")
    assert caught.value.field == "s00"


def test_tables_without_an_onset_begin_with_the_first_bin(tmp_path: Path) -> None:
    out = built(tmp_path)
    rewrite(
        one_file(out, "counts-stimuli"),
        table=lambda table: with_column(table, "stim_audio_onset_ms", lambda onsets: [None for _ in onsets]),
    )
    for stim_id, values in by_id(load(out, "counts", stimulus="waveform")).items():
        assert (values * 2**15).tolist() == on_bins(waveform(stim_id), 0.0)
