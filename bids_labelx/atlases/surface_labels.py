"""Labels on surfaces and grayordinates, with the label tables that their files hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import pandas as pd

from bids_labelx.atlases.tables import BACKGROUND, checked_rows
from bids_labelx.content import missing_reason
from bids_labelx.errors import BadDataError, MissingInputError
from bids_labelx.extraction.cifti import choose_map, is_cifti, read_label_map
from bids_labelx.extraction.gifti import read_gifti
from bids_labelx.extraction.grayordinates import Grayordinates, hemispheres
from bids_labelx.extraction.headers import load_image
from bids_labelx.extraction.resample import exact_labels
from bids_labelx.names import hemisphere_of, other_hemisphere

_CIFTI = (".dlabel.nii", ".dscalar.nii", ".dtseries.nii", ".plabel.nii", ".pscalar.nii")
_PAIRS = (".label.gii", ".func.gii", ".shape.gii", ".gii", ".annot")

# By key, the name and the colour (r, g, b, opacity from 0 to 1).
_Labels = Mapping[int, tuple[str, Sequence[float]]]


class SurfaceLabels(NamedTuple):
    """Labels on grayordinates.

    Attributes
    ----------
    values : int64 array of shape (n_elements,)
        The label of each vertex and voxel.
    space
        These.
    table
        The label table of the file: ``index``, ``name``, ``color`` and for two hemispheres that
        have a table each ``hemisphere``.
    """

    values: np.ndarray
    space: Grayordinates
    table: pd.DataFrame


def is_surface_atlas(image: Path) -> bool:
    """Whether a file is, by its name, one of surfaces or grayordinates."""
    return image.name.endswith((*_CIFTI, *_PAIRS))


def other_file(image: Path) -> Path | None:
    """The file of the other hemisphere beside one, where it is there."""
    if not image.name.endswith(_PAIRS) or not (name := other_hemisphere(image.name)):
        return None
    other = image.with_name(name)
    return other if other.exists() or other.is_symlink() else None


def is_half(image: Path, other: Path | None) -> bool:
    """Whether an atlas is a file of one hemisphere, and that of the other is not there."""
    return image.name.endswith(_PAIRS) and other is None


def read_surface_labels(
    image: Path, other: Path | None, which: str = "", background: int = BACKGROUND
) -> SurfaceLabels:
    """Read labels and their table.

    Parameters
    ----------
    image, other
        A ``.dlabel.nii``; or a ``.label.gii`` or ``.annot`` and, where there is one, that of the
        other hemisphere.
    which
        Of several maps, the name of the one wanted or its number, counted from 1.
    background
        An additional key of the background, beside 0.

    Raises
    ------
    MissingInputError, BadDataError
        Where a file cannot be read, holds no labels, says no hemisphere, or is not known.

    Notes
    -----
    A key that has the same name in both hemispheres is one label in both where the files are
    GIFTI, as for Workbench; annotations of FreeSurfer's are of one hemisphere each, so there it
    is two labels, ``L_NAME`` and ``R_NAME``. Where a key means two labels, those of the right
    hemisphere are raised by the greatest key of the left one.
    """
    for path in (image, *([other] if other else [])):
        if problem := missing_reason(path):
            raise MissingInputError(problem)
    try:
        if image.name.endswith(_CIFTI):
            found = load_image(str(image))
            if not is_cifti(found):
                raise BadDataError(
                    f"{image}: its name says CIFTI, and it is no CIFTI-2 file "
                    f"({type(found).__name__}); give the atlas as .dlabel.nii"
                )
            values, space, labels = read_label_map(str(image), found, which)
            rows = _rows(labels, "")
        else:
            values, space, rows = _read_pair(image, other, which, background)
        values = _whole_numbers(values, image)
    except (OSError, ValueError) as error:
        raise BadDataError(str(error)) from error
    table = checked_rows(image, rows, BACKGROUND)
    table = table[table["index"] != background].reset_index(drop=True)
    return SurfaceLabels(values, space, table)


def _whole_numbers(values: np.ndarray, image: Path) -> np.ndarray:
    labels = exact_labels(np.where(np.isfinite(values), values, BACKGROUND), str(image))
    if labels.min(initial=0) < 0:
        raise BadDataError(f"{image}: labels are whole numbers from 0, found {labels.min()}")
    return labels.astype(np.int64)


def _rows(labels: _Labels, hemisphere: str) -> list[tuple[str, dict[str, str]]]:
    rows = []
    for key, (name, colour) in sorted(labels.items()):
        cells = {"index": str(key), "name": name, "color": hex_colour(colour)}
        if hemisphere:
            cells["hemisphere"] = hemisphere
        rows.append((f"key {key} of its label table", cells))
    return rows


def hex_colour(colour: Sequence[float]) -> str:
    """A colour of shares from 0 to 1 as ``#rrggbb``."""
    return "#" + "".join(f"{round(255 * min(max(float(c), 0.0), 1.0)):02x}" for c in colour[:3])


def _read_pair(
    image: Path, other: Path | None, which: str, background: int
) -> tuple[np.ndarray, Grayordinates, list[tuple[str, dict[str, str]]]]:
    files = {_hemisphere(path): path for path in (image, *([other] if other else []))}
    files = {hemi: files[hemi] for hemi in ("L", "R") if hemi in files}
    annotated = image.name.endswith(".annot")
    if annotated and which:
        raise BadDataError(f"{image}: #{which} is for files of several maps, which .annot has not")
    read = {
        hemi: _read_annot(path) if annotated else _read_label_gii(path, which)
        for hemi, path in files.items()
    }
    space = hemispheres([(hemi, values.size) for hemi, (values, _) in read.items()])
    if len(read) == 1:
        ((hemi, (values, labels)),) = read.items()
        return values, space, _rows(labels, hemi)
    zero = [
        row
        for hemi, (_, labels) in read.items()
        if BACKGROUND in labels
        for row in _rows({BACKGROUND: labels[BACKGROUND]}, hemi)
    ]
    (left, own), (right, theirs) = (_without_background(*one, background) for one in read.values())
    shared = own.keys() & theirs.keys()
    alike = all(own[key][0] == theirs[key][0] for key in shared)
    used = [set(np.unique(values).tolist()) - {BACKGROUND} for values in (left, right)]
    if alike and (not annotated or used[0].isdisjoint(used[1])):
        rows = _rows({**theirs, **own}, "")
        for _, cells in rows:
            key = int(cells["index"])
            sides = [hemi for hemi, keys in zip("LR", used, strict=True) if key in keys]
            cells["hemisphere"] = "both" if len(sides) == 2 else "".join(sides)
        return np.concatenate([left, right]), space, [*zero, *rows]
    raised = max(own, default=0) if shared else 0
    names = {name for name, _ in own.values()} & {name for name, _ in theirs.values()}
    sided = [
        {
            key + up: (f"{hemi}_{name}" if name in names else name, colour)
            for key, (name, colour) in labels.items()
        }
        for hemi, up, labels in (("L", 0, own), ("R", raised, theirs))
    ]
    moved = np.where(right == BACKGROUND, BACKGROUND, right + raised)
    rows = [*_rows(sided[0], "L"), *_rows(sided[1], "R")]
    return np.concatenate([left, moved]), space, [*zero, *rows]


def _without_background(
    values: np.ndarray, labels: _Labels, background: int
) -> tuple[np.ndarray, _Labels]:
    """Before keys of the right hemisphere are raised, that of the background is what it was."""
    kept = {key: one for key, one in labels.items() if key not in (BACKGROUND, background)}
    return np.where(values == background, BACKGROUND, values), kept


def _hemisphere(path: Path) -> str:
    found = hemisphere_of(path.name)
    if not found:
        raise BadDataError(
            f"{path}: the name says no hemisphere; expected hemi-L or hemi-R, lh. or rh., or .L. "
            "or .R. in it"
        )
    return found


def _read_label_gii(path: Path, which: str) -> tuple[np.ndarray, _Labels]:
    arrays, names, labels = read_gifti(path)
    if not labels:
        raise BadDataError(f"{path}: no label table in it, so it is no .label.gii of an atlas")
    values = arrays[choose_map(str(path), names, which)]
    if values.dtype.kind == "f":
        raise BadDataError(f"{path}: expected whole numbers, found {values.dtype}")
    unknown = np.setdiff1d(values, [*labels, BACKGROUND])
    if unknown.size:
        raise BadDataError(
            f"{path}: labels that its table lacks: {', '.join(map(str, unknown[:20]))}"
        )
    return values.astype(np.int64), labels


def _read_annot(path: Path) -> tuple[np.ndarray, _Labels]:
    """The labels of FreeSurfer's annotation, by their place in its colour table."""
    try:
        values, colours, names = nib.freesurfer.read_annot(path)
    except Exception as error:  # whatever the bytes of another format lead to
        raise BadDataError(f"{path}: cannot be read as an annotation ({error})") from error
    labels: dict[int, tuple[str, Any]] = {
        key: (name.decode("utf-8", "replace"), colours[key, :3] / 255)
        for key, name in enumerate(names)
    }
    # A vertex whose colour is in no row has the value -1.
    return np.where(values < 0, BACKGROUND, values).astype(np.int64), labels
