"""Builds of synthetic recordings, and the pictures that the pages of the corpora show of them."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from deepstrf_hf.building import build
from deepstrf_hf.card_pictures import CardPicture, draw_card_pictures
from deepstrf_hf.registry import load_builder

DIRECTORY = "DEEPSTRF_DOCUMENTATION_BUILDS"
"""Environment variable: a directory whose builds are used, and where those that are missing are kept."""

LARGER: Mapping[str, Mapping[str, Any]] = {"ns1": {"n_units": 8}}
"""Options of trees that are too small in the tests to look like anything."""


def recordings_can_be_made() -> bool:
    """Return whether the tests, which write synthetic recordings, can be imported."""
    return importlib.util.find_spec("tests") is not None and importlib.util.find_spec("tests.every_corpus") is not None


@contextmanager
def directory_of_builds() -> Iterator[Path]:
    """Give the directory that the environment names, or one that is removed afterwards."""
    if os.environ.get(DIRECTORY):
        yield Path(os.environ[DIRECTORY])
        return
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


def synthetic_build(corpus: str, directory: Path) -> Path:
    """Build the first cohort of a corpus from a synthetic raw tree, unless it is there.

    Parameters
    ----------
    corpus : str
        Name of the corpus.
    directory : Path
        Where ``<corpus>`` goes.

    Returns
    -------
    Path
        The built directory.
    """
    from tests.every_corpus import TREES

    out = directory / corpus
    if not out.exists():
        with tempfile.TemporaryDirectory() as raw:
            cohort = load_builder(corpus).CORPUS.cohorts[0].name
            tree = replace(TREES[corpus], options=LARGER.get(corpus, TREES[corpus].options))
            build(corpus, [cohort], data_dir=tree.write(Path(raw)), out=out, on_error="skip")
    return out


def draw_pictures(built: Path, into: Path, shown_below: str) -> tuple[list[CardPicture], dict[str, bytes]]:
    """Draw the pictures of a build.

    Parameters
    ----------
    built : Path
        Built directory.
    into : Path
        Scratch directory.
    shown_below : str
        Path from the page to the folder of the pictures.

    Returns
    -------
    pictures : list of CardPicture
        With paths from the page.
    contents : dict of str to bytes
        PNG by these paths.
    """
    pictures, contents = [], {}
    for drawn in draw_card_pictures(built, into):
        path = f"{shown_below}/{Path(drawn.path).name}"
        pictures.append(replace(drawn, path=path))
        contents[path] = (into / drawn.path).read_bytes()
    return pictures, contents
