"""Every corpus: its archives, unpacked where it declares, are a tree that its builder builds to the same rows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deepstrf_hf import build
from deepstrf_hf.corpus import Archive
from deepstrf_hf.download.checksums import parse_checksum
from deepstrf_hf.download.tree_contents import count_contents
from deepstrf_hf.registry import load_builder
from tests.download.packed_corpora import AS_THEY_ARE, WRAPPED, pack, unpack_plainly
from tests.every_corpus import TREES
from tests.test_every_corpus import arrow, assert_same

every_corpus = pytest.mark.parametrize("name", list(TREES))


def archives_of(name: str) -> dict[str, Archive]:
    return {archive.name: archive for archive in load_builder(name).CORPUS.archives}


def unpacked(name: str, tree: Path, directory: Path, *, flat: bool = False) -> Path:
    """Pack a tree and unpack it as declared."""
    data_dir = directory / "data"
    data_dir.mkdir(parents=True)
    for archive, file in pack(name, tree, directory / "packed", flat=flat).items():
        unpack_plainly(archives_of(name)[archive], file, data_dir)
    return data_dir


# What is declared -----------------------------------------------------------------------------------------------------


@every_corpus
def test_what_is_declared_can_be_followed(name: str) -> None:
    corpus = load_builder(name).CORPUS
    cohorts = {cohort.name for cohort in corpus.cohorts}
    columns = {f"stim.{column}" for column in corpus.stimulus_columns}
    columns |= {f"neuron.{column}" for column in corpus.neuron_columns}
    assert len(archives_of(name)) == len(corpus.archives)
    folders = [archive.unpack.into for archive in corpus.archives if archive.unpack]
    assert len({folder.casefold() for folder in folders}) == len(folders), "one folder for each archive"
    for archive in corpus.archives:
        assert set(archive.cohorts) <= cohorts
        assert set(archive.where) <= columns
        assert archive.optional or not (archive.waveforms or archive.by_default)
        assert not re.search(r"[?#@]", archive.url)
        assert "/" not in archive.name
        if archive.checksum:
            parse_checksum(archive.checksum)
        unpack = archive.unpack
        if unpack is None:
            continue
        assert re.fullmatch(r"[A-Za-z0-9._-]+", unpack.into) and not unpack.into.startswith(".")
        assert unpack.contains
        assert set(unpack.of_cohorts) <= set(unpack.contains)
        assert all(set(of) <= cohorts for of in unpack.of_cohorts.values())
        assert sum(number or 1 for number in unpack.contains.values()) < unpack.most_members
        assert (unpack.about_bytes or 0) * 2 < unpack.largest_bytes


@every_corpus
def test_archives_are_those_that_the_documents_describe(name: str) -> None:
    assert set(archives_of(name)) == {*WRAPPED.get(name, {}), *AS_THEY_ARE.get(name, ())}
    kept = {archive.name for archive in archives_of(name).values() if archive.unpack is None}
    assert kept == set(AS_THEY_ARE.get(name, ()))


def test_published_numbers_of_files() -> None:
    """As the documents of the corpora state them."""
    stated = {
        ("crcns_aa1", "crcns-aa1.zip"): {"*_cells/*/*/s*": 2 * 2960, "all_stims/*/*.wav": 30},
        ("crcns_aa2", "crcns-aa2-all_cells.tar.gz"): {"*/*/s*": 37_966},
        ("crcns_aa2", "crcns-aa2-all_stims.tar.gz"): {"*.wav": 145},
        ("alice_eeg", "stimuli.zip"): {"*.wav": 12, "AliceChapterOne-EEG.csv": 1},
        ("espejo", "A1_natural_sounds.tgz"): {"NAT/*.tgz": 35},
        ("espejo", "A1_voc_mod_noise.tgz"): {"VMN/*.tgz": 103},
        ("nat4", "A1_single_sites.zip"): {"A1_*.tgz": 22},
        ("nat4", "PEG_single_sites.zip"): {"PEG_*.tgz": 11 + 1},
        ("nat4", "wav.zip"): {"*.wav": 593},
        ("wingert2026", "recordings.zip"): {"*.tgz": 68},
    }
    for (name, archive), contains in stated.items():
        assert dict(archives_of(name)[archive].unpack.contains) == contains
    units = archives_of("le2025")["zebf-auditory-restoration-1.zip"].unpack.contains
    assert sum(number for pattern, number in units.items() if pattern.endswith(".pprox")) == 794 + 445 + 476
    assert sum(number for pattern, number in units.items() if pattern.endswith(".wav")) == 72 + 96 + 96
    assert load_builder("alice_eeg").CORPUS.raw_counts == {"**/S*_alice-raw.fif": 33}


# Unpacked and built ---------------------------------------------------------------------------------------------------


@every_corpus
def test_unpacked_archives_build_to_the_rows_of_the_tree(name: str, tmp_path: Path) -> None:
    tree = TREES[name].write(tmp_path / "tree", seed=2)
    data_dir = unpacked(name, tree, tmp_path)
    builder = load_builder(name)
    for archive in builder.CORPUS.archives:
        if archive.unpack is not None:
            counted = count_contents(data_dir / archive.unpack.into, archive.unpack)
            assert all(one.files for one in counted), (archive.name, counted)
    reports = [
        build(name, data_dir=source, out=tmp_path / out, on_error="skip")
        for source, out in ((tree, "of_tree"), (data_dir, "of_archives"))
    ]
    for cohort in builder.CORPUS.cohorts:
        counts = [report.cohorts[cohort.name].counts for report in reports]
        assert counts[0] == counts[1]
        assert counts[0]["rows"] > 0
    for config in sorted(path.name for path in (tmp_path / "of_tree").iterdir() if path.is_dir()):
        assert_same(arrow(tmp_path / "of_archives", config), arrow(tmp_path / "of_tree", config))


@every_corpus
def test_archives_without_the_folders_that_wrap_their_members_give_the_same_files(name: str, tmp_path: Path) -> None:
    tree = TREES[name].write(tmp_path / "tree", seed=2)
    wrapped = unpacked(name, tree, tmp_path / "wrapped")
    flat = unpacked(name, tree, tmp_path / "flat", flat=True)
    files = [sorted(path.relative_to(root).as_posix() for path in root.rglob("*")) for root in (wrapped, flat)]
    assert files[0] == files[1]
