"""The pytest plugin that runs deepSTRF's own tests on our classes; it is loaded in deepSTRF's environment.

Before test modules are imported it puts ours in the place of deepSTRF's, under deepSTRF's import names. Afterwards it
writes how each test ended as JSON.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy
import pytest

PEER = "deepSTRF"
NEURAL_DATASET = f"{PEER}.datasets.neural_dataset:NeuralDataset"
AUDIO_NEURAL_DATASET = f"{PEER}.datasets.audio.audio_dataset:AudioNeuralDataset"
NEURAL_COLLATE = f"{PEER}.utils.data:neural_collate"
CONCATENATE = f"{PEER}.utils.data:concat_neural_datasets"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of this plugin."""
    parser.addoption("--parity-results", help="file for the results, JSON")
    parser.addoption("--parity-classes", choices=["deepSTRF", "ours"], default="ours", help="whose classes are tested")


def pytest_configure(config: pytest.Config) -> None:
    """Put ours in the place of deepSTRF's and begin to record."""
    if config.getoption("--parity-classes") == "ours":
        substitute(our_replacements())
    config.pluginmanager.register(Recorder(Path(config.getoption("--parity-results"))))


def our_replacements() -> dict[str, Any]:
    """Return what stands in for each of deepSTRF's names."""
    import deepstrf_hf
    from scripts.parity.adapter import DraftedDataset

    return {
        NEURAL_DATASET: DraftedDataset,
        AUDIO_NEURAL_DATASET: DraftedDataset,
        NEURAL_COLLATE: deepstrf_hf.neural_collate,
        CONCATENATE: deepstrf_hf.concat_neural_datasets,
    }


def substitute(replacements: dict[str, Any]) -> None:
    """Replace objects in the module that defines them and wherever else the package has imported them.

    Parameters
    ----------
    replacements : dict
        From ``"module:name"`` to the object that takes its place.
    """
    originals = {}
    for place, replacement in replacements.items():
        home, _, name = place.partition(":")
        originals[id(getattr(importlib.import_module(home), name))] = replacement
    for module in _modules_of_peer():
        for name, value in list(vars(module).items()):
            if id(value) in originals:
                setattr(module, name, originals[id(value)])


def _modules_of_peer() -> Iterator[ModuleType]:
    return (module for name, module in list(sys.modules.items()) if name.split(".")[0] == PEER)


class Recorder:
    """Writes how each test ended.

    Parameters
    ----------
    path : Path
        File to write: a list of objects with ``test``, ``outcome`` (passed, failed, skipped), ``error`` (the type of
        the exception, empty without one) and ``message`` (its first line).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._results: dict[str, dict[str, str]] = {}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pluggy.Result[pytest.TestReport], None]:
        """Record a phase of a test; what was worst of set-up, call and tear-down stands."""
        outcome = yield
        report = outcome.get_result()
        before = self._results.get(item.nodeid)
        if before is None or before["outcome"] == "passed":
            self._results[item.nodeid] = _result(item.nodeid, report.outcome, call.excinfo)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record a module that cannot be collected."""
        if report.failed:
            last = str(report.longrepr).strip().splitlines()[-1:]
            self._results[report.nodeid] = {
                "test": report.nodeid,
                "outcome": "failed",
                "error": "CollectionError",
                "message": "".join(last),
            }

    def pytest_sessionfinish(self) -> None:
        """Write the results."""
        self._path.write_text(json.dumps(list(self._results.values())), encoding="utf-8")


def _result(test: str, outcome: str, raised: pytest.ExceptionInfo[BaseException] | None) -> dict[str, str]:
    lines = str(raised.value).splitlines() if raised is not None else []
    return {
        "test": test,
        "outcome": outcome,
        "error": "" if raised is None else raised.type.__name__,
        "message": lines[0] if lines else "",
    }
