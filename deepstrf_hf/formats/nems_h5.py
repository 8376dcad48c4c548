"""The HDF5 members of NEMS recordings: one data set of numbers per channel or per epoch, read one at a time."""

from __future__ import annotations

import io
from types import TracebackType

import h5py
import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.formats.hdf5 import FAULTS
from deepstrf_hf.formats.hdf5_chunks import read_deflated
from deepstrf_hf.formats.nems_container import REPAIR

VALUES_LIMIT = 2**27
"""Most values in one data set (1 GiB of float64): a compressed file of a few bytes can claim any number."""


class H5Member:
    """An HDF5 file held in memory, as its bytes stand in the archive.

    Parameters
    ----------
    content : bytes
        The file.
    path, member : str
        Recording and member it was read from, for messages.

    Raises
    ------
    RawFormatError
        Not an HDF5 file.
    """

    def __init__(self, content: bytes, path: str, member: str) -> None:
        self.path, self.member = path, member
        try:
            self._content = memoryview(content)
            self._file = h5py.File(io.BytesIO(content), "r")
            self.names: tuple[str, ...] = tuple(sorted(self._file))
        except FAULTS as error:
            found = f"{error} (file of {len(content)} bytes)"
            raise self.error("An HDF5 file cannot be read", "", found, "HDF5") from error

    def __enter__(self) -> H5Member:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def error(self, problem: str, name: str, found: object, expected: object) -> RawFormatError:
        """Make the error for a data set that is not as published."""
        place = f"{self.member}: {name}" if name else self.member
        return RawFormatError(problem, path=self.path, field=place, found=found, expected=expected, mend=REPAIR)

    def values(self, name: str, dimensions: int) -> NDArray[np.float64]:
        """Read one data set.

        Parameters
        ----------
        name : str
            Channel or epoch.
        dimensions : int
            How many it must have; an empty data set may have any number.

        Returns
        -------
        ndarray of float64
            As stored; without values, of shape (0,) or (0, 0).

        Raises
        ------
        RawFormatError
            Absent, damaged, not numbers, of another number of dimensions, or too large.
        """
        try:
            dataset = self._file[name]
            if not isinstance(dataset, h5py.Dataset):
                raise self.error("A member of an HDF5 file is not a data set", name, type(dataset).__name__, "numbers")
            if not dataset.size:
                return np.empty((0,) * dimensions)
            if dataset.ndim != dimensions or dataset.dtype.kind not in "iuf":
                found = f"{dataset.dtype} of shape {dataset.shape}"
                raise self.error(
                    "A data set of an HDF5 file is not as published", name, found, f"numbers in {dimensions} dimensions"
                )
            if dataset.size > VALUES_LIMIT:
                found = f"{dataset.size} values"
                raise self.error("A data set of an HDF5 file is too large", name, found, f"at most {VALUES_LIMIT}")
            result = read_deflated(dataset.id, self._content)
            if result is None:
                result = np.empty(dataset.shape, np.float64)
                dataset.read_direct(result)
        except FAULTS as error:
            raise self.error("Values of an HDF5 file cannot be read", name, error, "numbers") from error
        return result
