"""`InterleavedStream`: items of several streams, drawn one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import get_worker_info

from deepstrf_hf.grid.concat_metadata import with_unique_ids
from deepstrf_hf.grid.interleave_order import InterleavedOrder
from deepstrf_hf.grid.interleave_state import Position, from_state, to_state
from deepstrf_hf.grid.stream_dataset import ResponseStream
from deepstrf_hf.grid.stream_state import refused
from deepstrf_hf.grid.views import ItemResponses


class InterleavedStream(torch.utils.data.IterableDataset[dict[str, Any]]):
    """Items of several streams, one after the other. Made by `deepstrf_hf.interleave`.

    Parameters
    ----------
    streams : mapping of str to ResponseStream
        Streams by name, whose bins and bands agree; used by nobody else.
    order : InterleavedOrder
        How they take turns.

    Attributes
    ----------
    names : tuple of str
        What ``item["dataset"]`` says of each stream.
    nrn_meta : list of dict
        Metadata of the neurons of all streams, in the order of the items, with the name of their stream as
        ``dataset``. Ids that occur in several are written ``<name>/<id>``.
    """

    def __init__(self, streams: Mapping[str, ResponseStream], order: InterleavedOrder) -> None:
        self.names, self._streams, self._order = tuple(streams), tuple(streams.values()), order
        self._first_neuron = np.cumsum([0, *(stream.N_neurons for stream in self._streams)]).tolist()
        tagged = [{**entry, "dataset": name} for name, stream in streams.items() for entry in stream.nrn_meta]
        self.nrn_meta: list[dict[str, Any]] = with_unique_ids(tagged, "neuron_id")
        self._position: Position | None = None
        self._resume: Position | None = None

    # What it is ---------------------------------------------------------------------------------------------------

    @property
    def dt(self) -> float:
        """Bin width, ms; an int where it is whole."""
        return self._streams[0].dt

    @property
    def F(self) -> int:  # noqa: N802 (deepSTRF's name)
        """Frequency bands of the spectrogram."""
        return self._streams[0].F

    @property
    def audio_fs(self) -> int | None:
        """Rate of the waveforms, Hz; None in spectrogram mode."""
        return self._streams[0].audio_fs

    @property
    def hop(self) -> int | None:
        """Audio samples per bin; None in spectrogram mode."""
        return self._streams[0].hop

    @property
    def N_neurons(self) -> int:  # noqa: N802 (deepSTRF's name)
        """Neurons that items hold: those of all streams."""
        return len(self.nrn_meta)

    def get_N(self) -> int:  # noqa: N802 (deepSTRF's name)
        """Return the number of neurons that items hold."""
        return self.N_neurons

    def get_F(self) -> int:  # noqa: N802 (deepSTRF's name)
        """Return the number of frequency bands."""
        return self.F

    def get_nrn_meta(self) -> list[dict[str, Any]]:
        """Return the metadata of the neurons that items hold, in their order."""
        return list(self.nrn_meta)

    @property
    def epoch(self) -> int:
        """Epoch of the next iteration."""
        return self._streams[0].epoch

    def __len__(self) -> int:
        """Return the number of items of this node, over all its workers.

        Raises
        ------
        TypeError
            With ``stop="first"`` it depends on who iterates; loaders take that for a stream of unknown length.
        """
        if self._order.stop == "first":
            raise TypeError("with stop='first' the number of items depends on the draws of each worker")
        return sum(map(len, self._streams))

    def __repr__(self) -> str:
        parts = ", ".join(f"{name} ({len(one)} items)" for name, one in zip(self.names, self._streams, strict=True))
        return (
            f"InterleavedStream({parts}; {self.N_neurons} neurons, dt {self.dt} ms, seed {self._order.seed}, "
            f"until the end of {'the first' if self._order.stop == 'first' else 'all'})"
        )

    # Order and share ----------------------------------------------------------------------------------------------

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration, of the draws and of every stream.

        Workers that outlive an epoch (``persistent_workers=True``) learn of it too.

        Raises
        ------
        ParameterError
            Not a whole number from 0.
        """
        for stream in self._streams:
            stream.set_epoch(epoch)

    def split_by_node(
        self, rank: int | None = None, world_size: int | None = None, *, uneven: str = "keep"
    ) -> InterleavedStream:
        """Return the share of one node: of each stream, what `ResponseStream.split_by_node` returns.

        With ``stop="all"``, nodes together hand out every item exactly once. Their shares of each stream differ by one
        item at most; with ``uneven="drop"`` or ``"repeat"`` all nodes have equally many items. With ``stop="first"``
        nodes stop at different times.

        Parameters
        ----------
        rank, world_size, uneven
            As in `ResponseStream.split_by_node`.

        Returns
        -------
        InterleavedStream
            A stream of its own, at the beginning of the same epoch.

        Raises
        ------
        ParameterError
            A rank that does not exist, or a stream that is a share already.
        """
        shares = [stream.split_by_node(rank, world_size, uneven=uneven) for stream in self._streams]
        return InterleavedStream(dict(zip(self.names, shares, strict=True)), self._order)

    # Iteration ----------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Iterate over the items of this worker of this node, or over what a loaded state has left of them."""
        resume = self._resume if self._resume is not None and self._resume.epoch == self.epoch else None
        position = resume or Position(self.epoch, [0] * len(self._streams))
        coming = [iter(stream) for stream in self._streams]  # each refuses a state of another worker
        turns, done = self._turns(position.epoch), sum(position.of_streams)
        counts = np.bincount(turns[:done], minlength=len(self._streams)).tolist()
        if counts != position.of_streams:
            raise refused("streams", f"positions {position.of_streams}", counts)
        self._resume, self._position = None, position
        return self._items(coming, turns[done:].tolist(), position)

    def _turns(self, epoch: int) -> NDArray[np.int64]:
        """Return which stream each item of this worker comes from."""
        info = get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        sizes = [len(one._order.arrivals(one._item_block, epoch, worker, workers)) for one in self._streams]
        node = self._streams[0]._order
        return self._order.turns(sizes, epoch, node.rank, node.world_size, worker, workers)

    def _items(
        self, coming: Sequence[Iterator[dict[str, Any]]], turns: Sequence[int], position: Position
    ) -> Iterator[dict[str, Any]]:
        try:
            for number in turns:
                item = next(coming[number])
                position.of_streams[number] += 1
                yield self._handed_out(item, number)
        finally:
            for items in coming:
                items.close()  # type: ignore[attr-defined]

    def _handed_out(self, item: Mapping[str, Any], number: int) -> dict[str, Any]:
        """Return an item among the neurons of all streams."""
        first = self._first_neuron[number]
        of_all = torch.zeros(self.N_neurons, dtype=torch.bool)
        of_all[first : self._first_neuron[number + 1]] = item["valid_mask"]
        responses = _placed(item["responses"], first, self.N_neurons)
        return {**item, "responses": responses, "valid_mask": of_all, "dataset": self.names[number]}

    # Resuming -----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return, as plain data, how far the latest iteration has come: as for a `ResponseStream`, of this process."""
        position = self._position or self._resume
        if position is None or position.epoch != self.epoch:
            position = Position(self.epoch, [0] * len(self._streams))
        return to_state(position, self.names, self._order, [stream.state_dict() for stream in self._streams])

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where a state was taken: the next iteration yields what was left, each item once, in the same order.

        As for a `ResponseStream`, the state of a finished epoch leaves nothing to the next iteration, and `set_epoch`
        with another epoch drops the state.

        Raises
        ------
        ParameterError
            The state was taken of other streams, shuffling or share, or is none; if it belongs to another worker, when
            iteration begins. The stream is as it was.
        """
        resume = from_state(state_dict, self.names, self._order, self._streams)
        for stream, state in zip(self._streams, state_dict["streams"], strict=True):
            stream.load_state_dict(state)
        self._resume, self._position = resume, None

    def __getstate__(self) -> dict[str, Any]:
        # How far this process has come is not how far another has.
        return {**self.__dict__, "_position": None}


def _placed(responses: ItemResponses, first: int, n_neurons: int) -> ItemResponses:
    """Return the responses of one item among more neurons, its own from `first` on; values are shared."""
    grid = responses._grid
    own = np.full(n_neurons, -1)
    own[first : first + grid.n_neurons] = np.arange(grid.n_neurons)
    placed = replace(
        grid,
        buffers=tuple(buffer.renumbered(own) for buffer in grid.buffers),
        pair_neuron=(grid.pair_neuron + first).astype(np.int32),
        n_neurons=n_neurons,
    )
    if "pair_heard" in vars(grid):
        vars(placed)["pair_heard"] = grid.pair_heard
    return ItemResponses(placed, 0, None)
