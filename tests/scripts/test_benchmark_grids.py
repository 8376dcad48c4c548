"""Made-up grids and corpora: what they are said to be, the same every time, and read back value by value."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deepstrf_hf
from scripts.benchmarks.corpora import built_corpus
from scripts.benchmarks.grids import COUNTS_PER_BIN, SIZES, GridSize, MadeGrid, made_grid, made_site
from scripts.benchmarks.stream_jobs import plain_read, stream_in_order, stream_shuffled

NAT4, WINGERT = SIZES["nat4", "tiny"], SIZES["wingert", "tiny"]


def pairs_of(made: MadeGrid) -> dict[tuple[int, int], np.ndarray]:
    """Return the responses of a made-up grid by (stimulus, neuron)."""
    pairs = {}
    for stimulus, block in enumerate(made.blocks):
        neurons = range(made.n_neurons) if block.neurons is None else block.neurons.tolist()
        for neuron, counts in zip(neurons, block.counts, strict=True):
            pairs[stimulus, neuron] = counts
    return pairs


def test_full_sizes_are_those_of_the_corpora() -> None:
    nat4, wingert = SIZES["nat4", "full"], SIZES["wingert", "full"]
    assert (nat4.neurons, nat4.stimuli, nat4.val_stimuli, nat4.bins, nat4.bands) == (849, 595, 18, 150, 18)
    assert (wingert.neurons, wingert.stimuli, wingert.bins, wingert.bands) == (2150, 5300, 2000, 32)
    assert 0.02 < 1 / wingert.sites < 0.025  # every site hears its own stimuli: about 2 % of the grid


@pytest.mark.parametrize("size", [NAT4, WINGERT])
def test_grid_has_the_neurons_stimuli_and_trials_of_its_size(size: GridSize) -> None:
    made = made_grid(size)
    assert made.n_neurons == len(made.nrn_meta) == size.neurons
    assert len(made.spectrograms) == len(made.blocks) == len(made.stim_meta) == size.stimuli
    assert {spectrogram.shape for spectrogram in made.spectrograms} == {(size.bands, size.bins)}
    trials = {"est": 1, "val": size.val_trials}
    for (stimulus, neuron), counts in pairs_of(made).items():
        stim, nrn = made.stim_meta[stimulus], made.nrn_meta[neuron]
        assert stim["site"] == nrn["site"] and counts.dtype == np.uint8
        assert counts.shape == (trials[stim["subset"]], size.bins)
    assert len(made.stimuli_of("val")) == size.sites * size.val_stimuli
    sites = {site: [0, 0] for site in {entry["site"] for entry in made.nrn_meta}}
    for place, entries in enumerate((made.stim_meta, made.nrn_meta)):
        for entry in entries:
            sites[entry["site"]][place] += 1
    assert len(sites) == size.sites
    amounts = made.amounts
    assert amounts["pairs"] == sum(stimuli * neurons for stimuli, neurons in sites.values()) == len(pairs_of(made))
    assert amounts["values"] == sum(counts.size for counts in pairs_of(made).values())
    assert amounts["filled"] == pytest.approx(1 if size.sites == 1 else 1 / size.sites, rel=0.1)


def test_counts_have_the_mean_that_is_stated() -> None:
    counts = np.concatenate([block.counts.ravel() for block in made_grid(replace(NAT4, bins=400)).blocks])
    assert counts.mean() == pytest.approx(COUNTS_PER_BIN, rel=0.05)  # 256 quantiles lack the last of the tail
    assert counts.var() == pytest.approx(COUNTS_PER_BIN, rel=0.1)  # as in a Poisson distribution


def test_seed_decides_everything() -> None:
    one, again, other = made_grid(WINGERT, 3), made_grid(WINGERT, 3), made_grid(WINGERT, 4)
    for stimulus in range(WINGERT.stimuli):
        np.testing.assert_array_equal(one.blocks[stimulus].counts, again.blocks[stimulus].counts)
        np.testing.assert_array_equal(one.spectrograms[stimulus], again.spectrograms[stimulus])
    assert not np.array_equal(one.spectrograms[0], other.spectrograms[0])
    assert any(not np.array_equal(a.counts, b.counts) for a, b in zip(one.blocks, other.blocks, strict=True))


@given(
    sites=st.integers(1, 9),
    neurons=st.integers(1, 5),
    stimuli=st.integers(1, 5),
    rest=st.integers(0, 8),
    fraction=st.sampled_from([0.25, 0.5, 1.0]),
    grows=st.sampled_from(["neurons", "sites"]),
)
def test_scaled_sizes_keep_what_does_not_grow(
    sites: int, neurons: int, stimuli: int, rest: int, fraction: float, grows: str
) -> None:
    size = GridSize(sites, neurons * sites + rest % sites, stimuli * sites, 1, 2, 3, 2, 10.0, grows)
    small = size.scaled(fraction)
    if fraction == 1:
        assert small == size
    if grows == "neurons":
        assert replace(small, neurons=size.neurons) == size
        assert small.neurons == pytest.approx(size.neurons * fraction, abs=1)
    else:
        assert small.neurons / small.sites == pytest.approx(size.neurons / size.sites, abs=0.5 / small.sites)
        assert small.stimuli == stimuli * small.sites and small.sites == pytest.approx(sites * fraction, abs=1)
    made = made_grid(small)
    parts = [made_site(small, site) for site in range(small.sites)]
    assert made.stim_meta == [entry for part in parts for entry in part.stim_meta]
    assert made.nrn_meta == [entry for part in parts for entry in part.nrn_meta]
    assert len(made.nrn_meta) == small.neurons and len(made.stim_meta) == small.stimuli


@pytest.mark.parametrize("grid", ["nat4", "wingert"])
def test_built_corpus_is_the_grid(grid: str, tmp_path: Path) -> None:
    directory = built_corpus(str(tmp_path), grid, "tiny", 0.5, seed=2)
    made = made_grid(SIZES[grid, "tiny"].scaled(0.5), 2)
    dataset = deepstrf_hf.load(directory)
    assert [entry["stim_id"] for entry in dataset.stim_meta] == [entry["name"] for entry in made.stim_meta]
    assert [entry["neuron_id"] for entry in dataset.nrn_meta] == [entry["cell_id"] for entry in made.nrn_meta]
    pairs = pairs_of(made)
    for stimulus, spectrogram in enumerate(made.spectrograms):
        np.testing.assert_array_equal(dataset.stims[stimulus][0], spectrogram)
        for neuron in range(made.n_neurons):
            response = dataset.responses[stimulus][neuron].numpy()
            if (stimulus, neuron) in pairs:
                np.testing.assert_array_equal(response, pairs[stimulus, neuron])
            else:
                assert response.shape == (1, 1) and np.isnan(response).all()
    for job in (plain_read, stream_in_order, stream_shuffled):
        answer = job(directory)
        memory = answer["memory"]
        assert answer["pass"]["seconds"] > 0 and memory["peak_above_mb"] == memory["peak_mb"] - memory["before_mb"]
        if job is not plain_read:
            expected = made.amounts
            assert answer["items"] == expected["stimuli"]
            assert answer["mb"] == pytest.approx(expected["counts_mb"] + expected["spectrograms_mb"])


def test_built_corpus_is_found_again(tmp_path: Path) -> None:
    first = built_corpus(str(tmp_path), "nat4", "tiny", 0.25)
    card = Path(first) / "README.md"
    written = card.stat().st_mtime_ns
    assert built_corpus(str(tmp_path), "nat4", "tiny", 0.25) == first and card.stat().st_mtime_ns == written
    assert built_corpus(str(tmp_path), "nat4", "tiny", 0.25, seed=1) != first
