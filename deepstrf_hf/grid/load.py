"""Open a built directory or a Hub repository as a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from deepstrf_hf.errors import GridError, MissingDependencyError, TableFormatError
from deepstrf_hf.names import AUDIO_ONSET, NEURON_PREFIX, STIMULUS_PREFIX, SUFFIX
from deepstrf_hf.parquet import as_numpy, column_names, row_groups
from deepstrf_hf.preprocessing import Step, chosen_steps
from deepstrf_hf.repository import Repository

try:
    from deepstrf_hf.grid.check import whole_hop
    from deepstrf_hf.grid.dataset import NeuralDataset
    from deepstrf_hf.grid.metadata import check_stimulus_kind, describe, metadata_columns, without_prefix
    from deepstrf_hf.grid.responses import read_responses
    from deepstrf_hf.grid.splits import Splits
    from deepstrf_hf.grid.steps import (
        ResponsePreprocessing,
        StimulusPreprocessing,
        columns_needed,
    )
    from deepstrf_hf.grid.stimuli import PackedStimuli
    from deepstrf_hf.grid.storage import PackedGrid
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
    repository = Repository.open(source, revision=revision, token=token)
    config = repository.main_config(config)
    files = repository.files(config, split)
    stimuli_files, neuron_files = (repository.files(config + SUFFIX[table]) for table in ("stimuli", "neurons"))
    provenance = repository.provenance([*files, *stimuli_files, *neuron_files])
    neuron_table, stimulus_table = _metadata(neuron_files), _metadata(stimuli_files)
    steps = chosen_steps(preprocessing, provenance["preprocessing"])
    grid = _read_grid(files, stimulus_table, neuron_table, provenance)
    neurons, stimuli = neuron_table.to_pylist(), stimulus_table.to_pylist()
    nrn_meta = [without_prefix(row, NEURON_PREFIX) for row in neurons]
    grid = ResponsePreprocessing.bind(steps, nrn_meta).done_to(grid, [row["subset"] for row in stimuli])
    heard = np.diff(grid.pair_start) > 0
    if not heard.all():  # one split of two: stimuli of the other are not part of the grid
        grid = grid.keep_stimuli(heard)
        stimuli = [row for row, keep in zip(stimuli, heard, strict=True) if keep]
    ids = [row["stim_id"] for row in stimuli]
    waveform = stimulus == "waveform"
    description = describe(provenance, audio_fs, waveform, str(source), config)
    if waveform:
        arrays = _waveforms(stimuli_files, ids, grid, description.audio_fs or 0)
    else:
        place = np.flatnonzero(heard).tolist()
        arrays = _spectrograms(stimuli_files, ids, place, _for_stimuli(steps, stimuli_files))
    kept = [name for name in repository.configs[config] if split in (None, name)]
    members = {name: _stimuli_of(repository.files(config, name)) for name in kept}
    dataset = NeuralDataset(
        grid,
        PackedStimuli.pack(arrays, copy=False),  # they are nobody else's
        [without_prefix(row, STIMULUS_PREFIX) for row in stimuli],
        nrn_meta,
        replace(
            description,
            n_bands=_n_bands(stimuli_files) if waveform else arrays[0].shape[0],
            splits=Splits.published(members, provenance.get("splits_source", "")),
        ),
    )
    dataset.validate()
    return dataset


def _for_stimuli(steps: Sequence[Step], files: Sequence[Path]) -> StimulusPreprocessing:
    """Return what is done to spectrograms, with the columns it needs."""
    columns = columns_needed(steps, column_names(files[0]))
    table = pa.concat_tables(list(row_groups(files, columns))) if columns else None
    return StimulusPreprocessing.of_table(steps, table, str(files[0]))


def _metadata(files: Sequence[Path]) -> pa.Table:
    """Read all columns but the large ones."""
    return pa.concat_tables(list(row_groups(files, metadata_columns(column_names(files[0])))))


def _stimuli_of(files: Sequence[Path]) -> list[str]:
    """Return the ids of the stimuli of a split, ascending."""
    once: set[str] = set()
    for table in row_groups(files, ["stim_id"]):
        once.update(pa.compute.unique(table.column("stim_id")).to_pylist())
    return sorted(once)


def _read_grid(
    files: Sequence[Path],
    stimuli: pa.Table,
    neurons: pa.Table,
    provenance: Mapping[str, Any],
) -> PackedGrid:
    """Read the responses of a main table into one buffer."""
    index = pa.concat_tables(list(row_groups(files, ["stim_id", "neuron_id", "n_trials", "n_bins"])))
    if not len(index):
        raise TableFormatError("The main table has no rows", path=files[0].parent, mend="build or download it again")
    places = []
    for column, companion in (("stim_id", stimuli), ("neuron_id", neurons)):
        place = pa.compute.index_in(index.column(column), companion.column(column).combine_chunks())
        if place.null_count:
            unknown = pa.compute.filter(index.column(column), pa.compute.is_null(place))[0].as_py()
            raise TableFormatError(
                "The main table names what its companion table lacks", path=files[0].parent, field=column, found=unknown
            )
        named = pa.compute.value_counts(companion.column(column))
        twice = np.flatnonzero(as_numpy(named.field("counts")) > 1)
        if len(twice):
            raise TableFormatError(
                "A companion table names one thing twice",
                path=files[0].parent,
                field=column,
                found=named.field("values")[int(twice[0])].as_py(),
            )
        places.append(as_numpy(place))
    trials, bins = (as_numpy(index.column(name)).astype(np.int64) for name in ("n_trials", "n_bins"))
    values = read_responses(files, trials, bins)
    return PackedGrid.from_pairs(
        values,
        places[0],
        places[1],
        trials,
        bins,
        n_stimuli=len(stimuli),
        n_neurons=len(neurons),
        dt_ms=provenance["dt_ms"],
    )


def _spectrograms(
    files: Sequence[Path], stim_ids: Sequence[str], places: Sequence[int], preprocessing: StimulusPreprocessing
) -> list[NDArray[np.float32]]:
    """Read and preprocess spectrograms, given where each stands in the stimuli table."""
    wanted, arrays = dict(zip(stim_ids, places, strict=True)), {}
    for table in row_groups(files, ["stim_id", "spectrogram"]):
        names, column = table.column("stim_id"), table.column("spectrogram").combine_chunks()
        for row, name in enumerate(names.to_pylist()):
            if name in wanted:
                matrix = _matrix(column[row].values, name, files[0].parent)
                arrays[name] = preprocessing.apply(wanted[name], matrix)
    return [arrays[name] for name in stim_ids]


def _matrix(bands: pa.ListArray | None, name: str, path: Path) -> NDArray[np.float32]:
    """Return a list of bands as a matrix.

    Raises
    ------
    TableFormatError
        Absent, or bands of different length.
    """
    lengths = set() if bands is None else set(bands.value_lengths().to_pylist())
    if bands is None or len(lengths) != 1:
        raise TableFormatError(
            "A spectrogram is not a matrix",
            path=path,
            field=f"spectrogram of {name}",
            found="none" if bands is None else f"bands of {sorted(lengths)} bins",
            mend="build or download it again",
        )
    matrix: NDArray[np.float32] = as_numpy(bands.flatten()).reshape(len(bands), -1).copy()
    return matrix


def _n_bands(files: Sequence[Path]) -> int:
    first = next(iter(row_groups(files, ["spectrogram"])))
    return len(first.column("spectrogram")[0].values)


def _waveforms(
    files: Sequence[Path], stim_ids: Sequence[str], grid: PackedGrid, audio_fs: int
) -> list[NDArray[np.float32]]:
    """Decode, resample and cut or pad the waveforms to the bins of their responses."""
    from deepstrf_hf.grid.waveforms import waveform_on_bins  # only waveforms need soxr and soundfile

    hop = whole_hop(audio_fs, grid.dt_ms)
    place, arrays = {name: index for index, name in enumerate(stim_ids)}, {}
    for table in row_groups(files, ["stim_id", "audio", "stim_sample_rate_hz", AUDIO_ONSET]):
        for row in table.to_pylist():
            index = place.get(row["stim_id"])
            if index is None:
                continue
            if row["audio"] is None:
                raise GridError("A stimulus has no waveform", field=row["stim_id"], mend="take stimulus='spectrogram'")
            arrays[index] = waveform_on_bins(
                row["audio"]["bytes"],
                row["stim_id"],
                row["stim_sample_rate_hz"],
                audio_fs,
                int(grid.bins[index]) * hop,
                row[AUDIO_ONSET],
            )
    return [arrays[index] for index in range(len(stim_ids))]
