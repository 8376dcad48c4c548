"""Pictures of spectrograms, small enough to sit in a table."""

from __future__ import annotations

import io
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MINIMUM_HEIGHT = 64
"""Pixels; bands are repeated until a picture is at least this high."""
MAXIMUM_WIDTH = 1024
"""Pixels; in a longer spectrogram a pixel is the mean of several bins."""


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
    grey = np.repeat(grey, -(-MINIMUM_HEIGHT // len(grey)), axis=0)
    buffer = io.BytesIO()
    # Pictures are a small part of a table, and as usually compressed a fifth of the time of building it.
    Image.fromarray(grey).save(buffer, format="PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return buffer.getvalue()


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
