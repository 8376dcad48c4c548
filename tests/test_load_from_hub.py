"""Reading a pushed corpus: with the unmodified clients, and as a grid."""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.io.wavfile
from PIL import Image

from deepstrf_hf.build import build
from tests.hub.fixtures import api_for, client, hub  # noqa: F401
from tests.hub.server import LoopbackHub
from tests.hub.storage import Repository
from tests.hub_helpers import (
    CLIENT,
    REPOSITORY,
    TOKEN,
    expected_fingerprint,
    read_files,
    requested,
    steps,
)

Client = Callable[..., Any]
ROWS = {"train": 80, "test": 20}
"""16 and 4 clips, heard by 5 units each."""

FINGERPRINT = """
import deepstrf_hf
from tests.hub_helpers import fingerprint_of

def load(source=repository, *arguments, **options):
    return fingerprint_of(deepstrf_hf.load(source, *arguments, preprocessing=None, **options))
"""


@pytest.fixture(scope="module")
def reference_built(ns1_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a build whose main table has no spectrogram."""
    out = tmp_path_factory.mktemp("reference") / "ns1"
    build("ns1", data_dir=ns1_raw, out=out, on_error="skip", stimulus="reference")
    return out


@pytest.fixture
def repository(hub: LoopbackHub, ns1_built: Path) -> Repository:  # noqa: F811
    """Give a private repository that holds the build."""
    repository = hub.add_repository(REPOSITORY, private=True)
    repository.commit(read_files(ns1_built), title="built")
    return repository


def files_fetched(records: Any) -> set[str]:
    """Return the files whose content was asked for."""
    return {record.path.split("/resolve/")[1].partition("/")[2] for record in requested(records, "GET", "/resolve/")}


# The unmodified clients -----------------------------------------------------------------------------------------------


def test_load_dataset_gives_what_the_directory_holds(
    repository: Repository,
    client: Client,  # noqa: F811
    ns1_built: Path,
) -> None:
    """Every configuration and split, by `load_dataset`, checked, equals the directory's own and the Parquet files."""
    found = client(
        """
        import pyarrow as pa, pyarrow.parquet as pq
        from pathlib import Path
        from datasets import load_dataset, get_dataset_config_names, get_dataset_split_names

        def table(dataset):
            return dataset.data.table.combine_chunks()

        result = {"configs": get_dataset_config_names(repository), "rows": {}, "unequal": []}
        for config in result["configs"]:
            hub = load_dataset(repository, config, verification_mode="all_checks")
            local = load_dataset(directory, config, verification_mode="all_checks")
            result["rows"][config] = {split: len(rows) for split, rows in hub.items()}
            for split, rows in hub.items():
                files = sorted(Path(directory, config).glob(f"{split}-*.parquet"))
                stored = pa.concat_tables([pq.read_table(file) for file in files]).combine_chunks()
                for name, other in (("local", table(local[split])), ("Parquet", stored)):
                    if not table(rows).replace_schema_metadata().equals(other.replace_schema_metadata()):
                        result["unequal"].append([config, split, name])
                if rows.features != local[split].features:
                    result["unequal"].append([config, split, "features"])
        default = load_dataset(repository)
        one = load_dataset(repository, "a1", split="test")
        result |= {
            "default": [default["test"].config_name, sorted(default)],
            "one": table(one).equals(table(default["test"])),
            "splits": get_dataset_split_names(repository, "a1"),
            "columns": load_dataset(repository, "a1", split="test", columns=["stim_id", "n_trials"]).to_dict(),
        }
        report(result)
        """,
        token=TOKEN,
        arguments={"repository": REPOSITORY, "directory": str(ns1_built)},
        extra=CLIENT,
    )
    assert sorted(found["configs"]) == ["a1", "a1-neurons", "a1-stimuli", "a1-waveform"]
    assert found["rows"] == {
        "a1": ROWS, "a1-waveform": ROWS, "a1-stimuli": {"train": 20}, "a1-neurons": {"train": 5},
    }  # fmt: skip
    assert found["unequal"] == []
    assert found["default"] == ["a1", ["test", "train"]]
    assert found["one"]
    assert found["splits"] == ["train", "test"]
    stored = pq.read_table(ns1_built / "a1" / "test-00000-of-00001.parquet", columns=["stim_id", "n_trials"])
    assert found["columns"] == stored.to_pydict()


def test_streaming(hub: LoopbackHub, repository: Repository, client: Client, ns1_built: Path) -> None:  # noqa: F811
    """Streamed rows are the stored ones; media come as bytes where they are not decoded."""
    found = client(
        """
        import datasets, hashlib, json
        from datasets import load_dataset

        def stream(config, split, **options):
            return load_dataset(repository, config, split=split, streaming=True, **options)

        stimuli = stream("a1-stimuli", "train")
        stimuli = stimuli.cast_column("audio", datasets.Audio(decode=False))
        stimuli = stimuli.cast_column("picture", datasets.Image(decode=False))
        report({
            "rows": hashlib.sha256(repr(list(stream("a1", "test"))).encode()).hexdigest(),
            "columns": [row for row in stream("a1", "train", columns=["neuron_id", "stim_id"])],
            "default": [next(iter(rows))["subset"] for rows in load_dataset(repository, streaming=True).values()],
            "neurons": list(stream("a1-neurons", "train")),
            "stimuli": [
                {"stim_id": row["stim_id"], "wav_file": row["stim_wav_file"], "rate": row["stim_sample_rate_hz"],
                 "audio": row["audio"]["bytes"].hex(), "picture": row["picture"]["bytes"].hex()}
                for row in stimuli
            ],
        })
        """,
        token=TOKEN,
        arguments={"repository": REPOSITORY},
        extra=CLIENT,
    )
    test = pq.read_table(ns1_built / "a1" / "test-00000-of-00001.parquet").to_pylist()
    assert found["rows"] == hashlib.sha256(repr(test).encode()).hexdigest()
    train = pq.read_table(ns1_built / "a1" / "train-00000-of-00001.parquet", columns=["neuron_id", "stim_id"])
    assert found["columns"] == train.to_pylist()
    assert found["default"] == ["train", "test"]
    neurons = pq.read_table(ns1_built / "a1-neurons").to_pylist()
    assert found["neurons"] == neurons
    stimuli = {row["stim_id"]: row for row in found["stimuli"]}
    assert list(stimuli) == sorted(stimuli)
    assert len(stimuli) == 20
    spectrograms = pq.read_table(ns1_built / "a1-stimuli", columns=["spectrogram"]).column("spectrogram")
    for row, spectrogram in zip(found["stimuli"], spectrograms.to_pylist(), strict=True):
        picture = Image.open(io.BytesIO(bytes.fromhex(row["picture"])))
        assert picture.format == "PNG"
        assert picture.size == (len(spectrogram[0]), len(spectrogram)), "one pixel for each bin and band"


def test_audio_has_the_samples_of_the_raw_files(
    repository: Repository,
    client: Client,  # noqa: F811
    ns1_raw: Path,
) -> None:
    """The audio column holds a WAV file whose samples are those of the lab's, bit by bit, at the true rate."""
    found = client(
        """
        import datasets
        from datasets import load_dataset

        result = {}
        for config in ("a1-stimuli", "a1-waveform"):
            rows = load_dataset(repository, config, split="train", columns=["stim_id", "audio", "stim_wav_file"])
            rows = rows.cast_column("audio", datasets.Audio(decode=False))
            result[config] = {row["stim_wav_file"]: row["audio"]["bytes"].hex() for row in rows}
        report(result)
        """,
        token=TOKEN,
        arguments={"repository": REPOSITORY},
        extra=CLIENT,
    )
    assert [len(files) for files in found.values()] == [20, 16]
    for files in found.values():
        for name, content in files.items():
            encoded = bytes.fromhex(content)
            assert encoded[:4] == b"RIFF"
            assert encoded[8:12] == b"WAVE"
            rate, samples = scipy.io.wavfile.read(io.BytesIO(encoded))
            raw_rate, raw = scipy.io.wavfile.read(ns1_raw / name)
            assert samples.dtype == raw.dtype == np.float32
            assert rate == raw_rate == 48_828
            np.testing.assert_array_equal(samples, raw)
            start = encoded.index(b"fmt ")
            assert struct.unpack_from("<H", encoded, start + 8)[0] == 3, "IEEE floats"


def test_a_commit_pins_the_old_tables(
    hub: LoopbackHub,  # noqa: F811
    client: Client,  # noqa: F811
    ns1_built: Path,
    reference_built: Path,
) -> None:
    """From build to push to push again to load: each commit keeps giving its own tables, branch and default too."""
    pushed = client(
        """
        from deepstrf_hf import push

        first = push(old, repository, private=True)
        second = push(new, repository, private=True)
        push(old, repository, private=True, revision="next")
        report([first.commit, second.commit])
        """,
        token=TOKEN,
        arguments={"repository": REPOSITORY, "old": str(ns1_built), "new": str(reference_built)},
        extra=CLIENT,
    )
    read = (
        FINGERPRINT
        + """
from datasets import get_dataset_config_names, load_dataset
from deepstrf_hf import rows

def names(revision):
    options = {"split": "test", "revision": revision}
    stream = load_dataset(repository, "a1", streaming=True, **options)
    return [
        load_dataset(repository, "a1", **options).column_names,
        list(next(iter(stream))),
        sorted(get_dataset_config_names(repository, revision=revision)),
        "spectrogram" in next(iter(rows(repository, **options))),
        load(revision=revision),
    ]

report([names(revision) for revision in revisions])
"""
    )
    found = client(
        read, token=TOKEN, arguments={"repository": REPOSITORY, "revisions": [*pushed, pushed[0][:12], "next", None]}
    )
    old, new, short, branch, default = found
    assert old == short == branch
    assert new == default
    with_spectrogram = pq.read_schema(ns1_built / "a1" / "test-00000-of-00001.parquet").names
    without = [name for name in with_spectrogram if name != "spectrogram"]
    assert old[:2] == [with_spectrogram] * 2
    assert new[:2] == [without] * 2
    assert old[2] == ["a1", "a1-neurons", "a1-stimuli", "a1-waveform"]
    assert new[2] == ["a1", "a1-neurons", "a1-stimuli"]
    assert old[3] and new[3], "rows() attaches the stimulus in both"
    assert old[4] == new[4] == expected_fingerprint(ns1_built)


@pytest.mark.parametrize("token", [None, "hf_wrongSECRETtoken", "hf_mallory"])
def test_private_repository_without_access(
    repository: Repository,
    client: Client,  # noqa: F811
    token: str | None,
) -> None:
    """`load_dataset` raises its own errors, ours say how to log in; nobody prints the token."""
    found = client(
        """
        import deepstrf_hf, traceback
        from datasets import load_dataset
        from deepstrf_hf.repository import Repository

        def trace(function, *arguments):
            try:
                function(*arguments)
            except Exception:
                return traceback.format_exc()

        report({
            "load_dataset": attempt(load_dataset, repository, "a1"),
            "load": attempt(deepstrf_hf.load, repository),
            "rows": attempt(deepstrf_hf.rows, repository),
            "missing": attempt(deepstrf_hf.load, "deepstrf/nothing"),
            "explicit": attempt(lambda: len(deepstrf_hf.load(repository, token=right).stims)),
            "shown": repr(Repository.open(repository, token=right)),
            "trace": trace(deepstrf_hf.load, repository),
        })
        """,
        token=token,
        arguments={"repository": REPOSITORY, "right": TOKEN},
    )
    assert found["load_dataset"]["error"] in ("DatasetNotFoundError", "HfHubHTTPError")
    for name in ("load", "rows", "missing"):
        assert found[name]["error"] == "HubError", found[name]
        message = found[name]["message"]
        assert "hf auth login" in message and "HF_TOKEN" in message and "token=" in message
        assert ("deepstrf/nothing" if name == "missing" else REPOSITORY) in message
    assert found["explicit"]["value"] == 20, "a token that is given counts more than the one in the environment"
    assert TOKEN not in found["shown"]
    if token is not None:
        assert token not in str(found)


def test_gated_repository(hub: LoopbackHub, client: Client, ns1_built: Path) -> None:  # noqa: F811
    hub.add_repository(REPOSITORY, gated="manual").commit(read_files(ns1_built))
    found = client(
        "import deepstrf_hf\nreport([attempt(deepstrf_hf.load, repository, token=token) for token in (False, 'hf_mallory')])",
        arguments={"repository": REPOSITORY},
    )
    for result in found:
        assert result["error"] == "HubError"
        assert "permission" in result["message"]
        assert "ask for access" in result["message"]


# As a grid ------------------------------------------------------------------------------------------------------------


def test_load_equals_the_directory_fetches_what_it_needs_and_works_offline(
    hub: LoopbackHub,  # noqa: F811
    repository: Repository,
    client: Client,  # noqa: F811
    ns1_built: Path,
) -> None:
    arguments = {"repository": REPOSITORY, "directory": str(ns1_built)}
    found = client(
        FINGERPRINT
        + """
from huggingface_hub import HfApi

def described(grid):
    attributes = {name: getattr(grid, name) for name in ("dt", "F", "N_neurons")}
    return [fingerprint_of(grid), repr(grid.stim_meta), repr(grid.nrn_meta), repr(attributes)]

test = load(split="test")
HfApi().whoami()
both = load(config="a1")
HfApi().whoami()
again = load()
published = described(deepstrf_hf.load(repository, "a1"))
HfApi().whoami()
waveform = described(deepstrf_hf.load(repository, "a1", stimulus="waveform"))
HfApi().whoami()
report({
    "test": test, "both": both, "again": again,
    "published": published == described(deepstrf_hf.load(directory, "a1")),
    "waveform": waveform == described(deepstrf_hf.load(directory, "a1", stimulus="waveform")),
    "differ": len({published[0], waveform[0], both}),
})
""",
        token=TOKEN,
        arguments=arguments,
    )
    assert found["test"] == expected_fingerprint(ns1_built, ["test"])
    assert found["both"] == found["again"] == expected_fingerprint(ns1_built)
    assert found["published"], "the same grid as from the directory"
    assert found["waveform"]
    assert found["differ"] == 3, "smoothed, waveform and plain are three grids"
    test, both, again, waveform, nothing = steps(hub)
    companions = {f"a1-{table}/train-00000-of-00001.parquet" for table in ("stimuli", "neurons")}
    assert files_fetched(test) == {"README.md", "a1/test-00000-of-00001.parquet", *companions}
    assert files_fetched(both) - {"README.md"} == {"a1/train-00000-of-00001.parquet"}
    assert files_fetched(again) | files_fetched(waveform) <= {"README.md"}, "nothing is fetched twice"
    assert nothing == [], "a directory needs no Hub"
    hub.requests.clear()
    offline = client(
        FINGERPRINT
        + """
report({
    "both": load(), "test": load(split="test"),
    "other": attempt(load, "deepstrf/other"),
    "config": attempt(deepstrf_hf.rows, repository, "a1-waveform", split="test"),
})
""",
        arguments=arguments,
        offline=True,
    )
    assert len(hub.requests) == 0
    assert (offline["test"], offline["both"]) == (found["test"], found["both"])
    assert offline["other"]["error"] == offline["config"]["error"] == "HubError"
    assert "HF_HUB_OFFLINE" in offline["other"]["message"]


def test_offline_with_the_card_alone(repository: Repository, client: Client) -> None:  # noqa: F811
    """Whoever has looked at the card once and goes offline is told that the data are not in the cache."""
    arguments = {"repository": REPOSITORY}
    client(
        "from huggingface_hub import hf_hub_download\nhf_hub_download(repository, 'README.md', repo_type='dataset')",
        token=TOKEN,
        arguments=arguments,
    )
    found = client(FINGERPRINT + "report(attempt(load))", arguments=arguments, offline=True)
    assert found["error"] == "HubError", found
    assert "HF_HUB_OFFLINE" in found["message"]


def test_what_is_not_there(hub: LoopbackHub, repository: Repository, client: Client) -> None:  # noqa: F811
    """Repository, revision, configuration, split and file that do not exist, and ids that are none."""
    hub.add_repository("deepstrf/empty")
    hub.add_repository("deepstrf/prose").commit({"README.md": b"# No tables here\n"})
    broken = hub.add_repository("deepstrf/broken")
    main = {name: entry for name, entry in repository.resolve().files.items() if not name.startswith("a1-stimuli/")}
    broken.commit(main)
    found = client(
        """
        import deepstrf_hf

        def both(*arguments, **options):
            return [attempt(function, *arguments, **options) for function in (deepstrf_hf.load, deepstrf_hf.rows)]

        report({
            "repository": both("deepstrf/nothing"),
            "revision": both(repository, revision="v9"),
            "branch": both(repository, revision="no/branch"),
            "empty": both("deepstrf/empty"),
            "prose": both("deepstrf/prose"),
            "config": both(repository, "b1"),
            "split": both(repository, split="validation"),
            "id": both("deepstrf/ns1/a1"),
            "bad id": both("deepstrf--/ns1"),
            "file": [attempt(deepstrf_hf.load, "deepstrf/broken")],
            "no login": both(repository, token=True),
        })
        """,
        token=TOKEN,
        arguments={"repository": REPOSITORY},
        extra={"HF_HUB_DISABLE_IMPLICIT_TOKEN": "0"},
    )
    errors = {name: {result["error"] for result in results} for name, results in found.items()}
    messages = {name: " | ".join(result.get("message", "") for result in results) for name, results in found.items()}
    assert errors.pop("no login") == {None}, "the environment has a token"
    assert errors == {
        "repository": {"HubError"},
        "revision": {"HubError"},
        "branch": {"HubError"},
        "empty": {"HubError"},
        "prose": {"TableFormatError"},
        "config": {"UnknownNameError"},
        "split": {"UnknownNameError"},
        "id": {"TableFormatError"},
        "bad id": {"HubError"},
        "file": {"TableFormatError"},
    }
    assert all(message.count("Mend:") == len(found[name]) for name, message in messages.items() if name in (
        "repository", "revision", "branch", "empty", "prose", "bad id", "file",
    )), messages  # fmt: skip
    assert "check the name" in messages["repository"]
    assert "'v9'" in messages["revision"]
    assert "'no/branch'" in messages["branch"]
    assert "deepstrf-hf" in messages["empty"]
    assert "a1-stimuli/train-00000-of-00001.parquet" in messages["file"]
    assert messages["config"].count("one of: a1") == 2
    assert messages["split"].count("train, test") == 2


def test_token_required_but_absent(repository: Repository, client: Client) -> None:  # noqa: F811
    """``token=True`` without a login is told how to log in."""
    found = client(
        "import deepstrf_hf\nreport([attempt(f, repository, token=True) for f in (deepstrf_hf.load, deepstrf_hf.rows)])",
        arguments={"repository": REPOSITORY},
    )
    for result in found:
        assert result["error"] == "HubError", result
        assert "hf auth login" in result["message"]


NETWORK_FAULTS: dict[str, dict[str, Any]] = {
    "card-drop": {"method": "HEAD", "path_regex": r"/README\.md$", "close": True},
    "card-500": {"method": "HEAD", "path_regex": r"/README\.md$", "status": 500},
    "listing-drop": {"method": "GET", "path_regex": "/tree/", "close": True},
    "listing-500": {"method": "GET", "path_regex": "/tree/", "status": 500},
    "listing-403": {"method": "GET", "path_regex": "/tree/", "status": 403},
    "file-403": {"method": "GET", "path_regex": r"/a1/train-.*\.parquet$", "status": 403},
    "file-cut": {"method": "GET", "path_regex": r"/a1/train-.*\.parquet$", "after_bytes": 1000},
}
MENDED = {"card-500", "listing-drop", "listing-500", "file-cut"}
"""Faults that the clients may mend by themselves, by trying again."""


def test_network_faults(
    hub: LoopbackHub,  # noqa: F811
    repository: Repository,
    client: Client,  # noqa: F811
    ns1_built: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fault on the way is a `HubError`, and the same call made again gives the grid; nothing half-read is kept."""
    to_come, met, answer = list(NETWORK_FAULTS), [], hub.respond

    def answer_and_plan(record: Any, method: str, target: str, *arguments: Any) -> Any:
        if target == "/api/whoami-v2":
            met.append(hub.faults.pending() == 0)
            if to_come:
                hub.fail_next(**NETWORK_FAULTS[to_come.pop(0)])
        return answer(record, method, target, *arguments)

    monkeypatch.setattr(hub, "respond", answer_and_plan)
    found = client(
        FINGERPRINT
        + """
import shutil
from huggingface_hub import HfApi, constants

results = {}
for fault in faults:
    shutil.rmtree(constants.HF_HUB_CACHE, ignore_errors=True)
    HfApi().whoami()
    results[fault] = [attempt(load), attempt(load)]
HfApi().whoami()
report(results)
""",
        token=TOKEN,
        arguments={"repository": REPOSITORY, "faults": list(NETWORK_FAULTS)},
    )
    assert met == [True] * (len(NETWORK_FAULTS) + 1), "every fault was met"
    expected = expected_fingerprint(ns1_built)
    assert {fault: again.get("value") for fault, (_, again) in found.items()} == dict.fromkeys(found, expected)
    kinds = {
        fault: first["error"] if first["error"] or first["value"] != expected else "none"
        for fault, (first, _) in found.items()
    }
    allowed = {fault: {"HubError"} | ({"none"} if fault in MENDED else set()) for fault in NETWORK_FAULTS}
    wrong = {fault: found[fault][0] for fault, kind in kinds.items() if kind not in allowed[fault]}
    assert wrong == {}
    for first, _ in found.values():
        if first["error"]:
            assert REPOSITORY in first["message"]
            assert "Mend:" in first["message"]
