"""Open a built directory or a Hub repository as a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from deepstrf_hf.errors import GridError, MissingDependencyError, ParameterError, TableFormatError
from deepstrf_hf.names import AUDIO_ONSET, NEURON_PREFIX, STIMULUS_PREFIX, SUFFIX
from deepstrf_hf.parquet import as_numpy, column_names, row_groups
from deepstrf_hf.repository import Repository
from deepstrf_hf.responses.preprocessing import ResponseStep, checked_steps, steps_from_json

try:
    from deepstrf_hf.grid.check import whole_hop
    from deepstrf_hf.grid.dataset import NeuralDataset
    from deepstrf_hf.grid.description import GridDescription
    from deepstrf_hf.grid.responses import read_responses
    from deepstrf_hf.grid.splits import Splits
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
    preprocessing: str | Sequence[ResponseStep] | None = "published",
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
    preprocessing : str, sequence of ResponseStep, or None
        ``"published"``: what the corpus's papers apply to responses. ``"deepstrf"``: what deepSTRF 0.1.0 hands out
        with its defaults. None: responses as stored. Or steps of your own.
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
    if stimulus not in ("spectrogram", "waveform"):
        raise ParameterError(
            "Unknown kind of stimulus", field="stimulus", found=repr(stimulus), expected="'spectrogram' or 'waveform'"
        )
    if audio_fs is not None and stimulus == "spectrogram":
        raise ParameterError(
            "A sampling rate goes with waveforms", field="audio_fs", found=audio_fs, mend="add stimulus='waveform'"
        )
    repository = Repository.open(source, revision=revision, token=token)
    config = repository.main_config(config)
    files = repository.files(config, split)
    stimuli_files, neuron_files = (repository.files(config + SUFFIX[table]) for table in ("stimuli", "neurons"))
    provenance = repository.provenance([*files, *stimuli_files, *neuron_files])
    neuron_table = _metadata(neuron_files, exclude=())
    stimulus_table = _metadata(stimuli_files, exclude=("spectrogram", "audio", "picture"))
    grid = _read_grid(files, stimulus_table, neuron_table, provenance, _steps(preprocessing, provenance))
    neurons, stimuli = neuron_table.to_pylist(), stimulus_table.to_pylist()
    heard = np.diff(grid.pair_start) > 0
    if not heard.all():  # one split of two: stimuli of the other are not part of the grid
        grid = grid.keep_stimuli(heard)
        stimuli = [row for row, keep in zip(stimuli, heard, strict=True) if keep]
    rate = None
    if stimulus == "waveform":
        rate = provenance["audio_fs"] if audio_fs is None else audio_fs
    ids = [row["stim_id"] for row in stimuli]
    read = _waveforms if stimulus == "waveform" else _spectrograms
    arrays = PackedStimuli.pack(read(stimuli_files, ids, grid, rate))
    kept = [name for name in repository.configs[config] if split in (None, name)]
    members = {name: _stimuli_of(repository.files(config, name)) for name in kept}
    hearing, bands = provenance["hearing_range_hz"], provenance["band_frequencies_hz"]
    dataset = NeuralDataset(
        grid,
        arrays,
        [_without_prefix(row, STIMULUS_PREFIX) for row in stimuli],
        [_without_prefix(row, NEURON_PREFIX) for row in neurons],
        GridDescription(
            dt_ms=provenance["dt_ms"],
            n_bands=_n_bands(stimuli_files) if stimulus == "waveform" else arrays[0].shape[0],
            audio_fs=rate,
            waveform=stimulus == "waveform",
            hearing_range_hz=(hearing[0], hearing[1]),
            band_frequencies_hz=None if bands is None else tuple(bands),
            species=provenance["species"],
            signal_type=provenance["signal_type"],
            response_unit=provenance["response_unit"],
            path=str(source),
            name=f"{provenance['corpus']}/{config}",
            splits=Splits.published(members, provenance.get("splits_source", "")),
        ),
    )
    dataset.validate()
    return dataset


def _steps(
    preprocessing: str | Sequence[ResponseStep] | None, provenance: Mapping[str, Any]
) -> tuple[ResponseStep, ...]:
    declared = provenance["preprocessing"]
    if preprocessing is None:
        return ()
    if isinstance(preprocessing, str) and preprocessing in declared:
        return steps_from_json(declared[preprocessing])
    return checked_steps(preprocessing, declared)


def _metadata(files: Sequence[Path], exclude: Sequence[str]) -> pa.Table:
    """Read all columns but the large ones."""
    columns = [name for name in column_names(files[0]) if name not in exclude]
    return pa.concat_tables(list(row_groups(files, columns)))


def _stimuli_of(files: Sequence[Path]) -> list[str]:
    """Return the ids of the stimuli of a split, ascending."""
    once: set[str] = set()
    for table in row_groups(files, ["stim_id"]):
        once.update(pa.compute.unique(table.column("stim_id")).to_pylist())
    return sorted(once)


def _without_prefix(row: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return a row under deepSTRF's names: ``stim_name`` is ``name``; ``stim_id`` and ``neuron_id`` stay."""
    keep = ("stim_id", "neuron_id")
    return {name if name in keep else name.removeprefix(prefix): value for name, value in row.items()}


def _read_grid(
    files: Sequence[Path],
    stimuli: pa.Table,
    neurons: pa.Table,
    provenance: Mapping[str, Any],
    steps: tuple[ResponseStep, ...],
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
        steps=steps,
    )


def _spectrograms(files: Sequence[Path], stim_ids: Sequence[str], *_: object) -> list[NDArray[np.float32]]:
    wanted, arrays = set(stim_ids), {}
    for table in row_groups(files, ["stim_id", "spectrogram"]):
        names, column = table.column("stim_id"), table.column("spectrogram").combine_chunks()
        for row, name in enumerate(names.to_pylist()):
            if name in wanted:
                arrays[name] = _matrix(column[row].values, name, files[0].parent)
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
    files: Sequence[Path], stim_ids: Sequence[str], grid: PackedGrid, audio_fs: int | None
) -> list[NDArray[np.float32]]:
    """Decode, resample and cut or pad the waveforms to the bins of their responses."""
    from deepstrf_hf.grid.waveforms import waveform_on_bins  # only waveforms need soxr and soundfile

    if audio_fs is None:
        raise ParameterError("This corpus names no rate for waveforms", field="audio_fs", mend="pass audio_fs=...")
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
