"""Where the files of a configuration are: a built directory, or a repository on the Hub."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deepstrf_hf._version import TABLE_VERSION
from deepstrf_hf.errors import ParameterError, TableFormatError, UnknownNameError, unknown_name
from deepstrf_hf.names import CARD_NAME, SUFFIX

YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Safe either way; libyaml's is four times as fast."""
REPOSITORY_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
REQUIRED_PROVENANCE = (
    "table_version",
    "corpus",
    "corpus_version",
    "config",
    "dt_ms",
    "species",
    "signal_type",
    "response_unit",
    "spectrogram_unit",
    "band_frequencies_hz",
    "hearing_range_hz",
    "audio_fs",
    "preprocessing",
)
"""What a file of ours says about itself, as far as readers need it."""


@dataclass(frozen=True)
class Repository:
    """The index of a built directory or Hub repository: which files each configuration has.

    Parameters
    ----------
    source : str
        Directory or repository id, as the user gave it.
    directory : Path or None
        The directory; None on the Hub.
    revision : str or None
        Commit, on the Hub: all files come from one commit even if somebody pushes meanwhile.
    token : str, bool or None
        Access token.
    configs : dict
        Files by configuration and split.
    default : str
        Default configuration.
    features : dict
        Names of the columns of each configuration.
    """

    source: str
    directory: Path | None
    revision: str | None
    token: str | bool | None
    configs: Mapping[str, Mapping[str, Sequence[str]]]
    default: str
    features: Mapping[str, Sequence[str]]

    def __repr__(self) -> str:
        return f"Repository({self.source!r}, revision={self.revision!r}, configs={list(self.configs)})"

    @classmethod
    def open(cls, source: str | Path, *, revision: str | None = None, token: str | bool | None = None) -> Repository:
        """Read the index of a directory or repository.

        Parameters
        ----------
        source : str or Path
            A directory that `deepstrf_hf.build` wrote, or the id of a Hub repository (``"deepstrf/ns1"``).
        revision : str, optional
            Branch, tag or commit on the Hub.
        token : str, bool or None
            As in ``huggingface_hub``.

        Raises
        ------
        TableFormatError
            The directory or repository is not one of ours.
        ParameterError
            A revision of a directory.
        HubError
            The Hub refused or could not be reached.
        """
        directory = Path(source).expanduser()
        if directory.is_dir():
            if revision is not None:
                raise ParameterError("A directory has no revisions", field="revision", found=revision, expected="None")
            return cls._from_card(str(source), directory / CARD_NAME, directory, None, None)
        if not REPOSITORY_ID.fullmatch(str(source)):
            raise TableFormatError(
                "Neither a directory nor the id of a repository",
                path=source,
                expected="a directory that `deepstrf-hf build` wrote, or owner/name",
                mend="copy what is there to a directory" if "://" in str(source) else None,
            )
        import huggingface_hub  # costs a third of a second, and a directory does not need it

        from deepstrf_hf.hub_errors import hub_errors, unknown_revision
        from deepstrf_hf.hub_retries import with_retries

        with hub_errors(str(source), revision=revision):
            try:
                card = with_retries(
                    lambda: huggingface_hub.hf_hub_download(
                        str(source), CARD_NAME, repo_type="dataset", revision=revision, token=token
                    )
                )
            except huggingface_hub.errors.RevisionNotFoundError:
                raise unknown_revision(str(source), revision, token) from None
        # .../snapshots/<commit>/README.md: the commit that a branch or tag meant when the card was read
        commit = Path(card).parent.name
        return cls._from_card(str(source), Path(card), None, commit, token)

    @classmethod
    def _from_card(
        cls, source: str, card: Path, directory: Path | None, revision: str | None, token: str | bool | None
    ) -> Repository:
        problem = TableFormatError(
            "This is not a corpus that deepstrf-hf built",
            path=source,
            field=f"configs in {CARD_NAME}",
            mend="name a directory that `deepstrf-hf build` wrote, or a repository that `deepstrf-hf push` filled",
        )
        try:
            block = re.match(r"---\n(.*?)\n---\n", card.read_text(encoding="utf-8"), re.DOTALL)
            data: Any = yaml.load(block[1], Loader=YAML_LOADER) if block else {}
            entries = data["configs"]
            configs = {
                entry["config_name"]: {part["split"]: list(part["path"]) for part in entry["data_files"]}
                for entry in entries
            }
            features = {
                entry["config_name"]: [column["name"] for column in entry["features"]] for entry in data["dataset_info"]
            }
            default = next((entry["config_name"] for entry in entries if entry.get("default")), next(iter(configs)))
        except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, StopIteration) as error:
            raise problem from error
        names = [name for splits in configs.values() for files in splits.values() for name in files]
        if not names or not all(isinstance(name, str) and name.endswith(".parquet") for name in names):
            raise problem  # patterns, or single letters of one: not a card that we wrote
        if any("*" in name for name in names):
            raise problem
        return cls(source, directory, revision, token, configs, default, features)

    @property
    def main_configs(self) -> list[str]:
        """Names of the configurations of main tables, in the order of the card."""
        suffixes = tuple(suffix for suffix in SUFFIX.values() if suffix)
        return [name for name in self.configs if not name.endswith(suffixes)]

    def main_config(self, config: str | None) -> str:
        """Return the name of a main table, checked; the default one for None.

        Raises
        ------
        UnknownNameError
            No such configuration; near matches are offered.
        """
        mains = self.main_configs
        name = config or self.default
        if name in self.configs and name not in mains:
            raise UnknownNameError(
                f"{name} is not a main table but belongs to one",
                path=self.source,
                expected=", ".join(mains),
                mend=f"did you mean {name.rpartition('-')[0]!r}?",
            )
        if name not in mains:
            raise unknown_name("configuration", name, mains, path=self.source)
        return name

    def check_config(self, config: str) -> str:
        """Return the name of any configuration, checked (errors as in `main_config`)."""
        if config not in self.configs:
            raise unknown_name("configuration", config, self.configs, path=self.source)
        return config

    def columns(self, config: str) -> Sequence[str]:
        """Return the names of the columns of a configuration (errors as in `main_config`)."""
        return self.features[self.check_config(config)]

    def names(self, config: str, split: str | None = None) -> list[str]:
        """Return the paths, within the directory or repository, of the Parquet files of a configuration.

        Parameters
        ----------
        config : str
            Configuration.
        split : str, optional
            One split; all of them by default, in order.

        Raises
        ------
        UnknownNameError
            No such configuration or split.
        """
        splits = self.configs[self.check_config(config)]
        if split is not None and split not in splits:
            raise unknown_name(f"split of {config}", split, splits, path=self.source)
        return [name for key, files in splits.items() if split in (None, key) for name in files]

    def files(self, config: str, split: str | None = None) -> list[Path]:
        """Return the Parquet files of a configuration, fetched if they are on the Hub and not in its cache.

        Parameters
        ----------
        config, split
            As in `names`.

        Raises
        ------
        UnknownNameError
            No such configuration or split.
        HubError
            The Hub refused or could not be reached.
        """
        names = self.names(config, split)
        root = self.directory
        if root is None:
            return self._fetch(names)
        paths = [root / name for name in names]
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise TableFormatError(
                "A file that the card names is missing", path=missing[0], mend="build it, or download it, again"
            )
        return paths

    def _fetch(self, names: Sequence[str]) -> list[Path]:
        import huggingface_hub

        from deepstrf_hf.hub_errors import hub_errors
        from deepstrf_hf.hub_retries import with_retries

        place: dict[str, Any] = {"repo_type": "dataset", "revision": self.revision, "token": self.token}
        with hub_errors(self.source, revision=self.revision):
            root = with_retries(
                lambda: Path(huggingface_hub.snapshot_download(self.source, allow_patterns=list(names), **place))
            )
            for name in names:
                if not (root / name).is_file():  # a listing that failed is not an error there; asking for the file is
                    with_retries(lambda name=name: huggingface_hub.hf_hub_download(self.source, name, **place))  # type: ignore[misc]
        return [root / name for name in names]

    def fetch_again(self, path: Path) -> None:
        """Fetch a file from the Hub although the cache of its client has it; offline it stays as it is.

        Parameters
        ----------
        path : Path
            As `files` gave it.

        Raises
        ------
        HubError
            The Hub refused or could not be reached.
        """
        import huggingface_hub

        from deepstrf_hf.hub_errors import hub_errors
        from deepstrf_hf.hub_retries import with_retries

        if huggingface_hub.constants.HF_HUB_OFFLINE:
            return
        snapshot = next(parent for parent in path.parents if parent.name == self.revision)
        name = path.relative_to(snapshot).as_posix()
        place: dict[str, Any] = {"repo_type": "dataset", "revision": self.revision, "token": self.token}
        with hub_errors(self.source, revision=self.revision):
            with_retries(lambda: huggingface_hub.hf_hub_download(self.source, name, force_download=True, **place))

    def provenance(self, files: Sequence[Path]) -> dict[str, Any]:
        """Read what the files say about themselves.

        Raises
        ------
        TableFormatError
            They are not ours, or of a later version of the tables.
        """
        from deepstrf_hf.parquet import read_provenance  # costs as much as all the rest, and the index does not need it

        return self.agreed_provenance((path, read_provenance(path)) for path in files)

    def agreed_provenance(self, read: Iterable[tuple[str | Path, dict[str, Any]]]) -> dict[str, Any]:
        """Return what all files say about themselves, given each file's name and what it says.

        Raises
        ------
        TableFormatError
            As in `provenance`.
        """
        said = iter(read)
        first, provenance = next(said)
        lacking = [key for key in REQUIRED_PROVENANCE if key not in provenance]
        if lacking:
            raise TableFormatError(
                "A file lacks what deepstrf-hf writes into it",
                path=first,
                field=", ".join(lacking),
                mend="build it again",
            )
        if provenance["table_version"] > TABLE_VERSION:
            raise TableFormatError(
                "These tables were written by a later version of deepstrf-hf",
                path=self.source,
                field="table_version",
                found=provenance["table_version"],
                expected=f"at most {TABLE_VERSION}",
                mend="upgrade deepstrf-hf",
            )
        for path, other in said:
            if {**other, "table": None} != {**provenance, "table": None}:
                raise TableFormatError(
                    "Files of different builds stand side by side",
                    path=path,
                    found=f"{other.get('config')} of {other.get('corpus')} {other.get('corpus_version')}",
                    expected="what the other files say of themselves: same corpus, version, parameters, raw files",
                    mend="build it again",
                )
        return provenance
