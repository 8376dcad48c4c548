"""A grid as labelled arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf._version import __version__
from deepstrf_hf.grid.export import (
    MAX_BYTES,
    PREFIXES,
    Selected,
    check_size,
    heard_rows,
    ids,
    kind_of,
    metadata_columns,
    needed,
    selected,
)

if TYPE_CHECKING:
    import xarray

    from deepstrf_hf.grid.dataset import NeuralDataset


def to_xarray(dataset: NeuralDataset, *, max_bytes: float = MAX_BYTES) -> xarray.Dataset:
    """Return what is selected as labelled arrays, NaN wherever there is nothing.

    Parameters
    ----------
    dataset : NeuralDataset
        The grid.
    max_bytes : float
        Size of all arrays together that is not exceeded, bytes.

    Returns
    -------
    xarray.Dataset
        ``response``, float32 (stimulus, neuron, trial, time), preprocessed; ``spectrogram``, float32
        (stimulus, frequency, time), or ``waveform``, float32 (stimulus, sample).

        Coordinates: ``time``, the beginning of each bin, ms; ``frequency``, centre of each band, Hz, where it is
        known; ``stimulus`` and ``neuron``, positions in the grid; ``stim_id`` and ``neuron_id``, which can be selected
        by (``.sel(neuron_id=...)``); all other metadata as ``stim_...`` and ``neuron_...``, absent ones NaN among
        numbers and None otherwise. Attributes: bin width, kind of signal, source, preprocessing.

    Raises
    ------
    GridError
        Larger than `max_bytes`, or two attributes that would have one name.
    MissingDependencyError
        No xarray.
    """
    xarray = needed("xarray")
    what = selected(dataset)
    shape = (*what.trials.shape, int(what.trials.max(initial=0)), int(what.bins.max(initial=0)))
    hop = dataset.hop if dataset.return_waveform else None
    stimulus_shape = (shape[0], dataset.F, shape[3]) if hop is None else (shape[0], shape[3] * hop)
    check_size(
        4 * (np.prod(shape, dtype=float) + np.prod(stimulus_shape, dtype=float)),
        max_bytes,
        "select fewer stimuli or neurons, pass a larger max_bytes, or use to_pandas, which does not pad",
    )
    response, stimuli = np.full(shape, np.nan, np.float32), np.full(stimulus_shape, np.nan, np.float32)
    for place in range(len(dataset)):
        item = dataset[place]
        neuron, trial, values = heard_rows(item)
        response[place, neuron, trial, : values.shape[1]] = values
        stimulus = item["stims"].numpy()[0]
        stimuli[place, ..., : stimulus.shape[-1]] = stimulus
    name, axes = ("spectrogram", ("frequency", "time")) if hop is None else ("waveform", ("sample",))
    made = xarray.Dataset(
        {
            "response": (("stimulus", "neuron", "trial", "time"), response, _response_attributes(dataset)),
            name: (("stimulus", *axes), stimuli, {} if hop is None else {"sampling_rate_hz": dataset.audio_fs}),
        },
        _coordinates(dataset, what, shape[3]),
        _attributes(dataset),
    )
    for key in PREFIXES:
        if key in made.coords:
            made = made.set_xindex(key)
    return made


def _coordinates(dataset: NeuralDataset, what: Selected, n_bins: int) -> dict[str, Any]:
    times_ms = np.arange(n_bins) * float(dataset.dt)
    coordinates: dict[str, Any] = {"time": ("time", times_ms, {"units": "ms", "long_name": "beginning of the bin"})}
    if dataset.band_frequencies_hz is not None and not dataset.return_waveform:
        described = {"units": "Hz", "long_name": "centre of the frequency band"}
        coordinates["frequency"] = ("frequency", np.array(dataset.band_frequencies_hz), described)
    for axis, key, positions, meta in (
        ("stimulus", "stim_id", what.stimuli, dataset.stim_meta),
        ("neuron", "neuron_id", what.neurons, dataset.nrn_meta),
    ):
        coordinates[axis] = (axis, positions, {"long_name": "position in the grid"})
        coordinates |= _labels(axis, key, positions, [meta[position] for position in positions])
    return coordinates


def _labels(
    axis: str, key: str, positions: NDArray[np.int64], entries: Sequence[Mapping[str, Any]]
) -> dict[str, tuple[str, NDArray[Any]]]:
    """Return ids, where there are any, and metadata as coordinates of an axis."""
    columns = metadata_columns(entries, PREFIXES[key])
    names = ids(entries, key, positions)
    if names != positions.tolist():
        columns = {key: names, **columns}
    return {name: (axis, _array(values)) for name, values in columns.items()}


def _array(values: Sequence[Any]) -> NDArray[Any]:
    """Return values as the narrowest array that can hold them and their absence."""
    kind, complete = kind_of(values), all(value is not None for value in values)
    if kind == "float" or (kind == "int" and not complete):
        return np.array([np.nan if value is None else value for value in values], np.float64)
    if kind != "object" and complete:
        return np.array(values)
    array = np.empty(len(values), object)
    for index, value in enumerate(values):  # NumPy would take lists apart
        array[index] = value
    return array


def _response_attributes(dataset: NeuralDataset) -> dict[str, str]:
    unit = getattr(dataset, "response_unit", "")
    return {"long_name": "response", **({"units": unit} if unit else {})}


def _attributes(dataset: NeuralDataset) -> dict[str, Any]:
    """Return what is true of the whole grid; what is not known is left out."""
    steps = [_described(step) for step in dataset.preprocessing]
    attributes = {
        "dt_ms": float(dataset.dt),
        "signal_type": dataset.signal_type,
        "species": dataset.species,
        "source": dataset.path or dataset.name,
        "preprocessing": "; ".join(steps) or "none that all responses share",
        "deepstrf_hf_version": __version__,
    }
    return {name: value for name, value in attributes.items() if value != ""}


def _described(step: Any) -> str:
    """Say what a step of preprocessing does; steps of a user's own need not say it."""
    describe = getattr(step, "describe", None)
    return str(describe()) if callable(describe) else type(step).__name__
