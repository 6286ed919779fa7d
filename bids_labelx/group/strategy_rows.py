"""``group_atlas-…_qcfc.tsv``: how well each strategy does over the participants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bids_labelx.errors import LabelxError
from bids_labelx.group.matrices import MeanMatrix, SubjectMatrix
from bids_labelx.group.qcfc import Correlations, centroids, distances_between, summarize
from bids_labelx.group.records import Row, RowKey
from bids_labelx.images import read_data
from bids_labelx.names import build_name, parse_name

_NO_NETWORK = ("", "n/a")


class StrategySums:
    """What is summed up over the participants of one combination beside the mean.

    Parameters
    ----------
    output
        The output dataset.
    rows
        Those of the quality table.
    ids
        The index of each region in the label image.
    """

    def __init__(self, output: Path, rows: Mapping[RowKey, Row], ids: Sequence[int]) -> None:
        self.correlations = Correlations(len(ids))
        self.participants = 0
        self._output, self._rows, self._ids = output, rows, np.array(ids)
        self._lost: list[int] = []
        self._first: Path | None = None

    def add(self, subject: SubjectMatrix) -> None:
        """Add a participant; one without a mean FD counts for the degrees of freedom alone."""
        rows = [self._rows[file.row] for file in subject.files]
        self._lost += [row["volumes"] - row["degrees_of_freedom"] for row in rows]
        self._first = self._first or subject.files[0].path
        displacements = [row["mean_fd"] for row in rows if row["mean_fd"] is not None]
        if displacements:
            self.participants += 1
            self.correlations.add(subject.z, sum(displacements) / len(displacements))

    def row(
        self, entities: Mapping[str, str], mean: MeanMatrix, networks: list[str] | None
    ) -> Row:
        """The combination's row; None for what there is not."""
        r, n = self.correlations.r(), self.correlations.n
        found = summarize(r, n, self._distances())
        return {
            **{key: value for key, value in entities.items() if key != "atlas"},
            "participants": self.participants,
            "median_abs_qcfc": found and found.median_abs,
            "share_significant": found and found.share_significant,
            "distance_dependence": found and found.distance_dependence,
            "mean_dof_lost": sum(self._lost) / len(self._lost),
            "modularity": None if networks is None else modularity(mean.mean, networks),
        }

    def _distances(self) -> np.ndarray:
        """Between the labels of the first run, which is on the grid of its own; NaN without."""
        assert self._first is not None
        entities = parse_name(self._first).entities
        kept = {k: v for k, v in entities.items() if k not in ("stat", "meas", "desc")}
        try:
            image = self._first.with_name(build_name(kept, "dseg", ".nii.gz"))
            labels, affine = read_data(self._output / image)
        except LabelxError:
            return np.full((len(self._ids), len(self._ids)), np.nan)
        return distances_between(centroids(labels, affine, self._ids))


def modularity(mean: np.ndarray, networks: Sequence[str]) -> float | None:
    """Modularity of the positive edges, with the networks of the table as communities.

    ``Q = sum_ij (A_ij - k_i k_j / 2m) [same network] / 2m`` with ``k_i = sum_j A_ij`` and
    ``2m = sum_i k_i`` (Newman, 2004, doi:10.1103/PhysRevE.70.056131).

    Parameters
    ----------
    mean
        Mean Fisher z, shape (n_regions, n_regions); NaN and below 0 count as no edge.
    networks
        Shape (n_regions,); a region without one is left out.

    Returns
    -------
    float or None
        None where no edge is left.
    """
    named = np.array([network not in _NO_NETWORK for network in networks])
    communities = np.array(networks)[named]
    weights = np.maximum(np.nan_to_num(mean[np.ix_(named, named)]), 0)
    total = weights.sum()
    if total == 0:
        return None
    degree = weights.sum(axis=1)
    same = communities[:, None] == communities[None]
    return float(((weights - np.outer(degree, degree) / total) * same).sum() / total)
