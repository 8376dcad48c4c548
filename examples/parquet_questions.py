# %% [markdown]
# # Questions asked of Parquet files
#
# The tables are plain Parquet, so most questions need no library of ours: DuckDB and polars read the files where they
# are, one column at a time. Each answer below is held against the same answer from the grid.
#
# The tables of this example are built with `stimulus="reference"`, as those of large corpora are: rows of the main
# table hold responses and metadata, and the spectrogram stands once, in the table of stimuli.

# %%
import duckdb
import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import recordings

import deepstrf_hf

tables = recordings.tables("ns1", stimulus="reference")  # or tables = "hf://datasets/deepstrf/ns1"
ROWS, STIMULI, NEURONS = (f"{tables}/{name}/*.parquet" for name in ("a1", "a1-stimuli", "a1-neurons"))
grid = deepstrf_hf.load(tables, "a1", preprocessing=None)  # only to check the answers
print(grid)
numbers = {"synthetic": recordings.is_synthetic("ns1"), "agree with the grid": []}


def ask(query, **values):
    """Return the answer of DuckDB as a polars table; ``$name`` in the query stands for a value."""
    return duckdb.sql(query, params=values).pl()


def check(question, answer, of_the_grid):
    """Compare two answers and note that they agree."""
    np.testing.assert_allclose(answer, of_the_grid, rtol=1e-6, atol=1e-9, err_msg=question)
    numbers["agree with the grid"].append(question)


# %% [markdown]
# ## Which neurons can be predicted well?
#
# `ccmax` is the correlation that a perfect model could reach with the mean over trials (Schoppe et al. 2016); it is
# in the table of neurons, with everything else that is known of each of them.

# %%
good = ask("SELECT neuron_id, ccmax FROM read_parquet($neurons) WHERE ccmax > 0.7 ORDER BY ccmax DESC", neurons=NEURONS)
print(good)
ccmax = grid.compute_neuron_quality(ccmax="schoppe")["ccmax"]
ids = [neuron["neuron_id"] for neuron in grid.nrn_meta]
in_grid = sorted(ids[neuron] for neuron in np.flatnonzero(ccmax > 0.7))
check("ccmax of the good neurons", good["ccmax"], [ccmax[ids.index(name)] for name in good["neuron_id"]])
check("number of good neurons", len(good), len(in_grid))
numbers["good neurons"] = sorted(good["neuron_id"])

# %% [markdown]
# ## How many spikes per trial, by subset?
#
# A response is a list of trials, each a list of counts. polars sums inside the lists without unfolding them.

# %%
per_trial = (
    pl.scan_parquet(ROWS)
    .select(
        "subset",
        spikes=pl.col("response").list.eval(pl.element().list.sum()).list.sum(),
        trials=pl.col("response").list.len(),
    )
    .group_by("subset")
    .agg(spikes_per_trial=pl.col("spikes").sum() / pl.col("trials").sum(), pairs=pl.len())
    .sort("subset")
    .collect()
)
print(per_trial)
for subset, answer, _ in per_trial.iter_rows():
    view = grid.where(stims={"subset": subset})
    trials = [trial for item in range(len(view)) for response in view[item]["responses"] for trial in response]
    check(f"spikes per trial, {subset}", answer, np.mean([trial.sum().item() for trial in trials]))
    numbers[f"spikes per trial, {subset}"] = answer

# %% [markdown]
# ## The PSTH of one neuron
#
# The best neuron's mean rate in time, for one sound. Row groups hold whole stimuli, so the condition on `stim_id`
# reads a few of them and leaves the others alone.

# %%
best = good["neuron_id"][0]
sound = ask("SELECT min(stim_id) FROM read_parquet($rows) WHERE subset = 'test'", rows=ROWS).item()
psth = ask(
    """
    SELECT bin, avg(count) * 1000 / any_value(dt_ms) AS rate
    FROM (
        SELECT unnest(trial) AS count, generate_subscripts(trial, 1) - 1 AS bin, dt_ms
        FROM (
            SELECT unnest(response) AS trial, dt_ms
            FROM read_parquet($rows)
            WHERE neuron_id = $neuron AND stim_id = $sound
        )
    )
    GROUP BY bin
    ORDER BY bin
    """,
    rows=ROWS,
    neuron=best,
    sound=sound,
)
responses = grid.where(stims=[sound], neurons=[best])[0]["responses"][0].numpy()
check("PSTH", psth["rate"], responses.mean(axis=0) * 1000 / grid.dt)
numbers["highest rate in the PSTH (spikes/s)"] = psth["rate"].max()

# %% [markdown]
# ## What does it listen to? A join
#
# The mean spectrogram before a spike needs both tables: each row finds its sound by `stim_id`. The rest is reverse
# correlation: a band's level so many bins earlier, weighted by the spikes, less its mean over all bins. Unlike a
# ridge STRF it is not corrected for what sounds have in common, so it is broader, in time and in frequency.

# %%
joined = ask(
    """
    SELECT stim_id, response, spectrogram
    FROM read_parquet($rows) JOIN (SELECT stim_id, spectrogram FROM read_parquet($stimuli)) USING (stim_id)
    WHERE neuron_id = $neuron
    ORDER BY stim_id
    """,
    rows=ROWS,
    stimuli=STIMULI,
    neuron=best,
)
LAGS = 20


def spike_triggered_average(pairs):
    """Return the mean level before a spike, (bands, lags), less the mean level; pairs are (spectrogram, spikes)."""
    total, spikes, mean = 0.0, 0.0, np.concatenate([levels for levels, _ in pairs], axis=1).mean(axis=1, keepdims=True)
    for levels, counts in pairs:
        windows = np.lib.stride_tricks.sliding_window_view(levels - mean, LAGS, axis=1)[:, :, ::-1]  # lag 0 first
        total, spikes = total + np.einsum("ftl,t->fl", windows, counts[LAGS - 1 :]), spikes + counts[LAGS - 1 :].sum()
    return total / spikes


average = spike_triggered_average(
    [(np.array(levels), np.sum(trials, axis=0)) for _, trials, levels in joined.iter_rows()]
)
view = grid.where(neurons=[best])
of_the_grid = spike_triggered_average(
    [
        (view[item]["stims"][0].numpy().astype(float), view[item]["responses"][0].numpy().sum(axis=0))
        for item in range(len(view))
    ]
)
check("spike-triggered average", average, of_the_grid)
band, lag = np.unravel_index(average.argmax(), average.shape)
numbers["best neuron"] = best
numbers["its best frequency (Hz)"] = float(grid.band_frequencies_hz[band])
numbers["its latency (ms)"] = float(lag * grid.dt)
recordings.write_numbers("parquet_questions", numbers)

# %%
figure, axes = plt.subplot_mosaic([["ccmax", "average"], ["psth", "psth"]], figsize=(9.5, 6.2), layout="constrained")
everything = ask("SELECT ccmax FROM read_parquet($neurons) WHERE isfinite(ccmax)", neurons=NEURONS)
axes["ccmax"].hist(everything["ccmax"], bins=np.arange(0, 1.05, 0.05), color="#b0b6be")
axes["ccmax"].yaxis.get_major_locator().set_params(integer=True)
axes["ccmax"].axvline(0.7, color="#d1411b")
axes["ccmax"].set(
    xlabel="ccmax: best possible correlation with the trial mean",
    ylabel="neurons",
    title=f"{len(good)} of {len(ids)} neurons above 0.7",
)
span = np.abs(average).max()
khz = np.array(grid.band_frequencies_hz) / 1000
mesh = axes["average"].pcolormesh(-np.arange(LAGS) * grid.dt, khz, average, cmap="RdBu_r", vmin=-span, vmax=span)
axes["average"].set(yscale="log", xlabel="time before the spike (ms)", ylabel="frequency (kHz)")
axes["average"].set_yticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"], minor=False)
axes["average"].minorticks_off()
axes["average"].set_title("Spike-triggered average")
figure.colorbar(mesh, ax=axes["average"], label="level above the mean (dB)")
axes["psth"].fill_between((psth["bin"] + 0.5) * grid.dt / 1000, psth["rate"], step="mid", color="#50575f", linewidth=0)
axes["psth"].set(
    xlabel="time from sound onset (s)", ylabel="rate (spikes/s)", xlim=(0, len(psth) * grid.dt / 1000), ylim=(0, None)
)
axes["psth"].set_title(f"PSTH of {best}, sound {sound}")
for name in ("ccmax", "psth"):
    axes[name].spines[["top", "right"]].set_visible(False)
figure.savefig(recordings.OUT / "parquet_questions.png", dpi=110)
