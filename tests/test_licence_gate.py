"""Sounds that may not be handed on, in a corpus that otherwise may."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import datasets
import pytest

import builders
from deepstrf_hf import build, load, push
from deepstrf_hf.card import write_card
from deepstrf_hf.corpus import Redistribution
from deepstrf_hf.errors import ParameterError, RedistributionError
from deepstrf_hf.licence_gate import LicenceGate
from deepstrf_hf.report import BuildReport
from tests.toy import Toy, write_toy

TERMS = "The sentences are licensed by the Toy Consortium (TC93)."


class LicensedToy(Toy):
    """Sounds of one cohort may not be handed on."""

    CORPUS = replace(
        Toy.CORPUS,
        name="licensed_toy",
        cohorts=(
            replace(Toy.CORPUS.cohorts[0], audio_redistribution=Redistribution.FORBIDDEN, audio_terms=TERMS),
            Toy.CORPUS.cohorts[1],
        ),
    )


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(builders.BUILDERS, "licensed_toy", f"{__name__}:LicensedToy")


def built(tmp_path: Path, cohort: str, **options: bool) -> Path:
    out = tmp_path / "out"
    build(LicensedToy, [cohort], data_dir=write_toy(tmp_path / "raw"), out=out, **options)
    return out


def gate(directory: Path) -> LicenceGate:
    return LicenceGate.of_build(directory, BuildReport.read(directory), LicensedToy.CORPUS)


@pytest.mark.parametrize("waveform", [False, True])
def test_a_public_push_with_sounds_is_refused_before_anything_is_sent(tmp_path: Path, waveform: bool) -> None:
    directory = built(tmp_path, "counts", waveform=waveform)
    with pytest.raises(RedistributionError) as caught:
        push(directory, "somebody/licensed_toy", private=False)
    message = str(caught.value)
    for part in ("licensed_toy", "sounds of counts", TERMS.rstrip("."), "--no-audio", "--private", "--permission"):
        assert part in message


def test_without_sounds_the_same_cohort_may_be_public(tmp_path: Path) -> None:
    directory = built(tmp_path, "counts", audio=False)
    assert gate(directory).opened_by(None)
    rows = datasets.load_dataset(str(directory), "counts-stimuli", split="train").cast_column(
        "audio", datasets.Audio(decode=False)
    )
    assert {row["audio"] for row in rows} == {None}
    assert {row["stim_sample_rate_hz"] for row in rows} == {row["stim_audio_onset_ms"] for row in rows} == {None}
    assert len(load(directory, "counts")) == 4


def test_a_cohort_whose_sounds_are_free_may_be_public(tmp_path: Path) -> None:
    assert gate(built(tmp_path, "potentials")).opened_by(None)


def test_one_cohort_with_sounds_closes_the_gate_for_all(tmp_path: Path) -> None:
    directory = built(tmp_path, "potentials")
    build(LicensedToy, ["counts"], data_dir=tmp_path / "raw", out=directory)
    assert not gate(directory).opened_by(None)
    assert not gate(directory).opened_by(" \n")
    assert gate(directory).opened_by("Jane Doe, 1 May 2024")


@pytest.mark.parametrize("private", [None, False, True])
@pytest.mark.parametrize("gated", [None, "auto", "manual"])
@pytest.mark.parametrize("permission", [None, " \n", "Jane Doe, 1 May 2024"])
@pytest.mark.parametrize("sounds", [True, False])
def test_what_the_gate_lets_through(
    sounds: bool, private: bool | None, gated: str | None, permission: str | None
) -> None:
    """Without free data or a permission only what is private, and behind no gate, goes through."""
    gate = LicenceGate(LicensedToy.CORPUS, "its terms do not allow the sounds to be handed on" if sounds else "", TERMS)
    free = not sounds or permission == "Jane Doe, 1 May 2024"
    refusal = gate.refusal_of(private, gated, permission)
    assert (refusal is None) == (free or (private is True and gated is None))
    assert gate.says(permission).startswith("may be public" if free else "private only: its terms do not allow")
    if refusal is not None:
        assert ("a gated repository" in str(refusal)) == (gated is not None)


def test_the_card_says_what_holds_for_sounds(tmp_path: Path) -> None:
    directory = built(tmp_path, "counts")
    write_card(LicensedToy.CORPUS, BuildReport.read(directory), directory)
    assert f"Sounds of `counts`: {TERMS}" in (directory / "README.md").read_text(encoding="utf-8")


def test_rows_that_carry_waveforms_need_them(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="without audio"):
        built(tmp_path, "counts", waveform=True, audio=False)
