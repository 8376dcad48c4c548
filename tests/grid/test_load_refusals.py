"""What cannot be loaded, and what is said about it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepstrf_hf import load, neural_collate
from deepstrf_hf.errors import DeepstrfError, GridError, ParameterError, TableFormatError, UnknownNameError
from deepstrf_hf.responses.preprocessing import HanningSmooth
from tests.grid.built_files import damage, one_file, rewrite, rewrite_all, truncate, with_column
from tests.grid.conftest import KnownBuild
from tests.grid.examples import assert_same_batch, items_of
from tests.raw_writers.ns1 import NATURAL_SETS

DT_MS, N_BINS, N_BANDS = 5, 999, 34
STIM_IDS = [f"source{source}.set{set_number}.stim{number:02d}" for source, set_number, number, _ in NATURAL_SETS]
TEST_CLIPS = [3, 6, 9, 19]
"""Of Rahman et al. 2020, counted from 0."""


# What cannot be loaded ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("config", "near"), [("a2", "a1"), ("aa1", "a1"), ("ns1", None)])
def test_unknown_configurations(ns1_built: Path, config: str, near: str | None) -> None:
    with pytest.raises(UnknownNameError, match="No configuration is named") as caught:
        load(ns1_built, config)
    assert repr(config) in caught.value.problem
    assert caught.value.expected == "one of: a1"
    assert caught.value.mend == (f"did you mean {near!r}?" if near else None)
    assert caught.value.path == str(ns1_built)


@pytest.mark.parametrize(("split", "near"), [("tset", "'test'"), ("trian", "'train'"), ("val", None), ("", None)])
def test_unknown_splits(ns1_built: Path, split: str, near: str | None) -> None:
    with pytest.raises(UnknownNameError, match="No split of a1") as caught:
        load(ns1_built, "a1", split=split)
    assert caught.value.expected == "one of: train, test"
    assert (near or "") in (caught.value.mend or "")


@pytest.mark.parametrize("stimulus", ["wave", "Spectrogram", "", None, "audio"])
def test_unknown_kinds_of_stimulus(ns1_built: Path, stimulus: Any) -> None:
    with pytest.raises(ParameterError) as caught:
        load(ns1_built, stimulus=stimulus)
    assert (caught.value.field, caught.value.found) == ("stimulus", repr(stimulus))
    assert caught.value.expected == "'spectrogram' or 'waveform'"


@pytest.mark.parametrize("preprocessing", ["publishd", "", "None", "deepSTRF"])
def test_unknown_preprocessing(ns1_built: Path, preprocessing: str) -> None:
    with pytest.raises(ParameterError, match="Unknown preprocessing") as caught:
        load(ns1_built, preprocessing=preprocessing)
    assert (caught.value.field, caught.value.found) == ("preprocessing", repr(preprocessing))
    assert all(name in str(caught.value.expected) for name in ("'published'", "'deepstrf'", "None"))


@pytest.mark.parametrize("preprocessing", [HanningSmooth(21.0), ["published"], [None], 21, [HanningSmooth]])
def test_preprocessing_that_is_no_steps(ns1_built: Path, preprocessing: Any) -> None:
    with pytest.raises(DeepstrfError, match="preprocessing"):
        load(ns1_built, preprocessing=preprocessing)


@pytest.mark.parametrize("audio_fs", [48_000, 0])
def test_a_rate_without_waveforms(ns1_built: Path, audio_fs: int) -> None:
    with pytest.raises(ParameterError, match="goes with waveforms") as caught:
        load(ns1_built, audio_fs=audio_fs)
    assert (caught.value.field, caught.value.found) == ("audio_fs", audio_fs)
    assert "stimulus='waveform'" in str(caught.value.mend)


@pytest.mark.parametrize(("audio_fs", "samples"), [(44_100, "220.5"), (48_828, "244.14"), (48_001, "240.005")])
def test_a_rate_without_whole_samples_per_bin(ns1_built: Path, audio_fs: int, samples: str) -> None:
    with pytest.raises(GridError, match="whole number of samples per bin") as caught:
        load(ns1_built, stimulus="waveform", audio_fs=audio_fs)
    assert caught.value.field == "audio_fs"
    assert caught.value.found == f"{audio_fs} Hz at 5 ms bins: {samples} samples"
    assert caught.value.mend == "take a multiple of 200 Hz"


@pytest.mark.parametrize("audio_fs", [0, -48_000])
def test_a_rate_that_is_none(ns1_built: Path, audio_fs: int) -> None:
    with pytest.raises(DeepstrfError) as caught:
        load(ns1_built, stimulus="waveform", audio_fs=audio_fs)
    assert caught.value.field == "audio_fs"


def test_neither_a_directory_nor_a_repository(tmp_path: Path) -> None:
    for source in (tmp_path / "nothing" / "here", tmp_path / "file", "no repository", "a/b/c"):
        (tmp_path / "file").write_text("not a directory")
        with pytest.raises(TableFormatError, match="Neither a directory nor") as caught:
            load(source)
        assert caught.value.path == str(source)


@pytest.mark.parametrize(
    "card",
    [None, "", "# A card without a block\n", "---\nlicense: mit\n---\n", "---\n: [\n---\n", "---\n- 1\n---\n", "\xff"],
)
def test_a_directory_that_is_no_corpus(tmp_path: Path, card: str | None) -> None:
    if card is not None:
        (tmp_path / "README.md").write_bytes(card.encode("latin-1"))
    with pytest.raises(TableFormatError, match="not a corpus that deepstrf-hf built") as caught:
        load(tmp_path)
    assert caught.value.path == str(tmp_path)
    assert caught.value.field == "configs in README.md" and caught.value.mend is not None


FILES = [("a1", "train"), ("a1", "test"), ("a1-stimuli", "train"), ("a1-neurons", "train")]


@pytest.mark.parametrize(("config", "split"), FILES)
def test_a_missing_file(copied_build: Path, config: str, split: str) -> None:
    path = one_file(copied_build, config, split)
    path.unlink()
    with pytest.raises(TableFormatError, match="file that the card names is missing") as caught:
        load(copied_build)
    assert caught.value.path == str(path) and caught.value.mend is not None


def test_a_missing_file_of_another_split_does_not_matter(copied_build: Path) -> None:
    one_file(copied_build, "a1", "train").unlink()
    assert len(load(copied_build, split="test")) == 4


@pytest.mark.parametrize(("config", "split"), FILES)
@pytest.mark.parametrize(
    "spoil", [truncate, damage, lambda path: path.write_bytes(b"")], ids=["cut", "damaged", "empty"]
)
def test_a_broken_file(copied_build: Path, config: str, split: str, spoil: Callable[[Path], Any]) -> None:
    path = one_file(copied_build, config, split)
    spoil(path)
    with pytest.raises(TableFormatError, match="Not a readable Parquet file") as caught:
        load(copied_build)
    assert caught.value.path == str(path) and caught.value.mend is not None


def test_rewriting_alone_breaks_nothing(copied_build: Path, known_build: KnownBuild) -> None:
    for config, split in FILES:
        rewrite(one_file(copied_build, config, split))
    one, other = load(copied_build), load(known_build.directory)
    assert_same_batch(neural_collate(items_of(one)), neural_collate(items_of(other)))


@pytest.mark.parametrize(("companion", "column"), [("a1-stimuli", "stim_id"), ("a1-neurons", "neuron_id")])
def test_a_companion_that_lacks_what_the_main_table_names(copied_build: Path, companion: str, column: str) -> None:
    path = one_file(copied_build, companion)
    lacking = pq.read_table(path).column(column)[0].as_py()
    rewrite(path, table=lambda table: table.slice(1))
    with pytest.raises(TableFormatError, match="names what its companion table lacks") as caught:
        load(copied_build)
    assert (caught.value.field, caught.value.found) == (column, lacking)


def test_a_companion_that_names_one_neuron_twice(copied_build: Path) -> None:
    path = one_file(copied_build, "a1-neurons")
    twice = pq.read_table(path).column("neuron_id")[0].as_py()
    rewrite(path, table=lambda table: pa.concat_tables([table, table.slice(0, 1)]))
    with pytest.raises(DeepstrfError, match=re.escape(twice)):
        load(copied_build)


def test_a_pair_that_stands_twice(copied_build: Path) -> None:
    rewrite(one_file(copied_build, "a1"), table=lambda table: pa.concat_tables([table, table.slice(3, 1)]))
    with pytest.raises(GridError, match="stands twice"):
        load(copied_build)


@pytest.mark.parametrize(("config", "column"), [("a1", "n_trials"), ("a1-stimuli", "spectrogram"), ("a1", "response")])
def test_a_table_that_lacks_a_column(copied_build: Path, config: str, column: str) -> None:
    path = one_file(copied_build, config)
    rewrite(path, table=lambda table: table.drop_columns([column]))
    with pytest.raises(TableFormatError, match="lacks columns") as caught:
        load(copied_build)
    assert caught.value.path == str(path)
    assert column in str(caught.value.expected)


@pytest.mark.parametrize("column", ["n_trials", "n_bins"])
@pytest.mark.parametrize("difference", [-1, 1])
def test_rows_that_state_other_shapes_than_they_hold(copied_build: Path, column: str, difference: int) -> None:
    def wrong(values: list[Any]) -> list[Any]:
        return [values[0] + difference, *values[1:]]

    rewrite(one_file(copied_build, "a1"), table=lambda table: with_column(table, column, wrong))
    with pytest.raises(TableFormatError, match=re.escape("trials and bins that their rows state")) as caught:
        load(copied_build)
    assert caught.value.field == "response"


def test_rows_whose_numbers_of_trials_were_exchanged(copied_build: Path) -> None:
    def exchanged(values: list[Any]) -> list[Any]:
        odd = values.index(19)
        other = odd + 1 if odd + 1 < len(values) else odd - 1
        values[odd], values[other] = values[other], values[odd]
        return values

    rewrite(one_file(copied_build, "a1"), table=lambda table: with_column(table, "n_trials", exchanged))
    with pytest.raises(TableFormatError, match=re.escape("trials and bins that their rows state")):
        load(copied_build)


def without_response(response: list[list[int]]) -> None:
    return None


def without_one_trial(response: list[list[int]]) -> list[list[int] | None]:
    return [None, *response[1:]]


def without_one_bin(response: list[list[int]]) -> list[list[int | None]]:
    return [[None, *response[0][1:]], *response[1:]]


@pytest.mark.parametrize("change", [without_response, without_one_trial, without_one_bin])
def test_nulls_in_a_response(copied_build: Path, change: Callable[[Any], Any]) -> None:
    def first_changed(values: list[Any]) -> list[Any]:
        return [change(values[0]), *values[1:]]

    rewrite(one_file(copied_build, "a1"), table=lambda table: with_column(table, "response", first_changed))
    with pytest.raises(TableFormatError):
        load(copied_build)


@pytest.mark.parametrize("split", ["test", None])
def test_a_main_table_without_rows(copied_build: Path, split: str | None) -> None:
    for name in ("train", "test"):
        if split in (None, name):
            rewrite(one_file(copied_build, "a1", name), table=lambda table: table.slice(0, 0))
    with pytest.raises(TableFormatError):
        load(copied_build, split=split)


def test_a_spectrogram_that_does_not_fit_its_responses(copied_build: Path) -> None:
    def cut(values: list[Any]) -> list[Any]:
        return [[band[:-1] for band in values[0]], *values[1:]]

    rewrite(one_file(copied_build, "a1-stimuli"), table=lambda table: with_column(table, "spectrogram", cut))
    with pytest.raises(GridError, match="spectrogram does not fit") as caught:
        load(copied_build)
    assert caught.value.field == f"stimulus 0 ({STIM_IDS[0]})"
    assert (caught.value.found, caught.value.expected) == ("34 bands, 998 bins", "34 bands, 999 bins")


def absent(spectrogram: list[list[float]]) -> None:
    return None


def ragged(spectrogram: list[list[float]]) -> list[list[float]]:
    return [spectrogram[0][:-2], *spectrogram[1:]]


def ragged_with_whole_sum(spectrogram: list[list[float]]) -> list[list[float]]:
    return [spectrogram[0][:-2], spectrogram[1] + spectrogram[0][-2:], *spectrogram[2:]]


@pytest.mark.parametrize("change", [absent, ragged, ragged_with_whole_sum])
def test_a_spectrogram_that_is_none(copied_build: Path, change: Callable[[Any], Any]) -> None:
    def first_changed(values: list[Any]) -> list[Any]:
        return [change(values[0]), *values[1:]]

    rewrite(one_file(copied_build, "a1-stimuli"), table=lambda table: with_column(table, "spectrogram", first_changed))
    with pytest.raises(DeepstrfError, match=STIM_IDS[0]):
        load(copied_build)


def test_a_stimulus_without_waveform(copied_build: Path) -> None:
    def without_second(values: list[Any]) -> list[Any]:
        return [values[0], None, *values[2:]]

    rewrite(one_file(copied_build, "a1-stimuli"), table=lambda table: with_column(table, "audio", without_second))
    with pytest.raises(GridError, match="has no waveform") as caught:
        load(copied_build, stimulus="waveform")
    assert caught.value.field == STIM_IDS[1] and "spectrogram" in str(caught.value.mend)
    assert len(load(copied_build)) == 20


def test_a_waveform_that_is_no_sound(copied_build: Path) -> None:
    def noise(values: list[Any]) -> list[Any]:
        return [{"bytes": b"no sound at all", "path": "sound.wav"}, *values[1:]]

    rewrite(one_file(copied_build, "a1-stimuli"), table=lambda table: with_column(table, "audio", noise))
    with pytest.raises(TableFormatError, match="cannot be decoded") as caught:
        load(copied_build, stimulus="waveform")
    assert caught.value.field == STIM_IDS[0]


def test_a_corpus_that_names_no_rate(copied_build: Path) -> None:
    rewrite_all(copied_build, lambda said: said | {"audio_fs": None})
    with pytest.raises(ParameterError, match="names no rate") as caught:
        load(copied_build, stimulus="waveform")
    assert caught.value.field == "audio_fs"
    assert load(copied_build, stimulus="waveform", audio_fs=16_000).hop == 80


@pytest.mark.parametrize("config", ["a1", "a1-stimuli", "a1-neurons"])
def test_files_of_different_builds(copied_build: Path, config: str) -> None:
    rewrite(one_file(copied_build, config), provenance=lambda said: said | {"dt_ms": 10.0})
    with pytest.raises(TableFormatError, match="Files of different builds") as caught:
        load(copied_build)
    assert caught.value.mend == "build it again"


def test_a_companion_table_in_place_of_the_main_one(ns1_built: Path) -> None:
    with pytest.raises(UnknownNameError, match="a1-stimuli is not a main table") as caught:
        load(ns1_built, "a1-stimuli")
    assert caught.value.mend == "did you mean 'a1'?"


def test_a_revision_of_a_directory(ns1_built: Path) -> None:
    with pytest.raises(ParameterError, match="A directory has no revisions"):
        load(ns1_built, revision="main")


def test_tables_of_a_later_version(copied_build: Path) -> None:
    rewrite_all(copied_build, lambda said: said | {"table_version": said["table_version"] + 1})
    with pytest.raises(TableFormatError, match="later version") as caught:
        load(copied_build)
    assert caught.value.field == "table_version" and caught.value.mend == "upgrade deepstrf-hf"


def test_tables_of_somebody_else(copied_build: Path) -> None:
    rewrite(one_file(copied_build, "a1"), provenance=lambda said: None)
    with pytest.raises(TableFormatError, match="not written by deepstrf-hf"):
        load(copied_build)


def test_tables_with_a_step_nobody_knows(copied_build: Path) -> None:
    steps = {"published": [{"step": "hanning_smoth"}], "deepstrf": []}
    rewrite_all(copied_build, lambda said: said | {"preprocessing": steps})
    with pytest.raises(UnknownNameError, match="did you mean 'hanning_smooth'"):
        load(copied_build)
    assert load(copied_build, preprocessing="deepstrf").preprocessing == ()
