"""The steps of a run, from files to files: what the nodes of the graph do, without nipype.

Between the steps, arrays are in ``.npz`` files. Their keys are made by `series_key`; atlases go by
their position in the run's list of atlases.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from bids_labelx.atlases.atlas import read_atlas
from bids_labelx.errors import BadDataError
from bids_labelx.extraction.coverage import reduce_smoothed
from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.reduce import Regions, find_regions, reduce_volumes
from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.space import Space, VolumeGrid, lay_mask, voxel_grid
from bids_labelx.images import read_data
from bids_labelx.measures.connectivity import MEASURES, first_volumes
from bids_labelx.measures.quality import OK, coverage_table

Arrays = Mapping[str, np.ndarray]


def series_key(atlas: int, *parts: str) -> str:
    """The name of an array: the atlas' position, then statistic, strategy, measure."""
    return "/".join([str(atlas), *parts])


def resample_atlas(
    image: Path,
    table: Path | None,
    shape: tuple[int, int, int],
    affine: np.ndarray,
    labels_to: Path,
    table_to: Path,
    *,
    background: int = 0,
    wanted: Sequence[str] = (),
) -> None:
    """Resample an atlas to a grid: all of it, or the labels `wanted`.

    Writes the labels there (.nii, not masked), and the label table with ``voxels_atlas`` and
    ``voxels_grid``.
    """
    labels, own_affine, labels_table = read_atlas(
        image, table, background=background, wanted=wanted
    )
    own, grid = VolumeGrid.of(labels.shape, own_affine), VolumeGrid.of(shape, affine)
    labels = grid.to_volume(grid.lay_labels(labels.ravel(order="F"), own))
    ids = labels_table["index"].to_numpy()
    present, counts = np.unique(labels, return_counts=True)
    on_grid = pd.Series(counts, index=present).reindex(ids, fill_value=0).to_numpy()
    nib.save(nib.Nifti1Image(labels, grid.affine, dtype=np.int64), labels_to)
    labels_table.assign(voxels_grid=on_grid).to_csv(table_to, sep="\t", index=False)


def read_grid_table(path: Path) -> pd.DataFrame:
    """A label table as `resample_atlas` or `reduce_run` wrote it."""
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    for column in ("index", "voxels_atlas", "voxels_grid", "voxels_covered"):
        if column in table:
            table[column] = table[column].astype(np.int64)
    if "coverage" in table:
        table["coverage"] = pd.to_numeric(table["coverage"], errors="coerce")
    return table


def reduce_run(
    bold: Path,
    mask: Path | None,
    labels: Sequence[Path],
    tables: Sequence[Path],
    statistics: Sequence[str],
    min_coverage: float,
    smoothing_fwhm: float | None = None,
    *,
    resample_mask: bool = False,
) -> tuple[dict[str, np.ndarray], list[pd.DataFrame]]:
    """Read a run once and reduce it to a signal per label, for all atlases and statistics.

    Parameters
    ----------
    bold, mask
        The 4D image and its brain mask, on one grid; without a mask all voxels count.
    labels, tables
        For each atlas what `resample_atlas` wrote.
    statistics
        Names as in `bids_labelx.extraction.reduce.STATISTICS`.
    min_coverage
        A label with a smaller share of its voxels covered is lost.
    smoothing_fwhm
        Full width at half maximum, in mm, of the Gaussian that volumes are smoothed with; which
        voxels are covered is judged before.
    resample_mask
        Bring a mask of another grid onto the run's, by nearest neighbour.

    Returns
    -------
    arrays : dict
        For each atlas and statistic the signals, shape (n_volumes, n_labels), NaN for lost labels;
        ``mean_image``, shape (x, y, z).
    tables : list of pandas.DataFrame
        For each atlas its table with coverage and status.

    Raises
    ------
    BadDataError
        Where the mask is on another grid or empty, the image cannot be read to its end, or no
        label of an atlas survives.
    """
    with blaming(bold):
        volumes, regions, before = open_run(
            bold, mask, labels, tables, resample_mask=resample_mask
        )
        if smoothing_fwhm:
            reduced = reduce_smoothed(
                volumes, smoothing_fwhm, regions, statistics, mean_image=True
            )
        else:
            reduced = reduce_volumes(
                volumes, regions, statistics, uncovered="exclude", mean_image=True
            )
    assert reduced.mean_image is not None
    arrays: dict[str, np.ndarray] = {
        "mean_image": voxel_grid(volumes.space).to_volume(reduced.mean_image)
    }
    after = tables_with_coverage(bold, before, regions, reduced.elements_covered, min_coverage)
    for i, table in enumerate(after):
        for statistic, signals in reduced.signals[i].items():
            arrays[series_key(i, statistic)] = without_lost(signals, table)
    return arrays, after


@contextmanager
def blaming(bold: Path) -> Iterator[None]:
    """Turn what the core raises into an error that names the run."""
    try:
        yield
    except (OSError, EOFError, ValueError) as error:
        raise BadDataError(f"{bold}: {error}") from error


def open_run(
    bold: Path,
    mask: Path | None,
    labels: Sequence[Path],
    tables: Sequence[Path],
    *,
    resample_mask: bool = False,
) -> tuple[RunData, list[Regions], list[pd.DataFrame]]:
    """The run's volumes, and the regions inside its mask and the table of each atlas."""
    volumes = open_run_data(bold)
    inside = read_mask(mask, volumes.space, resample=resample_mask)
    before = [read_grid_table(path) for path in tables]
    regions = [
        find_regions(read_data(path)[0].ravel(order="F"), table["index"].to_numpy(), inside)
        for path, table in zip(labels, before, strict=True)
    ]
    return volumes, regions, before


def tables_with_coverage(
    bold: Path,
    tables: Sequence[pd.DataFrame],
    regions: Sequence[Regions],
    counts: Sequence[np.ndarray],
    min_coverage: float,
) -> list[pd.DataFrame]:
    """The tables with what became of each label; an error where none of an atlas survives."""
    after = []
    for table, region, covered in zip(tables, regions, counts, strict=True):
        in_mask = np.bincount(region.columns, minlength=region.n_columns)
        judged = coverage_table(
            table, voxels_in_mask=in_mask, voxels_covered=covered, min_coverage=min_coverage
        )
        if (judged["status"] != OK).all():
            raise BadDataError(
                f"{bold}: no label of the atlas survives ({_counts(judged['status'])}); do atlas "
                "and run show the same part of the brain in the same space?"
            )
        after.append(judged)
    return after


def without_lost(signals: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """Signals (n_volumes, n_labels) with NaN for the labels that were lost."""
    return np.where((table["status"] != OK).to_numpy(), np.nan, signals)


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


def _counts(status: pd.Series) -> str:
    return ", ".join(f"{n} {what}" for what, n in status.value_counts().items())


def connect_run(
    cleaned: Arrays,
    measures: Sequence[str],
    denoising: Mapping[str, Any],
    exact_volumes: Sequence[int] = (),
) -> dict[str, np.ndarray]:
    """The matrices of a run: for each of its cleaned series and each measure, (n, n).

    Parameters
    ----------
    cleaned
        By atlas, statistic and strategy. Only kept volumes count, also where there are rows for
        the others.
    measures
        Names as in `bids_labelx.measures.connectivity.MEASURES`.
    denoising
        The report of `bids_labelx.participant.denoise_run.clean_run`.
    exact_volumes
        Also of the first so many volumes kept, where there are as many; their keys end in the
        number.

    Raises
    ------
    BadDataError
        Where a series has too few volumes.
    """
    matrices = {}
    for key, series in cleaned.items():
        strategy = key.split("/")[-1]
        kept = np.array(denoising[strategy]["kept"], dtype=bool)
        if len(series) == len(kept):
            series = series[kept]
        parts = {f"/{n}": first_volumes(series, n) for n in exact_volumes if n <= len(series)}
        for measure, (end, part) in product(measures, {"": series, **parts}.items()):
            try:
                matrices[f"{key}/{measure}{end}"] = MEASURES[measure][0](part)
            except ValueError as error:
                raise BadDataError(f"{measure} after {strategy}: {error}") from error
    return matrices


def save_arrays(path: Path, arrays: Arrays) -> None:
    """Arrays into an ``.npz`` file."""
    np.savez(path, **arrays)  # type: ignore[arg-type]


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays out of an ``.npz`` file."""
    with np.load(path) as stored:
        return dict(stored)


def save_record(path: Path, record: Mapping[str, Any]) -> None:
    """A JSON file between nodes."""
    path.write_text(json.dumps(record), encoding="utf-8")
