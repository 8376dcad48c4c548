"""Runs that fail, are killed, or meet another run: the old tree or the new, and a second run that mends all."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from deepstrf_hf.download.unpack import unpack
from scripts.archives.packing import tgz_by_library, zip_by_library
from tests.download.archive_helpers import AMPLE, files_below, members_of, names_in

NEW = {f"folder {n}/file {n}": bytes([n]) * (n + 1) for n in range(6)} | {"large": bytes(range(256)) * 12_000}
OLD = {"old/file": b"old", "large": b"old"}
STEPS = len(NEW) + 2
"""Calls of `progress`: one for each file, and three for the large one, of three blocks."""


@pytest.fixture(params=["zip", "tar.gz"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "archive"
    path.write_bytes((zip_by_library if request.param == "zip" else tgz_by_library)(NEW))
    return path


def write_old(target: Path) -> None:
    for name, content in OLD.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)


class Interruption(BaseException):
    pass


@pytest.mark.parametrize("step", range(1, STEPS + 1))
@pytest.mark.parametrize("existing", [False, True], ids=["cold", "replacing"])
def test_failure_at_any_step(step: int, existing: bool, archive: Path, tmp_path: Path) -> None:
    target = tmp_path / "data" / "raw"
    if existing:
        write_old(target)
    steps: list[int] = []

    def progress(size: int) -> None:
        steps.append(size)
        if len(steps) == step:
            raise Interruption

    with pytest.raises(Interruption):
        unpack(archive, target, limits=AMPLE, progress=progress)
    assert files_below(tmp_path / "data") == (
        {f"raw/{name}": content for name, content in OLD.items()} if existing else {}
    )
    assert names_in(tmp_path / "data") == (["raw"] if existing else [])
    assert unpack(archive, target, limits=AMPLE) == members_of(NEW)
    assert files_below(tmp_path / "data") == {f"raw/{name}": content for name, content in NEW.items()}


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_failure_while_adding_members(step: int, archive: Path, tmp_path: Path) -> None:
    """What was added before stays, whole; the rest is as it was."""
    target = tmp_path / "data" / "raw"
    write_old(target)
    steps: list[int] = []

    def progress(size: int) -> None:
        steps.append(size)
        if len(steps) == step:
            raise Interruption

    with pytest.raises(Interruption):
        unpack(archive, target, limits=AMPLE, wanted=lambda name: True, progress=progress)
    placed = dict(list(NEW.items())[: min(step - 1, len(NEW) - 1)])
    assert files_below(target) == {**OLD, **placed}
    assert names_in(tmp_path / "data") == ["raw"]
    assert unpack(archive, target, limits=AMPLE, wanted=lambda name: True) == members_of(NEW)
    assert files_below(target) == {**OLD, **NEW}


CHILD = """
import os, shutil, signal, sys
from pathlib import Path
from deepstrf_hf.download.unpack import Limits, unpack

archive, target, moment, number, wanted = sys.argv[1:]
left = int(number)

def count(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def killing(function):
    def wrapped(*arguments, **keywords):
        count()
        result = function(*arguments, **keywords)
        count()
        return result
    return wrapped

if moment == "moves":
    Path.rename, Path.replace = killing(Path.rename), killing(Path.replace)
elif moment == "removals":
    shutil.rmtree = killing(shutil.rmtree)
unpack(
    Path(archive),
    Path(target),
    limits=Limits(10**9, 1000, 2000),
    wanted=(lambda name: True) if wanted == "wanted" else None,
    progress=count if moment == "blocks" else None,
)
"""


def killed(*arguments: object) -> bool:
    """Run a child that kills itself at a moment, and return whether it came to that."""
    command = [sys.executable, "-c", textwrap.dedent(CHILD), *map(str, arguments)]
    code = subprocess.run(command, check=False, capture_output=True, text=True)
    assert code.returncode in (0, -9), code.stderr
    return code.returncode == -9


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("existing", [False, True], ids=["cold", "replacing"])
@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("blocks", 1),
        ("blocks", 4),
        ("blocks", STEPS),
        *(("moves", n) for n in (1, 2, 3, 4)),
        ("removals", 1),
        ("removals", 2),
    ],
)
def test_killed_at_a_moment(moment: str, number: int, existing: bool, archive: Path, tmp_path: Path) -> None:
    """Before, between and after the two moves of a replacement, and around the removal of the old tree, too."""
    target = tmp_path / "data" / "raw"
    if existing:
        write_old(target)
    reached = killed(archive, target, moment, number, "all")
    assert reached or not existing, "every moment comes where there is something to replace"
    found = files_below(target) if target.exists() else {}  # as between the moves
    assert found in (NEW, OLD if existing else {}) or (moment, number) in (("moves", 2), ("moves", 3))
    hidden = {".raw.unpacking", ".raw.unpacking-previous", ".raw.unpacking.lock"}
    assert set(names_in(tmp_path / "data")) <= {"raw", *hidden}
    assert unpack(archive, target, limits=AMPLE) == members_of(NEW)
    assert files_below(tmp_path / "data") == {f"raw/{name}": content for name, content in NEW.items()}
    assert names_in(tmp_path / "data") == ["raw"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_between_the_moves_the_old_tree_comes_back(archive: Path, tmp_path: Path) -> None:
    """Even if the next run fails."""
    target = tmp_path / "data" / "raw"
    write_old(target)
    assert killed(archive, target, "moves", 2, "all")
    assert not target.exists()

    def progress(size: int) -> None:
        raise Interruption

    with pytest.raises(Interruption):
        unpack(archive, target, limits=AMPLE, progress=progress)
    assert files_below(tmp_path / "data") == {f"raw/{name}": content for name, content in OLD.items()}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize(
    ("moment", "number"), [("blocks", 3), ("blocks", STEPS), ("moves", 1), ("moves", 2), ("moves", 7)]
)
def test_killed_while_adding_members(moment: str, number: int, archive: Path, tmp_path: Path) -> None:
    target = tmp_path / "data" / "raw"
    write_old(target)
    assert killed(archive, target, moment, number, "wanted")
    assert all(content in (NEW.get(name), OLD.get(name)) for name, content in files_below(target).items())
    assert unpack(archive, target, limits=AMPLE, wanted=lambda name: True) == members_of(NEW)
    assert files_below(tmp_path / "data") == {f"raw/{name}": content for name, content in {**OLD, **NEW}.items()}
    assert names_in(tmp_path / "data") == ["raw"]


def test_two_runs_at_a_time(archive: Path, tmp_path: Path) -> None:
    """The second waits: it neither removes what the first has staged nor mixes with it."""
    target = tmp_path / "data" / "raw"
    write_old(target)
    others: list[subprocess.Popen[bytes]] = []

    def progress(size: int) -> None:
        if not others:
            command = [sys.executable, "-c", textwrap.dedent(CHILD), str(archive), str(target), "never", "0", "all"]
            others.extend(subprocess.Popen(command) for _ in range(2))

    assert unpack(archive, target, limits=AMPLE, progress=progress) == members_of(NEW)
    assert [other.wait() for other in others] == [0, 0]
    assert files_below(tmp_path / "data") == {f"raw/{name}": content for name, content in NEW.items()}
    assert names_in(tmp_path / "data") == ["raw"]
