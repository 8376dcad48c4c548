"""deepSTRF 0.1.0, run as its users run it. Imported only in jobs, with the interpreter that has it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from deepSTRF.datasets.audio import AudioNeuralDataset  # type: ignore[import-not-found]
from deepSTRF.utils.data import neural_collate  # type: ignore[import-not-found]

from scripts.benchmarks.grids import MadeGrid


class MadeDataset(AudioNeuralDataset):
    """A dataset of given tensors."""

    def __init__(self, made: MadeGrid, stims: list[torch.Tensor], responses: list[list[torch.Tensor]]) -> None:
        super().__init__(path="made up", dt_ms=made.dt_ms)
        self.stims, self.responses = stims, responses
        self.stim_meta, self.nrn_meta = made.stim_meta, made.nrn_meta
        self.N_neurons, self.F = made.n_neurons, made.spectrograms[0].shape[0]


class Grid:
    """deepSTRF's grid, see `Library`."""

    can_copy = False

    def construct(self, made: MadeGrid, copy: bool = False) -> MadeDataset:
        """Return a validated dataset; one conversion per stimulus, of which each response is a view."""
        missing = torch.full((1, 1), float("nan"))
        responses = []
        for block in made.blocks:
            tensors = torch.from_numpy(block.counts.astype(np.float32)).unbind(0)
            if block.neurons is None:
                responses.append(list(tensors))
                continue
            row = [missing] * made.n_neurons
            for neuron, tensor in zip(block.neurons.tolist(), tensors, strict=True):
                row[neuron] = tensor
            responses.append(row)
        stims = [torch.from_numpy(spectrogram)[None] for spectrogram in made.spectrograms]
        dataset = MadeDataset(made, stims, responses)
        dataset.validate()
        return dataset

    def unmasked(self, made: MadeGrid, dataset: MadeDataset) -> MadeDataset:
        """Return a dataset of the same tensors."""
        return MadeDataset(made, dataset.stims, dataset.responses)

    def masks(self, dataset: MadeDataset) -> torch.Tensor:
        """Return who heard what."""
        return dataset.nrn_masks

    def select(self, dataset: MadeDataset, stimuli: list[int]) -> None:
        """Choose stimuli."""
        dataset.select_stims(stimuli)

    def collate(self, items: list[Any]) -> dict[str, Any]:
        """Make a batch."""
        batch: dict[str, Any] = neural_collate(items)
        return batch

    def by_site(self, dataset: MadeDataset, batch_size: int, seed: int) -> None:
        """Return nothing: every batch holds all neurons."""
