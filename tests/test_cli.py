import os
import subprocess
import sys
from pathlib import Path

import pytest

import deepstrf_hf
from deepstrf_hf import cli


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    """Run the command line in this process: exit code, standard output, standard error."""
    with pytest.raises(SystemExit) as left:
        cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return left.value.code or 0, captured.out, captured.err


def test_help_lists_the_commands(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    for command in ("list", "info", "build", "inspect", "illustrate", "verify", "push", "push-card", "cache", "doctor"):
        assert command in out


def test_version(capsys):
    assert run(capsys, "--version")[:2] == (0, f"{deepstrf_hf.__version__}\n")


def test_list_and_info(capsys):
    code, out, _ = run(capsys, "list")
    assert code == 0
    assert "ns1" in out and "119" in out and "ferret" in out
    code, out, _ = run(capsys, "info", "ns1")
    assert code == 0
    for said in ("osf.io/ayw2p", "dt_ms", "single unit at known depth", "10.1371/journal.pcbi.1005113"):
        assert said in out


def test_build_inspect_and_their_output(capsys, ns1_raw, tmp_path):
    out = tmp_path / "ns1"
    code, text, error = run(
        capsys, "build", "ns1", "a1", "--data-dir", ns1_raw, "--out", out, "--on-error", "skip", "--set", "dt_ms=10"
    )
    assert (code, error) == (0, "")
    assert "differs" in text and "is missing" in text and "a1-dt10" in text
    assert (out / "README.md").is_file()
    picture = tmp_path / "pictures" / "unit.png"
    code, text, error = run(capsys, "inspect", out, "a1-dt10", "-o", picture)
    assert (code, error) == (0, "")
    assert "10 ms bins" in text
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_build_that_was_interrupted_is_gone_on_with(capsys, ns1_raw, tmp_path, monkeypatch):
    arguments = (
        "build",
        "ns1",
        "--data-dir",
        ns1_raw,
        "--out",
        tmp_path / "ns1",
        "--on-error",
        "skip",
        "--num-proc",
        2,
    )

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("deepstrf_hf.building.write_card", interrupted)
        assert run(capsys, *arguments)[0] == 130
    code, text, error = run(capsys, *arguments)
    assert (code, error) == (0, "")
    assert "2 of 2 parts were taken over from an earlier build" in text


def test_engines_are_chosen_by_name(capsys, ns1_raw, tmp_path):
    arguments = ("build", "ns1", "--data-dir", ns1_raw, "--out", tmp_path / "ns1")
    for options, said in ((("--engine", "threads"), "processes or ray"), (("--address", "auto"), "Only Ray")):
        code, _, error = run(capsys, *arguments, *options)
        assert code == 1
        assert said in error


def test_inspect_draws_what_is_asked_for(capsys, ns1_built, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    grid = deepstrf_hf.load(ns1_built, "a1")
    neuron = grid.nrn_meta[1]["neuron_id"]
    code, text, _ = run(capsys, "inspect", ns1_built, "--neuron", neuron, "--stim", "source2.set1.stim03")
    assert code == 0
    assert f"{neuron} at source2.set1.stim03" in text
    assert (tmp_path / "ns1-a1.png").is_file()
    code, _, error = run(capsys, "inspect", ns1_built, "a1", "--stim", "source2.set1.stim33")
    assert code == 1
    assert "did you mean 'source2.set1.stim03'" in error.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["build", "ns2", "--data-dir", ".", "--out", "o"], "No corpus is named 'ns2'"),
        (["build", "ns1", "a2", "--data-dir", ".", "--out", "o"], "No cohort of ns1 is named 'a2'"),
        (["build", "ns1", "--data-dir", "nowhere", "--out", "o"], "no such directory"),
        (["build", "ns1", "--data-dir", ".", "--out", "o", "--set", "dt_ms"], "NAME=VALUE"),
        (["build", "ns1", "--data-dir", ".", "--out", "o", "--set", "bin=5"], "No parameter is named 'bin'"),
        (["inspect", "nowhere"], "Neither a directory nor the id of a repository"),
        (["info", "ns"], "did you mean 'ns1'?"),
    ],
)
def test_an_error_is_one_paragraph_and_exit_code_1(capsys, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    code, out, error = run(capsys, *arguments)
    assert code == 1
    assert out == ""
    assert error.startswith("Error: ")
    assert error.count("\n") == 1
    assert said in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("position", [0, 3])
def test_traceback_on_request_anywhere_on_the_line(capsys, position):
    arguments = ["info", "nothing"]
    arguments.insert(position, "--traceback")
    code, _, error = run(capsys, *arguments)
    assert code == 1
    assert "Traceback" in error
    assert "Error: No corpus is named 'nothing'" in error


@pytest.mark.parametrize("arguments", [["build", "ns1"], ["build", "ns1", "--num-proc", "0"], ["fly"]])
def test_wrong_use_is_exit_code_2(capsys, arguments):
    assert run(capsys, *arguments)[0] == 2


def test_an_interrupt_leaves_with_130(capsys, monkeypatch, ns1_raw, tmp_path):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("builders.ns1.read_units", interrupted)
    code, _, error = run(capsys, "build", "ns1", "--data-dir", ns1_raw, "--out", tmp_path / "out")
    assert code == 130
    assert "Traceback" not in error
    assert "Finished parts of a build are kept: run again, the command goes on from them." in error
    assert list(tmp_path.iterdir()) == []


def test_as_installed_it_is_quiet_where_there_is_no_terminal(ns1_raw, tmp_path):
    command = Path(sys.executable).with_name("deepstrf-hf")
    done = subprocess.run(
        [command, "build", "ns1", "--data-dir", ns1_raw, "--out", "built", "--on-error", "skip", "--num-proc", "2"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "HF_HOME": str(tmp_path / "hub")},
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert "Written to built" in done.stdout
