"""The order of a stream: a function of seed, epoch and the share of a node and worker, known before anything is read.

The blocks of the corpus (items that begin in one row group) are permuted, and the items within each. Nodes get
consecutive shares of that sequence, workers consecutive shares of their node's, so that a block is read by two of them
at most where a cut goes through it. A buffer then mixes the items of each worker.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import ParameterError

UNEVEN = ("keep", "drop", "repeat")
"""What is done where the items cannot be shared evenly among the nodes."""
BLOCKS, BUFFER = 0, 1
"""Which random numbers: those that permute blocks and items, or those of the buffer."""


@dataclass(frozen=True)
class StreamOrder:
    """How items are shuffled and shared.

    Parameters
    ----------
    shuffle : bool
        Whether they are shuffled; in stored order if not.
    buffer : int
        Items that the shuffle buffer holds.
    seed : int
        Of the shuffling.
    rank, world_size : int
        This node, and how many there are.
    uneven : str
        ``"keep"``: every item once, shares differ by one item at most. ``"drop"``: some items are left out, so that
        all nodes have equally many. ``"repeat"``: some items come twice, so that all nodes have equally many.
    """

    shuffle: bool = False
    buffer: int = 16
    seed: int = 0
    rank: int = 0
    world_size: int = 1
    uneven: str = "keep"

    def __post_init__(self) -> None:
        for name, lowest in (("buffer", 1), ("seed", 0), ("rank", 0), ("world_size", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < lowest:
                raise ParameterError(
                    "Not a number that a stream can be ordered by",
                    field="shuffle_buffer" if name == "buffer" else name,
                    found=repr(value),
                    expected=f"a whole number, {lowest} or more",
                )
            object.__setattr__(self, name, int(value))  # plain data: it goes into the state
        if self.rank >= self.world_size:
            raise ParameterError(
                "No node has this rank", field="rank", found=self.rank, expected=f"0 to {self.world_size - 1}"
            )
        if self.uneven not in UNEVEN:
            raise ParameterError(
                "Unknown way to share items unevenly",
                field="uneven",
                found=repr(self.uneven),
                expected=", ".join(map(repr, UNEVEN)),
            )
        if not isinstance(self.shuffle, (bool, np.bool_)):
            raise ParameterError(
                "Whether to shuffle is yes or no", field="shuffle", found=repr(self.shuffle), expected="True or False"
            )
        object.__setattr__(self, "shuffle", bool(self.shuffle))

    def node_size(self, n_items: int) -> int:
        """Return how many items this node gets."""
        if self.uneven == "drop":
            return n_items // self.world_size
        if self.uneven == "repeat":
            return -(-n_items // self.world_size)
        return n_items * (self.rank + 1) // self.world_size - n_items * self.rank // self.world_size

    def arrivals(self, item_block: NDArray[np.int64], epoch: int, worker: int, workers: int) -> NDArray[np.int64]:
        """Return the items of a worker in the order in which they are read.

        Parameters
        ----------
        item_block : ndarray of int64, shape (items,)
            Block of each item, ascending.
        epoch : int
            Changes the order, if there is shuffling.
        worker, workers : int
            Worker of this node, and how many there are.

        Returns
        -------
        ndarray of int64
            Items; those of one block stand together.
        """
        n_items = len(item_block)
        order = np.arange(n_items)
        if self.shuffle and n_items:
            blocks = _random(int(item_block[-1]) + 1, self.seed, epoch, BLOCKS)
            within = _random(n_items, self.seed, epoch, BLOCKS, 1)
            order = np.lexsort((within, item_block, blocks[item_block]))
        size = self.node_size(n_items)
        start = n_items * self.rank // self.world_size if self.uneven == "keep" else size * self.rank
        of_node = order[np.arange(start, start + size) % max(n_items, 1)]
        return of_node[size * worker // workers : size * (worker + 1) // workers]

    def departures(self, n_items: int, epoch: int, worker: int, workers: int) -> NDArray[np.int64]:
        """Return the places, among its arrivals, of a worker's items in the order in which they are handed out.

        The buffer is filled; each arrival then pushes out one of its items, chosen at random; at the end what is left
        leaves in random order. So an item leaves at most `buffer` - 1 places before its turn, and no more than `buffer`
        items need to be held.

        Parameters
        ----------
        n_items : int
            Items of the worker.
        epoch, worker, workers : int
            As in `arrivals`.

        Returns
        -------
        ndarray of int64, shape (n_items,)
            A permutation.
        """
        if not self.shuffle:
            return np.arange(n_items)
        key = (self.seed, epoch, BUFFER, self.rank, self.world_size, worker, workers)
        held = list(range(min(self.buffer, n_items)))
        places = []
        for arrival, chosen in zip(
            range(self.buffer, n_items), (_random(n_items, *key) % self.buffer).tolist(), strict=False
        ):
            places.append(held[chosen])
            held[chosen] = arrival
        left = np.argsort(_random(len(held), *key, 1), kind="stable")
        return np.array([*places, *(held[place] for place in left)], np.int64)


def _random(count: int, *key: int) -> NDArray[np.uint64]:
    """Return random numbers that depend on a key alone.

    Raw bits: what NumPy makes of them (its permutations, for example) may change from version to version, and a state
    must resume after an upgrade.
    """
    numbers: NDArray[np.uint64] = np.random.PCG64(np.random.SeedSequence(key)).random_raw(count)
    return numbers
