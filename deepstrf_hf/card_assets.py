"""The pictures beside a card: which it shows, and their removal with the data they were drawn of."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from deepstrf_hf.names import CARD_NAME

FOLDER = "assets"
PICTURE = re.compile(rf"\]\(({FOLDER}/[\w.%-]+\.png)\)")


def pictures_in_card(card: str) -> list[str]:
    """Return the paths of the pictures beside a card that it shows, in the order of their first appearance."""
    paths = dict.fromkeys(unquote(path) for path in PICTURE.findall(card))
    return [path for path in paths if re.fullmatch(rf"{FOLDER}/[^/\\]+", path)]  # nothing that leads elsewhere


def remove_pictures(directory: Path, of: Path) -> None:
    """Remove from a directory the pictures that the card of another shows; other files of the folder stay.

    Parameters
    ----------
    directory : Path
        Where they are removed.
    of : Path
        Directory with the card; nothing is done where there is none.
    """
    card = of / CARD_NAME
    if not card.is_file():
        return
    for name in pictures_in_card(card.read_text(encoding="utf-8", errors="replace")):
        (directory / name).unlink(missing_ok=True)
    with suppress(OSError):  # absent, or somebody's files are in it
        (directory / FOLDER).rmdir()
