"""What a cohort must look like: by the declaration of its corpus, or by the card where versions differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import datasets
import yaml
from datasets.info import DatasetInfo, DatasetInfosDict

from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.config import with_parameters
from deepstrf_hf.errors import ParameterError, UnknownNameError
from deepstrf_hf.names import CARD_NAME, REPORT_NAME, SUFFIX
from deepstrf_hf.report import BuildReport, CohortReport
from deepstrf_hf.tables import table_features
from deepstrf_hf.verification_findings import Findings
from deepstrf_hf.verification_tables import CohortToVerify

TOTALS = {"num_examples": "rows", "num_bytes": "unfolded_bytes"}
"""Numbers of a split: the card's name of each, and the report's."""


def read_infos(root: Path, findings: Findings) -> Mapping[str, DatasetInfo]:
    """Read what the card tells ``datasets`` of each configuration; nothing, and a finding, if it cannot be read."""
    try:
        infos: Mapping[str, DatasetInfo] = DatasetInfosDict.from_directory(str(root))
    except (AttributeError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        findings.failure("`datasets` cannot read the card", CARD_NAME, field="dataset_info", found=error)
        return {}
    return infos


def cohorts_to_verify(
    builder: type[CorpusBuilder], report: BuildReport, infos: Mapping[str, DatasetInfo], findings: Findings
) -> list[CohortToVerify]:
    """Return the cohorts of a build with what is declared of them, after checking card and report against it.

    Parameters
    ----------
    builder : type
        Builder of the corpus.
    report : BuildReport
        Of the build.
    infos : mapping of str to DatasetInfo
        What the card tells.
    findings : Findings
        Takes what is wrong.
    """
    of_this_version = report.corpus_version == builder.CORPUS.version
    if not of_this_version:
        findings.remark(
            f"Built by another version of the builder of {report.corpus}: columns are held against the card, and what "
            "the corpus declares of splits and counts is not verified",
            REPORT_NAME,
            field="corpus_version",
            found=report.corpus_version,
            expected=builder.CORPUS.version,
            mend="build it again, or verify it with the library that built it",
        )
    found = []
    for name, entry in report.cohorts.items():
        if not _consistent(name, entry, builder, findings):
            continue
        _compare_totals(entry, infos, findings)
        declared = builder.CORPUS.cohort(entry.cohort) if of_this_version else None
        features: dict[str, datasets.Features] = {}
        for config, table in entry.tables.items():
            of_card = infos[config].features if config in infos else None
            if declared is not None:
                features[config] = table_features(builder.CORPUS, declared, table, entry.stimulus)
                if of_card is not None and (list(of_card) != list(features[config]) or of_card != features[config]):
                    other = [column for column in features[config] if of_card.get(column) != features[config][column]]
                    findings.failure(
                        "The card states other columns than the corpus declares",
                        CARD_NAME,
                        field=f"features of {config}",
                        found=", ".join(other) or "another order, or more",
                    )
            elif of_card is not None:
                features[config] = of_card
        if len(features) == len(entry.tables):
            found.append(CohortToVerify(name, report, entry, declared, features, findings))
        else:
            findings.remark("The tables were not verified, since nothing says which columns they have", name)
    return found


def published_counts(builder: type[CorpusBuilder], cohort: CohortToVerify) -> Mapping[str, int]:
    """Return the published counts that a cohort should have; none for a part, or for another version of the builder."""
    entry = cohort.entry
    if entry.where or cohort.declared is None:
        return {}
    config = replace(builder.default_config(entry.cohort), stimulus=entry.stimulus)
    try:
        return builder.published_counts(cohort.declared, with_parameters(config, entry.parameters))
    except (UnknownNameError, ParameterError) as error:
        cohort.findings.error(error, REPORT_NAME)
        return {}


def _consistent(name: str, entry: CohortReport, builder: type[CorpusBuilder], findings: Findings) -> bool:
    """Return whether the report on a cohort can be followed."""
    known = [cohort.name for cohort in builder.CORPUS.cohorts]
    problems = {
        "cohort": None if entry.cohort in known else (entry.cohort, " or ".join(known)),
        "stimulus": None if entry.stimulus in ("inline", "reference") else (entry.stimulus, "inline or reference"),
        "tables": None
        if {config: name + SUFFIX.get(table, "?") for config, table in entry.tables.items()}
        == {config: config for config in entry.configs}
        else (entry.tables, ", ".join(entry.configs)),
    }
    for table in ("rows", "stimuli", "neurons"):
        if table not in entry.tables.values():
            problems[f"table of {table}"] = ("nothing", name + SUFFIX[table])
    for key, problem in problems.items():
        if problem is not None:
            findings.failure(
                "The build report does not describe a cohort of this corpus",
                REPORT_NAME,
                field=f"{name}: {key}",
                found=problem[0],
                expected=problem[1],
            )
    return not any(problems.values())


def _compare_totals(entry: CohortReport, infos: Mapping[str, DatasetInfo], findings: Findings) -> None:
    """Compare rows and sizes that the card states with those of the report; ``load_dataset`` relies on the card's."""
    for config, splits in entry.configs.items():
        info = infos.get(config)
        if info is None or info.splits is None:
            findings.failure("The card does not describe a configuration", CARD_NAME, field=config)
            continue
        stated = {
            f"{split}: {of_card}": (getattr(info.splits.get(split), of_card, None), getattr(files, of_report))
            for split, files in splits.items()
            for of_card, of_report in TOTALS.items()
        }
        stated["download_size"] = info.download_size, sum(files.bytes for files in splits.values())
        for key, (found, expected) in stated.items():
            if found != expected:
                findings.failure(
                    "The card states another number than the build report",
                    CARD_NAME,
                    field=f"{config}, {key}",
                    found="nothing" if found is None else found,
                    expected=expected,
                )
