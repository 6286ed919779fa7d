"""Tables of a participant's report, made from sidecars and label tables."""

from __future__ import annotations

from collections.abc import Sequence

from nibabel.affines import voxel_sizes

from bids_labelx.errors import LabelxError
from bids_labelx.extraction.grayordinates import Grayordinates
from bids_labelx.extraction.space import voxel_grid
from bids_labelx.measures.quality import OK, qc_row
from bids_labelx.names import FIRST_DATASET
from bids_labelx.outputs.label_images import existing_label_files, read_label_files
from bids_labelx.outputs.results import Series
from bids_labelx.report.pages import Table

_MOST_MISSING = 50

_STRATEGY_HEADER = (
    "Strategy",
    "Atlas",
    "Statistic",
    "Volumes kept",
    "Minutes kept",
    "Regressors",
    "Effective degrees of freedom",
    "Nominal degrees of freedom",
    "Temporal SNR",
    "Missing labels",
    "Lowest coverage",
    "Warnings",
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


def strategy_table(series: Sequence[Series]) -> tuple[Table, frozenset[int]]:
    """Make a table of a run's time series, and give its rows with warnings.

    There is a row per atlas, statistic and strategy; one statistic of all is in the caption.
    """
    rows = [dict(zip(_STRATEGY_HEADER, _strategy_row(one), strict=True)) for one in series]
    remarked = frozenset(i for i, row in enumerate(rows) if row["Warnings"])
    shown, caption = list(_STRATEGY_HEADER), "Time series"
    statistics = {row["Statistic"] for row in rows}
    if len(statistics) == 1:
        shown.remove("Statistic")
        caption += f": {statistics.pop()}"
    cells = tuple(tuple(row[name] for name in shown) for row in rows)
    return Table(tuple(shown), cells, caption), remarked


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
        "; ".join(one.sidecar.get("Warnings", ())),
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
