"""The build report: what is in the tables, what was left out and why, and how it compares with what was published."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deepstrf_hf._version import TABLE_VERSION, __version__
from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.names import REPORT_NAME


@dataclass
class SplitFiles:
    """Files of one split of one configuration.

    Parameters
    ----------
    files : list of str
        Paths below the directory of the build.
    rows : int
        Rows in all files.
    bytes : int
        Size on disk.
    unfolded_bytes : int
        Size in memory or in the cache of ``datasets``.
    sha256 : dict of str to str
        SHA-256 of each file, by its path; empty in reports that were written before these were kept.
    """

    files: list[str]
    rows: int
    bytes: int
    unfolded_bytes: int
    sha256: dict[str, str] = field(default_factory=dict)


@dataclass
class CohortReport:
    """Report on one cohort, or on one variant of it with other parameters.

    Parameters
    ----------
    cohort : str
        Name of the cohort.
    parameters : dict
        All parameters.
    changed_parameters : dict
        Those that differ from the published ones.
    stimulus : str
        ``"inline"`` or ``"reference"``.
    counts : dict of str to int
        What was found.
    published : dict of str to int
        What the papers or the corpus's documentation state.
    left_out : list of [kind, name, reason]
        Named things that are not in the tables.
    amounts : list of [kind, reason, amount]
        Nameless things that are not in the tables.
    notes : list of str
        What a user should know.
    raw_sha256 : dict of str to str
        SHA-256 of the raw files used, by name; the files' metadata has `raw_tree.sha256_of_list` of it.
    configs : dict
        Files by configuration name and split.
    tables : dict of str to str
        Table by configuration name.
    where : dict of str to list
        Conditions on metadata, where a part was built.
    n_parts, n_parts_taken_over : int
        Pieces that were built independently, and how many of them an earlier build had finished. Not in the file, which
        does not depend on it.
    """

    cohort: str
    parameters: dict[str, Any]
    changed_parameters: dict[str, Any]
    stimulus: str
    counts: dict[str, int]
    published: dict[str, int]
    left_out: list[tuple[str, str, str]]
    amounts: list[tuple[str, str, int]]
    notes: list[str]
    raw_sha256: dict[str, str]
    configs: dict[str, dict[str, SplitFiles]] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)
    where: dict[str, list[Any]] = field(default_factory=dict)
    n_parts: int = field(default=0, compare=False)
    n_parts_taken_over: int = field(default=0, compare=False)

    def differences(self) -> dict[str, tuple[int, int]]:
        """Return the counts that differ from the published ones, as (found, published)."""
        return {
            name: (self.counts.get(name, 0), expected)
            for name, expected in self.published.items()
            if self.counts.get(name, 0) != expected
        }


@dataclass
class BuildReport:
    """Report on all cohorts in a directory.

    Parameters
    ----------
    corpus, corpus_version : str
        What was built.
    cohorts : dict of str to CohortReport
        By the name of the main configuration.
    library_version : str
        Version of deepstrf-hf.
    table_version : int
        Version of the table contract.
    """

    corpus: str
    corpus_version: str
    cohorts: dict[str, CohortReport] = field(default_factory=dict)
    library_version: str = __version__
    table_version: int = TABLE_VERSION

    def files(self) -> list[str]:
        """Return the paths of all data files, below the directory."""
        return [
            name
            for entry in self.cohorts.values()
            for splits in entry.configs.values()
            for split in splits.values()
            for name in split.files
        ]

    def write(self, directory: Path) -> Path:
        """Write ``build_report.json`` into a directory."""
        path, content = directory / REPORT_NAME, asdict(self)
        for entry in content["cohorts"].values():
            del entry["n_parts"], entry["n_parts_taken_over"]
        path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return path

    @classmethod
    def read(cls, directory: Path) -> BuildReport:
        """Read the report of a directory.

        Raises
        ------
        TableFormatError
            There is none, or it is not one of ours, or of a later version.
        """
        path = Path(directory) / REPORT_NAME
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            version = content["table_version"]
        except OSError as error:
            raise TableFormatError(
                "This directory is not a build of deepstrf-hf",
                path=directory,
                expected=REPORT_NAME,
                mend="name the directory that `deepstrf-hf build --out` wrote",
            ) from error
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
            raise TableFormatError("Not a build report", path=path, found=error, mend="build again") from error
        if not isinstance(version, int) or version > TABLE_VERSION:
            raise TableFormatError(
                "These tables were written by a later version of deepstrf-hf",
                path=path,
                field="table_version",
                found=version,
                expected=f"at most {TABLE_VERSION}",
                mend="upgrade deepstrf-hf",
            )
        try:
            cohorts = {}
            for name, entry in content.pop("cohorts").items():
                configs = {
                    config: {split: SplitFiles(**files) for split, files in splits.items()}
                    for config, splits in entry.pop("configs").items()
                }
                for key in ("left_out", "amounts"):
                    entry[key] = [tuple(line) for line in entry[key]]
                cohorts[name] = CohortReport(**entry, configs=configs)
            return cls(cohorts=cohorts, **content)
        except (KeyError, TypeError, AttributeError) as error:
            raise TableFormatError("Not a build report", path=path, found=error, mend="build again") from error
