"""What a page says of a build, how large it is, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import build, report_page
from deepstrf_hf.cli import main
from deepstrf_hf.errors import OutputDirectoryError, ParameterError, TableFormatError, UnknownNameError
from deepstrf_hf.names import REPORT_NAME
from deepstrf_hf.report import BuildReport
from deepstrf_hf.report_html import cohorts, neurons, stimuli
from deepstrf_hf.report_html.cohorts import CohortSection, Count, LeftOut, gather_cohort
from deepstrf_hf.report_html.page import PageTemplate
from deepstrf_hf.report_html.pictures import typical_neuron
from deepstrf_hf.report_html.stimuli import WIDTH, StimulusEntry
from deepstrf_hf.report_html.values import rounded, shown
from deepstrf_hf.repository import Repository
from tests.report_page.corpora import HOSTILE, HostileToy, ManyToy, built, page_of
from tests.report_page.markup import Page, check_sound
from tests.toy import Toy, fingerprint, write_toy

pytestmark = pytest.mark.usefixtures("know_toys")


def rows_of(page: Page, caption: str) -> list[list[str]]:
    """Return the cells of a table, row by row."""
    found: list[list[str]] = []
    inside = False
    for element in page.elements:
        if element.tag == "caption":
            inside = element.text == caption
        elif inside and element.tag == "tr":
            found.append([])
        elif inside and element.tag in ("th", "td"):
            found[-1].append(element.text)
    return found


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return built(Toy, tmp_path)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "report.html"


# What is said ---------------------------------------------------------------------------------------------------------


def test_all_cohorts_or_the_one_that_is_named(toy: Path, output: Path) -> None:
    page = page_of(toy, output)
    assert [element.text for element in page.all("h2")] == ["counts", "potentials", "Licence and citation"]
    page = page_of(toy, output, "potentials")
    assert [element.text for element in page.all("h2")] == ["potentials", "Licence and citation"]


def test_it_says_what_the_corpus_is_and_how_to_open_and_cite_it(toy: Path, output: Path) -> None:
    page = page_of(toy, output, "counts")
    assert page.one("title").text == page.one("h1").text == "Toy corpus"
    for said in ("Toy ferret, awake · A1, PEG · version 1.2.3", "CC BY 4.0", "@article{toy}", "doi:10.0/toy"):
        assert said in page.text
    assert "The licence allows the data to be handed on." in page.text
    assert 'deepstrf_hf.load("./toy", "counts")' in page.text
    assert str(toy) not in output.read_text(encoding="utf-8")
    numbers = dict(zip([dt.text for dt in page.all("dt")], [dd.text for dd in page.all("dd")], strict=True))
    assert (numbers["neurons"], numbers["stimuli"], numbers["pairs of both"]) == ("6", "4", "24")
    assert numbers["of sound"] == f"{(10 + 11 + 12 + 13) * 5 / 1000:.3g} s"


def test_counts_stand_beside_the_published_ones_and_differences_are_marked(toy: Path, output: Path) -> None:
    page = page_of(toy, output, "counts")
    counts = {row[0]: row[1:] for row in rows_of(page, "What the tables hold, beside what was published")}
    assert counts["neurons"] == ["6", "6", "equal"]
    assert counts["good"] == ["3", "99", "≠ differs"]
    assert counts["rows"] == ["24", "", ""]
    marked = [row.text for row in page.all("tr", class_="differs")]
    assert marked == ["good399≠ differs"]
    assert "1 count differs from what was published" in page.text


def test_what_was_left_out_is_named_with_its_reason(tmp_path: Path, output: Path) -> None:
    raw = write_toy(tmp_path / "raw", broken=["site_a-n1", "site_c-n0"])
    build(Toy, ["counts"], data_dir=raw, out=tmp_path / "out", on_error="skip")
    page = page_of(tmp_path / "out", output)
    named = [element.text for element in page.all("p", class_="names")]
    assert sorted(named) == ["site_a-n1", "site_c-n0"]
    assert page.text.count("units (1): A unit is broken") == 2
    assert "spikes (6): before the sound" in page.text


def test_of_many_things_left_out_the_first_are_named(toy: Path, output: Path) -> None:
    report = BuildReport.read(toy)
    entry = report.cohorts["counts"]
    entry.left_out = [("pairs", f"pair{number:04d}", "lost") for number in range(cohorts.MOST_NAMES + 7)]
    entry.raw_sha256 = {f"file{number:04d}": "0" * 64 for number in range(cohorts.MOST_NAMES + 3)}
    report.write(toy)
    page = page_of(toy, output, "counts")
    assert f"pairs ({cohorts.MOST_NAMES + 7}): lost" in page.text
    assert "pair0499" in page.text and "pair0500" not in page.text
    assert "and 7 more, named in build_report.json" in page.text
    assert f"{cohorts.MOST_NAMES + 3} raw files used" in page.text
    assert "file0499" in page.text and "file0500" not in page.text


def test_provenance(tmp_path: Path, output: Path) -> None:
    build(Toy, ["counts"], data_dir=write_toy(tmp_path / "raw"), out=tmp_path / "out", parameters={"gain": 2.0})
    report = BuildReport.read(tmp_path / "out")
    (config,) = report.cohorts
    page = page_of(tmp_path / "out", output)
    parameters = {row[0]: row[1:] for row in rows_of(page, "Parameters of the build")}
    assert parameters["gain"] == ["2", "≠ changed"]
    assert parameters["window"] == ["hann", "as published"]
    assert parameters["limit"] == ["none", "as published"]
    for name, digest in report.cohorts[config].raw_sha256.items():
        assert f"{name} {digest}" in page.text
    assert "Toy et al." in page.text


def test_a_part_says_that_it_is_one(tmp_path: Path, output: Path) -> None:
    where = {"neuron.site": ["site_b"]}
    build(Toy, ["counts"], data_dir=write_toy(tmp_path / "raw"), out=tmp_path / "out", where=where)
    assert "A part of it: neuron.site is site_b." in page_of(tmp_path / "out", output).text


def test_neurons_have_their_quality_and_metadata_and_what_is_the_same_is_said_once(toy: Path, output: Path) -> None:
    page = page_of(toy, output, "counts")
    table = rows_of(page, "Neurons of counts")
    stored = pq.read_table(next((toy / "counts-neurons").glob("*.parquet"))).to_pylist()
    heading, *rows = table
    assert heading[:3] == ["neuron", "SNR", "CCmax"]
    assert {"site", "good"} <= set(heading)
    assert "stimuli" not in heading  # all heard 4
    assert "stimuli4" in [element.text.replace(" ", "") for element in page.all("div")]
    for row, neuron in zip(rows, stored, strict=True):
        said = dict(zip(heading, row, strict=True))
        assert said["neuron"] == neuron["neuron_id"]
        assert said["site"] == neuron["neuron_site"]
        assert said["good"] == ("yes" if neuron["neuron_good"] else "")
        assert said["SNR"] == ("" if neuron["snr"] is None else f"{neuron['snr']:.4g}")


def test_units_are_the_clearest_and_a_typical_one(toy: Path, output: Path) -> None:
    page = page_of(toy, output, "counts")
    stored = pq.read_table(next((toy / "counts-neurons").glob("*.parquet"))).to_pylist()
    ranked = sorted((row["snr"], row["neuron_id"]) for row in stored if row["snr"] is not None)
    best, typical = ranked[-1][1], ranked[(len(ranked) - 1) // 2][1]
    said = [element.text for element in page.all("figcaption")]
    assert said[0].startswith(f"The clearest unit. Of all neurons {best} has the highest signal-to-noise ratio")
    assert said[1].startswith(f"A typical unit. Of all neurons {typical} has the median signal-to-noise ratio")


@given(st.lists(st.none() | st.just(float("nan")) | st.floats(-10, 10), min_size=1, max_size=9))
def test_the_typical_neuron_has_the_median_ratio(ratios: list[float | None]) -> None:
    position = typical_neuron(pa.table({"snr": pa.array(ratios, pa.float64())}))
    known = [ratio for ratio in ratios if ratio is not None and np.isfinite(ratio)]
    if not known:
        assert position is None
    else:
        chosen = ratios[position]
        assert sum(ratio < chosen for ratio in known) <= (len(known) - 1) // 2
        assert sum(ratio > chosen for ratio in known) <= len(known) // 2


def test_without_repeats_there_is_one_unit_and_no_histogram(tmp_path: Path, output: Path) -> None:
    build(Toy, ["counts"], data_dir=write_toy(tmp_path / "raw"), out=tmp_path / "out", parameters={"limit": 1})
    page = page_of(tmp_path / "out", output)
    assert "A unit. Of all neurons" in page.text
    assert "since none has a signal-to-noise ratio" in page.text
    assert "A typical unit" not in page.text
    assert "6 neurons: 6 without repeats." in page.text
    assert "Histogram" not in {element.attributes["alt"].split(".")[0] for element in page.all("img")}


def test_hostile_names_are_text(tmp_path: Path, output: Path) -> None:
    page = page_of(built(HostileToy, tmp_path), output, "counts")  # `check_sound` finds anything of theirs
    assert page.text.count(HOSTILE) > 20
    for said in ("left", "reason", "nameless", "note", "site_a", "site_a-n0", "sound0"):
        assert f"{said} {HOSTILE}" in page.text
    assert all("49" not in element.text for element in page.all("bdi"))


@pytest.fixture(scope="module")
def section(tmp_path_factory: pytest.TempPathFactory) -> CohortSection:
    """Gather what the page of a toy says, once."""
    directory = built(Toy, tmp_path_factory.mktemp("section"))
    report = BuildReport.read(directory)
    return gather_cohort(Repository.open(directory), report, "counts", Toy.CORPUS, None, None)


@hypothesis.settings(max_examples=60)
@given(text=st.text(max_size=40) | st.text("<>&\"'/=!-;{}%# scriptamgonerc", max_size=60))
def test_no_text_becomes_markup(section: CohortSection, text: str) -> None:
    row = [text] * len(section.neurons.columns)
    changed = replace(
        section,
        config=text,
        part=text,
        notes=[text],
        left_out=[LeftOut(text, 1, text, [text])],
        counts=[Count(text, text, text, "differs")],
        parameters=[(text, text, True)],
        files=[(text, text, text)],
        raw_files=[(text, text)],
        neurons=replace(section.neurons, rows=[row], constant=[(text, text)]),
        pictures=replace(section.pictures, units=[], quality=[]),
        stimuli=replace(section.stimuli, entries=[StimulusEntry(text, text, [(text, text)], None)], constant=[]),
    )
    page = Page(PageTemplate(Toy.CORPUS, BuildReport("toy", text), [changed]).render().decode("utf-8"))
    check_sound(page)
    assert [element.text for element in page.all("p", class_="names")] == [" ".join(text.split())]
    assert page.all("h2")[0].text == " ".join(text.split())


def test_names_that_utf8_cannot_hold(toy: Path, output: Path) -> None:
    report = BuildReport.read(toy)
    report.cohorts["counts"].left_out = [("files", "caf\udce9.wav", "unreadable")]
    report.write(toy)
    assert r"caf\udce9.wav" in page_of(toy, output, "counts").text


def test_the_same_build_gives_the_same_bytes(toy: Path, tmp_path: Path) -> None:
    before = fingerprint(toy)
    for name in ("one.html", "other.html"):
        report_page(toy, "counts", output=tmp_path / name)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "other.html").read_bytes()
    assert fingerprint(toy) == before


# How large ------------------------------------------------------------------------------------------------------------


def sizes(page: Page) -> tuple[int, int]:
    """Return how many thumbnails and players there are."""
    return len(page.all("img", class_="thumbnail")), len(page.all("audio"))


def test_what_does_not_fit_is_left_out_in_order_and_said(tmp_path: Path, output: Path) -> None:
    directory = built(ManyToy, tmp_path)
    whole = page_of(directory, output)
    assert sizes(whole) == (30, 30)
    assert "did not fit" not in whole.text
    full_size = output.stat().st_size
    without = page_of(directory, output, audio=False)
    assert sizes(without) == (30, 0)
    size_without = output.stat().st_size
    some = page_of(directory, output, max_megabytes=(full_size + size_without) / 2e6)
    assert output.stat().st_size <= (full_size + size_without) / 2
    pictures, players = sizes(some)
    assert pictures == 30
    assert 0 < players < 30
    assert f"The sounds of {30 - players} of 30 stimuli did not fit into the page" in some.text
    assert [element.attributes["aria-label"] for element in some.all("audio")] == [
        f"Sound of sound{number:02d}" for number in range(players)
    ]
    few = page_of(directory, output, max_megabytes=size_without / 1e6)
    assert output.stat().st_size <= size_without
    assert 0 < sizes(few)[0] < 30
    assert sizes(few)[1] == 0
    assert "The pictures of" in few.text
    with pytest.raises(ParameterError, match=r"at least 0\.\d"):
        report_page(directory, output=output, max_megabytes=0.05)
    assert sizes(Page(output.read_text(encoding="utf-8"))) == sizes(few), "the earlier page stays"


def test_long_lists_end_and_say_so(tmp_path: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stimuli, "MOST_STIMULI", 12)
    monkeypatch.setattr(neurons, "MOST_NEURONS", 4)
    page = page_of(built(ManyToy, tmp_path), output)
    assert sizes(page) == (12, 12)
    assert "The first 12 of them are shown." in page.text
    assert "6 neurons. The first 4 of them are shown." in page.text
    assert len(rows_of(page, "Neurons of counts")) == 1 + 4


def test_thumbnails_are_narrow(ns1_built: Path, output: Path) -> None:
    page = page_of(ns1_built, output)
    widths = {int(element.attributes["width"]) for element in page.all("img", class_="thumbnail")}
    assert max(widths) == WIDTH
    assert sizes(page)[0] == 20


# What is refused ------------------------------------------------------------------------------------------------------


def test_what_is_no_build_or_no_cohort(toy: Path, tmp_path: Path, output: Path) -> None:
    with pytest.raises(UnknownNameError, match="counts"):
        report_page(toy, "count", output=output)
    with pytest.raises(UnknownNameError, match="belongs to one"):
        report_page(toy, "counts-stimuli", output=output)
    with pytest.raises(TableFormatError):
        report_page(tmp_path, output=output)
    with pytest.raises(TableFormatError):
        report_page(tmp_path / "absent", output=output)
    assert not output.exists()


def change_report(directory: Path, **changes: Any) -> None:
    path = directory / REPORT_NAME
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def test_a_report_that_does_not_fit_the_card(toy: Path, output: Path) -> None:
    change_report(toy, cohorts={})
    with pytest.raises(TableFormatError, match="lacks a configuration"):
        report_page(toy, "counts", output=output)
    change_report(toy, corpus="nobody_knows_it")
    with pytest.raises(UnknownNameError, match="nobody_knows_it"):
        report_page(toy, output=output)


@pytest.mark.parametrize("table", ["counts", "counts-stimuli", "counts-neurons"])
def test_broken_tables(toy: Path, output: Path, table: str) -> None:
    file = next((toy / table).glob("*.parquet"))
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(TableFormatError):
        report_page(toy, output=output)
    file.unlink()
    with pytest.raises(TableFormatError, match="missing"):
        report_page(toy, output=output)


def test_pictures_and_sounds_that_are_none(toy: Path, output: Path) -> None:
    (file,) = (toy / "counts-stimuli").glob("*.parquet")
    for column in ("picture", "audio"):
        whole = file.read_bytes()
        table = pq.read_table(file)
        broken = [{"bytes": b"nothing", "path": "x"}] * len(table)
        kind = table.schema.field(column)
        changed = table.set_column(table.column_names.index(column), kind, pa.array(broken, kind.type))
        metadata = pq.read_schema(file).metadata
        pq.write_table(changed.replace_schema_metadata(metadata), file)
        with pytest.raises(TableFormatError, match=rf"Field: {table.column('stim_id')[0]}"):
            report_page(toy, "counts", output=output)
        file.write_bytes(whole)


def test_a_failure_leaves_the_page_before(toy: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output.write_text("the page before")

    def refuse(self: Path, target: Path) -> Path:
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", refuse)
        with pytest.raises(OutputDirectoryError, match="disk full"):
            report_page(toy, "counts", output=output)
    assert output.read_text() == "the page before"
    assert not [path.name for path in output.parent.iterdir() if path.name.startswith(".")]
    with pytest.raises(OutputDirectoryError):
        report_page(toy, "counts", output=toy)
    report_page(toy, "counts", output=output.parent / "new" / "folder" / "report.html")
    assert (output.parent / "new" / "folder" / "report.html").is_file()


@pytest.mark.parametrize(("module", "said"), [("jinja2", "Report pages need Jinja2"), ("matplotlib", "matplotlib")])
def test_without_an_optional_part_it_says_what_to_install(module: str, said: str) -> None:
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "import deepstrf_hf\n"
        "try:\n    deepstrf_hf.report_page\n"
        "except deepstrf_hf.errors.MissingDependencyError as error:\n    sys.stdout.write(str(error))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said in done.stdout
    assert "pip install" in done.stdout


def test_the_name_is_the_function_whatever_was_imported_before() -> None:
    code = "import deepstrf_hf.report_html.page, deepstrf_hf; assert callable(deepstrf_hf.report_page)"
    subprocess.run([sys.executable, "-c", code], check=True)


# The command ----------------------------------------------------------------------------------------------------------


def run(*arguments: str) -> int | None:
    with pytest.raises(SystemExit) as left:
        main(list(arguments))
    return left.value.code


def test_the_command(
    ns1_built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not run("report", str(ns1_built))
    said = capsys.readouterr().out
    assert "Sounds are not embedded: nobody has verified" in said
    assert "Written to report.html (" in said
    assert sizes(Page((tmp_path / "report.html").read_text(encoding="utf-8"))) == (20, 0)
    assert not run("report", str(ns1_built), "a1", "-o", "a1.html", "--audio", "--max-megabytes", "8")
    assert "This page is private" in capsys.readouterr().out
    assert sizes(Page((tmp_path / "a1.html").read_text(encoding="utf-8"))) == (20, 20)
    assert run("report", str(ns1_built), "--baseline", "absent.json") == 1
    assert "Not a baseline" in capsys.readouterr().err


def test_a_variant_and_two_cohorts_that_differ_in_size(tmp_path: Path, output: Path) -> None:
    raw = write_toy(tmp_path / "raw")
    build(Toy, data_dir=raw, out=tmp_path / "out")
    build(Toy, ["counts"], data_dir=raw, out=tmp_path / "out", parameters={"limit": 2})
    page = page_of(tmp_path / "out", output)
    assert [element.text for element in page.all("h2")][:-1] == list(BuildReport.read(tmp_path / "out").cohorts)
    assert sizes(page) == (12, 12)


def test_a_declaration_without_a_cohort_of_the_build(toy: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Toy, "CORPUS", replace(Toy.CORPUS, cohorts=Toy.CORPUS.cohorts[1:]))
    with pytest.raises(UnknownNameError, match="cohort of toy"):
        report_page(toy, output=output)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (float("nan"), ""),
        (True, "yes"),
        (False, "no"),
        (12_345_678, "12345678"),
        ("a", "a"),
        (0.0, "0"),
        (0.123456, "0.1235"),
        (-1234.5678, "-1235"),
        (12_345.678, "12346"),
        (1.5e9, "1.5e+09"),
        (-1.23456e-7, "-1.235e-07"),
    ],
)
def test_values_as_text(value: Any, text: str) -> None:
    assert shown(value) == text


@given(st.floats(-1e300, 1e300), st.integers(1, 12))
def test_rounded_numbers_are_near_and_sort_alike(value: float, digits: int) -> None:
    assert float(rounded(value, digits)) == pytest.approx(value, rel=10.0 ** (1 - digits))
