"""Espejo 2019: the epoch table of TAR010c, one of its sites, as an older generation of recordings holds it.

The real counts and times of its presentations, with tiles and spikes drawn at random.
"""

import csv
from collections import Counter

import numpy as np
import pytest

from deepstrf_hf import build
from tests.builders.espejo_trees import nems_counts, of_sound, pairs, table_rows
from tests.raw_writers.espejo import Drawing, WrittenRecording, WrittenTrial

CELL = "TAR010c-18-1"


@pytest.fixture(scope="module")
def real_build(real_data, tmp_path_factory):
    table = real_data / "nems" / CELL / f"{CELL}.resp.epoch.csv"
    if not table.is_file():
        pytest.skip("no real recordings of NEMS")
    with table.open(newline="", encoding="utf-8") as file:
        rows = [(row["name"], float(row["start"]), float(row["end"])) for row in csv.DictReader(file)]
    played = [row for row in rows if row[0].startswith("STIM_")]
    before = {start: end - start for name, start, end in rows if name == "PreStimSilence"}
    after = {end: end - start for name, start, end in rows if name == "PostStimSilence"}
    trials = tuple(
        WrittenTrial(name.removeprefix("STIM_"), start, round((end - start) * 100), before[start], after[end])
        for name, start, end in played
    )
    draw = Drawing(0)
    tiles = {trial.sound: draw.tile("nat", trial.sound, trial.bins) for trial in trials}
    times = np.round(np.sort(draw.rng.uniform(0, 2069, 20_000)), 3)  # on whole milliseconds, as the lab's spikes may be
    recording = WrittenRecording("nat", "TAR010c", (CELL,), trials, tiles, {CELL: times})
    directory = tmp_path_factory.mktemp("real")
    files = recording.writer()
    real = table.read_bytes()
    files.files["TAR010c.resp.epoch.csv"] = files.files["TAR010c.stim.epoch.csv"] = real
    for signal in ("resp", "stim"):
        header = files.files[f"TAR010c.{signal}.json"]
        start = header.index(b'"segments": [[0, ') + len(b'"segments": [[0, ')
        length = str(round(100 * max(end for _, _, end in rows))).encode()
        files.files[f"TAR010c.{signal}.json"] = header[:start] + length + header[header.index(b"]]", start) :]
    files.write_tgz(directory / "raw" / "A1_natural_sounds" / "NAT" / recording.name)
    report = build("espejo", ["nat"], data_dir=directory / "raw", out=directory / "out").cohorts["nat"]
    return report, directory / "out", recording


@pytest.mark.real
def test_real_presentations_are_those_of_the_site(real_build):
    report, out, _ = real_build
    rows = pairs(out, "nat")
    assert len(rows) == report.counts["stimuli"] == report.counts["sound_names"] == 93
    assert Counter((row["subset"], row["n_trials"]) for row in rows.values()) == {("est", 3): 90, ("val", 24): 3}
    assert {row["n_bins"] for row in rows.values()} == {550}
    assert {row["stim_name"][:7] for row in rows.values() if row["subset"] == "val"} == {"STIM_00"}
    assert {row["stim_named_00"] for row in rows.values() if row["subset"] == "est"} == {False}
    assert Counter(row["stim_split"] for row in rows.values()) == {"estimation": 90, "test": 3}


@pytest.mark.real
def test_real_silences_are_those_of_the_parameter_file(real_build):
    stimuli = table_rows(real_build[1], "nat-stimuli")
    assert {(row["stim_pre_silence_s"], row["stim_post_silence_s"]) for row in stimuli} == {(2.0, 0.5)}


@pytest.mark.real
def test_spikes_on_the_real_starts(real_build):
    report, out, recording = real_build
    rows, total = pairs(out, "nat"), 0
    for sound in dict.fromkeys(trial.sound for trial in recording.trials):
        (row,) = of_sound(rows, sound, CELL)
        expected = [nems_counts(recording.spikes_s[CELL], trial) for trial in recording.of(sound)]
        np.testing.assert_array_equal(row["response"], expected)
        total += np.sum(expected)
    assert report.counts["spikes"] == total > 15_000
