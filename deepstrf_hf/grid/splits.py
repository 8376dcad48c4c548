"""Divisions of the stimuli into training and test sets, published or drawn, in stable stimulus ids."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Real
from typing import Any

from deepstrf_hf.errors import GridError, ParameterError, unknown_name
from deepstrf_hf.grid.conditions import plain
from deepstrf_hf.grid.indexing import require_key

TOLERANCE = 1e-6
"""How far fractions may be from adding up to 1."""
TRAIN = "train"
"""The split whose stimuli are not held out."""


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
        A stimulus stands in two splits, or twice in one; what should be ids is a position, or one text.
    """

    def __init__(self, members: Mapping[str, Sequence[str]], source: str = "") -> None:
        self._members = _checked_members(members)
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

        A stimulus that is held out anywhere counts as held out everywhere, so that nothing a model was trained on is
        tested on: it goes to the last split that names it, ``train`` being the first whatever the order given.
        """
        checked = _checked_members(members)
        train_first = sorted(checked, key=lambda name: name != TRAIN)
        home = {stim_id: name for name in train_first for stim_id in checked[name]}
        kept = {name: [i for i in dict.fromkeys(ids) if home[i] == name] for name, ids in checked.items()}
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


def _checked_members(members: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the ids of each split.

    Raises
    ------
    GridError
        Not lists of text: positions mean something else as soon as other stimuli are loaded.
    """
    if not isinstance(members, Mapping):
        raise GridError("Splits have names", found=repr(members), expected="for example {'test': ['clip01', 'clip02']}")
    checked: dict[str, tuple[str, ...]] = {}
    for name, ids in members.items():
        listed: tuple[Any, ...] = tuple(ids) if isinstance(ids, Iterable) and not isinstance(ids, str) else (None,)
        if not all(isinstance(stim_id, str) for stim_id in listed):
            raise GridError(
                "A split must be a list of the ids of its stimuli",
                field=str(name),
                found=repr(ids),
                expected="the 'stim_id' of its stimuli, which are text",
            )
        checked[name] = listed
    return checked


def stratified_splits(
    stim_meta: Sequence[Mapping[str, Any]],
    fractions: Mapping[str, float],
    *,
    by: str | Sequence[str] = (),
    seed: int = 0,
    keep: Mapping[str, Sequence[str]] | None = None,
) -> Splits:
    """Divide stimuli by chance, each kind of stimulus in the same proportions.

    A split gets its share of each kind, give or take one stimulus; with two or three splits also of all kinds
    together. Where a stimulus goes depends on the seed, its id and the ids of the others of its kind, never on their
    order; other kinds bear on the stimuli that are left over in rounding and on nothing else.

    Parameters
    ----------
    stim_meta : sequence of mapping
        Metadata of the stimuli, with ``stim_id``.
    fractions : mapping of str to float
        Share of each split in the stimuli that are not kept, adding up to 1, for example
        ``{"train": 0.8, "val": 0.2}``.
    by : str or sequence of str
        Attributes whose combinations are the kinds; none means that all are of one kind. An absent value is a value.
        Shares are rounded to whole stimuli, what is left over going to the splits that are furthest behind.
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
        Stimuli without ids; a kept split that is no list of ids.
    """
    shares = _checked_shares(fractions)
    held = Splits(keep or {})
    both = sorted(set(held) & set(shares))
    if both:
        raise ParameterError("A split is kept as it is or drawn, not both", field="keep", found=", ".join(both))
    ids = stimulus_ids(stim_meta)
    unknown = sorted({stim_id for stimuli in held.values() for stim_id in stimuli} - set(ids))
    if unknown:
        raise unknown_name("stimulus", unknown[0], ids, field="stim_id")
    keys = [by] if isinstance(by, str) else sorted(by)
    for key in keys:
        require_key(stim_meta, key, "stimulus")
    kinds: dict[str, list[str]] = {}
    for stim_id, entry in zip(ids, stim_meta, strict=True):
        if held.split_of(stim_id) is None:
            kinds.setdefault(repr([plain(entry.get(key)) for key in keys]), []).append(stim_id)
    members: dict[str, list[str]] = {name: list(stimuli) for name, stimuli in held.items()}
    members |= {name: [] for name in shares}
    surplus = dict.fromkeys(shares, 0.0)  # what a split has got beyond its share, over the kinds so far
    # Kinds are drawn too: where each is a single stimulus, their order alone says which is held out.
    for kind in sorted(kinds, key=lambda kind: _lot(seed, kind)):
        shuffled = sorted(kinds[kind], key=lambda stim_id: _lot(seed, stim_id))
        for name, stim_id in zip(_dealt(len(shuffled), shares, surplus), shuffled, strict=True):
            members[name].append(stim_id)
    drawn = f"drawn with seed {seed}" + (f", stratified by {', '.join(keys)}" if keys else "")
    return Splits({name: sorted(stimuli) for name, stimuli in members.items()}, drawn)


def _checked_shares(fractions: Mapping[str, float]) -> dict[str, float]:
    """Return the shares of splits.

    Raises
    ------
    ParameterError
        Not positive numbers, or they do not add up to 1.
    """
    shares = dict(fractions) if isinstance(fractions, Mapping) else {}
    numbers = all(isinstance(share, Real) and share > 0 for share in shares.values())
    total = float(sum(shares.values())) if numbers else 0.0
    if abs(total - 1) > TOLERANCE:
        raise ParameterError(
            "The shares of the splits must be positive and add up to 1",
            field="fractions",
            found=fractions,
            expected="for example {'train': 0.8, 'val': 0.2}",
        )
    return {name: float(share) for name, share in shares.items()}


def check_splits(splits: Splits, stim_meta: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a division that names stimuli which are not there.

    Raises
    ------
    UnknownNameError
        Near matches are offered.
    """
    known = {entry.get("stim_id") for entry in stim_meta}
    for name, ids in splits.items():
        for stim_id in ids:
            if stim_id not in known:
                raise unknown_name("stimulus", stim_id, [i for i in known if i is not None], field=f"split {name}")


def stimulus_ids(stim_meta: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the ids of stimuli.

    Raises
    ------
    GridError
        A stimulus has none, or it is not text.
    """
    for index, entry in enumerate(stim_meta):
        if not isinstance(entry.get("stim_id"), str):
            raise GridError(
                "A division needs stable ids of the stimuli",
                field=f"stim_meta[{index}]",
                found=f"stim_id {entry['stim_id']!r}" if "stim_id" in entry else "no stim_id",
                expected="text",
                mend="give every stimulus a 'stim_id' in stim_meta",
            )
    return [entry["stim_id"] for entry in stim_meta]


def _lot(seed: int, stim_id: str) -> bytes:
    """Return what decides a stimulus's place: its own, whatever the others are."""
    return hashlib.sha256(f"{seed}\0{stim_id}".encode()).digest()


def _dealt(count: int, shares: Mapping[str, float], surplus: dict[str, float]) -> list[str]:
    """Return the splits that some stimuli go to, and note what each split got beyond its share.

    What is left over in rounding comes last, so that the stimuli before it never depend on `surplus`.
    """
    whole = {name: math.floor(count * share + TOLERANCE) for name, share in shares.items()}
    dealt = [name for name, certain in whole.items() for _ in range(certain)]
    behind = sorted(shares, key=lambda name: surplus[name] + whole[name] - count * shares[name])
    dealt += behind[: count - len(dealt)]
    for name, share in shares.items():
        surplus[name] += dealt.count(name) - count * share
    return dealt
