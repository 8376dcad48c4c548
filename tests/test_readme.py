"""What the README and the guide to the grid tell people to type."""

import deepstrf_hf
from tests.documentation.blocks import ROOT, run_python

README = ROOT / "README.md"


def test_its_python_runs(demo):
    names, n_blocks = run_python(README)
    assert n_blocks == 4
    batch = names["batch"]
    assert batch["responses"].shape[:1] == batch["stims"].shape[:1] == (4,)
    assert set(names["rows"]["subset"]) == {"test"}
    assert 0 < len(names["one_clip"]) < len(names["rows"]) and len(set(names["one_clip"]["stim_id"])) == 1


def test_the_python_of_the_guide_to_the_grid_runs(demo):
    names, n_blocks = run_python(ROOT / "docs" / "grid.md")
    assert n_blocks == 8
    assert set(names["drawn"]) == {"fit", "validate", "test"}
    assert names["batch"]["responses"].shape[1] == len(names["batch"]["neurons"])


def test_it_names_every_command_and_corpus():
    text = README.read_text(encoding="utf-8")
    for command in (
        "list",
        "info",
        "build",
        "inspect",
        "illustrate",
        "push",
        "push-card",
        "verify",
        "cache",
        "report",
        "baseline",
    ):
        assert f"deepstrf-hf {command}" in text
    for corpus in deepstrf_hf.corpus_names():
        assert f"| `{corpus}` |" in text
