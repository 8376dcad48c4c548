"""The three experiments: their folders, and what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import MissingRawFileError
from deepstrf_hf.raw_tree import RawTree

ARCHIVE = "zebf-auditory-restoration-1.zip"
INNER_FOLDER = "zebf-auditory-restoration-1"
"""Folder of the archive: the raw directory, or in it."""
UNIT_SUFFIX = ".pprox"


@dataclass(frozen=True)
class Experiment:
    """An experiment.

    Parameters
    ----------
    name : str
        Also of its cohort of tables.
    cohorts : mapping of str to int
        The lab's cohort of birds by folder of responses.
    """

    name: str
    cohorts: Mapping[str, int]

    @property
    def sounds(self) -> str:
        """Folder of the sounds."""
        return f"{self.name}-stimuli"


EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        Experiment("nat8a", {"nat8a-alpha-responses": 1, "nat8a-beta-responses": 2}),
        Experiment("nat8b", {"nat8b-responses": 3}),
        Experiment("synth8b", {"synth8b-responses": 3}),
    )
}


@dataclass(frozen=True)
class UnitFile:
    """Where the responses of a unit are.

    Parameters
    ----------
    file : str
        Below the raw directory.
    cohort : int
        The lab's cohort of birds.
    size : int
        Bytes.
    """

    file: str
    cohort: int
    size: int

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.file.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """Name of the unit: that of the file without extension."""
        return self.name.removesuffix(UNIT_SUFFIX)

    @property
    def group(self) -> str:
        """Name of the folder without ``-responses``: nat8a-alpha, nat8a-beta, nat8b or synth8b."""
        return self.file.partition("/")[0].removesuffix("-responses")

    @property
    def neuron_id(self) -> str:
        """Unique in the corpus: clusters of different folders are unrelated, even if named alike."""
        return f"{self.group}-{self.stem}"


def unit_files(raw: RawTree, experiment: Experiment, log: BuildLog | None = None) -> list[UnitFile]:
    """List the units of an experiment: folders in their order, files in the order of their names.

    Parameters
    ----------
    raw : RawTree
        Raw files.
    experiment : Experiment
        Which.
    log : BuildLog, optional
        What else lies there, and folders that do not.

    Raises
    ------
    MissingRawFileError
        No folder of responses of the experiment is in the tree, or nothing is in them.
    """
    found = []
    for folder, cohort in experiment.cohorts.items():
        if not (raw.root / folder).is_dir():
            if log is not None:
                log.note(f"There is no folder {folder} in this tree: its units are not in the tables.")
            continue
        for path in listed(raw.root / folder):
            if path.suffix == UNIT_SUFFIX:
                found.append(UnitFile(f"{folder}/{path.name}", cohort, path.stat().st_size))
            elif log is not None:
                log.leave_out("files", f"{folder}/{path.name}", f"not a {UNIT_SUFFIX} file")
    if not found:
        folders = " or ".join(experiment.cohorts)
        raise MissingRawFileError(
            f"The responses of experiment {experiment.name} are not in this tree",
            path=raw.root,
            found=", ".join(path.name for path in listed(raw.root)[:8]) or "an empty directory",
            expected=f"{UNIT_SUFFIX} files in {folders}",
            mend=f"unpack {ARCHIVE} again, or build the other cohorts alone",
        )
    return found


def listed(folder: Path) -> list[Path]:
    """Return what is in a folder, hidden files apart, in the order of names."""
    return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda path: path.name)
