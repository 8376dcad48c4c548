"""A page of every corpus, and of a repository on the Hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from deepstrf_hf.corpus import Redistribution
from deepstrf_hf.report import BuildReport
from tests.hub.fixtures import client, hub  # noqa: F401
from tests.hub.server import LoopbackHub
from tests.hub_helpers import REPOSITORY, TOKEN, read_files
from tests.report_page.corpora import page_of
from tests.report_page.markup import Page, check_sound
from tests.test_every_corpus import declaration, every_build, raw_and_built  # noqa: F401


@every_build
def test_every_corpus_has_a_page(name: str, raw_and_built: tuple[Path, Path], tmp_path: Path) -> None:  # noqa: F811
    built, corpus = raw_and_built[1], declaration(name)
    page = page_of(built, tmp_path / "report.html")
    report = BuildReport.read(built)
    assert page.one("h1").text == corpus.title
    assert [element.text for element in page.all("h2")][:-1] == list(report.cohorts)
    names = {element.text for element in page.all("bdi")}
    for config, entry in report.cohorts.items():
        for table in ("stimuli", "neurons"):
            column = {"stimuli": "stim_id", "neurons": "neuron_id"}[table]
            for file in (built / f"{config}-{table}").glob("*.parquet"):
                ids = pq.read_table(file, columns=[column]).column(column).to_pylist()
                assert {" ".join(one.split()) for one in ids} <= names
        for _, left_out, reason in entry.left_out:
            assert " ".join(left_out.split()) in names
            assert " ".join(reason.split()) in page.text
    free = corpus.redistribution is Redistribution.PERMITTED
    for audio in page.all("audio"):
        assert free, audio
    stimuli = sum(entry.counts["stimuli"] for entry in report.cohorts.values())
    assert len(page.all("img", class_="thumbnail")) == stimuli


def test_a_repository_on_the_hub_has_the_page_of_the_directory(
    hub: LoopbackHub,  # noqa: F811
    client: Callable[..., Any],  # noqa: F811
    ns1_built: Path,
    tmp_path: Path,
) -> None:
    hub.add_repository(REPOSITORY, private=True).commit(read_files(ns1_built), title="built")
    output = tmp_path / "of_hub.html"
    written = client(
        "from deepstrf_hf import report_page\nreport(report_page(repository, output=output).size_bytes)",
        arguments={"repository": REPOSITORY, "output": str(output)},
        token=TOKEN,
    )
    assert written == output.stat().st_size
    of_hub = output.read_text(encoding="utf-8")
    check_sound(Page(of_hub))
    page_of(ns1_built, tmp_path / "of_directory.html")
    of_directory = (tmp_path / "of_directory.html").read_text(encoding="utf-8")
    assert of_hub == of_directory.replace("./ns1", REPOSITORY)
