"""The examples, run as a user runs them: each by itself, in an empty folder."""

import ast
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jupytext
import matplotlib.image
import numpy as np
import pyarrow.dataset
import pytest

from tests.raw_writers.ns1 import write_ns1

FOLDER = Path(__file__).resolve().parents[2] / "examples"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "recordings")


def run(name: str, directory: Path, **variables: str) -> dict[str, Any]:
    """Run an example in a directory and return the numbers that it wrote."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DATA")}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "OUT": "out", "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    environment |= variables
    command = [sys.executable, str(FOLDER / f"{name}.py")]
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    numbers: dict[str, Any] = json.loads((directory / "out" / f"{name}.json").read_text(encoding="utf-8"))
    return numbers


def assert_drawn(directory: Path, *names: str) -> None:
    """Check that figures are there, of the size of a figure, and not of one colour."""
    for name in names:
        pixels = matplotlib.image.imread(directory / "out" / f"{name}.png")
        assert min(pixels.shape[:2]) > 300 and pixels[..., :3].std() > 0.05


def test_ridge_finds_the_best_frequencies_of_simulated_units(tmp_path: Path) -> None:
    truth = write_ns1(tmp_path / "raw", seed=3, n_units=7)
    numbers = run("ridge_strf_ns1", tmp_path, DATA="raw")
    assert numbers["synthetic"] is False and numbers["units"] == 7
    assert (numbers["clips to fit"], numbers["clips to test"]) == (16, 4)
    found = {unit["cell_id"]: unit for unit in numbers["per unit"]}
    assert len(found) == 7
    responsive = [row["path"].removesuffix(".mat") for row in truth.metadata if row["singleT"] != "No"]
    assert len(responsive) >= 4
    for cell_id in responsive:
        unit = found[cell_id]
        octaves = np.log2(unit["best_frequency_hz"] / truth.best_frequency_hz[f"{cell_id}.mat"])
        assert abs(octaves) < 0.4
        assert 5 <= unit["latency_ms"] <= 40
        assert unit["cc_norm"] > 0.5
        assert unit["cc_raw"] < unit["cc_norm"] and unit["cc_raw"] < unit["cc_max"] + 0.05
    assert 0.5 < numbers["all units: mean cc_norm"] < 1
    assert_drawn(tmp_path, "ridge_strf_ns1", "ridge_strf_ns1_ceiling")


def test_the_recurrent_model_learns_from_a_stream(tmp_path: Path) -> None:
    numbers = run("gru_streamed", tmp_path)
    assert numbers["synthetic"] is True and numbers["workers"] == 2
    training, validation = numbers["training loss"], numbers["validation loss"]
    assert training[-1] < training[0] - 0.01
    assert min(validation) < validation[0] - 0.005 and numbers["best epoch"] > 0
    assert numbers["GRU: mean cc_raw"] > 0.25
    assert numbers["GRU: mean cc_norm"] > 0.3
    assert numbers["ridge: mean cc_norm"] > 0.5
    assert_drawn(tmp_path, "gru_streamed")


def test_questions_to_parquet_have_the_answers_of_the_grid(tmp_path: Path) -> None:
    numbers = run("parquet_questions", tmp_path)
    assert numbers["agree with the grid"] == [
        "ccmax of the good neurons",
        "number of good neurons",
        "spikes per trial, test",
        "spikes per trial, train",
        "PSTH",
        "spike-triggered average",
    ]
    rows = pyarrow.dataset.dataset(tmp_path / "out" / "ns1" / "a1").to_table(["subset", "response", "neuron_id"])
    assert "spectrogram" not in pyarrow.dataset.dataset(tmp_path / "out" / "ns1" / "a1").schema.names
    for subset in ("train", "test"):
        sums = [
            np.sum(response, axis=1)
            for response, of_row in zip(rows["response"].to_pylist(), rows["subset"].to_pylist(), strict=True)
            if of_row == subset
        ]
        assert numbers[f"spikes per trial, {subset}"] == pytest.approx(np.concatenate(sums).mean())
    assert 0 < len(numbers["good neurons"]) < len(set(rows["neuron_id"].to_pylist()))
    assert numbers["best neuron"] in numbers["good neurons"]
    assert 500 <= numbers["its best frequency (Hz)"] <= 22_700 and 0 <= numbers["its latency (ms)"] <= 50
    assert_drawn(tmp_path, "parquet_questions")


def test_corpora_are_pooled_where_they_agree(tmp_path: Path) -> None:
    numbers = run("pooling_corpora", tmp_path)
    refused = dict(numbers["refused"])
    assert list(refused) == ["as published", "the same bins", "the same bins and number of bands"]
    for message, quantity, mend in zip(
        refused.values(),
        ("bin widths", "numbers of frequency bands", "different centre frequencies"),
        ("dt_ms", "number of bands", "allow_different_bands=True"),
        strict=True,
    ):
        assert quantity in message and mend in message
    assert numbers["pairs"] > 0 and numbers["pairs across corpora"] == 0
    assert numbers["sounds"]["NS1"] == 20 and numbers["neurons"]["NS1"] == 8
    assert numbers["neurons"]["AA1"] > 8
    assert 8 < numbers["forebrain neurons"] < sum(numbers["neurons"].values())
    assert numbers["items per epoch"] == numbers["sounds"]  # each sound of each corpus, once
    for name, fall in (("NS1", 0.01), ("AA1", 0.003)):  # spikes of the synthetic AA1 do not follow the sound
        assert numbers[f"loss, {name}"][-1] < numbers[f"loss, {name}"][0] - fall
    assert 0 < numbers["neurons in both"] <= min(numbers["neurons of the cohorts"])
    assert numbers["neurons of their union"] == sum(numbers["neurons of the cohorts"]) - numbers["neurons in both"]
    assert_drawn(tmp_path, "pooling_coverage", "pooling_corpora")


def test_the_gradient_of_spikes_reaches_the_front_end(tmp_path: Path) -> None:
    numbers = run("waveform_front_end", tmp_path)
    assert numbers["spectrogram by"] == ("torchaudio" if importable("torchaudio") else "torch")
    assert numbers["samples per bin"] == 120
    assert numbers["responses are the same"] is True
    assert numbers["shift of the best match (bins)"] == 0 and numbers["correlation there"] > 0.5
    assert numbers["largest gradient on a centre"] > 1e-5
    assert numbers["centres moved by up to (octaves)"] > 0.02
    assert numbers["loss"][-1] < numbers["loss"][0] - 0.02
    assert numbers["test clips: mean cc_raw"] > 0.2
    assert_drawn(tmp_path, "waveform_front_end")


def test_a_torchaudio_that_does_not_fit_is_done_without(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "torchaudio.py").write_text('raise OSError("libtorchaudio.so: undefined symbol")\n', encoding="utf-8")
    numbers = run("waveform_front_end", tmp_path, PYTHONPATH=str(broken), EPOCHS="1")
    assert numbers["spectrogram by"] == "torch" and len(numbers["loss"]) == 1


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_is_a_notebook(name: str) -> None:
    cells = jupytext.read(FOLDER / f"{name}.py").cells
    assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# ")
    kinds = [cell.cell_type for cell in cells]
    assert kinds.count("markdown") >= 4 and kinds.count("code") >= 4
    for cell in cells:
        if cell.cell_type == "code":
            ast.parse(cell.source)


@pytest.mark.real
def test_ridge_on_real_recordings(real_data: Path, tmp_path: Path) -> None:
    numbers = run("ridge_strf_ns1", tmp_path, DATA=str(real_data / "ns1"))
    assert numbers["units"] == 119
    assert numbers["single units at known depth: mean cc_norm"] == pytest.approx(0.61, abs=0.03)


@pytest.mark.real
def test_the_recurrent_model_on_real_recordings(real_data: Path, tmp_path: Path) -> None:
    numbers = run("gru_streamed", tmp_path, DATA=str(real_data / "ns1"), EPOCHS="10")
    assert numbers["training loss"][-1] < numbers["training loss"][0]
    assert numbers["GRU: mean cc_norm, single units at known depth"] > 0.5


def importable(module: str) -> bool:
    """Return whether a module is there and can be imported."""
    if importlib.util.find_spec(module) is None:
        return False
    return subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True).returncode == 0
