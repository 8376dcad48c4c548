import hashlib

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest

from deepstrf_hf import build
from deepstrf_hf.errors import (
    MissingRawFileError,
    RawFormatError,
)
from deepstrf_hf.parquet import read_provenance
from deepstrf_hf.report import BuildReport
from tests.toy import (
    N_STIMULI,
    SITES,
    Toy,
    ToyConfig,
    fingerprint,
    toy_response,
    toy_stimulus,
    write_toy,
)


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
        hashes = report.cohorts[provenance["config"]].raw_sha256
        assert hashes["site_a.txt"] == hashlib.sha256(SITES[0].encode()).hexdigest()
        assert "never there.txt" not in hashes
        listed = "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))
        assert provenance["raw_files"] == len(hashes) > 1
        assert provenance["raw_sha256"] == hashlib.sha256(listed.encode()).hexdigest()


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
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.building", "raw"], "with what is finished"


@pytest.mark.parametrize("num_proc", [1, 2])
def test_broken_recording_can_be_skipped_and_is_listed(tmp_path, num_proc):
    raw = write_toy(tmp_path / "raw", broken=["site_b-n1"])
    report = build(Toy, ["counts"], data_dir=raw, out=tmp_path / "out", on_error="skip", num_proc=num_proc)
    entry = report.cohorts["counts"]
    assert [(kind, name) for kind, name, _ in entry.left_out] == [("units", "site_b-n1")]
    assert "A unit is broken" in entry.left_out[0][2] and "site_b.txt" in entry.left_out[0][2]
    assert str(raw) not in (tmp_path / "out" / "build_report.json").read_text(), "the report goes to the Hub"
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
