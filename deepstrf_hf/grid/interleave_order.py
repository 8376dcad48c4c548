"""Which stream the next item comes from: a function of seed, epoch and share, known before anything is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import ParameterError

STOPS = ("first", "all")
"""When an epoch ends: when one stream has given its last item, or when all have."""
DRAWS = 2
"""Which random numbers, beside those that shuffle a stream: they must differ where the seeds are equal."""


@dataclass(frozen=True)
class InterleavedOrder:
    """How streams take turns.

    Parameters
    ----------
    probabilities : tuple of float or None
        Of each stream, for each item; where one has run out, the others keep their ratios. None: every order of what
        there is is equally likely, so that all streams last until the end.
    seed : int
        Of the draws.
    stop : str
        ``"first"`` or ``"all"``.
    """

    probabilities: tuple[float, ...] | None
    seed: int
    stop: str

    @classmethod
    def checked(cls, n_streams: int, probabilities: Sequence[float] | None, seed: int, stop: str) -> InterleavedOrder:
        """Return the order that a user asks for.

        Raises
        ------
        ParameterError
            An argument that cannot be used.
        """
        if stop not in STOPS:
            raise ParameterError(
                "Unknown end of an epoch", field="stop", found=repr(stop), expected=" or ".join(map(repr, STOPS))
            )
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ParameterError("Not a seed", field="seed", found=repr(seed), expected="a whole number, 0 or more")
        return cls(None if probabilities is None else _checked(probabilities, n_streams), int(seed), stop)

    def turns(self, sizes: Sequence[int], *share: int) -> NDArray[np.int64]:
        """Return which stream each item of one worker comes from.

        Parameters
        ----------
        sizes : sequence of int
            Items that each stream has for this worker.
        *share : int
            Epoch, node, nodes, worker, workers.

        Returns
        -------
        ndarray of int64, shape (items,)
            Numbers of streams. Every stream comes as often as it has items, with ``stop="first"`` as far as the last
            item of the first that has no more; nothing where one has none at all.
        """
        left = np.array(sizes, np.int64)
        if self.stop == "first" and not left.all():
            return np.empty(0, np.int64)
        draws = _uniform(int(left.sum()), self.seed, DRAWS, *share)
        if self.probabilities is None:
            turns = np.repeat(np.arange(len(left)), left)[np.argsort(draws, kind="stable")]
            return turns[: _first_end(turns, left)] if self.stop == "first" else turns
        parts: list[NDArray[np.int64]] = []
        begin = 0
        while left.any():
            edges = np.cumsum(np.where(left > 0, self.probabilities, 0.0))
            turns = np.searchsorted(edges / edges[-1], draws[begin:], side="right")
            parts.append(turns[: _first_end(turns, left)])
            begin += len(parts[-1])
            left -= np.bincount(parts[-1], minlength=len(left))
            if self.stop == "first":
                break
        return np.concatenate([np.empty(0, np.int64), *parts])


def _checked(probabilities: Sequence[float], n_streams: int) -> tuple[float, ...]:
    """Return probabilities as plain numbers.

    Raises
    ------
    ParameterError
        Not one for each stream, not positive, or with another sum than 1.
    """
    try:
        numbers = tuple(float(number) for number in probabilities)
    except (TypeError, ValueError):
        numbers = ()
    good = len(numbers) == n_streams and all(0 < number <= 1 for number in numbers)
    if not good or not np.isclose(sum(numbers), 1.0):
        raise ParameterError(
            "Not the probabilities of the streams",
            field="probabilities",
            found=repr(probabilities),
            expected=f"{n_streams} numbers above 0 with the sum 1",
            mend="leave out a stream that is not wanted",
        )
    return numbers


def _first_end(turns: NDArray[np.int64], left: NDArray[np.int64]) -> int:
    """Return how many turns there are until the first stream has given its last item."""
    ends = [np.flatnonzero(turns == stream)[count - 1 : count] for stream, count in enumerate(left.tolist()) if count]
    return 1 + int(np.concatenate(ends).min())


def _uniform(count: int, *key: int) -> NDArray[np.float64]:
    """Return numbers in [0, 1) that depend on a key alone.

    Of raw bits, since what NumPy makes of them may change from version to version.
    """
    raw: NDArray[np.uint64] = np.random.PCG64(np.random.SeedSequence(key)).random_raw(count)
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
