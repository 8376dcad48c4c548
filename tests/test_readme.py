"""What the README tells people to type."""

import re
from pathlib import Path

import deepstrf_hf

README = Path(__file__).parents[1] / "README.md"
DOCS = README.parent / "docs"


def test_its_python_runs(ns1_built, tmp_path, monkeypatch):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "ns1").symlink_to(ns1_built)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    batch = names["batch"]
    assert batch["responses"].shape[:1] == batch["stims"].shape[:1] == (4,)
    assert set(names["rows"]["subset"]) == {"test"}
    assert 0 < len(names["one_clip"]) < len(names["rows"]) and len(set(names["one_clip"]["stim_id"])) == 1


def test_the_python_of_the_guide_to_the_grid_runs(ns1_built, tmp_path, monkeypatch):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "ns1").symlink_to(ns1_built)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "grid.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 8
    for block in blocks:
        exec(compile(block, "grid.md", "exec"), names)
    assert set(names["drawn"]) == {"fit", "validate", "test"}
    assert names["batch"]["responses"].shape[1] == len(names["batch"]["neurons"])


def test_it_names_every_command_and_corpus():
    text = README.read_text(encoding="utf-8")
    for command in ("list", "info", "build", "inspect", "illustrate", "push", "push-card", "verify", "cache"):
        assert f"deepstrf-hf {command}" in text
    for corpus in deepstrf_hf.corpus_names():
        assert f"| `{corpus}` |" in text
