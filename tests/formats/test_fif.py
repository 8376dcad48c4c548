"""Recordings in FIF files: what is read, and what is refused by name."""

import importlib
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest

from deepstrf_hf.errors import (
    BuilderContractError,
    MissingDependencyError,
    MissingRawFileError,
    ParameterError,
    RawFormatError,
)
from deepstrf_hf.formats import fif
from deepstrf_hf.formats.fif import check_tags, read_fif
from tests.builders.alice_eeg_trees import filtered, resampled
from tests.raw_writers.alice_eeg import position_m, write_fif

CHANNELS = ["3", "10", "7", "29"]
TEN_SECONDS = 5000


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    rng = np.random.default_rng(5)
    values = {name: 1e-5 * rng.standard_normal(TEN_SECONDS).cumsum() for name in CHANNELS}
    path = tmp_path_factory.mktemp("fif") / "S01_alice-raw.fif"
    remarks = [(7.5, 0.5, "later"), (1.23456, 0.1, "first")]
    write_fif(path, values, remarks, bad=["10"], others=["VEOG", "AUD"])
    return path, {name: samples.astype(np.float32).astype(np.float64) for name, samples in values.items()}


def tags(path):
    """Return position, kind and length of each tag, from the file's own chain."""
    data, position, found = path.read_bytes(), 0, []
    while position >= 0:
        kind, _, length, following = struct.unpack(">iiii", data[position : position + 16])
        found.append((position, kind, length))
        position = following or position + 16 + length
    return found


def test_the_header(written):
    recording = read_fif(written[0])
    assert (recording.sample_rate_hz, recording.n_samples, recording.first_sample) == (500.0, TEN_SECONDS, 0)
    assert [channel.name for channel in recording.channels] == CHANNELS  # of EEG alone, in the order of the file
    assert [channel.bad for channel in recording.channels] == [False, True, False, False]
    assert recording.channels[2].position_m is None
    for place in (0, 1, 3):
        np.testing.assert_allclose(recording.channels[place].position_m, position_m(CHANNELS[place]), atol=1e-8)
    assert [(annotation.onset_s, annotation.text) for annotation in recording.annotations] == [
        (1.23456, "first"),
        (7.5, "later"),
    ]
    assert recording.annotations[1].duration_s == 0.5
    assert recording.remarks == ()


def test_nothing_is_printed_or_warned_of(written, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_fif(written[0]).resampled(["3"], 100.0, high_pass_hz=1.0)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("high_pass", "low_pass"), [(None, None), (1.0, None), (None, 20.0), (0.5, 20.0), (4.0, 8.0)])
@pytest.mark.parametrize("rate", [100.0, 200.0, 1000 / 7, 1000.0])
def test_channels_are_filtered_and_then_resampled(written, high_pass, low_pass, rate):
    path, values = written
    got = read_fif(path).resampled(["29", "3"], rate, high_pass_hz=high_pass, low_pass_hz=low_pass)
    assert got.dtype == np.float32
    assert got.shape == (2, round(TEN_SECONDS / 500 * rate))
    for row, name in zip(got, ["29", "3"], strict=True):
        expected = resampled(filtered(values[name], high_pass, low_pass), 500.0, rate)
        np.testing.assert_allclose(row, expected, atol=1e-6 * np.abs(expected).max())


def test_a_channel_does_not_depend_on_those_read_with_it(written, monkeypatch):
    recording = read_fif(written[0])
    together = recording.resampled(CHANNELS, 100.0, high_pass_hz=1.0)
    monkeypatch.setattr(fif, "CHANNELS_AT_ONCE", 1)
    np.testing.assert_array_equal(recording.resampled(CHANNELS, 100.0, high_pass_hz=1.0), together)
    np.testing.assert_array_equal(recording.resampled(["7"], 100.0, high_pass_hz=1.0)[0], together[2])


def test_no_channels_are_no_error(written):
    assert read_fif(written[0]).resampled([], 100.0).size == 0


def test_onsets_count_from_the_first_sample_of_the_file(tmp_path):
    values = {name: np.random.default_rng(1).standard_normal(TEN_SECONDS) for name in CHANNELS}
    path = tmp_path / "late-raw.fif"
    write_fif(path, values, [(5.0, 0.1, "within"), (2.95, 0.1, "across"), (1.0, 0.1, "before")], skipped_s=3.0)
    recording = read_fif(path)
    assert recording.first_sample == 1500
    assert recording.n_samples == TEN_SECONDS - 1500
    onsets = {annotation.text: annotation.onset_s for annotation in recording.annotations}
    assert onsets["within"] == pytest.approx(2.0, abs=1e-9)
    np.testing.assert_allclose(recording.resampled(["3"], 500.0)[0], values["3"][1500:], rtol=1e-6)


def test_onsets_are_taken_to_the_microsecond(tmp_path):
    """Single precision keeps 12.805 s as 12.8050003 s, which is another bin of 10 ms."""
    assert round(float(np.float32(12.805)) * 100) == 1281
    path = tmp_path / "tie-raw.fif"
    write_fif(path, {"1": np.ones(8000), "2": np.ones(8000)}, [(12.805, 0.1, "1")])
    (annotation,) = read_fif(path).annotations
    assert annotation.onset_s == 12.805
    assert round(annotation.onset_s * 100) == 1280


def test_a_warning_of_the_filter_is_handed_on(tmp_path):
    path = tmp_path / "short-raw.fif"
    write_fif(path, {"1": np.arange(600.0), "2": np.arange(600.0)}, None)
    remarks = []
    read_fif(path).resampled(["1"], 100.0, high_pass_hz=1.0, remark=remarks.append)
    assert len(remarks) == 1
    assert str(path) in remarks[0]
    assert "longer than the signal" in remarks[0]


# What is refused ------------------------------------------------------------------------------------------------------


def test_every_cut_is_refused(written, tmp_path):
    """Wherever a file ends too early: within a header, within data, or between two tags."""
    data, chain = written[0].read_bytes(), tags(written[0])
    check_tags(written[0])
    places = {place for position, _, length in chain for place in (position, position + 7, position + 16 + length // 2)}
    places |= {len(data) - 1} - {len(data)}
    short = tmp_path / "short-raw.fif"
    for place in sorted(places - {len(data)}):
        short.write_bytes(data[:place])
        with pytest.raises(RawFormatError, match="cut short") as caught:
            read_fif(short)
        assert (caught.value.path, caught.value.found) == (str(short), f"{place} bytes")
        assert caught.value.mend


def test_bytes_after_the_last_tag_do_no_harm(written, tmp_path):
    padded = tmp_path / "padded-raw.fif"
    padded.write_bytes(written[0].read_bytes() + bytes(912))
    assert read_fif(padded).n_samples == TEN_SECONDS


@pytest.mark.parametrize("content", [b"RIFF" + bytes(400), b"hello world" * 99, bytes(400)])
def test_another_format_is_refused(tmp_path, content):
    path = tmp_path / "sound-raw.fif"
    path.write_bytes(content)
    with pytest.raises(RawFormatError, match="Not a FIF file"):
        read_fif(path)


@pytest.mark.parametrize("length", [-5, 2**31 - 1])
def test_a_broken_length_is_refused(written, tmp_path, length):
    data = bytearray(written[0].read_bytes())
    position = tags(written[0])[5][0]
    data[position + 8 : position + 12] = struct.pack(">i", length)
    path = tmp_path / "broken-raw.fif"
    path.write_bytes(data)
    with pytest.raises(RawFormatError, match="no chain" if length < 0 else "cut short"):
        read_fif(path)


def test_a_chain_that_comes_back_is_refused(written, tmp_path):
    data = bytearray(written[0].read_bytes())
    chain = tags(written[0])
    data[chain[9][0] + 12 : chain[9][0] + 16] = struct.pack(">i", chain[4][0])
    path = tmp_path / "loop-raw.fif"
    path.write_bytes(data)
    with pytest.raises(RawFormatError, match="no chain"):
        read_fif(path)


def test_a_chain_without_recording_is_refused(tmp_path):
    path = tmp_path / "empty-raw.fif"
    path.write_bytes(struct.pack(">iiii", 100, 31, 20, -1) + bytes(20))
    check_tags(path)
    with pytest.raises(RawFormatError, match="cannot be read") as caught:
        read_fif(path)
    assert caught.value.path == str(path)


def test_damaged_samples_are_refused_when_they_are_read(written, tmp_path):
    """The header is whole; a buffer of samples says that it holds fewer than the header counts on."""
    data = bytearray(written[0].read_bytes())
    position, _, length = max(tags(written[0]), key=lambda tag: tag[2])
    data[position + 4 : position + 8] = struct.pack(">i", 12345)
    path = tmp_path / "damaged-raw.fif"
    path.write_bytes(data)
    with pytest.raises(RawFormatError):
        read_fif(path).resampled(["3"], 100.0)


def test_other_channels_alone_are_refused(tmp_path):
    path = tmp_path / "meg-raw.fif"
    write_fif(path, {"MEG 0111": np.zeros(1000), "MEG 0121": np.zeros(1000)}, None, kind="mag")
    with pytest.raises(RawFormatError, match="no EEG channels") as caught:
        read_fif(path)
    assert caught.value.found == "mag"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingRawFileError) as caught:
        read_fif(tmp_path / "none-raw.fif")
    assert caught.value.path == str(tmp_path / "none-raw.fif")


@pytest.mark.parametrize(
    ("high_pass", "low_pass"), [(250.0, None), (None, 300.0), (20.0, 10.0), (5.0, 5.0), (0.0, 9.0)]
)
def test_corner_frequencies_out_of_range_are_refused(written, high_pass, low_pass):
    with pytest.raises(ParameterError) as caught:
        read_fif(written[0]).resampled(["3"], 100.0, high_pass_hz=high_pass, low_pass_hz=low_pass)
    assert caught.value.expected == "0 < high pass < low pass < 250 Hz"


def test_channels_of_another_kind_are_refused(written):
    with pytest.raises(BuilderContractError, match="AUD"):
        read_fif(written[0]).resampled(["3", "AUD"], 100.0)


def test_without_mne_it_says_how_to_get_it(written, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingDependencyError, match="MNE") as caught:
        read_fif(written[0])
    assert caught.value.found == "no mne"
    assert caught.value.mend == "pip install 'deepstrf-hf[eeg]'"


# Real recordings ------------------------------------------------------------------------------------------------------


@pytest.mark.real
def test_a_real_recording_with_eeg_is_read(real_data: Path):
    recording = read_fif(real_data / "fif" / "test_bin_raw.fif")
    assert (len(recording.channels), recording.n_samples) == (32, 7900)
    assert recording.annotations == ()
    names = [channel.name for channel in recording.channels[:3]]
    assert np.isfinite(recording.resampled(names, 100.0, high_pass_hz=1.0)).all()


@pytest.mark.real
def test_a_real_recording_without_eeg_is_refused(real_data: Path):
    with pytest.raises(RawFormatError, match="no EEG channels") as caught:
        read_fif(real_data / "fif" / "test_elekta_3ch_raw.fif")
    assert caught.value.found == "grad, mag, stim"
