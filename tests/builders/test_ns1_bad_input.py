"""NS1: files that are missing, damaged, or not as published."""

import numpy as np
import pytest
import scipy.io

import deepstrf_hf
from builders.ns1.raw import CLIPS
from deepstrf_hf import build
from deepstrf_hf.errors import MissingRawFileError, RawFormatError
from tests.builders.ns1_trees import change_unit, unit_files

N_BINS = 999


# Bad input ------------------------------------------------------------------------------------------------------------


def test_a_missing_unit_stops_the_build_and_is_named(written, tmp_path):
    with pytest.raises(MissingRawFileError) as caught:
        build("ns1", data_dir=written[0], out=tmp_path / "out")
    assert written[1].missing_units[0] in str(caught.value.path)
    assert "on_error='skip'" in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("keep", [0, 100, 1000, 0.5, 0.99])
def test_a_truncated_unit(raw, tmp_path, keep):
    broken = unit_files(raw)[0]
    content = broken.read_bytes()
    broken.write_bytes(content[: int(keep * len(content)) if keep < 1 else keep])
    with pytest.raises(RawFormatError) as caught:
        build("ns1", data_dir=raw, out=tmp_path / "out")
    assert caught.value.path == str(broken)
    report = build("ns1", data_dir=raw, out=tmp_path / "out", on_error="skip")
    assert report.cohorts["a1"].counts["neurons"] == 1


@pytest.mark.parametrize("name", ["MetadataSHEnCneurons.mat", CLIPS[2].wav_file])
def test_a_file_of_the_whole_corpus_always_stops_the_build(raw, tmp_path, name):
    (raw / name).write_bytes((raw / name).read_bytes()[:150])
    with pytest.raises(RawFormatError) as caught:
        build("ns1", data_dir=raw, out=tmp_path / "out", on_error="skip")
    assert caught.value.path == str(raw / name)
    (raw / name).unlink()
    with pytest.raises(deepstrf_hf.errors.DeepstrfError) as missing:
        build("ns1", data_dir=raw, out=tmp_path / "out", on_error="skip")
    assert name in str(missing.value)
    assert not (tmp_path / "out").exists()


def test_a_waveform_of_the_wrong_rate(raw, tmp_path):
    wav = raw / CLIPS[0].wav_file
    scipy.io.wavfile.write(wav, 44_100, np.zeros(100, np.float32))
    with pytest.raises(RawFormatError, match="44100 Hz") as caught:
        build("ns1", data_dir=raw, out=tmp_path / "out")
    assert caught.value.expected == "48828 Hz"


def set_parameter(field, value, position=0):
    def change(sets):
        sets[0, position]["stim_params"][0, 0][field] = np.array([[value]])

    return change


def drop_field(sets):
    reduced = sets[["spikes", "stim_params", "length_signal_ms"]]
    for index in range(sets.shape[1]):
        sets[0, index] = (reduced[0, index]["spikes"], np.zeros((0, 0)), reduced[0, index]["stim_params"], 0)


def not_finite(sets):
    sets[0, 0]["repeats"][0, 0]["t"] = np.array([[1.0, np.nan]])


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        (set_parameter("NominalLevel", 70), "NominalLevel", "80"),
        (set_parameter("StimID", 2), "StimID", "twice"),
        (drop_field, "repeats", "structure"),
        (not_finite, "repeats", "finite"),
    ],
)
def test_a_unit_that_is_not_as_published(raw, tmp_path, change, field, said):
    broken = unit_files(raw)[1]
    change_unit(broken, change)
    with pytest.raises(RawFormatError) as caught:
        build("ns1", data_dir=raw, out=tmp_path / "out")
    assert caught.value.path == str(broken)
    assert field in str(caught.value.field)
    assert said in str(caught.value)


def test_a_stimulus_set_nobody_knows_is_left_out_by_name(raw, tmp_path):
    change_unit(unit_files(raw)[0], set_parameter("StimID", 99))
    report = build("ns1", data_dir=raw, out=tmp_path / "out")
    entry = report.cohorts["a1"]
    kinds = {kind: name for kind, name, _ in entry.left_out}
    assert "Source 1, Set 2, StimID 99" in kinds["stimulus sets"] or any(
        "StimID 99" in name for _, name, _ in entry.left_out
    )
    assert kinds["pairs"].startswith(CLIPS[0].stim_id)
    assert entry.counts["rows"] == 2 * 20 - 1


def test_metadata_that_contradict_themselves(raw, tmp_path):
    metadata = scipy.io.loadmat(raw / "MetadataSHEnCneurons.mat")["neuron"]
    metadata[0, 0]["singleT"] = np.array(["Perhaps"])
    scipy.io.savemat(raw / "MetadataSHEnCneurons.mat", {"neuron": metadata})
    with pytest.raises(RawFormatError, match="singleT"):
        build("ns1", data_dir=raw, out=tmp_path / "out")
