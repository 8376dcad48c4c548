"""The linear baseline on a report page: what `deepstrf-hf baseline` wrote, if it is of this build."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.report_html.pictures import PagePicture, histogram, png_picture
from deepstrf_hf.report_html.values import Fact, in_words, shown

FORMAT = 1
SCORES = ("cc_raw_mean", "cc_raw_median", "cc_norm_mean", "cc_norm_median")
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class BaselineFile:
    """A baseline that somebody named.

    Parameters
    ----------
    path : Path
        JSON file.
    corpus, config : str
        Whose it is.
    fingerprint : str
        `deepstrf_hf.data_fingerprint.data_fingerprint` of the data it was fitted to.
    content : dict
        All of it.
    """

    path: Path
    corpus: str
    config: str
    fingerprint: str
    content: dict[str, Any]

    @classmethod
    def read(cls, path: str | Path) -> BaselineFile:
        """Read what `deepstrf-hf baseline` wrote.

        Raises
        ------
        TableFormatError
            It is no such file.
        """
        path = Path(path)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            version = content["format"]
            corpus, config, fingerprint = (content[key] for key in ("corpus", "config", "data_fingerprint"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
            raise _problem(path, found=error) from error
        if version != FORMAT or not all(isinstance(name, str) for name in (corpus, config, fingerprint)):
            raise _problem(path, field="format", found=version, expected=FORMAT)
        return cls(path, corpus, config, fingerprint, content)


@dataclass(frozen=True)
class BaselineSection:
    """What a page says of a baseline.

    Parameters
    ----------
    kind, version : str
        What was fitted, and by which version of the library.
    summary : list of list of str
        Group, neurons, and scores.
    published : list of dict of str to str
        ``what``, ``value``, ``ours``, ``source`` and ``note``.
    left_out : list of (str, str)
        Reason and neurons.
    settings : list of (str, str)
        Name and value.
    pictures : list of PagePicture
        Histogram of cc_norm, and the figure beside the file where there is one.
    """

    kind: str
    version: str
    summary: list[list[str]]
    published: list[dict[str, str]]
    left_out: list[Fact]
    settings: list[Fact]
    pictures: list[PagePicture]


def baseline_section(file: BaselineFile, fingerprint: str) -> BaselineSection:
    """Return what the page says of a baseline.

    Parameters
    ----------
    file : BaselineFile
        Of the cohort.
    fingerprint : str
        That of the data.

    Raises
    ------
    TableFormatError
        It is of other data, or not whole.
    """
    if file.fingerprint != fingerprint:
        raise TableFormatError(
            "A baseline of other data",
            path=file.path,
            field="data_fingerprint",
            found=file.fingerprint,
            expected=fingerprint,
            mend=f"run `deepstrf-hf baseline` of {file.config} again",
        )
    try:
        return _section(file.content, file.path.with_suffix(".png"))
    except (AttributeError, KeyError, TypeError, ValueError, OSError) as error:  # OSError: a broken figure
        raise _problem(file.path, found=repr(error)) from error


def _section(content: Mapping[str, Any], png: Path) -> BaselineSection:
    summary = [
        [group, shown(values["n"]), *(shown(values[score]) for score in SCORES)]
        for group, values in content["summary"].items()
    ]
    published = [
        {key: shown(line.get(key)) for key in ("what", "value", "ours", "source", "note")}
        for line in content["published"]
    ]
    left_out = [(line["reason"], ", ".join(line["neurons"])) for line in content["left_out"]]
    settings = [(in_words(name), _setting(value)) for name, value in content["settings"].items()]
    scores = np.array(
        [math.nan if row["cc_norm"] is None else row["cc_norm"] for row in content["neurons"]], np.float64
    )
    scores = scores[np.isfinite(scores)]
    pictures = []
    if len(scores):
        pictures.append(histogram(scores, None, "test correlation / CCmax", "cc_norm"))
    if png.is_file() and (drawn := png.read_bytes()).startswith(PNG):
        caption = "Receptive fields and predictions, as `deepstrf-hf baseline` drew them."
        pictures.append(png_picture(drawn, "Receptive fields", caption, "Receptive fields and predictions of units."))
    return BaselineSection(
        content["kind"], content["deepstrf_hf_version"], summary, published, left_out, settings, pictures
    )


def _setting(value: Any) -> str:
    return ", ".join(map(shown, value)) if isinstance(value, list) else shown(value)


def _problem(path: Path, **what: Any) -> TableFormatError:
    return TableFormatError(
        "Not a baseline", path=path, mend="name the JSON file that `deepstrf-hf baseline` wrote", **what
    )
