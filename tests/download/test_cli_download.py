"""The commands `download`, `check` and `build --download`, as a user types them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from deepstrf_hf.cli import main
from tests.download.lab_hosts.places_crcns import PASSWORD
from tests.download.lab_hosts.server import LabHosts
from tests.download.test_downloading import logged_in, published  # noqa: F401

GUIDE = Path(__file__).parents[2] / "docs" / "raw_files.md"


def test_the_commands_of_the_guide_work(
    published: Any,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    published("nat4")
    monkeypatch.chdir(tmp_path)
    block = re.findall(r"```bash\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)[0]
    commands = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert [command[:2] for command in commands] == [
        ["deepstrf-hf", name] for name in ("info", "download", "check", "build")
    ]
    for command in commands:
        with pytest.raises(SystemExit) as left:
            main(command[1:])
        assert left.value.code == 0, command
    said = capsys.readouterr().out
    assert "CC BY 4.0" in said
    assert "complete" in said
    assert (tmp_path / "out/nat4/a1").is_dir()
    assert not (tmp_path / "raw/nat4/PEG_pred_correlation.csv").exists()


def test_build_fetches_first_on_request(
    published: Any,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    published("crcns_aa1")
    monkeypatch.setenv("DEEPSTRF_DATA_DIR", str(tmp_path / "raw"))
    with pytest.raises(SystemExit) as left:
        main(["build", "crcns_aa1", "--download", "--on-error", "skip", "--out", str(tmp_path / "out")])
    assert left.value.code == 0
    said = capsys.readouterr().out
    assert "redistribution is not permitted" in " ".join(said.split())
    assert (tmp_path / "raw" / "crcns_aa1" / "deepstrf-download.json").is_file()
    assert (tmp_path / "out" / "README.md").is_file()
    with pytest.raises(SystemExit):
        main(["download", "crcns_aa1"])
    assert "redistribution" not in capsys.readouterr().out, "terms are told once"


@pytest.mark.parametrize("as_json", [True, False])
def test_check_tells_what_is_wrong(
    published: Any,  # noqa: F811
    scratch: Path,
    as_json: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    published("nat4")
    with pytest.raises(SystemExit):
        main(["download", "nat4", "a1", "--dest", str(scratch)])
    (scratch / "A1_pred_correlation.csv").write_bytes(b"")
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main(["check", "nat4", str(scratch), "a1", *(["--json"] if as_json else [])])
    assert left.value.code == 1
    said = capsys.readouterr().out
    if as_json:
        found = json.loads(said)
        assert found["complete"] is False
        assert {finding["file"] for finding in found["findings"] if finding["severity"] == "failure"} == {
            "A1_pred_correlation.csv"
        }
    assert "A1_pred_correlation.csv" in said
    assert "deepstrf-hf download nat4" in " ".join(said.split())


def test_a_failed_login_is_told_without_the_password(
    published: Any,  # noqa: F811
    lab: LabHosts,
    scratch: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    published("crcns_aa1")
    monkeypatch.setenv("CRCNS_PASSWORD", "canary-7f3a")
    with pytest.raises(SystemExit) as left:
        main(["--traceback", "download", "crcns_aa1", "--dest", str(scratch)])
    assert left.value.code == 1
    said = capsys.readouterr()
    assert "did not take the user name and password" in said.err
    for text in (said.out, said.err, *(path.read_text() for path in scratch.rglob("*") if path.is_file())):
        assert "canary-7f3a" not in text
        assert PASSWORD not in text


@pytest.mark.parametrize("corpus", ["nat4", "crcns_aa1"])
def test_offline_names_what_is_missing(
    corpus: str, scratch: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CRCNS_PASSWORD")
    with pytest.raises(SystemExit) as left:
        main(["download", corpus, "--offline", "--dest", str(scratch)])
    assert left.value.code == 1
    assert "offline" in capsys.readouterr().err
