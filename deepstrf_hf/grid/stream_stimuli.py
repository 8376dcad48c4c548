"""Stimuli of a stream, each read from the table that holds it once, when it is needed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deepstrf_hf.errors import GridError, TableFormatError
from deepstrf_hf.grid.check import refuse_not_finite, whole_hop
from deepstrf_hf.grid.description import GridDescription
from deepstrf_hf.grid.metadata import metadata_columns, without_prefix
from deepstrf_hf.grid.spectrograms import matrix_of
from deepstrf_hf.grid.steps import StimulusPreprocessing, columns_needed
from deepstrf_hf.grid.stream_files import OpenTable, TableFile
from deepstrf_hf.names import AUDIO_ONSET, STIMULUS_PREFIX
from deepstrf_hf.preprocessing import Step

WAVEFORM_COLUMNS = ("audio", "stim_sample_rate_hz", AUDIO_ONSET)
CACHE_BYTES = 32 * 2**20
"""Bytes of decoded columns that are kept; the one in use is kept however large it is."""


@dataclass(frozen=True, eq=False)
class StimulusTable:
    """Metadata of all stimuli of a cohort, and where the stimuli themselves are.

    Parameters
    ----------
    files : tuple of TableFile
        Files of the stimuli table.
    place : ndarray of int32, shape (stimuli, 3)
        File, row group and row of each stimulus.
    meta : list of dict
        Metadata of each stimulus, under the grid's names.
    """

    files: tuple[TableFile, ...]
    place: NDArray[np.int32]
    meta: list[dict[str, Any]]

    @classmethod
    def read(cls, files: Sequence[TableFile]) -> tuple[StimulusTable, list[dict[str, Any]]]:
        """Read the metadata.

        Returns
        -------
        StimulusTable
            The table.
        list of dict
            What each file says about itself.

        Raises
        ------
        TableFormatError
            A file is broken, or names a stimulus twice.
        HubError
            The Hub refused or could not be reached.
        """
        place, meta, provenance = [], [], []
        for number, file in enumerate(files):
            with OpenTable(file) as table:
                provenance.append(table.provenance())
                columns = metadata_columns(table.schema.names)
                for group, rows in enumerate(table.row_groups(columns)):
                    place += [(number, group, row) for row in range(len(rows))]
                    meta += [without_prefix(row, STIMULUS_PREFIX) for row in rows.to_pylist()]
        refuse_twice([entry.get("stim_id") for entry in meta], "stim_id", files[0])
        return cls(tuple(files), np.array(place, np.int32).reshape(-1, 3), meta), provenance

    def ids(self) -> dict[str, int]:
        """Return the number of each stimulus by its id."""
        return {entry["stim_id"]: number for number, entry in enumerate(self.meta)}

    def preprocessing(self, steps: Sequence[Step]) -> StimulusPreprocessing:
        """Return what is done to spectrograms, with the columns it needs read from the table.

        Raises
        ------
        GridError
            The stimuli lack a column.
        """
        tables = []
        for file in self.files:
            with OpenTable(file) as table:
                columns = columns_needed(steps, table.schema.names)
                if not columns:
                    return StimulusPreprocessing.of_table(steps, None, str(file))
                tables += table.row_groups(columns)
        return StimulusPreprocessing.of_table(steps, pa.concat_tables(tables), str(self.files[0]))

    def n_bands(self) -> int:
        """Return the number of frequency bands of the first spectrogram."""
        with OpenTable(self.files[0]) as table:
            table.prepare([0], ["spectrogram"])
            for column in table.batches(0, "spectrogram", 1):
                return len(column[0].values or ())
        return 0


class StimulusReader:
    """Reads stimuli; belongs to one process and one thread.

    What is decoded is a column of a whole row group: a few of them are kept, since stimuli that are stored together
    are mostly needed together.

    Parameters
    ----------
    table : StimulusTable
        Where the stimuli are.
    description : GridDescription
        Whether stimuli are waveforms, at which rate; how many bands.
    preprocessing : StimulusPreprocessing
        What is done to spectrograms.
    """

    def __init__(
        self, table: StimulusTable, description: GridDescription, preprocessing: StimulusPreprocessing
    ) -> None:
        self._table, self._description, self._preprocessing = table, description, preprocessing
        self._columns = WAVEFORM_COLUMNS if description.waveform else ("spectrogram",)
        self._hop = whole_hop(description.audio_fs, description.dt_ms) if description.waveform else 0
        self._open: tuple[int, OpenTable] | None = None
        self._decoded: OrderedDict[tuple[int, int], pa.Table] = OrderedDict()

    def read(self, stimulus: int, n_bins: int) -> NDArray[np.float32]:
        """Return a stimulus.

        Parameters
        ----------
        stimulus : int
            Number of the stimulus in its table.
        n_bins : int
            Time bins of the responses to it.

        Returns
        -------
        ndarray of float32
            (bands, bins), or (samples,) for waveforms: resampled, placed on the bins, cut or padded.

        Raises
        ------
        TableFormatError
            The stimulus is absent, or cannot be decoded.
        GridError
            It does not fit the bins or the other stimuli, or is not finite.
        """
        file, group, row = self._table.place[stimulus].tolist()
        columns = self._group(file, group)
        name = self._table.meta[stimulus]["stim_id"]
        if self._hop:
            array = self._waveform(columns, row, name, n_bins)
        else:
            array = self._preprocessing.apply(stimulus, self._spectrogram(columns, row, name, file))
        refuse_not_finite(array, name, str(self._table.files[file]))
        if not self._hop and array.shape != (self._description.n_bands, n_bins):
            raise GridError(
                "A spectrogram does not fit the other stimuli or its responses",
                path=str(self._table.files[file]),
                field=name,
                found=f"{array.shape[0]} bands, {array.shape[1]} bins",
                expected=f"{self._description.n_bands} bands, {n_bins} bins",
            )
        return array

    def close(self) -> None:
        """Close the file that is open and forget what was decoded."""
        if self._open is not None:
            self._open[1].close()
            self._open = None
        self._decoded.clear()

    def _group(self, file: int, group: int) -> pa.Table:
        """Return the columns of a row group, decoded at most once while they are kept."""
        if (file, group) in self._decoded:
            self._decoded.move_to_end((file, group))
            return self._decoded[file, group]
        if self._open is None or self._open[0] != file:
            if self._open is not None:
                self._open[1].close()
                self._open = None
            self._open = file, OpenTable(self._table.files[file])
        table = self._open[1]
        table.prepare([group], self._columns)
        columns = table.read(group, self._columns)
        self._decoded[file, group] = columns
        while len(self._decoded) > 1 and sum(entry.nbytes for entry in self._decoded.values()) > CACHE_BYTES:
            self._decoded.popitem(last=False)
        return columns

    def _spectrogram(self, columns: pa.Table, row: int, name: str, file: int) -> NDArray[np.float32]:
        return matrix_of(columns.column("spectrogram")[row].values, name, str(self._table.files[file]))

    def _waveform(self, columns: pa.Table, row: int, name: str, n_bins: int) -> NDArray[np.float32]:
        from deepstrf_hf.grid.waveforms import waveform_on_bins  # only waveforms need soxr and soundfile

        audio, rate, onset = (columns.column(column)[row].as_py() for column in WAVEFORM_COLUMNS)
        if audio is None:
            raise GridError("A stimulus has no waveform", field=name, mend="take stimulus='spectrogram'")
        length = n_bins * self._hop
        return waveform_on_bins(audio["bytes"], name, rate, self._description.audio_fs or 0, length, onset)


def refuse_twice(names: Sequence[Any], field: str, file: TableFile) -> None:
    """Refuse a companion table that names one thing twice, or not at all.

    Raises
    ------
    TableFormatError
        Naming it.
    """
    seen: set[Any] = set()
    for name in names:
        if name is None:
            raise TableFormatError("A row lacks its name", path=str(file), field=field, mend="build it again")
        if name in seen:
            raise TableFormatError("A companion table names one thing twice", path=str(file), field=field, found=name)
        seen.add(name)
