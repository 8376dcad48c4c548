"""Pictures in the card of a built directory: drawn beside it, replaced as a whole, pushed with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import DatasetCard
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import build, load
from deepstrf_hf import illustrated_card as module
from deepstrf_hf.built_files import check_whole
from deepstrf_hf.card_assets import FOLDER, pictures_in_card
from deepstrf_hf.cli import main
from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.illustrated_card import illustrate_card, with_section
from deepstrf_hf.report import BuildReport
from deepstrf_hf.repository import Repository
from tests.toy import Toy, fingerprint, write_toy


@pytest.fixture
def built(tmp_path: Path) -> Path:
    build(Toy, data_dir=write_toy(tmp_path / "raw"), out=tmp_path / "out")
    return tmp_path / "out"


def test_pictures_stand_in_the_card_and_go_to_the_hub_with_it(built: Path) -> None:
    before = DatasetCard.load(built / "README.md")
    drawn = illustrate_card(built)
    card = DatasetCard.load(built / "README.md")
    assert {picture.path for picture in drawn} == {
        path.relative_to(built).as_posix() for path in built.glob("assets/*")
    }
    assert set(pictures_in_card(card.text)) == {picture.path for picture in drawn} != set()
    assert card.data.to_dict() == before.data.to_dict()
    assert card.text.index("## Pictures") < card.text.index("## Counts")
    assert len(card.text) > len(before.text)
    assert set(check_whole(built, BuildReport.read(built))) >= {picture.path for picture in drawn}
    assert list(Repository.open(built).configs) and len(load(built, "counts"))
    assert [path.name for path in built.iterdir() if path.name.startswith(".")] == []


def test_again_gives_the_same_bytes_and_leaves_no_old_picture(built: Path) -> None:
    illustrate_card(built)
    first = fingerprint(built)
    card = built / "README.md"
    card.write_text(card.read_text(encoding="utf-8").replace("## Counts", "![x](assets/old.png)\n\n## Counts"), "utf-8")
    (built / FOLDER / "old.png").write_bytes(b"x")
    illustrate_card(built)
    assert fingerprint(built) == first
    (built / FOLDER / "of_somebody_else.png").write_bytes(b"x")
    illustrate_card(built)
    assert (built / FOLDER / "of_somebody_else.png").read_bytes() == b"x"


def test_a_failure_leaves_the_directory_as_it_was(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    illustrate_card(built)
    before = fingerprint(built)

    def failing(directory: Path, into: Path) -> list[object]:
        (into / FOLDER).mkdir()
        raise TableFormatError("broken", path=directory)

    monkeypatch.setattr(module, "draw_card_pictures", failing)
    with pytest.raises(TableFormatError, match="broken"):
        illustrate_card(built)
    assert fingerprint(built) == before


def test_a_new_build_has_no_pictures_of_the_old_one(built: Path, tmp_path: Path) -> None:
    illustrate_card(built)
    build(Toy, ["counts"], data_dir=tmp_path / "raw", out=built)
    assert not (built / FOLDER).exists()
    illustrate_card(built)
    (built / FOLDER / "mine.txt").write_text("mine")
    build(Toy, ["counts"], data_dir=tmp_path / "raw", out=built)
    assert [path.name for path in (built / FOLDER).iterdir()] == ["mine.txt"], "what a user put there stays"
    assert "## Pictures" not in (built / "README.md").read_text(encoding="utf-8")


def test_the_command_names_what_it_drew(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["illustrate", str(built)])
    assert not left.value.code
    assert "assets/counts-unit.png" in capsys.readouterr().out


def test_what_is_no_build_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableFormatError, match="not a build"):
        illustrate_card(tmp_path)


def test_paths_that_lead_elsewhere_are_no_pictures_of_a_card() -> None:
    card = "![a](assets/a.png) ![b](assets/%2e%2e%2fb.png) ![c](assets/..%5Cc.png) ![d](assets/d%20e.png) ![](x/f.png)"
    assert pictures_in_card(card) == ["assets/a.png", "assets/d e.png"]


TEXT = st.lists(st.sampled_from(["# Title", "## Counts", "## Licence", "words", "", "![x](assets/y.png)"])).map(
    "\n".join
)


@given(card=TEXT, old=TEXT, new=TEXT)
def test_a_section_replaces_the_one_before(card: str, old: str, new: str) -> None:
    def section(text: str) -> str:
        return "## Pictures\n\n" + text.replace("## ", "")

    card = card + "\n"
    once = with_section(card, section(new))
    assert with_section(with_section(card, section(old)), section(new)) == once
    assert once.count("## Pictures\n") == 1
    assert with_section(card, "") == card
