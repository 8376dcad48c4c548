"""``deepstrf-hf baseline``: files, tables, messages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deepstrf_hf import build, cli, load
from tests.raw_writers.ns1 import write_ns1

QUICK = ("--window-ms", "20", "--penalties", "0.1,10")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("baseline_cli")
    write_ns1(root / "raw", seed=3, n_units=4, clip_seconds=0.5)
    build("ns1", data_dir=root / "raw", out=root / "ns1", on_error="skip")
    return root / "ns1"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        cli.main(["baseline", *map(str, arguments)])
    captured = capsys.readouterr()
    return int(left.value.code or 0), captured.out, captured.err


def test_files_and_tables(capsys: pytest.CaptureFixture[str], built: Path, tmp_path: Path) -> None:
    code, out, error = run(capsys, built, "a1", "-o", tmp_path / "out", *QUICK)
    assert (code, error) == (0, "")
    for said in ("Split published: Rahman et al. 2020", "4 lags of 5 ms", "cc_norm_hsu", "single_unit_at_known_depth",
                 "of 4 neurons scored", "ns1_a1_baseline.json"):  # fmt: skip
        assert said in out, said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["ns1_a1_baseline.json", "ns1_a1_baseline.png"]
    written = json.loads((tmp_path / "out" / "ns1_a1_baseline.json").read_text(encoding="utf-8"))
    assert written["settings"]["penalties"] == [10.0, 0.1]
    assert len(written["data_fingerprint"]) == 64


def test_options_change_what_they_name(capsys: pytest.CaptureFixture[str], built: Path, tmp_path: Path) -> None:
    options = ("--bin-ms", "10", "--by", "single_t", "--preprocessing", "none", "--no-figure", "--json")
    code, out, error = run(capsys, built, "-o", tmp_path, *QUICK, *options)
    assert (code, error) == (0, "")
    printed = json.loads(out)
    assert printed == json.loads((tmp_path / "ns1_a1_baseline.json").read_text(encoding="utf-8"))
    assert printed["settings"]["dt_ms"] == 10 and printed["settings"]["n_lags"] == 2
    assert printed["settings"]["preprocessing"] == "none"
    values = {entry["single_t"] for entry in load(built).nrn_meta}
    assert {f"single_t {value}" for value in values} <= set(printed["summary"])
    assert not list(tmp_path.glob("*.png"))
    code, out, _ = run(capsys, built, "-o", tmp_path, *QUICK, "--by", "none", "--no-figure", "--json")
    assert set(json.loads(out)["summary"]) == {"all", "single_unit_at_known_depth"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a2",), "No configuration is named 'a2'"),
        (("--by", "single_tt"), "did you mean 'single_t'"),
        (("--bin-ms", "7"), "a multiple of the stored 5 ms"),
        (("--window-ms", "1"), "at least 5 ms"),
        (("--penalties", "0.1,much"), "Penalties are numbers"),
        (("--penalties", "0.1,-1"), "must be positive"),
        (("--preprocessing", "some"), "published, deepstrf, none"),
        (("--seeds", "0"), "at least 1"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_written(
    capsys: pytest.CaptureFixture[str], built: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    code, out, error = run(capsys, built, *arguments, "-o", tmp_path / "out")
    assert (code, out) == (1, "") and said in error
    assert not (tmp_path / "out").exists()


def test_a_directory_that_is_no_corpus(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, error = run(capsys, tmp_path)
    assert code == 1 and "not a corpus that deepstrf-hf built" in error
