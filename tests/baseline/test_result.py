"""What a linear reference is fitted with, divided by, summed up and written as."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from deepstrf_hf import Baseline
from deepstrf_hf.baselines import fitting
from deepstrf_hf.baselines.divisions import divisions_of
from deepstrf_hf.baselines.result import average
from deepstrf_hf.baselines.run import baseline_of_grid, declared_baseline
from deepstrf_hf.baselines.settings import Settings
from deepstrf_hf.errors import DeepstrfError, ParameterError, UnknownNameError
from deepstrf_hf.linear_baseline import LinearBaseline, PublishedScore
from deepstrf_hf.registry import load_builder
from tests.baseline.examples import IDS, SETTINGS, cohort

PUBLISHED = (
    PublishedScore("linear model", 0.9, "a paper", group="good"),
    PublishedScore("of nobody", 0.5, "another", "no such neurons", group="area V1"),
)
DECLARED = LinearBaseline(scored="good", stratify=("type",), published=PUBLISHED)


@pytest.fixture(scope="module")
def result() -> Baseline:
    return baseline_of_grid(cohort(), DECLARED, SETTINGS, preprocessing="published")


def test_json_has_what_readers_of_it_rely_on(result: Baseline, tmp_path: Path) -> None:
    path = result.write(tmp_path / "new")
    found = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda name: pytest.fail(name))
    assert list(tmp_path.glob("new/*")) == [path]
    assert list(found) == [
        "format", "kind", "corpus", "config", "corpus_version", "data_fingerprint", "deepstrf_hf_version", "settings",
        "n_neurons", "n_scored", "left_out", "summary", "neurons", "published", "seconds",
    ]  # fmt: skip
    assert found["format"] == 1 and found["kind"] == "ridge STRF"
    assert found["settings"] == {
        "n_lags": 4, "dt_ms": 5.0, "n_bands": 3, "window_ms": 20.0, "penalties": [10.0, 0.1, 0.001][::-1], "n_folds": 4,
        "preprocessing": "published", "split": "published",
    } | {"penalties": list(SETTINGS.penalties)}  # fmt: skip
    assert found["n_neurons"] == len(IDS) and found["n_scored"] == len(IDS) - 6
    assert [entry["neuron_id"] for entry in found["neurons"]] == list(IDS)
    assert set(found["neurons"][0]) == {"neuron_id", *fitting.SCORES}
    deaf = found["neurons"][IDS.index("deaf")]
    assert {name for name, value in deaf.items() if value is None} == set(fitting.SCORES)
    assert {"reason": fitting.NOT_HEARD, "neurons": ["deaf"]} in found["left_out"]
    assert found["summary"]["good"]["n"] == 3
    assert found["published"][0] == {
        "what": "linear model", "value": 0.9, "source": "a paper", "note": "",
        "ours": found["summary"]["good"]["cc_norm_mean"],
    }  # fmt: skip
    assert found["published"][1]["ours"] is None


def test_summary_is_of_the_neurons_it_names(result: Baseline) -> None:
    assert list(result.summary) == ["all", "good", "area A1", "area MGB"]
    of_a1 = [n for n in range(len(IDS)) if n % 3 != 2 and np.isfinite(result.scores["cc_raw"][n])]
    entry = result.summary["area A1"]
    assert entry["n"] == len(of_a1)
    assert entry["cc_raw_mean"] == pytest.approx(result.scores["cc_raw"][of_a1].mean())
    assert entry["cc_raw_median"] == pytest.approx(np.median(result.scores["cc_raw"][of_a1]))


def test_any_column_can_be_summed_up_by(result: Baseline) -> None:
    by_depth = baseline_of_grid(cohort(), DECLARED, SETTINGS, by="depth")
    assert list(by_depth.summary) == ["all", "good", "depth 1.0", "depth not stated"]
    assert list(baseline_of_grid(cohort(), LinearBaseline(by="no such"), SETTINGS, by=None).summary) == ["all"]
    assert list(baseline_of_grid(cohort(), DECLARED, SETTINGS, by="").summary) == ["all", "good"]
    with pytest.raises(UnknownNameError, match="did you mean 'depth'"):
        baseline_of_grid(cohort(), DECLARED, SETTINGS, by="dept")


def test_without_a_published_division_several_are_drawn_and_averaged() -> None:
    grid = cohort(published=False)
    divisions, words = divisions_of(grid, DECLARED, 3)
    assert len({tuple(division["test"]) for division in divisions}) > 1
    assert "3 drawn" in words and "seeds 0 to 2" in words and "type" in words
    result = baseline_of_grid(grid, DECLARED, SETTINGS, seeds=3)
    each = [fitting.fit_division(grid, fitting_groups(grid), division, SETTINGS) for division in divisions]
    linear = [division.scores["cc_norm"][0] for division in each]
    assert result.scores["cc_norm"][0] == pytest.approx(np.mean(linear))
    assert len(set(linear)) > 1
    penalties = [division.scores["penalty"][1] for division in each]
    assert result.scores["penalty"][1] == pytest.approx(np.exp(np.mean(np.log(penalties))))
    assert result.split == words
    np.testing.assert_array_equal(result.model.weights, each[0].weights)


def fitting_groups(grid):
    from deepstrf_hf.baselines.groups import groups_of

    return groups_of(grid, 1)


def test_a_reason_that_holds_in_some_divisions_says_so() -> None:
    grid = cohort()
    both = [fitting.FittedDivision.empty(grid, SETTINGS) for _ in range(2)]
    both[0].leave_out("always", np.array([1]))
    both[1].leave_out("always", np.array([1]))
    both[1].leave_out("once", np.array([1, 2]))
    both[0].scores["cc_raw"][2] = 0.5
    scores, left_out = average(both)
    assert left_out == {"always": [1], "once (in 1 of 2 divisions)": [1, 2]}
    assert scores["cc_raw"][2] == 0.5 and np.isnan(scores["cc_raw"][1])


def test_sets_of_stimuli_stay_together() -> None:
    grid = cohort(published=False)
    divisions, words = divisions_of(grid, LinearBaseline(together="motif"), 4)
    motif = {entry["stim_id"]: entry["motif"] for entry in grid.stim_meta}
    for division in divisions:
        sides = [{motif[stim_id] for stim_id in division[name]} for name in ("train", "test")]
        assert all(sides) and not sides[0] & sides[1]
        assert sorted(division["train"] + division["test"]) == sorted(motif)
    assert "all stimuli of one motif together" in words
    with pytest.raises(UnknownNameError, match="motifs"):
        divisions_of(grid, LinearBaseline(together="motifs"), 1)


@pytest.mark.parametrize(
    ("declared", "options", "expected"),
    [
        (LinearBaseline(), {}, (5.0, 1, 30)),
        (LinearBaseline(window_ms=100, bin_ms=20), {}, (20.0, 4, 5)),
        (LinearBaseline(window_ms=100, bin_ms=2), {}, (5.0, 1, 20)),
        (LinearBaseline(window_ms=100, bin_ms=12), {}, (5.0, 1, 20)),
        (LinearBaseline(bin_ms=20), {"bin_ms": 10.0, "window_ms": 50.0}, (10.0, 2, 5)),
    ],
)
def test_settings_are_as_declared_unless_the_user_says_otherwise(declared, options, expected) -> None:
    arguments = {"window_ms": None, "bin_ms": None, "penalties": (1.0, 0.1)} | options
    settings = Settings.resolve(5.0, declared, **arguments)
    assert (settings.dt_ms, settings.stored_per_bin, settings.n_lags) == expected
    assert settings.window_ms == settings.n_lags * settings.dt_ms


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"bin_ms": 7.0}, "bin_ms"),
        ({"bin_ms": 1.0}, "bin_ms"),
        ({"bin_ms": -5.0}, "bin_ms"),
        ({"window_ms": 2.0}, "window_ms"),
        ({"window_ms": float("nan")}, "window_ms"),
        ({"window_ms": float("inf")}, "window_ms"),
        ({"penalties": ()}, "penalties"),
        ({"penalties": (1.0, -1.0)}, "penalties"),
        ({"penalties": (float("inf"),)}, "penalties"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(options, field) -> None:
    arguments = {"window_ms": None, "bin_ms": None, "penalties": (1.0,)} | options
    with pytest.raises(ParameterError) as error:
        Settings.resolve(5.0, LinearBaseline(), **arguments)
    assert error.value.field == field and isinstance(error.value, DeepstrfError)


def test_the_declaration_is_found_by_corpus_and_cohort() -> None:
    declared = load_builder("crcns_ac1").CORPUS.cohort("wehr").baseline
    assert declared.scored == "published_valid" and declared.published[0].value == 0.21
    assert declared_baseline({"corpus": "crcns_ac1", "cohort": "wehr"}) is declared
    assert declared_baseline({"corpus": "somebody's", "cohort": "wehr"}) == LinearBaseline()
    assert declared_baseline({"corpus": "crcns_ac1", "cohort": "renamed"}) == LinearBaseline()
    assert declared_baseline({"corpus": "crcns_ac1"}) == LinearBaseline()


def test_the_figure_shows_the_best_of_each_group(result: Baseline, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from deepstrf_hf.baselines.drawing import best_neurons

    shown = best_neurons(result)
    assert len(shown) == 6
    for members in (result.groups["area A1"], result.groups["area MGB"]):
        scored = np.where(members, np.nan_to_num(result.scores["cc_raw"], nan=-1), -1)
        assert int(np.argmax(scored)) in shown
    path = result.draw(tmp_path)
    assert path is not None and path.read_bytes().startswith(b"\x89PNG") and list(tmp_path.iterdir()) == [path]


def test_nothing_is_drawn_where_nothing_is_scored(tmp_path: Path) -> None:
    grid = cohort(published=False)
    alone = baseline_of_grid(grid, LinearBaseline(together="motif"), SETTINGS, seeds=1)
    empty = fitting.FittedDivision.empty(grid, SETTINGS)
    nothing = Baseline(**{**vars(alone), "scores": empty.scores, "model": empty.model})
    assert nothing.draw(tmp_path) is None and nothing.n_scored == 0
    entry = nothing.summary["all"]
    assert entry.pop("n") == 0 and len(entry) == 6 and set(entry.values()) == {None}
