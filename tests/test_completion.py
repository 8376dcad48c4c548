"""What the shell completes, asked as shells ask."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import deepstrf_hf
from deepstrf_hf import cli, completion
from deepstrf_hf.completion import words_of
from deepstrf_hf.errors import UnknownNameError

COMMAND = Path(sys.executable).with_name("deepstrf-hf")
HEAVY = {"torch", "datasets", "pandas", "pyarrow", "scipy", "matplotlib", "huggingface_hub"}


def completed(line: str, cwd: Path, **environment: str) -> list[str]:
    """Return what fish is offered at the end of a line: words, without what they mean."""
    asked = {"_DEEPSTRF_HF_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = subprocess.run(
        [COMMAND],
        env={**os.environ, **asked, "_TYPER_COMPLETE_ARGS": f"deepstrf-hf {line}", **environment},
        cwd=cwd, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stderr == ""
    return [offer.partition("\t")[0] for offer in done.stdout.splitlines() if offer]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("inf", ["info"]),
        ("info crcns_a", ["crcns_aa1", "crcns_aa2", "crcns_aa4", "crcns_ac1"]),
        ("download crcns_ac1 ", ["wehr", "asari_a1", "asari_mgb"]),
        ("build crcns_ac1 asari_a1 a", ["asari_mgb"]),
        ("build ns1 --set d", ["dt_ms=", "duration_ms="]),
        ("build ns1 --set binning=", ["binning=exact", "binning=one_per_ms"]),
        ("build ns1 --where neuron.e", ["neuron.experiment=", "neuron.electrode_number="]),
        ("check ns1 raw --where stim.w", ["stim.wav_file="]),
        ("push-card ns", ["ns1"]),
        ("info no_such_corpus --j", ["--json"]),
        ("build no_such_corpus a", []),
        ("build --set ", []),
    ],
)
def test_words_of_a_corpus(line, offered, tmp_path):
    assert completed(line, tmp_path) == offered
    assert completed(line, tmp_path) == offered, "the second time, from what was kept"


def test_configurations_of_a_built_directory(ns1_built, tmp_path):
    assert completed(f"inspect {ns1_built} ", tmp_path) == ["a1"]
    assert completed("inspect deepstrf/ns1 ", tmp_path) == [], "the Hub is not asked"
    (tmp_path / "empty").mkdir()
    assert completed("inspect empty ", tmp_path) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_get_a_script(shell, tmp_path):
    asked = {**os.environ, "_DEEPSTRF_HF_COMPLETE": f"source_{shell}"}
    done = subprocess.run([COMMAND], env=asked, cwd=tmp_path, capture_output=True, text=True)
    assert "_DEEPSTRF_HF_COMPLETE" in done.stdout


def test_what_is_kept_is_used_until_the_builder_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPSTRF_CACHE_DIR", str(tmp_path))
    declared = words_of("ns1")
    assert ("a1", "119 single and multi units, 20 natural clips of 5 s, 20 repeats each") in declared["cohorts"]
    kept = tmp_path / "completion" / "ns1.json"
    content = json.loads(kept.read_text())
    content["words"]["cohorts"] = [["kept", ""]]
    kept.write_text(json.dumps(content))
    assert words_of("ns1")["cohorts"] == [("kept", "")]
    monkeypatch.setattr(completion, "__version__", "another")
    assert words_of("ns1") == declared
    kept.write_text("{")
    assert words_of("ns1") == declared
    assert json.loads(kept.read_text())["stamp"][0] == "another"
    assert [path.name for path in kept.parent.iterdir()] == ["ns1.json"]
    with pytest.raises(SystemExit):
        cli.main(["cache", "--clear"])
    assert not kept.exists()


@pytest.mark.parametrize("settings", [{"DEEPSTRF_CACHE_GB": "0"}, {"DEEPSTRF_CACHE_DIR": "/proc/nowhere"}])
def test_without_a_place_to_keep_words_they_are_declared_each_time(monkeypatch, settings):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert words_of("ns1")["cohorts"][0][0] == "a1"


def test_no_such_corpus():
    with pytest.raises(UnknownNameError):
        words_of("ns2")


def loaded_by(code: str, tmp_path: Path) -> set[str]:
    command = [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"]
    environment = {**os.environ, "DEEPSTRF_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    return HEAVY & set(done.stdout.splitlines()[-1].split())


def test_help_and_kept_words_load_nothing_heavy(tmp_path, monkeypatch, ns1_built):
    monkeypatch.setenv("DEEPSTRF_CACHE_DIR", str(tmp_path))
    for corpus in deepstrf_hf.corpus_names():
        words_of(corpus)
    helped = "from deepstrf_hf.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
    assert loaded_by(helped, tmp_path) == set()
    names = deepstrf_hf.corpus_names()
    assert loaded_by(f"from deepstrf_hf.completion import words_of\nfor n in {names}: words_of(n)", tmp_path) == set()
    opened = f"from deepstrf_hf.repository import Repository\nRepository.open({str(ns1_built)!r}).main_configs"
    assert loaded_by(opened, tmp_path) == set()
