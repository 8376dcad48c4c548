import hashlib
import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest

import deepstrf_hf
from deepstrf_hf.build import build
from deepstrf_hf.errors import (
    BuilderContractError,
    DataDirectoryError,
    MissingRawFileError,
    OutputDirectoryError,
    ParameterError,
    RawFormatError,
    UnknownNameError,
)
from deepstrf_hf.parquet import read_provenance
from deepstrf_hf.report import BuildReport
from tests.toy import N_STIMULI, SITES, Faulty, SecondToy, Toy, ToyConfig, toy_response, toy_stimulus, write_toy


def fingerprint(directory: Path) -> dict[str, str]:
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def raw(tmp_path):
    return write_toy(tmp_path / "raw")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    root = tmp_path_factory.mktemp("toy")
    return build(Toy, data_dir=write_toy(root / "raw"), out=root / "out", waveform=True), root / "out"


# What is written ------------------------------------------------------------------------------------------------------


def test_rows_hold_what_the_builder_yielded(built):
    _, out = built
    for cohort in Toy.CORPUS.cohorts:
        rows = datasets.load_dataset(str(out), cohort.name)
        seen = 0
        for split in ("train", "test"):
            for row in rows[split].with_format("numpy"):
                stimulus = toy_stimulus(int(row["stim_id"][-1]), 0, cohort)
                response = toy_response(stimulus, row["neuron_id"], cohort, ToyConfig("x"))
                assert (split == "test") == (row["stim_id"] == "sound1") == (row["subset"] == "test")
                np.testing.assert_array_equal(np.stack(row["response"]), response)
                assert (row["n_trials"], row["n_bins"]) == response.shape
                if cohort.stimulus == "inline":
                    np.testing.assert_array_equal(np.stack(row["spectrogram"]), stimulus.spectrogram)
                else:
                    assert "spectrogram" not in row
                assert row["neuron_site"] == row["neuron_id"].rpartition("-")[0]
                seen += 1
        assert seen == len(SITES) * 2 * N_STIMULI


def test_rows_are_sorted_by_stimulus_then_neuron_within_a_part(built):
    _, out = built
    for files in (out / "counts").glob("train-*.parquet"):
        keys = list(zip(*pq.read_table(files, columns=["stim_id", "neuron_id"]).to_pydict().values(), strict=True))
        assert keys == sorted(keys)
        assert len(set(keys)) == len(keys)


def test_absent_values_are_null_and_types_are_declared(built):
    _, out = built
    rows = datasets.load_dataset(str(out), "counts", split="train")
    levels = dict(zip(rows["stim_id"], rows["stim_level"], strict=True))
    assert levels == {"sound0": 60.0, "sound2": None, "sound3": 63.0}
    good = dict(zip(rows["neuron_id"], rows["neuron_good"], strict=True))
    assert good["site_a-n0"] is True
    assert good["site_a-n1"] is None
    assert rows.features["response"] == datasets.List(datasets.List(datasets.Value("uint8")))
    assert rows.features["stim_level"] == datasets.Value("float64")


def test_a_missing_sample_is_nan_and_not_null(built):
    _, out = built
    response = pq.read_table(next((out / "potentials").glob("train-*")), columns=["response"]).column("response")
    values = response.combine_chunks().flatten().flatten()
    assert values.null_count == 0
    assert np.isnan(values.to_numpy()).any()


def test_stimuli_shared_by_parts_stand_once(built):
    _, out = built
    stimuli = datasets.load_dataset(str(out), "counts-stimuli", split="train")
    assert stimuli["stim_id"] == [f"sound{index}" for index in range(N_STIMULI)]
    encoded = stimuli.cast_column("audio", datasets.Audio(decode=False))
    assert encoded[0]["audio"]["bytes"][:4] == b"fLaC"
    assert np.asarray(encoded[1]["picture"]).shape[1] == 11


def test_integer_sound_is_stored_without_loss(built):
    import io

    import soundfile

    _, out = built
    stimuli = datasets.load_dataset(str(out), "counts-stimuli", split="train").cast_column(
        "audio", datasets.Audio(decode=False)
    )
    samples, rate = soundfile.read(io.BytesIO(stimuli[3]["audio"]["bytes"]), dtype="int16")
    assert rate == 1000
    np.testing.assert_array_equal(samples, toy_stimulus(3, 0, Toy.CORPUS.cohorts[0]).waveform)
    assert stimuli[3]["stim_sample_rate_hz"] == 1000.0


def test_neurons_table_has_coverage_and_quality(built):
    _, out = built
    neurons = datasets.load_dataset(str(out), "counts-neurons", split="train")
    assert neurons["neuron_id"] == sorted(f"{site}-n{number}" for site in SITES for number in range(2))
    cohort = Toy.CORPUS.cohorts[0]
    responses = [
        toy_response(toy_stimulus(index, 0, cohort), "site_b-n1", cohort, ToyConfig("x")) for index in range(N_STIMULI)
    ]
    row = neurons[neurons["neuron_id"].index("site_b-n1")]
    assert row["n_stimuli"] == N_STIMULI
    assert row["n_trials"] == sum(len(response) for response in responses)
    assert row["mean_response"] == pytest.approx(np.concatenate([r.ravel() for r in responses]).mean())


def test_waveform_rows_carry_the_waveform(built):
    _, out = built
    rows = datasets.load_dataset(str(out), "counts-waveform", split="test").cast_column(
        "audio", datasets.Audio(decode=False)
    )
    assert "spectrogram" not in rows.column_names
    assert len({row["audio"]["bytes"] for row in rows}) == 1
    assert len(rows) == len(SITES) * 2


def test_a_cohort_may_be_stored_by_reference_or_inline_on_request(raw, tmp_path):
    build(Toy, ["counts"], data_dir=raw, out=tmp_path / "out", stimulus="reference")
    assert "spectrogram" not in datasets.load_dataset(str(tmp_path / "out"), "counts", split="test").column_names
    build(Toy, ["potentials"], data_dir=raw, out=tmp_path / "out", stimulus="inline")
    assert "spectrogram" in datasets.load_dataset(str(tmp_path / "out"), "potentials", split="test").column_names


def test_every_file_says_where_it_comes_from(built):
    report, out = built
    files = list(out.rglob("*.parquet"))
    assert len(files) == sum(
        len(split.files) for entry in report.cohorts.values() for c in entry.configs.values() for split in c.values()
    )
    for path in files:
        provenance = read_provenance(path)
        assert provenance["corpus"] == "toy"
        assert provenance["corpus_version"] == "1.2.3"
        assert provenance["parameters"] == {"dt_ms": 5.0, "gain": 1.0, "window": "hann", "limit": None}
        digest = hashlib.sha256(SITES[0].encode()).hexdigest()
        assert provenance["raw_sha256"]["site_a.txt"] == digest
        assert "never there.txt" not in provenance["raw_sha256"]


def test_no_path_of_the_machine_gets_into_the_files(built, tmp_path_factory):
    _, out = built
    root = str(tmp_path_factory.getbasetemp()).encode()
    for path in out.rglob("*"):
        if path.is_file():
            assert root not in path.read_bytes()


# The report -----------------------------------------------------------------------------------------------------------


def test_report_compares_counts_with_the_published_ones(built):
    report, out = built
    entry = report.cohorts["counts"]
    assert entry.counts["neurons"] == 6
    assert entry.counts["good"] == 3
    assert entry.differences() == {"good": (3, 99)}
    assert entry.amounts == [("spikes", "before the sound", 2 * len(SITES))]
    assert "spikes" not in report.cohorts["potentials"].counts
    assert BuildReport.read(out) == report
    card = (out / "README.md").read_text()
    assert "**differs**" in card
    assert "before the sound" in card


def test_broken_recording_stops_the_build_by_name(tmp_path):
    raw = write_toy(tmp_path / "raw", broken=["site_b-n1"])
    with pytest.raises(RawFormatError) as caught:
        build(Toy, data_dir=raw, out=tmp_path / "out")
    assert caught.value.field == "site_b-n1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw"]


@pytest.mark.parametrize("num_proc", [1, 2])
def test_broken_recording_can_be_skipped_and_is_listed(tmp_path, num_proc):
    raw = write_toy(tmp_path / "raw", broken=["site_b-n1"])
    report = build(Toy, ["counts"], data_dir=raw, out=tmp_path / "out", on_error="skip", num_proc=num_proc)
    entry = report.cohorts["counts"]
    assert [(kind, name) for kind, name, _ in entry.left_out] == [("units", "site_b-n1")]
    assert "A unit is broken" in entry.left_out[0][2]
    assert entry.differences()["neurons"] == (5, 6)


def test_error_of_a_worker_process_arrives_whole(tmp_path):
    raw = write_toy(tmp_path / "raw", broken=["site_c-n0"])
    with pytest.raises(RawFormatError) as caught:
        build(Toy, ["counts"], data_dir=raw, out=tmp_path / "out", num_proc=2)
    assert caught.value.field == "site_c-n0"
    assert "site_c.txt" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_nothing_usable_is_an_error(tmp_path):
    raw = write_toy(tmp_path / "raw", broken=[f"{site}-n{number}" for site in SITES for number in range(2)])
    with pytest.raises(MissingRawFileError, match="No recording of toy/counts"):
        build(Toy, data_dir=raw, out=tmp_path / "out", on_error="skip")
    assert not (tmp_path / "out").exists()


# Determinism ----------------------------------------------------------------------------------------------------------


def test_the_same_bytes_again_and_with_more_processes(raw, tmp_path, built):
    build(Toy, data_dir=raw, out=tmp_path / "again", waveform=True)
    build(Toy, data_dir=raw, out=tmp_path / "parallel", waveform=True, num_proc=2)
    assert fingerprint(tmp_path / "again") == fingerprint(built[1])
    assert fingerprint(tmp_path / "parallel") == fingerprint(built[1])


def test_values_do_not_depend_on_which_cohorts_are_built(raw, tmp_path, built):
    build(Toy, ["potentials"], data_dir=raw, out=tmp_path / "one")
    one, both = fingerprint(tmp_path / "one"), fingerprint(built[1])
    tables = {name: digest for name, digest in one.items() if name.endswith(".parquet")}
    assert tables
    assert tables.items() <= both.items()


# The output directory -------------------------------------------------------------------------------------------------


def test_cohorts_of_an_earlier_build_and_files_of_the_user_are_kept(raw, tmp_path):
    out = tmp_path / "out"
    build(Toy, ["counts"], data_dir=raw, out=out, waveform=True)
    (out / "notes.txt").write_text("mine")
    before = fingerprint(out)
    build(Toy, ["potentials"], data_dir=raw, out=out)
    assert sorted(BuildReport.read(out).cohorts) == ["counts", "potentials"]
    after = fingerprint(out)
    for name, digest in before.items():
        if name not in ("README.md", "build_report.json"):
            assert after[name] == digest
    assert len(datasets.load_dataset(str(out), "counts", split="test")) == 6
    build(Toy, ["counts"], data_dir=raw, out=out)
    assert not (out / "counts-waveform").exists(), "a configuration that was not built again is stale"
    assert (out / "notes.txt").read_text() == "mine"


def test_a_variant_gets_its_own_name_beside_the_published_one(raw, tmp_path):
    out = tmp_path / "out"
    build(Toy, ["potentials"], data_dir=raw, out=out)
    build(Toy, ["potentials"], data_dir=raw, out=out, parameters={"gain": "2", "dt_ms": 10, "limit": 3})
    report = BuildReport.read(out)
    assert sorted(report.cohorts) == ["potentials", "potentials-dt10-gain_2-limit_3"]
    variant = datasets.load_dataset(str(out), "potentials-dt10-gain_2-limit_3", split="test").with_format("numpy")
    assert set(variant["n_trials"][:].tolist()) == {3}
    assert variant[0]["dt_ms"] == 10
    grid = deepstrf_hf.load(out, "potentials-dt10-gain_2-limit_3")
    assert grid.dt == 10


@pytest.mark.parametrize("content", ["thesis.txt", "build_report.json"])
def test_a_directory_that_holds_something_else_is_not_touched(raw, tmp_path, content):
    out = tmp_path / "out"
    out.mkdir()
    if content == "build_report.json":
        build(SecondToy, ["counts"], data_dir=raw, out=out)
    else:
        (out / content).write_text("do not lose me")
    before = fingerprint(out)
    with pytest.raises(OutputDirectoryError) as caught:
        build(Toy, data_dir=raw, out=out)
    assert caught.value.path == str(out)
    assert ("second_toy" if content == "build_report.json" else content) in str(caught.value.found)
    assert fingerprint(out) == before
    assert not list(tmp_path.glob(".out*"))


def test_a_file_in_place_of_the_output_directory(raw, tmp_path):
    (tmp_path / "out").write_text("file")
    with pytest.raises(OutputDirectoryError, match="is a file"):
        build(Toy, data_dir=raw, out=tmp_path / "out")


def test_raw_files_are_never_overwritten(raw, tmp_path):
    for out in (raw, tmp_path):
        before = fingerprint(raw)
        with pytest.raises(OutputDirectoryError):
            build(Toy, data_dir=raw, out=out)
        assert fingerprint(raw) == before


def test_cohorts_of_another_builder_version_do_not_mix(raw, tmp_path):
    out = tmp_path / "out"
    build(Toy, ["counts"], data_dir=raw, out=out)
    report = json.loads((out / "build_report.json").read_text())
    (out / "build_report.json").write_text(json.dumps({**report, "corpus_version": "0.9.0"}))
    with pytest.raises(OutputDirectoryError, match=r"counts of version 0\.9\.0"):
        build(Toy, ["potentials"], data_dir=raw, out=out)
    build(Toy, ["counts"], data_dir=raw, out=out)
    assert BuildReport.read(out).corpus_version == "1.2.3"


def test_a_failed_build_leaves_the_earlier_one(tmp_path):
    raw, out = write_toy(tmp_path / "raw"), tmp_path / "out"
    build(Toy, ["counts"], data_dir=raw, out=out)
    before = fingerprint(out)
    write_toy(raw, broken=["site_c-n1"])
    with pytest.raises(RawFormatError):
        build(Toy, ["counts"], data_dir=raw, out=out)
    assert fingerprint(out) == before
    assert not list(tmp_path.glob(".out*"))


def _build_slowly(raw: str, out: str, started: str) -> None:
    import deepstrf_hf.build_part as build_part_module

    write = build_part_module.ShardWriter.write

    def slow(self, table):
        write(self, table)
        Path(started).touch()
        time.sleep(30)

    build_part_module.ShardWriter.write = slow
    build(Toy, ["counts"], data_dir=raw, out=out)


def test_a_killed_build_leaves_the_earlier_one_and_can_be_run_again(tmp_path):
    raw, out = write_toy(tmp_path / "raw"), tmp_path / "out"
    build(Toy, ["counts"], data_dir=raw, out=out)
    before = fingerprint(out)
    write_toy(raw, seed=1)
    process = multiprocessing.get_context("spawn").Process(
        target=_build_slowly, args=(str(raw), str(out), str(tmp_path / "started"))
    )
    process.start()
    deadline = time.monotonic() + 60
    while not (tmp_path / "started").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert fingerprint(out) == before
    build(Toy, ["counts"], data_dir=raw, out=out)
    after = fingerprint(out)
    assert after["counts/train-00000-of-00003.parquet"] != before["counts/train-00000-of-00003.parquet"]
    build(Toy, ["counts"], data_dir=raw, out=tmp_path / "clean")
    assert fingerprint(tmp_path / "clean") == after
    assert not list(tmp_path.glob(".out*"))


def test_a_build_killed_while_it_puts_the_new_in_place_is_recovered(raw, tmp_path):
    out = tmp_path / "out"
    build(Toy, ["counts"], data_dir=raw, out=out)
    before = fingerprint(out)
    out.rename(tmp_path / ".out.previous")  # the first of the two renames has happened, the second has not
    with pytest.raises(UnknownNameError):
        build(Toy, ["kounts"], data_dir=raw, out=out)
    build(Toy, ["potentials"], data_dir=raw, out=out)
    assert before.items() - fingerprint(out).items() == {
        (name, before[name]) for name in ("README.md", "build_report.json")
    }


def test_two_builds_cannot_write_to_one_directory(raw, tmp_path):
    from deepstrf_hf.staging import OutputDirectory

    with OutputDirectory(tmp_path / "out", "toy"), pytest.raises(OutputDirectoryError, match="Another build"):
        build(Toy, ["counts"], data_dir=raw, out=tmp_path / "out")
    build(Toy, ["counts"], data_dir=raw, out=tmp_path / "out")


# Wrong use ------------------------------------------------------------------------------------------------------------


def test_names_that_do_not_exist_offer_near_ones(raw, tmp_path):
    for arguments, near in (
        (("ns11", None, {}), "ns1"),
        ((Toy, ["count"], {}), "counts"),
        ((Toy, None, {"gian": 2}), "gain"),
    ):
        corpus, cohorts, parameters = arguments
        with pytest.raises(UnknownNameError) as caught:
            build(corpus, cohorts, data_dir=raw, out=tmp_path / "out", parameters=parameters)
        assert f"did you mean {near!r}?" in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"parameters": {"dt_ms": 0}}, "dt_ms"),
        ({"parameters": {"dt_ms": "five"}}, "dt_ms"),
        ({"parameters": {"gain": True}}, "gain"),
        ({"parameters": {"limit": "1.5"}}, "limit"),
        ({"parameters": {"window": "kaiser"}}, "window"),
        ({"stimulus": "outline"}, "stimulus"),
        ({"on_error": "ignore"}, "on_error"),
        ({"num_proc": 0}, "num_proc"),
    ],
)
def test_values_that_cannot_be_used(raw, tmp_path, changes, field):
    with pytest.raises(ParameterError) as caught:
        build(Toy, data_dir=raw, out=tmp_path / "out", **changes)
    assert caught.value.field == field


def test_a_wrong_raw_directory_says_which_would_be_right(raw, tmp_path):
    with pytest.raises(DataDirectoryError) as caught:
        build(Toy, data_dir=tmp_path, out=tmp_path / "x" / "out")
    assert caught.value.mend == f"did you mean {raw}?"
    with pytest.raises(DataDirectoryError, match="no such directory"):
        build(Toy, data_dir=tmp_path / "nowhere", out=tmp_path / "out")
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "toy.zip").touch()
    with pytest.raises(DataDirectoryError, match=r"unpack toy\.zip"):
        build(Toy, data_dir=tmp_path / "packed", out=tmp_path / "out")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("order", "ascending order"),
        ("twice", "yielded twice"),
        ("two objects", "one object per stimulus"),
        ("two metadata", "two different sets of metadata"),
        ("bins", "(trials, bins)"),
        ("no trials", "one trial at least"),
        ("dimensions", "(trials, bins)"),
        ("too large", "within uint8"),
        ("negative", "within uint8"),
        ("fractions", "within uint8"),
        ("undeclared", "sight"),
        ("empty text", "must be None"),
        ("nan text", "must be None"),
        ("nan spectrogram", "finite"),
        ("waveform without rate", "sampling rate"),
        ("waveform type", "without loss"),
    ],
)
def test_faults_of_a_builder_are_named(tmp_path, fault, said):
    raw = write_toy(tmp_path / "raw", fault=fault)
    with pytest.raises(BuilderContractError) as caught:
        build(Faulty, ["counts"], data_dir=raw, out=tmp_path / "out")
    assert said in str(caught.value)
    assert not (tmp_path / "out").exists()
