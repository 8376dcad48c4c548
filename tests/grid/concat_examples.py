"""Data sets to put side by side, and what must come out of it, worked out by plain loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepstrf_hf import NeuralDataset, neural_collate
from deepstrf_hf.responses.preprocessing import HanningSmooth
from tests.grid.examples import Array, batch_by_loop, heard_by_loop, is_sentinel, items_of, nested


@dataclass(frozen=True)
class Source:
    """A data set, its responses as they must be handed out, and its stimuli likewise."""

    dataset: NeuralDataset
    pairs: dict[tuple[int, int], Array]
    stimuli: list[Array]

    @property
    def n_neurons(self) -> int:
        return self.dataset.N_neurons


def ragged_pairs(
    generator: np.random.Generator, bins: Sequence[int], n_neurons: int, counts: bool
) -> dict[tuple[int, int], Array]:
    """Return responses of zero (not recorded) to three trials: uint8 counts, or float32 with missing samples."""
    pairs: dict[tuple[int, int], Array] = {}
    for stimulus, length in enumerate(bins):
        for neuron in range(n_neurons):
            trials = int(generator.integers(0, 4))
            if not trials:
                continue
            response = generator.integers(0, 200, (trials, length), dtype=np.uint8)
            if not counts:
                response = (response / np.float32(8) - 9).astype(np.float32)
                # Onsets that are missing, and now and then all of it; smoothing must leave some of the others.
                response[generator.random(trials) < 0.3, 0] = np.nan
                response *= np.nan if generator.random() < 0.15 else 1
            pairs[stimulus, neuron] = response
    return pairs


def source(
    seed: int,
    n_stimuli: int = 3,
    n_neurons: int = 2,
    *,
    counts: bool = True,
    smooth: bool = False,
    normalize: bool = False,
    standardize: bool = False,
    prefix: str | None = None,
    **options: Any,
) -> Source:
    """Return a data set of random responses; what is done to them is done a second time here, by loops.

    Parameters
    ----------
    prefix : str, optional
        Of the ids of stimuli and neurons; none of them has an id without.
    """
    generator = np.random.default_rng(seed)
    bins = generator.integers(3, 7, n_stimuli).tolist()
    pairs = ragged_pairs(generator, bins, n_neurons, counts)
    stimuli = [generator.normal(seed % 7, 2, (2, length)).astype(np.float32) for length in bins]
    meta: list[list[dict[str, Any]]] = [[{"number": n} for n in range(count)] for count in (n_stimuli, n_neurons)]
    if prefix is not None:
        for entries, key, kind in zip(meta, ("stim_id", "neuron_id"), "su", strict=True):
            for entry in entries:
                entry[key] = f"{prefix}{kind}{entry['number']}"
    dataset = NeuralDataset.from_arrays(
        stimuli,
        nested(pairs, n_stimuli, n_neurons),
        **(
            {
                "stim_meta": meta[0],
                "nrn_meta": meta[1],
                "dt_ms": 5,
                "preprocessing": [HanningSmooth(21)] if smooth else [],
            }
            | options
        ),
    )
    handed_out = {pair: response.astype(np.float64) for pair, response in pairs.items()}
    if smooth:
        kernel = np.array([0.5, 1, 0.5])  # numpy.hanning(5) without its zeros: 21 ms at 5 ms bins
        handed_out = {
            pair: np.stack([np.convolve(trial, kernel, mode="same") for trial in response])
            for pair, response in handed_out.items()
        }
    if normalize:
        dataset.normalize_responses(eps=1e-3)
        for neuron in range(n_neurons):
            values = np.concatenate([[], *(r.ravel() for (_, n), r in handed_out.items() if n == neuron)])
            values = values[np.isfinite(values)]
            scale = max(np.abs(values).max(), 1e-3) if len(values) > 1 else 1.0
            handed_out |= {pair: r / scale for pair, r in handed_out.items() if pair[1] == neuron}
    shown = [stimulus.astype(np.float64) for stimulus in stimuli]
    if standardize:
        dataset.standardize_stims(per_band=True)
        together = np.concatenate(shown, axis=1)
        mean, std = together.mean(axis=1, keepdims=True), together.std(axis=1, ddof=1, keepdims=True)
        shown = [(stimulus - mean) / std for stimulus in shown]
    return Source(dataset, handed_out, shown)


def side_by_side(sources: Sequence[Source]) -> tuple[dict[tuple[int, int], Array], list[Array], int]:
    """Return the responses, stimuli and number of neurons of sources on a diagonal."""
    pairs: dict[tuple[int, int], Array] = {}
    stimuli: list[Array] = []
    n_neurons = 0
    for one in sources:
        for (stimulus, neuron), response in one.pairs.items():
            pairs[stimulus + len(stimuli), neuron + n_neurons] = response
        stimuli += one.stimuli
        n_neurons += one.n_neurons
    return pairs, stimuli, n_neurons


def assert_is(
    dataset: NeuralDataset, pairs: dict[tuple[int, int], Array], stimuli: list[Array], n_neurons: int
) -> None:
    """Check all values of a dataset: one by one, and in one batch."""
    assert (dataset.get_S(), dataset.N_neurons) == (len(stimuli), n_neurons)
    assert len(dataset.stim_meta) == len(stimuli) and len(dataset.nrn_meta) == n_neurons
    heard = heard_by_loop(pairs, len(stimuli), n_neurons)
    assert dataset.nrn_masks.tolist() == heard
    for index, stimulus in enumerate(stimuli):
        np.testing.assert_allclose(dataset.stims[index][0].numpy(), stimulus, rtol=1e-4, atol=1e-5)
        for neuron in range(n_neurons):
            response = dataset.responses[index][neuron]
            if (index, neuron) in pairs:
                np.testing.assert_allclose(response.numpy(), pairs[index, neuron], rtol=1e-5, atol=1e-6)
            else:
                assert is_sentinel(response)
    visible = [index for index in range(len(stimuli)) if any(heard[index])]
    assert len(dataset) == len(visible)
    if visible:
        batch = neural_collate(items_of(dataset))
        expected = batch_by_loop(pairs, visible, range(n_neurons))
        np.testing.assert_allclose(batch["responses"].numpy(), expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(batch["valid_mask"].numpy(), ~np.isnan(expected))
