"""Names of corpora to their builders."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from deepstrf_hf.errors import unknown_name

if TYPE_CHECKING:
    from deepstrf_hf.builder import CorpusBuilder


def corpus_names() -> list[str]:
    """Return the names of all corpora, sorted."""
    from builders import BUILDERS

    return sorted(BUILDERS)


def load_builder(corpus: str) -> type[CorpusBuilder]:
    """Import and return the builder class of a corpus.

    Raises
    ------
    UnknownNameError
        No such corpus; near matches are offered.
    """
    from builders import BUILDERS

    if corpus not in BUILDERS:
        raise unknown_name("corpus", corpus, sorted(BUILDERS))
    module, name = BUILDERS[corpus].split(":")
    builder: type[CorpusBuilder] = getattr(importlib.import_module(module), name)
    return builder
