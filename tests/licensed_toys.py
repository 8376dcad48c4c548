"""Toy corpora of several licences, for tests of what may be pushed where; clients import them too."""

from __future__ import annotations

from dataclasses import replace

from deepstrf_hf.corpus import Licence, Redistribution
from tests.toy import Toy

FORBIDDEN_TERMS = "Redistribution is not permitted."
TOYS = {"toy": "tests.toy:Toy", "forbidden_toy": "tests.licensed_toys:ForbiddenToy"}
"""What `builders.BUILDERS` needs to know them."""
KNOW_TOYS = """
import builders
from tests.licensed_toys import TOYS

builders.BUILDERS.update(TOYS)
"""
"""Beginning of a client's snippet."""


class ForbiddenToy(Toy):
    """A corpus that may not be handed on."""

    CORPUS = replace(
        Toy.CORPUS,
        name="forbidden_toy",
        licence=Licence("Toy terms of use", "other", "https://example.org/terms", FORBIDDEN_TERMS),
        redistribution=Redistribution.FORBIDDEN,
    )
