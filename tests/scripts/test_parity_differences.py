"""The list of deliberate differences: complete in the documentation, and about things that exist."""

from __future__ import annotations

import builtins
import re
from pathlib import Path

import pytest

from deepstrf_hf import errors
from scripts.parity.differences import DIFFERENCES, markdown
from scripts.parity.published_tests import TEST_FILES
from scripts.parity.verdicts import DOCUMENT

REPOSITORY = Path(__file__).resolve().parents[2]


def test_documented_table_is_the_list() -> None:
    assert markdown() in (REPOSITORY / DOCUMENT).read_text(encoding="utf-8")


def test_every_difference_has_one_anchor_in_the_document() -> None:
    anchors = re.findall(r'<a id="([^"]*)"></a>', (REPOSITORY / DOCUMENT).read_text(encoding="utf-8"))
    assert anchors == [difference.name for difference in DIFFERENCES]
    assert len(set(anchors)) == len(anchors)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", anchor) for anchor in anchors)


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.name)
def test_a_difference_says_what_and_why_in_one_cell_each(difference) -> None:
    for said in (difference.theirs, difference.ours, difference.reason):
        assert said
        assert said == said.strip()
        assert not set(said) & {"|", "\n"}
    for test, error in difference.tests.items():
        file, _, name = test.partition("::")
        assert file in TEST_FILES
        assert name.startswith("test_")
        assert hasattr(errors, error) or hasattr(builtins, error)


def test_a_test_is_named_once() -> None:
    named = [test for difference in DIFFERENCES for test in difference.tests]
    assert len(set(named)) == len(named)


def test_errors_are_the_builtin_errors_that_the_table_says() -> None:
    (said,) = (difference.ours for difference in DIFFERENCES if difference.name == "own-errors")
    pairs = {
        "GridError": ValueError,
        "ParameterError": ValueError,
        "SelectionError": IndexError,
        "UnknownNameError": KeyError,
    }
    for name, builtin in pairs.items():
        assert f"`{name}`" in said
        assert builtin.__name__ in said
        assert issubclass(getattr(errors, name), builtin)
