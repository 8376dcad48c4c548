"""Models of what deepSTRF does otherwise, against what is written into small trees by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import scipy.io

from scripts.parity import corpus_aa4, corpus_ac1, corpus_finch, corpus_ns1
from scripts.parity.corpus_declaration import RawFolder, Run
from scripts.parity.corpus_models import says, sinc_resample
from scripts.parity.corpus_snapshot import Snapshot
from tests.raw_writers.ns1 import write_ns1
from tests.scripts.parity_corpora_examples import RUN, declaration, example_snapshot, nowhere


def folder_of(raw: Path) -> RawFolder:
    return RawFolder(declaration(), raw, raw)


def numbered_rows(first: int, trials: int, bins: int = 3) -> np.ndarray:
    """Return rows whose values tell which trial they are of."""
    return np.repeat(np.arange(first, first + trials, dtype=np.float32)[:, None], bins, axis=1)


# Words ------------------------------------------------------------------------------------------------------------


def test_words_change_where_they_are_named_alone() -> None:
    ours = example_snapshot()
    model = says(facts={"species": {"ferret": "cat"}}, neurons={"animal": {"a": None}}, stimuli={"nowhere": {None: 0}})
    theirs = model(ours, nowhere(), RUN)
    assert theirs.facts["species"] == "cat"
    assert [entry["animal"] for entry in theirs.neurons.values()] == [None, "b", None]
    assert theirs.stimuli == ours.stimuli
    assert ours.neurons["n0"]["animal"] == "a"


# Waveforms --------------------------------------------------------------------------------------------------------


def resampled_by_definition(waveform: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """Sum a windowed sinc around every new sample, in double precision, from its continuous definition."""
    common = math.gcd(rate, new_rate)
    old, new = rate // common, new_rate // common
    base = 0.99 * min(old, new)
    out = np.zeros(math.ceil(new * len(waveform) / old))
    positions = np.arange(len(waveform))
    for number in range(len(out)):
        times = (positions / old - number / new) * base
        near = np.abs(times) < 6
        window = np.cos(np.pi * times[near] / 12) ** 2
        out[number] = (waveform[near] * np.sinc(times[near]) * window).sum() * base / old
    return out


@pytest.mark.parametrize(("rate", "new_rate"), [(8000, 6000), (6000, 8000), (4069, 4000), (44_100, 48_000)])
def test_resampling_is_the_windowed_sinc(rate: int, new_rate: int) -> None:
    waveform = np.random.default_rng(rate).normal(size=700).astype(np.float32)
    resampled = sinc_resample(waveform, rate, new_rate)
    expected = resampled_by_definition(waveform.astype(np.float64), rate, new_rate)
    assert resampled.dtype == np.float32
    # Single precision moves the kernel by up to 2e-4 where the two rates share few factors.
    np.testing.assert_allclose(resampled, expected, atol=2e-3)
    assert np.abs(resampled - expected).mean() < 2e-4


def test_an_equal_rate_changes_nothing() -> None:
    waveform = np.arange(5, dtype=np.float32)
    assert sinc_resample(waveform, 32_000, 32_000) is waveform


# NS1 --------------------------------------------------------------------------------------------------------------


class FolderWithBuilds:
    """Stands for a raw folder with two builds: every spike counted, and one per millisecond at most."""

    def __init__(self, raw: Path, every: dict, one_per_ms: dict) -> None:
        self.raw, self.every, self.one_per_ms = raw, every, one_per_ms

    def ours(self, run: Run, binning: str = "") -> SimpleNamespace:
        assert binning or run.preprocessing is None
        return SimpleNamespace(responses=self.one_per_ms if binning else self.every)


def test_responses_that_are_not_those_of_the_files_are_kept(tmp_path: Path) -> None:
    truth = write_ns1(tmp_path, seed=2, n_units=3, sound_driven=False, edge_cases=True, clip_seconds=0.05)
    units = [path for path in truth.unit_paths if path not in truth.missing_units]
    every = {
        (f"nat{clip + 1:02d}", path.removesuffix(".mat")): np.stack(
            [
                np.histogram(truth.spike_times[path, clip, repeat], np.arange(0, 5000, 5))[0]
                - (truth.spike_times[path, clip, repeat] == 4995.0).sum() * (np.arange(999) == 998)
                for repeat in range(20)
            ]
        ).astype(np.float32)
        for path in units
        for clip in range(20)
    }
    wrong = sorted(every)[7]
    every[wrong][3, 500] += 1
    by_rule = {pair: np.zeros((1, 1), np.float32) for pair in every}
    neurons = {path.removesuffix(".mat"): {} for path in units}
    folder = FolderWithBuilds(tmp_path, every, by_rule)
    theirs = corpus_ns1.one_spike_per_millisecond(Snapshot({}, neurons, {}, {}, every), folder, RUN)  # type: ignore[arg-type]
    assert [pair for pair, response in theirs.responses.items() if response is not by_rule[pair]] == [wrong]


# AA1 and AA2 ------------------------------------------------------------------------------------------------------


def write_presentation(
    cell: Path, kind: str, number: int, wav: str, trials: int | None, text: str = "1.000 \n"
) -> None:
    (cell / kind).mkdir(parents=True, exist_ok=True)
    (cell / kind / f"stim{number}").write_text(f"{wav}\n")
    if trials is not None:
        (cell / kind / f"spike{number}").write_text(text * trials)


@pytest.fixture
def finches(tmp_path: Path) -> tuple[RawFolder, Snapshot]:
    """Write one cell: a sound thrice under two classes, one of them a copy, another without spikes once."""
    cell = tmp_path / "all_cells" / "bird_1_A"
    write_presentation(cell, "conspecific", 2, "A.wav", 2)
    write_presentation(cell, "conspecific", 12, "A.wav", 3)
    write_presentation(cell, "conspecific", 3, "A.wav", 2)  # a copy of the first
    write_presentation(cell, "songrip", 1, "A.wav", 4, "2.000 \n")
    write_presentation(cell, "conspecific", 4, "B.wav", 2)
    write_presentation(cell, "conspecific", 10, "B.wav", None)
    (tmp_path / "stim_data.csv").write_text("B.wav,32000.0,16,32,conspecific\n")
    stimuli = {
        f"{kind}/{name}": {"name": name, "type": kind, "sample_rate": 32_000.0, "n_samples": 32, "duration_s": 0.001}
        for kind, name in (("songrip", "A.wav"), ("conspecific", "B.wav"))
    }
    responses = {
        ("songrip/A.wav", "bird_1_A"): numbered_rows(0, 9),
        ("conspecific/B.wav", "bird_1_A"): numbered_rows(100, 2),
    }
    values = {name: np.zeros((1, 2, 3), np.float32) for name in stimuli}
    return folder_of(tmp_path), Snapshot({}, {"bird_1_A": {}}, stimuli, values, responses)


def test_a_sound_under_two_classes_becomes_two_stimuli(finches: tuple[RawFolder, Snapshot]) -> None:
    folder, ours = finches
    theirs = corpus_finch.filed_under_two_classes(ours, folder, RUN)
    assert set(theirs.stimuli) == set(theirs.values) == {"conspecific/A.wav", "songrip/A.wav", "conspecific/B.wav"}
    assert theirs.stimuli["conspecific/A.wav"]["type"] == "conspecific"
    rows = {name: response[:, 0].tolist() for (name, _), response in theirs.responses.items()}
    assert rows == {
        "conspecific/A.wav": [0, 1, 2, 3, 4],
        "songrip/A.wav": [5, 6, 7, 8],
        "conspecific/B.wav": [100, 101],
    }


def test_the_first_presentation_in_the_order_of_text_remains(finches: tuple[RawFolder, Snapshot]) -> None:
    folder, ours = finches
    divided = corpus_finch.filed_under_two_classes(ours, folder, RUN)
    theirs = corpus_finch.first_presentation_alone(divided, folder, RUN)
    rows = {name: response[:, 0].tolist() for (name, _), response in theirs.responses.items()}
    assert rows == {"conspecific/A.wav": [2, 3, 4], "songrip/A.wav": [5, 6, 7, 8]}


def test_lengths_are_those_of_the_table(finches: tuple[RawFolder, Snapshot]) -> None:
    folder, ours = finches
    theirs = corpus_finch.listed_lengths(ours, folder, RUN)
    assert theirs.stimuli["conspecific/B.wav"] == ours.stimuli["conspecific/B.wav"]
    assert [theirs.stimuli["songrip/A.wav"][name] for name in ("sample_rate", "n_samples", "duration_s")] == [None] * 3


# AA4 --------------------------------------------------------------------------------------------------------------

SINCE, BEFORE, SILENT = [0.01], [-0.1], [-999.0]


def write_unit(
    raw: Path, bird: str, name: str, protocols: dict[str, dict[str, tuple[str, Sequence[list[float]]]]]
) -> None:
    (raw / bird / "wavfiles").mkdir(parents=True, exist_ok=True)
    with h5py.File(raw / bird / f"{name}.h5", "w") as unit:
        unit.attrs["sortType"] = np.bytes_(b"single")
        unit.create_group("class_info")
        for protocol, sounds in protocols.items():
            for number, (md5, trials) in sounds.items():
                group = unit.create_group(f"{protocol}/{number}")
                group.attrs["stim_md5"], group.attrs["stim_type"] = md5, np.array([b"song"])
                for trial, times in enumerate(trials, 1):
                    group.create_group(str(trial))["spike_times"] = np.array([times])


class FolderWithCounts:
    """Stands for a raw folder whose build gave these counts."""

    def __init__(self, raw: Path, counts: dict[tuple[str, str], np.ndarray]) -> None:
        self.raw, self.counts = raw, counts

    def ours(self, run: Run) -> SimpleNamespace:
        assert run.preprocessing is None
        return SimpleNamespace(responses=self.counts)


def through(ours: Snapshot, folder: FolderWithCounts, stages: int) -> dict[tuple[str, str], list[float]]:
    for stage in corpus_aa4.STAGES[:stages]:
        ours = corpus_aa4.until(stage, ours, folder, RUN)  # type: ignore[arg-type]
    return {pair: response[:, 0].tolist() for pair, response in ours.responses.items()}


def test_trials_go_through_the_stages(tmp_path: Path) -> None:
    first, second = corpus_aa4.BIRDS[:2]
    trials = [SINCE, SILENT, BEFORE, *[SINCE] * 8]
    write_unit(tmp_path, first, "u1", {"Call2": {"7": ("x", trials)}, "Call10": {"7": ("x", [SINCE, SINCE])}})
    write_unit(tmp_path, second, "u2", {"Call1": {"3": ("x", [SILENT, SILENT])}})
    pairs = ("x", f"{first}/u1"), ("x", f"{second}/u2")
    rows = {pairs[0]: numbered_rows(1, 13), pairs[1]: np.zeros((2, 3), np.float32)}
    neurons = {unit: {} for _, unit in pairs}
    ours = Snapshot({}, neurons, {"x": {}}, {"x": np.zeros((1, 1, 3), np.float32)}, rows)
    counts = {pairs[0]: rows[pairs[0]].copy(), pairs[1]: rows[pairs[1]]}
    folder = FolderWithCounts(tmp_path, counts)
    # Call10 before Call2, trials 1, 10, 11, 2, …
    in_text_order = [12, 13, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]
    assert through(ours, folder, 1)[pairs[0]] == in_text_order
    assert through(ours, folder, 2) == {pairs[0]: [row for row in in_text_order if row not in (2, 3)]}
    assert through(ours, folder, 3) == {pairs[0]: [1, 10, 11, 4, 5, 6, 7, 8, 9]}
    # A protocol whose spikes all lie after the sound does not replace the one before it.
    counts[pairs[0]][:11] = 0
    assert through(ours, folder, 3) == {pairs[0]: [12, 13]}


def test_units_that_never_fire_are_left_out(tmp_path: Path) -> None:
    bird = corpus_aa4.BIRDS[0]
    write_unit(tmp_path, bird, "u", {"Call1": {"3": ("x", [SILENT])}})
    rows = {("x", f"{bird}/u"): np.zeros((1, 3), np.float32)}
    ours = Snapshot({}, {f"{bird}/u": {}}, {"x": {}}, {"x": np.zeros((1, 1, 3), np.float32)}, rows)
    theirs = corpus_aa4.until(corpus_aa4.with_spikes, ours, FolderWithCounts(tmp_path, rows), RUN)  # type: ignore[arg-type]
    assert (theirs.neurons, theirs.responses) == ({}, {})
    assert set(theirs.stimuli) == {"x"}


def test_a_response_is_lost_before_a_bird_has_the_sound(tmp_path: Path) -> None:
    birds = corpus_aa4.BIRDS[:3]
    for bird in birds:
        write_unit(tmp_path, bird, "u", {"Call1": {"3": ("x", [SINCE])}})
    (tmp_path / birds[1] / "wavfiles" / "stim3.wav").touch()
    rows = {("x", f"{bird}/u"): np.ones((1, 3), np.float32) for bird in birds}
    ours = Snapshot({}, {unit: {} for _, unit in rows}, {"x": {}}, {}, rows)
    theirs = corpus_aa4.first_bird_has_the_sound(ours, folder_of(tmp_path), RUN)
    assert set(theirs.neurons) == {f"{bird}/u" for bird in birds[1:]}


def test_numbers_in_arrays_are_rewritten_and_texts_are_not(tmp_path: Path) -> None:
    write_unit(tmp_path, "bird", "u", {"Call1": {"3": ("x", [SINCE])}})
    with h5py.File(tmp_path / "bird" / "u.h5", "r+") as unit:
        unit.attrs["electrode"] = np.array([[7]])
        unit["Call1/3/1"].attrs["post_time"] = np.array([1.5])
    corpus_aa4.numbers_as_scalars(tmp_path)
    with h5py.File(tmp_path / "bird" / "u.h5") as unit:
        assert (unit.attrs["electrode"], np.shape(unit.attrs["electrode"])) == (7, ())
        assert np.shape(unit["Call1/3/1"].attrs["post_time"]) == ()
        assert unit["Call1/3"].attrs["stim_type"].shape == (1,)


# AC1 --------------------------------------------------------------------------------------------------------------


def write_recording(session: Path, number: int, mode: str, sequences: Sequence[Sequence[int]]) -> None:
    session.mkdir(parents=True, exist_ok=True)
    triggers = [{"param": {"description": f"Sequence 1: {'  '.join(map(str, one))}"}} for one in sequences]
    param = {
        "recording": {"site": "auditory Cortex", "type": mode},
        "stimulus": [{"file": "class3/1.mat"}, {"file": "class3/2.mat"}],
    }
    scipy.io.savemat(session / f"{number}.mat", {"triggers": triggers, "param": param})


def segments(*names: str) -> dict[str, list[str]]:
    return {"segment_files": list(names)}


def test_responses_recorded_otherwise_than_the_session_began_are_taken_away(tmp_path: Path) -> None:
    session = tmp_path / "crcns-ac1-asari-results-2" / "asari-results-2" / "20070205-ha4-003"
    write_recording(session, 1, "whole cell", [[1, 2]])
    write_recording(session, 2, "Cell Attached", [[2, 1], [1, 2]])
    names = "class3/1.mat,class3/2.mat", "class3/2.mat,class3/1.mat"
    responses = {(name, session.name): np.ones((2, 3), np.float32) for name in names}
    values = {name: np.zeros((1, 1, 3), np.float32) for name in names}
    theirs = Snapshot({}, {session.name: {}}, {name: segments(*name.split(",")) for name in names}, values, responses)
    left = corpus_ac1.mode_of_the_first_file(theirs, folder_of(tmp_path), RUN)
    assert set(left.stimuli) == set(left.values) == {name for name, _ in left.responses} == {names[0]}


def test_both_kinds_of_slashes_are_one() -> None:
    stimuli = {
        "class3/1.mat": {**segments("class3/1.mat"), "category": "class3", "class_n": 3, "sequence": "first"},
        "class3\\1.mat": {**segments("class3\\1.mat"), "category": "mixed", "class_n": None, "sequence": "second"},
        "class6\\2.mat": {**segments("class6\\2.mat"), "category": "mixed", "class_n": None, "sequence": "third"},
    }
    values = {
        name: np.arange(bins, dtype=np.float32)[None, None] for name, bins in zip(stimuli, (5, 4, 3), strict=True)
    }
    responses = {(name, f"cell{n}"): np.ones((2, values[name].shape[-1]), np.float32) for n, name in enumerate(stimuli)}
    joined = corpus_ac1.with_slashes(Snapshot({}, {}, stimuli, values, responses), nowhere(), RUN)
    assert joined.stimuli == {
        "class3/1.mat": stimuli["class3/1.mat"],
        "class6/2.mat": {**segments("class6/2.mat"), "category": "class6", "class_n": 6, "sequence": "third"},
    }
    assert {name: array.shape[-1] for name, array in joined.values.items()} == {"class3/1.mat": 4, "class6/2.mat": 3}
    assert {pair: response.shape for pair, response in joined.responses.items()} == {
        ("class3/1.mat", "cell0"): (2, 4),
        ("class3/1.mat", "cell1"): (2, 4),
        ("class6/2.mat", "cell2"): (2, 3),
    }


def test_columns_of_words_are_lists() -> None:
    assert corpus_ac1.blanks_apart("segments", int)({"segments": "2 1 3"}) == [2, 1, 3]
    assert corpus_ac1.blanks_apart("segments")({"segments": None}) is None
    assert json.dumps(corpus_ac1.blanks_apart("x")({"x": "a  b"})) == '["a", "b"]'
