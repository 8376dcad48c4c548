"""Names of members: those of real archives are legal, hostile ones are not."""

from __future__ import annotations

import pytest

from deepstrf_hf.download.member_names import NameClashes, split_name, without_wrapper
from deepstrf_hf.errors import ArchiveError


@pytest.mark.parametrize(
    "name",
    [
        "crcns-aa1/MLd_cells/publu0717_8_A/flatrip/spike6",
        "crcns-aa1/all_stims/00C72C5DA1A4C1D0F8E6.wav",
        "__MACOSX/crcns-aa1/._.DS_Store",
        ".DS_Store",
        "._x",
        "A1_single_sites/A1_ARM029a_aefada7c479857e55fdafe3e00e94df189250651.tgz",
        "wehr/20020809-mw-001/site 1 - depth 300µm (v2) [a]'s.mat",
        "nat_waveforms/ESE-23_Sparrows_-_Large_excited_group,.wav",
        "..hidden/...and more",
        "a..b/c...d",
        "console/contents/nullify/auxiliary.mat/com10/lpt",
        "CON_1.mat",
        " leading space",
        "日本語/кошка/e\u0301",
        '~/$HOME/%TEMP%/*?<>|"',
        "n" * 255,
    ],
)
def test_legal(name: str) -> None:
    assert split_name(name, False, "archive") == tuple(name.split("/"))
    assert split_name(f"./{name}", False, "archive") == tuple(name.split("/"))
    assert split_name(f"{name}/", True, "archive") == tuple(name.split("/"))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../a", "the component '..'"),
        ("/a", "an absolute path"),
        ("C:a", "a colon"),
        ("a\\b", "a backslash"),
        ("a\x1fb", "a control character"),
        ("a//b", "an empty component"),
        ("a/", "an empty component"),
        (".", "the component '.'"),
        ("a./b", "ends in a space or dot"),
        ("x/Nul.tar.gz", "reserves for a device"),
        ("\udcff", "not UTF-8"),
        ("é" * 128, "a component of more than 255 bytes"),
        ("d/" * 600 + "f", "more than 1000 bytes"),
    ],
)
def test_illegal(name: str, why: str) -> None:
    with pytest.raises(ArchiveError, match=f"not safe.*{why}") as refused:
        split_name(name, False, "here/archive.zip")
    assert "File: here/archive.zip" in str(refused.value)
    assert len(str(refused.value)) < 700
    assert str(refused.value).isprintable(), "nothing that a terminal would obey"


def test_the_folder_of_all_folders() -> None:
    assert split_name(".", True, "archive") == split_name("./", True, "archive") == ()


def test_names_that_differ_are_no_clash() -> None:
    clashes = NameClashes("archive")
    for name in ("a/b", "a/c", "ab", "b/a", "b/b", "e", "é", "ss1", "s"):
        clashes.add(tuple(name.split("/")), False)
    for name in ("a", "b", "a", "c/d", "c"):
        clashes.add(tuple(name.split("/")), True)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a", "a"),
        ("a", "A"),
        ("a/b", "A/c"),
        ("a", "a/b"),
        ("a/b", "a"),
        ("é", "E\u0301"),
        ("ǰ", "J\u030c"),
        ("ß", "SS"),
    ],
)
def test_clashes(first: str, second: str) -> None:
    clashes = NameClashes("archive")
    clashes.add(tuple(first.split("/")), False)
    with pytest.raises(ArchiveError, match="overwrite each other"):
        clashes.add(tuple(second.split("/")), False)


def test_wrapper() -> None:
    members = [(("a",), True), (("a", "b"), True), (("a", "b", "c"), False), (("__MACOSX", "x"), False)]
    assert without_wrapper(members, ("a", "b")) == [(), (), ("c",), ()]
    assert without_wrapper(members, ()) == [parts for parts, _ in members]
    assert without_wrapper([*members, (("d",), False)], ("a",)) == [*(parts for parts, _ in members), ("d",)]
