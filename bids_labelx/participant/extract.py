"""Resampling atlases, and reducing a run to region signals: from files to arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from bids_labelx.areas import element_weights
from bids_labelx.atlases.atlas import Atlas, read_atlas
from bids_labelx.errors import BadDataError
from bids_labelx.extraction.coverage import reduce_smoothed, refuse_empty_volumes
from bids_labelx.extraction.grayordinates import Grayordinates, label_centroids
from bids_labelx.extraction.maps import CollinearMapsError
from bids_labelx.extraction.reduce import reduce_volumes
from bids_labelx.extraction.regions import Reduction, Regions, find_regions
from bids_labelx.extraction.resample import majority_labels
from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.space import Space, VolumeGrid, lay_mask, voxel_grid
from bids_labelx.extraction.weighted import Maps
from bids_labelx.files import disk_full, read_tsv
from bids_labelx.images import read_data
from bids_labelx.measures.centroids import CENTROIDS, centroids
from bids_labelx.measures.quality import OK, coverage_table
from bids_labelx.meshes import read_mesh
from bids_labelx.participant.opening import open_source
from bids_labelx.participant.records import AtlasOnGrid, Extracted, RunSource, SignalKey
from bids_labelx.participant.weights import (
    Weights,
    read_weights,
    resample_maps,
    resample_spheres,
)
from bids_labelx.settings import ExtractionOptions, LabelOptions

# Of maps that an error concerns.
_MOST_NAMED = 20


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
    structure. Of maps and spheres see `resample_maps` and `resample_spheres`.
    """
    if atlas.kind != "labels":
        resample = resample_maps if atlas.kind == "maps" else resample_spheres
        made = resample(atlas, voxel_grid(grid), options.labels, to.labels)
        made.to_csv(to.table, sep="\t", index=False, na_rep="n/a")
        return
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
    for column in {*CENTROIDS, "weight_in_view"} & {*table}:
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
        opened = open_run(source, atlases)
        volumes, regions, maps = opened.volumes, opened.regions, opened.maps
    with errors_naming(source.bold, opened):
        if options.smoothing_fwhm:
            # Coverage is judged on the volumes before they are smoothed.
            reduced = reduce_smoothed(
                volumes,
                options.smoothing_fwhm,
                regions,
                options.statistic,
                inside=opened.inside if options.smooth_inside_mask else None,
                maps=maps,
                least_share=options.min_coverage,
                mean_image=True,
            )
        else:
            reduced = reduce_volumes(
                volumes,
                regions,
                options.statistic,
                uncovered="exclude",
                maps=maps,
                least_share=options.min_coverage,
                mean_image=True,
            )
    assert reduced.mean_image is not None
    tables = tables_with_coverage(source, opened, reduced, options)
    signals = present_signals(opened.signals(reduced), tables)
    return Extracted(signals, tables, reduced.mean_image)


@contextmanager
def errors_naming(bold: Path, opened: OpenRun | None = None) -> Iterator[None]:
    """Turn what the core raises into an error that names the run, and maps by their names."""
    try:
        yield
    except CollinearMapsError as error:
        assert opened is not None  # nothing is fitted before
        names = opened.fitted[error.atlas].names
        listed = ", ".join(names[column] for column in error.columns[:_MOST_NAMED])
        more = f" and {len(error.columns) - _MOST_NAMED} more"
        raise BadDataError(
            f"{bold}: maps are collinear inside the mask of this run, so their signals cannot be "
            f"told apart (the rank of {len(names)} maps is {error.rank}): {listed}"
            f"{more if len(error.columns) > _MOST_NAMED else ''}. Remove repeated maps, and those "
            "that are sums of others or lie outside of the run but for a few voxels"
        ) from error
    except (OSError, EOFError, ValueError) as error:
        if isinstance(error, OSError) and disk_full(error):
            # Of the work folder: nothing is written to the run.
            raise
        # The reader names its file itself.
        text = str(error) if str(bold) in str(error) else f"{bold}: {error}"
        raise BadDataError(text) from error


@dataclass(frozen=True)
class OpenRun:
    """A run with what it is reduced to.

    Attributes
    ----------
    volumes, inside
        The run, and its mask, shape (n_elements,).
    tables
        Of each atlas.
    regions
        Of each atlas of labels or spheres, inside the mask.
    fitted, maps
        Of each atlas of maps, on the grid and inside the mask.
    is_fitted
        Of each atlas, whether it is one of maps.
    """

    volumes: RunData
    inside: np.ndarray
    tables: list[pd.DataFrame]
    regions: list[Regions]
    fitted: list[Weights]
    maps: list[Maps]
    is_fitted: list[bool]

    def signals(self, reduced: Reduction) -> list[Mapping[str, np.ndarray]]:
        """Signals of each atlas by statistic; the fit of maps is called a mean."""
        of_maps = [
            {"mean": found.signals[:, one.columns]}
            for one, found in zip(self.fitted, reduced.maps, strict=True)
        ]
        return self._in_order(reduced.signals, of_maps)

    def counts(self, reduced: Reduction) -> list[tuple[np.ndarray, np.ndarray]]:
        """Voxels of each atlas' rows inside the mask, and how many of them are covered."""
        in_mask = [np.bincount(one.columns, minlength=one.n_columns) for one in self.regions]
        of_regions = list(zip(in_mask, reduced.elements_covered, strict=True))
        of_maps = [
            (maps.counts()[one.columns], found.elements_covered[one.columns])
            for one, maps, found in zip(self.fitted, self.maps, reduced.maps, strict=True)
        ]
        return self._in_order(of_regions, of_maps)

    def shares(self, reduced: Reduction) -> list[np.ndarray | None]:
        """Of each atlas of maps, the share of each map's weight that has data."""
        of_maps = [
            found.coverage[one.columns]
            for one, found in zip(self.fitted, reduced.maps, strict=True)
        ]
        return self._in_order([None] * len(self.regions), of_maps)

    def _in_order(self, of_regions: Sequence[Any], of_maps: Sequence[Any]) -> list[Any]:
        regions, maps = iter(of_regions), iter(of_maps)
        return [next(maps if fitted else regions) for fitted in self.is_fitted]


def open_run(source: RunSource, atlases: Sequence[AtlasOnGrid]) -> OpenRun:
    """The run's volumes, its mask, and the regions and maps inside it, with their tables."""
    volumes = refuse_empty_volumes(open_source(source))
    inside = read_mask(source.mask, volumes.space, resample=source.resample_mask)
    element_counts = None
    if source.areas:
        assert isinstance(volumes.space, Grayordinates)  # as planned
        element_counts = element_weights(volumes.space, source.areas)
    tables = [read_grid_table(atlas.table) for atlas in atlases]
    regions: list[Regions] = []
    fitted: list[Weights] = []
    is_fitted: list[bool] = []
    for atlas, table in zip(atlases, tables, strict=True):
        weights = read_weights(atlas.labels)
        is_fitted.append(weights is not None and weights.fitted)
        if weights is None:
            ids = table["index"].to_numpy()
            regions.append(find_regions(np.load(atlas.labels), ids, inside, element_counts))
        elif weights.fitted:
            fitted.append(weights)
        else:
            regions.append(weights.regions(inside))
    maps = [one.maps.take(inside[one.maps.elements]) for one in fitted]
    return OpenRun(volumes, inside, tables, regions, fitted, maps, is_fitted)


def tables_with_coverage(
    source: RunSource, opened: OpenRun, reduced: Reduction, options: ExtractionOptions
) -> tuple[pd.DataFrame, ...]:
    """The tables with coverage and status; an error where no label of an atlas is left."""
    after = []
    of_atlases = zip(opened.tables, opened.counts(reduced), opened.shares(reduced), strict=True)
    for table, (in_mask, covered), share in of_atlases:
        judged = coverage_table(
            table,
            voxels_in_mask=in_mask,
            voxels_covered=covered,
            min_coverage=options.min_coverage,
            shares=share,
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
