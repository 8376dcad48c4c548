"""Stimuli that parts of a corpus share: encoded and written once, and columns that are too large for every row."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest

from deepstrf_hf import build, load
from deepstrf_hf import tables as tables_module
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.corpus import Cohort, Column
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Part, Recording, Stimulus
from tests.toy import N_STIMULI, Toy, fingerprint, toy_stimulus, write_toy


@functools.cache
def kept(index: int, seed: int, cohort: str) -> Stimulus:
    made = toy_stimulus(index, seed, Toy.CORPUS.cohort(cohort))
    return replace(made, metadata={**made.metadata, "transcript": f"words of {made.stim_id}"})


class Sharing(Toy):
    """The sites hear the very same objects, of this build and the next."""

    CORPUS = replace(
        Toy.CORPUS,
        name="sharing",
        stimulus_columns={
            **Toy.CORPUS.stimulus_columns,
            "transcript": Column("string", "What was said.", large=True),
        },
    )

    @classmethod
    def recordings(cls, raw: RawTree, cohort: Cohort, config: Any, part: Part, log: BuildLog) -> Iterator[Recording]:
        for recording in super().recordings(raw, cohort, config, part, log):
            index = int(recording.stimulus.stim_id[-1])
            yield replace(recording, stimulus=kept(index, 0, cohort.name))


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    real = tables_module.audio_bytes

    def counting(stimulus: Stimulus) -> Any:
        found.append(stimulus.stim_id)
        return real(stimulus)

    monkeypatch.setattr(tables_module, "audio_bytes", counting)
    return found


def test_a_sound_is_encoded_once_for_all_parts_and_again_for_the_next_build(tmp_path: Path, encoded: list[str]) -> None:
    raw = write_toy(tmp_path / "raw")
    for out in ("one", "two", "two"):  # the last in the place of the second
        encoded.clear()
        build(Sharing, ["counts"], data_dir=raw, out=tmp_path / out)
        assert sorted(encoded) == [f"sound{index}" for index in range(N_STIMULI)]
        assert len(load(tmp_path / out)) == N_STIMULI
    assert fingerprint(tmp_path / "one") == fingerprint(tmp_path / "two")


def test_a_build_after_one_that_failed_is_whole(tmp_path: Path) -> None:
    raw = write_toy(tmp_path / "raw", broken=["site_b-n0"])  # the first part is built, the second fails
    with pytest.raises(Exception, match="A unit is broken"):
        build(Sharing, ["counts"], data_dir=raw, out=tmp_path / "out")
    write_toy(raw)
    build(Sharing, ["counts"], data_dir=raw, out=tmp_path / "out")
    assert len(load(tmp_path / "out")) == N_STIMULI


def test_processes_give_the_same_bytes(tmp_path: Path) -> None:
    raw = write_toy(tmp_path / "raw")
    for number in (1, 2):
        build(Sharing, data_dir=raw, out=tmp_path / str(number), num_proc=number, waveform=True)
    assert fingerprint(tmp_path / "1") == fingerprint(tmp_path / "2")


def test_a_large_column_stands_in_the_stimuli_table_only(tmp_path: Path) -> None:
    build(Sharing, ["counts"], data_dir=write_toy(tmp_path / "raw"), out=tmp_path / "out", waveform=True)
    for config in ("counts", "counts-waveform", "counts-neurons"):
        assert "stim_transcript" not in datasets.load_dataset_builder(str(tmp_path / "out"), config).info.features
    stimuli = datasets.load_dataset(str(tmp_path / "out"), "counts-stimuli", split="train")
    assert stimuli["stim_transcript"][:2] == ["words of sound0", "words of sound1"]
    assert load(tmp_path / "out").stim_meta[1]["transcript"] == "words of sound1"
    made = Sharing(config_name="counts", data_dir=str(tmp_path / "raw"), cache_dir=str(tmp_path / "cache"))
    made.download_and_prepare()
    assert made.as_dataset("test").column_names == (
        datasets.load_dataset(str(tmp_path / "out"), "counts", split="test").column_names
    )


def test_many_stimuli_are_written_in_runs_that_depend_on_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = write_toy(tmp_path / "raw")
    build(Sharing, ["counts"], data_dir=raw, out=tmp_path / "whole")
    monkeypatch.setattr("deepstrf_hf.cohort_files.RUN_BYTES", 1)
    for number in (1, 3):
        build(Sharing, ["counts"], data_dir=raw, out=tmp_path / str(number), num_proc=number)
    assert fingerprint(tmp_path / "1") == fingerprint(tmp_path / "3")
    files = [f"train-{index:05d}-of-{N_STIMULI:05d}.parquet" for index in range(N_STIMULI)]
    assert sorted(path.name for path in (tmp_path / "1" / "counts-stimuli").iterdir()) == files
    rows = [
        datasets.load_dataset(str(tmp_path / name), "counts-stimuli", split="train").remove_columns(
            ["audio", "picture"]
        )
        for name in ("1", "whole")
    ]
    assert rows[0].to_list() == rows[1].to_list()
    assert rows[0]["stim_id"][:] == sorted(rows[0]["stim_id"])
