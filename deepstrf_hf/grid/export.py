"""What the exports of a grid share: what is selected, its responses as one matrix, its metadata as columns."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import GridError, MissingDependencyError
from deepstrf_hf.names import NEURON_PREFIX, STIMULUS_PREFIX

if TYPE_CHECKING:
    from deepstrf_hf.grid.dataset import NeuralDataset

MAX_BYTES = 4 * 2**30
"""Size that an export does not exceed unless told to: 4 GiB."""


class Selected(NamedTuple):
    """Stimuli and neurons that the items of a grid hold, by their positions in the grid, and what they are called.

    Parameters
    ----------
    stimuli, neurons : ndarray of int64
        Positions in the grid, in the order of the items and of the neurons in an item.
    bins : ndarray of int64, shape (stimuli,)
        Bins of each stimulus.
    trials : ndarray of int32, shape (stimuli, neurons)
        Trials of each pair, 0 where there are no data.
    """

    stimuli: NDArray[np.int64]
    neurons: NDArray[np.int64]
    bins: NDArray[np.int64]
    trials: NDArray[np.int32]


def selected(dataset: NeuralDataset) -> Selected:
    """Return what the items of a grid hold."""
    trials = dataset.n_trials
    stimuli, neurons = dataset.visible_stimuli, dataset.visible_neurons
    bins = np.array([dataset.responses[stimulus].rows().stored.shape[1] for stimulus in stimuli], np.int64)
    return Selected(stimuli, neurons, bins, trials[np.ix_(stimuli, neurons)])


class HeardRows(NamedTuple):
    """Trials of one item with data, sorted by neuron, then trial.

    Parameters
    ----------
    neuron, trial : ndarray of int64, shape (rows,)
        Place of the neuron in the item, and trial.
    values : ndarray of float32, shape (rows, bins)
        Responses, preprocessed.
    """

    neuron: NDArray[np.int64]
    trial: NDArray[np.int64]
    values: NDArray[np.float32]


def heard_rows(item: Mapping[str, Any]) -> HeardRows:
    """Return all trials of an item whose neurons have data for its stimulus."""
    rows = item["responses"].rows()
    values = np.empty(rows.stored.shape, np.float32)
    for which, block in rows.blocks():
        values[which] = block
    order = np.lexsort((rows.trial, rows.neuron))
    order = order[item["valid_mask"].numpy()[rows.neuron[order]]]
    if len(order) < len(values) or (order[1:] < order[:-1]).any():
        return HeardRows(rows.neuron[order], rows.trial[order], values[order])
    return HeardRows(rows.neuron, rows.trial, values)


def check_size(n_bytes: float, max_bytes: float, mend: str) -> None:
    """Refuse an export before memory for it is asked for.

    Raises
    ------
    GridError
        It would be larger than `max_bytes`.
    """
    if n_bytes > max_bytes:
        raise GridError(
            "The export would be too large",
            field="max_bytes",
            found=f"{n_bytes / 2**30:.3g} GiB",
            expected=f"at most {max_bytes / 2**30:.3g} GiB",
            mend=mend,
        )


def needed(module: str) -> Any:
    """Import an optional library.

    Raises
    ------
    MissingDependencyError
        It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"This export needs {module}", found=f"no {error.name}", mend="pip install 'deepstrf-hf[analysis]'"
        ) from error


def ids(entries: Sequence[Mapping[str, Any]], key: str, positions: NDArray[np.int64]) -> list[Any]:
    """Return what stimuli or neurons are called: their ids, or their positions in the grid where none has an id.

    Where some have an id, one without is called by its kind and position, for example ``"neuron 7"``.
    """
    if all(entry.get(key) is None for entry in entries):
        return positions.tolist()
    kind = {"stim_id": "stimulus", "neuron_id": "neuron"}[key]
    return [
        f"{kind} {position}" if entry.get(key) is None else entry[key]
        for entry, position in zip(entries, positions.tolist(), strict=True)
    ]


def metadata_columns(entries: Sequence[Mapping[str, Any]], prefix: str) -> dict[str, list[Any]]:
    """Return metadata by column, each with one value per entry, None where it is absent.

    Parameters
    ----------
    entries : sequence of mapping
        Metadata of stimuli or neurons; keys may differ from entry to entry.
    prefix : str
        ``"stim_"`` or ``"neuron_"``, put before keys that do not begin with it. The id is left out.

    Raises
    ------
    GridError
        Two keys would become one column.
    """
    keys = dict.fromkeys(key for entry in entries for key in entry)
    columns: dict[str, Any] = {}
    for key in keys:
        name = str(key) if str(key).startswith(prefix) else f"{prefix}{key}"
        if name in columns:
            raise GridError(
                "Two attributes would become one column",
                field=name,
                found=" and ".join(repr(other) for other in keys if str(other) in (name, name.removeprefix(prefix))),
                mend="rename one of them",
            )
        columns[name] = key
    columns.pop(f"{prefix}id", None)
    return {name: [_present(entry.get(key)) for entry in entries] for name, key in columns.items()}


def _present(value: Any) -> Any:
    """Return a value as plain Python, None where it is NaN."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and value != value else value


def kind_of(values: Sequence[Any]) -> str:
    """Return what all present values are: ``"bool"``, ``"int"``, ``"float"``, ``"str"`` or, mixed, ``"object"``.

    A column without any value is ``"float"``: it holds NaN.
    """
    kinds = {type(value) for value in values if value is not None}
    if any(type(value) is int and abs(value) >= 2**63 for value in values):
        return "object"
    if kinds <= {float} or kinds == {int, float}:
        return "float"
    return {frozenset({bool}): "bool", frozenset({int}): "int", frozenset({str}): "str"}.get(frozenset(kinds), "object")


PREFIXES = {"stim_id": STIMULUS_PREFIX, "neuron_id": NEURON_PREFIX}
"""Prefix of the columns of whatever has the id."""
