"""A synthetic raw tree of CRCNS AA1 in its true layout: invented values, true names, grammar and units."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.raw_writers.finch import SAMPLE_RATE_HZ, FinchTruth, FinchWriter

LENGTHS = {"conspecific": (16_000, 25_613, 32_031, 20_000), "flatrip": (19_200, 31_999, 24_017)}
"""Samples of the sounds: a multiple of a bin, odd numbers, and one that nobody hears (the last song)."""
HOSTILE = {
    "stim-no-newline": "a stim file without its end of line",
    "spike-no-trailing-blank": "spike lines that end right after the last number",
    "spike-two-blanks": "two blanks between numbers",
    "spike-empty-file": "a spike file of 0 bytes",
    "ds-store": "a .DS_Store wherever a folder is listed",
    "wav-44k": "one wav at 44,100 Hz",
}


def write_crcns_aa1(
    directory: Path, *, seed: int = 0, n_extra: int = 1, hostile: str | None = None, wrapped: bool = False
) -> FinchTruth:
    """Write a tree and return what is in it. Same arguments, same bytes.

    Parameters
    ----------
    directory : Path
        Made if absent.
    seed : int
        Of everything drawn.
    n_extra : int
        Plain cells per area, beside eight with something unusual.
    hostile : str, optional
        One of ``HOSTILE``.
    wrapped : bool
        Put everything into a folder ``crcns-aa1``, as the archive has it.
    """
    root = directory / "crcns-aa1" if wrapped else directory
    line_end = "\n" if hostile == "spike-no-trailing-blank" else " \n"
    writer = FinchWriter(root, seed, lambda kind: root / "all_stims" / kind, line_end)
    sounds = {
        kind: [
            writer.sound(kind, n, 44_100 if (hostile, kind, i) == ("wav-44k", "flatrip", 0) else SAMPLE_RATE_HZ)
            for i, n in enumerate(lengths)
        ]
        for kind, lengths in LENGTHS.items()
    }
    sounds["conspecific"].pop()  # on disk, and heard by nobody
    songs, noises = sounds["conspecific"], sounds["flatrip"]

    def cell(
        area: str, name: str, kinds: Sequence[str] = ("conspecific", "flatrip"), n_trials: Sequence[int] = (10,),
        skip: str = "", no_spikes: str = "", silent: str = "", backwards: bool = False,
    ) -> None:  # fmt: skip
        writer.cell(f"{area}_cells/{name}", area)
        for kind in kinds:
            heard = [wav for wav in (sounds[kind][::-1] if backwards else sounds[kind]) if wav != skip]
            for index, wav in enumerate(heard):
                trials = writer.series(wav, n_trials[index % len(n_trials)], edges=index == 0)
                if wav == silent:
                    trials = [trial[:0] for trial in trials]
                writer.presentation(name, kind, index + 1, wav, trials, spikes=wav != no_spikes)

    cell("Field_L", "gg0304_10_B")  # its name sorts before the next one's as text
    cell("Field_L", "gg0304_4_B")
    writer.presentation("gg0304_4_B", "conspecific", 10, songs[1], writer.series(songs[1], 6))  # heard twice
    cell("Field_L", "pipu1018_1_B", n_trials=(10, 9, 1))
    cell("Field_L", "pipu1018_2_B", kinds=("flatrip",))
    cell("MLd", "gg0304_4_A", no_spikes=noises[1])
    cell("MLd", "pipu1018_2_A", kinds=("flatrip",))
    cell("MLd", "blahp4108_1_A", kinds=("conspecific",), skip=songs[0])
    cell("MLd", "yy1617", silent=noises[2], backwards=True)  # a name off the pattern, and its own numbering
    for number in range(n_extra):
        for area, rig in (("Field_L", "B"), ("MLd", "A")):
            cell(area, f"obla{1301 + number}_{number + 2}_{rig}", n_trials=(15,))
    for name in ("README.txt", "CONDITIONS.txt", "Detailed_Methods.txt"):
        (root / name).write_text("Synthetic AA1 tree: no recorded data.\n")
    _spoil(root, hostile, songs[0])
    return writer.truth


def _spoil(root: Path, hostile: str | None, song: str) -> None:
    folder = root / "Field_L_cells" / "gg0304_10_B" / "conspecific"
    if hostile == "stim-no-newline":
        (folder / "stim1").write_text(song)
    elif hostile == "spike-two-blanks":
        (folder / "spike1").write_text("1.5  2.5 \n")
    elif hostile == "spike-empty-file":
        (folder / "spike1").write_bytes(b"")
    elif hostile == "ds-store":
        for place in (
            root,
            root / "Field_L_cells",
            folder.parent,
            folder,
            root / "all_stims",
            root / "all_stims/flatrip",
        ):
            (place / ".DS_Store").write_bytes(b"\0")
