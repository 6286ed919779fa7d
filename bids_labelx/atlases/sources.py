"""Finding atlases in files, BIDS atlas datasets, and TemplateFlow's local folder."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bids_labelx.atlases.atlas import Atlas, Kind
from bids_labelx.atlases.refusals import (
    atlas_entities,
    file_in_other_space,
    file_not_found,
    named_in_other_space,
    none_downloaded,
    none_in_space,
    not_found,
    segmentation_of,
    several_fit,
    spec_of,
)
from bids_labelx.atlases.surface_labels import is_surface_atlas, other_file
from bids_labelx.content import missing_reason
from bids_labelx.errors import MissingInputError, SpaceError, UsageError
from bids_labelx.images import open_image
from bids_labelx.inputs.metadata import inherited_table, only_table
from bids_labelx.names import ENTITY_ORDER, Name, camel, is_backup, parse_name, space_name
from bids_labelx.settings.convert import atlas_parts, split_map
from bids_labelx.templateflow import templateflow_home

_SEARCHED = ("", "sourcedata/atlases", "sourcedata")

# The suffix of images of maps, and SEG of NAME:SEG where an atlas is there as labels, too.
MAPS = "probseg"

# Endings of tables beside an image that has no BIDS table.
_TABLES = (".csv", ".txt", ".nii.txt", ".lut", ".xml", ".label")


def find_atlases(
    specs: Sequence[str], dataset: Path | None, space: str, atlas_space: str | None = None
) -> list[Atlas]:
    """The atlases that a user asked for, for runs in one space.

    Parameters
    ----------
    specs
        ``IMAGE``, ``NAME=IMAGE``, ``NAME=IMAGE,TABLE`` or ``NAME[:SEG]``, looked up in `dataset`
        and then in TemplateFlow's folder; if empty, all atlases of `dataset` in `space`.
    dataset
        A BIDS atlas dataset.
    space
        The space of the runs, ``native`` for files without a ``space-`` entity.
    atlas_space
        The space of all these atlases, instead of those in their names.

    Raises
    ------
    SpaceError
        Where an atlas' space is not known, or is not that of the runs.
    UsageError
        Where an atlas is not found, or two have the same name.
    MissingInputError, BadDataError
        Where a file is missing, or several match.
    """
    atlas_space = atlas_space and space_name(atlas_space, "")
    if specs:
        atlases = [_find_atlas(spec, dataset, atlas_space or space) for spec in specs]
    else:
        atlases = _labels_first(_in_dataset(dataset, atlas_space or space)) if dataset else []
        if not atlases:
            raise SpaceError(f"--atlas-dataset {dataset}: {none_in_space(dataset, space)}")
    for atlas in atlases:
        _check_space(atlas, space, atlas_space, dataset)
    check_names(atlases)
    return atlases


def check_names(atlases: Sequence[Atlas]) -> None:
    """Refuse atlases that share a name, so that outputs or BIDS URIs would.

    Raises
    ------
    UsageError
    """
    keys = [atlas.key for atlas in atlases]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise UsageError(
            f"--atlas: {', '.join(twice)} is asked for twice; name them apart with NAME=IMAGE"
        )
    roots: dict[str, Path] = {}
    for atlas in atlases:
        name = atlas.entities["atlas"]
        if roots.setdefault(name, atlas.root) != atlas.root:
            raise UsageError(
                f"--atlas: {name} comes from {roots[name]} and from {atlas.root}; name one of "
                "them otherwise with NAME=IMAGE"
            )


def space_of(image: Path) -> str | None:
    """The space in a file name, a cohort joined as in BIDS' ``space-MNIInfant+1``."""
    entities = parse_name(image).entities
    space = entities.get("space") or entities.get("tpl")
    if not space:
        return None
    space = space_name(space, entities.get("den", ""))
    return f"{space}+{entities['cohort']}" if "cohort" in entities else space


def _find_atlas(spec: str, dataset: Path | None, space: str) -> Atlas:
    name, image, table = atlas_parts(spec)
    if image:
        file, which = split_map(image)
        return _from_file(Path(file), Path(table) if table else None, name or None, which)
    name, _, seg = spec.partition(":")
    places = [] if dataset is None else [(dataset, _in_dataset(dataset, None))]
    home = templateflow_home()
    if home.is_dir():
        places.append((home, _in_dataset(home, None, glob.escape(name))))
    elsewhere: list[Atlas] = []
    for _, atlases in places:
        named = [one for one in atlases if one.entities["atlas"] == name]
        if seg == MAPS:
            named = [one for one in named if one.kind == "maps"]
        else:
            named = [one for one in named if not seg or seg in segmentation_of(one.entities)]
        matching = [atlas for atlas in named if atlas.space == space]
        if seg != MAPS:
            matching = _labels_first(matching)
        missing = [reason for atlas in matching if (reason := _missing(atlas))]
        downloaded = [atlas for atlas in matching if not _missing(atlas)]
        if len(downloaded) == 1:
            return downloaded[0]
        if len(downloaded) > 1:
            raise UsageError(several_fit(spec, downloaded))
        if matching:
            several = len({spec_of(one) for one in matching}) > 1
            reason = none_downloaded(matching) if several else missing[0]
            raise MissingInputError(f"--atlas {spec}: {reason}")
        elsewhere += named
    if elsewhere:
        raise SpaceError(named_in_other_space(spec, elsewhere, space))
    raise UsageError(not_found(spec, places, dataset))


def _labels_first(atlases: Sequence[Atlas]) -> list[Atlas]:
    """Of an atlas that is there as labels and as maps the labels: ``NAME:probseg`` is the maps."""
    labels = {one.entities["atlas"] for one in atlases if one.kind == "labels"}
    return [one for one in atlases if one.kind == "labels" or one.entities["atlas"] not in labels]


def _missing(atlas: Atlas) -> str | None:
    """Why the content of a file is missing: TemplateFlow's client has empty placeholders."""
    for path in atlas.files:
        if reason := missing_reason(path):
            return reason
        if not path.stat().st_size:
            return (
                f"{path} is empty, as it was not downloaded; do that before a run, with\n"
                f"bids_labelx --fetch-atlas {spec_of(atlas)} --space {atlas.space}"
            )
    return None


def _from_file(image: Path, table: Path | None, name: str | None, which: str = "") -> Atlas:
    for path, kind in ((image, "file"), (table, "table")):
        if path is not None and not os.path.lexists(path):
            raise MissingInputError(file_not_found(path, kind))
        if path is not None and (reason := missing_reason(path)):
            raise MissingInputError(f"--atlas: {reason}")
    if name is not None and not re.fullmatch(r"[A-Za-z0-9]+", name):
        raise UsageError(f"--atlas {name}=…: a name has letters and digits only")
    own = atlas_entities(parse_name(image).entities)
    if name is not None:
        entities = {**own, "atlas": name} if "atlas" in own else {"atlas": name}
    else:
        named = own.get("atlas") or camel(_own_words(image))
        entities = {**own, "atlas": named}
    image = _absolute(image)
    if image.name.endswith(".tsv"):
        if table:
            raise UsageError(f"--atlas: {image} is a table of spheres, which has none beside it")
    else:
        table = _absolute(table) if table else find_table(image)
    folders = [image.parent] if table is None else [image.parent, table.parent]
    root = Path(os.path.commonpath(folders))
    kind = _kind_of(image)
    if kind == "spheres":
        return Atlas(entities, space_of(image), image, None, image.parent, kind=kind)
    return Atlas(entities, space_of(image), image, table, root, other_file(image), which, kind)


def _own_words(image: Path) -> str:
    """What an image's name has beside entities and suffix: ``mine`` of ``mine_space-X_dseg``.

    All of it, where there is nothing else.
    """
    stem = image.name.partition(".")[0]
    suffixes = {"dseg", MAPS, "label", "labels"}
    parts = [one for one in stem.split("_") if one not in suffixes]
    words = [one for one in parts if one.partition("-")[0] not in ENTITY_ORDER or "-" not in one]
    return "_".join(words) or stem


def _kind_of(image: Path) -> Kind:
    """What a file is an atlas of; a 4D image that is not called a label image is one of maps."""
    if image.name.endswith(".tsv"):
        return "spheres"
    suffix = parse_name(image).suffix
    if is_surface_atlas(image) or suffix == "dseg":
        return "labels"
    if suffix == "probseg" or set(open_image(image).shape[3:]) - {1}:
        return "maps"
    return "labels"


def _absolute(path: Path) -> Path:
    """Absolute, without ``..``, and with links as they are: sidecars show the user's path."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def table_name(image: Path) -> str:
    """What the table of an image is called that belongs to it alone."""
    return image.name.partition(".")[0] + ".tsv"


def find_table(image: Path, root: Path | None = None) -> Path | None:
    """The table of an image: of the same name, else of the same atlas by BIDS' inheritance.

    Without `root`, only the image's own folder is searched.
    """
    stem = image.name.partition(".")[0]
    same = image.with_name(table_name(image))
    # A link counts whose content was not fetched, which is told when it is read.
    if os.path.lexists(same):
        return same
    beside = [image.with_name(stem + end) for end in _TABLES]
    others = [path for path in beside if os.path.lexists(path)]
    if others:
        return only_table(image, others, root or image.parent)
    name = parse_name(image)
    if "atlas" not in name.entities:
        return None

    def with_atlas(one: Name) -> dict[str, str | None]:
        return {**one.entities, "atlas": one.entities.get("atlas")}

    return inherited_table(image, root or image.parent, name, with_atlas)


def _in_dataset(dataset: Path, space: str | None, name: str = "*") -> list[Atlas]:
    """The atlases of a BIDS atlas dataset in their finest resolution, sorted by name."""
    if dataset.is_file():
        raise MissingInputError(
            f"--atlas-dataset {dataset}: a file, the folder of a BIDS atlas dataset is expected; "
            f"for one image, give --atlas {dataset}"
        )
    if not dataset.is_dir():
        raise MissingInputError(f"--atlas-dataset {dataset}: there is no such folder")
    patterns = [
        pattern
        for suffix in ("dseg", "probseg")
        for pattern in (
            f"tpl-*/**/*_atlas-{name}_*{suffix}.*",
            f"atlas-*/tpl-*/**/*_atlas-{name}_*{suffix}.*",
            f"atlas-{name}/**/atlas-{name}_*{suffix}.*",  # as XCP-D has it
        )
    ]
    images = sorted(
        {
            path
            for folder in _SEARCHED
            for pattern in patterns
            for path in (dataset / folder).glob(pattern)
            if _is_image(path)
        }
    )
    found: dict[tuple[object, ...], Path] = {}
    for image in images:
        entities = parse_name(image).entities
        if "atlas" not in entities or (space is not None and space_of(image) != space):
            continue
        same = (
            space_of(image),
            parse_name(image).suffix,
            *sorted((k, v) for k, v in entities.items() if k not in ("res", "den", "hemi")),
        )
        if same not in found or _fineness(image) < _fineness(found[same]):
            found[same] = image
    return [
        Atlas(
            atlas_entities(parse_name(path).entities),
            space_of(path),
            path,
            find_table(path, dataset),
            dataset,
            other_file(path),
            kind="maps" if parse_name(path).suffix == MAPS else "labels",
        )
        for path in found.values()
    ]


def _fineness(image: Path) -> tuple[float, ...]:
    """Of two files of one atlas the one to take has the lesser value.

    Of volumes the one with smaller voxels (infinite for an empty placeholder and what was not
    fetched); of surfaces the one that has subcortical labels, too, then CIFTI, then the left
    hemisphere, which is given for both.
    """
    if is_surface_atlas(image):
        entities = parse_name(image).entities
        cortex_alone = entities.get("den") not in ("91k", "170k")
        return cortex_alone, not image.name.endswith(".nii"), entities.get("hemi") == "R"
    if missing_reason(image) or not image.stat().st_size:
        return (float("inf"),)
    return (float(np.prod(open_image(image).header.get_zooms()[:3])),)


def _check_space(atlas: Atlas, space: str, atlas_space: str | None, dataset: Path | None) -> None:
    own = atlas_space or atlas.space
    if own is None:
        raise SpaceError(
            f"{atlas.image}: its name says no space (tpl- or space-), so it may not fit runs in "
            f"{space}. If it does, say so with --atlas-space {space}"
        )
    if own != space:
        raise SpaceError(file_in_other_space(atlas, own, space, _others(atlas, dataset, space)))


def _others(atlas: Atlas, dataset: Path | None, space: str) -> Iterator[Atlas]:
    """Atlases in a space that may be an atlas of another one, the nearest first."""
    folder = atlas.image.parent
    if atlas.space:
        # As TemplateFlow and atlas datasets have a folder for each space.
        for one in (folder, Path(str(folder).replace(atlas.space, space))):
            for path in sorted(one.glob("*_dseg.*")) + sorted(one.glob("*_probseg.nii*")):
                entities = parse_name(path).entities
                if _is_image(path) and space_of(path) == space:
                    yield Atlas(atlas_entities(entities), space, path, None, one)
    name = glob.escape(atlas.entities["atlas"])
    for place in (dataset, templateflow_home()):
        if place is not None and place.is_dir():
            yield from (one for one in _in_dataset(place, space, name) if not _missing(one))


def _is_image(path: Path) -> bool:
    """Whether a file is an image of labels or maps."""
    ending = r"_(dseg\.(dlabel\.nii|label\.gii)|(dseg|probseg)\.nii(\.gz)?)$"
    return re.search(ending, path.name) is not None and not is_backup(path.name)
