"""Distributions that are installed for one test: a folder on the path with their metadata and a module."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from deepstrf_hf.registry import GROUP

BUILDER = """
from dataclasses import replace
from tests.toy import Toy

class Lab(Toy):
    CORPUS = replace(Toy.CORPUS, name={name!r}, title="Of a lab")
"""


def install(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    distribution: str,
    *,
    version: str = "1.0",
    corpora: Mapping[str, str] | None = None,
    modules: Mapping[str, str] | None = None,
) -> None:
    """Install a distribution for the rest of a test.

    Parameters
    ----------
    folder : Path
        Where; on the path of this process and of those it starts.
    monkeypatch : MonkeyPatch
        Takes it back.
    distribution, version : str
        Name and version.
    corpora : mapping of str to str, optional
        Entry points: name of the corpus to ``module:class``.
    modules : mapping of str to str, optional
        Code by name of the file.
    """
    about = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    lines = [f"[{GROUP}]", *(f"{name} = {target}" for name, target in (corpora or {}).items())]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for name, code in (modules or {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    monkeypatch.syspath_prepend(folder)
