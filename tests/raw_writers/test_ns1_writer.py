"""The synthetic NS1 tree has the layout of the real one, and its truth is what is in its files."""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from tests.raw_writers.ns1 import (
    CHORD_SETS,
    MISSING_PATH,
    NATURAL_SETS,
    SAMPLE_PERIOD_MS,
    Ns1Truth,
    sound_rms_pascal,
    write_ns1,
)

PARAMETERS = ("Source", "Mode", "BF", "Token", "Set", "StimID", "NominalLevel", "Level")


def digests(root: Path) -> dict[str, str]:
    """SHA-256 of every file under `root`, by relative path."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def read_sets(path: Path) -> np.ndarray[Any, Any]:
    """Read the (32,) struct array of a cluster file."""
    return np.asarray(scipy.io.loadmat(path)["data"][0, 0]["set"][0])


def read_wav(path: Path) -> tuple[int, int, np.ndarray[Any, Any]]:
    """Header rate, byte rate and samples of a bare float WAV, from its bytes."""
    data = path.read_bytes()
    riff, size, wave, fmt_size, tag, channels, rate, byte_rate, align, bits, name, length = struct.unpack(
        "<4sI8sIHHIIHH4sI", data[:44]
    )
    assert (riff, wave, name, fmt_size, tag, channels, align, bits) == (b"RIFF", b"WAVEfmt ", b"data", 16, 3, 1, 4, 32)
    assert size == len(data) - 8 and length == len(data) - 44
    return rate, byte_rate, np.frombuffer(data[44:], "<f4")


def layout(array: np.ndarray[Any, Any], path: str = "") -> list[tuple[Any, ...]]:
    """Every leaf of a loadmat structure: names and shapes of structs, dtype and shape, and stimulus parameters.

    Numbers of spikes, timestamps and signal lengths are left out, being those of the recording; so is which trials
    are empty, except that an empty one must be uint8.
    """
    if array.dtype.names:
        leaves: list[tuple[Any, ...]] = [(path, array.dtype.names, array.shape)]
        for index, row in enumerate(array.ravel()):
            for name in array.dtype.names:
                leaves += layout(row[name], f"{path}[{index}].{name}")
        return leaves
    if array.dtype == object:
        cells = [layout(cell, f"{path}{{{index}}}") for index, cell in enumerate(array.ravel())]
        return [(path, "cell", array.shape), *(leaf for leaves in cells for leaf in leaves)]
    if path.endswith((".t", ".repeat_id")):
        stored = np.uint8 if array.size == 0 or path.endswith("repeat_id") else np.float64
        return [(path, array.dtype == stored, array.ndim, array.shape[0])]
    if path.endswith((".length_signal_ms", ".timestamp")):
        return [(path, array.dtype.str, array.shape)]
    if path.endswith(".values"):
        return [(path, array.dtype.str, array.shape, array[0, :8].tolist())]
    return [(path, array.dtype.kind, array.shape, array.tolist())]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Ns1Truth:
    """Write a fast tree."""
    return write_ns1(tmp_path_factory.mktemp("ns1"), n_units=3, sound_driven=False, clip_seconds=0.1, seed=3)


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Ns1Truth:
    """Write a tree with every edge case, full-length natural-like sounds and the published spectrogram."""
    return write_ns1(
        tmp_path_factory.mktemp("ns1"), seed=5, edge_cases=True, published_spectrogram=True, ragged=True,
        unlisted_clusters=2,
    )  # fmt: skip


@pytest.mark.parametrize("options", [{"sound_driven": False}, {"edge_cases": True, "published_spectrogram": True}])
def test_same_seed_same_bytes(tmp_path: Path, options: dict[str, bool]) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_ns1(tmp_path / name, seed=seed, n_units=3, clip_seconds=0.2, **options)
    first, again, other = (digests(tmp_path / name) for name in "abc")
    assert first == again
    changed = {name for name in first if first[name] != other.get(name)}
    assert changed >= {name for name in first if "cluster." in name or "frozen" in name}


def test_sounds_do_not_depend_on_the_number_of_units(tmp_path: Path) -> None:
    few, many = (write_ns1(tmp_path / str(n), n_units=n, clip_seconds=0.1) for n in (1, 4))
    for a, b in zip(few.waveforms, many.waveforms, strict=True):
        np.testing.assert_array_equal(a, b)


def test_tree_has_the_files_of_the_release(plain: Ns1Truth) -> None:
    names = set(digests(plain.directory))
    sounds = {f"spikesandwav/SH.En.C/source.1.sound.0.snr.0.token.0.fw.2.frozen.{i}" for i in range(1, 13)}
    sounds |= {f"spikesandwav/SH.En.C/source.2.sound.0.snr.0.token.0.fw.1.frozen.{i}" for i in range(1, 9)}
    clusters = {f"spikesandwav/{path}" for path in (*plain.unit_paths, *plain.unlisted_units)}
    folders = {path.rsplit("/", 1)[0] for path in clusters}
    assert len(clusters) == 4 and len(sounds) == 20
    assert names == sounds | clusters | {f"{folder}/clusterquality.mat" for folder in folders} | {
        "MetadataSHEnCneurons.mat", "ReadMe.rtf"
    }  # fmt: skip
    for folder in folders:
        quality = scipy.io.loadmat(plain.directory / folder / "clusterquality.mat")["clusterquality"]
        assert quality.dtype == np.uint8
        assert quality.shape == (sum(path.startswith(f"{folder}/") for path in clusters), 1)


@pytest.mark.parametrize("tree", ["plain", "edges"])
def test_sets_are_those_of_the_release(tree: str, request: pytest.FixtureRequest) -> None:
    truth: Ns1Truth = request.getfixturevalue(tree)
    path = next(p for p in truth.unit_paths if p not in (*truth.missing_units, *truth.renamed_units))
    data = scipy.io.loadmat(truth.directory / "spikesandwav" / path)["data"]
    assert data.shape == (1, 1) and data.dtype.names == ("set",)
    sets = data[0, 0]["set"]
    assert sets.shape == (1, 32)
    assert sets.dtype.names == ("spikes", "repeats", "stim_params", "length_signal_ms")
    for index, element in enumerate(sets[0]):
        params = element["stim_params"]
        assert params.dtype.names == ("all", *PARAMETERS)
        values = {name: params[0, 0][name] for name in PARAMETERS}
        assert {value.dtype for name, value in values.items() if name != "Level"} == {np.dtype(np.uint8)}
        assert values["Level"].dtype == np.int16
        got = tuple(int(values[name][0, 0]) for name in ("Source", "Set", "StimID", "NominalLevel", "Token"))
        if index < 20:
            assert got == (*NATURAL_SETS[index], 0)
        else:
            token, set_ = CHORD_SETS[index - 20]
            assert got == (9, set_, 0, 75, token)
        everything = params[0, 0]["all"][0, 0]
        names = [str(name[0]) for name in everything["names"][0]]
        assert names == [*PARAMETERS, "length_signal_ms"]
        assert everything["values"].dtype == np.int16
        listed = everything["values"][0].tolist()
        assert listed[:8] == [int(values[name][0, 0]) for name in PARAMETERS]
        length_ms = float(element["length_signal_ms"][0, 0])
        assert listed[8] == round(length_ms) and length_ms == truth.length_signal_ms[path][index]
        assert element["repeats"].dtype.names == ("t", "repeat_id", "timestamp")
        for repeat in element["repeats"][0]:
            assert repeat["timestamp"].dtype.str[1:] == "U18"


@pytest.mark.parametrize("tree", ["plain", "edges"])
def test_truth_agrees_with_the_files(tree: str, request: pytest.FixtureRequest) -> None:
    truth: Ns1Truth = request.getfixturevalue(tree)
    on_disk = [path for path in truth.unit_paths if path not in truth.missing_units]
    assert {path for path, _, _ in truth.spike_times} == {*on_disk, *truth.unlisted_units}
    seen = 0
    for path in (*on_disk, *truth.unlisted_units):
        file = truth.directory / "spikesandwav" / path
        if path in truth.renamed_units:
            assert not file.exists()
            file = file.with_name(file.name.replace(".mat", "_1.mat"))
        for index, element in enumerate(read_sets(file)):
            trials = [truth.spike_times[path, index, r] for r in range(element["repeats"].shape[1])]
            seen += len(trials)
            for number, (repeat, expected) in enumerate(zip(element["repeats"][0], trials, strict=True), 1):
                assert expected.dtype == np.float64
                assert repeat["t"].shape == repeat["repeat_id"].shape == (1, len(expected))
                assert repeat["t"].dtype == (np.float64 if len(expected) else np.uint8)
                np.testing.assert_array_equal(repeat["t"][0], expected)
                assert (repeat["repeat_id"] == number).all() and repeat["repeat_id"].dtype == np.uint8
            pooled = element["spikes"][0, 0]
            assert pooled["t"].dtype == np.float64 and pooled["repeat_id"].dtype == np.uint8
            for number, expected in enumerate(trials, 1):  # the pooled list holds the trials, each in its order
                np.testing.assert_array_equal(pooled["t"][pooled["repeat_id"] == number], expected)
    assert seen == len(truth.spike_times)
    neuron = scipy.io.loadmat(truth.directory / "MetadataSHEnCneurons.mat")["neuron"]
    names = ("path", "NrOfElectrodes", "ElectrodeNumber", "depth", "NoiseRatio", "singleT", "singleN")
    assert neuron.shape == (1, len(truth.unit_paths)) and neuron.dtype.names == names
    assert [{name: row[name].ravel()[0] for name in names} for row in neuron[0]] == list(truth.metadata)
    assert tuple(row["path"] for row in truth.metadata) == truth.unit_paths
    ratios = [row["NoiseRatio"] for row in truth.metadata]
    assert ratios == sorted(ratios) and all(0 < ratio < 40 for ratio in ratios)
    for row in truth.metadata:
        assert row["singleN"] == {"No": 0, "Maybe": 1, "Yes": 2}[row["singleT"]]
        assert 1 <= row["ElectrodeNumber"] <= row["NrOfElectrodes"]
    for name, expected_wave in zip(truth.wav_names, truth.waveforms, strict=True):
        rate, byte_rate, samples = read_wav(truth.directory / "spikesandwav" / "SH.En.C" / name)
        assert (rate, byte_rate) == (48_828, 195_313)
        np.testing.assert_array_equal(samples, expected_wave)


def test_sounds_have_length_and_level(edges: Ns1Truth, plain: Ns1Truth) -> None:
    assert [len(w) for w in edges.waveforms] == [244_140] * 16 + [244_141] * 4
    assert [len(w) for w in plain.waveforms] == [4_882] * 16 + [4_883] * 4
    levels = [80.0] * 12 + [82.0] + [80.0] * 5 + [75.0, 80.0]
    for truth in (edges, plain):
        assert all(w.dtype == np.float32 for w in truth.waveforms)
        rms = [float(np.sqrt(np.mean(np.square(w, dtype=np.float64)))) for w in truth.waveforms]
        np.testing.assert_allclose(rms, [sound_rms_pascal(level) for level in levels], rtol=1e-5)
        np.testing.assert_allclose(20 * np.log10(np.array(rms) / 20e-6), levels, atol=0.03)
    assert sound_rms_pascal(80) == pytest.approx(0.19953, abs=5e-6)
    assert np.abs(edges.waveforms[17]).max() == pytest.approx(14.2)


def test_edge_cases_are_there(edges: Ns1Truth) -> None:
    assert len(edges.unit_paths) == 7 and edges.missing_units == (MISSING_PATH,)
    assert MISSING_PATH in edges.unit_paths and not (edges.directory / "spikesandwav" / MISSING_PATH).exists()
    assert len(edges.renamed_units) == len(edges.merged_units) == 1 and len(edges.unlisted_units) == 2
    assert not {*edges.unlisted_units} & {*edges.unit_paths}
    hand_made = next(path for path in edges.unit_paths if (path, 0, 4) in edges.spike_times
                     and edges.spike_times[path, 0, 4].tolist() == [-0.3, 4.4, 4.6, 5.0])  # fmt: skip
    first = [edges.spike_times[hand_made, 0, repeat] for repeat in range(5)]
    assert [len(times) for times in first] == [11, 0, 1, 6, 4] and first[0].max() > 4995
    assert (hand_made, 4, 18) in edges.spike_times and (hand_made, 4, 19) not in edges.spike_times
    assert (np.diff(edges.spike_times[edges.merged_units[0], 0, 0]) < 0).sum() == 1
    depths = [row["depth"] for row in edges.metadata]
    assert min(depths) < 0 and 0 in depths and any(0 < d < 256 for d in depths) and max(depths) > 255
    neuron = scipy.io.loadmat(edges.directory / "MetadataSHEnCneurons.mat")["neuron"][0]
    assert {row["depth"].dtype.str[1:] for row in neuron} == {"i2", "u1", "u2"}
    assert {row["singleT"] for row in edges.metadata} == {"No", "Maybe", "Yes"}


def test_published_spectrogram(edges: Ns1Truth, plain: Ns1Truth) -> None:
    content = scipy.io.loadmat(edges.directory / "test_data_5ms.mat")
    assert content["X_nfht"].shape == (20, 34, 1, 999) and content["y_nt"].shape == (20, 999)
    np.testing.assert_array_equal(content["X_nfht"], edges.spectrogram)
    assert content["X_nfht"].min() >= -70 and content["X_nfht"].std() > 5
    assert plain.spectrogram is None and not (plain.directory / "test_data_5ms.mat").exists()


def test_spikes_follow_the_recorder(tmp_path: Path) -> None:
    truth = write_ns1(tmp_path, n_units=6, clip_seconds=0.5, seed=1)
    for (path, index, _), times in truth.spike_times.items():
        steps = times / SAMPLE_PERIOD_MS
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)
        assert (times >= 0).all() and (times < truth.length_signal_ms[path][index]).all()
        assert (np.diff(times) >= 1.49).all()
    for path in truth.unit_paths:
        seconds = 5.2 * 20 * 20
        rate = sum(len(truth.spike_times[path, i, r]) for i in range(20) for r in range(20)) / seconds
        assert 4 < rate < 32
    assert set(truth.best_frequency_hz) == {*truth.unit_paths, *truth.unlisted_units}
    assert truth.metadata[-1]["singleT"] == "No" and truth.metadata[-1]["NoiseRatio"] > 20


@pytest.mark.parametrize("options", [{"n_units": 0}, {"n_units": 2, "edge_cases": True}, {"unlisted_clusters": -1},
                                     {"clip_seconds": 0.0}])  # fmt: skip
def test_impossible_trees_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="n_units"):
        write_ns1(tmp_path, **options)


@pytest.fixture(scope="module")
def real() -> Path:
    """Find the real NS1 tree: DEEPSTRF_REAL_DATA itself or its folder ns1."""
    base = os.environ.get("DEEPSTRF_REAL_DATA")
    if not base:
        pytest.skip("DEEPSTRF_REAL_DATA is not set")
    for root in (Path(base) / "ns1", Path(base)):
        if (root / "MetadataSHEnCneurons.mat").is_file() and (root / "spikesandwav").is_dir():
            return root
    pytest.skip("no NS1 tree under DEEPSTRF_REAL_DATA")


@pytest.mark.real
def test_cluster_files_have_the_real_structure(real: Path, plain: Ns1Truth, edges: Ns1Truth) -> None:
    files = sorted((real / "spikesandwav").glob("*/*/cluster.*.data.mat"))
    expected = layout(scipy.io.loadmat(files[0])["data"])
    assert len(expected) > 2000
    for file in files[:: max(1, len(files) // 4)]:
        assert layout(scipy.io.loadmat(file)["data"]) == expected
    for truth, path in ((plain, plain.unit_paths[0]), (edges, edges.merged_units[0])):
        assert layout(scipy.io.loadmat(truth.directory / "spikesandwav" / path)["data"]) == expected
    written = (plain.directory / "spikesandwav" / plain.unit_paths[0]).read_bytes()
    assert written[124:132] == files[0].read_bytes()[124:132]  # version, byte order, and no compression


@pytest.mark.real
def test_metadata_and_sounds_have_the_real_structure(real: Path, edges: Ns1Truth) -> None:
    ours, theirs = (scipy.io.loadmat(root / "MetadataSHEnCneurons.mat")["neuron"] for root in (edges.directory, real))
    assert ours.dtype == theirs.dtype and ours.ndim == theirs.ndim and ours.shape[0] == theirs.shape[0] == 1

    def kinds(neuron: np.ndarray[Any, Any], name: str) -> set[tuple[str, tuple[int, ...]]]:
        values = neuron[name].ravel()
        return {("U" if value.dtype.kind == "U" else value.dtype.str, value.shape) for value in values}

    for name in theirs.dtype.names:
        assert kinds(ours, name) == kinds(theirs, name), name
    for name, waveform, (_, _, _, level) in zip(edges.wav_names, edges.waveforms, NATURAL_SETS, strict=True):
        rate, byte_rate, samples = read_wav(real / "spikesandwav" / "SH.En.C" / name)
        assert (rate, byte_rate, len(samples)) == (48_828, 195_313, len(waveform))
        rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
        assert rms == pytest.approx(sound_rms_pascal(level), rel=2e-4)


@pytest.mark.real
def test_units_resemble_the_real_ones(real: Path) -> None:
    for file in sorted((real / "spikesandwav").glob("*/*/cluster.*.data.mat"))[::40]:
        for element in read_sets(file):
            times = element["spikes"][0, 0]["t"][0].astype(float)
            steps = times / SAMPLE_PERIOD_MS
            np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)
