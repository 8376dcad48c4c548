# %% [markdown]
# # A recurrent model, trained on a stream
#
# An STRF sees a window of fixed length. Cortex remembers longer, and not all bands equally long. StateNet (Rançon,
# Masquelier & Cottereau 2025, *Communications Biology* 8:1456) replaces the window by a recurrent state that is
# updated bin by bin, and predicts auditory neurons of several species better than models with a window do. This is a
# small model in that spirit, in plain PyTorch and not that paper's code: an exponential memory per band whose time
# constant is learned, a gated recurrent unit (GRU), and one linear readout per neuron.
#
# It is trained on a *stream*: items come from the Parquet files as they are needed, so that the size of the corpus
# does not matter, and two workers of a `DataLoader` share them. The same lines read `"deepstrf/ns1"` from the Hub.

# %%
import copy
import multiprocessing
import os

import matplotlib.pyplot as plt
import matplotlib.ticker
import numpy as np
import recordings
import torch
from torch.utils.data import DataLoader, IterableDataset

import deepstrf_hf
from deepstrf_hf.strf.ridge import fit_ridge, predict
from deepstrf_hf.strf.scores import correlation, normalised_correlation

EPOCHS = int(os.environ.get("EPOCHS", 6))
torch.manual_seed(0)
torch.set_num_threads(1)  # the steps of a small recurrent network are too short to be shared among threads
tables = recordings.tables("ns1")
stream = deepstrf_hf.stream(tables, "a1", split="train", preprocessing=None, shuffle=True, seed=0)
print(stream)

# %% [markdown]
# ## Held-out sounds, twice
#
# The published test clips are for the end. To know when to stop, three of the training clips are kept for validation.
# A stream is an iterable, so choosing among its items is a filter; workers and shuffling pass through it.


# %%
class Chosen(IterableDataset):
    """The items of a stream whose stimuli are among those named, or, with ``but=True``, are not."""

    def __init__(self, items, stim_ids, but=False):
        self.items, self.stim_ids, self.but = items, set(stim_ids), but

    def __iter__(self):
        """Iterate over the share of this worker."""
        return (item for item in self.items if (item["stim_meta"]["stim_id"] in self.stim_ids) != self.but)


# Forked workers need no `if __name__ == "__main__":` around a notebook; where processes cannot fork, do without them.
FORK = "fork" in multiprocessing.get_all_start_methods()
workers = {"num_workers": 2, "persistent_workers": True, "multiprocessing_context": "fork"} if FORK else {}
validation_ids = sorted(stream.description.splits["train"])[::6]
train = DataLoader(
    Chosen(stream, validation_ids, but=True), batch_size=2, collate_fn=deepstrf_hf.neural_collate, **workers
)
validation = DataLoader(Chosen(stream, validation_ids), batch_size=4, collate_fn=deepstrf_hf.neural_collate)

# %% [markdown]
# ## The model


# %%
class AdaptingBands(torch.nn.Module):
    """Each band, standardised, and beside it its exponential average over the past, as long as is learned."""

    MEMORY = 200  # bins of the past: 1 s

    def __init__(self, n_bands):
        super().__init__()
        self.standardise = torch.nn.BatchNorm1d(n_bands, affine=False)
        self.log_tau = torch.nn.Parameter(torch.linspace(1.0, 4.0, n_bands)[torch.randperm(n_bands)])

    def forward(self, sound):
        """Return (batch, 2 bands, bins) of (batch, bands, bins)."""
        bands = self.standardise(sound)
        age = torch.arange(self.MEMORY, 0, -1)  # the oldest bin first
        weights = torch.softmax(-age / self.log_tau.exp()[:, None], dim=1)
        past = torch.nn.functional.pad(bands, (self.MEMORY, -1))
        average = torch.nn.functional.conv1d(past, weights[:, None], groups=len(weights))
        return torch.cat([bands, average], dim=1)


class StateModel(torch.nn.Module):
    """Adapting bands, a GRU over time, a readout per neuron: expected spikes per bin."""

    def __init__(self, n_bands, n_neurons, n_states=32):
        super().__init__()
        self.bands = AdaptingBands(n_bands)
        self.recurrent = torch.nn.GRU(2 * n_bands, n_states, batch_first=True)
        self.readout = torch.nn.Linear(n_states, n_neurons)
        torch.nn.init.constant_(self.readout.bias, -3.0)  # a neuron is silent in most bins

    def forward(self, sound):
        """Return (batch, neurons, bins) of (batch, 1, bands, bins)."""
        states, _ = self.recurrent(self.bands(sound[:, 0]).transpose(1, 2))
        return torch.nn.functional.softplus(self.readout(states)).transpose(1, 2) + 1e-6


def poisson_loss(rate, batch):
    """Return the mean Poisson loss of all trials that are there; the rest of a ragged batch is NaN."""
    trials = batch["valid_mask"].sum(dim=2)  # (batch, neurons, bins); the loss needs their number and their sum
    spikes = batch["responses"].nan_to_num().sum(dim=2)
    return (trials * rate - spikes * rate.log()).sum() / trials.sum()


# %% [markdown]
# ## Train
#
# `set_epoch` gives each epoch another order. The weights of the epoch with the lowest validation loss are kept. (The
# two losses are of different clips, so that one may lie below the other.)

# %%
model = StateModel(stream.F, stream.N_neurons)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=1e-2)
losses = {"training": [], "validation": []}
kept = None
for epoch in range(EPOCHS):
    stream.set_epoch(epoch)
    model.train()
    batch_losses = []
    for batch in train:
        loss = poisson_loss(model(batch["stims"]), batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        batch_losses.append(loss.item())
    losses["training"].append(float(np.mean(batch_losses)))
    model.eval()
    with torch.no_grad():
        losses["validation"].append(float(np.mean([poisson_loss(model(b["stims"]), b).item() for b in validation])))
    if kept is None or losses["validation"][-1] == min(losses["validation"]):
        kept = copy.deepcopy(model.state_dict())
    print(f"epoch {epoch:3d}: training {losses['training'][-1]:.4f}, validation {losses['validation'][-1]:.4f}")
model.load_state_dict(kept)

# %% [markdown]
# ## Test, beside the linear model
#
# The ridge STRF of the first example, fitted to the same training clips, validation clips included (it chooses its
# penalty by cross-validation on them), and scored on the same test clips. `load` gives it the whole grid at once.
# Being linear it predicts negative rates in silence; the GRU cannot.

# %%
grid = deepstrf_hf.load(tables, "a1", preprocessing=None)
sounds, means = [], []
for batch in DataLoader(grid.where(stims=grid.splits["train"]), collate_fn=deepstrf_hf.neural_collate):
    sounds.append(batch["stims"][0, 0].numpy())
    means.append(batch["responses"][0].nanmean(dim=1).numpy())
ridge = fit_ridge(sounds, means, n_lags=30)

test = deepstrf_hf.stream(tables, "a1", split="test", preprocessing=None)
trials, predicted = [], {"ridge": [], "GRU": []}
for batch in DataLoader(test, collate_fn=deepstrf_hf.neural_collate):
    trials.append(batch["responses"][0].numpy())
    predicted["ridge"].append(predict(ridge, batch["stims"][0, 0].numpy()))
    with torch.no_grad():
        predicted["GRU"].append(model(batch["stims"])[0].numpy())
trials = np.concatenate(trials, axis=2)  # (neurons, trials, bins of all test clips)
predicted = {name: np.concatenate(rates, axis=1) for name, rates in predicted.items()}
cc_raw = {name: correlation(rates, np.nanmean(trials, axis=1)) for name, rates in predicted.items()}
cc_norm = {name: normalised_correlation(rates, trials) for name, rates in predicted.items()}

single = np.array([unit["single_unit_at_known_depth"] for unit in grid.nrn_meta])
numbers = {
    "synthetic": recordings.is_synthetic("ns1"),
    "workers": workers.get("num_workers", 0),
    "epochs": EPOCHS,
    "training loss": losses["training"],
    "validation loss": losses["validation"],
    "best epoch": int(np.argmin(losses["validation"])),
    "longest memory of a band (ms)": model.bands.log_tau.exp().max().item() * grid.dt,
}
for name in predicted:
    numbers[f"{name}: mean cc_raw"] = float(np.nanmean(cc_raw[name]))
    numbers[f"{name}: mean cc_norm"] = float(np.nanmean(cc_norm[name]))
    numbers[f"{name}: mean cc_norm, single units at known depth"] = float(np.nanmean(cc_norm[name][single]))
numbers["units that the GRU predicts better"] = int(np.sum(cc_norm["GRU"] > cc_norm["ridge"]))
recordings.write_numbers("gru_streamed", numbers)

# %%
COLOURS = {"ridge": "#2a6f97", "GRU": "#d1411b"}
figure, axes = plt.subplot_mosaic([["loss", "scores"], ["psth", "psth"]], figsize=(9.5, 6.4), layout="constrained")
for name, style in (("training", "-"), ("validation", "--")):
    axes["loss"].plot(np.arange(1, EPOCHS + 1), losses[name], style, color=COLOURS["GRU"], label=name)
axes["loss"].set(xlabel="epoch", ylabel="Poisson loss per bin", title="The GRU learns")
axes["loss"].legend(frameon=False)
limits = np.floor(10 * np.nanmin(list(cc_norm.values()))) / 10, 1.0
axes["scores"].plot(limits, limits, color="black", linewidth=0.8)
axes["scores"].scatter(cc_norm["ridge"], cc_norm["GRU"], s=18, alpha=0.7, color="#50575f", linewidth=0)
axes["scores"].set(xlim=limits, ylim=limits, aspect="equal", xlabel="cc_norm, ridge STRF", ylabel="cc_norm, GRU")
for axis in (axes["scores"].xaxis, axes["scores"].yaxis):
    axis.set_major_locator(matplotlib.ticker.MultipleLocator(0.2))
axes["scores"].set_title("Test clips, one point per unit")
best = np.nanargmax(np.nan_to_num(cc_raw["GRU"]))
shown = slice(0, int(2500 / grid.dt))  # the first 2.5 s of the first test clip
seconds = (np.arange(shown.stop) + 0.5) * grid.dt / 1000
per_second = 1000 / grid.dt
measured = np.nanmean(trials[best], axis=0)[shown] * per_second
axes["psth"].fill_between(seconds, measured, step="mid", color="#c9cdd3", linewidth=0, label="measured")
for name, rates in predicted.items():
    axes["psth"].plot(seconds, rates[best, shown] * per_second, color=COLOURS[name], linewidth=1.3, label=name)
axes["psth"].set(xlabel="time from sound onset (s)", ylabel="rate (spikes/s)", xlim=(0, seconds[-1]))
axes["psth"].set_title(f"A test clip, {grid.nrn_meta[best]['neuron_id']}")
axes["psth"].legend(frameon=False, ncols=3, loc="upper right")
for name in axes:
    axes[name].spines[["top", "right"]].set_visible(False)
figure.savefig(recordings.OUT / "gru_streamed.png", dpi=110)
