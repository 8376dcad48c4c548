"""Batches of stimuli that the same neurons heard, as those of one recording site are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.grid.dataset import NeuralDataset


class SiteBatchSampler(torch.utils.data.Sampler[list[int]]):
    """Batches of positions whose stimuli were heard by the same of the selected neurons.

    With `collate_heard_neurons`, a batch of a corpus recorded in many sites holds the neurons of one site, not mostly
    NaN of all others. The selection is that of the data set when iteration begins.

    Parameters
    ----------
    dataset : NeuralDataset
        Data set whose positions are drawn.
    batch_size : int
        Stimuli in a batch at most; the last batch of a site may have fewer.
    shuffle : bool
        Shuffle stimuli within sites, and batches among each other; another order every epoch.
    seed : int
        Of the shuffling.
    drop_last : bool
        Leave out the incomplete batch of a site, unless it is the only one.

    Raises
    ------
    ParameterError
        The batch size is not a positive whole number, or the seed a negative or broken one.

    Examples
    --------
    >>> sampler = SiteBatchSampler(dataset, batch_size=8, shuffle=True)
    >>> loader = DataLoader(dataset, batch_sampler=sampler, collate_fn=collate_heard_neurons)
    """

    def __init__(
        self, dataset: NeuralDataset, batch_size: int, *, shuffle: bool = False, seed: int = 0, drop_last: bool = False
    ) -> None:
        self.dataset, self.batch_size = dataset, _whole(batch_size, "batch_size", 1)
        self.shuffle, self.seed, self.drop_last = shuffle, _whole(seed, "seed", 0), drop_last
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next iteration; without it, every iteration is the next epoch."""
        self.epoch = _whole(epoch, "epoch", 0)

    @property
    def sites(self) -> list[np.ndarray]:
        """Positions of the selected stimuli that were heard by the same neurons, for each such set of neurons."""
        return self.dataset.positions_by_neurons()

    def _per_site(self, count: int) -> int:
        whole, rest = divmod(count, self.batch_size)
        return whole + (1 if rest and not (self.drop_last and whole) else 0)

    def __len__(self) -> int:
        return sum(self._per_site(len(positions)) for positions in self.sites)

    def __iter__(self) -> Iterator[list[int]]:
        random = np.random.default_rng([self.seed, self.epoch])
        batches = []
        for positions in self.sites:
            if self.shuffle:
                positions = random.permutation(positions)
            for index in range(self._per_site(len(positions))):
                batches.append(positions[index * self.batch_size : (index + 1) * self.batch_size].tolist())
        if self.shuffle:
            batches = [batches[index] for index in random.permutation(len(batches))]
        self.epoch += 1
        return iter(batches)


def _whole(number: Any, field: str, least: int) -> int:
    """Return a whole number.

    Raises
    ------
    ParameterError
        Not an integer, or too small a one.
    """
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < least:
        raise ParameterError(
            "A sampler needs a whole number", field=field, found=repr(number), expected=f"an integer >= {least}"
        )
    return int(number)
