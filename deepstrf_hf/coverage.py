"""A picture of coverage: which neuron heard which stimulus, how often."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.coverage_axes import AxisEntries
from deepstrf_hf.coverage_drawing import Coverage, draw_coverage
from deepstrf_hf.errors import GridError, ParameterError, unknown_name
from deepstrf_hf.grid.export import ids
from deepstrf_hf.whole_file import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from deepstrf_hf.grid.dataset import NeuralDataset

FORMATS = ("png", "pdf", "svg")
MOST_NAMED = 40
"""Stimuli or neurons up to which each is named."""
MOST_CELLS = (720, 1120)
"""Rows and columns of cells; of more stimuli or neurons, blocks are one cell. A cell is a pixel at least."""


def plot_coverage(
    dataset: NeuralDataset,
    path: str | Path | None = None,
    *,
    neurons_by: str | None = None,
    stims_by: str | None = None,
) -> Figure:
    """Draw who heard what, in how many trials: the whole grid, or what is selected of it.

    Parameters
    ----------
    dataset : NeuralDataset
        The grid.
    path : str or Path, optional
        PNG, PDF or SVG to write, by its ending.
    neurons_by, stims_by : str, optional
        Attribute of their metadata to sort by, numbers before text; groups of one value are marked. Without it they
        stand in the order of the grid.

    Returns
    -------
    matplotlib.figure.Figure
        The matrix, with neurons per stimulus on its right and stimuli per neuron above. Where there are more of them
        than the picture has room for, a cell shows the largest number of trials in a block.

    Raises
    ------
    UnknownNameError
        No such attribute.
    ParameterError
        A path with another ending.
    GridError
        Nothing is selected, or nobody heard anything.
    MissingDependencyError
        No matplotlib.
    OutputDirectoryError
        The system does not let it be written.
    """
    target = None if path is None else _checked_path(path)
    trials = dataset.n_trials
    if dataset.I is None and dataset.S_sel is None:  # stimuli that nobody heard, too
        stimuli, neurons = np.arange(trials.shape[0]), np.arange(trials.shape[1])
    else:
        stimuli, neurons = dataset.visible_stimuli, np.unique(dataset.visible_neurons)
    if not any(trials[stimulus, neurons].any() for stimulus in stimuli):
        raise GridError("There is nothing to draw", found="no pair with data", mend="select other stimuli or neurons")
    rows = _axis("stimulus", "stim_id", stimuli, dataset.stim_meta, stims_by)
    columns = _axis("neuron", "neuron_id", neurons, dataset.nrn_meta, neurons_by)
    figure = draw_coverage(_coverage(trials, rows, columns, dataset.name or "Coverage"), rows.entries, columns.entries)
    if target is not None:
        _write(figure, target)
    return figure


@dataclass(frozen=True)
class _Axis:
    order: NDArray[np.int64]
    entries: AxisEntries


def _axis(
    kind: str, id_key: str, positions: NDArray[np.int64], meta: Sequence[Mapping[str, Any]], by: str | None
) -> _Axis:
    """Return the order of stimuli or neurons in the picture, and what is written beside them."""
    entries = [meta[position] for position in positions]
    plural = {"stimulus": "stimuli", "neuron": "neurons"}[kind] if len(entries) > 1 else kind
    title = f"{len(entries):,} {plural}"
    if by is None:
        labels = []
        if len(entries) <= MOST_NAMED:
            named_by = "name" if all(entry.get(id_key) is None for entry in entries) else id_key
            named = [entry.get(named_by) for entry in entries]
            labels = [str(name) for name in (ids(entries, id_key, positions) if None in named else named)]
        return _Axis(positions, AxisEntries(title, len(entries), np.arange(len(labels) + 1), labels, grouped=False))
    if not any(by in entry for entry in entries):
        raise unknown_name(f"{kind} attribute", by, dict.fromkeys(key for entry in entries for key in entry))
    keys = [_sort_key(entry.get(by)) for entry in entries]
    order = sorted(range(len(entries)), key=keys.__getitem__)
    changes = [
        0,
        *(place for place in range(1, len(order)) if keys[order[place]] != keys[order[place - 1]]),
        len(order),
    ]
    labels = [_label(entries[order[place]].get(by)) for place in changes[:-1]]
    groups = AxisEntries(f"{title} by {by}", len(entries), np.array(changes), labels, grouped=True)
    return _Axis(positions[order], groups)


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _sort_key(value: Any) -> tuple[Any, ...]:
    """Return what sorts numbers first, then text with its numbers by size, then what is absent."""
    if _absent(value):
        return (2,)
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
        return (0, float(value))
    parts = re.split(r"(\d+)", str(value))  # text and digits take turns, so that like is compared with like
    return (1, [int(part) if index % 2 else part.casefold() for index, part in enumerate(parts)], str(value))


def _label(value: Any) -> str:
    if _absent(value):
        return "none"
    return f"{value:g}" if isinstance(value, (float, np.floating)) else str(value)


def _coverage(trials: NDArray[np.int32], rows: _Axis, columns: _Axis, name: str) -> Coverage:
    """Count, and gather blocks of pairs into cells, a row of cells at a time."""
    row_edges, column_edges = (
        axis.entries.cell_edges(most) for axis, most in zip((rows, columns), MOST_CELLS, strict=True)
    )
    cells = np.empty((len(row_edges) - 1, len(column_edges) - 1), np.int32)
    per_stimulus, per_neuron = np.empty(len(rows.order), np.int64), np.zeros(len(columns.order), np.int64)
    counts: set[int] = set()
    for index, (first, last) in enumerate(zip(row_edges[:-1], row_edges[1:], strict=True)):
        block = trials[rows.order[first:last]][:, columns.order]
        cells[index] = np.maximum.reduceat(block.max(axis=0), column_edges[:-1])
        per_stimulus[first:last] = np.count_nonzero(block, axis=1)
        per_neuron += np.count_nonzero(block, axis=0)
        counts.update(np.unique(block).tolist())
    return Coverage(
        name=name,
        cells=cells,
        row_edges=row_edges,
        column_edges=column_edges,
        neurons_per_stimulus=per_stimulus,
        stimuli_per_neuron=per_neuron,
        trial_counts=sorted(counts - {0}),
        whole_grid=(trials.shape[0], trials.shape[1]),
    )


def _checked_path(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix.removeprefix(".").lower() not in FORMATS:
        raise ParameterError(
            "A picture is written in the format that its path ends with",
            field="path",
            found=str(path),
            expected=", ".join(f".{ending}" for ending in FORMATS),
        )
    return path


def _write(figure: Figure, path: Path) -> None:
    ending = path.suffix.removeprefix(".").lower()
    stamp = {"png": "Software", "pdf": "CreationDate", "svg": "Date"}[ending]
    write_whole(path, lambda where: figure.savefig(where, format=ending, metadata={stamp: None}), "A picture")
