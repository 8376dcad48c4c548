"""Transforms of a whole grid: standardized stimuli, smoothed and normalized responses.

All are done when values are handed out. The stored values, and views and concatenations that share them, stay as they
are; repeating a transform applies it once more.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.grid.conditions import Condition, matching
from deepstrf_hf.grid.neuron_scaling import NeuronScaling
from deepstrf_hf.grid.quality import compute_quality
from deepstrf_hf.grid.stimuli import PackedStimuli, Standardization
from deepstrf_hf.grid.storage import PackedGrid
from deepstrf_hf.grid.views import GridResponses, GridStimuli
from deepstrf_hf.responses.preprocessing import HanningSmooth

MIN_STD = 1e-8
"""Smallest standard deviation divided by."""
FEWEST_VALUES = 2
"""Finite values below which a neuron's statistics mean nothing."""


class UnscaledNeuronsWarning(UserWarning):
    """Some neurons have no data to take statistics of, and keep their scale."""


class Transforming:
    """Transforms of stimuli and responses, with deepSTRF's names; part of `NeuralDataset`."""

    _grid: PackedGrid
    _stimuli: PackedStimuli
    stims: GridStimuli
    responses: GridResponses
    stim_meta: list[dict[str, Any]]
    nrn_meta: list[dict[str, Any]]
    _replace_grid: Callable[[PackedGrid], None]
    stim_normalization: dict[str, Any] | None = None
    """What `standardize_stims` returned last; None before."""
    response_normalization: dict[str, Any] | None = None
    """What `normalize_responses` returned last; None before."""

    def standardize_stims(
        self, stim_indices: Condition = None, per_band: bool = True, eps: float = MIN_STD
    ) -> dict[str, Any]:
        """Shift and scale all stimuli to zero mean and unit variance of some of them.

        Parameters
        ----------
        stim_indices : sequence of int or str, or condition
            Stimuli of the grid that the statistics are taken of, whatever is selected: indices, ids (for example
            ``dataset.splits["train"]``), or a condition as in `where`. None takes all, the test set included.
        per_band : bool
            Statistics of each frequency band, or of all together. A waveform has one band.
        eps : float
            Standard deviations below this are taken as this; positive.

        Returns
        -------
        dict
            ``mean`` and ``std`` (denominator n - 1), float32 tensors of shape (1, bands, 1) or () for all bands
            together, (1, 1) per band of waveforms; ``per_band``; ``stim_indices``. Also kept as `stim_normalization`.

        Raises
        ------
        ParameterError
            No stimuli, or fewer than two values, to take statistics of; an `eps` that is not positive.
        """
        _check_positive(eps)
        chosen = self._chosen_or_all(stim_indices)
        stimuli = [self._stimuli[index] for index in chosen]
        rows = [stimulus.reshape(-1, stimulus.shape[-1]) for stimulus in stimuli]
        count = sum(row.size for row in rows) if not per_band else sum(row.shape[1] for row in rows)
        if count < FEWEST_VALUES:
            raise ParameterError(
                "Statistics of stimuli need two values at least",
                field="stim_indices",
                found=f"{len(rows)} stimuli",
                mend="name training stimuli, for example dataset.splits['train']",
            )
        axis = 1 if per_band else None
        sums = [np.atleast_1d(row.sum(axis=axis, dtype=np.float64)) for row in rows]
        mean = np.sum(sums, axis=0) / count
        # Squares around the mean, not of the values: spectrograms in dB lie far from zero.
        around = mean[:, None]
        squares = [np.atleast_1d(np.square(row - around, dtype=np.float64).sum(axis=axis)) for row in rows]
        std = np.maximum(np.sqrt(np.sum(squares, axis=0) / (count - 1)), eps)
        transform = Standardization(mean[:, None].astype(np.float32), std[:, None].astype(np.float32))
        self._stimuli = self._stimuli.with_transform(transform)
        self.stims = GridStimuli(self._stimuli)
        waveform = rows[0].shape[0] == 1 and not self._stimuli.bands[chosen[0]]
        shape = () if not per_band else (1, 1) if waveform else (1, len(mean), 1)
        self.stim_normalization = {
            "mean": torch.from_numpy(transform.mean.copy()).reshape(shape),
            "std": torch.from_numpy(transform.std.copy()).reshape(shape),
            "per_band": per_band,
            "stim_indices": chosen.tolist(),
        }
        return self.stim_normalization

    def smooth_responses(self, window_ms: float = 21.0, gain: str = "published") -> None:
        """Smooth all responses along time with a Hanning window.

        Parameters
        ----------
        window_ms : float
            Nominal length of the window, ms.
        gain : str
            ``"published"``: the kernel is not normalised, so that 21 ms multiply responses by 10 at 1 ms bins and by
            2 at 5 ms, and do nothing at 7 ms and more. ``"unit"``: divided by its sum, smoothed counts remain counts.

        Raises
        ------
        ParameterError
            The window is not positive, or the gain is neither of the two.
        """
        self._replace_grid(self._grid.with_step(HanningSmooth(window_ms, gain)))

    def normalize_responses(
        self, method: str = "max", stim_indices: Condition = None, eps: float = MIN_STD
    ) -> dict[str, Any]:
        """Scale the responses of each neuron by its statistics over some stimuli.

        Parameters
        ----------
        method : str
            ``"max"``: divided by the largest absolute value. ``"zscore"``: mean 0, standard deviation 1
            (denominator n - 1).
        stim_indices : sequence of int or str, or condition
            Stimuli of the grid that the statistics are taken of, as in `standardize_stims`.
        eps : float
            Scales below this are taken as this; positive.

        Returns
        -------
        dict
            ``method``; ``scale`` and ``offset``, float32 tensors of shape (neurons,); ``stim_indices``. Also kept as
            `response_normalization`.

        Warns
        -----
        UnscaledNeuronsWarning
            Neurons with fewer than two values at those stimuli; they keep scale 1 and offset 0.

        Raises
        ------
        ParameterError
            Unknown method, no stimuli, or an `eps` that is not positive.
        """
        _check_positive(eps)
        if method not in ("max", "zscore"):
            raise ParameterError(
                "Unknown way of normalizing", field="method", found=repr(method), expected="'max' or 'zscore'"
            )
        chosen = self._chosen_or_all(stim_indices)
        if not len(chosen):
            raise ParameterError(
                "Statistics of responses need a stimulus at least", field="stim_indices", found="no stimuli"
            )
        if method == "max":
            count, largest = self._per_neuron(chosen, np.maximum, np.abs)
            offset, scale = np.zeros_like(largest), largest
        else:
            count, total = self._per_neuron(chosen, np.add, np.float64)
            offset = total / np.maximum(count, 1)
            squares = self._per_neuron(chosen, np.add, np.square, offset)[1]
            scale = np.sqrt(squares / np.maximum(count - 1, 1))
        few = count < FEWEST_VALUES
        if few.any():
            warnings.warn(
                f"{int(few.sum())} of {len(few)} neurons have fewer than {FEWEST_VALUES} values at the "
                f"{len(chosen)} stimuli named and are left on their own scale, first neuron {int(np.argmax(few))}; "
                "take statistics of stimuli that all neurons heard, or leave these neurons out with where()",
                UnscaledNeuronsWarning,
                stacklevel=2,
            )
        scale, offset = np.where(few, 1, np.maximum(scale, eps)), np.where(few, 0, offset)
        step = NeuronScaling(
            scale.astype(np.float32),
            offset.astype(np.float32),
            "each neuron's responses shifted and scaled by its own statistics",
        )
        self._replace_grid(self._grid.with_step(step))
        self.response_normalization = {
            "method": method,
            "scale": torch.from_numpy(step.scale.copy()),
            "offset": torch.from_numpy(step.offset.copy()),
            "stim_indices": chosen.tolist(),
        }
        return self.response_normalization

    def compute_neuron_quality(self, **options: Any) -> dict[str, torch.Tensor]:
        """Compute how good each neuron's responses are, and write it into `nrn_meta`.

        Signal power, noise power and their ratio (Sahani & Linden 2003), and the best correlation a model can reach
        (Hsu, Borst & Theunissen 2004; Schoppe et al. 2016), over all stimuli, selected or not. Parameters and formulas:
        `deepstrf_hf.grid.quality.compute_quality`.

        Returns
        -------
        dict
            Float32 tensors of shape (neurons,), by the names that `nrn_meta` has them under.
        """
        quality = compute_quality(self, **options)  # type: ignore[arg-type]
        self.nrn_meta = [
            {**entry, **{name: float(values[index]) for name, values in quality.items()}}
            for index, entry in enumerate(self.nrn_meta)
        ]
        return {name: torch.from_numpy(values).to(torch.float32) for name, values in quality.items()}

    def _chosen_or_all(self, stimuli: Condition) -> NDArray[np.int64]:
        if stimuli is None:
            return np.arange(len(self.stim_meta))
        return np.unique(matching(self.stim_meta, stimuli, "stimulus", "stim_id")[0])

    def _per_neuron(
        self,
        stimuli: NDArray[np.int64],
        gather: np.ufunc,
        of_values: Callable[[Any], Any],
        around: NDArray[np.float64] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Gather a statistic of each neuron's finite responses, and count them.

        Parameters
        ----------
        stimuli : ndarray of int64
            Stimuli looked at.
        gather : ufunc
            ``numpy.add`` or ``numpy.maximum``.
        of_values : callable
            What is gathered: a function of an array of values.
        around : ndarray of float64, shape (neurons,), optional
            Subtracted from the responses first.

        Returns
        -------
        count : ndarray of int64, shape (neurons,)
        gathered : ndarray of float64, shape (neurons,)
        """
        count, gathered = np.zeros(self._grid.n_neurons, np.int64), np.zeros(self._grid.n_neurons)
        for stimulus in stimuli.tolist():
            rows = self.responses[stimulus].rows()
            for which, values in rows.blocks():
                neuron = rows.neuron[which]
                shifted = values if around is None else values - around[neuron, None]
                finite = np.isfinite(values)
                per_row = gather.reduce(of_values(shifted), axis=1, where=finite, initial=0.0, dtype=np.float64)
                np.add.at(count, neuron, finite.sum(axis=1))
                gather.at(gathered, neuron, per_row)
        return count, gathered


def _check_positive(eps: Any) -> None:
    """Refuse a smallest scale that would make NaN of what is constant.

    Raises
    ------
    ParameterError
        Not a positive number, or none that float32 can hold.
    """
    if not (isinstance(eps, Real) and np.finfo(np.float32).tiny <= float(eps) < np.inf):
        raise ParameterError("A smallest scale must be positive", field="eps", found=repr(eps), expected="> 0")
