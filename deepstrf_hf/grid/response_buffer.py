"""Responses of one source: stored values, and the preprocessing they get when they are handed out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.grid.shared import SharedArray
from deepstrf_hf.responses.preprocessing import ResponseStep

BLOCK_VALUES = 2**17
"""Values preprocessed at a time: what they need in between stays in the processor's cache."""


@runtime_checkable
class NeuronStep(Protocol):
    """A step of preprocessing that differs from neuron to neuron."""

    @property
    def keeps_finite(self) -> bool:
        """Whether finite responses stay finite."""

    def apply_to_neurons(self, values: NDArray[np.float32], neuron: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return processed trials, shape (trials, bins), given the neuron of each."""

    def renumbered(self, neuron: NDArray[np.int64]) -> NeuronStep:
        """Return the step for a grid whose neurons are, in its order, these of the present one; -1 is a new one."""


Step = ResponseStep | NeuronStep


class Rows(NamedTuple):
    """Trials of one stimulus as rows of one matrix.

    Parameters
    ----------
    stored : ndarray, shape (rows, bins)
        Responses as stored, one trial a row.
    neuron, trial : ndarray of int, shape (rows,)
        Which neuron of the selection and which of its trials each row is.
    prepare : callable
        Turns a slice of the stored rows into float32 responses, with all preprocessing done.
    """

    stored: NDArray[Any]
    neuron: NDArray[np.int64]
    trial: NDArray[np.int64]
    prepare: Callable[[slice], NDArray[np.float32]]

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield responses a few rows at a time, with the rows they are."""
        step = max(1, BLOCK_VALUES // max(1, self.stored.shape[1]))
        for start in range(0, len(self.stored), step):
            rows = slice(start, min(start + step, len(self.stored)))
            yield rows, self.prepare(rows)


@dataclass(frozen=True, eq=False)
class ResponseBuffer:
    """Responses in one flat buffer of the stored type.

    Parameters
    ----------
    shared : SharedArray
        All responses back to back, each (trials, bins) in C order.
    dt_ms : float
        Bin width, ms.
    steps : tuple of ResponseStep or NeuronStep
        Preprocessing, done when values are handed out.
    """

    shared: SharedArray
    dt_ms: float
    steps: tuple[Step, ...] = ()

    @property
    def values(self) -> NDArray[Any]:
        """Stored values, shape (values,)."""
        return self.shared.array

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a stored value."""
        return self.shared.dtype

    @property
    def never_nan(self) -> bool:
        """Whether responses cannot hold NaN: stored as whole numbers, and no step makes NaN of them."""
        return self.dtype.kind != "f" and all(getattr(step, "keeps_finite", False) for step in self.steps)

    @property
    def knows_neurons(self) -> bool:
        """Whether preprocessing needs to know whose responses it is given."""
        return any(isinstance(step, NeuronStep) for step in self.steps)

    def preprocessed(self, stored: NDArray[Any], neuron: NDArray[np.integer] | None) -> NDArray[np.float32]:
        """Return stored trials as float32 with all preprocessing done.

        Parameters
        ----------
        stored : ndarray, shape (trials, bins)
            As stored.
        neuron : ndarray of int, shape (trials,), or None
            Neuron of the grid that each belongs to; may be None unless `knows_neurons`.
        """
        values = stored.astype(np.float32)
        for step in self.steps:
            if isinstance(step, NeuronStep):
                values = step.apply_to_neurons(values, np.asarray(neuron, np.int64))
            else:
                values = step.apply(values, self.dt_ms)
        return values

    def renumbered(self, neuron: NDArray[np.int64]) -> ResponseBuffer:
        """Return the same responses for a grid whose neurons are, in its order, these neurons of the present one.

        Parameters
        ----------
        neuron : ndarray of int64, shape (neurons of the new grid,)
            -1 for those that have no responses here.
        """
        steps = tuple(step.renumbered(neuron) if isinstance(step, NeuronStep) else step for step in self.steps)
        return replace(self, steps=steps)
