"""The labels of a run as files: NIfTI, CIFTI-2 or GIFTI, beside the label table."""

from __future__ import annotations

import colorsys
import gzip
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.cifti2 import LabelAxis
from nibabel.gifti import (
    GiftiDataArray,
    GiftiImage,
    GiftiLabel,
    GiftiLabelTable,
    GiftiMetaData,
)

from bids_labelx.content import missing_reason
from bids_labelx.errors import BadDataError, MissingInputError
from bids_labelx.extraction.cifti import brain_model_axis, read_label_map
from bids_labelx.extraction.gifti import read_gifti
from bids_labelx.extraction.grayordinates import CORTEX, Grayordinates, hemispheres
from bids_labelx.extraction.headers import load_image
from bids_labelx.extraction.space import Space, VolumeGrid
from bids_labelx.files import write_bytes
from bids_labelx.images import read_data
from bids_labelx.names import build_name, parse_name

VOLUME, CIFTI, GIFTI = ".nii.gz", ".dlabel.nii", ".label.gii"

_Colour = tuple[float, float, float, float]


def label_files(table: Path, kind: str, hemispheres: Sequence[str] = ("L", "R")) -> list[Path]:
    """The files of labels beside a label table.

    Parameters
    ----------
    table
        ``…_dseg.tsv``.
    kind
        `VOLUME`, `CIFTI`, or `GIFTI`, of which there is a file for each of `hemispheres`.
    """
    if kind != GIFTI:
        return [table.with_suffix(kind)]
    entities = parse_name(table).entities
    if "hemi" in entities:
        return [table.with_name(build_name(entities, "dseg", GIFTI))]
    return [
        table.with_name(build_name({**entities, "hemi": hemi}, "dseg", GIFTI))
        for hemi in hemispheres
    ]


def existing_label_files(table: Path) -> list[Path]:
    """The files of labels that are beside a label table; those of a volume where none is."""
    for kind in (VOLUME, CIFTI, GIFTI):
        found = [path for path in label_files(table, kind) if path.exists()]
        if found:
            return found
    return label_files(table, VOLUME)


def kind_of(space: Space) -> str:
    """The kind of the label files of a run: whole hemispheres, left then right, are GIFTI's."""
    if isinstance(space, VolumeGrid):
        return VOLUME
    assert isinstance(space, Grayordinates)
    counts = [(hemi, space.meshes[CORTEX[hemi]]) for hemi in hemispheres_of(space)]
    return GIFTI if space.same(hemispheres(counts)) else CIFTI


def hemispheres_of(space: Space) -> list[str]:
    """The hemispheres whose meshes a space has."""
    meshes = space.meshes if isinstance(space, Grayordinates) else {}
    return [hemi for hemi, structure in CORTEX.items() if structure in meshes]


def run_label_files(table: Path, space: Space) -> list[Path]:
    """The files of labels of a run in a space; see `label_files`."""
    return label_files(table, kind_of(space), hemispheres_of(space))


def write_label_files(
    table: Path, labels: np.ndarray, space: Space, regions: pd.DataFrame
) -> list[Path]:
    """Write the labels of a run beside its label table; same labels, same bytes.

    Parameters
    ----------
    table
        ``…_dseg.tsv``.
    labels : integer array of shape (n_elements,)
        Those that count, 0 elsewhere.
    space
        Their elements.
    regions
        The label table: ``index``, ``name`` and perhaps ``color``.
    """
    files = run_label_files(table, space)
    if isinstance(space, VolumeGrid):
        write_labels(files[0], space.to_volume(labels), space.affine)
        return files
    assert isinstance(space, Grayordinates)
    if kind_of(space) == CIFTI:
        image = dense_labels(labels, space, regions, parse_name(table).entities["atlas"])
        write_bytes(files[0], image.to_bytes())
        return files
    named = _named(regions)
    for path, model, part in zip(files, space.models, space.slices, strict=True):
        write_bytes(path, _gifti(labels[part], model.structure, named).to_bytes())
    return files


def dense_labels(
    labels: np.ndarray,
    space: Grayordinates,
    regions: pd.DataFrame,
    name: str,
    background: int = 0,
) -> nib.Cifti2Image:
    """Image of the labels of grayordinates, with their table; as for `write_label_files`.

    Parameters
    ----------
    name
        Of the map.
    background
        The label of elements that belong to no region.
    """
    axis = LabelAxis([name], [{background: ("???", (0.0,) * 4), **_named(regions)}])
    image = nib.Cifti2Image(
        labels.astype(np.int32)[None], (axis, brain_model_axis(space)), dtype=np.int32
    )
    image.nifti_header.set_intent("NIFTI_INTENT_CONNECTIVITY_DENSE_LABELS")
    return image


def _named(regions: pd.DataFrame) -> dict[int, tuple[str, _Colour]]:
    rows = zip(regions["index"].tolist(), regions["name"].tolist(), _colours(regions), strict=True)
    return {int(index): (str(name), colour) for index, name, colour in rows}


def _gifti(
    values: np.ndarray, structure: str, named: dict[int, tuple[str, _Colour]]
) -> GiftiImage:
    table = GiftiLabelTable()
    for key, (name, colour) in {0: ("???", (0.0,) * 4), **named}.items():
        label: Any = GiftiLabel(key, *colour)
        label.label = name  # nibabel declares no such attribute
        table.labels.append(label)
    primary = "".join(word.capitalize() for word in structure.split("_"))
    array = GiftiDataArray(values.astype(np.int32), intent="NIFTI_INTENT_LABEL")
    meta = GiftiMetaData({"AnatomicalStructurePrimary": primary})
    return GiftiImage(meta=meta, labeltable=table, darrays=[array])


def _colours(regions: pd.DataFrame) -> list[_Colour]:
    """The colours of the table, or hues that differ from one row to the next."""
    given = regions["color"].tolist() if "color" in regions else [""] * len(regions)
    found = []
    for row, text in enumerate(given):
        if re.fullmatch("#[0-9a-fA-F]{6}", str(text)):
            red, green, blue = (int(text[i : i + 2], 16) / 255 for i in (1, 3, 5))
        else:
            # Steps of the golden ratio never come near each other soon.
            red, green, blue = colorsys.hsv_to_rgb(row * 0.618034 % 1, 0.65, 0.9)
        found.append((red, green, blue, 1.0))
    return found


def write_labels(path: Path, labels: np.ndarray, affine: np.ndarray) -> None:
    """Write a label image, shape (x, y, z), as gzipped NIfTI; same labels, same bytes.

    The type is int16 where the values fit, else int32 or int64.
    """
    largest = int(labels.max(initial=0))
    kinds = (np.int16, np.int32, np.int64)
    kind = next(k for k in kinds if largest <= np.iinfo(k).max)
    image = nib.Nifti1Image(labels.astype(kind), affine, dtype=kind)
    image.header.set_xyzt_units("mm")
    # No time and no name in the gzip header: they would differ between invocations.
    write_bytes(path, gzip.compress(image.to_bytes(), compresslevel=6, mtime=0))


def read_label_files(files: Sequence[Path]) -> tuple[np.ndarray, Space]:
    """Read the labels of a run, as `write_label_files` wrote them.

    Returns
    -------
    labels : int64 array of shape (n_elements,)
    space
        Their elements.

    Raises
    ------
    MissingInputError, BadDataError
        Where a file is not there or not whole, or holds no whole numbers.
    """
    first = files[0]
    if first.name.endswith(VOLUME):
        volume, affine = read_data(first)
        if volume.ndim != 3 or volume.dtype.kind not in "iu":
            raise BadDataError(
                f"{first}: {volume.dtype} of shape {volume.shape}, a label image of whole "
                "numbers is expected; run the participant level again"
            )
        return volume.ravel(order="F").astype(np.int64), VolumeGrid.of(volume.shape, affine)
    for path in files:
        if problem := missing_reason(path):
            raise MissingInputError(problem)
    try:
        if first.name.endswith(CIFTI):
            values, space, _ = read_label_map(str(first), load_image(str(first)))
            return values.astype(np.int64), space
        parts = {parse_name(path).entities["hemi"]: read_gifti(path)[0][0] for path in files}
    except (OSError, ValueError, KeyError) as error:
        raise BadDataError(f"{error}; run the participant level again") from error
    whole = hemispheres([(hemi, values.size) for hemi, values in parts.items()])
    return np.concatenate(list(parts.values())).astype(np.int64), whole
