"""Progress bars: shown in a terminal, silent elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from tqdm import tqdm

from deepstrf_hf.recording import Part

SHOWN_EVERY_S = 0.1
"""How often the number of stimuli behind a bar of parts is shown anew."""


def progress_bar(total: int | None, description: str, unit: str = "file") -> tqdm:
    """Return a progress bar that stays silent when the error stream is not a terminal.

    Parameters
    ----------
    total : int or None
        Number of steps, where known.
    description : str
        What is being done.
    unit : str
        What one step is.
    """
    return tqdm(total=total, desc=description, unit=unit, disable=None, leave=False, dynamic_ncols=True)


class PartsProgress:
    """One bar for all parts of a build, whoever builds them.

    It counts stimuli where all parts say how many they have, otherwise parts, with the number of stimuli behind it.

    Parameters
    ----------
    parts : sequence of Part
        All parts, by whose positions progress is told.
    description : str
        What is being done.
    """

    def __init__(self, parts: Sequence[Part], description: str) -> None:
        known = [part.n_stimuli for part in parts if part.n_stimuli is not None]
        self._by_stimuli = len(known) == len(parts)
        self._told: Counter[int] = Counter()
        self._n_stimuli, self._shown_at = 0, 0.0
        if self._by_stimuli:
            self.bar = progress_bar(sum(known), description, "stimulus")
        else:
            self.bar = progress_bar(len(parts), description, "part")

    def __enter__(self) -> PartsProgress:
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()

    def advance(self, position: int, n_stimuli: int) -> None:
        """Take in that stimuli of a part have been done."""
        self._told[position] += n_stimuli
        self._n_stimuli += n_stimuli
        if self._by_stimuli:
            self.bar.update(n_stimuli)
        elif time.monotonic() > self._shown_at + SHOWN_EVERY_S:
            self._shown_at = time.monotonic()
            self.bar.set_postfix(stimuli=self._n_stimuli)

    def finish(self, position: int, n_stimuli: int) -> None:
        """Take in that a part is finished, and how many stimuli it has."""
        self.advance(position, n_stimuli - self._told[position])
        if not self._by_stimuli:
            self.bar.update()
