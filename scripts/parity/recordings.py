"""A simulated recording, as our data set and as deepSTRF's; used in deepSTRF's environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

N_NEURONS, N_BANDS, DT_MS, AUDIO_FS = 6, 12, 5, 16_000
BINS = (60, 48, 60, 52, 60, 40, 56, 60, 44, 60)
COMPLETE = 0
"""Stimulus that every neuron heard as often."""
SEED = 3


@dataclass(frozen=True)
class Arrays:
    """A simulated recording: who heard what, and how often, differs from pair to pair.

    Parameters
    ----------
    stims : list of ndarray
        (bands, bins) each, or (samples,).
    responses : list of list of ndarray or None
        (trials, bins) each.
    waveform : bool
        Whether stimuli are waveforms.
    """

    stims: list[NDArray[np.float32]]
    responses: list[list[NDArray[np.float32] | None]]
    waveform: bool


def simulate(waveform: bool = False, missing_samples: bool = True) -> Arrays:
    """Return a recording in which neurons follow the stimulus, with noise and absent pairs.

    Parameters
    ----------
    waveform : bool
        Whether stimuli are waveforms, of noise.
    missing_samples : bool
        Whether some trials begin with NaN. deepSTRF counts such responses as absent in places where we do not.
    """
    generator = np.random.default_rng(SEED)
    fields = generator.standard_normal((N_NEURONS, N_BANDS))
    stims, responses = [], []
    for stimulus, bins in enumerate(BINS):
        spectrogram = generator.standard_normal((N_BANDS, bins)).astype(np.float32)
        drive = np.exp(0.3 * fields @ spectrogram)
        row: list[NDArray[np.float32] | None] = []
        for neuron in range(N_NEURONS):
            trials = 4 if stimulus == COMPLETE else 1 + (stimulus + neuron) % 5
            response = generator.poisson(drive[neuron], (trials, bins)).astype(np.float32)
            if missing_samples and stimulus != COMPLETE and (stimulus * neuron) % 7 == 4:
                response[0, : bins // 4] = np.nan
            row.append(None if stimulus != COMPLETE and (stimulus + 2 * neuron) % 5 == 1 else response)
        responses.append(row)
        noise = generator.standard_normal(bins * DT_MS * AUDIO_FS // 1000).astype(np.float32)
        stims.append(noise if waveform else spectrogram)
    return Arrays(stims, responses, waveform)


def our_dataset(arrays: Arrays) -> Any:
    """Return our data set of these arrays."""
    import deepstrf_hf

    return deepstrf_hf.NeuralDataset.from_arrays(
        arrays.stims,
        arrays.responses,
        dt_ms=DT_MS,
        audio_fs=AUDIO_FS if arrays.waveform else None,
        n_bands=N_BANDS,
    )


def peer_dataset(arrays: Arrays) -> Any:
    """Return deepSTRF's data set of these arrays."""
    from deepSTRF.datasets.audio.audio_dataset import AudioNeuralDataset

    class Simulated(AudioNeuralDataset):
        """What deepSTRF wants a data set to be: a subclass."""

    missing = torch.full((1, 1), float("nan"))
    dataset = Simulated("simulated", DT_MS)
    dataset.F, dataset.N_neurons = N_BANDS, N_NEURONS
    dataset.audio_fs, dataset.return_waveform = (AUDIO_FS, True) if arrays.waveform else (None, False)
    dataset.stims = [torch.from_numpy(stimulus)[None] for stimulus in arrays.stims]
    dataset.responses = [
        [missing if response is None else torch.from_numpy(response) for response in row] for row in arrays.responses
    ]
    dataset.stim_meta = [{} for _ in arrays.stims]
    dataset.nrn_meta = [{} for _ in range(N_NEURONS)]
    dataset.validate()
    return dataset
