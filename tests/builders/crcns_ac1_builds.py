"""What tests do with damaged trees of CRCNS AC1: damage them, build, and look what is left out."""

import re

import datasets
import pytest

from deepstrf_hf import build
from deepstrf_hf.errors import RawFormatError
from tests.builders.crcns_ac1_trees import RESULTS_1, WEHR

TRIAL = f"{WEHR}/Results/20020508-mw-003/20020508-mw-003-001.mat"
RECORDING = f"{RESULTS_1}/20050512-ha1-001/20050512-ha1-001-001.mat"
ATTACHED = f"{RESULTS_1}/20050601-ha1-002/20050601-ha1-002-001.mat"


def built(raw, cohort, **options):
    report = build("crcns_ac1", [cohort], data_dir=raw, out=raw.parent / "out", **options)
    return next(entry for entry in report.cohorts.values() if entry.cohort == cohort)


def left_out(entry):
    return {(kind, name): reason for kind, name, reason in entry.left_out}


def refused_then_skipped(raw, cohort, kind, name, error=RawFormatError):
    """Check that a build stops at a fault and names its file, and otherwise leaves it out by name."""
    with pytest.raises(error) as caught:
        built(raw, cohort)
    assert not (raw.parent / "out").exists()
    entry = built(raw, cohort, on_error="skip")
    shown = str(caught.value).replace(f"{raw}/", "")  # reports name files below the raw directory
    shown = re.sub(r"; \d+ finished parts .*", ".", shown)  # nor do they tell what a build that stopped has kept
    shown = re.sub(r" Mend: \d+ finished parts .*", "", shown)
    assert left_out(entry)[kind, name] == shown
    return caught.value, entry


def set_response(**values):
    def edit(content):
        for name, value in values.items():
            content["response"][0, 0][name] = value

    return edit


def set_trigger(**values):
    def edit(content):
        for name, value in values.items():
            target = content["triggers"][0, 0]
            target = target["param"][0, 0] if name in ("description", "duration") else target
            target[name] = value

    return edit


def rows(raw, config, session):
    table = datasets.load_dataset(str(raw.parent / "out"), config, split="train")
    return {row["stim_id"]: row for row in table if row["neuron_session"] == session}


def set_param(**values):
    def edit(content):
        for name, value in values.items():
            content["param"][0, 0]["recording"][0, 0][name] = value

    return edit


def rows_of_session(raw, cohort, session):
    built(raw, cohort)
    return {stim_id: (row["recording_trials"], row["response"]) for stim_id, row in rows(raw, cohort, session).items()}
