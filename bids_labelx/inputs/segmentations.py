"""Segmentations among the derivatives: an atlas with an image for each run.

fMRIPrep, for one, writes FreeSurfer's ``desc-aparcaseg_dseg.nii.gz`` for each run in the output
spaces, and one of the anatomy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bids_labelx.content import display_path, missing_reason
from bids_labelx.errors import MissingInputError, UsageError
from bids_labelx.inputs.matching import (
    File,
    FileGroups,
    best_matches,
    candidates,
    comparable,
    group_files,
    join_entities,
    list_paths,
    matching_files,
    parse_path,
)
from bids_labelx.inputs.metadata import inherited_table
from bids_labelx.names import ENTITY_ORDER, Name, camel, parse_name
from bids_labelx.settings.convert import DERIVATIVE, atlas_parts

SUFFIX = "dseg"

_FORM = f"NAME={DERIVATIVE}desc-aparcaseg,TABLE, where NAME= and ,TABLE are optional"


@dataclass(frozen=True)
class Derivative:
    """A segmentation of ``--atlas derivative:…``.

    Attributes
    ----------
    text
        The argument.
    name
        The atlas' name.
    entities
        Those that the image's name must have.
    table
        The label table, if given.
    """

    text: str
    name: str
    entities: Mapping[str, str]
    table: Path | None = None


def parse_derivative(spec: str) -> Derivative | None:
    """Parse an argument of ``--atlas``; None if it is not of a segmentation.

    Raises
    ------
    UsageError
        Where it is, but has not the right form.
    """
    name, image, table = atlas_parts(spec)
    if not image.startswith(DERIVATIVE):
        return None
    image = image.removeprefix(DERIVATIVE)
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
    if name and not re.fullmatch(r"[A-Za-z0-9]+", name):
        raise UsageError(f"--atlas {spec}: the name {name!r} may have letters and digits only")
    if spec.startswith("="):
        raise UsageError(f"--atlas {spec}: no name before the =; the form is {_FORM}")
    if spec.endswith(","):
        raise UsageError(f"--atlas {spec}: no table after the comma; the form is {_FORM}")
    own = entities.get("desc") or " ".join(entities.values())
    return Derivative(spec, name or camel(own), entities, Path(table) if table else None)


def group_segmentations(derivative: Derivative, files: Iterable[File]) -> FileGroups:
    """The images with a segmentation's entities, grouped by their other entities."""
    required = comparable(derivative.entities)
    desc = derivative.entities.get("desc")
    return group_files(
        replace(file, entities=_entities_to_match(file, required))
        for file in files
        if file.is_image
        and file.name.suffix == SUFFIX
        and required.items() <= file.entities.items()
        and desc in (None, file.name.entities.get("desc"))
    )


def _entities_to_match(file: File, required: Mapping[str, str]) -> dict[str, str]:
    """The entities that the BOLD image must share: those not required anyway, and the space.

    Without ``space-``, a file of a run is in the run's own space, one of the anatomy in that of
    the preprocessed anatomical image beside it.
    """
    space = file.entities.get("space")
    if space is None and "task" not in file.entities:
        space = _space_of_anatomy(file.path.parent)
    others = {key: value for key, value in file.entities.items() if key not in required}
    return {**others, "space": space} if space else others


def _space_of_anatomy(folder: Path) -> str:
    """The space of files without ``space-``: T2w where NiBabies had no T1w image."""
    names = [parse_name(path) for path in folder.glob("*_desc-preproc_T?w.nii*")]
    found = {name.suffix for name in names if "space" not in name.entities}
    return "T2w" if found == {"T2w"} else "T1w"


def find_segmentation(
    derivative: Derivative, groups: FileGroups, image: File, root: Path
) -> tuple[Path | None, str]:
    """The best match among the segmentations in a BOLD image's space, or why there is none."""
    run = display_path(image.path, root)
    found = best_matches(matching_files(groups, image), image)
    if len(found) > 1:
        return None, (
            f"--atlas {derivative.text}: {len(found)} segmentations could be that of {run}, one "
            f"is expected; name more entities\n{list_paths(found, root)}"
        )
    if not found:
        return None, _why_none(derivative, groups, image, root)
    problem = missing_reason(found[0].path, root)
    return (None, f"--atlas {derivative.text}: {problem}") if problem else (found[0].path, "")


def _why_none(derivative: Derivative, groups: FileGroups, image: File, root: Path) -> str:
    found = candidates(groups, image)
    spaces = ", ".join(sorted({file.entities.get("space", "native") for file in found}))
    space = image.entities.get("space", "native")
    others = (
        f"; there are, in {spaces}:\n{list_paths(found, root)}" if found else ", nor in another"
    )
    return (
        f"--atlas {derivative.text}: no segmentation "
        f"…_{join_entities(derivative.entities)}_{SUFFIX}.nii.gz that fits "
        f"{display_path(image.path, root)} and is in its space ({space}){others}"
    )


def segmentation_table(root: Path, image: Path) -> Path | None:
    """The label table of a segmentation: beside it, else by BIDS' inheritance, else None.

    It must have the image's ``desc``, as ``desc-aparcaseg_dseg.tsv`` at the root has.

    Raises
    ------
    BadDataError
        Where several tables fit equally.
    MissingInputError
        Where the content of the table is missing.
    """
    name = parse_path(image, root).name
    beside = image.with_name(f"{image.name.removesuffix(name.extension)}.tsv")
    found: Path | None = beside
    if not (beside.is_file() or beside.is_symlink()):
        found = inherited_table(image, root, name, _entities_with_desc)
    if found is not None and (problem := missing_reason(found, root)):
        raise MissingInputError(problem)
    return found


def _entities_with_desc(name: Name) -> dict[str, str | None]:
    return {**comparable(name.entities), "desc": name.entities.get("desc")}
