"""The guide to the command line against the program: its commands, its options, the keys of its JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from deepstrf_hf import cli

TEXT = (Path(__file__).parents[1] / "docs" / "command_line.md").read_text(encoding="utf-8")
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]
INLINE = [json.loads(text) for text in re.findall(r'`(\{"directory".*?\})`', TEXT)]
DECLARED, INSPECTED, CHECKED, VERIFIED, EXAMINED = EXAMPLES
OPEN = {"counts", "pairs_by_subset", "cohorts"}
"""Keys that hold names of the corpus where they hold a mapping."""


def shape(value: Any, key: str = "") -> Any:
    """Return the keys of a value, down to what is neither a mapping nor a list of them."""
    if isinstance(value, dict):
        return dict if key in OPEN else {name: shape(inner, name) for name, inner in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [shape(value[0])]
    return type(value) if isinstance(value, (dict, list)) else None


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    with pytest.raises(SystemExit):
        cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert captured.err == ""
    return json.loads(captured.out)


def test_it_names_every_command() -> None:
    commands = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    assert set(re.findall(r"^\| `deepstrf-hf ([\w-]+)", TEXT, re.MULTILINE)) == set(commands)


def test_it_names_no_option_that_is_not_there() -> None:
    program = typer.main.get_command(cli.app)
    groups = [program, *program.commands.values()]  # type: ignore[attr-defined]
    options = {
        name
        for command in groups
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    named = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*)", TEXT)) - {"--help"}
    assert named <= options
    assert "--json" in named


@pytest.mark.parametrize("corpus", ["ns1", "crcns_ac1"])
def test_what_a_corpus_declares(capsys: pytest.CaptureFixture[str], corpus: str) -> None:
    facts = printed(capsys, "info", corpus, "--json")
    columns = facts["columns"]
    assert facts["name"] == corpus
    assert {**facts, "columns": None}.keys() == DECLARED.keys()
    for key in ("cohorts", "files", "parameters"):
        assert all(shape(entry) == shape(DECLARED[key][0]) | open_lists(entry) for entry in facts[key])
    assert columns.keys() == DECLARED["columns"].keys()
    assert all(entry.keys() == DECLARED["columns"]["stim"][0].keys() for table in columns.values() for entry in table)


def open_lists(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the shapes of what may be a list or absent."""
    return {name: shape(value, name) for name, value in entry.items() if name in ("choices", "default")}


def test_the_list_has_the_same_of_every_corpus(capsys: pytest.CaptureFixture[str]) -> None:
    listed = printed(capsys, "list", "--json")
    assert listed.keys() == {"corpora", "broken"}
    assert all(facts.keys() == DECLARED.keys() for facts in listed["corpora"])
    assert listed["corpora"][0] == printed(capsys, "info", listed["corpora"][0]["name"], "--json")


def test_what_was_built(capsys: pytest.CaptureFixture[str], ns1_built: Path, ns1_raw: Path, tmp_path: Path) -> None:
    inspected = printed(capsys, "inspect", ns1_built, "--json", "-o", tmp_path / "unit.png")
    assert shape(inspected) == shape(INSPECTED)
    assert inspected["pairs"] == sum(inspected["pairs_by_subset"].values())
    assert inspected["picture"] == str(tmp_path / "unit.png")
    assert shape(printed(capsys, "verify", ns1_built, "--json")) | {"findings": list} == shape(VERIFIED)
    assert shape(printed(capsys, "check", "ns1", ns1_raw, "--json")) == shape(CHECKED)


def test_the_cache(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, ns1_built: Path) -> None:
    import deepstrf_hf

    shown, absent = INLINE
    before = printed(capsys, "cache", "--clear", "--json")
    deepstrf_hf.load(ns1_built, "a1")
    facts = printed(capsys, "cache", "--json")
    assert facts.keys() == shown.keys()
    assert facts["entries"] > 0 and facts["bytes"] > 0 and facts["cleared"] is False
    assert before == {**facts, "entries": 0, "bytes": 0, "cleared": True}
    assert printed(capsys, "cache", "--clear", "--json") == {**facts, "cleared": True}
    assert printed(capsys, "cache", "--json")["entries"] == 0
    monkeypatch.setenv("DEEPSTRF_CACHE_GB", "0")
    assert printed(capsys, "cache", "--json") == absent


def test_the_doctor(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepstrf_hf.doctor.packages.import_problems", lambda modules: dict.fromkeys(modules))
    assert shape(printed(capsys, "doctor", "--json")) == shape(EXAMINED)
