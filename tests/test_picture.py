"""Pictures of spectrograms: what any reader of PNG sees in them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from deepstrf_hf.picture import MAXIMUM_WIDTH, MINIMUM_HEIGHT, spectrogram_png


def pixels(png: bytes) -> NDArray[np.uint8]:
    """Decode a picture; Pillow checks the check sums."""
    image = Image.open(io.BytesIO(png))
    image.load()
    assert (image.format, image.mode) == ("PNG", "L")
    return np.asarray(image)


def grey_of(spectrogram: NDArray[np.float32]) -> NDArray[np.uint8]:
    low, high = spectrogram.min(), spectrogram.max()
    scaled = (spectrogram - low) / (high - low) if high > low else spectrogram * 0
    return (255 - np.rint(scaled * 255)).astype(np.uint8)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 90), st.integers(1, 300), st.sampled_from(["noise", "smooth", "flat"]))
def test_a_pixel_is_a_bin(seed: int, bands: int, bins: int, kind: str) -> None:
    noise = np.random.default_rng(seed).normal(size=(bands, bins))
    shown = {"noise": noise, "smooth": noise.cumsum(axis=0).cumsum(axis=1), "flat": np.full((bands, bins), 0.3)}[kind]
    spectrogram = shown.astype(np.float32)
    found = pixels(spectrogram_png(spectrogram))
    height = -(-MINIMUM_HEIGHT // bands)
    assert found.shape == (bands * height, bins)
    np.testing.assert_array_equal(found, np.repeat(grey_of(spectrogram)[::-1], height, axis=0))


def test_dark_is_loud_and_low_bands_are_at_the_bottom() -> None:
    spectrogram = np.zeros((64, 3), np.float32)
    spectrogram[0, 1], spectrogram[63, 2] = 1, 0.5
    found = pixels(spectrogram_png(spectrogram))
    assert (found[63, 1], found[0, 2], found[0, 0]) == (0, 127, 255)


@pytest.mark.parametrize("bins", [MAXIMUM_WIDTH, MAXIMUM_WIDTH + 1, 2 * MAXIMUM_WIDTH, 2000, 7001])
def test_a_long_spectrogram_is_narrowed_to_means(bins: int) -> None:
    spectrogram = np.random.default_rng(0).random((32, bins), np.float32)
    found = pixels(spectrogram_png(spectrogram))
    run = -(-bins // MAXIMUM_WIDTH)
    assert found.shape == (64, -(-bins // run)) and found.shape[1] <= MAXIMUM_WIDTH
    means = spectrogram[:, : bins // run * run].reshape(32, -1, run).mean(axis=2)
    if bins % run:
        last = np.concatenate([spectrogram[:, bins // run * run :], np.repeat(spectrogram[:, -1:], -bins % run, 1)], 1)
        means = np.concatenate([means, last.mean(axis=1, keepdims=True)], axis=1)
    expected = np.repeat(grey_of(means)[::-1], 2, axis=0)
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_a_picture_takes_little_room() -> None:
    times = np.linspace(0, 40, 800)
    smooth = np.sin(times + np.arange(32)[:, None] / 4).astype(np.float32)
    assert len(spectrogram_png(smooth)) < 32 * 800 / 2
    assert len(spectrogram_png(np.zeros((32, 800), np.float32))) < 1500
