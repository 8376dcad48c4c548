"""Regressors of the stimuli of a division, and their moments, which groups of neurons share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.baselines.groups import Float, Group, joined_bins
from deepstrf_hf.baselines.settings import Settings
from deepstrf_hf.strf.moments import Moments, StimulusMoments
from deepstrf_hf.strf.ridge import lagged_design, nonzero_deviation

if TYPE_CHECKING:
    from deepstrf_hf.grid.dataset import NeuralDataset

SHARED_BYTES = 2**28
"""Moments of stimuli that are kept for other groups, at most."""

Key = tuple[int, bytes]


class Designs:
    """Lagged, standardised spectrograms, made one at a time, and moments that are kept while a group needs them.

    Bands have zero mean and unit deviation over the training stimuli of the division, whoever heard them, so that the
    moments of a stimulus are the same for all neurons that have all of its bins.

    Parameters
    ----------
    grid : NeuralDataset
        The grid.
    train : collection of int
        Training stimuli, one at least.
    groups : sequence of Group
        All groups that will be fitted, each once.
    settings : Settings
        Bins and lags.
    """

    def __init__(
        self, grid: NeuralDataset, train: Collection[int], groups: Sequence[Group], settings: Settings
    ) -> None:
        self._grid, self._settings = grid, settings
        self.mean, self.deviation = self._band_statistics(sorted(train))
        self._to_come = Counter(
            (stimulus, there.tobytes())
            for group in groups
            for stimulus, there in group.bins.items()
            if stimulus in train
        )
        self._kept: dict[Key, StimulusMoments] = {}
        self._free = SHARED_BYTES

    def _band_statistics(self, train: Sequence[int]) -> tuple[Float, Float]:
        """Return mean and standard deviation of each band over all bins of the training stimuli."""
        total, squares, n_bins = np.zeros(self._grid.F), np.zeros(self._grid.F), 0
        for stimulus in train:
            spectrogram = self.spectrogram(stimulus)
            total += spectrogram.sum(axis=1)
            n_bins += spectrogram.shape[1]
        mean = total / max(n_bins, 1)
        for stimulus in train:
            squares += np.square(self.spectrogram(stimulus) - mean[:, None]).sum(axis=1)
        return mean, nonzero_deviation(mean, np.sqrt(squares / max(n_bins, 1)))

    def spectrogram(self, stimulus: int) -> Float:
        """Return a spectrogram in fitted bins, (bands, bins)."""
        return joined_bins(self._grid.stims[stimulus][0].numpy(), self._settings.stored_per_bin)

    def design(self, stimulus: int, there: NDArray[np.bool_]) -> Float:
        """Return the regressors of the bins that are there, (bins, bands * lags)."""
        standardised = (self.spectrogram(stimulus) - self.mean[:, None]) / self.deviation[:, None]
        design = lagged_design(standardised, self._settings.n_lags)
        return design if there.all() else design[there]

    def moments(self, stimulus: int, there: NDArray[np.bool_], response: Float) -> Moments:
        """Return the moments of a training clip, whose `response` is (neurons, bins that are there)."""
        design, key = self.design(stimulus, there), (stimulus, there.tobytes())
        known = self._kept.pop(key, None)
        if known is None:
            known = StimulusMoments.of(design)
        else:
            self._free += known.xx.nbytes
        self._to_come[key] -= 1
        if self._to_come[key] and known.xx.nbytes <= self._free:
            self._kept[key] = known
            self._free -= known.xx.nbytes
        return Moments.of(design, response, known)
