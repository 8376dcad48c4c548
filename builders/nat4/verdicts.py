"""Whether the single-site recording of a cell is the one that the population recording was averaged from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from builders.nat4.population import Population
from builders.nat4.sites import ValResponses
from deepstrf_hf.build_log import BuildLog

TOLERANCE = 1e-4
"""Spikes per bin; means over 20 presentations are multiples of 0.05."""


class Verdict(NamedTuple):
    """How the mean over trials of a cell's val clips compares with the population recording.

    Parameters
    ----------
    difference : float
        Largest difference, spikes per bin.
    coarse : bool
        Whether the smaller difference is that of counts in bins of the recording, not of the presentation.
    """

    difference: float
    coarse: bool

    @property
    def matches(self) -> bool:
        """Whether they are the same."""
        return self.difference <= TOLERANCE


def judge(population: Population, sites: Sequence[ValResponses]) -> dict[str, Verdict]:
    """Compare every cell that has val responses; those with nothing to compare are left out of the result.

    The release does not say how the population recording was binned: from the start of each presentation, or, as NEMS
    rasterises a recording at 100 Hz, in bins of the recording, which can lie up to 5 ms away. Both are tried.
    """
    place = {cell: number for number, cell in enumerate(population.cells)}
    spans = {clip.name: clip.spans for clip in population.clips}
    verdicts = {}
    for site in sites:
        rows = np.array([place[cell] for cell in site.cells], np.int64)
        published: dict[str, NDArray[np.float32]] = {}
        for name in site.counts:
            presented = [population.responses.values(start, stop)[rows] for start, stop in spans[name]]
            published[name] = np.mean(presented, axis=0)
        fine = _largest({name: counts.mean(axis=1) for name, counts in site.counts.items()}, published, len(rows))
        coarse = _largest(site.coarse_means, published, len(rows))
        for number, cell in enumerate(site.cells):
            if np.isfinite(fine[number]):
                apart = float(fine[number]), float(coarse[number])
                verdicts[cell] = Verdict(min(apart), apart[1] < apart[0])
    return verdicts


def _largest(
    means: Mapping[str, NDArray[np.float64]], published: Mapping[str, NDArray[np.float32]], n_cells: int
) -> NDArray[np.float64]:
    """Return the largest difference of each cell over all clips, NaN where nothing can be compared."""
    largest = np.full(n_cells, np.nan)
    for name, values in published.items():
        largest = np.fmax(largest, np.fmax.reduce(np.abs(means[name] - values), axis=1))
    return largest


def report(area: str, verdicts: Mapping[str, Verdict], respelt: Mapping[str, str], log: BuildLog) -> None:
    """Write the verdicts into the log.

    Parameters
    ----------
    area : str
        ``"A1"`` or ``"PEG"``.
    verdicts : mapping of str to Verdict
        By cell.
    respelt : mapping of str to str
        Name in the single-site recording of cells that have another one there.
    log : BuildLog
        Where to.
    """
    if respelt:
        names = ", ".join(f"{cell} = {there}" for cell, there in respelt.items())
        same = sum(cell in verdicts and verdicts[cell].matches for cell in respelt)
        log.note(
            f"{area}: {len(respelt)} cells have another name in their single-site recording, and of {same} of them the "
            f"mean over trials is the one in the population recording: {names}."
        )
    other = [f"{cell} ({verdict.difference:.3g})" for cell, verdict in verdicts.items() if not verdict.matches]
    if other:
        log.note(
            f"{area}: cells whose mean over the trials of the val clips is not the one in the population recording "
            f"(largest difference in spikes per bin): {', '.join(other)}."
        )
    coarse = [cell for cell, verdict in verdicts.items() if verdict.matches and verdict.coarse]
    if coarse:
        log.note(
            f"{area}: of {len(coarse)} cells the population recording was averaged in bins of the recording, not of "
            "the presentation; the trials here are binned from the start of each presentation."
        )
