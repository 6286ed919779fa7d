"""Atlases of maps and spheres on the grid of runs: resampled, stored between steps, read back.

The file holds the weights of every map, or the voxels of every sphere, and a label image of them:
in each voxel the map with the largest weight, or the sphere with the nearest seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from scipy import sparse

from bids_labelx.atlases.atlas import Atlas
from bids_labelx.atlases.maps import read_map_table
from bids_labelx.atlases.seeds import read_seeds
from bids_labelx.atlases.tables import select_labels
from bids_labelx.errors import BadDataError
from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.maps import find_maps, lay_maps
from bids_labelx.extraction.regions import Regions
from bids_labelx.extraction.space import VolumeGrid, voxel_grid
from bids_labelx.extraction.spheres import sphere_voxels
from bids_labelx.extraction.weighted import Maps, maps_of
from bids_labelx.images import open_image
from bids_labelx.measures.centroids import CENTROIDS


@dataclass(frozen=True)
class Weights:
    """Maps or spheres on the grid of a run.

    Attributes
    ----------
    maps
        Their weights; of spheres 1 for each voxel.
    columns : int array of shape (n_rows,)
        The map of each row of the table. All maps are fitted, whichever are asked for.
    names
        Of all maps.
    fitted
        Whether signals are the fit of the maps, and not statistics over spheres.
    """

    maps: Maps
    columns: np.ndarray
    names: tuple[str, ...]
    fitted: bool

    def regions(self, inside: np.ndarray) -> Regions:
        """The voxels of spheres inside a mask as regions, in the order of the table."""
        maps = self.maps.take(inside[self.maps.elements])
        weights = maps.weights[:, self.columns]
        counts = np.diff(weights.indptr)
        columns = np.repeat(np.arange(counts.size), counts)
        return Regions(maps.elements[weights.indices], columns, counts.size)


def weights_on(atlas: Atlas, grid_voxels: int) -> int:
    """How many weights an atlas of maps may have on a grid, by the size of its file."""
    if atlas.kind != "maps":
        return 0
    shape = open_image(atlas.image).shape
    stored = atlas.image.stat().st_size
    # A weight takes more than two bytes even where the file is packed.
    known = min(math.prod(shape), stored // 2)
    return int(known * max(1.0, grid_voxels / math.prod(shape[:3])))


def read_labels(path: Path) -> np.ndarray:
    """The labels of an atlas on a grid, shape (n_elements,), not masked."""
    stored = np.load(path)
    if isinstance(stored, np.ndarray):
        return stored
    with stored:
        labels: np.ndarray = stored["labels"]
    return labels


def read_weights(path: Path) -> Weights | None:
    """The weights of an atlas on a grid; None of one of labels."""
    stored = np.load(path)
    if isinstance(stored, np.ndarray):
        return None
    with stored:
        elements = stored["elements"]
        parts = (stored["data"], stored["indices"], stored["indptr"])
        totals = stored["totals"]
        weights = sparse.csc_array(parts, shape=(elements.size, totals.size))
        maps = Maps(elements, weights, stored["labels"].size, totals)
        names = tuple(stored["names"].tolist())
        return Weights(maps, stored["columns"], names, bool(stored["fitted"]))


def _write(path: Path, weights: Weights, labels: np.ndarray) -> None:
    maps = weights.maps
    # By a stream: numpy would add an ending to the name.
    with path.open("wb") as stream:
        np.savez(
            stream,
            labels=labels,
            elements=maps.elements,
            data=maps.weights.data,
            indices=maps.weights.indices,
            indptr=maps.weights.indptr,
            totals=maps.totals,
            columns=weights.columns,
            names=np.array(weights.names),
            fitted=weights.fitted,
        )


def resample_maps(atlas: Atlas, grid: VolumeGrid, wanted: Sequence[str], to: Path) -> pd.DataFrame:
    """Resample maps to a grid by linear interpolation, write them, and give their table.

    Besides the columns of a label table it has ``weight_in_view``, the share of a map's absolute
    weight that is in voxels whose centre is inside the grid. Where the atlas' own table counts
    maps from 0, ``index`` is one more and ``index_in_file`` the table's: 0 is no label.

    Raises
    ------
    BadDataError
        Where the image or its table are invalid, or no map has a weight.
    """
    table, volumes = read_map_table(atlas.image, atlas.table_path)
    try:
        data = open_run_data(atlas.image)
        own = voxel_grid(data.space)
        maps = find_maps(data)
    except (OSError, EOFError, TypeError, ValueError) as error:
        raise BadDataError(
            f"{atlas.image}: cannot be read as an image of maps ({error})"
        ) from error
    if not maps.elements.size:
        raise BadDataError(f"{atlas.image}: no map in it, it is 0 everywhere")
    names = np.empty(len(table), dtype=object)
    names[volumes] = table["name"]
    if wanted:
        chosen, _ = select_labels(table, wanted)
        kept = table["index"].isin(chosen["index"]).to_numpy()
        table, volumes = table[kept].reset_index(drop=True), volumes[kept]
    if (table["index"].to_numpy() == volumes).all():
        table = table.assign(index=volumes + 1, index_in_file=table["index"].astype(str))
    laid = lay_maps(maps, own, grid)
    centres = nib.affines.apply_affine(own.affine, _voxels(maps.elements, own))
    in_view = maps.take(grid.contains(centres))
    # So that a map's share is what is in view of it, times what is covered of that.
    whole = np.divide(
        _absolute(laid), in_view.shares(), out=np.zeros(maps.n_maps), where=in_view.shares() > 0
    )
    laid = Maps(laid.elements, laid.weights, laid.n_elements, whole)
    _write(
        to,
        Weights(laid, volumes, tuple(names.tolist()), fitted=True),
        _largest(laid, table, volumes),
    )
    absolute = abs(maps.weights)
    with np.errstate(invalid="ignore"):
        places = np.asarray(absolute.T @ centres) / maps.totals[:, np.newaxis]
    counted = table.assign(
        voxels_atlas=maps.counts()[volumes],
        voxels_in_view=in_view.counts()[volumes],
        weight_in_view=in_view.shares()[volumes],
        voxels_grid=laid.counts()[volumes],
    )
    return counted.assign(**dict(zip(CENTROIDS, places[volumes].T, strict=True)))


def _absolute(maps: Maps) -> np.ndarray:
    """Sum of the absolute weights of each map."""
    return np.asarray(abs(maps.weights).sum(axis=0)).ravel()


def _voxels(elements: np.ndarray, grid: VolumeGrid) -> np.ndarray:
    return np.column_stack(np.unravel_index(elements, grid.shape, order="F"))


def _largest(maps: Maps, table: pd.DataFrame, volumes: np.ndarray) -> np.ndarray:
    """Labels of the map with the largest absolute weight in each voxel, the first of equals."""
    labels = np.zeros(maps.n_elements, np.int64)
    most = np.zeros(maps.n_elements)
    for index, volume in zip(table["index"].tolist(), volumes.tolist(), strict=True):
        of_map = slice(*maps.weights.indptr[volume : volume + 2])
        elements = maps.elements[maps.weights.indices[of_map]]
        weights = np.abs(maps.weights.data[of_map])
        more = weights > most[elements]
        labels[elements[more]] = index
        most[elements[more]] = weights[more]
    return labels


def resample_spheres(
    atlas: Atlas, grid: VolumeGrid, wanted: Sequence[str], to: Path
) -> pd.DataFrame:
    """Find the voxels of spheres on a grid, write them, and give their table.

    ``voxels_atlas`` are those of the sphere if the grid had no end, ``voxels_in_view`` and
    ``voxels_grid`` those of the grid.

    Raises
    ------
    BadDataError
        As from `read_seeds`.
    """
    table = read_seeds(atlas.image)
    names = tuple(table["name"].tolist())
    chosen = select_labels(table, wanted)[0]["index"] if wanted else table["index"]
    columns = np.flatnonzero(table["index"].isin(chosen))
    seeds, radii = table[["x", "y", "z"]].to_numpy(float), table["radius"].to_numpy(float)
    inverse = np.linalg.inv(grid.affine)
    voxels = [sphere_voxels(grid, inverse, *one) for one in zip(seeds, radii, strict=True)]
    whole = [_whole_sphere(grid, inverse, *one) for one in zip(seeds, radii, strict=True)]
    maps = maps_of([(one, np.ones(one.size)) for one in voxels], grid.n_elements)
    labels = np.zeros(grid.n_elements, np.int64)
    nearest = np.full(grid.n_elements, np.inf)
    for column in columns:
        own = voxels[column]
        places = nib.affines.apply_affine(grid.affine, _voxels(own, grid))
        apart = np.linalg.norm(places - seeds[column], axis=1)
        nearer = apart < nearest[own]
        labels[own[nearer]] = table["index"].iloc[column]
        nearest[own[nearer]] = apart[nearer]
    _write(to, Weights(maps, columns, names, fitted=False), labels)
    counts = maps.counts()
    counted = table.assign(
        voxels_atlas=np.maximum(whole, counts), voxels_in_view=counts, voxels_grid=counts
    )
    counted = counted.assign(**dict(zip(CENTROIDS, seeds.T, strict=True)))
    return counted.iloc[columns].reset_index(drop=True)


def _whole_sphere(grid: VolumeGrid, inverse: np.ndarray, seed: np.ndarray, radius: float) -> int:
    """How many voxels a sphere has, wherever the grid ends."""
    centre = inverse[:3, :3] @ seed + inverse[:3, 3]
    reach = np.ceil(radius * np.linalg.norm(inverse[:3, :3], axis=1)).astype(int) + 2
    # The same lattice around the seed.
    affine = grid.affine.copy()
    affine[:3, 3] = nib.affines.apply_affine(grid.affine, np.round(centre) - reach)
    x, y, z = (2 * reach + 1).tolist()
    around = VolumeGrid.of((x, y, z), affine)
    return sphere_voxels(around, np.linalg.inv(affine), seed, radius).size
