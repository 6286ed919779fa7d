"""Surface meshes: reading them, finding them, and spheres whose vertex order is known.

A file of surface data says which vertex each value belongs to, and not where the vertex is. That
is in a mesh with as many vertices in the same order.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.parsers.expat import ExpatError

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.freesurfer import read_geometry
from nibabel.gifti import GiftiImage
from numpy.typing import NDArray

from bids_labelx.content import missing_reason, read_content
from bids_labelx.errors import BadDataError, MissingInputError, UsageError
from bids_labelx.measures.spheres import fsaverage_sphere, fslr_sphere
from bids_labelx.names import hemisphere_of, is_backup, parse_name
from bids_labelx.templateflow import templateflow_home

HEMISPHERES = ("L", "R")

# The ones on which labels are seen best come first.
KINDS = ("veryinflated", "inflated", "midthickness", "pial", "white", "", "sphere")

_GIFTI = (".gii", ".gii.gz")
_GEOMETRY = re.compile(r"[lr]h\.(?:inflated|midthickness|graymid|pial|white|sphere)")
_OTHER_NAMES = {"graymid": "midthickness", "smoothwm": "white"}
_GIFTI_ARRAY = re.compile(rb"<DataArray\b[^>]*>")
_ROWS = re.compile(rb"\bDim0\s*=\s*[\"'](\d+)")
# Endings of files with areas of vertices.
AREAS = (".shape.gii", ".func.gii")
_NO_MESH = "holds no mesh, one array of coordinates and one of triangles are expected"

_RADIUS = 100.0
# fsaverage3 and fsaverage4 are not numbered alike everywhere.
_FSAVERAGE_LEVELS = {10 * 4**level + 2: level for level in (5, 6, 7)}

# What nibabel and Python's libraries raise for damaged files.
_READ_ERRORS = (
    ImageFileError,
    ExpatError,
    EOFError,
    zlib.error,
    OSError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class Mesh:
    """A surface of one hemisphere.

    Attributes
    ----------
    coordinates
        Of the vertices, x, y, z in mm; x goes to the right, y to the front, z up. Shape (n, 3).
    triangles
        Positions of their corners, shape (m, 3).
    kind
        One of `KINDS`, empty where it is not known, or ``flat``.
    """

    coordinates: NDArray[np.floating]
    triangles: NDArray[np.integer]
    kind: str


def read_mesh(path: Path) -> Mesh:
    """Read a mesh from GIFTI (``.surf.gii``) or FreeSurfer's geometry (``lh.inflated``).

    Raises
    ------
    MissingInputError
        Where there is no such file, or its content was not fetched.
    BadDataError
        Where it holds no mesh, or one that makes no sense.
    """
    if problem := missing_reason(path):
        raise MissingInputError(problem)
    try:
        if path.name.endswith(_GIFTI):
            coordinates, triangles = _read_gifti(path)
        else:
            coordinates, triangles = read_geometry(str(path))[:2]
        coordinates, triangles = np.asarray(coordinates, float), np.asarray(triangles)
    except _READ_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise BadDataError(
            f"{path}: cannot be read as a mesh ({reason}); a .surf.gii or a FreeSurfer geometry "
            "such as lh.inflated is expected"
        ) from error
    if problem := _problem(coordinates, triangles):
        raise BadDataError(f"{path}: {problem}")
    return Mesh(coordinates, triangles, _shape_of(coordinates) or kind_of(path))


def find_meshes(
    space: str, vertices: Mapping[str, int], given: Sequence[Path] = ()
) -> dict[str, Path]:
    """Look up the meshes of one kind on which to draw data of hemispheres.

    Parameters
    ----------
    space
        Of the data: ``fsLR``, ``fsaverage5``, ``fsnative``.
    vertices
        The number of vertices by hemisphere, ``L`` or ``R`` or both. Only meshes with just as many
        count.
    given
        Files, and folders with such, of the user's. They come before TemplateFlow's local folder,
        from which nothing is downloaded.

    Returns
    -------
    dict
        A file for each hemisphere, all of the same kind, the earliest of `KINDS`; empty where
        there is none.

    Raises
    ------
    MissingInputError
        Where a given file or folder is missing.
    BadDataError
        Where a file of a fitting kind holds no mesh.
    UsageError
        Where the name of a given file says no hemisphere.
    """
    own = [path for place in given for path in _given(place)]
    folder = templateflow_home() / f"tpl-{_template(space)}"
    return _choose(own, vertices) or _choose(
        # Those with space- have the vertices of this template where another has them.
        [path for path in _in_folder(folder) if "space" not in parse_name(path).entities],
        vertices,
    )


def sphere(n_vertices: int, hemisphere: str, space: str) -> Mesh | None:
    """The sphere of a template, where the order of its vertices is known without a file.

    Parameters
    ----------
    n_vertices
        Of one hemisphere.
    hemisphere
        ``L`` or ``R``.
    space
        Of the data: ``fsLR``, ``fsaverage5``.

    Returns
    -------
    Mesh or None
        With a radius of 100 mm. None for templates other than fsLR and fsaverage, and for numbers
        of vertices that their meshes do not have.
    """
    if space.startswith("fsLR"):
        divisions = round(max((n_vertices - 2) / 10, 0) ** 0.5)
        if divisions < 1 or 10 * divisions**2 + 2 != n_vertices:
            return None
        coordinates, triangles = fslr_sphere(divisions, hemisphere)
    elif _template(space) == "fsaverage" and n_vertices in _FSAVERAGE_LEVELS:
        coordinates, triangles = fsaverage_sphere(_FSAVERAGE_LEVELS[n_vertices])
    else:
        return None
    return Mesh(_RADIUS * coordinates, triangles, "sphere")


def _template(space: str) -> str:
    """The template of a space: fsaverage5 is the coarser mesh of fsaverage."""
    return re.sub(r"^fsaverage\d$", "fsaverage", space)


def kind_of(path: Path) -> str:
    """The kind of a mesh by its file's name, one of `KINDS`; empty if it says none."""
    name = path.name.lower().replace("very_inflated", "veryinflated")
    for other, usual in _OTHER_NAMES.items():
        name = name.replace(other, usual)
    # "flat" comes last, as "inflated" ends with it.
    return next((kind for kind in (*KINDS, "flat") if kind and kind in name), "")


def _given(place: Path) -> Iterable[Path]:
    if place.is_dir():
        return _in_folder(place)
    if problem := missing_reason(place):
        raise MissingInputError(f"--surface-mesh: {problem}")
    if not hemisphere_of(place):
        raise UsageError(
            f"--surface-mesh {place}: the name says no hemisphere; hemi-L or hemi-R, lh. or rh., "
            "or .L. or .R. is expected in it"
        )
    # Areas of vertices are given by the same option.
    return [] if place.name.endswith(AREAS) else [place]


def _in_folder(folder: Path) -> list[Path]:
    """Meshes in a folder, by their names; what is empty or not fetched is left out."""
    if not folder.is_dir():
        return []
    return [
        path
        for path in sorted(folder.iterdir())
        if (path.name.endswith((".surf.gii", ".surf.gii.gz")) or _GEOMETRY.fullmatch(path.name))
        and not is_backup(path.name)
        and hemisphere_of(path)
        and missing_reason(path) is None
        and path.stat().st_size > 0
    ]


def _choose(paths: Iterable[Path], vertices: Mapping[str, int]) -> dict[str, Path]:
    """A file for each hemisphere, of the first kind that there is for all; else none."""
    sides = [(hemisphere_of(path), kind_of(path), path) for path in paths]
    for kind in KINDS:
        found: dict[str, Path] = {}
        for side, own, path in sides:
            if own == kind and side in vertices and _count_vertices(path) == vertices[side]:
                found.setdefault(side, path)
        if found.keys() == vertices.keys():
            return found
    return {}


def _count_vertices(path: Path) -> int:
    """The number of a mesh's vertices; the data of a GIFTI are not decoded."""
    if not path.name.endswith(_GIFTI):
        return len(read_mesh(path).coordinates)
    content = read_content(path)
    try:
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise BadDataError(f"{path}: cannot be read as a mesh ({error})") from error
    for tag in _GIFTI_ARRAY.findall(content):
        rows = _ROWS.search(tag)
        if b"NIFTI_INTENT_POINTSET" in tag and rows:
            return int(rows[1])
    raise BadDataError(f"{path}: {_NO_MESH}")


def _read_gifti(path: Path) -> tuple[NDArray[np.floating], NDArray[np.integer]]:
    image = nib.load(path)
    if not isinstance(image, GiftiImage):
        raise ValueError("not GIFTI")
    points, triangles = (
        image.get_arrays_from_intent(f"NIFTI_INTENT_{intent}")
        for intent in ("POINTSET", "TRIANGLE")
    )
    if len(points) != 1 or len(triangles) != 1:
        raise ValueError(_NO_MESH)
    return points[0].data, triangles[0].data


def _problem(coordinates: NDArray[np.floating], triangles: NDArray[np.integer]) -> str | None:
    """What makes no sense in a mesh; None if nothing does."""
    for array, what in ((coordinates, "vertices"), (triangles, "triangles")):
        if array.ndim != 2 or array.shape[1] != 3 or not len(array):
            return f"{what} have the shape {array.shape}, ({what}, 3) is expected"
    if not np.issubdtype(triangles.dtype, np.integer):
        return f"corners of triangles are {triangles.dtype}, whole numbers are expected"
    if not np.isfinite(coordinates).all():
        return "some coordinates are not finite"
    if np.count_nonzero(np.ptp(coordinates, axis=0)) < 2:
        return "the vertices do not make a surface, they are all in one place or line"
    if triangles.min() < 0 or triangles.max() >= len(coordinates):
        return (
            f"triangles have corners {triangles.min()} to {triangles.max()}, but there are "
            f"{len(coordinates)} vertices"
        )
    return None


def _shape_of(coordinates: NDArray[np.floating]) -> str:
    """``sphere`` or ``flat`` where all vertices are at one distance from 0, or in one plane."""
    radii = np.linalg.norm(coordinates, axis=1)
    if np.ptp(radii) < 0.01 * radii.max():
        return "sphere"
    extents = np.ptp(coordinates, axis=0)
    return "flat" if extents.min() < 1e-6 * extents.max() else ""
