"""MkDocs hook: adds the pages that are made from the library, and the pictures of synthetic recordings.

Listed under ``hooks`` in ``mkdocs.yml``; run MkDocs as ``python -m mkdocs`` from the root of the repository, so that
the library, its scripts and its tests can be imported.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepstrf_hf.card_pictures import CardPicture
from deepstrf_hf.registry import corpus_names, load_builder
from scripts.documentation.api_pages import PAGES, api_pages
from scripts.documentation.command_line_page import command_line_page
from scripts.documentation.corpus_pages import corpus_page, figure, overview, short_title
from scripts.documentation.synthetic_builds import (
    directory_of_builds,
    draw_pictures,
    recordings_can_be_made,
    synthetic_build,
)

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

CORPORA, REFERENCE = "corpora", "reference"
"""Folders of the generated pages."""
PICTURE = re.compile(r"<!-- picture: (\w+) (\w+) -->")
"""Where a page shows a picture of a corpus: its name, and what the picture shows."""
_pictures: dict[str, list[CardPicture]] = {}
"""Of each corpus, with paths from the folder of the corpora."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the generated pages to the menu, below the sections that are named in it."""
    builders = [load_builder(name) for name in corpus_names()]
    pages: dict[str, list[Any]] = {
        "Corpora": [{short_title(builder.CORPUS): f"{CORPORA}/{builder.CORPUS.name}.md"} for builder in builders],
        "Reference": [
            *({page.title: f"{REFERENCE}/{page.name}.md"} for page in PAGES),
            {"Command line": f"{REFERENCE}/command_line.md"},
        ],
    }
    for entry in config.nav or ():
        for title, children in entry.items():
            if title in pages:
                children += pages[title]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages and pictures to the files of the site."""
    from mkdocs.structure.files import File

    contents: dict[str, str | bytes] = {
        f"{CORPORA}/index.md": overview(load_builder(name) for name in corpus_names()),
        f"{REFERENCE}/command_line.md": command_line_page(),
        **{f"{REFERENCE}/{name}.md": text for name, text in api_pages().items()},
    }
    _pictures.clear()
    with directory_of_builds() as builds, tempfile.TemporaryDirectory() as scratch:
        for name in corpus_names():
            if recordings_can_be_made():
                built = synthetic_build(name, builds)
                _pictures[name], drawn = draw_pictures(built, Path(scratch) / name, f"pictures/{name}")
                contents |= {f"{CORPORA}/{path}": content for path, content in drawn.items()}
            contents[f"{CORPORA}/{name}.md"] = corpus_page(load_builder(name), _pictures.get(name))
    for path, content in contents.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Show pictures where a page of the first level asks for them."""

    def shown(asked: re.Match[str]) -> str:
        corpus, what = asked.groups()
        return "\n\n".join(
            figure(CardPicture(f"{CORPORA}/{picture.path}", picture.caption, picture.alternative_text))
            for picture in _pictures.get(corpus, [])
            if picture.path.endswith(f"-{what}.png")
        )

    return PICTURE.sub(shown, markdown)
