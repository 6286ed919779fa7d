"""Print the table of docs/explanation/resampling.md: labels by nearest neighbour and by majority.

``python ci/label_resampling.py ATLAS_DATASET BOLD…``, with runs in the space of the atlases. They
are resampled to grids over the field of view of each atlas of which centres of voxels lie midway
between those of an atlas of 2 mm: every other one at 3 mm, where the first centres coincide, and
all at 4 mm, where the outer faces do.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from bids_labelx.atlases.atlas import read_label_image
from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.reduce import reduce_volumes
from bids_labelx.extraction.regions import find_regions
from bids_labelx.extraction.resample import majority_labels, resample_labels
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.extraction.spatial import resample_volumes
from bids_labelx.measures.centroids import centroids

HEADER = (
    *("atlas", "run", "grid", "labels missing: nearest", "majority"),
    *("median r", "lowest r", "shift in mm (x, y, z): nearest", "majority"),
)


def main() -> None:
    """Print a row per atlas, run and grid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("atlas_dataset", type=Path)
    parser.add_argument("bold", type=Path, nargs="+")
    given = parser.parse_args()
    print("|", " | ".join(HEADER), "|")
    print("|" + "---|" * len(HEADER))
    for path in sorted(given.atlas_dataset.rglob("*_dseg.nii.gz")):
        for bold in given.bold:
            for size in (3.0, 4.0):
                print("|", " | ".join(row(path, bold, size)), "|", flush=True)


def row(atlas: Path, bold: Path, size: float) -> list[str]:
    """One row of the table."""
    labels, affine = read_label_image(atlas)
    ids = np.unique(labels[labels != 0])
    run = open_run_data(bold)
    grid = grid_of(VolumeGrid.of(labels.shape, affine), size, faces=size == 4)
    run = resample_volumes(run, grid)
    places = centroids(labels, affine, ids)
    laid = [
        resample(labels, affine, grid.shape, grid.affine)
        for resample in (resample_labels, majority_labels)
    ]
    regions = [find_regions(one.ravel(order="F"), ids) for one in laid]
    nearest, majority = (
        signals["mean"]
        for signals in reduce_volumes(run, regions, ["mean"], uncovered="exclude").signals
    )
    known = np.flatnonzero(np.isfinite(nearest).all(axis=0) & np.isfinite(majority).all(axis=0))
    r = [np.corrcoef(nearest[:, i], majority[:, i])[0, 1] for i in known]
    shifts = []
    for one in laid:
        moved = centroids(one, grid.affine, ids) - places
        # Of labels on the field's edge, a part is cut off.
        shifts.append(", ".join(f"{value:+.2f}" for value in np.nanmedian(moved, axis=0)))
    lost = [str(len(np.setdiff1d(ids, one))) for one in laid]
    name = atlas.name.partition("_atlas-")[2].partition("_res-")[0]
    subject = bold.name.partition("_")[0]
    figures = [f"{np.median(r):.3f}", f"{min(r):.3f}"]
    return [name, subject, f"{size:g} mm", *lost, *figures, *shifts]


def grid_of(field: VolumeGrid, size: float, *, faces: bool) -> VolumeGrid:
    """A grid of cubes over the field of view of another one, with which it shares a corner.

    The corner is the outer one of the first voxel, or with `faces` False its centre.
    """
    sizes = np.linalg.norm(field.affine[:3, :3], axis=0)
    shape = np.floor(np.array(field.shape) * sizes / size).astype(int)
    affine = field.affine
    affine[:3, :3] *= size / sizes
    if faces:
        affine[:3, 3] += (affine[:3, :3] - field.affine[:3, :3]).sum(axis=1) / 2
    return VolumeGrid.of(tuple(shape), affine)


if __name__ == "__main__":
    main()
