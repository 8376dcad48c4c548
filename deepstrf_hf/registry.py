"""Names of corpora to their builders: those of this distribution, and those that other installed ones declare."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepstrf_hf.errors import RegistrationError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.machinery import ModuleSpec

    from deepstrf_hf.builder import CorpusBuilder
    from deepstrf_hf.corpus import Selection

GROUP = "deepstrf_hf.corpora"
"""Group of the entry points by which a distribution declares corpora: ``name = "module:BuilderClass"``."""
OURS = "deepstrf-hf"
NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Registration:
    """A distribution's word that it builds a corpus.

    Parameters
    ----------
    name : str
        Name of the corpus.
    target : str
        Where its builder is, as ``module:class``.
    provided_by : str
        Name of the distribution.
    """

    name: str
    target: str
    provided_by: str

    @property
    def module(self) -> str:
        """Name of the module that holds the builder."""
        return self.target.partition(":")[0]

    def find(self) -> ModuleSpec | None:
        """Find the module of the builder without importing it; packages around it are imported.

        Raises
        ------
        RegistrationError
            One of these cannot be imported.
        """
        try:
            return importlib.util.find_spec(self.module)
        except Exception as error:  # code of others: anything may come
            raise self._not_importable(error) from error

    def load(self) -> type[CorpusBuilder]:
        """Import the builder.

        Raises
        ------
        RegistrationError
            What another distribution declares cannot be imported, is no builder, or builds a corpus of another name.
        """
        attribute = self.target.partition(":")[2]
        if self.provided_by == OURS:
            builder: type[CorpusBuilder] = getattr(importlib.import_module(self.module), attribute)
            return builder
        try:
            found = getattr(importlib.import_module(self.module), attribute)
        except Exception as error:  # as above
            raise self._not_importable(error) from error
        return self._checked(found)

    def _checked(self, found: object) -> type[CorpusBuilder]:
        from deepstrf_hf.builder import CorpusBuilder

        if not (isinstance(found, type) and issubclass(found, CorpusBuilder) and hasattr(found, "CORPUS")):
            raise self._error("is not a builder", found=repr(found), expected="a subclass of CorpusBuilder with CORPUS")
        if not NAME.fullmatch(self.name) or found.CORPUS.name != self.name:
            raise self._error(
                "has another name than its declaration, or none that can be used",
                found=f"entry point {self.name!r}, CORPUS.name {found.CORPUS.name!r}",
                expected="one name, of small letters, digits and underscores",
            )
        return found

    def _not_importable(self, error: Exception) -> RegistrationError:
        return self._error(
            "cannot be imported", found=f"{type(error).__name__}: {error}", expected=f"a class at {self.target}"
        )

    def _error(self, problem: str, *, found: str, expected: str) -> RegistrationError:
        return RegistrationError(
            f"The corpus {self.name} that {self.provided_by} declares {problem}",
            field=f"entry point {self.name} = {self.target!r} of {GROUP}",
            found=found,
            expected=expected,
            mend=f"mend, upgrade or uninstall {self.provided_by}",
        )


def registrations() -> list[Registration]:
    """Return what is registered, sorted by name; names may stand twice."""
    from builders import BUILDERS

    ours = [Registration(name, target, OURS) for name, target in BUILDERS.items()]
    others = [
        Registration(point.name, point.value, point.dist.name if point.dist else "an unnamed distribution")
        for point in importlib.metadata.entry_points(group=GROUP)
    ]
    return sorted([*ours, *others], key=lambda entry: (entry.name, entry.provided_by != OURS, entry.provided_by))


def corpus_names() -> list[str]:
    """Return the names of all corpora, sorted."""
    return sorted({entry.name for entry in registrations()})


def registration_of(corpus: str) -> Registration:
    """Return who builds a corpus.

    Raises
    ------
    UnknownNameError
        No such corpus; near matches are offered.
    RegistrationError
        Several distributions declare a corpus of this name, or of one that differs in capitals and hyphens only:
        which of them is meant cannot be told.
    """
    entries = registrations()
    rivals = [entry for entry in entries if _plain(entry.name) == _plain(corpus)]
    if not any(entry.name == corpus for entry in rivals):
        raise unknown_name("corpus", corpus, corpus_names())
    if len(rivals) > 1:
        others = dict.fromkeys(entry.provided_by for entry in rivals if entry.provided_by != OURS)
        raise RegistrationError(
            f"Several installed distributions declare a corpus named {corpus}, or nearly so",
            field=corpus,
            found=", ".join(f"{entry.name} of {entry.provided_by}" for entry in rivals),
            expected="one",
            mend=f"uninstall, or have renamed, that of {' or '.join(others)}",
        )
    return rivals[0]


def load_builder(corpus: str) -> type[CorpusBuilder]:
    """Import and return the builder class of a corpus.

    Raises
    ------
    UnknownNameError
        No such corpus; near matches are offered.
    RegistrationError
        What another distribution declares cannot be used, or has the name of another corpus.
    """
    return registration_of(corpus).load()


def load_builders() -> tuple[dict[str, type[CorpusBuilder]], dict[str, RegistrationError]]:
    """Import all builders: those that can be used, and why others cannot, both by name."""
    usable: dict[str, type[CorpusBuilder]] = {}
    broken: dict[str, RegistrationError] = {}
    for name in corpus_names():
        try:
            usable[name] = load_builder(name)
        except RegistrationError as error:
            broken[name] = error
    return usable, broken


def package_of(corpus: str) -> str | None:
    """Return the package of a corpus's builder, which may hold its ``card.md``; None if it is not registered.

    Raises
    ------
    RegistrationError
        A package around it cannot be imported.
    """
    entry = next((entry for entry in registrations() if entry.name == corpus), None)
    spec = None if entry is None else entry.find()
    return None if spec is None else spec.parent or None


def selections_of(corpus: str) -> Mapping[str, Selection]:
    """Return the choices of stimuli that only this corpus has, by name; none for a corpus that is not registered."""
    return load_builder(corpus).CORPUS.selections if corpus in corpus_names() else {}


def _plain(name: str) -> str:
    return re.sub(r"[-_. ]", "", name).lower()
