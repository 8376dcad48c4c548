"""What names of files and areas tell."""

from __future__ import annotations

import re
from typing import NamedTuple

VARIANTS = ("C", "CM", "G", "N", "GB", "CB", "GM")
CONDITIONS = {"continuous": "C", "gap": "G", "noise": "N", "gapnoise": "GB", "continuousnoise": "CB"}
"""Variants of nat8a, as its files spell them."""
VERBOSE = re.compile(r"(?P<motif>[^_]+)_(?P<condition>[a-z]+?)(?P<interval>[12])?")
TERSE = re.compile(
    r"ep_(?P<motif>[^_]+)_(?P<variant>[A-Z]+)(?:_g(?P<interval>[0-9A-Za-z]+))?(?:_snr(?P<snr>-?[0-9]+))?"
)
SYNTHETIC = "synth"
MOTIFS_OF_NAT8B = dict(
    zip((f"nat8mk{k}" for k in range(8)), ("B189", "R56", "R180", "B30", "B72", "B2", "O129", "R253"), strict=True)
)
"""Song bird of each motif of nat8b, as the lab lists them."""
ALPHA_UNIT = re.compile(r"(?P<site>(?P<animal>[^_]+)_p[0-9]+r[0-9]+)_ch(?P<channel>[0-9]+)_c(?P<cluster>[0-9]+)")
UNIT = re.compile(r"(?P<site>(?P<animal>[^_]+)_[0-9]+_[0-9]+)_c(?P<cluster>[0-9]+)")
AGE = re.compile(r"(?:(?P<years>[0-9]+)y)?(?:(?P<days>[0-9]+)d)?")
AREA_GROUPS = {
    "NCM/L3": ("ncm", "l3", "ncm/l3", "l3/ncm"),
    "L2a/b": ("l2", "l2a", "l2b", "l2a/b", "l2a/l2b"),
    "CM/L1": ("cm", "cmm", "clm", "l1", "cm/l1", "l1/cm"),
}
"""The lab's groups of areas (Le et al. 2025), and the spellings of each."""


class SoundName(NamedTuple):
    """What the name of a sound file tells.

    Parameters
    ----------
    motif, variant : str
        As in the columns of stimuli.
    interval : str or None
        Critical interval.
    snr_db : int or None
        Level of the motif above the noise, dB.
    """

    motif: str
    variant: str
    interval: str | None = None
    snr_db: int | None = None


def parse_sound_name(stem: str) -> SoundName | None:
    """Take the name of a sound file apart.

    Parameters
    ----------
    stem : str
        Without extension: ``<motif>_<condition>[<interval>]``, or
        ``ep_<motif>_<variant>[_g<interval>][_snr<level>]``.

    Returns
    -------
    SoundName or None
        None where it is not of this form: another condition, or an interval where there can be none, or none where
        there must be one.
    """
    if match := TERSE.fullmatch(stem):
        variant, interval, snr = match["variant"], match["interval"], match["snr"]
        motif = match["motif"]
    elif match := VERBOSE.fullmatch(stem):
        variant, interval, snr = CONDITIONS.get(match["condition"], ""), match["interval"], None
        motif = match["motif"]
    else:
        return None
    if variant not in VARIANTS or (interval is None) != (variant in ("C", "CM")):
        return None
    return SoundName(motif, variant, interval, None if snr is None else int(snr))


class UnitName(NamedTuple):
    """What the name of a unit's file tells.

    Parameters
    ----------
    animal : str
        Text up to the first underscore.
    site : str or None
        Recording site.
    channel, cluster : int or None
        Where the name is of a known form.
    """

    animal: str
    site: str | None = None
    channel: int | None = None
    cluster: int | None = None


def parse_unit_name(stem: str) -> UnitName:
    """Take the name of a unit's file apart: ``<bird>_p1r2_ch3_c4`` or ``<bird>_1_2_c4``; of others, the bird alone."""
    if match := ALPHA_UNIT.fullmatch(stem):
        return UnitName(match["animal"], match["site"], int(match["channel"]), int(match["cluster"]))
    if match := UNIT.fullmatch(stem):
        return UnitName(match["animal"], match["site"], None, int(match["cluster"]))
    return UnitName(stem.partition("_")[0])


def parse_age(text: str | None) -> int | None:
    """Return an age such as ``1y234d``, ``2y`` or ``98d`` in days, a year as 365; None for anything else."""
    match = AGE.fullmatch((text or "").strip())
    if not match or not match[0]:
        return None
    return 365 * int(match["years"] or 0) + int(match["days"] or 0)


def area_group(area: str | None) -> str | None:
    """Return the group that an area belongs to; None where it is not one of theirs."""
    spelled = re.sub(r"\s+", "", area or "").lower()
    return next((group for group, spellings in AREA_GROUPS.items() if spelled in spellings), None)
