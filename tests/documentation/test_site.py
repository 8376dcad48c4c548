"""The documentation site: builds strictly, leads nowhere that is not there, and fetches nothing from elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

import deepstrf_hf
from deepstrf_hf.registry import corpus_names, load_builder
from scripts.documentation.api_pages import PAGES
from tests.browser import opened
from tests.documentation.blocks import ROOT

FETCHED = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("audio", "src"), ("video", "src")}
FETCHED_LINKS = {"stylesheet", "icon", "preconnect", "preload", "modulepreload", "prefetch", "dns-prefetch", "manifest"}
"""What a browser fetches, or prepares to, without being asked."""


@dataclass
class Html(HTMLParser):
    """What a page leads to, what it fetches, and the places in it that can be led to."""

    leads_to: list[str] = field(default_factory=list)
    fetches: list[str] = field(default_factory=list)
    places: set[str] = field(default_factory=set)
    without_text: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attributes}
        self.places |= {known[name] for name in ("id", "name") if name in known}
        for name in ("href", "src"):
            if name not in known:
                continue
            fetched = (tag, name) in FETCHED or tag == "link" and FETCHED_LINKS & set(known.get("rel", "").split())
            (self.fetches if fetched else self.leads_to).append(known[name])
        if tag == "img" and not known.get("alt"):
            self.without_text.append(known["src"])


@pytest.fixture(scope="module")
def html(site: Path) -> dict[Path, Html]:
    pages = {}
    for path in sorted(site.rglob("*.html")):
        pages[path] = Html()
        pages[path].feed(path.read_text(encoding="utf-8"))
    return pages


def test_every_link_leads_somewhere(html: dict[Path, Html], site: Path) -> None:
    broken, n_links = [], 0
    for path, page in html.items():
        if path.name == "404.html":  # shown at any address: its links are from the root of a server
            continue
        for link in page.leads_to + page.fetches:
            url = urlsplit(link)
            if url.scheme in ("http", "https"):
                assert url.netloc and " " not in link, f"{path}: {link}"
            if url.scheme or url.netloc:
                continue
            n_links += 1
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            if target.is_dir():
                target /= "index.html"
            place = unquote(url.fragment)
            there = target.is_file() and (not place or target not in html or place in html[target].places)
            if not there:
                broken.append(f"{path.relative_to(site)}: {link}")
    assert broken == []
    assert n_links > 1000


def test_nothing_is_fetched_from_elsewhere(html: dict[Path, Html], site: Path) -> None:
    fetched = [(path, link) for path, page in html.items() for link in page.fetches]
    assert len(fetched) > len(html)
    assert [(path, link) for path, link in fetched if urlsplit(link).scheme or urlsplit(link).netloc] == []
    assert [path for path in site.rglob("*.css") if "@import" in path.read_text(encoding="utf-8")] == []


def test_every_picture_says_what_it_shows(html: dict[Path, Html]) -> None:
    assert [link for page in html.values() for link in page.without_text] == []


def test_every_page_is_there(site: Path) -> None:
    written = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert written <= {path.stem for path in site.glob("*.html")}
    for name in corpus_names():
        text = (site / "corpora" / f"{name}.html").read_text(encoding="utf-8")
        corpus = load_builder(name).CORPUS
        assert "Synthetic recordings" in text and text.count("<img ") >= 2
        for said in (corpus.dois[0], *(archive.url for archive in corpus.archives), *corpus.neuron_columns):
            assert said in text
        for cohort in corpus.cohorts:
            assert all(f"{count:,} " in text for count in cohort.counts.values())


def test_the_reference_has_the_whole_public_interface(html: dict[Path, Html], site: Path) -> None:
    reference = {place for path, page in html.items() if path.parent == site / "reference" for place in page.places}
    public = [name for name in deepstrf_hf.__all__ if name not in ("__version__", "errors")]
    assert [name for name in public if f"deepstrf_hf.{name}" not in reference] == []
    assert [name for page in PAGES for name in page.names if name not in reference] == []
    for command in ("deepstrf-hf-build", "deepstrf-hf-push-card"):
        assert command in reference


def test_it_can_be_searched_without_a_server(site: Path, browser: Any) -> None:
    """Opened as a file, with the question in the address."""
    watched = opened(browser, site / "index.html", question="?q=cochleagram")
    found = watched.page.get_by_text(re.compile(r"^\s*\d+ matching documents"))
    found.wait_for(timeout=60_000)
    assert int(found.inner_text().split()[0]) > 2
    assert watched.complaints == []
    assert {urlsplit(url).scheme for url in watched.requests} <= {"file", "data", "about"}
