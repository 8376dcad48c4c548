"""Conditions on metadata: values, lists of values, ranges, predicates, and combinations of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
        Both sides are open, the range is empty, or its ends cannot be compared.
    """

    low: Any = None
    high: Any = None

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            raise ParameterError("A range needs a lower or an upper end", field="between", mend="between(low, high)")
        ends = [end for end in (self.low, self.high) if end is not None]
        found = f"from {self.low!r} to {self.high!r}"
        try:
            ascending = bool(ends[0] <= ends[-1])  # false for NaN, which is no end of a range
        except (TypeError, ValueError) as error:
            raise ParameterError("The ends of a range cannot be compared", field="between", found=found) from error
        if not ascending:
            raise ParameterError("A range must begin below its end", field="between", found=found)

    def holds(self, value: Any) -> bool:
        """Return whether a value lies in the range."""
        if value is None:
            return False
        above = self.low is None or bool(value >= self.low)
        return above and (self.high is None or bool(value <= self.high))


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
        A value; a range made by `between`; or a list, set or array of either, of which any will do. Truth values
        match truth values alone: ``True`` does not match 1. NaN matches NaN.
    kind : str
        Whose metadata these are, for messages.

    Raises
    ------
    UnknownNameError
        No entry has the key; near matches are offered.
    ParameterError
        Values that cannot be compared with the range; a function in place of a value.
    """
    require_key(entries, key, kind)
    choices = _choices(wanted, key)
    texts = {one for one in choices if isinstance(one, str)}  # looked up: lists of ids are long
    others = [one for one in choices if not isinstance(one, str)]
    fitting = []
    for index, entry in enumerate(entries):
        found = plain(entry.get(key))
        text = isinstance(found, str) and found in texts
        if key in entry and (text or any(_fits(found, one, key) for one in others)):
            fitting.append(index)
    return fitting


def _choices(wanted: Any, key: str) -> list[Any]:
    """Return the values and ranges of which any will do: what was given, and if that is a list, its entries."""
    wanted = plain(wanted)
    if isinstance(wanted, Iterable) and not isinstance(wanted, (str, bytes, Mapping)):
        entries = list(wanted)
        choices = [entries, *map(plain, entries)]  # the value sought may itself be a list
    else:
        choices = [wanted]
    for one in choices:
        if callable(one):
            raise ParameterError(
                "An attribute is compared with values, not with a function",
                field=key,
                found=repr(one),
                expected="a value, a list of values, or between(low, high)",
                mend=f"lambda entry: ... entry[{key!r}] ..., in place of the whole condition",
            )
    return choices


def _fits(found: Any, wanted: Any, key: str) -> bool:
    if not isinstance(wanted, Between):
        return same_value(found, wanted)
    try:
        return wanted.holds(found)
    except TypeError as error:
        raise ParameterError(
            "A value cannot be compared with the range", field=key, found=repr(found), expected=repr(wanted)
        ) from error


def same_value(one: Any, other: Any) -> bool:
    """Return whether two plain values are equal: NaN equals NaN, truth values equal truth values alone."""
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    return bool(one == other) or bool(one != one and other != other)


def plain(value: Any) -> Any:
    """Return a value of NumPy, pandas or PyTorch as Python's own; an array or tuple as a list."""
    if isinstance(value, tuple):
        return list(value)
    return value.tolist() if hasattr(value, "tolist") else value


def matching(
    entries: Sequence[Mapping[str, Any]], condition: Condition, kind: str, id_key: str
) -> tuple[NDArray[np.int64], bool]:
    """Return the entries that fulfil a condition.

    Parameters
    ----------
    entries : sequence of mapping
        Metadata.
    condition : Condition
        A mapping from attributes to wanted values (as in `matching_attribute`), all of which must hold, so that an
        empty one always does; a list of such mappings, one of which must hold; a predicate on the metadata; indices;
        a mask; or ids. Lists may be arrays, sets or iterators.
    kind : str
        ``"neuron"`` or ``"stimulus"``.
    id_key : str
        Attribute that holds the ids.

    Returns
    -------
    matching : ndarray of int64
        Indices: ascending, or in the order of the indices or ids given (a set has none).
    ordered : bool
        Whether the order was given.

    Raises
    ------
    SelectionError, UnknownNameError, ParameterError
        A condition of no known form; an unknown attribute, index or id; values that cannot be compared.
    """
    if isinstance(condition, Mapping):
        return _all_hold(entries, condition, kind), False
    if isinstance(condition, Between):
        raise ParameterError(
            f"A range needs an attribute of a {kind}", found=repr(condition), expected="{'attribute': between(...)}"
        )
    if callable(condition):
        return np.array(matching_predicate(entries, condition, kind), np.int64), False
    given = plain(condition)
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, Iterable) or isinstance(given, bytes):
        raise SelectionError(
            f"Not a condition on {'stimuli' if kind == 'stimulus' else kind + 's'}",
            found=repr(condition),
            expected="a dict of attributes, a function of the metadata, a list of indices or ids, or a mask",
        )
    given = [plain(one) for one in given]
    if given and all(isinstance(one, Mapping) for one in given):
        held = [_all_hold(entries, one, kind) for one in given]
        return np.unique(np.concatenate(held)), False
    if given and all(isinstance(one, bool) for one in given):
        if len(given) != len(entries):
            raise SelectionError(f"A mask must have one entry per {kind}", found=len(given), expected=len(entries))
        return np.flatnonzero(given), False
    of_ids = bool(given) and all(isinstance(one, str) for one in given)
    indices = _with_ids(entries, given, kind, id_key) if of_ids else checked_indices(given, len(entries), kind)
    unordered = isinstance(condition, (set, frozenset))
    return (np.unique(indices), False) if unordered else (indices, True)


def _all_hold(entries: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any], kind: str) -> NDArray[np.int64]:
    held = np.ones(len(entries), bool)
    for key, value in wanted.items():
        one = np.zeros(len(entries), bool)
        one[matching_attribute(entries, key, value, kind)] = True
        held &= one
    return np.flatnonzero(held)


def _with_ids(entries: Sequence[Mapping[str, Any]], ids: Sequence[str], kind: str, id_key: str) -> NDArray[np.int64]:
    require_key(entries, id_key, kind)
    place = {entry[id_key]: index for index, entry in enumerate(entries) if entry.get(id_key) is not None}
    for name in ids:
        if name not in place:
            raise unknown_name(kind, name, place, field=id_key)
    return np.array([place[name] for name in ids], np.int64)
