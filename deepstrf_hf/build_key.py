"""What the parts of a build depend on, as one digest: those of a build with the same one need not be built again."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.config import CorpusConfig

LIBRARIES = ("numpy", "scipy", "pyarrow", "datasets", "h5py", "soundfile", "soxr", "pillow")
"""Those whose version may change a byte."""


def build_key(
    builder: type[CorpusBuilder], config: CorpusConfig, tables: Sequence[str], provenance: Mapping[str, Any]
) -> str:
    """Return the digest of all that the parts of a cohort depend on.

    Besides what the files say of themselves (corpus, versions, parameters, conditions, the raw files' digest), these
    are the code and the libraries: who mends a builder and builds again must not get parts of the old one.

    Parameters
    ----------
    builder : type
        Builder of the corpus.
    config : CorpusConfig
        What is built.
    tables : sequence of str
        Tables that are built in parts.
    provenance : mapping
        What the files say of themselves.

    Returns
    -------
    str
        SHA-256, hexadecimal.
    """
    content = {
        "provenance": provenance,
        "tables": list(tables),
        "audio": config.audio,
        "on_error": config.on_error,
        "builder": f"{builder.__module__}:{builder.__qualname__}",
        "code": _code_digest(builder),
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "python": sys.version,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _code_digest(builder: type[CorpusBuilder]) -> str:
    """Return the SHA-256 of the sources of this library and of the package that the builder is in."""
    digest = hashlib.sha256()
    for package in dict.fromkeys((__package__, builder.__module__.partition(".")[0])):
        for file in _sources(package):
            digest.update(f"{package} {file.name}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def _sources(package: str) -> Iterator[Path]:
    module = sys.modules[package]
    if module.__file__ is None:  # typed into a shell
        return
    file = Path(module.__file__)
    yield from sorted(file.parent.rglob("*.py")) if hasattr(module, "__path__") else [file]
