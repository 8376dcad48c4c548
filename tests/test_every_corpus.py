"""What holds for every corpus: declaration, tables, grid, bad input. A new one gets it by a line in `every_corpus`."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
import pytest
import soundfile
from huggingface_hub import DatasetCard
from PIL import Image

import deepstrf_hf
from deepstrf_hf import build, load, neural_collate, stream
from deepstrf_hf import parquet as parquet_module
from deepstrf_hf.columns import stimulus_columns
from deepstrf_hf.corpus import Corpus
from deepstrf_hf.errors import DeepstrfError
from deepstrf_hf.names import SUFFIX
from deepstrf_hf.picture import MAXIMUM_WIDTH
from deepstrf_hf.preprocessing import steps_from_json, steps_to_json
from deepstrf_hf.registry import corpus_names, load_builder
from deepstrf_hf.report import BuildReport
from tests.every_corpus import TREES
from tests.toy import fingerprint

COHORTS = [(name, cohort.name) for name in TREES for cohort in load_builder(name).CORPUS.cohorts]
BUILT: dict[str, tuple[Path, Path]] = {}
VIEWER_ROW_GROUP_BYTES, VIEWER_BYTES = 300_000_000, 200_000
"""What the Hub's viewer reads at most, and answers at most ("TooBigContentError" otherwise)."""
VIEWER_FEWEST_ROWS, VIEWER_CELL_CHARACTERS = 10, 100
"""What is left of first rows where they are too large for an answer."""


def declaration(name: str) -> Corpus:
    return load_builder(name).CORPUS


@pytest.fixture
def raw_and_built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the raw tree and the build of a corpus, written and built once in this process."""
    name: str = request.param
    if name not in BUILT:
        root = tmp_path_factory.mktemp(name)
        raw = TREES[name].write(root / "raw")
        build(name, data_dir=raw, out=root / "built", on_error="skip")
        BUILT[name] = raw, root / "built"
    return BUILT[name]


every_corpus = pytest.mark.parametrize("name", list(TREES))
every_build = pytest.mark.parametrize(
    ("name", "raw_and_built"), [(name, name) for name in TREES], indirect=["raw_and_built"]
)
every_cohort = pytest.mark.parametrize(
    ("name", "cohort", "raw_and_built"), [(name, cohort, name) for name, cohort in COHORTS], indirect=["raw_and_built"]
)


def arrow(built: Path, config: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Return all splits of a configuration, sorted by their ids."""
    files = sorted((built / config).glob("*.parquet"))
    whole = pa.concat_tables([pq.read_table(file, columns=columns) for file in files])
    return whole.sort_by([(name, "ascending") for name in ("stim_id", "neuron_id") if name in whole.column_names])


def table(built: Path, config: str, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return the rows of all splits of a configuration, sorted by their ids."""
    rows: list[dict[str, Any]] = arrow(built, config, columns).to_pylist()
    return rows


def plain(array: pa.Array) -> list[Any]:
    """Return what an array holds, level by level: where something is, how long lists are, and the values themselves."""
    parts: list[Any] = [array.is_null().to_pylist()]
    if pa.types.is_list(array.type):
        return [*parts, array.value_lengths().to_pylist(), *plain(array.flatten())]
    if pa.types.is_floating(array.type):
        return [*parts, array.to_numpy(zero_copy_only=False)]
    return [*parts, array.to_pylist()]


def assert_same(found: pa.Table, expected: pa.Table) -> None:
    """Compare tables value by value; NaN equals NaN."""
    assert found.column_names == expected.column_names
    assert len(found) == len(expected)
    for name in found.column_names:
        one, other = (plain(side.column(name).combine_chunks()) for side in (found, expected))
        for mine, theirs in zip(one, other, strict=True):
            if isinstance(mine, np.ndarray):
                np.testing.assert_array_equal(mine, theirs, err_msg=name)
            else:
                assert mine == theirs, name


def where(rows: pa.Table, column: str, values: set[str]) -> pa.Table:
    """Return the rows whose column has one of some values."""
    return rows.filter(pa.compute.is_in(rows.column(column), pa.array(sorted(values))))


# The declaration ------------------------------------------------------------------------------------------------------


def test_every_corpus_has_a_tree() -> None:
    assert sorted(TREES) == corpus_names()
    assert len(TREES) == 11


@every_corpus
def test_the_declaration_is_complete(name: str) -> None:
    corpus = declaration(name)
    assert corpus.name == name
    assert re.fullmatch(r"\d+\.\d+\.\d+", corpus.version)
    for text in (corpus.title, corpus.species, corpus.behavioural_state, corpus.licence.name, corpus.licence.terms):
        assert text.strip()
    assert corpus.areas
    assert 0 < corpus.hearing_range_hz[0] < corpus.hearing_range_hz[1]
    assert re.findall(r"@\w+\{", corpus.citation), "BibTeX"
    assert corpus.citation.count("{") == corpus.citation.count("}")
    assert corpus.dois
    assert all(re.fullmatch(r"10\.\d{4,}/\S+", doi) for doi in corpus.dois)
    for address in (corpus.homepage, corpus.licence.url, *(archive.url for archive in corpus.archives)):
        assert address.startswith("https://")
    assert corpus.archives
    assert re.search(r"\d|hundreds", corpus.download_size)
    assert corpus.access
    assert load_builder(name).LANDMARKS
    for columns in (corpus.stimulus_columns, corpus.neuron_columns, corpus.recording_columns):
        for column, meaning in columns.items():
            assert re.fullmatch(r"[a-z][a-z0-9_]*", column), column
            assert meaning.description.endswith("."), column


@pytest.mark.parametrize(("name", "cohort"), COHORTS)
def test_cohorts_are_declared_with_counts_units_and_preprocessing(name: str, cohort: str) -> None:
    declared = declaration(name).cohort(cohort)
    assert declared.description.strip()
    assert {"neurons", "stimuli"} & set(declared.counts)
    assert all(count >= 0 for count in declared.counts.values())
    assert declared.signal_type in ("spikes", "subthreshold", "eeg")
    assert declared.response_unit and declared.spectrogram_unit
    assert declared.stimulus in ("inline", "reference")
    for steps in (declared.preprocessing, declared.deepstrf_preprocessing):
        assert steps_from_json(steps_to_json(steps)) == steps
        assert all(step.describe() for step in steps)
    config = load_builder(name).default_config(cohort)
    config.check()
    assert config.variant_suffix() == "", "the defaults are the published parameters"
    for field in config.parameter_fields().values():
        assert field.metadata["description"]


@every_corpus
def test_the_command_line_lists_it_and_says_where_it_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    from deepstrf_hf.cli import main

    corpus = declaration(name)
    for arguments, said in (
        (["list"], [name, corpus.species, corpus.licence.name, corpus.redistribution.value]),
        (["list"], [corpus.download_size, corpus.access, *(cohort.name for cohort in corpus.cohorts)]),
        (["info", name], [corpus.homepage, corpus.licence.name, *(archive.name for archive in corpus.archives)]),
    ):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        assert not left.value.code
        text = re.sub(r"\s+", "", capsys.readouterr().out)
        for part in said:
            assert re.sub(r"\s+", "", part) in text, part


# The tables -----------------------------------------------------------------------------------------------------------


@every_cohort
def test_rows_are_unique_sorted_and_know_their_companions(
    name: str, cohort: str, raw_and_built: tuple[Path, Path]
) -> None:
    built = raw_and_built[1]
    stimuli = {row["stim_id"]: row for row in table(built, cohort + SUFFIX["stimuli"], ["stim_id", "n_bins", "subset"])}
    neurons = {row["neuron_id"]: row for row in table(built, cohort + SUFFIX["neurons"])}
    rows = table(built, cohort, ["stim_id", "neuron_id", "n_bins", "n_trials", "dt_ms", "subset"])
    pairs = [(row["stim_id"], row["neuron_id"]) for row in rows]
    assert len(set(pairs)) == len(pairs) > 0
    assert {stim for stim, _ in pairs} == set(stimuli)
    assert {neuron for _, neuron in pairs} == set(neurons)
    for row in rows:
        assert row["n_bins"] == stimuli[row["stim_id"]]["n_bins"]
        assert row["dt_ms"] == load_builder(name).default_config(cohort).dt_ms
        assert row["n_trials"] >= 1
    for neuron, row in neurons.items():
        own = [row["n_trials"] for row in rows if row["neuron_id"] == neuron]
        assert (row["n_stimuli"], row["n_trials"]) == (len(own), sum(own))
    for file in (built / cohort).glob("*.parquet"):
        here = [
            (row["stim_id"], row["neuron_id"])
            for row in pq.read_table(file, columns=["stim_id", "neuron_id"]).to_pylist()
        ]
        assert here == sorted(here)


@every_cohort
def test_load_dataset_gives_the_rows_mapped_and_streamed(
    name: str, cohort: str, raw_and_built: tuple[Path, Path]
) -> None:
    built, declared = raw_and_built[1], declaration(name).cohort(cohort)
    mapped = datasets.load_dataset(str(built), cohort)
    streamed = datasets.load_dataset(str(built), cohort, streaming=True)
    assert set(mapped) == set(streamed) <= {"train", "test"}
    splits = []
    for split, rows in mapped.items():
        splits.append(rows.with_format("arrow")[:])
        batches = streamed[split].with_format("arrow").iter(batch_size=50)
        assert_same(pa.concat_tables(batches), splits[-1])
    whole = pa.concat_tables(splits).sort_by([("stim_id", "ascending"), ("neuron_id", "ascending")])
    assert_same(whole, arrow(built, cohort))  # splits are disjoint and leave nothing out
    for name in ("response", *(["spectrogram"] if declared.stimulus == "inline" else [])):
        column = whole.column(name).combine_chunks()
        bins = np.repeat(whole.column("n_bins").to_numpy(), column.value_lengths().to_numpy())
        np.testing.assert_array_equal(column.flatten().value_lengths().to_numpy(), bins)
    np.testing.assert_array_equal(
        whole.column("response").combine_chunks().value_lengths().to_numpy(), whole.column("n_trials").to_numpy()
    )
    assert ("spectrogram" in whole.column_names) == (declared.stimulus == "inline")


@every_cohort
def test_stimuli_have_spectrograms_pictures_and_sounds(
    name: str, cohort: str, raw_and_built: tuple[Path, Path]
) -> None:
    for row in table(raw_and_built[1], cohort + SUFFIX["stimuli"]):
        spectrogram = np.array(row["spectrogram"], np.float32)
        assert spectrogram.shape[1] == row["n_bins"]
        assert np.isfinite(spectrogram).all()
        bins_per_pixel = -(-row["n_bins"] // MAXIMUM_WIDTH)
        assert Image.open(io.BytesIO(row["picture"]["bytes"])).size[0] == -(-row["n_bins"] // bins_per_pixel)
        assert set(stimulus_columns(declaration(name))) <= set(row)
        if row["audio"] is not None:
            samples, rate = soundfile.read(io.BytesIO(row["audio"]["bytes"]))
            assert len(samples) and rate == round(row["stim_sample_rate_hz"])


@every_cohort
def test_rows_are_self_contained_on_request(name: str, cohort: str, raw_and_built: tuple[Path, Path]) -> None:
    for rows in deepstrf_hf.rows(raw_and_built[1], cohort).values():
        for row in rows:
            assert np.array(row["spectrogram"]).shape[1] == row["n_bins"]


@every_build
def test_the_dataset_viewer_can_show_every_table(name: str, raw_and_built: tuple[Path, Path]) -> None:
    """What is known of the Hub's viewer: it reads whole row groups, and shows first rows with cells cut short."""
    for file in BuildReport.read(raw_and_built[1]).files():
        path = raw_and_built[1] / file
        footer = pq.read_metadata(path)
        assert all(
            sum(footer.row_group(group).column(column).total_uncompressed_size for column in range(footer.num_columns))
            < VIEWER_ROW_GROUP_BYTES
            for group in range(footer.num_row_groups)
        )
        rows = datasets.Dataset.from_parquet(str(path), keep_in_memory=True)
        assert len(rows.column_names) < 1000
        for column, feature in rows.features.items():
            if isinstance(feature, (datasets.Audio, datasets.Image)):
                rows = rows.cast_column(column, type(feature)(decode=False))
        first = [
            {column: shown(value) for column, value in row.items()}
            for row in rows.select(range(min(len(rows), VIEWER_FEWEST_ROWS)))
        ]
        assert all(json.loads(json.dumps(row)) == row for row in first)
        said = json.dumps([first, rows.features.to_dict()])
        assert len(said.encode()) < VIEWER_BYTES, f"{file}: {len(said)} bytes"


def shown(value: Any) -> Any:
    """Return a cell as the viewer shows it: a sound or picture by its address, others as text cut short."""
    if isinstance(value, dict) and "bytes" in value:
        return {"src": "https://datasets-server.huggingface.co/assets/" + "x" * 100}
    text = json.dumps(value)
    return text[:VIEWER_CELL_CHARACTERS]


@every_build
def test_the_card_and_the_report_tell_what_is_there(name: str, raw_and_built: tuple[Path, Path]) -> None:
    built, corpus = raw_and_built[1], declaration(name)
    card = DatasetCard.load(built / "README.md")
    report = BuildReport.read(built)
    assert sorted(report.cohorts) == sorted(cohort.name for cohort in corpus.cohorts)
    configs = {entry["config_name"] for entry in card.data.to_dict()["configs"]}
    assert configs == {cohort + suffix for cohort in report.cohorts for suffix in SUFFIX.values()} - {
        cohort + SUFFIX["waveform"] for cohort in report.cohorts
    }
    for said in (corpus.citation, corpus.licence.terms, corpus.licence.url, *corpus.dois):
        assert said in card.text
    for entry in report.cohorts.values():
        assert entry.raw_sha256, "every build knows what it was made of"
        for count, expected in entry.published.items():
            assert re.search(rf"\| {count.replace('_', ' ')} \| [^|]*\| {expected:,} \|", card.text), count
        for parameter in entry.parameters:
            assert f"`{parameter}" in card.text
    assert "deepSTRF" in card.text, "the counterpart of each parameter of deepSTRF's loader"


# The grid -------------------------------------------------------------------------------------------------------------


@every_cohort
@pytest.mark.parametrize("preprocessing", ["published", "deepstrf", None])
def test_the_grid_holds_every_pair(
    name: str, cohort: str, raw_and_built: tuple[Path, Path], preprocessing: str | None
) -> None:
    built = raw_and_built[1]
    dataset = load(built, cohort, preprocessing=preprocessing)
    dataset.validate()
    pairs = table(built, cohort, ["stim_id", "neuron_id", "n_trials", "n_bins"])
    stim_ids = [entry["stim_id"] for entry in dataset.stim_meta]
    neuron_ids = [entry["neuron_id"] for entry in dataset.nrn_meta]
    assert stim_ids == sorted(stim_ids)
    assert neuron_ids == sorted(neuron_ids)
    assert dataset.n_trials.sum() == sum(row["n_trials"] for row in pairs)
    for row in pairs:
        response = dataset.responses[stim_ids.index(row["stim_id"])][neuron_ids.index(row["neuron_id"])]
        assert tuple(response.shape) == (row["n_trials"], row["n_bins"])
    assert len(dataset) == len(stim_ids)
    for item in dataset:
        batch = neural_collate([item])
        assert batch["stims"].shape[1:3] == (1, dataset.F)
        assert batch["responses"].shape[1] == dataset.N_neurons
    held_out = set(dataset.splits.get("test", ()))
    assert not held_out & set(dataset.splits["train"])
    assert held_out | set(dataset.splits["train"]) == set(stim_ids)
    by_stream = {item["stim_meta"]["stim_id"] for item in stream(built, cohort, preprocessing=preprocessing)}
    assert by_stream == set(stim_ids)


@every_cohort
def test_waveforms_lie_on_the_bins(name: str, cohort: str, raw_and_built: tuple[Path, Path]) -> None:
    built = raw_and_built[1]
    there = {
        row["stim_id"]: row["audio"] is not None
        for row in table(built, cohort + SUFFIX["stimuli"], ["stim_id", "audio"])
    }
    if not all(there.values()):  # as the release has it: the grid says which one lacks its sound
        with pytest.raises(DeepstrfError, match="has no waveform|names no rate"):
            load(built, cohort, stimulus="waveform")
        return
    dataset = load(built, cohort, stimulus="waveform")
    for index, waveform in enumerate(dataset.stims):
        assert waveform.shape == (1, dataset.hop * int(dataset._grid.bins[index]))


# What values may not depend on ----------------------------------------------------------------------------------------


@contextmanager
def directories_listed_backwards(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """List directories in another order, as another file system would."""
    scan, names = os.scandir, os.listdir

    class Backwards:
        def __init__(self, *arguments: Any) -> None:
            with scan(*arguments) as entries:
                self._entries = iter(sorted(entries, key=lambda entry: entry.name, reverse=True))

        def __enter__(self) -> Backwards:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

        def __iter__(self) -> Iterator[Any]:
            return self._entries

        def __next__(self) -> Any:
            return next(self._entries)

        def close(self) -> None:
            self._entries = iter(())

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", Backwards)
        patched.setattr(os, "listdir", lambda *arguments: sorted(names(*arguments), reverse=True))
        yield


@every_build
def test_bytes_do_not_depend_on_the_order_of_directories_nor_on_when_they_are_built(
    name: str, raw_and_built: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, built = raw_and_built
    with directories_listed_backwards(monkeypatch):
        listed = [path.name for path in raw.iterdir()]
        assert listed == sorted(listed, reverse=True)
        build(name, data_dir=raw, out=tmp_path / "again", on_error="skip")
    assert fingerprint(tmp_path / "again") == fingerprint(built)


@every_build
def test_bytes_do_not_depend_on_the_number_of_processes(
    name: str, raw_and_built: tuple[Path, Path], tmp_path: Path
) -> None:
    raw, built = raw_and_built
    first = declaration(name).cohorts[0].name
    build(name, [first], data_dir=raw, out=tmp_path / "two", on_error="skip", num_proc=2)
    found, expected = (
        {file: digest for file, digest in fingerprint(directory).items() if file.startswith(f"{first}")}
        for directory in (tmp_path / "two", built)
    )
    expected = {file: digest for file, digest in expected.items() if file.split("/")[0] in
                {first + suffix for suffix in SUFFIX.values()}}  # fmt: skip
    assert found == expected != {}


@every_build
def test_values_do_not_depend_on_the_size_of_files(
    name: str, raw_and_built: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, built = raw_and_built
    monkeypatch.setattr(parquet_module, "ROW_GROUP_TARGET_BYTES", 1)
    monkeypatch.setattr(parquet_module, "SHARD_BYTES", 1)
    first = declaration(name).cohorts[0].name
    build(name, [first], data_dir=raw, out=tmp_path / "small", on_error="skip")
    for table_name in ("rows", "stimuli", "neurons"):
        config = first + SUFFIX[table_name]
        assert_same(arrow(tmp_path / "small", config), arrow(built, config))
    files = len(list((tmp_path / "small" / first).glob("*.parquet")))
    assert files > len(list((built / first).glob("*.parquet")))


@every_build
def test_values_do_not_depend_on_what_else_is_built(
    name: str, raw_and_built: tuple[Path, Path], tmp_path: Path
) -> None:
    raw, built = raw_and_built
    first, column = declaration(name).cohorts[0].name, TREES[name].part
    neurons = table(built, first + SUFFIX["neurons"])
    values = sorted({row[f"neuron_{column}"] for row in neurons})
    assert len(values) > 1, "the tree has several, so that some of them are a part"
    kept = {row["neuron_id"] for row in neurons if row[f"neuron_{column}"] == values[-1]}
    report = build(
        name, [first], data_dir=raw, out=tmp_path / "part", on_error="skip", where={f"neuron.{column}": values[-1]}
    )
    config = next(iter(report.cohorts))
    rows = arrow(tmp_path / "part", config)
    assert_same(rows, where(arrow(built, first), "neuron_id", kept))
    heard = set(rows.column("stim_id").to_pylist())
    stimuli, of_part = first + SUFFIX["stimuli"], config + SUFFIX["stimuli"]
    assert_same(arrow(tmp_path / "part", of_part), where(arrow(built, stimuli), "stim_id", heard))
    expected = where(arrow(built, first + SUFFIX["neurons"]), "neuron_id", kept)
    assert_same(arrow(tmp_path / "part", config + SUFFIX["neurons"]), expected)


# Bad input ------------------------------------------------------------------------------------------------------------


@every_corpus
def test_a_directory_that_is_not_the_corpus_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "holiday.jpg").write_bytes(b"x")
    for directory in (tmp_path / "raw", tmp_path / "absent"):
        with pytest.raises(DeepstrfError) as caught:
            build(name, data_dir=directory, out=tmp_path / "out")
        assert caught.value.path is not None and str(directory) in str(caught.value.path)
        assert caught.value.expected or caught.value.mend
    assert not (tmp_path / "out").exists()


@every_corpus
@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_a_tree_of_empty_files_is_refused(name: str, on_error: str, tmp_path: Path) -> None:
    raw = TREES[name].write(tmp_path / "raw")
    for path in raw.rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    with pytest.raises(DeepstrfError) as caught:
        build(name, data_dir=raw, out=tmp_path / "out", on_error=on_error)
    assert caught.value.path is not None
    assert str(raw) in caught.value.path
    assert caught.value.expected or caught.value.mend or caught.value.found
    assert not (tmp_path / "out").exists()


@every_cohort
def test_unknown_names_are_refused_with_near_ones(name: str, cohort: str, raw_and_built: tuple[Path, Path]) -> None:
    with pytest.raises(DeepstrfError, match=re.escape(cohort)):
        load(raw_and_built[1], cohort + "x")
    with pytest.raises(DeepstrfError, match="dt_ms"):
        build(name, [cohort], data_dir=raw_and_built[0], out=raw_and_built[0].parent / "no", parameters={"dt_m": 3})
