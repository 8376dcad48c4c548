"""Any tree of legal names comes out as it went in; with one hostile member in it, nothing comes out."""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepstrf_hf.download.tar_members import TarMembers
from deepstrf_hf.download.unpack import unpack
from deepstrf_hf.errors import ArchiveError
from scripts.archives.hostile import CLASHES, KINDS_OF_TAR, NAMES
from scripts.archives.packing import TarMember, ZipMember, pax, tgz_by_library, tgz_of, zip_by_library, zip_of
from tests.download.archive_helpers import AMPLE, members_of, tree

RESERVED = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{p}{n}" for p in ("com", "lpt") for n in "0123456789¹²³"
}


def caseless(text: str) -> str:
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())


def legal(part: str) -> bool:
    return not part.endswith((" ", ".")) and part.split(".")[0].strip().lower() not in RESERVED


letters = st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="/\\:")
parts = st.text(letters, min_size=1, max_size=12).filter(legal) | st.sampled_from(
    [".DS_Store", "__MACOSX", "._a", "a b"]
)
contents = st.binary(max_size=300) | st.builds(
    lambda block, n: block * n, st.binary(min_size=1, max_size=9), st.integers(0, 900)
)


def folders(children: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.lists(st.tuples(parts, children), max_size=4, unique_by=lambda item: caseless(item[0])).map(dict)


trees = st.tuples(folders(st.recursive(contents, folders, max_leaves=6)), contents).map(
    lambda pair: {**{name: item for name, item in pair[0].items() if caseless(name) != "readme"}, "README": pair[1]}  # type: ignore[attr-defined]
)


def flat(tree: object, above: str = "") -> dict[str, bytes]:
    """Return members by name, folders with a slash at the end and before their content."""
    found: dict[str, bytes] = {}
    for name, item in tree.items():  # type: ignore[attr-defined]
        if isinstance(item, bytes):
            found[above + name] = item
        else:
            found |= {f"{above}{name}/": b"", **flat(item, f"{above}{name}/")}
    return found


PACKERS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "zip": zip_by_library,
    "own zip": lambda files: zip_of([ZipMember(name, content, mode=0) for name, content in files.items()]),
    "tar.gz": tgz_by_library,
    "tar": lambda files: gzip.decompress(tgz_by_library(files)),
}


@pytest.mark.parametrize("kind", PACKERS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(tree_in=trees, listed=st.booleans())
def test_trees_come_out_as_they_went_in(kind: str, tree_in: object, listed: bool) -> None:
    members = flat(tree_in)
    files = {name: content for name, content in members.items() if not name.endswith("/")}
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "raw"
        archive = io.BytesIO(PACKERS[kind](members if listed else files))
        assert unpack(archive, target, limits=AMPLE) == members_of(files)
        expected: dict[str, bytes | None] = dict(files)
        above = [path for name in (members if listed else files) for path in Path(name).parents if path.name]
        expected |= dict.fromkeys([path.as_posix() for path in above])
        expected |= {name[:-1]: None for name in members if listed and name.endswith("/")}
        assert tree(target) == expected
        assert [path.name for path in Path(directory).iterdir()] == ["raw"]


hostile_names = st.sampled_from(sorted(NAMES.values()))
members_to_mix = st.one_of(
    hostile_names.map(lambda name: [(name, None)]),
    st.tuples(parts, hostile_names).map(lambda pair: [(f"{pair[0]}/{pair[1]}", None)]),
    st.sampled_from(sorted(CLASHES.values())).map(lambda pair: [(pair[0], None), (pair[1], None)]),
    st.sampled_from(sorted(KINDS_OF_TAR)).map(lambda kind: [("odd", kind)]),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(tree_in=trees, mixed=members_to_mix, data=st.data())
def test_one_hostile_member_spoils_a_tree(
    tree_in: object, mixed: list[tuple[str, str | None]], data: st.DataObject
) -> None:
    zipped, tarred = [], []
    for name, content in flat(tree_in).items():
        if not name.endswith("/"):
            zipped.append(ZipMember(name, content))
            tarred.append([pax({"path": name}), TarMember("x", content)])
    for name, kind in mixed:
        place = data.draw(st.integers(0, len(zipped)))
        raw = name.encode("utf-8", "surrogateescape")
        zipped.insert(place, ZipMember(raw, b"x", mode=0o120777 if kind else 0o100644))
        tarred.insert(place, [KINDS_OF_TAR[kind]] if kind else [pax({"path": name}), TarMember("x", b"x")])
    for archive in (zip_of(zipped), tgz_of([member for pair in tarred for member in pair])):
        with tempfile.TemporaryDirectory() as directory:
            with pytest.raises(ArchiveError):
                unpack(io.BytesIO(archive), Path(directory) / "raw", limits=AMPLE)
            assert list(Path(directory).iterdir()) == []


@settings(max_examples=300)
@given(
    kind=st.sampled_from(sorted(PACKERS)),
    changes=st.lists(
        st.tuples(st.integers(0, 10**6), st.binary(max_size=6), st.integers(0, 6)), min_size=1, max_size=4
    ),
)
def test_whatever_is_done_to_an_archive(kind: str, changes: list[tuple[int, bytes, int]]) -> None:
    """Bytes replaced, put in or left out anywhere: an `ArchiveError`, or files as whole as they were."""
    files = {"folder/": b"", "folder/a": b"abc" * 200, "b": bytes(range(256)), "é": b""}
    archive = PACKERS[kind](files)
    for place, put_in, left_out in changes:
        place %= len(archive) + 1
        archive = archive[:place] + put_in + archive[place + left_out :]
    with tempfile.TemporaryDirectory() as directory:
        try:
            members = unpack(io.BytesIO(archive), Path(directory) / "raw", limits=AMPLE)
        except ArchiveError:
            assert list(Path(directory).iterdir()) == []
        else:
            assert kind == "tar" or set(members) <= set(members_of(files))


@settings(max_examples=200)
@given(
    kind=st.sampled_from(sorted(PACKERS)),
    tree_in=trees,
)
def test_the_standard_library_reads_the_same(kind: str, tree_in: object) -> None:
    """What is unpacked is what the standard library reads from the same archive."""
    members = flat(tree_in)
    archive = PACKERS[kind](members)
    found: dict[str, bytes] = {}
    if "zip" in kind:
        with zipfile.ZipFile(io.BytesIO(archive)) as reader:
            found = {info.filename: reader.read(info) for info in reader.infolist() if not info.is_dir()}
    else:
        with tarfile.open(fileobj=io.BytesIO(archive)) as reader:
            for info in reader:
                file = reader.extractfile(info)
                if file is not None:
                    found[info.name] = file.read()
    with tempfile.TemporaryDirectory() as directory:
        assert unpack(io.BytesIO(archive), Path(directory) / "raw", limits=AMPLE) == members_of(found)


@settings(max_examples=100)
@given(
    records=st.dictionaries(
        st.text(letters.filter(lambda c: c != "="), min_size=1, max_size=9), st.text(max_size=120), max_size=5
    )
)
def test_pax_records_of_any_text(records: dict[str, str]) -> None:
    """Keywords that are not used are passed over, whatever their values hold."""
    kept = {
        key: value
        for key, value in records.items()
        if key not in ("path", "size") and max(value, default="") < "\ud800"
    }
    content = zlib.compress(b"content")
    archive = tgz_of([pax({**kept, "path": "a name"}), TarMember("x", content)])
    (entry,) = TarMembers(io.BytesIO(archive), "archive").entries()
    assert (entry.name, entry.is_folder, entry.size_bytes) == ("a name", False, len(content))


records_or_junk = st.binary(max_size=30) | st.sampled_from(
    [b"9 a=bcde\n", b"10 path=b\n", b"10 size=3\n", b"9 ", b" ", b"=\n"]
)


@settings(max_examples=400)
@given(text=st.lists(records_or_junk, max_size=6).map(b"".join))
def test_pax_headers_of_any_bytes(text: bytes) -> None:
    """Read to the end, or refused; never read for ever."""
    archive = tgz_of([TarMember("pax", text, tarfile.XHDTYPE), TarMember("a", b"xyz")])
    try:
        (entry,) = TarMembers(io.BytesIO(archive), "archive").entries()
    except ArchiveError:
        return
    assert entry.size_bytes == 3
    assert entry.name in ("a", "b")
