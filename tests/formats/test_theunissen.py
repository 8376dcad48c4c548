"""The files of the Theunissen lab's releases, well formed and damaged."""

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.formats.theunissen import (
    STRAY,
    SpikeTrains,
    cell_metadata,
    count_spikes,
    list_cell,
    list_sounds,
    read_sound,
    read_spike_file,
    read_stim_file,
)
from tests.raw_writers.finch import spike_text, synthesise, write_sound

WAV = "0123456789ABCDEF0123456789ABCDEF.wav"


def written(tmp_path, content):
    path = tmp_path / "spike1"
    path.write_bytes(content)
    return path


def trains_of(*trials):
    times = np.concatenate([np.asarray(trial, float) for trial in trials])
    return SpikeTrains(times, np.repeat(np.arange(len(trials)), [len(trial) for trial in trials]), len(trials))


# Spike files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"-250.500 0.000 1.250 \n\n3.000 \n",
        b"-250.500 0.000 1.250\n\n3.000\n",
        b"-250.500  0.000\t1.250 \n \n3.000",
        b"-250.500 0.000 1.250 \r\n\r\n3.000 \r\n",
    ],
    ids=["as published", "no trailing blank", "blanks, tab, no last end of line", "carriage returns"],
)
def test_every_way_to_write_the_same_trials_reads_the_same(tmp_path, content):
    trains, data = read_spike_file(written(tmp_path, content))
    assert trains.times_ms.tolist() == [-250.5, 0.0, 1.25, 3.0]
    assert trains.trials.tolist() == [0, 0, 0, 2]
    assert trains.n_trials == 3
    assert data == content


def test_silent_trials_are_trials(tmp_path):
    assert read_spike_file(written(tmp_path, b"\n" * 10))[0].n_trials == 10
    assert read_spike_file(written(tmp_path, b"\n"))[0].n_trials == 1
    assert read_spike_file(written(tmp_path, b"1.0\n\n\n"))[0].n_trials == 3


@given(
    st.lists(st.lists(st.integers(-2_000_000, 4_000_000), max_size=8).map(sorted), min_size=1, max_size=6),
    st.sampled_from([" \n", "\n", "\r\n", " \r\n"]),
)
def test_what_is_written_is_read(tmp_path_factory, trials, line_end):
    directory = tmp_path_factory.mktemp("spikes")
    times = [np.array(trial, float) / 1000 for trial in trials]
    trains, _ = read_spike_file(written(directory, spike_text(times, line_end).encode()))
    assert trains.n_trials == len(trials)
    for number, trial in enumerate(times):
        np.testing.assert_array_equal(trains.times_ms[trains.trials == number], trial)


@pytest.mark.parametrize(
    ("content", "problem", "field"),
    [
        (b"", "is empty", None),
        (b"1.0 2.0 \n1.0 2,5 \n", "cannot be read", "line 2"),
        (b"1.0 \n\n\nnan \n", "cannot be read", "line 4"),
        (b"1.0 12.5.7 \n", "cannot be read", "line 1"),
        (b"1_0 \n", "cannot be read", "line 1"),
        (b"1.0 \n1e999 \n", "cannot be read", "line 2"),
        (b"1.0 \n\xff\xfe\x00 \n", "cannot be read", "line 2"),
        (b"0.5 \n1.000 3.000 2.000 \n", "run backwards", "line 2"),
    ],
)
def test_a_damaged_spike_file_is_refused_with_its_line(tmp_path, content, problem, field):
    path = written(tmp_path, content)
    with pytest.raises(RawFormatError, match=problem) as caught:
        read_spike_file(path)
    assert caught.value.field == field
    assert caught.value.path == str(path)
    assert "on_error='skip'" in caught.value.mend


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    (tmp_path / "spike1").mkdir()
    with pytest.raises(RawFormatError, match="cannot be read"):
        read_spike_file(tmp_path / "spike1")


def test_equal_times_and_the_first_of_the_next_trial_do_not_run_backwards(tmp_path):
    assert read_spike_file(written(tmp_path, b"5.000 5.000 \n-3.000 \n"))[0].n_trials == 2


# Counts ---------------------------------------------------------------------------------------------------------------


def test_times_on_the_edges_of_bins_belong_to_the_bin_that_begins_there():
    edges = [k / 10 for k in range(30)]
    assert 0.3 / 0.1 < 3, "the trap"
    binned = count_spikes([trains_of(edges)], 30, 0.1)
    assert binned.counts.tolist() == [[1] * 30]
    assert (binned.before, binned.after) == (0, 0)
    just_before = [round(t - 0.001, 3) for t in edges[1:]]
    assert count_spikes([trains_of(just_before)], 30, 0.1).counts.tolist() == [[1] * 29 + [0]]


def test_times_that_are_not_whole_microseconds_once_multiplied_belong_to_their_bin_too():
    assert 32.3 * 1000 < 32_300, "the trap"
    counts = count_spikes([trains_of([32.3])], 324, 0.1).counts[0]
    assert np.flatnonzero(counts).tolist() == [323]
    assert np.flatnonzero(count_spikes([trains_of([1.001])], 8, 0.143).counts[0]).tolist() == [7]


def test_presentations_are_stacked_and_what_lies_outside_is_counted():
    first, second = trains_of([-0.001, 0.0, 4.999], []), trains_of([5.0, 9.999, 10.0, 300.0])
    binned = count_spikes([first, second], 2, 5.0)
    assert binned.counts.tolist() == [[2, 0], [0, 0], [0, 2]]
    assert (binned.before, binned.after) == (1, 2)


def test_times_with_more_decimals_are_not_rounded_into_another_bin():
    assert count_spikes([trains_of([0.99996])], 2, 1.0).counts.tolist() == [[1, 0]]
    assert count_spikes([trains_of([-0.0004])], 2, 1.0).before == 1


@given(
    st.lists(st.integers(-3000, 20_000), max_size=40),
    st.sampled_from([100, 300, 1000, 2300, 5000]),
    st.integers(1, 12),
)
def test_counts_equal_integer_division_of_microseconds(microseconds, width_us, n_bins):
    binned = count_spikes([trains_of([us / 1000 for us in sorted(microseconds)])], n_bins, width_us / 1000)
    bins = [us // width_us for us in microseconds]
    assert binned.counts[0].tolist() == [bins.count(k) for k in range(n_bins)]
    assert binned.before == sum(k < 0 for k in bins)
    assert binned.after == sum(k >= n_bins for k in bins)


# Names and folders ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "animal", "seq", "rig"),
    [
        ("gg0304_10_B", "gg0304", 10, "B"),
        ("blabla0903_2", "blabla0903", 2, None),
        ("yy1617", "yy1617", None, None),
        ("gg0304_x_B", "gg0304", None, None),
        ("gg0304_4_b", "gg0304", None, None),
        ("gg_0304_4_B", "gg", None, None),
    ],
)
def test_names_of_cells(name, animal, seq, rig):
    assert cell_metadata(name) == {"cell_id": name, "animal_id": animal, "cell_seq": seq, "rig": rig}


@pytest.mark.parametrize("end", ["\n", "", "\r\n", " \n"])
def test_a_stim_file_is_read_with_or_without_its_end_of_line(tmp_path, end):
    (tmp_path / "stim1").write_text(WAV + end, newline="")
    assert read_stim_file(tmp_path / "stim1") == WAV


@pytest.mark.parametrize(
    "content", ["", "\n", "song.wav\n", WAV[:-4] + "\n", f"{WAV}\n{WAV}\n", f"../{WAV}\n", WAV.lower()]
)
def test_a_stim_file_that_names_no_sound_is_refused(tmp_path, content):
    (tmp_path / "stim1").write_text(content)
    with pytest.raises(RawFormatError, match="does not name a sound") as caught:
        read_stim_file(tmp_path / "stim1")
    assert "stim1" in caught.value.path


def test_a_cell_is_listed_by_number_and_what_is_incomplete_or_strange_is_named(tmp_path):
    folder = tmp_path / "cells" / "gg0304_1_A" / "conspecific"
    folder.mkdir(parents=True)
    for number in (1, 2, 10, 11):
        (folder / f"stim{number}").write_text(f"{WAV}\n")
    for number in (1, 2, 10, 4):
        (folder / f"spike{number}").write_text("1.000 \n")
    (folder / "stim12").write_text("nonsense")
    (folder / "spike12").write_text("1.000 \n")
    for stray in (folder / ".DS_Store", folder / "stim01", folder / "notes.txt", folder.parent / ".DS_Store"):
        stray.write_text("")
    (folder / "stim3").mkdir()
    listed = list_cell(tmp_path, "cells/gg0304_1_A")
    place = "cells/gg0304_1_A/conspecific"
    assert [one.number for one in listed.presentations] == [1, 2, 10], "as numbers, not as text"
    assert {one.folder for one in listed.presentations} == {"conspecific"}
    assert listed.presentations[2].spike_file == f"{place}/spike10"
    assert [name for name, _ in listed.faults] == [f"{place}/stim12"]
    assert set(listed.left_out) == {
        ("presentations", f"{place}/stim11", "there is no spike file of its number"),
        ("presentations", f"{place}/spike4", "there is no stim file of its number"),
        ("files", f"{place}/.DS_Store", STRAY),
        ("files", f"{place}/stim01", STRAY),
        ("files", f"{place}/notes.txt", STRAY),
        ("files", f"{place}/stim3", STRAY),
        ("files", "cells/gg0304_1_A/.DS_Store", STRAY),
    }


def test_sounds_are_listed_apart_from_strays(tmp_path):
    (tmp_path / WAV).write_bytes(b"")
    (tmp_path / ".DS_Store").write_bytes(b"")
    (tmp_path / "song.wav").write_bytes(b"")
    (tmp_path / "conspecific").mkdir()
    sounds, strays = list_sounds(tmp_path)
    assert sounds == {WAV: tmp_path / WAV}
    assert strays == [".DS_Store", "conspecific", "song.wav"]


# Sounds ---------------------------------------------------------------------------------------------------------------


def test_a_sound_is_read_as_stored_with_its_digest(tmp_path):
    samples = synthesise(np.random.default_rng(0), 1601, "conspecific")
    name = write_sound(tmp_path, samples)
    got, digest = read_sound(tmp_path / name)
    assert got.dtype == np.int16
    np.testing.assert_array_equal(got, samples)
    assert f"{digest}.wav" == name


@pytest.mark.parametrize(
    ("rate", "subtype", "channels", "found"),
    [
        (44_100, "PCM_16", 1, "44100 Hz"),
        (32_000, "FLOAT", 1, "FLOAT"),
        (32_000, "PCM_24", 1, "PCM_24"),
        (32_000, "PCM_16", 2, "2"),
    ],
)
def test_another_kind_of_sound_is_refused(tmp_path, rate, subtype, channels, found):
    samples = np.squeeze(np.zeros((400, channels), np.float32))
    path = tmp_path / write_sound(tmp_path, samples, sample_rate_hz=rate, subtype=subtype)
    with pytest.raises(RawFormatError) as caught:
        read_sound(path)
    assert str(caught.value.found) == found
    assert caught.value.path == str(path)


@pytest.mark.parametrize("keep", [0, 30, 300])
def test_a_sound_cut_short_is_refused(tmp_path, keep):
    path = tmp_path / write_sound(tmp_path, np.ones(400, np.int16))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RawFormatError):
        read_sound(path)


def test_a_format_that_soundfile_cannot_read_is_refused(tmp_path):
    path = tmp_path / write_sound(tmp_path, np.ones(400, np.int16))
    content = bytearray(path.read_bytes())
    content[20:22] = (0x4444).to_bytes(2, "little")  # an encoding that does not exist
    path.write_bytes(content)
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.info(path)
    with pytest.raises(RawFormatError, match="cannot be read"):
        read_sound(path)
