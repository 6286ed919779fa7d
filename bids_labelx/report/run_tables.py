"""Tables of a participant's report, made from sidecars and label tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import pandas as pd
from nibabel.affines import voxel_sizes

from bids_labelx.errors import LabelxError
from bids_labelx.extraction.grayordinates import Grayordinates
from bids_labelx.extraction.space import VolumeGrid, voxel_grid
from bids_labelx.measures.quality import OK, qc_row
from bids_labelx.names import FIRST_DATASET
from bids_labelx.outputs.label_images import existing_label_files, read_label_files
from bids_labelx.outputs.results import Series
from bids_labelx.report.pages import Table
from bids_labelx.report.regions import region_table, table_of
from bids_labelx.report.text import counted

# Rows of all tables of regions, so that a page stays below 1 MB.
_MOST_REGIONS = 2000
_MOST_MISSING = 50

# What counts as a region's voxel where regions overlap.
_VOXELS = {
    "maps": "; voxels are those in which a map has the largest weight",
    "spheres": "; a voxel of several spheres counts for the nearest seed",
}

_STRATEGY_HEADER = (
    "Strategy",
    "Atlas",
    "Statistic",
    "Volumes kept",
    "Minutes kept",
    "Regressors",
    "Effective degrees of freedom",
    "Nominal",
    "Temporal SNR",
    "Missing labels",
    "Lowest coverage",
)


def facts_of(one: Series) -> tuple[tuple[str, str], ...]:
    """Facts about a run, whatever atlas and strategy: name and value."""
    sidecar = one.sidecar
    t_r, volumes = sidecar["RepetitionTime"], sidecar["NumberOfVolumes"]
    share = sidecar.get("ShareFramewiseDisplacementAbove")
    made = sidecar.get("PreprocessedBy") or {}
    by = ", ".join(name for name, what in made.items() if "image" in what)
    return (
        ("Source", _source(next(iter(sidecar["Sources"]), ""))),
        *((("Preprocessed with", by),) if by else ()),
        ("Grid", _grid(one)),
        ("Volumes", str(volumes)),
        ("Repetition time", f"{t_r:g} s" if t_r else "unknown"),
        ("Duration", f"{volumes * t_r / 60:.1f} min" if t_r else "unknown"),
        ("Mean framewise displacement", _unit(sidecar["MeanFramewiseDisplacement"], "mm")),
        ("Maximum framewise displacement", _unit(sidecar["MaxFramewiseDisplacement"], "mm")),
        (
            f"Volumes with FD > {sidecar.get('FramewiseDisplacementThreshold') or 0.5:g} mm",
            "unknown" if share is None else f"{100 * share:.1f} %",
        ),
        ("Mean standardised DVARS", _unit(sidecar["MeanStdDVARS"], "")),
    )


def _source(uri: str) -> str:
    """The path of a BIDS URI, with the name of the dataset where that is not the first."""
    _, _, within = uri.partition(":")
    dataset, _, path = within.partition(":")
    return path if dataset == FIRST_DATASET else f"{path} (dataset {dataset})"


def _grid(one: Series) -> str:
    try:
        _, space = read_label_files(existing_label_files(one.output / one.labels_path))
    except LabelxError as error:
        return f"unknown: {error}"
    if isinstance(space, Grayordinates):
        vertices = sum(len(model.indices) for model in space.models if model.is_surface)
        voxels = space.n_elements - vertices
        return f"{vertices:,} vertices" + (f" and {voxels:,} voxels" if voxels else "")
    grid = voxel_grid(space)
    shape = " × ".join(map(str, grid.shape))
    return f"{shape} voxels of {' × '.join(f'{z:.3g}' for z in voxel_sizes(grid.affine))} mm"


def _unit(value: float | None, unit: str) -> str:
    return "unknown" if value is None else f"{value:.3g} {unit}".strip()


def strategy_table(series: Sequence[Series]) -> Table:
    """Make a table of a run's time series: a row per atlas, statistic and strategy."""
    return Table(_STRATEGY_HEADER, tuple(map(_strategy_row, series)), "Time series")


def _strategy_row(one: Series) -> tuple[str, ...]:
    row = qc_row(one.sidecar, one.labels)
    minutes, snr = row["minutes_kept"], row["mean_tsnr"]
    left = row["effective_degrees_of_freedom"]
    return (
        one.sidecar["DenoisingStrategy"],
        one.sidecar["Atlas"],
        one.sidecar["Statistic"],
        f"{row['volumes_kept']} of {row['volumes']}",
        "unknown" if minutes is None else f"{minutes:.1f}",
        str(len(one.sidecar["ConfoundRegressors"])),
        "–" if left is None else f"{left:.1f}",
        str(row["degrees_of_freedom"]),
        "–" if snr is None else f"{snr:.1f}",
        f"{row['labels_lost']} of {row['labels']}",
        f"{row['min_coverage']:.2f}",
    )


def missing_labels_table(one: Series) -> tuple[Table, ...]:
    """Make a table of the labels missing in a run, with their status; none without any."""
    missing = one.labels[one.labels["status"] != OK]
    if missing.empty:
        return ()
    voxels = ["voxels_atlas", "voxels_in_view", "voxels_grid", "voxels_covered"]
    columns = ["name", "index", "status", *voxels, "coverage"]
    shown = missing[columns].head(_MOST_MISSING)
    shown["coverage"] = [_two_digits(text) for text in shown["coverage"]]
    rows = tuple(tuple(row) for row in shown.itertuples(index=False))
    more = f", the first {_MOST_MISSING} of {len(missing)}" if len(missing) > _MOST_MISSING else ""
    return (Table(tuple(columns), rows, f"Missing labels, {one.sidecar['Atlas']}{more}"),)


def _two_digits(text: str) -> str:
    return text if text == "n/a" else f"{float(text):.2f}"


def region_tables(series: Sequence[Series]) -> list[Table]:
    """Make a table of regions per atlas and grid, as in a masker's report.

    It has the lowest coverage over runs and the number of runs in which a region is missing. If a
    page would get too many rows, only regions missing in a run are shown.
    """
    of_atlas: dict[str, list[Series]] = {}
    for _, group in groupby(series, lambda one: one.labels_path):
        one = next(group)
        of_atlas.setdefault(one.sidecar["Atlas"], []).append(one)
    tables, room = [], _MOST_REGIONS
    for atlas, runs in sorted(of_atlas.items()):
        try:
            regions = _regions(runs)
        except LabelxError as error:
            # A broken label image costs its own table.
            tables.append(Table(("index", "name"), (), f"{atlas}: {error}"))
            continue
        shown = regions
        of_labels = _VOXELS.get(runs[0].sidecar.get("AtlasType", ""), "")
        caption = f"{atlas}: {counted(len(regions), 'region')}{of_labels}"
        if len(regions) > room:
            shown = regions[regions["missing"] == "yes"].head(_MOST_MISSING)
            caption += f", shown: {len(shown)} missing in a run; all: {runs[0].labels_path.name}"
        room -= len(shown)
        tables.append(table_of(shown, caption))
    return tables


def _regions(runs: Sequence[Series]) -> pd.DataFrame:
    """Regions of an atlas, with their sizes in the first run."""
    first = runs[0]
    labels, space = read_label_files(existing_label_files(first.output / first.labels_path))
    missing = np.array([(one.labels["status"] != OK).to_numpy() for one in runs])
    coverage = np.array(
        [pd.to_numeric(one.labels["coverage"], errors="coerce").fillna(0) for one in runs]
    )
    ids = [int(text) for text in first.labels["index"]]
    names = first.labels["name"].tolist()
    affine = space.affine if isinstance(space, VolumeGrid) else None
    table = region_table(ids, names, labels, None, affine, missing[0])
    table["missing"] = ["yes" if count else "" for count in missing.sum(axis=0)]
    if "network" in first.labels:
        table.insert(2, "network", first.labels["network"])
    table["lowest coverage"] = coverage.min(axis=0)
    table["missing in runs"] = [f"{count} of {len(runs)}" for count in missing.sum(axis=0)]
    return table
