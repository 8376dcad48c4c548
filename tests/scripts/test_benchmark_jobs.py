"""Jobs of the benchmark: what they answer, measured in the process of the test and in one of their own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from scripts.benchmarks import grid_jobs, limits, measure
from scripts.benchmarks.grid_answers import same
from scripts.benchmarks.grids import SIZES, made_grid
from scripts.benchmarks.job import JobFailedError, run_job, run_jobs
from tests.scripts.test_benchmark_grids import pairs_of

GRIDS = ("nat4", "wingert")


def answer_of(job: Callable[..., dict[str, Any]], grid: str, fraction: float = 1.0) -> dict[str, Any]:
    answer = job("ours", grid, "tiny", fraction)
    assert json.loads(json.dumps(answer)) == answer  # it crosses the border of a process
    assert answer["amounts"] == made_grid(SIZES[grid, "tiny"].scaled(fraction)).amounts
    memory = answer["memory"]
    assert min(memory["imports_mb"], memory["inputs_mb"], memory["peak_mb"]) > 0
    assert memory["peak_above_inputs_mb"] == memory["peak_mb"] - memory["inputs_mb"]
    for timing in answer["figures"].values():
        assert 0 < timing["fastest"] <= timing["seconds"] <= timing["slowest"] and timing["runs"] >= 1
    return answer


@pytest.mark.parametrize("grid", GRIDS)
def test_construct_and_masks_count_what_was_recorded(grid: str) -> None:
    made = made_grid(SIZES[grid, "tiny"])
    pairs = pairs_of(made)
    built = answer_of(grid_jobs.construct, grid)
    assert built["result"] == [len(made.blocks), made.n_neurons, len(pairs)]
    assert set(built["figures"]) == {"construct", "construct_copied"}
    masks = answer_of(grid_jobs.masks, grid)
    middle = len(made.blocks) // 2
    of_middle = sum(stimulus == middle for stimulus, _ in pairs)
    assert masks["result"] == [len(made.blocks), made.n_neurons, len(pairs), of_middle]


@pytest.mark.parametrize("grid", GRIDS)
def test_items_have_the_values_of_the_grid(grid: str) -> None:
    made = made_grid(SIZES[grid, "tiny"])
    pairs = pairs_of(made)
    sizes = [0] * len(made.blocks)
    for (stimulus, _), counts in pairs.items():
        sizes[stimulus] += counts.size
    number, items = answer_of(grid_jobs.items, grid)["result"]
    assert number == len(made.blocks) and {neurons for neurons, _ in items} == {made.n_neurons}
    assert {finite for _, finite in items} <= set(sizes) and len(items) == grid_jobs.ITEMS_COMPARED
    assert items[0][1] == sizes[0] and items[-1][1] == sizes[-1]
    selected = answer_of(grid_jobs.selected_items, grid)
    half = len(made.blocks) // 2
    heard = {neuron for stimulus, neuron in pairs if stimulus < half}
    number, items = selected["result"]
    assert number == half and {neurons for neurons, _ in items} == {len(heard)}
    assert items[-1][1] == sizes[half - 1]
    assert set(selected["figures"]) == {"select_and_first_item", "selected_item", "selected_item_read"}


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("subset", ["est", "val"])
def test_batches_have_the_values_of_the_grid(grid: str, subset: str) -> None:
    size = SIZES[grid, "tiny"]
    made = made_grid(size)
    pairs = pairs_of(made)
    job = {"est": grid_jobs.est_batch, "val": grid_jobs.val_batch}[subset]
    result = answer_of(job, grid)["result"]
    number = {"est": 32, "val": 6}[subset]
    trials = {"est": 1, "val": size.val_trials}[subset]
    assert result["shape"] == [number, size.neurons, trials, size.bins]
    # The same stimuli, drawn anew: the draw is part of what is compared between libraries.
    chosen = np.random.default_rng(grid_jobs.SEED).choice(made.stimuli_of(subset), number, replace=False)
    responses = [counts for (stimulus, _), counts in pairs.items() if stimulus in chosen]
    assert result["valid"] == sum(counts.size for counts in responses)
    assert result["responses"] == sum(int(counts.sum()) for counts in responses)
    assert result["stims"] == pytest.approx(sum(made.spectrograms[stimulus].sum() for stimulus in chosen), rel=1e-5)


def test_slow_items_are_timed_fewer_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid_jobs, "RUN_S", 0.0)
    fetched: list[int] = []

    class Counting(list[dict[str, list[Any]]]):
        def __getitem__(self, position: Any) -> Any:
            fetched.append(position)
            return super().__getitem__(position)

    memory = grid_jobs.Memory()
    memory.have_inputs(made_grid(SIZES["nat4", "tiny"]))
    figures, result = grid_jobs._items(Counting([{"responses": []}] * 20), memory, "some_")
    assert result == [20, [[0, 0]] * 8] and set(fetched[8:]) == {0}
    runs = sum(timing["runs"] + 1 for timing in figures.values())
    assert len(fetched) == 8 + 1 + runs  # compared, tried, then one in each run and each warm-up


def test_epochs_go_through_est_stimuli_and_count_their_batches() -> None:
    size = SIZES["wingert", "tiny"]
    est = len(made_grid(size).stimuli_of("est"))
    whole = answer_of(grid_jobs.site_epoch, "wingert")
    assert whole["result"]["stimuli"] == est  # every one of them
    timing = whole["figures"]["site_epoch"]
    assert timing["batches"] == timing["batches_timed"] == size.sites  # none of the sites fills a batch
    assert whole["result"]["largest_batch"][1] <= -(-size.neurons // size.sites)
    dense = answer_of(grid_jobs.dense_epoch, "wingert")
    timing = dense["figures"]["dense_epoch"]
    assert timing["batches"] == -(-est // 32) and timing["batches_timed"] == min(3, timing["batches"])
    assert dense["result"]["largest_batch"][1] == size.neurons


def test_an_epoch_that_is_not_timed_whole_is_worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid_jobs, "DENSE_BATCHES", 1)
    monkeypatch.setattr(grid_jobs, "seconds_of", lambda run, per=1, **_: _timed_as(2.0, run, per))
    timing = grid_jobs.dense_epoch("ours", "wingert", "tiny", 1.0)["figures"]["dense_epoch"]
    assert timing["batches_timed"] == 1 and timing["batches"] == 3
    assert timing["seconds"] == 6.0  # 2 s for each batch timed


def _timed_as(seconds: float, run: Callable[[], Any], per: int) -> dict[str, Any]:
    run()
    return dict.fromkeys(("seconds", "fastest", "slowest", "processor"), seconds / per) | {"runs": 1}


def test_seconds_of_counts_runs_and_prepares_each(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    lengths = iter([100.0, 1.0, 5.0, 3.0, 9.0, 7.0])
    prepared: list[int] = []
    ran: list[int] = []

    def prepare() -> int:
        now[0] += 1000.0  # not timed
        prepared.append(len(prepared))
        return prepared[-1]

    def run(given: int) -> None:
        ran.append(given)
        now[0] += next(lengths)

    monkeypatch.setattr(measure.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(measure.time, "process_time", lambda: now[0] * 2)  # two threads ran all the time
    timing = measure.seconds_of(run, prepare=prepare, warm_up=1, at_least=2, at_most=5, budget_s=1e9, per=2)
    assert ran == prepared == [0, 1, 2, 3, 4, 5]
    assert timing == {
        "seconds": 2.5,
        "fastest": 0.5,
        "slowest": 4.5,
        "processor": 5.0,
        "runs": 5,
    }  # the first run did not count
    lengths = iter([1.0] * 9)
    timing = measure.seconds_of(lambda: run(0), warm_up=0, at_least=3, at_most=9, budget_s=0.0)
    assert timing["runs"] == 3  # beyond the budget, but never fewer


def test_memory_is_seen() -> None:
    before = measure.resident_mb()
    block = np.ones(64 * 10**6, np.uint8)
    assert measure.resident_mb() - before > 50 and measure.peak_mb() >= measure.resident_mb() - 1
    del block
    if measure.forget_peak():
        assert measure.peak_mb() < before + 50


def test_limits_are_the_fastest_way() -> None:
    for limit in (limits.fresh_batch([3, 4, 2, 5]), limits.fresh_copy(1000)):
        assert limit["seconds"] == min(limit["ways"].values()) == limit["ways"][limit["way"]] > 0
    assert json.dumps(limit)


def test_bandwidth_is_bytes_over_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "COPY_VALUES", 10**6)
    monkeypatch.setattr(limits, "seconds_of", lambda run, **_: _timed_as(0.5, run, 1))
    found = limits.bandwidth()
    assert found["one_thread_gb_per_s"] == found["torch_threads_gb_per_s"] == pytest.approx(0.008)


def test_a_job_runs_in_a_process_of_its_own() -> None:
    first, second = run_jobs(sys.executable, [("os:getpid", {}), ("os:getpid", {})])
    assert first == second != os.getpid()
    assert run_job(sys.executable, "scripts.benchmarks.versions:installed", distributions=["numpy", "no such"]) == {
        "numpy": np.__version__,
        "no such": None,
        "processors": pytest.approx(os.cpu_count(), abs=os.cpu_count() or 1),
    }


def test_a_job_that_fails_says_what_it_was() -> None:
    with pytest.raises(JobFailedError) as failed:
        run_job(sys.executable, "scripts.benchmarks.grid_jobs:masks", library="ours", grid="x", size="y", fraction=1.0)
    assert "grid_jobs:masks" in str(failed.value) and "KeyError: ('x', 'y')" in str(failed.value)


def test_results_are_compared_by_value() -> None:
    assert same({"a": [1, 2.0], "b": True}, {"a": [1, 2.0 + 1e-9], "b": True})
    for one, other in (({"a": 1}, {"b": 1}), ([1], [1, 1]), (1, 2), (1.0, 1.001), ([1], {"a": 1}), (None, 0)):
        assert not same(one, other) and not same(other, one)
