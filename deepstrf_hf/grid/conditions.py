"""Conditions on metadata: values, lists of values, ranges, predicates, and combinations of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import ParameterError, SelectionError, unknown_name
from deepstrf_hf.grid.indexing import checked_indices, matching_predicate, require_key

Predicate = Callable[[Mapping[str, Any]], Any]
Condition = Any
"""Of neurons or stimuli: None, a mapping, a list of mappings, a predicate, indices, a mask, or ids (see `matching`)."""


@dataclass(frozen=True)
class Between:
    """A range of values, both ends included.

    Parameters
    ----------
    low, high : Any
        Smallest and largest value; None leaves that side open. An absent value (None, NaN) is in no range.

    Raises
    ------
    ParameterError
        Both sides are open, or the range is empty.
    """

    low: Any = None
    high: Any = None

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            raise ParameterError("A range needs a lower or an upper end", field="between", mend="between(low, high)")
        if self.low is not None and self.high is not None and not self.low <= self.high:
            raise ParameterError(
                "A range must begin below its end", field="between", found=f"from {self.low!r} to {self.high!r}"
            )

    def holds(self, value: Any) -> bool:
        """Return whether a value lies in the range."""
        if value is None:
            return False
        above = self.low is None or bool(value >= self.low)
        return above and (bool(value <= self.high) if self.high is not None else bool(value == value))


def between(low: Any = None, high: Any = None) -> Between:
    """Return the condition that a value lies in a range, both ends included.

    Parameters
    ----------
    low, high : Any
        Smallest and largest value; None leaves that side open.

    Examples
    --------
    >>> good = dataset.where(neurons={"snr": between(0.1), "area": ["A1", "PEG"]})
    """
    return Between(low, high)


def matching_attribute(entries: Sequence[Mapping[str, Any]], key: str, wanted: Any, kind: str) -> list[int]:
    """Return the entries whose metadata has a wanted value.

    Parameters
    ----------
    entries : sequence of mapping
        Metadata.
    key : str
        Attribute.
    wanted : Any
        A value; a list, set or array of values, of which any will do; or a range made by `between`. Truth values
        match truth values alone: ``True`` does not match 1.
    kind : str
        Whose metadata these are, for messages.

    Raises
    ------
    UnknownNameError
        No entry has the key; near matches are offered.
    ParameterError
        Values that cannot be compared with the range.
    """
    require_key(entries, key, kind)
    return [index for index, entry in enumerate(entries) if key in entry and _matches(entry[key], wanted, key)]


def _matches(found: Any, wanted: Any, key: str) -> bool:
    found = _plain(found)
    if isinstance(wanted, Between):
        try:
            return wanted.holds(found)
        except TypeError as error:
            raise ParameterError(
                "A value cannot be compared with the range", field=key, found=repr(found), expected=repr(wanted)
            ) from error
    if isinstance(wanted, np.ndarray) and wanted.ndim:
        wanted = wanted.tolist()
    if isinstance(wanted, (list, tuple, Set, range)):
        return _equal(found, wanted) or any(_equal(found, _plain(one)) for one in wanted)
    return _equal(found, _plain(wanted))


def _equal(found: Any, wanted: Any) -> bool:
    if isinstance(found, np.ndarray) or isinstance(wanted, np.ndarray):
        return np.array_equal(found, wanted)
    return isinstance(found, bool) == isinstance(wanted, bool) and bool(found == wanted)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def matching(
    entries: Sequence[Mapping[str, Any]], condition: Condition, kind: str, id_key: str
) -> tuple[NDArray[np.int64], bool]:
    """Return the entries that fulfil a condition.

    Parameters
    ----------
    entries : sequence of mapping
        Metadata.
    condition : Condition
        A mapping from attributes to wanted values (as in `matching_attribute`), all of which must hold; a list of
        such mappings, one of which must hold; a predicate on the metadata; indices; a mask; or ids.
    kind : str
        ``"neuron"`` or ``"stimulus"``.
    id_key : str
        Attribute that holds the ids.

    Returns
    -------
    matching : ndarray of int64
        Indices: ascending, or in the order of the indices or ids given.
    ordered : bool
        Whether the order was given.

    Raises
    ------
    SelectionError, UnknownNameError, ParameterError
        A condition of no known form; an unknown attribute, index or id; values that cannot be compared.
    """
    if isinstance(condition, Mapping):
        return _all_hold(entries, condition, kind), False
    if callable(condition):
        return np.array(matching_predicate(entries, condition, kind), np.int64), False
    if isinstance(condition, str):
        condition = [condition]
    given = list(condition) if isinstance(condition, (Sequence, Set)) else condition
    if isinstance(given, list) and given and all(isinstance(one, Mapping) for one in given):
        held = [_all_hold(entries, one, kind) for one in given]
        return np.unique(np.concatenate(held)), False
    if isinstance(given, list) and given and all(isinstance(one, str) for one in given):
        return _with_ids(entries, given, kind, id_key), True
    mask = np.asarray(given) if hasattr(given, "dtype") else None
    if mask is not None and mask.dtype == bool:
        if mask.shape != (len(entries),):
            raise SelectionError(
                f"A mask must have one entry per {kind}", found=f"shape {mask.shape}", expected=(len(entries),)
            )
        return np.flatnonzero(mask), False
    return checked_indices(given, len(entries), kind), True


def _all_hold(entries: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any], kind: str) -> NDArray[np.int64]:
    held = np.ones(len(entries), bool)
    for key, value in wanted.items():
        one = np.zeros(len(entries), bool)
        one[matching_attribute(entries, key, value, kind)] = True
        held &= one
    return np.flatnonzero(held)


def _with_ids(entries: Sequence[Mapping[str, Any]], ids: Sequence[str], kind: str, id_key: str) -> NDArray[np.int64]:
    require_key(entries, id_key, kind)
    place = {entry[id_key]: index for index, entry in enumerate(entries) if id_key in entry}
    for name in ids:
        if name not in place:
            raise unknown_name(kind, name, place, field=id_key)
    return np.array([place[name] for name in ids], np.int64)
