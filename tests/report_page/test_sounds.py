"""Sounds on the page: only where the terms allow them, and so that browsers play them."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from deepstrf_hf.audio import audio_bytes
from deepstrf_hf.corpus import Redistribution
from deepstrf_hf.recording import Stimulus
from deepstrf_hf.report_html.sounds import LISTENING_HZ, LOWEST_HZ, playable
from tests.report_page.corpora import built, page_of
from tests.toy import Toy

TERMS = "The sentences are licensed by the Toy Consortium."


@pytest.mark.parametrize(
    ("of_corpus", "of_sounds", "free"),
    [
        (Redistribution.PERMITTED, None, True),
        (Redistribution.PERMITTED, Redistribution.PERMITTED, True),
        (Redistribution.PERMITTED, Redistribution.FORBIDDEN, False),
        (Redistribution.PERMITTED, Redistribution.UNVERIFIED, False),
        (Redistribution.UNVERIFIED, None, False),
        (Redistribution.UNVERIFIED, Redistribution.PERMITTED, False),
        (Redistribution.FORBIDDEN, None, False),
    ],
)
@pytest.mark.parametrize("audio", [None, True, False])
def test_sounds_are_embedded_where_terms_allow_it_or_on_request(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    know_toys: None,
    of_corpus: Redistribution,
    of_sounds: Redistribution | None,
    free: bool,
    audio: bool | None,
) -> None:
    cohort = replace(Toy.CORPUS.cohorts[0], audio_redistribution=of_sounds, audio_terms=TERMS)
    monkeypatch.setattr(Toy, "CORPUS", replace(Toy.CORPUS, redistribution=of_corpus, cohorts=(cohort,)))
    directory = built(Toy, tmp_path)
    page = page_of(directory, tmp_path / "page.html", audio=audio)
    embedded = free if audio is None else audio
    assert len(page.all("audio")) == (4 if embedded else 0)
    assert ("data:audio" in (tmp_path / "page.html").read_text(encoding="utf-8")) == embedded
    said = " ".join(element.text for element in page.all("p", class_="notice"))
    assert ("This page is private" in said) == (audio is True and not free)
    assert ("Sounds are not embedded" in said and "--audio" in said) == (audio is None and not free)
    assert ("as asked for (--no-audio)" in said) == (audio is False)
    if not free and audio is not False:
        assert (TERMS if of_corpus is Redistribution.PERMITTED else "Cite it.") in said


def test_a_build_without_sounds_says_nothing_of_terms(tmp_path: Path, know_toys: None) -> None:
    page = page_of(built(Toy, tmp_path, audio=False), tmp_path / "page.html")
    assert not page.all("audio")
    assert "The tables hold no waveforms." in page.text
    assert "Sounds" not in page.text


def stored(waveform: np.ndarray, rate_hz: float) -> bytes:
    encoded = audio_bytes(Stimulus("x", np.zeros((1, 1), np.float32), {}, waveform, rate_hz))
    assert encoded is not None
    return bytes(encoded["bytes"])


def embedded(uri: str) -> bytes:
    head, content = uri.split(",")
    assert head == "data:audio/flac;base64"
    return base64.b64decode(content)


@pytest.mark.parametrize("rate_hz", [8000.0, 16_000.0, 44_100.0, 48_000.0])
def test_flac_of_a_usual_rate_stays_as_it_is(rate_hz: float) -> None:
    encoded = stored(np.arange(-500, 500, dtype=np.int16), rate_hz)
    sound = playable(encoded, "x", rate_hz)
    assert (embedded(sound.uri), sound.note) == (encoded, "")


@pytest.mark.parametrize("rate_hz", [1000.0, 16_000.0, 24_414.0625, 48_828.125, 97_656.25, 250_000.0])
@pytest.mark.parametrize(
    ("peak", "kind"), [(0.05, np.int16), (0.9, np.int16), (0.05, np.float32), (0.9, np.float32), (14.2, np.float32)]
)
def test_all_else_becomes_a_copy_that_sounds_the_same(rate_hz: float, peak: float, kind: type) -> None:
    """A tone far below both rates keeps its frequency and length; its peak stays unless it would clip."""
    times_s = np.arange(int(rate_hz)) / rate_hz
    tone = peak * np.sin(2 * np.pi * 200 * times_s)
    waveform = tone.astype(np.float32) if kind is np.float32 else np.rint(tone * 32_767).astype(np.int16)
    encoded = stored(waveform, rate_hz)
    sound = playable(encoded, "x", rate_hz)
    samples, rate = soundfile.read(io.BytesIO(embedded(sound.uri)))
    assert LOWEST_HZ <= rate <= LISTENING_HZ
    assert len(samples) / rate == pytest.approx(1, abs=1e-3)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert np.argmax(spectrum) * rate / len(samples) == pytest.approx(200, abs=2)
    assert np.abs(samples[1000:-1000]).max() == pytest.approx(min(peak, 1.0), rel=0.05)
    unusual = not LOWEST_HZ <= rate_hz <= LISTENING_HZ
    assert ("48,000 Hz instead of" in sound.note) == unusual
    assert ("divided by 14." in sound.note) == (peak > 1)


def test_the_copy_is_the_same_every_time() -> None:
    encoded = stored(np.linspace(-3, 3, 500, dtype=np.float32), 97_656.25)
    assert playable(encoded, "x", 97_656.25) == playable(encoded, "x", 97_656.25)
