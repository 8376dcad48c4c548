"""Read a page as a browser would take it apart, strictly."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "img", "input", "br"}
RAW = {"script", "style"}


@dataclass
class Element:
    """An element without its place: what it is, says, and holds."""

    tag: str
    attributes: dict[str, str | None]
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join("".join(self.pieces).split())


class Page(HTMLParser):
    """All elements of a page; a tag that is not closed, or closed twice, fails."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(markup)
        self.close()
        assert not self._open, self._open[-1].tag

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        assert len(element.attributes) == len(attrs), "an attribute twice"
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open[-1].tag == tag, f"</{tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            if element.tag in RAW and element is not self._open[-1]:
                continue
            element.pieces.append(data)

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Return elements of a tag with these attributes (``class_`` for ``class``)."""
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [
            element
            for element in self.elements
            if element.tag == tag and all(element.attributes.get(name) == value for name, value in wanted.items())
        ]

    def one(self, tag: str, **attributes: str) -> Element:
        """Return the only element of a tag with these attributes."""
        (element,) = self.all(tag, **attributes)
        return element

    @property
    def text(self) -> str:
        """What is said in the body, without style and script."""
        own = {piece for element in self.elements if element.tag in RAW for piece in element.pieces}
        pieces = [piece for piece in self.one("body").pieces if piece not in own]
        return " ".join("".join(pieces).split())


def check_sound(page: Page) -> None:
    """Check what holds for every page: one script and style of ours, nothing from elsewhere, links that lead on."""
    assert len(page.all("script")) == len(page.all("style")) == 1
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(set(ids)) == len(ids)
    assert page.one("html").attributes["lang"] == "en"
    assert len(page.all("h1")) == len(page.all("main")) == 1
    for element in page.elements:
        assert not any(name.startswith("on") or name in ("style", "srcset") for name in element.attributes), element
        assert element.tag not in ("iframe", "object", "embed", "link", "base", "form", "svg")
        source = element.attributes.get("src")
        assert source is None or source.startswith(("data:image/png;base64,", "data:image/svg+xml;base64,",
                                                    "data:audio/flac;base64,"))  # fmt: skip
        for name in ("for", "aria-labelledby", "data-filters"):
            assert element.attributes.get(name, ids[0]) in ids
        link = element.attributes.get("href")
        assert link is None or link.startswith("https://") or link.removeprefix("#") in ids, link
        if element.tag == "img":
            assert element.attributes["alt"]
    levels = [int(element.tag[1]) for element in page.elements if element.tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))
