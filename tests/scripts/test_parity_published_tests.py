"""Published tests run on our classes: here those of a tiny package that stands in for deepSTRF."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from scripts import parity_with_deepstrf
from scripts.parity import published_tests
from scripts.parity.differences import Difference

PACKAGE = {
    "__init__.py": "",
    "datasets/__init__.py": "from deepSTRF.datasets.neural_dataset import NeuralDataset\n",
    "datasets/neural_dataset.py": '''
        class NeuralDataset:
            """Attributes are set; items are stimuli."""

            def __init__(self, path, dt_ms):
                self.dt, self.stims = dt_ms, []

            def __len__(self):
                return len(self.stims)

            def select_stims_by_attr(self, key, value):
                return [index for index, entry in enumerate(self.stim_meta) if entry.get(key) == value]
        ''',
    "datasets/audio/__init__.py": "",
    "datasets/audio/audio_dataset.py": '''
        from deepSTRF.datasets.neural_dataset import NeuralDataset


        class AudioNeuralDataset(NeuralDataset):
            """The same with sounds."""
        ''',
    "utils/__init__.py": "",
    "utils/data.py": """
        from deepSTRF.datasets.neural_dataset import NeuralDataset


        def neural_collate(items):
            return {"made": "by hand"}


        def concat_neural_datasets(datasets, names=None):
            return datasets[0]
        """,
}
TESTS = {
    "test_concat.py": """
        import deepSTRF.datasets
        import numpy
        import pytest
        from deepSTRF.datasets.audio.audio_dataset import AudioNeuralDataset
        from deepSTRF.utils.data import concat_neural_datasets, neural_collate


        def made():
            dataset = AudioNeuralDataset("here", 5)
            dataset.F, dataset.N_neurons = 2, 1
            dataset.stims = [numpy.zeros((1, 2, 3)), numpy.ones((1, 2, 4))]
            dataset.responses = [[numpy.ones((1, 3))], [numpy.ones((2, 4))]]
            dataset.stim_meta, dataset.nrn_meta = [{"name": "a"}, {"name": "b"}], [{}]
            return dataset


        def test_length():
            assert len(made()) == 2


        @pytest.mark.parametrize("name", ["a", "b"])
        def test_attribute(name):
            assert len(made().select_stims_by_attr("name", name)) == 1


        def test_unknown_attribute():
            assert made().select_stims_by_attr("colour", "red") == []


        def test_by_hand():
            assert neural_collate([made()]) == {"made": "by hand"}


        def test_names_imported_elsewhere_are_replaced_too():
            assert issubclass(AudioNeuralDataset, deepSTRF.datasets.NeuralDataset)
        """,
    "test_stim_selection.py": """
        from deepSTRF.datasets.neural_dataset import NeuralDataset

        WHO = NeuralDataset.__module__


        def test_who():
            assert WHO.startswith("deepSTRF")
        """,
    "test_fitter.py": """
        import deepSTRF.utils.data

        if not deepSTRF.utils.data.neural_collate.__module__.startswith("deepSTRF"):
            raise ImportError("this module refuses ours")


        def test_nothing():
            pass
        """,
}
UNKNOWN = "test_concat.py::test_unknown_attribute"
BY_HAND = "test_concat.py::test_by_hand"


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the tests as a source distribution, and put the package where the peer's Python finds it."""
    for name, content in PACKAGE.items():
        path = tmp_path / "peer" / "deepSTRF" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(content), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "peer"))
    with tarfile.open(tmp_path / "peer-1.tar.gz", "w:gz") as archive:
        for name, content in TESTS.items():
            member, text = tarfile.TarInfo(f"peer-1/tests/{name}"), dedent(content).encode()
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    return tmp_path / "peer-1.tar.gz"


def run(
    distribution: Path, monkeypatch: pytest.MonkeyPatch, named: dict[str, str], *files: str
) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run the script as from the command line and return its exit code and verdicts by test."""
    differences = (Difference("on-purpose", "theirs", "ours", "reason", named),)
    monkeypatch.setattr(published_tests, "DIFFERENCES", differences)
    out = distribution.parent / "verdicts.json"
    arguments = ["tests", "--peer-python", sys.executable, "--distribution", str(distribution), "--json", str(out)]
    code = parity_with_deepstrf.main([*arguments, "--files", *files])
    return code, {verdict["test"]: verdict for verdict in json.loads(out.read_text(encoding="utf-8"))}


def test_named_failures_are_deliberate_and_all_else_passes(
    distribution: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    named = {UNKNOWN: "UnknownNameError", BY_HAND: "KeyError", "test_stim_selection.py::test_who": "AssertionError"}
    code, found = run(distribution, monkeypatch, named, "test_concat.py", "test_stim_selection.py")
    assert {test: verdict["verdict"] for test, verdict in found.items()} == {
        "test_concat.py::test_length": "passed",
        "test_concat.py::test_attribute[a]": "passed",
        "test_concat.py::test_attribute[b]": "passed",
        "test_concat.py::test_names_imported_elsewhere_are_replaced_too": "passed",
        UNKNOWN: "deliberate",
        BY_HAND: "failed otherwise than named",  # a GridError or the like, but no KeyError
        "test_stim_selection.py::test_who": "deliberate",
    }
    assert code == 1
    assert found[BY_HAND]["error"] not in ("", "KeyError")
    named[BY_HAND] = found[BY_HAND]["error"]
    capsys.readouterr()
    code, found = run(distribution, monkeypatch, named, "test_concat.py", "test_stim_selection.py")
    assert code == 0
    printed = capsys.readouterr().out
    assert all(f"| {test} |" in printed for test in found)
    assert "7 tests: 4 passed, 3 deliberate." in printed


def test_what_is_not_named_or_passes_by_now_is_not_as_stated(
    distribution: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    length, gone = "test_concat.py::test_length", "test_concat.py::test_that_was_renamed"
    named = {length: "GridError", gone: "GridError", "test_fitter.py::test_not_chosen": "GridError"}
    code, found = run(distribution, monkeypatch, named, "test_concat.py")
    assert code == 1
    assert found[UNKNOWN]["verdict"] == "failed"
    assert found[UNKNOWN]["error"] == "UnknownNameError"
    assert "colour" in found[UNKNOWN]["message"]
    assert found[length]["verdict"] == "named as a difference, but passes"
    assert found[gone]["verdict"] == "named as a difference, but not among the tests"
    assert not [test for test in found if "not_chosen" in test]


def test_a_module_that_cannot_be_imported_stops_no_other(distribution: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = {"test_stim_selection.py::test_who": "AssertionError"}
    code, found = run(distribution, monkeypatch, named, "test_fitter.py", "test_stim_selection.py")
    assert code == 1
    assert {test: verdict["verdict"] for test, verdict in found.items()} == {
        "test_fitter.py": "failed",
        "test_fitter.py::test_nothing": "failed",
        "test_stim_selection.py::test_who": "deliberate",
    }
    assert "this module refuses ours" in found["test_fitter.py"]["message"]


def test_without_the_peer_the_script_says_so_and_does_not_judge(
    distribution: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (distribution.parent / "peer" / "deepSTRF" / "utils" / "data.py").unlink()
    arguments = ["tests", "--peer-python", sys.executable, "--distribution", str(distribution)]
    assert parity_with_deepstrf.main([*arguments, "--files", "test_stim_selection.py"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "deepSTRF.utils.data" in printed.err
