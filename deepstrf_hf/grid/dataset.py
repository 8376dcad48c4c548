"""`NeuralDataset`: the grid that models are fitted to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deepstrf_hf.errors import GridError
from deepstrf_hf.grid.arrays import pack_responses, pack_stimuli
from deepstrf_hf.grid.check import check_grid
from deepstrf_hf.grid.description import GridDescription
from deepstrf_hf.grid.indexing import checked_index, checked_indices, matching_attribute, matching_predicate
from deepstrf_hf.grid.selection import Selection
from deepstrf_hf.grid.storage import PackedGrid
from deepstrf_hf.grid.views import GridResponses, GridStimuli, ItemResponses
from deepstrf_hf.responses.preprocessing import ResponseStep, checked_steps

Predicate = Callable[[Mapping[str, Any]], Any]


class NeuralDataset(torch.utils.data.Dataset[dict[str, Any]]):
    """Responses of neurons to stimuli as a ragged (stimulus, neuron) grid.

    Made by `deepstrf_hf.load` or `from_arrays`. An item is one stimulus with the responses of the selected neurons;
    batches are made by `neural_collate`. Responses lie in one buffer in their stored type and become float32 when
    they are handed out.

    Parameters
    ----------
    grid : PackedGrid
        Responses.
    stimuli : sequence of ndarray of float32
        One per stimulus: (bands, bins), or (samples,) for waveforms.
    stim_meta, nrn_meta : sequence of dict
        Metadata of stimuli and neurons.
    description : GridDescription
        Bin width and the like.

    Attributes
    ----------
    stims : sequence of Tensor
        (1, bands, bins) or (1, samples) each.
    responses : sequence of sequences of Tensor
        ``responses[stimulus][neuron]``, (trials, bins), or (1, 1) NaN where nothing was recorded.
    stim_meta, nrn_meta : list of dict
        Metadata.
    """

    def __init__(
        self,
        grid: PackedGrid,
        stimuli: Sequence[NDArray[np.float32]],
        stim_meta: Sequence[Mapping[str, Any]],
        nrn_meta: Sequence[Mapping[str, Any]],
        description: GridDescription,
    ) -> None:
        for field, entries in (("stim_meta", stim_meta), ("nrn_meta", nrn_meta)):
            for position, entry in enumerate(entries):
                if not isinstance(entry, Mapping):
                    raise GridError(
                        "Metadata must be dictionaries",
                        field=f"{field}[{position}]",
                        found=repr(entry),
                        expected="a dict",
                    )
        self._grid, self._stimuli, self._description = grid, stimuli, description
        self.stim_meta: list[dict[str, Any]] = [dict(entry) for entry in stim_meta]
        self.nrn_meta: list[dict[str, Any]] = [dict(entry) for entry in nrn_meta]
        self.stims = GridStimuli(stimuli)
        self.responses = GridResponses(grid)
        self._selection = Selection(grid)

    @classmethod
    def from_arrays(
        cls,
        stims: Sequence[Any],
        responses: Sequence[Sequence[Any]] | Mapping[tuple[int, int], Any],
        stim_meta: Sequence[Mapping[str, Any]] | None = None,
        nrn_meta: Sequence[Mapping[str, Any]] | None = None,
        *,
        dt_ms: float,
        n_neurons: int | None = None,
        audio_fs: int | None = None,
        n_bands: int | None = None,
        preprocessing: Sequence[ResponseStep] = (),
        hearing_range_hz: tuple[float, float] | None = None,
        species: str = "",
        signal_type: str = "",
    ) -> NeuralDataset:
        """Make a grid from arrays in memory: simulations, tests, other people's data.

        Parameters
        ----------
        stims : sequence of array
            Spectrograms, (bands, bins) or (1, bands, bins) each. With `audio_fs`: waveforms, (samples,) or
            (1, samples).
        responses : nested sequence or mapping
            ``responses[stimulus][neuron]``, or a mapping from (stimulus, neuron) to the pairs that were recorded.
            Each (trials, bins); None or a (1, 1) NaN where nothing was recorded.
        stim_meta, nrn_meta : sequence of mapping, optional
            Metadata; their number must fit.
        dt_ms : float
            Bin width, ms.
        n_neurons : int, optional
            With a mapping and without `nrn_meta`: without it, neurons after the last recorded one are not known.
        audio_fs : int, optional
            Rate of waveforms, Hz; given, stimuli are waveforms.
        n_bands : int, optional
            Bands of the spectrogram that goes with the waveforms.
        preprocessing : sequence of ResponseStep
            Done when responses are handed out.
        hearing_range_hz, species, signal_type
            As in `GridDescription`.

        Returns
        -------
        NeuralDataset
            Validated.

        Raises
        ------
        GridError
            Shapes that do not fit, NaN in stimuli, and whatever `validate` finds.
        """
        waveform = audio_fs is not None
        arrays = pack_stimuli(stims, waveform)
        known = len(nrn_meta) if nrn_meta is not None else n_neurons
        if n_neurons not in (None, known):
            raise GridError(
                "Two numbers of neurons", field="n_neurons", found=n_neurons, expected=f"{known}, as nrn_meta"
            )
        packed = pack_responses(responses, len(arrays), known, dt_ms, checked_steps(preprocessing))
        bands = n_bands or (0 if waveform or not arrays else arrays[0].shape[0])
        dataset = cls(
            packed,
            arrays,
            [{} for _ in arrays] if stim_meta is None else stim_meta,
            [{} for _ in range(packed.n_neurons)] if nrn_meta is None else nrn_meta,
            GridDescription(
                dt_ms, bands, audio_fs, waveform, hearing_range_hz, species=species, signal_type=signal_type
            ),
        )
        dataset.validate()
        return dataset

    # What it is ---------------------------------------------------------------------------------------------------

    @property
    def dt(self) -> float:
        """Bin width, ms; an int where it is whole."""
        dt = self._description.dt_ms
        return int(dt) if dt == int(dt) else dt

    @property
    def F(self) -> int:  # noqa: N802 (deepSTRF's name)
        """Frequency bands of the spectrogram."""
        return self._description.n_bands

    @property
    def audio_fs(self) -> int | None:
        """Rate of the waveforms, Hz; None in spectrogram mode."""
        return self._description.audio_fs

    @property
    def hop(self) -> int | None:
        """Audio samples per bin; None in spectrogram mode."""
        return None if self.audio_fs is None else round(self.audio_fs * self._description.dt_ms / 1000)

    @property
    def return_waveform(self) -> bool:
        """Whether stimuli are waveforms."""
        return self._description.waveform

    @property
    def hearing_range_hz(self) -> tuple[float, float] | None:
        """Lowest and highest audible frequency of the species, Hz."""
        return self._description.hearing_range_hz

    @property
    def band_frequencies_hz(self) -> tuple[float, ...] | None:
        """Centre frequency of each band, Hz, lowest first; None where they are not known."""
        return self._description.band_frequencies_hz

    @property
    def species(self) -> str:
        """Species recorded from."""
        return self._description.species

    @property
    def signal_type(self) -> str:
        """What was recorded: spikes, subthreshold or eeg."""
        return self._description.signal_type

    @property
    def path(self) -> str:
        """Directory or repository the grid was loaded from."""
        return self._description.path

    @property
    def preprocessing(self) -> tuple[ResponseStep, ...]:
        """Steps applied to responses when they are handed out."""
        return self._grid.steps

    @property
    def N_neurons(self) -> int:  # noqa: N802 (deepSTRF's name)
        """Neurons in the grid, selected or not."""
        return self._grid.n_neurons

    @property
    def nrn_masks(self) -> torch.Tensor:
        """Whether a neuron has data for a stimulus: bool, (stimuli, neurons)."""
        return torch.from_numpy(self._grid.mask.copy())

    def get_N(self) -> int:  # noqa: N802 (deepSTRF's name)
        """Return the number of neurons that items hold."""
        visible = self._selection.visible_neurons
        return self.N_neurons if visible is None else len(visible)

    def get_S(self) -> int:  # noqa: N802 (deepSTRF's name)
        """Return the number of stimuli in the grid."""
        return len(self._stimuli)

    def get_F(self) -> int:  # noqa: N802 (deepSTRF's name)
        """Return the number of frequency bands."""
        return self.F

    def get_nrn_meta(self) -> list[dict[str, Any]]:
        """Return the metadata of the neurons that items hold, in their order."""
        visible = self._selection.visible_neurons
        return list(self.nrn_meta) if visible is None else [self.nrn_meta[index] for index in visible]

    def __repr__(self) -> str:
        kind = "waveforms" if self.return_waveform else f"{self.F}-band spectrograms"
        return (
            f"NeuralDataset({self.path or 'from arrays'}: {self.get_S()} stimuli ({kind}), {self.N_neurons} neurons, "
            f"{len(self._grid.pair_neuron)} pairs, dt {self.dt} ms; {len(self)} stimuli and {self.get_N()} neurons "
            "selected)"
        )

    # Items --------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._selection.visible_stimuli)

    def __getitem__(self, index: Any) -> dict[str, Any]:
        """Return one item, or with a slice or list of indices the items' values as lists.

        Parameters
        ----------
        index : int, slice, or sequence of int
            Position among the selected stimuli; integers of any library.

        Returns
        -------
        dict
            ``stims`` (1, bands, bins) or (1, samples); ``responses``, one (trials, bins) per selected neuron;
            ``valid_mask``, bool (neurons,), whether each has data; ``stim_meta``.

        Raises
        ------
        SelectionError
            Not an integer, or out of range.
        """
        if isinstance(index, slice):
            index = range(*index.indices(len(self)))
        if isinstance(index, (Sequence, np.ndarray, torch.Tensor)) and getattr(index, "ndim", 1) > 0:
            items = [self[position] for position in checked_indices(index, len(self), "stimulus")]
            return {key: [item[key] for item in items] for key in ("stims", "responses", "valid_mask", "stim_meta")}
        stimulus = int(self._selection.visible_stimuli[checked_index(index, len(self), "stimulus")])
        responses = ItemResponses(self._grid, stimulus, self._selection.visible_neurons)
        return {
            "stims": self.stims[stimulus],
            "responses": responses,
            "valid_mask": torch.from_numpy(responses.heard),
            "stim_meta": self.stim_meta[stimulus],
        }

    # Selection ----------------------------------------------------------------------------------------------------

    @property
    def I(self) -> list[int] | None:  # noqa: E743, N802 (deepSTRF's name)
        """Chosen neurons; None is all, an empty list is none. Can be set."""
        return None if self._selection.neurons is None else self._selection.neurons.tolist()

    @I.setter
    def I(self, neurons: Iterable[int] | None) -> None:  # noqa: E743, N802
        chosen = None if neurons is None else checked_indices(neurons, self.N_neurons, "neuron")
        self._selection = replace(self._selection, neurons=chosen)

    @property
    def S_sel(self) -> list[int] | None:  # noqa: N802 (deepSTRF's name)
        """Chosen stimuli; None is all, an empty list is none. Can be set."""
        return None if self._selection.stimuli is None else self._selection.stimuli.tolist()

    @S_sel.setter
    def S_sel(self, stimuli: Iterable[int] | None) -> None:  # noqa: N802
        chosen = None if stimuli is None else checked_indices(stimuli, self.get_S(), "stimulus")
        self._selection = replace(self._selection, stimuli=chosen)

    def select_neuron(self, neuron: int) -> None:
        """Choose one neuron, replacing the choice before."""
        self.I = [neuron]

    def select_population(self, neurons: Sequence[int]) -> None:
        """Choose neurons, in this order, replacing the choice before; an empty list chooses none."""
        self.I = neurons

    def select_pop_by_nrn_attr(self, key: str, value: Any) -> list[int]:
        """Choose the neurons whose metadata has a value, and return them.

        Raises
        ------
        UnknownNameError
            No neuron has this attribute.
        """
        self.I = matching_attribute(self.nrn_meta, key, value, "neuron")
        return self.I

    def select_pop_by_nrn_predicate(self, predicate: Predicate) -> list[int]:
        """Choose the neurons whose metadata satisfies a predicate, and return them."""
        self.I = matching_predicate(self.nrn_meta, predicate, "neuron")
        return self.I

    def select_pop_by_stim_attr(self, key: str, value: Any) -> list[int]:
        """Choose the neurons that heard a stimulus whose metadata has a value, and return them; not the stimuli."""
        return self._select_pop_by_stimuli(matching_attribute(self.stim_meta, key, value, "stimulus"))

    def select_pop_by_stim_predicate(self, predicate: Predicate) -> list[int]:
        """Choose the neurons that heard a stimulus satisfying a predicate, and return them; not the stimuli."""
        return self._select_pop_by_stimuli(matching_predicate(self.stim_meta, predicate, "stimulus"))

    def _select_pop_by_stimuli(self, stimuli: list[int]) -> list[int]:
        self.I = np.flatnonzero(self._grid.mask[stimuli].any(axis=0)).tolist()
        return self.I

    def select_stim(self, stimulus: int) -> None:
        """Choose one stimulus, replacing the choice before."""
        self.S_sel = [stimulus]

    def select_stims(self, stimuli: Sequence[int]) -> None:
        """Choose stimuli, replacing the choice before; an empty list chooses none."""
        self.S_sel = stimuli

    def select_stims_by_attr(self, key: str, value: Any) -> list[int]:
        """Choose the stimuli whose metadata has a value, and return them.

        Raises
        ------
        UnknownNameError
            No stimulus has this attribute.
        """
        self.S_sel = matching_attribute(self.stim_meta, key, value, "stimulus")
        return self.S_sel

    def select_stims_by_predicate(self, predicate: Predicate) -> list[int]:
        """Choose the stimuli whose metadata satisfies a predicate, and return them."""
        self.S_sel = matching_predicate(self.stim_meta, predicate, "stimulus")
        return self.S_sel

    def reset_pop_selection(self) -> None:
        """Choose all neurons."""
        self.I = None

    def reset_stim_selection(self) -> None:
        """Choose all stimuli."""
        self.S_sel = None

    def validate(self) -> None:
        """Check that stimuli, responses and metadata fit together.

        Raises
        ------
        GridError
            Naming the stimulus and what does not fit.
        """
        check_grid(self._grid, self._stimuli, self.stim_meta, self.nrn_meta, self._description)
