"""Pictures of spectrograms, small enough to sit in a table."""

from __future__ import annotations

import io
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MINIMUM_HEIGHT = 64
"""Pixels; bands are repeated until a picture is at least this high."""


def spectrogram_png(spectrogram: NDArray[np.float32]) -> bytes:
    """Draw a spectrogram as an 8-bit grey PNG: time to the right, frequency upwards, dark is loud.

    Parameters
    ----------
    spectrogram : ndarray of float32, shape (bands, bins)
        Lowest band first. The grey scale spans its own lowest to highest value.

    Returns
    -------
    bytes
        PNG, one pixel per bin, one or more per band.
    """
    low, high = float(spectrogram.min()), float(spectrogram.max())
    scaled = (spectrogram - low) / (high - low) if high > low else np.zeros_like(spectrogram)
    grey = (255 - np.rint(scaled * 255)).astype(np.uint8)[::-1]
    grey = np.repeat(grey, -(-MINIMUM_HEIGHT // grey.shape[0]), axis=0)
    buffer = io.BytesIO()
    # Pictures are a small part of a table, and as usually compressed a fifth of the time of building it.
    Image.fromarray(grey).save(buffer, format="PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return buffer.getvalue()
