"""A tree is equal to its copies in other processes, so that what is kept of it is found there; never to another."""

from __future__ import annotations

import functools
import pickle
from pathlib import Path

from deepstrf_hf.raw_tree import RawTree


def test_a_copy_is_equal_and_a_tree_that_is_opened_again_is_not(tmp_path: Path) -> None:
    tree = RawTree(tmp_path, "toy", ())
    copy = pickle.loads(pickle.dumps(tree))  # noqa: S301  # made here
    assert copy == tree
    again = RawTree(tmp_path, "toy", ())
    assert again != tree, "its files may have changed"
    calls = []

    @functools.lru_cache(maxsize=1)
    def read(raw: RawTree) -> None:
        calls.append(raw)

    for one in (tree, copy, again):
        read(one)
    assert len(calls) == 2
