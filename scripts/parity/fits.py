"""Comparisons of what deepSTRF's metrics, models and fitters make of a data set; for deepSTRF's environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from scripts.parity.comparison import Collate, Comparison, Measure
from scripts.parity.recordings import AUDIO_FS, COMPLETE, DT_MS, N_BANDS, N_NEURONS, SEED

TRAIN, VALIDATION, TEST = [0, 1, 2, 3, 4, 5], [6, 7], [8, 9]
EPOCHS, BATCH_SIZE = 2, 2
MODELS = ("Linear", "LinearNonlinear", "NetworkReceptiveField", "DNet", "ConvNet2D", "Transformer", "StateNet")

MakeModel = Callable[[], torch.nn.Module]


def comparisons() -> Iterator[Comparison]:
    """Yield all comparisons of this module."""
    yield Comparison("batches of spectrograms", batches)
    yield Comparison("batches of waveforms", batches, waveform=True)
    yield Comparison("metrics", scores)
    for name in MODELS:
        yield Comparison(f"fit of {name}", fit_of(model(name)))
    yield Comparison("fit of LinearNonlinear, Poisson loss", fit_of(model("LinearNonlinear"), "poisson_loss"))
    yield Comparison("fit of Linear on waveforms", fit_of(linear_on_waveforms), waveform=True)
    yield Comparison("fit of Linear from two seeds", lambda data, collate: fit_seeds(data, collate, model("Linear")))


def fit_of(make_model: MakeModel, loss: str = "mse_loss") -> Measure:
    """Return the measure that fits a model (see `fit`)."""
    return lambda data, collate: fit(data, collate, make_model, loss)


def model(name: str) -> MakeModel:
    """Return how to make one of deepSTRF's models."""

    def make() -> torch.nn.Module:
        from deepSTRF.models.audio import audio_zoo

        made: torch.nn.Module = getattr(audio_zoo, name)(n_frequency_bands=N_BANDS, out_neurons=N_NEURONS)
        return made

    return make


def linear_on_waveforms() -> torch.nn.Module:
    """Return deepSTRF's linear model behind its mel front end."""
    from deepSTRF.models import wav2spec
    from deepSTRF.models.audio import audio_zoo

    front = wav2spec.CausalMelSpectrogram(AUDIO_FS, n_mels=N_BANDS, hop_ms=DT_MS, f_max=AUDIO_FS / 2)
    return audio_zoo.Linear(n_frequency_bands=N_BANDS, out_neurons=N_NEURONS, wav2spec=front)


def loaders(dataset: Any, collate: Collate, seed: int = SEED) -> tuple[Any, Any, Any]:
    """Return loaders of the training, validation and test stimuli; training batches are shuffled."""
    data = torch.utils.data

    def loader(stimuli: Sequence[int], **options: Any) -> Any:
        return data.DataLoader(data.Subset(dataset, stimuli), batch_size=BATCH_SIZE, collate_fn=collate, **options)

    shuffled = loader(TRAIN, shuffle=True, generator=torch.Generator().manual_seed(seed))
    return shuffled, loader(VALIDATION), loader(TEST)


def batches(dataset: Any, collate: Collate) -> list[dict[str, Any]]:
    """Return what models see: all batches of an epoch."""
    keys = ("stims", "responses", "valid_mask")
    return [{key: batch[key] for key in keys} for loader in loaders(dataset, collate) for batch in loader]


def fit(dataset: Any, collate: Collate, make_model: MakeModel, loss: str) -> dict[str, Any]:
    """Fit a model and return the losses and scores of all epochs, those on the test stimuli, and the weights."""
    from deepSTRF import metrics, training

    training.set_random_seed(SEED)
    train, validation, test = loaders(dataset, collate)
    fitter = training.Fitter(
        make_model(),
        train,
        validation,
        loss_fn=getattr(metrics, loss),
        max_epochs=EPOCHS,
        monitor="val_loss",
        mode="min",
        log_fn=lambda epoch: None,
    )
    history = fitter.fit()
    return {"history": history, "test": fitter.evaluate(test), "weights": dict(fitter.model.state_dict())}


def fit_seeds(dataset: Any, collate: Collate, make_model: MakeModel) -> dict[str, Any]:
    """Fit a model from two seeds with deepSTRF's fitter of several seeds, and return all it returns."""
    from deepSTRF import training

    quiet = {"max_epochs": EPOCHS, "log_fn": lambda epoch: None}
    return training.fit_multi_seed(
        lambda seed: make_model(), lambda seed: loaders(dataset, collate, seed), n_seeds=2, fitter_kwargs=quiet
    )


def scores(dataset: Any, collate: Collate) -> list[dict[str, Any]]:
    """Return all of deepSTRF's metrics on each batch, against the same predictions."""
    from deepSTRF import metrics

    found = []
    for batch in batches(dataset, collate):
        responses = batch["responses"]
        psth = responses.nanmean(dim=2, keepdim=True)
        prediction = torch.rand(psth.shape, generator=torch.Generator().manual_seed(SEED)) + 0.1
        each = {name: getattr(metrics, name)(prediction, responses) for name in ("mse_loss", "poisson_loss")}
        each |= {name: getattr(metrics, name)(prediction, responses, reduction="none") for name in ("corrcoef", "fve")}
        for name in ("signal_power", "noise_power", "snr"):
            each[name] = getattr(metrics, name)(responses, reduction="none")
        for method in ("schoppe", "hsu"):
            each[method] = metrics.normalized_corrcoef(prediction, responses, method=method, reduction="none")
        found.append(each)
    complete = collate([dataset[COMPLETE]])["responses"].nanmean(dim=2, keepdim=True)
    found.append({"coherence": metrics.coherence(complete.roll(1, -1), complete, DT_MS, reduction="none")})
    return found
