"""CRCNS AA1: what is wrong with a tree is said, and stops the build or is left out by name."""

import shutil

import numpy as np
import pytest

from deepstrf_hf import build
from deepstrf_hf.errors import DataDirectoryError, DeepstrfError, MissingRawFileError, RawFormatError
from tests.raw_writers.crcns_aa1 import write_crcns_aa1
from tests.raw_writers.finch import write_sound


@pytest.fixture
def truth(tmp_path):
    return write_crcns_aa1(tmp_path / "raw", n_extra=0)


def check(truth, tmp_path, error, problem, kind, name):
    """Check that a fault stops the build with its name, and is left out by name where the user says so."""
    with pytest.raises(error, match=problem) as caught:
        build("crcns_aa1", data_dir=truth.root, out=tmp_path / "stopped")
    assert name.rpartition("/")[2] in str(caught.value.path)
    assert caught.value.mend
    assert not (tmp_path / "stopped").exists()
    entry = build("crcns_aa1", data_dir=truth.root, out=tmp_path / "out", on_error="skip").cohorts["all"]
    left_out = {(kind, item): reason for kind, item, reason in entry.left_out}
    assert caught.value.problem in left_out[kind, name]
    return entry


SPIKES = "MLd_cells/yy1617/conspecific/spike2"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is empty"),
        ("12.5 abc \n", "cannot be read"),
        ("12.500 11.500 \n", "run backwards"),
    ],
)
def test_a_damaged_spike_file(truth, tmp_path, content, problem):
    (truth.root / SPIKES).write_text(content)
    entry = check(truth, tmp_path, RawFormatError, problem, "presentations", SPIKES)
    assert entry.counts["rows"] == len(truth.pairs()) - 1
    assert entry.counts["neurons"] == 8


def test_a_second_presentation_that_is_damaged_leaves_the_first(truth, tmp_path):
    place = "Field_L_cells/gg0304_4_B/conspecific/spike10"
    (truth.root / place).write_text("")
    entry = check(truth, tmp_path, RawFormatError, "is empty", "presentations", place)
    assert entry.counts["rows"] == len(truth.pairs())
    assert entry.counts["pairs_presented_again"] == 0


def test_a_stim_file_that_names_nothing(truth, tmp_path):
    place = "MLd_cells/yy1617/flatrip/stim1"
    (truth.root / place).write_text("\n")
    entry = check(truth, tmp_path, RawFormatError, "does not name a sound", "presentations", place)
    assert entry.counts["rows"] == len(truth.pairs()) - 1


def test_a_cell_without_any_recording(truth, tmp_path):
    (truth.root / "MLd_cells" / "empty_1_A" / "flatrip").mkdir(parents=True)
    check(truth, tmp_path, RawFormatError, "holds no recording", "cells", "MLd_cells/empty_1_A")


def test_a_cell_without_spikes(truth, tmp_path):
    for path in (truth.root / "MLd_cells" / "yy1617").glob("*/spike*"):
        path.unlink()
    entry = check(truth, tmp_path, RawFormatError, "holds no recording", "cells", "MLd_cells/yy1617")
    assert entry.counts["neurons"] == 7


def test_a_sound_that_is_missing(truth, tmp_path):
    wav = truth.of_class("flatrip")[0]
    (truth.root / "all_stims" / "flatrip" / wav).unlink()
    entry = check(truth, tmp_path, MissingRawFileError, "that was played is missing", "sounds", wav)
    assert entry.counts["stimuli"] == 5
    assert entry.counts["stimuli_flatrip"] == 2


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not a sound at all, but long enough for a header of one"])
def test_a_sound_that_cannot_be_read(truth, tmp_path, content):
    wav = truth.of_class("conspecific")[0]
    (truth.root / "all_stims" / "conspecific" / wav).write_bytes(content)
    entry = check(truth, tmp_path, RawFormatError, "cannot be read", "sounds", wav)
    assert entry.counts["stimuli_conspecific"] == 2


def test_a_sound_of_another_rate(tmp_path):
    truth = write_crcns_aa1(tmp_path / "raw", n_extra=0, hostile="wav-44k")
    entry = check(truth, tmp_path, RawFormatError, "another sampling rate", "sounds", truth.of_class("flatrip")[0])
    assert entry.counts["stimuli_flatrip"] == 2


def test_a_sound_whose_content_is_not_the_one_it_is_named_for(truth, tmp_path):
    song, noise = truth.of_class("conspecific")[0], truth.of_class("flatrip")[0]
    other = write_sound(tmp_path, truth.sounds[noise][:9600])
    shutil.copy(tmp_path / other, truth.root / "all_stims" / "conspecific" / song)
    entry = build("crcns_aa1", data_dir=truth.root, out=tmp_path / "out").cohorts["all"]
    assert entry.counts["stimuli"] == 6
    assert [note for note in entry.notes if song in note and other.removesuffix(".wav") in note]


def test_a_sound_filed_under_another_class_keeps_its_own(truth, tmp_path):
    noise = truth.of_class("flatrip")[2]
    (truth.root / "Field_L_cells/gg0304_10_B/conspecific/stim2").write_text(f"{noise}\n")
    entry = build("crcns_aa1", data_dir=truth.root, out=tmp_path / "out").cohorts["all"]
    assert entry.counts["pairs_in_the_folder_of_another_class"] == 1
    assert entry.counts["stimuli"] == 6


# Directories ----------------------------------------------------------------------------------------------------------


def test_another_directory_is_refused(truth, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for path, found in ((tmp_path / "elsewhere", "an empty directory"), (tmp_path / "nowhere", "no such directory")):
        with pytest.raises(DataDirectoryError, match="all_stims") as caught:
            build("crcns_aa1", data_dir=path, out=tmp_path / "out")
        assert caught.value.found == found


def test_the_directory_above_is_refused_with_the_right_one(truth, tmp_path):
    with pytest.raises(DataDirectoryError) as caught:
        build("crcns_aa1", data_dir=tmp_path, out=tmp_path / "out")
    assert str(truth.root) in caught.value.mend
    assert caught.value.mend.startswith("did you mean")


def test_an_archive_that_is_not_unpacked_is_pointed_out(tmp_path):
    (tmp_path / "crcns-aa1.zip").write_bytes(b"PK")
    with pytest.raises(DataDirectoryError, match=r"unpack crcns-aa1\.zip"):
        build("crcns_aa1", data_dir=tmp_path, out=tmp_path / "out")


def test_a_tree_without_cells_is_refused(truth, tmp_path):
    for area in ("Field_L", "MLd"):
        shutil.rmtree(truth.root / f"{area}_cells")
    (truth.root / "all_cells").mkdir()
    with pytest.raises(DataDirectoryError, match="crcns_aa2") as caught:
        build("crcns_aa1", data_dir=truth.root, out=tmp_path / "out")
    assert isinstance(caught.value, DeepstrfError)


def test_an_output_above_the_raw_files_is_refused(tmp_path):
    write_crcns_aa1(tmp_path / "raw", n_extra=0, wrapped=True)
    with pytest.raises(DeepstrfError, match="contains the raw files"):
        build("crcns_aa1", data_dir=tmp_path / "raw", out=tmp_path / "raw")


def test_a_sound_too_short_for_the_published_window(truth, tmp_path):
    wav = write_sound(truth.root / "all_stims" / "flatrip", np.arange(160, dtype=np.int16))
    stim_file = truth.root / "MLd_cells" / "yy1617" / "flatrip" / "stim1"
    stim_file.write_text(f"{wav}\n", newline="")
    entry = check(truth, tmp_path, RawFormatError, "too short for the window", "sounds", wav)
    assert entry.counts["rows"] == len(truth.pairs()) - 1


def test_folders_among_the_sounds_are_named(truth, tmp_path):
    (truth.root / "all_stims" / "flatrip" / "copies").mkdir()
    entry = build("crcns_aa1", data_dir=truth.root, out=tmp_path / "out").cohorts["all"]
    assert ("files", "all_stims/flatrip/copies", "not a file of the release") in entry.left_out


def test_a_sound_that_lies_in_two_classes_is_remarked(truth, tmp_path):
    wav = truth.of_class("conspecific")[0]
    shutil.copy(truth.root / "all_stims" / "conspecific" / wav, truth.root / "all_stims" / "flatrip" / wav)
    entry = build("crcns_aa1", data_dir=truth.root, out=tmp_path / "out").cohorts["all"]
    assert f"{wav} lies in conspecific and in flatrip: it counts as the latter." in entry.notes
    assert entry.counts["rows"] == len(truth.pairs())
