"""Open a built directory or a Hub repository as a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from deepstrf_hf.cache.entries import CacheDirectory
from deepstrf_hf.cache.settings import cache_settings
from deepstrf_hf.errors import MissingDependencyError
from deepstrf_hf.preprocessing import Step, chosen_steps
from deepstrf_hf.repository import Repository

try:
    from deepstrf_hf.grid.dataset import NeuralDataset
    from deepstrf_hf.grid.load_stimuli import n_bands_of, open_spectrograms, open_waveforms
    from deepstrf_hf.grid.load_tables import CohortFiles, CohortTables
    from deepstrf_hf.grid.metadata import check_stimulus_kind, describe
    from deepstrf_hf.grid.splits import Splits
    from deepstrf_hf.grid.steps import ResponsePreprocessing
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise MissingDependencyError(
        "The grid needs PyTorch", found="no torch", mend="pip install 'deepstrf-hf[torch]'"
    ) from error


def load(
    source: str | Path,
    config: str | None = None,
    *,
    split: str | None = None,
    stimulus: str = "spectrogram",
    audio_fs: int | None = None,
    preprocessing: str | Sequence[Step] | None = "published",
    revision: str | None = None,
    token: str | bool | None = None,
    cache: bool | str | Path = True,
) -> NeuralDataset:
    """Open a cohort as a (stimulus, neuron) grid.

    Parameters
    ----------
    source : str or Path
        A directory that `deepstrf_hf.build` wrote, or the id of a Hub repository.
    config : str, optional
        Configuration of a main table, for example ``"a1"``; the default one if not given.
    split : str, optional
        ``"train"`` or ``"test"``; both by default.
    stimulus : str
        ``"spectrogram"`` or ``"waveform"``.
    audio_fs : int, optional
        Rate of waveforms, Hz; the corpus's own choice if not given. ``audio_fs * dt / 1000`` must be whole.
    preprocessing : str, sequence of ResponseStep or StimulusStep, or None
        ``"published"``: what the corpus's papers apply to responses and spectrograms. ``"deepstrf"``: what deepSTRF
        0.1.0 hands out with its defaults. None: both as stored. Or steps of your own. Waveforms are never changed.
    revision : str, optional
        Branch, tag or commit on the Hub.
    token : str, bool or None
        As in ``huggingface_hub``.
    cache : bool, str or Path
        Whether what is opened is kept, unpacked, so that it opens at once the next time, and where. True: in the
        directory that ``DEEPSTRF_CACHE_DIR`` names, or the platform's for caches; ``DEEPSTRF_CACHE_GB`` (20) bounds
        it. Entries are known by the contents of the files they were made of.

    Returns
    -------
    NeuralDataset
        Stimuli in ascending order of ``stim_id``, neurons in ascending order of ``neuron_id``. Coverage and quality
        in the neurons' metadata (``snr``, ``ccmax`` …) are those of all splits, the test set included.

    Raises
    ------
    UnknownNameError
        No such configuration or split.
    ParameterError
        An argument that cannot be used.
    TableFormatError, GridError
        The tables are not ours, or broken.
    HubError
        The Hub refused or could not be reached.
    """
    check_stimulus_kind(stimulus, audio_fs)
    settings = cache_settings(cache)
    repository = Repository.open(source, revision=revision, token=token)
    config = repository.main_config(config)
    files = CohortFiles.find(repository, config, split, CacheDirectory(settings) if settings else None)
    tables = CohortTables.open(files)
    steps = chosen_steps(preprocessing, tables.provenance["preprocessing"])
    heard = np.diff(tables.grid.pair_start) > 0
    # One split of two: stimuli of the other are not part of the grid.
    grid = tables.grid if heard.all() else tables.grid.keep_stimuli(heard)
    stimuli = [row for row, keep in zip(tables.stimuli, heard.tolist(), strict=True) if keep]
    grid = ResponsePreprocessing.bind(steps, tables.neurons).done_to(grid, [row["subset"] for row in stimuli])
    waveform = stimulus == "waveform"
    description = describe(tables.provenance, audio_fs, waveform, str(source), config)
    if waveform:
        packed = open_waveforms(files, heard, grid.bins, description.audio_fs or 0, grid.dt_ms)
    else:
        packed = open_spectrograms(files, heard, steps)
    dataset = NeuralDataset(
        grid,
        packed,
        stimuli,
        tables.neurons,
        replace(
            description,
            n_bands=n_bands_of(files.stimuli) if waveform else int(packed.bands[0]),
            splits=Splits.published(tables.members, tables.provenance.get("splits_source", "")),
        ),
    )
    dataset._validate(known_finite=True)
    return dataset
