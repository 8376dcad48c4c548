"""Commands on what is declared: ``deepstrf-hf list | info``."""

from __future__ import annotations

from typing import Any

import typer
from rich.table import Table

from deepstrf_hf.cli_options import AsJson, CorpusName, print_json
from deepstrf_hf.terminal import print_error, terminal


def list_corpora(as_json: AsJson = False) -> None:
    """List all corpora and their cohorts; exits with 1 if an installed package declares one that cannot be used."""
    from deepstrf_hf.corpus_facts import corpus_facts
    from deepstrf_hf.registry import load_builders, registration_of

    usable, broken = load_builders()
    corpora = [corpus_facts(builder, registration_of(name).provided_by) for name, builder in usable.items()]
    if as_json:
        print_json({"corpora": corpora, "broken": [{"name": name, "problem": str(broken[name])} for name in broken]})
    else:
        terminal().print(_list_table(corpora))
        for error in broken.values():
            print_error(error)
    if broken:
        raise typer.Exit(1)


def _list_table(corpora: list[dict[str, Any]]) -> Table:
    names = ["corpus", "cohort", "species", "signal", "neurons", "stimuli", "to fetch", "access", "licence"]
    table = Table(*names, "may be handed on")
    for facts in corpora:
        for number, cohort in enumerate(facts["cohorts"]):
            counts = [str(cohort["counts"].get(key, "")) for key in ("neurons", "stimuli")]
            of_corpus = (facts["download_size"], facts["access"], facts["licence"]["name"], facts["redistribution"])
            # What holds for the whole corpus stands once, with its first cohort.
            table.add_row(
                facts["name"],
                cohort["name"],
                facts["species"],
                cohort["signal_type"],
                *counts,
                *([""] * len(of_corpus) if number else of_corpus),
            )
    return table


def info(corpus: CorpusName, as_json: AsJson = False) -> None:
    """Describe a corpus: files, licence, cohorts, parameters, citation."""
    from deepstrf_hf.corpus_facts import corpus_facts
    from deepstrf_hf.registry import registration_of

    registration = registration_of(corpus)
    facts = corpus_facts(registration.load(), registration.provided_by)
    if as_json:
        print_json(facts)
    else:
        _print_info(facts)


def _print_info(facts: dict[str, Any]) -> None:
    console, licence = terminal(), facts["licence"]
    console.print(f"[bold]{facts['title']}[/bold] (builder version {facts['version']})", highlight=False)
    console.print(f"{facts['species']}, {facts['behavioural_state']}; {', '.join(facts['areas'])}", highlight=False)
    size = f", {facts['download_size']}" if facts["download_size"] else ""
    console.print(f"Data: {facts['homepage']}{size}; access: {facts['access']}", highlight=False)
    console.print(
        f"Licence: {licence['name']}; may be handed on: {facts['redistribution']}. {licence['terms']}", highlight=False
    )
    cohorts = Table("cohort", "content", "published counts", "splits", title="Cohorts")
    for cohort in facts["cohorts"]:
        counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in cohort["counts"].items())
        cohorts.add_row(cohort["name"], cohort["description"], counts, ", ".join(cohort["splits"]))
    files = Table("file", "address", "needed", title="Files")
    for file in facts["files"]:
        files.add_row(file["name"], file["url"], file["note"] or "optional" if file["optional"] else "yes")
    parameters = Table("parameter", "default", "unit", "meaning", title="Parameters (build --set NAME=VALUE)")
    for parameter in facts["parameters"]:
        parameters.add_row(
            parameter["name"], str(parameter["default"]), parameter["unit"] or "", parameter["description"]
        )
    for table in (cohorts, files, parameters):
        console.print(table)
    console.print(facts["citation"], highlight=False, markup=False)
