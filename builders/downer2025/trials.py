"""A channel's file: its spikes, its table of trials, and the counts that follow from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from builders.downer2025.matlab_fields import read_structures
from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.formats.matlab import REPAIR, MatlabStruct

LATEST_SPIKE_S = 3600.0
"""Spikes later than this after the last trial are not in seconds: sessions last an hour or two."""
LOCK_TOLERANCE_S = 0.001
UINT8_MAX = 255


@dataclass(frozen=True, eq=False)
class TrialTable:
    """What was played, trial by trial.

    Parameters
    ----------
    onsets_s : ndarray of float64, shape (trials,)
        Onset of the sound, s from the start of the recording.
    codes : ndarray of int64, shape (trials,)
        Number of the stimulus; 0 where the trial was of another class.
    """

    onsets_s: NDArray[np.float64]
    codes: NDArray[np.int64]

    def key(self) -> bytes:
        """Return what equal tables share."""
        return self.onsets_s.tobytes() + self.codes.tobytes()

    def presentations(self) -> Counter[int]:
        """Return how often each stimulus of the class was played."""
        return Counter(self.codes[self.codes > 0].tolist())


def read_trials(path: Path, field: str) -> TrialTable:
    """Read the table of trials of a channel's file.

    Parameters
    ----------
    path : Path
        The file.
    field : str
        Field with the numbers of the stimuli of one class; a file without it played none of them.

    Raises
    ------
    MissingRawFileError, RawFormatError
        The file is missing, damaged or not as published.
    """
    trial = _single(path, "trial", ("stimon", field))
    onsets = trial.vector("stimon")
    codes = trial.vector(field) if trial.has(field) else np.zeros(len(onsets))
    if not np.isfinite(onsets).all():
        raise trial.error("stimon", "values that are not finite", "seconds")
    if len(codes) != len(onsets):
        raise trial.error(field, f"{len(codes)} values", f"{len(onsets)}, one per trial")
    codes = np.where(np.isnan(codes), 0, codes)
    wrong = codes[(codes < 0) | (codes != np.floor(codes))]
    if len(wrong):
        raise trial.error(field, wrong[0], "numbers of stimuli, or 0")
    return TrialTable(onsets, codes.astype(np.int64))


@dataclass(frozen=True, eq=False)
class Spikes:
    """Spikes of a channel.

    Parameters
    ----------
    times_s : ndarray of float64, shape (spikes,)
        From the start of the recording, ascending.
    onsets_s : ndarray of float64, shape (spikes,)
        Onset of the trial that the file says each spike belongs to, where it says so.
    trials : ndarray of float64, shape (spikes,)
        Number of that trial, from 1.
    """

    times_s: NDArray[np.float64]
    onsets_s: NDArray[np.float64]
    trials: NDArray[np.float64]

    def fits(self, table: TrialTable) -> bool:
        """Return whether spikes lie at the onsets of a table, by the times from trial onset that the file holds."""
        known = np.isfinite(self.onsets_s) & (self.trials >= 1) & (self.trials <= len(table.onsets_s))
        if not known.any():
            return False
        said = table.onsets_s[self.trials[known].astype(np.int64) - 1]
        return bool(np.median(np.abs(said - self.onsets_s[known])) < LOCK_TOLERANCE_S)


def read_spikes(path: Path, table: TrialTable) -> Spikes:
    """Read the spikes of a channel's file, without their waveforms.

    Raises
    ------
    MissingRawFileError, RawFormatError
        The file is missing, damaged or not as published, or its times are not in seconds.
    """
    spike = _single(path, "spike", ("spktimes", "stimlock", "trial"))
    times = spike.vector("spktimes")
    if not np.isfinite(times).all():
        raise spike.error("spktimes", "values that are not finite", "seconds")
    latest = (table.onsets_s.max() if len(table.onsets_s) else 0.0) + LATEST_SPIKE_S
    if times.max(initial=0.0) > latest:
        raise spike.error("spktimes", f"{times.max():g}", f"seconds, up to an hour after the last trial ({latest:g} s)")
    onsets, trials = np.full(len(times), np.nan), np.zeros(len(times))
    if spike.has("stimlock") and spike.has("trial"):
        lock, number = spike.vector("stimlock"), spike.vector("trial")
        if len(lock) == len(number) == len(times):
            onsets, trials = times - lock, np.nan_to_num(number)
    if (np.diff(times) < 0).any():
        order = np.argsort(times, kind="stable")
        times, onsets, trials = times[order], onsets[order], trials[order]
    return Spikes(times, onsets, trials)


def _single(path: Path, variable: str, fields: Sequence[str]) -> MatlabStruct:
    elements = list(read_structures(path, variable, fields))
    if len(elements) != 1:
        raise RawFormatError(
            "A channel's file is not as published",
            path=path,
            field=variable,
            found=f"{len(elements)} structures",
            expected="one",
            mend=REPAIR,
        )
    return elements[0]


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the trials of each stimulus lie among all trials that are counted.

    Parameters
    ----------
    onsets_s : ndarray of float64, shape (trials,)
        Stimulus by stimulus, in the order of time.
    n_bins : ndarray of int64, shape (trials,)
        Bins of each trial.
    rows : dict of int to slice
        Trials of each stimulus by its number.
    dt_ms : float
        Bin width, ms.
    """

    onsets_s: NDArray[np.float64]
    n_bins: NDArray[np.int64]
    rows: dict[int, slice]
    dt_ms: float

    @classmethod
    def of(cls, table: TrialTable, n_bins: dict[int, int], dt_ms: float) -> Layout:
        """Lay out the trials of some stimuli.

        Parameters
        ----------
        table : TrialTable
            What was played.
        n_bins : dict of int to int
            Bins of each stimulus that is wanted, by its number.
        dt_ms : float
            Bin width, ms.
        """
        onsets, lengths, rows, begin = [], [], {}, 0
        for code, bins in n_bins.items():
            of_code = table.onsets_s[table.codes == code]
            if len(of_code):
                onsets.append(of_code)
                lengths.append(np.full(len(of_code), bins, np.int64))
                rows[code] = slice(begin, begin := begin + len(of_code))
        if not rows:
            return cls(np.empty(0), np.empty(0, np.int64), {}, dt_ms)
        return cls(np.concatenate(onsets), np.concatenate(lengths), rows, dt_ms)

    def count(self, times_s: NDArray[np.float64]) -> tuple[NDArray[np.integer], int]:
        """Count the spikes of a channel in all trials.

        Bin i of a trial with T bins is ``e[i] <= t - onset < e[i + 1]`` with ``e = numpy.linspace(0, T dt, T + 1)``, s.

        Parameters
        ----------
        times_s : ndarray of float64, shape (spikes,)
            Ascending.

        Returns
        -------
        ndarray of uint8, or of a wider type where that is too narrow, shape (trials, most bins)
            Bins after those of a trial are of no meaning.
        int
            Spikes in no trial.
        """
        dt_s = self.dt_ms / 1000
        ends_s = self.n_bins * dt_s
        first = np.searchsorted(times_s, self.onsets_s - dt_s)
        last = np.searchsorted(times_s, self.onsets_s + ends_s + dt_s)
        per_trial = last - first
        trial = np.repeat(np.arange(len(first)), per_trial)
        spike = np.arange(len(trial)) - np.repeat(np.cumsum(per_trial) - per_trial - first, per_trial)
        since = times_s[spike] - self.onsets_s[trial]
        inside = (since >= 0) & (since < ends_s[trial])
        trial, spike, since = trial[inside], spike[inside], since[inside]
        # Edges are those of numpy.linspace: a spike on one by the recorder's clock falls where they let it.
        step = (ends_s / np.maximum(self.n_bins, 1))[trial]
        bins = (since / step).astype(np.int64)
        bins -= since < bins * step
        bins += since >= (bins + 1) * step
        bins = np.minimum(bins, self.n_bins[trial] - 1)
        width = int(self.n_bins.max(initial=0))
        counts = np.bincount(trial * width + bins, minlength=len(first) * width).reshape(len(first), width)
        heard = np.zeros(len(times_s), bool)
        heard[spike] = True
        outside = int((~heard).sum())
        # Else the table says that they do not fit.
        return counts.astype(np.uint8) if counts.max(initial=0) <= UINT8_MAX else counts, outside

    def response(self, counts: NDArray[np.integer], code: int) -> NDArray[np.integer]:
        """Return the counts of one stimulus, shape (trials, bins)."""
        rows = self.rows[code]
        return counts[rows, : int(self.n_bins[rows.start])]
