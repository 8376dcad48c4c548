"""Pictures of spectrograms, small enough to sit in a table."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

MINIMUM_HEIGHT = 64
"""Pixels; bands are repeated until a picture is at least this high."""
MAXIMUM_WIDTH = 1024
"""Pixels; in a longer spectrogram a pixel is the mean of several bins."""

SIGNATURE = b"\x89PNG\r\n\x1a\n"
NONE, SUB, UP = range(3)
"""Filters of the PNG format: a byte as it is, less its left neighbour, less the one above it."""


def spectrogram_png(spectrogram: NDArray[np.float32]) -> bytes:
    """Draw a spectrogram as an 8-bit grey PNG: time to the right, frequency upwards, dark is loud.

    Parameters
    ----------
    spectrogram : ndarray of float32, shape (bands, bins)
        Lowest band first. The grey scale spans the lowest to the highest value in the picture.

    Returns
    -------
    bytes
        PNG, one pixel per bin or run of bins, one or more per band.
    """
    shown = _narrowed(spectrogram)
    low, high = float(shown.min()), float(shown.max())
    scaled = (shown - low) / (high - low) if high > low else np.zeros_like(shown)
    grey = (255 - np.rint(scaled * 255)).astype(np.uint8)[::-1]
    return _grey_png(grey, -(-MINIMUM_HEIGHT // len(grey)))


def _narrowed(spectrogram: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return means over runs of bins that fit into the greatest width; the last bin fills the last run."""
    bins = spectrogram.shape[1]
    if bins <= MAXIMUM_WIDTH:
        return spectrogram
    run = -(-bins // MAXIMUM_WIDTH)
    whole = np.pad(spectrogram, ((0, 0), (0, -bins % run)), mode="edge")
    total = whole[:, ::run].copy()
    for begin in range(1, run):
        total += whole[:, begin::run]
    return total / np.float32(run)


def _grey_png(grey: NDArray[np.uint8], height: int) -> bytes:
    """Return rows of grey pixels, each `height` times, as a PNG (https://www.w3.org/TR/png-3/).

    Much faster than a library that is not told that rows repeat. As such libraries do, each row takes the filter that
    makes the sum of its values, as signed numbers, the smallest; a repetition, less the row above it, is all zero.
    """
    rows, width = grey.shape
    filtered = np.empty((3, rows, width), np.uint8)
    filtered[NONE] = filtered[SUB] = filtered[UP] = grey
    filtered[SUB, :, 1:] -= grey[:, :-1]
    filtered[UP, 1:] -= grey[:-1]
    sizes = np.abs(filtered.view(np.int8).astype(np.int16)).sum(axis=2)
    chosen = sizes.argmin(axis=0)
    lines = np.zeros((rows, height, 1 + width), np.uint8)
    lines[:, 0, 0] = chosen
    lines[:, 0, 1:] = filtered[chosen, np.arange(rows)]
    lines[:, 1:, 0] = UP
    compressor = zlib.compressobj(1, wbits=zlib.MAX_WBITS, memLevel=zlib.DEF_MEM_LEVEL, strategy=zlib.Z_RLE)
    pixels = compressor.compress(lines.tobytes()) + compressor.flush()
    header = struct.pack(">IIBBBBB", width, rows * height, 8, 0, 0, 0, 0)  # 8 bits of grey
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
