"""The pages of the corpora, from their declarations, their ``card.md``, and pictures of synthetic recordings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.card import citation_section, licence_section, markdown_table, parameter_rows, prose
from deepstrf_hf.card_pictures import CardPicture
from deepstrf_hf.columns import range_columns
from deepstrf_hf.corpus import Cohort, Column, Corpus
from deepstrf_hf.names import NEURON_PREFIX, RECORDING_PREFIX, STIMULUS_PREFIX

SYNTHETIC = (
    '!!! warning "Synthetic recordings"\n    These pictures show made-up recordings that the library\'s tests write in '
    "the layout of the real files. They show what `deepstrf-hf illustrate` draws; they say nothing about real neurons."
)
NO_PICTURES = (
    "Pictures are drawn from the synthetic recordings of the library's tests, which were not at hand when this page "
    "was made."
)

OF_A_BUILD = (
    "The next sections also stand in the card (`README.md`) of every build; the notes and counts that they call "
    "“below” are those of the build."
)


def short_title(corpus: Corpus) -> str:
    """Return the title of a corpus up to its colon, for menus."""
    return corpus.title.partition(":")[0]


def overview(builders: Iterable[type[CorpusBuilder]]) -> str:
    """Return the page that compares all corpora.

    Parameters
    ----------
    builders : iterable of type
        Their builders, in the order of the table.
    """
    rows = []
    for builder in builders:
        corpus = builder.CORPUS
        for number, cohort in enumerate(corpus.cohorts):
            of_corpus = (
                f"[{short_title(corpus)}]({corpus.name}.md)",
                corpus.species,
                "; ".join(filter(None, (corpus.download_size, corpus.access.partition(" (")[0]))),
                corpus.licence.name,
                corpus.redistribution.value,
            )
            # What holds for the whole corpus stands once, with its first cohort.
            corpus_link, species, files, licence, handing_on = of_corpus if number == 0 else ("",) * 5
            rows.append(
                (
                    corpus_link,
                    f"`{cohort.name}`",
                    species,
                    cohort.signal_type,
                    _count(cohort, "neurons"),
                    _count(cohort, "stimuli"),
                    files,
                    licence,
                    handing_on,
                )
            )
    header = (
        "corpus", "cohort", "species", "signal", "neurons", "stimuli", "raw files", "licence", "may be handed on"
    )  # fmt: skip
    return (
        "---\nhide: [toc]\n---\n\n# Corpora\n\n"
        "Numbers are the published ones; a dash means that none is declared, and the cohort's description on the page "
        "of the corpus says what is known. Every build counts for itself and shows where it differs.\n\n"
        + markdown_table(header, rows)
        + "\n\nWhat “may be handed on” means, and what follows from it, is told in "
        "[Security and licences](../security_and_licences.md#whose-data-they-are); how to get the files in "
        "[Getting the raw files](../raw_files.md); and how far each corpus was checked against real recordings in "
        "[Fidelity](../fidelity.md).\n"
    )


def corpus_page(builder: type[CorpusBuilder], pictures: Sequence[CardPicture] | None) -> str:
    """Return the page of a corpus.

    Parameters
    ----------
    builder : type of CorpusBuilder
        Builder of the corpus.
    pictures : sequence of CardPicture or None
        Pictures of synthetic recordings, with paths that lead there from the page; None where none could be drawn.
    """
    corpus = builder.CORPUS
    sections = [
        f"# {corpus.title}",
        _facts(corpus),
        _use(corpus),
        f"*{OF_A_BUILD}*",
        _wide_lists(prose(corpus)),
        _pictures(pictures),
        _cohorts(corpus),
        _files(corpus),
        _build(corpus),
        "## Parameters\n\n`deepstrf-hf build --set NAME=VALUE` changes them; the defaults are the published ones. A "
        "build with other values gets a name of its own.\n\n"
        + markdown_table(("parameter", "default", "unit", "meaning"), parameter_rows(builder.BUILDER_CONFIG_CLASS)),
        _columns(corpus),
        _preprocessing(corpus),
        licence_section(corpus) + f"\n\nMay be handed on: **{corpus.redistribution.value}** "
        "([what that means](../security_and_licences.md#whose-data-they-are)).",
        citation_section(corpus),
    ]
    return "\n\n".join(sections) + "\n"


def _count(cohort: Cohort, name: str) -> str:
    return f"{cohort.counts[name]:,}" if name in cohort.counts else "–"


def _facts(corpus: Corpus) -> str:
    low, high = corpus.hearing_range_hz
    facts = {
        "Species": f"{corpus.species}, {corpus.behavioural_state}",
        "Areas": ", ".join(corpus.areas),
        "Cohorts": ", ".join(f"`{cohort.name}`" for cohort in corpus.cohorts),
        "Hears": f"{low:,g} to {high:,g} Hz",
        "Published at": f"<{corpus.homepage}>",
        "To fetch": "; ".join(filter(None, (corpus.download_size, f"access: {corpus.access}"))),
        "Licence": f"{corpus.licence.name}; may be handed on: {corpus.redistribution.value}",
        "Version": f"{corpus.version} of the tables",
    }
    return markdown_table(("Name", f"`{corpus.name}`"), facts.items())


def _use(corpus: Corpus) -> str:
    first = corpus.cohorts[0]
    source, split = f"out/{corpus.name}", first.splits.names[0]
    if first.stimulus == "inline":
        rows = (
            "from datasets import load_dataset\n\n"
            f'rows = load_dataset("{source}", "{first.name}", split="{split}")\n'
            'rows[0]["response"], rows[0]["spectrogram"]  # trials x bins; bands x bins'
        )
        how = "Every row carries its spectrogram."
    else:
        rows = (
            "import deepstrf_hf\n\n"
            f'rows = deepstrf_hf.rows("{source}", "{first.name}", split="{split}")\n'
            "row = next(iter(rows))\n"
            'row["response"], row["spectrogram"]  # trials x bins; bands x bins'
        )
        how = (
            "Rows refer to their stimulus; `deepstrf_hf.rows` attaches it. With nothing but `datasets` it is a join of "
            "two lines: [Reading from the Hub](../hub.md#datasets)."
        )
    return (
        f"## Use it\n\n`{source}` is what [the build](#build-it) writes; the name of a repository on the Hub does as "
        f"well. {how}\n\n```python\n{rows}\n```\n\nAs a grid for PyTorch:\n\n```python\nimport deepstrf_hf\n\n"
        f'grid = deepstrf_hf.load("{source}", "{first.name}")\n'
        'grid.where(stims=grid.splits["train"])\n```'
    )


def _wide_lists(text: str) -> str:
    """Indent lists within lists by four spaces, which Python-Markdown wants and which means the same elsewhere."""
    return re.sub(r"^  (?=- )", "    ", text, flags=re.MULTILINE)


def _pictures(pictures: Sequence[CardPicture] | None) -> str:
    if pictures is None:
        return f"## Pictures\n\n{NO_PICTURES}"
    shown = [figure(picture) for picture in pictures]
    return "\n\n".join(["## Pictures", SYNTHETIC, *shown])


def figure(picture: CardPicture) -> str:
    """Return a picture with its caption, as Markdown."""
    alternative, caption = (" ".join(text.split()) for text in (picture.alternative_text, picture.caption))
    escaped = re.sub(r"([\\\[\]*_`<>])", r"\\\1", alternative)
    return f"![{escaped}]({picture.path})\n\n*Synthetic.* {caption}"


def _cohorts(corpus: Corpus) -> str:
    parts = ["## Cohorts and published counts"]
    for cohort in corpus.cohorts:
        counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in cohort.counts.items())
        audio = f"{cohort.audio_fs:,} Hz" if cohort.audio_fs else "none"
        facts = {
            "published counts": counts or "none",
            "responses": f"{cohort.signal_type}: {cohort.response_unit}, stored as {cohort.response_dtype}",
            "spectrogram": cohort.spectrogram_unit,
            "in the rows": "spectrogram (inline)" if cohort.stimulus == "inline" else "`stim_id` alone (by reference)",
            "waveforms in the grid": audio,
            "splits": ", ".join(f"`{name}`" for name in cohort.splits.names)
            + (f": {cohort.splits.source}" if cohort.splits.source else " (no division was published)"),
        }
        parts += [f"### `{cohort.name}`", markdown_table(("content", cohort.description), facts.items())]
    return "\n\n".join(parts)


def _files(corpus: Corpus) -> str:
    rows = [
        (
            f"[{archive.name}]({archive.url})",
            "" if archive.size_bytes is None else f"{archive.size_bytes:,} B",
            f"`{archive.checksum}`" if archive.checksum else "",
            "no" if archive.optional else "yes",
            archive.note or "",
        )
        for archive in corpus.archives
    ]
    return (
        f"## Files of the lab\n\nFrom <{corpus.homepage}>; access: {corpus.access}. Sizes and checksums are those that "
        "the lab or its host states; where none stands here, none is declared, and a download goes by what the host "
        "tells.\n\n"
        + markdown_table(("file", "size", "checksum", "needed", "what for"), rows)
        + f"\n\n```bash\ndeepstrf-hf download {corpus.name} --dest "
        f"raw/{corpus.name}\ndeepstrf-hf check {corpus.name} raw/{corpus.name}\n```"
    )


def _build(corpus: Corpus) -> str:
    first = corpus.cohorts[0].name
    one = (
        f"deepstrf-hf build {corpus.name} {first} --data-dir raw/{corpus.name} --out out/{corpus.name}   # one cohort\n"
        if len(corpus.cohorts) > 1
        else ""
    )
    return (
        "## Build it\n\n```bash\n"
        f"deepstrf-hf build {corpus.name} --data-dir raw/{corpus.name} --out out/{corpus.name}\n{one}"
        f"deepstrf-hf inspect out/{corpus.name} {first}\n```"
    )


def _columns(corpus: Corpus) -> str:
    tables = {
        "Of stimuli": (STIMULUS_PREFIX, corpus.stimulus_columns),
        "Of neurons": (NEURON_PREFIX, corpus.neuron_columns),
        "Of pairs": (RECORDING_PREFIX, corpus.recording_columns),
    }
    parts = [
        "## Columns\n\nThose that every corpus has are in [the table contract](../tables.md). These are this corpus's "
        "own; null means unknown. The grid's metadata have them without the prefix."
    ]
    for heading, (prefix, columns) in tables.items():
        if columns:
            parts += [f"### {heading}", _column_table(prefix, columns)]
    ranges = {name: column for cohort in corpus.cohorts for name, column in range_columns(cohort).items()}
    if ranges:
        parts += ["### Ranges of bands, in the table of stimuli", _column_table("", ranges)]
    return "\n\n".join(parts)


def _column_table(prefix: str, columns: Mapping[str, Column]) -> str:
    rows = [
        (
            f"`{prefix}{name}`",
            "one float32 per band" if column.dtype == "list" else column.dtype,
            column.unit or "",
            column.description + (" In the table of stimuli only." if column.large else ""),
        )
        for name, column in columns.items()
    ]
    return markdown_table(("column", "type", "unit", "meaning"), rows)


def _preprocessing(corpus: Corpus) -> str:
    """Describe what is done at load, cohorts with the same steps together."""
    alike: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for cohort in corpus.cohorts:
        steps = (cohort.preprocessing, cohort.deepstrf_preprocessing)
        published, of_deepstrf = (tuple(step.describe() for step in one) for one in steps)
        alike.setdefault((published, of_deepstrf), []).append(f"`{cohort.name}`")
    parts = [
        "## Preprocessing\n\nTables hold values as recorded; `load_dataset` gives them as they are. `deepstrf_hf.load` "
        "and `deepstrf_hf.stream` do this by default, and nothing with `preprocessing=None`:"
    ]
    for (published, of_deepstrf), names in alike.items():
        which = f" ({', '.join(names)})" if len(alike) > 1 else ""
        parts.append(f'**`preprocessing="published"`**{which}: {_listed(published)}')
        same = "the same" if of_deepstrf == published else _listed(of_deepstrf)
        parts.append(f'**`preprocessing="deepstrf"`**, what deepSTRF 0.1.0 hands out{which}: {same}')
    return "\n\n".join(parts)


def _listed(steps: Sequence[str]) -> str:
    return "\n\n" + "\n".join(f"- {step}" for step in steps) if steps else "nothing."
