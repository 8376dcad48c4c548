"""The linear reference of real recordings: what a build of them must give."""

from __future__ import annotations

from pathlib import Path

import pytest

import deepstrf_hf


@pytest.mark.real
def test_ns1(real_data: Path, tmp_path: Path) -> None:
    deepstrf_hf.build("ns1", data_dir=real_data / "ns1", out=tmp_path / "ns1")
    result = deepstrf_hf.baseline(tmp_path / "ns1", "a1")
    assert result.n_scored == 119 and not result.left_out
    papers = result.summary["single_unit_at_known_depth"]
    assert papers["n"] == 73
    assert papers["cc_norm_mean"] == pytest.approx(0.632, abs=0.03)
    counts = deepstrf_hf.baseline(tmp_path / "ns1", "a1", preprocessing=None)
    assert counts.summary["single_unit_at_known_depth"]["cc_norm_mean"] == pytest.approx(0.607, abs=0.03)
