# %% [markdown]
# # A ridge STRF for every unit of NS1
#
# How much of what a neuron of auditory cortex does is a weighted sum of the sound's recent past? The spectrotemporal
# receptive field (STRF) is the answer that people ask first: one weight per frequency band and time lag, fitted by
# penalised least squares (Theunissen, Sen & Doupe 2000).
#
# NS1 has 119 units of ferret A1, 20 natural clips of 5 s and 20 repeats of each (Harper et al. 2016). Its papers hold
# out four clips (Rahman et al. 2020); so do we. Without `DATA`, the units are simulated: linear-nonlinear-Poisson
# neurons that hear synthetic sounds, in files laid out like the real ones.

# %%
import matplotlib.pyplot as plt
import numpy as np
import recordings
from torch.utils.data import DataLoader

import deepstrf_hf
from deepstrf_hf.strf.figure import draw_strf_figure
from deepstrf_hf.strf.ridge import fit_ridge, predict
from deepstrf_hf.strf.scores import evaluate

tables = recordings.tables("ns1")  # a directory that `deepstrf-hf build` wrote, or the name of a Hub repository
grid = deepstrf_hf.load(tables, "a1", preprocessing=None)  # plain spike counts in bins of 5 ms
print(grid)
print(grid.splits)

# %% [markdown]
# ## From the grid to arrays
#
# A batch of one stimulus holds its spectrogram, (1, 1, bands, bins), and the responses of all units, (1, units,
# trials, bins). Trials that a unit lacks are NaN, so means over trials are `nanmean`.


# %%
def clips(split):
    """Return the spectrograms (bands, bins) and the responses (units, trials, bins) of the clips of a split."""
    batches = DataLoader(grid.where(stims=grid.splits[split]), collate_fn=deepstrf_hf.neural_collate)
    pairs = [(batch["stims"][0, 0].numpy(), batch["responses"][0].numpy()) for batch in batches]
    return [sound for sound, _ in pairs], [trials for _, trials in pairs]


train_sounds, train_trials = clips("train")
test_sounds, test_trials = clips("test")

# %% [markdown]
# ## Fit all units at once
#
# 30 lags of 5 ms: 150 ms of the past. All units heard the same clips, so they share one eigendecomposition per fold,
# and the penalty of each unit is chosen by cross-validation over training clips. The test clips are not looked at.

# %%
model = fit_ridge(train_sounds, [np.nanmean(trials, axis=1) for trials in train_trials], n_lags=30)
scores = evaluate(model, test_sounds, test_trials)

# %% [markdown]
# ## How good is that? It depends on the noise
#
# The plain correlation with the mean over trials, `cc_raw`, cannot reach 1: the mean of 20 noisy trials is itself
# noisy, and a perfect model would score `cc_max`. The noise-corrected correlation, `cc_norm`, divides by that ceiling
# (Schoppe et al. 2016), so that units of different noise can be compared. A unit that does not follow the sound at
# all has no ceiling and no `cc_norm`.

# %%
single = np.array([unit["single_unit_at_known_depth"] for unit in grid.nrn_meta])
scored = np.isfinite(scores.cc_norm)
numbers = {
    "synthetic": recordings.is_synthetic("ns1"),
    "units": grid.N_neurons,
    "clips to fit": len(train_sounds),
    "clips to test": len(test_sounds),
}
for group, members in (("all units", scored), ("single units at known depth", scored & single)):
    numbers[f"{group}: with a ceiling"] = int(members.sum())
    numbers[f"{group}: mean cc_raw"] = float(scores.cc_raw[members].mean())
    numbers[f"{group}: mean cc_norm"] = float(scores.cc_norm[members].mean())
    numbers[f"{group}: median cc_norm"] = float(np.median(scores.cc_norm[members]))

# %% [markdown]
# ## What the fields look like
#
# The excitatory peak of an STRF is the unit's best frequency and latency. For simulated units the truth is known: the
# tests of this library hold the one against the other.

# %%
numbers["per unit"] = []
for unit, meta in enumerate(grid.nrn_meta):
    band, lag = np.unravel_index(model.weights[unit].argmax(), model.weights[unit].shape)
    numbers["per unit"].append(
        {
            "neuron_id": meta["neuron_id"],
            "cell_id": meta["cell_id"],
            "cc_raw": float(scores.cc_raw[unit]),
            "cc_norm": float(scores.cc_norm[unit]) if scored[unit] else None,
            "cc_max": float(scores.cc_max[unit]) if scored[unit] else None,
            "penalty": float(model.penalty[unit]),
            "best_frequency_hz": float(grid.band_frequencies_hz[band]),
            "latency_ms": float(lag * grid.dt),
        }
    )
recordings.write_numbers("ridge_strf_ns1", numbers)

# %%
order = np.argsort(-np.nan_to_num(scores.cc_raw))[:6]
best = order[0]
draw_strf_figure(
    recordings.OUT / "ridge_strf_ns1.png",
    spectrogram=test_sounds[0],
    frequencies_hz=grid.band_frequencies_hz,
    dt_ms=grid.dt,
    trials=test_trials[0][best],
    prediction=predict(model, test_sounds[0])[best],
    strfs=[(grid.nrn_meta[unit]["neuron_id"], model.weights[unit], scores.cc_raw[unit]) for unit in order],
    cc_raw=scores.cc_raw,
    cc_norm=scores.cc_norm,
    title=f"{'Synthetic NS1' if recordings.is_synthetic('ns1') else 'NS1'}: receptive fields by ridge regression",
    unit_name=grid.nrn_meta[best]["neuron_id"],
)

# %% [markdown]
# Each point below is a unit. No model can lie above the diagonal but by chance; how far a unit lies below it is what
# a *linear* model misses, and what lies left of 1 is noise that no model explains.

# %%
figure, axes = plt.subplots(figsize=(5.2, 5), layout="constrained")
axes.plot([0, 1], [0, 1], color="black", linewidth=0.8)
axes.text(0.36, 0.4, "a perfect model", rotation=45, rotation_mode="anchor", fontsize=9)
for members, label, colour in (
    (scored & single, "single unit at known depth", "#2a6f97"),
    (scored & ~single, "other", "#b0b6be"),
):
    axes.scatter(scores.cc_max[members], scores.cc_raw[members], s=22, color=colour, label=f"{label} ({members.sum()})")
axes.set(xlim=(0, 1.02), ylim=(min(-0.02, 1.1 * scores.cc_raw[scored].min()), 1.02), aspect="equal")
axes.set_xlabel("cc_max: ceiling set by trial noise")
axes.set_ylabel("cc_raw: ridge STRF on the test clips")
axes.legend(loc="upper left", frameon=False)
axes.spines[["top", "right"]].set_visible(False)
figure.savefig(recordings.OUT / "ridge_strf_ns1_ceiling.png", dpi=110)
