"""Figures as small PNG files that are the same every time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from PIL import Image

from deepstrf_hf.errors import MissingDependencyError

try:
    from matplotlib import style
    from matplotlib.figure import Figure
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        "Figures need matplotlib", found=f"no {error.name}", mend="pip install 'deepstrf-hf[plot]'"
    ) from error

MOST_BYTES = 150_000
"""Size of a picture: a card shows several, and all are sent with it."""
COLOURS = (256, 128, 64, 32, 16)
"""Sizes of the palette, tried in turn until a picture is small enough."""


@dataclass(frozen=True)
class DrawnPicture:
    """A finished picture and what it shows.

    Parameters
    ----------
    png : bytes
        The picture.
    caption, alternative_text : str
        One or two sentences for those who see it, and for those who do not.
    """

    png: bytes
    caption: str
    alternative_text: str


@contextmanager
def own_style() -> Iterator[None]:
    """Draw with matplotlib's own defaults, whatever the user's settings are."""
    with style.context("default", after_reset=True):
        yield


def png_of(figure: Figure, most_bytes: int = MOST_BYTES) -> bytes:
    """Return a figure as an opaque PNG with a palette, without stamps of time or software.

    Parameters
    ----------
    figure : Figure
        On an Agg canvas.
    most_bytes : int
        Size that it shall not exceed, as long as the smallest palette allows it.
    """
    canvas: Any = figure.canvas
    canvas.draw()
    width, height = canvas.get_width_height()
    picture = Image.frombytes("RGBA", (width, height), bytes(canvas.buffer_rgba())).convert("RGB")
    content = b""
    for colours in COLOURS:
        buffer = io.BytesIO()
        reduced = picture.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        reduced.save(buffer, format="PNG", optimize=True)
        content = buffer.getvalue()
        if len(content) <= most_bytes:
            break
    return content


def literal(text: str) -> str:
    """Return text that matplotlib writes as it is, without taking dollar signs for formulas."""
    return text.replace("$", r"\$")


def shortened(text: str, most: int) -> str:
    """Return text without its middle where it is longer than so many characters: names often differ in the end."""
    if len(text) <= most:
        return text
    end = (most - 1) * 2 // 3
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"


def short_unit(unit: str) -> str:
    """Return a unit without its explanation: what stands before the first comma, colon, semicolon or bracket."""
    ends = [place for place in map(unit.find, (", ", "; ", ": ", " (")) if place > 0]
    return unit[: min(ends)] if ends else unit
