"""The linear reference of a cohort on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from deepstrf_hf.baselines.result import Baseline
from deepstrf_hf.strf.scores import CORRELATIONS

NAMES_SHOWN = 5
"""Neurons named per reason; the JSON file names them all."""


def print_baseline(result: Baseline, console: Console) -> None:
    """Print how the fit was done, scores by group, what papers report, and what could not be scored."""
    settings, identity = result.settings, result.identity
    console.print(
        f"{identity['corpus']} {identity['corpus_version']}, {identity['config']}: ridge STRF of {settings.n_lags} "
        f"lags of {settings.dt_ms:g} ms ({settings.window_ms:g} ms), {result.grid.F} bands; preprocessing "
        f"{result.preprocessing}",
        highlight=False,
        markup=False,
    )
    console.print(f"Split {result.split}", highlight=False, markup=False)
    scores = Table("neurons", "scored", *(f"{name} {kind}" for name in CORRELATIONS for kind in ("mean", "median")))
    for group, entry in result.summary.items():
        values = (entry[f"{name}_{kind}"] for name in CORRELATIONS for kind in ("mean", "median"))
        scores.add_row(group, f"{entry['n']}", *map(_number, values))
    console.print(scores)
    if result.published:
        published = Table("published", "value", "ours", "source", "note")
        for score in result.published:
            ours = _number(score["ours"])
            published.add_row(score["what"], f"{score['value']:.3f}", ours, score["source"], score["note"])
        console.print(published)
    if result.left_out:
        left_out = Table("not scored, or not in full", "neurons", "which")
        for left in result.left_out:
            names = left["neurons"]
            more = ", …" if len(names) > NAMES_SHOWN else ""
            left_out.add_row(left["reason"], str(len(names)), ", ".join(names[:NAMES_SHOWN]) + more)
        console.print(left_out)
    took = ", ".join(f"{name} {value:.1f} s" for name, value in result.seconds.items())
    console.print(f"{result.n_scored} of {result.grid.N_neurons} neurons scored; {took}", highlight=False)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
