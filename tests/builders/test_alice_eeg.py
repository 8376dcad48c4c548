"""Alice EEG: the values that come out of its files."""

import io
import json

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

import deepstrf_hf
from builders.alice_eeg import AliceEeg, segments
from deepstrf_hf import build
from deepstrf_hf.formats.fif import FifRecording
from tests.builders.alice_eeg_trees import expected_responses, gaussian_spectrogram, rows_of
from tests.raw_writers.alice_eeg import NOWHERE, position_m, write_alice_eeg

SUBJECTS = ["S01", "S05", "S07", "S11", "S26", "S44"]
NOTHING = "artefact, or after the end of the recording, throughout"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_alice_eeg(tmp_path_factory.mktemp("alice_raw"), seed=4, hard=True, n_channels=10)


@pytest.fixture(scope="module")
def built(written, tmp_path_factory):
    out = tmp_path_factory.mktemp("alice_built") / "alice_eeg"
    return build("alice_eeg", data_dir=written.directory, out=out), out


@pytest.fixture(scope="module")
def expected(written):
    """Compute all responses by the formulas, by segment, subject and channel."""
    n_bins = {segment: 1 + len(sound) // 441 for segment, sound in written.sounds.items()}
    return {
        (segment, name, channel): response
        for name, subject in written.subjects.items()
        for (segment, channel), response in expected_responses(subject, n_bins).items()
    }


# Responses ------------------------------------------------------------------------------------------------------------


def test_rows_are_what_was_recorded(built, expected):
    rows = rows_of(built[1])
    assert set(rows) == set(expected)
    for key, response in expected.items():
        row = rows[key]
        got = np.array(row["response"], float)  # null becomes NaN
        assert got.shape == (1, len(response))
        np.testing.assert_array_equal(np.isnan(got[0]), np.isnan(response), err_msg=str(key))
        np.testing.assert_allclose(got[0], response, atol=1e-6 * np.nanmax(np.abs(response)), err_msg=str(key))
        assert (row["n_trials"], row["n_bins"], row["dt_ms"]) == (1, len(response), 10.0)
        assert row["signal_type"] == "eeg"
        assert row["recording_missing_bins"] == np.isnan(response).sum()


def test_the_traps_of_the_tree_are_in_it(expected, written):
    """Without them, the test above would say little."""
    missing = {key: int(np.isnan(response).sum()) for key, response in expected.items()}
    assert missing[3, "S01", "1"] in (37, 38)  # an artefact of 370 ms
    assert missing[5, "S01", "1"] in range(19, 23)  # 200 ms at the end of the segment
    assert missing[6, "S01", "1"] == 0  # an artefact of no length
    assert 38 <= missing[12, "S05", "1"] <= 42  # the recording ends 400 ms before the segment
    assert not any(key[:2] == (7, "S05") for key in expected)  # an artefact over all of the segment
    assert not any(key[:2] == (1, "S26") for key in expected)  # never recorded
    assert sum(key[1] == "S26" for key in expected) == 11 * 10
    assert not any(key[1:] in {("S01", "3"), ("S01", "45"), ("S11", "29")} for key in expected)
    assert not any(key[1:] == ("S44", "61") for key in expected)
    assert len({len(written.subjects[name].values) for name in SUBJECTS}) == 2


def test_a_file_that_begins_late_is_aligned(built, written, expected):
    """Such a recording is cut 3 s too late by deepSTRF 0.1.0; ours correlates with the aligned one, not with that."""
    rows = rows_of(built[1])
    subject, got = written.subjects["S07"], []
    shifted = expected_responses(
        type(subject)("S07", subject.file, subject.values, [],
                      [(onset + 3, duration, text) for onset, duration, text in subject.annotations], {}),
        {segment: 1 + len(sound) // 441 for segment, sound in written.sounds.items()},
    )  # fmt: skip
    for segment in range(1, 9):
        response = np.array(rows[segment, "S07", "1"]["response"][0], float)
        got.append((np.corrcoef(response, expected[segment, "S07", "1"])[0, 1],
                    abs(np.corrcoef(response, shifted[segment, "1"])[0, 1])))  # fmt: skip
    aligned, late = np.array(got).T
    assert aligned.min() > 0.999999
    assert late.mean() < 0.5
    assert any("S07 begins 1500 samples" in note for note in built[0].cohorts["all"].notes)


def test_onsets_are_told(built, written):
    for (segment, subject, _), row in rows_of(built[1]).items():
        assert row["recording_onset_s"] == pytest.approx(written.subjects[subject].onsets_s[segment], abs=1e-9)


# Stimuli --------------------------------------------------------------------------------------------------------------


def test_spectrograms_are_linear_power_in_gaussian_bands(built, written):
    stimuli = rows_of(built[1], table="-stimuli")
    assert sorted(stimuli) == list(range(1, 13))
    for segment, sound in written.sounds.items():
        row, expected = stimuli[segment], gaussian_spectrogram(sound)
        got = np.array(row["spectrogram"])
        assert got.shape == expected.shape == (8, 1 + len(sound) // 441)
        np.testing.assert_allclose(got, expected, rtol=1e-6)
        assert (got[:, 0] == 0).all()  # digital silence
        assert row["stim_id"] == f"segment_{segment:02d}"
        assert (row["stim_name"], row["stim_type"]) == (f"{segment}.wav", "alice_chapter1")
        assert row["stim_n_samples"] == len(sound)
        assert row["stim_duration_s"] == pytest.approx(len(sound) / 44_100)
        assert row["stim_sample_rate_hz"] == 44_100.0
        assert row["stim_audio_onset_ms"] == 0.0


def test_the_waveform_is_that_of_the_file(built, written):
    rows = pq.read_table(next((built[1] / "all-stimuli").glob("*.parquet"))).to_pylist()
    for row in rows:
        samples, rate = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="int16")
        assert rate == 44_100
        np.testing.assert_array_equal(samples, written.sounds[row["stim_segment"]])


@pytest.mark.parametrize("edition", [1, 2])
def test_words_lie_with_their_segment(tmp_path, edition):
    truth = write_alice_eeg(tmp_path / "raw", seed=2, edition=edition)
    build("alice_eeg", data_dir=truth.directory, out=tmp_path / "out", where={"neuron.subject": "S44"})
    stimuli = rows_of(tmp_path / "out", "all-neuron.subject_S44", "-stimuli")
    for segment, row in stimuli.items():
        words = [word for word in truth.words if word["Segment"] == str(segment)]
        table = json.loads(row["stim_words"])
        assert row["stim_n_words"] == len(words) > 0
        assert list(table) == [name for name in truth.words[0] if name != "Segment"]
        assert ("Trigger" in table) == (edition == 2)
        assert table["Word"] == [word["Word"] for word in words]
        for name in set(table) - {"Word"}:
            expected = [None if word[name] == "NaN" else float(word[name]) for word in words]
            assert table[name] == expected, name
        assert all(isinstance(value, int) for value in table["Order"])
    assert any(word["IsLexical"] == "NaN" for word in truth.words)


def test_a_tree_without_words_says_so(tmp_path):
    truth = write_alice_eeg(tmp_path / "raw", edition=None)
    report = build("alice_eeg", data_dir=truth.directory, out=tmp_path / "out")
    row = rows_of(tmp_path / "out", table="-stimuli")[3]
    assert (row["stim_words"], row["stim_n_words"]) == (None, None)
    assert any("no word table" in note for note in report.cohorts["all"].notes)


# Neurons, counts, report ----------------------------------------------------------------------------------------------


def test_neurons_are_the_good_channels(built, written):
    neurons = rows_of(built[1], table="-neurons")
    good = {
        (name, channel) for name, subject in written.subjects.items() for channel in subject.values
        if channel not in subject.bad
    }  # fmt: skip
    assert set(neurons) == good
    for (subject, channel), row in neurons.items():
        assert row["neuron_id"] == f"{subject}-{channel}"
        assert row["neuron_area"] == "EEG"
        position = [row[f"neuron_{axis}_m"] for axis in "xyz"]
        if channel == NOWHERE:
            assert position == [None] * 3
        else:
            np.testing.assert_allclose(position, position_m(channel), atol=1e-8)
        heard = [segment for segment in range(1, 13) if not (subject == "S26" and segment == 1)]
        assert row["neuron_segments_present"] == ",".join(map(str, heard))
        assert row["n_stimuli"] == len(heard) - (subject == "S05")
        assert row["snr"] is None or np.isnan(row["snr"])  # nothing was repeated
    assert (("S01", NOWHERE) in neurons) and (("S44", "61") not in neurons)


def test_the_report_counts_and_names(built, expected, written):
    entry = built[0].cohorts["all"]
    assert entry.counts == {
        "neurons": 6 * 10 - 1 - 3,
        "stimuli": 12,
        "rows": len(expected),
        "trials": len(expected),
        "subjects": 6,
        "channels": 59,
        "bad_channels": 3,
        "subjects_without_segment_1": 1,
    }
    assert entry.left_out == [
        ("channels", "S01-3", "the lab marks it as bad"),
        ("channels", "S01-45", "the lab marks it as bad"),
        ("channels", "S11-29", "the lab marks it as bad"),
        ("segments", "S05 segment_07", NOTHING),
        ("segments", "S26 segment_01", "no annotation in the recording"),
        ("subjects", "eeg.2/eeg/S99", "there is no S99_alice-raw.fif in this folder"),
    ]
    ignored = {reason: amount for kind, reason, amount in entry.amounts if kind == "annotations"}
    assert ignored == {f"neither a segment nor an artefact: {text!r}": 1 for text in ("0", "13", "comment", "not BAD")}
    assert ("rows", NOTHING, len(written.subjects["S05"].values)) in entry.amounts
    assert entry.published["rows"] == 21_136
    assert set(entry.raw_sha256) == {
        *(subject.file for subject in written.subjects.values()),
        *(f"stimuli/{segment}.wav" for segment in written.sounds),
        "stimuli/AliceChapterOne-EEG.csv",
    }


def test_published_counts_agree_with_each_other():
    counts = AliceEeg.CORPUS.cohorts[0].counts
    assert counts["neurons"] == counts["channels"] - counts["bad_channels"]
    without = 212  # good channels of the four subjects without segment 1, by the documents of the corpus
    assert counts["rows"] == counts["neurons"] * 12 - without


# The same values, whatever else -----------------------------------------------------------------------------------


def same_rows(first, second, config="all", other="all"):
    one, two = rows_of(first, config), rows_of(second, other)
    for key, row in two.items():
        assert {**one[key], "response": None} == {**row, "response": None}
        np.testing.assert_array_equal(np.array(one[key]["response"], float), np.array(row["response"], float))
    return two


@pytest.mark.parametrize("layout", ["lab", "bare"])
def test_layouts_give_the_same_tables(written, built, tmp_path, layout):
    truth = write_alice_eeg(tmp_path / "raw", seed=4, hard=True, n_channels=10, layout=layout)
    report = build("alice_eeg", data_dir=truth.directory, out=tmp_path / "out")
    assert len(same_rows(built[1], tmp_path / "out")) == len(rows_of(built[1]))
    names = [name for kind, name, _ in report.cohorts["all"].left_out if kind == "subjects"]
    assert names == ["eeg/S99" if layout == "lab" else "S99"]


def test_a_part_has_the_values_of_the_whole(written, built, tmp_path):
    report = build(
        "alice_eeg", data_dir=written.directory, out=tmp_path / "out",
        where={"neuron.subject": "S11", "neuron.channel_id": ["1", "25"], "stim.segment": [2, 12]},
    )  # fmt: skip
    (config,) = report.cohorts
    rows = same_rows(built[1], tmp_path / "out", other=config)
    assert set(rows) == {(segment, "S11", channel) for segment in (2, 12) for channel in ("1", "25")}
    assert list(report.cohorts[config].raw_sha256)[0] == "eeg.1/eeg/S11/S11_alice-raw.fif"
    assert not any(name.startswith("eeg.0") for name in report.cohorts[config].raw_sha256)


def test_a_part_reads_nothing_else(written, tmp_path, monkeypatch):
    segments._read.cache_clear()
    filtered, made = [], []
    resampled, spectrogram = FifRecording.resampled, segments.spectrogram

    def noted(self, names, *arguments, **options):
        filtered.append(names)
        return resampled(self, names, *arguments, **options)

    def computed(waveform, settings):
        made.append(len(waveform))
        return spectrogram(waveform, settings)

    monkeypatch.setattr(FifRecording, "resampled", noted)
    monkeypatch.setattr(segments, "spectrogram", computed)
    where = {"neuron.subject": ["S01", "S44"], "neuron.channel_id": ["1", "3"], "stim.segment": 2}
    build("alice_eeg", data_dir=written.directory, out=tmp_path / "out", where=where)
    assert filtered == [["1"], ["1", "3"]]  # 3 is bad in S01
    assert made == [len(written.sounds[2])]  # once for both


def test_processes_do_not_matter(written, built, tmp_path):
    build("alice_eeg", data_dir=written.directory, out=tmp_path / "out", num_proc=2)
    for file in sorted(built[1].rglob("*.parquet")):
        assert (tmp_path / "out" / file.relative_to(built[1])).read_bytes() == file.read_bytes()


def test_datasets_reads_the_directory(built, expected):
    rows = datasets.load_dataset(str(built[1]), "all", split="train")
    assert len(rows) == len(expected)
    assert "spectrogram" not in rows.column_names
    streamed = next(iter(datasets.load_dataset(str(built[1]), "all", split="train", streaming=True)))
    assert streamed["stim_id"] == "segment_01"
    assert datasets.load_dataset(str(built[1]), "all-stimuli", split="train").num_rows == 12


def test_the_builder_of_datasets_gives_the_same_rows(written, built, tmp_path):
    builder = AliceEeg(config_name="all", data_dir=str(written.directory), cache_dir=str(tmp_path))
    builder.download_and_prepare()
    rows = builder.as_dataset("train")
    assert {(row["stim_id"], row["neuron_id"]) for row in rows} == {
        (row["stim_id"], row["neuron_id"]) for row in rows_of(built[1]).values()
    }


def test_the_card_is_complete(built):
    card = (built[1] / "README.md").read_text()
    parameters = (
        "path", "download", "subjects", "dt_ms", "n_frequency_bands", "treat_subjects_as", "hp_freq_hz", "lp_freq_hz",
        "window_ms", "fmin", "fmax", "spec_backend", "return_waveform", "audio_fs",
    )  # fmt: skip
    table = card[card.index("lets you choose") : card.index("Whom to acknowledge")]
    assert all(f"`{name}" in table for name in parameters)
    for word in ("CC BY 4.0", "merge_as_trials", "pulf-lndn"):
        assert word in card


def test_loaded_spectrograms_are_logarithms(built, written):
    for preprocessing in ("published", "deepstrf"):
        dataset = deepstrf_hf.load(built[1], "all", preprocessing=preprocessing)
        index = [entry["segment"] for entry in dataset.stim_meta].index(4)
        expected = np.log(gaussian_spectrogram(written.sounds[4]) + 1e-8)
        np.testing.assert_allclose(dataset.stims[index][0].numpy(), expected, atol=2e-6)
