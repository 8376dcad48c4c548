"""Where the cache is and how large it may be."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from deepstrf_hf.cache.settings import DIRECTORY_VARIABLE, SIZE_VARIABLE, cache_settings
from deepstrf_hf.errors import ParameterError


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (DIRECTORY_VARIABLE, SIZE_VARIABLE):
        monkeypatch.delenv(name, raising=False)


def test_the_platforms_directory_and_twenty_gigabytes_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = cache_settings()
    assert settings is not None
    assert settings.directory == Path(platformdirs.user_cache_dir("deepstrf-hf", appauthor=False)) / "grids"
    assert settings.limit_bytes == 20_000_000_000
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path))
    monkeypatch.setenv(SIZE_VARIABLE, "0.5")
    settings = cache_settings(True)
    assert settings is not None
    assert (settings.directory, settings.limit_bytes) == (tmp_path, 500_000_000)
    settings = cache_settings(tmp_path / "other")
    assert settings is not None
    assert settings.directory == tmp_path / "other", "an argument comes before the environment"


def test_false_and_a_size_of_zero_are_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_settings(False) is None
    monkeypatch.setenv(SIZE_VARIABLE, "0")
    assert cache_settings() is None
    assert cache_settings(tmp_path) is None


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf", "1 GB"])
def test_a_size_that_is_no_number_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIZE_VARIABLE, text)
    with pytest.raises(ParameterError) as caught:
        cache_settings()
    assert caught.value.field == SIZE_VARIABLE
    assert text in str(caught.value.found)
