"""The script of docs/training_on_many_machines.md, run as it stands by torchrun."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


def blocks() -> list[str]:
    text = (ROOT / "docs" / "training_on_many_machines.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def trained(directory: Path, data: Path, stops: list[int]) -> dict[str, torch.Tensor]:
    """Run the script again and again, each time for some steps, the last time to its end; return the model."""
    (directory / "demo").mkdir(parents=True)
    (directory / "demo" / "ns1").symlink_to(data)
    (directory / "train.py").write_text(blocks()[0], encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "train.py"]
    for stop in (*map(str, stops), None):
        assert not (directory / "trained.pt").exists()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        environment |= {} if stop is None else {"STEPS": stop}
        done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    model: dict[str, torch.Tensor] = torch.load(directory / "trained.pt")
    return model


def test_two_processes_that_were_stopped_train_the_same_model(ns1_built: Path, tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", ns1_built, [])
    stopped = trained(tmp_path / "stopped", ns1_built, [3])
    assert whole.keys() == stopped.keys() == {"weight", "bias"}
    for name, values in whole.items():
        assert torch.isfinite(values).all()
        torch.testing.assert_close(stopped[name], values)


def test_plain_datasets(ns1_built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "ns1").symlink_to(ns1_built)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    (of_datasets,) = blocks()[1:]
    exec("from torchdata.stateful_dataloader import StatefulDataLoader\n" + of_datasets, names)
    first = [row for batch in names["loader"] for row in batch]
    second = list(names["split_dataset_by_node"](names["rows"], rank=1, world_size=2))
    assert len(first) > 0 and abs(len(first) - len(second)) <= 1
