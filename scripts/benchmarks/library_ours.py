"""deepstrf_hf. Imported only in jobs, so that what imports it costs nothing before."""

from __future__ import annotations

from typing import Any

import torch

from deepstrf_hf import NeuralDataset, SiteBatchSampler, collate_heard_neurons, neural_collate
from scripts.benchmarks.grids import MadeGrid


class Grid:
    """Our grid, see `Library`."""

    can_copy = True

    def construct(self, made: MadeGrid, copy: bool = False) -> NeuralDataset:
        """Return a validated dataset; like deepSTRF's it shares the arrays, unless copies are asked for."""
        responses = [block.counts if block.neurons is None else (block.neurons, block.counts) for block in made.blocks]
        return NeuralDataset.from_arrays(
            made.spectrograms,
            responses,
            made.stim_meta,
            made.nrn_meta,
            dt_ms=made.dt_ms,
            signal_type="spikes",
            copy=copy,
        )

    def unmasked(self, made: MadeGrid, dataset: NeuralDataset) -> NeuralDataset:
        """Return a new dataset: a grid remembers who heard what."""
        return self.construct(made)

    def masks(self, dataset: NeuralDataset) -> torch.Tensor:
        """Return who heard what."""
        return dataset.nrn_masks

    def select(self, dataset: NeuralDataset, stimuli: list[int]) -> None:
        """Choose stimuli."""
        dataset.select_stims(stimuli)

    def collate(self, items: list[Any]) -> dict[str, Any]:
        """Make a batch."""
        return neural_collate(items)

    def by_site(self, dataset: NeuralDataset, batch_size: int, seed: int) -> torch.utils.data.DataLoader[Any]:
        """Return a loader whose batches hold stimuli of one site and its neurons."""
        sampler = SiteBatchSampler(dataset, batch_size, shuffle=True, seed=seed)
        return torch.utils.data.DataLoader(dataset, batch_sampler=sampler, collate_fn=collate_heard_neurons)
