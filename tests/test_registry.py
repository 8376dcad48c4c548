"""Corpora that other installed distributions declare."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import deepstrf_hf
from deepstrf_hf import cli
from deepstrf_hf.errors import RegistrationError, UnknownNameError
from deepstrf_hf.registry import load_builders, package_of, registration_of, selections_of
from tests.plugins import BUILDER, install
from tests.toy import write_toy


@pytest.fixture(autouse=True)
def _modules_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("lab_"):
            del sys.modules[name]


def of_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str = "crickets", **options: str) -> None:
    """Install a lab's distribution with one corpus."""
    module = options.get("module", "lab_one")
    install(
        tmp_path / module,
        monkeypatch,
        options.get("distribution", "cricket-lab"),
        corpora={name: options.get("target", f"{module}:Lab")},
        modules={
            f"{module}/__init__.py": options.get("code", BUILDER.format(name=name)),
            f"{module}/card.md": "Prose.",
        },
    )


def test_a_labs_corpus_is_one_like_ours(tmp_path, monkeypatch):
    before = deepstrf_hf.corpus_names()
    of_lab(tmp_path, monkeypatch)
    assert deepstrf_hf.corpus_names() == sorted([*before, "crickets"])
    assert deepstrf_hf.load_builder("crickets").CORPUS.title == "Of a lab"
    assert registration_of("crickets").provided_by == "cricket-lab"
    assert registration_of("ns1").provided_by == "deepstrf-hf"
    assert selections_of("crickets") == {}
    report = deepstrf_hf.build("crickets", ["counts"], data_dir=write_toy(tmp_path / "raw"), out=tmp_path / "out")
    assert report.corpus == "crickets"
    assert "\n\nProse.\n\n" in (tmp_path / "out" / "README.md").read_text()
    assert deepstrf_hf.verify(tmp_path / "out").whole


def test_a_card_is_looked_for_in_the_package_of_the_builder(tmp_path, monkeypatch):
    corpora = {"flat": "lab_flat:Lab", "deep": "lab_deep.inner:Lab", "gone": "lab_x:Lab", "lost": "lab_absent.inner:L"}
    modules = {"lab_flat.py": "", "lab_deep/__init__.py": "", "lab_deep/inner.py": ""}
    install(tmp_path, monkeypatch, "flat", corpora=corpora, modules=modules)
    assert package_of("ns1") == "builders.ns1"
    assert package_of("flat") is None
    assert package_of("deep") == "lab_deep"
    assert package_of("gone") is None
    with pytest.raises(RegistrationError, match="No module named 'lab_absent'"):
        package_of("lost")
    assert package_of("nobody") is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"code": "import nothing_of_this_name"}, "No module named 'nothing_of_this_name'"),
        ({"code": "raise SystemError('a fault')"}, "SystemError: a fault"),
        ({"code": ""}, "has no attribute 'Lab'"),
        ({"target": "lab_nowhere:Lab"}, "No module named 'lab_nowhere'"),
        ({"code": "Lab = 3"}, "is not a builder"),
        ({"code": "class Lab: pass"}, "is not a builder"),
        ({"code": BUILDER.format(name="locusts")}, "entry point 'crickets', CORPUS.name 'locusts'"),
    ],
)
def test_one_that_cannot_be_used_is_told_and_the_others_are_there(tmp_path, monkeypatch, capsys, options, said):
    of_lab(tmp_path, monkeypatch, **options)
    with pytest.raises(RegistrationError, match="cricket-lab") as raised:
        deepstrf_hf.load_builder("crickets")
    assert said in str(raised.value)
    assert raised.value.mend == "mend, upgrade or uninstall cricket-lab"
    usable, broken = load_builders()
    assert "ns1" in usable and list(broken) == ["crickets"]
    with pytest.raises(SystemExit) as left:
        cli.main(["list"])
    assert left.value.code == 1
    captured = capsys.readouterr()
    assert "ns1" in captured.out
    assert captured.err.startswith("Error: The corpus crickets that cricket-lab declares")
    with pytest.raises(SystemExit) as left:
        cli.main(["list", "--json"])
    assert left.value.code == 1
    listed = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in listed["broken"]] == ["crickets"]
    assert said in listed["broken"][0]["problem"]


def test_a_name_must_be_one_that_can_stand_anywhere(tmp_path, monkeypatch):
    of_lab(tmp_path, monkeypatch, name="Field-Crickets")
    with pytest.raises(RegistrationError, match="small letters"):
        deepstrf_hf.load_builder("Field-Crickets")


@pytest.mark.parametrize("name", ["ns1", "NS1", "n-s_1"])
def test_the_name_of_one_of_ours_makes_both_unusable(tmp_path, monkeypatch, name):
    of_lab(tmp_path, monkeypatch, name=name)
    for asked in {name, "ns1"}:
        with pytest.raises(RegistrationError) as raised:
            deepstrf_hf.load_builder(asked)
        assert "ns1 of deepstrf-hf" in raised.value.found
        assert f"{name} of cricket-lab" in raised.value.found
        assert raised.value.mend == "uninstall, or have renamed, that of cricket-lab"
    assert set(load_builders()[1]) == {name, "ns1"}


def test_two_labs_with_one_name(tmp_path, monkeypatch):
    of_lab(tmp_path, monkeypatch)
    of_lab(tmp_path, monkeypatch, module="lab_two", distribution="other-lab")
    with pytest.raises(RegistrationError, match="that of cricket-lab or other-lab"):
        deepstrf_hf.load_builder("crickets")


def test_near_names_are_offered(tmp_path, monkeypatch):
    of_lab(tmp_path, monkeypatch)
    with pytest.raises(UnknownNameError, match="did you mean 'crickets'"):
        deepstrf_hf.load_builder("cricket")
    with pytest.raises(UnknownNameError):  # asked with other letters, it is still not that name
        deepstrf_hf.load_builder("Crickets")
