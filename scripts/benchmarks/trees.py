"""Raw trees of named sizes, what is built of them, and what deepSTRF takes for them: made once for all sections."""

from __future__ import annotations

import hashlib
import json
import shutil
import statistics
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.benchmarks.job import JobFailedError, run_here, run_job
from scripts.benchmarks.section import Request
from scripts.parity.corpus_declaration import CorpusParity
from scripts.parity.corpus_list import CORPORA

DEFAULT_CORPORA = ("crcns_ac1-wehr", "crcns_aa2", "nat4/a1", "wingert2026-a1", "downer2025-timit")
"""Corpora that goals are stated for."""
SITES_OF = "wingert2026-a1"
"""The corpus whose growth with the number of recording sites is measured."""
SITES = {"full": (5, 20, 60), "tiny": (1, 2, 3)}
TINY_SITE = {"bench_cells": 3, "bench_estimation": 4, "bench_repeats": 2}
RUNS = 3
"""Of each measurement; the medians are told."""
LONG_S = 60.0
"""A measurement that takes longer is not repeated."""

Answer = dict[str, Any]


@dataclass(frozen=True)
class Tree:
    """A raw tree.

    Parameters
    ----------
    corpus : CorpusParity
        What is in it.
    options : mapping
        Of its writer.
    title : str
        For people.
    """

    corpus: CorpusParity
    options: Mapping[str, Any] = field(hash=False)
    title: str

    @property
    def name(self) -> str:
        """Name of a directory for it."""
        told = json.dumps(self.options, sort_keys=True).encode()
        return f"{self.corpus.name.replace('/', '-')}-{hashlib.sha256(told).hexdigest()[:8]}"


def tree_of(corpus: str, size: str) -> Tree:
    """Return the tree of a corpus at a named size; tiny ones are those that values are compared on."""
    parity = CORPORA[corpus]
    options = parity.bench_options if size == "full" else parity.writer_options
    sites = options.get("bench_sites")
    return Tree(parity, options, f"{corpus}, {sites} sites" if sites else corpus)


def tree_of_sites(sites: int, size: str) -> Tree:
    """Return a tree of recording sites: of the real size, or tiny."""
    options = {"bench_sites": sites, **(TINY_SITE if size == "tiny" else {})}
    return Tree(CORPORA[SITES_OF], options, f"{SITES_OF}, {sites} sites")


def add_arguments(parser: ArgumentParser) -> None:
    """Let users choose the corpora of a section."""
    parser.add_argument(
        "--corpora", nargs="+", choices=list(CORPORA), default=list(DEFAULT_CORPORA), metavar="NAME",
        help=f"made-up raw trees of these corpora ({' '.join(CORPORA)}); by default {' '.join(DEFAULT_CORPORA)}",
    )  # fmt: skip


class Trees:
    """Raw trees, builds and measurements of a run, each made when it is first asked for.

    Parameters
    ----------
    request : Request
        Where they go.
    """

    def __init__(self, request: Request) -> None:
        self._request = request

    def place(self, tree: Tree) -> Path:
        """Return the directory of all that belongs to a tree."""
        return self._request.scratch / tree.name

    def raw(self, tree: Tree) -> str:
        """Return the raw files of a tree."""
        raw = self.place(tree) / "raw"
        if not raw.exists():
            self._say(tree, "writing raw files")
            unfinished = raw.with_name("raw.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            self._run("write_raw", corpus=tree.corpus.name, options=dict(tree.options), directory=str(unfinished))
            unfinished.rename(raw)
        return str(raw)

    def raw_mb(self, tree: Tree) -> float:
        """Return the size of the raw files."""
        return sum(path.stat().st_size for path in Path(self.raw(tree)).rglob("*") if path.is_file()) / 1e6

    def built(self, tree: Tree) -> str:
        """Return the tables of a tree, built in this run: those of an earlier one may be laid out otherwise."""
        if f"{tree.name}: built" not in self._request.known:
            self.build(tree, 1)
        return str(self.place(tree) / "built")

    def build(self, tree: Tree, processes: int) -> Answer:
        """Return what building takes."""

        def run() -> Answer:
            arguments = {**self._names(tree), "raw": self.raw(tree), "out": self._fresh(tree, "built")}
            return self._built_by("build", tree, processes=processes, **arguments)

        return self._once(tree, f"build with {processes} processes", run)

    def raw_to_grid(self, tree: Tree, processes: int) -> Answer:
        """Return what building and opening take, for the first time."""

        def run() -> Answer:
            arguments = {**self._names(tree), "raw": self.raw(tree), "out": self._fresh(tree, "built")}
            return self._built_by(
                "raw_to_grid", tree, processes=processes, cache=self._fresh(tree, "cache"), **arguments
            )

        return self._once(tree, f"raw files to grid with {processes} processes", run)

    def opened_first(self, tree: Tree) -> Answer:
        """Return what opening takes with an empty cache."""
        return self._once(tree, "open, first", lambda: self._open(tree, "open_grid", self._fresh(tree, "cache")))

    def opened_again(self, tree: Tree) -> Answer:
        """Return what opening takes with a filled cache."""
        self.opened_first(tree)
        return self._once(tree, "open, again", lambda: self._open(tree, "open_grid", self._cache(tree)))

    def opened_and_read(self, tree: Tree) -> Answer:
        """Return what opening again and reading all values takes."""
        self.opened_first(tree)
        return self._once(tree, "open again and read", lambda: self._open(tree, "open_and_read", self._cache(tree)))

    def page_cache(self, tree: Tree, mb: float | None = None) -> Answer:
        """Return what reading the files of the cache takes, or some MB of them."""
        self.opened_first(tree)
        n_bytes = None if mb is None else round(mb * 1e6)
        what = "page cache" if mb is None else f"page cache, {n_bytes} bytes"
        return self._once(tree, what, lambda: self._run("page_cache", directory=self._cache(tree), n_bytes=n_bytes))

    def epoch(self, tree: Tree, batch_size: int) -> Answer:
        """Return what an epoch takes."""
        self.opened_first(tree)
        return self._once(
            tree, "epoch", lambda: self._open(tree, "epoch", self._cache(tree), batch_size=batch_size), runs=1
        )

    def sizes(self, tree: Tree) -> Answer:
        """Return what tables take on disk."""

        def run() -> Answer:
            arguments = {"out": self.built(tree), "cohort": tree.corpus.cohort, "scratch": self._fresh(tree, "plain")}
            return self._run("sizes", module="disk", **arguments)

        return self._once(tree, "sizes on disk", run, runs=1)

    def constructor(self, tree: Tree) -> Answer | None:
        """Return what deepSTRF's constructor takes; None where there is no deepSTRF."""
        return self._peer(tree, "construct")

    def peer_epoch(self, tree: Tree, batch_size: int) -> Answer | None:
        """Return what an epoch of deepSTRF takes; None where there is no deepSTRF."""
        return self._peer(tree, "epoch", runs=1, batch_size=batch_size)

    def _peer(self, tree: Tree, job: str, runs: int = RUNS, **arguments: Any) -> Answer | None:
        python = self._request.environment.peer_python
        if python is None:
            return None
        of_peer = {"peer_class": tree.corpus.peer_class, "options": dict(tree.corpus.runs[0].peer_options)}

        def run() -> Answer:
            return run_job(python, f"scripts.benchmarks.raw_peer:{job}", raw=self.raw(tree), **of_peer, **arguments)

        return self._once(tree, f"deepSTRF: {job}", run, runs)

    def _open(self, tree: Tree, job: str, cache: str, **arguments: Any) -> Answer:
        return self._run(job, out=self.built(tree), cohort=tree.corpus.cohort, cache=cache, **arguments)

    def _run(self, job: str, module: str = "raw_jobs", **arguments: Any) -> Answer:
        job = f"scripts.benchmarks.{module}:{job}"
        if not self._request.is_measurement:  # a process costs more than what it would check
            return run_here(job, **arguments)
        return run_job(self._request.environment.python, job, **arguments)

    def _built_by(self, job: str, tree: Tree, **arguments: Any) -> Answer:
        answer = self._run(job, **arguments)
        self._request.known[f"{tree.name}: built"] = True
        return answer

    def _names(self, tree: Tree) -> dict[str, str]:
        return {"corpus": tree.corpus.corpus, "cohort": tree.corpus.cohort}

    def _cache(self, tree: Tree) -> str:
        return str(self.place(tree) / "cache")

    def _fresh(self, tree: Tree, name: str) -> str:
        """Return a directory that is not there."""
        directory = self.place(tree) / name
        shutil.rmtree(directory, ignore_errors=True)
        return str(directory)

    def _once(self, tree: Tree, what: str, run: Callable[[], Answer], runs: int = RUNS) -> Answer:
        """Measure, or return what was measured; the median of every figure, with the number of ``runs``.

        Raises
        ------
        JobFailedError
            It failed, now or before.
        """
        key = f"{tree.name}: {what}"
        if key not in self._request.known:
            self._say(tree, what)
            try:
                self._request.known[key] = self._medians(run, runs if self._request.is_measurement else 1)
            except JobFailedError as error:
                self._request.known[key] = error
        known = self._request.known[key]
        if isinstance(known, JobFailedError):
            raise known
        answer: Answer = known
        return answer

    def _medians(self, run: Callable[[], Answer], runs: int) -> Answer:
        answers = [run()]
        while len(answers) < runs and answers[0].get("seconds", 0.0) < LONG_S:
            answers.append(run())
        if len(answers) == 1:
            return {**answers[0], "runs": 1}
        return {name: statistics.median(answer[name] for answer in answers) for name in answers[0]} | {
            "runs": len(answers)
        }

    def _say(self, tree: Tree, what: str) -> None:
        print(f"{tree.title}: {what}", file=sys.stderr, flush=True)
