"""``group_atlas-…_coverage.tsv``: coverage of each label of an atlas over all runs."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pandas as pd

from bids_labelx.errors import BadDataError
from bids_labelx.measures.centroids import CENTROIDS
from bids_labelx.measures.quality import OK
from bids_labelx.names import build_name
from bids_labelx.outputs.columns import LABEL_COLUMNS
from bids_labelx.outputs.results import ATLAS_ENTITIES

_STATUSES = (OK, "absent-from-image", "lost-in-resampling", "outside-mask", "low-coverage")
_SUMS = ("runs", "mean_coverage", "min_coverage", "lost_in_runs")

# Index and name of each row, as text.
Layout = tuple[tuple[str, str], ...]


class CoverageSums:
    """Running sums over the label tables of one atlas that have the same rows.

    Parameters
    ----------
    labels
        The first table; see `checked_coverage`.

    Attributes
    ----------
    paths
        The files of all tables within the output dataset, in their order.
    """

    def __init__(self, labels: pd.DataFrame) -> None:
        first = ["index", "name"]
        own = [c for c in labels.columns if c not in (*first, *LABEL_COLUMNS, *_SUMS)]
        self.paths: list[Path] = []
        self._columns = labels[[*first, *own]]
        self._total = np.zeros(len(labels))
        self._least = np.full(len(labels), np.inf)
        self._lost = np.zeros(len(labels), dtype=np.int64)

    @property
    def runs(self) -> int:
        """The number of tables."""
        return len(self.paths)

    @property
    def layout(self) -> Layout:
        """Index and name of the rows."""
        return layout_of(self._columns)

    @property
    def names(self) -> list[str]:
        """The labels' names, in their order."""
        return self._columns["name"].tolist()

    @property
    def ids(self) -> list[int]:
        """The labels' values in the image, in their order."""
        return [int(index) for index in self._columns["index"]]

    @property
    def networks(self) -> list[str] | None:
        """The network of each label, where the tables of all runs say the same."""
        return self._columns["network"].tolist() if "network" in self._columns else None

    def add(self, labels: pd.DataFrame, coverage: np.ndarray, path: Path) -> None:
        """Add the table of one run.

        Parameters
        ----------
        labels
            With the rows of the first one.
        coverage
            Shape (n_labels,); see `checked_coverage`.
        path
            Its file, within the output dataset.
        """
        self.paths.append(path)
        self._total += coverage
        self._least = np.minimum(self._least, coverage)
        self._lost += (labels["status"] != OK).to_numpy()
        differing = [
            column
            for column in self._columns
            if column not in labels or not labels[column].equals(self._columns[column])
        ]
        if differing:
            self._columns = self._columns.drop(columns=differing)

    def table(self) -> pd.DataFrame:
        """A row per label, in the order of the label table.

        ``index``, ``name``, the atlas' own columns that are the same in all runs, and ``runs``,
        ``mean_coverage``, ``min_coverage``, ``lost_in_runs``.
        """
        return self._columns.assign(
            runs=self.runs,
            mean_coverage=self._total / self.runs,
            min_coverage=self._least,
            lost_in_runs=self._lost,
        )


def checked_coverage(labels: pd.DataFrame, path: Path) -> np.ndarray:
    """The coverage of each label in one run.

    Parameters
    ----------
    labels
        The run's label table, all cells text.
    path
        Its file, for messages.

    Returns
    -------
    numpy.ndarray
        Shape (n_labels,), shares from 0 to 1; 0 for a label that is absent from the image, NaN
        for one with a signal whose coverage is unknown.

    Raises
    ------
    BadDataError
        Where the table lacks a column or is cut off, or a coverage or a status is none.
    """
    lacking = [c for c in ("index", "name", "coverage", "status") if c not in labels]
    if lacking:
        raise BadDataError(
            f"{path}: no column {' or '.join(lacking)}; run the participant level again"
        )
    if labels.empty:
        raise BadDataError(f"{path}: no label in it; run the participant level again")
    # It is the last column: a row that is cut off shows here.
    unknown = ~labels["status"].isin(_STATUSES).to_numpy()
    if unknown.any():
        raise BadDataError(
            f"{path}: status {labels['status'].iloc[unknown.argmax()]!r} in row "
            f"{unknown.argmax() + 1}, one of {', '.join(_STATUSES)} is expected; "
            "run the participant level again"
        )
    unsaid = labels["coverage"] == "n/a"
    text = labels["coverage"].where(~unsaid, "0")
    coverage = pd.to_numeric(text, errors="coerce").to_numpy(float)
    wrong = ~((coverage >= 0) & (coverage <= 1))
    if wrong.any():
        raise BadDataError(
            f"{path}: coverage {text.iloc[wrong.argmax()]!r} of label "
            f"{labels['name'].iloc[wrong.argmax()]}, a share from 0 to 1 or n/a is expected; "
            "run the participant level again"
        )
    # Of a label with a signal it is unknown, as where another program does not say it.
    return np.where(unsaid & (labels["status"] == OK), np.nan, coverage)


def checked_centroids(labels: pd.DataFrame, path: Path) -> np.ndarray:
    """The centroids of the labels in the atlas, whatever the run's mask leaves of them.

    Parameters
    ----------
    labels, path
        As for `checked_coverage`.

    Returns
    -------
    numpy.ndarray
        Shape (n_labels, 3), mm; NaN for a label that is absent from the atlas.

    Raises
    ------
    BadDataError
        Where a column is missing, or a cell is neither a number nor n/a.
    """
    lacking = [column for column in CENTROIDS if column not in labels]
    if lacking:
        raise BadDataError(
            f"{path}: no column {' or '.join(lacking)}; run the participant level again"
        )
    points = np.full((len(labels), len(CENTROIDS)), np.nan)
    for axis, column in enumerate(CENTROIDS):
        text = labels[column]
        values = pd.to_numeric(text, errors="coerce").to_numpy(float)
        wrong = ~np.isfinite(values) & (text != "n/a").to_numpy()
        if wrong.any():
            raise BadDataError(
                f"{path}: {column} {text.iloc[wrong.argmax()]!r} of label "
                f"{labels['name'].iloc[wrong.argmax()]}, a number in mm or n/a is expected; "
                "run the participant level again"
            )
        points[:, axis] = values
    return points


def layout_of(labels: pd.DataFrame) -> Layout:
    """Index and name of each row: what has to be the same in all runs of an atlas."""
    return tuple(zip(labels["index"], labels["name"], strict=True))


def other_labels(path: Path, mine: CoverageSums, expected: CoverageSums) -> str:
    """Say how the rows of a label table differ from those that most runs have."""
    pairs = enumerate(zip_longest(mine.layout, expected.layout), 1)
    row, here, there = next((i, here, there) for i, (here, there) in pairs if here != there)
    return (
        f"{path}: not the labels of {expected.paths[0]}, which {expected.runs} "
        f"run{'s have' if expected.runs > 1 else ' has'}: row {row} is {_label(here)} here and "
        f"{_label(there)} there; run the participant level again with one label table for all"
    )


def _label(row: tuple[str, str] | None) -> str:
    return "missing" if row is None else " ".join(row)


def coverage_name(entities: Mapping[str, str]) -> str:
    """The file's name, by the entities of the atlas alone."""
    return "group_" + build_name(
        {key: entities[key] for key in ATLAS_ENTITIES if key in entities}, "coverage", ".tsv"
    )
