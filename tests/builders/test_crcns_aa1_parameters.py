"""CRCNS AA1: its parameters and conditions."""

import datasets
import numpy as np
import pytest

import deepstrf_hf
from deepstrf_hf import build
from deepstrf_hf.errors import ParameterError, UnknownNameError
from deepstrf_hf.features.mel import mel_band_frequencies, mel_spectrogram
from tests.raw_writers.crcns_aa1 import write_crcns_aa1


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_crcns_aa1(tmp_path_factory.mktemp("raw"), seed=4, n_extra=0)


def built(written, tmp_path, **options):
    report = build("crcns_aa1", data_dir=written.root, out=tmp_path / "out", **options)
    (name, entry), *others = report.cohorts.items()
    assert not others
    return name, entry, tmp_path / "out"


@pytest.mark.parametrize(
    ("parameters", "suffix"),
    [
        ({"dt_ms": 5.0}, "-dt5"),
        ({"dt_ms": 2.3}, "-dt2.3"),
        ({"n_bands": 16, "compression": "log1p"}, "-compression_log1p-n_bands_16"),
        ({"window_ms": 20.0, "compression": "none"}, "-compression_none-window_ms_20"),
        ({"dt_ms": 2.3, "frames": "exact"}, "-dt2.3-frames_exact"),
    ],
)
def test_parameters_change_values_and_name(written, tmp_path, parameters, suffix):
    name, entry, out = built(written, tmp_path, parameters=parameters)
    assert name == f"all{suffix}"
    options = {"dt_ms": 1.0, **parameters}
    stimuli = datasets.load_dataset(str(out), f"{name}-stimuli", split="train")
    for row in stimuli.select_columns(["stim_name", "spectrogram"]):
        samples = (written.sounds[row["stim_name"]] / 32_768).astype(np.float32)
        np.testing.assert_array_equal(
            np.array(row["spectrogram"], np.float32), mel_spectrogram(samples, 32_000, **options)
        )
    width_us, pairs = round(options["dt_ms"] * 1000), written.pairs()
    table = datasets.load_dataset(str(out), name, split="train").select_columns(["stim_name", "neuron_id", "response"])
    for row in table.select(range(0, len(table), 7)):
        response = np.array(row["response"])
        for counts, trial in zip(response, pairs[row["stim_name"], row["neuron_id"]], strict=True):
            bins = [round(t * 1000) // width_us for t in trial]
            assert counts.tolist() == [bins.count(k) for k in range(response.shape[1])]
    slip = [note for note in entry.notes if "slip" in note]
    assert len(slip) == (1 if name == "all-dt2.3" else 0)
    if slip:
        assert f"{435 * (73 / 32 - 2.3):.2f} ms" in slip[0]


def test_bands_are_named_in_the_tables(written, tmp_path):
    name, _, out = built(written, tmp_path, parameters={"n_bands": 8})
    grid = deepstrf_hf.load(out, name)
    np.testing.assert_allclose(grid.band_frequencies_hz, mel_band_frequencies(32_000, 8), atol=1e-3)


def test_empty_bands_are_said(written, tmp_path):
    _, entry, _ = built(written, tmp_path, parameters={"n_bands": 64})
    assert any(note.startswith("Bands 0, 3 (from 0) are narrower") for note in entry.notes)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"compression": "db"}, "compression"),
        ({"frames": "sliding"}, "frames"),
        ({"n_bands": 0}, "n_bands"),
        ({"window_ms": 0.0}, "window_ms"),
        ({"dt_ms": 0.02}, "dt_ms"),
        ({"dt_ms": -1.0}, "dt_ms"),
        ({"dt_ms": "fast"}, "dt_ms"),
        ({"dt_ms": float("inf")}, "dt_ms"),
        ({"window_ms": 2000.0}, "window_ms"),
        ({"dt_ms": 20.0, "window_ms": 15.0}, "window_ms"),
    ],
)
def test_values_that_cannot_be_used_are_refused(written, tmp_path, parameters, field):
    with pytest.raises(ParameterError) as caught:
        built(written, tmp_path, parameters=parameters)
    assert field in caught.value.field
    assert not (tmp_path / "out").exists()


def test_unknown_parameters_are_refused_with_near_ones(written, tmp_path):
    with pytest.raises(UnknownNameError, match="n_bands"):
        built(written, tmp_path, parameters={"n_band": 8})


def test_conditions_keep_areas_classes_and_birds(written, tmp_path):
    _, entry, out = built(
        written,
        tmp_path,
        where={"neuron.area": "MLd", "stim.type": "conspecific", "neuron.animal_id": ["gg0304", "yy1617"]},
    )
    name = next(iter(entry.configs))
    rows = datasets.load_dataset(str(out), name, split="train")
    assert set(rows["neuron_id"]) == {"gg0304_4_A", "yy1617"}
    assert set(rows["neuron_area"]) == {"MLd"}
    assert set(rows["stim_type"]) == {"conspecific"}
    assert all("Field_L" not in file for file in entry.raw_sha256)
    assert not any("gg0304_10_B" in item for _, item, _ in entry.left_out)


def test_conditions_on_the_length_of_sounds_are_told_from_the_files(written, tmp_path):
    _, entry, out = built(written, tmp_path, where={"stim.n_samples": 16_000})
    rows = datasets.load_dataset(str(out), next(iter(entry.configs)), split="train")
    assert set(rows["stim_name"]) == {written.of_class("conspecific")[0]}


def test_sounds_that_a_condition_leaves_out_are_not_read(written, tmp_path):
    truth = write_crcns_aa1(tmp_path / "raw", n_extra=0)
    (truth.root / "all_stims" / "flatrip" / truth.of_class("flatrip")[0]).write_bytes(b"")
    _, entry, _ = built(truth, tmp_path, where={"stim.type": "conspecific"})
    assert entry.counts["stimuli"] == 3


def test_cells_that_a_condition_leaves_out_are_not_read(tmp_path):
    truth = write_crcns_aa1(tmp_path / "raw", n_extra=0)
    (truth.root / "Field_L_cells" / "gg0304_10_B" / "flatrip" / "spike1").write_text("damaged")
    (truth.root / "Field_L_cells" / "empty_1_B").mkdir()
    _, entry, _ = built(truth, tmp_path, where={"neuron.area": "MLd"})
    assert entry.counts["neurons"] == 4
