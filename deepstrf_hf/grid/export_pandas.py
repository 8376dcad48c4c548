"""A grid as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import ParameterError
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
    import pandas

    from deepstrf_hf.grid.dataset import NeuralDataset

BYTES_PER_BIN_ROW = 24
"""Ids as codes, trial, time and response."""
BYTES_PER_ARRAY = 128
"""An array beside its values."""


def to_pandas(dataset: NeuralDataset, per: str = "pair", *, max_bytes: float = MAX_BYTES) -> pandas.DataFrame:
    """Return what is selected as a table; only pairs with data have rows.

    Parameters
    ----------
    dataset : NeuralDataset
        The grid.
    per : str
        ``"pair"``: one row per (stimulus, neuron). ``"bin"``: one row per (stimulus, neuron, trial, bin).
    max_bytes : float
        Size of the table that is not exceeded, bytes.

    Returns
    -------
    pandas.DataFrame
        Per pair: ``stim_id``, ``neuron_id`` (positions in the grid where there are no ids), ``n_trials``, ``n_bins``,
        ``response`` (float32 array, (trials, bins), preprocessed), then all metadata as ``stim_...`` and
        ``neuron_...``, in types that can be absent where they are. Per bin: ``stim_id`` and ``neuron_id``
        (categories), ``trial``, ``time_ms`` (beginning of the bin) and ``response``, which is NaN for a missing
        sample.

    Raises
    ------
    ParameterError
        `per` is neither of the two.
    GridError
        Larger than `max_bytes`, or two attributes that would have one name.
    MissingDependencyError
        No pandas.
    """
    if per not in ("pair", "bin"):
        raise ParameterError("Unknown kind of table", field="per", found=repr(per), expected="'pair' or 'bin'")
    pandas = needed("pandas")
    what = selected(dataset)
    n_values = int((what.trials.sum(axis=1, dtype=np.int64) * what.bins).sum())
    names = {
        "stim_id": ids([dataset.stim_meta[index] for index in what.stimuli], "stim_id", what.stimuli),
        "neuron_id": ids([dataset.nrn_meta[index] for index in what.neurons], "neuron_id", what.neurons),
    }
    if per == "pair":
        size = 4 * n_values + BYTES_PER_ARRAY * int(np.count_nonzero(what.trials))
        check_size(size, max_bytes, "select fewer stimuli or neurons, or pass a larger max_bytes")
        return _per_pair(pandas, dataset, what, names)
    check_size(
        BYTES_PER_BIN_ROW * n_values,
        max_bytes,
        "select fewer stimuli or neurons, pass a larger max_bytes, or take per='pair'",
    )
    return _per_bin(pandas, dataset, n_values, names)


def _per_pair(pandas: Any, dataset: NeuralDataset, what: Selected, names: dict[str, list[Any]]) -> Any:
    responses, places = [], []
    for place in range(len(dataset)):
        rows = heard_rows(dataset[place])
        neurons, begin = np.unique(rows.neuron, return_index=True)
        responses += [
            rows.values[first:last] for first, last in zip(begin, [*begin[1:], len(rows.neuron)], strict=True)
        ]
        places.append(np.stack([np.full(len(neurons), place), neurons]))
    stimulus, neuron = np.concatenate([np.empty((2, 0), np.int64), *places], axis=1)
    own = {
        "n_trials": what.trials[stimulus, neuron],
        "n_bins": what.bins[stimulus].astype(np.int32),
        "response": _objects(responses),
    }
    columns: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    for key, index, positions, entries in (
        ("stim_id", stimulus, what.stimuli, dataset.stim_meta),
        ("neuron_id", neuron, what.neurons, dataset.nrn_meta),
    ):
        columns[key] = _column(pandas, names[key]).take(index)
        known = metadata_columns([entries[position] for position in positions], PREFIXES[key])
        metadata |= {name: _column(pandas, values).take(index) for name, values in known.items()}
    return pandas.DataFrame({**columns, **own, **metadata}, copy=False)


def _per_bin(pandas: Any, dataset: NeuralDataset, n_values: int, names: dict[str, list[Any]]) -> Any:
    codes, categories = {}, {}
    for key, entries in names.items():
        codes[key], categories[key] = pandas.factorize(_objects(entries))
    stimulus, neuron, trial = (np.empty(n_values, np.int32) for _ in range(3))
    time_ms, response = np.empty(n_values), np.empty(n_values, np.float32)
    first = 0
    for place in range(len(dataset)):
        rows = heard_rows(dataset[place])
        bins = rows.values.shape[1]
        here = slice(first, first + rows.values.size)
        stimulus[here] = codes["stim_id"][place]
        neuron[here] = np.repeat(codes["neuron_id"][rows.neuron], bins)
        trial[here] = np.repeat(rows.trial, bins)
        time_ms[here] = np.tile(np.arange(bins) * float(dataset.dt), len(rows.trial))
        response[here] = rows.values.reshape(-1)
        first = here.stop
    return pandas.DataFrame(
        {
            "stim_id": pandas.Categorical.from_codes(stimulus, pandas.Index(categories["stim_id"]).infer_objects()),
            "neuron_id": pandas.Categorical.from_codes(neuron, pandas.Index(categories["neuron_id"]).infer_objects()),
            "trial": trial,
            "time_ms": time_ms,
            "response": response,
        },
        copy=False,
    )


def _objects(values: Sequence[Any]) -> NDArray[Any]:
    """Return values as an array of objects; NumPy would take arrays apart."""
    array = np.empty(len(values), object)
    for index, value in enumerate(values):
        array[index] = value
    return array


def _column(pandas: Any, values: Sequence[Any]) -> Any:
    """Return values in the narrowest type that can hold them and their absence."""
    complete = all(value is not None for value in values)
    kind = kind_of(values)
    if kind == "object":
        return pandas.array(_objects(values), dtype=object)
    if kind == "float":
        return pandas.array(
            np.array([np.nan if value is None else value for value in values], np.float64), dtype="float64"
        )
    dtype = {"bool": ("bool", "boolean"), "int": ("int64", "Int64"), "str": ("string", "string")}[kind]
    return pandas.array(values, dtype=dtype[not complete])
