"""The dataset card: the README.md of a built directory, which is also the index that ``load_dataset`` reads."""

from __future__ import annotations

import importlib.resources
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import DatasetInfo
from datasets.info import DatasetInfosDict
from datasets.splits import SplitDict, SplitInfo
from huggingface_hub import DatasetCardData

from deepstrf_hf.columns import range_columns, table_columns
from deepstrf_hf.config import CorpusConfig
from deepstrf_hf.corpus import Cohort, Column, Corpus, Redistribution
from deepstrf_hf.names import CARD_NAME
from deepstrf_hf.registry import package_of
from deepstrf_hf.report import BuildReport, CohortReport
from deepstrf_hf.tables import table_features

COLUMN_HEADER = ("column", "type", "unit", "meaning", "in")
WHERE = "# the repository or directory that this card lies in\n"
TABLE_MEANING = {
    "rows": "one row per (stimulus, neuron)",
    "waveform": "the same with the waveform in place of the spectrogram",
    "stimuli": "one row per stimulus: spectrogram, waveform, picture",
    "neurons": "one row per neuron: metadata, coverage, response quality",
}


def write_card(corpus: Corpus, report: BuildReport, directory: Path) -> Path:
    """Write ``README.md`` for a built directory.

    Parameters
    ----------
    corpus : Corpus
        Declaration.
    report : BuildReport
        What the directory holds.
    directory : Path
        Where to write.

    Returns
    -------
    Path
        The card.
    """
    path = directory / CARD_NAME
    text = f"---\n{card_data(corpus, report).to_yaml()}\n---\n\n{card_body(corpus, report)}"
    path.write_text(text, encoding="utf-8")
    return path


def card_data(corpus: Corpus, report: BuildReport) -> DatasetCardData:
    """Return the metadata block of a card: configurations, splits, features, sizes, licence, tags."""
    configs, infos = [], DatasetInfosDict()
    rows = sum(cohort.counts["rows"] for cohort in report.cohorts.values())
    for number, (_, entry) in enumerate(report.cohorts.items()):
        cohort = corpus.cohort(entry.cohort)
        for config, splits in entry.configs.items():
            configs.append(
                {
                    "config_name": config,
                    "data_files": [{"split": split, "path": files.files} for split, files in splits.items()],
                    **({"default": True} if number == 0 and entry.tables[config] == "rows" else {}),
                }
            )
            infos[config] = DatasetInfo(
                features=table_features(corpus, cohort, entry.tables[config], entry.stimulus),
                splits=SplitDict(
                    {
                        split: SplitInfo(split, num_bytes=files.unfolded_bytes, num_examples=files.rows)
                        for split, files in splits.items()
                    }
                ),
                download_size=sum(files.bytes for files in splits.values()),
                dataset_size=sum(files.unfolded_bytes for files in splits.values()),
                config_name=config,
            )
    data: Any = DatasetCardData(**common_fields(corpus), size_categories=[_size_category(rows)])
    infos.to_dataset_card_data(data)
    data.configs = configs
    return data


def common_fields(corpus: Corpus) -> dict[str, Any]:
    """Return the fields of a metadata block that follow from the declaration alone."""
    licence = corpus.licence
    unlisted = licence.hub_identifier == "other"
    return {
        "pretty_name": corpus.title,
        "license": licence.hub_identifier,
        # The Hub wants an identifier here, such as my-licence-1.0.
        "license_name": re.sub(r"[^a-z0-9.]+", "-", licence.name.lower()).strip("-.") if unlisted else None,
        "license_link": licence.url if unlisted else None,
        "task_categories": ["other"],
        "tags": ["neuroscience", "auditory", "electrophysiology", "encoding-models", "deepstrf", corpus.species],
    }


def card_body(corpus: Corpus, report: BuildReport) -> str:
    """Return the text of a card, after the metadata block."""
    first = next(iter(report.cohorts))
    sections = [
        f"# {corpus.title}",
        _first_lines(corpus, report, first),
        prose(corpus),
        _configurations(report),
        "## Counts\n\n" + "\n\n".join(_counts(name, entry) for name, entry in report.cohorts.items()),
        _columns(corpus, report, first),
        "## How the numbers were made\n\n"
        + "\n\n".join(_processing(corpus, name, entry) for name, entry in report.cohorts.items()),
        licence_section(corpus),
        citation_section(corpus),
        _provenance(corpus, report),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _first_lines(corpus: Corpus, report: BuildReport, first: str) -> str:
    entry = report.cohorts[first]
    unfolded = sum(files.unfolded_bytes for files in entry.configs[first].values())
    lines = [f"Species: {corpus.species}, {corpus.behavioural_state}; areas: {', '.join(corpus.areas)}."]
    repository = f"deepstrf/{corpus.name}"
    if entry.stimulus == "inline":
        lines.append(
            f"Every row carries its stimulus (`{first}` is {_size(unfolded)} unfolded):\n\n```python\n"
            f"from datasets import load_dataset\n\n{WHERE}"
            f'rows = load_dataset("{repository}", "{first}", split="train")\n```'
        )
    else:
        lines.append(
            f"Rows refer to their stimulus by `stim_id` (`{first}` is {_size(unfolded)} unfolded; with the stimulus in "
            f"every row it would be many times that):\n\n```python\nfrom datasets import load_dataset\n\n{WHERE}"
            f'rows = load_dataset("{repository}", "{first}", split="train")\n'
            f'stimuli = load_dataset("{repository}", "{first}-stimuli", split="train").select_columns('
            '["stim_id", "spectrogram"])\n'
            'place = {stim_id: index for index, stim_id in enumerate(stimuli["stim_id"])}\n'
            'spectrogram = stimuli[place[rows[0]["stim_id"]]]["spectrogram"]\n```'
        )
    lines.append(
        "As a (stimulus, neuron) grid for PyTorch, with `pip install deepstrf-hf[torch]`:\n\n```python\n"
        f'import deepstrf_hf\n\ngrid = deepstrf_hf.load("{repository}", "{first}")\n```'
    )
    lines.append(
        'Row groups hold whole stimuli: `columns=[...]` and `filters=[(column, "==", value)]` read only what is asked '
        "for, and with `streaming=True` fetch little else (without it, files are fetched whole). Filters need "
        '`verification_mode="no_checks"`, or `streaming=True`.'
    )
    lines.append(
        "To read columns without audio on a machine without torchcodec, leave them encoded: "
        '`.cast_column("audio", datasets.Audio(decode=False))`.'
    )
    return "\n\n".join(lines)


def prose(corpus: Corpus) -> str:
    """Return what the corpus says of itself: its ``card.md``."""
    package = package_of(corpus.name)
    if package is None:
        return ""
    resource = importlib.resources.files(package) / "card.md"
    return resource.read_text(encoding="utf-8").strip() if resource.is_file() else ""


def _configurations(report: BuildReport) -> str:
    rows = [
        (
            f"`{config}`",
            TABLE_MEANING[entry.tables[config]],
            ", ".join(f"{split} {files.rows:,}" for split, files in splits.items()),
            _size(sum(files.bytes for files in splits.values())),
            _size(sum(files.unfolded_bytes for files in splits.values())),
        )
        for entry in report.cohorts.values()
        for config, splits in entry.configs.items()
    ]
    return "## Configurations\n\n" + markdown_table(("configuration", "content", "rows", "on disk", "unfolded"), rows)


def _counts(name: str, entry: CohortReport) -> str:
    rows = []
    for count, found in entry.counts.items():
        published = entry.published.get(count)
        verdict = "" if published is None else "equal" if published == found else "**differs**"
        rows.append((count.replace("_", " "), f"{found:,}", "" if published is None else f"{published:,}", verdict))
    text = f"### {name}\n\n" + markdown_table(("count", "here", "published", ""), rows)
    left_out = [
        *((kind, reason, f"{amount:,}") for kind, reason, amount in entry.amounts),
        *grouped_left_out(entry),
    ]
    if left_out:
        text += "\n\nLeft out:\n\n" + markdown_table(("what", "why", "how many, or which"), left_out)
    if entry.notes:
        text += "\n\n" + "\n".join(f"- {note}" for note in entry.notes)
    return text


def grouped_left_out(entry: CohortReport, names_shown: int = 3) -> list[tuple[str, str, str]]:
    """Return (kind, reason, names) of the named things left out, those of one reason together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for kind, name, reason in entry.left_out:
        groups.setdefault((kind, reason), []).append(name)
    return [
        (kind, reason, ", ".join(names[:names_shown]) + (f" … {len(names)} in all" if len(names) > names_shown else ""))
        for (kind, reason), names in groups.items()
    ]


def _columns(corpus: Corpus, report: BuildReport, first: str) -> str:
    entry = report.cohorts[first]
    cohort = corpus.cohort(entry.cohort)
    rows = column_rows(corpus, cohort, entry.tables, entry.stimulus)
    return "## Columns\n\n" + markdown_table(COLUMN_HEADER, rows)


def column_rows(
    corpus: Corpus, cohort: Cohort, tables_of: Mapping[str, str], stimulus: str
) -> list[tuple[str, str, str, str, str]]:
    """Return (column, type, unit, meaning, configurations) of all columns of a cohort.

    Parameters
    ----------
    corpus, cohort : Corpus, Cohort
        Declarations.
    tables_of : mapping of str to str
        Table by configuration name.
    stimulus : str
        ``"inline"`` or ``"reference"``.
    """
    columns: dict[str, Column] = {}
    tables: dict[str, list[str]] = {}
    for config, table in tables_of.items():
        for name, column in table_columns(corpus, cohort, table, stimulus).items():
            columns.setdefault(name, column)
            tables.setdefault(name, []).append(f"`{config}`")
    units = {"response": cohort.response_unit, "spectrogram": cohort.spectrogram_unit}
    features = {
        name: str(feature.dtype)
        for table in set(tables_of.values())
        for name, feature in table_features(corpus, cohort, table, stimulus).items()
        if hasattr(feature, "dtype")
    }
    special = {
        "response": f"trials x bins of {cohort.response_dtype}",
        "spectrogram": "bands x bins of float32",
        "audio": "audio",
        "picture": "image",
        **dict.fromkeys(range_columns(cohort), "one float32 per band"),
    }
    return [
        (
            f"`{name}`",
            special.get(name) or features[name],
            units.get(name) or (column.unit or ""),
            column.description,
            ", ".join(tables[name]),
        )
        for name, column in columns.items()
    ]


def _processing(corpus: Corpus, name: str, entry: CohortReport) -> str:
    cohort: Cohort = corpus.cohort(entry.cohort)
    lines = [f"### {name}", *processing_lines(cohort)]
    changed = entry.changed_parameters
    lines.append(
        "Parameters: "
        + ", ".join(
            f"`{key}={value}`" + (" (changed)" if key in changed else "") for key, value in entry.parameters.items()
        )
        + "."
    )
    return "\n\n".join(lines)


def processing_lines(cohort: Cohort) -> list[str]:
    """Return what is stored for a cohort, what is done to it at load, and where its splits are from."""
    lines = [
        f"Stored responses: {cohort.response_unit}; stored spectrograms: {cohort.spectrogram_unit}. "
        "`load_dataset` gives them as they are.",
    ]
    for steps, how in (
        (cohort.preprocessing, "Published preprocessing, applied by `deepstrf_hf.load` unless `preprocessing=None`"),
        (cohort.deepstrf_preprocessing, 'With `preprocessing="deepstrf"`, what deepSTRF 0.1.0 hands out'),
    ):
        if steps and (how.startswith("Published") or steps != cohort.preprocessing):
            lines.append(f"{how}:\n\n" + "\n".join(f"- {step.describe()}" for step in steps))
    if cohort.splits.source:
        lines.append(f"Splits: {cohort.splits.source}.")
    return lines


def licence_section(corpus: Corpus) -> str:
    """Return the section on licence and terms."""
    verdict = {
        Redistribution.PERMITTED: "The licence allows the data to be handed on.",
        Redistribution.UNVERIFIED: "Nobody has verified that the data may be handed on.",
        Redistribution.FORBIDDEN: "The terms do not allow the data to be handed on.",
    }[corpus.redistribution]
    lines = [f"{corpus.licence.name}: {corpus.licence.url}", f"{corpus.licence.terms} {verdict}"]
    lines += [f"Sounds of `{cohort.name}`: {cohort.audio_terms}" for cohort in corpus.cohorts if cohort.audio_terms]
    return "\n\n".join(["## Licence and terms", *lines])


def archives_table(corpus: Corpus) -> str:
    """Return the table of the files that the lab publishes."""
    rows = [
        (
            archive.name,
            f"<{archive.url}>",
            "" if archive.size_bytes is None else f"{archive.size_bytes:,} B",
            archive.checksum or "",
            "yes" if archive.optional else "",
            archive.note or "",
        )
        for archive in corpus.archives
    ]
    return markdown_table(("file", "address", "size", "checksum", "optional", "what for"), rows)


def _provenance(corpus: Corpus, report: BuildReport) -> str:
    commands: dict[str, list[str]] = {}  # cohorts that were built with the same options, by these
    for entry in report.cohorts.values():
        names = commands.setdefault(_options(corpus, entry), [])
        names += [entry.cohort] if entry.cohort not in names else []
    build = "\n".join(
        f"deepstrf-hf build {corpus.name} {' '.join(names)} --data-dir RAW --out {corpus.name}{options}"
        for options, names in commands.items()
    )
    return (
        f"## Where the data come from\n\nBuilt by deepstrf-hf {report.library_version}, builder version "
        f"{report.corpus_version}, from the files at {corpus.homepage}. The SHA-256 of every raw file used is in "
        "`build_report.json`; the metadata of each Parquet file have one digest of them all.\n\n"
        + archives_table(corpus)
        + f"\n\nTo build it again:\n\n```bash\npip install deepstrf-hf\n{build}\n```"
    )


def _options(corpus: Corpus, entry: CohortReport) -> str:
    """Return the options of the command line that built a cohort."""
    options = [f" --set {shlex.quote(f'{key}={value}')}" for key, value in entry.changed_parameters.items()]
    options += [f" --where {shlex.quote(f'{key}={value}')}" for key, values in entry.where.items() for value in values]
    if entry.stimulus != corpus.cohort(entry.cohort).stimulus:
        options.append(f" --stimulus {entry.stimulus}")
    return "".join(options)


def citation_section(corpus: Corpus) -> str:
    """Return the section on how to cite."""
    dois = ", ".join(f"<https://doi.org/{doi}>" for doi in corpus.dois)
    return f"## How to cite\n\n```bibtex\n{corpus.citation}\n```\n\nDOIs: {dois}."


def parameter_rows(config: type[CorpusConfig]) -> list[tuple[str, str, str, str]]:
    """Return (name, default, unit, meaning) of the parameters of a corpus."""
    return [
        (name, str(field.default), field.metadata["unit"] or "", field.metadata["description"])
        for name, field in config.parameter_fields().items()
    ]


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} GB"


def _size_category(rows: int) -> str:
    for limit, name in ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")):
        if rows < limit:
            return name
    return "1M<n<10M" if rows < 10_000_000 else "10M<n<100M"
