"""Published preprocessing: the kernel by hand, smoothing against NumPy's convolution, and when it happens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import neural_collate
from deepstrf_hf.errors import ParameterError, UnknownNameError
from deepstrf_hf.preprocessing import steps_from_json, steps_to_json
from deepstrf_hf.responses.preprocessing import HanningSmooth
from tests.grid.examples import (
    Array,
    dataset_of,
    items_of,
    joined,
    packed,
    property_settings,
    response_of,
    toy,
    toy_pairs,
    with_plain_lists,
)

EXAMPLE = [0, 0, 1, 0, 0, 0, 2]


def convolved(response: Array, kernel: Any) -> Array:
    """Convolve every trial with a kernel of odd length, zero-padded, same length, in double precision."""
    half = len(kernel) // 2
    rows = [
        np.convolve(trial.astype(np.float64), kernel)[half : half + len(trial)]
        for trial in np.reshape(response, (-1, response.shape[-1]))
    ]
    return np.reshape(rows, response.shape)


@pytest.mark.parametrize(
    ("dt_ms", "smoothed"),
    [(5, [0, 0.5, 1, 0.5, 0, 1, 2]), (7, EXAMPLE), (10, EXAMPLE), (50, EXAMPLE), (5.1, [0, 0.5, 1, 0.5, 0, 1, 2])],
)
def test_the_examples_of_the_paradigm(dt_ms: float, smoothed: list[float]) -> None:
    result = HanningSmooth(21.0).apply(np.array(EXAMPLE, np.float32), dt_ms)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, smoothed, atol=1e-7)


@pytest.mark.parametrize(
    ("window_ms", "dt_ms", "kernel"),
    [
        (21, 5, [0, 0.5, 1, 0.5, 0]),  # K = 4, one more because even
        (25, 5, [0, 0.5, 1, 0.5, 0]),
        (21, 7, [0, 1, 0]),
        (21, 10, [0, 1, 0]),  # K = 2, one more
        (21, 50, [1]),  # K = 0, at least 1
        (21, 21, [1]),
        (70, 10, [0, 0.25, 0.75, 1, 0.75, 0.25, 0]),
    ],
)
def test_kernels_by_hand(window_ms: float, dt_ms: float, kernel: list[float]) -> None:
    result = HanningSmooth(window_ms).kernel(dt_ms)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, kernel, atol=1e-7)
    unit = HanningSmooth(window_ms, gain="unit").kernel(dt_ms)
    np.testing.assert_allclose(unit, np.array(kernel) / sum(kernel), atol=1e-7)


@pytest.mark.parametrize(("dt_ms", "gain"), [(1, 10), (2, 5), (5, 2), (7, 1), (10, 1)])
def test_the_published_kernel_is_not_normalised(dt_ms: float, gain: float) -> None:
    assert HanningSmooth(21.0).kernel(dt_ms).sum() == pytest.approx(gain, abs=1e-5)
    assert HanningSmooth(21.0, gain="unit").kernel(dt_ms).sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    "shape", [(1,), (2,), (3,), (30,), (4, 1), (4, 2), (3, 50), (2, 3, 25), (0, 7), (3, 0), (0, 0)]
)
@pytest.mark.parametrize("step", [HanningSmooth(21.0), HanningSmooth(90.0, gain="unit")])
@pytest.mark.parametrize("dt_ms", [1, 2, 5, 10])
def test_smoothing_is_convolution(shape: tuple[int, ...], step: HanningSmooth, dt_ms: float) -> None:
    values = np.random.default_rng(3).random(shape, np.float32)
    before = values.copy()
    length = max(1, int(step.window_ms / dt_ms))
    length += length % 2 == 0
    ramp = np.arange(length)
    kernel = 0.5 - 0.5 * np.cos(2 * np.pi * ramp / (length - 1)) if length > 1 else np.ones(1)
    expected = convolved(values, kernel / (kernel.sum() if step.gain == "unit" else 1)) if values.size else values
    result = step.apply(values, dt_ms)
    assert result.shape == shape and result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(values, before)


def test_a_missing_sample_spreads_no_further_than_the_window() -> None:
    values = np.arange(1, 10, dtype=np.float32)
    values[4] = np.nan
    result = HanningSmooth(21.0).apply(values, 5)
    assert np.flatnonzero(np.isnan(result)).tolist() == [3, 4, 5]  # the outermost weights of the window are 0
    without = convolved(np.nan_to_num(values), [0, 0.5, 1, 0.5, 0])
    np.testing.assert_allclose(result[[0, 1, 2, 6, 7, 8]], without[[0, 1, 2, 6, 7, 8]], rtol=1e-6)


@pytest.mark.parametrize("window_ms", [0, -1, np.nan, np.inf])
def test_windows_that_make_no_sense(window_ms: float) -> None:
    with pytest.raises(ParameterError, match="must be positive") as caught:
        HanningSmooth(window_ms)
    assert caught.value.field == "window_ms" and str(caught.value.found) == str(window_ms)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("gain", ["Unit", "", "sum", None, 1])
def test_unknown_gains(gain: Any) -> None:
    with pytest.raises(ParameterError, match="Unknown gain") as caught:
        HanningSmooth(21.0, gain=gain)
    assert (caught.value.field, caught.value.found) == ("gain", gain)
    assert caught.value.expected == "'published' or 'unit'"


def test_steps_describe_themselves() -> None:
    published, unit = HanningSmooth(21.0).describe(), HanningSmooth(10.5, gain="unit").describe()
    assert "21 ms" in published and "not normalised" in published
    assert "10.5 ms" in unit and "unit sum" in unit and "not normalised" not in unit


@pytest.mark.parametrize(
    "steps", [(), (HanningSmooth(21.0),), (HanningSmooth(9.5, gain="unit"), HanningSmooth(21.0), HanningSmooth(21.0))]
)
def test_steps_survive_plain_data(steps: tuple[HanningSmooth, ...]) -> None:
    entries = steps_to_json(steps)
    assert all(entry["step"] == "hanning_smooth" for entry in entries)
    assert steps_from_json(entries) == steps
    assert all(set(entry) == {"step", "window_ms", "gain"} for entry in entries)  # reading left them as they were


@pytest.mark.parametrize("entry", [{"step": "hanning_smoth", "window_ms": 21.0}, {"window_ms": 21.0}])
def test_unknown_steps(entry: dict[str, Any]) -> None:
    with pytest.raises(UnknownNameError, match="preprocessing step") as caught:
        steps_from_json([entry])
    assert caught.value.field == "preprocessing"
    if "step" in entry:
        assert "'hanning_smooth'" in str(caught.value.mend)


# When responses are handed out ----------------------------------------------------------------------------------------


def counts() -> dict[tuple[int, int], Array]:
    generator = np.random.default_rng(4)
    shapes = {(0, 0): (2, 12), (0, 1): (4, 12), (1, 1): (3, 9)}
    return {pair: generator.integers(0, 200, shape, dtype=np.uint8) for pair, shape in shapes.items()}


@pytest.mark.parametrize("reverse", [False, True], ids=["contiguous", "gathered"])
def test_storage_smooths_what_it_hands_out_and_keeps_what_it_has(reverse: bool) -> None:
    entries = [(*pair, response) for pair, response in counts().items()]
    grid = packed(reversed(entries) if reverse else entries, 2, 2, steps=(HanningSmooth(21.0),))
    stored = grid.values.copy()
    smoothed = {pair: convolved(response, [0, 0.5, 1, 0.5, 0]) for pair, response in counts().items()}
    for (stimulus, neuron), expected in smoothed.items():
        np.testing.assert_allclose(response_of(grid, stimulus, neuron), expected, rtol=1e-6)
    rows = grid.rows(0, grid.find(0, np.array([1, 0])))
    np.testing.assert_allclose(joined(rows), np.concatenate([smoothed[0, 1], smoothed[0, 0]]), rtol=1e-6)
    assert grid.values.dtype == np.uint8
    np.testing.assert_array_equal(grid.values, stored)


def test_datasets_smooth_responses_items_and_batches() -> None:
    dataset = dataset_of(counts(), [12, 9], 2, preprocessing=[HanningSmooth(21.0)])
    assert dataset.preprocessing == (HanningSmooth(21.0),)
    items = items_of(dataset)
    batches = [neural_collate(items), neural_collate(with_plain_lists(items))]
    for (stimulus, neuron), response in counts().items():
        expected = convolved(response, [0, 0.5, 1, 0.5, 0])
        trials, bins = expected.shape
        np.testing.assert_allclose(dataset.responses[stimulus][neuron].numpy(), expected, rtol=1e-6)
        np.testing.assert_allclose(items[stimulus]["responses"][neuron].numpy(), expected, rtol=1e-6)
        for batch in batches:
            np.testing.assert_allclose(batch["responses"][stimulus, neuron, :trials, :bins], expected, rtol=1e-6)
            assert int(batch["valid_mask"][stimulus, neuron].sum()) == trials * bins


def test_steps_are_done_in_order_and_with_the_width_of_the_grid() -> None:
    steps = [HanningSmooth(21.0), HanningSmooth(35.0)]
    dataset = dataset_of(counts(), [12, 9], 2, preprocessing=steps)
    expected = convolved(convolved(counts()[0, 1], [0, 0.5, 1, 0.5, 0]), [0, 0.25, 0.75, 1, 0.75, 0.25, 0])
    np.testing.assert_allclose(dataset.responses[0][1].numpy(), expected, rtol=1e-5)
    wide = dataset_of(counts(), [12, 9], 2, dt_ms=10, preprocessing=steps[:1])
    np.testing.assert_array_equal(wide.responses[0][1].numpy(), counts()[0, 1])


def test_smoothing_does_not_change_who_heard_what() -> None:
    assert toy(preprocessing=[HanningSmooth(21.0)]).nrn_masks.tolist() == toy().nrn_masks.tolist()
    smoothed = toy(preprocessing=[HanningSmooth(21.0)]).responses[1][1]
    np.testing.assert_allclose(smoothed, convolved(toy_pairs()[1, 1], [0.5, 1, 0.5]), rtol=1e-6)


@given(
    values=st.lists(st.integers(0, 255), min_size=1, max_size=40),
    window_ms=st.integers(1, 60),
    dt_ms=st.sampled_from([1, 2, 3, 5, 8]),
)
@property_settings
def test_smoothing_equals_convolution_for_any_window(values: list[int], window_ms: int, dt_ms: int) -> None:
    length = max(1, window_ms // dt_ms)
    length += 1 - length % 2
    kernel = [1.0] if length == 1 else [np.sin(np.pi * index / (length - 1)) ** 2 for index in range(length)]
    response = np.array([values], np.float32)
    expected = convolved(response, kernel)
    np.testing.assert_allclose(HanningSmooth(window_ms).apply(response, dt_ms), expected, rtol=1e-4, atol=1e-3)
