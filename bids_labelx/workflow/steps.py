"""The steps of a run, from files to files: what the nodes of the graph do, without nipype.

Between the steps, arrays are in ``.npz`` files. Their keys are made by `series_key`; atlases go by
their position in the run's list of atlases.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from bids_labelx.atlas import read_atlas
from bids_labelx.connectivity import MEASURES
from bids_labelx.denoise import Denoising, Strategy, read_confounds, select
from bids_labelx.errors import BadDataError, LabelxError
from bids_labelx.extraction.clean import clean, confound_rank
from bids_labelx.extraction.reduce import find_regions, reduce_volumes
from bids_labelx.extraction.resample import resample_labels, same_grid
from bids_labelx.extraction.stream import Volumes, open_volumes
from bids_labelx.images import read_data
from bids_labelx.quality import OK, coverage_table, motion_summary

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
) -> None:
    """Bring an atlas onto a grid.

    Writes the labels there (.nii, not masked), and the label table with ``voxels_atlas`` and
    ``voxels_grid``.
    """
    labels, own_affine, labels_table = read_atlas(image, table)
    if not same_grid(labels.shape, own_affine, shape, affine):
        labels = resample_labels(labels, own_affine, shape, affine)
    ids = labels_table["index"].to_numpy()
    present, counts = np.unique(labels, return_counts=True)
    on_grid = pd.Series(counts, index=present).reindex(ids, fill_value=0).to_numpy()
    nib.save(nib.Nifti1Image(labels, affine, dtype=np.int64), labels_to)
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
    mask: Path,
    labels: Sequence[Path],
    tables: Sequence[Path],
    statistics: Sequence[str],
    min_coverage: float,
) -> tuple[dict[str, np.ndarray], list[pd.DataFrame]]:
    """Read a run once and reduce it to a signal per label, for all atlases and statistics.

    Parameters
    ----------
    bold, mask
        The 4D image and its brain mask, on one grid.
    labels, tables
        For each atlas what `resample_atlas` wrote.
    statistics
        Names as in `bids_labelx.extraction.reduce.STATISTICS`.
    min_coverage
        A label with a smaller share of its voxels covered is lost.

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
    try:
        volumes = open_volumes(bold)
        inside, affine = read_mask(mask)
        _check_grid(mask, inside, affine, volumes)
        on_grid = [read_data(path)[0] for path in labels]
        before = [read_grid_table(path) for path in tables]
        ids = [table["index"].to_numpy() for table in before]
        regions = [find_regions(*pair, inside) for pair in zip(on_grid, ids, strict=True)]
        reduced = reduce_volumes(
            volumes, regions, statistics, uncovered="exclude", mean_image=True
        )
    except (OSError, EOFError, ValueError) as error:
        raise BadDataError(f"{bold}: {error}") from error
    assert reduced.mean_image is not None
    arrays: dict[str, np.ndarray] = {"mean_image": reduced.mean_image}
    after = []
    for i, (table, region) in enumerate(zip(before, regions, strict=True)):
        in_mask = np.bincount(region.columns, minlength=region.n_columns)
        covered = coverage_table(
            table,
            voxels_in_mask=in_mask,
            voxels_covered=reduced.voxels_covered[i],
            min_coverage=min_coverage,
        )
        lost = (covered["status"] != OK).to_numpy()
        if lost.all():
            raise BadDataError(
                f"{bold}: no label of the atlas survives ({_counts(covered['status'])}); do atlas "
                "and run show the same part of the brain in the same space?"
            )
        for statistic, signals in reduced.signals[i].items():
            arrays[series_key(i, statistic)] = np.where(lost, np.nan, signals)
        after.append(covered)
    return arrays, after


def read_mask(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A brain mask, True inside, and its affine.

    Raises
    ------
    BadDataError
        Where it is empty.
    """
    data, affine = read_data(path)
    if not (data > 0).any():
        raise BadDataError(f"{path}: the mask is empty")
    return data > 0, affine


def _check_grid(path: Path, mask: np.ndarray, affine: np.ndarray, volumes: Volumes) -> None:
    if not same_grid(mask.shape, affine, volumes.shape, volumes.affine):
        raise BadDataError(
            f"{path}: the mask is on another grid than its run: shape {mask.shape} and affine\n"
            f"{affine}\nbut the run has shape {volumes.shape} and affine\n{volumes.affine}"
        )


def _counts(status: pd.Series) -> str:
    return ", ".join(f"{n} {what}" for what, n in status.value_counts().items())


def clean_run(
    arrays: Arrays,
    *,
    strategies: Sequence[Strategy],
    confounds: Path | None,
    missing: str,
    t_r: float | None,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Clean a run's signals by every strategy.

    Parameters
    ----------
    arrays
        Of `reduce_run`.
    strategies
        What to do, in the order of the results.
    confounds
        The confounds table; None where `missing` says why there is none.
    t_r
        Repetition time in seconds, where it is known.

    Returns
    -------
    cleaned : dict
        For each atlas, statistic and strategy the signals, shape (n_kept, n_labels).
    report : dict
        By strategy: ``columns``, ``kept`` (per volume), ``degrees_of_freedom``, ``motion`` and
        ``outliers`` (columns of that table); or ``problem``, why it could not be done.

    Raises
    ------
    BadDataError
        Where no strategy could be done, with all reasons.
    """
    signals = {key: array for key, array in arrays.items() if key != "mean_image"}
    n_volumes = len(next(iter(signals.values())))
    table, source = None, missing
    if confounds is not None:
        try:
            table, source = read_confounds(confounds), str(confounds)
        except LabelxError as error:
            # Strategies that need no table can still be done.
            source = str(error)
    cleaned: dict[str, np.ndarray] = {}
    report: dict[str, Any] = {}
    for strategy in strategies:
        try:
            chosen = select(strategy, table, n_volumes, source=source, t_r=t_r)
            degrees = _degrees_of_freedom(strategy, chosen, source)
        except LabelxError as error:
            report[strategy.name] = {"problem": str(error)}
            continue
        for key, series in signals.items():
            cleaned[f"{key}/{strategy.name}"] = _clean_known(series, chosen)
        report[strategy.name] = {
            "columns": list(chosen.columns),
            "kept": chosen.kept.tolist(),
            "degrees_of_freedom": degrees,
            "motion": motion_summary(table),
            "outliers": _outliers(chosen, table),
        }
    if not cleaned:
        raise BadDataError("\n".join(entry["problem"] for entry in report.values()))
    return cleaned, report


def _degrees_of_freedom(strategy: Strategy, chosen: Denoising, source: str) -> int:
    """Kept volumes less the independent regressors.

    One more goes with the mean, so two have to be left: with one, what remains of a signal beside
    its mean is rounding error, which would correlate like signal.
    """
    kept = int(chosen.kept.sum())
    rank = confound_rank(chosen.regressors, sample_mask=chosen.kept) if chosen.columns else 0
    if kept - rank < 2:
        raise BadDataError(
            f"{source}: --denoise {strategy.name} leaves no degree of freedom: {kept} volumes "
            f"kept, {rank} independent regressors and the mean"
        )
    return kept - rank


def _outliers(chosen: Denoising, table: pd.DataFrame | None) -> dict[str, list[Any]]:
    """A row per volume: kept or not, by which rule not, and the figures behind it."""
    columns = {
        "kept": chosen.kept.astype(int).tolist(),
        "dummy": chosen.dummy.astype(int).tolist(),
    }
    for name in ("framewise_displacement", "std_dvars"):
        if table is not None and name in table and len(table) == len(chosen.kept):
            values = pd.to_numeric(table[name], errors="coerce").astype(object)
            columns[name] = values.where(values.notna(), None).tolist()
    return columns


def _clean_known(series: np.ndarray, chosen: Denoising) -> np.ndarray:
    """Clean the columns that have a signal; those of lost labels stay NaN."""
    known = np.isfinite(series).all(axis=0)
    out = np.full((int(chosen.kept.sum()), series.shape[1]), np.nan)
    confounds = chosen.regressors if chosen.columns else None
    out[:, known] = clean(series[:, known], confounds=confounds, sample_mask=chosen.kept)
    return out


def connect_run(cleaned: Arrays, measures: Sequence[str]) -> dict[str, np.ndarray]:
    """The matrices of a run: for each of its cleaned series and each measure, (n, n).

    Raises
    ------
    BadDataError
        Where a series has too few volumes.
    """
    matrices = {}
    for key, series in cleaned.items():
        for measure in measures:
            try:
                matrices[f"{key}/{measure}"] = MEASURES[measure][0](series)
            except ValueError as error:
                raise BadDataError(f"{measure} after {key.split('/')[-1]}: {error}") from error
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
