"""Stimuli of a report page: thumbnails, metadata, players, as far as there is room."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from PIL import Image, UnidentifiedImageError

from deepstrf_hf.columns import stimulus_columns
from deepstrf_hf.corpus import Corpus
from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.names import STIMULUS_PREFIX
from deepstrf_hf.parquet import column_batches, row_group_sizes, row_groups
from deepstrf_hf.report_html.pictures import PagePicture, png_picture
from deepstrf_hf.report_html.sounds import PageSound, playable
from deepstrf_hf.report_html.values import EXACT, Fact, divide_columns, in_words, shown

MOST_STIMULI = 3000
"""Stimuli that a page lists."""
WIDTH, GREYS = 480, 16
"""Pixels of a thumbnail, and shades of grey."""
MARKUP_BYTES = 600
"""What the page says around a picture or a player, about."""
RATE = f"{STIMULUS_PREFIX}sample_rate_hz"


class Room:
    """Bytes that may still be put into a page.

    Parameters
    ----------
    n_bytes : float
        How many.
    """

    def __init__(self, n_bytes: float) -> None:
        self.left = n_bytes

    def take(self, uri: str) -> bool:
        """Take the room that an address needs; return whether there was enough."""
        needed = len(uri) + MARKUP_BYTES
        if needed > self.left:
            return False
        self.left -= needed
        return True


@dataclass
class StimulusEntry:
    """What a page says of a stimulus.

    Parameters
    ----------
    stim_id : str
        Its name.
    summary : str
        Duration and division.
    facts : list of (str, str)
        Metadata that tell it from others.
    rate_hz : float or None
        Sampling rate of its waveform; None without one.
    picture : PagePicture or None
        Thumbnail; None until, or unless, there is room.
    sound : PageSound or None
        As `picture`.
    """

    stim_id: str
    summary: str
    facts: list[Fact]
    rate_hz: float | None
    picture: PagePicture | None = None
    sound: PageSound | None = None


@dataclass(frozen=True)
class StimulusList:
    """Stimuli of a cohort.

    Parameters
    ----------
    files : list of Path
        Where they are.
    entries : list of StimulusEntry
        The first `MOST_STIMULI` of them, in the order of the table.
    total : int
        How many there are.
    constant : list of (str, str)
        What is the same of all.
    total_s : float
        Duration of all, s.
    """

    files: list[Path]
    entries: list[StimulusEntry]
    total: int
    constant: list[Fact]
    total_s: float
    notes: list[str] = field(default_factory=list)

    @property
    def n_sounds(self) -> int:
        """How many of the entries have a waveform."""
        return sum(entry.rate_hz is not None for entry in self.entries)

    @property
    def copies(self) -> bool:
        """Whether a sound on the page is not what is stored."""
        return any(entry.sound is not None and entry.sound.note for entry in self.entries)


def read_stimuli(files: list[Path], corpus: Corpus) -> StimulusList:
    """Read the stimuli table of a cohort, without pictures and sounds.

    Parameters
    ----------
    files : list of Path
        Of the table.
    corpus : Corpus
        Declaration.

    Raises
    ------
    TableFormatError
        A file is broken.
    """
    metadata = [name for name, column in stimulus_columns(corpus).items() if not column.large]
    table = pa.concat_tables(row_groups(files, ["stim_id", "n_bins", "dt_ms", "subset", *metadata]))
    differing, constant = divide_columns(table, metadata)
    entries, total_s = [], 0.0
    for number, row in enumerate(table.to_pylist()):
        seconds = row["n_bins"] * row["dt_ms"] / 1000
        total_s += seconds
        if number >= MOST_STIMULI:
            continue
        facts = [(in_words(name, STIMULUS_PREFIX), shown(row[name], EXACT)) for name in differing]
        summary = ", ".join(filter(None, (f"{seconds:.3g} s", row["subset"])))
        entries.append(StimulusEntry(row["stim_id"], summary, [fact for fact in facts if fact[1]], row[RATE]))
    same = [(in_words(name, STIMULUS_PREFIX), value) for name, value in constant]
    return StimulusList(files, entries, len(table), same, total_s)


def add_pictures(stimuli: StimulusList, room: Room) -> None:
    """Add thumbnails, in order, until there is no more room.

    Raises
    ------
    TableFormatError
        A file is broken, or a picture is none.
    """
    for entry, value in _cells(stimuli, "picture"):
        entry_picture = _thumbnail(value, entry)
        if not room.take(entry_picture.uri):
            break
        entry.picture = entry_picture
    lacking = sum(entry.picture is None for entry in stimuli.entries)
    if lacking:
        stimuli.notes.append(
            f"The pictures of {lacking:,} of {len(stimuli.entries):,} stimuli did not fit into the page "
            "(--max-megabytes)."
        )


def add_sounds(stimuli: StimulusList, room: Room) -> None:
    """Add sounds, in order, until there is no more room.

    Raises
    ------
    TableFormatError
        A file is broken, or a sound is none.
    """
    for entry, value in _cells(stimuli, "audio"):
        if entry.rate_hz is None or value is None:
            continue
        sound = playable(value["bytes"], entry.stim_id, entry.rate_hz)
        if not room.take(sound.uri):
            break
        entry.sound = sound
    lacking = stimuli.n_sounds - sum(entry.sound is not None for entry in stimuli.entries)
    if lacking:
        stimuli.notes.append(
            f"The sounds of {lacking:,} of {stimuli.n_sounds:,} stimuli did not fit into the page (--max-megabytes)."
        )


def _cells(stimuli: StimulusList, column: str) -> Iterator[tuple[StimulusEntry, Mapping[str, bytes] | None]]:
    """Yield each entry with its value of a large column, a few rows in memory at a time."""
    return zip(stimuli.entries, _values(stimuli.files, column), strict=False)  # entries may be fewer than rows


def _values(files: Sequence[Path], column: str) -> Iterator[Mapping[str, bytes] | None]:
    for path in files:
        for group in range(len(row_group_sizes(path))):
            for batch in column_batches(path, group, column):
                for value in batch:
                    yield value.as_py()


def _thumbnail(value: Mapping[str, bytes] | None, entry: StimulusEntry) -> PagePicture:
    try:
        stored = Image.open(io.BytesIO(value["bytes"] if value else b"")).convert("L")
    except (UnidentifiedImageError, OSError) as error:
        raise TableFormatError(
            "The picture of a stimulus cannot be read", field=entry.stim_id, found=error, mend="build it again"
        ) from error
    if stored.width > WIDTH:
        stored = stored.resize((WIDTH, stored.height), Image.Resampling.BOX)
    buffer = io.BytesIO()
    stored.quantize(GREYS).save(buffer, format="PNG", optimize=True)
    alternative = f"Spectrogram of {entry.stim_id}, {entry.summary}"
    return png_picture(buffer.getvalue(), entry.stim_id, entry.summary, alternative)
