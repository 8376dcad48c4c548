"""Le 2025: what a grid makes of a build: preprocessing, quality, waveforms."""

import numpy as np
import pytest

import deepstrf_hf
from builders.le2025 import Le2025
from deepstrf_hf import build
from tests.builders.le2025_trees import expected_powers, smoothed, waveform
from tests.raw_writers.le2025 import write_le2025
from tests.raw_writers.le2025_truth import RATES


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    return write_le2025(tmp_path_factory.mktemp("le2025_raw"), seed=4)


@pytest.fixture(scope="module")
def built(truth, tmp_path_factory):
    out = tmp_path_factory.mktemp("le2025_built") / "le2025"
    return build("le2025", data_dir=truth.directory, out=out), out


def test_published_preprocessing_is_the_logarithm_of_integer_samples(built):
    plain = deepstrf_hf.load(built[1], "nat8b", preprocessing=None)
    published = deepstrf_hf.load(built[1], "nat8b")
    for stored, got in zip(plain.stims, published.stims, strict=True):
        np.testing.assert_allclose(got, np.log10(1 + 32768 * stored.numpy().astype(float)), atol=1e-5)
    assert np.array_equal(plain.responses[0][0], published.responses[0][0])


def test_deepstrf_preprocessing_smooths_and_compresses_as_its_loader_does(built):
    plain = deepstrf_hf.load(built[1], "nat8b", preprocessing=None)
    theirs = deepstrf_hf.load(built[1], "nat8b", preprocessing="deepstrf")
    np.testing.assert_allclose(theirs.stims[3], np.log1p(plain.stims[3].numpy().astype(float)), atol=1e-8)
    np.testing.assert_array_equal(theirs.responses[3][0], smoothed(plain.responses[3][0].numpy()))


def test_powers_of_counts_are_columns_and_those_of_smoothed_responses_can_be_computed(built):
    plain = deepstrf_hf.load(built[1], "nat8a", preprocessing=None)
    theirs = deepstrf_hf.load(built[1], "nat8a", preprocessing="deepstrf")
    quality = theirs.compute_neuron_quality()
    for n, entry in enumerate(plain.nrn_meta):
        counts = [row[n].numpy() for row in plain.responses]
        counts = [response for response in counts if not np.isnan(response).any()]
        found = tuple(entry[name] for name in ("signal_power", "noise_power", "snr"))
        np.testing.assert_allclose(found, expected_powers(counts), rtol=1e-9)
        after = expected_powers([smoothed(response) for response in counts])
        found = tuple(float(quality[name][n]) for name in ("signal_power", "noise_power", "snr"))
        np.testing.assert_allclose(found, after, rtol=1e-6)
        assert after[2] > entry["snr"]


@pytest.mark.parametrize("experiment", sorted(RATES))
def test_waveforms_lie_on_the_bins_of_the_responses(truth, built, experiment):
    dataset = deepstrf_hf.load(built[1], experiment, stimulus="waveform", audio_fs=48_000)
    assert (dataset.audio_fs, dataset.hop) == (48_000, 240)
    for entry, stim, row in zip(dataset.stim_meta, dataset.stims, dataset.responses, strict=True):
        bins = max(response.shape[1] for response in row)
        assert stim.shape == (1, 240 * bins)
        if RATES[experiment] == 48_000:
            expected = waveform(truth, experiment, entry["name"])[: 240 * bins]
            np.testing.assert_allclose(stim[0], expected, atol=1e-7)
        else:  # the energy of the motif, which lies far below half of either rate, stays
            heard = waveform(truth, experiment, entry["name"])[: round(bins * RATES[experiment] / 200)]
            if entry["variant"] in ("C", "G"):
                energy = np.sum(stim[0].numpy().astype(float) ** 2) / 48_000
                assert energy == pytest.approx(np.sum(heard**2) / RATES[experiment], rel=1e-3)


def test_facts_of_the_corpus(built):
    dataset = deepstrf_hf.load(built[1], "synth8b")
    assert (dataset.species, dataset.F, dataset.dt, dataset.hearing_range_hz) == ("zebra finch", 50, 5.0, (250, 8000))
    assert Le2025.CORPUS.behavioural_state == "anaesthetised"
