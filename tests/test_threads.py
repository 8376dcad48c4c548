import multiprocessing
import os

import pytest

from deepstrf_hf.threads import THREAD_VARIABLES, one_thread_each


def said(name: str) -> str | None:
    return os.environ.get(name)


def test_processes_started_meanwhile_have_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    before = dict(os.environ)
    with one_thread_each(), multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(said, THREAD_VARIABLES) == ["3", "1", "1", "1"], "what a user sets stays"
    assert dict(os.environ) == before


def test_the_environment_is_restored_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    with pytest.raises(ValueError, match="halfway"), one_thread_each():
        raise ValueError("halfway")
    assert dict(os.environ) == before
