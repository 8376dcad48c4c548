"""Corpora to make pages of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import builders
from deepstrf_hf import build, report_page
from deepstrf_hf.recording import Neuron, Recording, Stimulus
from tests.report_page.markup import Page, check_sound
from tests.toy import Toy, toy_response, toy_stimulus, write_toy

HOSTILE = (
    """<script>window.taken=1</script><img src=x onerror="window.taken=1">"'`&amp;{{7*7}}{% raw %}</style></script>"""
    """<!--]]>\u202e$x^2$ \\(y\\) javascript:alert(1)//"""
)
"""A name that would like to be more than a name."""


class HostileToy(Toy):
    """Everything that comes from files is hostile: names, metadata, divisions, reasons, notes."""

    CORPUS = replace(Toy.CORPUS, name="hostile_toy")

    @classmethod
    def recordings(cls, raw: Any, cohort: Any, config: Any, part: Any, log: Any) -> Iterator[Recording]:
        log.leave_out("units", f"left {HOSTILE}", f"reason {HOSTILE}")
        log.leave_out_amount("spikes", f"nameless {HOSTILE}", 7)
        log.note(f"note {HOSTILE}")
        for index in range(4):
            plain = toy_stimulus(index, 0, cohort)
            stimulus = Stimulus(
                f"{plain.stim_id} {HOSTILE}",
                plain.spectrogram,
                {"name": f"{index} {HOSTILE}", "level": 60.0},
                plain.waveform,
                1000.0,
            )
            for number in range(2):
                neuron = Neuron(f"{part.name}-n{number} {HOSTILE}", {"site": f"{part.name} {HOSTILE}", "good": None})
                response = toy_response(plain, f"{part.name}-n{number}", cohort, config)
                yield Recording(stimulus, neuron, response)


class ManyToy(Toy):
    """More stimuli than fit, with sounds that browsers play as they are."""

    CORPUS = replace(Toy.CORPUS, name="many_toy", cohorts=Toy.CORPUS.cohorts[:1])
    N_STIMULI = 30

    @classmethod
    def recordings(cls, raw: Any, cohort: Any, config: Any, part: Any, log: Any) -> Iterator[Recording]:
        for index in range(cls.N_STIMULI):
            rng = np.random.default_rng(index)
            spectrogram = rng.normal(size=(3, 20)).astype(np.float32)
            sound = rng.integers(-9000, 9000, 1600).astype(np.int16)
            stimulus = Stimulus(f"sound{index:02d}", spectrogram, {"name": "noise", "level": 60.0}, sound, 16_000.0)
            for number in range(2):
                neuron = Neuron(f"{part.name}-n{number}", {"site": part.name, "good": number == 0})
                yield Recording(stimulus, neuron, rng.poisson(1.0, (3, 20)))


TOYS = (Toy, HostileToy, ManyToy)


def built(corpus: type[Toy], tmp_path: Path, **options: Any) -> Path:
    """Build a toy corpus."""
    out = tmp_path / corpus.CORPUS.name
    build(corpus, data_dir=write_toy(tmp_path / "raw"), out=out, **options)
    return out


@pytest.fixture
def know_toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the registry know the toys: a page says what their declarations say."""
    for toy in TOYS:
        monkeypatch.setitem(builders.BUILDERS, toy.CORPUS.name, f"{toy.__module__}:{toy.__name__}")


def page_of(source: Path, output: Path, *arguments: Any, **options: Any) -> Page:
    """Write a page and read it, checking what holds for every one."""
    written = report_page(source, *arguments, output=output, **options)
    content = output.read_bytes()
    assert (written.path, written.size_bytes) == (output, len(content))
    page = Page(content.decode("utf-8"))
    check_sound(page)
    return page
