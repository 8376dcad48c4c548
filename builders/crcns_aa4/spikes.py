"""The spikes of AA4: what a unit fired in all trials of its sounds."""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.crcns_aa4.raw import ListedUnit, Presentation, numbered
from deepstrf_hf.formats.hdf5 import Hdf5Group, open_hdf5
from deepstrf_hf.raw_tree import RawTree

NO_SPIKES = -999.0
"""Stands in spike_times of a trial without spikes."""
LONGEST_S = 1e5
"""No recording lasts so long: times beyond it are not seconds from the onset of the sound."""
TIME_DECIMALS = 6
"""Decimals of a time in ms: 1.001 s is 1001 ms and not, as the product of binary fractions has it, a little less."""


@dataclass(eq=False)
class Heard:
    """All trials of one sound, of all protocols that presented it, one protocol after the other.

    Parameters
    ----------
    blocks : list of (Presentation, list of int)
        Each presentation with the numbers of its trials.
    times_ms : ndarray of float64, shape (spikes,)
        From the onset of the sound, all trials one after the other.
    trials : ndarray of int32, shape (spikes,)
        Row of each spike, from 0.
    post_time_s : float or None
        How long after the end of the sound the trial that ends first was recorded; None where a trial does not say.
    """

    blocks: list[tuple[Presentation, list[int]]]
    times_ms: NDArray[np.float64]
    trials: NDArray[np.int32]
    post_time_s: float | None

    @property
    def n_trials(self) -> int:
        """Trials, those without spikes included."""
        return sum(len(trials) for _, trials in self.blocks)

    def metadata(self, duration_ms: float, n_bins: int, dt_ms: float) -> dict[str, Any]:
        """Return what tells the trials apart, and how many bins were recorded in all of them."""
        recorded = None
        if self.post_time_s is not None:
            recorded = math.floor((duration_ms + self.post_time_s * 1000) / dt_ms + 1e-6)
        return {
            "protocol": ",".join(presentation.protocol for presentation, _ in self.blocks),
            "stimulus_number": ",".join(presentation.number for presentation, _ in self.blocks),
            "protocol_trials": ",".join(str(len(trials)) for _, trials in self.blocks),
            "trial": ",".join(str(trial) for _, trials in self.blocks for trial in trials),
            "recorded_bins": None if recorded is None else max(0, min(recorded, n_bins)),
        }


@dataclass(frozen=True, eq=False)
class Unit:
    """A unit with its spikes.

    Parameters
    ----------
    listed : ListedUnit
        Identity, metadata, presentations.
    heard : dict of str to Heard
        By MD5 of the sound; a sound without trials is not among them.
    strangers : tuple of str
        Members of stimulus groups that are not trials.
    """

    listed: ListedUnit
    heard: dict[str, Heard]
    strangers: tuple[str, ...]


def read_unit(raw: RawTree, listed: ListedUnit, wanted: Container[str]) -> Unit:
    """Read the spikes of a unit.

    Parameters
    ----------
    raw : RawTree
        Raw files.
    listed : ListedUnit
        The unit.
    wanted : container of str
        MD5 of the sounds to read; the others are passed over.

    Returns
    -------
    Unit
        Spikes of all trials. Trials are sorted by their numbers.

    Raises
    ------
    MissingRawFileError, RawFormatError
        The file is missing, damaged or not as published.
    """
    presented: dict[str, list[Presentation]] = {}
    for presentation in listed.presentations:
        if presentation.md5 in wanted:
            presented.setdefault(presentation.md5, []).append(presentation)
    strangers: dict[str, None] = {}
    heard = {}
    with open_hdf5(raw.path(listed.file)) as file:
        protocols = {one.protocol: file.group(one.protocol) for one in listed.presentations}
        for md5, presentations in presented.items():
            sound = _read_sound(protocols, presentations, strangers)
            if sound.n_trials:
                heard[md5] = sound
    return Unit(listed, heard, tuple(strangers))


def _read_sound(
    protocols: dict[str, Hdf5Group], presentations: list[Presentation], strangers: dict[str, None]
) -> Heard:
    blocks, times, post_times = [], list[NDArray[np.float64]](), list[float | None]()
    for presentation in presentations:
        group = protocols[presentation.protocol].group(presentation.number)
        numbers, others = numbered(group.members())
        strangers.update(dict.fromkeys(others))
        blocks.append((presentation, [int(number) for number in numbers]))
        for number in numbers:
            spike_times = group.numbers(f"{number}/spike_times", absent=NO_SPIKES)
            if not (np.abs(spike_times) < LONGEST_S).all():  # NaN is not below it either
                wrong = spike_times[~(np.abs(spike_times) < LONGEST_S)][0]
                raise group.error("A spike is at no time near its sound", f"{number}/spike_times", wrong, "seconds")
            times.append(spike_times)
            post_times.append(group.number("post_time", number))
    joined = np.round(np.concatenate(times) * 1000, TIME_DECIMALS) if times else np.empty(0)
    rows = np.repeat(np.arange(len(times), dtype=np.int32), [len(trial) for trial in times])
    said = [post_time for post_time in post_times if post_time is not None]
    return Heard(blocks, joined, rows, min(said) if said and len(said) == len(post_times) else None)
