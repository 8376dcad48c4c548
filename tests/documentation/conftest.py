"""The site and the synthetic builds it shows, made once for all processes that run tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from deepstrf_hf.registry import corpus_names
from scripts.documentation.synthetic_builds import DIRECTORY, synthetic_build
from tests.browser import browser, chromium  # noqa: F401 (fixtures)
from tests.documentation.blocks import ROOT


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a directory of the session that whichever process comes first fills."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    directory, done = shared / name, shared / f"{name}.done"
    with FileLock(shared / f"{name}.lock"):
        if not done.exists():
            make(directory)
            done.touch()
    return directory


@pytest.fixture(scope="session")
def synthetic_builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a synthetic build of the first cohort of every corpus."""

    def make(directory: Path) -> None:
        for name in corpus_names():
            synthetic_build(name, directory)

    return made_once(tmp_path_factory, "documentation_builds", make)


@pytest.fixture(scope="session")
def site(synthetic_builds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the documentation site, built strictly."""

    def make(directory: Path) -> None:
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(directory)]
        environment = {**os.environ, DIRECTORY: str(synthetic_builds), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr

    return made_once(tmp_path_factory, "documentation_site", make)
