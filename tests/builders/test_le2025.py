"""Le 2025: what a build makes of a synthetic tree, against what was written."""

import io
import sys

import datasets
import numpy as np
import pytest
import soundfile

from builders.le2025 import Le2025, experiments
from builders.le2025.experiments import unit_files
from builders.le2025.walk import divide
from deepstrf_hf import build
from deepstrf_hf.raw_tree import RawTree
from tests.builders.le2025_trees import (
    expected_counts,
    expected_spectrogram,
    pairs,
    table_rows,
    waveform,
)
from tests.raw_writers.le2025 import write_le2025
from tests.raw_writers.le2025_truth import NATURAL, RATES, SCRAMBLED

EXPERIMENTS = tuple(RATES)


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    return write_le2025(tmp_path_factory.mktemp("le2025_raw"), seed=3, hard=True)


@pytest.fixture(scope="module")
def built(truth, tmp_path_factory):
    out = tmp_path_factory.mktemp("le2025_built") / "le2025"
    return build("le2025", data_dir=truth.directory, out=out), out


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Return the truth of scrambled motifs alone, two units."""
    return write_le2025(tmp_path_factory.mktemp("le2025_small"), seed=8, experiments=("synth8b",))


def neurons(built, experiment):
    return {row["neuron_cell_id"]: row for row in table_rows(built[1], f"{experiment}-neurons")}


def stimuli(built, experiment):
    return {row["stim_name"]: row for row in table_rows(built[1], f"{experiment}-stimuli")}


# Rows -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_responses_are_counts_of_all_trials_in_the_order_of_the_file(truth, built, experiment):
    rows, expected = pairs(built[1], experiment), {}
    for unit in truth.units_of(experiment):
        for sound, trials in unit.heard().items():
            expected[sound, unit.stem] = trials
    assert rows.keys() == expected.keys()
    for pair, trials in expected.items():
        row = rows[pair]
        counts = np.array(row["response"])
        np.testing.assert_array_equal(counts, expected_counts(trials, row["n_bins"], 5.0))
        assert (row["stim_id"], row["dt_ms"], row["signal_type"]) == (pair[0], 5.0, "spikes")
        assert np.array(row["spectrogram"]).shape == (50, row["n_bins"])
    assert built[0].cohorts[experiment].counts["spikes"] > 0


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_events_outside_the_bins_are_counted(truth, built, experiment):
    rows, outside = pairs(built[1], experiment), np.zeros(2, int)
    for unit in truth.units_of(experiment):
        for sound, trials in unit.heard().items():
            row = rows[sound, unit.stem]
            times = np.round(np.concatenate([trial.times_ms for trial in trials]), 9)
            before, after = int((times < 0).sum()), int((times >= 5 * row["n_bins"]).sum())
            assert (row["recording_events_before"], row["recording_events_after"]) == (before, after)
            outside += before, after
    amounts = {reason: amount for kind, reason, amount in built[0].cohorts[experiment].amounts if kind == "events"}
    assert amounts["before sound onset; counted in recording_events_before"] == outside[0] > 0
    assert amounts["after the last bin; counted in recording_events_after"] == outside[1] > 0


def test_the_time_that_was_recorded_around_is_told_where_all_trials_tell_it(truth, built):
    row = pairs(built[1], "nat8b")["ep_nat8mk0_C", "C43_1_1_c109"]
    duration = truth.duration_s("nat8b", "ep_nat8mk0_C")
    assert row["recording_before_ms"] == pytest.approx(1000)
    assert row["recording_after_ms"] == pytest.approx(1000 * (duration + 1) - 5 * row["n_bins"])
    shifted = pairs(built[1], "nat8b")["ep_nat8mk0_C", "C49_2_2_c4"]
    assert shifted["recording_before_ms"] == pytest.approx(1000)
    older = pairs(built[1], "nat8a")["B189_continuous", "O153_p1r1_ch4_c3"]
    assert older["recording_before_ms"] is older["recording_after_ms"] is None


def test_a_trial_without_events_is_a_silent_trial(built):
    row = pairs(built[1], "nat8a")["B189_continuous", "G158_p3r2_ch6_c41"]
    response = np.array(row["response"])
    assert response.shape[0] == 11
    assert not response[-1].any()
    assert response[:-1].any(axis=1).all()
    assert any("1 trials hold no list of events" in note for note in built[0].cohorts["nat8a"].notes)


def test_a_stimulus_that_was_played_once_is_kept(built):
    rows = pairs(built[1], "nat8a")
    assert rows["B189_gap2", "G158_p3r2_ch6_c41"]["n_trials"] == 1


def test_bins_and_counts_follow_the_bin_width(small, tmp_path):
    out = tmp_path / "out"
    build("le2025", ["synth8b"], data_dir=small.directory, out=out, parameters={"dt_ms": 1})
    rows = pairs(out, "synth8b-dt1")
    for unit in small.units_of("synth8b"):
        for sound, trials in unit.heard().items():
            row = rows[sound, unit.stem]
            np.testing.assert_array_equal(row["response"], expected_counts(trials, row["n_bins"], 1.0))
            expected = expected_spectrogram(waveform(small, "synth8b", sound), 44_100, dt_ms=1.0, n_bands=1)
            np.testing.assert_allclose(np.array(row["spectrogram"])[0], expected[0], atol=1e-9)


# Stimuli --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_spectrograms_are_amplitudes_of_gammatone_bands(truth, built, experiment):
    rows = stimuli(built, experiment)
    assert sorted(rows) == sorted(truth.sounds(experiment))
    for name in sorted(rows)[::9] + ["ep_nat8mk0_C"] * (experiment == "nat8b"):
        expected = expected_spectrogram(waveform(truth, experiment, name), RATES[experiment])
        got = np.array(rows[name]["spectrogram"])
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, atol=1e-9, rtol=1e-6)
        assert rows[name]["stim_sample_rate_hz"] == RATES[experiment]
        assert rows[name]["stim_duration_s"] == truth.duration_s(experiment, name)


def test_frames_stay_on_their_bins_at_44_khz_unless_whole_hops_are_asked_for(small, tmp_path):
    lengths = {}
    for frames, hop in (("exact", None), ("whole_hop", 221)):
        parameters = {"frames": frames, "n_bands": 3, "fmin": 500, "fmax": 6000}
        build("le2025", ["synth8b"], data_dir=small.directory, out=tmp_path / frames, parameters=parameters)
        (config,) = (path.name for path in (tmp_path / frames).glob("synth8b-*-stimuli"))
        for row in table_rows(tmp_path / frames, config):
            sound = waveform(small, "synth8b", row["stim_name"])
            expected = expected_spectrogram(sound, 44_100, n_bands=3, fmin=500.0, fmax=6000.0, hop=hop)
            np.testing.assert_allclose(row["spectrogram"], expected, atol=1e-9, rtol=1e-6)
            lengths[row["stim_motif"], frames] = row["n_bins"]
    assert lengths == {
        ("synth8mk0", "exact"): 168,  # 838 ms: the window of bin 167 ends with 837.5 ms
        ("synth8mk0", "whole_hop"): 167,
        ("synth8mk1", "exact"): 151,
        ("synth8mk1", "whole_hop"): 151,
    }


def test_wider_windows_and_other_bands(small, tmp_path):
    bands = {"n_bands": 4, "fmin": 300.0, "fmax": 6000.0, "window_ms": 5.0}
    build("le2025", ["synth8b"], data_dir=small.directory, out=tmp_path / "out", parameters=bands)
    (config,) = (path.name for path in (tmp_path / "out").glob("synth8b-*-stimuli"))
    for row in table_rows(tmp_path / "out", config):
        expected = expected_spectrogram(waveform(small, "synth8b", row["stim_name"]), 44_100, **bands)
        np.testing.assert_allclose(row["spectrogram"], expected, atol=1e-9, rtol=1e-6)


def test_names_of_natural_sounds_are_taken_apart(built):
    for experiment, motif, whole, gap in (
        ("nat8a", "B2", "B2_continuous", "B2_gapnoise2"),
        ("nat8b", "nat8mk5", "ep_nat8mk5_C", "ep_nat8mk5_GB_g2_snr0"),
    ):
        rows = stimuli(built, experiment)
        first, second = NATURAL["B2"].intervals["2"]
        row = rows[gap]
        assert (row["stim_motif"], row["stim_song_bird"], row["stim_syntax"]) == (motif, "B2", "natural")
        assert (row["stim_variant"], row["stim_critical_interval"]) == ("GB", "2")
        assert (row["stim_ci_onset_s"], row["stim_ci_offset_s"]) == (first / 1000, second / 1000)
        assert row["stim_noise_snr_db"] == (0 if experiment == "nat8b" else None)
        assert row["stim_experiment"] == experiment
        row = rows[whole]
        assert row["stim_variant"] == "C"
        names = ("critical_interval", "ci_onset_s", "ci_offset_s", "noise_snr_db")
        assert [row[f"stim_{name}"] for name in names] == [None] * 4
    assert rows["ep_nat8mk5_CM_snr0"]["stim_variant"] == "CM"
    assert rows["ep_nat8mk5_CM_snr0"]["stim_critical_interval"] is None


def test_intervals_of_scrambled_motifs_are_known(built):
    rows = stimuli(built, "synth8b")
    for motif, written in SCRAMBLED.items():
        for interval, (begin, end) in written.intervals.items():
            row = rows[f"ep_{motif}_GM_g{interval}_snr0"]
            assert (row["stim_ci_onset_s"], row["stim_ci_offset_s"]) == (begin / 1000, end / 1000)
            assert (row["stim_critical_interval"], row["stim_variant"]) == (interval, "GM")
            assert (row["stim_syntax"], row["stim_song_bird"]) == ("scrambled", None)


def test_an_interval_that_the_table_lacks_is_null_and_told(built):
    row = stimuli(built, "nat8a")["Z999_gap1"]
    assert (row["stim_critical_interval"], row["stim_ci_onset_s"], row["stim_ci_offset_s"]) == ("1", None, None)
    assert any("critical interval of 1 of 25 sounds: Z999_gap1" in note for note in built[0].cohorts["nat8a"].notes)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_sounds_are_stored_as_they_are(truth, built, experiment):
    table = datasets.load_dataset(str(built[1]), f"{experiment}-stimuli", split="train").cast_column(
        "audio", datasets.Audio(decode=False)
    )
    for row in table:
        samples, rate = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="int16")
        assert rate == RATES[experiment]
        np.testing.assert_array_equal(samples, truth.samples[experiment, row["stim_name"]])


# Neurons --------------------------------------------------------------------------------------------------------------


def test_ids_say_folder_and_unit(truth, built):
    for experiment in EXPERIMENTS:
        rows = neurons(built, experiment)
        expected = {unit.neuron_id for unit in truth.units_of(experiment) if unit.heard()}
        assert {row["neuron_id"] for row in rows.values()} == expected
        assert all(row["neuron_experiment"] == experiment for row in rows.values())
        assert all(row["neuron_pprox_file"] == f"{name}.pprox" for name, row in rows.items())


def test_units_of_the_older_layout(truth, built):
    rows = neurons(built, "nat8a")
    names = ("animal_id", "sex", "age_days", "area", "area_group", "hemisphere", "familiar_room", "familiar_motifs")

    def said(cell):
        return tuple(rows[cell][f"neuron_{name}"] for name in names)

    assert said("O153_p1r1_ch4_c3") == ("O153", "male", 365 + 234, "NCM", "NCM/L3", "R", "178B", "B189,O129")
    assert said("P69_p2r1_ch6_c12") == ("P69", "female", 98, "L2a", "L2a/b", "L", "178B", "B189,O129")
    assert said("G158_p3r2_ch6_c41") == ("G158", "female", 730, "CM", "CM/L1", "R", "180B", "B2,R56")
    assert said("P47_p1r1_ch2_c7") == ("P47", "male", 150, None, None, None, None, None)
    assert said("Q11_p1r1_ch1_c1") == ("Q11", "male", 150, None, None, "R", "180B", "B2,R56")
    row = rows["O153_p1r1_ch4_c3"]
    assert (row["neuron_cohort"], row["neuron_animal_uuid"]) == (1, truth.uuids["O153"])
    assert (row["neuron_site"], row["neuron_channel"], row["neuron_cluster"]) == ("O153_p1r1", 4, 3)
    assert (rows["Q11_p1r1_ch1_c1"]["neuron_animal_uuid"], rows["Q11_p1r1_ch1_c1"]["neuron_listed_bird"]) == (None,) * 2


def test_units_of_the_newer_layout(truth, built):
    rows = {**neurons(built, "nat8a"), **neurons(built, "nat8b"), **neurons(built, "synth8b")}
    names = ("animal_id", "listed_bird", "sex", "age_days", "area", "area_group", "hemisphere", "probe", "cohort")

    def said(cell):
        return tuple(rows[cell][f"neuron_{name}"] for name in names)

    assert said("C1_1_1_c12") == ("C1", "C1", "female", 214, "NCM/L3", "NCM/L3", "R", "A1x64", 2)
    assert said("C22_1_1_c3") == ("C22", "C22", "male", None, None, None, "L", "A1x64", 2)
    assert said("P160_6_1_c33") == ("P160", "P160", "male", 368, "L2a/b", "L2a/b", "R", "A1x64", 2)
    assert said("P113_1_2_c5") == ("P113", None, None, None, None, None, None, None, 2)
    assert said("Rb219_1_1_c5") == ("Rb219", "Rb291", "male", 300, "CM/L1", "CM/L1", "R", "N2", 3)
    assert said("C54a_1_2_c17") == ("C54a", "C54a", "male", 0, None, None, "R", "N2", 3)
    assert rows["C43_1_1_c109"]["neuron_animal_uuid"] == truth.uuids["C43"]
    assert (rows["C43_1_1_c109"]["neuron_site"], rows["C43_1_1_c109"]["neuron_channel"]) == ("C43_1_1", None)
    assert rows["C43_1_1_c109"]["neuron_cluster"] == 109
    assert rows["C43_1_1_c109"]["neuron_familiar_motifs"] is None


def test_whether_a_song_is_familiar_is_told_pair_by_pair(built):
    rows = pairs(built[1], "nat8a")
    told = {
        (sound, cell): rows[sound, cell]["recording_familiar"]
        for sound in ("B189_gap1", "B2_gap1", "Z999_gap1")
        for cell in ("O153_p1r1_ch4_c3", "G158_p3r2_ch6_c41", "P47_p1r1_ch2_c7")
    }
    assert [told[sound, "O153_p1r1_ch4_c3"] for sound in ("B189_gap1", "B2_gap1", "Z999_gap1")] == [True, False, False]
    assert [told[sound, "G158_p3r2_ch6_c41"] for sound in ("B189_gap1", "B2_gap1")] == [False, True]
    assert told["B189_gap1", "P47_p1r1_ch2_c7"] is None
    assert rows["B189_gap1", "C1_1_1_c12"]["recording_familiar"] is None


# What is left out -----------------------------------------------------------------------------------------------------


def test_everything_that_is_left_out_is_named(built):
    report = built[0].cohorts["nat8a"]
    left_out = {(kind, name) for kind, name, _ in report.left_out}
    assert left_out == {
        ("sounds", "nat8a-stimuli/calibration.wav"),
        ("sounds", "nat8a-stimuli/B189_reversed.wav"),
        ("stimuli", "X000_continuous"),
        ("stimuli", "not_a_stimulus"),
        ("units", "nat8a-beta-P150_1_2_c1"),
    }
    amounts = {(kind, reason): amount for kind, reason, amount in report.amounts}
    assert amounts["trials", "of not_a_stimulus, of which there is no sound"] == 7
    assert amounts["trials", "of X000_continuous, of which there is no sound"] == 1
    assert amounts["trials", "nat8a-alpha-G158_p3r2_ch6_c41: no stimulus is named"] == 2
    synth = {(kind, reason): amount for kind, reason, amount in built[0].cohorts["synth8b"].amounts}
    assert synth["events", "synth8b-C54a_1_2_c18: not a number in its file"] == 24


def test_birds_and_sites_that_no_table_has_are_named(built):
    notes = " ".join(built[0].cohorts["nat8a"].notes)
    assert "ephys-birds.csv does not tell the bird of 5 of 12 units: nat8a-alpha-Q11_p1r1_ch1_c1" in notes
    assert "recordings.csv does not tell the site of 4 of 7 units: nat8a-beta-P113_1_2_c5" in notes


def test_counts_of_birds_and_cohorts(built):
    counts = built[0].cohorts["nat8a"].counts
    assert (counts["birds"], counts["cohort_1_units"], counts["cohort_2_units"]) == (10, 5, 6)
    assert (counts["neurons"], counts["stimuli"]) == (11, 29)


# Parts of the corpus, and where it lies -------------------------------------------------------------------------------


def test_the_folder_that_the_archive_was_unpacked_in_serves_too(small, tmp_path):
    outer = tmp_path / "outer"
    outer.mkdir()
    (outer / "zebf-auditory-restoration-1").symlink_to(small.directory)
    one = build("le2025", ["synth8b"], data_dir=outer, out=tmp_path / "one")
    other = build("le2025", ["synth8b"], data_dir=small.directory, out=tmp_path / "other")
    assert one.cohorts["synth8b"].counts == other.cohorts["synth8b"].counts
    assert pairs(tmp_path / "one", "synth8b") == pairs(tmp_path / "other", "synth8b")


def test_a_part_of_the_units_or_stimuli_has_the_same_values(truth, built, tmp_path):
    whole = pairs(built[1], "nat8a")
    out = tmp_path / "out"
    where = {"neuron.area_group": ["NCM/L3", "CM/L1"], "neuron.cohort": 1, "stim.variant": ["C", "G"]}
    report = build("le2025", ["nat8a"], data_dir=truth.directory, out=out, where=where)
    (config,) = report.cohorts
    part = pairs(out, config)
    assert {cell for _, cell in part} == {"O153_p1r1_ch4_c3", "G158_p3r2_ch6_c41"}
    assert part == {
        (sound, cell): row
        for (sound, cell), row in whole.items()
        if row["neuron_cohort"] == 1 and row["neuron_area_group"] in where["neuron.area_group"]
        if row["stim_variant"] in ("C", "G")
    }
    left_out = {name for kind, name, _ in report.cohorts[config].left_out if kind == "stimuli"}
    assert left_out == {"X000_continuous"}, "stimuli that are not wanted are no strangers"


def test_units_that_are_not_wanted_are_not_read(small, tmp_path):
    directory = tmp_path / "raw"
    truth = write_le2025(directory, seed=8, experiments=("synth8b",))
    broken = directory / "synth8b-responses" / "C54a_1_2_c17.pprox"
    broken.write_text("{")
    out = tmp_path / "out"
    report = build("le2025", ["synth8b"], data_dir=directory, out=out, where={"neuron.site": "C43_2_1"})
    assert next(iter(report.cohorts.values())).counts["neurons"] == 1
    assert truth.directory == directory


def test_parts_hold_whole_birds(truth):
    units = unit_files(RawTree(truth.directory, "le2025", ()), experiments.EXPERIMENTS["nat8a"])
    one_each = divide(units, part_bytes=1)
    assert [part.name for part in one_each][:2] == ["nat8a-alpha-G158", "nat8a-alpha-O153"]
    assert [len(piece) for piece in one_each.values()] == [1] * 8 + [3, 1]
    assert [unit for piece in one_each.values() for unit in piece] == units
    assert list(divide(units).values()) == [units]


def test_values_do_not_depend_on_the_division_into_parts(truth, built, tmp_path, monkeypatch):
    walk = sys.modules["builders.le2025.walk"]  # the package has a function of this name
    real = walk.divide
    monkeypatch.setattr("builders.le2025.divide", lambda units: real(units, 1))
    monkeypatch.setattr(walk, "divide", lambda units: real(units, 1))
    out = tmp_path / "out"
    report = build("le2025", ["nat8a"], data_dir=truth.directory, out=out)
    assert pairs(out, "nat8a") == pairs(built[1], "nat8a")
    assert table_rows(out, "nat8a-stimuli") == table_rows(built[1], "nat8a-stimuli")
    assert report.cohorts["nat8a"].counts == built[0].cohorts["nat8a"].counts
    assert report.cohorts["nat8a"].left_out == built[0].cohorts["nat8a"].left_out
    assert report.cohorts["nat8a"].amounts == built[0].cohorts["nat8a"].amounts


def test_the_builder_of_datasets_gives_the_same_rows(small, tmp_path):
    builder = Le2025(config_name="synth8b", data_dir=str(small.directory), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare()
    rows = builder.as_dataset("train")
    build("le2025", ["synth8b"], data_dir=small.directory, out=tmp_path / "out")
    expected = pairs(tmp_path / "out", "synth8b")
    got = {(row["stim_name"], row["neuron_cell_id"]): row for row in rows}
    assert got == {pair: {name: expected[pair][name] for name in row} for pair, row in got.items()}
    assert got.keys() == expected.keys()


def test_all_raw_files_are_named_for_their_hashes(truth):
    files = {path.relative_to(truth.directory).as_posix() for path in truth.directory.rglob("*") if path.is_file()}
    named = {
        name
        for cohort in Le2025.CORPUS.cohorts
        for name in Le2025.raw_files(RawTree(truth.directory, "le2025", ()), cohort, Le2025.default_config(cohort.name))
    }
    assert named == files - {"README.yml"}
