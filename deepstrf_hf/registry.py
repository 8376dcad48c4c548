"""Names of corpora to their builders."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from deepstrf_hf.errors import unknown_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deepstrf_hf.builder import CorpusBuilder
    from deepstrf_hf.corpus import Selection


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


def selections_of(corpus: str) -> Mapping[str, Selection]:
    """Return the choices of stimuli that only this corpus has, by name; none for a corpus that is not ours."""
    return load_builder(corpus).CORPUS.selections if corpus in corpus_names() else {}
