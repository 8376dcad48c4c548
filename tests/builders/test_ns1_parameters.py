"""NS1: its parameters, and the published spectrogram."""

import numpy as np
import pytest
import scipy.io

import deepstrf_hf
from builders.ns1 import Ns1
from builders.ns1.raw import CLIPS, read_units
from deepstrf_hf import build
from deepstrf_hf.errors import MissingRawFileError, ParameterError, RawFormatError
from deepstrf_hf.raw_tree import RawTree
from tests.builders.ns1_trees import unit_files
from tests.raw_writers.ns1 import write_ns1

N_BINS = 999


# Parameters -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dt_ms", "duration_ms", "bins"), [(10, 4995, 499), (1, 4995, 4995), (5, 5195, 1039)])
def test_other_bins(raw, tmp_path, dt_ms, duration_ms, bins):
    report = build("ns1", data_dir=raw, out=tmp_path / "out", parameters={"dt_ms": dt_ms, "duration_ms": duration_ms})
    (name,) = report.cohorts
    grid = deepstrf_hf.load(tmp_path / "out", name, preprocessing=None)
    assert grid.stims[0].shape == (1, 34, bins)
    assert grid.responses[0][0].shape == (20, bins)
    files = unit_files(raw)
    times = read_units(RawTree(raw, "ns1", Ns1.LANDMARKS))[0][1].spikes[CLIPS[0].key][0]
    cell = f"{files[0].parent.parent.name}/{files[0].parent.name}/{files[0].name}"
    position = [entry["cell_id"] + ".mat" for entry in grid.nrn_meta].index(cell)
    first = read_units(RawTree(raw, "ns1", Ns1.LANDMARKS))
    path = next(unit for unit_path, unit in first if unit_path == cell)
    times = path.spikes[CLIPS[0].key][0]
    assert grid.responses[0][position].sum() == ((times >= 0) & (times < bins * dt_ms)).sum()


def test_one_spike_per_millisecond_on_request(raw, tmp_path):
    build("ns1", data_dir=raw, out=tmp_path / "out", parameters={"binning": "one_per_ms"})
    grid = deepstrf_hf.load(tmp_path / "out", "a1-binning_one_per_ms", preprocessing=None)
    for path, unit in read_units(RawTree(raw, "ns1", Ns1.LANDMARKS)):
        position = [entry["cell_id"] + ".mat" for entry in grid.nrn_meta].index(path)
        for clip in CLIPS:
            times, trials, n_trials = unit.spikes[clip.key]
            flags = np.zeros((n_trials, 4995))
            milliseconds = np.rint(times).astype(int)
            kept = (milliseconds >= 0) & (milliseconds < 4995)
            flags[trials[kept], milliseconds[kept]] = 1
            expected = flags.reshape(n_trials, N_BINS, 5).sum(axis=2)
            np.testing.assert_array_equal(grid.responses[clip.index][position].numpy(), expected)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"duration_ms": 5200}, "duration_ms"),
        ({"duration_ms": 4}, "duration_ms"),
        ({"spectrogram": "drawn"}, "spectrogram"),
        ({"frames": "loose"}, "frames"),
        ({"binning": "none"}, "binning"),
        ({"spectrogram": "published", "dt_ms": 10}, "spectrogram"),
        ({"high_hz": 30_000}, "high_hz"),
    ],
)
def test_parameters_that_cannot_be_used(raw, tmp_path, parameters, field):
    with pytest.raises(ParameterError) as caught:
        build("ns1", data_dir=raw, out=tmp_path / "out", parameters=parameters)
    assert field in str(caught.value.field)
    assert not (tmp_path / "out").exists()


# The published spectrogram --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", ["auto", "published", "computed"])
def test_the_published_cochleagram_is_used_where_it_is(tmp_path, choice):
    truth = write_ns1(
        tmp_path / "raw",
        n_units=1,
        sound_driven=False,
        published_spectrogram=True,
        clip_seconds=0.2,
        unlisted_clusters=0,
    )
    report = build("ns1", data_dir=tmp_path / "raw", out=tmp_path / "out", parameters={"spectrogram": choice})
    (name,) = report.cohorts
    grid = deepstrf_hf.load(tmp_path / "out", name)
    published = truth.spectrogram[:, :, 0, :].astype(np.float32)
    same = all(np.array_equal(grid.stims[index][0].numpy(), published[index]) for index in range(20))
    assert same == (choice != "computed")
    source = "computed" if choice == "computed" else "published"
    assert {entry["spectrogram_source"] for entry in grid.stim_meta} == {source}
    assert any(source in note for note in report.cohorts[name].notes)
    assert ("test_data_5ms.mat" in report.cohorts[name].raw_sha256) == (choice != "computed")


def test_a_published_cochleagram_stored_upside_down_is_turned(tmp_path):
    raw = tmp_path / "raw"
    write_ns1(raw, n_units=1, unlisted_clusters=0)
    build("ns1", data_dir=raw, out=tmp_path / "computed")
    computed = deepstrf_hf.load(tmp_path / "computed", "a1")
    stack = np.stack([stimulus.numpy() for stimulus in computed.stims]).transpose(0, 2, 1, 3)
    for name, stored in (("upright", stack), ("reversed", stack[:, ::-1])):
        scipy.io.savemat(raw / "test_data_5ms.mat", {"X_nfht": stored.astype(float)})
        report = build("ns1", data_dir=raw, out=tmp_path / name)
        grid = deepstrf_hf.load(tmp_path / name, "a1")
        np.testing.assert_array_equal(grid.stims[4].numpy(), computed.stims[4].numpy())
        said = any("it was stored reversed" in note for note in report.cohorts["a1"].notes)
        assert said == (name == "reversed")


@pytest.mark.parametrize("shape", [(20, 34, 1, 998), (19, 34, 1, 999), (20, 34, 999)])
def test_a_published_cochleagram_of_another_shape(raw, tmp_path, shape):
    scipy.io.savemat(raw / "test_data_5ms.mat", {"X_nfht": np.zeros(shape)})
    with pytest.raises(RawFormatError, match="X_nfht"):
        build("ns1", data_dir=raw, out=tmp_path / "out")


def test_the_published_cochleagram_asked_for_and_absent(raw, tmp_path):
    with pytest.raises(MissingRawFileError, match=r"test_data_5ms\.mat"):
        build("ns1", data_dir=raw, out=tmp_path / "out", parameters={"spectrogram": "published"})


def test_a_waveform_of_another_level_is_remarked(raw, tmp_path):
    wav = raw / CLIPS[7].wav_file
    content = bytearray(wav.read_bytes())
    content[44:] = (np.frombuffer(bytes(content[44:]), "<f4") * 2).tobytes()
    wav.write_bytes(content)
    report = build("ns1", data_dir=raw, out=tmp_path / "out")
    assert any(CLIPS[7].stim_id in note and "86.0 dB SPL" in note for note in report.cohorts["a1"].notes)
