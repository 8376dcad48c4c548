"""Strict reading of HDF5 files, as Python and as MATLAB write them: every surprise an error that says where.

Text comes as bytes, as text, or as an array of either, numbers as scalars or as arrays of one element; both are taken
by value. What is read often (data sets and attributes of thousands of small groups) goes through h5py's low-level
interface, which takes half the time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5o, h5s
from numpy.typing import NDArray

from deepstrf_hf.errors import RawFormatError

REPAIR = "the file is damaged or not the published one: fetch it again"
FAULTS = (OSError, RuntimeError, KeyError, TypeError, ValueError, MemoryError)
"""What h5py raises on damaged files, absent members and values of another kind."""


class Hdf5Group:
    """A group of an HDF5 file, with its place for error messages.

    Parameters
    ----------
    identifier : h5py.h5g.GroupID
        The group.
    path : Path
        File.
    place : str
        Where in the file: ``"/Call1/85"``.
    """

    def __init__(self, identifier: Any, path: Path, place: str) -> None:
        self._identifier, self.path, self.place = identifier, path, place

    def _inside(self, name: str) -> str:
        return f"{self.place.rstrip('/')}/{name}"

    def error(self, problem: str, name: str, found: object, expected: object) -> RawFormatError:
        """Make the error for a member or an attribute that is not as published."""
        return RawFormatError(
            problem, path=self.path, field=self._inside(name), found=found, expected=expected, mend=REPAIR
        )

    def members(self) -> list[str]:
        """Return the names of all members, in text order.

        Raises
        ------
        RawFormatError
            The file is damaged.
        """
        try:
            return sorted(name.decode("utf-8", "surrogateescape") for name in self._identifier)
        except FAULTS as error:
            raise self.error("A group of an HDF5 file cannot be read", "", error, "a list of members") from error

    def is_group(self, name: str) -> bool:
        """Return whether a member is a group.

        Raises
        ------
        RawFormatError
            The file is damaged.
        """
        try:
            return bool(h5o.get_info(self._identifier, _encoded(name)).type == h5o.TYPE_GROUP)
        except FAULTS as error:
            raise self.error("A member of an HDF5 file cannot be read", name, error, "a group or values") from error

    def group(self, name: str) -> Hdf5Group:
        """Return a member that is a group.

        Raises
        ------
        RawFormatError
            There is none of that name.
        """
        try:
            return Hdf5Group(h5g.open(self._identifier, _encoded(name)), self.path, self._inside(name))
        except FAULTS as error:
            raise self.error("An HDF5 file lacks a group", name, error, "a group") from error

    def numbers(self, name: str, absent: float | None = None) -> NDArray[np.float64]:
        """Return the numbers of a data set, whatever its shape, as a vector.

        Parameters
        ----------
        name : str
            Data set, below this group: ``"spike_times"``, ``"3/spike_times"``.
        absent : float, optional
            Mark that stands alone in place of no values at all.

        Returns
        -------
        ndarray of float64, shape (n,)
            Empty for an empty data set, and for one that holds nothing but the mark.

        Raises
        ------
        RawFormatError
            Absent, damaged, not numeric, or the mark among other values.
        """
        try:
            dataset = h5d.open(self._identifier, _encoded(name))
            shape = dataset.shape
            if not shape and dataset.get_space().get_simple_extent_type() == h5s.NULL:
                return np.empty(0)
            values = np.empty(shape, np.float64)
            if values.size:
                dataset.read(h5s.ALL, h5s.ALL, values)
        except FAULTS as error:
            raise self.error("Values of an HDF5 file cannot be read", name, error, "numbers") from error
        flat = values.ravel()
        if absent is not None and flat.size and (flat == absent).any():
            if flat.size > 1:
                raise self.error(
                    "A mark for no values stands among values", name, f"{absent:g} among {flat.size}", "it alone"
                )
            return np.empty(0)
        return flat

    def attribute(self, name: str, member: str = ".") -> NDArray[Any] | None:
        """Return an attribute as a vector of its elements.

        Parameters
        ----------
        name : str
            Attribute.
        member : str
            Whose: a member of this group, or the group itself.

        Returns
        -------
        ndarray, shape (n,), or None
            None where it is absent or empty.

        Raises
        ------
        RawFormatError
            The member is absent, or the file is damaged.
        """
        owner, encoded = _encoded(member), _encoded(name)
        try:
            if not h5a.exists(self._identifier, encoded, obj_name=owner):
                return None
            attribute = h5a.open(self._identifier, encoded, obj_name=owner)
            if attribute.get_space().get_simple_extent_type() == h5s.NULL:
                return None
            values = np.empty(attribute.shape, attribute.dtype)
            attribute.read(values)
        except FAULTS as error:
            place = name if member == "." else f"{member} {name}"
            raise self.error("An attribute of an HDF5 file cannot be read", place, error, "a value") from error
        return values.ravel() if values.size else None

    def text(self, name: str, member: str = ".") -> str | None:
        """Return an attribute that is text: the first element of an array of texts, or all of one of characters.

        Returns
        -------
        str or None
            Without padding; None where it is absent, blank or ``"nan"``.

        Raises
        ------
        RawFormatError
            As `attribute`, or not text.
        """
        values = self.attribute(name, member)
        if values is None:
            return None
        elements = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values]
        if not all(isinstance(element, str) for element in elements):
            raise self._wrong(name, member, values, "text")
        characters = len(elements) > 1 and all(len(element) <= 1 for element in elements)
        text = ("".join(elements) if characters else elements[0]).strip("\0 \t\r\n")
        return None if text.lower() in ("", "nan") else text

    def label(self, name: str, member: str = ".") -> str | None:
        """Return an attribute that names something: text, or a number in place of it (errors as in `attribute`)."""
        values = self.attribute(name, member)
        if values is None or values.dtype.kind not in "iufb":
            return self.text(name, member)
        return None if values.dtype.kind == "f" and math.isnan(values[0]) else f"{values[0]:g}"

    def number(self, name: str, member: str = ".") -> float | None:
        """Return an attribute that is one number.

        Returns
        -------
        float or None
            None where it is absent or not a number (NaN).

        Raises
        ------
        RawFormatError
            As `attribute`, or not one real number.
        """
        values = self.attribute(name, member)
        if values is None:
            return None
        if values.dtype.kind not in "iufb" or values.size != 1:
            raise self._wrong(name, member, values, "one number")
        value = float(values[0])
        return None if math.isnan(value) else value

    def integer(self, name: str, member: str = ".") -> int | None:
        """Return an attribute that is one whole number (absent values and errors as in `number`)."""
        value = self.number(name, member)
        if value is None:
            return None
        if not value.is_integer():
            raise self.error("An attribute is not as published", name, value, "a whole number")
        return int(value)

    def _wrong(self, name: str, member: str, values: NDArray[Any], expected: str) -> RawFormatError:
        place = name if member == "." else f"{member} {name}"
        found = repr(values[0]) if values.size == 1 else f"{values.dtype} array of {values.size}"
        return self.error("An attribute is not as published", place, found, expected)


@contextmanager
def open_hdf5(path: Path) -> Iterator[Hdf5Group]:
    """Open an HDF5 file for reading and give its root group.

    Raises
    ------
    RawFormatError
        Truncated, or not an HDF5 file.
    """
    try:
        file = h5py.File(path, "r")
    except FAULTS as error:
        raise RawFormatError(
            "An HDF5 file cannot be read",
            path=path,
            found=f"{error} (file of {path.stat().st_size} bytes)" if path.is_file() else "no such file",
            expected="HDF5",
            mend=REPAIR,
        ) from error
    with file:
        yield Hdf5Group(file.id if isinstance(file.id, h5g.GroupID) else h5g.open(file.id, b"/"), path, "/")


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
