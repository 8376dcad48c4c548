"""What building a part leaves behind, and its form on disk: a manifest, from which a later build can go on."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import BuilderContractError
from deepstrf_hf.recording import Neuron
from deepstrf_hf.responses.quality import ResponseQuality
from deepstrf_hf.tally import NeuronTally

MANIFEST_FORMAT = 1
LIMITS = {"smallest": math.inf, "largest": -math.inf}
"""Sums that are infinite before the first value; JSON has no infinity."""


@dataclass(frozen=True)
class PartFile:
    """A file of a part.

    Parameters
    ----------
    name : str
        Within the part.
    rows : int
        Rows or, of the stimuli, record batches.
    bytes : int
        Size.
    sha256 : str
        Of its content.
    """

    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class StoredStimulus:
    """Where the row of a stimulus is in the stimuli of a part.

    Parameters
    ----------
    stim_id : str
        Its name.
    begin, end : int
        First byte, and the byte after the last one.
    sha256 : str
        Of these bytes.
    """

    stim_id: str
    begin: int
    end: int
    sha256: str


@dataclass
class Shards:
    """Files of one split of one table, in order, and their size in memory."""

    files: list[PartFile] = field(default_factory=list)
    unfolded_bytes: int = 0


@dataclass
class PartResult:
    """What building a part left behind.

    Parameters
    ----------
    shards : dict
        Files by (table, split).
    stimuli : PartFile
        One Arrow record batch per stimulus, one after the other.
    stored : list of StoredStimulus
        The stimuli in it, in ascending order of ``stim_id``; those that an earlier part of the same process has
        written may be missing.
    n_stimuli : int
        Stimuli of the part.
    neurons : NeuronTally
        Neurons and their quality sums.
    log : BuildLog
        What was left out.
    """

    shards: dict[tuple[str, str], Shards]
    stimuli: PartFile
    stored: list[StoredStimulus]
    n_stimuli: int
    neurons: NeuronTally
    log: BuildLog

    def files(self) -> list[PartFile]:
        """Return all files of the part."""
        return [self.stimuli, *(file for shards in self.shards.values() for file in shards.files)]


def manifest_of(result: PartResult, key: str, part: str) -> str:
    """Return the manifest of a finished part, as JSON.

    Parameters
    ----------
    result : PartResult
        What it left behind.
    key : str
        Of all that the part depends on.
    part : str
        Its name.

    Raises
    ------
    BuilderContractError
        Metadata of a neuron that are neither text, number, truth value nor absent.
    """
    log = result.log
    content = {
        "format": MANIFEST_FORMAT,
        "key": key,
        "part": part,
        "shards": [
            {"table": table, "split": split, **asdict(shards)} for (table, split), shards in result.shards.items()
        ],
        "stimuli": asdict(result.stimuli),
        "stored": [asdict(stimulus) for stimulus in result.stored],
        "n_stimuli": result.n_stimuli,
        "neurons": [
            {
                "neuron_id": name,
                "metadata": _plain_metadata(neuron),
                "quality": _quality_to_json(result.neurons.quality[name]),
            }
            for name, neuron in result.neurons.neurons.items()
        ],
        "log": {
            "left_out": [[*named, reason] for named, reason in log.left_out.items()],
            "amounts": [[*named, int(amount)] for named, amount in log.amounts.items()],
            "counts": {
                name: {item: bool(counts) for item, counts in items.items()} for name, items in log.counts.items()
            },
            "notes": list(log.notes),
            "skipped": [list(named) for named in log.skipped],
        },
    }
    return json.dumps(content, allow_nan=False)


def result_of(manifest: str, key: str, part: str, on_error: str) -> PartResult | None:
    """Return what a manifest tells of a part; None if it is of another part or build, or cannot be read.

    Parameters
    ----------
    manifest : str
        Content of the file.
    key, part : str
        As in `manifest_of`.
    on_error : str
        Of the build.
    """
    try:
        content = json.loads(manifest)
        if (content["format"], content["key"], content["part"]) != (MANIFEST_FORMAT, key, part):
            return None
        neurons = NeuronTally()
        for entry in content["neurons"]:
            neurons.neurons[entry["neuron_id"]] = Neuron(entry["neuron_id"], entry["metadata"])
            neurons.quality[entry["neuron_id"]] = _quality_from_json(entry["quality"])
        log = content["log"]
        return PartResult(
            shards={
                (entry["table"], entry["split"]): Shards(
                    [PartFile(**file) for file in entry["files"]], entry["unfolded_bytes"]
                )
                for entry in content["shards"]
            },
            stimuli=PartFile(**content["stimuli"]),
            stored=[StoredStimulus(**entry) for entry in content["stored"]],
            n_stimuli=content["n_stimuli"],
            neurons=neurons,
            log=BuildLog(
                on_error,
                left_out={(kind, name): reason for kind, name, reason in log["left_out"]},
                amounts=Counter({(kind, reason): amount for kind, reason, amount in log["amounts"]}),
                counts=log["counts"],
                notes=dict.fromkeys(log["notes"]),
                skipped=[(kind, name) for kind, name in log["skipped"]],
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _plain_metadata(neuron: Neuron) -> dict[str, Any]:
    """Return metadata as JSON holds them; a number that is none is an absent value, as in the tables."""
    plain: dict[str, Any] = {}
    for name, value in neuron.metadata.items():
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, float) and math.isnan(value):
            value = None
        if not isinstance(value, str | int | float | None):
            raise BuilderContractError(
                f"Metadata of {neuron.neuron_id} cannot be stored",
                field=name,
                found=type(value).__name__,
                expected="text, a number, a truth value, or None",
            )
        plain[name] = value
    return plain


def _quality_to_json(quality: ResponseQuality) -> dict[str, Any]:
    values = {member.name: getattr(quality, member.name) for member in fields(quality)}
    return values | {name: values[name] if math.isfinite(values[name]) else None for name in LIMITS}


def _quality_from_json(values: Mapping[str, Any]) -> ResponseQuality:
    known: dict[str, Any] = {
        name: LIMITS[name] if name in LIMITS and value is None else value for name, value in values.items()
    }
    return ResponseQuality(**known)
