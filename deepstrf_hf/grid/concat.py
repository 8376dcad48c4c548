"""Data sets as one: stimuli and neurons of several, side by side."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import GridError, ParameterError
from deepstrf_hf.grid.dataset import NeuralDataset
from deepstrf_hf.grid.description import GridDescription
from deepstrf_hf.grid.response_buffer import ResponseBuffer
from deepstrf_hf.grid.splits import Splits
from deepstrf_hf.grid.stimuli import PackedStimuli
from deepstrf_hf.grid.storage import PackedGrid

SAME_FREQUENCY = 0.01
"""Relative difference of two centre frequencies that is taken for rounding."""


class MixedSignalsWarning(UserWarning):
    """Responses of different kinds (spike counts, potentials, EEG) stand in one data set."""


def concat_neural_datasets(
    datasets: Sequence[NeuralDataset],
    names: Sequence[str] | None = None,
    *,
    join_neurons: bool = False,
    allow_different_bands: bool = False,
) -> NeuralDataset:
    """Put data sets side by side: all their stimuli, all their neurons.

    The grid is block-diagonal: neurons have data for the stimuli of their own data set. Values, transforms included,
    are shared and not copied. Selections are not carried over: of a view, the whole data set is taken.

    Parameters
    ----------
    datasets : sequence of NeuralDataset
        One or more; one alone is returned as it is.
    names : sequence of str, optional
        What the ``dataset`` entry of the metadata says of each; by default its corpus and configuration.
    join_neurons : bool
        Neurons of the same ``neuron_id`` become one that has data for stimuli of several data sets; for two cohorts
        recorded from the same neurons.
    allow_different_bands : bool
        Spectrograms of as many bands but other centre frequencies may stand together.

    Returns
    -------
    NeuralDataset
        Metadata keep the fields of their source, and get ``dataset`` and ``signal_type``. Ids that occur in several
        data sets are written ``<name>/<id>``. Splits of the same name become one.

    Warns
    -----
    MixedSignalsWarning
        Kinds of signals differ.

    Raises
    ------
    ParameterError
        No data sets, or another number of names.
    GridError
        Bin widths, bands, or kinds of stimuli that differ.
    """
    if not datasets:
        raise ParameterError("Nothing to concatenate", field="datasets", found="none", expected="one or more")
    for dataset in datasets:
        if not isinstance(dataset, NeuralDataset):
            raise ParameterError("Not a data set", field="datasets", found=repr(dataset), expected="NeuralDataset")
    if names is not None and len(names) != len(datasets):
        raise ParameterError("One name for each data set", field="names", found=len(names), expected=len(datasets))
    if len(datasets) == 1:
        return datasets[0]
    _check_alike(datasets, allow_different_bands)
    tags = _tags(datasets, names)
    _warn_of_mixed_signals(datasets)
    stim_ids = _ids([dataset.stim_meta for dataset in datasets], "stim_id", tags)
    neuron_ids = _ids([dataset.nrn_meta for dataset in datasets], "neuron_id", tags, join_neurons)
    places, n_neurons = _neuron_places(datasets, neuron_ids, join_neurons)
    nrn_meta: list[dict[str, Any]] = [{} for _ in range(n_neurons)]
    stim_meta: list[dict[str, Any]] = []
    for dataset, tag, stims, neurons, place in zip(datasets, tags, stim_ids, neuron_ids, places, strict=True):
        stim_meta += [{**entry, **new, "dataset": tag} for entry, new in zip(dataset.stim_meta, stims, strict=True)]
        for position, entry, new in zip(place.tolist(), dataset.nrn_meta, neurons, strict=True):
            tagged = {"signal_type": dataset.signal_type, **entry, **new, "dataset": tag}
            joined = nrn_meta[position]
            nrn_meta[position] = {**tagged, **joined, "dataset": f"{joined['dataset']}+{tag}"} if joined else tagged
    renamed = [
        {entry["stim_id"]: new["stim_id"] for entry, new in zip(dataset.stim_meta, news, strict=True) if new}
        for dataset, news in zip(datasets, stim_ids, strict=True)
    ]
    splits = [dataset.splits.renamed(names) for dataset, names in zip(datasets, renamed, strict=True)]
    together = type(datasets[0]) if len({type(dataset) for dataset in datasets}) == 1 else NeuralDataset
    whole = together.__new__(together)
    NeuralDataset.__init__(
        whole,
        _side_by_side([dataset._grid for dataset in datasets], places, n_neurons),
        PackedStimuli.join([dataset._stimuli for dataset in datasets]),
        stim_meta,
        nrn_meta,
        _description(datasets, tags, Splits.join(splits)),
    )
    whole.validate()
    return whole


def _check_alike(datasets: Sequence[NeuralDataset], allow_different_bands: bool) -> None:
    """Refuse data sets that no model could take together."""
    first = datasets[0]
    for index, other in enumerate(datasets[1:], start=1):
        which = f"data set {index} ({other.name or 'unnamed'}) beside data set 0 ({first.name or 'unnamed'})"
        for quantity, found, expected, mend in (
            ("bin widths (dt, ms)", other.dt, first.dt, "build one of them with the other's dt_ms"),
            ("kinds of stimuli", _kind(other), _kind(first), "load all with the same stimulus=..."),
            ("numbers of frequency bands", other.F, first.F, "build one of them with the other's number of bands"),
            ("rates of waveforms (Hz)", other.audio_fs, first.audio_fs, "load all with the same audio_fs=..."),
        ):
            if found != expected:
                raise GridError(f"Different {quantity}", field=which, found=found, expected=expected, mend=mend)
        here, there = other.band_frequencies_hz, first.band_frequencies_hz
        if here is None or there is None or first.return_waveform or allow_different_bands:
            continue
        if not np.allclose(here, there, rtol=SAME_FREQUENCY):
            raise GridError(
                "Frequency bands of different centre frequencies",
                field=which,
                found=f"{here[0]:.0f} to {here[-1]:.0f} Hz",
                expected=f"{there[0]:.0f} to {there[-1]:.0f} Hz",
                mend="concat_neural_datasets(..., allow_different_bands=True) if the model may mix them",
            )


def _kind(dataset: NeuralDataset) -> str:
    return "waveforms" if dataset.return_waveform else "spectrograms"


def _warn_of_mixed_signals(datasets: Sequence[NeuralDataset]) -> None:
    kinds = sorted({dataset.signal_type for dataset in datasets if dataset.signal_type})
    if len(kinds) > 1:
        warnings.warn(
            f"Responses of different kinds stand in one data set: {', '.join(kinds)}. Their units differ; separate "
            f"them with dataset.where(neurons={{'signal_type': {kinds[0]!r}}}), or bring them to one scale with "
            "normalize_responses",
            MixedSignalsWarning,
            stacklevel=3,
        )


def _tags(datasets: Sequence[NeuralDataset], names: Sequence[str] | None) -> list[str]:
    """Return a name for each data set, no two alike."""
    wanted = list(names) if names is not None else [dataset.name or type(dataset).__name__ for dataset in datasets]
    often, seen, tags = Counter(wanted), Counter[str](), []
    for name in wanted:
        seen[name] += 1
        tags.append(name if often[name] == 1 or names is not None else f"{name}#{seen[name]}")
    return tags


def _ids(
    metadata: Sequence[Sequence[Mapping[str, Any]]], key: str, tags: Sequence[str], shared: bool = False
) -> list[list[dict[str, str]]]:
    """Return, for each entry of each data set, its new id; nothing where it keeps its own."""
    owners = Counter(name for entries in metadata for name in {entry[key] for entry in entries if key in entry})
    often = Counter(tags)
    places = [f"{tag}#{index}" if often[tag] > 1 else tag for index, tag in enumerate(tags)]
    return [
        [
            {key: f"{place}/{entry[key]}"} if key in entry and owners[entry[key]] > 1 and not shared else {}
            for entry in entries
        ]
        for place, entries in zip(places, metadata, strict=True)
    ]


def _neuron_places(
    datasets: Sequence[NeuralDataset], neuron_ids: Sequence[Sequence[Mapping[str, str]]], join: bool
) -> tuple[list[NDArray[np.int64]], int]:
    """Return where the neurons of each data set stand in the whole, and how many those are.

    Raises
    ------
    GridError
        Neurons without ids cannot be joined.
    """
    if not join:
        begin = np.cumsum([0, *(dataset.N_neurons for dataset in datasets)])
        return [
            np.arange(first, last) for first, last in zip(begin[:-1].tolist(), begin[1:].tolist(), strict=True)
        ], int(begin[-1])
    place: dict[str, int] = {}
    places = []
    for dataset in datasets:
        if not all("neuron_id" in entry for entry in dataset.nrn_meta):
            raise GridError(
                "Neurons without ids cannot be joined", field=dataset.name or "nrn_meta", expected="a 'neuron_id' each"
            )
        here = [place.setdefault(entry["neuron_id"], len(place)) for entry in dataset.nrn_meta]
        places.append(np.array(here, np.int64))
    return places, len(place)


def _side_by_side(grids: Sequence[PackedGrid], places: Sequence[NDArray[np.int64]], n_neurons: int) -> PackedGrid:
    """Return one grid of all stimuli, whose neurons stand at the places given."""
    buffers: list[ResponseBuffer] = []
    columns, n_pairs = [], 0
    for grid, place in zip(grids, places, strict=True):
        old = np.full(n_neurons, -1)  # neuron of this grid at each place of the whole
        old[place] = np.arange(len(place))
        neuron = place[grid.pair_neuron]
        order = np.lexsort((neuron, grid.pair_stimulus))
        columns.append(
            (
                (grid.stimulus_buffer + len(buffers)).astype(np.int16),
                grid.pair_start[:-1] + n_pairs,
                neuron[order].astype(np.int32),
                grid.pair_offset[order],
                grid.pair_trials[order],
                grid.bins,
            )
        )
        buffers += [buffer.renumbered(old) for buffer in grid.buffers]
        n_pairs += len(grid.pair_neuron)
    stimulus_buffer, start, pair_neuron, offset, trials, bins = map(np.concatenate, zip(*columns, strict=True))
    return PackedGrid(
        tuple(buffers),
        stimulus_buffer,
        np.append(start, n_pairs),
        pair_neuron,
        offset,
        trials,
        bins,
        n_neurons,
        grids[0].dt_ms,
    )


def _description(datasets: Sequence[NeuralDataset], tags: Sequence[str], splits: Splits) -> GridDescription:
    first = datasets[0]

    def common(values: Sequence[Any], otherwise: Any) -> Any:
        return values[0] if all(value == values[0] for value in values) else otherwise

    def together(values: Sequence[str]) -> str:
        return "+".join(dict.fromkeys(value for value in values if value))

    return GridDescription(
        dt_ms=first.dt,
        n_bands=first.F,
        audio_fs=first.audio_fs,
        waveform=first.return_waveform,
        hearing_range_hz=common([dataset.hearing_range_hz for dataset in datasets], None),
        band_frequencies_hz=common([dataset.band_frequencies_hz for dataset in datasets], None),
        species=together([dataset.species for dataset in datasets]),
        signal_type=together([dataset.signal_type for dataset in datasets]),
        response_unit=common([dataset._description.response_unit for dataset in datasets], ""),
        path="+".join(dataset.path for dataset in datasets if dataset.path),
        name="+".join(tags),
        splits=splits,
    )
