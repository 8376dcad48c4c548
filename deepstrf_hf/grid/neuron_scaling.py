"""A step of preprocessing that shifts and scales each neuron's responses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class NeuronScaling:
    """Shift and scale of each neuron's responses, ``(response - offset) / scale``.

    Parameters
    ----------
    scale, offset : ndarray of float32, shape (neurons,)
        Of each neuron of the grid.
    description : str
        What the step does, in one sentence.
    zero_below : float
        Results below this become 0.
    """

    scale: NDArray[np.float32]
    offset: NDArray[np.float32]
    description: str
    zero_below: float = -np.inf
    keeps_finite: bool = True

    def describe(self) -> str:
        """Say in one sentence what the step does."""
        return self.description

    def apply_to_neurons(self, values: NDArray[np.float32], neuron: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return scaled trials, shape (trials, bins)."""
        scaled: NDArray[np.float32] = (values - self.offset[neuron, None]) / self.scale[neuron, None]
        if self.zero_below > -np.inf:
            scaled[scaled < self.zero_below] = 0
        return scaled

    def renumbered(self, neuron: NDArray[np.int64]) -> NeuronScaling:
        """Return the scaling of these neurons, in this order; -1 keeps its values."""
        known = neuron >= 0
        return NeuronScaling(
            np.where(known, self.scale[neuron], np.float32(1)),
            np.where(known, self.offset[neuron], np.float32(0)),
            self.description,
            self.zero_below,
        )
