"""Resampling atlases, and reducing a run to region signals: from files to arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from bids_labelx.areas import element_weights
from bids_labelx.atlases.atlas import Atlas, read_atlas
from bids_labelx.errors import BadDataError
from bids_labelx.extraction.coverage import reduce_smoothed, refuse_empty_volumes
from bids_labelx.extraction.grayordinates import Grayordinates, label_centroids
from bids_labelx.extraction.reduce import reduce_volumes
from bids_labelx.extraction.regions import Regions, find_regions
from bids_labelx.extraction.resample import majority_labels
from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.space import Space, VolumeGrid, lay_mask
from bids_labelx.files import disk_full, read_tsv
from bids_labelx.images import read_data
from bids_labelx.measures.centroids import CENTROIDS, centroids
from bids_labelx.measures.quality import OK, coverage_table
from bids_labelx.meshes import read_mesh
from bids_labelx.participant.opening import open_source
from bids_labelx.participant.records import AtlasOnGrid, Extracted, RunSource, SignalKey
from bids_labelx.settings import ExtractionOptions, LabelOptions


def resample_atlas(
    atlas: Atlas,
    grid: Space,
    options: LabelOptions,
    to: AtlasOnGrid,
    meshes: Mapping[str, Path] | None = None,
) -> None:
    """Lay an atlas on the elements of runs: all of it, or the labels that are asked for.

    Volumes are resampled; labels on surfaces are matched by vertex and voxel. Writes the labels
    (shape (n_elements,), not masked), and the label table with ``voxels_atlas``,
    ``voxels_in_view`` (those whose centre is inside the run's grid, or that are elements of the
    run) and ``voxels_grid``, and the centroids of the labels in the atlas as it is stored, which
    no run's grid or mask changes; of those on surfaces where `meshes` has the mesh of each
    structure.
    """
    labels, own, table = read_atlas(
        atlas, background=options.background_label, wanted=options.labels
    )
    ids = table["index"].to_numpy()
    if isinstance(own, VolumeGrid) and isinstance(grid, VolumeGrid):
        volume = own.to_volume(labels)
        in_view, places = _of_volume(volume, own.affine, grid, ids)
        if options.label_resampling == "majority" and not grid.same(own):
            laid = majority_labels(volume, own.affine, grid.shape, grid.affine).ravel(order="F")
        else:
            laid = grid.lay_labels(labels, own)
    else:
        laid = grid.lay_labels(labels, own)
        in_view = _count(laid[laid != 0], ids)
        assert isinstance(own, Grayordinates)  # of another kind it does not fit the run
        coordinates = {name: read_mesh(path).coordinates for name, path in (meshes or {}).items()}
        places = label_centroids(labels, own, ids, coordinates)
    np.save(to.labels, laid)
    counted = table.assign(voxels_in_view=in_view, voxels_grid=_count(laid, ids))
    columns = dict(zip(CENTROIDS, places.T, strict=True))
    counted.assign(**columns).to_csv(to.table, sep="\t", index=False, na_rep="n/a")


def _of_volume(
    volume: np.ndarray, affine: np.ndarray, grid: VolumeGrid, ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How many voxels of each label are inside a grid, and the labels' centroids."""
    centres = nib.affines.apply_affine(affine, np.argwhere(volume))
    in_view = _count(volume[volume != 0][grid.contains(centres)], ids)
    return in_view, centroids(volume, affine, ids)


def _count(labels: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """How often each of the ids occurs among the labels."""
    present, counts = np.unique(labels, return_counts=True)
    return pd.Series(counts, index=present).reindex(ids, fill_value=0).to_numpy(np.int64)


def read_grid_table(path: Path) -> pd.DataFrame:
    """A label table as `resample_atlas` wrote it."""
    table = read_tsv(path)
    for column in ("index", "voxels_atlas", "voxels_in_view", "voxels_grid"):
        table[column] = table[column].astype(np.int64)
    for column in CENTROIDS:
        table[column] = pd.to_numeric(table[column].where(table[column] != "n/a"))
    return table


def reduce_run(
    source: RunSource, atlases: Sequence[AtlasOnGrid], options: ExtractionOptions
) -> Extracted:
    """Read a run once and reduce it to a signal per label, for all atlases and statistics.

    Raises
    ------
    BadDataError
        Where the mask is on another grid or empty, the image cannot be read to its end, or no
        label of an atlas survives.
    """
    with errors_naming(source.bold):
        volumes, inside, regions, before = open_run(source, atlases)
        if options.smoothing_fwhm:
            # Coverage is judged on the volumes before they are smoothed.
            reduced = reduce_smoothed(
                volumes,
                options.smoothing_fwhm,
                regions,
                options.statistic,
                inside=inside if options.smooth_inside_mask else None,
                mean_image=True,
            )
        else:
            reduced = reduce_volumes(
                volumes, regions, options.statistic, uncovered="exclude", mean_image=True
            )
    assert reduced.mean_image is not None
    tables = tables_with_coverage(source, before, regions, reduced.elements_covered, options)
    return Extracted(present_signals(reduced.signals, tables), tables, reduced.mean_image)


@contextmanager
def errors_naming(bold: Path) -> Iterator[None]:
    """Turn what the core raises into an error that names the run."""
    try:
        yield
    except (OSError, EOFError, ValueError) as error:
        if isinstance(error, OSError) and disk_full(error):
            # Of the work folder: nothing is written to the run.
            raise
        # The reader names its file itself.
        text = str(error) if str(bold) in str(error) else f"{bold}: {error}"
        raise BadDataError(text) from error


def open_run(
    source: RunSource, atlases: Sequence[AtlasOnGrid]
) -> tuple[RunData, np.ndarray, list[Regions], list[pd.DataFrame]]:
    """The run's volumes, its mask, and the regions inside it and the table of each atlas."""
    volumes = refuse_empty_volumes(open_source(source))
    inside = read_mask(source.mask, volumes.space, resample=source.resample_mask)
    before = [read_grid_table(atlas.table) for atlas in atlases]
    weights = None
    if source.areas:
        assert isinstance(volumes.space, Grayordinates)  # as planned
        weights = element_weights(volumes.space, source.areas)
    regions = [
        find_regions(np.load(atlas.labels), table["index"].to_numpy(), inside, weights)
        for atlas, table in zip(atlases, before, strict=True)
    ]
    return volumes, inside, regions, before


def tables_with_coverage(
    source: RunSource,
    tables: Sequence[pd.DataFrame],
    regions: Sequence[Regions],
    counts: Sequence[np.ndarray],
    options: ExtractionOptions,
) -> tuple[pd.DataFrame, ...]:
    """The tables with coverage and status; an error where no label of an atlas is left."""
    after = []
    for table, region, covered in zip(tables, regions, counts, strict=True):
        in_mask = np.bincount(region.columns, minlength=region.n_columns)
        judged = coverage_table(
            table,
            voxels_in_mask=in_mask,
            voxels_covered=covered,
            min_coverage=options.min_coverage,
        )
        if (judged["status"] != OK).all():
            counts_by_status = judged["status"].value_counts().items()
            reasons = ", ".join(f"{n} {status}" for status, n in counts_by_status)
            raise BadDataError(
                f"{source.bold}: no label of the atlas survives ({reasons}); "
                "do atlas and run show the same part of the brain in the same space?"
            )
        after.append(judged)
    return tuple(after)


def present_signals(
    signals: Sequence[Mapping[str, np.ndarray]], tables: Sequence[pd.DataFrame]
) -> dict[SignalKey, np.ndarray]:
    """Signals (n_volumes, n_labels) of each atlas by statistic, NaN for the missing labels."""
    missing = [(table["status"] != OK).to_numpy() for table in tables]
    return {
        SignalKey(i, statistic): np.where(missing[i], np.nan, values)
        for i, by_statistic in enumerate(signals)
        for statistic, values in by_statistic.items()
    }


def read_mask(path: Path | None, space: Space, *, resample: bool = False) -> np.ndarray:
    """A mask on the elements of a run, True inside; everywhere where there is none.

    Raises
    ------
    BadDataError
        Where it is empty, or on another grid and not to be resampled.
    """
    if path is None:
        return np.ones(space.n_elements, dtype=bool)
    data, affine = read_data(path)
    own = VolumeGrid.of(data.shape, affine)
    if not (data > 0).any():
        raise BadDataError(f"{path}: the mask is empty")
    if not resample and not space.same(own):
        raise BadDataError(
            f"{path}: the mask is on another grid than its run: {own}\nbut the run has {space}"
        )
    inside = lay_mask(space, (data > 0).ravel(order="F"), own)
    if not inside.any():
        raise BadDataError(f"{path}: the mask is empty on the grid of the run")
    return inside
