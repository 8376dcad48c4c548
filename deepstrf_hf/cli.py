"""The command line: ``deepstrf-hf list | info | download | check | build | inspect | illustrate | verify | push …``."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deepstrf_hf._version import __version__
from deepstrf_hf.cli_baseline import baseline
from deepstrf_hf.cli_download import announce, check
from deepstrf_hf.cli_download import download as download_raw_files
from deepstrf_hf.cli_options import conditions_of, pairs_of
from deepstrf_hf.errors import DeepstrfError
from deepstrf_hf.terminal import terminal

app = typer.Typer(
    name="deepstrf-hf",
    help="Public recordings of neurons listening to sound, as tables and as a grid.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
TRACEBACK = "--traceback"


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
    show_traceback: Annotated[bool, typer.Option(TRACEBACK, help="Show where an error came from.")] = False,
) -> None:
    """Public recordings of neurons listening to sound, as tables and as a grid."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command("list")
def list_corpora() -> None:
    """List all corpora and their cohorts."""
    from deepstrf_hf.registry import corpus_names, load_builder

    names = ["corpus", "cohort", "species", "signal", "neurons", "stimuli", "to fetch", "access", "licence"]
    table = Table(*names, "may be handed on")
    for name in corpus_names():
        corpus = load_builder(name).CORPUS
        for number, cohort in enumerate(corpus.cohorts):
            counts = [str(cohort.counts.get(key, "")) for key in ("neurons", "stimuli")]
            of_corpus = (corpus.download_size, corpus.access, corpus.licence.name, corpus.redistribution.value)
            # What holds for the whole corpus stands once, with its first cohort.
            table.add_row(
                name, cohort.name, corpus.species, cohort.signal_type, *counts, *([""] * 4 if number else of_corpus)
            )
    terminal().print(table)


@app.command()
def info(corpus: Annotated[str, typer.Argument(help="Name of the corpus.")]) -> None:
    """Describe a corpus: files, licence, cohorts, parameters, citation."""
    from deepstrf_hf.card import parameter_rows
    from deepstrf_hf.registry import load_builder

    builder = load_builder(corpus)
    declared, console = builder.CORPUS, terminal()
    console.print(f"[bold]{declared.title}[/bold] (builder version {declared.version})", highlight=False)
    console.print(f"{declared.species}, {declared.behavioural_state}; {', '.join(declared.areas)}", highlight=False)
    size = f", {declared.download_size}" if declared.download_size else ""
    console.print(f"Data: {declared.homepage}{size}; access: {declared.access}", highlight=False)
    console.print(
        f"Licence: {declared.licence.name}; may be handed on: {declared.redistribution.value}. "
        f"{declared.licence.terms}",
        highlight=False,
    )
    cohorts = Table("cohort", "content", "published counts", "splits", title="Cohorts")
    for cohort in declared.cohorts:
        counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in cohort.counts.items())
        cohorts.add_row(cohort.name, cohort.description, counts, ", ".join(cohort.splits.names))
    files = Table("file", "address", "needed", title="Files")
    for archive in declared.archives:
        files.add_row(archive.name, archive.url, archive.note or "optional" if archive.optional else "yes")
    parameters = Table("parameter", "default", "unit", "meaning", title="Parameters (build --set NAME=VALUE)")
    for row in parameter_rows(builder.BUILDER_CONFIG_CLASS):
        parameters.add_row(*row)
    for table in (cohorts, files, parameters):
        console.print(table)
    console.print(declared.citation, highlight=False, markup=False)


app.command()(download_raw_files)
app.command()(check)
app.command()(baseline)


@app.command()
def build(
    corpus: Annotated[str, typer.Argument(help="Name of the corpus.")],
    cohorts: Annotated[list[str] | None, typer.Argument(help="Cohorts; all if none is named.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Directory of the raw files; else where `download` puts them.")
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", help="First fetch what the build needs and is not there.")
    ] = False,
    out: Annotated[str, typer.Option(help="Directory to write, or a URL that fsspec knows.")] = ...,  # type: ignore[assignment]
    num_proc: Annotated[
        int | None, typer.Option(min=1, help="Parts built at once; the result does not depend on it.")
    ] = None,
    engine: Annotated[str, typer.Option(help="processes of this machine, or ray.")] = "processes",
    address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster; a new one on this machine if not given.")
    ] = None,
    waveform: Annotated[bool, typer.Option("--waveform", help="Also write rows that carry the waveform.")] = False,
    stimulus: Annotated[
        str | None, typer.Option(help="inline or reference, instead of what the corpus declares.")
    ] = None,
    audio: Annotated[bool, typer.Option("--audio/--no-audio", help="Whether waveforms are stored.")] = True,
    on_error: Annotated[str, typer.Option(help="raise, or skip what cannot be used and report it.")] = "raise",
    settings: Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE of a parameter; see `info`.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="COLUMN=VALUE, for example neuron.area=MLd; repeat for more.")
    ] = None,
) -> None:
    """Build the tables of a corpus from its raw files."""
    from deepstrf_hf.building import build as build_corpus

    if download:
        from deepstrf_hf.download.downloading import download_corpus

        fetched = download_corpus(
            corpus,
            cohorts or None,
            dest=data_dir,
            where=conditions_of(where),
            waveforms=waveform,
            ask=True,
            announce=announce,
        )
        fetched.print(terminal())
    report = build_corpus(
        corpus,
        cohorts or None,
        data_dir=data_dir,
        out=out,
        parameters=dict(pairs_of(settings, "--set", "NAME=VALUE")),
        where=conditions_of(where),
        stimulus=stimulus,
        waveform=waveform,
        audio=audio,
        on_error=on_error,
        num_proc=num_proc,
        engine=engine,
        address=address,
    )
    from deepstrf_hf.report_table import print_report

    print_report(report, terminal())
    terminal().print(f"Written to {out}", highlight=False)


@app.command()
def inspect(
    directory: Annotated[str, typer.Argument(help="Built directory or Hub repository.")],
    config: Annotated[str | None, typer.Argument(help="Configuration; the default one if not given.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="PNG to write.")] = None,
    neuron: Annotated[str | None, typer.Option(help="neuron_id to draw.")] = None,
    stim: Annotated[str | None, typer.Option(help="stim_id to draw.")] = None,
) -> None:
    """Summarise a configuration and draw a neuron: spectrogram over raster and PSTH."""
    from deepstrf_hf.plots import inspect as inspect_config

    found = inspect_config(directory, config, output=output, neuron_id=neuron, stim_id=stim)
    table = Table(show_header=False)
    for name, value in found.summary.items():
        table.add_row(name, value)
    terminal().print(table)
    terminal().print(f"Drawn to {found.picture}", highlight=False)


@app.command()
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove everything in it.")] = False,
) -> None:
    """Show, or clear, the local cache of opened grids."""
    from deepstrf_hf.cache.entries import CacheDirectory
    from deepstrf_hf.cache.settings import SIZE_VARIABLE, cache_settings

    settings = cache_settings()
    if settings is None:
        terminal().print(f"There is no cache: {SIZE_VARIABLE} is 0", highlight=False)
        return
    directory = CacheDirectory(settings)
    entries = directory.entries()
    total = directory.clear() if clear else sum(n_bytes for _, n_bytes, _ in entries)
    terminal().print(
        f"{settings.directory}: {'removed ' if clear else ''}{len(entries)} entries, {total / 1e6:.1f} MB"
        f" of at most {settings.limit_bytes / 1e9:g} GB",
        highlight=False,
    )


@app.command()
def push(
    directory: Annotated[Path, typer.Argument(help="What `build` wrote.")],
    repo_id: Annotated[str, typer.Argument(help="owner/name on the Hub.")],
    private: Annotated[
        bool | None, typer.Option("--private/--public", help="Whether only the owner may read it.")
    ] = None,
    gated: Annotated[
        str | None, typer.Option(help="auto or manual: let readers in who agree to the terms, or each by hand.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Branch; the main one if not given.")] = None,
    permission: Annotated[str | None, typer.Option(help="Text of the owners' permission to publish.")] = None,
    replace_tag: Annotated[
        bool, typer.Option("--replace-tag", help="Move the tag of the version here, even from other data.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
) -> None:
    """Push a built directory to the Hub, in one commit, and tag it with its version."""
    from deepstrf_hf.hub import push as push_directory
    from deepstrf_hf.push_table import print_push

    result = push_directory(  # type: ignore[call-overload]  # which overload, the user says
        directory,
        repo_id,
        private=private,
        gated=gated,
        revision=revision,
        permission=permission,
        replace_tag=replace_tag,
        dry_run=dry_run,
    )
    print_push(result, terminal())


@app.command("push-card")
def push_card(
    corpus: Annotated[str, typer.Argument(help="Name of the corpus.")],
    repo_id: Annotated[str, typer.Argument(help="owner/name on the Hub.")],
    private: Annotated[
        bool | None, typer.Option("--private/--public", help="Whether only the owner may read it.")
    ] = None,
    replace_data: Annotated[
        bool, typer.Option("--replace-data", help="Take data of ours that the repository holds out of it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
) -> None:
    """Push the card of a corpus without its data: what it is, where its files are, how to build it."""
    from deepstrf_hf.hub_card import push_card as push_bare_card
    from deepstrf_hf.push_table import print_push

    result = push_bare_card(  # type: ignore[call-overload]  # which overload, the user says
        corpus, repo_id, private=private, replace_data=replace_data, dry_run=dry_run
    )
    print_push(result, terminal())


@app.command()
def illustrate(
    directory: Annotated[Path, typer.Argument(help="What `build` wrote.")],
) -> None:
    """Draw a unit, the coverage and the response quality of every cohort into the card of a built directory."""
    from deepstrf_hf.illustrated_card import illustrate_card

    for picture in illustrate_card(directory):
        terminal().print(f"{directory / picture.path}", highlight=False, markup=False)


@app.command()
def verify(
    source: Annotated[str, typer.Argument(help="Built directory or Hub repository.")],
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit on the Hub.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Verify that a built directory or a Hub repository is whole; exits with 1 if anything is wrong."""
    from deepstrf_hf.verification import verify as verify_source

    found = verify_source(source, revision=revision)
    if as_json:
        terminal().print_json(data=found.to_json())
    else:
        found.print(terminal())
    if not found.whole:
        raise typer.Exit(1)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exits with 0 on success only.

    Parameters
    ----------
    arguments : list of str, optional
        Instead of those of the process.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    wants_traceback = TRACEBACK in arguments
    if wants_traceback:  # taken anywhere on the line
        arguments = [TRACEBACK, *(argument for argument in arguments if argument != TRACEBACK)]
    try:
        app(arguments)
    except DeepstrfError as error:
        if wants_traceback:
            traceback.print_exc()
        Console(stderr=True, soft_wrap=True).print(f"Error: {error}", style="red", markup=False, highlight=False)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        Console(stderr=True).print("Interrupted; nothing half-written was left.", style="red")
        raise SystemExit(130) from None
