"""Alice EEG: files that are missing, damaged, or not as published."""

import shutil

import mne
import numpy as np
import pytest
import soundfile

from deepstrf_hf import build
from deepstrf_hf.errors import DataDirectoryError, MissingRawFileError, RawFormatError
from tests.builders.alice_eeg_trees import rows_of
from tests.raw_writers.alice_eeg import write_alice_eeg, write_fif, write_words

WORDS = "stimuli/AliceChapterOne-EEG.csv"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return write_alice_eeg(tmp_path_factory.mktemp("alice_raw"), seed=9)


@pytest.fixture
def truth(tree, tmp_path):
    """Return a tree of its own, to be damaged."""
    shutil.copytree(tree.directory, tmp_path / "raw")
    return type(tree)(tmp_path / "raw", tree.sounds, tree.words, tree.subjects)


def refused(truth, tmp_path, error=RawFormatError):
    """Return the error that stops a build, after checking that it left nothing behind."""
    with pytest.raises(error) as caught:
        build("alice_eeg", data_dir=truth.directory, out=tmp_path / "out")
    assert caught.value.mend
    assert not (tmp_path / "out").exists()
    return caught.value


def without(truth, tmp_path, kind, name):
    """Build without what cannot be read, and return the rows; it must be named."""
    entry = build("alice_eeg", data_dir=truth.directory, out=tmp_path / "skipped", on_error="skip").cohorts["all"]
    (reason,) = [reason for of_kind, item, reason in entry.left_out if (of_kind, item) == (kind, name)]
    assert str(truth.directory) not in reason
    return rows_of(tmp_path / "skipped"), entry


def change_annotations(truth, subject, change):
    """Rewrite a recording with other annotations."""
    written = truth.subjects[subject]
    write_fif(truth.directory / written.file, written.values, change(written.annotations), bad=written.bad)


# Recordings -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [0, 10, 0.3, 0.9, -1])
def test_a_recording_cut_short(truth, tmp_path, keep):
    path = truth.directory / truth.subjects["S05"].file
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    error = refused(truth, tmp_path)
    assert error.path == str(path)
    assert "cut short" in error.problem
    rows, entry = without(truth, tmp_path, "subjects", "S05")
    assert {subject for _, subject, _ in rows} == {"S01", "S11", "S44"}
    assert entry.counts["subjects"] == 3


def test_a_recording_of_another_format(truth, tmp_path):
    path = truth.directory / truth.subjects["S05"].file
    path.write_bytes((truth.directory / "stimuli/1.wav").read_bytes())
    error = refused(truth, tmp_path)
    assert (error.path, error.problem) == (str(path), "Not a FIF file")
    without(truth, tmp_path, "subjects", "S05")


@pytest.mark.parametrize("kept", [[], ["comment", "BAD_muscle"]])
def test_a_recording_without_segments(truth, tmp_path, kept):
    change_annotations(truth, "S11", lambda _: [(1.0 + place, 0.1, text) for place, text in enumerate(kept)] or None)
    error = refused(truth, tmp_path)
    assert error.path == str(truth.directory / truth.subjects["S11"].file)
    assert error.problem == "A recording does not say when its sounds began"
    assert error.field == "annotations"
    assert error.found == (", ".join(map(repr, kept)) or "none")
    rows, _ = without(truth, tmp_path, "subjects", "S11")
    assert {subject for _, subject, _ in rows} == {"S01", "S05", "S44"}


def test_two_annotations_of_one_segment(truth, tmp_path):
    change_annotations(truth, "S44", lambda annotations: [*annotations, (0.5, 0.1, "7")])
    error = refused(truth, tmp_path)
    assert error.field == "annotation '7'"
    onset = truth.subjects["S44"].onsets_s[7]
    assert error.found == f"at 0.5 s and {onset:g} s"
    without(truth, tmp_path, "subjects", "S44")


def test_several_segments_that_were_not_heard(truth, tmp_path):
    change_annotations(truth, "S44", lambda annotations: [entry for entry in annotations if entry[2] in ("3", "11")])
    entry = build("alice_eeg", data_dir=truth.directory, out=tmp_path / "out").cohorts["all"]
    rows = rows_of(tmp_path / "out")
    assert {segment for segment, subject, _ in rows if subject == "S44"} == {3, 11}
    named = {name for kind, name, _ in entry.left_out if kind == "segments" and name.startswith("S44")}
    assert named == {f"S44 segment_{number:02d}" for number in range(1, 13) if number not in (3, 11)}
    assert entry.counts["subjects_without_segment_1"] == 1


def test_a_segment_beyond_the_recording(truth, tmp_path):
    change_annotations(
        truth, "S44", lambda annotations: [*(entry for entry in annotations if entry[2] != "12"), (900.0, 0.1, "12")]
    )
    rewritten = mne.io.read_raw_fif(truth.directory / truth.subjects["S44"].file, verbose="ERROR")
    stored = len(rewritten.annotations)
    entry = build("alice_eeg", data_dir=truth.directory, out=tmp_path / "out").cohorts["all"]
    assert stored == 11  # the writer drops what lies outside
    assert ("segments", "S44 segment_12", "no annotation in the recording") in entry.left_out


def test_two_channels_of_one_name(truth, tmp_path):
    """They are numbered, so that both stay and can be told apart, and the report says so."""
    path = truth.directory / truth.subjects["S05"].file
    data, field = path.read_bytes(), b"33" + bytes(14)
    assert data.count(field) == 1
    path.write_bytes(data.replace(field, b"45" + bytes(14)))
    entry = build("alice_eeg", data_dir=truth.directory, out=tmp_path / "out").cohorts["all"]
    channels = {channel for _, subject, channel in rows_of(tmp_path / "out") if subject == "S05"}
    assert {"45-0", "45-1"} < channels
    assert len(channels) == 9
    (note,) = [note for note in entry.notes if "not unique" in note]
    assert note.startswith(truth.subjects["S05"].file)


def test_a_subject_twice(truth, tmp_path):
    shutil.copytree(truth.directory / "eeg.0/eeg/S05", truth.directory / "eeg.2/eeg/S05")
    error = refused(truth, tmp_path)
    assert error.problem == "Two recordings are of one subject"
    assert error.field == "S05"
    assert "eeg.0/eeg/S05" in error.found
    assert "eeg.2/eeg/S05" in error.found
    with pytest.raises(RawFormatError):  # not a matter of one recording
        build("alice_eeg", data_dir=truth.directory, out=tmp_path / "out", on_error="skip")


def test_no_recordings(truth, tmp_path):
    for shard in range(3):
        shutil.rmtree(truth.directory / f"eeg.{shard}")
    error = refused(truth, tmp_path, MissingRawFileError)
    assert "eeg.0.zip" in error.mend


def test_no_sounds_at_all(truth, tmp_path):
    shutil.rmtree(truth.directory / "stimuli")
    assert "stimuli" in refused(truth, tmp_path, DataDirectoryError).expected


def test_a_tree_with_one_subject(truth, tmp_path):
    for shard in (0, 1):
        shutil.rmtree(truth.directory / f"eeg.{shard}")
    entry = build("alice_eeg", data_dir=truth.directory, out=tmp_path / "out").cohorts["all"]
    assert entry.counts["subjects"] == 1
    assert entry.differences()["subjects"] == (33, 1) or entry.differences()["subjects"] == (1, 33)


# Sounds ---------------------------------------------------------------------------------------------------------------


def test_a_missing_sound(truth, tmp_path):
    (truth.directory / "stimuli/4.wav").unlink()
    error = refused(truth, tmp_path, MissingRawFileError)
    assert error.path == str(truth.directory / "stimuli/4.wav")
    assert "stimuli.zip" in error.mend
    rows, entry = without(truth, tmp_path, "stimuli", "stimuli/4.wav")
    assert {segment for segment, _, _ in rows} == set(range(1, 13)) - {4}
    assert entry.counts["stimuli"] == 11


@pytest.mark.parametrize("keep", [0, 20, 44, 3001])
def test_a_sound_cut_short(truth, tmp_path, keep):
    path = truth.directory / "stimuli/5.wav"
    path.write_bytes(path.read_bytes()[:keep])
    assert refused(truth, tmp_path).path == str(path)
    rows, _ = without(truth, tmp_path, "stimuli", "stimuli/5.wav")
    assert 5 not in {segment for segment, _, _ in rows}


def test_a_sound_of_another_rate(truth, tmp_path):
    path = truth.directory / "stimuli/6.wav"
    soundfile.write(path, truth.sounds[6], 48_000, subtype="PCM_16")
    error = refused(truth, tmp_path)
    assert (error.path, error.field) == (str(path), "sampling rate")
    assert (error.found, error.expected) == ("48000 Hz", "44100 Hz")
    without(truth, tmp_path, "stimuli", "stimuli/6.wav")


@pytest.mark.parametrize("name", ["13.wav", "0.wav", "intro.wav", "1b.wav", "-1.wav", "05.wav", "\u0664.wav"])
def test_a_sound_that_is_none_of_the_twelve(truth, tmp_path, name):
    shutil.copy(truth.directory / "stimuli/5.wav", truth.directory / "stimuli" / name)
    error = refused(truth, tmp_path)
    assert error.problem == "A sound file is not one of the twelve segments"
    assert "05.wav" in error.found or "5.wav" in error.found or name in error.found
    assert error.expected == "1.wav to 12.wav, each once"


def test_what_a_desktop_leaves_behind_is_no_sound(truth, tmp_path):
    (truth.directory / "stimuli/._1.wav").write_bytes(b"x")
    (truth.directory / "stimuli/.DS_Store").write_bytes(b"x")
    build("alice_eeg", data_dir=truth.directory, out=tmp_path / "out")


def test_a_sound_of_two_channels_is_averaged(truth, tmp_path):
    path = truth.directory / "stimuli/2.wav"
    one = truth.sounds[2]
    soundfile.write(path, np.stack([one, np.zeros_like(one)], axis=1), 44_100, subtype="PCM_16")
    build("alice_eeg", data_dir=truth.directory, out=tmp_path / "out")
    shutil.copy(truth.directory / "stimuli/2.wav", tmp_path / "2.wav")
    soundfile.write(path, one, 44_100, subtype="PCM_16")
    build("alice_eeg", data_dir=truth.directory, out=tmp_path / "mono")
    halved, whole = (np.array(rows_of(tmp_path / name, table="-stimuli")[2]["spectrogram"]) for name in ("out", "mono"))
    np.testing.assert_allclose(halved, whole / 4, rtol=1e-5, atol=1e-12)


# Words ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda row: row.update(onset="soon"), "line 4, onset"),
        (lambda row: row.update(NGRAM=""), "line 4, NGRAM"),
        (lambda row: row.update(CFG="inf"), "line 4, CFG"),
        (lambda row: row.update(Segment="13"), "line 4, Segment"),
        (lambda row: row.update(Segment="1.5"), "line 4, Segment"),
        (lambda row: row.update(Segment="NaN"), "line 4, Segment"),
    ],
)
def test_a_row_of_words_that_cannot_be_read(truth, tmp_path, change, field):
    rows = [dict(row) for row in truth.words]
    change(rows[2])
    write_words(truth.directory / WORDS, rows)
    error = refused(truth, tmp_path)
    assert (error.path, error.field) == (str(truth.directory / WORDS), field)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "Word, Segment, onset, offset"),
        ("Word,Segment,onset\n", "offset"),
        ("Word,Segment,onset,offset,onset\n", "a column twice"),
        ("Word,Segment,onset,offset\nshe,1,0.1\n", "line 2, fields"),
    ],
)
def test_another_table_of_words(truth, tmp_path, text, field):
    (truth.directory / WORDS).write_text(text)
    assert refused(truth, tmp_path).field == field


def test_a_table_of_words_that_is_no_text(truth, tmp_path):
    (truth.directory / WORDS).write_bytes(b"\xff\xfe\x00\x01" * 50)
    assert refused(truth, tmp_path).path == str(truth.directory / WORDS)


def test_a_segment_without_words(truth, tmp_path):
    write_words(truth.directory / WORDS, [row for row in truth.words if row["Segment"] != "9"])
    build("alice_eeg", data_dir=truth.directory, out=tmp_path / "out")
    row = rows_of(tmp_path / "out", table="-stimuli")[9]
    assert (row["stim_n_words"], row["stim_words"]) == (0, "{}")
