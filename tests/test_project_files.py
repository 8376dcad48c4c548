"""Files beside the code that people and code hosts read: version, citation, changelog, templates, workflow."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import deepstrf_hf

ROOT = Path(__file__).parents[1]
FORMS = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
KINDS = {"markdown", "input", "textarea", "dropdown", "checkboxes"}


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_version_is_semantic_and_the_same_everywhere() -> None:
    version = deepstrf_hf.__version__
    assert re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?", version)
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest
    assert newest[1] == version
    assert read_yaml(ROOT / "CITATION.cff")["version"] == version


def test_a_version_that_is_released_has_a_date() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    for heading in headings:
        assert re.fullmatch(r"\d+\.\d+\.\d+ \((unreleased|\d{4}-\d{2}-\d{2})\)", heading)
    citation = read_yaml(ROOT / "CITATION.cff")
    assert ("date-released" in citation) == ("unreleased" not in headings[0])
    assert all("unreleased" not in heading for heading in headings[1:])


def test_the_citation_follows_its_format() -> None:
    """Keys, types and values as version 1.2.0 of the Citation File Format asks for them, as far as they are used."""
    citation = read_yaml(ROOT / "CITATION.cff")
    texts = {"cff-version", "message", "title", "abstract", "type", "version", "license", "date-released"}
    assert {"cff-version", "message", "title", "authors"} <= citation.keys() <= texts | {"authors", "keywords"}
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["license"] == "Apache-2.0"
    assert all(isinstance(citation[key], str) and citation[key] for key in texts & citation.keys())
    assert citation["authors"] and all(set(author) == {"name"} for author in citation["authors"])
    assert len(set(citation["keywords"])) == len(citation["keywords"]) > 0
    assert all(isinstance(word, str) for word in citation["keywords"])


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_for_issues_can_be_shown(path: Path) -> None:
    """Rules of issue forms: required keys, known kinds of fields, ids that are used once, a label for each."""
    form = read_yaml(path)
    assert {"name", "description", "body"} <= form.keys() <= {"name", "description", "body", "title", "labels"}
    assert {field["type"] for field in form["body"]} <= KINDS
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    ids = [field["id"] for field in fields]
    assert len(set(ids)) == len(ids) > 0
    assert all(re.fullmatch(r"[\w-]+", name) for name in ids)
    for field in form["body"]:
        assert field.keys() <= {"type", "id", "attributes", "validations"}
        assert field["attributes"]["value" if field["type"] == "markdown" else "label"]
        if field["type"] in ("dropdown", "checkboxes"):
            assert field["attributes"]["options"]
        if field["type"] == "dropdown":
            assert all(isinstance(option, str) for option in field["attributes"]["options"])


def test_there_are_the_forms_that_people_need() -> None:
    assert [path.stem for path in FORMS] == ["bug", "new_corpus", "wrong_number"]
    assert isinstance(read_yaml(ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml")["blank_issues_enabled"], bool)


def test_the_workflow_runs_what_must_pass_on_every_python_that_is_promised() -> None:
    workflow = read_yaml(ROOT / ".github" / "workflows" / "ci.yml")
    job = workflow["jobs"]["test"]
    assert job["steps"][-1]["run"] == "bash .ci/run"
    assert workflow["permissions"] == {"contents": "read"}
    oldest = job["strategy"]["matrix"]["python"][0]
    assert importlib.metadata.metadata("deepstrf-hf")["Requires-Python"] == f">={oldest}"
    assert (ROOT / ".ci" / "run").is_file()
