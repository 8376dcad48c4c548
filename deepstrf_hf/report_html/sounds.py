"""Sounds of a report page: which may be embedded, and copies that browsers play."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr

from deepstrf_hf.audio import decode_audio
from deepstrf_hf.corpus import Cohort, Corpus, Redistribution
from deepstrf_hf.licence_gate import VERDICTS
from deepstrf_hf.report_html.pictures import data_uri

LOWEST_HZ, LISTENING_HZ = 8000, 48_000
"""Rates between which every browser plays a sound; others are resampled to the higher one."""
FLAC = b"fLaC"
"""Beginning of a FLAC file."""


@dataclass(frozen=True)
class SoundRule:
    """Whether sounds are embedded, and what the page says about it.

    Parameters
    ----------
    embed : bool
        Whether.
    note : str
        Why not, or what the reader must heed; empty where sounds are embedded and may be handed on.
    """

    embed: bool
    note: str


def sound_rule(corpus: Corpus, cohort: Cohort, audio: bool | None) -> SoundRule:
    """Decide whether the sounds of a cohort are embedded: a page is something that people hand on.

    Parameters
    ----------
    corpus, cohort : Corpus, Cohort
        Declarations.
    audio : bool, optional
        What the user wants; None for what the terms allow.
    """
    restriction, terms = sound_restriction(corpus, cohort)
    if audio is False:
        return SoundRule(False, "Sounds were left out as asked for (--no-audio).")
    if not restriction:
        return SoundRule(True, "")
    if audio is None:
        return SoundRule(
            False,
            f"Sounds are not embedded: {restriction}. {terms} For yourself, the option --audio embeds them; such a "
            "page must stay with you.",
        )
    return SoundRule(True, f"This page is private: it holds sounds, and {restriction}. Do not hand it on. {terms}")


def sound_restriction(corpus: Corpus, cohort: Cohort) -> tuple[str, str]:
    """Return why the sounds of a cohort may not be handed on, and its terms; empty where they may."""
    if corpus.redistribution is not Redistribution.PERMITTED:
        return VERDICTS[corpus.redistribution].format(what="the data"), corpus.licence.terms
    rule = cohort.audio_redistribution or Redistribution.PERMITTED
    if rule is Redistribution.PERMITTED:
        return "", ""
    return VERDICTS[rule].format(what=f"the sounds of {cohort.name}"), cohort.audio_terms


@dataclass(frozen=True)
class PageSound:
    """A sound as a page holds it.

    Parameters
    ----------
    uri : str
        The sound itself.
    note : str
        How it differs from the stored one; empty if it does not.
    """

    uri: str
    note: str


def playable(encoded: bytes, name: str, rate_hz: float) -> PageSound:
    """Return a stored sound as every browser plays it.

    FLAC of a rate that sound cards have stays as it is. All else becomes 16-bit FLAC: resampled where the rate is
    another, scaled where peaks would clip.

    Parameters
    ----------
    encoded : bytes
        FLAC or WAV file.
    name : str
        Stimulus, for the error message.
    rate_hz : float
        True sampling rate, Hz.

    Raises
    ------
    TableFormatError
        The bytes are not a sound file.
    """
    usual_rate = LOWEST_HZ <= rate_hz <= LISTENING_HZ
    if encoded.startswith(FLAC) and usual_rate:
        return PageSound(data_uri(encoded, "audio/flac"), "")
    samples, notes, rate = decode_audio(encoded, name), [], round(rate_hz)
    if not usual_rate:
        samples, rate = soxr.resample(samples, rate_hz, LISTENING_HZ), LISTENING_HZ
        notes.append(f"{LISTENING_HZ:,} Hz instead of {rate_hz:,.10g} Hz")
    peak = float(np.abs(samples).max(initial=0.0))
    if peak > 1:
        samples = samples / np.float32(peak)
        notes.append(f"divided by {peak:.3g}")
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="FLAC", subtype="PCM_16")
    return PageSound(data_uri(buffer.getvalue(), "audio/flac"), "Copy: " + ", ".join([*notes, "16 bit"]))
