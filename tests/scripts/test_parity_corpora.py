"""The comparison of corpora as a whole: what is declared exists, and a stand-in for deepSTRF is compared to the end."""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deepstrf_hf.config import with_parameters
from deepstrf_hf.registry import load_builder
from deepstrf_hf.where import checked_where
from scripts.parity import corpora
from scripts.parity.corpora import compare_corpus, seeds
from scripts.parity.corpus_declaration import CorpusParity, Run
from scripts.parity.corpus_list import CORPORA
from scripts.parity.corpus_models import says
from scripts.parity.corpus_report import documented
from scripts.parity.corpus_snapshot import Vocabulary
from scripts.parity.environment import ParityError
from scripts.parity.verdicts import DOCUMENT
from scripts.parity_with_deepstrf import main
from tests.scripts.parity_corpora_examples import declaration, difference
from tests.toy import Toy

REPOSITORY = Path(__file__).resolve().parents[2]
FROM_THE_GRID = {"stim_id", "neuron_id", "sample_rate_hz"}
CASES = pytest.mark.parametrize("corpus", CORPORA.values(), ids=lambda corpus: corpus.name)


@CASES
def test_what_is_declared_of_a_corpus_exists(corpus: CorpusParity) -> None:
    builder = load_builder(corpus.corpus)
    assert corpus.cohort in [cohort.name for cohort in builder.CORPUS.cohorts]
    module, function = corpus.writer.split(":")
    assert callable(getattr(importlib.import_module(module), function))
    for columns, fields in (
        (builder.CORPUS.neuron_columns, corpus.vocabulary.neuron),
        (builder.CORPUS.stimulus_columns, corpus.vocabulary.stimulus),
    ):
        assert {ours for ours in fields.values() if isinstance(ours, str)} <= columns.keys() | FROM_THE_GRID
    assert set(corpus.neuron_name) <= corpus.vocabulary.neuron.keys()
    assert set(corpus.stimulus_name) <= corpus.vocabulary.stimulus.keys()
    for run in corpus.runs:
        with_parameters(builder.default_config(corpus.cohort), dict(run.parameters))
        checked_where(run.where, builder.CORPUS)
        assert ("return_waveform" in run.peer_options) == (run.stimulus == "waveform")
    assert len({run.name for run in corpus.runs}) == len(corpus.runs)


@CASES
def test_differences_say_what_and_why_in_one_cell_each(corpus: CorpusParity) -> None:
    names = [difference.name for difference in corpus.differences]
    assert len(set(names)) == len(names)
    for one in corpus.differences:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", one.name)
        assert one.as_deepstrf is not None or one.as_ours is not None
        for said in (one.theirs, one.ours, one.reason):
            assert said.strip() == said != ""
            assert not set(said) & {"|", "\n"}


def test_corpora_are_listed_under_their_names() -> None:
    assert all(name == corpus.name for name, corpus in CORPORA.items())


def test_the_documented_table_is_the_list() -> None:
    assert documented(CORPORA.values()) in (REPOSITORY / DOCUMENT).read_text(encoding="utf-8")


@pytest.mark.parametrize(("text", "expected"), [("0-9", range(10)), ("3", range(3, 4)), ("2-2", range(2, 3))])
def test_seeds_are_read(text: str, expected: range) -> None:
    assert seeds(text) == expected


@pytest.mark.parametrize("text", ["", "3-1", "-1", "a", "1-2-3", "1,2"])
def test_what_are_no_seeds_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        seeds(text)


def test_an_unknown_corpus_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpora", "ns2", "--peer-python", "python"]) == 2
    assert "no corpus ns2; there are ns1, " in capsys.readouterr().err


# With a stand-in for deepSTRF -------------------------------------------------------------------------------------

STAND_IN = """
import tempfile
from pathlib import Path
import deepstrf_hf
from tests.toy import Toy

print('{1: "deepSTRF prints what it likes"}')

class ToyDataset:
    def __init__(self, path, wrong="", raises=""):
        if raises:
            raise ValueError(f"{raises} in {path}")
        with tempfile.TemporaryDirectory() as scratch:
            deepstrf_hf.build(Toy, ["counts"], data_dir=path, out=Path(scratch) / "built")
            dataset = deepstrf_hf.load(Path(scratch) / "built", "counts", preprocessing=None)
        order = range(len(dataset.nrn_meta))[::-1]
        self.nrn_meta = [{"cell": dataset.nrn_meta[n]["neuron_id"], "site": dataset.nrn_meta[n]["site"]} for n in order]
        self.stim_meta = [{"name": meta["name"]} for meta in dataset.stim_meta]
        self.stims = list(dataset.stims)
        self.responses = [[row[n].clone() for n in order] for row in dataset.responses]
        for name in ("dt", "F", "audio_fs", "hearing_range_hz", "signal_type"):
            setattr(self, name, getattr(dataset, name))
        self.species = "peer ferret"
        if wrong == "count":
            self.responses[1][0][0, 0] += 1
        if wrong == "name":
            self.nrn_meta[0]["cell"] = self.nrn_meta[1]["cell"]
"""
SPECIES = difference("species", as_deepstrf=says(facts={"species": {"toy ferret": "peer ferret"}}))
IDLE = difference("idle", as_deepstrf=says())


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "packages" / "deepSTRF" / "datasets"
    package.mkdir(parents=True)
    for directory in (package.parent, package):
        (directory / "__init__.py").touch()
    (package / "audio.py").write_text(STAND_IN, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "packages"))


def toy(*runs: Run, differences: Any = (SPECIES,)) -> CorpusParity:
    return replace(
        declaration(*differences),
        corpus=Toy,
        cohort="counts",
        writer="tests.toy:write_toy",
        peer_class="ToyDataset",
        neuron_name=("cell",),
        stimulus_name=("name",),
        vocabulary=Vocabulary({"cell": "neuron_id", "site": "site"}, {"name": "name"}),
        runs=runs,
    )


@pytest.mark.usefixtures("stand_in")
def test_a_corpus_is_compared_from_the_raw_tree_to_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = toy(Run("counts"), Run("once", every_seed=False))
    monkeypatch.setitem(CORPORA, corpus.name, corpus)
    arguments = ["corpora", corpus.name, "--seeds", "0-1", "--peer-python", sys.executable]
    assert main([*arguments, "--json", str(tmp_path / "verdicts.json")]) == 0
    said = json.loads((tmp_path / "verdicts.json").read_text(encoding="utf-8"))
    assert [(one["seed"], one["run"], one["verdict"]) for one in said["verdicts"]] == [
        (0, "counts", "deliberate"),
        (0, "once", "deliberate"),
        (1, "counts", "deliberate"),
    ]
    assert said["verdicts"][0]["ours"] == said["verdicts"][0]["theirs"]
    assert said["verdicts"][0]["kinds"] == {"metadata of dataset: species": 1}
    assert said["not_seen"] == {"made-up": []}
    assert "3 comparisons: 3 deliberate." in capsys.readouterr().out


@pytest.mark.usefixtures("stand_in")
def test_whatever_is_not_as_stated_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = toy(
        Run("as stated"),
        Run("another count", {"wrong": "count"}),
        Run("one name twice", {"wrong": "name"}),
        Run("theirs raises", {"raises": "no such thing"}),
        Run("ours raises", parameters={"limit": 0}),
        differences=(SPECIES, IDLE),
    )
    monkeypatch.setitem(CORPORA, corpus.name, corpus)
    assert main(["corpora", corpus.name, "--seeds", "2", "--peer-python", sys.executable]) == 1
    printed = capsys.readouterr().out
    assert "another count: 1 differences that nothing explains" in printed
    assert "- values of responses, Sound 1 | " in printed
    assert "one name twice: 1 neurons share their cell: " in printed
    assert "theirs raises: ValueError: no such thing in <raw>" in printed
    assert "ours raises: " in printed
    assert "5 comparisons: 2 deepSTRF raised, 1 deliberate, 1 different, 1 ours raised." in printed
    assert "made-up: idle is named as a difference, but nothing shows it" in printed


def test_a_peer_that_does_not_answer_is_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ParityError, match="answered 0 of 1 jobs"):
        compare_corpus(toy(Run("counts")), [0], sys.executable, tmp_path)


def test_the_section_takes_the_options_of_its_page() -> None:
    parser = argparse.ArgumentParser()
    corpora.add_arguments(parser)
    chosen = parser.parse_args(["ns1", "--seeds", "0-9", "--peer-python", "python", "--json", "file.json"])
    assert (chosen.names, chosen.seeds) == (["ns1"], range(10))
