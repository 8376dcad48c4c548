"""Values of recordings as the tables store them, after checking that nothing is lost or hidden by it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.corpus import Cohort, Column
from deepstrf_hf.errors import BuilderContractError, ParameterError
from deepstrf_hf.names import BAND_MAX, BAND_MIN
from deepstrf_hf.recording import Neuron, Recording, Stimulus


def stored_response(recording: Recording, cohort: Cohort) -> NDArray[Any]:
    """Return a recording's response in the cohort's stored type, after checking that nothing is lost by it.

    Returns
    -------
    ndarray, shape (trials, bins)
        C-contiguous, of the cohort's ``response_dtype``.

    Raises
    ------
    BuilderContractError
        Not two-dimensional, no trials, bins that differ from the spectrogram's, or values that are no whole numbers.
    ParameterError
        More in one bin than the type can hold.
    """
    where = f"response of {recording.neuron.neuron_id} to {recording.stimulus.stim_id}"
    response = np.asarray(recording.response)
    bins = recording.stimulus.spectrogram.shape[-1]
    if response.ndim != 2 or response.shape[0] == 0 or response.shape[1] != bins:
        raise BuilderContractError(
            "A response must be (trials, bins) on the bins of its spectrogram, with one trial at least",
            field=where,
            found=f"shape {response.shape}",
            expected=f"(>= 1, {bins})",
        )
    if response.dtype == cohort.response_dtype and response.dtype.kind in "ui":
        return np.ascontiguousarray(response)  # nothing can be lost
    with np.errstate(invalid="ignore", over="ignore"):  # what does not fit is found below
        stored = np.ascontiguousarray(response, dtype=cohort.response_dtype)
    if stored.dtype.kind == "f" and np.isinf(stored).any():
        raise BuilderContractError("A response holds infinite values", field=where, mend="a missing sample is NaN")
    if stored.dtype.kind in "ui" and response.size and response.max() > np.iinfo(stored.dtype).max:
        raise ParameterError(
            "More events fall into one bin than the table can hold",
            field=f"dt_ms; {where}",
            found=f"{response.max():g} in a bin",
            expected=f"at most {np.iinfo(stored.dtype).max} ({stored.dtype})",
            mend="build with a narrower dt_ms; in a builder, declare a wider response_dtype on the cohort",
        )
    if stored.dtype.kind in "ui" and response.dtype != stored.dtype and not np.array_equal(stored, response):
        raise BuilderContractError(
            "Values do not fit the declared type of the response",
            field=where,
            found=f"{response.dtype} from {response.min()} to {response.max()}",
            expected=f"whole numbers within {cohort.response_dtype}",
            mend="declare a wider response_dtype on the cohort",
        )
    return stored


def stored_spectrogram(stimulus: Stimulus) -> NDArray[np.float32]:
    """Return a stimulus's spectrogram as stored, float32 (bands, bins).

    Raises
    ------
    BuilderContractError
        Not two-dimensional, empty, or not finite.
    """
    spectrogram = np.ascontiguousarray(stimulus.spectrogram, dtype=np.float32)
    if spectrogram.ndim != 2 or 0 in spectrogram.shape or not np.isfinite(spectrogram).all():
        raise BuilderContractError(
            "A spectrogram must be a finite (bands, bins) array",
            field=f"spectrogram of {stimulus.stim_id}",
            found=f"shape {spectrogram.shape}, {int((~np.isfinite(spectrogram)).sum())} values not finite",
        )
    return spectrogram


def range_values(stimulus: Stimulus, cohort: Cohort) -> dict[str, list[float]]:
    """Return the ranges of a stimulus by column name.

    Raises
    ------
    BuilderContractError
        Other ranges than the cohort declares, or not a finite low and high for each band.
    """
    if set(stimulus.band_ranges) != set(cohort.band_ranges):
        raise BuilderContractError(
            "A stimulus has other ranges of bands than its cohort declares",
            field=f"band_ranges of {stimulus.stim_id}",
            found=sorted(stimulus.band_ranges),
            expected=sorted(cohort.band_ranges),
        )
    values = {}
    for name, limits in stimulus.band_ranges.items():
        limits = np.asarray(limits, np.float32)
        expected = (stimulus.spectrogram.shape[0], 2)
        if limits.shape != expected or not np.isfinite(limits).all() or (limits[:, 0] > limits[:, 1]).any():
            raise BuilderContractError(
                "A range must give a finite low and high for each band",
                field=f"range {name} of {stimulus.stim_id}",
                found=f"shape {limits.shape}",
                expected=f"shape {expected}, low <= high",
            )
        values[BAND_MIN + name], values[BAND_MAX + name] = limits[:, 0].tolist(), limits[:, 1].tolist()
    return values


def metadata_values(item: Stimulus | Neuron | Recording, columns: Mapping[str, Column], prefix: str) -> dict[str, Any]:
    """Return the metadata of a stimulus, neuron or pair by prefixed column name, absent values as None.

    Raises
    ------
    BuilderContractError
        A key that the corpus does not declare, or an empty or ``"nan"`` text, which hides an absent value.
    """
    if isinstance(item, Recording):
        name = f"{item.neuron.neuron_id} hearing {item.stimulus.stim_id}"
    else:
        name = item.stim_id if isinstance(item, Stimulus) else item.neuron_id
    undeclared = [key for key in item.metadata if prefix + key not in columns]
    if undeclared:
        raise BuilderContractError(
            f"Metadata of {name} has keys that the corpus does not declare", field=", ".join(undeclared)
        )
    values = {}
    for column in columns:
        value = item.metadata.get(column.removeprefix(prefix))
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, float) and math.isnan(value):
            value = None
        if isinstance(value, str) and value.strip().lower() in ("", "nan"):
            raise BuilderContractError(
                f"An absent value of {name} must be None", field=column, found=repr(value), expected="None"
            )
        values[column] = value
    return values
