"""Alice EEG: the lab's word tables, and the sound of the last segment."""

import csv
import json

import numpy as np
import pytest

from builders.alice_eeg import AliceEeg
from builders.alice_eeg.segments import spectrogram
from builders.alice_eeg.subject import read_subject
from builders.alice_eeg.words import read_words
from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.formats.wav import read_sound
from tests.builders.alice_eeg_trees import gaussian_spectrogram, heeris_spectrogram

SOUND = "DownTheRabbitHoleFinal_SoundFile12.wav"


@pytest.fixture(scope="module")
def sound(real_data):
    return read_sound(real_data / "alice_eeg" / SOUND)


@pytest.mark.real
@pytest.mark.parametrize(("edition", "n_words", "last"), [("v1", 2106, 134), ("v2", 2129, 137)])
def test_both_editions_of_the_words(real_data, edition, n_words, last):
    path = real_data / "alice_eeg" / f"AliceChapterOne-EEG_{edition}.csv"
    words = read_words(path)
    assert sorted(words) == list(range(1, 13))
    assert sum(of_segment.n_words for of_segment in words.values()) == n_words
    assert words[12].n_words == last
    tables = {segment: json.loads(of_segment.table) for segment, of_segment in words.items()}
    assert ("Trigger" in tables[1]) == (edition == "v2")
    assert tables[1]["Word"][:3] == ["Alice", "was", "beginning"]
    assert (tables[1]["onset"][0], tables[1]["offset"][0]) == (0.046, 0.608721)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(value is None for table in tables.values() for value in table["IsLexical"]) == sum(
        row["IsLexical"] == "NaN" for row in rows
    )
    power = [value for segment in range(1, 13) for value in tables[segment]["SndPower"]]
    assert power == [float(row["SndPower"]) for row in rows]  # rows come in the order of segments


@pytest.mark.real
def test_words_of_the_last_segment_lie_within_its_sound(real_data, sound):
    table = json.loads(read_words(real_data / "alice_eeg" / "AliceChapterOne-EEG_v2.csv")[12].table)
    duration = len(sound.samples) / sound.sample_rate_hz
    assert duration == pytest.approx(46.983, abs=5e-4)
    assert max(table["onset"]) < duration


@pytest.mark.real
def test_the_spectrogram_of_a_real_sound(sound):
    assert (len(sound.samples), sound.sample_rate_hz, sound.samples.dtype) == (2_071_953, 44_100, np.int16)
    settings = AliceEeg.default_config("all").settings  # type: ignore[attr-defined]
    got = spectrogram(sound.one_channel(), settings)
    assert got.shape == (8, 4699)
    np.testing.assert_allclose(got, gaussian_spectrogram(sound.samples), rtol=1e-6)


@pytest.mark.real
def test_the_gammatone_spectrogram_of_a_real_sound(sound):
    from dataclasses import replace

    settings = replace(AliceEeg.default_config("all").settings, backend="heeris")  # type: ignore[attr-defined]
    got = spectrogram(sound.one_channel(), settings)
    assert got.shape == (8, 1 + (2_071_953 - 1103) // 441)
    np.testing.assert_allclose(np.log(got + 1e-8), np.log(heeris_spectrogram(sound.samples) + 1e-8), atol=1e-6)


@pytest.mark.real
def test_a_recording_of_another_experiment_is_refused(real_data):
    with pytest.raises(RawFormatError, match="does not say when its sounds began") as caught:
        read_subject(real_data / "fif" / "test_bin_raw.fif", "S01")
    assert (caught.value.field, caught.value.found) == ("annotations", "none")
