"""Epoch tables of NEMS recordings: when was what played.

One row per occurrence of a named epoch: start and end in seconds from the start of the recording. A trial of a sound is
five rows: TRIAL, STIM_<sound>, REFERENCE, PreStimSilence, PostStimSilence. The STIM epoch includes both silences.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.formats.nems_container import REPAIR, MemberStream

COLUMNS = ("start", "end", "name")
STIMULUS_PREFIX = "STIM_"
SILENCE_BEFORE = "PreStimSilence"
SILENCE_AFTER = "PostStimSilence"
TOLERANCE_S = 1e-6
"""Times this close are one: the tables carry floating-point noise (17.439999999999998), samples are 1 ms or longer."""


class Silences(NamedTuple):
    """Silence at both ends of each occurrence of an epoch.

    Parameters
    ----------
    before_s : ndarray of float64, shape (occurrences,)
        From the start of the epoch to the end of its PreStimSilence, s; NaN where it has none.
    after_s : ndarray of float64, shape (occurrences,)
        From the start of its PostStimSilence to the end of the epoch, s; NaN where it has none.
    """

    before_s: NDArray[np.float64]
    after_s: NDArray[np.float64]


class EpochTable:
    """Epochs by name.

    Parameters
    ----------
    by_name : dict of str to ndarray of float64, shape (occurrences, 2)
        Start and end of each occurrence, s, in the order of the file; names in the order of their first row.
    path, member : str
        Recording and member it was read from, for messages.
    """

    def __init__(self, by_name: Mapping[str, NDArray[np.float64]], path: str, member: str) -> None:
        self.by_name, self.path, self.member = dict(by_name), path, member

    def error(self, problem: str, name: str, found: object, expected: object) -> RawFormatError:
        """Make the error for an epoch that is not as published."""
        place = f"{self.member}: {name}"
        return RawFormatError(problem, path=self.path, field=place, found=found, expected=expected, mend=REPAIR)

    def names(self, prefix: str = "") -> list[str]:
        """Return the names that begin with a prefix, in the order of their first row."""
        return [name for name in self.by_name if name.startswith(prefix)]

    def counts(self, prefix: str = STIMULUS_PREFIX) -> dict[str, int]:
        """Return the number of occurrences of each name that begins with a prefix."""
        return {name: len(self.by_name[name]) for name in self.names(prefix)}

    def occurrences(self, name: str) -> NDArray[np.float64]:
        """Return start and end of each occurrence, s: float64, shape (occurrences, 2); (0, 2) for an unknown name."""
        return self.by_name.get(name, np.empty((0, 2)))

    def spans(self, name: str, sample_rate_hz: float, n_samples: int | None = None) -> NDArray[np.int64]:
        """Return first sample, and sample after the last, of each occurrence: ``round(time * rate)``, half to even.

        Parameters
        ----------
        name : str
            Epoch.
        sample_rate_hz : float
            Samples per second.
        n_samples : int, optional
            Length of the signal, to check the epochs against.

        Returns
        -------
        ndarray of int64, shape (occurrences, 2)
            In the order of the file; (0, 2) for an unknown name.

        Raises
        ------
        RawFormatError
            An occurrence ends after the signal does, or begins before it.
        """
        spans = np.round(self.occurrences(name) * sample_rate_hz).astype(np.int64)
        outside = spans[:, 0] < 0
        if n_samples is not None:
            outside |= spans[:, 1] > n_samples
        if outside.any():
            row = int(np.flatnonzero(outside)[0])
            start, end = self.by_name[name][row]
            length = "" if n_samples is None else f" to {n_samples} (its end)"
            raise self.error(
                "An epoch lies outside its signal",
                name,
                f"occurrence {row + 1} from {start:g} s to {end:g} s, samples {spans[row, 0]} to {spans[row, 1]}",
                f"samples from 0{length}",
            )
        return spans

    def overlapping(self, name: str) -> NDArray[np.bool_]:
        """Return which occurrences overlap an earlier one, of which NEMS uses the earliest alone.

        Returns
        -------
        ndarray of bool, shape (occurrences,)
            In the order of the file. Overlaps of less than `TOLERANCE_S` are none.
        """
        times = self.occurrences(name)
        overlapping = np.zeros(len(times), np.bool_)
        latest = -math.inf
        for row in np.argsort(times[:, 0], kind="stable"):
            if times[row, 0] < latest - TOLERANCE_S:
                overlapping[row] = True
            else:
                latest = times[row, 1]
        return overlapping

    def silences(self, name: str) -> Silences:
        """Return the silences within each occurrence of an epoch, from the rows that lie inside that occurrence.

        Raises
        ------
        RawFormatError
            An occurrence holds two different silences before, or two after.
        """
        times = self.occurrences(name)
        before, after = self._within(name, times, SILENCE_BEFORE), self._within(name, times, SILENCE_AFTER)
        return Silences(before[:, 1] - times[:, 0], times[:, 1] - after[:, 0])

    def _within(self, name: str, times: NDArray[np.float64], silence: str) -> NDArray[np.float64]:
        """Return start and end of the silence within each occurrence, NaN where there is none."""
        rows = self.occurrences(silence)
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
        first = np.searchsorted(rows[:, 0], times[:, 0] - TOLERANCE_S)
        after_last = np.searchsorted(rows[:, 0], times[:, 1] + TOLERANCE_S, side="right")
        result = np.full((len(times), 2), np.nan)
        for occurrence, (start, end) in enumerate(times):
            inside = rows[first[occurrence] : after_last[occurrence]]
            inside = inside[inside[:, 1] <= end + TOLERANCE_S]
            if not len(inside):
                continue
            if (np.abs(inside - inside[0]) > TOLERANCE_S).any():
                raise self.error(
                    f"A presentation of a sound holds more than one {silence}",
                    name,
                    f"{len(inside)} between {start:g} s and {end:g} s",
                    "one",
                )
            result[occurrence] = inside[0]
        return result


def read_epochs(stream: MemberStream) -> EpochTable:
    """Read an epoch table.

    Names are text, whatever they say ("null", "NaN"), and may hold commas. The columns come in any order.

    Raises
    ------
    RawFormatError
        Not a table of start, end and name; a row with a time that is not a finite number, or that ends before it
        begins: the message names the line.
    """
    try:
        text = stream.whole().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise stream.error("An epoch table is not text", found=error, expected="UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    grouped: dict[str, list[tuple[float, float]]] = {}
    try:
        header = next(reader, [])
        if sorted(header) != sorted(COLUMNS):
            raise stream.error(
                "An epoch table has other columns", field="line 1", found=header, expected=", ".join(COLUMNS)
            )
        start, end, name = (header.index(column) for column in COLUMNS)
        for row in reader:
            if len(row) != len(COLUMNS):
                raise _bad_line(stream, reader.line_num, row, "a start, an end and a name")
            try:
                times = float(row[start]), float(row[end])
            except ValueError as error:
                raise _bad_line(stream, reader.line_num, row, "times in seconds") from error
            # Python's numbers may hold underscores.
            if not (math.isfinite(times[0]) and math.isfinite(times[1])) or "_" in row[start] + row[end]:
                raise _bad_line(stream, reader.line_num, row, "finite times in seconds")
            if times[1] < times[0]:
                raise _bad_line(stream, reader.line_num, row, "an end that is not before the start")
            grouped.setdefault(row[name], []).append(times)
    except csv.Error as error:
        raise _bad_line(stream, reader.line_num, error, "comma-separated values") from error
    by_name = {epoch: np.array(times, np.float64) for epoch, times in grouped.items()}
    return EpochTable(by_name, str(stream.path), stream.member.name)


def _bad_line(stream: MemberStream, line: int, found: object, expected: str) -> RawFormatError:
    return stream.error("An epoch table has a bad row", field=f"line {line}", found=found, expected=expected)


def split_by_occurrence_counts(counts: Mapping[str, int]) -> dict[str, str]:
    """Divide stimuli into estimation and validation by how often they were played, as the published models did.

    The rule of NEMS' ``split_using_epoch_occurrence_counts`` (https://github.com/LBHB/NEMS). Stimuli are grouped by
    count. Two groups: the larger count is validation. More: counts above the mean of the distinct counts are
    validation. One: of the names in text order, the first 80 % (rounded down) are estimation.

    Parameters
    ----------
    counts : mapping of str to int
        Occurrences by name, in one recording: ``epochs.counts()``.

    Returns
    -------
    dict of str to str
        ``"est"`` or ``"val"`` by name, in the order given.
    """
    distinct = sorted(set(counts.values()))
    if len(distinct) == 1:
        estimation = set(sorted(counts)[: len(counts) * 4 // 5])
        return {name: "est" if name in estimation else "val" for name in counts}
    # Two counts lie on both sides of their mean, so that the two rules are one.
    total = sum(distinct)
    return {name: "val" if count * len(distinct) > total else "est" for name, count in counts.items()}
