"""Parts built by Ray: the same bytes, the same errors, and a killed worker's part again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from deepstrf_hf import build
from deepstrf_hf.errors import MissingDependencyError, OutputDirectoryError, RawFormatError
from tests.every_corpus import TREES
from tests.toy import Toy, fingerprint, write_toy
from tests.watched_toy import CALLS, KILL, WatchedToy, walked


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write_toy(tmp_path / "raw")


def test_the_same_bytes_as_in_this_process(ray: Any, raw: Path, tmp_path: Path) -> None:
    build(Toy, data_dir=raw, out=tmp_path / "one", waveform=True)
    build(Toy, data_dir=raw, out=tmp_path / "ray", waveform=True, engine="ray")
    assert fingerprint(tmp_path / "ray") == fingerprint(tmp_path / "one")
    assert ray.is_initialized(), "a connection that is not of the build stays"


def test_a_corpus_whose_parts_share_stimuli(ray: Any, tmp_path: Path) -> None:
    raw = TREES["downer2025"].write(tmp_path / "raw")
    for number, engine in enumerate(("processes", "ray")):
        build("downer2025", data_dir=raw, out=tmp_path / str(number), engine=engine, on_error="skip")
    assert fingerprint(tmp_path / "0") == fingerprint(tmp_path / "1")


def test_an_error_arrives_whole(ray: Any, tmp_path: Path) -> None:
    raw = write_toy(tmp_path / "raw", broken=["site_b-n1"])
    with pytest.raises(RawFormatError) as caught:
        build(Toy, ["counts"], data_dir=raw, out=tmp_path / "out", engine="ray")
    assert type(caught.value) is RawFormatError
    assert caught.value.field == "site_b-n1"
    assert "finished parts" in str(caught.value.mend)


def test_a_part_whose_worker_is_killed_is_built_again(ray: Any, raw: Path, tmp_path: Path) -> None:
    build(WatchedToy, ["counts"], data_dir=raw, out=tmp_path / "one")
    (raw / CALLS).unlink()
    (raw / KILL).write_text("site_b 1 self")
    build(WatchedToy, ["counts"], data_dir=raw, out=tmp_path / "ray", engine="ray", num_proc=2)
    assert sorted(walked(raw)) == ["site_a", "site_b", "site_b", "site_c"]
    assert fingerprint(tmp_path / "ray") == fingerprint(tmp_path / "one")


def test_workers_that_do_not_see_the_output_say_so(ray: Any, raw: Path) -> None:
    with pytest.raises(OutputDirectoryError, match="does not see"):
        build(Toy, ["counts"], data_dir=raw, out="memory://of_this_process/toy", engine="ray")


def test_without_ray_the_extra_is_named(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r"deepstrf-hf\[ray\]"):
        build(Toy, data_dir=raw, out=tmp_path / "out", engine="ray")
