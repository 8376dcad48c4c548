"""The wheel and the source distribution: what is in them, and that an installed wheel works by itself."""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import deepstrf_hf
from tests.raw_writers.ns1 import write_ns1

ROOT = Path(__file__).parents[1]
PACKAGES = ("builders", "deepstrf_hf")
SOURCES = (*PACKAGES, "tests", "scripts", "docs", "examples", ".ci", ".github")


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command without the caller's Python path; return what it printed."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(command, cwd=cwd, env={**kept, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(source: Path, out: Path, *options: str) -> list[Path]:
    """Build distributions of a source tree with what is installed here."""
    run(sys.executable, "-m", "build", "--no-isolation", *options, "--outdir", out, source, cwd=source)
    return sorted(out.iterdir())


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the sources, since a build writes beside them."""
    copy = tmp_path_factory.mktemp("source") / "deepstrf-hf"
    copy.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, copy)
        elif path.name in SOURCES:
            shutil.copytree(path, copy / path.name, ignore=ignored)
    return copy


@pytest.fixture(scope="module")
def distributions(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the source distribution, and the wheel that was built from it."""
    wheel, sdist = sorted(build(source, tmp_path_factory.mktemp("dist")), key=lambda path: path.suffix != ".whl")
    return sdist, wheel


def wheel_files(wheel: Path) -> dict[str, int]:
    """Return the CRC of each file in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {member.filename: member.CRC for member in archive.infolist()}


def package_files() -> set[str]:
    """Return the files that the packages have in the sources."""
    return {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_has_the_packages_whole_and_nothing_else(distributions: tuple[Path, Path]) -> None:
    names = {name for name in wheel_files(distributions[1]) if ".dist-info/" not in name}
    assert names == package_files()
    assert {"deepstrf_hf/py.typed", "builders/ns1/card.md", "builders/downer2025/well_tuned.txt"} <= names


def test_every_corpus_has_its_card_in_the_wheel(distributions: tuple[Path, Path]) -> None:
    names = wheel_files(distributions[1])
    assert {f"builders/{corpus}/card.md" for corpus in deepstrf_hf.corpus_names()} <= names.keys()


def test_the_wheel_has_licence_and_entry_point(distributions: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(distributions[1]) as archive:
        about = f"deepstrf_hf-{deepstrf_hf.__version__}.dist-info"
        assert archive.read(f"{about}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
        assert "deepstrf-hf = deepstrf_hf.cli:main" in archive.read(f"{about}/entry_points.txt").decode()
        metadata = archive.read(f"{about}/METADATA").decode()
    assert f"\nVersion: {deepstrf_hf.__version__}\n" in metadata
    assert "\nLicense-Expression: Apache-2.0\n" in metadata


def test_a_wheel_built_from_the_sources_is_the_same(
    source: Path, distributions: tuple[Path, Path], tmp_path: Path
) -> None:
    (direct,) = build(source, tmp_path, "--wheel")
    ours, theirs = wheel_files(distributions[1]), wheel_files(direct)
    record = f"deepstrf_hf-{deepstrf_hf.__version__}.dist-info/RECORD"  # lists the files in another order
    assert {**ours, record: 0} == {**theirs, record: 0}


def test_the_source_distribution_can_be_worked_on(distributions: tuple[Path, Path]) -> None:
    with tarfile.open(distributions[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    top = {"LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "SECURITY.md", "pyproject.toml"}
    assert top | {"Makefile", "constraints.txt", ".ci/run"} <= names
    assert package_files() <= names
    for folder in ("tests", "scripts", "docs", "examples"):
        there = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.*") if path.is_file()}
        assert {name for name in there if "__pycache__" not in name} <= names
    assert not any("__pycache__" in name or name.endswith(".pyc") for name in names)


@pytest.fixture(scope="module")
def installed(distributions: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of commands of a new environment that has the wheel, and for the rest the packages here."""
    environment = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=environment)
    commands = environment / ("Scripts" if os.name == "nt" else "bin")
    python = commands / Path(sys.executable).name
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", distributions[1], cwd=environment)
    packages = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=environment).strip()
    )
    # Lines of such a file are searched last. Files like it in the folders it names, by which this checkout is
    # installed, are not followed.
    (packages / "packages_here.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return commands


def test_the_installed_wheel_is_what_runs(installed: Path, tmp_path: Path) -> None:
    code = "import builders, deepstrf_hf, json; print(json.dumps([builders.__file__, deepstrf_hf.__file__]))"
    files = json.loads(run(installed / Path(sys.executable).name, "-c", code, cwd=tmp_path))
    assert all(Path(file).is_relative_to(installed.parent) for file in files)


def test_the_installed_command_works(installed: Path, tmp_path: Path) -> None:
    write_ns1(tmp_path / "raw", seed=0, n_units=2, clip_seconds=0.5)
    caches = {"HF_HOME": str(tmp_path / "hub"), "DEEPSTRF_CACHE_DIR": str(tmp_path / "grids")}

    def deepstrf(*arguments: str | Path) -> str:
        return run(installed / "deepstrf-hf", *arguments, cwd=tmp_path, **caches)

    assert deepstrf("--version") == f"{deepstrf_hf.__version__}\n"
    listed = json.loads(deepstrf("list", "--json"))
    assert [corpus["name"] for corpus in listed["corpora"]] == deepstrf_hf.corpus_names()
    assert listed["broken"] == []
    deepstrf("build", "ns1", "--data-dir", "raw", "--out", "out")
    assert "silicon probes" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8").lower()
    assert json.loads(deepstrf("verify", "out", "--json"))["whole"] is True
