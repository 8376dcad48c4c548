"""What differs between two snapshots of the same raw tree, matched by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scripts.parity.corpus_snapshot import Float32, Snapshot, same

SHOWN_CHARACTERS = 120


@dataclass(frozen=True)
class Tolerance:
    """How near values must be.

    Parameters
    ----------
    largest : float
        Largest difference that is still equality.
    relative : bool
        Whether differences are divided by the largest absolute value of deepSTRF's array.
    floor : float
        Values are compared above it only: below, rounding noise is all there is. Both are raised to it.
    """

    largest: float
    relative: bool = False
    floor: float = -np.inf

    def difference(self, ours: Float32, theirs: Float32) -> float:
        """Return the largest difference of two arrays of one shape; infinite where one of them is NaN alone."""
        one, other = (np.maximum(array.astype(np.float64), self.floor) for array in (ours, theirs))
        with np.errstate(invalid="ignore"):  # two infinities
            apart = np.where((one == other) | (np.isnan(one) & np.isnan(other)), 0.0, np.abs(one - other))
        apart[np.isnan(apart)] = np.inf
        largest = float(apart.max(initial=0.0))
        scale = float(np.abs(other[np.isfinite(other)]).max(initial=0.0)) if self.relative else 1.0
        return largest / scale if scale > 0 else (np.inf if largest else 0.0)


@dataclass(frozen=True)
class Finding:
    """One thing that differs.

    Parameters
    ----------
    kind : str
        What sort of thing, for example ``"trials"`` or ``"metadata: area"``.
    place : str
        Name of the neuron, stimulus or pair.
    ours, theirs : str
        What each has.
    """

    kind: str
    place: str
    ours: str
    theirs: str


@dataclass(frozen=True)
class Totals:
    """How much there is in a snapshot."""

    neurons: int
    stimuli: int
    pairs: int
    trials: int
    bins: int

    @classmethod
    def of(cls, snapshot: Snapshot) -> Totals:
        """Count; bins are those of all trials."""
        responses = snapshot.responses.values()
        return cls(
            len(snapshot.neurons),
            len(snapshot.stimuli),
            len(responses),
            sum(len(response) for response in responses),
            sum(response.size for response in responses),
        )


@dataclass
class Compared:
    """What a comparison found.

    Parameters
    ----------
    findings : list of Finding
        In order of names.
    largest : dict
        Largest difference of ``"stimuli"`` and of ``"responses"``, of arrays that have the same shape.
    compared : dict
        How many arrays of each had the same shape.
    """

    findings: list[Finding] = field(default_factory=list)
    largest: dict[str, float] = field(default_factory=lambda: {"stimuli": 0.0, "responses": 0.0})
    compared: dict[str, int] = field(default_factory=lambda: {"stimuli": 0, "responses": 0})

    def kinds(self) -> dict[str, int]:
        """Return how often each kind of difference was found."""
        found: dict[str, int] = {}
        for finding in self.findings:
            found[finding.kind] = found.get(finding.kind, 0) + 1
        return found


def compare(ours: Snapshot, theirs: Snapshot, stimuli: Tolerance, responses: Tolerance) -> Compared:
    """Compare two snapshots.

    Pairs of a neuron or stimulus that only one of them has are told by that neuron or stimulus, not one by one.

    Parameters
    ----------
    ours, theirs : Snapshot
        To be compared; the metadata fields that count are those of `theirs`, and those that `ours` has besides.
    stimuli, responses : Tolerance
        How near values must be.
    """
    found = Compared()
    found.findings += _metadata("dataset", "dataset", ours.facts, theirs.facts)
    for what, one, other in (("neuron", ours.neurons, theirs.neurons), ("stimulus", ours.stimuli, theirs.stimuli)):
        found.findings += _absent(what, one, other)
        for name in sorted(one.keys() & other.keys()):
            found.findings += _metadata(what, name, one[name], other[name])
    for name in sorted(ours.values.keys() & theirs.values.keys()):
        _compare_values(found, "stimuli", name, ours.values[name], theirs.values[name], stimuli)
    shared = [
        {
            pair: response
            for pair, response in snapshot.responses.items()
            if pair[0] in other.stimuli and pair[1] in other.neurons
        }
        for snapshot, other in ((ours, theirs), (theirs, ours))
    ]
    found.findings += _absent("pair", *({_place(pair): None for pair in one} for one in shared))
    for pair in sorted(shared[0].keys() & shared[1].keys()):
        trials = [len(of_one[pair]) for of_one in shared]
        if trials[0] != trials[1]:
            found.findings.append(Finding("trials", _place(pair), *map(str, trials)))
        else:
            _compare_values(found, "responses", _place(pair), shared[0][pair], shared[1][pair], responses)
    return found


def _compare_values(
    found: Compared, what: str, place: str, ours: Float32, theirs: Float32, tolerance: Tolerance
) -> None:
    """Compare two arrays and note what differs."""
    if ours.shape != theirs.shape:
        found.findings.append(Finding(f"shape of {what}", place, str(ours.shape), str(theirs.shape)))
        return
    difference = tolerance.difference(ours, theirs)
    found.largest[what] = max(found.largest[what], difference)
    found.compared[what] += 1
    if not difference <= tolerance.largest:
        allowed = f"within {tolerance.largest:g}{' of the largest value' if tolerance.relative else ''}"
        found.findings.append(Finding(f"values of {what}", place, f"{difference:.3g} away", allowed))


def _absent(what: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Finding]:
    for name in sorted(ours.keys() ^ theirs.keys()):
        there, absent = ("there", "absent")
        yield Finding(f"{what} of one only", name, *((there, absent) if name in ours else (absent, there)))


def _metadata(what: str, place: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Finding]:
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in ours or name not in theirs or not same(ours[name], theirs[name]):
            said = (repr(entry[name])[:SHOWN_CHARACTERS] if name in entry else "no field" for entry in (ours, theirs))
            yield Finding(f"metadata of {what}: {name}", place, *said)


def _place(pair: tuple[str, str]) -> str:
    return " | ".join(pair)
