"""The pages of the API reference: which names stand on which page; mkdocstrings fills them from the docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deepstrf_hf import errors


@dataclass(frozen=True)
class ApiPage:
    """One page of the reference.

    Parameters
    ----------
    name : str
        Name of its file, without the ending.
    title, introduction : str
        For people.
    names : sequence of str
        Full names of what it describes.
    """

    name: str
    title: str
    introduction: str
    names: Sequence[str]


def _error_names() -> list[str]:
    """Return the names of all errors, the base first, in the order of their definition."""
    classes = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]
    ordered = sorted(classes, key=lambda kind: inspect.getsourcelines(kind)[1])
    return [f"{errors.__name__}.{kind.__name__}" for kind in ordered]


PAGES: Sequence[ApiPage] = (
    ApiPage(
        "reading",
        "Reading",
        "What opens a built directory, or a repository on the Hub. Names of the first level are imported from "
        "`deepstrf_hf` itself, when they are first used: `import deepstrf_hf` loads neither torch nor datasets.",
        (
            "deepstrf_hf.load",
            "deepstrf_hf.rows",
            "deepstrf_hf.stream",
            "deepstrf_hf.grid.stream_dataset.ResponseStream",
            "deepstrf_hf.interleave",
            "deepstrf_hf.grid.interleave_stream.InterleavedStream",
            "deepstrf_hf.inspect",
        ),
    ),
    ApiPage(
        "grid",
        "The grid",
        "See [The grid](../grid.md) for how they work together.",
        (
            "deepstrf_hf.NeuralDataset",
            "deepstrf_hf.between",
            "deepstrf_hf.Splits",
            "deepstrf_hf.grid.splits.stratified_splits",
            "deepstrf_hf.neural_collate",
            "deepstrf_hf.collate_heard_neurons",
            "deepstrf_hf.SiteBatchSampler",
            "deepstrf_hf.concat_neural_datasets",
            "deepstrf_hf.merge_as_trials",
            "deepstrf_hf.grid.quality.compute_quality",
            "deepstrf_hf.compute_paper_tuning",
            "deepstrf_hf.plot_coverage",
            "deepstrf_hf.grid.export_xarray.to_xarray",
            "deepstrf_hf.grid.export_pandas.to_pandas",
        ),
    ),
    ApiPage(
        "preprocessing",
        "Preprocessing steps",
        "What `deepstrf_hf.load(..., preprocessing=[...])` takes, in the order given.",
        (
            "deepstrf_hf.responses.preprocessing.HanningSmooth",
            "deepstrf_hf.responses.scaling.ScaleResponses",
            "deepstrf_hf.features.scaling.LogCompress",
            "deepstrf_hf.features.scaling.ScaleBands",
            "deepstrf_hf.features.compression.LogPlusOne",
            "deepstrf_hf.features.compression.LogFloored",
            "deepstrf_hf.features.compression.PowerLaw",
            "deepstrf_hf.features.compression.StandardizeBands",
        ),
    ),
    ApiPage(
        "receptive_fields",
        "Receptive fields",
        "Ridge regression from spectrograms to responses, and the scores that papers state. NumPy alone. See "
        "[The linear reference](../baseline.md).",
        (
            "deepstrf_hf.baseline",
            "deepstrf_hf.Baseline",
            "deepstrf_hf.linear_baseline.LinearBaseline",
            "deepstrf_hf.linear_baseline.PublishedScore",
            "deepstrf_hf.strf.ridge.fit_ridge",
            "deepstrf_hf.strf.ridge.RidgeStrf",
            "deepstrf_hf.strf.ridge.predict",
            "deepstrf_hf.strf.scores.evaluate",
            "deepstrf_hf.strf.scores.RidgeScores",
            "deepstrf_hf.strf.scores.correlation",
            "deepstrf_hf.strf.scores.normalised_correlation",
            "deepstrf_hf.strf.figure.draw_strf_figure",
        ),
    ),
    ApiPage(
        "building",
        "Raw files and building",
        "From a lab's files to tables. See [Getting the raw files](../raw_files.md) and [Building](../building.md).",
        (
            "deepstrf_hf.corpus_names",
            "deepstrf_hf.load_builder",
            "deepstrf_hf.download_corpus",
            "deepstrf_hf.check_tree",
            "deepstrf_hf.build",
            "deepstrf_hf.BuildReport",
            "deepstrf_hf.report.CohortReport",
            "deepstrf_hf.report.SplitFiles",
        ),
    ),
    ApiPage(
        "publishing",
        "Verifying and publishing",
        "See [Security and licences](../security_and_licences.md#the-licence-gate) for what may be public.",
        (
            "deepstrf_hf.verify",
            "deepstrf_hf.verification.Verification",
            "deepstrf_hf.report_page",
            "deepstrf_hf.report_html.page.ReportPage",
            "deepstrf_hf.illustrated_card.illustrate_card",
            "deepstrf_hf.push",
            "deepstrf_hf.hub.Pushed",
            "deepstrf_hf.push_plan.PushPlan",
            "deepstrf_hf.push_card",
        ),
    ),
    ApiPage(
        "declaring",
        "Declaring a corpus",
        "For authors of builders: what a corpus declares, and what its walk over the raw files yields.",
        (
            "deepstrf_hf.CorpusBuilder",
            "deepstrf_hf.corpus.Corpus",
            "deepstrf_hf.corpus.Cohort",
            "deepstrf_hf.corpus.Column",
            "deepstrf_hf.corpus.Licence",
            "deepstrf_hf.corpus.Redistribution",
            "deepstrf_hf.corpus.Archive",
            "deepstrf_hf.corpus.Unpack",
            "deepstrf_hf.corpus.FileSet",
            "deepstrf_hf.published_split.StimulusSplit",
            "deepstrf_hf.published_split.RecordedSplit",
            "deepstrf_hf.published_split.Undivided",
            "deepstrf_hf.config.CorpusConfig",
            "deepstrf_hf.config.parameter",
            "deepstrf_hf.recording.Stimulus",
            "deepstrf_hf.recording.Neuron",
            "deepstrf_hf.recording.Recording",
            "deepstrf_hf.recording.Part",
            "deepstrf_hf.raw_tree.RawTree",
            "deepstrf_hf.build_log.BuildLog",
        ),
    ),
    ApiPage(
        "errors",
        "Errors",
        "Everything that is raised on purpose derives from `DeepstrfError`, which says where, what was found, what was "
        "expected, and how to mend it. Several are a built-in error as well, so that `except KeyError` works.",
        _error_names(),
    ),
)


def api_pages() -> Mapping[str, str]:
    """Return the Markdown of all pages, by the names of their files without the ending."""
    return {
        page.name: f"# {page.title}\n\n{page.introduction}\n\n"
        + "\n\n".join(f"::: {name}" for name in page.names)
        + "\n"
        for page in PAGES
    }
