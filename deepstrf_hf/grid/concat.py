"""Data sets as one: stimuli and neurons of several, side by side."""

from __future__ import annotations

import inspect
import itertools
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import GridError, ParameterError
from deepstrf_hf.grid.concat_metadata import Tags, joined_metadata, parts_of, tags_of, with_unique_ids
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
        One or more; one alone is returned as it is, whatever its name.
    names : sequence of str, optional
        What the ``dataset`` entry of the metadata says of each; by default its corpus and configuration, with a number
        where another has the same. What was concatenated before keeps the names it got then.
    join_neurons : bool
        Neurons of the same ``neuron_id`` become one that has data for stimuli of several data sets; for two cohorts
        recorded from the same neurons.
    allow_different_bands : bool
        Spectrograms of as many bands but other centre frequencies may stand together.

    Returns
    -------
    NeuralDataset
        Metadata keep the fields of their source, and get ``dataset`` and ``signal_type``. Ids that occur in several
        data sets are written ``<name>/<id>``. Splits of the same name become one. A joined neuron has the fields of
        all its sources, the first of them where they differ; coverage and quality (``n_trials``, ``snr`` …), which
        are those of one source, are left out.

    Warns
    -----
    MixedSignalsWarning
        Kinds of signals differ.

    Raises
    ------
    ParameterError
        No data sets, or what is none; names that are not text, or not as many.
    GridError
        Bin widths, bands, or kinds of stimuli that differ; neurons without ids that should be joined.
    """
    datasets = _checked_datasets(datasets)
    if names is not None and (isinstance(names, str) or not all(isinstance(name, str) for name in names)):
        raise ParameterError("Names of data sets must be text", field="names", found=repr(names))
    if names is not None and len(names) != len(datasets):
        raise ParameterError("One name for each data set", field="names", found=len(names), expected=len(datasets))
    if len(datasets) == 1:
        return datasets[0]
    _check_alike(datasets, allow_different_bands)
    _warn_of_mixed_signals(datasets)
    tags = tags_of(datasets, names)
    stim_meta = _stim_meta(datasets, tags)
    places, n_neurons = _neuron_places(datasets, join_neurons)
    together = type(datasets[0]) if len({type(dataset) for dataset in datasets}) == 1 else NeuralDataset
    whole = together.__new__(together)
    NeuralDataset.__init__(
        whole,
        _side_by_side([dataset._grid for dataset in datasets], places, n_neurons),
        PackedStimuli.join([dataset._stimuli for dataset in datasets]),
        stim_meta,
        _nrn_meta(datasets, tags, places, n_neurons),
        _description(datasets, tags, _splits(datasets, stim_meta)),
    )
    whole.validate()
    return whole


def _checked_datasets(datasets: Iterable[NeuralDataset]) -> list[NeuralDataset]:
    """Return data sets as a list.

    Raises
    ------
    ParameterError
        None at all, or something else.
    """
    # A data set is a sequence of items: given alone, it would be taken apart.
    one = isinstance(datasets, NeuralDataset) or not isinstance(datasets, Iterable)
    listed = [] if one else list(datasets)
    for index, dataset in enumerate(listed):
        if not isinstance(dataset, NeuralDataset):
            raise ParameterError(
                "Not a data set", field=f"datasets[{index}]", found=f"{dataset!r:.80}", expected="NeuralDataset"
            )
    if not listed:
        found = f"{datasets!r:.80}" if one else "none"
        raise ParameterError("Nothing to concatenate", field="datasets", found=found, expected="a list of data sets")
    return listed


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
    if not (first.return_waveform or allow_different_bands):
        _check_bands([(index, bands) for index, bands in enumerate(_bands(datasets)) if bands is not None])


def _check_bands(known: Sequence[tuple[int, NDArray[np.float64]]]) -> None:
    """Refuse data sets whose bands are not those of the first for which they are known."""
    for index, here in known[1:]:
        beside, there = known[0]
        if not _same_bands(here, there):
            worst = int(np.argmax(np.abs(here / there - 1)))
            raise GridError(
                "Frequency bands of different centre frequencies",
                field=f"band {worst} of data set {index} beside data set {beside}",
                found=f"{here[worst]:.0f} Hz, of {here[0]:.0f} to {here[-1]:.0f} Hz",
                expected=f"{there[worst]:.0f} Hz, of {there[0]:.0f} to {there[-1]:.0f} Hz",
                mend="concat_neural_datasets(..., allow_different_bands=True) if the model may mix them",
            )


def _bands(datasets: Sequence[NeuralDataset]) -> list[NDArray[np.float64] | None]:
    known = [dataset.band_frequencies_hz for dataset in datasets]
    return [None if bands is None else np.array(bands, np.float64) for bands in known]


def _same_bands(here: NDArray[np.float64] | None, there: NDArray[np.float64] | None) -> bool:
    return here is not None and there is not None and np.allclose(here, there, rtol=SAME_FREQUENCY)


def _kind(dataset: NeuralDataset) -> str:
    return "waveforms" if dataset.return_waveform else "spectrograms"


def _warn_of_mixed_signals(datasets: Sequence[NeuralDataset]) -> None:
    kinds = sorted(parts_of(dataset.signal_type for dataset in datasets))
    if len(kinds) > 1:
        warnings.warn(
            f"Responses of different kinds stand in one data set: {', '.join(kinds)}. Their units differ; separate "
            f"them with dataset.where(neurons={{'signal_type': {kinds[0]!r}}}), or bring them to one scale with "
            "normalize_responses",
            MixedSignalsWarning,
            stacklevel=_level_of_caller(),
        )


def _level_of_caller() -> int:
    """Return the ``stacklevel`` at which a warning of the function that asks shows the code of the user."""
    level, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] == __name__.split(".")[0]:
        level, frame = level + 1, frame.f_back
    return level


def _neuron_places(datasets: Sequence[NeuralDataset], join: bool) -> tuple[list[NDArray[np.int64]], int]:
    """Return where the neurons of each data set stand in the whole, and how many those are.

    Raises
    ------
    GridError
        Neurons without ids cannot be joined.
    """
    if not join:
        begin = np.cumsum([0, *(dataset.N_neurons for dataset in datasets)]).tolist()
        return [np.arange(first, last) for first, last in zip(begin[:-1], begin[1:], strict=True)], begin[-1]
    place: dict[str, int] = {}
    places = []
    for index, dataset in enumerate(datasets):
        ids: list[Any] = [entry.get("neuron_id") for entry in dataset.nrn_meta]
        if None in ids:
            raise GridError(
                "Neurons without ids cannot be joined",
                field=f"nrn_meta[{ids.index(None)}] of data set {index} ({dataset.name or 'unnamed'})",
                expected="a 'neuron_id' each",
            )
        places.append(np.array([place.setdefault(name, len(place)) for name in ids], np.int64))
    return places, len(place)


def _stim_meta(datasets: Sequence[NeuralDataset], tags: Sequence[Tags]) -> list[dict[str, Any]]:
    tagged = [
        {**entry, "dataset": tag}
        for dataset, here in zip(datasets, tags, strict=True)
        for entry, tag in zip(dataset.stim_meta, here.of_stimuli, strict=True)
    ]
    return with_unique_ids(tagged, "stim_id")


def _splits(datasets: Sequence[NeuralDataset], stim_meta: Sequence[Mapping[str, Any]]) -> Splits:
    """Return the splits of all data sets together, in the ids that their stimuli have now."""
    now, splits = iter(stim_meta), []
    for dataset in datasets:
        both = zip(dataset.stim_meta, itertools.islice(now, len(dataset.stim_meta)), strict=True)
        new = {entry["stim_id"]: here["stim_id"] for entry, here in both if entry.get("stim_id") is not None}
        splits.append(dataset.splits.renamed(new))
    return Splits.join(splits)


def _nrn_meta(
    datasets: Sequence[NeuralDataset], tags: Sequence[Tags], places: Sequence[NDArray[np.int64]], n_neurons: int
) -> list[dict[str, Any]]:
    metadata: list[dict[str, Any]] = [{} for _ in range(n_neurons)]
    for dataset, here, place in zip(datasets, tags, places, strict=True):
        for position, entry, tag in zip(place.tolist(), dataset.nrn_meta, here.of_neurons, strict=True):
            tagged = {"signal_type": dataset.signal_type or None, **entry, "dataset": tag}
            metadata[position] = joined_metadata(metadata[position], tagged) if metadata[position] else tagged
    return with_unique_ids(metadata, "neuron_id")


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


def _description(datasets: Sequence[NeuralDataset], tags: Sequence[Tags], splits: Splits) -> GridDescription:
    first = datasets[0]
    bands = _bands(datasets)
    names = [tag for here in tags for tag in dict.fromkeys(here.of_stimuli)]

    def common(values: Sequence[Any], otherwise: Any) -> Any:
        return values[0] if all(value == values[0] for value in values) else otherwise

    def together(values: Sequence[str]) -> str:
        return "+".join(parts_of(values))

    return GridDescription(
        dt_ms=first.dt,
        n_bands=first.F,
        audio_fs=first.audio_fs,
        waveform=first.return_waveform,
        hearing_range_hz=common([dataset.hearing_range_hz for dataset in datasets], None),
        band_frequencies_hz=first.band_frequencies_hz if all(_same_bands(bands[0], one) for one in bands) else None,
        species=together([dataset.species for dataset in datasets]),
        signal_type=together([dataset.signal_type for dataset in datasets]),
        response_unit=common([dataset._description.response_unit for dataset in datasets], ""),
        path="+".join(dataset.path for dataset in datasets if dataset.path),
        name="+".join(names),
        corpus=common([dataset._description.corpus for dataset in datasets], ""),
        splits=splits,
    )
