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

    It counts stimuli where the parts say how many they have, or where there is one part only; otherwise parts, with the
    number of stimuli behind it.

    Parameters
    ----------
    parts : sequence of Part
        All parts.
    n_stimuli : int, optional
        Stimuli of the cohort, where known.
    description : str
        What is being done.
    """

    def __init__(self, parts: Sequence[Part], n_stimuli: int | None, description: str) -> None:
        of_parts = [part.n_stimuli for part in parts if part.n_stimuli is not None]
        known = n_stimuli if len(parts) == 1 else sum(of_parts) if len(of_parts) == len(parts) else None
        self._by_stimuli = known is not None or len(parts) == 1
        self._told: Counter[int] = Counter()
        self._n_stimuli, self._shown_at = 0, 0.0
        self.bar = progress_bar(
            known if self._by_stimuli else len(parts), description, "stimulus" if self._by_stimuli else "part"
        )

    def __enter__(self) -> PartsProgress:
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()

    def advance(self, number: int, n_stimuli: int) -> None:
        """Take in that stimuli of a part have been done."""
        self._told[number] += n_stimuli
        self._n_stimuli += n_stimuli
        if self._by_stimuli:
            self.bar.update(n_stimuli)
        elif time.monotonic() > self._shown_at + SHOWN_EVERY_S:
            self._shown_at = time.monotonic()
            self.bar.set_postfix(stimuli=self._n_stimuli)

    def finish(self, number: int, n_stimuli: int) -> None:
        """Take in that a part is finished, and how many stimuli it has."""
        self.advance(number, n_stimuli - self._told[number])
        if not self._by_stimuli:
            self.bar.update()
