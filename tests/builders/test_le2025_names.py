"""What names of Le 2025 tell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.le2025.names import (
    CONDITIONS,
    VARIANTS,
    SoundName,
    UnitName,
    area_group,
    parse_age,
    parse_sound_name,
    parse_unit_name,
)

MOTIFS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)


@given(MOTIFS, st.sampled_from(sorted(CONDITIONS)), st.sampled_from("12"))
def test_names_of_nat8a(motif, condition, interval):
    whole = condition == "continuous"
    name = f"{motif}_{condition}" + ("" if whole else interval)
    expected = SoundName(motif, CONDITIONS[condition], None if whole else interval)
    assert parse_sound_name(name) == expected


@given(MOTIFS, st.sampled_from(VARIANTS), st.sampled_from(["1", "2", "2a", "4a"]), st.none() | st.integers(-30, 60))
def test_names_of_nat8b_and_synth8b(motif, variant, interval, snr):
    interval = None if variant in ("C", "CM") else interval
    name = (
        f"ep_{motif}_{variant}" + ("" if interval is None else f"_g{interval}") + ("" if snr is None else f"_snr{snr}")
    )
    assert parse_sound_name(name) == SoundName(motif, variant, interval, snr)


@pytest.mark.parametrize(
    "name",
    ["calibration", "B189_reversed", "B189_gap", "B189_gap3", "B189_continuous1", "ep_m_GX_g1", "ep_m_G", "ep_m_C_g1"]
    + ["ep_m_CM_g1_snr0", "ep_m_GB_g_snr0", "ep_m_GB_g1_snr", "ep__C", "_gap1", "ep_a_b_C", "ep_m_c", "", "ep_m_C.1"],
)
def test_other_names_tell_nothing(name):
    assert parse_sound_name(name) is None


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("O129_p2r3_ch4_c33", UnitName("O129", "O129_p2r3", 4, 33)),
        ("C43_1_1_c109", UnitName("C43", "C43_1_1", None, 109)),
        ("C54a_10_2_c0", UnitName("C54a", "C54a_10_2", None, 0)),
        ("C43_1_1", UnitName("C43")),
        ("C43_p1r1_c3", UnitName("C43")),
        ("whatever", UnitName("whatever")),
    ],
)
def test_names_of_units(stem, expected):
    assert parse_unit_name(stem) == expected


@pytest.mark.parametrize(
    ("text", "days"),
    [("1y234d", 599), ("2y", 730), ("98d", 98), ("0d", 0), (" 1y0d ", 365)]
    + [("unknown", None), ("", None), (None, None), ("d", None), ("3w", None), ("1y 2d", None), ("-3d", None)],
)
def test_ages(text, days):
    assert parse_age(text) == days


@pytest.mark.parametrize(
    ("area", "group"),
    [("NCM", "NCM/L3"), ("NCM/L3", "NCM/L3"), ("L3", "NCM/L3"), ("L2a", "L2a/b"), ("L2a/b", "L2a/b"), ("l2", "L2a/b")]
    + [("CM", "CM/L1"), ("CM / L1", "CM/L1"), ("CMM", "CM/L1"), ("HVC", None), ("", None), (None, None), ("M", None)],
)
def test_areas_are_grouped_whatever_the_spelling(area, group):
    assert area_group(area) == group
