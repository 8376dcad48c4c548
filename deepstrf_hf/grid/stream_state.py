"""How far a stream has come, as plain data, and the check that it is the same stream that goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.grid.stream_order import StreamOrder

STATE_VERSION = 1
"""Of the form of a state, and of what its position counts in."""


@dataclass
class Progress:
    """How far an iteration has come.

    Parameters
    ----------
    epoch : int
        Epoch of the iteration.
    position : int
        Items that were handed out.
    worker, workers : int
        Who iterates, counted from 0, and among how many.
    """

    epoch: int
    position: int = 0
    worker: int = 0
    workers: int = 1


def to_state(progress: Progress, order: StreamOrder, source: Mapping[str, str]) -> dict[str, Any]:
    """Return a progress as plain data, with all that the order depends on."""
    return {"version": STATE_VERSION, "source": dict(source), "order": asdict(order), **asdict(progress)}


def from_state(state: Any, order: StreamOrder, source: Mapping[str, str], n_items: int) -> Progress:
    """Return the progress that a state tells of.

    Parameters
    ----------
    state : mapping
        As `to_state` made it; it may have gone through JSON.
    order : StreamOrder
        Of the stream that is to go on.
    source : mapping of str to str
        What that stream is made of.
    n_items : int
        Items of that stream's node.

    Raises
    ------
    ParameterError
        It is no state, or one of another stream.
    """
    own: dict[str, Any] = to_state(Progress(0), order, source)
    if not _has_form_of(state, own):
        raise ParameterError(
            "This is not a state of a ResponseStream",
            field="state_dict",
            found=repr(state)[:80],
            expected=f"what state_dict() returned, version {STATE_VERSION}",
        )
    for part in ("source", "order"):
        for name, value in own[part].items():
            if state[part][name] != value:
                raise refused(name, state[part][name], value)
    progress = Progress(**{name: state[name] for name in asdict(Progress(0))})
    if progress.position > n_items:
        raise refused("position", progress.position, f"at most {n_items}")
    return progress


def refused(field: str, found: object, expected: object) -> ParameterError:
    """Make the error for a state of another stream, to be raised by the caller."""
    return ParameterError(
        "The state was taken of another stream",
        field=field,
        found=found,
        expected=expected,
        mend="resume with the same source, split, neurons, shuffling, number of nodes and of workers",
    )


def _has_form_of(state: Any, own: Mapping[str, Any]) -> bool:
    """Return whether something has the keys and kinds of a state."""
    if not isinstance(state, Mapping) or state.keys() != own.keys() or state["version"] != STATE_VERSION:
        return False
    parts = all(
        isinstance(state[part], Mapping) and state[part].keys() == own[part].keys() for part in ("source", "order")
    )
    counts = [state[name] for name in ("epoch", "position", "worker", "workers")]
    return parts and all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts)
