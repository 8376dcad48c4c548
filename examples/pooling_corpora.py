# %% [markdown]
# # Pooling corpora
#
# A model of auditory neurons should not be a model of one laboratory's auditory neurons. Here ferret cortex (NS1,
# Harper et al. 2016) and zebra finch midbrain and forebrain (CRCNS AA1, Theunissen et al. 2009) come into one grid
# and into one stream. Not everything can be pooled, and what cannot is refused with a reason rather than resampled in
# silence.

# %%
import matplotlib.pyplot as plt
import numpy as np
import recordings
import torch
from torch.utils.data import DataLoader

import deepstrf_hf
from deepstrf_hf.errors import GridError

torch.manual_seed(0)
ns1 = recordings.tables("ns1")
aa1 = recordings.tables("crcns_aa1")
refused = []


def try_to_pool(what, *datasets, **options):
    """Return the data sets as one, or print and note why not."""
    try:
        return deepstrf_hf.concat_neural_datasets(datasets, **options)
    except GridError as error:
        print(f"{what}: {error}")
        refused.append([what, str(error)])


# %% [markdown]
# ## What must agree: bins, bands, and what the bands are
#
# As published, NS1 has bins of 5 ms and 34 bands, six per octave; AA1 has bins of 1 ms and 32 mel bands. The bin
# width is refused first, and the message says what to do: build one of them with the other's. What a build is asked
# for becomes part of the configuration's name, so that both stay side by side.

# %%
ferret = deepstrf_hf.load(ns1, "a1", preprocessing=None)
finch = deepstrf_hf.load(aa1, "all", preprocessing=None)
try_to_pool("as published", ferret, finch)

recordings.tables("crcns_aa1", parameters={"dt_ms": 5.0})
finch = deepstrf_hf.load(aa1, "all-dt5", preprocessing=None)
try_to_pool("the same bins", ferret, finch)

recordings.tables("crcns_aa1", parameters={"dt_ms": 5.0, "n_bands": 34})
SAME_SHAPE = "all-dt5-n_bands_34"
finch = deepstrf_hf.load(aa1, SAME_SHAPE, preprocessing=None)
try_to_pool("the same bins and number of bands", ferret, finch)

# %% [markdown]
# The last refusal is about meaning: a model whose weights belong to bands would take 500 Hz in the ferret for
# something else in the finch. For a model that is told which animal it hears, or that only shares what comes after
# the bands, that is right; then say so. Their units differ too (dB and the cube root of power), so each corpus is
# standardised on its own before they are pooled, on stimuli that are not held out.

# %%
ferret.standardize_stims(ferret.splits["train"])
finch.standardize_stims([stimulus["stim_id"] for stimulus in finch.stim_meta])  # AA1 has no published division
pooled = try_to_pool("told to mix bands", ferret, finch, names=["NS1", "AA1"], allow_different_bands=True)
print(pooled)

# %% [markdown]
# ## One grid
#
# It is block-diagonal: neurons have data for the sounds of their own corpus, and nothing is copied. `dataset` in the
# metadata says where each sound and each neuron comes from, and conditions work on the whole.

# %%
pooled.plot_coverage(recordings.OUT / "pooling_coverage.png", neurons_by="dataset", stims_by="dataset")
mask = pooled.nrn_masks.numpy()
of_sound, of_neuron = (np.array([entry["dataset"] for entry in meta]) for meta in (pooled.stim_meta, pooled.nrn_meta))
numbers = {
    "synthetic": [recordings.is_synthetic("ns1"), recordings.is_synthetic("crcns_aa1")],
    "refused": refused,
    "sounds": {name: int((of_sound == name).sum()) for name in ("NS1", "AA1")},
    "neurons": {name: int((of_neuron == name).sum()) for name in ("NS1", "AA1")},
    "pairs": int(mask.sum()),
    "pairs across corpora": int(mask[of_sound[:, None] != of_neuron].sum()),
    "forebrain neurons": pooled.where(neurons={"area": ["A1", "Field_L"]}).get_N(),
}

# %% [markdown]
# ## One stream
#
# What is too large for memory is interleaved: items of both corpora in an order drawn from a seed, shared among
# workers. `collate_heard_neurons` makes batches of the neurons that have data in them, and `batch["neurons"]` says
# which of all neurons they are. A stream hands out spectrograms as they are stored, so the model standardises each
# corpus itself.
#
# The model: what is shared is a bank of temporal filters; what each corpus has of its own is how its bands are
# weighted into channels; what each neuron has is a readout. Batches of one item keep it simple, since each is of one
# corpus.

# %%
streams = {
    "NS1": deepstrf_hf.stream(ns1, "a1", preprocessing=None, shuffle=True),
    "AA1": deepstrf_hf.stream(aa1, SAME_SHAPE, preprocessing=None, shuffle=True),
}
training = deepstrf_hf.interleave(streams, seed=0, stop="all", allow_different_bands=True)
print(training)
loader = DataLoader(training, batch_size=1, collate_fn=deepstrf_hf.collate_heard_neurons)


class PooledModel(torch.nn.Module):
    """Bands of a corpus to channels, filters in time that corpora share, a readout per neuron."""

    def __init__(self, corpora, n_bands, n_neurons, n_channels=8, n_lags=20):
        super().__init__()
        self.standardise = torch.nn.ModuleDict({name: torch.nn.BatchNorm1d(n_bands) for name in corpora})
        self.channels = torch.nn.ModuleDict({name: torch.nn.Conv1d(n_bands, n_channels, 1) for name in corpora})
        self.filters = torch.nn.Conv1d(n_channels, 2 * n_channels, n_lags)
        self.readout = torch.nn.Embedding(n_neurons, 2 * n_channels + 1)
        torch.nn.init.normal_(self.readout.weight, std=0.1)

    def forward(self, sound, corpus, neurons):
        """Return expected spikes per bin, (batch, neurons, bins)."""
        channels = self.channels[corpus](self.standardise[corpus](sound[:, 0]))
        past = torch.nn.functional.pad(channels, (self.filters.kernel_size[0] - 1, 0))
        features = torch.relu(self.filters(past))
        weights = self.readout(neurons)
        drive = torch.einsum("nk,bkt->bnt", weights[:, 1:], features) + weights[:, :1] - 2.0
        return torch.nn.functional.softplus(drive) + 1e-6


model = PooledModel(streams, training.F, training.N_neurons)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
EPOCHS = 4
losses = {name: [] for name in streams}
for epoch in range(EPOCHS):
    training.set_epoch(epoch)
    of_epoch = {name: [] for name in streams}
    for batch in loader:
        corpus, psth = batch["dataset"][0], batch["responses"].nanmean(dim=2)
        rate, there = model(batch["stims"], corpus, batch["neurons"]), ~psth.isnan()
        loss = torch.nn.functional.poisson_nll_loss(rate[there], psth[there], log_input=False)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        of_epoch[corpus].append(loss.item())
    for name in streams:
        losses[name].append(float(np.mean(of_epoch[name])))
numbers["items per epoch"] = {name: len(of_epoch[name]) for name in streams}
for name in streams:
    numbers[f"loss, {name}"] = losses[name]

# %% [markdown]
# ## Cohorts of one corpus
#
# The monkeys of Downer et al. (2025) heard sentences (`timit`) and calls (`mvocs`): two cohorts that have neurons in
# common. `join_neurons=True` makes neurons of one id one, with data for the sounds of both.

# %%
downer = recordings.tables("downer2025")
cohorts = [deepstrf_hf.load(downer, name, preprocessing=None) for name in ("timit", "mvocs")]
union = deepstrf_hf.concat_neural_datasets(cohorts, join_neurons=True)
in_both = sum("+" in neuron["dataset"] for neuron in union.nrn_meta)
numbers["neurons of the cohorts"] = [cohort.N_neurons for cohort in cohorts]
numbers["neurons of their union"] = union.N_neurons
numbers["neurons in both"] = in_both
recordings.write_numbers("pooling_corpora", numbers)

# %%
figure, axes = plt.subplots(figsize=(5.4, 3.6), layout="constrained")
for name, colour in (("NS1", "#2a6f97"), ("AA1", "#d1411b")):
    axes.plot(np.arange(1, EPOCHS + 1), np.array(losses[name]) - losses[name][0], "o-", color=colour, label=name)
axes.set(xlabel="epoch", ylabel="Poisson loss per bin, less the first", title="One model, two corpora")
axes.legend(frameon=False)
axes.spines[["top", "right"]].set_visible(False)
figure.savefig(recordings.OUT / "pooling_corpora.png", dpi=110)
