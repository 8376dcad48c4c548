"""Whole downloads: every corpus from its hosts to rows, and what is done when something is there already, or fails."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from builders.crcns_aa4.raw import ANIMALS
from builders.espejo.sounds import sound_names
from deepstrf_hf import build, check_tree, download_corpus
from deepstrf_hf.corpus import Archive
from deepstrf_hf.download import data_directory as data_directory_module
from deepstrf_hf.download.locations import data_directory
from deepstrf_hf.download.lock_file import LOCK_NAME, LockFile
from deepstrf_hf.download.transfer_progress import DownloadStoppedError, TotalProgress
from deepstrf_hf.download.unpack_staging import UnpackStaging
from deepstrf_hf.errors import DataDirectoryError, DownloadError, LoginError, ParameterError, UnknownNameError
from deepstrf_hf.registry import load_builder
from tests.download.helpers import Waits, names_in
from tests.download.lab_hosts.places_crcns import PASSWORD, USERNAME
from tests.download.lab_hosts.reach import child_environment
from tests.download.lab_hosts.server import LabHosts
from tests.download.packed_corpora import pack
from tests.every_corpus import TREES
from tests.test_every_corpus import arrow, assert_same
from tests.toy import fingerprint

every_corpus = pytest.mark.parametrize("name", list(TREES))


@pytest.fixture(autouse=True)
def logged_in(lab: LabHosts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have an account at CRCNS."""
    monkeypatch.setenv("CRCNS_USERNAME", USERNAME)
    monkeypatch.setenv("CRCNS_PASSWORD", PASSWORD)


@pytest.fixture
def published(lab: LabHosts, tmp_path: Path) -> Iterator[Any]:
    """Give a function that publishes a corpus as its lab does, and returns its tree and its archives."""

    def publish(name: str, without: Iterable[str] = ()) -> tuple[Path, dict[str, Archive]]:
        tree = TREES[name].write(tmp_path / "tree", seed=3)
        declared = {archive.name: archive for archive in load_builder(name).CORPUS.archives}
        files = {key: path for key, path in pack(name, tree, tmp_path / "packed").items() if key not in without}
        for key, path in files.items():
            if path.is_dir():
                folders = declared[key].file_set.folders
                for number, file in enumerate(sorted(path.iterdir())):
                    lab.publish(f"{folders[number % len(folders)]}/{file.name}", file.read_bytes())
            else:
                lab.publish(declared[key].url, path.read_bytes())
        return tree, {key: declared[key] for key in files}

    yield publish


def fetch(name: str, scratch: Path, *cohorts: str, **options: Any) -> Any:
    return download_corpus(name, cohorts or None, dest=scratch, retries=Waits().retries(tries=2), **options)


def actions(downloaded: Any) -> dict[str, str]:
    return {outcome.name: outcome.action for outcome in downloaded.outcomes}


# From hosts to rows ---------------------------------------------------------------------------------------------------


@every_corpus
def test_a_download_builds_to_the_rows_of_the_tree(name: str, published: Any, scratch: Path, tmp_path: Path) -> None:
    tree, archives = published(name)
    missing = {archive.name for archive in load_builder(name).CORPUS.archives} - set(archives)
    downloaded = fetch(name, scratch, optional=not missing)
    lock = LockFile.read(scratch)
    assert lock is not None
    got = {archive for archive, action in actions(downloaded).items() if action != "not at its host"}
    assert set(lock.archives) == got <= set(archives)
    assert all(entry.complete for entry in lock.archives.values())
    reports = [
        build(name, data_dir=source, out=tmp_path / out, on_error="skip")
        for source, out in ((tree, "of_tree"), (downloaded.directory, "of_download"))
    ]
    for cohort in load_builder(name).CORPUS.cohorts:
        counts = [report.cohorts[cohort.name].counts for report in reports]
        assert counts[0] == counts[1]
        assert counts[0]["rows"] > 0
    for config in sorted(path.name for path in (tmp_path / "of_tree").iterdir() if path.is_dir()):
        assert_same(arrow(tmp_path / "of_download", config), arrow(tmp_path / "of_tree", config))


@every_corpus
def test_a_second_download_asks_for_no_file(name: str, published: Any, lab: LabHosts, scratch: Path) -> None:
    published(name)
    fetch(name, scratch)
    before = {file: (scratch / file).read_bytes() for file in names_in(scratch)}
    lab.requests.clear()
    again = fetch(name, scratch)
    remote = {archive.name for archive in load_builder(name).CORPUS.archives if archive.remote_members}
    absent = {"test_data_5ms.mat"} if name == "ns1" else set()
    assert {key for key, action in actions(again).items() if action != "was there"} == remote | absent
    if not remote | absent:
        assert len(lab.requests) == 0
    after = {file: (scratch / file).read_bytes() for file in names_in(scratch)}
    assert {file for file in before if file != LOCK_NAME and before[file] != after.get(file)} == set()
    if not absent:
        assert fetch(name, scratch, offline=True).directory == scratch


@every_corpus
def test_the_check_finds_what_was_fetched_whole(name: str, published: Any, scratch: Path) -> None:
    """Synthetic trees have fewer files than published: numbers differ, and nothing else."""
    published(name)
    fetch(name, scratch)
    found = check_tree(name, scratch)
    assert found.hashed
    assert {(finding.problem, finding.file) for finding in found.failures} == EXPECTED_PROBLEMS.get(name, set())


EXPECTED_PROBLEMS = {
    "downer2025": {("Files are missing", "auditory_cortex_data/sessions/*/*_MUsp*.mat")},
}
"""Of trees that were made up: fewer channels, which a part of the archive could have too."""


def test_two_processes_on_one_directory_make_one_download(
    published: Any, lab: LabHosts, scratch: Path, tmp_path: Path
) -> None:
    _, archives = published("nat4")
    environment = child_environment(lab, tmp_path)
    command = [sys.executable, "-m", "tests.download.lab_hosts.run", "deepstrf_hf", "download", "nat4"]
    both = [
        subprocess.Popen([*command, "--dest", str(scratch)], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    asked = [record.path for record in lab.requests if record.path.endswith("/content")]
    assert sorted(asked) == sorted(set(asked))
    assert {archive.name for archive in archives.values() if not archive.optional} == {
        path.split("/")[-2] for path in asked
    }


# Only what is needed --------------------------------------------------------------------------------------------------


def test_one_bird_of_aa4(published: Any, scratch: Path, tmp_path: Path) -> None:
    published("crcns_aa4")
    downloaded = fetch("crcns_aa4", scratch, where={"neuron.animal_id": ANIMALS[0]})
    assert set(actions(downloaded)) == {f"{ANIMALS[0]}.tar.gz"}
    report = build("crcns_aa4", data_dir=scratch, out=tmp_path / "out", where={"neuron.animal_id": ANIMALS[0]})
    assert all(entry.counts["rows"] for entry in report.cohorts.values())


@pytest.mark.parametrize(("cohort", "archive"), [("nat", "A1_natural_sounds.tgz"), ("vmn", "A1_voc_mod_noise.tgz")])
def test_one_set_of_espejo(cohort: str, archive: str, published: Any, scratch: Path) -> None:
    published("espejo")
    assert set(actions(fetch("espejo", scratch, cohort))) == {archive}


def test_the_sounds_of_espejo_are_looked_for_in_all_folders(published: Any, lab: LabHosts, scratch: Path) -> None:
    tree, _ = published("espejo")
    downloaded = fetch("espejo", scratch, "nat", waveforms=True)
    sounds = sound_names(load_builder("espejo").open_raw(str(tree)))
    assert set(sounds) < set(names_in(tree / "nat_waveforms"))
    assert names_in(scratch / "nat_waveforms") == sounds
    lab.requests.clear()
    again = fetch("espejo", scratch, "nat", waveforms=True)
    assert actions(again) == dict.fromkeys(actions(downloaded), "was there")
    assert len(lab.requests) == 0
    (scratch / "nat_waveforms" / sounds[0]).unlink()
    assert actions(fetch("espejo", scratch, "nat", waveforms=True))["nat_waveforms"] == "fetched"
    assert names_in(scratch / "nat_waveforms") == sounds


def test_a_sound_that_no_folder_has_is_named(published: Any, lab: LabHosts, scratch: Path) -> None:
    tree, _ = published("espejo")
    missing = sound_names(load_builder("espejo").open_raw(str(tree)))[0]
    lab.withdraw("bitbucket.org", missing)
    downloaded = fetch("espejo", scratch, "nat", waveforms=True)
    assert any(missing in note for note in downloaded.notes), downloaded.notes


def test_members_of_downer_are_read_from_afar(published: Any, lab: LabHosts, scratch: Path, tmp_path: Path) -> None:
    tree, archives = published("downer2025")
    (archive,) = archives.values()
    downloaded = fetch("downer2025", scratch, "timit")
    assert actions(downloaded) == {archive.name: "members fetched"}
    files = names_in(scratch / archive.unpack.into)
    assert not any("Vocs" in name or "VOC" in name for name in files), "calls are not needed"
    assert not list(scratch.glob("*.zip"))
    report = build("downer2025", ["timit"], data_dir=scratch, out=tmp_path / "out", on_error="skip")
    assert report.cohorts["timit"].counts["rows"]
    fetch("downer2025", scratch, "mvocs")
    more = names_in(scratch / archive.unpack.into)
    assert set(files) < set(more)
    lock = LockFile.read(scratch)
    assert lock is not None
    assert sorted(lock.archives[archive.name].members) == more
    for name in more:
        assert (scratch / archive.unpack.into / name).read_bytes() == (tree / name).read_bytes()


def test_members_that_were_fetched_before_a_failure_are_not_fetched_again(
    published: Any, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, archives = published("downer2025")
    (archive,) = archives.values()
    placed: list[str] = []
    place = UnpackStaging.place

    def place_some(staging: UnpackStaging, name: str) -> None:
        if len(placed) == 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        place(staging, name)
        placed.append(name)

    monkeypatch.setattr(UnpackStaging, "place", place_some)
    monkeypatch.setattr(data_directory_module, "SECONDS_BETWEEN_NOTES", 0.0)
    with pytest.raises(DownloadError):
        fetch("downer2025", scratch, "timit")
    lock = LockFile.read(scratch)
    assert lock is not None
    assert not lock.archives[archive.name].complete
    assert list(lock.archives[archive.name].members) == sorted(placed)
    first, placed[:] = placed[:], []
    monkeypatch.setattr(UnpackStaging, "place", lambda staging, name: (place(staging, name), placed.append(name)))
    fetch("downer2025", scratch, "timit")
    assert placed and not set(placed) & set(first)
    assert names_in(scratch / archive.unpack.into) == sorted([*first, *placed])


def test_an_interrupted_download_stops_at_the_next_bytes() -> None:
    with TotalProgress(1000) as progress:
        advance = progress.of("a.zip")
        advance(10)
        progress.stop()
        with pytest.raises(DownloadStoppedError):
            advance(20)


def test_without_ranges_the_whole_is_fetched(published: Any, lab: LabHosts, scratch: Path) -> None:
    _, archives = published("downer2025")
    (archive,) = archives.values()
    lab.fail("no_ranges", host="zenodo.org", path="content", times=None)
    downloaded = fetch("downer2025", scratch, "timit")
    assert actions(downloaded) == {archive.name: "fetched and unpacked"}
    assert any("whole" in note for note in downloaded.notes)
    assert not list(scratch.glob("*.zip*"))


def test_another_file_at_the_host_is_not_mixed_with_members_of_the_first(
    published: Any, lab: LabHosts, scratch: Path
) -> None:
    _, archives = published("downer2025")
    (archive,) = archives.values()
    fetch("downer2025", scratch, "timit")
    lab.publish(archive.url, (scratch.parent / "packed" / archive.name).read_bytes() + b"\0")
    with pytest.raises(DownloadError, match="another file than the one members were fetched from"):
        fetch("downer2025", scratch, "mvocs")
    build("downer2025", ["timit"], data_dir=scratch, out=scratch.parent / "out", on_error="skip")


# What is known, learned and kept --------------------------------------------------------------------------------------


def test_archives_are_kept_on_request(published: Any, scratch: Path) -> None:
    published("crcns_aa1")
    fetch("crcns_aa1", scratch, keep_archives=True)
    assert (scratch / "crcns-aa1.zip").is_file()


def test_an_archive_that_the_user_put_there_is_used_and_stays(published: Any, lab: LabHosts, scratch: Path) -> None:
    _, archives = published("crcns_aa1")
    (archive,) = archives.values()
    content = (scratch.parent / "packed" / archive.name).read_bytes()
    (scratch / archive.name).write_bytes(content)
    assert fetch("crcns_aa1", scratch).outcomes[0].action == "fetched and unpacked"
    assert (scratch / archive.name).read_bytes() == content
    assert not [record for record in lab.requests if record.path.endswith(archive.name)]
    assert not (scratch / ".archives").exists()


def test_a_checksum_is_learned_and_holds_for_later(published: Any, lab: LabHosts, scratch: Path) -> None:
    """CRCNS publishes sizes alone: another archive of the same size is noticed by what was learned."""
    _, archives = published("crcns_aa1")
    (archive,) = archives.values()
    fetch("crcns_aa1", scratch)
    learned = json.loads((scratch / LOCK_NAME).read_text())["archives"][archive.name]["sha256"]
    assert len(learned) == 64
    content = bytearray((scratch.parent / "packed" / archive.name).read_bytes())
    content[len(content) // 2] ^= 1
    lab.publish(archive.url, bytes(content))
    next((scratch / archive.unpack.into).rglob("*.wav")).unlink()
    with pytest.raises(DownloadError, match="another file than was published") as error:
        fetch("crcns_aa1", scratch)
    assert learned in str(error.value)
    with pytest.raises(DataDirectoryError, match="has not finished"):
        build("crcns_aa1", data_dir=scratch, out=scratch.parent / "out")


def test_a_host_that_publishes_something_else_than_is_declared_is_noted(
    published: Any, lab: LabHosts, scratch: Path
) -> None:
    """The declared MD5 of Wingert's archives are a third party's."""
    published("wingert2026")
    downloaded = fetch("wingert2026", scratch)
    assert any("another version" in note for note in downloaded.notes), downloaded.notes


def test_terms_are_told_before_the_first_download_only(published: Any, scratch: Path) -> None:
    published("crcns_aa1")
    told: list[str] = []
    for _ in range(2):
        fetch("crcns_aa1", scratch, announce=told.append)
    assert len(told) == 1
    assert "https://crcns.org/terms" in told[0]
    assert "may not be handed on" in told[0]


def test_where_files_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEEPSTRF_DATA_DIR", str(tmp_path))
    assert data_directory("ns1") == tmp_path / "ns1"
    assert data_directory("ns1", tmp_path / "here") == tmp_path / "here"
    monkeypatch.delenv("DEEPSTRF_DATA_DIR")
    assert data_directory("ns1").parts[-2:] == ("raw", "ns1")


def test_a_build_reads_what_was_downloaded(
    published: Any, scratch: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DEEPSTRF_DATA_DIR", str(scratch))
    with pytest.raises(DataDirectoryError, match="deepstrf-hf download crcns_aa1"):
        build("crcns_aa1", out=tmp_path / "out")
    published("crcns_aa1")
    download_corpus("crcns_aa1")
    build("crcns_aa1", out=tmp_path / "out", on_error="skip")
    assert fingerprint(tmp_path / "out")


# What fails -----------------------------------------------------------------------------------------------------------


def test_what_is_asked_for_wrongly(scratch: Path) -> None:
    with pytest.raises(UnknownNameError, match="crcns_aa1"):
        fetch("crcns_a1", scratch)
    with pytest.raises(UnknownNameError, match="peg"):
        fetch("nat4", scratch, "pegg")
    with pytest.raises(UnknownNameError, match=r"neuron\.animal_id"):
        fetch("crcns_aa4", scratch, where={"neuron.animal": "x"})
    with pytest.raises(ParameterError, match="files_at_once"):
        fetch("nat4", scratch, files_at_once=0)


def test_no_account(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRCNS_PASSWORD")
    with pytest.raises(LoginError, match="CRCNS_PASSWORD"):
        fetch("crcns_aa1", scratch)


def test_one_file_that_fails_does_not_keep_the_others_away(published: Any, lab: LabHosts, scratch: Path) -> None:
    _, archives = published("nat4", without=["PEG_pred_correlation.csv"])
    with pytest.raises(DownloadError, match="404"):
        fetch("nat4", scratch)
    lock = LockFile.read(scratch)
    assert lock is not None
    assert {name for name, entry in lock.archives.items() if not entry.complete} == {"PEG_pred_correlation.csv"}
    assert set(lock.archives) > {name for name in archives if name.startswith("A1")}
    build("nat4", ["a1"], data_dir=scratch, out=scratch.parent / "out", on_error="skip")
    with pytest.raises(DataDirectoryError, match="PEG_pred_correlation"):
        build("nat4", ["peg"], data_dir=scratch, out=scratch.parent / "out", on_error="skip")


def test_an_optional_file_that_is_gone_is_told(published: Any, scratch: Path, tmp_path: Path) -> None:
    """NS1's cochleagram is fetched by default, since published values come from it; builds can do without."""
    published("ns1")
    downloaded = fetch("ns1", scratch)
    assert actions(downloaded)["test_data_5ms.mat"] == "not at its host"
    assert any("test_data_5ms.mat" in note and "404" in note for note in downloaded.notes)
    build("ns1", data_dir=scratch, out=tmp_path / "out", on_error="skip")


def test_two_files_that_fail_are_both_named(published: Any, scratch: Path) -> None:
    published("nat4", without=["PEG_pred_correlation.csv", "A1_pred_correlation.csv"])
    with pytest.raises(DownloadError, match="2 files") as error:
        fetch("nat4", scratch)
    assert "A1_pred_correlation" in str(error.value) and "PEG_pred_correlation" in str(error.value)


def test_offline_tells_what_is_missing(published: Any, lab: LabHosts, scratch: Path) -> None:
    published("ns1")
    with pytest.raises(DownloadError, match="offline"):
        fetch("ns1", scratch, offline=True)
    assert len(lab.requests) == 0


def test_too_small_a_disk_is_told_before_the_first_byte(
    published: Any, lab: LabHosts, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published("le2025")
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(DownloadError, match="not enough room"):
        fetch("le2025", scratch)
    assert not [record for record in lab.requests if record.host != "api.figshare.com"]


def test_a_directory_of_another_corpus_is_refused(published: Any, scratch: Path) -> None:
    published("crcns_aa1")
    fetch("crcns_aa1", scratch)
    with pytest.raises(DataDirectoryError, match="another corpus"):
        fetch("ns1", scratch)
