"""Espejo 2019: what a user may choose."""

import numpy as np
import pytest

from builders.espejo import site as espejo_site
from deepstrf_hf import build
from deepstrf_hf.errors import ParameterError
from tests.builders.espejo_trees import counts_from_start, expected_trials, heard_pairs, nems_counts, of_sound, pairs
from tests.raw_writers.espejo import NAT_SOUNDS, write_espejo


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    return write_espejo(tmp_path_factory.mktemp("espejo_raw"), seed=8, wavs=False)


@pytest.fixture(scope="module")
def default(truth, tmp_path_factory):
    out = tmp_path_factory.mktemp("espejo_built") / "espejo"
    build("espejo", data_dir=truth.directory, out=out)
    return out


@pytest.mark.parametrize("release", ["nat", "vmn"])
def test_binning_from_the_start_of_epochs(truth, default, tmp_path, release):
    out = tmp_path / "out"
    report = build("espejo", [release], data_dir=truth.directory, out=out, parameters={"binning": "epoch"})
    rows, differing = pairs(out, f"{release}-binning_epoch"), 0
    assert rows.keys() == pairs(default, release).keys()
    for (sound, cell, bins), recordings in heard_pairs(truth, release).items():
        (row,) = (row for row in of_sound(rows, sound, cell) if row["n_bins"] == bins)
        both = [
            np.stack([trial for one in recordings for trial in expected_trials(one, sound, cell, count)])
            for count in (counts_from_start, nems_counts)
        ]
        np.testing.assert_array_equal(row["response"], both[0])
        differing += not np.array_equal(*both)
    assert differing > 0
    total = sum(
        sum(len(times) for times in one.spikes_s.values()) if one.resp is None else one.resp.sum()
        for one in truth.recordings[release]
    )
    (entry,) = report.cohorts.values()
    assert entry.amounts == [("spikes", "in no presentation of a sound that is built", total - entry.counts["spikes"])]


@pytest.mark.parametrize(
    ("parameters", "field"), [({"dt_ms": 5.0}, "dt_ms"), ({"binning": "nearest"}, "binning"), ({"dt_ms": 0}, "dt_ms")]
)
def test_values_that_cannot_be_used(truth, tmp_path, parameters, field):
    with pytest.raises(ParameterError) as caught:
        build("espejo", data_dir=truth.directory, out=tmp_path / "out", parameters=parameters)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ({"neuron.cell_id": ["AMT003c-05-2", "TAR010c-06-1"]},
         lambda row: row["neuron_id"] in ("AMT003c-05-2", "TAR010c-06-1")),
        ({"neuron.animal_id": "BRT"}, lambda row: row["neuron_animal_id"] == "BRT"),
        ({"stim.split": "test"}, lambda row: row["stim_split"] == "test"),
        ({"stim.split": "estimation", "neuron.site": "AMT003c"},
         lambda row: row["stim_split"] == "estimation" and row["neuron_site"] == "AMT003c"),
        ({"stim.name": f"STIM_{NAT_SOUNDS[0]}"}, lambda row: row["stim_name"].endswith(NAT_SOUNDS[0])),
    ],
)  # fmt: skip
def test_a_part_has_the_values_of_the_whole(truth, default, tmp_path, where, kept):
    report = build("espejo", ["nat"], data_dir=truth.directory, out=tmp_path / "out", where=where)
    (config,) = report.cohorts
    expected = {pair: row for pair, row in pairs(default, "nat").items() if kept(row)}
    assert expected
    assert pairs(tmp_path / "out", config) == expected


def test_sites_without_a_wanted_neuron_are_not_read(truth, tmp_path, monkeypatch):
    read = []
    read_recording = espejo_site.read_recording

    def noting(path, signals):
        read.append(path.name)
        return read_recording(path, signals)

    monkeypatch.setattr(espejo_site, "read_recording", noting)
    build("espejo", ["nat"], data_dir=truth.directory, out=tmp_path / "out", where={"neuron.animal_id": "BRT"})
    assert read == [one.name for one in truth.of_site("BRT026c")]


def test_rows_may_refer_to_their_stimulus(truth, default, tmp_path):
    build("espejo", ["nat"], data_dir=truth.directory, out=tmp_path / "out", stimulus="reference")
    rows = pairs(tmp_path / "out", "nat")
    expected = {
        pair: {name: value for name, value in row.items() if name != "spectrogram"}
        for pair, row in pairs(default, "nat").items()
    }
    assert rows == expected
