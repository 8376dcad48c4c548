"""`NeuralDataset`: the grid that models are fitted to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from deepstrf_hf.errors import GridError
from deepstrf_hf.grid.arrays import checked_stimuli, pack_responses
from deepstrf_hf.grid.check import check_grid
from deepstrf_hf.grid.description import GridDescription
from deepstrf_hf.grid.indexing import checked_index, checked_indices
from deepstrf_hf.grid.response_buffer import Step
from deepstrf_hf.grid.selecting import Selecting
from deepstrf_hf.grid.selection import Selection
from deepstrf_hf.grid.splits import Splits, check_splits, stratified_splits
from deepstrf_hf.grid.steps import ResponsePreprocessing, StimulusPreprocessing
from deepstrf_hf.grid.stimuli import PackedStimuli
from deepstrf_hf.grid.storage import PackedGrid
from deepstrf_hf.grid.transforms import Transforming
from deepstrf_hf.grid.views import GridResponses, GridStimuli, ItemResponses
from deepstrf_hf.preprocessing import Step as PreprocessingStep
from deepstrf_hf.preprocessing import checked_steps

if TYPE_CHECKING:
    import matplotlib.figure
    import pandas
    import xarray


class NeuralDataset(Selecting, Transforming, torch.utils.data.Dataset[dict[str, Any]]):
    """Responses of neurons to stimuli as a ragged (stimulus, neuron) grid.

    Made by `deepstrf_hf.load` or `from_arrays`. An item is one stimulus with the responses of the selected neurons;
    batches are made by `neural_collate`. Responses lie in one buffer in their stored type and become float32 when
    they are handed out. Selections, transforms and concatenation share the stored values and never change them.

    Parameters
    ----------
    grid : PackedGrid
        Responses.
    stimuli : PackedStimuli or sequence of ndarray of float32
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
        stimuli: PackedStimuli | Sequence[NDArray[np.float32]],
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
        self._description = description
        self._stimuli = stimuli if isinstance(stimuli, PackedStimuli) else PackedStimuli.pack(stimuli)
        self.stim_meta: list[dict[str, Any]] = [dict(entry) for entry in stim_meta]
        self.nrn_meta: list[dict[str, Any]] = [dict(entry) for entry in nrn_meta]
        self.stims = GridStimuli(self._stimuli)
        self._selection = Selection(grid)
        self._replace_grid(grid)

    def _replace_grid(self, grid: PackedGrid) -> None:
        """Take another grid of the same pairs; the selection stays."""
        self._grid = grid
        self.responses = GridResponses(grid)

    @classmethod
    def from_arrays(
        cls,
        stims: Sequence[Any],
        responses: Sequence[Any] | Mapping[tuple[int, int], Any],
        stim_meta: Sequence[Mapping[str, Any]] | None = None,
        nrn_meta: Sequence[Mapping[str, Any]] | None = None,
        *,
        dt_ms: float,
        n_neurons: int | None = None,
        audio_fs: int | None = None,
        n_bands: int | None = None,
        preprocessing: Sequence[PreprocessingStep] = (),
        hearing_range_hz: tuple[float, float] | None = None,
        species: str = "",
        signal_type: str = "",
        name: str = "",
        splits: Mapping[str, Sequence[str]] | None = None,
        copy: bool = True,
    ) -> NeuralDataset:
        """Make a grid from arrays in memory: simulations, tests, other people's data.

        Parameters
        ----------
        stims : sequence of array
            Spectrograms, (bands, bins) or (1, bands, bins) each. With `audio_fs`: waveforms, (samples,) or
            (1, samples).
        responses : sequence or mapping
            For each stimulus the responses of all neurons, (trials, bins) each, None or a (1, 1) NaN where nothing
            was recorded; or one array (neurons, trials, bins), a neuron that is all NaN being one not recorded; or
            ``(neurons, array)``, where the array (some neurons, trials, bins) holds the neurons numbered in
            ``neurons``. Or a mapping from (stimulus, neuron) to the pairs that were recorded. Arrays are the fast way.
        stim_meta, nrn_meta : sequence of mapping, optional
            Metadata; their number must fit.
        dt_ms : float
            Bin width, ms.
        n_neurons : int, optional
            Where `nrn_meta` is not given and responses do not tell: neurons after the last recorded one.
        audio_fs : int, optional
            Rate of waveforms, Hz; given, stimuli are waveforms.
        n_bands : int, optional
            Bands of the spectrogram that goes with the waveforms.
        preprocessing : sequence of ResponseStep or StimulusStep
            Done when responses are handed out, and to spectrograms at once.
        hearing_range_hz, species, signal_type, name
            As in `GridDescription`.
        splits : mapping of str to sequence of str, optional
            Published division: ``stim_id`` of the stimuli of each split.
        copy : bool
            False uses arrays where they lie, which saves time and memory: stimuli that are contiguous float32, and
            responses to a whole stimulus that are contiguous whole numbers of one or two bytes, or float32. They must
            not be changed afterwards. They move to shared memory when the data set is sent to worker processes.

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
        arrays = checked_stimuli(stims, waveform)
        known = len(nrn_meta) if nrn_meta is not None else n_neurons
        if n_neurons not in (None, known):
            raise GridError(
                "Two numbers of neurons", field="n_neurons", found=n_neurons, expected=f"{known}, as nrn_meta"
            )
        steps = checked_steps(preprocessing)
        for_stimuli = StimulusPreprocessing.of_metadata(steps, stim_meta or (), len(arrays))
        if not waveform:
            arrays = [for_stimuli.apply(index, array) for index, array in enumerate(arrays)]
        for_responses = ResponsePreprocessing.bind(steps, nrn_meta or ())
        packed = pack_responses(responses, len(arrays), known, dt_ms, copy=copy)
        subsets = [entry.get("subset") if isinstance(entry, Mapping) else None for entry in stim_meta or ()]
        if len(subsets) != len(arrays):  # none given, or too few or many, which is found below
            subsets = [None] * len(arrays)
        packed = for_responses.done_to(packed, subsets)
        dataset = cls(
            packed,
            PackedStimuli.pack(arrays, copy=copy),
            [{} for _ in arrays] if stim_meta is None else stim_meta,
            [{} for _ in range(packed.n_neurons)] if nrn_meta is None else nrn_meta,
            GridDescription(
                dt_ms,
                n_bands or (0 if waveform or not arrays else arrays[0].shape[0]),
                audio_fs,
                waveform,
                hearing_range_hz,
                species=species,
                signal_type=signal_type,
                name=name,
                splits=Splits(splits or {}),
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
    def response_unit(self) -> str:
        """Unit of a stored response value; empty where it is not known."""
        return self._description.response_unit

    @property
    def path(self) -> str:
        """Directory or repository the grid was loaded from."""
        return self._description.path

    @property
    def name(self) -> str:
        """Corpus and configuration, or what the data set was called when it was made."""
        return self._description.name

    @property
    def splits(self) -> Splits:
        """The published division of the stimuli, in ids: ``dataset.where(stims=dataset.splits["test"])``."""
        return self._description.splits

    @property
    def preprocessing(self) -> tuple[Step, ...]:
        """Steps applied to responses when they are handed out; empty where concatenated sources differ."""
        return self._grid.steps

    @property
    def N_neurons(self) -> int:  # noqa: N802 (deepSTRF's name)
        """Neurons in the grid, selected or not."""
        return self._grid.n_neurons

    @property
    def nrn_masks(self) -> torch.Tensor:
        """Whether a neuron has data for a stimulus: bool, (stimuli, neurons)."""
        return torch.from_numpy(self._grid.mask.copy())

    @property
    def n_trials(self) -> NDArray[np.int32]:
        """Trials of every pair, 0 where a neuron has no data: (stimuli, neurons)."""
        return self._grid.n_trials

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
        source = self.path or self.name or "from arrays"
        return (
            f"{type(self).__name__}({source}: {self.get_S()} stimuli ({kind}), {self.N_neurons} neurons, "
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

    def validate(self) -> None:
        """Check that stimuli, responses and metadata fit together.

        Raises
        ------
        GridError
            Naming the stimulus and what does not fit.
        """
        self._validate()

    def _validate(self, *, known_finite: bool = False) -> None:
        check_grid(
            self._grid, self._stimuli, self.stim_meta, self.nrn_meta, self._description, known_finite=known_finite
        )
        check_splits(self.splits, self.stim_meta)

    # Together with others, and elsewhere ---------------------------------------------------------------------------

    def __add__(self, other: Any) -> NeuralDataset:
        """Return both data sets as one (see `concat_neural_datasets`)."""
        from deepstrf_hf.grid.concat import concat_neural_datasets

        return concat_neural_datasets([self, other]) if isinstance(other, NeuralDataset) else NotImplemented

    def merge_as_trials(self, by: str, **options: Any) -> NeuralDataset:
        """Return neurons that share an attribute as one, their responses as its trials (see `merge_as_trials`)."""
        from deepstrf_hf.grid.repeats import merge_as_trials

        return merge_as_trials(self, by, **options)

    def stratified_splits(self, fractions: Mapping[str, float], **options: Any) -> Splits:
        """Divide the stimuli by chance, in stable ids (see `deepstrf_hf.grid.splits.stratified_splits`).

        Only the chosen stimuli are divided: ``dataset.where(stims=dataset.splits["train"]).stratified_splits(...)``
        hands out no test stimulus.
        """
        chosen = range(self.get_S()) if self.S_sel is None else sorted(set(self.S_sel))
        return stratified_splits([self.stim_meta[index] for index in chosen], fractions, **options)

    def to_xarray(self, **options: Any) -> xarray.Dataset:
        """Return what is selected as an `xarray.Dataset` (see `deepstrf_hf.grid.export_xarray.to_xarray`)."""
        from deepstrf_hf.grid.export_xarray import to_xarray

        return to_xarray(self, **options)

    def to_pandas(self, **options: Any) -> pandas.DataFrame:
        """Return what is selected as a table (see `deepstrf_hf.grid.export_pandas.to_pandas`)."""
        from deepstrf_hf.grid.export_pandas import to_pandas

        return to_pandas(self, **options)

    def plot_coverage(self, path: str | Path | None = None, **options: Any) -> matplotlib.figure.Figure:
        """Draw who heard what (see `deepstrf_hf.coverage.plot_coverage`)."""
        from deepstrf_hf.coverage import plot_coverage

        return plot_coverage(self, path, **options)
