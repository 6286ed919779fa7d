"""Atlases: a label image and its table, from any source, checked against the label contract.

The contract: the table's rows, in its order, are the columns of every time series; labels are
matched by index, never by position; what does not fit is refused, never mended silently.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bids_labelx.errors import BadDataError, MissingInputError, SpaceError, UsageError
from bids_labelx.extraction.resample import exact_labels
from bids_labelx.images import open_image, read_data
from bids_labelx.names import camel, parse_name, sort_entities

BACKGROUND = 0

# Columns that the app computes; a table that it wrote itself is read without them.
COMPUTED = ("voxels_atlas", "voxels_grid", "voxels_covered", "coverage", "status")

_SEARCHED = ("", "sourcedata/atlases", "sourcedata")


@dataclass(frozen=True)
class Atlas:
    """One label image with its table, checked.

    Attributes
    ----------
    entities
        ``atlas`` and, where it has them, ``seg`` and ``scale``.
    space
        The space that its labels are in; None where nothing says it.
    image, table_path
        Where it comes from; the table may be None, and is then made from the image.
    table
        One row per label, background left out: ``index``, ``name``, whatever else it has, and
        ``voxels_atlas``, the label's voxels in the image as it is stored.
    """

    entities: Mapping[str, str]
    space: str | None
    image: Path
    table_path: Path | None
    table: pd.DataFrame

    @property
    def key(self) -> str:
        """What tells this atlas from the others: ``Schaefer2018_seg-100Parcels7Networks``."""
        first, *rest = sort_entities(self.entities).items()
        return "_".join([first[1], *(f"{k}-{v}" for k, v in rest)])


@dataclass(frozen=True)
class _Source:
    """Where an atlas is, before it is read."""

    entities: Mapping[str, str]
    space: str | None
    image: Path
    table: Path | None


def find_atlases(
    specs: Sequence[str], dataset: Path | None, space: str, *, atlas_space: str | None = None
) -> list[Atlas]:
    """The atlases that a user asked for, for runs in one space.

    Parameters
    ----------
    specs
        ``IMAGE``, ``NAME=IMAGE``, ``NAME=IMAGE,TABLE`` or ``NAME[:SEG]``; none of them means all
        atlases of `dataset` in `space`.
    dataset
        A BIDS atlas dataset.
    space
        The space of the runs, ``native`` for files without a ``space-`` entity.
    atlas_space
        The space that all these atlases are in, whatever their names say.

    Raises
    ------
    SpaceError
        Where an atlas' space is not known, or is not that of the runs.
    UsageError
        Where an atlas is not to be found, or two have the same name.
    MissingInputError, BadDataError
        Where a file cannot be read or breaks the label contract.
    """
    if specs:
        sources = [_find(spec, dataset, atlas_space or space) for spec in specs]
    else:
        sources = _in_dataset(dataset, atlas_space or space) if dataset else []
        if not sources:
            raise SpaceError(f"--atlas-dataset {dataset}: no atlas in space {space}")
    for source in sources:
        _check_space(source, space, atlas_space)
    atlases = [_load(source) for source in sources]
    keys = [atlas.key for atlas in atlases]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise UsageError(
            f"--atlas: {', '.join(twice)} is asked for twice; name them apart with NAME=IMAGE"
        )
    return atlases


def _find(spec: str, dataset: Path | None, space: str) -> _Source:
    if Path(spec).is_file():
        return _from_file(Path(spec), None, None)
    name, equals, files = spec.partition("=")
    if equals:
        image, _, table = files.partition(",")
        return _from_file(Path(image), Path(table) if table else None, name)
    if re.search(r"\.nii(\.gz)?$", spec):
        return _from_file(Path(spec), None, None)
    if dataset is None:
        raise UsageError(
            f"--atlas {spec}: no such file, and no --atlas-dataset to look this name up in"
        )
    name, _, seg = spec.partition(":")
    named = [s for s in _in_dataset(dataset, None) if s.entities["atlas"] == name]
    named = [s for s in named if not seg or s.entities.get("seg") == seg]
    fitting = [source for source in named if source.space == space]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        listed = "\n".join(str(source.image) for source in fitting)
        raise UsageError(f"--atlas {spec}: several fit, say which with NAME:SEG\n{listed}")
    if named:
        spaces = ", ".join(sorted({str(source.space) for source in named}))
        raise SpaceError(
            f"--atlas {spec}: the atlas is in {spaces}, the runs are in {space}; choose runs with "
            "--space, or say --atlas-space if the labels do fit"
        )
    there = sorted({_spec_of(source) for source in _in_dataset(dataset, None)})
    raise UsageError(f"--atlas {spec}: not in {dataset}; there are {', '.join(there) or 'none'}")


def _spec_of(source: _Source) -> str:
    seg = source.entities.get("seg")
    return source.entities["atlas"] + (f":{seg}" if seg else "")


def _from_file(image: Path, table: Path | None, name: str | None) -> _Source:
    if not image.is_file():
        raise MissingInputError(f"--atlas: there is no file {image}")
    if table is not None and not table.is_file():
        raise MissingInputError(f"--atlas: there is no table {table}")
    if name is not None and not re.fullmatch(r"[A-Za-z0-9]+", name):
        raise UsageError(f"--atlas {name}=…: a name has letters and digits only")
    parsed = parse_name(image)
    entities = {k: parsed.entities[k] for k in ("seg", "scale") if k in parsed.entities}
    own = parsed.entities.get("atlas")
    if name is not None:
        entities = {"atlas": name} if own is None else {**entities, "atlas": name}
    else:
        entities["atlas"] = own or camel(image.name.partition(".")[0])
    image = _plain(image)
    return _Source(entities, _space_of(image), image, _plain(table) if table else _beside(image))


def _plain(path: Path) -> Path:
    """Absolute and without ``..``, links left alone: sidecars show the path the user knows."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _beside(image: Path, root: Path | None = None) -> Path | None:
    """The table of an image: of the same name, else by BIDS' inheritance.

    By inheritance it lies in the image's folder or one above it up to `root`, is of the same
    atlas, and has no entity that the image does not have; the nearest with the most entities is
    taken.
    """
    same = image.with_name(image.name.partition(".")[0] + ".tsv")
    name = parse_name(image)
    if same.is_file() or "atlas" not in name.entities:
        return same if same.is_file() else None
    folders = [image.parent, *image.parent.parents]
    folders = folders[: folders.index(root) + 1] if root is not None else folders[:1]
    for folder in folders:
        tables = {path: parse_name(path) for path in sorted(folder.glob(f"*_{name.suffix}.tsv"))}
        fitting = {
            path: len(other.entities)
            for path, other in tables.items()
            if "atlas" in other.entities and other.entities.items() <= name.entities.items()
        }
        most = [path for path, count in fitting.items() if count == max(fitting.values())]
        if len(most) > 1:
            listed = "\n".join(map(str, most))
            raise BadDataError(f"{image}: several tables fit equally, say which\n{listed}")
        if most:
            return most[0]
    return None


def _space_of(image: Path) -> str | None:
    entities = parse_name(image).entities
    return entities.get("space") or entities.get("tpl")


def _in_dataset(dataset: Path, space: str | None) -> list[_Source]:
    """The atlases of a BIDS atlas dataset, of each the finest resolution, sorted by name."""
    if not dataset.is_dir():
        raise MissingInputError(f"--atlas-dataset {dataset}: there is no such folder")
    images = sorted(
        {
            path
            for folder in _SEARCHED
            for pattern in ("tpl-*/**/*_dseg.nii", "tpl-*/**/*_dseg.nii.gz")
            for path in [
                *(dataset / folder).glob(pattern),
                *(dataset / folder).glob(f"atlas-*/{pattern}"),
            ]
        }
    )
    found: dict[tuple[object, ...], Path] = {}
    for image in images:
        entities = parse_name(image).entities
        if "atlas" not in entities or (space is not None and _space_of(image) != space):
            continue
        same = tuple(sorted((k, v) for k, v in entities.items() if k != "res"))
        if same not in found or _voxel_volume(image) < _voxel_volume(found[same]):
            found[same] = image
    return [
        _Source(
            {k: v for k, v in parse_name(p).entities.items() if k in ("atlas", "seg", "scale")},
            _space_of(p),
            p,
            _beside(p, dataset),
        )
        for p in found.values()
    ]


def _voxel_volume(image: Path) -> float:
    return float(np.prod(open_image(image).header.get_zooms()[:3]))


def _check_space(source: _Source, space: str, atlas_space: str | None) -> None:
    own = atlas_space or source.space
    if own is None:
        raise SpaceError(
            f"{source.image}: its name says no space (tpl- or space-), so it may not fit runs in "
            f"{space}. If it does, say so with --atlas-space {space}"
        )
    if own != space:
        raise SpaceError(
            f"{source.image}: the labels are in {own}, the runs in {space}; choose runs with "
            "--space, or say --atlas-space if the labels do fit"
        )


def _load(source: _Source) -> Atlas:
    _, _, table = read_atlas(source.image, source.table)
    return Atlas(source.entities, source.space, source.image, source.table, table)


def read_atlas(
    image: Path, table_path: Path | None
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """A label image with its table, checked against each other.

    Returns
    -------
    labels : numpy.ndarray of int64, shape (x, y, z)
    affine : numpy.ndarray, shape (4, 4), voxel indices to mm
    table : pandas.DataFrame
        A row per label in the table's order; ``voxels_atlas`` counts its voxels in the image.
        Without a table, the labels of the image in rising order, named ``label1``, ….

    Raises
    ------
    BadDataError
        Where image or table are wrong in themselves, or the image has labels that the table lacks.
    """
    labels, affine = read_labels(image)
    present, counts = np.unique(labels, return_counts=True)
    counts = counts[present != BACKGROUND]
    present = present[present != BACKGROUND]
    if table_path is not None:
        table = read_table(table_path)
        unknown = np.setdiff1d(present, table["index"].to_numpy(np.int64))
        if unknown.size:
            raise BadDataError(
                f"{table_path}: the image {image.name} has labels that the table lacks: "
                f"{_listed(unknown)}; add a row for each"
            )
    else:
        table = pd.DataFrame({"index": present, "name": [f"label{i}" for i in present]})
    if table.empty:
        raise BadDataError(f"{image}: no label in it (all voxels are {BACKGROUND})")
    ids = table["index"].to_numpy(np.int64)
    voxels = pd.Series(counts, index=present).reindex(ids, fill_value=0).to_numpy(np.int64)
    return labels, affine, table.assign(voxels_atlas=voxels)


def _listed(values: np.ndarray, most: int = 20) -> str:
    shown = ", ".join(str(value) for value in values[:most])
    return shown + (f", … ({len(values)} in all)" if len(values) > most else "")


def read_labels(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A label image as integers.

    Returns
    -------
    labels : numpy.ndarray of int64, shape (x, y, z)
    affine : numpy.ndarray, shape (4, 4), voxel indices to mm

    Raises
    ------
    BadDataError
        Where the image is not 3D, or a value is fractional, negative or not finite.
    """
    shape = open_image(path).shape
    if set(shape[3:]) - {1}:
        raise BadDataError(
            f"{path}: a label image has 3 dimensions, this one has shape {shape}; probabilistic "
            "atlases (a map per volume) are not labels"
        )
    data, affine = read_data(path)
    try:
        labels = exact_labels(data, str(path))
    except ValueError as error:
        raise BadDataError(str(error)) from None
    if labels.min() < 0:
        raise BadDataError(f"{path}: labels are whole numbers from 0, found {labels.min()}")
    return labels, affine


def read_table(path: Path) -> pd.DataFrame:
    """A label table as BIDS has it, with ``index`` and ``name`` first and background left out.

    All columns but ``index`` are text, as they stand in the file.

    Raises
    ------
    BadDataError
        Where a column is missing, an index is no whole number, or an index or name comes twice.
    """
    try:
        table = pd.read_csv(
            path,
            sep="," if path.suffix == ".csv" else "\t",
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            quoting=csv.QUOTE_MINIMAL if path.suffix == ".csv" else csv.QUOTE_NONE,
        )
    except (OSError, ValueError) as error:
        raise BadDataError(f"{path}: cannot be read as a table ({error})") from None
    lacking = [column for column in ("index", "name") if column not in table.columns]
    if lacking:
        raise BadDataError(
            f"{path}: no column {' nor '.join(lacking)}; found {', '.join(table.columns)}"
        )
    bad = [text for text in table["index"] if not re.fullmatch(r"\d+(\.0*)?", text.strip())]
    if bad:
        raise BadDataError(f"{path}: index is a whole number from 0, found {bad[0]!r}")
    table["index"] = [int(text.strip().partition(".")[0]) for text in table["index"]]
    table = table[table["index"] != BACKGROUND]
    for column in ("index", "name"):
        twice = table.loc[table[column].duplicated(), column]
        if not twice.empty:
            raise BadDataError(f"{path}: {column} {twice.iloc[0]} stands in more than one row")
    if (table["name"].str.strip() == "").any():
        raise BadDataError(f"{path}: a row without a name")
    first = ["index", "name"]
    rest = [c for c in table.columns if c not in first and c not in COMPUTED]
    return table[first + rest].reset_index(drop=True)
