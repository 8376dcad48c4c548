"""The recipes of docs/hub.md, run as they stand.

Against the loopback Hub every client is as it is published, its address set by ``HF_ENDPOINT``. Two cannot be sent
there:

- DuckDB's ``hf://`` is in its extension ``httpfs``, which is fetched from the network and knows the public Hub alone.
  The recipe registers the Hub's own file system, which takes over the same ``hf://`` paths in the same query.
- polars reads ``hf://`` from the public Hub alone. Its recipe is run on the files of the directory (the same query with
  another path); that it works over the network is *not* tested here. The recipe for other addresses, which goes through
  the Hub's file system, is, and gives the same rows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from deepstrf_hf import build
from tests.every_corpus import TREES
from tests.hub.client_env import run_client
from tests.hub.server import LoopbackHub
from tests.hub_helpers import CLIENT, TOKEN, read_files
from tests.hub_recipes_examples import APART, LOCAL, ONLINE, OURS, RESULTS, RUN, n_python_blocks, recipes
from tests.raw_writers.wingert2026 import write_wingert2026

OFFLINE = ("load", "join", "audio", "download", "stream")
"""Recipes that were run online before; the stream too reads what was loaded."""


@dataclass(frozen=True)
class Corpora:
    """Directories, as if they were repositories: ``deepstrf/ns1``, ``my-lab/crcns_aa1`` … below one folder."""

    root: Path

    def table(self, repository: str, config: str, split: str | None = None, columns: Any = None) -> pa.Table:
        """Read the files of a configuration with nothing but pyarrow."""
        files = sorted((self.root / repository / config).glob(f"{split or '*'}-*.parquet"))
        return pa.concat_tables([pq.read_table(file, columns=columns) for file in files])


@pytest.fixture(scope="module")
def corpora(ns1_built: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpora:
    root = tmp_path_factory.mktemp("corpora")
    (root / "deepstrf").mkdir()
    (root / "out").mkdir()
    (root / "deepstrf" / "ns1").symlink_to(ns1_built)
    (root / "out" / "ns1").symlink_to(ns1_built)
    write_wingert2026(root / "raw" / "wingert2026")
    out = root / "deepstrf" / "wingert2026"
    build("wingert2026", ["a1_peg"], data_dir=root / "raw" / "wingert2026", out=out, on_error="skip")
    for name in ("crcns_aa1", "crcns_aa2"):
        build(name, data_dir=TREES[name].write(root / "raw" / name), out=root / "my-lab" / name, on_error="skip")
    return Corpora(root)


def add_repositories(server: LoopbackHub, corpora: Corpora) -> None:
    """Put all corpora on a Hub; those of ``my-lab`` are private."""
    server.add_user("alice", TOKEN, orgs=["deepstrf", "my-lab"])
    server.add_user("mallory", "hf_mallory")
    for owner in ("deepstrf", "my-lab"):
        for directory in sorted((corpora.root / owner).iterdir()):
            repository = server.add_repository(f"{owner}/{directory.name}", private=owner == "my-lab")
            repository.commit(read_files(directory.resolve()))


@dataclass(frozen=True)
class Found:
    """What the recipes found on the Hub, offline afterwards, and on directories."""

    online: dict[str, Any]
    offline: dict[str, Any]
    requests_offline: int
    local: dict[str, Any]
    requests_local: int


@pytest.fixture(scope="module")
def found(corpora: Corpora, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Run the recipes that need nothing of ours: on the Hub, offline with what is left of that, on directories."""
    home = tmp_path_factory.mktemp("stranger")
    with LoopbackHub() as server:
        add_repositories(server, corpora)
        online = run_client(server, RUN + "report(run(names))", home=home, arguments={"names": ONLINE}, extra=CLIENT)
        assert server.requests.unrouted() == []
        server.requests.clear()
        offline = run_client(
            server,
            RUN
            + """
never = lambda code: code.replace('"a1"', '"a1-neurons"').replace('ns1', 'wingert2026').replace('a1-', 'a1_peg-')
report(run(names) | {"never loaded": attempt(run, ["stream"], never)})
""",
            home=home,
            arguments={"names": OFFLINE},
            extra=CLIENT,
            offline=True,
        )
        requests_offline = len(server.requests)
        local = run_client(
            server,
            "import os\nos.chdir(root)\n" + RUN + "report(run(names, lambda code: code.replace('hf://datasets/', '')))",
            home=tmp_path_factory.mktemp("at_home"),
            arguments={"names": LOCAL, "root": str(corpora.root)},
            extra=CLIENT,
        )
        assert server.internal_errors == []
        return Found(online, offline, requests_offline, local, len(server.requests) - requests_offline)


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def expected(name: str, corpora: Corpora) -> Any:
    """Work out from the Parquet files what a recipe must find."""
    ns1, wingert = "deepstrf/ns1", "deepstrf/wingert2026"
    test, train = (corpora.table(ns1, "a1", split).to_pylist() for split in ("test", "train"))
    stimuli = corpora.table(ns1, "a1-stimuli")
    rows = corpora.table(wingert, "a1_peg", "train")
    peg = rows.filter(pc.equal(rows["neuron_area"], "PEG")).to_pylist()
    if name == "load":
        first = test[0]
        neurons = corpora.table(ns1, "a1-neurons").num_rows
        return [len(test), corpora.table(ns1, "a1-waveform", "test").num_rows, stimuli.num_rows, neurons,
                first["response"], first["stim_id"], True, len(first["spectrogram"])]  # fmt: skip
    if name == "join":
        stim_id = rows["stim_id"][0].as_py()
        table = corpora.table(wingert, "a1_peg-stimuli", columns=["stim_id", "spectrogram"]).to_pylist()
        return [stim_id, next(row["spectrogram"] for row in table if row["stim_id"] == stim_id)]
    if name == "audio":
        # As raw_writers/ns1.py writes the clips of half a second.
        return [None, 48_828, stimuli["stim_sample_rate_hz"][0].as_py()]
    if name == "stream":
        return [train[0]["stim_id"], train[0]["neuron_id"], train[0]["response"], len(train)]
    if name == "columns":
        return [row["response"] for row in train]
    if name == "filters":
        return sorted([row["stim_id"], row["neuron_id"], "PEG"] for row in peg)
    if name == "filters-loaded":
        return [["stim_id", "neuron_id", "response"], sorted([row["stim_id"], row["neuron_id"]] for row in peg)]
    if name == "download":
        return [len(test), test[0]["response"]]
    if name == "pandas":
        neurons = corpora.table(ns1, "a1-neurons").to_pylist()
        best = max(neurons, key=lambda row: -np.inf if row["snr"] is None else row["snr"])["neuron_id"]
        return [best, {row["stim_id"]: np.mean(row["response"], axis=0).tolist() for row in test + train
                       if row["neuron_id"] == best}]  # fmt: skip
    if name == "pyarrow":
        both = corpora.table(wingert, "a1_peg").to_pylist()
        return sorted(
            [row["stim_id"], row["neuron_id"], row["response"]] for row in both if row["neuron_area"] == "PEG"
        )
    if name == "duckdb":
        rates: dict[str, list[float]] = {}
        for row in rows.to_pylist():
            seconds = row["n_trials"] * row["n_bins"] * row["dt_ms"] / 1000
            rates.setdefault(row["neuron_area"], []).append(float(np.sum(row["response"])) / seconds)
        return [[area, float(np.mean(values))] for area, values in sorted(rates.items())]
    if name.startswith("polars"):
        return sorted([row["stim_id"], row["neuron_id"], int(np.sum(row["response"]))] for row in peg)
    if name == "directory":
        return [sorted([row["stim_id"], row["neuron_id"]] for row in test + train)] * 3
    raise LookupError(name)


def assert_found(name: str, result: Any, corpora: Corpora) -> None:
    wanted = as_json(expected(name, corpora))
    if name == "audio":
        assert result[0] == pytest.approx(0.5 * result[2], abs=result[2] * 0.01), "clips of half a second"
        assert result[1:] == wanted[1:] and result[2] != result[1]
    elif name == "duckdb":
        assert [area for area, _ in result] == [area for area, _ in wanted] == ["A1", "PEG"]
        assert [rate for _, rate in result] == pytest.approx([rate for _, rate in wanted])
    elif name == "pandas":
        assert result[0] == wanted[0] and result[1].keys() == wanted[1].keys()
        for stim_id, values in wanted[1].items():
            assert result[1][stim_id] == pytest.approx(values)
    else:
        assert result == wanted and wanted


@pytest.mark.parametrize("name", ONLINE)
def test_recipe_on_the_hub(found: Found, corpora: Corpora, name: str) -> None:
    assert_found(name, found.online[name], corpora)


@pytest.mark.parametrize("name", LOCAL)
def test_recipe_on_a_directory(found: Found, corpora: Corpora, name: str) -> None:
    """A path in place of the name: the same rows, and no request."""
    assert_found(name, found.local[name], corpora)
    assert found.requests_local == 0


@pytest.mark.parametrize("name", OFFLINE)
def test_recipe_offline(found: Found, corpora: Corpora, name: str) -> None:
    assert found.requests_offline == 0
    assert_found(name, found.offline[name], corpora)


def test_what_was_never_loaded_is_an_error_offline(found: Found) -> None:
    assert "wingert2026" in found.offline["never loaded"]["message"]


def test_every_block_is_run_by_a_test() -> None:
    known = recipes()
    assert len(known) == n_python_blocks(), "each has a name"
    assert known.keys() == RESULTS.keys() == {*ONLINE, *LOCAL, *OURS, *APART}


def test_polars_native_and_through_the_file_system_are_one_query() -> None:
    """What the test of the native recipe stands on: the two differ in where the rows come from, and in nothing else."""

    def query(name: str) -> str:
        return recipes()[name].partition(".filter(")[2]

    assert query("polars") == query("polars-elsewhere") != ""


def test_the_join_is_that_of_the_card(corpora: Corpora) -> None:
    card = (corpora.root / "deepstrf" / "wingert2026" / "README.md").read_text(encoding="utf-8")
    imports, _, join = recipes()["join"].partition("\n\n")
    for part in (imports, join):  # wherever lines are broken
        assert "".join(part.split()) in "".join(card.split())


# Recipes that need a test of their own --------------------------------------------------------------------------------


def test_a_tag_pins_its_version(corpora: Corpora, ns1_raw: Path, tmp_path: Path) -> None:
    """The tag gives the tables it was set on, by load_dataset and by ``hf://…@tag``; the branch gives the new ones."""
    older = tmp_path / "older"
    build("ns1", data_dir=ns1_raw, out=older, on_error="skip", stimulus="reference")
    with LoopbackHub() as server:
        repository = server.add_repository("deepstrf/ns1")
        first = repository.commit(read_files(older))
        repository.create_reference(repository.tags, "v1.0.0", first.oid)
        newer = read_files((corpora.root / "deepstrf" / "ns1").resolve())
        without = {name: content for name, content in newer.items() if not name.startswith("a1-neurons/")}
        repository.commit(without, ["a1-neurons/"])
        result = run_client(
            server,
            RUN
            + """
import pandas as pd
from datasets import load_dataset

report([
    run(["revision"])["revision"],
    "spectrogram" in load_dataset("deepstrf/ns1", "a1", split="test").features,
    attempt(pd.read_parquet, "hf://datasets/deepstrf/ns1/a1-neurons")["error"] is None,
])
""",
            home=tmp_path / "home",
            extra=CLIENT,
        )
        assert server.internal_errors == []
    neurons = sorted(pq.read_table(older / "a1-neurons", columns=["neuron_id"])["neuron_id"].to_pylist())
    rows = pq.read_table(older / "a1" / "test-00000-of-00001.parquet").num_rows
    assert result == [[False, rows, neurons], True, False]


def test_a_private_repository_opens_for_its_owner_alone(corpora: Corpora, tmp_path: Path) -> None:
    """The same lines: with the token in the environment, after a login, with none, and with somebody else's."""
    with LoopbackHub() as server:
        add_repositories(server, corpora)
        results = {
            who: run_client(
                server,
                login + RUN + "report(attempt(run, ['private']))",
                home=tmp_path / who,
                token=token,
                extra=CLIENT,
            )
            for who, token, login in (
                ("owner", TOKEN, ""),
                ("logged in", None, f"from huggingface_hub import login\nlogin({TOKEN!r})\n"),
                ("anonymous", None, ""),
                ("stranger", "hf_mallory", ""),
            )
        }
        assert server.internal_errors == []
    rows = corpora.table("my-lab/crcns_aa1", "all", "train", ["neuron_id"])
    wanted = {"private": [rows.num_rows, sorted(set(rows["neuron_id"].to_pylist()))]}
    assert results["owner"]["value"] == results["logged in"]["value"] == wanted
    for who in ("anonymous", "stranger"):
        assert results[who]["error"] is not None and "crcns_aa1" in results[who]["message"]


def test_recipes_of_ours(corpora: Corpora, tmp_path: Path) -> None:
    """One grid, a union of two corpora, and two interleaved, from the Hub; the union is that of the directories."""
    with LoopbackHub() as server:
        add_repositories(server, corpora)
        result = run_client(
            server,
            RUN
            + """
import os
from tests.hub_helpers import fingerprint_of
import deepstrf_hf

def union(where):
    grids = [deepstrf_hf.load(f"{where}my-lab/{name}", "all") for name in ("crcns_aa1", "crcns_aa2")]
    both = deepstrf_hf.concat_neural_datasets(grids)
    return [fingerprint_of(both), repr(both.stim_meta), repr(both.nrn_meta)]

report(run(names) | {"alike": union("") == union(root + "/")})
""",
            home=tmp_path / "home",
            token=TOKEN,
            arguments={"names": OURS, "root": str(corpora.root)},
        )
        assert server.internal_errors == [] and server.requests.unrouted() == []
    assert result["alike"]
    grid, union, interleaved = (result[name] for name in OURS)
    rows = corpora.table("deepstrf/wingert2026", "a1_peg", "train", ["stim_id", "neuron_id"])
    n_stimuli = len(set(rows["stim_id"].to_pylist()))
    n_neurons = corpora.table("deepstrf/wingert2026", "a1_peg-neurons").num_rows
    assert grid == [n_stimuli, n_neurons, n_stimuli, rows.num_rows]
    sizes = {
        name: [corpora.table(f"my-lab/{name}", f"all-{kind}").num_rows for kind in ("stimuli", "neurons")]
        for name in ("crcns_aa1", "crcns_aa2")
    }
    of_field_l = corpora.table("my-lab/crcns_aa1", "all")
    of_field_l = of_field_l.filter(pc.equal(of_field_l["neuron_area"], "Field_L"))
    stimuli, neurons = (sum(one[place] for one in sizes.values()) for place in (0, 1))
    heard, there = (len(set(of_field_l[name].to_pylist())) for name in ("stim_id", "neuron_id"))
    assert union == [stimuli, neurons, ["crcns_aa1/all", "crcns_aa2/all"], there, heard]
    names = ["crcns_aa1", "crcns_aa2"]
    assert set(interleaved[0]) <= set(names) and interleaved[2] == names and interleaved[3] > 0
    streams = [corpora.table(f"my-lab/{name}", "all", columns=["stim_id"])["stim_id"].to_pylist() for name in names]
    assert interleaved[1] >= sum(len(set(stream)) for stream in streams)
