"""What cannot be streamed, and what is said about it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepstrf_hf import load
from deepstrf_hf.errors import (
    DeepstrfError,
    GridError,
    ParameterError,
    TableFormatError,
    UnknownNameError,
)
from deepstrf_hf.grid.stream import stream
from deepstrf_hf.responses.preprocessing import HanningSmooth
from tests.grid.built_files import damage, one_file, rewrite, rewrite_all, truncate, with_column
from tests.grid.conftest import KnownBuild

FILES = [("a1", "train"), ("a1", "test"), ("a1-stimuli", "train"), ("a1-neurons", "train")]


def streamed(*arguments: Any, **options: Any) -> int:
    """Open a stream and hand out all its items; return how many."""
    return sum(1 for _ in stream(*arguments, **options))


def error_of(function: Callable[..., Any], *arguments: Any, **options: Any) -> DeepstrfError:
    with pytest.raises(DeepstrfError) as caught:
        function(*arguments, **options)
    return caught.value


# Arguments ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"config": "a2"}, {"config": "a1-stimuli"}, {"split": "tset"}, {"split": ""}, {"stimulus": "wave"},
        {"stimulus": None}, {"preprocessing": "publishd"}, {"preprocessing": HanningSmooth(21.0)},
        {"preprocessing": [None]}, {"audio_fs": 48_000}, {"stimulus": "waveform", "audio_fs": 44_100},
        {"stimulus": "waveform", "audio_fs": -48_000}, {"revision": "main"},
    ],
    ids=str,
)  # fmt: skip
def test_arguments_are_refused_as_load_refuses_them(ns1_built: Path, options: dict[str, Any]) -> None:
    mine, theirs = (error_of(function, ns1_built, **options) for function in (stream, load))
    assert type(mine) is type(theirs)
    assert str(mine) == str(theirs)


def test_sources_are_refused_as_load_refuses_them(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / "nothing", tmp_path / "empty", "no repository"):
        mine, theirs = (error_of(function, source) for function in (stream, load))
        assert (type(mine), str(mine)) == (type(theirs), str(theirs)) and type(mine) is TableFormatError


@pytest.mark.parametrize(
    ("field", "value"),
    [("shuffle_buffer", 0), ("shuffle_buffer", "8"), ("seed", -1), ("seed", 0.5), ("shuffle", 3), ("prefetch", -1),
     ("prefetch", 1.0), ("prefetch", True)],
)  # fmt: skip
def test_numbers_that_cannot_be_used(ns1_built: Path, field: str, value: Any) -> None:
    with pytest.raises(ParameterError) as caught:
        stream(ns1_built, **{field: value})
    assert (caught.value.field, caught.value.found) == (field, repr(value))


def test_unknown_neurons(ns1_built: Path) -> None:
    known = stream(ns1_built).nrn_meta[2]["neuron_id"]
    with pytest.raises(UnknownNameError, match="No neuron is named") as caught:
        stream(ns1_built, neurons=[known, known + "x"])
    assert caught.value.field == "neurons" and repr(known) in str(caught.value.mend)


@pytest.mark.parametrize("neurons", ["a unit", b"unit", 3, {"unit": 1}])
def test_neurons_that_are_no_list(ns1_built: Path, neurons: Any) -> None:
    with pytest.raises(ParameterError) as caught:
        stream(ns1_built, neurons=neurons)
    assert (caught.value.field, caught.value.found) == ("neurons", repr(neurons))


# Files ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("config", "split"), FILES)
def test_a_missing_file(copied_build: Path, config: str, split: str) -> None:
    path = one_file(copied_build, config, split)
    path.unlink()
    with pytest.raises(TableFormatError, match="file that the card names is missing") as caught:
        stream(copied_build)
    assert caught.value.path == str(path)


@pytest.mark.parametrize("prefetch", [0, 1])
@pytest.mark.parametrize(("config", "split"), FILES)
@pytest.mark.parametrize(
    "spoil", [truncate, damage, lambda path: path.write_bytes(b"")], ids=["cut", "damaged", "empty"]
)
def test_a_broken_file(
    copied_build: Path, config: str, split: str, spoil: Callable[[Path], Any], prefetch: int
) -> None:
    path = one_file(copied_build, config, split)
    spoil(path)
    with pytest.raises(TableFormatError, match="Not a readable Parquet file") as caught:
        streamed(copied_build, prefetch=prefetch)
    assert caught.value.path == str(path) and caught.value.mend is not None


def test_a_file_that_breaks_while_it_is_streamed(copied_build: Path) -> None:
    """The index was read; the responses that follow are gone."""
    found, path = stream(copied_build, split="test"), one_file(copied_build, "a1", "test")
    path.unlink()
    with pytest.raises(TableFormatError, match="Not a readable Parquet file") as caught:
        list(found)
    assert caught.value.path == str(path)


@pytest.mark.parametrize(("companion", "column"), [("a1-stimuli", "stim_id"), ("a1-neurons", "neuron_id")])
def test_a_companion_that_lacks_what_the_main_table_names(copied_build: Path, companion: str, column: str) -> None:
    path = one_file(copied_build, companion)
    lacking = pq.read_table(path).column(column)[0].as_py()
    rewrite(path, table=lambda table: table.slice(1))
    with pytest.raises(TableFormatError, match="names what its companion table lacks") as caught:
        streamed(copied_build)
    assert (caught.value.field, caught.value.found) == (column, lacking)
    assert Path(str(caught.value.path)).parent.name == "a1"


@pytest.mark.parametrize(("companion", "column"), [("a1-stimuli", "stim_id"), ("a1-neurons", "neuron_id")])
def test_a_companion_that_names_one_thing_twice(copied_build: Path, companion: str, column: str) -> None:
    path = one_file(copied_build, companion)
    twice = pq.read_table(path).column(column)[0].as_py()
    rewrite(path, table=lambda table: pa.concat_tables([table, table.slice(0, 1)]))
    with pytest.raises(TableFormatError, match="names one thing twice") as caught:
        stream(copied_build)
    assert (caught.value.path, caught.value.field, caught.value.found) == (str(path), column, twice)


@pytest.mark.parametrize(
    ("config", "column"),
    [("a1", "stim_id"), ("a1", "neuron_id"), ("a1-stimuli", "stim_id"), ("a1-neurons", "neuron_id")],
)
def test_a_row_without_name(copied_build: Path, config: str, column: str) -> None:
    path = one_file(copied_build, config)
    rewrite(path, table=lambda table: with_column(table, column, lambda values: [*values[:-1], None]))
    with pytest.raises(TableFormatError, match="A row lacks its name") as caught:
        streamed(copied_build)
    assert (caught.value.path, caught.value.field) == (str(path), column)


def test_a_pair_that_stands_twice(copied_build: Path) -> None:
    rewrite(one_file(copied_build, "a1"), table=lambda table: pa.concat_tables([table, table.slice(len(table) - 1)]))
    with pytest.raises(GridError, match="stands twice"):
        streamed(copied_build)


def test_rows_of_a_stimulus_that_stand_apart(copied_build: Path) -> None:
    """The grid reads them all the same; a stream could not join them without holding everything."""
    path = one_file(copied_build, "a1")
    rewrite(path, table=lambda table: table.take(pa.array(np.arange(len(table)).reshape(-1, 3).T.ravel())))
    with pytest.raises(TableFormatError, match="do not stand together") as caught:
        stream(copied_build)
    assert (caught.value.path, caught.value.field) == (str(path), "stim_id")
    assert len(load(copied_build)) == 20


@pytest.mark.parametrize(
    ("config", "column"),
    [("a1", "n_trials"), ("a1", "response"), ("a1", "neuron_id"), ("a1-stimuli", "spectrogram")],
)
def test_a_table_that_lacks_a_column(copied_build: Path, config: str, column: str) -> None:
    path = one_file(copied_build, config)
    rewrite(path, table=lambda table: table.drop_columns([column]))
    with pytest.raises(TableFormatError, match="lacks columns") as caught:
        streamed(copied_build)
    assert caught.value.path == str(path) and column in str(caught.value.expected)


@pytest.mark.parametrize("column", ["n_trials", "n_bins"])
@pytest.mark.parametrize("change", [-1, 1, -1000])
def test_rows_that_state_other_shapes_than_they_hold(copied_build: Path, column: str, change: int) -> None:
    path = one_file(copied_build, "a1")
    rewrite(path, table=lambda table: with_column(table, column, lambda values: [values[0] + change, *values[1:]]))
    with pytest.raises(TableFormatError, match=re.escape("trials and bins that their rows state")) as caught:
        streamed(copied_build)
    assert (caught.value.path, caught.value.field) == (str(path), "response")


@pytest.mark.parametrize(
    "change",
    [lambda response: None, lambda response: [None, *response[1:]],
     lambda response: [[None, *response[0][1:]], *response[1:]]],
    ids=["response", "trial", "bin"],
)  # fmt: skip
def test_nulls_in_a_response(copied_build: Path, change: Callable[[Any], Any]) -> None:
    path = one_file(copied_build, "a1")
    rewrite(path, table=lambda table: with_column(table, "response", lambda values: [change(values[0]), *values[1:]]))
    with pytest.raises(TableFormatError) as caught:
        streamed(copied_build)
    assert caught.value.path == str(path)


@pytest.mark.parametrize("kind", [pa.list_(pa.int8()), pa.list_(pa.list_(pa.string())), pa.string()], ids=str)
def test_responses_that_are_none(copied_build: Path, kind: pa.DataType) -> None:
    path = one_file(copied_build, "a1")

    def changed(table: pa.Table) -> pa.Table:
        index = table.schema.get_field_index("response")
        return table.set_column(index, pa.field("response", kind), pa.nulls(len(table), kind))

    rewrite(path, table=changed)
    with pytest.raises(TableFormatError, match="not lists of trials of numbers") as caught:
        streamed(copied_build)
    assert (caught.value.path, caught.value.field) == (str(path), "response")


@pytest.mark.parametrize("split", ["test", None])
def test_a_main_table_without_rows(copied_build: Path, split: str | None) -> None:
    for name in ("train", "test"):
        if split in (None, name):
            rewrite(one_file(copied_build, "a1", name), table=lambda table: table.slice(0, 0))
    with pytest.raises(TableFormatError, match="no rows"):
        stream(copied_build, split=split)


def test_a_split_without_rows_beside_one_with_rows(copied_build: Path) -> None:
    rewrite(one_file(copied_build, "a1", "test"), table=lambda table: table.slice(0, 0))
    assert streamed(copied_build) == len(stream(copied_build)) == 16


# Stimuli --------------------------------------------------------------------------------------------------------------


def first_changed(change: Callable[[Any], Any]) -> Callable[[list[Any]], list[Any]]:
    return lambda values: [change(values[0]), *values[1:]]


def with_spectrogram(directory: Path, change: Callable[[Any], Any]) -> str:
    """Change the first spectrogram; return the name of its stimulus."""
    path = one_file(directory, "a1-stimuli")
    rewrite(path, table=lambda table: with_column(table, "spectrogram", first_changed(change)))
    name: str = pq.read_table(path).column("stim_id")[0].as_py()
    return name


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda bands: [band[:-1] for band in bands], "34 bands, 998 bins"),
        (lambda bands: [*bands, bands[0]], "35 bands, 999 bins"),
    ],
)
def test_a_spectrogram_that_does_not_fit(copied_build: Path, change: Callable[[Any], Any], found: str) -> None:
    name = with_spectrogram(copied_build, change)
    with pytest.raises(GridError, match="spectrogram does not fit") as caught:
        streamed(copied_build)
    assert (caught.value.field, caught.value.found) == (name, found)
    assert caught.value.expected == "34 bands, 999 bins"


@pytest.mark.parametrize(
    "change",
    [lambda bands: None, lambda bands: [], lambda bands: [bands[0][:-2], *bands[1:]],
     lambda bands: [bands[0][:-2], bands[1] + bands[0][-2:], *bands[2:]], lambda bands: [None, *bands[1:]],
     lambda bands: [[None, *bands[0][1:]], *bands[1:]]],
    ids=["absent", "empty", "ragged", "ragged with whole sum", "absent band", "absent bin"],
)  # fmt: skip
def test_a_spectrogram_that_is_none(copied_build: Path, change: Callable[[Any], Any]) -> None:
    name = with_spectrogram(copied_build, change)
    with pytest.raises(TableFormatError, match="not a matrix") as caught:
        streamed(copied_build)
    assert caught.value.field == f"spectrogram of {name}"
    assert caught.value.path == str(one_file(copied_build, "a1-stimuli"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_spectrogram_that_is_not_finite(copied_build: Path, value: float) -> None:
    name = with_spectrogram(copied_build, lambda bands: [[value, *bands[0][1:]], *bands[1:]])
    with pytest.raises(GridError, match="NaN or infinite") as caught:
        streamed(copied_build)
    assert caught.value.field == name


def test_a_stimulus_without_waveform(copied_build: Path) -> None:
    path = one_file(copied_build, "a1-stimuli")
    rewrite(path, table=lambda table: with_column(table, "audio", first_changed(lambda audio: None)))
    with pytest.raises(GridError, match="has no waveform"):
        streamed(copied_build, stimulus="waveform")
    assert streamed(copied_build) == 20


def test_a_waveform_that_is_no_sound(copied_build: Path) -> None:
    path = one_file(copied_build, "a1-stimuli")
    noise = {"bytes": b"no sound at all", "path": "sound.wav"}
    rewrite(path, table=lambda table: with_column(table, "audio", first_changed(lambda audio: noise)))
    with pytest.raises(TableFormatError, match="cannot be decoded"):
        streamed(copied_build, stimulus="waveform")


# Builds ---------------------------------------------------------------------------------------------------------------


def test_a_corpus_that_names_no_rate(copied_build: Path) -> None:
    rewrite_all(copied_build, lambda said: said | {"audio_fs": None})
    mine, theirs = (error_of(function, copied_build, stimulus="waveform") for function in (stream, load))
    assert (type(mine), str(mine)) == (type(theirs), str(theirs)) and mine.field == "audio_fs"
    assert stream(copied_build, stimulus="waveform", audio_fs=16_000).hop == 80


def test_a_corpus_that_names_no_bands(copied_build: Path, known_build: KnownBuild) -> None:
    rewrite_all(copied_build, lambda said: said | {"band_frequencies_hz": None})
    for kind in ("spectrogram", "waveform"):
        found = stream(copied_build, stimulus=kind)
        assert found.description.band_frequencies_hz is None and found.F == 34
    assert len(stream(known_build.directory).description.band_frequencies_hz or ()) == 34


@pytest.mark.parametrize(("config", "split"), FILES)
def test_files_of_different_builds(copied_build: Path, config: str, split: str) -> None:
    rewrite(one_file(copied_build, config, split), provenance=lambda said: said | {"dt_ms": 10.0})
    with pytest.raises(TableFormatError, match="Files of different builds") as caught:
        stream(copied_build)
    assert caught.value.mend == "build it again"


@pytest.mark.parametrize(
    ("provenance", "problem"),
    [
        (lambda said: said | {"table_version": said["table_version"] + 1}, "later version"),
        (lambda said: None, "not written by deepstrf-hf"),
        (lambda said: {"corpus": "ns1"}, "lacks what deepstrf-hf writes"),
    ],
)
def test_tables_that_are_not_ours(copied_build: Path, provenance: Callable[[Any], Any], problem: str) -> None:
    rewrite_all(copied_build, provenance)
    with pytest.raises(TableFormatError, match=problem):
        stream(copied_build)


def test_tables_of_a_later_version_may_look_otherwise(copied_build: Path) -> None:
    """It is the version that is told, not what this version misses in them."""
    for config, column in (("a1", "stim_id"), ("a1-stimuli", "stim_id"), ("a1-neurons", "neuron_id")):
        rewrite(one_file(copied_build, config), table=lambda table, column=column: table.drop_columns([column]))
    rewrite_all(copied_build, lambda said: said | {"table_version": said["table_version"] + 1})
    with pytest.raises(TableFormatError, match="later version"):
        stream(copied_build)


def test_tables_with_a_step_nobody_knows(copied_build: Path) -> None:
    steps = {"published": [{"step": "hanning_smoth"}], "deepstrf": []}
    rewrite_all(copied_build, lambda said: said | {"preprocessing": steps})
    with pytest.raises(UnknownNameError, match="did you mean 'hanning_smooth'"):
        stream(copied_build)
    assert stream(copied_build, preprocessing="deepstrf").preprocessing == ()
