"""Directories of raw files, checked: whole ones, and each fault by itself."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from builders.crcns_aa4.raw import ANIMALS
from deepstrf_hf.download.lock_file import LOCK_NAME, LockedArchive, LockedFile, LockFile
from deepstrf_hf.download.tree_check import TreeFindings, check_tree
from deepstrf_hf.errors import DataDirectoryError, UnknownNameError
from deepstrf_hf.raw_tree import sha256_of
from deepstrf_hf.registry import load_builder
from tests.download.packed_corpora import pack, unpack_plainly
from tests.every_corpus import TREES
from tests.raw_writers.alice_eeg import write_alice_eeg
from tests.raw_writers.nat4 import write_nat4
from tests.raw_writers.ns1 import write_ns1

every_corpus = pytest.mark.parametrize("name", list(TREES))


def check(name: str, data_dir: Path, *arguments, **options) -> TreeFindings:
    return check_tree(load_builder(name), data_dir, *arguments, **options)


def archives_of(name: str):
    return {archive.name: archive for archive in load_builder(name).CORPUS.archives}


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def download(name: str, tree: Path, data_dir: Path) -> LockFile:
    """Leave what a download leaves: everything unpacked as declared, and a lock file."""
    data_dir.mkdir(parents=True)
    entries = {}
    for archive_name, file in pack(name, tree, data_dir.parent / f"{data_dir.name}_packed").items():
        archive = archives_of(name)[archive_name]
        unpack_plainly(archive, file, data_dir)
        folder = data_dir / (archive.unpack.into if archive.unpack else archive.name)
        members = {
            path.relative_to(folder).as_posix(): LockedFile(path.stat().st_size, sha256_of(path))
            for path in (files_in(folder) if archive.unpack else ())
        }
        known = {"size_bytes": file.stat().st_size, "sha256": sha256_of(file)} if file.is_file() else {}
        entries[archive_name] = LockedArchive(archive.url, "2026-01-31T12:00:00Z", True, members=members, **known)
    lock = LockFile(name, entries)
    lock.write(data_dir)
    return lock


@functools.cache
def written(name: str, root: Path) -> tuple[Path, Path]:
    """Return a tree as written by hand, and the same as a download leaves it."""
    tree = TREES[name].write(root / name / "tree", seed=4)
    download(name, tree, root / name / "downloaded")
    return tree, root / name / "downloaded"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trees")


@pytest.fixture
def downloaded(root: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Return what makes a downloaded tree of a corpus that may be damaged."""
    return lambda name: Path(shutil.copytree(written(name, root)[1], tmp_path / name))


@pytest.fixture
def by_hand(root: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Return what makes a tree without lock file that may be damaged."""
    return lambda name: Path(shutil.copytree(written(name, root)[0], tmp_path / name))


def failures(found: TreeFindings) -> list[tuple[str, str]]:
    """Return file and problem of all failures, each of which must say how to mend it."""
    assert all(finding.mend for finding in found.failures)
    return sorted((finding.file, finding.problem) for finding in found.failures)


def remark(found: TreeFindings, problem: str, file: str | None = None):
    (finding,) = [one for one in found.remarks if problem in one.problem and (file is None or one.file == file)]
    return finding


# Whole trees ----------------------------------------------------------------------------------------------------------


@every_corpus
def test_what_a_download_leaves_is_complete(name: str, root: Path) -> None:
    directory = written(name, root)[1]
    before = {path: path.read_bytes() for path in files_in(directory)}
    builder = load_builder(name)
    found = check(name, directory)
    # Synthetic files do not have published checksums, and there are fewer sessions than in the whole of Downer's
    # archive, of which a download may have fetched a part.
    other = {archive.name for archive in builder.CORPUS.archives if archive.checksum and archive.unpack is None}
    other |= {"auditory_cortex_data/sessions/*/*_MUsp*.mat"} if name == "downer2025" else set()
    assert {file for file, _ in failures(found)} == {
        file for file in other if "*" in file or (directory / file).exists()
    }
    state = "incomplete" if found.failures else "complete"
    assert found.cohorts == {cohort.name: state for cohort in builder.CORPUS.cohorts}
    assert found.complete is (not found.failures)
    assert found.files == len(files_in(builder.open_raw(str(directory)).root))
    assert found.hashed > 0
    for problem in {finding.problem for finding in found.remarks}:
        assert problem in (
            "There are fewer files than published",
            "There are more files than published",
            "There are more or fewer files than published",
            "An optional file is not here",
        )
    assert {path: path.read_bytes() for path in files_in(directory)} == before, "nothing is changed"


@pytest.mark.parametrize("name", ["crcns_aa4", "crcns_ac1"])
def test_a_tree_that_was_unpacked_by_hand_is_complete(name: str, root: Path) -> None:
    """Of corpora for whose archives no number of files is published."""
    found = check(name, written(name, root)[0])
    assert failures(found) == []
    assert found.complete


def test_ns1_by_hand(tmp_path: Path) -> None:
    """A unit under its other name; clusters that are not listed; no published cochleagram."""
    write_ns1(tmp_path, n_units=3, sound_driven=False, clip_seconds=0.2, unlisted_clusters=2)
    unit = next(tmp_path.glob("spikesandwav/*/*/cluster.*.data.mat"))
    unit.rename(unit.with_name(unit.name.removesuffix(".mat") + "_1.mat"))
    found = check("ns1", tmp_path)
    assert failures(found) == [
        ("MetadataSHEnCneurons.mat", "A file has another size"),
        ("MetadataSHEnCneurons.mat", "A file is not the one it should be"),
    ]
    assert "cochleagram" in remark(found, "An optional file is not here", "test_data_5ms.mat").expected
    assert "clusterquality.mat" in remark(found, "not declared and not read", "spikesandwav").found


@pytest.mark.parametrize("layout", ["lab", "bare"])
def test_layouts_of_alice(layout: str, tmp_path: Path) -> None:
    write_alice_eeg(tmp_path, layout=layout)
    found = check("alice_eeg", tmp_path)
    assert failures(found) == [("**/S*_alice-raw.fif", "Files are missing")]
    assert (found.failures[0].found, found.failures[0].expected) == ("4", "33")


def test_layouts_of_aa2(root: Path, tmp_path: Path) -> None:
    """Tables beside the cells, and everything in the folders that the archives wrap."""
    tree = written("crcns_aa2", root)[0]
    shutil.copytree(tree, tmp_path / "crcns" / "aa2")
    for directory, prefix in ((tree, ""), (tmp_path, "crcns/aa2/")):
        found = check("crcns_aa2", directory)
        assert failures(found) == [
            (f"{prefix}all_cells/*/*/s*", "Files are missing"),
            (f"{prefix}all_stims/*.wav", "Files are missing"),
        ]


def test_population_recordings_unpacked_by_hand(tmp_path: Path) -> None:
    write_nat4(tmp_path, n_sites=2, unpacked=True, waveforms=False)
    found = check("nat4", tmp_path)
    assert {problem for _, problem in failures(found)} == {"Files are missing"}
    assert {file for file, _ in failures(found)} == {"A1_single_sites/A1_*.tgz", "PEG_single_sites/PEG_*.tgz"}


# Archives -------------------------------------------------------------------------------------------------------------


def test_an_archive_that_is_missing(downloaded: Callable[[str], Path]) -> None:
    directory = downloaded("crcns_ac1")
    shutil.rmtree(directory / "crcns-ac1-asari-results-2")
    found = check("crcns_ac1", directory)
    assert found.cohorts == {"wehr": "complete", "asari_a1": "incomplete", "asari_mgb": "incomplete"}
    missing = found.failures[0]
    assert (missing.file, missing.problem) == ("crcns-ac1-asari-results-2.zip", "An archive is missing")
    assert missing.mend == f"deepstrf-hf download crcns_ac1 asari_a1 asari_mgb --dest {directory}"
    assert check("crcns_ac1", directory, ["wehr"]).complete


def test_an_archive_that_is_still_packed(root: Path, downloaded: Callable[[str], Path]) -> None:
    directory = downloaded("nat4")
    shutil.rmtree(directory / "PEG_single_sites")
    shutil.copy(written("nat4", root)[1].parent / "downloaded_packed" / "PEG_single_sites.zip", directory)
    found = check("nat4", directory)
    assert ("PEG_single_sites.zip", "An archive is still packed") in failures(found)
    assert found.cohorts == {"a1": "complete", "peg": "incomplete"}
    assert "unpack it into PEG_single_sites" in found.failures[0].mend


def test_one_bird_is_complete_for_its_conditions(downloaded: Callable[[str], Path]) -> None:
    directory = downloaded("crcns_aa4")
    for animal in ANIMALS[1:]:
        shutil.rmtree(directory / animal)
    assert check("crcns_aa4", directory, where={"neuron.animal_id": ANIMALS[0]}).complete
    found = check("crcns_aa4", directory)
    assert found.cohorts == {"all": "incomplete"}
    assert failures(found) == sorted((f"{animal}.tar.gz", "An archive is missing") for animal in ANIMALS[1:])


def test_a_release_that_is_not_there_does_not_touch_the_other(by_hand: Callable[[str], Path]) -> None:
    directory = by_hand("espejo")
    shutil.rmtree(directory / "A1_voc_mod_noise")
    found = check("espejo", directory)
    assert found.cohorts == {"nat": "incomplete", "vmn": "cannot be built"}
    assert ("A1_natural_sounds/NAT/*.tgz", "Files are missing") in failures(found), "2 of 35"
    vmn = next(finding for finding in found.failures if finding.problem.startswith("Cohort vmn"))
    assert "not in this tree" in vmn.problem


def test_a_download_that_was_not_finished(downloaded: Callable[[str], Path]) -> None:
    directory = downloaded("crcns_aa1")
    lock = LockFile.read(directory)
    entry = replace(lock.archives["crcns-aa1.zip"], complete=False)
    LockFile("crcns_aa1", {"crcns-aa1.zip": entry}).write(directory)
    (directory / "crcns-aa1.zip.part").write_bytes(b"half")
    found = check("crcns_aa1", directory)
    assert ("crcns-aa1.zip", "The download of this archive was not finished") in failures(found)
    assert ("crcns-aa1/all_stims/*/*.wav", "Files are missing") in failures(found), "published numbers count again"
    assert "crcns-aa1.zip.part" in remark(found, "interrupted").found


# Files ----------------------------------------------------------------------------------------------------------------


def test_a_published_checksum_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ns1(tmp_path, n_units=1, sound_driven=False, clip_seconds=0.2, published_spectrogram=True)
    builder = load_builder("ns1")
    metadata, spectrogram = tmp_path / "MetadataSHEnCneurons.mat", tmp_path / "test_data_5ms.mat"
    git = subprocess.run(["git", "hash-object", spectrogram], capture_output=True, text=True, check=True).stdout.strip()
    md5 = hashlib.md5(metadata.read_bytes(), usedforsecurity=False).hexdigest()
    true = {
        metadata.name: {"size_bytes": metadata.stat().st_size, "checksum": f"md5:{md5}"},
        spectrogram.name: {"checksum": f"git-blob:{git}"},
    }
    archives = tuple(replace(archive, **true.get(archive.name, {})) for archive in builder.CORPUS.archives)
    monkeypatch.setattr(builder, "CORPUS", replace(builder.CORPUS, archives=archives))
    assert check("ns1", tmp_path).complete
    with spectrogram.open("r+b") as file:
        file.seek(100)
        byte = file.read(1)[0]
        file.seek(100)
        file.write(bytes([byte ^ 1]))
    found = check("ns1", tmp_path)
    assert failures(found) == [("test_data_5ms.mat", "A file is not the one it should be")]
    assert (found.failures[0].field, found.failures[0].expected) == ("git-blob", f"{git} as published")
    assert check("ns1", tmp_path, hashes=False).complete, "its size is the same"
    metadata.write_bytes(metadata.read_bytes() + b"\0")
    sizes = check("ns1", tmp_path, hashes=False)
    assert failures(sizes) == [("MetadataSHEnCneurons.mat", "A file has another size")]


def test_a_file_that_changed_since_it_was_fetched(downloaded: Callable[[str], Path]) -> None:
    directory = downloaded("le2025")
    unit = next(directory.rglob("*.pprox"))
    cohort = unit.parent.name.partition("-")[0]
    content = unit.read_bytes()
    unit.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    found = check("le2025", directory)
    name = unit.relative_to(directory).as_posix()
    assert failures(found) == [(name, "A file is not the one it should be")]
    assert {one for one, state in found.cohorts.items() if state != "complete"} == {cohort}, "the others do not read it"
    assert check("le2025", directory, hashes=False).complete
    unit.write_bytes(content[:-1])
    assert (name, "A file has another size") in failures(check("le2025", directory, hashes=False))


def test_files_that_were_fetched_and_are_gone(downloaded: Callable[[str], Path]) -> None:
    directory = downloaded("le2025")
    gone = [next(directory.glob(f"*/{folder}/*")) for folder in ("nat8b-stimuli", "synth8b-responses", "metadata")]
    gone[0].unlink()
    gone[1].unlink()
    found = check("le2025", directory)
    assert found.cohorts == {"nat8a": "complete", "nat8b": "incomplete", "synth8b": "incomplete"}
    assert {problem for _, problem in failures(found)} == {"Files that were fetched are gone"}
    assert {finding.found.rpartition("/")[2] for finding in found.failures} == {gone[0].name, gone[1].name}
    gone[2].unlink()
    found = check("le2025", directory)
    assert set(found.cohorts.values()) == {"incomplete"}


def test_too_few_and_too_many_files_without_a_lock(by_hand: Callable[[str], Path]) -> None:
    directory = by_hand("le2025")
    found = check("le2025", directory)
    few = next(finding for finding in found.failures if finding.file == "nat8a-alpha-responses/*.pprox")
    assert (few.problem, few.expected) == ("Files are missing", "407")
    (directory / "metadata" / "song-birds.csv").unlink()
    for number in range(100):
        shutil.copy(next(directory.glob("nat8b-stimuli/*.wav")), directory / "nat8b-stimuli" / f"copy{number}.wav")
    found = check("le2025", directory)
    assert ("metadata/song-birds.csv", "Files are missing") in failures(found)
    assert [file for file, _ in failures(found)].count("metadata/song-birds.csv") == 1, "it is said once"
    assert remark(found, "more files than published", "nat8b-stimuli/*.wav").expected == "96"


def test_a_file_that_the_builder_names_and_is_missing(by_hand: Callable[[str], Path]) -> None:
    directory = by_hand("ns1")
    unit = next(directory.glob("spikesandwav/*/*/cluster.*.data.mat"))
    builder = load_builder("ns1")
    named = builder.raw_files(builder.open_raw(str(directory)), builder.CORPUS.cohorts[0], builder.default_config("a1"))
    listed = [name for name in named if name.endswith(".data.mat")]
    (directory / listed[0]).unlink()
    found = check("ns1", directory, hashes=False)
    assert (listed[0], "Files that a build reads are missing") in failures(found)
    assert unit.parent.is_dir()


def test_empty_files(by_hand: Callable[[str], Path]) -> None:
    directory = by_hand("crcns_aa4")
    unit = next((directory / ANIMALS[0]).glob("*.h5"))
    unit.write_bytes(b"")
    assert failures(check("crcns_aa4", directory, hashes=False)) == [
        (unit.relative_to(directory).as_posix(), "A file is empty")
    ]


@pytest.mark.parametrize("keep", [0.5, 0.99])
def test_archives_that_do_not_open_to_their_end(by_hand: Callable[[str], Path], keep: float) -> None:
    directory = by_hand("wingert2026")
    archive = next((directory / "recordings").glob("*.tgz"))
    content = archive.read_bytes()
    archive.write_bytes(content[: int(keep * len(content))])
    found = check("wingert2026", directory)
    problem = (archive.relative_to(directory).as_posix(), "An archive does not open to its end")
    assert problem in failures(found)
    assert problem not in failures(check("wingert2026", directory, hashes=False))


def test_a_zip_that_is_cut_short(root: Path, downloaded: Callable[[str], Path]) -> None:
    directory = downloaded("crcns_aa1")
    packed = written("crcns_aa1", root)[1].parent / "downloaded_packed" / "crcns-aa1.zip"
    (directory / packed.name).write_bytes(packed.read_bytes()[:-30])
    found = check("crcns_aa1", directory)
    problems = {"A file has another size", "A file is not the one it should be", "An archive does not open to its end"}
    assert {problem for file, problem in failures(found) if file == packed.name} == problems


@pytest.mark.parametrize(("name", "sounds"), [("crcns_aa1", "all_stims/*/*.wav"), ("crcns_aa2", "all_stims/*.wav")])
def test_sounds_that_are_named_by_their_md5(by_hand: Callable[[str], Path], name: str, sounds: str) -> None:
    directory = by_hand(name)
    sound = next(directory.glob(sounds))
    sound.write_bytes(sound.read_bytes()[:-2])
    found = check(name, directory)
    wrong = [finding for finding in found.failures if finding.problem == "A file is not the one it should be"]
    assert [finding.file for finding in wrong] == [sound.relative_to(directory).as_posix()]
    assert (wrong[0].field, wrong[0].expected) == ("md5", f"{sound.stem.lower()} by its name")


# What is extra --------------------------------------------------------------------------------------------------------


def test_extra_files_are_remarks(downloaded: Callable[[str], Path]) -> None:
    directory = downloaded("crcns_aa1")
    (directory / "my notes.txt").write_text("x")
    (directory / ".DS_Store").write_text("x")
    (directory / "crcns-aa1" / "MLd_cells" / ".DS_Store").write_text("x")
    (directory / "crcns-aa1" / "Thumbs.db").write_text("x")
    (directory / "crcns-aa1" / "analysis.m").write_text("x")
    found = check("crcns_aa1", directory)
    assert found.complete
    assert remark(found, "not declared and not read", ".").found == "1 file: my notes.txt"
    assert remark(found, "not declared and not read", "crcns-aa1").found == "1 file: crcns-aa1/analysis.m"
    left = remark(found, "computers leave behind").found
    assert left.startswith("3 files: ")
    assert "crcns-aa1/Thumbs.db" in left


# The whole result -----------------------------------------------------------------------------------------------------


def test_it_is_printed_and_given_as_json(downloaded: Callable[[str], Path], tmp_path: Path) -> None:
    directory = downloaded("espejo")
    shutil.rmtree(directory / "A1_voc_mod_noise")
    found = check("espejo", directory)
    data = json.loads(json.dumps(found.to_json()))
    assert data["complete"] is False
    assert data["findings"][0]["severity"] == "failure"
    assert data["cohorts"] == {"nat": "complete", "vmn": "cannot be built"}
    with (tmp_path / "printed").open("w") as file:
        found.print(Console(file=file, width=240))
    text = (tmp_path / "printed").read_text()
    for said in ("An archive is missing", "A1_voc_mod_noise.tgz", "nat", "complete", "cannot be built"):
        assert said in text


def test_directories_that_are_not_the_corpus_are_refused(downloaded: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(DataDirectoryError, match="does not hold the raw files"):
        check("ns1", tmp_path / "nowhere")
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "crcns-aa1.zip").write_bytes(b"x")
    with pytest.raises(DataDirectoryError, match=r"unpack crcns-aa1\.zip"):
        check("crcns_aa1", tmp_path / "packed")
    directory = downloaded("crcns_aa1")
    LockFile("crcns_aa2").write(directory)
    with pytest.raises(DataDirectoryError, match="crcns_aa2"):
        check("crcns_aa1", directory)
    (directory / LOCK_NAME).write_text("{")
    with pytest.raises(DataDirectoryError, match="lock file"):
        check("crcns_aa1", directory)
    with pytest.raises(UnknownNameError):
        check("crcns_aa1", directory, ["nothing"])


# Downer's archive, of which a part may have been fetched --------------------------------------------------------------


def test_a_part_of_downers_archive(downloaded: Callable[[str], Path]) -> None:
    directory = downloaded("downer2025")
    lock = LockFile.read(directory)
    (name,) = lock.archives
    calls = [member for member in lock.archives[name].members if "MVOC" in member or "MonkVocs" in member]
    assert len(calls) == 2
    members = {key: value for key, value in lock.archives[name].members.items() if key not in calls}
    for call in calls:
        (directory / "auditory_cortex_data" / call).unlink()
    LockFile("downer2025", {name: replace(lock.archives[name], members=members)}).write(directory)
    found = check("downer2025", directory)
    assert found.cohorts["mvocs"] == "incomplete"
    missing = {file.rpartition("/")[2] for file, problem in failures(found) if problem == "Files are missing"}
    assert {Path(call).name for call in calls} < missing
    sessions = sorted(path.name for path in (directory / "auditory_cortex_data" / "sessions").iterdir())
    one = {"neuron.session_id": sessions[0]}
    for session in sessions[1:]:
        shutil.rmtree(directory / "auditory_cortex_data" / "sessions" / session)
    assert check("downer2025", directory, ["timit"], where=one).complete, "sessions that are not asked for may be gone"
    other = check("downer2025", directory, ["timit"], where={"neuron.session_id": sessions[:2]})
    assert [finding.problem for finding in other.failures] == ["Files that were fetched are gone"]


# Real trees -----------------------------------------------------------------------------------------------------------


@pytest.mark.real
def test_real_ns1(real_data: Path) -> None:
    found = check("ns1", real_data / "ns1")
    assert failures(found) == []
    assert found.complete
    assert remark(found, "An optional file is not here", "test_data_5ms.mat")


@pytest.mark.real
def test_real_aa1(real_data: Path, tmp_path: Path) -> None:
    packed = real_data / "crcns_aa1" / "crcns-aa1.zip"
    shutil.unpack_archive(packed, tmp_path)
    for directory in (tmp_path, tmp_path / "crcns-aa1"):
        found = check("crcns_aa1", directory)
        assert failures(found) == []
        assert found.complete
    (tmp_path / "crcns-aa1" / "MLd_cells" / "pipu0617_3_A" / "flatrip" / "stim1").unlink()
    found = check("crcns_aa1", tmp_path)
    assert (found.failures[0].found, found.failures[0].expected) == ("5,919", "5,920")
