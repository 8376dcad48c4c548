"""Whether the times of a pprox file are in the unit that its layout implies, told by the sounds that were played."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.formats.pprox import PproxFile, PproxTrial

FAR_MS = 60_000.0
"""Events this far from the stimulus are far from it, ms: trials are recorded for some seconds around it."""
FEWEST_FAR, FEWEST_NEAR = 10, 20
"""Events that it takes to judge by them."""
NEAR = 0.01
"""Part of the stimulus within which no unit has all its events."""
LARGEST_RATIO = 10.0
"""Stated over true duration beyond which, or one over it, the unit is wrong; a slip of units makes 1000."""


def check_time_unit(file: PproxFile, heard: Sequence[tuple[PproxTrial, float]]) -> None:
    """Refuse a file whose times are off by orders of magnitude.

    Milliseconds read as seconds put most events minutes past the stimulus, seconds read as milliseconds all of them
    within a hundredth of it around its onset; in both, the stated durations of stimuli are not those of the sounds.

    Parameters
    ----------
    file : PproxFile
        The file.
    heard : sequence of (PproxTrial, float)
        Those of its trials whose sound is known, with its duration, ms.

    Raises
    ------
    RawFormatError
        The times are in another unit.
    """
    expected = f"times in {file.unit}"
    ratios = [trial.stated_ms / duration for trial, duration in heard if trial.stated_ms is not None]
    if ratios and not 1 / LARGEST_RATIO <= (ratio := float(np.median(ratios))) <= LARGEST_RATIO:
        found = f"stimuli that are said to last {ratio:.3g} times as long as their sounds"
        raise _wrong_unit(file, found, expected)
    if not heard:
        return
    times = np.concatenate([trial.times_ms for trial, _ in heard])
    ends = np.repeat([duration for _, duration in heard], [len(trial.times_ms) for trial, _ in heard])
    far = (times < -FAR_MS) | (times > ends + FAR_MS)
    if len(times) >= FEWEST_FAR and far.mean() > 0.5:
        found = f"{int(far.sum())} of {len(times)} events more than {FAR_MS / 1000:g} s away from the stimulus"
        raise _wrong_unit(file, found, expected)
    if len(times) >= FEWEST_NEAR and (np.abs(times) < NEAR * ends).all():
        found = f"all {len(times)} events within a hundredth of the stimulus around its onset"
        raise _wrong_unit(file, found, expected)


def _wrong_unit(file: PproxFile, found: str, expected: str) -> RawFormatError:
    return RawFormatError(
        "The times of a unit are in another unit than the layout of its file",
        path=file.path,
        field="events of its trials",
        found=found,
        expected=expected,
        mend="fetch the file again, or convert its times",
    )
