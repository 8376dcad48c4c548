"""Published scaling at load: stored ranges, whatever is loaded; divisions that recordings tell."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import datasets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deepstrf_hf
from deepstrf_hf import NeuralDataset, build, load, neural_collate, stream
from deepstrf_hf.errors import BuilderContractError, GridError, ParameterError
from deepstrf_hf.features.scaling import LogCompress, ScaleBands
from deepstrf_hf.responses.scaling import ScaleResponses
from tests.scaled_toy import PLAYED, SUBSETS, ScaledToy, range_of, response, spectrogram
from tests.toy import write_toy

NEURONS = ["site_a-n0", "site_a-n1", "site_b-n0", "site_b-n1"]
RECORDING = {"s0": PLAYED["site_a"], "s1": ["s0", "s1", "s2"], "s2": PLAYED["site_b"]}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scaled")
    build(ScaledToy, data_dir=write_toy(root / "raw"), out=root / "built")
    return root / "built"


def compressed(values: np.ndarray, d: float) -> np.ndarray:
    return np.log((values.astype(np.float64) + d) / d)


def published(name: str) -> np.ndarray:
    low, high = compressed(range_of(RECORDING[name], gaps=True), 0.1).T[:, :, None]
    scaled = (compressed(spectrogram(name), 0.1) - low) / (high - low)
    return np.where(scaled < 1e-6, 0, scaled)


def as_in_deepstrf(name: str) -> np.ndarray:
    whole = compressed(np.concatenate([spectrogram(each) for each in ("s0", "s1", "s2")], axis=1), 1)
    return (compressed(spectrogram(name), 1) - whole.min()) / (whole.max() - whole.min())


# Stimuli --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("preprocessing", "expected"), [("published", published), ("deepstrf", as_in_deepstrf)])
@pytest.mark.parametrize("split", [None, "train", "test"])
def test_spectrograms_are_scaled_by_stored_ranges_whatever_is_loaded(
    built: Path, preprocessing: str, expected: Any, split: str | None
) -> None:
    dataset = load(built, split=split, preprocessing=preprocessing)
    assert [meta["stim_id"] for meta in dataset.stim_meta] == {
        None: ["s0", "s1", "s2"], "train": ["s0", "s1"], "test": ["s1", "s2"]
    }[split]  # fmt: skip
    for meta, stimulus in zip(dataset.stim_meta, dataset.stims, strict=True):
        np.testing.assert_allclose(stimulus[0], expected(meta["stim_id"]), rtol=2e-6, atol=1e-6)
        assert float(stimulus.min()) >= 0 and float(stimulus.max()) <= 1


def test_without_preprocessing_spectrograms_are_as_stored(built: Path) -> None:
    dataset = load(built, preprocessing=None)
    for meta, stimulus in zip(dataset.stim_meta, dataset.stims, strict=True):
        np.testing.assert_array_equal(stimulus[0], spectrogram(meta["stim_id"]))
    rows = datasets.load_dataset(str(built), "all-stimuli", split="train").to_list()
    for row in rows:
        np.testing.assert_array_equal(np.array(row["spectrogram"], np.float32), spectrogram(row["stim_id"]))
        low_high = np.array([row["band_min_recording"], row["band_max_recording"]], np.float32).T
        np.testing.assert_array_equal(low_high, range_of(RECORDING[row["stim_id"]], gaps=True))


def test_ranges_are_no_metadata_of_stimuli(built: Path) -> None:
    for dataset in (load(built), stream(built)):
        meta = next(iter(dataset))["stim_meta"]
        assert "site" in meta and not any(name.startswith("band_") for name in meta)


def test_a_band_without_range_becomes_zero() -> None:
    flat = np.full((2, 5), 3.0, np.float32)
    limits = np.array([[3, 3], [1, 5]], np.float32)
    assert ScaleBands("x").scale(flat, limits).tolist() == [[0.0] * 5, [0.5] * 5]


@given(st.floats(-40, 40))
def test_the_offset_of_the_compression(offset: float) -> None:
    beyond = max(0.0, abs(offset) - 2)
    exponent = np.sign(offset) * (abs(offset) - beyond + beyond / 50)
    d = 10.0**exponent
    values = np.array([[0.0, 0.5, 30.0]], np.float32)
    np.testing.assert_allclose(LogCompress(offset).apply(values), np.log((values + d) / d), rtol=1e-4, atol=1e-6)


# Responses ------------------------------------------------------------------------------------------------------------


def all_of(neuron: str) -> np.ndarray:
    return np.concatenate([response(neuron, name).ravel() for name in PLAYED[neuron[:6]]])


def test_responses_are_scaled_by_columns_of_the_neurons(built: Path) -> None:
    dataset = load(built)
    for position, meta in enumerate(dataset.stim_meta):
        for number, neuron in enumerate(NEURONS):
            if meta["stim_id"] in PLAYED[neuron[:6]]:
                counts = response(neuron, meta["stim_id"])
                low, high = all_of(neuron).min(), 2 * all_of(neuron).max()
                expected = counts if high <= low else (counts - low) / (high - low)
                np.testing.assert_allclose(dataset.responses[position][number], expected, rtol=1e-6)


def test_one_subset_may_be_scaled_and_another_not(built: Path) -> None:
    everything = np.concatenate([all_of(neuron) for neuron in NEURONS])
    dataset = load(built, preprocessing="deepstrf")
    for position, meta in enumerate(dataset.stim_meta):
        for number, neuron in enumerate(NEURONS):
            name = meta["stim_id"]
            if name in PLAYED[neuron[:6]]:
                counts = response(neuron, name)
                # s1 is in no one subset: the sites differ
                expected = counts / everything.max() if name == "s0" else counts
                np.testing.assert_allclose(dataset.responses[position][number], expected, rtol=1e-6)
    assert dataset.preprocessing == ()


@pytest.mark.parametrize("preprocessing", ["published", "deepstrf", None])
@pytest.mark.parametrize("neurons", [None, ["site_b-n0"], ["site_a-n1", "site_b-n1"]])
def test_a_stream_gives_what_the_grid_gives(built: Path, preprocessing: str | None, neurons: Any) -> None:
    grid = load(built, preprocessing=preprocessing)
    chosen = [NEURONS.index(name) for name in neurons or NEURONS]
    position = {meta["stim_id"]: number for number, meta in enumerate(grid.stim_meta)}
    items = list(stream(built, preprocessing=preprocessing, neurons=neurons))
    heard = 0
    for item in pickle.loads(pickle.dumps(items)):  # noqa: S301 (our own)
        number = position[item["stim_meta"]["stim_id"]]
        np.testing.assert_array_equal(item["stims"], grid.stims[number])
        for own, neuron in enumerate(chosen):
            if item["responses"][own].shape != (1, 1):
                heard += 1
                np.testing.assert_array_equal(item["responses"][own], grid.responses[number][neuron])
    assert heard == 2 * len(chosen)


def test_views_concatenations_and_batches_keep_the_scaling(built: Path) -> None:
    dataset = load(built)
    view = dataset.where(neurons=["site_b-n0"])
    whole = deepstrf_hf.concat_neural_datasets([load(built), load(built)])
    for other, stimulus, neuron in ((view, 2, 2), (whole, 5, 6)):
        np.testing.assert_array_equal(other.responses[stimulus][neuron], dataset.responses[2][2])
    batch = neural_collate([dataset[0], dataset[2]])
    np.testing.assert_array_equal(batch["responses"][1, 2, :4, :7], dataset.responses[2][2])


def test_from_arrays_takes_steps_for_both() -> None:
    counts = np.arange(12, dtype=np.uint8).reshape(1, 2, 6)
    dataset = NeuralDataset.from_arrays(
        [np.ones((2, 6), np.float32)], [counts], nrn_meta=[{"low": 0.0, "high": 11.0}], dt_ms=10,
        preprocessing=[LogCompress(), ScaleResponses("low", "high")],
    )  # fmt: skip
    np.testing.assert_allclose(dataset.stims[0], np.full((1, 2, 6), np.log(11)), rtol=1e-6)
    np.testing.assert_allclose(dataset.responses[0][0], counts[0] / 11, rtol=1e-6)


# Divisions ------------------------------------------------------------------------------------------------------------


def test_a_stimulus_may_be_held_out_at_one_site_only(built: Path) -> None:
    for split, word in (("train", "est"), ("test", "val")):
        rows = datasets.load_dataset(str(built), "all", split=split).to_list()
        pairs = {(row["neuron_id"], row["stim_id"]) for row in rows}
        assert pairs == {
            (f"{site}-n{number}", name) for (site, name), of in SUBSETS.items() if of == word for number in (0, 1)
        }
        assert {row["subset"] for row in rows} == {word}
    stimuli = datasets.load_dataset(str(built), "all-stimuli", split="train").to_list()
    assert {row["stim_id"]: row["subset"] for row in stimuli} == {"s0": "est", "s1": None, "s2": "val"}


def test_what_one_site_holds_out_counts_as_held_out(built: Path) -> None:
    splits = load(built).splits
    assert list(splits["test"]) == ["s1", "s2"]


# Refusals -------------------------------------------------------------------------------------------------------------


def test_a_range_that_the_stimuli_lack(built: Path) -> None:
    for opened in (load, stream):
        with pytest.raises(GridError, match="range of bands.*Field: cohort_wide"):
            opened(built, preprocessing=[ScaleBands("cohort_wide")])
    with pytest.raises(GridError, match="carry no ranges"):
        NeuralDataset.from_arrays([np.ones((2, 6))], [], dt_ms=10, n_neurons=1, preprocessing=[ScaleBands("recording")])


def test_a_column_that_the_neurons_lack(built: Path) -> None:
    for opened in (load, stream):
        with pytest.raises(GridError, match=r"column that the neurons lack\. Field: loudest\..*recording_max"):
            opened(built, preprocessing=[ScaleResponses("response_min", "loudest")])


@dataclass(frozen=True)
class Halved:
    """Leaves out every other bin."""

    applies_to: ClassVar[str] = "stimuli"

    def apply(self, spectrogram: np.ndarray) -> np.ndarray:
        return spectrogram[:, ::2]


def test_a_step_that_changes_the_shape(built: Path) -> None:
    with pytest.raises(GridError, match=r"changed the shape.*Halved.*\(3, 4\).*\(3, 7\)"):
        load(built, preprocessing=[Halved()])


@pytest.mark.parametrize(
    "make",
    [
        lambda: ScaleBands("x", over="site"),
        lambda: ScaleBands("x", bands="some"),
        lambda: ScaleResponses(over="trial"),
        lambda: LogCompress(float("nan")),
    ],
)
def test_words_that_mean_nothing(make: Any) -> None:
    with pytest.raises(ParameterError):
        make()


def broken_builder(**changes: Any) -> type[ScaledToy]:
    class Broken(ScaledToy):
        @classmethod
        def recordings(cls, raw: Any, cohort: Any, config: Any, part: Any, log: Any) -> Any:
            for recording in super().recordings(raw, cohort, config, part, log):
                for target in (recording.stimulus, recording):
                    for name, value in changes.items():
                        if hasattr(target, name):
                            object.__setattr__(target, name, value)
                yield recording

    return Broken


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subset": "fit"}, "division.*'fit'.*'est' or 'val'"),
        ({"subset": None}, "division.*None"),
        ({"band_ranges": {}}, r"other ranges.*\[\].*recording"),
        ({"band_ranges": {"recording": np.zeros((2, 2)), "tiles": np.zeros((3, 2))}}, r"finite low and high.*\(2, 2\)"),
        ({"band_ranges": dict.fromkeys(("recording", "tiles"), np.array([[1, 0]] * 3))}, "low <= high"),
        ({"band_ranges": dict.fromkeys(("recording", "tiles"), np.full((3, 2), np.nan))}, "finite low and high"),
    ],
)
def test_builders_that_break_the_contract(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BuilderContractError, match=message):
        build(broken_builder(**changes), data_dir=write_toy(tmp_path / "raw"), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
