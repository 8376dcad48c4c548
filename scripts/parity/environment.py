"""deepSTRF's environment and the tests of its source distribution; neither is kept in this repository."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zlib
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path, PurePosixPath

REPOSITORY = Path(__file__).resolve().parents[2]
DEEPSTRF = "deepSTRF==0.1.0"
TORCHAUDIO = "torchaudio==2.11.0"
NEEDED_BY_DEEPSTRF = (
    "gammatone",
    "h5py",
    "mambapy",
    "matplotlib",
    "numpy<2.5",
    "pandas",
    "platformdirs",
    "pytest",
    "requests",
    "scipy",
    "setuptools",
    "soundfile",
    "tqdm",
)
"""What deepSTRF's grid, metrics, models and fitters import: less than what it declares."""
READY = "deepstrf-environment-is-complete"
"""File that says so."""
LARGEST_TEST_FILE = 2**20
"""Bytes; deepSTRF's largest has some tens of thousands."""


class ParityError(Exception):
    """deepSTRF's environment or distribution is not what the comparison needs."""


def make_environment(directory: Path) -> str:
    """Make a virtual environment with deepSTRF and what this library needs beside it.

    Parameters
    ----------
    directory : Path
        Where to make it: a new or empty directory, or an environment that this function completed before.

    Returns
    -------
    str
        Its Python.

    Raises
    ------
    ParityError
        The directory holds something else, or an installation failed.
    """
    python = str(directory.absolute() / "bin" / "python")
    if (directory / READY).exists():
        return python
    if directory.exists() and any(directory.iterdir()):
        raise ParityError(f"{directory} is not empty and not a complete environment: remove it or name another")
    venv.create(directory, with_pip=True)
    pinned = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    torch = next(line for line in pinned if line.startswith("torch=="))
    # What this library needs, not itself: it is found in the repository.
    ours = [request for request in metadata.requires("deepstrf-hf") or () if "extra ==" not in request]
    # torch alone and first, as everywhere in this project.
    for requests in ([torch], [*ours, *NEEDED_BY_DEEPSTRF], ["--no-deps", DEEPSTRF, TORCHAUDIO]):
        run_quietly([python, "-m", "pip", "install", "--quiet", "--constraint", "constraints.txt", *requests])
    # torchaudio's compiled extension wants the accelerator libraries it was built with; its Python parts do not.
    for extension in directory.glob("lib/python3.*/site-packages/torchaudio/lib/*.so"):
        extension.unlink()
    (directory / READY).touch()
    return python


def download_distribution(python: str, directory: Path) -> Path:
    """Download deepSTRF's source distribution with pip and return the archive.

    Raises
    ------
    ParityError
        pip did not leave one archive there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    request = ["--no-deps", "--no-binary", ":all:", "--dest", str(directory), DEEPSTRF]
    run_quietly([python, "-m", "pip", "download", "--quiet", *request])
    archives = list(directory.glob("*.tar.gz"))
    if len(archives) != 1:
        raise ParityError(f"pip left {len(archives)} archives of {DEEPSTRF}, one was expected")
    return archives[0]


def unpack_tests(archive: Path, names: Sequence[str], directory: Path) -> None:
    """Write test files of a source distribution into a directory, each under its bare name.

    Only regular files ``<distribution>/tests/<name>`` are read, and nothing of the archive's paths is used.

    Parameters
    ----------
    archive : Path
        Source distribution, ``.tar.gz``.
    names : sequence of str
        Test files, such as ``test_concat.py``.
    directory : Path
        Where to write them.

    Raises
    ------
    ParityError
        A file is absent, stands twice or is larger than a test file can be.
    """
    directory.mkdir(parents=True, exist_ok=True)
    missing = set(names)
    try:
        for name, content in _tests_in(archive):
            if name in names and name not in missing:
                raise ParityError(f"{archive.name} has {name} twice")
            if name in names:
                (directory / name).write_bytes(content)
                missing.discard(name)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise ParityError(f"{archive} is not a source distribution: {error}") from error
    if missing:
        raise ParityError(f"{archive.name} has no {', '.join(sorted(missing))} in its tests")


def _tests_in(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the regular files of a distribution's tests folder."""
    with tarfile.open(archive, "r:gz") as distribution:
        for member in distribution:
            parts = PurePosixPath(member.name).parts
            if len(parts) != 3 or parts[1] != "tests" or not member.isreg():
                continue
            if member.size > LARGEST_TEST_FILE:
                raise ParityError(f"{member.name} of {archive.name} is too large for a test: {member.size} bytes")
            content = distribution.extractfile(member)
            if content is not None:
                yield parts[2], content.read()


def run_in_peer(python: str, arguments: Sequence[str], directory: Path) -> subprocess.CompletedProcess[str]:
    """Run deepSTRF's Python with this library importable, and nothing of the caller's directory.

    Parameters
    ----------
    python : str
        Python of deepSTRF's environment.
    arguments : sequence of str
        Its arguments.
    directory : Path
        Working directory.

    Raises
    ------
    ParityError
        There is no such program.
    """
    path = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    surroundings = kept | {
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONSAFEPATH": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    # Absolute, since it runs elsewhere, but not resolved: an environment's Python is a link to that of the system.
    program = str(Path(python).absolute()) if os.sep in python else python
    try:
        return subprocess.run(
            [program, *arguments], cwd=directory, env=surroundings, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise ParityError(f"{python} cannot be run: {error}") from error


def run_quietly(command: Sequence[str]) -> None:
    """Run a command in the repository and show what it said only if it failed.

    Raises
    ------
    ParityError
        It failed.
    """
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        raise ParityError(f"{' '.join(command)} failed")
