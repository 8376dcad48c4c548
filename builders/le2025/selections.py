"""Choices of stimuli of Le 2025: by critical interval, and the variants that the paper compares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

from deepstrf_hf.errors import SelectionError

QUARTET = ("C", "CB", "GB", "GM")
"""Continuous, continuous with burst, gap filled by the burst (heard as continuous), gap and mask."""

Entries = Sequence[Mapping[str, Any]]


def critical_interval(stimuli: Entries, interval: int | str) -> list[bool]:
    """Keep the stimuli of one critical interval, and the motifs as a whole (variants C and CM).

    Parameters
    ----------
    stimuli : sequence of mapping
        Metadata.
    interval : int or str
        1 or 2, or ``"2a"`` or ``"4a"`` for scrambled motifs; ``"1"`` is 1.

    Raises
    ------
    SelectionError
        No stimulus has this interval.
    """
    wanted = _interval(stimuli, interval)
    return [entry["critical_interval"] in (wanted, None) for entry in stimuli]


def restoration_quartet(stimuli: Entries, interval: int | str | None = None) -> list[bool]:
    """Keep the four variants that the paper compares: C, CB, GB and GM.

    Parameters
    ----------
    stimuli : sequence of mapping
        Metadata.
    interval : int or str, optional
        Of this critical interval alone (and C, which has none); of all by default.

    Raises
    ------
    SelectionError
        One of the four is not there at all (nat8a has no GM), or no stimulus has this interval.
    """
    wanted = None if interval is None else _interval(stimuli, interval)
    chosen = [
        entry["variant"] in QUARTET and (wanted is None or entry["critical_interval"] in (wanted, None))
        for entry in stimuli
    ]
    there = {entry["variant"] for entry, is_chosen in zip(stimuli, chosen, strict=True) if is_chosen}
    absent = [variant for variant in QUARTET if variant not in there]
    if absent:
        raise SelectionError(
            f"The restoration quartet is not complete: there is no {' and no '.join(absent)}",
            field="variant",
            found=_said(entry["variant"] for entry in stimuli),
            expected=", ".join(QUARTET),
            mend="choose the variants that there are with select_stims_by_attr('variant', [...]); nat8a has no GM",
        )
    return chosen


def _interval(stimuli: Entries, interval: object) -> str:
    """Return a critical interval as the column has it."""
    text = str(interval) if isinstance(interval, (str, Integral)) and not isinstance(interval, bool) else None
    there = {entry["critical_interval"] for entry in stimuli} - {None}
    if text is None or text not in there:
        raise SelectionError(
            "No stimulus has this critical interval",
            field="interval",
            found=repr(interval),
            expected=_said(there) or "nothing: no stimulus has one",
        )
    return text


def _said(values: Iterable[Any]) -> str:
    return ", ".join(sorted({str(value) for value in values}))
