"""deepSTRF's environment and distribution: made in order, unpacked without trust."""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
import sys
import tarfile
from pathlib import Path

import pytest

from scripts.parity import environment
from scripts.parity.environment import (
    READY,
    REPOSITORY,
    ParityError,
    download_distribution,
    make_environment,
    run_in_peer,
    unpack_tests,
)


def archive_of(path: Path, files: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return path


def program(path: Path, code: str) -> str:
    """Write an executable that is given to the scripts as a Python."""
    path.write_text(f"#!{sys.executable}\n{code}", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_only_the_named_tests_are_unpacked(tmp_path: Path) -> None:
    archive = archive_of(
        tmp_path / "peer.tar.gz",
        {
            "peer-1/tests/test_a.py": b"a = 1\n",
            "peer-1/tests/test_b.py": b"b = 1\n",
            "peer-1/tests/deeper/test_a.py": b"deeper",
            "peer-1/package/test_a.py": b"elsewhere",
            "../tests/test_c.py": b"c = 1\n",
            "/tests/test_d.py": b"d = 1\n",
        },
    )
    unpack_tests(archive, ["test_a.py", "test_c.py"], tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {
        "test_a.py": b"a = 1\n",
        "test_c.py": b"c = 1\n",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "peer.tar.gz"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    archive = archive_of(tmp_path / "peer.tar.gz", {}, {"peer-1/tests/test_a.py": str(tmp_path / "secret")})
    with pytest.raises(ParityError, match="no test_a.py"):
        unpack_tests(archive, ["test_a.py"], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_missing_a_doubled_and_a_huge_test_are_refused(tmp_path: Path) -> None:
    missing = archive_of(tmp_path / "missing.tar.gz", {"peer-1/tests/test_a.py": b""})
    with pytest.raises(ParityError, match="no test_b.py, test_c.py"):
        unpack_tests(missing, ["test_c.py", "test_a.py", "test_b.py"], tmp_path / "out")
    doubled = archive_of(tmp_path / "doubled.tar.gz", {"a/tests/test_a.py": b"1", "b/tests/test_a.py": b"2"})
    with pytest.raises(ParityError, match="twice"):
        unpack_tests(doubled, ["test_a.py"], tmp_path / "out")
    huge = archive_of(tmp_path / "huge.tar.gz", {"peer-1/tests/test_a.py": bytes(environment.LARGEST_TEST_FILE + 1)})
    with pytest.raises(ParityError, match="too large"):
        unpack_tests(huge, ["test_a.py"], tmp_path / "out")


@pytest.mark.parametrize(
    "content",
    [b"", b"not an archive", gzip.compress(b"not a tar file", mtime=0), None],
    ids=["empty", "no archive", "no tar file", "cut short"],  # a compressed file holds the time it was made
)
def test_what_is_no_archive_is_refused_with_its_name(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.tar.gz"
    if content is None:
        whole = archive_of(path, {"peer-1/tests/test_a.py": os.urandom(20_000)}).read_bytes()
        content = whole[: len(whole) // 2]
    path.write_bytes(content)
    with pytest.raises(ParityError, match=r"broken\.tar\.gz"):
        unpack_tests(path, ["test_a.py"], tmp_path / "out")


FAKE_PIP = """
import json, pathlib, sys
target = pathlib.Path(sys.argv[sys.argv.index("--dest") + 1])
(target / "arguments.json").write_text(json.dumps(sys.argv[1:]))
for number in range({archives}):
    (target / f"peer-{{number}}.tar.gz").touch()
sys.exit({code})
"""


def test_the_source_distribution_is_downloaded_without_what_it_needs(tmp_path: Path) -> None:
    python = program(tmp_path / "python", FAKE_PIP.format(archives=1, code=0))
    found = download_distribution(python, tmp_path / "distribution")
    assert found == tmp_path / "distribution" / "peer-0.tar.gz"
    arguments = json.loads((tmp_path / "distribution" / "arguments.json").read_text(encoding="utf-8"))
    assert arguments[:3] == ["-m", "pip", "download"]
    assert "--no-deps" in arguments
    assert arguments[arguments.index("--no-binary") + 1] == ":all:"
    assert arguments[-1] == "deepSTRF==0.1.0"


@pytest.mark.parametrize(
    ("archives", "code", "problem"), [(0, 0, "0 archives"), (2, 0, "2 archives"), (1, 1, "failed")]
)
def test_a_download_that_went_wrong_is_said(tmp_path: Path, archives: int, code: int, problem: str) -> None:
    python = program(tmp_path / "python", FAKE_PIP.format(archives=archives, code=code))
    with pytest.raises(ParityError, match=problem):
        download_distribution(python, tmp_path / "distribution")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that would have been run to make an environment."""
    commands: list[list[str]] = []
    monkeypatch.setattr(environment.venv, "create", lambda directory, **options: directory.mkdir(parents=True))
    monkeypatch.setattr(environment, "run_quietly", lambda command: commands.append(list(command)))
    return commands


def test_an_environment_has_torch_first_and_deepstrf_last(tmp_path: Path, installed: list[list[str]]) -> None:
    python = make_environment(tmp_path / "new")
    assert python == str(tmp_path / "new" / "bin" / "python")
    torch, needed, peer = (command[command.index("constraints.txt") + 1 :] for command in installed)
    assert all(command[:4] == [python, "-m", "pip", "install"] for command in installed)
    pinned = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert len(torch) == 1
    assert torch[0] in pinned
    assert {"pytest", "mambapy"} <= set(needed)
    assert any(request.startswith("pyarrow") for request in needed)
    assert not any(request.startswith(("deepSTRF", "deepstrf", "torch")) for request in needed)
    assert peer[:2] == ["--no-deps", "deepSTRF==0.1.0"]


def test_a_complete_environment_is_used_again(tmp_path: Path, installed: list[list[str]]) -> None:
    first = make_environment(tmp_path / "new")
    installed.clear()
    assert make_environment(tmp_path / "new") == first
    assert installed == []


def test_an_extension_that_wants_accelerators_is_removed(
    tmp_path: Path, installed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    extension = tmp_path / "new" / "lib" / "python3.11" / "site-packages" / "torchaudio" / "lib" / "it.so"
    other = extension.parents[2] / "torch" / "lib" / "it.so"

    def install(command: list[str]) -> None:
        for path in (extension, other):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    monkeypatch.setattr(environment, "run_quietly", install)
    make_environment(tmp_path / "new")
    assert (extension.exists(), other.exists()) == (False, True)


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path, installed: list[list[str]]) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("one", encoding="utf-8")
    with pytest.raises(ParityError, match="not empty"):
        make_environment(tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter").read_text(encoding="utf-8") == "one"
    assert installed == []


def test_an_environment_that_failed_is_not_taken_for_complete(
    tmp_path: Path, installed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(command: list[str]) -> None:
        (tmp_path / "new" / "half").touch()
        raise ParityError("no network")

    monkeypatch.setattr(environment, "run_quietly", fail)
    with pytest.raises(ParityError, match="no network"):
        make_environment(tmp_path / "new")
    assert not (tmp_path / "new" / READY).exists()
    with pytest.raises(ParityError, match="not a complete environment"):
        make_environment(tmp_path / "new")


def test_the_peer_finds_this_library_and_nothing_of_the_callers_pytest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "more"))
    code = "import os, sys, json, scripts.parity; print(json.dumps([os.getcwd(), sys.path, dict(os.environ)]))"
    done = run_in_peer(sys.executable, ["-c", code], tmp_path)
    directory, path, surroundings = json.loads(done.stdout)
    assert Path(directory) == tmp_path.resolve()
    assert path.index(str(REPOSITORY)) < path.index(str(tmp_path / "more"))
    assert "PYTEST_ADDOPTS" not in surroundings


def test_a_python_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="no/such/python"):
        run_in_peer("no/such/python", ["-c", "pass"], tmp_path)
