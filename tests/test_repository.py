"""The index of a directory or repository, and the card that it is read from."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from datasets.utils.info_utils import NonMatchingSplitsSizesError
from huggingface_hub import DatasetCard

from deepstrf_hf import build
from deepstrf_hf.errors import DeepstrfError, TableFormatError, UnknownNameError
from deepstrf_hf.grid.load import load
from deepstrf_hf.repository import Repository
from tests.hub.fixtures import api_for, client, hub  # noqa: F401
from tests.hub.server import LoopbackHub
from tests.hub_helpers import CLIENT, REPOSITORY, files_of, provenance_of, read_files, rewrite, with_provenance

Client = Callable[..., Any]


@pytest.fixture
def copy(ns1_built: Path, tmp_path: Path) -> Path:
    """Return a copy of the build that a test may change; without the files of the waveform configuration."""
    target = tmp_path / "ns1"
    for name, content in read_files(ns1_built).items():
        if "waveform" not in name:
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return target


def metadata_of(directory: Path) -> dict[str, Any]:
    """Read the metadata block of a card."""
    text = (directory / "README.md").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return found


# The index ------------------------------------------------------------------------------------------------------------


def test_index_of_a_build(ns1_built: Path) -> None:
    """Configurations, splits, files and columns are those on disk, whatever a path is written as."""
    for source in (ns1_built, str(ns1_built)):
        repository = Repository.open(source)
        assert repository.default == "a1"
        assert sorted(repository.configs) == ["a1", "a1-neurons", "a1-stimuli", "a1-waveform"]
        named = {name for splits in repository.configs.values() for files in splits.values() for name in files}
        assert named == {name for name in read_files(ns1_built) if name.endswith(".parquet")}
        for config, splits in repository.configs.items():
            for split in splits:
                files = repository.files(config, split)
                assert files == files_of(ns1_built, config, split)
                assert list(repository.columns(config)) == pq.read_schema(files[0]).names
        assert [path.name[:4] for path in repository.files("a1")] == ["trai", "test"]
        assert repository.main_config(None) == repository.main_config("a1") == "a1"


def test_names_that_do_not_exist(ns1_built: Path) -> None:
    repository = Repository.open(ns1_built)
    with pytest.raises(UnknownNameError, match="'a11'.*one of: a1.*did you mean 'a1'"):
        repository.main_config("a11")
    with pytest.raises(UnknownNameError, match="a1-stimuli.*Expected:.*a1"):
        repository.main_config("a1-stimuli")
    with pytest.raises(UnknownNameError, match="'a1-stimulus'.*did you mean 'a1-stimuli'"):
        repository.check_config("a1-stimulus")
    with pytest.raises(UnknownNameError, match="'a1-neuron'.*did you mean 'a1-neurons'"):
        repository.files("a1-neuron")
    with pytest.raises(UnknownNameError, match="'trian'.*one of: train, test.*did you mean 'train'"):
        repository.files("a1", "trian")
    with pytest.raises(UnknownNameError, match="'nothing'"):
        repository.columns("nothing")
    with pytest.raises(UnknownNameError, match="'A1'.*did you mean 'a1'"):
        load(ns1_built, "A1")


def _with_card(text: str) -> Callable[[Path], object]:
    return lambda directory: (directory / "README.md").write_text(text, encoding="utf-8")


BROKEN: dict[str, Callable[[Path], object]] = {
    "no card": lambda directory: None,
    "empty card": _with_card(""),
    "prose": _with_card("# A corpus\n\nNothing but prose.\n"),
    "without configurations": _with_card("---\nlicense: unknown\n---\n# A corpus\n"),
    "without features": _with_card(
        "---\nconfigs:\n- config_name: a1\n  data_files:\n  - split: train\n    path: [x]\n---\n"
    ),
    "empty configurations": _with_card("---\nconfigs: []\ndataset_info: []\n---\n"),
    "configurations are text": _with_card("---\nconfigs: a1\ndataset_info: a1\n---\n"),
    "metadata are a list": _with_card("---\n- a1\n---\n"),
    "metadata are text": _with_card("---\na1\n---\n"),
    "broken YAML": _with_card("---\nconfigs: [\n---\n# A corpus\n"),
    "metadata without end": _with_card("---\nconfigs: []\n# A corpus\n"),
    "no text": lambda directory: (directory / "README.md").write_bytes(b"---\n\xff\xfe\n---\n"),
    "a directory": lambda directory: (directory / "README.md").mkdir(),
    "patterns of somebody else": _with_card(
        "---\nconfigs:\n- config_name: one\n  data_files:\n  - split: train\n    path: one/train-*\n"
        "dataset_info:\n- config_name: one\n  features:\n  - name: x\n    dtype: int64\n---\n"
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_card_that_is_not_ours(tmp_path: Path, kind: str) -> None:
    BROKEN[kind](tmp_path)
    for function in (Repository.open, load):
        with pytest.raises(TableFormatError, match="not a corpus that deepstrf-hf built.*Mend:") as refused:
            function(tmp_path)
        assert str(tmp_path) in str(refused.value)
        assert "README.md" in str(refused.value)


@pytest.mark.parametrize("source", ["nothing here", "./missing", "missing", "a/b/c", "~/missing/directory"])
def test_neither_directory_nor_repository(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(TableFormatError, match="Neither a directory.*owner/name"):
        Repository.open(source)
    with pytest.raises(TableFormatError, match="Neither a directory"):
        Repository.open(tmp_path / "file")


def test_missing_file(copy: Path) -> None:
    missing = copy / "a1" / "test-00000-of-00001.parquet"
    missing.unlink()
    with pytest.raises(TableFormatError, match="missing") as refused:
        load(copy)
    assert str(missing) in str(refused.value)
    assert len(load(copy, split="train").stims) == 16, "the other split needs it not"


def _later_version(path: Path) -> None:
    provenance = provenance_of(path)
    assert provenance["table_version"] == 1
    table = with_provenance(pq.read_table(path), {**provenance, "table_version": 99})
    pq.write_table(table, path)


@pytest.mark.parametrize("split", ["train", "test"])
def test_tables_of_a_later_version(copy: Path, split: str) -> None:
    (path,) = files_of(copy, "a1", split)
    _later_version(path)
    for options in ({"split": split}, {"split": split, "stimulus": "waveform"}):
        with pytest.raises(TableFormatError, match="later version.*99.*at most 1.*upgrade deepstrf-hf"):
            load(copy, "a1", **options)


@pytest.mark.parametrize("provenance", [None, b"{", b"{}", b"[]"])
def test_parquet_files_of_somebody_else(copy: Path, provenance: bytes | None) -> None:
    """Files without provenance, or with one that is broken, are not ours."""
    (path,) = files_of(copy, "a1", "train")
    table = pq.read_table(path)
    metadata = {key: value for key, value in table.schema.metadata.items() if key != b"deepstrf_hf"}
    if provenance is not None:
        metadata[b"deepstrf_hf"] = provenance
    pq.write_table(table.replace_schema_metadata(metadata), path)
    with pytest.raises(TableFormatError, match="deepstrf") as refused:
        load(copy)
    assert str(copy) in str(refused.value)


def test_parquet_file_that_is_broken(copy: Path) -> None:
    (path,) = files_of(copy, "a1", "train")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(TableFormatError, match="Not a readable Parquet file") as refused:
        load(copy)
    assert str(path) in str(refused.value)


def test_tables_that_do_not_fit_each_other(copy: Path) -> None:
    """A neuron or stimulus that its companion table lacks, and responses that are shorter than their row states."""
    for config, column in (("a1-neurons", "neuron_id"), ("a1-stimuli", "stim_id")):
        (path,) = files_of(copy, config, "train")
        before = path.read_bytes()
        names = pq.read_table(path).column(column).to_pylist()
        renamed = pa.array(["renamed", *names[1:]])
        rewrite(path, lambda table, column=column, renamed=renamed: table.set_column(0, column, renamed))
        with pytest.raises(TableFormatError, match=f"{column}.*{re.escape(names[0])}"):
            load(copy)
        path.write_bytes(before)
    (path,) = files_of(copy, "a1", "test")
    for change in (-1, 1):
        before = path.read_bytes()

        def with_other_trials(table: pa.Table, change: int = change) -> pa.Table:
            place = table.column_names.index("n_trials")
            trials = [number + change for number in table.column("n_trials").to_pylist()]
            return table.set_column(place, table.schema.field("n_trials"), pa.array(trials, pa.int32()))

        rewrite(path, with_other_trials)
        with pytest.raises(DeepstrfError, match="trials"):
            load(copy)
        path.write_bytes(before)


# The card -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_cohorts(ns1_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a build of two variants, stored by reference."""
    out = tmp_path_factory.mktemp("two") / "ns1"
    for parameters in ({}, {"dt_ms": 20.0}):
        build("ns1", data_dir=ns1_raw, out=out, on_error="skip", stimulus="reference", parameters=parameters)
    return out


@pytest.fixture(params=["ns1_built", "two_cohorts"])
def directory(request: pytest.FixtureRequest) -> Path:
    """Return one build after the other."""
    found: Path = request.getfixturevalue(request.param)
    return found


def test_card_agrees_with_the_files(directory: Path) -> None:
    """Configurations, rows, columns and sizes of the metadata block are those of the Parquet files."""
    metadata = metadata_of(directory)
    files = {name for name in read_files(directory) if name.endswith(".parquet")}
    configs = {entry["config_name"]: entry for entry in metadata["configs"]}
    infos = {entry["config_name"]: entry for entry in metadata["dataset_info"]}
    assert set(configs) == set(infos) == {name.split("/")[0] for name in files}
    assert [name for name, entry in configs.items() if entry.get("default")] == ["a1"]
    named: list[str] = []
    for config, entry in configs.items():
        info = infos[config]
        assert [part["split"] for part in entry["data_files"]] == [split["name"] for split in info["splits"]]
        for part, split in zip(entry["data_files"], info["splits"], strict=True):
            assert [Path(name) for name in part["path"]] == [
                path.relative_to(directory) for path in files_of(directory, config, part["split"])
            ]
            named += part["path"]
            assert split["num_examples"] == sum(pq.read_metadata(directory / name).num_rows for name in part["path"])
            for name in part["path"]:
                assert [column["name"] for column in info["features"]] == pq.read_schema(directory / name).names
        parts = [name for part in entry["data_files"] for name in part["path"]]
        assert info["download_size"] == sum((directory / name).stat().st_size for name in parts)
        assert info["dataset_size"] == sum(split["num_bytes"] for split in info["splits"])
    assert sorted(named) == sorted(files), "each file once"
    assert metadata["license"] == "unknown"


def test_load_dataset_verifies_the_card(directory: Path) -> None:
    """`load_dataset` checks sizes and checksums against the card, and its features are those of the card."""
    datasets.disable_progress_bars()
    for info in metadata_of(directory)["dataset_info"]:
        config = info["config_name"]
        loaded = datasets.load_dataset(str(directory), config, verification_mode="all_checks")
        assert {name: len(rows) for name, rows in loaded.items()} == {
            split["name"]: split["num_examples"] for split in info["splits"]
        }
        for rows in loaded.values():
            assert list(rows.features) == [column["name"] for column in info["features"]]
            assert rows.features == datasets.Features._from_yaml_list(info["features"])
            media = {
                name: type(feature).__name__
                for name, feature in rows.features.items()
                if isinstance(feature, (datasets.Audio, datasets.Image))
            }
            expected = {"stimuli": {"audio": "Audio", "picture": "Image"}, "waveform": {"audio": "Audio"}}
            assert media == expected.get(config.rpartition("-")[2], {})


def test_wrong_number_in_the_card_is_noticed(copy: Path) -> None:
    """The check above can fail."""
    card = copy / "README.md"
    card.write_text(card.read_text().replace("num_examples: 80", "num_examples: 81"))
    with pytest.raises(NonMatchingSplitsSizesError, match="num_examples=81"):
        datasets.load_dataset(str(copy), "a1", verification_mode="all_checks")


def test_card_is_valid(
    hub: LoopbackHub,  # noqa: F811
    client: Client,  # noqa: F811
    ns1_built: Path,
    two_cohorts: Path,
) -> None:
    """The Hub's own client reads the card from disk and from the Hub, and the Hub finds nothing wrong with it."""
    hub.add_repository(REPOSITORY).commit(read_files(ns1_built))
    found = client(
        """
        from huggingface_hub import DatasetCard

        result = []
        for source in (*directories, repository):
            card = DatasetCard.load(source if source == repository else f"{source}/README.md")
            card.validate()
            result.append([card.data.license, card.data.pretty_name, [c["config_name"] for c in card.data.configs]])
        report(result)
        """,
        arguments={"directories": [str(ns1_built), str(two_cohorts)], "repository": REPOSITORY},
        extra=CLIENT,
    )
    inline, reference, remote = found
    assert inline == remote
    assert inline[:2] == reference[:2] == ["unknown", "NS1: natural sounds in ferret primary auditory cortex"]
    assert set(inline[2]) == {"a1", "a1-stimuli", "a1-neurons", "a1-waveform"}
    assert set(reference[2]) == {
        f"a1{variant}{table}" for variant in ("", "-dt20") for table in ("", "-stimuli", "-neurons")
    }
    assert [record.status for record in hub.requests.records("POST", "/api/validate-yaml")] == [200] * 3
    body = DatasetCard.load(two_cohorts / "README.md").text
    for part in ("# NS1", "https://osf.io/ayw2p/", "10.1371/journal.pcbi.1005113", "Nobody has verified", "a1-dt20"):
        assert part in body
    assert re.search(r"\| (None|nan) \|", body) is None, "a cell that shows Python's word for nothing"
