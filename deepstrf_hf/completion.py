"""Words for the shell's completion: what a corpus declares, kept in a small file, since importing a builder is slow."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from deepstrf_hf._version import __version__
from deepstrf_hf.cache.settings import cache_settings
from deepstrf_hf.registry import Registration, registration_of

Words = dict[str, list[tuple[str, str]]]
"""(word, what it means) of all that can be completed, by kind: ``cohorts``, ``settings``, ``conditions``."""
FOLDER = "completion"
"""Folder below the cache of opened grids."""


def words_of(corpus: str) -> Words:
    """Return what can be completed once the corpus is known.

    The first time, and whenever the builder's files have changed, the builder is imported.

    Parameters
    ----------
    corpus : str
        Name of the corpus.

    Raises
    ------
    UnknownNameError
        No such corpus.
    RegistrationError
        Its builder cannot be used.
    ParameterError
        The settings of the cache cannot be understood.
    """
    registration = registration_of(corpus)
    settings = cache_settings()
    if settings is None:
        return _declared_words(registration)
    path, stamp = settings.directory / FOLDER / f"{corpus}.json", _stamp(registration)
    words = _read(path, stamp)
    if words is None:
        words = _declared_words(registration)
        with suppress(OSError):  # a cache that cannot be written to costs time, and nothing else
            _write(path, {"stamp": stamp, "words": words})
    return words


def forget_words(cache: Path) -> None:
    """Remove the words that are kept in the cache of opened grids."""
    shutil.rmtree(cache / FOLDER, ignore_errors=True)


def _declared_words(registration: Registration) -> Words:
    from deepstrf_hf.corpus_facts import corpus_facts

    facts = corpus_facts(registration.load(), registration.provided_by)
    return {
        "cohorts": [(cohort["name"], cohort["description"]) for cohort in facts["cohorts"]],
        "settings": [word for parameter in facts["parameters"] for word in _setting_words(parameter)],
        "conditions": [
            (f"{table}.{column['name']}=", column["description"])
            for table in ("stim", "neuron")
            for column in facts["columns"][table]
        ],
    }


def _setting_words(parameter: dict[str, Any]) -> list[tuple[str, str]]:
    choices = parameter["choices"] or [""]
    return [(f"{parameter['name']}={choice}", parameter["description"]) for choice in choices]


def _stamp(registration: Registration) -> list[Any]:
    """Return what tells that a builder may have changed: our version, and the times and sizes of its files."""
    spec = registration.find()
    if spec is None or spec.origin is None:
        return [__version__, registration.target]
    origin = Path(spec.origin)
    files = sorted(origin.parent.glob("*.py")) if spec.submodule_search_locations else [origin]
    states = [(file.name, file.stat()) for file in files]
    return [
        __version__,
        registration.target,
        str(origin),
        [[name, state.st_mtime_ns, state.st_size] for name, state in states],
    ]


def _read(path: Path, stamp: list[Any]) -> Words | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["stamp"] != stamp:
            return None
        return {kind: [(word, meaning) for word, meaning in words] for kind, words in content["words"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # absent, cut short, or not ours
        return None


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
