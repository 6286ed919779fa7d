"""Finding atlases in files, BIDS atlas datasets, and TemplateFlow's local folder."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bids_labelx.atlases.atlas import Atlas
from bids_labelx.atlases.surface_labels import is_surface_atlas, other_file
from bids_labelx.content import missing_reason
from bids_labelx.errors import MissingInputError, SpaceError, UsageError
from bids_labelx.images import open_image
from bids_labelx.inputs.metadata import inherited_table, only_table
from bids_labelx.names import MESHES, Name, camel, is_backup, parse_name, space_name
from bids_labelx.settings.convert import atlas_parts, split_map
from bids_labelx.templateflow import templateflow_home

_SEARCHED = ("", "sourcedata/atlases", "sourcedata")

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
        atlases = _in_dataset(dataset, atlas_space or space) if dataset else []
        if not atlases:
            raise SpaceError(f"--atlas-dataset {dataset}: no atlas in space {space}")
    for atlas in atlases:
        _check_space(atlas, space, atlas_space)
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
        named = [one for one in named if not seg or seg in _segmentation(one.entities)]
        matching = [atlas for atlas in named if atlas.space == space]
        missing = [reason for atlas in matching if (reason := _missing(atlas))]
        downloaded = [atlas for atlas in matching if not _missing(atlas)]
        if len(downloaded) == 1:
            return downloaded[0]
        if len(downloaded) > 1:
            listed = "\n".join(str(atlas.image) for atlas in downloaded)
            raise UsageError(f"--atlas {spec}: several fit, say which with NAME:SEG\n{listed}")
        if matching:
            raise MissingInputError(f"--atlas {spec}: {missing[0]}")
        elsewhere += named
    if elsewhere:
        spaces = ", ".join(sorted({str(atlas.space) for atlas in elsewhere}))
        raise SpaceError(
            f"--atlas {spec}: the atlas is in {spaces}, the runs are in {space}; choose runs with "
            "--space, or say --atlas-space if the labels do fit"
        )
    raise UsageError(_not_found(spec, places, dataset))


def _missing(atlas: Atlas) -> str | None:
    """Why the content of a file is missing: TemplateFlow's client has empty placeholders."""
    for path in atlas.files:
        if reason := missing_reason(path):
            return reason
        if not path.stat().st_size:
            return (
                f"{path} is empty, as it was not downloaded; do that before a run, with\n"
                f"bids_labelx --fetch-atlas {_spec_of(atlas)} --space {atlas.space}"
            )
    return None


def _not_found(
    spec: str, places: Sequence[tuple[Path, Sequence[Atlas]]], dataset: Path | None
) -> str:
    if not places:
        return (
            f"--atlas {spec}: no such file, and no --atlas-dataset nor TemplateFlow folder "
            f"({templateflow_home()}) to look this name up in"
        )
    found = []
    for folder, atlases in places:
        if folder == dataset:
            names = sorted({_spec_of(atlas) for atlas in atlases})
            found.append(f"not in {folder}; there are {', '.join(names) or 'none'}")
        else:
            found.append(f"not in TemplateFlow's folder {folder}")
    return f"--atlas {spec}: " + "; ".join(found)


def _spec_of(atlas: Atlas) -> str:
    words = _segmentation(atlas.entities)
    return atlas.entities["atlas"] + (f":{words[0]}" if words else "")


def _segmentation(entities: Mapping[str, str]) -> list[str]:
    """The values that SEG in NAME:SEG may have for an atlas."""
    own = _atlas_entities(entities)
    return [own[key] for key in ("seg", "scale") if key in own]


def _from_file(image: Path, table: Path | None, name: str | None, which: str = "") -> Atlas:
    for path, kind in ((image, "file"), (table, "table")):
        if path is not None and not os.path.lexists(path):
            raise MissingInputError(f"--atlas: there is no {kind} {path}")
        if path is not None and (reason := missing_reason(path)):
            raise MissingInputError(f"--atlas: {reason}")
    if name is not None and not re.fullmatch(r"[A-Za-z0-9]+", name):
        raise UsageError(f"--atlas {name}=…: a name has letters and digits only")
    own = _atlas_entities(parse_name(image).entities)
    if name is not None:
        entities = {**own, "atlas": name} if "atlas" in own else {"atlas": name}
    else:
        named = own.get("atlas") or camel(image.name.partition(".")[0])
        entities = {**own, "atlas": named}
    image = _absolute(image)
    table = _absolute(table) if table else find_table(image)
    folders = [image.parent] if table is None else [image.parent, table.parent]
    root = Path(os.path.commonpath(folders))
    return Atlas(entities, space_of(image), image, table, root, other_file(image), which)


def _atlas_entities(entities: Mapping[str, str]) -> dict[str, str]:
    """The entities of an atlas; the ``desc-`` of TemplateFlow's files is BIDS' ``seg-``."""
    kept = {key: entities[key] for key in ("atlas", "seg", "scale") if key in entities}
    if "atlas" in kept and "desc" in entities:
        kept.setdefault("seg", entities["desc"])
    return kept


def _absolute(path: Path) -> Path:
    """Absolute, without ``..``, and with links as they are: sidecars show the user's path."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def find_table(image: Path, root: Path | None = None) -> Path | None:
    """The table of an image: of the same name, else of the same atlas by BIDS' inheritance.

    Without `root`, only the image's own folder is searched.
    """
    stem = image.name.partition(".")[0]
    same = image.with_name(stem + ".tsv")
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
    if not dataset.is_dir():
        raise MissingInputError(f"--atlas-dataset {dataset}: there is no such folder")
    patterns = (
        f"tpl-*/**/*_atlas-{name}_*dseg.*",
        f"atlas-*/tpl-*/**/*_atlas-{name}_*dseg.*",
        f"atlas-{name}/**/atlas-{name}_*dseg.*",  # as XCP-D has it
    )
    images = sorted(
        {
            path
            for folder in _SEARCHED
            for pattern in patterns
            for path in (dataset / folder).glob(pattern)
            if re.search(r"_dseg\.((dlabel\.)?nii|nii\.gz|label\.gii)$", path.name)
            and not is_backup(path.name)
        }
    )
    found: dict[tuple[object, ...], Path] = {}
    for image in images:
        entities = parse_name(image).entities
        if "atlas" not in entities or (space is not None and space_of(image) != space):
            continue
        same = (
            space_of(image),
            *sorted((k, v) for k, v in entities.items() if k not in ("res", "den", "hemi")),
        )
        if same not in found or _fineness(image) < _fineness(found[same]):
            found[same] = image
    return [
        Atlas(
            _atlas_entities(parse_name(path).entities),
            space_of(path),
            path,
            find_table(path, dataset),
            dataset,
            other_file(path),
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


def _check_space(atlas: Atlas, space: str, atlas_space: str | None) -> None:
    own = atlas_space or atlas.space
    if own is None:
        raise SpaceError(
            f"{atlas.image}: its name says no space (tpl- or space-), so it may not fit runs in "
            f"{space}. If it does, say so with --atlas-space {space}"
        )
    if own != space:
        raise SpaceError(
            f"{atlas.image}: the labels are in {_with_mesh(own)}, the runs in "
            f"{_with_mesh(space)}; choose runs with --space, or say --atlas-space if the labels "
            "do fit"
        )


def _with_mesh(space: str) -> str:
    """A space with the number of vertices of its mesh, where it is one of surfaces."""
    return f"{space} ({MESHES[space]} vertices a hemisphere)" if space in MESHES else space


def fetch_atlas(spec: str, space: str) -> list[Path]:
    """Download an atlas and its tables with TemplateFlow's client, into its local folder.

    `spec` is ``NAME`` or ``NAME:SEG``, `space` the template, such as ``MNI152NLin2009cAsym``.
    Gives the paths of the images of every resolution, and of the tables.

    Raises
    ------
    UsageError
        Where TemplateFlow has no such atlas, with those that it has.
    MissingInputError
        Where it cannot be downloaded.
    """
    try:
        from templateflow import api
    except ImportError:
        raise MissingInputError(
            "--fetch-atlas needs TemplateFlow's client: pip install 'bids_labelx[templateflow]'"
        ) from None
    name, _, seg = spec.partition(":")
    template, _, cohort = space.partition("+")
    extensions = [".nii.gz", ".tsv"]
    listed = api.ls(template, suffix="dseg", extension=extensions)
    atlases = {path: parse_name(path).entities for path in listed}
    atlases = {path: e for path, e in atlases.items() if "atlas" in e}
    if cohort:
        atlases = {path: e for path, e in atlases.items() if e.get("cohort") == cohort}
    wanted = {path: e for path, e in atlases.items() if e["atlas"] == name}
    if seg:
        # A table without a segmentation is of all of them.
        wanted = {path: e for path, e in wanted.items() if seg in (_segmentation(e) or [seg])}
    if not any(path.name.endswith(".nii.gz") for path in wanted):
        specs = {":".join([e["atlas"], *_segmentation(e)[:1]]) for e in atlases.values()}
        known = ", ".join(sorted(specs)) or "none"
        raise UsageError(f"--fetch-atlas {spec}: TemplateFlow has none in {space}; it has {known}")
    try:
        for path, entities in wanted.items():
            api.get(template, raise_empty=True, **_client_filters(path, entities))
    # The client raises the errors of its network library, and plain exceptions.
    except Exception as error:
        raise MissingInputError(f"--fetch-atlas {spec}: cannot be downloaded ({error})") from error
    return sorted(wanted)


def _client_filters(path: Path, entities: Mapping[str, str]) -> dict[str, Any]:
    """The filters of TemplateFlow's client for one file; None is a file without the entity."""
    words = {"atlas": "atlas", "desc": "desc", "seg": "segmentation", "scale": "scale"}
    numbers = {"res": "resolution", "cohort": "cohort"}
    return {
        **{word: entities.get(key) for key, word in words.items()},
        **{word: int(entities[key]) if key in entities else None for key, word in numbers.items()},
        "suffix": "dseg",
        "extension": parse_name(path).extension,
    }
