"""Alice EEG on the grid: missing bins hide no response, and subjects become repeats."""

import numpy as np
import pytest
import torch

import deepstrf_hf
from deepstrf_hf import build, neural_collate
from tests.builders.alice_eeg_trees import expected_responses
from tests.raw_writers.alice_eeg import write_alice_eeg


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_alice_eeg(tmp_path_factory.mktemp("alice_raw"), seed=6, hard=True)


@pytest.fixture(scope="module")
def out(written, tmp_path_factory):
    directory = tmp_path_factory.mktemp("alice_built") / "alice_eeg"
    build("alice_eeg", data_dir=written.directory, out=directory)
    return directory


@pytest.fixture(scope="module")
def expected(written):
    n_bins = {segment: 1 + len(sound) // 441 for segment, sound in written.sounds.items()}
    return {name: expected_responses(subject, n_bins) for name, subject in written.subjects.items()}


def places(dataset):
    """Return where segments and (subject, channel) pairs are."""
    segments = {entry["segment"]: index for index, entry in enumerate(dataset.stim_meta)}
    return segments, {(entry["subject"], entry["channel_id"]): index for index, entry in enumerate(dataset.nrn_meta)}


def test_one_missing_bin_hides_no_response(out, expected):
    """In deepSTRF 0.1.0 a response with a single NaN counts as not heard."""
    dataset = deepstrf_hf.load(out, "all")
    segments, neurons = places(dataset)
    present = {
        (segment, subject, channel) for subject, own in expected.items() for segment, channel in own
    }  # fmt: skip
    mask = dataset.nrn_masks
    assert int(mask.sum()) == len(present)
    partly = 0
    for segment, subject, channel in present:
        assert mask[segments[segment], neurons[subject, channel]]
        partly += bool(np.isnan(expected[subject][segment, channel]).any())
    assert partly == 2 * 7 + 9  # segments 3 and 5 of S01, the end of S05
    assert len(dataset) == 12
    dataset.validate()


def test_the_fine_mask_is_bin_by_bin(out, expected):
    dataset = deepstrf_hf.load(out, "all")
    segments, neurons = places(dataset)
    batch = neural_collate([dataset[segments[12]], dataset[segments[3]]])
    valid = batch["valid_mask"]
    for row, segment in enumerate((12, 3)):
        for subject, channel in (("S05", "1"), ("S01", "1"), ("S11", "25")):
            response = expected[subject][segment, channel]
            got = valid[row, neurons[subject, channel], 0]
            np.testing.assert_array_equal(got[: len(response)].numpy(), ~np.isnan(response))
            assert not got[len(response) :].any()
    assert valid[0, neurons["S05", "1"]].any()
    assert not valid[0, neurons["S05", "1"]].all()
    assert torch.isfinite(batch["stims"]).all()


def test_waveforms_lie_on_the_bins(out, written):
    dataset = deepstrf_hf.load(out, "all", stimulus="waveform")
    assert (dataset.audio_fs, dataset.hop) == (44_100, 441)
    for index, entry in enumerate(dataset.stim_meta):
        sound = written.sounds[entry["segment"]]
        waveform = dataset.stims[index][0].numpy()
        assert len(waveform) == 441 * (1 + len(sound) // 441)
        np.testing.assert_array_equal(waveform[: len(sound)], sound.astype(np.float32) / 32768)
        assert not waveform[len(sound) :].any()


def test_subjects_become_repeats(out, written, expected):
    """One neuron per channel, one trial per subject who has the channel and the segment, in the order of subjects."""
    merged = deepstrf_hf.load(out, "all").merge_as_trials("channel_id")
    channels = {channel for subject in written.subjects.values() for channel in subject.values}
    assert {entry["channel_id"] for entry in merged.nrn_meta} == channels
    assert merged.N_neurons == 9
    for place, neuron in enumerate(merged.nrn_meta):
        channel = neuron["channel_id"]
        subjects = [name for name in sorted(expected) if any(own == channel for _, own in expected[name])]
        assert neuron["merged"] == [f"{name}-{channel}" for name in subjects]
        assert neuron["x_m"] is not None
        assert "subject" not in neuron
        for index, stimulus in enumerate(merged.stim_meta):
            rows = [
                expected[name][stimulus["segment"], channel]
                for name in subjects
                if (stimulus["segment"], channel) in expected[name]
            ]
            got = merged.responses[index][place].numpy()
            assert got.shape == (len(rows), len(rows[0]))
            np.testing.assert_array_equal(np.isnan(got), np.isnan(rows))
            np.testing.assert_allclose(got, rows, atol=1e-6 * np.nanmax(np.abs(rows)))
    assert len(merged) == 12  # deepSTRF 0.1.0 loses what one of the subjects lacks
    assert bool(merged.nrn_masks.all())


def test_repeats_have_a_quality_in_spite_of_missing_bins(out):
    """With deepSTRF 0.1.0 it is NaN for every channel."""
    merged = deepstrf_hf.load(out, "all").merge_as_trials("channel_id")
    quality = merged.compute_neuron_quality(max_half_splits=10)
    assert np.isfinite(np.asarray(quality["noise_power"])).all()
