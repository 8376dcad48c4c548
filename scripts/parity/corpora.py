"""Corpora built from synthetic raw trees, against what deepSTRF 0.1.0's loaders make of the same trees.

Neurons and stimuli are matched by name, never by position.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.parity.corpus_declaration import CorpusParity, RawFolder, Run
from scripts.parity.corpus_list import CORPORA
from scripts.parity.corpus_report import differences_seen, markdown, summary
from scripts.parity.corpus_snapshot import AmbiguousNameError, load
from scripts.parity.corpus_verdicts import OURS_RAISED, PEER_RAISED, RunVerdict, judge, not_seen
from scripts.parity.environment import ParityError, run_in_peer
from scripts.parity.published_tests import add_environment_arguments, python_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the comparison needs to know."""
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"corpora, all by default: {', '.join(CORPORA)}")
    parser.add_argument("--seeds", type=seeds, default=range(10), help="of the raw trees, such as 0-9 (default) or 3")
    add_environment_arguments(parser)
    parser.add_argument("--json", type=Path, help="write the verdicts there as well")


def seeds(text: str) -> range:
    """Read a range of seeds, such as ``0-9`` or ``3``.

    Raises
    ------
    ValueError
        It is not one.
    """
    first, _, last = text.partition("-")
    chosen = range(int(first), int(last or first) + 1)
    if not chosen or chosen.start < 0:
        raise ValueError(f"no seeds in {text}")
    return chosen


def compare(chosen: argparse.Namespace) -> int:
    """Run the comparison, print it and return the exit code: 1 if anything differs that is not named."""
    unknown = [name for name in chosen.names if name not in CORPORA]
    if unknown:
        raise ParityError(f"no corpus {', '.join(unknown)}; there are {', '.join(CORPORA)}")
    corpora = [CORPORA[name] for name in chosen.names or CORPORA]
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        python = python_of(chosen, scratch)
        verdicts = [verdict for corpus in corpora for verdict in compare_corpus(corpus, chosen.seeds, python, scratch)]
    print(markdown(verdicts))
    print(f"\n{differences_seen(verdicts)}")
    print(f"\n{summary(verdicts)}")
    unseen = {corpus.name: not_seen(corpus, verdicts) for corpus in corpora}
    for name, differences in unseen.items():
        for difference in differences:
            print(f"\n{name}: {difference} is named as a difference, but nothing shows it")
    _write(chosen.json, {"verdicts": [verdict.as_json() for verdict in verdicts], "not_seen": unseen})
    return exit_code(verdicts, unseen)


def exit_code(verdicts: Sequence[RunVerdict], unseen: Mapping[str, Sequence[str]]) -> int:
    """Return 0 if there are verdicts, all as stated, and every named difference shows; else 1."""
    return 0 if verdicts and all(verdict.as_stated for verdict in verdicts) and not any(unseen.values()) else 1


def compare_corpus(corpus: CorpusParity, of_seeds: Sequence[int], python: str, scratch: Path) -> list[RunVerdict]:
    """Compare one corpus on the trees of some seeds.

    Parameters
    ----------
    corpus : CorpusParity
        What to compare.
    of_seeds : sequence of int
        Seeds of the raw trees.
    python : str
        Python of deepSTRF's environment.
    scratch : Path
        For raw trees, builds and snapshots.
    """
    folder = scratch / corpus.name.replace("/", "-")
    folders: dict[int, RawFolder] = {}
    cases: list[tuple[int, Run]] = []
    for seed in of_seeds:
        directory = folder / str(seed)
        directory.mkdir(parents=True)
        corpus.write(directory / "raw", seed, corpus.writer_options)
        folders[seed] = RawFolder(corpus, directory / "raw", directory)
        cases += [(seed, run) for run in corpus.runs if run.every_seed or seed == of_seeds[0]]
    jobs = [
        {
            "class": corpus.peer_class,
            "raw": str(folders[seed].raw),
            "options": dict(run.peer_options),
            "neuron_name": corpus.neuron_name,
            "stimulus_name": corpus.stimulus_name,
            "out": str(snapshot_file(folders[seed], run)),
        }
        for seed, run in cases
    ]
    print(f"{corpus.name}: {len(jobs)} comparisons on {len(folders)} trees", file=sys.stderr, flush=True)
    said = run_peer(jobs, python, folder)
    verdicts = []
    for (seed, run), answer in zip(cases, said, strict=True):
        verdicts.append(compare_run(corpus, run, seed, folders[seed], answer))
        print(f"{corpus.name}, seed {seed}, {run.name}: {verdicts[-1].verdict}", file=sys.stderr, flush=True)
    return verdicts


def snapshot_file(folder: RawFolder, run: Run) -> Path:
    """Return where deepSTRF's snapshot goes."""
    return folder.scratch / f"deepstrf-{run.name}.npz"


def run_peer(jobs: Sequence[Mapping[str, Any]], python: str, directory: Path) -> list[dict[str, Any]]:
    """Run jobs of `corpus_peer` in one process of deepSTRF's environment.

    Raises
    ------
    ParityError
        It did not answer all of them.
    """
    file = directory / "jobs.json"
    file.write_text(json.dumps(jobs), encoding="utf-8")
    done = run_in_peer(python, ["-m", "scripts.parity.corpus_peer", str(file)], directory)
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"')]
    if done.returncode or len(answers) != len(jobs):
        raise ParityError(f"deepSTRF answered {len(answers)} of {len(jobs)} jobs:\n{done.stdout}{done.stderr}")
    return answers


def compare_run(corpus: CorpusParity, run: Run, seed: int, folder: RawFolder, answer: Mapping[str, Any]) -> RunVerdict:
    """Compare one way to load one tree; an error of either library is a verdict too."""
    from deepstrf_hf.errors import DeepstrfError

    if "error" in answer:
        return RunVerdict(corpus.name, run.name, seed, PEER_RAISED, error=answer["error"])
    try:
        return judge(corpus, run, seed, folder.ours(run), load(snapshot_file(folder, run)), folder)
    except (DeepstrfError, AmbiguousNameError) as error:
        return RunVerdict(corpus.name, run.name, seed, OURS_RAISED, error=f"{type(error).__name__}: {error}")


def _write(path: Path | None, content: Any) -> None:
    if path:
        path.write_text(json.dumps(_finite(content), indent=2) + "\n", encoding="utf-8")


def _finite(content: Any) -> Any:
    """Return content with numbers that JSON does not have as text."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return str(content) if isinstance(content, float) and not math.isfinite(content) else content
