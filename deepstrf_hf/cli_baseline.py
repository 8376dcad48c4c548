"""``deepstrf-hf baseline``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deepstrf_hf.cli_options import AsJson, ConfigName, print_json
from deepstrf_hf.errors import ParameterError
from deepstrf_hf.terminal import terminal

PREPROCESSING = {"published": "published", "deepstrf": "deepstrf", "none": None}


def baseline(
    directory: Annotated[str, typer.Argument(help="Built directory or Hub repository.")],
    config: ConfigName = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Directory for <corpus>_<config>_baseline.json and .png.")
    ] = Path(),
    window_ms: Annotated[
        float | None, typer.Option(help="Length of the receptive fields; as the corpus declares if not given.")
    ] = None,
    bin_ms: Annotated[
        float | None, typer.Option(help="Width to which bins are averaged first; as declared if not given.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Column of neurons to sum up by, or none; as declared if not given.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Divisions that are drawn where none is published.")] = 5,
    penalties: Annotated[str | None, typer.Option(help="Ridge penalties to choose from, by commas: 0.01,0.1,1")] = None,
    preprocessing: Annotated[str, typer.Option(help="published, deepstrf or none.")] = "published",
    figure: Annotated[bool, typer.Option("--figure/--no-figure", help="Whether to draw the best STRFs.")] = True,
    as_json: AsJson = False,
) -> None:
    """Fit a ridge STRF to every neuron of a cohort and score it on test clips, beside what papers report."""
    from deepstrf_hf.baselines.run import baseline as fit_cohort
    from deepstrf_hf.baselines.table import print_baseline
    from deepstrf_hf.strf.ridge import DEFAULT_PENALTIES

    if figure:
        import deepstrf_hf.drawing  # noqa: F401 (says that matplotlib is missing before anything is fitted)
    if preprocessing not in PREPROCESSING:
        raise ParameterError(
            "Unknown preprocessing",
            field="--preprocessing",
            found=preprocessing,
            expected=", ".join(PREPROCESSING),
        )
    result = fit_cohort(
        directory,
        config,
        window_ms=window_ms,
        bin_ms=bin_ms,
        by="" if by == "none" else by,
        seeds=seeds,
        penalties=DEFAULT_PENALTIES if penalties is None else _numbers(penalties),
        preprocessing=PREPROCESSING[preprocessing],
    )
    written = result.write(output)
    drawn = result.draw(output) if figure else None
    if as_json:
        print_json(result.to_json())
        return
    print_baseline(result, terminal())
    if figure and drawn is None:
        terminal().print("No figure: no receptive field could be scored", highlight=False)
    terminal().print(f"Written: {', '.join(str(path) for path in (written, drawn) if path)}", highlight=False)


def _numbers(text: str) -> list[float]:
    """Return the numbers of a list by commas.

    Raises
    ------
    ParameterError
        One is not a number.
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ParameterError(
            "Penalties are numbers", field="--penalties", found=text, expected="for example 0.01,0.1,1"
        ) from None
