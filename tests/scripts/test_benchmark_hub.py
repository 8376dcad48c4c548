"""The benchmark of the Hub: a tiny run of all of it, the copy in which a site changed, and its report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import deepstrf_hf
from scripts import benchmark
from scripts.benchmarks import hub
from scripts.benchmarks.hub_corpus import Built, made_up, with_one_site_changed
from scripts.benchmarks.hub_report import markdown_of
from scripts.benchmarks.hub_server import HubProcess
from scripts.benchmarks.job import ROOT, JobFailedError
from scripts.benchmarks.section import Environment, Request
from tests.hub_helpers import digests, fingerprint_of


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def built(scratch: Path) -> Built:
    return made_up(scratch, "tiny")


def test_a_tiny_run(scratch: Path, built: Built, tmp_path: Path) -> None:
    """From the command line, on a directory that is given: every part, and bytes that are what they must be."""
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [
            sys.executable,
            "scripts/benchmark.py",
            "push",
            "--size",
            "tiny",
            "--built",
            built.directory,
            "--json",
            figures,
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    found = json.loads(figures.read_text())
    assert found["faults"] == [] and found["size"] == "tiny"
    found = found["sections"]["push"]
    amounts = found["built"]
    assert amounts["config"] == "a1_peg" and amounts["train_files"] == 4 and amounts["train_rows"] == 25
    push = {name: entry["wire"]["received"] for name, entry in found["push"].items()}
    assert 1e6 * amounts["mb"] < push["first"] < 1.1e6 * amounts["mb"]
    changed_file = found["push"]["one site changed"]["changed_file_bytes"]
    assert push["repeated"] < 0.05 * push["first"]
    assert changed_file < push["one site changed"] < changed_file + push["repeated"] + 50_000
    fetched = {name: entry["wire"]["parquet_sent"] for name, entry in found["fetch"].items()}
    assert fetched["whole"] == round(1e6 * amounts["train_mb"])
    assert list(fetched)[2].startswith("filters: neuron_area == PEG") and len(fetched) == 6
    assert {entry["rows"] for name, entry in found["fetch"].items() if "filters" not in name} == {25}
    assert found["fetch"]["filters: neuron_area == PEG"]["rows"] == 9
    for job in ("rows_of_datasets", "rows_of_ours"):
        assert found["stream"][job].keys() == {"0", "2"}
        for entry in found["stream"][job].values():
            assert 0 < entry["rows"] < 25 and entry["rows_per_s"] > 0, "all but those of the first item"
    for job in ("first_row", "first_item"):
        assert found["stream"][job]["seconds"] > 0 and found["stream"][job]["wire"]["sent"] > 0
    cold, warm = found["load"]["cold"], found["load"]["warm"]
    assert cold["wire"]["parquet_sent"] > 0 and warm["wire"]["parquet_sent"] == 0
    assert (cold["stimuli"], cold["neurons"]) == (warm["stimuli"], warm["neurons"]) == (16, 11)
    for heading in ("## Push", "## Stream", "## Fetch a part", "## Load", "| one site changed |", "| warm |"):
        assert heading in done.stdout
    assert "times mean nothing" in done.stdout


def test_one_site_changed(built: Built, tmp_path: Path) -> None:
    """One value of one file, and the report; the copy is a whole build, and the original is as it was."""
    before = digests(built.directory)
    changed, n_bytes = with_one_site_changed(built, tmp_path / "copy")
    assert digests(built.directory) == before
    after = digests(changed.directory)
    name = built.shards()[0].relative_to(built.directory).as_posix()
    assert {file for file in after if after[file] != before[file]} == {name, "build_report.json"}
    assert n_bytes == (changed.directory / name).stat().st_size
    old, new = (pq.read_table(one.directory / name) for one in (built, changed))
    assert old.schema.equals(new.schema, check_metadata=False) and old.drop(["response"]).equals(new.drop(["response"]))
    values = [pc_flat(table) for table in (old, new)]
    assert np.flatnonzero(values[0] != values[1]).tolist() == [0] and values[1][0] == values[0][0] + 1
    report = deepstrf_hf.BuildReport.read(changed.directory)
    split = report.cohorts["a1_peg"].configs["a1_peg"]["train"]
    assert split.bytes == sum((changed.directory / file).stat().st_size for file in split.files)
    assert report.corpus_version == deepstrf_hf.BuildReport.read(built.directory).corpus_version + ".1"
    grids = [deepstrf_hf.load(one.directory, preprocessing=None, cache=False) for one in (built, changed)]
    assert fingerprint_of(grids[0]) != fingerprint_of(grids[1])


def pc_flat(table: pa.Table) -> np.ndarray:
    return table["response"].combine_chunks().flatten().flatten().to_numpy()


def test_a_place_is_chosen_that_some_rows_are_not_of(built: Built, ns1_built: Path) -> None:
    assert built.rarest_place() == ("neuron_area", "PEG")
    assert Built.of(ns1_built).rarest_place() is None
    assert list(hub._ways(Built.of(ns1_built))) == [
        "whole", 'columns=["response"]', "whole, small reads", 'columns=["response"], small reads',
    ]  # fmt: skip


def test_a_made_up_corpus_is_built_once(scratch: Path, built: Built) -> None:
    before = digests(built.directory)
    assert made_up(scratch, "tiny") == built and digests(built.directory) == before


def test_what_is_no_build_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="it is not what deepstrf-hf build writes"):
        benchmark.main(["push", "--size", "tiny", "--built", str(tmp_path)])


def test_a_client_that_fails_is_a_fault(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "REPOSITORY", "somebody-else/corpus")
    environment = Environment(sys.executable, None, {})
    request = Request("tiny", ("load",), environment, built.directory.parent, built=built.directory)
    report = hub.run(request)
    (fault,) = report.faults
    assert fault.startswith("push") and "somebody-else" in fault
    assert "hf_benchmark" not in fault, "no token is shown"
    assert "load" not in report.figures and "## Load" not in report.markdown


def test_the_hub_counts_from_question_to_question() -> None:
    from urllib.request import urlopen

    with HubProcess() as server:
        assert server.counted()["requests"] == 0
        with pytest.raises(OSError, match="401"):
            urlopen(f"{server.endpoint}/api/datasets/a/b")
        assert server.counted()["requests"] == 1 and server.counted()["requests"] == 0
        with pytest.raises(OSError, match="404"):
            urlopen(f"{server.endpoint}/api/nothing")
        with pytest.raises(JobFailedError, match="/api/nothing"):
            server.counted()


def test_the_report_divides_by_the_whole() -> None:
    wire: dict[str, Any] = {"requests": 7, "sent": 3e6, "received": 4e6, "parquet_requests": 5, "parquet_sent": 2e6}
    part = {**wire, "parquet_sent": 5e5}
    figures = {
        "built": {"config": "a1", "files": 9, "mb": 12.0, "train_files": 3, "train_mb": 8.0, "train_rows": 100},
        "push": {"first": {"seconds": 2.0, "wire": wire},
                 "one site changed": {"seconds": 1.0, "wire": wire, "changed_file_bytes": 3e6}},
        "stream": {
            **{job: {"seconds": 0.5, "wire": wire} for job in ("first_row", "first_item")},
            **{job: {"0": {"rows_per_s": 250.0}, "2": {"rows_per_s": None}}
               for job in ("rows_of_datasets", "rows_of_ours")},
        },
        "fetch": {"whole": {"rows": 100, "seconds": 1.0, "wire": wire},
                  "a part": {"rows": 20, "seconds": 0.25, "wire": part}},
        "load": {"cold": {"seconds": 1.0, "wire": wire}},
    }  # fmt: skip
    markdown = markdown_of(figures, is_measurement=True)
    assert "| first | 2.00 s | 4.00 MB | 7 | – |" in markdown
    assert "| one site changed | 1.00 s | 4.00 MB | 7 | 3.00 MB |" in markdown
    assert "| datasets, NumPy format | 250 | – |" in markdown
    assert "| a part | 20 | 0.50 MB | 25.0% | 5 | 250 ms |" in markdown
    assert "| cold | 1.00 s | 3.00 MB | 7 |" in markdown
    assert "mean nothing" not in markdown
