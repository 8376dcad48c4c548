"""The picture of coverage: what is in it, where it stands, and that it can be read."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from deepstrf_hf import NeuralDataset, coverage
from deepstrf_hf.coverage import plot_coverage
from deepstrf_hf.coverage_axes import AxisEntries
from deepstrf_hf.errors import GridError, OutputDirectoryError, ParameterError, UnknownNameError
from tests.grid.examples import TOY_TRIALS, toy


def grid_of(trials, stim_meta=None, nrn_meta=None, name=""):
    """Return a grid with these numbers of trials, (stimuli, neurons), of one bin each."""
    trials = np.asarray(trials)
    pairs = {
        (int(stimulus), int(neuron)): np.zeros((trials[stimulus, neuron], 1), np.uint8)
        for stimulus, neuron in zip(*np.nonzero(trials), strict=True)
    }
    stimuli = [np.zeros((1, 1), np.float32)] * trials.shape[0]
    return NeuralDataset.from_arrays(stimuli, pairs, stim_meta, nrn_meta, dt_ms=5, n_neurons=trials.shape[1], name=name)


def mesh_of(figure):
    (mesh,) = (part for part in figure.axes[0].collections if part.get_array() is not None)
    return mesh


def shown(figure):
    """Return the numbers in the matrix, 0 where it is empty."""
    return np.ma.filled(mesh_of(figure).get_array(), 0)


def sums(figure):
    """Return the marginal plots: stimuli per neuron, neurons per stimulus."""
    return [axes.patches[0].get_data().values for axes in figure.axes[1:3]]


def labels(figure, which):
    axis = getattr(figure.axes[0], f"{which}axis")
    return [label.get_text() for label in axis.get_ticklabels()]


def texts(figure):
    return "\n".join(text.get_text() for text in figure.texts)


TOY_COUNTS = np.zeros((4, 3), int)
for _pair, _trials in TOY_TRIALS.items():
    TOY_COUNTS[_pair] = _trials


def test_the_matrix_is_the_numbers_of_trials():
    figure = plot_coverage(toy())
    np.testing.assert_array_equal(shown(figure), TOY_COUNTS)
    np.testing.assert_array_equal(sums(figure)[0], (TOY_COUNTS > 0).sum(axis=0))
    np.testing.assert_array_equal(sums(figure)[1], (TOY_COUNTS > 0).sum(axis=1))
    assert labels(figure, "x") == ["n0", "n1", "n2"]
    assert labels(figure, "y") == ["s0", "s1", "s2", "s3"]
    assert "3 neurons × 4 stimuli: 7 pairs (58.3 %) of 1 to 3 trials" in texts(figure)


def test_the_first_stimulus_is_above():
    low, high = plot_coverage(toy()).axes[0].get_ylim()
    assert low > high


def test_each_number_of_trials_has_its_own_colour():
    figure = plot_coverage(toy())
    mesh = mesh_of(figure)
    assert len({mesh.to_rgba(count) for count in (1, 2, 3)}) == 3
    assert [label.get_text() for label in figure.axes[3].get_yticklabels()] == ["1", "2", "3"]


def test_many_numbers_of_trials_have_a_logarithmic_scale():
    trials = np.arange(1, 31).reshape(5, 6)
    figure = plot_coverage(grid_of(trials))
    norm = mesh_of(figure).norm
    assert float(norm(5)) == pytest.approx(np.log(5) / np.log(30))
    written = [label.get_text() for label in figure.axes[3].get_yticklabels()]
    assert (written[0], written[-1]) == ("1", "30")


@pytest.mark.parametrize("n_trials", [1, 7])
def test_a_single_pair(n_trials):
    figure = plot_coverage(grid_of([[n_trials]]))
    assert shown(figure).tolist() == [[n_trials]]
    assert f"1 neuron × 1 stimulus: 1 pair (100 %) of {n_trials} trial" in texts(figure)


def test_neurons_and_stimuli_are_grouped_by_an_attribute():
    figure = plot_coverage(toy(), neurons_by="area", stims_by="split")
    np.testing.assert_array_equal(shown(figure), TOY_COUNTS[[1, 2, 3, 0]])  # est, est, est, test
    assert labels(figure, "x") == ["A1", "AAF"]
    assert labels(figure, "y") == ["est", "test"]
    ticks = figure.axes[0].get_xticks()
    np.testing.assert_allclose(ticks, [1 / 3, 5 / 6])  # in the middle of two neurons of three, and of the last


@pytest.mark.parametrize(
    ("values", "order", "written"),
    [
        (["s10", "s9", None, "S1"], [3, 1, 0, 2], ["S1", "s9", "s10", "none"]),
        ([3, 0.5, float("nan"), 20], [1, 0, 3, 2], ["0.5", "3", "20", "none"]),
        (["b", 7, "a", True], [1, 2, 0, 3], ["7", "a", "b", "True"]),
        ([["x", 1], "c", ["x", 1], "c"], [0, 2, 1, 3], ["['x', 1]", "c"]),
    ],
)
def test_values_are_in_their_natural_order(values, order, written):
    trials = np.diag([1, 2, 3, 4])
    figure = plot_coverage(grid_of(trials, nrn_meta=[{"x": value} for value in values]), neurons_by="x")
    np.testing.assert_array_equal(shown(figure), trials[:, order])
    assert labels(figure, "x") == written


def test_an_unknown_attribute_offers_near_ones():
    with pytest.raises(UnknownNameError, match="'area'"):
        plot_coverage(toy(), neurons_by="aera")
    with pytest.raises(UnknownNameError, match="stimulus"):
        plot_coverage(toy(), stims_by="area")


def test_what_is_selected_is_drawn_in_the_order_of_the_grid():
    dataset = toy()
    dataset.select_population([2, 0, 2])
    dataset.select_stims([3, 2])
    figure = plot_coverage(dataset)
    np.testing.assert_array_equal(shown(figure), TOY_COUNTS[np.ix_([2, 3], [0, 2])])
    assert "selected from 3 neurons × 4 stimuli" in texts(figure)
    assert "selected" not in texts(plot_coverage(toy()))


def test_stimuli_that_nobody_heard_are_drawn_unless_there_is_a_selection():
    trials = np.array([[1, 2], [0, 0]])
    np.testing.assert_array_equal(shown(plot_coverage(grid_of(trials))), trials)
    dataset = grid_of(trials)
    dataset.select_population([0, 1])
    np.testing.assert_array_equal(shown(plot_coverage(dataset)), trials[:1])


def test_nothing_cannot_be_drawn():
    dataset = toy()
    dataset.select_stims([])
    with pytest.raises(GridError, match="nothing to draw"):
        plot_coverage(dataset)
    with pytest.raises(GridError, match="nothing to draw"):
        plot_coverage(grid_of(np.zeros((2, 2), int)))


def test_names_of_the_data_and_long_names(tmp_path):
    meta = [{"stim_id": f"a very long name of a recording of sound {number}.wav"} for number in range(3)]
    figure = plot_coverage(grid_of(np.eye(3, dtype=int), stim_meta=meta, name="corpus/cohort"))
    assert "corpus/cohort" in texts(figure)
    assert len(set(labels(figure, "y"))) == 3  # the end, where they differ, is kept
    assert all(len(label) <= 24 for label in labels(figure, "y"))


def sparse(n_stimuli, n_neurons, filled, seed=0):
    trials = np.zeros((n_stimuli, n_neurons), int)
    rng = np.random.default_rng(seed)
    there = rng.random(trials.shape) < filled
    trials[there] = rng.integers(1, 30, there.sum())
    trials[0, 0] = 1
    return trials


def cells_of(figure):
    """Return the edges of the cells, in stimuli and neurons, of a picture without groups."""
    corners = mesh_of(figure).get_coordinates()
    rows, columns = corners[:, 0, 1], corners[0, :, 0]
    return rows, columns


@pytest.mark.parametrize("shape", [(1500, 40), (30, 2400), (1441, 1121)])
def test_of_a_large_grid_every_block_shows_its_largest_number(shape):
    trials = sparse(*shape, filled=0.001)
    figure = plot_coverage(grid_of(trials))
    rows, columns = (np.rint(edges * length).astype(int) for edges, length in zip(cells_of(figure), shape, strict=True))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (0, shape[0], 0, shape[1])
    found = shown(figure)
    assert found.shape[0] <= coverage.MOST_CELLS[0]
    assert found.shape[1] <= coverage.MOST_CELLS[1]
    for (row, (top, bottom)), (column, (left, right)) in itertools.product(
        enumerate(itertools.pairwise(rows)), enumerate(itertools.pairwise(columns))
    ):
        if found[row, column] != trials[top:bottom, left:right].max():
            pytest.fail(f"cell {row}, {column}")
    np.testing.assert_array_equal(sums(figure)[0], np.maximum((trials > 0).sum(axis=0), sums(figure)[0].min()))
    assert "block of up to" in texts(figure)


def test_a_few_test_stimuli_among_thousands_are_seen():
    trials = np.zeros((3000, 20), int)
    trials[np.arange(2994), np.arange(2994) % 20] = 1
    trials[2994:] = 20
    meta = [{"kind": "val" if stimulus >= 2994 else "est"} for stimulus in range(3000)]
    figure = plot_coverage(grid_of(trials, stim_meta=meta), stims_by="kind")
    pixels = figure.axes[0].get_window_extent().height
    rows = cells_of(figure)[0]
    repeated = rows[np.flatnonzero((shown(figure) == 20).all(axis=1))[0] :]
    assert (repeated[-1] - repeated[0]) * pixels > 6
    assert (shown(figure)[: len(rows) - len(repeated)] <= 1).all()
    assert np.diff(rows).min() * pixels >= 1
    assert "small groups are drawn larger" in texts(figure)


def test_cells_never_mix_groups():
    entries = AxisEntries("", 1000, np.array([0, 3, 500, 501, 1000]), ["a", "b", "c", "d"], grouped=True)
    edges = entries.cell_edges(100)
    assert set(entries.edges.tolist()) <= set(edges.tolist())
    assert (np.diff(edges) > 0).all()
    drawn = entries.drawn(edges)
    assert (drawn[0], drawn[-1]) == (0, pytest.approx(1))
    assert np.diff(drawn).min() >= 1 / 100


@given(st.integers(1, 6000), st.integers(10, 1200))
def test_cells_are_as_many_as_have_room(length, most):
    edges = AxisEntries("", length, np.array([0]), [], grouped=False).cell_edges(most)
    assert (edges[0], edges[-1]) == (0, length)
    blocks = np.diff(edges)
    assert blocks.min() / length >= 1 / most
    assert blocks.max() <= blocks.min() + 1
    assert blocks.max() == 1 or len(blocks) > most / 3


def overlapping(boxes):
    return [(one, other) for one, other in itertools.combinations(boxes, 2) if one.overlaps(other)]


def meta(kind, count, groups, length=8):
    return [
        {f"{kind}_id": f"{kind}-{'x' * length}-{number:05d}", "group": f"group {number % groups:03d}"}
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("n_stimuli", "n_neurons", "stim_groups", "neuron_groups", "length"),
    [
        (1, 1, None, None, 8),
        (3, 40, None, None, 30),
        (40, 3, None, None, 30),
        (40, 40, 7, 25, 8),
        (41, 300, None, 68, 1),
        (600, 850, 2, 22, 1),
        (900, 150, 150, 150, 1),
        (1000, 1, None, None, 1),
        (1, 1500, None, 1500, 1),
    ],
)
def test_it_can_be_read(n_stimuli, n_neurons, stim_groups, neuron_groups, length):
    figure = plot_coverage(
        grid_of(
            sparse(n_stimuli, n_neurons, 0.1),
            meta("stim", n_stimuli, stim_groups or 1, length),
            meta("neuron", n_neurons, neuron_groups or 1, length),
            name="corpus/cohort",
        ),
        stims_by="group" if stim_groups else None,
        neurons_by="group" if neuron_groups else None,
    )
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    whole = figure.bbox
    axes = figure.axes[0]
    written = []
    for axis in (axes.xaxis, axes.yaxis):
        boxes = [label.get_window_extent(renderer) for label in axis.get_ticklabels() if label.get_text()]
        assert not overlapping(boxes)
        title = axis.label.get_window_extent(renderer)
        assert not any(title.overlaps(box) for box in boxes)
        written += [title, *boxes]
    headings = [text.get_window_extent(renderer) for text in figure.texts if text.get_text()]
    for other in figure.axes:
        headings_hit = [box for box in headings if box.overlaps(other.get_window_extent(renderer))]
        assert not headings_hit
        for part in (other.xaxis, other.yaxis):
            if part.label.get_text():
                written.append(part.label.get_window_extent(renderer))
    for box in written + headings:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= whole.x1
        assert box.y1 <= whole.y1


@pytest.mark.parametrize(("ending", "magic"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("SVG", b"<?xml")])
def test_it_is_written_in_the_format_of_the_path(tmp_path, ending, magic):
    path = tmp_path / "pictures" / f"coverage.{ending}"
    figure = plot_coverage(toy(), path)
    assert isinstance(figure, Figure)
    assert path.read_bytes().startswith(magic)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_the_same_grid_gives_the_same_png(tmp_path):
    for name in ("one.png", "other.png"):
        plot_coverage(toy(), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()


def test_a_cell_without_data_is_pale_in_the_file(tmp_path):
    plot_coverage(toy(), tmp_path / "toy.png")
    figure = plot_coverage(toy())
    picture = np.asarray(Image.open(tmp_path / "toy.png").convert("L"))
    box = figure.axes[0].get_position()
    height, width = picture.shape
    brightness = np.array(
        [
            [
                picture[
                    round(height * (1 - box.y1 + box.height * (row + 0.5) / 4)),
                    round(width * (box.x0 + box.width * (column + 0.5) / 3)),
                ]
                for column in range(3)
            ]
            for row in range(4)
        ]
    )
    assert (brightness[TOY_COUNTS == 0] > 230).all()
    assert (brightness[TOY_COUNTS > 0] < 215).all()


@pytest.mark.parametrize("path", ["coverage", "coverage.jpg", "coverage.png.txt"])
def test_another_format_is_refused(tmp_path, path):
    with pytest.raises(ParameterError, match="path"):
        plot_coverage(toy(), tmp_path / path)
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_the_picture_before(tmp_path, monkeypatch):
    path = tmp_path / "coverage.png"
    path.write_bytes(b"the picture before")

    def fail_half_way(self, target, **options):
        target.write_bytes(b"half a picture")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fail_half_way)
    with pytest.raises(OutputDirectoryError, match="disk full"):
        plot_coverage(toy(), path)
    assert path.read_bytes() == b"the picture before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["coverage.png"]


def test_no_figure_is_left_to_be_shown():
    from matplotlib._pylab_helpers import Gcf

    before = len(Gcf.get_all_fig_managers())
    plot_coverage(toy())
    assert len(Gcf.get_all_fig_managers()) == before
