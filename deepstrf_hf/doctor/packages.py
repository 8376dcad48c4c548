"""Installed packages against what this distribution asks for: versions, and whether they can be imported."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterator

from packaging.requirements import Requirement

from deepstrf_hf._version import __version__
from deepstrf_hf.doctor.findings import NOTE, OK, PROBLEM, Check
from deepstrf_hf.doctor.importing import import_problems

DISTRIBUTION = "deepstrf-hf"
CORE, OPTIONAL = "packages", "optional parts"
PURPOSES = {
    "torch": "the grid (load, stream)",
    "plot": "figures (inspect, illustrate, plot_coverage)",
    "analysis": "export of grids to pandas and xarray",
    "eeg": "building alice_eeg",
    "keyring": "logins from the system's keyring",
    "ray": "builds on many machines (build --engine ray)",
    "report": "report pages (deepstrf-hf report)",
    "torchaudio": "torchaudio's transforms on waveforms",
}
"""What the extras are for; others, such as ``dev``, are for those who work on the library."""
MODULES = {"pillow": "PIL", "pyyaml": "yaml"}
"""Modules of distributions that have another name."""
TORCHCODEC = "torchcodec"
"""Wanted by ``datasets`` where it decodes sounds, and by nothing of ours; without FFmpeg it cannot be imported."""


def examine_packages() -> list[Check]:
    """Check this distribution, Python, everything it needs, and the optional parts."""
    if installed_version(DISTRIBUTION) is None:  # run in its sources: nobody says what it needs
        return [Check(CORE, DISTRIBUTION, PROBLEM, f"{__version__}, not installed", "in its folder, pip install .")]
    wanted = list(_requirements())
    names = dict.fromkeys([*(requirement.name for _, requirement in wanted), TORCHCODEC])
    problems = import_problems([_module(name) for name in names if installed_version(name) is not None])
    checks = [
        Check(CORE, DISTRIBUTION, OK, __version__),
        Check(CORE, "Python", OK, f"{platform.python_version()}, {platform.platform()}"),
    ]
    checks += [_check(extra, requirement, problems) for extra, requirement in wanted]
    return [*checks, _torchcodec(problems)]


def _requirements() -> Iterator[tuple[str, Requirement]]:
    """Yield (extra, or nothing, and requirement) of everything that could be needed here, the core first."""
    requirements = [Requirement(text) for text in importlib.metadata.requires(DISTRIBUTION) or ()]
    core = [requirement for requirement in requirements if _applies(requirement, "")]
    yield from (("", requirement) for requirement in core)
    for extra in PURPOSES:
        yield from (
            (extra, requirement)
            for requirement in requirements
            if requirement not in core and _applies(requirement, extra)
        )


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _check(extra: str, requirement: Requirement, problems: dict[str, str | None]) -> Check:
    name, version = requirement.name, installed_version(requirement.name)
    topic = OPTIONAL if extra else CORE
    label = f"{name}: {PURPOSES[extra]}" if extra else name
    command = f"pip install '{DISTRIBUTION}[{extra}]'" if extra else f"pip install '{name}{requirement.specifier}'"
    if version is None:
        return Check(topic, label, NOTE if extra else PROBLEM, "not installed", command)
    if not requirement.specifier.contains(version, prereleases=True):
        return Check(topic, label, PROBLEM, f"{version}, needed {requirement.specifier}", f"{command} --upgrade")
    problem = problems[_module(name)]
    if problem is not None:
        return Check(topic, label, PROBLEM, f"{version}, but {problem}", _mend_import(name))
    return Check(topic, label, OK, version)


def _mend_import(name: str) -> str:
    if name == "torchaudio":
        return "install the torchaudio that was made for this torch, or uninstall it"
    return f"pip install --force-reinstall --no-deps {name}"


def _torchcodec(problems: dict[str, str | None]) -> Check:
    version, label = installed_version(TORCHCODEC), f"{TORCHCODEC}: decoding of audio columns by datasets"
    undecoded = 'read audio columns with .cast_column("audio", datasets.Audio(decode=False))'
    if version is None:
        return Check(OPTIONAL, label, NOTE, "not installed", f"pip install {TORCHCODEC}, or {undecoded}")
    problem = problems[TORCHCODEC]
    if problem is not None:
        mend = f"install FFmpeg, and the {TORCHCODEC} that was made for this torch; or {undecoded}"
        return Check(OPTIONAL, label, PROBLEM, f"{version}, but {problem}", mend)
    return Check(OPTIONAL, label, OK, version)


def installed_version(name: str) -> str | None:
    """Return the version of an installed distribution; None where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _module(distribution: str) -> str:
    return MODULES.get(distribution.lower(), distribution.replace("-", "_"))
