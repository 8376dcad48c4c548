"""Wingert 2026: files that are missing, damaged, or not as published."""

import copy

import numpy as np
import pytest

from deepstrf_hf import build
from deepstrf_hf.errors import DataDirectoryError, MissingRawFileError, ParameterError, RawFormatError
from tests.builders.wingert2026_trees import left_out, neurons_of, pairs_of, rows_of, stimuli_of
from tests.raw_writers.nems import write_tgz
from tests.raw_writers.wingert2026 import (
    recording_writer,
    write_archive,
    write_cell_list,
    write_wingert2026,
)

GOOD, BAD = "PRN015a", "CLT027c"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return write_wingert2026(tmp_path_factory.mktemp("raw"), seed=5, sessions=(GOOD, BAD), sounds="none")


@pytest.fixture
def raw(shared, tmp_path):
    """Return a tree of two sessions, of which the second is to be damaged: an own copy, cheap to make."""
    truth = copy.copy(shared)
    truth.directory = tmp_path / "raw"
    truth.sessions = {name: copy.copy(session) for name, session in shared.sessions.items()}
    truth.cells = {cell: dict(row) for cell, row in shared.cells.items()}
    for session in truth.sessions.values():
        for name in ("times_s", "epochs", "tiles", "files"):
            setattr(session, name, copy.copy(getattr(session, name)))
    (truth.directory / "recordings").mkdir(parents=True)
    for file in [file for session in shared.sessions.values() for file in session.files]:
        (truth.directory / file).hardlink_to(shared.directory / file)
    write_cell_list(truth.directory, truth.cells)
    return truth


def bad_file(truth):
    return truth.directory / truth.sessions[BAD].files[0]


def replace_bad(truth, content):
    path = bad_file(truth)
    path.unlink()  # it is a link to what other tests read
    path.write_bytes(content)


def rewrite(truth, change):
    """Write the bad session again, after changing the files of its recording."""
    recording = recording_writer(truth.sessions[BAD], BAD)
    change(recording.files)
    path = bad_file(truth)
    path.unlink()
    write_tgz(path, {f"{BAD}/{name}": content for name, content in recording.files.items()}, level=1)


def build_a1(truth, tmp_path, **options):
    return build("wingert2026", ["a1"], data_dir=truth.directory, out=tmp_path / "out", **options).cohorts["a1"]


def refused(truth, tmp_path, kind=RawFormatError):
    """Return the error of the default build, after checking that on_error="skip" leaves exactly that site out."""
    with pytest.raises(kind) as caught:
        build_a1(truth, tmp_path)
    assert caught.value.path == str(bad_file(truth))
    assert caught.value.mend
    assert not (tmp_path / "out").exists()
    report = build_a1(truth, tmp_path, on_error="skip")
    assert set(left_out(report, "archives")) == {truth.sessions[BAD].files[0]}
    assert {key[0] for key in pairs_of(tmp_path / "out", "a1")} == {GOOD}
    assert str(truth.directory) not in str(report.left_out)
    return caught.value


# Archives -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.9999])
def test_an_archive_that_is_cut_short(raw, tmp_path, share):
    content = bad_file(raw).read_bytes()
    replace_bad(raw, content[: int(share * len(content))])
    refused(raw, tmp_path)


def test_an_archive_with_a_byte_that_changed(raw, tmp_path):
    content = bytearray(bad_file(raw).read_bytes())
    content[-1_000] ^= 0xFF
    replace_bad(raw, bytes(content))
    refused(raw, tmp_path)


@pytest.mark.parametrize("member", ["resp.h5", "resp.json", "resp.epoch.csv", "stim.h5", "stim.json"])
def test_a_recording_without_a_member(raw, tmp_path, member):
    rewrite(raw, lambda files: files.pop(f"{BAD}.{member}"))
    error = refused(raw, tmp_path, MissingRawFileError)
    assert member in str(error)


def test_a_recording_without_meta_data_and_without_epochs_of_its_spectrograms_is_read(raw, tmp_path):
    def change(files):
        del files[f"{BAD}.meta.json"]
        del files[f"{BAD}.stim.epoch.csv"]

    rewrite(raw, change)
    build_a1(raw, tmp_path)
    assert {key[0] for key in pairs_of(tmp_path / "out", "a1")} == {GOOD, BAD}


def test_an_unpacked_recording_is_read_too(raw, tmp_path):
    bad_file(raw).unlink()
    recording_writer(raw.sessions[BAD], BAD).write_directory(raw.directory / "recordings" / BAD)
    report = build_a1(raw, tmp_path)
    assert {key[0] for key in pairs_of(tmp_path / "out", "a1")} == {GOOD, BAD}
    assert f"recordings/{BAD}/{BAD}.stim.h5" in report.raw_sha256


@pytest.mark.parametrize("member", ["resp.json", "stim.json"])
def test_another_rate(raw, tmp_path, member):
    def change(files):
        files[f"{BAD}.{member}"] = files[f"{BAD}.{member}"].replace(b'"fs": 100', b'"fs": 1000')

    rewrite(raw, change)
    error = refused(raw, tmp_path)
    assert "sampling rate" in str(error) and "1000 Hz" in str(error) and "100 Hz" in str(error)


def test_an_epoch_past_the_end_of_the_recording(raw, tmp_path):
    end = raw.sessions[BAD].n_bins

    def change(files):
        name = f"{BAD}.resp.epoch.csv"
        files[name] += f"STIM_seq0001.wav,{end / 100 - 3},{end / 100 + 19}\n".encode()

    rewrite(raw, change)
    error = refused(raw, tmp_path)
    assert "outside its signal" in str(error) and "STIM_seq0001.wav" in str(error) and str(end) in str(error)


@pytest.mark.parametrize("channels", [b"[]", b'["CLT027c"]'])
def test_an_archive_whose_cells_do_not_tell_the_session(raw, tmp_path, channels):
    def change(files):
        name = f"{BAD}.resp.json"
        head, _, rest = files[name].partition(b'"chans": ')
        files[name] = head + b'"chans": ' + channels + rest[rest.index(b"]") + 1 :]

    rewrite(raw, change)
    assert "does not tell its session" in str(refused(raw, tmp_path))


def test_a_spectrogram_of_another_number_of_bands(raw, tmp_path):
    raw.sessions[BAD].tiles["STIM_seq0001.wav"] = np.ones((18, 2200))
    rewrite(raw, lambda files: None)
    error = refused(raw, tmp_path)
    assert "18 channels" in str(error) and "32 channels" in str(error) and "STIM_seq0001.wav" in str(error)


def test_a_spectrogram_that_is_not_linear(raw, tmp_path):
    raw.sessions[BAD].tiles["STIM_seq0001.wav"] = np.full((32, 2200), -40.0)
    rewrite(raw, lambda files: None)
    assert "not linear" in str(refused(raw, tmp_path))


def test_spectrogram_values_that_are_no_number_are_zero_and_counted(raw, tmp_path):
    tile = raw.sessions[BAD].tiles["STIM_seq0001.wav"].copy()
    tile[2, 500:507] = np.nan
    raw.sessions[BAD].tiles["STIM_seq0001.wav"] = tile
    rewrite(raw, lambda files: None)
    report = build_a1(raw, tmp_path)
    assert [(kind, amount) for kind, _, amount in report.amounts if "spectrogram" in kind] == [
        ("spectrogram values", 7)
    ]
    stored = stimuli_of(tmp_path / "out", "a1")[BAD, "STIM_seq0001.wav"]["spectrogram"]
    np.testing.assert_array_equal(np.array(stored, np.float32), np.nan_to_num(tile).astype(np.float32))


@pytest.mark.parametrize("nothing", ["epochs", "tiles"])
def test_an_archive_of_which_nothing_can_be_used(raw, tmp_path, nothing):
    session = raw.sessions[BAD]
    if nothing == "epochs":
        session.epochs = [epoch for epoch in session.epochs if not epoch[0].startswith("STIM_")]
    else:
        session.tiles = {"STIM_other.wav": np.ones((32, 2200))}
    rewrite(raw, lambda files: None)
    assert "no sound that was played" in str(refused(raw, tmp_path))


def test_a_channel_that_the_header_does_not_name(raw, tmp_path):
    def change(files):
        name = f"{BAD}.resp.json"
        files[name] = files[name].replace(b'"CLT027c-003-1", ', b"")

    rewrite(raw, change)
    report = build_a1(raw, tmp_path)
    units = left_out(report, "units")
    # It is in the list, in the file and not in the header: both facts are one cell that is left out.
    assert "CLT027c-003-1" in units
    assert "CLT027c-003-1" not in neurons_of(tmp_path / "out", "a1")


def test_presentations_that_overlap(raw, tmp_path):
    session = raw.sessions[BAD]
    name = "STIM_seq0001.wav"
    (start,) = session.starts(name)
    before = pairs_of_session(raw, tmp_path / "before")
    session.epochs.append((name, start + 5, start + 10))
    rewrite(raw, lambda files: None)
    report = build_a1(raw, tmp_path)
    (named,) = left_out(report, "presentations")
    assert named.startswith(f"{BAD} {name} at {start + 5:g}")
    assert pairs_of(tmp_path / "out", "a1")[BAD, name, "CLT027c-003-1"]["response"] == before[name]


def pairs_of_session(truth, out):
    build("wingert2026", ["a1"], data_dir=truth.directory, out=out)
    return {key[1]: row["response"] for key, row in pairs_of(out, "a1").items() if key[2] == "CLT027c-003-1"}


def test_presentations_shorter_than_their_spectrogram(raw, tmp_path):
    session = raw.sessions[BAD]
    name = "STIM_seq0001.wav"
    session.epochs = [(epoch, start, end - 4 * (epoch == name)) for epoch, start, end in session.epochs]
    rewrite(raw, lambda files: None)
    report = build_a1(raw, tmp_path)
    stimuli = stimuli_of(tmp_path / "out", "a1")
    assert abs(stimuli[BAD, name]["stim_presented_bins"] - 1800) <= 1
    assert stimuli[BAD, name]["n_bins"] == 2200
    (note,) = [note for note in report.notes if "last other than" in note]
    assert note.startswith(f"{BAD}: presentations of 1 sounds ({name}")


def test_more_spikes_in_a_bin_than_can_be(raw, tmp_path):
    session = raw.sessions[BAD]
    (start,) = session.starts("STIM_seq0001.wav")
    session.times_s["CLT027c-003-1"] = np.full(300, start + 1.0)
    rewrite(raw, lambda files: None)
    with pytest.raises(ParameterError, match="300 in a bin"):
        build_a1(raw, tmp_path)


# Strangers and duplicates ---------------------------------------------------------------------------------------------


def test_a_broken_archive_stops_no_build_that_does_not_need_it(raw, tmp_path):
    (raw.directory / "recordings" / "LMD099a_0.tgz").write_bytes(b"\x1f\x8b broken")
    report = build_a1(raw, tmp_path)
    (reason,) = left_out(report, "archives").values()
    assert "not needed" in reason and "cut short" in reason
    assert {key[0] for key in pairs_of(tmp_path / "out", "a1")} == {GOOD, BAD}


def test_a_broken_archive_that_may_hold_a_session_stops_the_build(raw, tmp_path):
    bad_file(raw).unlink()
    broken = raw.directory / "recordings" / "LMD099a_0.tgz"  # its name is no evidence
    broken.write_bytes(b"\x1f\x8b broken")
    with pytest.raises(RawFormatError) as caught:
        build_a1(raw, tmp_path)
    assert caught.value.path == str(broken)
    report = build_a1(raw, tmp_path, on_error="skip")
    assert set(left_out(report, "archives")) == {"recordings/LMD099a_0.tgz"}
    assert all("no archive of its session" in reason for reason in left_out(report, "units").values())
    report = build_a1_where(raw, tmp_path, "neuron.site", GOOD)
    assert "not needed" in left_out(report, "archives")["recordings/LMD099a_0.tgz"]


def build_a1_where(truth, tmp_path, column, value):
    report = build("wingert2026", ["a1"], data_dir=truth.directory, out=tmp_path / "part", where={column: value})
    return next(iter(report.cohorts.values()))


def test_another_recording_of_a_session_is_kept_under_its_own_name(raw, tmp_path):
    session = raw.sessions[BAD]
    other = copy.copy(session)
    other.files = []
    other.times_s = {cell: times + 0.5 for cell, times in session.times_s.items()}
    other.times_s["CLT027c-003-1"] = np.sort(np.concatenate([other.times_s["CLT027c-003-1"], np.full(9, 0.7)]))
    path = write_archive(raw.directory, other, "CLT027d")
    report = build_a1(raw, tmp_path)
    rows = {(row["stim_id"], row["neuron_id"]): row for row in rows_of(tmp_path / "out", "a1")}
    name, cell = "STIM_seq0001.wav", "CLT027c-003-1"
    np.testing.assert_array_equal(rows[f"{BAD}-{name}", cell]["response"], session.counts(cell, name))
    np.testing.assert_array_equal(rows[f"{BAD}@{path.name}-{name}", cell]["response"], other.counts(cell, name))
    largest = max(int(one.raster(cell).max()) for one in (session, other))
    assert largest > session.raster(cell).max()
    assert neurons_of(tmp_path / "out", "a1")[cell]["neuron_recording_max"] == largest, "one unit has one"
    assert "archives" not in {kind for kind, _, _ in report.left_out}
    assert any(path.name in note and "another recording" in note for note in report.notes)


def test_of_two_equal_archives_the_one_that_can_be_read_is_used(raw, tmp_path):
    first = raw.sessions[BAD].files[0]
    write_archive(raw.directory, raw.sessions[BAD], "CLT027d", {"copy": "d"})
    content = bad_file(raw).read_bytes()
    replace_bad(raw, content[: len(content) // 2])
    with pytest.raises(RawFormatError, match="cut short"):
        build_a1(raw, tmp_path)
    report = build_a1(raw, tmp_path, on_error="skip")
    assert set(left_out(report, "archives")) == {first}
    assert {row["stim_id"].split("-")[0] for row in rows_of(tmp_path / "out", "a1")} == {GOOD, BAD}


def test_the_archive_named_after_its_session_is_preferred(raw, tmp_path):
    write_archive(raw.directory, raw.sessions[BAD], "AAA001a")
    report = build_a1(raw, tmp_path)
    (name,) = left_out(report, "archives")
    assert name.startswith("recordings/AAA001a")


# The list of cells ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda text: text.replace("goodpred", "good"), "not once: goodpred"),
        (lambda text: text.replace("iso", "area"), "not once: area"),
        (lambda text: "", "not once"),
        (lambda text: text + "CLT027c-1-1,CLT027c\n", "2 values"),
        (lambda text: text + text.splitlines()[1] + "\n", "PRN015a-003-1 again"),
        (lambda text: text + '"unfinished\n', "unexpected end"),
    ],
)
def test_a_list_that_is_not_as_published_stops_every_build(raw, tmp_path, damage, found):
    path = raw.directory / "cell_list.csv"
    path.write_text(damage(path.read_text()))
    for on_error in ("raise", "skip"):
        with pytest.raises(RawFormatError) as caught:
            build_a1(raw, tmp_path, on_error=on_error)
        assert found in str(caught.value)


def test_a_list_that_is_no_text(raw, tmp_path):
    (raw.directory / "cell_list.csv").write_bytes(b"\xff\xfe" * 40)
    with pytest.raises(RawFormatError, match="list of cells"):
        build_a1(raw, tmp_path)


def test_other_columns_and_a_byte_order_mark_do_not_matter(raw, tmp_path):
    path = raw.directory / "cell_list.csv"
    lines = path.read_text().splitlines()
    path.write_text("\ufeff" + "\n".join(f"{i},{line}" if i else f",{line}" for i, line in enumerate(lines)) + "\n\n")
    assert build_a1(raw, tmp_path).counts["neurons"] == 6


def test_cells_of_an_unknown_area_are_named(raw, tmp_path):
    raw.cells["PRN015a-003-1"]["area"] = "MGB"
    write_cell_list(raw.directory, raw.cells)
    report = build_a1(raw, tmp_path)
    assert "MGB" in left_out(report, "units")["PRN015a-003-1"]
    assert "PRN015a-003-1" not in neurons_of(tmp_path / "out", "a1")


# Directories ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lacking", ["cell_list.csv", "recordings"])
def test_a_directory_that_is_not_the_corpus(raw, tmp_path, lacking):
    (raw.directory / lacking).rename(raw.directory / "elsewhere")
    with pytest.raises(DataDirectoryError) as caught:
        build_a1(raw, tmp_path)
    assert caught.value.expected == lacking


def test_recordings_that_are_no_directory(raw, tmp_path):
    (raw.directory / "recordings").rename(raw.directory / "elsewhere")
    (raw.directory / "recordings").write_bytes(b"")
    with pytest.raises(MissingRawFileError, match="directory of recordings"):
        build_a1(raw, tmp_path)
