"""Every block of code in the documentation does what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepstrf_hf.registry import corpus_names, load_builder
from scripts.documentation.corpus_pages import NO_PICTURES, corpus_page
from tests.documentation.blocks import ROOT, command_lines, pages, run_python
from tests.documentation.command_line import UsageError, misspelt_in_text, parse

ELSEWHERE = {
    "README.md": "tests/test_readme.py",
    "grid.md": "tests/test_readme.py",
    "hub.md": "tests/test_hub_recipes.py",
    "training_on_many_machines.md": "tests/distributed/test_example.py",
    "new_corpus.md": "tests/test_new_corpus.py",
}
"""Pages whose Python is run, and looked at afterwards, by a test of their own."""
FOLLOWED = "new_corpus.md"
"""The page whose commands are run, too."""
CARDS = sorted((ROOT / "builders").glob("*/card.md"))


@pytest.mark.parametrize("page", [page for page in pages() if page.name not in ELSEWHERE], ids=lambda page: page.name)
def test_python_runs(page: Path, demo: Path) -> None:
    assert run_python(page)[1] == page.read_text(encoding="utf-8").count("```python\n")


@pytest.mark.parametrize("name", ELSEWHERE)
def test_python_that_is_run_elsewhere(name: str) -> None:
    assert [page.name for page in pages()].count(name) == 1
    test = ROOT / ELSEWHERE[name]
    assert name.removesuffix(".md") in test.read_text(encoding="utf-8").replace("hub_recipes", "hub")


@pytest.mark.parametrize("name", corpus_names())
def test_python_of_the_page_of_a_corpus(
    name: str, synthetic_builds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").symlink_to(synthetic_builds)
    page = tmp_path / f"{name}.md"
    text = corpus_page(load_builder(name), None)
    assert NO_PICTURES in text
    page.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names, n_blocks = run_python(page)
    assert n_blocks == 2
    assert len(names["grid"]) > 0
    for line in command_lines(page):
        parse(line)


@pytest.mark.parametrize(
    "page",
    [page for page in (*pages(), *CARDS) if page.name != FOLLOWED],
    ids=lambda page: f"{page.parent.name}/{page.name}",
)
def test_commands_are_what_the_program_takes(page: Path) -> None:
    for line in command_lines(page):
        parse(line)
    assert list(misspelt_in_text(page)) == []


@pytest.mark.parametrize(
    "line",
    [
        "deepstrf-hf buidl ns1 --out out",
        "deepstrf-hf build ns1",
        "deepstrf-hf build ns1 --out out --data_dir raw",
        "deepstrf-hf build ns1 --out out --num-proc four",
        "deepstrf-hf inspect",
    ],
)
def test_what_the_program_does_not_take_is_found(line: str) -> None:
    with pytest.raises(UsageError):
        parse(line)


@pytest.mark.parametrize(
    "line", ["make dmeo", "make demo DTAA=raw", "python -m scripts.dmeo", "python scripts/dmeo.py"]
)
def test_what_is_not_there_is_found(line: str) -> None:
    with pytest.raises(LookupError):
        parse(line)


def test_what_is_misspelt_within_a_sentence_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Say `deepstrf-hf biuld`, `build --where neuron.area=MLd`, `build --no-adio` or `deepstrf-hf cache --claer`; "
        "`deepstrf-hf push` and `verify` are right, and `ruff check --fix` is another's."
    )
    assert list(misspelt_in_text(page)) == [
        "deepstrf-hf biuld",
        "build --no-adio",
        "deepstrf-hf cache --claer",
    ]
