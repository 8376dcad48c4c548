"""Raw trees packed into the archives that the labs publish, as the documents of each corpus describe them.

What is said here of an archive's members (which folders wrap them) is independent of what the corpora declare.
"""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from builders.crcns_aa4.raw import ANIMALS
from deepstrf_hf.corpus import Archive

WRAPPED = {
    "alice_eeg": {
        "eeg.0.zip": ("eeg.0", ""),
        "eeg.1.zip": ("eeg.1", ""),
        "eeg.2.zip": ("eeg.2", ""),
        "stimuli.zip": ("stimuli", "stimuli"),
    },
    "crcns_aa1": {"crcns-aa1.zip": ("", "crcns-aa1")},
    "crcns_aa2": {
        "crcns-aa2-docs.tar.gz": ("", "crcns/aa2"),
        "crcns-aa2-all_cells.tar.gz": ("all_cells", "crcns/aa2/all_cells"),
        "crcns-aa2-all_stims.tar.gz": ("all_stims", "crcns/aa2/all_stims"),
    },
    "crcns_aa4": {f"{name}.tar.gz": (name, name) for name in (*ANIMALS, "CRCNSCode")},
    "crcns_ac1": {
        "crcns-ac1.zip": ("crcns-ac1", ""),
        "crcns-ac1-asari-results-1.zip": ("crcns-ac1-asari-results-1", ""),
        "crcns-ac1-asari-results-2.zip": ("crcns-ac1-asari-results-2", ""),
    },
    "downer2025": {"auditory_cortex_data.zip": ("", "auditory_cortex_data")},
    "espejo": {
        "A1_natural_sounds.tgz": ("A1_natural_sounds", "A1_natural_sounds"),
        "A1_voc_mod_noise.tgz": ("A1_voc_mod_noise", "A1_voc_mod_noise"),
    },
    "le2025": {"zebf-auditory-restoration-1.zip": ("", "zebf-auditory-restoration-1")},
    "nat4": {
        "A1_single_sites.zip": ("A1_single_sites", "A1_single_sites"),
        "PEG_single_sites.zip": ("PEG_single_sites", "PEG_single_sites"),
        "wav.zip": ("wav", "wav"),
    },
    "ns1": {"spikesandwav.zip": ("spikesandwav", "spikesandwav")},
    "wingert2026": {"recordings.zip": ("recordings", "recordings"), "wav.zip": ("wav", "wav")},
}
"""By corpus and archive: the folder of a tree that is in it, and what its members' names begin with."""
AS_THEY_ARE = {
    "espejo": ("nat_waveforms",),
    "nat4": (
        "A1_NAT4_ozgf.fs100.ch18.tgz",
        "PEG_NAT4_ozgf.fs100.ch18.tgz",
        "A1_pred_correlation.csv",
        "PEG_pred_correlation.csv",
    ),
    "ns1": ("MetadataSHEnCneurons.mat", "ReadMe.rtf", "test_data_5ms.mat"),
    "wingert2026": ("cell_list.csv",),
}
"""Files that are published as they lie in a tree; of a folder, each file by itself."""
TABLES_OF_AA2 = ("cell_regions.csv", "cell_stim_classes.csv", "stim_data.csv", "crcns-aa2-README.txt")
LONG_AGO = (2009, 5, 1, 12, 0, 0)


def pack(corpus: str, tree: Path, into: Path, *, flat: bool = False) -> dict[str, Path]:
    """Pack a tree that one of `tests.raw_writers` wrote.

    Parameters
    ----------
    corpus : str
        Name of the corpus.
    tree : Path
        The tree, as `tests.every_corpus` writes it.
    into : Path
        Where the archives go.
    flat : bool
        Without the folders that wrap the members, of which the documents are not sure everywhere.

    Returns
    -------
    dict of str to Path
        Archives, and files that are published as they are, by name; of a set of files, their folder. What the tree
        does not have is not among them.
    """
    into.mkdir(parents=True, exist_ok=True)
    packed: dict[str, Path] = {}
    for name, (folder, prefix) in WRAPPED.get(corpus, {}).items():
        if not (tree / folder).is_dir():
            continue
        members = list(_members(tree / folder, "" if flat else prefix))
        if name == "crcns-aa2-docs.tar.gz":
            members = [(member, path) for member, path in members if path is not None and path.name in TABLES_OF_AA2]
        packed[name] = into / name
        (_zip if name.endswith(".zip") else _tar)(into / name, members)
    for name in AS_THEY_ARE.get(corpus, ()):
        source = tree / name
        if source.is_dir():
            packed[name] = Path(shutil.copytree(source, into / name))
        elif source.is_file():
            packed[name] = Path(shutil.copyfile(source, into / name))
    return packed


def unpack_plainly(archive: Archive, file: Path, data_dir: Path) -> None:
    """Put what `pack` packed where the declaration says, with the standard library and no precautions."""
    if archive.unpack is None:
        copy = shutil.copytree if file.is_dir() else shutil.copyfile
        copy(file, data_dir / archive.name)
        return
    for name, content in _contents(file):
        parts = list(PurePosixPath(name).parts)
        for folder in archive.unpack.strip:
            if len(parts) < 2 or parts[0] != folder:
                break
            del parts[0]
        path = data_dir.joinpath(archive.unpack.into, *parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _members(folder: Path, prefix: str) -> Iterator[tuple[str, Path | None]]:
    """Yield the names of members and the files they are; None of folders, which end in a slash."""
    for path in sorted(folder.rglob("*")):
        name = "/".join(part for part in (prefix, path.relative_to(folder).as_posix()) if part)
        yield (f"{name}/", None) if path.is_dir() else (name, path)


def _zip(file: Path, members: list[tuple[str, Path | None]]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, path in members:
            kind = zipfile.ZIP_STORED if path is None else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name, LONG_AGO), path.read_bytes() if path else b"", kind, compresslevel=1)


def _tar(file: Path, members: list[tuple[str, Path | None]]) -> None:
    with tarfile.open(file, "w:gz", compresslevel=1) as archive:
        for name, path in members:
            member = tarfile.TarInfo(name.rstrip("/"))
            content = path.read_bytes() if path else b""
            member.type, member.size, member.mode = (tarfile.REGTYPE if path else tarfile.DIRTYPE), len(content), 0o755
            archive.addfile(member, io.BytesIO(content))


def _contents(file: Path) -> Iterator[tuple[str, bytes]]:
    if file.suffix == ".zip":
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    yield info.filename, archive.read(info)
        return
    with tarfile.open(file) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                yield member.name, content.read()
