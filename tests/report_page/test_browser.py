"""The page in a browser: it shows, plays, filters and sorts, asks for nothing, and fits narrow and wide windows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deepstrf_hf import report_page
from tests.browser import Watched, opened
from tests.report_page.corpora import HostileToy, built
from tests.report_page.test_baseline import write_baseline

OVERFLOWING = """
() => {
  const inside = (element) => {
    for (let up = element.parentElement; up; up = up.parentElement)
      if (["auto", "scroll", "hidden"].includes(getComputedStyle(up).overflowX)) return true;
    return false;
  };
  const width = document.documentElement.clientWidth;
  const wide = [...document.querySelectorAll("body *")].filter((element) => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.left >= 0 && box.right > width + 0.5 && !inside(element);
  });
  return [document.documentElement.scrollWidth > width, ...wide.map((element) => element.outerHTML.slice(0, 200))];
}
"""


@pytest.fixture(scope="module")
def path(ns1_built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the page of a synthetic NS1 with everything on it."""
    folder = tmp_path_factory.mktemp("page")
    output, baseline = folder / "report.html", write_baseline(folder, ns1_built, "a1")
    report_page(ns1_built, output=output, audio=True, baselines=[baseline])
    return output


@pytest.fixture
def watched(browser: Any, path: Path) -> Iterator[Watched]:
    found = opened(browser, path)
    yield found
    found.page.context.close()


def cells(page: Any, column: int) -> list[str]:
    return page.eval_on_selector_all(
        f"#c1-neurons-list tr > :nth-child({column + 1})", "cells => cells.map(cell => cell.textContent)"
    )


def headings(page: Any) -> list[str]:
    return page.eval_on_selector_all("table.sortable thead button", "found => found.map(one => one.textContent)")


def test_it_shows_without_a_network_and_without_complaints(watched: Watched, path: Path) -> None:
    page = watched.page
    assert "NS1" in page.title()
    broken = page.eval_on_selector_all(
        "img", "async all => { for (const one of all) { one.loading = 'eager'; await one.decode(); } "
        "return all.filter(one => !one.naturalWidth).length }",
    )  # fmt: skip
    assert broken == 0
    assert page.locator(".gallery audio").count() == page.locator(".thumbnail").count() == 20
    watched.check_quiet(path)


def test_players_play_one_at_a_time(watched: Watched, path: Path) -> None:
    page = watched.page
    page.evaluate("() => { for (const one of document.querySelectorAll('audio')) one.loop = one.muted = true }")
    for number in (0, 1):
        page.evaluate(f"() => document.querySelectorAll('audio')[{number}].play()")
        page.wait_for_function(f"() => document.querySelectorAll('audio')[{number}].currentTime > 0.05")
    playing = page.eval_on_selector_all("audio", "all => all.map(one => !one.paused)")
    assert [number for number, plays in enumerate(playing) if plays] == [1]
    assert page.evaluate("() => document.querySelectorAll('audio')[1].duration") == pytest.approx(0.5, abs=0.02)
    watched.check_quiet(path)


@pytest.mark.parametrize(("what", "one"), [("stimuli", "li"), ("neurons", "tr")])
def test_filters_filter_and_say_how_many_are_left(watched: Watched, what: str, one: str) -> None:
    page = watched.page
    box, output = page.get_by_label(f"Show {what} that contain"), page.locator(f"output[for=c1-{what}-filter]")
    entries = page.locator(f"#c1-{what}-list > {one}")
    names = entries.locator("bdi").evaluate_all("found => found.map(one => one.textContent)")
    total = entries.count()
    name = page.locator(f"#c1-{what}-list > {one} strong, #c1-{what}-list > {one} th").last.text_content()
    assert output.text_content() == f"{total} {what}"
    box.press_sequentially(f"  {name.upper()} ")
    visible = [entry for entry in entries.all() if entry.is_visible()]
    assert 1 <= len(visible) < total
    assert all(name in entry.text_content() for entry in visible)
    assert output.text_content() == f"{len(visible)} of {total} {what}"
    box.fill("nothing is called so")
    assert not any(entry.is_visible() for entry in entries.all())
    assert output.text_content() == f"0 of {total} {what}"
    box.fill("")
    assert all(entry.is_visible() for entry in entries.all())
    assert names == entries.locator("bdi").evaluate_all("found => found.map(one => one.textContent)")


def test_every_column_sorts_by_keyboard_both_ways_with_absent_values_last(watched: Watched) -> None:
    page = watched.page
    names = headings(page)
    assert {"neuron", "SNR", "CCmax", "noise power", "cluster"} <= set(names)
    for column, name in enumerate(names):
        button = page.locator("table.sortable thead button").nth(column)
        numeric = page.locator("table.sortable thead th").nth(column).get_attribute("class") == "number"
        orders = []
        for direction in ("ascending", "descending"):
            button.press("Enter")
            found = cells(page, column)
            assert page.locator(".said").text_content() == f"Sorted by {name}, {direction}."
            states = page.eval_on_selector_all("table.sortable th", "all => all.map(one => one.ariaSort)")
            assert [state for state in states if state] == [direction]
            present = [text for text in found if text]
            assert found == present + [""] * (len(found) - len(present))
            orders.append([float(text) for text in present] if numeric else present)
        assert orders[0] == orders[1][::-1] or len(set(orders[0])) < len(orders[0])
        if numeric:
            assert orders[0] == sorted(orders[0])
            assert orders[1] == sorted(orders[1], reverse=True)
    assert sorted(cells(page, 0)) == sorted(set(cells(page, 0))), "no row is lost"


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_window(browser: Any, path: Path, width: int) -> None:
    watched = opened(browser, path, viewport={"width": width, "height": 800})
    watched.page.evaluate("() => { for (const one of document.querySelectorAll('details')) one.open = true }")
    assert watched.page.evaluate(OVERFLOWING) == [False]
    watched.page.context.close()


def test_light_and_dark_are_both_readable(browser: Any, path: Path) -> None:
    """Contrast is checked below; here, that the two differ and figures keep their white ground."""
    grounds = {}
    for scheme in ("light", "dark"):
        watched = opened(browser, path, color_scheme=scheme)
        colour = "selector => getComputedStyle(document.querySelector(selector)).backgroundColor"
        grounds[scheme] = watched.page.evaluate(colour, "body")
        assert watched.page.evaluate(colour, ".plate .scroll") == "rgb(255, 255, 255)"
        watched.check_quiet(path)
        watched.page.context.close()
    assert grounds == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 29)"}


def test_it_prints_on_white_without_what_paper_cannot_do(browser: Any, path: Path) -> None:
    watched = opened(browser, path, color_scheme="dark")
    page = watched.page
    page.emulate_media(media="print")
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for hidden in ("nav", ".tools", "audio", ".skip"):
        assert not page.locator(hidden).first.is_visible(), hidden
    assert page.evaluate("() => getComputedStyle(document.querySelector('.tall')).maxHeight") == "none"
    assert page.pdf().startswith(b"%PDF")
    page.context.close()


def test_without_a_script_all_is_there_but_filters(browser: Any, path: Path) -> None:
    watched = opened(browser, path, java_script_enabled=False)
    page = watched.page
    assert not page.locator(".tools").first.is_visible()
    assert page.locator("thead button").count() == 0
    assert page.locator("#c1-neurons-list tr").count() == 5
    assert page.locator(".gallery audio").first.is_visible()
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_there_is_no_violation_of_accessibility_rules(browser: Any, path: Path, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    watched = opened(browser, path, color_scheme=scheme, bypass_csp=True)
    watched.page.evaluate("() => { for (const one of document.querySelectorAll('details')) one.open = true }")
    found = Axe().run(watched.page)
    assert found.violations_count == 0, found.generate_report()
    assert len(found.response["passes"]) > 20
    watched.page.context.close()


def test_the_skip_link_is_the_first_stop(watched: Watched) -> None:
    page = watched.page
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Skip to the content"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.id") == "content"


def test_hostile_names_stay_names(browser: Any, tmp_path: Path, know_toys: None) -> None:
    output = tmp_path / "report.html"
    report_page(built(HostileToy, tmp_path), output=output)
    watched = opened(browser, output)
    page = watched.page
    assert page.evaluate("() => window.taken") is None
    assert page.locator("script").count() == page.locator("style").count() == 1
    page.get_by_label("Show stimuli that contain").first.fill("<script>")
    assert page.locator("output").first.text_content() == "4 stimuli"
    page.locator("thead button").first.click()
    assert page.evaluate(OVERFLOWING) == [False]
    watched.check_quiet(output)
    page.context.close()


def test_the_policy_refuses_what_is_not_ours(watched: Watched) -> None:
    watched.page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.taken = 1";
          document.body.append(script);
          const picture = document.createElement("img");
          picture.src = "https://example.org/x.png";
          document.body.append(picture);
        }"""
    )
    assert watched.page.evaluate("() => window.taken") is None
    watched.page.wait_for_function("() => document.querySelector('img:last-of-type').complete")
    refused = [text for text in watched.complaints if "Content Security Policy" in text]
    assert len(refused) == 2
