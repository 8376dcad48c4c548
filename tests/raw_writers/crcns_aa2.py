"""A synthetic raw tree of CRCNS AA2 in its true layout: invented values, true names, tables, grammar and units."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.raw_writers.finch import SAMPLE_RATE_HZ, FinchTruth, FinchWriter

LENGTHS = {
    "conspecific": (17_600, 24_013, 32_000),
    "flatrip": (16_000, 20_801),
    "songrip": (22_400, 18_031),
    "bengalese": (16_000,),
    "unknown": (9_600,),
}
"""Samples of the sounds of each class; no cell hears the last two classes."""
ALL = ("conspecific", "flatrip", "songrip")
HOSTILE = {
    "unread-class-cell": "a cell whose only folder is bengalese",
    "solo-first": "the first row of cell_stim_classes.csv is the only cell of its bird",
    "short-first": "the first row of cell_stim_classes.csv has fewer classes than a later one",
    "stim-no-newline": "a stim file without its end of line",
    "unknown-region": "a region that the release does not describe",
    "csv-only-cell": "a cell in the tables without a folder",
    "wav-missing": "a sound that cells heard is absent",
}


def write_crcns_aa2(
    directory: Path, *, seed: int = 0, n_extra: int = 2, hostile: str | None = None, wrapped: bool = False
) -> FinchTruth:
    """Write a tree and return what is in it. Same arguments, same bytes.

    Parameters
    ----------
    directory : Path
        Made if absent.
    seed : int
        Of everything drawn.
    n_extra : int
        Plain cells, beside eleven with something unusual.
    hostile : str, optional
        One of ``HOSTILE``.
    wrapped : bool
        Put everything into ``crcns/aa2``, as the archives have it.
    """
    root = directory / "crcns" / "aa2" if wrapped else directory
    writer = FinchWriter(root, seed, lambda kind: root / "all_stims")
    sounds = {kind: [writer.sound(kind, n) for n in lengths] for kind, lengths in LENGTHS.items()}
    songs, noises, songrips = (sounds[kind] for kind in ALL)
    listed: list[tuple[str, str, Sequence[str]]] = []

    def cell(
        name: str, region: str, kinds: Sequence[str] = ALL, n_trials: Sequence[int] = (10,), no_spikes: str = "",
        backwards: bool = False,
    ) -> None:  # fmt: skip
        listed.append((name, region, kinds))
        writer.cell(f"all_cells/{name}", region)
        for kind in kinds:
            for index, wav in enumerate(sounds[kind][::-1] if backwards else sounds[kind]):
                trials = writer.series(wav, n_trials[index % len(n_trials)], edges=index == 0)
                writer.presentation(name, kind, index + 1, wav, trials, spikes=wav != no_spikes)

    if hostile in ("solo-first", "short-first"):
        cell("aaaa0001_1", "L1", ALL if hostile == "solo-first" else ("conspecific",))
    cell("blabla0903_1_A", "L1")
    cell("blabla0903_1_B", "mld", ("conspecific", "songrip"))
    cell("blabla0903_2", "None")
    cell("gg0116_1_A", "L", n_trials=(20, 1, 10))
    (root / "all_cells/gg0116_1_A/conspecific/spike8").write_text("1.000 2.000 \n")  # spikes without a stim file
    cell("gg0116_2_A", "L2a")
    writer.presentation("gg0116_2_A", "conspecific", 12, songs[1], writer.series(songs[1], 7))  # heard twice
    copied = next(one for one in writer.truth.presented if (one.cell, one.number, one.folder) == (
        "gg0116_2_A", 1, "flatrip"))  # fmt: skip
    writer.presentation("gg0116_2_A", "flatrip", 5, copied.wav, copied.trials, copy=True)
    cell("gg0116_3_A", "L2b", no_spikes=songrips[0])
    cell("oo0909_4_A", "OV", backwards=True)
    cell("oo0909_4_B", "CM", ("flatrip",))
    cell("oo0909_5_B", "CM", ("flatrip",))
    if hostile == "unread-class-cell":
        cell("oo0909_6_B", "CM", ("bengalese",))
    cell("pupu2122_2_A", "L3", ("conspecific", "flatrip"))
    writer.presentation("pupu2122_2_A", "conspecific", 4, songrips[0], writer.series(songrips[0], 10))  # misfiled
    cell("pupu2122_2_B", "mld", ("flatrip",))
    for number in range(n_extra):
        cell(f"yy1616_{number + 1}_{'AB'[number % 2]}", ("mld", "OV", "L2b", "CM")[number % 4])
    if hostile == "unknown-region":
        cell("zz0001_1_A", "NCM")
    if hostile == "csv-only-cell":
        listed.append(("zz0001_1_A", "L1", ALL))
    if hostile == "stim-no-newline":
        (root / "all_cells/blabla0903_1_A/conspecific/stim1").write_text(songs[0])
    if hostile == "wav-missing":
        (root / "all_stims" / songs[2]).unlink()
    _write_tables(root, listed, writer.truth, unlisted=songrips[1])
    return writer.truth


def _write_tables(
    root: Path, cells: Sequence[tuple[str, str, Sequence[str]]], truth: FinchTruth, unlisted: str
) -> None:
    """Write the three tables, none with a header; one sound has no row."""
    rows = [
        f"{wav},{SAMPLE_RATE_HZ:.6f},16,{len(truth.sounds[wav])},{kind}\n"
        for wav, kind in truth.classes.items()
        if wav != unlisted
    ]
    (root / "stim_data.csv").write_text("".join(rows))
    (root / "cell_regions.csv").write_text("".join(f"{name},{region}\n" for name, region, _ in cells))
    (root / "cell_stim_classes.csv").write_text("".join(f"{name},{','.join(kinds)}\n" for name, _, kinds in cells))
    (root / "crcns-aa2-README.txt").write_text("Synthetic AA2 tree: no recorded data.\n")
