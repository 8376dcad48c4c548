"""Progress bars: shown in a terminal, silent elsewhere."""

from __future__ import annotations

from tqdm import tqdm


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
