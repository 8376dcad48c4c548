"""The choices a user makes on a grid: which neurons, which stimuli."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.grid.conditions import Condition, Predicate, matching, matching_attribute
from deepstrf_hf.grid.corpus_selections import bound_selection, names_of_selections
from deepstrf_hf.grid.description import GridDescription
from deepstrf_hf.grid.indexing import checked_indices, matching_predicate
from deepstrf_hf.grid.selection import Selection
from deepstrf_hf.grid.storage import PackedGrid

Grid = TypeVar("Grid", bound="Selecting")


class Selecting:
    """Selections of neurons and stimuli, with deepSTRF's names; part of `NeuralDataset`.

    Choosing stimuli hides neurons without data there; choosing neurons hides stimuli that none of them heard. Every
    ``select_*`` replaces the choice on its axis; `where` narrows and leaves the data set as it is. A corpus may declare
    more of them, of stimuli, for its own grids.
    """

    _description: GridDescription
    _grid: PackedGrid
    _selection: Selection
    stim_meta: list[dict[str, Any]]
    nrn_meta: list[dict[str, Any]]

    if not TYPE_CHECKING:  # a type checker shall still know which attributes there are

        def __getattr__(self, name: str) -> Any:
            description = vars(self).get("_description")  # absent while an object is made or unpickled
            if description is not None and name.startswith("select_"):
                method = bound_selection(name, description.corpus, self.stim_meta, self._chosen_stimuli)
                if method is not None:
                    return method
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *names_of_selections(self._description.corpus)]

    @property
    def I(self) -> list[int] | None:  # noqa: E743, N802 (deepSTRF's name)
        """Chosen neurons; None is all, an empty list is none. Can be set."""
        return None if self._selection.neurons is None else self._selection.neurons.tolist()

    @I.setter
    def I(self, neurons: Iterable[int] | None) -> None:  # noqa: E743, N802
        chosen = None if neurons is None else checked_indices(neurons, self._grid.n_neurons, "neuron")
        self._selection = replace(self._selection, neurons=chosen)

    @property
    def S_sel(self) -> list[int] | None:  # noqa: N802 (deepSTRF's name)
        """Chosen stimuli; None is all, an empty list is none. Can be set."""
        return None if self._selection.stimuli is None else self._selection.stimuli.tolist()

    @S_sel.setter
    def S_sel(self, stimuli: Iterable[int] | None) -> None:  # noqa: N802
        chosen = None if stimuli is None else checked_indices(stimuli, self._grid.n_stimuli, "stimulus")
        self._selection = replace(self._selection, stimuli=chosen)

    @property
    def visible_stimuli(self) -> NDArray[np.int64]:
        """Stimuli that items are of, by their indices in the grid: ``dataset[i]`` is of ``visible_stimuli[i]``."""
        return self._selection.visible_stimuli.copy()

    @property
    def visible_neurons(self) -> NDArray[np.int64]:
        """Neurons that items hold, by their indices in the grid, in the order of an item's responses."""
        visible = self._selection.visible_neurons
        return np.arange(self._grid.n_neurons) if visible is None else visible.copy()

    def where(self: Grid, neurons: Condition = None, stims: Condition = None) -> Grid:
        """Return a light view of some neurons and stimuli; this data set stays as it is.

        Values and metadata are shared, nothing is copied. Conditions narrow what is selected already, so that views
        of views combine.

        Parameters
        ----------
        neurons, stims : mapping, list of mapping, callable, sequence of int, mask, or sequence of str
            A mapping from attributes to a value, a range made by `between`, or a list of values and ranges: all
            attributes must fit. A list of mappings: one must hold. A function of the metadata. Indices of the grid.
            A truth value for every neuron or stimulus of the grid. Ids (``neuron_id``, ``stim_id``). None, and a
            mapping without attributes, does not narrow; an empty list selects nothing. Indices and ids give neurons
            their order.

        Returns
        -------
        NeuralDataset
            Of the same class.

        Raises
        ------
        UnknownNameError
            No such attribute or id; near matches are offered.
        SelectionError
            Not a condition, an index out of range, or a mask of another length.
        ParameterError
            Values that cannot be compared with a range, or a function in place of a value.

        Examples
        --------
        >>> view = dataset.where(neurons={"area": ["A1", "PEG"], "snr": between(0.1)}, stims=dataset.splits["test"])
        """
        selection = self._selection
        if neurons is not None:
            chosen, ordered = matching(self.nrn_meta, neurons, "neuron", "neuron_id")
            now = selection.neurons
            if now is not None:
                chosen = chosen[np.isin(chosen, now)] if ordered else now[np.isin(now, chosen)]
            selection = replace(selection, neurons=chosen)
        if stims is not None:
            chosen, _ = matching(self.stim_meta, stims, "stimulus", "stim_id")
            if selection.stimuli is not None:
                chosen = chosen[np.isin(chosen, selection.stimuli)]
            selection = replace(selection, stimuli=chosen)
        view = copy.copy(self)
        view._selection = selection
        return view

    def select_neuron(self, neuron: int) -> None:
        """Choose one neuron, replacing the choice before."""
        self.I = [neuron]

    def select_population(self, neurons: Sequence[int]) -> None:
        """Choose neurons, in this order, replacing the choice before; an empty list chooses none."""
        self.I = neurons

    def select_pop_by_nrn_attr(self, key: str, value: Any) -> list[int]:
        """Choose the neurons whose metadata has a value, and return them.

        Parameters
        ----------
        key : str
            Attribute.
        value : Any
            A value, a list of values of which any will do, or a range made by `between`.

        Raises
        ------
        UnknownNameError
            No neuron has this attribute.
        """
        return self._chosen_neurons(matching_attribute(self.nrn_meta, key, value, "neuron"))

    def select_pop_by_nrn_predicate(self, predicate: Predicate) -> list[int]:
        """Choose the neurons whose metadata satisfy a predicate, and return them."""
        return self._chosen_neurons(matching_predicate(self.nrn_meta, predicate, "neuron"))

    def select_pop_by_stim_attr(self, key: str, value: Any) -> list[int]:
        """Choose the neurons that heard a stimulus whose metadata has a value, and return them; not the stimuli."""
        return self._select_pop_by_stimuli(matching_attribute(self.stim_meta, key, value, "stimulus"))

    def select_pop_by_stim_predicate(self, predicate: Predicate) -> list[int]:
        """Choose the neurons that heard a stimulus satisfying a predicate, and return them; not the stimuli."""
        return self._select_pop_by_stimuli(matching_predicate(self.stim_meta, predicate, "stimulus"))

    def _select_pop_by_stimuli(self, stimuli: list[int]) -> list[int]:
        return self._chosen_neurons(np.flatnonzero(self._grid.mask[stimuli].any(axis=0)).tolist())

    def _chosen_neurons(self, neurons: list[int]) -> list[int]:
        self.I = neurons
        return neurons

    def select_stim(self, stimulus: int) -> None:
        """Choose one stimulus, replacing the choice before."""
        self.S_sel = [stimulus]

    def select_stims(self, stimuli: Sequence[int]) -> None:
        """Choose stimuli, replacing the choice before; an empty list chooses none."""
        self.S_sel = stimuli

    def select_stims_by_attr(self, key: str, value: Any) -> list[int]:
        """Choose the stimuli whose metadata has a value, and return them (arguments as for neurons).

        Raises
        ------
        UnknownNameError
            No stimulus has this attribute.
        """
        return self._chosen_stimuli(matching_attribute(self.stim_meta, key, value, "stimulus"))

    def select_stims_by_predicate(self, predicate: Predicate) -> list[int]:
        """Choose the stimuli whose metadata satisfy a predicate, and return them."""
        return self._chosen_stimuli(matching_predicate(self.stim_meta, predicate, "stimulus"))

    def _chosen_stimuli(self, stimuli: list[int]) -> list[int]:
        self.S_sel = stimuli
        return stimuli

    def reset_pop_selection(self) -> None:
        """Choose all neurons."""
        self.I = None

    def reset_stim_selection(self) -> None:
        """Choose all stimuli."""
        self.S_sel = None

    def positions_by_neurons(self) -> list[NDArray[np.int64]]:
        """Return the positions of the selected stimuli (``dataset[position]``), grouped by who heard them.

        Stimuli of a group were heard by the same of the selected neurons: usually those of one recording site.
        """
        return self._selection.positions_by_neurons
