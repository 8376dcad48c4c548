"""Lines of counts in NEMS' number format, told by their bytes rather than parsed.

NEMS writes ``%.18e``: a number that is neither negative nor missing takes 24 characters, so that a line of such numbers
has one width. Most of a raster of spikes are the digits 0 to 9, ``1.000000000000000000e+00``; they are recognised
as whole machine words, three per number. What is not laid out so is left to the parser.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WIDTH = 24
MOST_OTHERS = 0.25
"""Share of numbers other than digits above which the parser of text is faster."""

_WORDS = np.frombuffer(b"0.000000000000000000e+00", "<u8")
_FIRST_BYTE = np.uint64(0xFF)
_IN_NUMBERS = np.isin(np.arange(256), np.frombuffer(b"0123456789.+-enaN ", np.uint8))
"""Characters of numbers; Python's would also hold underscores, and NumPy's end with zero bytes."""
_ZERO = np.uint64(ord("0"))


def parse_fixed_width(block: bytes, n_columns: int) -> NDArray[np.float64] | None:
    """Return the numbers of lines that all have the width of `n_columns` numbers of 24 characters.

    Parameters
    ----------
    block : bytes
        Whole lines, each with its end.
    n_columns : int
        Numbers per line.

    Returns
    -------
    ndarray of float64, shape (columns, lines), or None
        None where the lines are laid out otherwise, hold many numbers that are no digits, or something that is no
        number.
    """
    step = WIDTH + 1
    if len(block) % (step * n_columns):
        return None
    shape = len(block) // (step * n_columns), n_columns
    characters = np.frombuffer(block, np.uint8).reshape(*shape, step)
    ends = characters[:, :, WIDTH]
    if (ends[:, -1] != ord("\n")).any() or (ends[:, :-1] != ord(",")).any():
        return None

    def words(offset: int) -> NDArray[np.uint64]:
        return np.ndarray(shape, "<u8", block, offset, (step * n_columns, step))

    first = words(0)
    digits = (first & _FIRST_BYTE) - _ZERO
    plain = (first - digits == _WORDS[0]) & (digits < 10) & (words(8) == _WORDS[1]) & (words(16) == _WORDS[2])
    values = np.array(digits.T, np.float64, order="C")
    others = ~plain
    n_others = int(others.sum())
    if n_others > MOST_OTHERS * others.size:
        return None
    if n_others:
        texts = np.ascontiguousarray(characters[others][:, :WIDTH])
        if not _IN_NUMBERS[texts].all():
            return None
        try:
            values.T[others] = texts.view(f"S{WIDTH}").ravel().astype(np.float64)
        except ValueError:
            return None
    return values
