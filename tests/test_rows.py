"""`rows`: every row with its stimulus, whether the build stores it inline or by reference."""

from __future__ import annotations

import contextlib
import io
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from deepstrf_hf import build, rows
from deepstrf_hf.errors import DeepstrfError, TableFormatError, UnknownNameError
from tests.hub.fixtures import api_for, client, hub  # noqa: F401
from tests.hub.server import LoopbackHub
from tests.hub_helpers import CLIENT, REPOSITORY, TOKEN, digest_of_rows, files_of, read_files, rewrite

Client = Callable[..., Any]
KINDS = ("inline", "reference")
SPLITS = {"train": 80, "test": 20}


@pytest.fixture(scope="module")
def reference_built(ns1_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a build whose main table refers to its stimuli; with the waveform configuration."""
    out = tmp_path_factory.mktemp("reference") / "ns1"
    build("ns1", data_dir=ns1_raw, out=out, on_error="skip", stimulus="reference", waveform=True)
    return out


@pytest.fixture(scope="module")
def built(ns1_built: Path, reference_built: Path) -> dict[str, Path]:
    """Return the directories by the way they store the stimulus."""
    return {"inline": ns1_built, "reference": reference_built}


@pytest.fixture(scope="module")
def stored(ns1_built: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the inline main table by split, read with nothing but pyarrow."""
    return {split: pq.read_table(files_of(ns1_built, "a1", split)).to_pylist() for split in SPLITS}


@pytest.fixture(autouse=True)
def _quiet() -> None:
    datasets.disable_progress_bars()


def test_reference_build_has_no_spectrogram_in_its_main_table(built: dict[str, Path]) -> None:
    names = {
        kind: {split: pq.read_schema(files_of(directory, "a1", split)[0]).names for split in SPLITS}
        for kind, directory in built.items()
    }
    for split in SPLITS:
        assert "spectrogram" not in names["reference"][split]
        without = [name for name in names["inline"][split] if name != "spectrogram"]
        assert names["reference"][split] == without
        assert len(without) == len(names["inline"][split]) - 1
    for directory in built.values():
        assert "spectrogram" in pq.read_schema(files_of(directory, "a1-stimuli", "train")[0]).names
    card = yaml.safe_load((built["reference"] / "README.md").read_text().split("---\n")[1])
    columns = {info["config_name"]: [column["name"] for column in info["features"]] for info in card["dataset_info"]}
    assert columns["a1"] == names["reference"]["train"]


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_those_of_the_inline_table(
    built: dict[str, Path], stored: dict[str, list[dict[str, Any]]], kind: str, streaming: bool
) -> None:
    """The same rows in the same order with the same columns in the same order, of one split or of all."""
    by_split = rows(built[kind], "a1", streaming=streaming)
    assert list(by_split) == ["train", "test"]
    one = rows(str(built[kind]), split="test", streaming=streaming)
    for split, dataset in (*by_split.items(), ("test", one)):
        assert isinstance(dataset, datasets.IterableDataset if streaming else datasets.Dataset)
        found = list(dataset)
        assert len(found) == SPLITS[split]
        assert found == stored[split]
        assert [list(row) for row in found] == [list(row) for row in stored[split]], "columns in the same order"


def test_streamed_reference_is_described_like_inline(built: dict[str, Path]) -> None:
    """Features and names of columns are those of the inline table: code that looks at them works for every corpus."""
    inline, reference = (rows(built[kind], "a1", split="test") for kind in KINDS)
    assert reference.column_names == inline.column_names
    assert reference.features == inline.features


@pytest.mark.parametrize("kind", KINDS)
def test_map_style_rows_can_be_picked_and_sent_to_workers(
    built: dict[str, Path], stored: dict[str, list[dict[str, Any]]], kind: str
) -> None:
    dataset = rows(built[kind], "a1", split="test", streaming=False)
    assert len(dataset) == 20
    assert dataset[7] == stored["test"][7]
    assert dataset[-1] == stored["test"][-1]
    batch = dataset[[3, 0, 3]]
    for name in stored["test"][0]:
        assert batch[name] == [stored["test"][index][name] for index in (3, 0, 3)]
    assert dataset.select([5, 4])[0] == stored["test"][5]
    assert pickle.loads(pickle.dumps(dataset))[9] == stored["test"][9]  # noqa: S301 - made here
    assert dataset["neuron_id"][:] == [row["neuron_id"] for row in stored["test"]]


@pytest.mark.parametrize("kind", KINDS)
def test_streamed_rows_can_be_piped(built: dict[str, Path], stored: dict[str, list[dict[str, Any]]], kind: str) -> None:
    """Streamed rows can be skipped, filtered, mapped, shown as NumPy arrays, and read twice."""
    dataset = rows(built[kind], "a1", split="test")
    test = stored["test"]
    assert list(dataset.skip(18)) == test[18:]
    neuron = test[3]["neuron_id"]
    assert list(dataset.filter(lambda row: row["neuron_id"] == neuron)) == [
        row for row in test if row["neuron_id"] == neuron
    ]
    loudest = list(dataset.map(lambda row: {"loudest": max(map(max, row["spectrogram"]))}))
    assert [row["loudest"] for row in loudest] == [max(map(max, row["spectrogram"])) for row in test]
    array = next(iter(dataset.with_format("numpy")))["spectrogram"]
    np.testing.assert_array_equal(array, np.array(test[0]["spectrogram"], np.float32))
    assert list(dataset) == test, "a second pass gives the same"


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_waveform_rows(built: dict[str, Path], kind: str, streaming: bool) -> None:
    """The waveform variant carries its stimulus already, whatever the main table does."""
    dataset = rows(built[kind], "a1-waveform", split="test", streaming=streaming)
    assert "spectrogram" not in dataset.column_names
    undecoded = dataset.cast_column("audio", datasets.Audio(decode=False))
    expected = pq.read_table(files_of(built[kind], "a1-waveform", "test")).to_pylist()
    assert list(undecoded) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_names_that_do_not_exist(built: dict[str, Path], kind: str, tmp_path: Path) -> None:
    directory = built[kind]
    with pytest.raises(UnknownNameError, match="a2.*did you mean 'a1'") as refused:
        rows(directory, "a2")
    assert str(directory) in str(refused.value)
    for name in ("a1-neurons", "a1-stimuli"):
        with pytest.raises(UnknownNameError, match=name):
            rows(directory, name)
    with pytest.raises(UnknownNameError, match="a2-waveform.*a1-waveform"):
        rows(directory, "a2-waveform")
    for config in ("a1", "a1-waveform"):
        with pytest.raises(UnknownNameError, match="'tst'.*train, test"):
            rows(directory, config, split="tst")
    with pytest.raises(TableFormatError, match="[Nn]either a directory nor"):
        rows(tmp_path / "nothing")
    with pytest.raises(TableFormatError, match="not a corpus that deepstrf-hf built"):
        rows(tmp_path)


def test_stimulus_that_is_not_in_its_table(ns1_raw: Path, tmp_path: Path) -> None:
    """A build without the waveform variant says so; a row whose stimulus is missing says which, as `load` does."""
    directory = tmp_path / "ns1"
    build("ns1", data_dir=ns1_raw, out=directory, on_error="skip", stimulus="reference")
    with pytest.raises(UnknownNameError, match="a1-waveform"):
        rows(directory, "a1-waveform")
    (path,) = files_of(directory, "a1-stimuli", "train")
    names = pq.read_table(path).column("stim_id").to_pylist()
    rewrite(path, lambda table: table.set_column(0, "stim_id", pa.array(["renamed", *names[1:]])))
    for streaming in (True, False):
        with pytest.raises(DeepstrfError, match=re.escape(names[0])):
            list(rows(directory, "a1", split="train", streaming=streaming))


def test_rows_from_the_hub(
    hub: LoopbackHub,  # noqa: F811
    client: Client,  # noqa: F811
    built: dict[str, Path],
    stored: dict[str, list[dict[str, Any]]],
) -> None:
    """Both ways of storing give the same rows from a private repository, streamed or not, of a branch too."""
    names = {kind: f"deepstrf/{kind}" for kind in KINDS}
    for kind, name in names.items():
        repository = hub.add_repository(name, private=True)
        repository.commit(read_files(built[kind]))
        repository.create_reference(repository.branches, "old", "main")
        repository.commit({"README.md": b"# Nothing is left\n"}, title="emptied")
    found = client(
        """
        from deepstrf_hf import rows
        from tests.hub_helpers import digest_of_rows

        def read(name, split, streaming):
            options = {"streaming": streaming, "revision": "old", "token": token}
            dataset = rows(name, "a1", **options)[split] if split == "train" else rows(name, split=split, **options)
            return digest_of_rows(dataset)

        errors = [
            attempt(rows, names["reference"], revision="old"),
            attempt(rows, names["reference"], revision="older", token=token),
            attempt(rows, names["reference"], revision="main", token=token),
            attempt(rows, names["reference"], "a2", revision="old", token=token),
        ]
        content = {
            f"{kind} {split} {streaming}": read(name, split, streaming)
            for kind, name in names.items() for split in ("train", "test") for streaming in (True, False)
        }
        report({"errors": errors, "rows": content})
        """,
        arguments={"names": names, "token": TOKEN},
        extra=CLIENT,
    )
    expected = {split: digest_of_rows(content) for split, content in stored.items()}
    assert found["rows"] == {name: expected[name.split()[1]] for name in found["rows"]}
    assert len(found["rows"]) == 8
    kinds = [result["error"] for result in found["errors"]]
    assert kinds == ["HubError", "HubError", "TableFormatError", "UnknownNameError"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_snippets_of_the_card_run(
    built: dict[str, Path], stored: dict[str, list[dict[str, Any]]], kind: str
) -> None:
    """What the card tells people to type works as it stands, with the directory in place of the repository."""
    card = (built[kind] / "README.md").read_text()
    snippets = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert len(snippets) == 2
    names: dict[str, Any] = {}
    for snippet in snippets:
        assert f'"{REPOSITORY}"' in snippet
        with contextlib.redirect_stdout(io.StringIO()):
            exec(snippet.replace(REPOSITORY, str(built[kind])), names)
    assert len(names["rows"]) == 80
    first = stored["train"][0]
    assert names["rows"][0]["stim_id"] == first["stim_id"]
    assert names["rows"][0]["response"] == first["response"]
    if kind == "reference":
        assert names["spectrogram"] == first["spectrogram"]
        last = names["rows"][79]
        assert names["stimuli"][names["place"][last["stim_id"]]]["spectrogram"] == stored["train"][79]["spectrogram"]
    else:
        assert names["rows"][0]["spectrogram"] == first["spectrogram"]
    assert names["grid"].stims[0].shape[0] == 1
    assert len(names["grid"].stims) == 20
