"""Le 2025: the lab's own lists of stimuli and units, and a file of another unit of the lab."""

import csv
import re

import numpy as np
import pytest

from builders.le2025.lab_tables import SCRAMBLED_MS
from builders.le2025.names import CONDITIONS, MOTIFS_OF_NAT8B, parse_sound_name, parse_unit_name
from deepstrf_hf.formats.pprox import read_pprox

pytestmark = pytest.mark.real
SOUNDS = {"nat8a": 72, "nat8b": 96, "synth8b": 96}


@pytest.fixture
def lists(real_data):
    folder = real_data / "pprox" / "auditory_restoration_inputs"
    if not folder.is_dir():
        pytest.skip("the lab's lists of auditory-restoration are not among the real recordings")
    return folder


@pytest.mark.parametrize(("experiment", "amount"), SOUNDS.items())
def test_every_name_of_a_stimulus_is_taken_apart_as_the_lab_does(lists, experiment, amount):
    names = (lists / "stimuli" / f"{experiment}-stimuli.txt").read_text().split()
    assert len(set(names)) == amount
    assert all(parse_sound_name(name) for name in names)
    with (lists / "stimuli" / f"{experiment}-info.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= amount
    for row in rows:
        name = parse_sound_name(row["stimulus"])
        assert name is not None
        assert name.motif == row["motif"]
        assert name.variant == CONDITIONS.get(row["type"], row["type"])
        assert re.sub("a$", "", name.interval or "") == row["gap"]


def test_intervals_of_scrambled_motifs_are_those_of_the_lab(lists):
    with (lists / "stimuli" / "synth8b-info.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    told = {}
    for row in rows:
        name = parse_sound_name(row["stimulus"])
        if name.interval is not None:
            told[name.motif, name.interval] = float(row["gap_start"]), float(row["gap_stop"])
    known = {(motif, interval): bounds for motif, named in SCRAMBLED_MS.items() for interval, bounds in named.items()}
    assert told == known
    assert len(known) == 16


def test_motifs_are_coded_as_the_lab_codes_them(lists):
    text = (lists / "nat8-stimulus-coding.yml").read_text()
    assert {code: bird for bird, code in re.findall(r"- (\w+): '(\w+)'", text)} == MOTIFS_OF_NAT8B


def test_every_name_of_a_unit_or_site_is_taken_apart(lists):
    birds = set()
    for room, amount in (("178B", 191), ("180B", 216)):
        stems = (lists / "units" / f"nat8a-alpha-{room}.txt").read_text().split()
        assert len(set(stems)) == amount
        for stem in stems:
            name = parse_unit_name(stem)
            assert name.site is not None
            assert (name.channel is None) == (name.cluster is None) is False
            birds.add(name.animal)
    assert len(birds) == 14
    sites = (lists / "units" / "nat8a-beta-recordings.txt").read_text().split()
    assert len({parse_unit_name(f"{site}_c1").animal for site in sites}) == 10
    assert all(parse_unit_name(f"{site}_c1").site == site for site in sites)
    for experiment in ("nat8b", "synth8b"):
        text = (lists / "units" / f"{experiment}-recordings.yml").read_text()
        assert len(re.findall(r"^\w+:", text, re.MULTILINE)) == 5
        for site in re.findall(r"- (\w+)", text):
            assert parse_unit_name(f"{site}_c1").site == site


def test_a_unit_of_another_study_of_the_lab_is_read_in_seconds_whatever_its_schema(real_data):
    path = real_data / "pprox" / "st11_1_2_1.json"
    if not path.is_file():
        pytest.skip("the starling unit is not among the real recordings")
    file = read_pprox(path)
    assert (file.unit, file.text("area"), len(file.trials)) == ("s", "CMM", 30)
    assert {trial.stimulus for trial in file.trials} >= {"A0", "A8", "B0", "B8", "C0", "C8"}
    np.testing.assert_allclose(file.trials[0].times_ms[:2], [1695.8999, 4577.0498], atol=1e-3)
