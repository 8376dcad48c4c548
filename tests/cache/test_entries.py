"""Entries of the cache: whole or absent, bounded, safe where several processes write."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deepstrf_hf.cache.entries import ABANDONED_SECONDS, STAGING, CacheDirectory
from deepstrf_hf.cache.remembered import cache_key, remembered
from deepstrf_hf.cache.settings import CacheSettings
from deepstrf_hf.cache.stores import HEADER, ArrayStore, CacheFailedError

VALUES = np.arange(1000, dtype=np.float32)
KEYS = [cache_key(number) for number in range(5)]


def cache_at(directory: Path, limit_bytes: int = 10**9) -> CacheDirectory:
    return CacheDirectory(CacheSettings(directory, limit_bytes))


def fill(store: ArrayStore) -> dict[str, Any]:
    store.reserve("values", VALUES.dtype, VALUES.size)
    store.put("values", 600, VALUES[600:])
    store.put("values", 0, VALUES[:600])
    return {"name": "é", "list": [1, None, 0.1]}


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


ARRAYS = st.dictionaries(
    st.sampled_from(["values", "pairs", "bins"]),
    st.one_of(hnp.arrays(kind, st.integers(0, 50)) for kind in (np.uint8, np.int64, np.float32, np.bool_)),
    min_size=1,
)


@given(arrays=ARRAYS, cut=st.integers(0, 50))
def test_what_is_put_in_comes_out(tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, Any], cut: int) -> None:
    def put(store: ArrayStore) -> list[str]:
        for name, array in arrays.items():
            if name == "bins":  # one piece after another
                store.append(name, array[:cut])
                store.append(name, array[cut:])
            else:
                store.reserve(name, array.dtype, array.size)
                store.put(name, cut if cut < array.size else 0, array[cut:] if cut < array.size else array)
                store.put(name, 0, array[:cut])
        return sorted(arrays)

    for cache in (cache_at(tmp_path_factory.mktemp("cache")), None):
        for _ in range(2):
            content, pieces = remembered(cache, KEYS[0], put)
            assert content == sorted(arrays)
            assert pieces.keys() == arrays.keys()
            for name, array in arrays.items():
                whole = np.concatenate(pieces[name])
                assert whole.dtype == array.dtype
                np.testing.assert_array_equal(whole, array)


def test_an_entry_is_made_once_and_mapped(tmp_path: Path) -> None:
    cache, made = cache_at(tmp_path), []

    def counting(store: ArrayStore) -> Any:
        made.append(1)
        return fill(store)

    for _ in range(3):
        content, arrays = remembered(cache, KEYS[0], counting)
        assert content == {"name": "é", "list": [1, None, 0.1]}
        np.testing.assert_array_equal(arrays["values"][0], VALUES)
    assert made == [1]


def test_changing_a_mapped_array_changes_neither_the_file_nor_what_others_map(tmp_path: Path) -> None:
    cache = cache_at(tmp_path)
    _, first = remembered(cache, KEYS[0], fill)
    first["values"][0][:] = -1
    _, second = remembered(cache, KEYS[0], fill)
    np.testing.assert_array_equal(second["values"][0], VALUES)


@pytest.mark.parametrize("damage", ["cut", "longer", "no values", "header", "header kind", "dtype"])
def test_a_broken_entry_is_made_anew(tmp_path: Path, damage: str) -> None:
    cache = cache_at(tmp_path)
    remembered(cache, KEYS[0], fill)
    values, header = tmp_path / KEYS[0] / "values.bin", tmp_path / KEYS[0] / HEADER
    if damage == "cut":
        os.truncate(values, 10)
    elif damage == "longer":
        os.truncate(values, 10**5)
    elif damage == "no values":
        values.unlink()
    else:
        header.write_text(
            {"header": "{", "header kind": "[]", "dtype": header.read_text().replace("<f4", "what")}[damage]
        )
    _, arrays = remembered(cache, KEYS[0], fill)
    np.testing.assert_array_equal(arrays["values"][0], VALUES)
    if damage != "no values":  # that looks as if somebody were just removing it
        assert cache.open(KEYS[0]) is not None


def test_making_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def failing(store: ArrayStore) -> Any:
        fill(store)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remembered(cache_at(tmp_path), KEYS[0], failing)
    assert names(tmp_path) == []


def test_what_is_larger_than_the_cache_is_made_in_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content, arrays = remembered(cache_at(tmp_path, 1000), KEYS[0], fill)
    np.testing.assert_array_equal(arrays["values"][0], VALUES)
    assert content["name"] == "é"
    assert names(tmp_path) == []
    assert "does not fit" in caplog.text

    def growing(store: ArrayStore) -> Any:
        for _ in range(3):
            store.append("values", VALUES[:100])

    _, arrays = remembered(cache_at(tmp_path, 1000), KEYS[0], growing)
    assert [len(piece) for piece in arrays["values"]] == [100] * 3
    assert names(tmp_path) == []


def test_a_full_disk_does_not_keep_anybody_from_their_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("deepstrf_hf.cache.stores._write_at", full)
    _, arrays = remembered(cache_at(tmp_path), KEYS[0], fill)
    np.testing.assert_array_equal(arrays["values"][0], VALUES)
    assert "No space left" in caplog.text
    assert names(tmp_path) == []


def test_a_directory_that_cannot_be_made_neither(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    _, arrays = remembered(cache_at(tmp_path / "file" / "cache"), KEYS[0], fill)
    np.testing.assert_array_equal(arrays["values"][0], VALUES)
    assert "Not kept in the cache" in caplog.text


def test_a_header_that_is_no_plain_data_is_not_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content, _ = remembered(cache_at(tmp_path), KEYS[0], lambda store: {"set": {1, 2}})
    assert content == {"set": {1, 2}}
    assert "not JSON serializable" in caplog.text
    assert names(tmp_path) == []


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    cache = cache_at(tmp_path, 13_000)  # three entries of 4,000 bytes and their headers
    for age, key in zip((400, 300, 200), KEYS, strict=False):
        cache.make(key, fill)
        os.utime(tmp_path / key / HEADER, (time.time() - age,) * 2)
    assert cache.open(KEYS[0]) is not None  # used now
    _, arrays = remembered(cache, KEYS[3], fill)
    assert sorted(key for key, _, _ in cache.entries()) == sorted([KEYS[0], KEYS[2], KEYS[3]])
    np.testing.assert_array_equal(arrays["values"][0], VALUES)


def test_who_has_an_entry_mapped_keeps_it(tmp_path: Path) -> None:
    cache = cache_at(tmp_path)
    _, arrays = remembered(cache, KEYS[0], fill)
    assert cache.clear() > 4000
    np.testing.assert_array_equal(arrays["values"][0], VALUES)
    assert cache.open(KEYS[0]) is None


def test_nothing_is_removed_that_is_not_ours(tmp_path: Path) -> None:
    foreign = tmp_path / "project"
    foreign.mkdir()
    (foreign / HEADER).write_text("{}")
    cache = cache_at(tmp_path, 5000)
    for key in KEYS:
        cache.make(key, fill)
    assert len(cache.entries()) == 1
    cache.clear()
    assert names(tmp_path) == ["project"]


def test_what_a_killed_process_left_goes_after_a_day(tmp_path: Path) -> None:
    for name, age in (("old", ABANDONED_SECONDS + 60), ("new", 60)):
        (tmp_path / f"{STAGING}{name}").mkdir()
        os.utime(tmp_path / f"{STAGING}{name}", (time.time() - age,) * 2)
    cache_at(tmp_path).make(KEYS[0], fill)
    assert names(tmp_path) == sorted([f"{STAGING}new", KEYS[0]])


def test_several_writers_of_one_entry_all_get_it(tmp_path: Path) -> None:
    together = threading.Barrier(4)
    found: list[float] = []

    def slow(store: ArrayStore) -> Any:
        together.wait()  # nobody finishes before all have begun
        return fill(store)

    def work() -> None:
        cache_at(tmp_path).make(KEYS[0], slow)
        _, arrays = remembered(cache_at(tmp_path), KEYS[0], fill)
        found.append(float(arrays["values"][0].sum()))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [float(VALUES.sum())] * 4
    assert names(tmp_path) == [KEYS[0]]


def test_an_empty_directory_under_the_key_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / KEYS[0]).mkdir(parents=True)
    _, arrays = remembered(cache_at(tmp_path), KEYS[0], fill)
    np.testing.assert_array_equal(arrays["values"][0], VALUES)


def test_a_key_holds_all_its_parts() -> None:
    assert cache_key("a", None, [1.5]) == cache_key("a", None, [1.5])
    assert len({cache_key("a", None), cache_key("a"), cache_key("a", ["b"]), cache_key("a", "b")}) == 4


def test_a_failed_make_says_what_failed(tmp_path: Path) -> None:
    with pytest.raises(CacheFailedError, match="values does not fit"):
        cache_at(tmp_path, 10).make(KEYS[0], fill)
