"""Comparisons of our data set with deepSTRF's: what counts as equal, and what a fault of ours leads to."""

from __future__ import annotations

import json
import math
import stat
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import deepstrf_hf
from scripts import parity_with_deepstrf
from scripts.parity import fits, on_both, transforms
from scripts.parity.adapter import DraftedDataset
from scripts.parity.comparison import Comparison
from scripts.parity.equality import compared
from scripts.parity.fitters import equal
from scripts.parity.recordings import BINS, COMPLETE, DT_MS, N_BANDS, N_NEURONS, Arrays, our_dataset, simulate

numbers = st.floats(allow_nan=True, allow_infinity=True, width=32)
nested = st.recursive(
    numbers | st.lists(numbers, min_size=1, max_size=4).map(torch.tensor),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(nested)
def test_a_result_equals_itself(result: Any) -> None:
    said = compared(result, result)
    assert said["largest_difference"] == 0
    assert 0 <= said["finite"] <= said["values"]


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=5), st.data())
def test_the_largest_difference_is_that_of_a_loop(values: list[float], data: st.DataObject) -> None:
    others = [data.draw(st.just(value) | st.floats(-100, 100)) for value in values]
    expected = max(abs(one - two) / max(1, abs(one), abs(two)) for one, two in zip(values, others, strict=True))
    said = compared({"b": np.array(values)}, {"b": np.array(others)})
    assert said["largest_difference"] == pytest.approx(expected)
    assert (said["values"], said["finite"]) == (len(values), len(values))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ([1.0, math.nan], [1.0, 2.0]),
        ([1.0, 2.0], [1.0, math.nan]),
        ([math.inf], [-math.inf]),
        ([math.inf], [1e30]),
        ([1.0], [1.0, 2.0]),
        ([], [1.0]),
        (torch.zeros(2, 3), torch.zeros(3, 2)),
    ],
)
def test_nan_infinities_and_shapes_count(ours: Any, theirs: Any) -> None:
    assert compared(ours, theirs)["largest_difference"] == math.inf


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        ({"finite": 3, "largest_difference": 0.0, "tolerance": 0.0}, True),
        ({"finite": 3, "largest_difference": 1e-7, "tolerance": 0.0}, False),
        ({"finite": 3, "largest_difference": 1e-7, "tolerance": 1e-5}, True),
        ({"finite": 0, "largest_difference": 0.0, "tolerance": 0.0}, False),
        ({"error": "GridError: no", "tolerance": 0.0}, False),
    ],
)
def test_what_is_equal(one: dict[str, Any], expected: bool) -> None:
    assert equal(one) is expected


def test_the_recording_has_everything_that_makes_grids_ragged() -> None:
    arrays = simulate()
    responses = arrays.responses
    assert [stimulus.shape for stimulus in arrays.stims] == [(N_BANDS, bins) for bins in BINS]
    present = [response for row in responses for response in row if response is not None]
    assert len(present) < len(BINS) * N_NEURONS
    assert len({len(response) for response in present}) > 2
    assert any(np.isnan(response).any() for response in present)
    assert not any(
        np.isnan(response).any()
        for row in simulate(missing_samples=False).responses
        for response in row
        if response is not None
    )
    assert {response.shape for response in responses[COMPLETE] if response is not None} == {(4, BINS[COMPLETE])}
    assert all(response is not None for response in responses[COMPLETE])


def drafted(arrays: Arrays) -> DraftedDataset:
    """Make the recording as deepSTRF's data sets are made, here of our class."""
    dataset = DraftedDataset("simulated", DT_MS)
    dataset.F, dataset.N_neurons = N_BANDS, N_NEURONS
    dataset.stims, dataset.responses = arrays.stims, arrays.responses
    dataset.stim_meta, dataset.nrn_meta = [{} for _ in arrays.stims], [{} for _ in range(N_NEURONS)]
    if arrays.waveform:
        dataset.audio_fs, dataset.return_waveform = 16_000, True
    return dataset


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """Stand in for deepSTRF: its data set is ours, so that every comparison is equal until a test changes one."""
    package, utils = types.ModuleType("deepSTRF"), types.ModuleType("deepSTRF.utils")
    utils.data = types.SimpleNamespace(neural_collate=deepstrf_hf.neural_collate)
    monkeypatch.setitem(sys.modules, "deepSTRF", package)
    monkeypatch.setitem(sys.modules, "deepSTRF.utils", utils)
    monkeypatch.setattr(on_both, "peer_dataset", drafted)
    return utils.data


def own_comparisons() -> list[Comparison]:
    """Comparisons that need no model of deepSTRF's."""
    return [one for one in fits.comparisons() if one.name.startswith("batches")] + list(transforms.comparisons())


def test_comparisons_have_names_of_their_own() -> None:
    names = [one.name for one in (*fits.comparisons(), *transforms.comparisons())]
    assert len(set(names)) == len(names)
    assert sum(name.startswith("fit of") for name in names) >= len(fits.MODELS)


@pytest.mark.parametrize("comparison", own_comparisons(), ids=lambda comparison: comparison.name)
def test_two_datasets_of_the_same_arrays_are_equal(comparison: Comparison, peer: Any) -> None:
    said = on_both.made(comparison)
    assert "error" not in said, said
    assert equal(said)
    assert said["finite"] > 10


@pytest.mark.parametrize("comparison", own_comparisons(), ids=lambda comparison: comparison.name)
def test_one_changed_value_is_found(comparison: Comparison, peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(arrays: Arrays) -> Any:
        for array in (arrays.stims[0], arrays.responses[COMPLETE][0]):
            array[..., 3] += 50
        return our_dataset(arrays)

    monkeypatch.setattr(on_both, "our_dataset", changed)
    # Made of a recording of its own, so that the change does not reach the other.
    monkeypatch.setattr(
        on_both, "peer_dataset", lambda arrays: drafted(simulate(arrays.waveform, comparison.missing_samples))
    )
    assert not equal(on_both.made(comparison))


def test_an_error_on_our_dataset_is_a_result(peer: Any) -> None:
    def measure(dataset: Any, collate: Any) -> Any:
        if not isinstance(dataset, DraftedDataset):
            raise ValueError("not as it is")
        return [1.0]

    said = on_both.made(Comparison("strict", measure))
    assert said == {"name": "strict", "tolerance": 0.0, "error": "ValueError: not as it is"}


def test_an_error_on_the_peers_dataset_is_not(peer: Any) -> None:
    def measure(dataset: Any, collate: Any) -> Any:
        raise ValueError("incomplete environment")

    with pytest.raises(ValueError, match="incomplete"):
        on_both.made(Comparison("broken", measure))


@pytest.mark.parametrize(("difference", "expected"), [(0.0, 0), (0.5, 1), (math.inf, 1)])
def test_the_script_says_which_are_equal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], difference: float, expected: int
) -> None:
    lines = [
        {"name": "first", "tolerance": 0.0, "values": 4000, "finite": 3000, "largest_difference": 0.0},
        {"name": "second", "tolerance": 0.1, "values": 2, "finite": 2, "largest_difference": difference},
    ]
    python = tmp_path / "python"
    said = "\n".join(["a warning of the peer", *map(json.dumps, lines)])
    python.write_text(
        f"#!{sys.executable}\nimport sys\nassert sys.argv[1] == '-m'\nprint({said!r})\n", encoding="utf-8"
    )
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    assert parity_with_deepstrf.main(["fitters", "--peer-python", str(python)]) == expected
    first, second = capsys.readouterr().out.splitlines()[2:]
    assert first == "| first | 4,000 | 3,000 | 0 | 0 | equal |"
    assert second.endswith("| not equal |" if expected else "| equal |")


def test_a_peer_that_fails_on_its_own_is_not_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!{sys.executable}\nraise SystemExit('nothing here')\n", encoding="utf-8")
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    assert parity_with_deepstrf.main(["fitters", "--peer-python", str(python)]) == 2
    assert "nothing here" in capsys.readouterr().err
