"""Segmentations among the derivatives themselves, an atlas that every run has of its own.

fMRIPrep, for one, writes FreeSurfer's ``desc-aparcaseg_dseg.nii.gz`` for each run in the spaces
that it was asked for, and one of the anatomy.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bids_labelx.errors import BadDataError, MissingInputError, UsageError
from bids_labelx.inputs.annex import absence, shown
from bids_labelx.inputs.matching import (
    File,
    Pool,
    comparable,
    describe,
    fitting,
    label,
    listing,
    make_pool,
    near,
    nearest,
)
from bids_labelx.names import ENTITY_ORDER, camel, parse_name

SUFFIX = "dseg"

_WORD = "derivative:"
_FORM = f"NAME={_WORD}desc-aparcaseg,TABLE, where NAME= and ,TABLE may be left out"


@dataclass(frozen=True)
class Derivative:
    """A segmentation that ``--atlas derivative:…`` asks for.

    Attributes
    ----------
    text
        The user's words.
    name
        The atlas' name.
    entities
        What the image's name has to have.
    table
        The label table, where the user gave one.
    suffix
        That of the image.
    """

    text: str
    name: str
    entities: Mapping[str, str]
    table: Path | None = None
    suffix: str = SUFFIX


def parse_derivative(spec: str) -> Derivative | None:
    """Take words of ``--atlas`` for a segmentation; None where they mean another kind of atlas.

    Raises
    ------
    UsageError
        Where they mean one and are not of the form.
    """
    name, equals, words = spec.partition("=")
    if not words.startswith(_WORD):
        name, equals, words = "", "", spec
    if not words.startswith(_WORD):
        return None
    image, comma, table = words.removeprefix(_WORD).partition(",")
    pairs = [part.partition("-") for part in image.removesuffix(f"_{SUFFIX}").split("_")]
    entities = {key: value for key, _, value in pairs}
    wrong = [
        f"{key}{dash}{value}"
        for key, dash, value in pairs
        if key not in ENTITY_ORDER or not re.fullmatch(r"[A-Za-z0-9+]+", value)
    ]
    if wrong:
        raise UsageError(
            f"--atlas {spec}: {', '.join(map(repr, wrong))} is not an entity with its label, as "
            f"desc-aparcaseg is; the form is {_FORM}"
        )
    if len(entities) < len(pairs):
        raise UsageError(f"--atlas {spec}: an entity is given twice; the form is {_FORM}")
    if equals and not re.fullmatch(r"[A-Za-z0-9]+", name):
        raise UsageError(f"--atlas {spec}: the name {name!r} may have letters and digits only")
    if comma and not table:
        raise UsageError(f"--atlas {spec}: no table after the comma; the form is {_FORM}")
    own = entities.get("desc") or " ".join(entities.values())
    path = Path(os.path.abspath(Path(table).expanduser())) if table else None  # noqa: PTH100
    return Derivative(spec, name or camel(own), entities, path)


def segmentation_pool(derivative: Derivative, files: Iterable[File]) -> Pool:
    """The images that have a segmentation's entities, by the entities that are left."""
    asked = comparable(derivative.entities)
    desc = derivative.entities.get("desc")
    return make_pool(
        replace(file, entities=_rest(file, asked))
        for file in files
        if file.is_image
        and file.name.suffix == derivative.suffix
        and asked.items() <= file.entities.items()
        and desc in (None, file.name.entities.get("desc"))
    )


def _rest(file: File, asked: Mapping[str, str]) -> dict[str, str]:
    """What has to be the image's: all that was not asked for, and the space it is in.

    Without ``space-``, a file of a run is in the run's own space, one of the anatomy in T1w.
    """
    space = file.entities.get("space", None if "task" in file.entities else "T1w")
    rest = {key: value for key, value in file.entities.items() if key not in asked}
    return {**rest, "space": space} if space else rest


def find_segmentation(
    derivative: Derivative, pool: Pool, image: File, root: Path
) -> tuple[Path | None, str]:
    """The nearest segmentation in a BOLD image's own space, or why there is none."""
    run = shown(image.path, root)
    found = nearest(fitting(pool, image), image)
    if len(found) > 1:
        return None, (
            f"--atlas {derivative.text}: {len(found)} segmentations could be that of {run}, one "
            f"is expected; name more entities\n{listing(found, root)}"
        )
    if not found:
        return None, _none(derivative, pool, image, root)
    problem = absence(found[0].path, root)
    return (None, f"--atlas {derivative.text}: {problem}") if problem else (found[0].path, "")


def _none(derivative: Derivative, pool: Pool, image: File, root: Path) -> str:
    there = near(pool, image)
    spaces = ", ".join(sorted({file.entities.get("space", "native") for file in there}))
    return (
        f"--atlas {derivative.text}: no segmentation "
        f"…_{label(derivative.entities)}_{derivative.suffix}.nii.gz that fits "
        f"{shown(image.path, root)} and is in its space ({image.entities.get('space', 'native')})"
        + (f"; there are, in {spaces}:\n{listing(there, root)}" if there else ", nor in another")
    )


def segmentation_table(root: Path, image: Path) -> Path | None:
    """The label table of a segmentation: beside it, else the nearest by BIDS' inheritance.

    That is a ``…_dseg.tsv`` in the image's folder or one above it up to `root` with the image's
    ``desc`` and no entity that the image does not have, such as ``desc-aparcaseg_dseg.tsv`` at
    the root. None where there is none.

    Raises
    ------
    BadDataError
        Where two in one folder are equally near.
    MissingInputError
        Where the content of the table is not there.
    """
    name = parse_name(image)
    beside = image.with_name(f"{image.name.removesuffix(name.extension)}.tsv")
    found = beside if beside.is_file() or beside.is_symlink() else _inherited_table(root, image)
    if found is not None and (problem := absence(found, root)):
        raise MissingInputError(problem)
    return found


def _inherited_table(root: Path, image: Path) -> Path | None:
    own = describe(image, root)
    desc = own.name.entities.get("desc")
    folders = [image.parent, *image.parent.parents]
    for folder in folders[: folders.index(root) + 1]:
        names = [(path, parse_name(path)) for path in sorted(folder.glob("*.tsv"))]
        tables = [
            File(path, name, comparable(name.entities))
            for path, name in names
            if name.suffix == own.name.suffix and name.entities.get("desc") == desc
        ]
        tables = [table for table in tables if table.entities.items() <= own.entities.items()]
        most = max((len(table.entities) for table in tables), default=0)
        best = [table for table in tables if len(table.entities) == most]
        if len(best) > 1:
            raise BadDataError(
                f"{image}: {len(best)} label tables are equally near\n{listing(best, root)}"
            )
        if best:
            return best[0].path
    return None
