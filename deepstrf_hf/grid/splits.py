"""Divisions of the stimuli into training and test sets, published or drawn, in stable stimulus ids."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deepstrf_hf.errors import GridError, ParameterError, unknown_name
from deepstrf_hf.grid.indexing import require_key

TOLERANCE = 1e-6
"""How far fractions may be from adding up to 1."""


class Splits(Mapping[str, tuple[str, ...]]):
    """A division of stimuli: the name of each split and the ids of its stimuli.

    No stimulus is in two splits. Ids stay what they are whatever else is selected or loaded.

    Parameters
    ----------
    members : mapping of str to sequence of str
        ``stim_id`` of the stimuli of each split.
    source : str
        Where the division comes from.

    Raises
    ------
    GridError
        A stimulus stands in two splits, or twice in one.
    """

    def __init__(self, members: Mapping[str, Sequence[str]], source: str = "") -> None:
        self._members = {name: tuple(ids) for name, ids in members.items()}
        self._split: dict[str, str] = {}
        for name, ids in self._members.items():
            for stim_id in ids:
                if stim_id in self._split:
                    raise GridError(
                        "A stimulus stands twice in a division",
                        field=stim_id,
                        found=f"{self._split[stim_id]} and {name}",
                        expected="one split",
                    )
                self._split[stim_id] = name
        self.source = source

    @classmethod
    def published(cls, members: Mapping[str, Sequence[str]], source: str = "") -> Splits:
        """Make the division of a corpus whose recording sites may have divided the same stimuli differently.

        A stimulus that is held out anywhere counts as held out everywhere: it goes to the last split that names it,
        so that nothing a model was trained on is tested on.
        """
        held_out: dict[str, str] = {stim_id: name for name, ids in members.items() for stim_id in ids}
        kept = {name: [i for i in dict.fromkeys(ids) if held_out[i] == name] for name, ids in members.items()}
        return cls(kept, source)

    def __getitem__(self, name: str) -> tuple[str, ...]:
        if name not in self._members:
            raise unknown_name("split", name, self._members)
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __repr__(self) -> str:
        counts = ", ".join(f"{name}: {len(ids)}" for name, ids in self._members.items())
        return f"Splits({counts or 'none'}{'; ' + self.source if self.source else ''})"

    def split_of(self, stim_id: str) -> str | None:
        """Return the name of the split a stimulus is in; None if it is in none."""
        return self._split.get(stim_id)

    def renamed(self, names: Mapping[str, str]) -> Splits:
        """Return the same division with stimuli under other ids; those not named keep theirs."""
        return Splits({split: [names.get(i, i) for i in ids] for split, ids in self.items()}, self.source)

    @classmethod
    def join(cls, several: Sequence[Splits]) -> Splits:
        """Return the division of several sets of stimuli together, split by split."""
        names = dict.fromkeys(name for splits in several for name in splits)
        members = {name: [i for splits in several if name in splits for i in splits[name]] for name in names}
        return cls(members, "; ".join(dict.fromkeys(splits.source for splits in several if splits.source)))


def stratified_splits(
    stim_meta: Sequence[Mapping[str, Any]],
    fractions: Mapping[str, float],
    *,
    by: str | Sequence[str] = (),
    seed: int = 0,
    keep: Mapping[str, Sequence[str]] | None = None,
) -> Splits:
    """Divide stimuli by chance, each kind of stimulus in the same proportions.

    Where a stimulus goes depends on the seed and on the ids of the stimuli of its kind, not on their order.

    Parameters
    ----------
    stim_meta : sequence of mapping
        Metadata of the stimuli, with ``stim_id``.
    fractions : mapping of str to float
        Share of each split, adding up to 1, for example ``{"train": 0.8, "val": 0.2}``.
    by : str or sequence of str
        Attributes whose combinations are the kinds; none means that all are of one kind. A kind of few stimuli is
        rounded to whole ones, what is left over going to the splits that are furthest from their share.
    seed : int
        Another seed, another division.
    keep : mapping of str to sequence of str, optional
        Splits that are there already, such as the published test set; their stimuli are not divided again.

    Returns
    -------
    Splits
        The kept splits and the drawn ones; ids in ascending order.

    Raises
    ------
    ParameterError
        Fractions that are not positive or do not add up to 1; a split both kept and drawn.
    UnknownNameError
        No stimulus has an attribute, or there is no stimulus of a kept id.
    GridError
        Stimuli without ids.
    """
    total = sum(fractions.values())
    if not fractions or not all(value > 0 for value in fractions.values()) or abs(total - 1) > TOLERANCE:
        raise ParameterError(
            "The shares of the splits must be positive and add up to 1",
            field="fractions",
            found=dict(fractions),
            expected="for example {'train': 0.8, 'val': 0.2}",
        )
    keep = dict(keep or {})
    both = sorted(set(keep) & set(fractions))
    if both:
        raise ParameterError("A split is kept as it is or drawn, not both", field="keep", found=", ".join(both))
    ids = stimulus_ids(stim_meta)
    known, kept = set(ids), {stim_id for members in keep.values() for stim_id in members}
    for stim_id in sorted(kept - known):
        raise unknown_name("stimulus", stim_id, ids, field="stim_id")
    keys = [by] if isinstance(by, str) else list(by)
    for key in keys:
        require_key(stim_meta, key, "stimulus")
    kinds: dict[str, list[str]] = {}
    for stim_id, entry in zip(ids, stim_meta, strict=True):
        if stim_id not in kept:
            kinds.setdefault(repr([entry.get(key) for key in keys]), []).append(stim_id)
    members: dict[str, list[str]] = {name: list(stimuli) for name, stimuli in keep.items()}
    members |= {name: [] for name in fractions}
    surplus = dict.fromkeys(fractions, 0.0)  # what a split has got beyond its share, over the kinds so far
    for kind in sorted(kinds):
        shuffled = sorted(kinds[kind], key=lambda stim_id: _lot(seed, stim_id))
        for name, count in _whole_shares(len(shuffled), fractions, surplus).items():
            members[name] += shuffled[:count]
            del shuffled[:count]
    drawn = f"drawn with seed {seed}" + (f", stratified by {', '.join(keys)}" if keys else "")
    return Splits({name: sorted(stimuli) for name, stimuli in members.items()}, drawn)


def stimulus_ids(stim_meta: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the ids of stimuli.

    Raises
    ------
    GridError
        A stimulus has none.
    """
    for index, entry in enumerate(stim_meta):
        if entry.get("stim_id") is None:
            raise GridError(
                "A division needs stable ids of the stimuli",
                field=f"stim_meta[{index}]",
                found="no stim_id",
                mend="give every stimulus a 'stim_id' in stim_meta",
            )
    return [entry["stim_id"] for entry in stim_meta]


def _lot(seed: int, stim_id: str) -> bytes:
    """Return what decides a stimulus's place: its own, whatever the others are."""
    return hashlib.sha256(f"{seed}\0{stim_id}".encode()).digest()


def _whole_shares(count: int, fractions: Mapping[str, float], surplus: dict[str, float]) -> dict[str, int]:
    """Return whole numbers of stimuli near their shares, and note what each split got beyond its own."""
    whole = {name: math.floor(count * share + TOLERANCE) for name, share in fractions.items()}
    left = count - sum(whole.values())
    owed = sorted(fractions, key=lambda name: surplus[name] + whole[name] - count * fractions[name])
    for name in owed[:left]:
        whole[name] += 1
    for name, share in fractions.items():
        surplus[name] += whole[name] - count * share
    return whole
