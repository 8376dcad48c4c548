# %% [markdown]
# # From the waveform: a front end that is learned
#
# Spectrograms are a choice that somebody made before the model. Here the model gets the sound itself and learns its
# bands: where they lie and how wide they are, by gradient descent on spikes. (SincNet, Ravanelli & Bengio 2018, and
# LEAF, Zeghidour et al. 2021, are well-known front ends of the kind; this one is smaller.)

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import recordings
import torch
from torch.utils.data import DataLoader

import deepstrf_hf
from deepstrf_hf.strf.scores import correlation, normalised_correlation

try:  # not needed: without it, or where it does not fit the installed torch, plain torch does the same
    from torchaudio.transforms import Spectrogram
except (ImportError, OSError):
    Spectrogram = None

torch.manual_seed(0)
tables = recordings.tables("ns1")
AUDIO_FS = 24_000  # Hz; the sound is resampled to it
heard = deepstrf_hf.load(tables, "a1", preprocessing=None, stimulus="waveform", audio_fs=AUDIO_FS)
seen = deepstrf_hf.load(tables, "a1", preprocessing=None)
print(heard)

# %% [markdown]
# ## The same responses, locked to the samples
#
# Only the stimulus differs from what `load` gives otherwise. Sample `j` belongs to bin `j // hop`, whatever the rate
# the sound was published with. If that holds, the sound's power per bin and the stored spectrogram rise and fall
# together, best without a shift.

# %%
same_responses = all(
    torch.equal(one, other)
    for item in range(len(seen))
    for one, other in zip(heard[item]["responses"], seen[item]["responses"], strict=True)
)


SHIFTS = np.arange(-10, 11)  # bins by which the power is delayed
locked = np.zeros(len(SHIFTS))
for item in range(len(seen)):
    power = np.log10(np.square(heard[item]["stims"][0].numpy()).reshape(-1, heard.hop).mean(axis=1) + 1e-9)
    level = seen[item]["stims"][0].numpy().mean(axis=0)
    locked += [np.corrcoef(level[10:-10], np.roll(power, shift)[10:-10])[0, 1] / len(seen) for shift in SHIFTS]
numbers = {
    "synthetic": recordings.is_synthetic("ns1"),
    "samples per bin": heard.hop,
    "responses are the same": same_responses,
    "shift of the best match (bins)": int(SHIFTS[locked.argmax()]),
    "correlation there": float(locked.max()),
    "spectrogram by": "torch" if Spectrogram is None else "torchaudio",
}

# %% [markdown]
# ## The front end
#
# A short-time Fourier transform with one frame per bin, then bands: Gaussian bumps on the frequency axis, in octaves,
# whose centres and widths are parameters; then a logarithm. A frame ends where its bin ends, so that no bin hears the
# future.


# %%
class LearnedBands(torch.nn.Module):
    """Log power in bands whose centres and widths are learned: (batch, samples) to (batch, bands, bins)."""

    def __init__(self, audio_fs, hop, n_bands=24, n_fft=512):
        super().__init__()
        self.hop, self.n_fft = hop, n_fft
        self.register_buffer("octaves", torch.log2(torch.fft.rfftfreq(n_fft, 1 / audio_fs)[1:] / 1000))  # re 1 kHz
        self.register_buffer("window", torch.hann_window(n_fft))
        self.transform = None
        if Spectrogram is not None:
            self.transform = Spectrogram(n_fft, hop_length=hop, power=2, center=False)
        self.lowest, self.highest = float(self.octaves[1]), float(self.octaves[-1])  # 94 Hz and half the rate
        self.centre = torch.nn.Parameter(torch.linspace(-1.0, self.highest - 0.2, n_bands))
        self.log_width = torch.nn.Parameter(torch.full((n_bands,), float(np.log(0.25))))

    def spectrum(self, sound):
        """Return power (batch, frequencies, frames), by torchaudio where it is there."""
        if self.transform is not None:
            return self.transform(sound)
        return (
            torch.stft(sound, self.n_fft, self.hop, window=self.window, center=False, return_complex=True)
            .abs()
            .square()
        )

    def forward(self, sound):
        """Return bands of a frame per bin."""
        power = self.spectrum(torch.nn.functional.pad(sound, (self.n_fft - self.hop, 0)))[:, 1:]
        distance = (self.octaves - self.centre[:, None]) / self.log_width.exp()[:, None]
        bands = torch.softmax(-0.5 * distance.square(), dim=1)  # each sums to 1
        return torch.log10(bands @ power + 1e-8)


class Encoder(torch.nn.Module):
    """Learned bands, then a linear-nonlinear receptive field per neuron: expected spikes per bin."""

    def __init__(self, dataset, n_lags=20):
        super().__init__()
        self.front_end = LearnedBands(dataset.audio_fs, dataset.hop)
        n_bands = len(self.front_end.centre)
        self.standardise = torch.nn.BatchNorm1d(n_bands, affine=False)
        self.fields = torch.nn.Conv1d(n_bands, dataset.N_neurons, n_lags)
        torch.nn.init.zeros_(self.fields.weight)
        torch.nn.init.constant_(self.fields.bias, -3.0)  # a neuron is silent in most bins

    def forward(self, sound):
        """Return (batch, neurons, bins) of (batch, 1, samples)."""
        bands = self.standardise(self.front_end(sound[:, 0]))
        past = torch.nn.functional.pad(bands, (self.fields.kernel_size[0] - 1, 0))
        return torch.nn.functional.softplus(self.fields(past)) + 1e-6


# %% [markdown]
# ## Train, and see that the gradient arrives
#
# The batches are made as for spectrograms; `stims` is (batch, 1, samples) now.

# %%
EPOCHS = int(os.environ.get("EPOCHS", 10))
model = Encoder(heard)
first_centres = model.front_end.centre.detach().clone()
optimizer = torch.optim.AdamW(
    [
        {"params": model.front_end.parameters(), "lr": 2e-2, "weight_decay": 0.0},
        {"params": model.fields.parameters(), "lr": 5e-3, "weight_decay": 0.1},
    ]
)
train = DataLoader(
    heard.where(stims=heard.splits["train"]), batch_size=4, shuffle=True, collate_fn=deepstrf_hf.neural_collate
)
losses, gradients = [], []
for epoch in range(EPOCHS):
    of_epoch = []
    for batch in train:
        psth = batch["responses"].nanmean(dim=2)  # (batch, neurons, bins)
        there = ~psth.isnan()
        loss = torch.nn.functional.poisson_nll_loss(model(batch["stims"])[there], psth[there], log_input=False)
        optimizer.zero_grad()
        loss.backward()
        gradients.append(model.front_end.centre.grad.abs().max().item())
        optimizer.step()
        with torch.no_grad():  # a band is where frequencies are
            model.front_end.centre.clamp_(model.front_end.lowest, model.front_end.highest)
        of_epoch.append(loss.item())
    losses.append(float(np.mean(of_epoch)))
    print(f"epoch {epoch:3d}: {losses[-1]:.4f}")

# %%
model.eval()
rates, trials = [], []
for batch in DataLoader(heard.where(stims=heard.splits["test"]), collate_fn=deepstrf_hf.neural_collate):
    with torch.no_grad():
        rates.append(model(batch["stims"])[0].numpy())
    trials.append(batch["responses"][0].numpy())
rates, trials = np.concatenate(rates, axis=1), np.concatenate(trials, axis=2)
moved = (model.front_end.centre.detach() - first_centres).abs()
numbers |= {
    "loss": losses,
    "largest gradient on a centre": max(gradients),
    "centres moved by up to (octaves)": float(moved.max()),
    "centres moved by on average (octaves)": float(moved.mean()),
    "test clips: mean cc_raw": float(np.nanmean(correlation(rates, np.nanmean(trials, axis=1)))),
    "test clips: mean cc_norm": float(np.nanmean(normalised_correlation(rates, trials))),
}
recordings.write_numbers("waveform_front_end", numbers)

# %%
figure, axes = plt.subplot_mosaic([["bands", "loss"], ["sound", "sound"]], figsize=(9.5, 6.2), layout="constrained")
khz = 2.0 ** np.stack([first_centres.numpy(), model.front_end.centre.detach().numpy()])
axes["bands"].plot([0, 1], khz, "o-", color="#50575f", markersize=3.5, linewidth=0.9)
axes["bands"].set(
    yscale="log", xlim=(-0.25, 1.25), ylabel="centre of a band (kHz)", title="Bands before and after training"
)
axes["bands"].set_xticks([0, 1], ["before", "after"])
axes["bands"].set_yticks([0.5, 1, 2, 5, 10], ["0.5", "1", "2", "5", "10"])
axes["bands"].minorticks_off()
axes["loss"].plot(np.arange(1, EPOCHS + 1), losses, color="#d1411b")
axes["loss"].set(xlabel="epoch", ylabel="Poisson loss per bin", title="Training")
with torch.no_grad():
    bands = model.front_end(heard.where(stims=heard.splits["test"])[0]["stims"])[0].numpy()
order = np.argsort(khz[1])
seconds = np.arange(bands.shape[1] + 1) * heard.dt / 1000
edges = np.arange(len(bands) + 1)
low, high = np.percentile(bands, (2, 99.7))
mesh = axes["sound"].pcolormesh(seconds, edges, bands[order], cmap="magma", vmin=low, vmax=high, rasterized=True)
ticks = np.arange(0, len(bands), 5)
axes["sound"].set_yticks(ticks + 0.5, [f"{khz[1, order[tick]]:.2g}" for tick in ticks])
axes["sound"].set(
    xlabel="time from sound onset (s)", ylabel="band (centre, kHz)", title="A test clip in the learned bands"
)
figure.colorbar(mesh, ax=axes["sound"], label="log10 power", pad=0.01)
for name in ("bands", "loss"):
    axes[name].spines[["top", "right"]].set_visible(False)
figure.savefig(recordings.OUT / "waveform_front_end.png", dpi=110)
