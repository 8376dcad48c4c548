"""`ResponseStream`: the items of a grid one after the other, read as they are needed."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.data import get_worker_info

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.grid.description import GridDescription
from deepstrf_hf.grid.nodes import this_node
from deepstrf_hf.grid.response_buffer import Step
from deepstrf_hf.grid.stream_order import StreamOrder
from deepstrf_hf.grid.stream_prefetch import read_ahead
from deepstrf_hf.grid.stream_reader import ItemReader, StreamContent, StreamItem
from deepstrf_hf.grid.stream_state import Progress, from_state, refused, to_state
from deepstrf_hf.grid.views import ItemResponses


class ResponseStream(torch.utils.data.IterableDataset[dict[str, Any]]):
    """The items of a cohort, read from Parquet row groups as they are needed. Made by `deepstrf_hf.stream`.

    Iterating yields what `NeuralDataset` yields: one stimulus with the responses of all neurons (or of those asked
    for), in ascending order of ``neuron_id``; batches are made by `neural_collate`. An item has the rows of one file:
    a corpus recorded in sites has files by site, and gives a stimulus that several sites share once for each, with the
    neurons of that site (the others without response) and the same ``stim_meta``.

    What is held is the index, the metadata, the row groups being read and the shuffle buffer.

    Parameters
    ----------
    content : StreamContent
        What there is.
    order : StreamOrder
        How it is shuffled and shared.
    source : mapping of str to str
        What the stream was made of; states of another are refused.
    prefetch : int
        Row groups read ahead.

    Attributes
    ----------
    nrn_meta : list of dict
        Metadata of the neurons, in the order of the items.
    description : GridDescription
        What is true of all stimuli and neurons.
    """

    def __init__(self, content: StreamContent, order: StreamOrder, source: Mapping[str, str], prefetch: int) -> None:
        self._content, self._order, self._source, self._prefetch = content, order, dict(source), prefetch
        self._item_block = content.index.item_block()
        # In shared memory, so that workers that outlive an epoch see the next.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self._progress: Progress | None = None
        self._resume: Progress | None = None
        self.nrn_meta: list[dict[str, Any]] = content.nrn_meta
        self.description: GridDescription = content.description

    # What it is ---------------------------------------------------------------------------------------------------

    @property
    def dt(self) -> float:
        """Bin width, ms; an int where it is whole."""
        dt = self.description.dt_ms
        return int(dt) if dt == int(dt) else dt

    @property
    def F(self) -> int:  # noqa: N802 (deepSTRF's name)
        """Frequency bands of the spectrogram."""
        return self.description.n_bands

    @property
    def audio_fs(self) -> int | None:
        """Rate of the waveforms, Hz; None in spectrogram mode."""
        return self.description.audio_fs

    @property
    def hop(self) -> int | None:
        """Audio samples per bin; None in spectrogram mode."""
        return None if self.audio_fs is None else round(self.audio_fs * self.description.dt_ms / 1000)

    @property
    def preprocessing(self) -> tuple[Step, ...]:
        """Steps applied to responses when they are handed out; empty where they differ from stimulus to stimulus."""
        return self._content.for_responses.common

    @property
    def N_neurons(self) -> int:  # noqa: N802 (deepSTRF's name)
        """Neurons that items hold."""
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
        return int(self._epoch)

    def __len__(self) -> int:
        """Return the number of items of this node, over all its workers."""
        return self._order.node_size(len(self._content.index))

    def __repr__(self) -> str:
        order, kind = self._order, "waveforms" if self.description.waveform else f"{self.F}-band spectrograms"
        node = f", node {order.rank} of {order.world_size}" if order.world_size > 1 else ""
        shuffled = f"shuffled with seed {order.seed}" if order.shuffle else "in stored order"
        return (
            f"ResponseStream({self.description.path}: {len(self)} items ({kind}) of {self.N_neurons} neurons, "
            f"dt {self.dt} ms, {shuffled}{node})"
        )

    # Order and share ----------------------------------------------------------------------------------------------

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration: a shuffled stream has another order in each.

        Workers that outlive an epoch (``persistent_workers=True``) learn of it too.

        Raises
        ------
        ParameterError
            Not a whole number from 0.
        """
        if isinstance(epoch, bool) or not isinstance(epoch, (int, np.integer)) or epoch < 0:
            raise ParameterError(
                "An epoch is a whole number", field="epoch", found=repr(epoch), expected="a whole number, 0 or more"
            )
        self._epoch.fill_(int(epoch))

    def split_by_node(
        self, rank: int | None = None, world_size: int | None = None, *, uneven: str = "keep"
    ) -> ResponseStream:
        """Return the share of one node, for example of one process of ``torch.distributed``.

        Together the nodes hand out every item exactly once. Their shares differ by one item at most, so they may
        differ by one batch: where all nodes must take part in every step (``DistributedDataParallel``), choose
        ``"drop"`` or ``"repeat"``, or put the loop into ``torch.distributed.algorithms.join.Join``.

        Parameters
        ----------
        rank, world_size : int, optional
            The node, counted from 0, and how many there are. If not given: as ``torch.distributed``, once it is
            initialised, or ``torchrun`` says; where neither does, this process is the only node.
        uneven : str
            ``"keep"``: every item once. ``"drop"``: up to `world_size` - 1 items are left out (of a shuffled stream,
            others in each epoch), so that all nodes have equally many. ``"repeat"``: up to `world_size` - 1 items come
            twice, so that all have equally many. With equally many items, equal batch size and equally many workers,
            nodes have equally many batches.

        Returns
        -------
        ResponseStream
            A stream of its own, at the beginning of the same epoch.

        Raises
        ------
        ParameterError
            A rank that does not exist, or a stream that is a share already.
        """
        rank, world_size = this_node(rank, world_size)
        if self._order.world_size > 1:
            raise ParameterError(
                "This stream is the share of a node already",
                field="world_size",
                found=f"node {self._order.rank} of {self._order.world_size}",
                mend="split the whole stream",
            )
        share = copy.copy(self)
        share._order = replace(self._order, rank=rank, world_size=world_size, uneven=uneven)
        share._epoch = self._epoch.clone().share_memory_()
        share._progress = share._resume = None
        return share

    # Iteration ----------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Iterate over the items of this worker of this node, or over what a loaded state has left of them."""
        info = get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        progress, resume = Progress(self.epoch, worker=worker, workers=workers), self._resume
        if resume is not None and resume.epoch == progress.epoch:
            if (resume.worker, resume.workers) != (worker, workers):
                raise refused("worker", f"{resume.worker} of {resume.workers}", f"{worker} of {workers}")
            progress.position = resume.position
        self._resume, self._progress = None, progress
        return self._items(progress)

    def _items(self, progress: Progress) -> Iterator[dict[str, Any]]:
        share = progress.epoch, progress.worker, progress.workers
        arrivals = self._order.arrivals(self._item_block, *share)
        departures = self._order.departures(len(arrivals), *share)[progress.position :].tolist()
        # Of each block only what has not been handed out is read, and no block all of which has.
        waiting = np.zeros(len(arrivals), bool)
        waiting[departures] = True
        to_come = np.flatnonzero(waiting)
        blocks = self._item_block[arrivals[to_come]]
        starts = np.flatnonzero(np.diff(blocks, prepend=-1))
        tasks = [arrivals[places] for places in np.split(to_come, starts[1:])] if len(to_come) else []
        reading = read_ahead(
            (task.tolist() for task in tasks), partial(ItemReader, self._content), min(self._prefetch, len(tasks))
        )
        held: dict[int, StreamItem] = {}
        try:
            for item in arrivals[departures].tolist():
                while item not in held:
                    held |= next(reading)
                progress.position += 1
                yield _handed_out(held.pop(item))
        finally:
            reading.close()  # type: ignore[attr-defined]

    # Resuming -----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return, as plain data, how far the latest iteration has come.

        It tells what this process has handed out. Where a loader's workers iterate, each has its own state:
        ``torchdata.stateful_dataloader.StatefulDataLoader`` collects them.
        """
        progress = self._progress or self._resume
        if progress is None or progress.epoch != self.epoch:
            progress = Progress(self.epoch)
        return to_state(progress, self._order, self._source)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where a state was taken: the next iteration yields what was left, each item once, in the same order.

        The state of an epoch that was at its end leaves nothing to the next iteration; the one after it is a new one.
        `set_epoch` with another epoch drops the state.

        Raises
        ------
        ParameterError
            The state was taken of another source, shuffling or share, or is none; if it belongs to another worker,
            when iteration begins.
        """
        resume = from_state(state_dict, self._order, self._source, len(self))
        self.set_epoch(resume.epoch)
        self._resume, self._progress = resume, None

    def __getstate__(self) -> dict[str, Any]:
        # How far this process has come is not how far another has.
        return {**self.__dict__, "_progress": None}


def _handed_out(item: StreamItem) -> dict[str, Any]:
    """Return an item as the grid hands it out."""
    responses = ItemResponses(item.grid, 0, None)
    return {
        "stims": torch.from_numpy(item.stimulus)[None],
        "responses": responses,
        "valid_mask": torch.from_numpy(responses.heard),
        "stim_meta": item.stim_meta,
    }
