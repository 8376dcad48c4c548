"""One bar for all parts: what it counts, and that it ends where all parts have ended."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tqdm import tqdm

from deepstrf_hf import progress as progress_module
from deepstrf_hf.progress import PartsProgress
from deepstrf_hf.recording import Part


@pytest.fixture(autouse=True)
def _shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(total: int | None, description: str, unit: str) -> tqdm:
        return tqdm(total=total, desc=description, unit=unit, file=io.StringIO())

    monkeypatch.setattr(progress_module, "progress_bar", shown)


def test_stimuli_are_counted_where_all_parts_say_how_many_they_have() -> None:
    with PartsProgress([Part("a", n_stimuli=3), Part("b", n_stimuli=5)], "x") as progress:
        assert (progress.bar.total, progress.bar.unit) == (8, "stimulus")
        progress.advance(1, 2)
        assert progress.bar.n == 2
        progress.finish(0, 3)  # an engine that told nothing meanwhile
        progress.finish(1, 5)
        assert progress.bar.n == 8


def test_parts_are_counted_otherwise_and_stimuli_shown() -> None:
    with PartsProgress([Part("a"), Part("b", n_stimuli=5)], "x") as progress:
        assert (progress.bar.total, progress.bar.unit) == (2, "part")
        progress.advance(0, 4)
        assert progress.bar.n == 0
        assert progress.bar.postfix == "stimuli=4", "two parts still move"
        progress.finish(0, 6)
        progress.finish(1, 5)
        assert progress.bar.n == 2


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5)), max_size=20))
def test_a_part_that_was_begun_again_is_not_counted_twice(told: list[tuple[int, int]]) -> None:
    parts: list[Any] = [Part(str(number), n_stimuli=4) for number in range(3)]
    with PartsProgress(parts, "x") as progress:
        for number, n_stimuli in told:
            progress.advance(number, n_stimuli)
        for number in range(3):
            progress.finish(number, 4)
        assert progress.bar.n == 12
