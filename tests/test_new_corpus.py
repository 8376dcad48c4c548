"""The guide to new corpora, followed to the letter: its files written, its package installed, its commands run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hub.client_env import client_environment
from tests.hub.fixtures import hub  # noqa: F401
from tests.hub.server import LoopbackHub

GUIDE = Path(__file__).parents[1] / "docs" / "new_corpus.md"
TEXT = GUIDE.read_text(encoding="utf-8")
FILES = dict(re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', TEXT, re.DOTALL))
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]
PACKAGE = "chirp-lab/chirp_lab"
FEWER_LINES_THAN = 150


@pytest.fixture
def environment(hub: LoopbackHub, tmp_path: Path) -> dict[str, str]:  # noqa: F811
    """Return the variables of a shell in which ``pip`` installs offline and beside this environment, not into it."""
    installed = tmp_path / "installed"
    found = client_environment(hub, tmp_path / "home")
    return {
        **found,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(installed),
        "DEEPSTRF_CACHE_DIR": str(tmp_path / "grids"),
        "PIP_TARGET": str(installed),
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # the value of the option itself: no isolation
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def test_the_corpus_is_short() -> None:
    code = [body for name, body in FILES.items() if name.startswith(PACKAGE) and name.endswith(".py")]
    assert len(code) == 3
    assert sum(len(body.splitlines()) for body in code) < FEWER_LINES_THAN


def test_its_layout_is_that_of_its_files() -> None:
    shown = re.search(r"```text\nchirp-lab/\n(.*?)```", TEXT, re.DOTALL)
    assert shown
    listed = {f"chirp-lab/{line.split()[0]}" for line in shown[1].splitlines()}
    assert listed == {name for name in FILES if name.startswith("chirp-lab/")}


def test_the_guide_works(environment: dict[str, str], tmp_path: Path) -> None:
    work = tmp_path / "work"
    for name, body in FILES.items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body, encoding="utf-8")
    said = {}
    for command in COMMANDS:
        done = subprocess.run(command, shell=True, cwd=work, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        said[command] = done.stdout
    told = {
        " ".join(command.split()[: 3 if command.startswith("python -m") else 2]): text for command, text in said.items()
    }
    assert "Chirps: an invented corpus" in told["deepstrf-hf info"]
    assert "complete" in told["deepstrf-hf check"]
    assert "differs" not in told["deepstrf-hf build"] and "before the sound" in told["deepstrf-hf build"]
    assert "0 failures, 0 remarks" in told["deepstrf-hf verify"]
    assert "1 passed" in told["python -m pytest"]
    assert "nothing was sent to my-lab/chirps" in told["deepstrf-hf push"]
    assert "may be public (CC BY 4.0)" in told["deepstrf-hf push"]
    assert told["python load.py"] == "11 rows, 4 neurons, 4 stimuli\n"
    assert (work / "unit.png").read_bytes().startswith(b"\x89PNG")
    card = (work / "out" / "chirps" / "README.md").read_text(encoding="utf-8")
    assert FILES[f"{PACKAGE}/card.md"].strip() in card
    assert "](assets/" in card
    listed = subprocess.run(
        ["deepstrf-hf", "list", "--json"], cwd=work, env=environment, capture_output=True, text=True
    )
    assert '"provided_by": "chirp-lab"' in listed.stdout
