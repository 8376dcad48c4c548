"""Le 2025: raw trees that are not as published."""

import itertools
import json
import shutil

import numpy as np
import pytest
import soundfile

from deepstrf_hf import build
from deepstrf_hf.errors import DataDirectoryError, MissingRawFileError, ParameterError, RawFormatError
from tests.builders.le2025_trees import change_table, change_unit, pairs, table_rows
from tests.raw_writers.le2025 import write_le2025

UNITS, SOUNDS, UNIT, OTHER = "synth8b-responses", "synth8b-stimuli", "C43_2_1_c8", "C54a_1_2_c17"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_le2025(tmp_path_factory.mktemp("le2025_written"), seed=2, experiments=("synth8b",))


@pytest.fixture
def truth(written, tmp_path):
    """Return a tree of its own, to be damaged."""
    shutil.copytree(written.directory, tmp_path / "raw")
    return type(written)(tmp_path / "raw", written.samples, written.units, written.uuids)


@pytest.fixture
def built(truth, tmp_path):
    numbers = itertools.count()

    def built(experiment="synth8b", **options):
        out, parameters = tmp_path / f"out-{next(numbers)}", {"n_bands": 2, **options.pop("parameters", {})}
        report = build("le2025", [experiment], data_dir=truth.directory, out=out, parameters=parameters, **options)
        (config,) = report.cohorts
        return report.cohorts[config], out, config

    return built


def left_out(report):
    return {(kind, name): reason for kind, name, reason in report.left_out}


# Units ----------------------------------------------------------------------------------------------------------------


def other_layout(content):
    content["pprox"] = [{"times": trial["events"]} for trial in content["pprox"]]


def other_schema(content):
    content["$schema"] = "https://meliza.org/spec:3/pprox.json#"


def in_milliseconds(content):
    for trial in content["pprox"]:
        trial["events"] = [1000 * event for event in trial["events"]]
        trial.pop("interval")
        if isinstance(trial.get("stimulus"), dict):
            trial["stimulus"] = trial["stimulus"]["name"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (other_layout, "no layout that is known"),
        (other_schema, "unknown schema.*spec:3"),
        (in_milliseconds, "another unit than the layout.*more than 60 s away from the stimulus"),
        (lambda content: content.update(bird=3), r"not text.*Field: bird"),
        (lambda content: content["pprox"][0].update(events="1"), r"pprox\[0\]\.events"),
    ],
)
def test_a_unit_that_cannot_be_read_stops_the_build_or_is_left_out_by_name(truth, built, change, match):
    change_unit(truth, UNITS, UNIT, change)
    with pytest.raises(RawFormatError, match=match) as caught:
        built()
    assert f"{UNIT}.pprox" in str(caught.value)
    report, out, config = built(on_error="skip")
    assert f"{UNIT}.pprox" in left_out(report)["units", f"{UNITS}/{UNIT}.pprox"]
    assert {cell for _, cell in pairs(out, config)} == {OTHER}


def test_malformed_json_is_named(truth, built):
    path = truth.directory / UNITS / f"{UNIT}.pprox"
    path.write_text(path.read_text()[:-40])
    with pytest.raises(RawFormatError, match=rf"not JSON.*{UNIT}"):
        built()


def test_seconds_in_the_older_layout_are_detected(tmp_path):
    truth = write_le2025(tmp_path / "raw", seed=2, experiments=("nat8a",))

    def in_seconds(content):
        for trial in content["pprox"]:
            trial |= {name: trial[name] / 1000 for name in ("stim_on", "stim_off")}
            trial["event"] = [event / 1000 for event in trial["event"]]

    change_unit(truth, "nat8a-alpha-responses", "O153_p1r1_ch4_c3", in_seconds)
    with pytest.raises(RawFormatError, match=r"O153_p1r1_ch4_c3.*0\.001 times as long as their sounds"):
        build("le2025", ["nat8a"], data_dir=truth.directory, out=tmp_path / "out", parameters={"n_bands": 2})


def test_another_unit_of_the_same_lab_is_left_out_since_its_stimuli_are_unknown(truth, built):
    trials = [{"stimulus": "B8", "events": [1.7, 4.6, -0.5]}] * 5
    attributes = {"$schema": "https://meliza.org/spec:2/pprox.json#", "subject": "st11", "area": "CMM"}
    path = truth.directory / UNITS / "st11_1_2_1.pprox"
    path.write_text(json.dumps({**attributes, "pprox": trials}))
    report, _, _ = built()
    said = left_out(report)
    assert said["units", "synth8b-st11_1_2_1"] == "none of its 5 trials is of a sound of the experiment"
    assert ("stimuli", "B8") in said
    assert ("trials", "of B8, of which there is no sound", 5) in report.amounts


def test_events_on_edges_of_bins_fall_into_the_bin_that_begins_there(truth, built):
    def on_every_edge(content):
        for trial in content["pprox"][:-2]:
            trial["events"] = [k / 1000 for k in range(2000)]

    change_unit(truth, UNITS, OTHER, on_every_edge)
    _, out, config = built(parameters={"dt_ms": 1})
    rows = [row for (_, cell), row in pairs(out, config).items() if cell == OTHER]
    assert rows
    for row in rows:
        np.testing.assert_array_equal(row["response"], np.ones((row["n_trials"], row["n_bins"])))
        assert row["recording_events_after"] == (2000 - row["n_bins"]) * row["n_trials"]


def test_where_the_songs_of_a_room_are_unknown_so_is_what_is_familiar(tmp_path):
    truth = write_le2025(tmp_path / "raw", seed=2, experiments=("nat8a",))
    change_unit(truth, "nat8a-alpha-responses", "O153_p1r1_ch4_c3", lambda content: content.update(familiar="200C"))
    build("le2025", ["nat8a"], data_dir=truth.directory, out=tmp_path / "out", parameters={"n_bands": 2})
    rows = pairs(tmp_path / "out", "nat8a-n_bands_2")
    row = rows["B189_gap1", "O153_p1r1_ch4_c3"]
    told = (row["neuron_familiar_room"], row["neuron_familiar_motifs"], row["recording_familiar"])
    assert told == ("200C", None, None)
    assert rows["B189_gap1", "P69_p2r1_ch6_c12"]["recording_familiar"] is True


def test_other_files_are_named_and_hidden_ones_ignored(truth, built):
    for name in (f"{UNITS}/notes.txt", f"{UNITS}/.DS_Store", f"{SOUNDS}/list.csv", f"{SOUNDS}/._x.wav"):
        (truth.directory / name).write_text("x")
    report, _, _ = built()
    assert {name for kind, name in left_out(report) if kind in ("files", "sounds")} == {
        f"{UNITS}/notes.txt",
        f"{SOUNDS}/list.csv",
    }


# Sounds ---------------------------------------------------------------------------------------------------------------


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-1000])


def shorter_than_a_window(path):
    soundfile.write(path, np.zeros(100, np.int16), 44_100, subtype="PCM_16")


def not_finite(path):
    soundfile.write(path, np.full(5000, np.nan, np.float32), 44_100, subtype="FLOAT")


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (cut_short, "cut short"),
        (lambda path: path.write_bytes(b"no sound"), "cannot be read"),
        (shorter_than_a_window, r"no spectrogram.*100 samples at 44100 Hz.*110 of them at least"),
        (not_finite, r"no spectrogram.*finite samples"),
    ],
)
def test_a_sound_that_cannot_be_read_stops_the_build_or_is_left_out_by_name(truth, built, damage, match):
    name = "ep_synth8mk0_GB_g2a_snr0"
    damage(truth.directory / SOUNDS / f"{name}.wav")
    with pytest.raises(RawFormatError, match=match):
        built()
    report, out, config = built(on_error="skip")
    said = left_out(report)
    assert name in said["sounds", name]
    assert ("stimuli", name) not in said, "trials of it are no trials of an unknown stimulus"
    assert name not in {row["stim_name"] for row in table_rows(out, f"{config}-stimuli")}


def test_a_stereo_sound_is_its_mean(truth, built):
    name = "ep_synth8mk1_C"
    path = truth.directory / SOUNDS / f"{name}.wav"
    _, before, config = built()
    mono = {row["stim_name"]: row["spectrogram"] for row in table_rows(before, f"{config}-stimuli")}
    samples, rate = soundfile.read(path, dtype="int16")
    soundfile.write(path, np.stack([samples, np.zeros_like(samples)], axis=1), rate, subtype="PCM_16")
    _, after, _ = built()
    stereo = {row["stim_name"]: row["spectrogram"] for row in table_rows(after, f"{config}-stimuli")}
    np.testing.assert_allclose(np.array(stereo[name]), np.array(mono[name]) / 2, rtol=1e-6)


def test_a_sound_that_changes_is_read_again(truth, built):
    name = "ep_synth8mk1_C"
    path = truth.directory / SOUNDS / f"{name}.wav"
    _, out, config = built()
    first = {row["stim_name"]: row["spectrogram"] for row in table_rows(out, f"{config}-stimuli")}
    samples, rate = soundfile.read(path, dtype="int16")
    soundfile.write(path, samples // 2, rate, subtype="PCM_16")
    _, out, _ = built()
    second = {row["stim_name"]: row["spectrogram"] for row in table_rows(out, f"{config}-stimuli")}
    assert np.max(second[name]) == pytest.approx(np.max(first[name]) / 2, rel=1e-2)


# Tables of the lab ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ephys-birds", "song-birds", "recordings"])
def test_a_table_that_is_not_there_stops_the_build(truth, built, name):
    (truth.directory / "metadata" / f"{name}.csv").unlink()
    with pytest.raises(MissingRawFileError, match=rf"{name}\.csv"):
        built(on_error="skip")


@pytest.mark.parametrize(
    ("name", "change", "match"),
    [
        ("ephys-birds", lambda text: text.replace("uuid", "id"), "not once: uuid"),
        ("ephys-birds", lambda text: text + text.splitlines()[1] + "\n", "bird O153.*no other row has"),
        ("ephys-birds", lambda text: text + "X1,u\n", "another number of values than columns.*7 values"),
        ("ephys-birds", lambda text: text + "X1,u,m,,1d,1,,,\n", "another number of values than columns"),
        ("recordings", lambda text: text.replace("area", "place"), "not once: area"),
        ("recordings", lambda text: text + ",C43,,,,\n", "site None"),
        ("recordings", lambda text: text.replace("N2", '"N2'), "comma-separated text"),
        ("song-birds", lambda text: text.replace("gap_start", "start"), "not once: gap_start"),
        ("song-birds", lambda text: text.replace("748", "x"), r"line \d.*begin and end"),
        ("song-birds", lambda text: text.replace("748", ""), r"line \d.*begin and end"),
        ("song-birds", lambda text: text.replace("748", "900"), "0.9 to 0.824 s.*begins before it ends"),
        ("song-birds", lambda text: text + text.splitlines()[1] + "\n", "interval 1 of B189 again"),
        ("song-birds", lambda text: text + ",,,,1,1,2\n", "bird None"),
    ],
)
def test_a_table_that_is_not_as_published_stops_the_build(truth, built, name, change, match):
    change_table(truth, name, change)
    with pytest.raises(RawFormatError, match=match) as caught:
        built(on_error="skip")
    assert f"{name}.csv" in str(caught.value)


def test_the_other_name_of_the_column_of_encodings_serves(tmp_path):
    truth = write_le2025(tmp_path / "raw", seed=2, experiments=("nat8b",))
    parameters = {"n_bands": 2}
    intervals = []
    for header in ("nat8b_encoding", "nat8b_coding", "something"):
        change_table(truth, "song-birds", lambda text, header=header: text.replace("nat8b_encoding", header))
        build("le2025", ["nat8b"], data_dir=truth.directory, out=tmp_path / header, parameters=parameters)
        rows = table_rows(tmp_path / header, "nat8b-n_bands_2-stimuli")
        intervals.append({row["stim_name"]: (row["stim_song_bird"], row["stim_ci_onset_s"]) for row in rows})
        change_table(truth, "song-birds", lambda text, header=header: text.replace(header, "nat8b_encoding"))
    assert intervals[0]["ep_nat8mk5_G_g1"] == ("B2", 0.748)
    assert intervals[0] == intervals[1] == intervals[2], "the lab's order of motifs is known besides"


# Joins ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def many(truth):
    """Copy a unit to 21 at its site."""
    for cluster in range(20):
        shutil.copy(
            truth.directory / UNITS / f"{OTHER}.pprox", truth.directory / UNITS / f"C54a_1_2_c{100 + cluster}.pprox"
        )
    return truth


@pytest.mark.parametrize(
    ("table", "change", "match"),
    [
        (
            "ephys-birds",
            lambda text: text.replace("C54a,", "C55,"),
            "Too few units.*ephys-birds.csv.*bird.*1 of 22.*90%",
        ),
        (
            "recordings",
            lambda text: text.replace("C54a_1_2,", "C55_1_2,"),
            "Too few units.*recordings.csv.*site.*1 of 22",
        ),
    ],
)
def test_tables_that_know_too_few_units_stop_the_build(many, built, table, change, match):
    built()
    change_table(many, table, change)
    with pytest.raises(RawFormatError, match=match):
        built(on_error="skip")
    report, _, _ = built(parameters={"smallest_join": 0.0})
    assert any(f"{table}.csv does not tell" in note and "and 11 more" in note for note in report.notes)


def test_sounds_that_know_too_few_trials_stop_the_build(many, built):
    for path in (many.directory / SOUNDS).glob("ep_synth8mk1_G*.wav"):
        path.unlink()
    with pytest.raises(RawFormatError, match="Too few trials are found in synth8b-stimuli"):
        built(on_error="skip")


# Folders and parameters -----------------------------------------------------------------------------------------------


def test_a_folder_that_is_no_corpus_is_refused(tmp_path):
    with pytest.raises(DataDirectoryError, match="does not hold the raw files of le2025"):
        build("le2025", data_dir=tmp_path, out=tmp_path / "out")


def test_an_experiment_that_is_not_in_the_tree_is_named(truth, built):
    for experiment in ("nat8a", "nat8b"):
        (truth.directory / f"{experiment}-stimuli" / "B189_continuous.wav").touch()
    shutil.rmtree(truth.directory / "nat8b-responses")
    with pytest.raises(MissingRawFileError, match="responses of experiment nat8b.*build the other cohorts alone"):
        built("nat8b")
    with pytest.raises(MissingRawFileError, match="responses of experiment nat8a.*nat8a-alpha-responses or nat8a-beta"):
        built("nat8a")
    shutil.rmtree(truth.directory / SOUNDS)
    with pytest.raises(MissingRawFileError, match=r"sounds of experiment synth8b.*a folder of \.wav files"):
        built()


def test_one_of_two_folders_of_units_serves(tmp_path):
    truth = write_le2025(tmp_path / "raw", seed=2, experiments=("nat8a",))
    shutil.rmtree(truth.directory / "nat8a-alpha-responses")
    out = tmp_path / "out"
    report = build("le2025", ["nat8a"], data_dir=truth.directory, out=out, parameters={"n_bands": 2})
    (cohort,) = report.cohorts.values()
    assert cohort.counts["neurons"] == 4
    assert any("no folder nat8a-alpha-responses" in note for note in cohort.notes)


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"window_ms": 0}, "window_ms"),
        ({"n_bands": 0}, "0 bands"),
        ({"fmin": 9000}, "from 9000 to 8000 Hz"),
        ({"fmax": 30_000, "fmin": 25_000}, "beyond half the sampling rate"),
        ({"frames": "centred"}, "frames"),
        ({"smallest_join": 1.5}, "smallest_join"),
        ({"dt_ms": 0.001}, "samples apart"),
        ({"dt_ms": -1}, "bin width"),
    ],
)
def test_parameters_that_cannot_be_are_refused(built, parameters, match):
    with pytest.raises(ParameterError, match=match):
        built(parameters=parameters)
