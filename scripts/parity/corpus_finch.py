"""How CRCNS AA1 and AA2 are compared with deepSTRF 0.1.0."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from scripts.parity.corpus_declaration import SMOOTHED, WAVEFORM, CorpusDifference, CorpusParity, RawFolder, Run
from scripts.parity.corpus_models import SIGNAL_TYPE
from scripts.parity.corpus_snapshot import Snapshot, Vocabulary

VOCABULARY = Vocabulary(
    neuron={name: name for name in ("cell_id", "animal_id", "area", "cell_seq", "rig")},
    stimulus={
        "name": "name",
        "type": "type",
        "sample_rate": "sample_rate_hz",
        "n_samples": "n_samples",
        "duration_s": "duration_s",
    },
)
RUNS = (
    Run("counts", {"smooth": False}),
    Run("defaults", preprocessing="deepstrf", responses=SMOOTHED),
    Run("waveforms", {"smooth": False, "return_waveform": True}, stimulus="waveform", stimuli=WAVEFORM),
    Run("5 ms, log1p", {"smooth": False, "dt_ms": 5, "compression": "log1p"}, {"dt_ms": 5.0, "compression": "log1p"}),
    Run(
        "20 bands, 20 ms windows, linear",
        {"smooth": False, "dt_ms": 2, "n_mels": 20, "window_ms": 20.0, "compression": "none"},
        {"dt_ms": 2.0, "n_bands": 20, "window_ms": 20.0, "compression": "none"},
    ),
)


@dataclass(frozen=True)
class Block:
    """Trials of one presentation, as rows of our response to the sound.

    Parameters
    ----------
    folder : str
        Class under which it is filed.
    number : str
        The k of ``stim<k>``.
    rows : slice
        Its trials.
    """

    folder: str
    number: str
    rows: slice


def presentations(cell: Path) -> dict[str, list[Block]]:
    """Read what a cell heard, by wav file: presentations by folder and number, copies sharing their rows."""
    blocks: dict[str, list[Block]] = {}
    ends: dict[str, int] = {}
    known: dict[tuple[str, bytes], slice] = {}
    for folder in sorted(path for path in cell.iterdir() if path.is_dir()):
        for stim in sorted(folder.glob("stim*"), key=lambda path: int(path.name.removeprefix("stim"))):
            number, wav = stim.name.removeprefix("stim"), stim.read_text(encoding="ascii").strip()
            spikes = folder / f"spike{number}"
            if not spikes.exists():
                blocks.setdefault(wav, []).append(Block(folder.name, number, slice(0, 0)))
                continue
            content = spikes.read_bytes()
            if (wav, content) not in known:
                start = ends.get(wav, 0)
                ends[wav] = start + content.count(b"\n")
                known[wav, content] = slice(start, ends[wav])
            blocks.setdefault(wav, []).append(Block(folder.name, number, known[wav, content]))
    return blocks


def cells_of(folder: RawFolder) -> Iterator[Path]:
    """Yield the folders of the cells of either corpus."""
    for parent in folder.raw.glob("*_cells"):
        yield from (path for path in sorted(parent.iterdir()) if path.is_dir())


def filed_under_two_classes(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Model one stimulus per sound and class of folder: a misfiled sound is two."""
    of_wav = {entry["name"]: name for name, entry in ours.stimuli.items()}
    stimuli, values, responses = {}, {}, {}
    for cell in cells_of(folder):
        for wav, blocks in presentations(cell).items():
            if wav not in of_wav or (of_wav[wav], cell.name) not in ours.responses:
                continue
            response = ours.responses[of_wav[wav], cell.name]
            for kind in dict.fromkeys(block.folder for block in blocks):
                name = f"{kind}/{wav}"
                stimuli[name] = {**ours.stimuli[of_wav[wav]], "type": kind}
                values[name] = ours.values[of_wav[wav]]
                rows = _rows([block for block in blocks if block.folder == kind])
                if rows:
                    responses[name, cell.name] = response[rows]
    return replace(ours, stimuli=stimuli, values=values, responses=responses)


def first_presentation_alone(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Model that of several presentations the one is read whose stim file is first in the order of text."""
    responses = dict(ours.responses)
    for cell in cells_of(folder):
        for wav, blocks in presentations(cell).items():
            for kind in dict.fromkeys(block.folder for block in blocks):
                pair = f"{kind}/{wav}", cell.name
                filed = [block for block in blocks if block.folder == kind]
                first = min(filed, key=lambda block: block.number).rows
                if pair in responses:
                    kept = _rows(filed)
                    rows = [kept.index(row) for row in range(first.start, first.stop)]
                    responses[pair] = responses[pair][rows]
                    if not rows:
                        del responses[pair]
    return ours.with_responses(responses)


def _rows(blocks: list[Block]) -> list[int]:
    """Return the rows of some presentations, each once, ascending."""
    return sorted({row for block in blocks for row in range(block.rows.start, block.rows.stop)})


def listed_lengths(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Model that rate and length of a sound are those that the release's table lists, if it does."""
    with (folder.raw / "stim_data.csv").open(encoding="ascii", newline="") as file:
        listed = {row[0] for row in csv.reader(file) if row}
    unknown = dict.fromkeys(("sample_rate", "n_samples", "duration_s"))
    return replace(
        ours,
        stimuli={
            name: entry if entry["name"] in listed else {**entry, **unknown} for name, entry in ours.stimuli.items()
        },
    )


EVERY_PRESENTATION = CorpusDifference(
    "every-presentation",
    "Where a sound was presented twice to a cell, one series of trials is read: that of the stim file whose name comes "
    "first as text.",
    "All trials, in the order of the files' numbers.",
    "They are data.",
    first_presentation_alone,
)

AA1 = CorpusParity(
    name="crcns_aa1",
    corpus="crcns_aa1",
    cohort="all",
    writer="tests.raw_writers.crcns_aa1:write_crcns_aa1",
    bench_options={"n_extra": 400},
    peer_class="CRCNSAA1Dataset",
    neuron_name=("cell_id",),
    stimulus_name=("type", "name"),
    vocabulary=VOCABULARY,
    runs=(*RUNS, Run("MLd", {"smooth": False, "areas": ("MLd",)}, where={"neuron.area": "MLd"})),
    differences=(SIGNAL_TYPE, EVERY_PRESENTATION),
)
AA2 = replace(
    AA1,
    name="crcns_aa2",
    corpus="crcns_aa2",
    writer="tests.raw_writers.crcns_aa2:write_crcns_aa2",
    bench_options={"n_extra": 480},
    peer_class="CRCNSAA2Dataset",
    runs=(*RUNS, Run("OV, L3", {"smooth": False, "areas": ("OV", "L3")}, where={"neuron.area": ["OV", "L3"]})),
    differences=(
        SIGNAL_TYPE,
        CorpusDifference(
            "one-sound-one-stimulus",
            "A sound that cells have filed under two classes is two stimuli.",
            "It is one; `recording_folder` of a row says where the lab filed it.",
            "Splits by stimulus would leak.",
            filed_under_two_classes,
        ),
        EVERY_PRESENTATION,
        CorpusDifference(
            "length-is-measured",
            "Rate and length of a sound are those of `stim_data.csv`, or absent.",
            "They are those of the sound's file.",
            "They are known for every sound, and cannot contradict it.",
            listed_lengths,
        ),
    ),
)
