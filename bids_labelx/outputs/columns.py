"""Description and unit of each column of a table, as its sidecar has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# Of columns by name: description and unit.
Columns = Mapping[str, tuple[str, str]]

# The units of texts, whose sidecar has none: in BIDS a column with units is one of numbers; and of
# numbers without a unit, shares among them.
TEXT, PLAIN = "", "1"

_FROM_ATLAS = ("As in the atlas' own table", TEXT)

_CENTROID = (
    "Centre of mass of the label in the atlas as it is stored (on surfaces, of its vertices on "
    "the mesh given with --surface-mesh), along "
)
_VERTICES = ", and vertices of surfaces,"
LABEL_COLUMNS: Columns = {
    **{f"centroid_{axis}": (f"{_CENTROID}{axis} of its space", "mm") for axis in "xyz"},
    "voxels_atlas": (
        f"Voxels{_VERTICES} with this label in the atlas image as it is stored",
        "voxels",
    ),
    "voxels_in_view": (
        "Voxels of voxels_atlas whose centre is inside the grid of the run; of surfaces, those "
        "that the run has",
        "voxels",
    ),
    "voxels_grid": (f"Voxels{_VERTICES} with this label on the grid of the run", "voxels"),
    "voxels_covered": (
        f"Voxels{_VERTICES} on the grid that are inside the brain mask and whose series is finite "
        "and has data: its stored values are not all the same zero, within half a step of the "
        "image's scaling",
        "voxels",
    ),
    "coverage": (
        "Share of the label's volume in the atlas that has data in this run: the share in view "
        "times the share of that which is covered, (voxels_in_view / voxels_atlas) * "
        "(voxels_covered / voxels_grid); n/a for a label that is absent from the atlas image",
        PLAIN,
    ),
    "status": (
        "ok, or why the label has no signal: absent-from-image, lost-in-resampling (no voxel on "
        "the grid of the run), outside-mask, low-coverage (less than MinCoverage)",
        TEXT,
    ),
}

LABEL_NAMES: Columns = {
    "index": ("Value of the label in the image", PLAIN),
    "name": ("Name of the label", TEXT),
}

# What the columns say of atlases that are not made of labels.
KIND_COLUMNS: Mapping[str, Columns] = {
    "maps": {
        "index": ("Number of the map, and its value in the label image", PLAIN),
        "index_in_file": ("Number of the map in the atlas' own table, which counts from 0", PLAIN),
        "name": ("Name of the map", TEXT),
        **{
            f"centroid_{axis}": (
                "Mean place of the map's voxels in the atlas as it is stored, by their absolute "
                f"weight, along {axis} of its space",
                "mm",
            )
            for axis in "xyz"
        },
        "voxels_atlas": (
            "Voxels in which the map is not 0 in the atlas as it is stored",
            "voxels",
        ),
        "weight_in_view": (
            "Share of the map's absolute weight in the atlas that is in voxels_in_view",
            PLAIN,
        ),
        "voxels_grid": ("Voxels in which the map is not 0 on the grid of the run", "voxels"),
        "coverage": (
            "Share of the map's absolute weight in the atlas that has data in this run: "
            "weight_in_view times the share of its weight on the grid that is in voxels_covered; "
            "n/a for a map that is 0 everywhere",
            PLAIN,
        ),
    },
    "spheres": {
        "index": ("Number of the sphere, and its value in the label image", PLAIN),
        "name": ("Name of the sphere", TEXT),
        **{axis: (f"{axis} of the seed", "mm") for axis in "xyz"},
        "radius": ("Radius of the sphere", "mm"),
        **{f"centroid_{axis}": (f"{axis} of the seed", "mm") for axis in "xyz"},
        "voxels_atlas": (
            "Voxels of the run's size in the sphere, if its grid had no end",
            "voxels",
        ),
        "voxels_in_view": ("As voxels_grid", "voxels"),
        "voxels_grid": ("Voxels of the sphere on the grid of the run", "voxels"),
    },
}

_CENSORED = "1 if the volume is censored"
OUTLIER_COLUMNS: Columns = {
    "volume": (
        "Position of the volume in the BOLD image, counted from 0, as in SampleMask and "
        "VolumesUsed",
        PLAIN,
    ),
    "kept": ("1 if the volume is kept, 0 if it is censored by any rule", PLAIN),
    "framewise_displacement": (
        "Framewise displacement without a motion filter; the first volume has none",
        "mm",
    ),
    "framewise_displacement_filtered": (
        "Framewise displacement of filtered motion parameters, by which the strategy censors",
        "mm",
    ),
    "rmsd": ("Root mean square displacement, as in the confounds table", "mm"),
    "std_dvars": ("Standardised DVARS, as in the confounds table", PLAIN),
    "dummy": (f"{_CENSORED} as a dummy or non-steady-state volume, else 0", PLAIN),
    "fd": (f"{_CENSORED} by its framewise displacement, else 0", PLAIN),
    "dvars": (f"{_CENSORED} by its standardised DVARS, else 0", PLAIN),
    "short_segment": (f"{_CENSORED} as one of few between censored ones, else 0", PLAIN),
    "marked": (f"{_CENSORED} by a table that the strategy names, else 0", PLAIN),
}


def describe_columns(
    columns: Iterable[str], known: Columns, other: tuple[str, str] = _FROM_ATLAS
) -> dict[str, dict[str, str]]:
    """The part of a sidecar that says what each column is.

    Parameters
    ----------
    columns
        Of the table.
    known
        Description and unit of each that the app gives.
    other
        Those of all others.
    """
    found = {column: known.get(column, other) for column in columns}
    return {column: _described(*about) for column, about in found.items()}


def _described(description: str, unit: str) -> dict[str, str]:
    return {"Description": description, **({"Units": unit} if unit else {})}


def describe_matrix(unit: str) -> dict[str, dict[str, str]]:
    """The part of a matrix' sidecar that says what its columns are, whose values have a unit.

    All but the first are of a region each: one description holds for them.
    """
    return {
        "name": {"Description": "Region of the row"},
        "Columns": {
            "Description": "After name a column for each region, called by its name and in the "
            "order of the rows: the value between the region of the row and that of the column",
            "Units": unit,
        },
    }


def describe_series(unit: str) -> dict[str, dict[str, str]]:
    """The part of a time series' sidecar that says what its columns are, in a unit."""
    return {
        "Columns": {
            "Description": "A column for each row of the label table, called by its name and in "
            "the order of the rows: the region's signal, n/a throughout where it has none",
            "Units": unit,
        }
    }
