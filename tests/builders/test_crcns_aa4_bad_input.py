"""CRCNS AA4: files that are missing, damaged, or not as published."""

import h5py
import numpy as np
import pytest

from builders.crcns_aa4 import CrcnsAa4
from deepstrf_hf import build
from deepstrf_hf.errors import DataDirectoryError, MissingRawFileError, RawFormatError
from tests.builders.crcns_aa4_trees import table_rows
from tests.raw_writers.crcns_aa4 import (
    ANIMALS,
    WrittenPresentation,
    WrittenUnit,
    draw_trials,
    make_sound,
    unit_attributes,
    write_sound,
    write_unit,
)

ANIMAL = ANIMALS[2]
GOOD, BAD = "Site1_L1R1_e1_s0_ss1", "Site1_L1R1_e2_s0_ss1"


@pytest.fixture
def raw(tmp_path):
    """Return a tree of one bird with two units and a sound; the second unit is to be damaged."""
    rng = np.random.default_rng(0)
    sound = make_sound(rng, "song", "song", 4_000)
    for cell in (GOOD, BAD):
        heard = WrittenPresentation("Call1", 3, sound, draw_trials(rng, sound, 3, rate_hz=200.0))
        write_unit(tmp_path / "raw", WrittenUnit(ANIMAL, cell, [heard], unit_attributes(cell, "single")))
    write_sound(tmp_path / "raw", ANIMAL, 3, sound)
    return tmp_path / "raw"


def bad_file(raw):
    return raw / ANIMAL / f"{BAD}.h5"


def refused(raw, tmp_path):
    """Return the error of the default build, after checking that on_error="skip" leaves exactly that unit out."""
    with pytest.raises(RawFormatError) as caught:
        build("crcns_aa4", data_dir=raw, out=tmp_path / "out")
    assert caught.value.path == str(bad_file(raw))
    assert caught.value.mend
    assert not (tmp_path / "out").exists()
    entry = build("crcns_aa4", data_dir=raw, out=tmp_path / "out", on_error="skip").cohorts["all"]
    assert [(kind, name) for kind, name, _ in entry.left_out] == [("units", f"{ANIMAL}/{BAD}.h5")]
    assert [row["neuron_id"] for row in table_rows(tmp_path / "out", "all")] == [f"{ANIMAL}-{GOOD}"]
    return caught.value


@pytest.mark.parametrize("keep", [0, 7, 500, 0.5, 0.95])
def test_a_truncated_unit(raw, tmp_path, keep):
    content = bad_file(raw).read_bytes()
    bad_file(raw).write_bytes(content[: int(keep * len(content)) if keep < 1 else keep])
    refused(raw, tmp_path)


def test_a_unit_that_is_no_hdf5_file(raw, tmp_path):
    bad_file(raw).write_bytes(b"<html>Please log in</html>" * 100)
    assert refused(raw, tmp_path).expected == "HDF5"


def trial(file):
    return file["Call1/3/2"]


def replace_times(values):
    def change(file):
        del trial(file)["spike_times"]
        if values is not None:
            trial(file)["spike_times"] = values

    return change


def set_attribute(place, name, value):
    def change(file):
        if value is None:
            del file[place].attrs[name]
        else:
            file[place].attrs[name] = value

    return change


def no_stimulus(file):
    del file["Call1"]


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        (set_attribute("/", "sortType", "hash"), "sortType", "unknown sort type"),
        (set_attribute("/", "sortType", None), "sortType", "unknown sort type"),
        (set_attribute("/", "electrode", 1.5), "electrode", "a whole number"),
        (set_attribute("/", "electrode", "left"), "electrode", "one number"),
        (set_attribute("/", "ldepth", [1.0, 2.0]), "ldepth", "one number"),
        (set_attribute("Call1/3", "stim_md5", None), "stim_md5", "32 hexadecimal digits"),
        (set_attribute("Call1/3", "stim_md5", "song7"), "stim_md5", "32 hexadecimal digits"),
        (set_attribute("Call1/3/2", "post_time", "late"), "post_time", "one number"),
        (replace_times(None), "2/spike_times", "cannot be read"),
        (replace_times("none"), "2/spike_times", "cannot be read"),
        (replace_times([0.1, np.nan]), "2/spike_times", "no time near its sound"),
        (replace_times([np.inf]), "2/spike_times", "no time near its sound"),
        (replace_times([0.1, 1e9]), "2/spike_times", "1000000000.0"),
        (replace_times([-999.0, 0.1]), "2/spike_times", "mark"),
        (no_stimulus, "/", "no stimulus"),
    ],
)
def test_a_unit_that_is_not_as_published(raw, tmp_path, change, field, said):
    with h5py.File(bad_file(raw), "r+") as file:
        change(file)
    error = refused(raw, tmp_path)
    assert field in str(error.field)
    assert said in str(error)


@pytest.mark.parametrize(
    "values", [-999, [[-999.0]], np.array([-999]), np.empty(0), np.empty((0, 1)), h5py.Empty("f8")]
)
def test_every_way_to_say_no_spikes(raw, tmp_path, values):
    with h5py.File(bad_file(raw), "r+") as file:
        replace_times(values)(file)
    build("crcns_aa4", data_dir=raw, out=tmp_path / "out")
    row = next(row for row in table_rows(tmp_path / "out", "all") if BAD in row["neuron_id"])
    assert row["n_trials"] == 3
    assert np.sum(row["response"][1]) == 0
    assert np.sum(row["response"][0]) > 0


def test_trials_without_a_group_of_their_own_and_unknown_groups_are_named(raw, tmp_path):
    with h5py.File(bad_file(raw), "r+") as file:
        file.create_group("quality").attrs["x"] = 1
        file["notes"] = "text"
        file.create_group("Call1/summary")
        file["Call1/3/psth"] = np.zeros(5)
    entry = build("crcns_aa4", data_dir=raw, out=tmp_path / "out").cohorts["all"]
    assert [name for kind, name, _ in entry.left_out if kind == "members of unit files"] == [
        "<protocol>/<stimulus>/psth", "Call1/summary", "notes", "quality",
    ]  # fmt: skip
    assert {row["n_trials"] for row in table_rows(tmp_path / "out", "all")} == {3}


def test_a_stimulus_without_trials_is_no_recording(raw, tmp_path):
    with h5py.File(bad_file(raw), "r+") as file:
        for name in list(file["Call1/3"]):
            del file["Call1/3"][name]
    entry = build("crcns_aa4", data_dir=raw, out=tmp_path / "out").cohorts["all"]
    assert ("units", f"{ANIMAL}/{BAD}.h5", "no trial of the stimuli that are built") in entry.left_out
    assert len(table_rows(tmp_path / "out", "all")) == 1


def test_a_stimulus_without_type_is_left_out_by_name(raw, tmp_path):
    for cell in (GOOD, BAD):
        with h5py.File(raw / ANIMAL / f"{cell}.h5", "r+") as file:
            del file["Call1/3"].attrs["stim_type"]
    with pytest.raises(MissingRawFileError, match="its type is not stated"):
        build("crcns_aa4", data_dir=raw, out=tmp_path / "out")


def test_a_type_that_one_unit_forgets_is_known_from_another(raw, tmp_path):
    with h5py.File(raw / ANIMAL / f"{GOOD}.h5", "r+") as file:
        del file["Call1/3"].attrs["stim_type"]
    build("crcns_aa4", data_dir=raw, out=tmp_path / "out")
    assert [row["stim_type"] for row in table_rows(tmp_path / "out", "all")] == ["song", "song"]


def test_a_file_that_changes_between_builds_is_read_again(raw, tmp_path):
    build("crcns_aa4", data_dir=raw, out=tmp_path / "one")
    with h5py.File(bad_file(raw), "r+") as file:
        file.attrs["sortType"] = np.bytes_("multi")
    build("crcns_aa4", data_dir=raw, out=tmp_path / "two")
    kinds = [
        {row["neuron_id"]: row["neuron_sort_type"] for row in table_rows(tmp_path / out, "all-neurons")}
        for out in ("one", "two")
    ]
    assert [kind[f"{ANIMAL}-{BAD}"] for kind in kinds] == ["single", "multi"]


def test_a_directory_that_is_not_the_corpus(raw, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / "BlaBro09xxF.tar.gz").write_bytes(b"")
    for directory, said in (("empty", "BlaBro09xxF"), ("archives", "unpack BlaBro09xxF.tar.gz"), ("no", "no such")):
        with pytest.raises(DataDirectoryError, match=said):
            build("crcns_aa4", data_dir=tmp_path / directory, out=tmp_path / "out")
    with pytest.raises(DataDirectoryError, match=r"crcns\.org"):
        CrcnsAa4.open_raw(None)


def test_a_bird_without_unit_files_counts_as_absent(raw, tmp_path):
    (raw / ANIMALS[0] / "wavfiles").mkdir(parents=True)
    entry = build("crcns_aa4", data_dir=raw, out=tmp_path / "out").cohorts["all"]
    assert any(note.startswith(f"No unit files of {ANIMALS[0]}") for note in entry.notes)


def test_a_unit_that_is_a_link_to_nowhere(raw, tmp_path):
    bad_file(raw).unlink()
    bad_file(raw).symlink_to(tmp_path / "not fetched")
    assert refused(raw, tmp_path).found.endswith("no such file")


def test_a_sound_that_is_a_link_to_nowhere_is_none(raw, tmp_path):
    path = raw / ANIMAL / "wavfiles" / "stim3.wav"
    path.rename(raw / ANIMAL / "wavfiles" / "stim4.wav")
    path.symlink_to(tmp_path / "not fetched")
    build("crcns_aa4", data_dir=raw, out=tmp_path / "out")
    assert len(table_rows(tmp_path / "out", "all")) == 2, "its content lies under another number"
    (raw / ANIMAL / "wavfiles" / "stim4.wav").unlink()
    with pytest.raises(MissingRawFileError, match="no bird's folder holds its wav file"):
        build("crcns_aa4", data_dir=raw, out=tmp_path / "none")
