"""Strict reading of MATLAB files: every field by name, every surprise an error that says where."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from numpy.typing import NDArray

from deepstrf_hf.errors import RawFormatError

REPAIR = "the file is damaged or not the published one: fetch it again"


def load_variable(path: Path, name: str) -> NDArray[Any]:
    """Read one variable of a MATLAB 5 to 7.2 file.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Variable.

    Returns
    -------
    ndarray
        As ``scipy.io.loadmat`` gives it: at least two-dimensional, structures as structured object arrays.

    Raises
    ------
    RawFormatError
        Truncated, not a MATLAB file of these versions, or without the variable.
    """
    return load_variables(path, [name])[name]


def load_variables(path: Path, names: Sequence[str], optional: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
    """Read some variables of a MATLAB 5 to 7.2 file; the others are skipped, not decoded.

    Parameters
    ----------
    path : Path
        The file.
    names : sequence of str
        Variables that must be there.
    optional : sequence of str
        Variables that may be there.

    Returns
    -------
    dict of str to ndarray
        Those that are there, each as `load_variable` gives it.

    Raises
    ------
    RawFormatError
        Truncated, not a MATLAB file of these versions, or without one of `names`.
    """
    wanted = [*names, *optional]
    try:
        # Characters stay apart here: text is rare in these files and joining it costs a sixth of the time.
        content = scipy.io.loadmat(path, variable_names=wanted, chars_as_strings=False)
        absent = [name for name in names if name not in content]
        present = [key for key, _, _ in scipy.io.whosmat(path)] if absent else []
    except Exception as error:  # the parser raises anything at all on damaged files; it is said again below
        raise RawFormatError(
            "A MATLAB file cannot be read",
            path=path,
            found=f"{type(error).__name__}: {error} (file of {path.stat().st_size} bytes)"
            if path.is_file()
            else "no such file",
            expected=f"a MATLAB 5 file with variable {', '.join(map(repr, names))}",
            mend=REPAIR,
        ) from error
    if absent:
        raise RawFormatError(
            "A MATLAB file lacks a variable",
            path=path,
            field=absent[0],
            found=", ".join(present) or "no variables",
            mend=REPAIR,
        )
    return {name: content[name] for name in wanted if name in content}


class MatlabStruct:
    """One element of a MATLAB structure array, with its place for error messages.

    Parameters
    ----------
    values : numpy.void
        Element of a structured object array.
    path : Path
        File.
    place : str
        Where in the file, as MATLAB would write it: ``"data.set(3)"``.
    """

    def __init__(self, values: Any, path: Path, place: str) -> None:
        self._values, self.path, self.place = values, path, place

    @classmethod
    def elements(cls, array: Any, path: Path, place: str) -> list[MatlabStruct]:
        """Return the elements of a structure array.

        Raises
        ------
        RawFormatError
            Not a structure array.
        """
        if not isinstance(array, np.ndarray) or array.dtype.names is None:
            raise RawFormatError(
                "A MATLAB structure is expected", path=path, field=place, found=_shape(array), mend=REPAIR
            )
        return [cls(array.ravel()[index], path, f"{place}({index + 1})") for index in range(array.size)]

    @classmethod
    def entries(cls, array: Any, path: Path, place: str) -> list[MatlabStruct]:
        """Return the elements of a structure array or of a cell array of structures; none of an empty array.

        Raises
        ------
        RawFormatError
            Neither of the two.
        """
        if isinstance(array, np.ndarray) and array.size == 0:
            return []
        if not isinstance(array, np.ndarray) or array.dtype != object:
            return cls.elements(array, path, place)
        cells = [cls.elements(cell, path, f"{place}{{{index + 1}}}") for index, cell in enumerate(array.ravel())]
        return [element for cell in cells for element in cell]

    def error(self, field: str, found: object, expected: object) -> RawFormatError:
        """Make the error for a field that is not as published."""
        return RawFormatError(
            "A field is not as published",
            path=self.path,
            field=f"{self.place}.{field}",
            found=found,
            expected=expected,
            mend=REPAIR,
        )

    def get(self, field: str) -> Any:
        """Return a field as it is.

        Raises
        ------
        RawFormatError
            No such field.
        """
        if field not in self._values.dtype.names:
            raise RawFormatError(
                "A MATLAB structure lacks a field",
                path=self.path,
                field=f"{self.place}.{field}",
                found=", ".join(self._values.dtype.names),
                mend=REPAIR,
            )
        return self._values[field]

    def has(self, field: str) -> bool:
        """Return whether there is such a field and it is not empty."""
        return field in self._values.dtype.names and np.size(self._values[field]) > 0

    def structs(self, field: str) -> list[MatlabStruct]:
        """Return a field that is a structure array."""
        return self.elements(self.get(field), self.path, f"{self.place}.{field}")

    def struct(self, field: str) -> MatlabStruct:
        """Return a field that is a structure of one element."""
        elements = self.structs(field)
        if len(elements) != 1:
            raise self.error(field, f"{len(elements)} elements", "one structure")
        return elements[0]

    def entry(self, field: str) -> MatlabStruct:
        """Return the first structure of a field that is a structure array or a cell array of structures."""
        entries = self.entries(self.get(field), self.path, f"{self.place}.{field}")
        if not entries:
            raise self.error(field, "empty", "a structure")
        return entries[0]

    def vector(self, field: str) -> NDArray[np.float64]:
        """Return a numeric field as a vector of float64, shape (n,); an empty field of any type is an empty vector."""
        return self.samples(field).astype(np.float64)

    def samples(self, field: str) -> NDArray[Any]:
        """Return a numeric field as a vector of the type it is stored in, shape (n,); empty as in `vector`."""
        value = self.get(field)
        if isinstance(value, np.ndarray) and value.size == 0:
            return np.empty(0)
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "iuf" or value.ndim > 2 or 1 not in value.shape:
            raise self.error(field, _shape(value), "a numeric vector")
        samples: NDArray[Any] = value.ravel()
        return samples

    def number(self, field: str) -> float:
        """Return a field that is one number."""
        values = self.vector(field)
        if values.size != 1:
            raise self.error(field, _shape(self.get(field)), "one number")
        return float(values[0])

    def integer(self, field: str) -> int:
        """Return a field that is one whole number."""
        value = self.number(field)
        if not value.is_integer():  # NaN and infinity are none either
            raise self.error(field, value, "a whole number")
        return int(value)

    def text(self, field: str) -> str:
        """Return a field that is one line of text."""
        value = self.get(field)
        if not isinstance(value, np.ndarray) or value.dtype.kind != "U":
            raise self.error(field, _shape(value), "text")
        return "".join(value.ravel().tolist())


def _shape(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{'structure' if value.dtype.names else value.dtype} array of shape {value.shape}"
    return type(value).__name__
