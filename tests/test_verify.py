"""Verifying a directory: files, card, report, provenance."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepstrf_hf import build, cli, verify
from deepstrf_hf.errors import ParameterError, TableFormatError, UnknownNameError
from deepstrf_hf.report import BuildReport
from tests.hub_helpers import digests, rewrite
from tests.scaled_toy import ScaledToy
from tests.toy import Toy, write_toy
from tests.verify_helpers import (  # noqa: F401
    MAIN,
    NEURONS,
    change_provenance,
    edit_report,
    found,
    known,
    reseal,
    toy,
    toy_built,
)

# Whole builds ---------------------------------------------------------------------------------------------------------


def test_a_whole_build_has_no_failures_and_is_not_touched(toy_built: Path) -> None:  # noqa: F811
    before = digests(toy_built)
    verification = verify(toy_built)
    assert verification.failures == () and verification.whole
    assert {(remark.file, remark.field, remark.found, remark.expected) for remark in verification.remarks} == {
        (cohort, "good", "3", "99") for cohort in ("counts", "potentials")
    }, "the count that differs from the published one"
    assert digests(toy_built) == before
    report = BuildReport.read(toy_built)
    assert verification.files == len(report.files()) == 28
    assert verification.bytes == sum((toy_built / name).stat().st_size for name in report.files())
    for cohort, counts in verification.counts.items():
        assert counts.items() <= report.cohorts[cohort].counts.items()
    assert "spikes" in verification.counts["counts"]


@pytest.mark.parametrize(
    "options",
    [
        {"where": {"neuron.site": "site_b"}},
        {"parameters": {"dt_ms": 10, "limit": 3}},
        {"stimulus": "reference"},
        {"stimulus": "inline"},
        {"audio": False},
    ],
    ids=str,
)
def test_variants_are_whole_too(options: dict[str, Any], tmp_path: Path) -> None:
    raw = write_toy(tmp_path / "raw")
    build(Toy, data_dir=raw, out=tmp_path / "out", **options)
    verification = verify(tmp_path / "out")
    assert verification.failures == ()
    assert bool(verification.remarks) == ("where" not in options), "a part has no published counts"
    assert len(verification.counts) == 2


def test_a_division_that_differs_from_site_to_site(tmp_path: Path) -> None:
    build(ScaledToy, data_dir=write_toy(tmp_path / "raw"), out=tmp_path / "out")
    verification = verify(tmp_path / "out")
    assert verification.findings == ()
    assert verification.counts["all"]["rows"] == 8


def test_the_build_of_a_corpus(ns1_built: Path) -> None:
    verification = verify(str(ns1_built))
    assert verification.failures == ()
    assert verification.counts["a1"]["rows"] == 100


def test_digests_are_in_the_report(toy_built: Path) -> None:  # noqa: F811
    report = BuildReport.read(toy_built)
    content = digests(toy_built)
    for entry in report.cohorts.values():
        for splits in entry.configs.values():
            for files in splits.values():
                assert files.sha256 == {name: content[name] for name in files.files}


# Files ----------------------------------------------------------------------------------------------------------------


def test_a_missing_file(toy: Path) -> None:  # noqa: F811
    (toy / MAIN).unlink()
    verification = verify(toy)
    assert [(failure.problem, failure.file) for failure in verification.failures] == [
        ("A file that the build report names is missing", MAIN)
    ]
    assert any("not verified" in remark.problem for remark in verification.remarks)
    assert list(verification.counts) == ["potentials"], "what can be verified is"


def test_files_that_nothing_names(toy: Path) -> None:  # noqa: F811
    """Those of ours are told, those of other people are left alone, wherever they lie."""
    stale = ["counts/train-00003-of-00004.parquet", "counts-dt10/train-00000-of-00001.parquet"]
    for name in stale:
        (toy / name).parent.mkdir(exist_ok=True)
        shutil.copy(toy / MAIN, toy / name)
    (toy / "counts" / "broken.parquet").write_bytes(b"x")
    (toy / "mine").mkdir()
    pq.write_table(pa.table({"x": [1]}), toy / "mine" / "train-00000-of-00001.parquet")
    (toy / "mine" / "notes.parquet").write_text("not Parquet")
    (toy / "mine" / "circle").symlink_to(toy)
    assert found(toy) == {
        ("A file of ours is there that the build report does not name", None, name)
        for name in [*stale, "counts/broken.parquet"]
    }


def test_content_that_was_not_built(toy: Path) -> None:  # noqa: F811
    """The same rows, written otherwise: nothing but size and digest tell."""
    rewrite(toy / MAIN, lambda table: table, compression="snappy")
    assert found(toy) == {
        ("The files of a split do not have the size that the build report states", "bytes", "counts/train"),
        ("A file has not the content that was built", "sha256", MAIN),
    }


def test_a_file_that_is_cut_short(toy: Path) -> None:  # noqa: F811
    content = (toy / MAIN).read_bytes()
    (toy / MAIN).write_bytes(content[: len(content) // 2])
    failures = found(toy)
    assert ("Not a readable Parquet file", None, MAIN) in failures
    assert ("A file has not the content that was built", "sha256", MAIN) in failures
    assert len(failures) == 3, "and the size"


@pytest.mark.parametrize("name", [MAIN, "counts-stimuli/train-00000-of-00001.parquet", NEURONS])
def test_broken_bytes_within_a_file(toy: Path, name: str) -> None:  # noqa: F811
    """The footer can be read and a page cannot."""
    content = bytearray((toy / name).read_bytes())
    content[4:200] = bytes(196)
    (toy / name).write_bytes(content)
    failures = {(problem, file) for problem, _, file in found(toy)}
    assert ("A file has not the content that was built", name) in failures
    assert ("Not a readable Parquet file", name) in failures


def test_a_file_of_somebody_else(toy: Path) -> None:  # noqa: F811
    pq.write_table(pa.table({"x": [1]}), toy / MAIN)
    reseal(toy, rows=False)
    assert found(toy) == {("This Parquet file was not written by deepstrf-hf", "deepstrf_hf", MAIN)}


# Card and report ------------------------------------------------------------------------------------------------------


def replace_in_card(toy: Path, old: str, new: str) -> None:  # noqa: F811
    card = toy / "README.md"
    text = card.read_text(encoding="utf-8")
    assert old in text
    card.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_card_that_names_other_files(toy: Path) -> None:  # noqa: F811
    replace_in_card(toy, MAIN, "counts/train-00009-of-00003.parquet")
    assert found(toy) == {("The card and the build report name different files", "counts/train", "README.md")}


def test_a_card_with_other_numbers(toy: Path) -> None:  # noqa: F811
    replace_in_card(toy, "num_examples: 18", "num_examples: 19")
    replace_in_card(toy, "download_size: ", "download_size: 1")
    assert {(problem, file) for problem, _, file in found(toy)} == {
        ("The card states another number than the build report", "README.md")
    }
    assert {field for _, field, _ in found(toy)} == {"counts, train: num_examples", "counts, download_size"}


def test_a_card_with_other_columns(toy: Path) -> None:  # noqa: F811
    replace_in_card(toy, "name: n_trials\n    dtype: int32", "name: n_trials\n    dtype: int16")
    assert found(toy) == {("The card states other columns than the corpus declares", "features of counts", "README.md")}


def test_a_card_that_datasets_cannot_read(toy: Path) -> None:  # noqa: F811
    replace_in_card(toy, "dtype: int32", "dtype: integer")
    assert ("`datasets` cannot read the card", "dataset_info", "README.md") in found(toy)


def of_split(report: dict[str, Any]) -> dict[str, Any]:
    files: dict[str, Any] = report["cohorts"]["counts"]["configs"]["counts"]["train"]
    return files


REPORTS: dict[str, tuple[Callable[[dict[str, Any]], object], set[tuple[str, str | None, str]]]] = {
    "no digest of a file": (
        lambda report: of_split(report)["sha256"].pop(MAIN),
        {("The build report has no digest of a file that it names", "sha256", MAIN)},
    ),
    "digest of another file": (
        lambda report: of_split(report)["sha256"].update(other="0"),
        {("The build report has a digest of a file that it does not name", "sha256", "other")},
    ),
    "other rows": (
        lambda report: of_split(report).update(rows=17),
        {
            ("The files of a split do not have the rows that the build report states", "rows", "counts/train"),
            ("The card states another number than the build report", "counts, train: num_examples", "README.md"),
        },
    ),
    "other counts": (
        lambda report: report["cohorts"]["counts"]["counts"].update(spikes=1, trials=2, rows=3, neurons=4, stimuli=5),
        {
            ("The build report states another count than the tables give", f"counts: {name}", "build_report.json")
            for name in ("spikes", "trials", "rows", "neurons", "stimuli")
        },
    ),
    "no such cohort": (
        lambda report: report["cohorts"]["counts"].update(cohort="kounts"),
        {("The build report does not describe a cohort of this corpus", "counts: cohort", "build_report.json")},
    ),
    "neither inline nor reference": (
        lambda report: report["cohorts"]["counts"].update(stimulus="both"),
        {("The build report does not describe a cohort of this corpus", "counts: stimulus", "build_report.json")},
    ),
    "a table under another name": (
        lambda report: report["cohorts"]["counts"]["tables"].update(counts="neurons"),
        {
            ("The build report does not describe a cohort of this corpus", f"counts: {what}", "build_report.json")
            for what in ("tables", "table of rows")
        },
    ),
}


@pytest.mark.parametrize("kind", REPORTS)
def test_a_report_that_says_something_else(toy: Path, kind: str) -> None:  # noqa: F811
    change, expected = REPORTS[kind]
    edit_report(toy, change)
    assert found(toy) == expected


def test_a_report_that_names_a_file_twice_or_outside(toy: Path) -> None:  # noqa: F811
    (toy.parent / "secret.parquet").write_bytes((toy / MAIN).read_bytes())
    edit_report(toy, lambda report: of_split(report)["files"].extend([MAIN, "../secret.parquet", "/etc/hosts"]))
    failures = found(toy)
    assert ("The build report names a file more than once", None, MAIN) in failures
    assert ("The build report names a file outside of the directory", None, "build_report.json") in failures
    outside = [failure.found for failure in verify(toy).failures if "outside" in failure.problem]
    assert outside == ["../secret.parquet", "/etc/hosts"]


def test_a_report_without_digests_is_said_to_be_unverifiable_and_does_not_fail(toy: Path) -> None:  # noqa: F811
    def forget(report: dict[str, Any]) -> None:
        for entry in report["cohorts"].values():
            for splits in entry["configs"].values():
                for files in splits.values():
                    del files["sha256"]

    edit_report(toy, forget)
    verification = verify(toy)
    assert verification.whole
    said = [remark for remark in verification.remarks if remark.field == "sha256"]
    assert len(said) == 1 and "cannot be verified" in said[0].problem
    assert "counts/test" in str(said[0].found) and "potentials-neurons/train" in str(said[0].found)
    with (toy / MAIN).open("r+b") as file:  # what is left is still verified
        file.truncate(100)
    assert not verify(toy).whole


# Provenance and versions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "with_whom"),
    [
        ("corpus_version", "0.9.0", "the build report"),
        ("parameters", {"dt_ms": 1.0}, "the build report"),
        ("raw_sha256", "0" * 64, "the build report"),
        ("config", "potentials", "the build report"),
        ("table", "neurons", "the build report"),
        ("library_version", "0.0.1", "the other files of its cohort"),
        ("species", "cat", "the other files of its cohort"),
    ],
)
def test_a_file_that_says_something_else_about_itself(toy: Path, key: str, value: Any, with_whom: str) -> None:  # noqa: F811
    name = "counts/train-00001-of-00003.parquet"
    change_provenance(toy, name, **{key: value})
    assert found(toy) == {(f"A file says something else about itself than {with_whom}", key, name)}


def test_a_build_by_another_version_of_the_builder(toy: Path) -> None:  # noqa: F811
    for path in sorted(toy.rglob("*.parquet")):
        change_provenance(toy, path.relative_to(toy).as_posix(), corpus_version="0.9.0")
    edit_report(toy, lambda report: report.update(corpus_version="0.9.0"))
    verification = verify(toy)
    assert verification.failures == ()
    assert [(remark.field, remark.found, remark.expected) for remark in verification.remarks] == [
        ("corpus_version", "0.9.0", "1.2.3")
    ], "no published counts either"
    assert set(verification.counts) == {"counts", "potentials"}


def test_later_versions_and_corpora_that_are_not_known_are_refused(toy: Path, tmp_path: Path) -> None:  # noqa: F811
    later = Path(shutil.copytree(toy, tmp_path / "later"))
    change_provenance(later, MAIN, table_version=99)
    with pytest.raises(TableFormatError, match="later version.*99.*at most 1.*upgrade"):
        verify(later)
    edit_report(toy, lambda report: report.update(corpus="toys"))
    with pytest.raises(UnknownNameError, match="did you mean"):
        verify(toy)
    edit_report(toy, lambda report: report.update(table_version=99))
    with pytest.raises(TableFormatError, match="later version"):
        verify(toy)


@pytest.mark.parametrize(
    "change",
    [
        lambda report: report.update(cohorts={}),
        lambda report: report.update(corpus=3),
        lambda report: of_split(report).update(files=MAIN),
        lambda report: of_split(report).update(rows="many"),
        lambda report: of_split(report).update(sha256=[]),
        lambda report: report["cohorts"]["counts"].update(counts=[]),
        lambda report: report["cohorts"]["counts"].update(raw_sha256={"a": 1}),
        lambda report: report["cohorts"]["counts"]["tables"].update(counts=[]),
        lambda report: report["cohorts"]["counts"].pop("notes"),
    ],
)
def test_a_report_that_cannot_be_followed_is_refused(
    toy: Path,  # noqa: F811
    change: Callable[[dict[str, Any]], object],
) -> None:
    edit_report(toy, change)
    with pytest.raises(TableFormatError, match=r"build report.*build_report\.json.*Mend:"):
        verify(toy)


def test_what_is_not_ours_is_refused(tmp_path: Path, toy: Path) -> None:  # noqa: F811
    with pytest.raises(TableFormatError, match="not a corpus"):
        verify(tmp_path)
    with pytest.raises(TableFormatError, match="Neither a directory"):
        verify(tmp_path / "nothing")
    with pytest.raises(ParameterError, match="no revisions"):
        verify(toy, revision="v1")
    (toy / "build_report.json").unlink()
    with pytest.raises(TableFormatError, match=r"build_report\.json"):
        verify(toy)


# The command ----------------------------------------------------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(left.value.code or 0), captured.out, captured.err


def test_the_command_says_what_it_found_and_its_exit_code_tells(
    toy: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, error = run(capsys, "verify", toy)
    assert (code, error) == (0, "")
    assert "0 failures, 2 remarks" in out and "remark" in out and "counts: 6 neurons" in out
    (toy / MAIN).rename(toy / "counts" / "[bold]stale.parquet")
    code, out, _ = run(capsys, "verify", toy)
    assert code == 1
    assert MAIN in out and "is missing" in out and "[bold]stale.parquet" in out and "2 failures" in out


def test_the_command_prints_json(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    code, out, _ = run(capsys, "verify", toy, "--json")
    assert code == 0
    assert json.loads(out) == json.loads(json.dumps(verify(toy).to_json()))
    (toy / MAIN).unlink()
    code, out, _ = run(capsys, "verify", "--json", toy)
    assert code == 1
    content = json.loads(out)
    assert not content["whole"]
    assert content["findings"][0] == {
        "severity": "failure",
        "problem": "A file that the build report names is missing",
        "file": MAIN,
        "field": None,
        "found": None,
        "expected": None,
        "mend": "build or download it again",
    }


def test_the_command_refuses_what_is_not_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, error = run(capsys, "verify", tmp_path)
    assert (code, out) == (1, "")
    assert "not a corpus that deepstrf-hf built" in error
