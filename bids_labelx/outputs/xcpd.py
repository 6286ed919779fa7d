"""Results under XCP-D's names: where they go, and what their columns are.

The names and columns are those of XCP-D 26.1. The files are a dataset of their own within the
output dataset, so that a reader of XCP-D's folders that is given it finds nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bids_labelx.files import read_json, write_json, write_text
from bids_labelx.names import SPATIAL
from bids_labelx.outputs.columns import PLAIN, TEXT, Columns, describe_columns
from bids_labelx.outputs.paths import output_path

XCPD_VERSION = "26.1"
XCPD_FOLDER = Path("derivatives", "xcp_d")

# What BIDS URIs in this dataset call the one that it is in.
XCPD_LINK = "bids_labelx"

# XCP-D's order.
PARAMETERS = ("rot_x", "rot_y", "rot_z", "trans_x", "trans_y", "trans_z")

# Entities of a run that XCP-D's tables of regions do not have.
_NOT_NAMED = ("res", "den")

_IGNORED = "*_timeseries.*\n*_relmat.*\n*_bold.*\n*_outliers.*\n*_motion.*\n*_design.*\n*_qc.*\n"

_FILTERED = ", after the strategy's motion filter"
MOTION_COLUMNS: Columns = {
    **dict.fromkeys(PARAMETERS[:3], ("As in the confounds table", "rad")),
    **dict.fromkeys(PARAMETERS[3:], ("As in the confounds table", "mm")),
    **{f"{one}_filtered": (f"{one}{_FILTERED}", "rad") for one in PARAMETERS[:3]},
    **{f"{one}_filtered": (f"{one}{_FILTERED}", "mm") for one in PARAMETERS[3:]},
    "rmsd": ("Root mean square displacement, as in the confounds table", "mm"),
    "framewise_displacement": (
        "Framewise displacement without a motion filter, of the confounds table or else of its "
        "motion parameters, relative to the volume before. The first volume of a run has n/a, "
        "where XCP-D writes 0; after dummy volumes the first has its displacement from the last "
        "of them",
        "mm",
    ),
    "framewise_displacement_filtered": (
        "Framewise displacement of filtered motion parameters, by which the strategy censors. The "
        "filter runs over the dummy volumes as well, which XCP-D removes before",
        "mm",
    ),
}
COVERAGE_COLUMNS: Columns = {
    "Node": ("Region", TEXT),
    "coverage": (
        "Share of the region's volume in the atlas that has data in this run; 0 for a region that "
        "is absent. XCP-D's is the share of its voxels on the run's grid inside the mask: "
        "voxels outside of the field of view, and voxels without data, lower it here alone",
        PLAIN,
    ),
}
CENSORED_COLUMNS: Columns = {
    "framewise_displacement": (
        "1 if the volume is censored by any rule of the strategy, else 0. XCP-D's rule is "
        "framewise displacement alone",
        PLAIN,
    ),
}
_NOT_MADE = "n/a: it is of images that bids_labelx does not make or read"
QC_COLUMNS: Columns = {
    "mean_fd": ("Mean framewise displacement, without volumes that have none", "mm"),
    "mean_fd_post_censoring": ("Mean framewise displacement of the volumes kept", "mm"),
    "mean_relative_rms": (
        "Mean of the confounds table's rmsd over the volumes kept",
        "mm",
    ),
    "max_relative_rms": ("Largest rmsd of the volumes kept", "mm"),
    "mean_dvars_initial": (_NOT_MADE, PLAIN),
    "mean_dvars_final": (_NOT_MADE, PLAIN),
    "num_dummy_volumes": ("Dummy volumes censored at the start", "volumes"),
    "num_censored_volumes": ("Volumes after these that are censored by any rule", "volumes"),
    "num_retained_volumes": ("Volumes kept", "volumes"),
    "fd_dvars_correlation_initial": (_NOT_MADE, PLAIN),
    "fd_dvars_correlation_final": (_NOT_MADE, PLAIN),
    **{
        f"{step}_{figure}": (_NOT_MADE, PLAIN)
        for step in ("coreg", "norm")
        for figure in ("dice", "correlation", "overlap")
    },
}
_DUMMY_ROWS = "Dummy volumes at the start have no row."


def region_file(
    entities: Mapping[str, str], atlas: Mapping[str, str], suffix: str, stat: str
) -> Path:
    """Where a table of a run and atlas goes, within the output dataset.

    `entities` are those of the run. XCP-D knows no ``seg-`` and ``scale-``: what an atlas has of
    them is part of the atlas' label.
    """
    label = "".join(atlas[key] for key in ("atlas", "seg", "scale") if key in atlas)
    named = {key: value for key, value in entities.items() if key not in _NOT_NAMED}
    return XCPD_FOLDER / output_path({**named, "atlas": label}, suffix, ".tsv", stat=stat)


def run_file(entities: Mapping[str, str], suffix: str, desc: str | None = None) -> Path:
    """Where a table of a run goes; that of its quality alone is of a space."""
    left = _NOT_NAMED if suffix == "qc" else SPATIAL
    named = {key: value for key, value in entities.items() if key not in left}
    return XCPD_FOLDER / output_path(named, suffix, ".tsv", desc=desc)


def run_sidecar(suffix: str, columns: list[str], strategy: str) -> dict[str, Any]:
    """For ``motion``, ``outliers`` and ``design``."""
    known, what = {
        "motion": (MOTION_COLUMNS, "Motion of the head"),
        "outliers": (CENSORED_COLUMNS, "Which volumes are censored"),
        "design": ({}, "Regressors of the strategy, in the units of the confounds table"),
    }[suffix]
    other = ("As in the confounds table, or filtered where the strategy has a motion filter", TEXT)
    return {
        "Description": f"{what}. {_DUMMY_ROWS}",
        **names_of(),
        "DenoisingStrategy": strategy,
        **describe_columns(columns, known, other),
    }


def names_of() -> dict[str, str]:
    """The part of every sidecar that says whose names these are."""
    return {
        "OutputNames": f"Names and columns of XCP-D {XCPD_VERSION}; bids_labelx made the numbers"
    }


def write_xcpd_dataset(output: Path) -> None:
    """Write what describes the dataset under XCP-D's names, after that of the output dataset.

    Raises
    ------
    CannotWriteError
    """
    about = read_json(output / "dataset_description.json")
    made_by = dict(about["GeneratedBy"][0])
    made_by["Description"] = (
        f"Names, columns and layout are those of XCP-D {XCPD_VERSION}, which did not run"
    )
    links = {**about["DatasetLinks"], XCPD_LINK: output.as_uri()}
    folder = output / XCPD_FOLDER
    write_json(
        folder / "dataset_description.json",
        {
            **about,
            "Name": f"{about['Name']}, under the names of XCP-D {XCPD_VERSION}",
            "GeneratedBy": [made_by],
            "DatasetLinks": links,
        },
    )
    write_text(folder / ".bidsignore", _IGNORED)
    write_json(
        folder / "desc-linc_qc.json", {**names_of(), **describe_columns(QC_COLUMNS, QC_COLUMNS)}
    )
