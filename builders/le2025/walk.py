"""The walk over some birds of an experiment, stimulus by stimulus."""

from __future__ import annotations

from collections.abc import Iterator

from builders.le2025.config import Le2025Config
from builders.le2025.experiments import Experiment, UnitFile, unit_files
from builders.le2025.joins import FEWEST, check_join, check_part
from builders.le2025.lab_tables import BIRDS, SITES, LabTables, read_lab_tables
from builders.le2025.names import parse_unit_name
from builders.le2025.sounds import Sounds, read_sounds
from builders.le2025.units import Unit, known_of, metadata_of, read_responses
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import RawDataError
from deepstrf_hf.formats.pprox import read_pprox
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Neuron, Part, Recording

PART_BYTES = 2**26
"""Raw bytes built in one piece: some ten thousand responses, of which only the counts are held."""


def divide(units: list[UnitFile], part_bytes: int = PART_BYTES) -> dict[Part, list[UnitFile]]:
    """Divide units into pieces of whole birds.

    Parameters
    ----------
    units : list of UnitFile
        As `unit_files` lists them.
    part_bytes : int
        A piece is closed once it has that many.

    Returns
    -------
    dict of Part to list of UnitFile
        A piece is called after its first bird.
    """
    birds: dict[str, list[UnitFile]] = {}
    for unit in units:
        birds.setdefault(f"{unit.group}-{parse_unit_name(unit.stem).animal}", []).append(unit)
    pieces: dict[Part, list[UnitFile]] = {}
    filled = part_bytes
    for bird, of_bird in birds.items():
        if filled >= part_bytes:
            piece = pieces.setdefault(Part(bird), [])
            filled = 0
        piece += of_bird
        filled += sum(unit.size for unit in of_bird)
    return pieces


def walk(raw: RawTree, experiment: Experiment, config: Le2025Config, part: Part, log: BuildLog) -> Iterator[Recording]:
    """Yield the responses of the units of some birds.

    Parameters
    ----------
    raw : RawTree
        Raw files.
    experiment : Experiment
        What is built.
    config : Le2025Config
        Parameters.
    part : Part
        One of `divide`.
    log : BuildLog
        What is left out.

    Raises
    ------
    MissingRawFileError, RawFormatError
        A folder or table is not there; the tables or sounds know too few of the units or of their trials; a unit or
        sound cannot be read (with ``on_error="raise"``).
    """
    tables = read_lab_tables(raw)
    units = unit_files(raw, experiment, log)
    _check_tables(raw, units, tables, config, log)
    sounds = read_sounds(raw, experiment, tables, config, log)
    read = list(log.usable("units", _read(raw, divide(units)[part], experiment, sounds, tables, config)))
    if len(read) >= FEWEST:
        n_known, n_trials = sum(unit.n_known for unit in read), sum(unit.n_trials for unit in read)
        check_part(n_known, n_trials, "trials", "sound", raw.root / experiment.sounds, config.smallest_join)
    for unit in read:
        _report(unit, log)
    for name, stimulus in sounds.stimuli.items():
        for unit in read:
            if name in unit.responses:
                response = unit.responses[name]
                yield Recording(stimulus, unit.neuron, response.counts, response.metadata)


def _check_tables(raw: RawTree, units: list[UnitFile], tables: LabTables, config: Le2025Config, log: BuildLog) -> None:
    """Check that the lab's tables know the birds and sites of the units, by the names of their files."""
    names = {unit.neuron_id: parse_unit_name(unit.stem) for unit in units}
    birds = {unit: tables.listed_bird(name.animal) is not None for unit, name in names.items()}
    check_join(birds, "units", "bird", raw.root / BIRDS, config.smallest_join, log)
    # Units of cohort 1 have no rows there: their files tell the area themselves.
    late = {unit.neuron_id: names[unit.neuron_id].site in tables.sites for unit in units if unit.cohort > 1}
    check_join(late, "units", "site", raw.root / SITES, config.smallest_join, log)


def _read(
    raw: RawTree,
    units: list[UnitFile],
    experiment: Experiment,
    sounds: Sounds,
    tables: LabTables,
    config: Le2025Config,
) -> Iterator[tuple[str, Unit | RawDataError]]:
    for unit in units:
        if not config.may_keep("neuron", known_of(unit, experiment)):
            continue
        try:
            file = read_pprox(raw.root / unit.file)
            neuron = Neuron(unit.neuron_id, metadata_of(unit, experiment, file, tables))
            if config.keeps_neuron(neuron.metadata):
                yield unit.file, read_responses(neuron, file, sounds, tables, config.dt_ms)
        except RawDataError as error:
            yield unit.file, error


def _report(unit: Unit, log: BuildLog) -> None:
    """Write into the log what of a unit is not in the tables, and what counts it belongs to."""
    neuron, metadata = unit.neuron.neuron_id, unit.neuron.metadata
    if not unit.n_known:
        log.leave_out("units", neuron, f"none of its {unit.n_trials} trials is of a sound of the experiment")
    for name, amount in unit.strangers.items():
        log.leave_out("stimuli", name, "named by trials, but there is no sound of its name")
        log.leave_out_amount("trials", f"of {name}, of which there is no sound", amount)
    log.leave_out_amount("trials", f"{neuron}: no stimulus is named", unit.n_nameless)
    log.leave_out_amount("events", f"{neuron}: not a number in its file", unit.n_missing)
    before, after = (
        sum(response.metadata[name] for response in unit.responses.values())
        for name in ("events_before", "events_after")
    )
    log.leave_out_amount("events", "before sound onset; counted in recording_events_before", before)
    log.leave_out_amount("events", "after the last bin; counted in recording_events_after", after)
    if unit.n_listless:
        log.note(f"{neuron}: {unit.n_listless} trials hold no list of events; they count as silent.")
    if metadata["area"] is not None and metadata["area_group"] is None:
        log.note(f"The area {metadata['area']} is in none of the groups of area_group.")
    if unit.responses:
        log.count("birds", metadata["listed_bird"] or metadata["animal_id"], counts=True)
        log.count(f"cohort_{metadata['cohort']}_units", neuron, counts=True)
