"""``group_atlas-…_qcfc.tsv``: QC-FC, loss of degrees of freedom and modularity by strategy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from bids_labelx.group.common_qcfc import CommonQcFc
from bids_labelx.group.evidence import Evidence, summarize_edges
from bids_labelx.group.mean_matrices import MeanMatrix, SubjectMatrix
from bids_labelx.group.qcfc import Correlations, summarize
from bids_labelx.group.rows import MOTION, Row, RowKey, mean_motion
from bids_labelx.measures.quality import NETWORKLESS


class StrategySums:
    """Running sums over the participants of one combination, beside the mean.

    Parameters
    ----------
    rows
        Those of the quality table.
    n_regions
        Of each matrix.
    motion
        What QC-FC is with: a key of `rows.MOTION`.
    """

    def __init__(self, rows: Mapping[RowKey, Row], n_regions: int, motion: str = "fd") -> None:
        self.correlations = Correlations(n_regions)
        self.participants = 0
        self._rows = rows
        self._motion = motion
        self._lost: list[float] = []
        self._volumes = 0
        self._strategy: str | None = None

    def add(self, subject: SubjectMatrix) -> None:
        """Add a participant; one of unknown motion counts for the degrees of freedom alone."""
        rows = [self._rows[file.row] for file in subject.files]
        self._lost += [row["volumes"] - degrees_left(row) for row in rows]
        self._volumes += sum(row["volumes"] for row in rows)
        self._strategy = rows[0]["strategy"]
        moved = mean_motion(rows, self._motion)
        if moved is not None:
            self.participants += 1
            self.correlations.add(subject.z, moved)

    def evidence(
        self,
        entities: Mapping[str, str],
        mean: MeanMatrix,
        networks: list[str] | None,
        distances: np.ndarray,
    ) -> Evidence:
        """The combination's row and what a page shows beside it; parameters as for `row`."""
        n_runs = len(self._lost)
        return Evidence(
            entities,
            self.row(entities, mean, networks, distances),
            summarize_edges(self.correlations.r(), distances),
            (min(self._lost), sum(self._lost) / n_runs, max(self._lost)),
            self._volumes / n_runs,
        )

    def row(
        self,
        entities: Mapping[str, str],
        mean: MeanMatrix,
        networks: list[str] | None,
        distances: np.ndarray,
    ) -> Row:
        """The combination's row; None for what there is not.

        Parameters
        ----------
        entities
            Of the combination.
        mean
            What modularity is of.
        networks
            Of each region, where the table names them.
        distances
            Between centroids in mm, shape (n_regions, n_regions); NaN where there is none.
        """
        found = summarize(self.correlations.r(), self.correlations.n, distances)
        return {
            **{key: value for key, value in entities.items() if key != "atlas"},
            "strategy": self._strategy,
            "participants": self.participants,
            "motion": MOTION[self._motion][0],
            "median_abs_qcfc": found and found.median_abs,
            "share_significant": found and found.share_significant,
            "distance_dependence": found and found.distance_dependence,
            "mean_dof_lost": sum(self._lost) / len(self._lost),
            "modularity": None if networks is None else modularity(mean.mean, networks),
            "signed_modularity": (
                None if networks is None else signed_modularity(mean.mean, networks)
            ),
        }


def with_common(evidence: Evidence, common: CommonQcFc, distances: np.ndarray) -> Evidence:
    """The same with QC-FC over the participants that all strategies have.

    Parameters
    ----------
    evidence, common
        Of one combination.
    distances
        In mm, shape (n_regions, n_regions); see `StrategySums.row`.
    """
    found = summarize(common.r, common.n - common.columns, distances)
    row: Row = {}
    for key, value in evidence.row.items():
        row[key] = value
        if key == "participants":
            row |= {key: common.participants, **common.figures}
    row |= {
        "median_abs_qcfc": found and found.median_abs,
        "share_significant": found and found.share_significant,
        "distance_dependence": found and found.distance_dependence,
    }
    edges = summarize_edges(common.r, distances)
    return replace(evidence, row=row, edges=edges, covariate_columns=common.columns)


def modularity(mean: np.ndarray, networks: Sequence[str]) -> float | None:
    """Modularity of the positive edges, with the networks of the table as communities.

    ``Q = sum_ij (A_ij - k_i k_j / 2m) [same network] / 2m`` with ``k_i = sum_j A_ij`` and
    ``2m = sum_i k_i`` (Newman, 2004, doi:10.1103/PhysRevE.70.056131). What shifts all correlations
    down, as regression of the global signal does, takes weak edges between networks out of it: it
    rises though networks are no better separated.

    Parameters
    ----------
    mean
        Mean Fisher z, shape (n_regions, n_regions); NaN and below 0 count as no edge.
    networks
        Shape (n_regions,); a region without one does not count.

    Returns
    -------
    float or None
        None where no edge is left.
    """
    weights, same = _within_networks(mean, networks)
    positive = np.maximum(weights, 0)
    total = positive.sum()
    return None if total == 0 else _excess(positive, same) / float(total)


def signed_modularity(mean: np.ndarray, networks: Sequence[str]) -> float | None:
    """Modularity of positive and negative edges, with the networks of the table as communities.

    ``Q* = sum_ij (w+_ij - e+_ij) [same] / v+ - sum_ij (w-_ij - e-_ij) [same] / (v+ + v-)`` with
    ``w+`` and ``w-`` the sizes of positive and negative edges, ``s_i = sum_j w_ij``, ``v = sum_i
    s_i`` and ``e_ij = s_i s_j / v`` of either (Rubinov & Sporns, 2011,
    doi:10.1016/j.neuroimage.2011.03.069): negative edges count by their share of the
    weight. What shifts all correlations down raises it as well: negative edges between networks
    count as separation.

    Parameters
    ----------
    mean, networks
        As for `modularity`; edges below 0 are negative.

    Returns
    -------
    float or None
        None where no positive edge is left.
    """
    weights, same = _within_networks(mean, networks)
    positive, negative = np.maximum(weights, 0), np.maximum(-weights, 0)
    v_positive, v_negative = float(positive.sum()), float(negative.sum())
    if v_positive == 0:
        return None
    unlike = _excess(negative, same) / (v_positive + v_negative)
    return _excess(positive, same) / v_positive - unlike


def _within_networks(mean: np.ndarray, networks: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Edges of the regions that have a network, 0 for NaN, and which are within one."""
    named = np.array([network not in NETWORKLESS for network in networks])
    communities = np.array(networks)[named]
    return np.nan_to_num(mean[np.ix_(named, named)]), communities[:, None] == communities[None]


def _excess(weights: np.ndarray, same: np.ndarray) -> float:
    """Weight within networks beyond what the strengths of the regions make expected."""
    strength = weights.sum(axis=1)
    total = strength.sum()
    expected = np.outer(strength, strength) / total if total else 0.0
    return float(((weights - expected) * same).sum())


def degrees_left(row: Row) -> float:
    """The effective degrees of freedom of a run, the nominal ones where it has no others.

    NaN where neither is known, as of runs that another program denoised.
    """
    known = (row["effective_degrees_of_freedom"], row["degrees_of_freedom"])
    return float(next((one for one in known if one is not None), math.nan))
