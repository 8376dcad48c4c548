"""Indices that users give: integers of any library, checked, never silently wrong."""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import SelectionError, unknown_name


def checked_index(index: Any, length: int, kind: str) -> int:
    """Return an index as a non-negative int.

    Parameters
    ----------
    index : int, NumPy integer or zero-dimensional torch tensor
        May count from the end.
    length : int
        How many there are.
    kind : str
        What is indexed, for the message.

    Raises
    ------
    SelectionError
        Not an integer, or out of range.
    """
    try:
        if isinstance(index, bool) or str(getattr(index, "dtype", "")).endswith("bool"):
            raise TypeError  # a truth value counts as 0 or 1 in Python; here it is a mask used as an index
        position = operator.index(index)
    except TypeError as error:
        raise SelectionError(
            f"A {kind} index must be an integer", found=f"{index!r} ({type(index).__name__})", expected="an integer"
        ) from error
    if not -length <= position < length:
        raise SelectionError(
            f"No {kind} has this index",
            found=position,
            expected=f"from {-length} to {length - 1}" if length else "none",
        )
    return position % length


def checked_indices(indices: Any, length: int, kind: str) -> NDArray[np.int64]:
    """Return indices as a non-negative int64 array, order and repetitions kept (errors as in `checked_index`)."""
    scalar = getattr(indices, "ndim", 1) == 0
    if isinstance(indices, (str, bytes, Mapping, Set)) or not isinstance(indices, Iterable) or scalar:
        raise SelectionError(
            f"A selection of {kind}s must be a list of integers", found=repr(indices), expected="a list or array"
        )
    return np.array([checked_index(index, length, kind) for index in indices], np.int64)


def matching_predicate(
    entries: Sequence[Mapping[str, Any]], predicate: Callable[[Mapping[str, Any]], Any], kind: str
) -> list[int]:
    """Return the entries whose metadata satisfy a predicate.

    An entry that lacks a key which others have, or whose value is None where the predicate compares, does not match.

    Raises
    ------
    UnknownNameError
        The predicate asks for a key that no entry has.
    """
    matching = []
    for index, entry in enumerate(entries):
        watched = _Watched(entry)  # what the predicate asks for tells its absent values from its mistakes
        try:
            if predicate(watched):
                matching.append(index)
        except KeyError as error:
            if not (error.args and error.args[0] in watched.lacked):
                raise
        except TypeError:
            if not watched.gave_none:
                raise
        for key in watched.lacked:
            require_key(entries, key, kind)
    return matching


class _Watched(dict[str, Any]):
    """Metadata that remember which keys they lacked, and whether they gave out an absent value."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        super().__init__(entry)
        self.lacked: set[Any] = set()
        self.gave_none = False

    def __missing__(self, key: Any) -> Any:
        self.lacked.add(key)
        raise KeyError(key)

    def __getitem__(self, key: Any) -> Any:
        value = super().__getitem__(key)
        self.gave_none |= value is None
        return value

    def get(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            self.lacked.add(key)
        value = super().get(key, default)
        self.gave_none |= value is None
        return value


def require_key(entries: Sequence[Mapping[str, Any]], key: Any, kind: str) -> None:
    """Refuse an attribute that no entry has.

    Raises
    ------
    SelectionError
        A list or another thing that cannot name an attribute.
    UnknownNameError
        Near matches are offered.
    """
    if not isinstance(key, Hashable):
        raise SelectionError("An attribute is named by text", found=repr(key), expected="one name")
    if not any(key in entry for entry in entries):
        known: dict[str, None] = {}
        for entry in entries:
            known.update(dict.fromkeys(entry))
        raise unknown_name(f"{kind} attribute", key, known)
