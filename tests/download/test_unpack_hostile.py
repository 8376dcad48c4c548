"""Hostile and broken archives are refused, each for its own fault, and leave nothing."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from deepstrf_hf.download.unpack import unpack
from deepstrf_hf.errors import ArchiveError
from scripts.archives.flips import example_archives, tree, try_flips
from scripts.archives.hostile import GOOD_TAR, GOOD_ZIP, GROUPS, LIMITS
from scripts.archives.packing import TarMember, ZipMember, tgz_of, zip_by_library, zip_of
from scripts.unpack_hostile import outcome_of

FAULTS = {
    "name, zip": "name that is not safe|not UTF-8|mode 0o100644|'../outside', method",
    "name, tar": "name that is not safe|for all members",
    "clash, zip": "overwrite each other",
    "clash, tar": "overwrite each other",
    "kind, zip": "cannot be unpacked",
    "kind, tar": "cannot be unpacked",
    "bomb, zip": "more than was declared|does not have the size|lie over each other|does not end|after the last of",
    "bomb, tar": "more than was declared|extension header of|of -[0-9]* bytes|pax header|after its end",
    "damage, zip": "damaged|lie over each other|stored in",
    "damage, tar": "damaged, cut short",
    "no archive": "not a tar archive|holds no files|kind of archive",
}
"""What errors of each group may say."""


def test_groups_and_their_numbers() -> None:
    assert set(GROUPS) == set(FAULTS)
    assert sum(len(dict(archives())) for archives in GROUPS.values()) > 450, "and no two of a group have one name"


def test_what_is_wrong_in_them_is_all_that_is_wrong(tmp_path: Path) -> None:
    """The writers of the hostile archives write good ones, too, with the same limits."""
    for number, archive in enumerate(
        (zip_of([GOOD_ZIP, ZipMember("other", b"x")]), tgz_of([GOOD_TAR, TarMember("other", b"x")]))
    ):
        (tmp_path / str(number)).mkdir()
        assert outcome_of(archive, tmp_path / str(number)) == ("got through", "")


@pytest.mark.parametrize("group", FAULTS)
def test_refused_without_a_trace(group: str, tmp_path: Path) -> None:
    wrong: dict[str, tuple[str, str]] = {}
    for number, (name, archive) in enumerate(GROUPS[group]()):
        directory = tmp_path / str(number)
        directory.mkdir()
        outcome, said = outcome_of(archive, directory)
        if outcome != "refused" or not re.search(FAULTS[group], said):
            wrong[name] = outcome, said
    assert wrong == {}


@pytest.mark.parametrize("group", FAULTS)
def test_refused_where_there_is_an_earlier_tree(group: str, tmp_path: Path) -> None:
    """The earlier tree stays; with `wanted`, hostile members are refused even if they are not wanted."""
    target = tmp_path / "data" / "target"
    unpack(io.BytesIO(zip_of([ZipMember("earlier", b"mine")])), target, limits=LIMITS)
    before = tree(tmp_path)
    for name, archive in GROUPS[group]():
        with pytest.raises(ArchiveError):
            unpack(io.BytesIO(archive), target, limits=LIMITS)
        assert tree(tmp_path) == before, name
        if group.startswith(("name", "clash", "kind", "bomb")) and "own header" not in name and "lies" not in name:
            with pytest.raises(ArchiveError):
                unpack(io.BytesIO(archive), target, limits=LIMITS, wanted=lambda name: False)
            assert tree(tmp_path) == before, name


def test_a_lie_about_the_size_is_caught_while_writing(tmp_path: Path) -> None:
    """Megabytes that announce themselves as ten bytes are not unpacked to find out."""
    zeros = bytes(2**26)
    archive = zip_of([ZipMember("zeros", zeros, size=10, crc=0)])
    del zeros
    steps: list[int] = []
    with pytest.raises(ArchiveError, match="Found: 1048576 bytes or more. Expected: 10 bytes"):
        unpack(io.BytesIO(archive), tmp_path / "raw", limits=LIMITS, progress=steps.append)
    assert steps == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_flips_of_single_bits(kind: str, tmp_path: Path) -> None:
    flips = try_flips(example_archives(1)[kind], 120, 1, tmp_path)
    assert set(flips.outcomes) <= {"detected", "identical"}
    assert flips.outcomes["detected"] > 100
    assert flips.by_sha256 == 120


def test_flips_at_every_bit_of_headers(tmp_path: Path) -> None:
    """In a small zip archive of a stored and a deflated file and a folder, each bit of all that is not content."""
    files = {"é/": b"", "é/a": b"abc" * 5, "b": b"abc"}
    archive = zip_by_library(files)
    unpack(io.BytesIO(archive), tmp_path / "whole", limits=LIMITS)
    expected = tree(tmp_path / "whole")
    harmless = 0
    for bit in range(8 * len(archive)):
        broken = bytearray(archive)
        broken[bit // 8] ^= 1 << bit % 8
        target = tmp_path / str(bit)
        try:
            unpack(io.BytesIO(broken), target, limits=LIMITS)
        except ArchiveError:
            assert not target.exists()
        else:
            assert tree(target) == expected, f"bit {bit % 8} of byte {bit // 8}"
            harmless += 1
    assert 0 < harmless < 4 * len(archive)
