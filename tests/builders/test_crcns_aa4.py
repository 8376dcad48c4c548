"""CRCNS AA4: the values that come out of its files."""

import io

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders.crcns_aa4 import PUBLISHED_UNITS
from builders.crcns_aa4.raw import natural_order, numbered
from deepstrf_hf import build
from tests.builders.crcns_aa4_trees import (
    count_spikes,
    expected_response,
    fixed_hop_bins,
    neuron_id,
    pairs,
    real_units,
    sounds_heard,
    table_rows,
)
from tests.raw_writers.crcns_aa4 import (
    ANIMALS,
    WrittenPresentation,
    WrittenUnit,
    make_sound,
    unit_attributes,
    write_crcns_aa4,
    write_sound,
    write_unit,
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_crcns_aa4(tmp_path_factory.mktemp("aa4_raw"), seed=3)


@pytest.fixture(scope="module")
def built(written, tmp_path_factory):
    out = tmp_path_factory.mktemp("aa4_built") / "crcns_aa4"
    report = build("crcns_aa4", data_dir=written.directory, out=out)
    return report.cohorts["all"], out


# Counts ---------------------------------------------------------------------------------------------------------------


def test_counts_equal_the_spike_times_that_were_written(written, built):
    rows = pairs(built[1])
    expected = {(sound.md5, neuron_id(unit)) for unit in real_units(written) for sound in sounds_heard(unit)}
    assert set(rows) == expected
    for unit in real_units(written):
        for sound in sounds_heard(unit):
            row = rows[sound.md5, neuron_id(unit)]
            counts = expected_response(unit.of(sound), fixed_hop_bins(sound))
            np.testing.assert_array_equal(row["response"], counts)
            assert (row["n_trials"], row["n_bins"]) == counts.shape
            assert (row["dt_ms"], row["signal_type"]) == (1.0, "spikes")


def test_every_spike_is_in_the_rows_or_in_the_report(written, built):
    entry, _ = built
    inside = before = after = 0
    for unit in real_units(written):
        for sound in sounds_heard(unit):
            end = fixed_hop_bins(sound) / 1000
            for one in unit.of(sound):
                times = np.concatenate([one.spikes(trial) for trial in one.trials])
                before += int((times < 0).sum())
                after += int((times >= end).sum())
                inside += int(((times >= 0) & (times < end)).sum())
    amounts = {reason: amount for kind, reason, amount in entry.amounts if kind == "spikes"}
    assert before > 0
    assert after > 0
    assert amounts == {"before the onset of the sound": before, "after the last bin of the sound": after}
    assert entry.counts["spikes"] == inside


def test_trials_without_spikes_are_rows_of_zeros_in_their_place(written, built):
    song = written.sounds["song1"]
    unit = written.unit("BlaBro09xxF", "Site1_L1400R1400_e10_s0_ss1")
    row = pairs(built[1])[song.md5, neuron_id(unit)]
    assert row["n_trials"] == 11
    totals = np.sum(row["response"], axis=1)
    assert totals[2] == totals[4] == 0, "trial 3 holds the mark, trial 5 has spikes before the sound only"
    assert (np.delete(totals, [2, 4]) > 0).all()
    assert row["recording_trial"] == "1,2,3,4,5,6,7,8,9,10,11", "numbers, not the text order 1, 10, 11, 2"


def test_a_matlab_mark_is_a_trial_without_spikes(written, built):
    unit = written.unit("BlaBro09xxF", "Site1_L1400R1400_e10_s0_ss2")
    row = pairs(built[1])[written.sounds["call1"].md5, neuron_id(unit)]
    totals = np.sum(row["response"], axis=1)
    assert len(totals) == 9
    assert totals[0] == totals[1] == 0
    assert totals[2:].all()


def test_units_and_sounds_without_any_spike_are_kept(written, built):
    rows = pairs(built[1])
    silent = written.unit("GreBlu9508M", "Site2_L1000R1200_e4_s0_ss1")
    assert np.shape(rows[written.sounds["call2"].md5, neuron_id(silent)]["response"])[0] == 10
    assert neuron_id(silent) in {row["neuron_id"] for row in table_rows(built[1], "all-neurons")}
    unanswered = written.sounds["call3"].md5
    assert [np.sum(row["response"]) for (stim_id, _), row in rows.items() if stim_id == unanswered] == [0]


def test_spikes_after_the_sound_are_not_in_its_bins(written, built):
    unit = written.unit("WhiBlu5396M", "Site1_L500R500_e32_s0_ss1")
    row = pairs(built[1])[written.sounds["call2"].md5, neuron_id(unit)]
    assert np.sum(row["response"]) == 0
    assert row["n_trials"] == 2


def test_trials_of_two_protocols_are_all_there_and_can_be_told_apart(written, built):
    unit = written.unit("GreBlu9508M", "Site2_L1000R1200_e3_s0_ss1")
    song = written.sounds["song1"]
    row = pairs(built[1])[song.md5, neuron_id(unit)]
    assert row["n_trials"] == 14
    assert row["recording_protocol"] == "Call1,Call2"
    assert row["recording_protocol_trials"] == "10,4"
    assert row["recording_stimulus_number"] == "2,2"
    assert row["recording_trial"] == "1,2,3,4,5,6,7,8,9,10,1,2,3,4"
    by_protocol = {one.protocol: one for one in unit.of(song)}
    starts = np.cumsum([0, *map(int, row["recording_protocol_trials"].split(","))])
    for protocol, start, stop in zip(row["recording_protocol"].split(","), starts, starts[1:], strict=False):
        expected = expected_response([by_protocol[protocol]], row["n_bins"])
        np.testing.assert_array_equal(row["response"][start:stop], expected)


def test_one_sound_under_two_numbers_of_a_protocol(tmp_path):
    rng = np.random.default_rng(0)
    sound = make_sound(rng, "song", "song", 3_000)
    blocks = [
        WrittenPresentation("Call10", 7, sound, {1: np.array([0.001])}),
        WrittenPresentation("Call2", 30, sound, {2: np.array([0.002]), 10: np.array([0.003])}),
        WrittenPresentation("Call2", 4, sound, {1: np.array([0.004])}),
    ]
    cell = "Site1_L1R1_e1_s0"
    write_unit(tmp_path / "raw", WrittenUnit(ANIMALS[0], cell, blocks, unit_attributes(cell, "single")))
    write_sound(tmp_path / "raw", ANIMALS[0], 4, sound)
    build("crcns_aa4", data_dir=tmp_path / "raw", out=tmp_path / "out")
    (row,) = table_rows(tmp_path / "out", "all")
    assert row["recording_protocol"] == "Call2,Call2,Call10"
    assert row["recording_stimulus_number"] == "4,30,7"
    assert row["recording_trial"] == "1,2,10,1"
    assert np.argmax(row["response"], axis=1).tolist() == [4, 2, 3, 1]


def test_a_time_on_the_edge_of_a_bin_falls_into_the_bin_it_begins(tmp_path):
    """1.001 s times 1000 is less than 1001 in binary fractions; the spike is in bin 1001 all the same."""
    sound = make_sound(np.random.default_rng(0), "song", "song", 30_000)
    times = np.arange(1200) / 1000
    assert (np.floor(times * 1000) != np.arange(1200)).any(), "the trap is there"
    cell = "Site1_L1R1_e1_s0"
    blocks = [WrittenPresentation("Call1", 1, sound, {1: times})]
    write_unit(tmp_path / "raw", WrittenUnit(ANIMALS[0], cell, blocks, unit_attributes(cell, "single")))
    write_sound(tmp_path / "raw", ANIMALS[0], 1, sound)
    build("crcns_aa4", data_dir=tmp_path / "raw", out=tmp_path / "out")
    (row,) = table_rows(tmp_path / "out", "all")
    assert row["response"][0][:1200] == [1] * 1200


# Metadata -------------------------------------------------------------------------------------------------------------


def test_metadata_of_units(written, built):
    neurons = {row["neuron_id"]: row for row in table_rows(built[1], "all-neurons")}
    assert set(neurons) == {neuron_id(unit) for unit in real_units(written)}
    for unit in real_units(written):
        row, attributes = neurons[neuron_id(unit)], unit.attributes
        assert (row["neuron_cell_id"], row["neuron_animal_id"]) == (unit.cell, unit.animal)
        assert row["neuron_sex"] == unit.animal[-1]
        assert row["neuron_site"] == attributes["site"]
        assert row["neuron_electrode"] == attributes["electrode"]
        assert row["neuron_left_depth_um"] == attributes["ldepth"]
        assert row["neuron_right_depth_um"] == attributes.get("rdepth")
        assert row["neuron_sort_id"] == attributes["sortid"]
        assert row["neuron_sort_type"] == attributes["sortType"].replace("singl", "single").replace("singlee", "single")
        subsort = unit.cell.partition("_ss")[2]
        assert row["neuron_subsort_id"] == (int(subsort) if subsort else None)


def test_units_of_one_name_in_two_birds_are_two_neurons(written, built):
    ids = [row["neuron_id"] for row in table_rows(built[1], "all-neurons")]
    assert len(set(ids)) == len(ids)
    assert {"GreBlu9508M-Site1_L1000R1000_e1_s0_ss1", "YelBlu6903F-Site1_L1000R1000_e1_s0_ss1"} <= set(ids)
    assert not any("/" in name for name in ids)


def test_absent_attributes_are_null(tmp_path):
    sound = make_sound(np.random.default_rng(0), "song", "song", 3_000)
    absent = {"stim_class": None, "stim_source": None, "stim_source_sex": None, "original_wavfile": None}
    blocks = [
        WrittenPresentation("Call1", 1, sound, {1: np.array([0.01])}, None, {**absent, "stim_duration": None}),
    ]
    write_unit(tmp_path / "raw", WrittenUnit(ANIMALS[0], "odd name", blocks, {"sortType": "multi"}))
    write_sound(tmp_path / "raw", ANIMALS[0], 1, sound)
    build("crcns_aa4", data_dir=tmp_path / "raw", out=tmp_path / "out")
    (row,) = table_rows(tmp_path / "out", "all")
    absent_columns = ["neuron_site", "neuron_electrode", "neuron_left_depth_um", "neuron_right_depth_um",
                      "neuron_sort_id", "neuron_subsort_id", "stim_class", "stim_source", "stim_source_sex",
                      "stim_original_wav", "stim_duration_s", "recording_recorded_bins"]  # fmt: skip
    assert {name: row[name] for name in absent_columns} == dict.fromkeys(absent_columns)
    assert row["neuron_id"] == f"{ANIMALS[0]}-odd name"


def test_what_is_left_out_is_named(written, built):
    left_out = {(kind, name): reason for kind, name, reason in built[0].left_out}
    assert left_out.pop(("units", "BlaBro09xxF/Site1_L1400R1400_e12_s0.h5")).startswith("its sort type is tdt")
    assert left_out.pop(("units", "BlaBro09xxF/Site1_L1400R1400_e12_s0_ss1.h5")).startswith("its sort type is noise")
    assert "whitenoise" in left_out.pop(("stimuli", written.sounds["white"].md5))
    assert left_out.pop(("stimuli", written.sounds["nowhere"].md5)) == "no bird's folder holds its wav file"
    assert left_out == {}
    amounts = {reason: amount for kind, reason, amount in built[0].amounts if kind == "recordings"}
    assert sorted(amounts.values()) == [1, 1]


def test_counts_are_compared_with_the_documents_which_disagree(written, built):
    entry, out = built
    assert entry.published["neurons"] == 1401
    assert sum(PUBLISHED_UNITS.values()) == 1343
    units = real_units(written)
    assert entry.counts["neurons"] == len(units)
    singles = sum(unit.attributes["sortType"] != "multi" for unit in units)
    assert entry.counts["single_units"] == singles
    for animal in ANIMALS:
        of_bird = [unit for unit in units if unit.animal == animal]
        assert entry.counts[f"neurons_{animal}"] == len(of_bird)
        assert entry.counts[f"stimuli_{animal}"] == len({s.md5 for unit in of_bird for s in sounds_heard(unit)})
        assert entry.differences()[f"neurons_{animal}"] == (len(of_bird), PUBLISHED_UNITS[animal])
    assert any("1401" in note and "1343" in note for note in entry.notes)
    assert "1343" in (out / "README.md").read_text()


def test_waveforms_are_the_samples_of_the_files(written, built):
    md5s = {sound.md5: sound for sound in written.sounds.values()}
    for row in table_rows(built[1], "all-stimuli"):
        sound = md5s[row["stim_id"]]
        samples, rate = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="int16")
        np.testing.assert_array_equal(samples, sound.samples)
        assert rate == row["stim_sample_rate_hz"] == sound.rate
        assert (row["stim_name"], row["stim_wav_md5"]) == (sound.md5, sound.md5)
        assert (row["stim_type"], row["stim_class"]) == (sound.type, sound.sound_class)
        assert row["stim_duration_s"] == sound.duration_s
        assert (row["stim_source"], row["stim_source_sex"], row["stim_original_wav"]) == ("synthetic", "M", "orig.wav")


# Invariants -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 10**6).map(str) | st.text("ab²٣ _", min_size=1), unique=True))
def test_numbers_are_sorted_as_numbers_and_nothing_is_lost(names):
    numbers, others = numbered(names)
    assert sorted([*numbers, *others]) == sorted(names)
    assert [int(name) for name in numbers] == sorted(int(name) for name in numbers)
    assert sorted(names, key=natural_order) == sorted(sorted(names), key=natural_order)


@given(
    st.lists(st.lists(st.integers(-500_000, 700_000), max_size=6), min_size=1, max_size=13),
    st.sampled_from([1.0, 2.5, 7.0]),
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_spike_times_are_counted_in_their_bins_or_reported(tmp_path_factory, trials, dt_ms):
    """Times in microseconds, so that the expected bin is whole-number arithmetic."""
    raw = tmp_path_factory.mktemp("raw")
    sound = make_sound(np.random.default_rng(0), "song", "song", 6_000)
    times = {number: np.array(trial) / 1e6 if trial else None for number, trial in enumerate(trials, 1)}
    cell = "Site1_L1R1_e1_s0"
    blocks = [WrittenPresentation("Call1", 1, sound, times)]
    write_unit(raw, WrittenUnit(ANIMALS[0], cell, blocks, unit_attributes(cell, "single")))
    write_sound(raw, ANIMALS[0], 1, sound)
    out = tmp_path_factory.mktemp("out") / "out"
    report = build("crcns_aa4", data_dir=raw, out=out, parameters={"dt_ms": dt_ms})
    ((name, entry),) = report.cohorts.items()
    (row,) = table_rows(out, name)
    n_bins = fixed_hop_bins(sound, dt_ms)
    np.testing.assert_array_equal(
        row["response"], [count_spikes(np.array(trial) / 1e6, n_bins, dt_ms) for trial in trials]
    )
    reported = sum(amount for kind, _, amount in entry.amounts if kind == "spikes")
    assert np.sum(row["response"]) + reported == sum(map(len, trials))
