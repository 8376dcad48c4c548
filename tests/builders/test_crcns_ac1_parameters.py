"""CRCNS AC1: its parameters."""

import datasets
import numpy as np
import pytest
import scipy.ndimage

import deepstrf_hf
from deepstrf_hf import build
from deepstrf_hf.errors import ParameterError
from tests.builders.crcns_ac1_trees import (
    COHORTS,
    bin_means,
    cohort_of,
    detrended,
    expected_pairs,
    expected_spectrogram,
    sound_key,
    waveform_of,
)
from tests.raw_writers.crcns_ac1 import write_crcns_ac1

WHALE = "wehr.fragments.001"


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    return write_crcns_ac1(tmp_path_factory.mktemp("ac1") / "raw", seed=8, n_wehr_sessions=5, faults=False)


@pytest.fixture
def made(truth, tmp_path):
    """Return a function that builds a cohort and gives its report, its rows by (stimulus, session), and its grid."""

    def make(cohort, **parameters):
        out = tmp_path / f"{cohort}{len(list(tmp_path.iterdir()))}"
        report = build("crcns_ac1", [cohort], data_dir=truth.directory, out=out, parameters=parameters)
        ((name, entry),) = report.cohorts.items()
        rows = datasets.load_dataset(str(out), name, split="train")
        by_pair = {(row["stim_id"], row["neuron_session"]): row for row in rows}
        return entry, by_pair, deepstrf_hf.load(out, name)

    return make


@pytest.mark.parametrize(("parameters", "bands"), [({"fmax": 25_600}, 49), ({"fmin": 200, "bins_per_octave": 3}, 24)])
def test_other_bands(truth, made, parameters, bands):
    _, rows, grid = made("wehr", **parameters)
    assert len(grid.stims[0][0]) == grid.F == bands
    density = parameters.get("bins_per_octave", 6)
    frequencies = parameters.get("fmin", 100) * 2 ** (np.arange(bands) / density)
    for row in rows.values():
        found = np.array(row["spectrogram"])
        expected = expected_spectrogram(
            *waveform_of(truth, (f"{row['stim_category']}/{row['stim_idx']}.mat",)), frequencies
        )
        expected = expected[:, : found.shape[1]]
        np.testing.assert_allclose(found[expected > -150], expected[expected > -150], rtol=1e-5, atol=1e-4)


def test_other_bins(truth, made):
    _, rows, grid = made("wehr", dt_ms=10)
    assert grid.dt == 10
    pairs = expected_pairs(truth, dt_ms=10)
    for row in rows.values():
        _, kept, _ = pairs[row["neuron_session"], (f"{row['stim_category']}/{row['stim_idx']}.mat",)]
        expected = np.stack([values[: row["n_bins"]] for values in kept.values()])
        np.testing.assert_allclose(row["response"], expected, rtol=1e-5, atol=1e-5)
    assert rows[WHALE, "20020508-mw-003"]["n_bins"] == 40


def test_another_window(truth, made):
    _, rows, _ = made("wehr", window_ms=20.0)
    _, published, _ = made("wehr")
    wide, usual = (np.array(table[WHALE, "20020508-mw-003"]["spectrogram"]) for table in (rows, published))
    assert wide.shape == usual.shape
    assert not np.allclose(wide, usual, atol=1)


def test_frames_centred_on_their_bins(truth, made):
    entry, rows, _ = made("wehr", frames="exact")
    for row in rows.values():
        sound = (f"{row['stim_category']}/{row['stim_idx']}.mat",)
        samples, rate = waveform_of(truth, sound)
        rate = 97_656.25 if rate == 97_656 else rate
        valid = int(np.sum(100 * 2 ** (np.arange(53) / 6) < rate / 2))
        assert row["stim_n_valid_bands"] == valid
        assert row["stim_frame_slip_ms"] == 0
        found = np.array(row["spectrogram"])
        assert (found[valid:] == -240).all()
        length = round(0.01 * rate)
        window = np.hamming(length)
        for i in (0, 7, row["n_bins"] - 1):
            centre = round((i + 0.5) * 0.005 * rate)
            at = centre - length // 2 + np.arange(length)
            inside = (at >= 0) & (at < len(samples))
            frame = np.where(inside, samples[np.clip(at, 0, len(samples) - 1)], 0) * window
            for band in (0, 20, valid - 1):
                phase = np.exp(-2j * np.pi * 100 * 2 ** (band / 6) * np.arange(length) / rate)
                level = 20 * np.log10(abs(frame @ phase) + 1e-12)
                assert found[band, i] == pytest.approx(level, abs=1e-3) or level < -150
    notes = " ".join(entry.notes)
    assert "hold the level of silence" in notes
    assert "slip against" not in notes


def test_each_repeat_keeps_its_own_length(truth, made):
    _, rows, grid = made("wehr", length="own")
    response = np.array(rows[WHALE, "20020530-mw-001"]["response"], float)
    assert response.shape == (2, 120)
    assert np.isfinite(response[0]).all()
    assert np.isfinite(response[1, :80]).all()
    assert np.isnan(response[1, 80:]).all()
    assert np.isfinite(np.array(rows[WHALE, "20020508-mw-003"]["response"])).all()
    pairs = expected_pairs(truth)
    for (_, session), row in rows.items():
        _, kept, _ = pairs[session, (f"{row['stim_category']}/{row['stim_idx']}.mat",)]
        for found, values in zip(row["response"], kept.values(), strict=True):
            found = np.array(found, float)
            assert np.isfinite(found).sum() == min(len(values), row["n_bins"])
            np.testing.assert_allclose(found[np.isfinite(found)], values[: row["n_bins"]], rtol=1e-5, atol=1e-5)
    assert grid.responses[0][0].shape[-1] == grid.stims[0].shape[-1]


@pytest.mark.parametrize(
    ("switched_off", "pair", "trials"),
    [
        (["range_gate_mv"], (WHALE, "20020508-mw-003"), 5),
        # What has steps does not look like the others either.
        (["step_gate_mv", "cross_trial_gate_r"], ("wehr.fragments.002", "20020508-mw-003"), 4),
        (["cross_trial_gate_r"], ("wehr.category1.001", "20020508-mw-003"), 4),
    ],
)
def test_a_gate_switched_off(made, switched_off, pair, trials):
    _, published, _ = made("wehr")
    assert published[pair]["n_trials"] == trials - 1
    _, rows, _ = made("wehr", **dict.fromkeys(switched_off))
    assert rows[pair]["n_trials"] == rows[pair]["recording_n_recorded"] == trials


def test_all_gates_switched_off(truth, made):
    entry, rows, _ = made("wehr", range_gate_mv=None, step_gate_mv=None, cross_trial_gate_r=None)
    wehr = [one for one in truth.presented if cohort_of(truth, one) == "wehr"]
    assert sum(row["n_trials"] for row in rows.values()) == entry.counts["trials"] == len(wehr)
    assert {session for _, session in rows} == {one.session for one in wehr}, "also the cell whose repeats all saturate"


def test_thresholds_of_gates(made):
    entry, rows, _ = made("wehr", range_gate_mv=400.0, step_gate_fraction=1.0, cross_trial_gate_r=-1.0)
    assert entry.counts["rejected_range"] == entry.counts["rejected_step"] == entry.counts["rejected_cross_trial"] == 0
    assert rows[WHALE, "20020508-mw-003"]["n_trials"] == 5
    entry, _, _ = made("wehr", range_gate_mv=25.0)
    assert entry.counts["rejected_range"] > 3
    assert any("beyond 25 mV" in reason for _, _, reason in entry.left_out)


def test_another_baseline(truth, made):
    _, rows, _ = made("wehr", detrend_med_ms=60.0, detrend_gauss_ms=5.0, cross_trial_gate_r=None)
    row = rows["wehr.fragments.005", "20020717-mw-004"]
    for found, one in zip(row["response"], truth.of("20020717-mw-004", ("fragments/5.mat",)), strict=True):
        median = scipy.ndimage.median_filter(one.trace_mv, size=240, mode="reflect")
        trace = one.trace_mv - scipy.ndimage.gaussian_filter1d(median, 20.0, mode="reflect")
        np.testing.assert_allclose(found, bin_means(trace, 4000, 5.0), rtol=1e-5, atol=1e-5)


def test_spikes_as_events_are_counts(truth, made):
    entry, rows, _ = made("asari_mgb", spikes="events", cross_trial_gate_r=None)
    assert len(rows) == 3, "unlocked repeats are good ones"
    for (_, session), row in rows.items():
        presented = truth.of(session, sound_key({"experimenter": "asari", "segment_files": row["stim_segment_files"]}))
        for found, one in zip(row["response"], presented, strict=True):
            found, trace = np.array(found), detrended(one.trace_mv, one.rate_hz)
            fast = trace - scipy.ndimage.median_filter(trace, size=100, mode="reflect")
            threshold = 5 * np.median(np.abs(fast)) / 0.6745
            # Spikes of 4 mV in noise of 0.15 mV: rises through half their height, at least 1.5 ms apart.
            rises = np.flatnonzero((fast[1:] > 2) & (fast[:-1] <= 2))
            assert threshold < 2
            assert np.array_equal(found, np.round(found))
            whole = rises[rises < 50 * row["n_bins"] - 10]
            apart = whole[np.diff(whole, prepend=-100) > 15]
            assert len(apart) - 1 <= found.sum() <= len(whole) + 1
    assert entry.counts["spikes"] == sum(np.sum(row["response"]) for row in rows.values())


def test_the_sum_of_a_smoothed_signal_is_no_number_of_spikes(made):
    assert "spikes" not in made("asari_mgb")[0].counts


@pytest.mark.parametrize(
    ("parameters", "judged"),
    [
        ({"fmax": 25_600.0}, True),
        ({"dt_ms": 10.0}, True),
        ({"range_gate_mv": 25.0}, False),
        ({"cross_trial_gate_r": None}, False),
        ({"detrend_gauss_ms": 5.0}, False),
    ],
)
def test_trials_are_held_against_the_published_number_where_they_are_judged_as_published(made, parameters, judged):
    published = made("wehr", **parameters)[0].published
    assert ("trials" in published) == ("rejected_range" in published) == judged
    assert {"neurons", "stimuli"} <= set(published)


@pytest.mark.parametrize("threshold", [1.5, 4.0])
def test_the_threshold_of_the_published_signal(made, threshold):
    _, rows, _ = made("asari_mgb", spike_threshold_sd=threshold)
    _, published, _ = made("asari_mgb")
    for pair, row in rows.items():
        assert (np.mean(row["response"]) > np.mean(published[pair]["response"])) == (threshold < 2.5)


@pytest.mark.parametrize(
    ("cohort", "parameters", "field"),
    [
        ("wehr", {"dt_ms": float("inf")}, "dt_ms"),
        ("wehr", {"fmin": 0}, "fmin"),
        ("wehr", {"fmax": 50}, "fmax"),
        ("wehr", {"bins_per_octave": 0}, "bins_per_octave"),
        ("wehr", {"window_ms": 0}, "window_ms"),
        ("wehr", {"frames": "loose"}, "frames"),
        ("wehr", {"length": "long"}, "length"),
        ("wehr", {"detrend_med_ms": 0}, "detrend_med_ms"),
        ("wehr", {"detrend_gauss_ms": -1}, "detrend_gauss_ms"),
        ("wehr", {"range_gate_mv": -150}, "range_gate_mv"),
        ("wehr", {"step_gate_fraction": 2}, "step_gate_fraction"),
        ("wehr", {"cross_trial_gate_r": 1.5}, "cross_trial_gate_r"),
        ("wehr", {"step_gate_mv": None, "step_gate_window_ms": 8}, "step_gate_window_ms"),
        ("wehr", {"spikes": "events"}, "spikes"),
        ("asari_a1", {"spike_threshold_sd": 3}, "spike_threshold_sd"),
        ("asari_mgb", {"spikes": "guessed"}, "spikes"),
        ("asari_mgb", {"refractory_ms": 2}, "refractory_ms"),
        ("asari_mgb", {"spikes": "events", "spike_threshold_sd": 3}, "spike_threshold_sd"),
    ],
)
def test_values_that_cannot_be_used_or_would_be_ignored(truth, tmp_path, cohort, parameters, field):
    with pytest.raises(ParameterError) as caught:
        build("crcns_ac1", [cohort], data_dir=truth.directory, out=tmp_path / "out", parameters=parameters)
    assert field in caught.value.field


def test_every_presentation_belongs_to_a_known_cohort_or_to_none(truth):
    assert {cohort_of(truth, one) for one in truth.presented} == {*COHORTS, None}


def test_bins_that_are_no_whole_number_of_samples_are_remarked(truth, made):
    """4,000 Hz and 0.9 ms: 3.6 samples, 4 as published."""
    entry, rows, _ = made("wehr", dt_ms=0.9, cross_trial_gate_r=None)
    (note,) = [note for note in entry.notes if note.startswith("Recordings of 4000 Hz")]
    assert "4 samples (1.00000 ms) wide, as published, where dt_ms is 0.9" in note
    row = rows["wehr.fragments.005", "20020717-mw-004"]
    for found, one in zip(row["response"], truth.of("20020717-mw-004", ("fragments/5.mat",)), strict=True):
        expected = bin_means(detrended(one.trace_mv, 4000), 4000, 1.0)[: len(found)]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    published, _, _ = made("wehr")  # bins of 5 ms hold 20 samples
    exact, _, _ = made("wehr", dt_ms=0.9, frames="exact", cross_trial_gate_r=None)
    assert not any(note.startswith("Recordings of") for note in [*published.notes, *exact.notes])


def test_frames_that_do_not_slip_are_not_said_to(made):
    """A bin of 10 ms holds 441 samples at 44,100 Hz."""
    entry, _, _ = made("wehr", dt_ms=10.0)
    said = [note for note in entry.notes if "slip against the bins" in note]
    assert [note.partition(":")[0] for note in said] == ["Sounds of 97656 Hz"]
