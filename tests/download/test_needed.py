"""Which archives a build needs, and which members of one that is read remotely."""

from __future__ import annotations

import pytest

from builders.crcns_aa4.raw import ANIMALS
from builders.downer2025.areas import AREAS
from builders.espejo.sounds import sound_names
from deepstrf_hf.download.needed import needed_archives
from deepstrf_hf.errors import MissingRawFileError, ParameterError, UnknownNameError
from deepstrf_hf.registry import corpus_names, load_builder
from deepstrf_hf.where import checked_where
from tests.raw_writers.espejo import write_espejo

POPULATION = "{}_NAT4_ozgf.fs100.ch18.tgz"


def names(corpus, *arguments, **options):
    return [archive.name for archive in needed_archives(load_builder(corpus), *arguments, **options)]


@pytest.mark.parametrize("corpus", corpus_names())
def test_everything_is_needed_once_and_in_the_order_of_the_declaration(corpus):
    declared = load_builder(corpus).CORPUS
    every = names(corpus, optional=True)
    assert every == [archive.name for archive in declared.archives]
    assert names(corpus) == [
        archive.name for archive in declared.archives if not archive.optional or archive.by_default
    ]
    of_cohorts = [names(corpus, [cohort.name], optional=True) for cohort in declared.cohorts]
    assert {name for of_cohort in of_cohorts for name in of_cohort} == set(every)
    twice = [cohort.name for cohort in declared.cohorts] * 2
    assert names(corpus, twice, optional=True) == every
    assert needed_archives(declared) == needed_archives(load_builder(corpus))


def test_only_what_a_cohort_needs():
    assert names("espejo", ["nat"]) == ["A1_natural_sounds.tgz"]
    assert names("espejo", ["vmn"], waveforms=True) == ["A1_voc_mod_noise.tgz"], "its sounds were never published"
    assert names("crcns_ac1", ["wehr"]) == ["crcns-ac1.zip"]
    results = [f"crcns-ac1-asari-results-{number}.zip" for number in (1, 2)]
    assert names("crcns_ac1", ["asari_mgb"]) == ["crcns-ac1.zip", *results]
    assert names("nat4", ["peg"]) == [POPULATION.format("PEG"), "PEG_single_sites.zip", "PEG_pred_correlation.csv"]


def test_sounds_are_fetched_for_waveforms_only():
    assert names("wingert2026", ["hc"]) == ["recordings.zip", "cell_list.csv"]
    assert names("wingert2026", ["hc"], waveforms=True) == ["recordings.zip", "cell_list.csv", "wav.zip"]
    assert names("espejo", ["nat"], waveforms=True) == ["A1_natural_sounds.tgz", "nat_waveforms"]
    assert names("crcns_aa4", waveforms=True) == names("crcns_aa4"), "what else is optional is not for waveforms"
    assert set(names("crcns_aa4", optional=True)) - set(names("crcns_aa4")) == {"CRCNSCode.tar.gz"}


def test_the_published_spectrogram_is_fetched_by_default():
    assert "test_data_5ms.mat" in names("ns1")
    assert "ReadMe.rtf" not in names("ns1")


def test_one_archive_per_bird():
    archives = [f"{animal}.tar.gz" for animal in ANIMALS]
    assert names("crcns_aa4") == archives
    assert names("crcns_aa4", where={"neuron.animal_id": ANIMALS[1]}) == [archives[1]]
    assert names("crcns_aa4", where={"neuron.sex": "F"}) == [f"{name}.tar.gz" for name in ANIMALS if name[-1] == "F"]
    both = {"neuron.animal_id": [ANIMALS[0], ANIMALS[1]], "neuron.sex": ["M"]}
    assert names("crcns_aa4", where=both) == [archives[1]]
    assert names("crcns_aa4", where={"neuron.sort_type": "single", "stim.type": "song"}) == archives
    assert names("crcns_aa4", where={"neuron.animal_id": "nobody"}) == []


def test_what_does_not_exist_is_refused():
    with pytest.raises(UnknownNameError, match="nat8b"):
        needed_archives(load_builder("le2025"), ["nat8"])
    with pytest.raises(UnknownNameError, match=r"neuron\.animal_id"):
        needed_archives(load_builder("crcns_aa4"), where={"neuron.animal": ANIMALS[0]})
    with pytest.raises(ParameterError):
        needed_archives(load_builder("crcns_aa4"), where={"neuron.electrode": "left"})


# Members of Downer's archive ------------------------------------------------------------------------------------------

SENTENCES = "stimuli/out_sentence_details_timit_all_loudness.mat"
CALLS = ("stimuli/SqMoPhys_MVOCStimcodes.mat", "stimuli/MonkVocs_15Blocks.wav")
ALWAYS = ("sessions_metadata.yml", "LICENSE.txt", "README.md")
A1, GUESSED = "180627", "180413"
CHANNELS = {
    session: tuple(f"sessions/{session}/{animal}_{session}_Ch{channel}_MUspk.mat" for channel in ("1", "10p", "2s2"))
    for session, animal in ((A1, "c"), (GUESSED, "b"), ("190605", "f"))
}
NEVER = ("sessions/180627/c_180627_TRIALINFO.mat", "sessions/180627/notes.txt", "stimuli/other.mat", "other/file.mat")


def members(cohorts, where=None):
    builder = load_builder("downer2025")
    (archive,) = builder.CORPUS.archives
    needed = builder.archive_members(archive, cohorts, checked_where(where, builder.CORPUS))
    every = [*ALWAYS, SENTENCES, *CALLS, *(name for files in CHANNELS.values() for name in files), *NEVER]
    return None if needed is None else {name for name in every if needed(name)}


def of_sessions(*sessions):
    return {name for session in sessions for name in CHANNELS[session]}


def test_all_members_are_needed_for_everything():
    assert members(["timit", "mvocs"]) is None
    assert members(["mvocs", "timit"], {"neuron.area_group": "core"}) is None, "only the metadata in it tell the group"
    builder = load_builder("nat4")
    assert builder.archive_members(builder.CORPUS.archives[0], ["a1"], {}) is None


def test_one_class_of_sounds():
    assert members(["timit"]) == {*ALWAYS, SENTENCES, *of_sessions(*CHANNELS)}
    assert members(["mvocs"]) == {*ALWAYS, *CALLS, *of_sessions(*CHANNELS)}


@pytest.mark.parametrize(
    ("where", "sessions"),
    [
        ({"neuron.session_id": A1}, [A1]),
        ({"neuron.animal_id": ["b", "f"]}, [GUESSED, "190605"]),
        ({"neuron.area": "A1"}, [A1]),
        ({"neuron.area": "AL"}, []),
        ({"neuron.deepstrf_area": "AL"}, [GUESSED]),
        ({"neuron.area_is_certain": True, "neuron.animal_id": ["c", "f"]}, [A1, "190605"]),
        ({"neuron.cell_id": [f"c_{A1}_Ch2s2"]}, [A1]),
        ({"neuron.cell_id": "nobody"}, []),
        ({"neuron.channel": 2}, list(CHANNELS)),
        ({"neuron.coord_x": 1.5, "neuron.session_id": "190605"}, ["190605"]),
    ],
)
def test_sessions_that_conditions_leave_out(where, sessions):
    assert {A1, GUESSED} <= set(AREAS)
    assert members(["timit"], where) == {*ALWAYS, SENTENCES, *of_sessions(*sessions)}


# Single files ---------------------------------------------------------------------------------------------------------


def test_recordings_tell_which_sounds_are_wanted(tmp_path):
    truth = write_espejo(tmp_path, sites=3)
    builder = load_builder("espejo")
    file_set = builder.CORPUS.archives[-1].file_set
    assert file_set.names is sound_names
    heard = {trial.sound for recording in truth.recordings["nat"] for trial in recording.trials}
    assert file_set.names(builder.open_raw(str(tmp_path))) == sorted(heard)
    assert len(file_set.folders) == 8
    assert file_set.folders[0] == (
        "https://bitbucket.org/lbhb/baphy/raw/master/Config/lbhb/SoundObjects/%40NaturalSounds/sounds_set3"
    )


def test_sounds_cannot_be_told_without_recordings(tmp_path):
    (tmp_path / "A1_voc_mod_noise" / "VMN").mkdir(parents=True)
    with pytest.raises(MissingRawFileError, match="nat"):
        sound_names(load_builder("espejo").open_raw(str(tmp_path)))
