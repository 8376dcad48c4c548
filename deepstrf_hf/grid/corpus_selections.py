"""Choices of stimuli that only one corpus has, as the corpus declares them: ``dataset.select_<name>(...)``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.corpus import Selection
from deepstrf_hf.errors import BuilderContractError
from deepstrf_hf.registry import selections_of

PREFIX = "select_"


def names_of_selections(corpus: str) -> list[str]:
    """Return the names of the methods that a corpus adds to its grids, sorted."""
    return sorted(PREFIX + name for name in selections_of(corpus))


def chosen_by(
    selection: Selection, name: str, stim_meta: Sequence[Mapping[str, Any]], *arguments: Any, **options: Any
) -> NDArray[np.bool_]:
    """Return which stimuli a corpus's selection chooses.

    Raises
    ------
    SelectionError
        From the selection: an argument it does not know, or nothing that fits.
    BuilderContractError
        It did not answer with a truth value for each stimulus.
    """
    chosen = np.asarray(selection(stim_meta, *arguments, **options))
    if chosen.dtype != bool or chosen.shape != (len(stim_meta),):
        raise BuilderContractError(
            "A selection of a corpus must say of each stimulus whether it is chosen",
            field=PREFIX + name,
            found=f"{chosen.dtype}, shape {chosen.shape}",
            expected=f"{len(stim_meta)} truth values",
        )
    return chosen


def bound_selection(
    name: str, corpus: str, stim_meta: Sequence[Mapping[str, Any]], choose: Callable[[list[int]], list[int]]
) -> Callable[..., list[int]] | None:
    """Return the method of a name that a corpus adds to its grids, or None.

    Parameters
    ----------
    name : str
        With the prefix ``select_``.
    corpus : str
        Of the grid; may be empty.
    stim_meta : sequence of mapping
        Metadata of all stimuli of the grid.
    choose : callable
        Takes the indices of the chosen stimuli, makes them the selection, and returns them.
    """
    selection = selections_of(corpus).get(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else None
    if selection is None:
        return None

    @functools.wraps(selection)
    def select(*arguments: Any, **options: Any) -> list[int]:
        mask = chosen_by(selection, name.removeprefix(PREFIX), stim_meta, *arguments, **options)
        return choose(np.flatnonzero(mask).tolist())

    return select
