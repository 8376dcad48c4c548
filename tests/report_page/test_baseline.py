"""A baseline on the page: shown whole, refused where it is of other data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deepstrf_hf import report_page
from deepstrf_hf.card_pictures_png import png_of
from deepstrf_hf.data_fingerprint import data_fingerprint
from deepstrf_hf.drawing import new_figure
from deepstrf_hf.errors import DeepstrfError, ParameterError, TableFormatError
from deepstrf_hf.report_html.baseline import PNG
from deepstrf_hf.repository import Repository
from tests.report_page.corpora import HOSTILE, Toy, built, page_of


def baseline_of(directory: Path, config: str) -> dict[str, Any]:
    repository = Repository.open(directory)
    scores = {"n": 3, "cc_raw_mean": 0.4123, "cc_raw_median": 0.39, "cc_norm_mean": 0.55, "cc_norm_median": None}
    return {
        "format": 1,
        "kind": "ridge STRF",
        "corpus": directory.name,
        "config": config,
        "corpus_version": "1.0.0",
        "deepstrf_hf_version": "0.9.9",
        "data_fingerprint": data_fingerprint(repository, config),
        "settings": {"n_lags": 30, "dt_ms": 5.0, "penalties": [1.0, 10.0], "split": f"published: {HOSTILE}"},
        "n_neurons": 4,
        "n_scored": 3,
        "left_out": [{"reason": "silent", "neurons": ["n_silent", HOSTILE]}],
        "summary": {"all": scores, HOSTILE: {**scores, "n": 2}},
        "neurons": [
            {"neuron_id": "a", "cc_raw": 0.4, "cc_norm": 0.5, "cc_max": 0.8},
            {"neuron_id": "b", "cc_raw": 0.3, "cc_norm": 0.7, "cc_max": 0.8},
            {"neuron_id": "c", "cc_raw": 0.3, "cc_norm": None, "cc_max": None},
        ],
        "published": [
            {"what": "mean of 21 cells", "value": 0.21, "source": "A paper", "ours": 0.2, "note": HOSTILE},
            {"what": "another", "value": 0.53, "source": "B paper", "ours": None, "note": ""},
        ],
        "seconds": {"loading": 1.0, "fitting": 2.0},
    }


def write_baseline(folder: Path, directory: Path, config: str) -> Path:
    """Write what the command writes for a build."""
    path = folder / f"{directory.name}_{config}_baseline.json"
    path.write_text(json.dumps(baseline_of(directory, config)), encoding="utf-8")
    path.with_suffix(".png").write_bytes(png_of(new_figure(7, 3)))
    return path


def test_scores_published_ones_and_pictures_are_shown(ns1_built: Path, tmp_path: Path) -> None:
    path = write_baseline(tmp_path, ns1_built, "a1")
    page = page_of(ns1_built, tmp_path / "page.html", baselines=[path])
    rows = [element.text for element in page.all("tr")]
    assert "all30.41230.390.55–" in [row.replace(" ", "") for row in rows]
    assert any(row.startswith("mean of 21 cells") for row in rows)
    assert any("another" in row and "–" in row for row in rows)
    assert "Receptive fields" in page.text
    assert "cc_norm of 2 neurons: from 0.5 to 0.7, median 0.6 (dashed)." in page.text
    assert "n_silent" in page.text
    assert "Fitted by deepstrf-hf 0.9.9." in page.text
    path.with_suffix(".png").unlink()
    assert "Receptive fields" not in page_of(ns1_built, tmp_path / "page.html", baselines=[path]).text


def test_without_a_baseline_none_is_shown(ns1_built: Path, tmp_path: Path) -> None:
    page = page_of(ns1_built, tmp_path / "page.html")
    assert not [element for element in page.all("h3") if "Baseline" in element.text]


def test_a_baseline_of_each_cohort(tmp_path: Path, know_toys: None) -> None:
    directory = built(Toy, tmp_path)
    paths = [write_baseline(tmp_path, directory, config) for config in ("potentials", "counts")]
    page = page_of(directory, tmp_path / "page.html", baselines=paths)
    assert len([element for element in page.all("h3") if "Baseline" in element.text]) == 2


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"data_fingerprint": "0" * 64}, TableFormatError, "run `deepstrf-hf baseline` of a1 again"),
        ({"config": "peg"}, ParameterError, "peg of ns1"),
        ({"corpus": "nat4"}, ParameterError, "a1 of nat4"),
        ({"format": 2}, TableFormatError, "Not a baseline"),
        ({"config": 3}, TableFormatError, "Not a baseline"),
        ({"summary": {"all": {}}}, TableFormatError, "cc_raw_mean|'n'"),
        ({"neurons": [{"neuron_id": "a"}]}, TableFormatError, "cc_norm"),
        ({"published": None}, TableFormatError, "Not a baseline"),
        ({"left_out": [{"reason": "x", "neurons": 3}]}, TableFormatError, "Not a baseline"),
    ],
)
def test_one_that_does_not_fit_is_refused(
    ns1_built: Path, tmp_path: Path, changes: dict[str, Any], error: type[DeepstrfError], said: str
) -> None:
    path = write_baseline(tmp_path, ns1_built, "a1")
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")
    with pytest.raises(error, match=said):
        report_page(ns1_built, output=tmp_path / "page.html", baselines=[path])
    assert not (tmp_path / "page.html").exists()


def test_a_broken_figure_beside_it_is_refused(ns1_built: Path, tmp_path: Path) -> None:
    path = write_baseline(tmp_path, ns1_built, "a1")
    path.with_suffix(".png").write_bytes(PNG + b"nothing more")
    with pytest.raises(TableFormatError, match="Not a baseline"):
        report_page(ns1_built, output=tmp_path / "page.html", baselines=[path])


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"{}", b"null"])
def test_what_is_no_baseline_is_refused(ns1_built: Path, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    for named in (path, tmp_path / "absent.json"):
        with pytest.raises(TableFormatError, match="Not a baseline"):
            report_page(ns1_built, output=tmp_path / "page.html", baselines=[named])


def test_two_of_one_cohort_are_refused(ns1_built: Path, tmp_path: Path) -> None:
    path = write_baseline(tmp_path, ns1_built, "a1")
    with pytest.raises(ParameterError, match="twice"):
        report_page(ns1_built, output=tmp_path / "page.html", baselines=[path, path])
