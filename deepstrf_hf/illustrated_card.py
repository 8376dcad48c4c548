"""Put pictures of the data into the card of a built directory."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from deepstrf_hf.card_assets import FOLDER, remove_pictures
from deepstrf_hf.card_pictures import CardPicture, card_section, draw_card_pictures
from deepstrf_hf.names import CARD_NAME
from deepstrf_hf.report import BuildReport

SECTION = "## Pictures"
BEFORE = "## Counts"
"""Section of a card that pictures stand before."""


def illustrate_card(directory: str | Path) -> list[CardPicture]:
    """Draw a unit, the coverage and the response quality of every cohort, and show them in the card.

    Pictures go to ``assets/`` beside the card, in the place of those of an earlier call. Until all are drawn the
    directory stays as it is.

    Parameters
    ----------
    directory : str or Path
        What `deepstrf_hf.build` wrote.

    Returns
    -------
    list of CardPicture
        What was drawn.

    Raises
    ------
    TableFormatError
        The directory is not a whole build.
    MissingDependencyError
        matplotlib is not installed.
    """
    directory = Path(directory)
    BuildReport.read(directory)
    with tempfile.TemporaryDirectory(prefix=".pictures-", dir=directory) as scratch:
        drawn = draw_card_pictures(directory, Path(scratch))
        card = directory / CARD_NAME
        text = with_section(card.read_text(encoding="utf-8"), card_section(drawn) if drawn else "")
        written = Path(scratch) / CARD_NAME
        written.write_text(text, encoding="utf-8")
        remove_pictures(directory, directory)
        (directory / FOLDER).mkdir(exist_ok=True)
        for picture in drawn:
            (Path(scratch) / picture.path).replace(directory / picture.path)
        written.replace(card)
    return drawn


def with_section(card: str, section: str) -> str:
    """Return the text of a card with a section of pictures in the place of the one it has, if any.

    Parameters
    ----------
    card : str
        Text of the card.
    section : str
        Begins with its heading; empty for none.
    """
    without = re.sub(rf"^{SECTION}\n.*?(?=^## |\Z)", "", card, flags=re.DOTALL | re.MULTILINE)
    if not section:
        return without
    block = section.strip() + "\n\n"
    place = re.search(rf"^{BEFORE}\n", without, flags=re.MULTILINE)
    if place is None:
        return without.rstrip("\n") + "\n\n" + block.rstrip("\n") + "\n"
    return without[: place.start()] + block + without[place.start() :]
