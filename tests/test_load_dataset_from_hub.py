"""Reading a pushed corpus with the unmodified clients."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.io.wavfile
from PIL import Image

from tests.hub.client_env import ClientError, run_client
from tests.hub.fixtures import api_for, client, hub  # noqa: F401
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
)
from tests.reading_helpers import (  # noqa: F401
    FINGERPRINT,
    ROWS,
    Client,
    reference_built,
    repository,
)


def test_load_dataset_gives_what_the_directory_holds(
    repository: Repository,
    client: Client,
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


def test_streaming(hub: LoopbackHub, repository: Repository, client: Client, ns1_built: Path) -> None:
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
    client: Client,
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
    hub: LoopbackHub,
    client: Client,
    ns1_built: Path,
    reference_built: Path,
) -> None:
    """From build to push to push again to load: each commit keeps giving its own tables, branch and default too."""
    pushed = client(
        """
        from deepstrf_hf import push

        first = push(old, repository, private=True)
        second = push(new, repository, private=True, replace_tag=True)
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
