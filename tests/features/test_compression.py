"""Compression of spectrograms at load, against the formulas."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.features.compression import LogFloored, LogPlusOne, PowerLaw, StandardizeBands
from deepstrf_hf.preprocessing import steps_from_json, steps_to_json

LINEAR = hnp.arrays(np.float32, (3, 7), elements=st.floats(0, 1e6, width=32))
STEPS = (
    LogPlusOne(),
    LogPlusOne(32768.0, "10"),
    LogFloored(1e-8),
    LogFloored(2.0**-23, "clip"),
    PowerLaw(0.5),
    StandardizeBands("n_frames"),
)


@given(LINEAR)
def test_compressions_are_the_formulas_they_say(linear: np.ndarray) -> None:
    exact = linear.astype(np.float64)
    for step, expected in (
        (LogPlusOne(), np.log(1 + exact)),
        (LogPlusOne(32768.0, "10"), np.log10(1 + 32768 * exact)),
        (LogFloored(1e-8), np.log(exact + 1e-8)),
        (LogFloored(2.0**-23, "clip"), np.log(np.maximum(exact, 2.0**-23))),
        (PowerLaw(), np.cbrt(exact)),
    ):
        before = linear.copy()
        compressed = step.apply(linear)
        np.testing.assert_allclose(compressed, expected, rtol=2e-6, atol=2e-6)
        assert compressed.dtype == np.float32
        np.testing.assert_array_equal(linear, before, err_msg="what was given stays as it was")


@given(LINEAR, st.integers(0, 7))
def test_bands_are_standardized_over_the_bins_that_the_analysis_reached(linear: np.ndarray, reached: int) -> None:
    standardized = StandardizeBands("n_frames").standardize(linear, reached)
    assert standardized.shape == linear.shape
    assert standardized.dtype == np.float32
    assert not standardized[:, reached:].any()
    for band in range(3):
        own = [float(value) for value in linear[band, :reached]]
        if not own:
            continue
        mean = sum(own) / len(own)
        spread = (sum((value - mean) ** 2 for value in own) / len(own)) ** 0.5
        expected = [(value - mean) / max(spread, 1e-9) for value in own]
        # Where all values are nearly the same, rounding errors of the mean are divided by as little.
        if spread > 1e-6 * abs(mean):
            np.testing.assert_allclose(standardized[band, :reached], expected, atol=1e-4)


def test_a_constant_band_becomes_zero() -> None:
    assert not StandardizeBands().standardize(np.full((2, 5), 0.1, np.float32), 5).any()


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_steps_go_through_metadata_unchanged(step: object) -> None:
    assert steps_from_json(json.loads(json.dumps(steps_to_json([step])))) == (step,)


def test_descriptions_say_the_formula() -> None:
    assert [step.describe() for step in STEPS[:5]] == [
        "spectrogram x compressed to ln(1 + 1 x)",
        "spectrogram x compressed to log10(1 + 32768 x)",
        "spectrogram x compressed to ln(x + 1e-08)",
        "spectrogram x compressed to ln(max(x, 1.19209e-07))",
        "spectrogram x compressed to x to the power of 0.5",
    ]
    assert "first `n_frames` bins" in STEPS[5].describe()


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: LogPlusOne(0), "scale"),
        (lambda: LogPlusOne(float("nan")), "scale"),
        (lambda: LogPlusOne(base="2"), "base"),
        (lambda: LogFloored(0.0), "floor"),
        (lambda: LogFloored(1.0, "max"), "rule"),
        (lambda: PowerLaw(-1), "exponent"),
        (lambda: StandardizeBands(smallest=0), "smallest"),
    ],
)
def test_unusable_values_are_refused_by_name(make: object, field: str) -> None:
    with pytest.raises(ParameterError) as caught:
        make()
    assert caught.value.field == field
    assert caught.value.expected
