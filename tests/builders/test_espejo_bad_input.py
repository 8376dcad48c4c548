"""Espejo 2019: recordings that are missing, damaged, or not as published."""

from dataclasses import replace

import numpy as np
import pytest

from builders.espejo import Espejo
from deepstrf_hf import build
from deepstrf_hf.errors import DataDirectoryError, MissingRawFileError, RawDataError, RawFormatError
from tests.builders.espejo_trees import pairs
from tests.raw_writers.espejo import FOLDERS, Drawing, write_espejo
from tests.raw_writers.nems import h5_bytes, write_tgz

TONE = "tone.wav"


@pytest.fixture
def draw():
    return Drawing(1)


@pytest.fixture
def good(draw, tmp_path):
    """Write a good recording of each release; bad ones come beside them."""
    written = {"nat": draw.recording("nat", "AMT001a", ["AMT001a-01-1"], [(TONE, 400, 3)]),
               "vmn": draw.text_recording("btn001a", ["btn001a-a1"], [("v1", 400, 3)])}  # fmt: skip
    for recording in written.values():
        recording.write(tmp_path / "raw")
    return written


@pytest.fixture
def bad(draw):
    return draw.recording("nat", "BAD001a", ["BAD001a-01-1"], [(TONE, 400, 3), ("other.wav", 400, 1)])


@pytest.fixture
def bad_text(draw):
    return draw.text_recording("bad002b", ["bad002b-a1"], [("v1", 400, 3)])


def refused(good, path, tmp_path, release="nat", error=RawFormatError):
    """Return the error of the default build, after checking that on_error="skip" leaves exactly that recording out."""
    with pytest.raises(error) as caught:
        build("espejo", [release], data_dir=tmp_path / "raw", out=tmp_path / "out")
    assert caught.value.path == str(path)
    assert caught.value.mend
    assert not (tmp_path / "out").exists()
    entry = build("espejo", [release], data_dir=tmp_path / "raw", out=tmp_path / "out", on_error="skip").cohorts[
        release
    ]
    left_out = [(kind, name) for kind, name, _ in entry.left_out if kind != "tiles"]
    assert left_out == [("recordings", path.name)]
    rows = pairs(tmp_path / "out", release)
    assert {neuron for _, neuron in rows} == set(good[release].cells)
    assert entry.counts["recordings"] == 1
    return caught.value


def write_files(tmp_path, recording, change):
    """Write a recording whose files have been changed."""
    files = recording.writer().files
    change(files)
    path = tmp_path / "raw" / FOLDERS[recording.release] / recording.name
    return write_tgz(path, {f"{recording.site}/{name}": data for name, data in files.items()})


@pytest.mark.parametrize("keep", [0, 30, 0.4, 0.97])
def test_an_archive_that_is_cut_short(good, bad, tmp_path, keep):
    path = bad.write(tmp_path / "raw")
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if keep < 1 else keep])
    refused(good, path, tmp_path)


def test_an_archive_that_is_something_else(good, bad, tmp_path):
    path = bad.write(tmp_path / "raw")
    path.write_bytes(b"<!DOCTYPE html>")
    assert "not a gzip archive" in str(refused(good, path, tmp_path))


@pytest.mark.parametrize("member", ["resp.json", "resp.epoch.csv", "resp.h5", "stim.json", "stim.h5"])
def test_a_member_that_is_missing(good, bad, tmp_path, member):
    path = write_files(tmp_path, bad, lambda files: files.pop(f"BAD001a.{member}"))
    error = refused(good, path, tmp_path, error=MissingRawFileError)
    assert error.field == f"<recording>.{member}"


@pytest.mark.parametrize(("stimfmt", "found"), [("envelope", "'envelope'"), (None, "None")])
def test_another_stimulus_format(good, bad, tmp_path, stimfmt, found):
    path = replace(bad, meta={"stimfmt": stimfmt}).write(tmp_path / "raw")
    error = refused(good, path, tmp_path)
    assert (error.field, error.found, error.expected) == ("<recording>.meta.json: stimfmt", found, "'ozgf'")


def test_a_recording_without_meta_data(good, bad, tmp_path):
    path = write_files(tmp_path, bad, lambda files: files.pop("BAD001a.meta.json"))
    assert "older generation" in refused(good, path, tmp_path).found


@pytest.mark.parametrize("signal", ["resp", "stim"])
def test_another_sampling_rate(good, bad, tmp_path, signal):
    def change(files):
        name = f"BAD001a.{signal}.json"
        files[name] = files[name].replace(b'"fs": 100', b'"fs": 200')

    error = refused(good, write_files(tmp_path, bad, change), tmp_path)
    assert (error.found, error.expected) == ("200 Hz", "100 Hz")


def test_a_header_without_channels(good, bad, tmp_path):
    def change(files):
        files["BAD001a.resp.json"] = files["BAD001a.resp.json"].replace(b'["BAD001a-01-1"]', b"null")

    assert "does not name its channels" in str(refused(good, write_files(tmp_path, bad, change), tmp_path))


def test_an_epoch_past_the_end_of_the_recording(good, bad, tmp_path):
    def change(files):
        files["BAD001a.resp.epoch.csv"] += f"9000.0,9004.0,STIM_{TONE}\n".encode()

    error = refused(good, write_files(tmp_path, bad, change), tmp_path)
    assert "lies outside its signal" in str(error)
    assert f"STIM_{TONE}" in error.field


def test_an_epoch_without_a_bin(good, bad, tmp_path):
    def change(files):
        files["BAD001a.resp.epoch.csv"] += f"0.01,0.012,STIM_{TONE}\n".encode()

    assert "has no bins" in str(refused(good, write_files(tmp_path, bad, change), tmp_path))


def test_two_silences_in_one_presentation(good, bad, tmp_path):
    first = bad.trials[0].start_s

    def change(files):
        files["BAD001a.resp.epoch.csv"] += f"{first!r},{first + 0.75!r},PreStimSilence\n".encode()

    assert "more than one PreStimSilence" in str(refused(good, write_files(tmp_path, bad, change), tmp_path))


@pytest.mark.parametrize("bands", [1, 17, 19])
def test_a_tile_of_another_number_of_bands(good, bad, tmp_path, bands):
    tiles = {**bad.tiles, TONE: np.ones((bands, 400))}
    error = refused(good, replace(bad, tiles=tiles).write(tmp_path / "raw"), tmp_path)
    assert (error.found, error.expected) == (f"{bands} channels of 400 bins", "18 channels")


def test_infinite_values_of_a_tile(good, bad, tmp_path):
    tiles = {**bad.tiles, TONE: np.full((18, 400), np.inf)}
    assert "infinite" in str(refused(good, replace(bad, tiles=tiles).write(tmp_path / "raw"), tmp_path))


def test_spike_times_that_are_no_times(good, bad, tmp_path):
    spikes = {"BAD001a-01-1": np.array([1.0, np.nan])}
    path = replace(bad, spikes_s=spikes).write(tmp_path / "raw")
    assert "no possible time" in str(refused(good, path, tmp_path))


def test_a_damaged_hdf5_member(good, bad, tmp_path):
    def change(files):
        files["BAD001a.stim.h5"] = files["BAD001a.stim.h5"][:200]

    refused(good, write_files(tmp_path, bad, change), tmp_path)


@pytest.mark.parametrize("value", [0.5, -1.0, 70_000.0])
def test_text_that_holds_no_counts(good, bad_text, tmp_path, value):
    resp = bad_text.resp.copy()
    resp[7, 0] = value
    error = refused(good, replace(bad_text, resp=resp).write(tmp_path / "raw"), tmp_path, "vmn")
    assert error.field == "<recording>.resp.csv: line 8, bad002b-a1"
    assert error.found == value


def test_text_of_another_number_of_bands(good, bad_text, tmp_path):
    stim = np.tile(bad_text.stim, (1, 2))

    def change(files):
        other = replace(bad_text, stim=stim).writer().files
        files["bad002b.stim.csv"] = other["bad002b.stim.csv"]
        files["bad002b.stim.json"] = files["bad002b.stim.json"].replace(b'["0", "1"]', b'["0", "1", "2", "3"]')

    error = refused(good, write_files(tmp_path, bad_text, change), tmp_path, "vmn")
    assert (error.found, error.expected) == (4, 2)


def test_a_text_stimulus_that_is_shorter_than_the_responses(good, bad_text, tmp_path):
    def change(files):
        lines = files["bad002b.stim.csv"].splitlines(keepends=True)
        files["bad002b.stim.csv"] = b"".join(lines[:-300])
        length = f"[[0, {len(lines)}]]".encode()
        files["bad002b.stim.json"] = files["bad002b.stim.json"].replace(length, f"[[0, {len(lines) - 300}]]".encode())

    path = write_files(tmp_path, bad_text, change)
    assert "lies outside its signal" in str(refused(good, path, tmp_path, "vmn"))


# What is no fault of a recording --------------------------------------------------------------------------------------


def test_channels_and_files_of_no_header_are_named(good, bad, tmp_path):
    def change(files):
        spikes = {**bad.spikes_s, "stranger": np.array([1.0])}
        files["BAD001a.resp.h5"] = h5_bytes(spikes)
        files["readme.txt"] = b"x"

    path = write_files(tmp_path, bad, change)
    entry = build("espejo", ["nat"], data_dir=tmp_path / "raw", out=tmp_path / "out").cohorts["nat"]
    assert entry.left_out == [
        ("channels", f"{path.name}: stranger", "its header does not name it"),
        ("files", f"{path.name}: BAD001a/readme.txt", "of no kind that a recording has"),
    ]


def test_a_recording_without_sounds_is_named(good, bad, tmp_path):
    path = replace(bad, trials=(), tiles={TONE: bad.tiles[TONE]}).write(tmp_path / "raw")
    entry = build("espejo", ["nat"], data_dir=tmp_path / "raw", out=tmp_path / "out").cohorts["nat"]
    assert ("recordings", path.name, "holds no presentation of a sound") in entry.left_out
    assert (entry.counts["recordings"], entry.counts["neurons"]) == (1, 1)


def test_nothing_usable_writes_nothing(bad, tmp_path):
    path = bad.write(tmp_path / "raw")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RawDataError, match="No recording of espejo/nat could be used"):
        build("espejo", ["nat"], data_dir=tmp_path / "raw", out=tmp_path / "out", on_error="skip")
    assert not (tmp_path / "out").exists()


def test_another_directory_is_told_what_is_missing(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "A1_natural_sounds.tgz").write_bytes(b"")
    with pytest.raises(DataDirectoryError) as caught:
        Espejo.open_raw(str(tmp_path / "raw"))
    assert "A1_natural_sounds/NAT" in caught.value.expected
    assert caught.value.mend == "unpack A1_natural_sounds.tgz there"
    with pytest.raises(DataDirectoryError, match="zenodo"):
        Espejo.open_raw(None)


def test_skipping_a_site_leaves_the_others_as_they_are(tmp_path):
    truth = write_espejo(tmp_path / "raw", seed=4, wavs=False)
    build("espejo", ["nat"], data_dir=tmp_path / "raw", out=tmp_path / "whole")
    (broken,) = truth.of_site("BRT026c")
    path = tmp_path / "raw" / FOLDERS["nat"] / broken.name
    path.write_bytes(path.read_bytes()[:-100])
    build("espejo", ["nat"], data_dir=tmp_path / "raw", out=tmp_path / "skipped", on_error="skip")
    whole, skipped = pairs(tmp_path / "whole", "nat"), pairs(tmp_path / "skipped", "nat")
    assert {pair for pair in whole if not pair[1].startswith("BRT")} == set(skipped)
    for pair, row in skipped.items():
        assert row["response"] == whole[pair]["response"]
        assert row["subset"] == whole[pair]["subset"]
