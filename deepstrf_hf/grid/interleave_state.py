"""How far an interleaved stream has come, as plain data: its order, and the states of its streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.grid.interleave_order import InterleavedOrder
from deepstrf_hf.grid.stream_dataset import ResponseStream
from deepstrf_hf.grid.stream_state import from_state as progress_of
from deepstrf_hf.grid.stream_state import refused

STATE_VERSION = 1
"""Of the form of a state."""


@dataclass
class Position:
    """How far an iteration has come.

    Parameters
    ----------
    epoch : int
        Epoch of the iteration.
    of_streams : list of int
        Items of each stream that were handed out.
    """

    epoch: int
    of_streams: list[int]


def to_state(
    position: Position, names: Sequence[str], order: InterleavedOrder, streams: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return a position as plain data, with the states of the streams and all that the order depends on."""
    return {
        "version": STATE_VERSION,
        "order": _told(names, order),
        "positions": list(position.of_streams),
        "streams": list(streams),
    }


def from_state(
    state: Any, names: Sequence[str], order: InterleavedOrder, streams: Sequence[ResponseStream]
) -> Position:
    """Return the position that a state tells of.

    Parameters
    ----------
    state : mapping
        As `to_state` made it; it may have gone through JSON.
    names, order, streams
        Of the stream that is to go on.

    Raises
    ------
    ParameterError
        It is no state, or one of other streams.
    """
    own = to_state(Position(0, [0] * len(streams)), names, order, [])
    if not _has_form_of(state, own):
        raise ParameterError(
            "This is not a state of an InterleavedStream",
            field="state_dict",
            found=repr(state)[:80],
            expected=f"what state_dict() returned, version {STATE_VERSION}",
        )
    for name, value in own["order"].items():
        if state["order"][name] != value:
            raise refused(name, state["order"][name], value)
    if len(state["streams"]) != len(streams):
        raise refused("streams", len(state["streams"]), len(streams))
    progress = [
        progress_of(of_stream, stream._order, stream._source, len(stream))
        for of_stream, stream in zip(state["streams"], streams, strict=True)
    ]
    positions = [one.position for one in progress]
    if len({(one.epoch, one.worker, one.workers) for one in progress}) > 1 or positions != state["positions"]:
        raise refused("streams", f"positions {positions}", f"{state['positions']}, of one epoch and worker")
    return Position(progress[0].epoch, positions)


def _told(names: Sequence[str], order: InterleavedOrder) -> dict[str, Any]:
    """Return what the order of the items depends on, beside the streams, as JSON would give it back."""
    return {
        "names": list(names),
        "probabilities": None if order.probabilities is None else list(order.probabilities),
        "seed": order.seed,
        "stop": order.stop,
    }


def _has_form_of(state: Any, own: Mapping[str, Any]) -> bool:
    """Return whether something has the keys and kinds of a state."""
    if not isinstance(state, Mapping) or state.keys() != own.keys() or state["version"] != STATE_VERSION:
        return False
    lists = all(isinstance(state[part], list) for part in ("positions", "streams"))
    return lists and isinstance(state["order"], Mapping) and state["order"].keys() == own["order"].keys()
