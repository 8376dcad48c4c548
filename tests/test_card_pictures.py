"""The pictures of a card: that they show what the tables hold, and that they can be read."""

from __future__ import annotations

import io
import itertools
import re
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from deepstrf_hf import build, card_pictures_coverage, card_pictures_quality, card_pictures_reading, card_pictures_unit
from deepstrf_hf.card_pictures import CardPicture, card_section, draw_card_pictures
from deepstrf_hf.card_pictures_coverage import CoverageSum, axis_entries, draw_cohort_coverage
from deepstrf_hf.card_pictures_png import MOST_BYTES, png_of, short_unit, shortened
from deepstrf_hf.card_pictures_reading import PairBlock
from deepstrf_hf.corpus import Cohort
from deepstrf_hf.drawing import new_figure
from deepstrf_hf.errors import OutputDirectoryError, TableFormatError
from deepstrf_hf.features.compression import LogPlusOne
from deepstrf_hf.recording import Neuron, Part, Recording, Stimulus
from tests.toy import Toy, write_toy

DT_MS = 5.0
SPIKES = {"signal_type": "spikes", "response_dtype": "uint8", "response_unit": "spikes per bin"}
SMOOTHED = {**SPIKES, "response_dtype": "float32", "response_unit": "smoothed count of samples, arbitrary; or not"}
POTENTIAL = {"signal_type": "subthreshold", "response_dtype": "float32", "response_unit": "mV, slow drift removed"}
EEG = {"signal_type": "eeg", "response_dtype": "float32", "response_unit": "V"}
LINEAR = "linear amplitude of a gammatone filter bank, in units of the lab"


class Scene(Toy):
    """A corpus of one cohort that a test makes up."""

    PAIRS: Mapping[tuple[str, str], np.ndarray] = {}
    BANDS_HZ: Any = None
    N_BANDS = 5

    @classmethod
    def parts(cls, raw: Any, cohort: Any, config: Any) -> Any:
        return [Part("all")]

    @classmethod
    def raw_files(cls, raw: Any, cohort: Any, config: Any) -> Any:
        return ["toy.json"]

    @classmethod
    def band_frequencies_hz(cls, cohort: Any, config: Any) -> Any:
        return cls.BANDS_HZ

    @classmethod
    def recordings(cls, raw: Any, cohort: Any, config: Any, part: Any, log: Any) -> Any:
        for stim_id, pairs in itertools.groupby(sorted(cls.PAIRS), key=lambda pair: pair[0]):
            neurons = [neuron for _, neuron in pairs]
            stimulus = Stimulus(stim_id, spectrogram(stim_id, cls.PAIRS[stim_id, neurons[0]].shape[1], cls.N_BANDS), {})
            for neuron in neurons:
                yield Recording(stimulus, Neuron(neuron, {}), cls.PAIRS[stim_id, neuron])


def spectrogram(stim_id: str, bins: int, bands: int = 5) -> np.ndarray:
    return np.random.default_rng([*stim_id.encode()]).gamma(1.0, 1.0, (bands, bins)).astype(np.float32)


def scene(directory: Path, pairs: Mapping[tuple[str, str], np.ndarray], **changes: Any) -> Path:
    """Build tables of these responses, by stimulus and neuron."""
    options = {"stimulus": "reference", **SPIKES, **changes}
    bands_hz, bands = options.pop("bands_hz", None), options.pop("n_bands", 5)
    cohort = Cohort(name="all", description="made up", spectrogram_unit=LINEAR, **options)
    corpus = replace(Toy.CORPUS, name="toy", cohorts=(cohort,))
    made = type("Made", (Scene,), {"CORPUS": corpus, "PAIRS": pairs, "BANDS_HZ": bands_hz, "N_BANDS": bands})
    build(made, data_dir=write_toy(directory / "raw"), out=directory / "out")
    return directory / "out"


def counts(seed: int, shape: tuple[int, int], rate: float = 0.2) -> np.ndarray:
    return np.random.default_rng(seed).poisson(rate, shape)


def repeated(seed: int, trials: int, bins: int, noise: float) -> np.ndarray:
    """Return counts that are the same in each trial but for some noise."""
    rng = np.random.default_rng(seed)
    return rng.poisson(0.3, bins) + rng.poisson(noise, (trials, bins))


LONG = "a_very_long_name_of_a_neuron_with_$dollars$_and_more_of_it_than_anybody_would_want_to_read"
SCENES: dict[str, tuple[dict[tuple[str, str], np.ndarray], dict[str, Any]]] = {
    "spikes": ({(f"s{s}", f"n{n}"): repeated(s, 4, 100, n + 0.1) for s in range(3) for n in range(3)}, {}),
    "inline": (
        {(f"s{s}", "n"): repeated(s, 2, 90, 0.1) for s in range(2)},
        {"stimulus": "inline", "bands_hz": [500.0, 1000.0, 2000.0, 4000.0, 8000.0]},
    ),
    "compressed": ({("s", "n"): repeated(0, 3, 90, 0.1)}, {"preprocessing": (LogPlusOne(),)}),
    "no repeats": ({(f"s{s}", f"n{n}"): counts(s + n, (1, 50)) for s in range(2) for n in range(2)}, {}),
    "one pair": ({("s", "n"): counts(3, (1, 1))}, {"n_bands": 1, "bands_hz": [1000.0]}),
    "silent": ({("s", "n"): np.zeros((3, 40), int)}, {"n_bands": 2}),
    "one silent": ({("s", "n0"): np.zeros((3, 40), int), ("s", "n1"): repeated(1, 3, 40, 0.1)}, {}),
    "many trials": ({("s", "n"): repeated(1, 300, 60, 0.4)}, {}),
    "long names": ({(LONG, LONG + str(n)): repeated(n, 3, 60, 0.1) for n in range(30)}, {}),
    "smoothed": ({("s", "n"): repeated(1, 4, 60, 0.1) * 0.37}, SMOOTHED),
    "potential": ({("s", "n"): repeated(1, 20, 80, 0.1) - 60.5}, POTENTIAL),
    "constant": ({("s", "n"): np.full((3, 20), -60.0)}, POTENTIAL),
    "eeg": ({("s", "n"): np.random.default_rng(0).normal(0, 1e-5, (1, 400))}, EEG),
    "missing": ({("s", "n"): np.full((2, 30), np.nan)}, EEG),
    "missing in one": (
        {("s", "n"): np.where(np.arange(90).reshape(3, 30) < 40, np.nan, repeated(0, 3, 30, 0.5) * 1e-6)},
        EEG,
    ),
}


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Return the figures that are drawn, in order."""
    drawn: list[Figure] = []

    def keep(figure: Figure) -> bytes:
        drawn.append(figure)
        return png_of(figure)

    for module in (card_pictures_unit, card_pictures_coverage, card_pictures_quality):
        monkeypatch.setattr(module, "png_of", keep)
    return drawn


def texts(figure: Figure) -> list[Any]:
    """Return all texts that are seen, tick labels only where the axis is."""
    found = list(figure.texts) + ([figure._suptitle] if figure._suptitle else [])
    for axes in figure.axes:
        found += [axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            margin = 1e-9 * (high - low)
            for tick in axis.get_major_ticks():
                if low - margin <= tick.get_loc() <= high + margin:
                    found += [label for label in (tick.label1, tick.label2) if label.get_visible()]
    return list({id(text): text for text in found if text.get_visible() and text.get_text()}.values())


def misplaced(figure: Figure) -> list[str]:
    """Return texts that are cut off, and pairs of texts that overlap."""
    renderer = figure.canvas.get_renderer()
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts(figure)]
    wrong = [
        f"cut: {name}"
        for name, box in boxes
        if box.x0 < 0 or box.y0 < 0 or box.x1 > figure.bbox.width or box.y1 > figure.bbox.height
    ]
    for (name, box), (other, second) in itertools.combinations(boxes, 2):
        across = min(box.x1, second.x1) - max(box.x0, second.x0)
        along = min(box.y1, second.y1) - max(box.y0, second.y0)
        if across > 1 and along > 1:
            wrong.append(f"over each other: {name}, {other}")
    return wrong


def chunks(png: bytes) -> list[bytes]:
    """Return the kinds of chunks in a PNG."""
    kinds, place = [], 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        kinds.append(png[place + 4 : place + 8])
        place += length + 12
    return kinds


# Every picture --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCENES)
def test_pictures_can_be_read(name: str, tmp_path: Path, figures: list[Figure]) -> None:
    out = scene(tmp_path, SCENES[name][0], **SCENES[name][1])
    pictures = draw_card_pictures(out, tmp_path / "card")
    assert len(figures) == len(pictures)
    assert [picture.path for picture in pictures[:2]] == ["assets/all-unit.png", "assets/all-coverage.png"]
    for figure, picture in zip(figures, pictures, strict=True):
        assert not misplaced(figure), picture.path
        content = (tmp_path / "card" / picture.path).read_bytes()
        assert len(content) <= MOST_BYTES
        assert set(chunks(content)) == {b"IHDR", b"PLTE", b"IDAT", b"IEND"}  # opaque, no stamps
        image = Image.open(io.BytesIO(content)).convert("RGB")
        assert image.getpixel((0, 0)) == (255, 255, 255)
        assert image.width <= 1400
        assert picture.caption.endswith(".")
        assert picture.alternative_text.endswith(".")
    assert not list(out.glob("assets"))


def test_the_checks_of_layout_find_faults() -> None:
    figure = new_figure(3, 3)
    figure.text(0.1, 0.5, "one text")
    figure.text(0.12, 0.51, "another")
    figure.text(0.9, 0.1, "beyond the edge")
    png_of(figure)
    assert misplaced(figure) == ["cut: beyond the edge", "over each other: one text, another"]


def test_the_same_tables_give_the_same_bytes(tmp_path: Path) -> None:
    out = scene(tmp_path, SCENES["spikes"][0])
    first = draw_card_pictures(out, tmp_path / "a")
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "savefig.dpi": 20}):
        assert draw_card_pictures(out, tmp_path / "b") == first
        assert matplotlib.rcParams["font.size"] == 30
    for picture in first:
        assert (tmp_path / "a" / picture.path).read_bytes() == (tmp_path / "b" / picture.path).read_bytes()


def test_a_picture_is_kept_small_by_its_palette() -> None:
    figure = new_figure(6, 6)
    figure.figimage(np.random.default_rng(0).random((600, 600, 3)))
    free = png_of(figure, 10**9)
    assert len(free) > MOST_BYTES * 2
    limit = len(free) * 2 // 3
    assert len(png_of(figure, limit)) <= limit


# The unit -------------------------------------------------------------------------------------------------------------


def test_the_neuron_of_highest_ratio_is_drawn_at_its_clearest_stimulus(tmp_path: Path, figures: list[Figure]) -> None:
    weak = np.tile(counts(9, (1, 100), 0.05), (4, 1)) + counts(5, (4, 100), 0.05)
    strong = np.tile(counts(8, (1, 100), 2.0), (4, 1)) + counts(6, (4, 100), 0.05)
    pairs = {
        ("s0", "good"): weak,
        ("s1", "good"): strong,
        ("s2", "good"): strong[:3] * 2,  # clearer, but fewer trials
        ("s0", "poor"): counts(1, (9, 100), 2.0),
        ("s1", "poor"): counts(2, (9, 100), 2.0),
    }
    pictures = draw_card_pictures(scene(tmp_path, pairs), tmp_path)
    sound, raster, psth = figures[0].axes[:3]
    assert "good" in figures[0]._suptitle.get_text()
    assert sound.get_title(loc="left") == "Sound: spectrogram of s1"
    assert raster.get_title(loc="left") == "Spikes in 4 trials"
    np.testing.assert_allclose(sound.collections[0].get_array(), spectrogram("s1", 100), rtol=1e-6)
    for line, trial in zip(raster.collections, strong, strict=True):
        np.testing.assert_allclose(line.get_positions(), (np.flatnonzero(trial) + 0.5) * DT_MS / 1000)
    np.testing.assert_allclose(psth.patches[0].get_data().values, strong.mean(axis=0) * 1000 / DT_MS)
    assert "`good`, at `s1`, which it heard 4 times" in pictures[0].caption
    assert f"{strong.sum():,} spikes in all" in pictures[0].alternative_text


def test_one_trial_of_one_band_is_numbered_without_fractions(tmp_path: Path, figures: list[Figure]) -> None:
    draw_card_pictures(scene(tmp_path, *SCENES["one pair"][:1], **SCENES["one pair"][1]), tmp_path)
    assert [[label.get_text() for label in axes.get_yticklabels()] for axes in figures[0].axes[:2]] == [["0"], ["1"]]
    assert figures[0].axes[1].texts[0].get_text() == "no spikes"


def test_of_many_trials_some_are_shown_and_all_are_averaged(tmp_path: Path, figures: list[Figure]) -> None:
    response = SCENES["many trials"][0]["s", "n"]
    draw_card_pictures(scene(tmp_path, SCENES["many trials"][0]), tmp_path)
    _, raster, psth = figures[0].axes[:3]
    assert len(raster.collections) == 60
    assert not raster.texts
    assert raster.get_title(loc="left") == "Spikes in the first 60 of 300 trials"
    assert psth.get_title(loc="left").endswith("over all 300 trials")
    np.testing.assert_allclose(psth.patches[0].get_data().values, response.mean(axis=0) * 1000 / DT_MS)


def test_a_published_compression_is_applied(tmp_path: Path, figures: list[Figure]) -> None:
    draw_card_pictures(scene(tmp_path, *SCENES["compressed"][:1], **SCENES["compressed"][1]), tmp_path)
    shown = figures[0].axes[0].collections[0].get_array()
    np.testing.assert_allclose(shown, np.log1p(spectrogram("s", 90)), rtol=1e-5)
    assert (
        figures[0].axes[-1].get_ylabel().replace("\n", " ") == "compressed linear amplitude of a gammatone filter bank"
    )


def test_of_a_long_response_the_liveliest_part_is_drawn(tmp_path: Path, figures: list[Figure]) -> None:
    response = np.zeros((3, 6500), int)  # 32.5 s
    response[:, 4100:4700:20] = 3
    response[0, 10] = 1
    pictures = draw_card_pictures(scene(tmp_path, {("s", "n"): response}), tmp_path)
    psth = figures[0].axes[2]
    values, edges, _ = psth.patches[0].get_data()
    width = edges[1] - edges[0]
    assert values.sum() * width == pytest.approx(response[:, 4000:6000].sum() / 3)
    assert "(10 of its 32.5 s)" in pictures[0].caption
    labels = [label.get_text() for label in psth.get_xticklabels()]
    assert labels[0] == "20"
    assert figures[0].axes[0].get_xlim() == (0, 10)


def test_the_end_of_a_response_is_part_of_what_is_chosen_from(tmp_path: Path, figures: list[Figure]) -> None:
    response = np.zeros((2, 2100), int)
    response[:, -5:] = 7
    draw_card_pictures(scene(tmp_path, {("s", "n"): response}), tmp_path)
    assert figures[0].axes[2].patches[0].get_data().values[-1] > 0
    assert figures[0].axes[2].xaxis.get_major_formatter()(0, 0) == "0.5"


def test_potentials_are_traces(tmp_path: Path, figures: list[Figure]) -> None:
    pairs, options = SCENES["potential"]
    draw_card_pictures(scene(tmp_path, pairs, **options), tmp_path)
    traces, mean = figures[0].axes[1:3]
    response = pairs["s", "n"].astype(np.float32)
    *lines, bar = traces.lines
    assert traces.get_title(loc="left") == "Traces in the first 12 of 20 trials"
    assert len(lines) == 12
    length_of_bar = abs(np.diff(bar.get_ydata())[0])
    (size, unit) = traces.texts[0].get_text().split()
    assert unit == "mV"
    for index, (line, trial) in enumerate(zip(lines, response, strict=False)):
        drawn = (index + 1 - line.get_ydata()) * float(size) / length_of_bar  # rows in mV
        np.testing.assert_allclose(drawn - drawn[0], trial - trial[0], atol=1e-4)
    np.testing.assert_allclose(mean.lines[0].get_ydata(), response.mean(axis=0), rtol=1e-5)
    assert mean.get_ylabel() == "mV"


def test_a_smoothed_signal_of_spikes_is_no_raster(tmp_path: Path, figures: list[Figure]) -> None:
    pictures = draw_card_pictures(scene(tmp_path, SCENES["smoothed"][0], **SMOOTHED), tmp_path)
    assert figures[0].axes[1].get_title(loc="left") == "Traces in 4 trials (smoothed count of samples)"
    assert "raster" not in pictures[0].alternative_text
    assert SMOOTHED["response_unit"] in pictures[0].caption


def test_eeg_of_one_trial_is_one_trace_in_microvolts(tmp_path: Path, figures: list[Figure]) -> None:
    response = SCENES["eeg"][0]["s", "n"].copy()
    response[0, 40:60] = np.nan
    draw_card_pictures(scene(tmp_path, {("s", "n"): response}, **EEG), tmp_path)
    sound, trace, _ = figures[0].axes
    np.testing.assert_allclose(trace.lines[0].get_ydata(), response[0].astype(np.float32) * 1e6, rtol=1e-5)
    assert (trace.get_ylabel(), trace.get_title(loc="left")) == ("µV", "Response in 1 trial")


def test_missing_samples_do_not_lower_the_mean(tmp_path: Path, figures: list[Figure]) -> None:
    pairs, options = SCENES["missing in one"]
    draw_card_pictures(scene(tmp_path, pairs, **options), tmp_path)
    expected = [np.nan if np.isnan(column).all() else np.nanmean(column) for column in pairs["s", "n"].T]
    np.testing.assert_allclose(figures[0].axes[2].lines[0].get_ydata(), np.array(expected) * 1e6, rtol=1e-4)


@given(st.integers(1, 4), st.integers(1, 40), st.integers(1, 12), st.randoms(use_true_random=False))
def test_grouping_bins_keeps_what_is_there(rows: int, bins: int, factor: int, random: Any) -> None:
    values = np.array([[random.choice([np.nan, 0.0, 1.0, 7.0]) for _ in range(bins)] for _ in range(rows)])
    grouped = card_pictures_unit._grouped(values, factor)
    assert grouped.shape == (rows, -(-bins // factor))
    for row, column in np.ndindex(grouped.shape):
        block = values[row, column * factor : (column + 1) * factor]
        present = block[np.isfinite(block)]
        if len(present):
            assert grouped[row, column] == pytest.approx(present.mean())
        else:
            assert np.isnan(grouped[row, column])


# Coverage -------------------------------------------------------------------------------------------------------------


def test_coverage_is_what_the_rows_hold(tmp_path: Path, figures: list[Figure]) -> None:
    trials = {("s0", "a"): 3, ("s0", "b"): 1, ("s1", "b"): 2, ("s2", "a"): 5}
    pairs = {pair: counts(0, (count, 20)) for pair, count in trials.items()}
    pictures = draw_card_pictures(scene(tmp_path, pairs), tmp_path)
    matrix = np.ma.filled(figures[1].axes[0].collections[0].get_array(), 0)
    np.testing.assert_array_equal(matrix, [[3, 1], [0, 2], [5, 0]])
    assert "4 of 6 pairs (66.7 %), 1 to 5 trials each" in pictures[1].caption
    assert "neurons per stimulus, 1 to 2, and above it the number of stimuli per neuron, 2" in (
        pictures[1].alternative_text
    )


@given(st.integers(1, 30), st.integers(1, 30), st.data())
def test_gathered_blocks_are_the_largest_of_their_pairs(n_stimuli: int, n_neurons: int, data: st.DataObject) -> None:
    dense = data.draw(st.integers(0, 2**31).map(lambda seed: np.random.default_rng(seed)))
    dense = dense.integers(0, 6, (n_stimuli, n_neurons)) * dense.integers(0, 2, (n_stimuli, n_neurons))
    dense[0, 0] = 1
    rows = axis_entries([f"s{index}" for index in range(n_stimuli)], "stimulus", "stimuli")
    columns = axis_entries([f"n{index}" for index in range(n_neurons)], "neuron", "neurons")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(card_pictures_coverage, "MOST_CELLS", (7, 9))
        gathered = CoverageSum(rows, columns)
    stimuli, neurons = np.nonzero(dense)
    cut = data.draw(st.integers(0, len(stimuli)))
    for part in (slice(None, cut), slice(cut, None)):
        gathered.add(PairBlock(stimuli[part], neurons[part], dense[stimuli[part], neurons[part]], []))
    coverage = gathered.coverage("x")
    assert coverage.cells.shape <= (8, 10)
    for row, column in np.ndindex(coverage.cells.shape):
        block = dense[slice(*coverage.row_edges[row : row + 2]), slice(*coverage.column_edges[column : column + 2])]
        assert coverage.cells[row, column] == block.max()
    np.testing.assert_array_equal(coverage.neurons_per_stimulus, (dense > 0).sum(axis=1))
    np.testing.assert_array_equal(coverage.stimuli_per_neuron, (dense > 0).sum(axis=0))
    assert coverage.trial_counts == sorted(set(dense[dense > 0].tolist()))


def test_eleven_million_pairs_fit_into_little_memory(figures: list[Figure]) -> None:
    n_stimuli, n_neurons = 2150, 5300
    rows = axis_entries([f"s{index}" for index in range(n_stimuli)], "stimulus", "stimuli")
    columns = axis_entries([f"n{index}" for index in range(n_neurons)], "neuron", "neurons")
    everybody = np.arange(n_neurons)
    tracemalloc.start()
    try:
        gathered = CoverageSum(rows, columns)
        for stimulus in range(n_stimuli):
            gathered.add(PairBlock(np.full(n_neurons, stimulus), everybody, everybody % 20 + 1, []))
        picture = draw_cohort_coverage(gathered.coverage("large"), rows, columns, None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60 * 2**20  # a quarter of it is the picture; the pairs themselves would be 90 MB of int64
    assert len(picture.png) <= MOST_BYTES
    assert not misplaced(figures[0])
    assert "11,395,000 of 11,395,000 pairs" in picture.caption


# Quality --------------------------------------------------------------------------------------------------------------


def test_histograms_hold_all_neurons(tmp_path: Path, figures: list[Figure]) -> None:
    pairs = {("s", f"n{n}"): repeated(n, 4, 80, 0.2 + n) for n in range(6)}
    pairs |= {("s", "once"): counts(1, (1, 80)), ("s", "silent"): np.zeros((4, 80), int)}
    out = scene(tmp_path, pairs)
    picture = draw_card_pictures(out, tmp_path)[2]
    neurons = pq.read_table(next((out / "all-neurons").glob("*.parquet"))).to_pylist()
    for axes, column in zip(figures[2].axes, ("snr", "ccmax"), strict=True):
        values = [row[column] for row in neurons if row[column] is not None]
        bars = [(bar.get_x(), bar.get_x() + bar.get_width(), bar.get_height()) for bar in axes.patches]
        assert sum(height for *_, height in bars) == len(values)
        for value in values:
            assert any(low - 1e-9 <= value <= high + 1e-9 and height for low, high, height in bars)
    assert "8 neurons; 1 without repeats, 1 silent or the same in every trial" in picture.caption
    assert "8 neurons; 1 without repeats" in figures[2].texts[-1].get_text()


def test_without_any_repeat_there_is_no_histogram_and_the_card_says_so(tmp_path: Path) -> None:
    pictures = draw_card_pictures(scene(tmp_path, SCENES["no repeats"][0]), tmp_path)
    assert [picture.path for picture in pictures] == ["assets/all-unit.png", "assets/all-coverage.png"]
    assert "No neuron has a signal-to-noise ratio: 2 without repeats" in pictures[1].caption
    assert "of the most trials" in pictures[0].caption


@pytest.mark.parametrize("far", [40.0, 4.0])
def test_a_few_far_ratios_do_not_squeeze_the_others(far: float, figures: list[Figure]) -> None:
    snr = np.append(np.linspace(-0.1, 1, 40), far)
    table = card_pictures_quality.pa.table(
        {"n_trials": np.full(41, 8), "n_stimuli": np.full(41, 2), "snr": snr, "ccmax": np.full(41, 0.5)}
    )
    card_pictures_quality.draw_quality("x", table)
    axes = figures[0].axes[0]
    assert axes.get_xlim()[1] < 2
    assert sum(bar.get_height() for bar in axes.patches) == 41
    assert "with 1 beyond" in axes.texts[0].get_text()
    assert f"up to {far:g}" in axes.texts[0].get_text()
    assert not misplaced(figures[0])


# Reading --------------------------------------------------------------------------------------------------------------


def test_only_what_is_drawn_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = {(f"s{s:02d}", f"n{n}"): repeated(s, 2, 4000, n + 0.1) for s in range(12) for n in range(3)}
    monkeypatch.setattr("deepstrf_hf.parquet.ROW_GROUP_TARGET_BYTES", 1)  # a row group for each stimulus
    out = scene(tmp_path, pairs, stimulus="inline")
    read: list[tuple[str, Any]] = []
    whole, batches = pq.ParquetFile.read_row_group, card_pictures_reading.column_batches

    def read_row_group(self: Any, group: int, columns: Any = None, **options: Any) -> Any:
        read.append(("whole", tuple(columns)))
        return whole(self, group, columns=columns, **options)

    def column_batches(path: Path, group: int, column: str) -> Any:
        read.append(("rows", (path.parent.name, group, column)))
        return batches(path, group, column)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", read_row_group)
    monkeypatch.setattr(card_pictures_reading, "column_batches", column_batches)
    draw_card_pictures(out, tmp_path)
    columns = {name for how, names in read if how == "whole" for name in names}
    assert not columns & {"response", "spectrogram", "audio", "picture"}
    cells = [place for how, place in read if how == "rows"]
    assert len([place for place in cells if place[2] == "response"]) == card_pictures_reading.MOST_COMPARED
    assert [place[::2] for place in cells if place[2] != "response"] == [("all-stimuli", "spectrogram")]


def test_large_row_groups_are_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = {(f"s{s}", "n"): repeated(s, 2, 50, 0.1) for s in range(4)}
    out = scene(tmp_path, pairs)
    monkeypatch.setattr(card_pictures_reading, "MOST_COMPARED_BYTES", 0)
    seen: list[str] = []
    cell = card_pictures_reading._cell
    monkeypatch.setattr(
        card_pictures_reading, "_cell", lambda place, column: seen.append(column) or cell(place, column)
    )
    draw_card_pictures(out, tmp_path)
    assert seen == ["response", "spectrogram"]


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    out = scene(tmp_path, SCENES["spikes"][0])
    path = next((out / "all").glob("*.parquet"))
    content = path.read_bytes()
    path.write_bytes(content[:-20])
    with pytest.raises(TableFormatError, match=path.name):
        draw_card_pictures(out, tmp_path)
    path.unlink()
    with pytest.raises(TableFormatError, match=path.name):
        draw_card_pictures(out, tmp_path)
    with pytest.raises(TableFormatError, match="build_report"):
        draw_card_pictures(tmp_path / "raw", tmp_path)


@pytest.mark.parametrize(("table", "column"), [("all-stimuli", "stimuli"), ("all-neurons", "neurons")])
def test_tables_that_do_not_fit_together_are_refused(table: str, column: str, tmp_path: Path) -> None:
    out = scene(tmp_path, SCENES["spikes"][0])
    path = next((out / table).glob("*.parquet"))
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(TableFormatError, match=f"table of {column}"):
        draw_card_pictures(out, tmp_path)


def test_pictures_that_cannot_be_written_say_where(tmp_path: Path) -> None:
    out = scene(tmp_path, SCENES["one pair"][0], n_bands=1)
    (tmp_path / "assets").write_text("a file")
    with pytest.raises(OutputDirectoryError, match="assets"):
        draw_card_pictures(out, tmp_path)


def test_without_matplotlib_the_error_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from deepstrf_hf.card_pictures import card_section, draw_card_pictures\n"
        "from deepstrf_hf.errors import MissingDependencyError\n"
        "sys.stdout.write(card_section([]))\n"
        "try:\n    draw_card_pictures('.', '.')\n"
        "except MissingDependencyError as error:\n    sys.stdout.write(str(error))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("pip install 'deepstrf-hf[plot]'.")


# The section ----------------------------------------------------------------------------------------------------------


def test_the_section_shows_all_pictures_by_relative_paths(tmp_path: Path) -> None:
    out = scene(tmp_path, SCENES["long names"][0])
    pictures = draw_card_pictures(out, tmp_path)
    section = card_section(pictures)
    assert section.startswith("## Pictures\n\n![")
    links = re.findall(r"^!\[((?:\\.|[^\]\\])+)\]\(([^)]+)\)$", section, re.MULTILINE)
    assert [path for _, path in links] == [picture.path for picture in pictures]
    assert all((tmp_path / path).is_file() for _, path in links)
    for (text, _), picture in zip(links, pictures, strict=True):
        assert re.sub(r"\\(.)", r"\1", text) == picture.alternative_text
        assert picture.caption in section


def test_names_do_not_break_the_markdown() -> None:
    picture = CardPicture("assets/all-dt5 (2)-unit.png", "A `b`.", "Sound [1]\nof *a_b*.")
    assert card_section([picture]) == (
        "## Pictures\n\n![Sound \\[1\\] of \\*a\\_b\\*.](assets/all-dt5%20%282%29-unit.png)\n\nA `b`."
    )
    assert card_section([]) == ""


@given(st.text(min_size=1, max_size=30), st.integers(2, 20))
def test_shortened_names_keep_both_ends(text: str, most: int) -> None:
    short = shortened(text, most)
    assert len(short) <= most
    if len(text) > most:
        beginning, end = short.split("…", 1) if text.count("…") == 0 else (short[0], short[-1])
        assert text.startswith(beginning)
        assert text.endswith(end)
    else:
        assert short == text


def test_units_without_their_explanation() -> None:
    assert short_unit("mV, slow drift removed") == "mV"
    assert short_unit("cube root of power (samples are ±1)") == "cube root of power"
    assert short_unit("dB") == "dB"
