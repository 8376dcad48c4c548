"""Neurons fitted one by one get the scores that they get together."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepstrf_hf import build
from scripts import baseline_loop
from tests.every_corpus import TREES


@pytest.mark.parametrize(("corpus", "window_ms"), [("ns1", 20), ("crcns_aa1", 15)])
def test_the_loop_gives_the_same_scores(
    corpus: str, window_ms: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(corpus, data_dir=TREES[corpus].write(tmp_path / "raw"), out=tmp_path / "built", on_error="skip")
    largest = baseline_loop.main([str(tmp_path / "built"), "--window-ms", str(window_ms), "--seeds", "2"])
    assert largest < 1e-8
    assert "largest difference" in capsys.readouterr().out
