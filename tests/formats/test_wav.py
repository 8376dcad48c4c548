import numpy as np
import pytest
import scipy.io.wavfile
import soundfile

from deepstrf_hf.errors import MissingRawFileError, RawFormatError
from deepstrf_hf.formats.wav import read_sound, read_wav


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "sound.without.extension"
    values = np.linspace(-14, 14, 1000, dtype=np.float32)
    scipy.io.wavfile.write(path, 48_828, values)
    return path, values


def test_values_are_as_stored_beyond_one(sound):
    path, values = sound
    np.testing.assert_array_equal(read_wav(path, sample_rate_hz=48_828), values)


def test_wrong_rate_is_named(sound):
    with pytest.raises(RawFormatError) as caught:
        read_wav(sound[0], sample_rate_hz=44_100)
    assert caught.value.found == "48828 Hz"
    assert caught.value.expected == "44100 Hz"
    assert str(sound[0]) in str(caught.value)


def test_wrong_channels_are_named(tmp_path):
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.zeros((10, 2)), 8000)
    with pytest.raises(RawFormatError, match="channels"):
        read_wav(path, sample_rate_hz=8000)


@pytest.mark.parametrize("keep", [3000, 100, 44, 20, 4, 0])
def test_a_file_cut_short_is_refused(sound, keep):
    path, _ = sound
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RawFormatError) as caught:
        read_wav(path, sample_rate_hz=48_828)
    assert caught.value.mend is not None


def test_not_a_sound(tmp_path):
    path = tmp_path / "text.wav"
    path.write_text("this is not a sound file at all, only text")
    with pytest.raises(RawFormatError, match="cannot be read"):
        read_wav(path, sample_rate_hz=48_828)


def test_a_wave_header_with_nonsense_behind_it(tmp_path):
    path = tmp_path / "odd.wav"
    path.write_bytes(b"RIFF" + (40).to_bytes(4, "little") + b"WAVE" + b"\x99" * 60)
    with pytest.raises(RawFormatError, match="cannot be read"):
        read_wav(path, sample_rate_hz=48_828)


def test_sounds_of_any_rate_and_number_of_channels(tmp_path):
    values = np.random.default_rng(0).integers(-(2**15), 2**15, (50, 2)).astype(np.int16)
    scipy.io.wavfile.write(tmp_path / "stereo.wav", 11_025, values)
    stereo = read_sound(tmp_path / "stereo.wav")
    assert stereo.samples.dtype == np.int16 and stereo.sample_rate_hz == 11_025
    np.testing.assert_array_equal(stereo.samples, values)
    np.testing.assert_allclose(stereo.one_channel(), values.mean(axis=1) / 32768, atol=1e-7)
    scipy.io.wavfile.write(tmp_path / "mono.wav", 97_656, values[:, 0].astype(np.float32))
    mono = read_sound(tmp_path / "mono.wav")
    assert mono.samples.dtype == np.float32 and mono.sample_rate_hz == 97_656
    np.testing.assert_array_equal(mono.one_channel(), values[:, 0].astype(np.float32))


def test_sounds_that_cannot_be_read(tmp_path):
    with pytest.raises(MissingRawFileError, match="missing"):
        read_sound(tmp_path / "nothing.wav")
    (tmp_path / "text.wav").write_text("this is not a sound file at all, only text")
    with pytest.raises(RawFormatError, match=r"cannot be read.*text\.wav"):
        read_sound(tmp_path / "text.wav")
    scipy.io.wavfile.write(tmp_path / "short.wav", 8000, np.ones(100, np.int16))
    (tmp_path / "short.wav").write_bytes((tmp_path / "short.wav").read_bytes()[:150])
    with pytest.raises(RawFormatError, match="cut short"):
        read_sound(tmp_path / "short.wav")
