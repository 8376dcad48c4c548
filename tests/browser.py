"""The browser that pages are looked at with: the system's Chromium, without a screen and without a network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
]


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of the browser; under CI there must be one."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse(f"no browser: none of {', '.join(NAMES)} is installed")
    return str(found)


@pytest.fixture(scope="module")  # no longer: where Playwright runs, no other test has an event loop of its own
def browser(chromium: str) -> Iterator[Any]:
    """Return a running browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield running
        running.close()


@dataclass
class Watched:
    """A page in the browser, and all that it asked for and complained about."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def check_quiet(self, path: Path) -> None:
        """Check that nothing but the file was asked for, and nothing complained about."""
        assert self.complaints == []
        assert {url for url in self.requests if not url.startswith("data:")} == {path.as_uri()}


def opened(browser: Any, path: Path, question: str = "", **options: Any) -> Watched:
    """Open a page, `question` added to its address; `options` are those of the browser's context."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    context.set_offline(True)
    watched = Watched(context.new_page())
    watched.page.on("request", lambda request: watched.requests.append(request.url))
    watched.page.on("console", lambda message: watched.complaints.append(message.text))
    watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    watched.page.goto(path.as_uri() + question)
    return watched
