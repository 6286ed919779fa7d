"""Parsing and building BIDS file names; entities have short keys (``sub``)."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NamedTuple

# As BIDS' schema has them; ``ci/entities.py`` writes the file.
_ENTITIES = Path(__file__).with_name("data") / "entities.txt"
ENTITY_ORDER = tuple(_ENTITIES.read_text("ascii").split())

# What BIDS_DIR is called where datasets are told apart by name: in BIDS URIs and strategy files.
FIRST_DATASET = "preprocessed"
# What is linked beside datasets: the folder of --mask, and with the name behind it, an atlas'.
MASK_LINK, ATLAS_LINK = "mask", "atlas-"

# Entities in which a file in another space or resolution differs from its source run.
SPATIAL = ("hemi", "space", "cohort", "res", "den")

# BIDS and C-PAC spell a template so, TemplateFlow and fMRIPrep otherwise.
_SPELT = {"MNI152NLin6ASym": "MNI152NLin6Asym"}

# The names of spaces by template and density; fsLR's 91k and 170k grayordinates have the meshes
# of 32k and 59k vertices. Other densities of a template are spaces of their own.
_SPACES = {
    **{
        ("fsaverage", den): f"fsaverage{n}"
        for n, den in ((3, "642"), (4, "3k"), (5, "10k"), (6, "41k"))
    },
    **{("fsaverage", den): "fsaverage" for den in ("", "164k")},
    **{("fsLR", den): "fsLR" for den in ("", "32k", "91k")},
    **{("fsLR", den): "fsLR59k" for den in ("59k", "170k")},
}
# Vertices of a hemisphere in these spaces.
MESHES = {
    "fsaverage": 163842,
    "fsaverage3": 642,
    "fsaverage4": 2562,
    "fsaverage5": 10242,
    "fsaverage6": 40962,
    "fsLR": 32492,
    "fsLR59k": 59292,
    "fsLR164k": 163842,
}

# How names of files tell the hemispheres apart, and what the other one is called.
_HEMISPHERES = (
    r"(?:^|_)hemi-(L|R)(?=_)",
    r"(?:^|[._-])(L|R|lh|rh|left|right)(?=[._-])",
)
_OTHER = {"L": "R", "R": "L", "lh": "rh", "rh": "lh", "left": "right", "right": "left"}

# Entities in which the runs that are concatenated differ.
_VARIES = {"runs": ("run", "dir"), "sessions": ("run", "dir", "ses")}


def is_dataset_name(name: str) -> bool:
    """Whether a dataset may be called so: as in BIDS URIs, and not as another folder there."""
    own = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) is not None
    return own and name != MASK_LINK and not name.startswith(ATLAS_LINK)


@dataclass(frozen=True)
class Name:
    """The parts of a BIDS file name: ``sub-01_task-rest_bold.nii.gz``."""

    entities: Mapping[str, str]
    suffix: str
    extension: str


class TableQuery(NamedTuple):
    """Which table of a run is meant: one of these in the dataset, that the run's entities fit.

    Attributes
    ----------
    dataset
        The dataset's name.
    suffix, extension
        The end of the file's name.
    desc
        Its ``desc-``; empty for a file without one.
    entities
        Other entities of its name, which the run's need not have.
    """

    dataset: str
    suffix: str
    desc: str = ""
    extension: str = ".tsv"
    entities: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        own = "".join(f"_{key}-{value}" for key, value in self.entities)
        desc = f"_desc-{self.desc}" if self.desc else ""
        return f"{self.dataset}: …{own}{desc}_{self.suffix}{self.extension}"


def parse_name(path: PurePath | str) -> Name:
    """Parse a file's name; folders above it never count.

    Parts that are no ``key-value`` pair and not the last are ignored.
    """
    stem, dot, extension = PurePath(path).name.partition(".")
    *parts, suffix = stem.split("_")
    pairs = (part.partition("-") for part in parts)
    entities = {key: value for key, dash, value in pairs if dash and key and value}
    return Name(entities, suffix, dot + extension)


def is_backup(name: str) -> bool:
    """Whether a file is hidden, as macOS' ``._x`` and ``.DS_Store`` are, or an editor's backup."""
    return name.startswith((".", "#")) or name.endswith(("~", "#"))


def space_name(space: str, den: str) -> str:
    """The space of a file with these entities: one mesh, where it is on surfaces.

    >>> space_name("fsaverage", "10k"), space_name("fsLR", "91k"), space_name("fsLR", "164k")
    ('fsaverage5', 'fsLR', 'fsLR164k')
    >>> space_name("MNI152NLin6ASym", "")
    'MNI152NLin6Asym'
    """
    space = _SPELT.get(space, space)
    return _SPACES.get((space, den), space + den if space in ("fsaverage", "fsLR") else space)


def hemisphere_of(path: PurePath | str) -> str:
    """The hemisphere in a file's name, ``L`` or ``R``, empty where there is none.

    >>> hemisphere_of("tpl-fsLR_hemi-L_sphere.surf.gii"), hemisphere_of("rh.pial")
    ('L', 'R')
    """
    found = _find_hemisphere(PurePath(path).name)
    return found[1][0].upper() if found else ""


def _find_hemisphere(name: str) -> re.Match[str] | None:
    return next(filter(None, (re.search(pattern, name) for pattern in _HEMISPHERES)), None)


def other_hemisphere(name: str) -> str:
    """The name of the file of the other hemisphere; empty where the name says no hemisphere.

    >>> other_hemisphere("lh.aparc.annot"), other_hemisphere("tpl-fsLR_hemi-R_dseg.label.gii")
    ('rh.aparc.annot', 'tpl-fsLR_hemi-L_dseg.label.gii')
    """
    found = _find_hemisphere(name)
    if found is None:
        return ""
    return name[: found.start(1)] + _OTHER[found[1]] + name[found.end(1) :]


def sort_entities(entities: Mapping[str, str]) -> dict[str, str]:
    """Entities in BIDS order; one that BIDS does not know stays behind the one before it.

    >>> list(sort_entities({"sub": "1", "hash": "ab", "desc": "x", "task": "rest", "own": "y"}))
    ['sub', 'hash', 'task', 'own', 'desc']
    """
    ranks: dict[str, float] = {}
    last = -1.0
    for key in entities:
        if key in ENTITY_ORDER:
            last = ENTITY_ORDER.index(key)
        # Several in a row stay in their order, as sorting is stable.
        ranks[key] = last if key in ENTITY_ORDER else last + 0.5
    return {key: entities[key] for key in sorted(entities, key=lambda key: ranks[key])}


def build_name(entities: Mapping[str, str], suffix: str, extension: str) -> str:
    """Build a file name, with the entities in BIDS order."""
    pairs = [f"{key}-{value}" for key, value in sort_entities(entities).items()]
    return "_".join([*pairs, suffix]) + extension


def grouping_entities(entities: Mapping[str, str], level: str) -> dict[str, str]:
    """The entities that a run shares with those it is concatenated with.

    Parameters
    ----------
    entities
        Those of a run, or of an output of it.
    level
        ``runs``: of one session, whatever their run and direction. ``sessions``: of a participant.
    """
    return {key: value for key, value in entities.items() if key not in _VARIES[level]}


def is_utf8(text: str) -> bool:
    """Whether a name is text: file systems give any bytes, which Python keeps as surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str) -> str:
    r"""A name in which bytes that are no UTF-8 are spelt as ``\xe9``."""
    return os.fsencode(text).decode(errors="backslashreplace")


def digest(*what: object) -> str:
    """Twelve hexadecimal digits that stand for values, by their ``repr``."""
    return hashlib.sha256(repr(what).encode()).hexdigest()[:12]


def natural(text: str) -> list[str | int]:
    """What sorts run-2 before run-10."""
    return [int(part) if i % 2 else part for i, part in enumerate(re.split(r"(\d+)", text))]


def camel(text: str) -> str:
    """The letters and digits of a text in camelCase, as a BIDS label.

    >>> camel("simple+gsr"), camel("scrubbing.5"), camel("standard_deviation")
    ('simpleGsr', 'scrubbing5', 'standardDeviation')
    """
    first, *rest = re.findall(r"[A-Za-z0-9]+", text) or [""]
    return first + "".join(word[0].upper() + word[1:] for word in rest)
