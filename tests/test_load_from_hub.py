"""Reading a pushed corpus: with the unmodified clients, and as a grid."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.io.wavfile
from PIL import Image

from deepstrf_hf.build import build
from tests.hub.client_env import ClientError, run_client
from tests.hub.fixtures import api_for, client, hub  # noqa: F401
from tests.hub.records import RequestRecord
from tests.hub.server import LoopbackHub
from tests.hub.storage import Repository
from tests.hub_helpers import (
    CLIENT,
    ENDS_BADLY,
    REPOSITORY,
    TOKEN,
    digest_of_rows,
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
        import datasets
        from datasets import load_dataset
        from tests.hub_helpers import digest_of_rows

        def stream(config, split, **options):
            return load_dataset(repository, config, split=split, streaming=True, **options)

        stimuli = stream("a1-stimuli", "train")
        stimuli = stimuli.cast_column("audio", datasets.Audio(decode=False))
        stimuli = stimuli.cast_column("picture", datasets.Image(decode=False))
        report({
            "rows": digest_of_rows(stream("a1", "test")),
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
    assert found["rows"] == digest_of_rows(test)
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
        values = np.array(spectrogram, np.float32)
        per_band = picture.height // len(values)
        assert (picture.width, picture.height) == (values.shape[1], per_band * len(values))
        grey = np.asarray(picture)[::-per_band]
        assert (grey.ravel()[values.argmax()], grey.ravel()[values.argmin()]) == (0, 255), (
            "low bands below, dark is loud"
        )


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


WITHOUT_ACCESS: dict[str, str | bool | None] = {
    "unknown": "hf_unknownSECRETtoken",
    "unknown, from the environment": None,
    "stranger": "hf_mallory",
    "anonymous": False,
    "login required, none there": True,
}
IN_ENVIRONMENT = "hf_environmentSECRETtoken"


@pytest.fixture(scope="module")
def refused(ns1_built: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, dict[str, Any]], str]:
    """Read a private and a gated repository without access; return the errors, and all that was written."""
    with LoopbackHub() as server:
        for name, organisations in (("alice", ["deepstrf"]), ("mallory", [])):
            server.add_user(name, f"hf_{name}", orgs=organisations)
        server.add_repository(REPOSITORY, private=True).commit(read_files(ns1_built))
        server.add_repository("deepstrf/gated", gated="manual").commit(read_files(ns1_built))
        with pytest.raises(ClientError) as ended:
            run_client(
                server,
                """
import json, os, traceback
import deepstrf_hf
from datasets import load_dataset
from deepstrf_hf.repository import Repository

def traced(token):
    try:
        deepstrf_hf.load(repository, token=token)
    except Exception:
        return traceback.format_exc()

results = {}
for kind, token in tokens.items():
    if token is True:
        del os.environ["HF_TOKEN"]
    results[kind] = {
        "load_dataset": attempt(load_dataset, repository, "a1", token=token),
        "load": attempt(deepstrf_hf.load, repository, token=token),
        "rows": attempt(deepstrf_hf.rows, repository, token=token),
        "missing": attempt(deepstrf_hf.load, "deepstrf/nothing", token=token),
        "gated": attempt(deepstrf_hf.load, "deepstrf/gated", token=token),
        "trace": traced(token),
    }
os.environ["HF_TOKEN"] = wrong
results["access"] = {
    "stimuli": attempt(lambda: len(deepstrf_hf.load(repository, token=right).stims)),
    "shown": repr(Repository.open(repository, token=right)),
}
report(results)
"""
                + ENDS_BADLY,
                home=tmp_path_factory.mktemp("refused"),
                token=IN_ENVIRONMENT,
                arguments={
                    "repository": REPOSITORY, "tokens": WITHOUT_ACCESS, "right": TOKEN, "wrong": IN_ENVIRONMENT,
                },
            )  # fmt: skip
        assert ended.value.status == 1, str(ended.value)
        assert server.internal_errors == []
        found = json.loads(ended.value.stdout.splitlines()[-1])
        return found, ended.value.stdout + ended.value.stderr


@pytest.mark.parametrize("kind", WITHOUT_ACCESS)
def test_repository_without_access(refused: tuple[dict[str, dict[str, Any]], str], kind: str) -> None:
    """`load_dataset` raises errors of its own; ours say how to log in."""
    results = refused[0][kind]
    assert results["load_dataset"]["error"] is not None
    for name in ("load", "rows", "missing"):
        assert results[name]["error"] == "HubError", results[name]
        message = results[name]["message"]
        assert ("deepstrf/nothing" if name == "missing" else REPOSITORY) in message
        assert "hf auth login" in message
        assert "HF_TOKEN" in message
        assert "token=" in message
    assert results["gated"]["error"] == "HubError"
    if kind in ("stranger", "anonymous"):
        assert "permission" in results["gated"]["message"]
        assert "ask for access" in results["gated"]["message"]


def test_tokens_are_never_written(refused: tuple[dict[str, dict[str, Any]], str]) -> None:
    found, written = refused
    assert found["access"]["stimuli"]["value"] == 20, "the token that is given counts, not that of the environment"
    for token in (TOKEN, IN_ENVIRONMENT, *(token for token in WITHOUT_ACCESS.values() if isinstance(token, str))):
        assert token not in written
        assert token not in str(found)
    assert "SECRET" not in written


# As a grid ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Visits:
    """What a client found online, the requests of each step, what it found offline later, and those requests."""

    online: dict[str, Any]
    steps: list[list[RequestRecord]]
    offline: dict[str, Any]
    requests_offline: int


@pytest.fixture(scope="module")
def visits(ns1_built: Path, tmp_path_factory: pytest.TempPathFactory) -> Visits:
    """Load a private repository online, and again offline with the same cache."""
    home = tmp_path_factory.mktemp("visits")
    arguments = {"repository": REPOSITORY, "directory": str(ns1_built)}
    with LoopbackHub() as server:
        server.add_user("alice", TOKEN, orgs=["deepstrf"])
        for name in (REPOSITORY, "deepstrf/other"):
            server.add_repository(name, private=True).commit(read_files(ns1_built))
        online = run_client(
            server,
            FINGERPRINT
            + """
from huggingface_hub import HfApi, hf_hub_download

def described(source, **options):
    grid = deepstrf_hf.load(source, "a1", **options)
    attributes = {name: getattr(grid, name) for name in ("dt", "F", "N_neurons", "audio_fs", "hop")}
    return [fingerprint_of(grid), repr(grid.stim_meta), repr(grid.nrn_meta), repr(attributes)]

found = {"test": load(split="test")}
HfApi().whoami()
found["both"] = load(config="a1")
HfApi().whoami()
found["again"] = load()
published = described(repository)
HfApi().whoami()
waveform = described(repository, stimulus="waveform")
HfApi().whoami()
found["published"] = published == described(directory)
found["waveform"] = waveform == described(directory, stimulus="waveform")
HfApi().whoami()
hf_hub_download("deepstrf/other", "README.md", repo_type="dataset")
report({**found, "different": len({published[0], waveform[0], found["both"]})})
""",
            home=home,
            token=TOKEN,
            arguments=arguments,
        )
        records = steps(server)
        server.requests.clear()
        offline = run_client(
            server,
            FINGERPRINT
            + """
report({
    "both": load(), "test": load(split="test"),
    "never seen": attempt(load, "deepstrf/nothing"),
    "card alone": attempt(load, "deepstrf/other"),
    "rows": attempt(deepstrf_hf.rows, repository, "a1-waveform", split="test"),
})
""",
            home=home,
            arguments=arguments,
            offline=True,
        )
        assert server.internal_errors == []
        return Visits(online, records, offline, len(server.requests))


def test_load_equals_the_directory(visits: Visits, ns1_built: Path) -> None:
    assert visits.online["test"] == expected_fingerprint(ns1_built, ["test"])
    assert visits.online["both"] == visits.online["again"] == expected_fingerprint(ns1_built)
    assert visits.online["published"], "the same grid as from the directory"
    assert visits.online["waveform"]
    assert visits.online["different"] == 3, "smoothed, waveform and plain are three grids"


def test_load_fetches_what_it_needs(visits: Visits) -> None:
    test, both, again, waveform, directory, _ = visits.steps
    companions = {f"a1-{table}/train-00000-of-00001.parquet" for table in ("stimuli", "neurons")}
    assert files_fetched(test) == {"README.md", "a1/test-00000-of-00001.parquet", *companions}
    assert files_fetched(both) - {"README.md"} == {"a1/train-00000-of-00001.parquet"}
    assert files_fetched(again) | files_fetched(waveform) <= {"README.md"}, "nothing is fetched twice"
    assert directory == [], "a directory needs no Hub"


def test_load_works_offline(visits: Visits) -> None:
    assert visits.requests_offline == 0
    assert visits.offline["test"] == visits.online["test"]
    assert visits.offline["both"] == visits.online["both"]


@pytest.mark.parametrize("what", ["never seen", "card alone", "rows"])
def test_what_is_not_in_the_cache_is_told_offline(visits: Visits, what: str) -> None:
    """Whoever has never loaded something, or only looked at its card, and goes offline is told the reason."""
    assert visits.offline[what]["error"] == "HubError", visits.offline[what]
    assert "HF_HUB_OFFLINE" in visits.offline[what]["message"]


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
            "login": both(repository, token=True),
        })
        """,
        token=TOKEN,
        arguments={"repository": REPOSITORY},
    )
    errors = {name: {result["error"] for result in results} for name, results in found.items()}
    messages = {name: " | ".join(result.get("message", "") for result in results) for name, results in found.items()}
    assert errors.pop("login") == {None}, "the environment has a token"
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
        "file": {"HubError"},
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


NETWORK_FAULTS: dict[str, dict[str, Any]] = {
    "card-drop": {"method": "HEAD", "path_regex": r"/.*/README\.md$", "close": True},
    "card-500": {"method": "HEAD", "path_regex": r"/.*/README\.md$", "status": 500},
    "listing-drop": {"method": "GET", "path_regex": "/tree/", "close": True},
    "listing-500": {"method": "GET", "path_regex": "/tree/", "status": 500},
    "listing-403": {"method": "GET", "path_regex": "/tree/", "status": 403},
    "file-403": {"method": "GET", "path_regex": r"/.*/a1/train-.*\.parquet$", "status": 403},
    "file-cut": {"method": "GET", "path_regex": r"/.*/a1/train-.*\.parquet$", "after_bytes": 1000},
    "rows-information-drop": {"method": "GET", "path_regex": "(/revision/[^/]*)?$", "close": True},
    "rows-file-403": {"method": "GET", "path_regex": r"/.*/a1/test-.*\.parquet$", "status": 403},
}


@pytest.fixture(scope="module")
def calls_with_faults(
    ns1_built: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, list[dict[str, Any]]], int]:
    """Load twice from one repository for each fault; the first call meets it. Return results and faults not met."""
    files = read_files(ns1_built)
    with LoopbackHub() as server:
        for fault, plan in NETWORK_FAULTS.items():
            server.add_repository(f"deepstrf/{fault}").commit(files)
            prefix = f"^(/api)?/datasets/deepstrf/{fault}"
            server.fail_next(**{**plan, "path_regex": prefix + plan["path_regex"]})
        found = run_client(
            server,
            """
            import deepstrf_hf
            from tests.hub_helpers import fingerprint_of

            def load(repository):
                if "rows" in repository:
                    return [row["neuron_id"] for row in deepstrf_hf.rows(repository, split="test", streaming=False)]
                return fingerprint_of(deepstrf_hf.load(repository, preprocessing=None))

            names = {fault: f"deepstrf/{fault}" for fault in faults}
            report({fault: [attempt(load, name), attempt(load, name)] for fault, name in names.items()})
            """,
            home=tmp_path_factory.mktemp("faults"),
            arguments={"faults": list(NETWORK_FAULTS)},
        )
        assert server.internal_errors == []
        return found, server.faults.pending()


@pytest.mark.parametrize("fault", NETWORK_FAULTS)
def test_network_fault_is_an_error_and_the_repeat_works(
    calls_with_faults: tuple[dict[str, list[dict[str, Any]]], int], ns1_built: Path, fault: str
) -> None:
    """A fault is mended by trying again or a `HubError`; the next call succeeds, so nothing half-read was kept."""
    results, pending = calls_with_faults
    assert pending == 0, "every fault was met"
    first, again = results[fault]
    if fault.startswith("rows-"):
        stored = pq.read_table(ns1_built / "a1" / "test-00000-of-00001.parquet", columns=["neuron_id"])
        expected: Any = stored.column("neuron_id").to_pylist()
    else:
        expected = expected_fingerprint(ns1_built)
    assert again["error"] is None, again
    assert again["value"] == expected
    if first["error"] is None:
        assert first["value"] == expected
    else:
        assert first["error"] == "HubError", first
        assert f"deepstrf/{fault}" in first["message"]
        assert "Mend:" in first["message"]
