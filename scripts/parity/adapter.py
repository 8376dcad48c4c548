"""Our grid, constructed the way deepSTRF's datasets are constructed.

deepSTRF's tests make an empty dataset and set its attributes one after the other; ours is made whole. `DraftedDataset`
collects the attributes and hands them to `NeuralDataset.from_arrays` when they are first needed. It translates the
shape of construction and the private names that the tests look at, and holds no behaviour of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deepstrf_hf import NeuralDataset

ARRAYS = ("stims", "responses", "stim_meta", "nrn_meta")
DESCRIPTION = ("path", "dt", "N_neurons", "F", "audio_fs", "hearing_range_hz", "return_waveform")
DRAFTED = frozenset(ARRAYS + DESCRIPTION)
"""Attributes that are set before a dataset is used, and read-only in ours."""
OF_THE_DRAFT = frozenset(("__class__", "__dict__", "_construct", "_draft_again"))
"""Names that do not need the grid; all others make it."""


class DraftedDataset(NeuralDataset):
    """A `NeuralDataset` whose arrays are given as attributes.

    Until it is needed, attributes are what was set. Then the grid is made and everything is `NeuralDataset`'s own. An
    entry of ``responses`` that is assigned afterwards takes the dataset back to a draft of its present values.

    Parameters
    ----------
    path : str
        Where the recordings are from.
    dt_ms : float
        Bin width, ms.
    """

    def __init__(self, path: str, dt_ms: float) -> None:
        self.__dict__["_draft"] = {"path": path, "dt": dt_ms, **{name: [] for name in ARRAYS}}

    def __setattr__(self, name: str, value: Any) -> None:
        draft = self.__dict__.get("_draft")
        if name in DRAFTED and draft is not None:
            draft[name] = value
        else:
            super().__setattr__(name, value)

    def __getattribute__(self, name: str) -> Any:
        draft = object.__getattribute__(self, "__dict__").get("_draft")
        if draft is not None and name not in OF_THE_DRAFT:
            if name in draft:
                return draft[name]
            self._construct()
        value = super().__getattribute__(name)
        return _AssignableResponses(self, value) if name == "responses" else value

    def _construct(self) -> None:
        draft = self.__dict__["_draft"]
        made = NeuralDataset.from_arrays(
            draft["stims"],
            draft["responses"],
            [_as_mapping(entry) for entry in draft["stim_meta"]],
            [_as_mapping(entry) for entry in draft["nrn_meta"]],
            dt_ms=draft["dt"],
            n_neurons=draft.get("N_neurons"),
            n_bands=draft.get("F"),
            audio_fs=draft.get("audio_fs") if draft.get("return_waveform") else None,
            hearing_range_hz=draft.get("hearing_range_hz"),
        )
        self.__dict__.update(vars(made), _draft=None)
        if "selection" in draft:
            self.I, self.S_sel = draft["selection"]

    def _draft_again(self) -> None:
        """Return to a draft of what the dataset holds now."""
        if self.__dict__["_draft"] is not None:
            return
        draft = {name: getattr(self, name) for name in DRAFTED} | {"selection": (self.I, self.S_sel)}
        draft["responses"] = [list(row) for row in super().__getattribute__("responses")]
        self.__dict__.clear()
        self.__dict__["_draft"] = draft

    # Private names of deepSTRF that its tests look at -------------------------------------------------------------

    def _selected(self) -> list[int]:
        visible = self._selection.visible_neurons
        return list(range(self.N_neurons)) if visible is None else visible.tolist()

    def _selected_stims(self) -> list[int]:
        return list(range(self.get_S())) if self.S_sel is None else self.S_sel

    def _invalidate_nrn_masks(self) -> None:
        """Do nothing: masks follow from the grid, which an assigned response makes anew."""


class _AssignableResponses(Sequence[Any]):
    """Responses of a made dataset, of which single entries can be replaced; in all else they are ours."""

    def __init__(self, dataset: DraftedDataset, responses: Sequence[Any]) -> None:
        self._dataset, self._responses = dataset, responses

    def __getattr__(self, name: str) -> Any:
        return getattr(self._responses, name)

    def __len__(self) -> int:
        return len(self._responses)

    def __getitem__(self, stimulus: Any) -> Any:
        if isinstance(stimulus, slice):
            return [self[index] for index in range(*stimulus.indices(len(self)))]
        return _AssignableRow(self._dataset, stimulus, self._responses[stimulus])

    def __iter__(self) -> Iterator[Any]:
        return (self[stimulus] for stimulus in range(len(self)))


class _AssignableRow(Sequence[Any]):
    """Responses to one stimulus, of which single entries can be replaced; in all else they are ours."""

    def __init__(self, dataset: DraftedDataset, stimulus: int, responses: Sequence[Any]) -> None:
        self._dataset, self._stimulus, self._responses = dataset, stimulus, responses

    def __getattr__(self, name: str) -> Any:
        return getattr(self._responses, name)

    def __len__(self) -> int:
        return len(self._responses)

    def __getitem__(self, neuron: Any) -> Any:
        return self._responses[neuron]

    def __setitem__(self, neuron: int, response: Any) -> None:
        self._dataset._draft_again()
        self._dataset.responses[self._stimulus][neuron] = response


def _as_mapping(entry: Any) -> Mapping[str, Any]:
    """Return metadata as ours must be: some tests set tuples of a name."""
    return entry if isinstance(entry, Mapping) else {"name": entry[0] if isinstance(entry, tuple) else entry}
