"""Edges harmonised over batches with ComBat: files beside the raw ones, and what has changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from bids_labelx.files import write_json
from bids_labelx.group.batches import Batches
from bids_labelx.group.covariates import Covariates
from bids_labelx.group.edge_rows import EdgeRows
from bids_labelx.group.edges import AddRow, edges_table
from bids_labelx.group.mean_matrices import edges_name, matrix_name, relationship
from bids_labelx.group.moments import Moments
from bids_labelx.group.write import write_matrix
from bids_labelx.outputs.columns import PLAIN, describe_matrix
from bids_labelx.statistics.batch_effects import (
    BatchMoments,
    batch_differences,
    chance_eta_squared,
)
from bids_labelx.statistics.combat import Harmonisation, estimate

METHOD = (
    "ComBat (Johnson et al., 2007; Fortin et al., 2018) on Fisher z: shift and scale of each edge "
    "and batch, shrunk by parametric empirical Bayes over edges"
)
# Shares of the edges at which eta squared is kept, for a picture of its distribution.
SHARES = np.linspace(0, 1, 41)
_SIGNIFICANT = 0.05
_MOST_NAMED = 100
# Attributes of the raw file that hold for the harmonised one.
_KEPT = ("AveragedOver", "RunWeights", "RunWeightsNote")


@dataclass(frozen=True)
class Effect:
    """How edges differ between batches, by one-way analysis of variance of each.

    Attributes
    ----------
    edges
        Edges that have a test.
    share_significant
        The share of them with p < 0.05, uncorrected.
    median_eta_squared
        Over edges, of the share of variance between batches.
    quantiles
        Of it over edges, at `SHARES`; NaN where no edge has a test.
    means
        Of each batch, over edges.
    """

    edges: int
    share_significant: float
    median_eta_squared: float
    quantiles: np.ndarray
    means: Mapping[str, float]

    def sidecar(self) -> dict[str, Any]:
        """What files say of it."""
        return {
            "NumberOfEdges": self.edges,
            "ShareOfEdgesWithPBelow0.05": _plain(self.share_significant),
            "MedianEtaSquared": _plain(self.median_eta_squared),
            "MeanOfBatches": {label: _plain(mean) for label, mean in self.means.items()},
        }


@dataclass(frozen=True)
class Harmonised:
    """What was harmonised of one combination.

    Attributes
    ----------
    edges
        The rows of edges, with ``harm`` among their entities.
    batches
        Which, and what was preserved.
    before, after
        How the batches differ in the raw edges and in the harmonised ones.
    chance
        Quantiles of eta squared, as of `Effect`, if batches did not differ.
    not_harmonised
        Edges without an estimate, which are n/a.
    files
        Written, within the output dataset.
    """

    edges: EdgeRows
    batches: Batches
    before: Effect
    after: Effect
    chance: np.ndarray
    not_harmonised: int
    files: Sequence[Path] = field(default=())


def harmonized_entities(entities: Mapping[str, str]) -> dict[str, str]:
    """Those of the names of harmonised files."""
    return {**entities, "harm": "combat"}


def harmonize(
    output: Path, rows: EdgeRows, batches: Batches, covariates: Covariates | None = None
) -> Harmonised:
    """Harmonise the edges of one combination and write them, beside the raw ones.

    Parameters
    ----------
    output
        The output dataset.
    rows
        The raw edges: those of an ``_edges.h5``.
    batches
        Of these rows.
    covariates
        Whose columns are in the file as well.

    Raises
    ------
    BadDataError
        Where fewer than two edges can be estimated.
    CannotWriteError
    """
    kept, labels = batches.kept, batches.labels
    made = estimate(
        lambda edges: rows.read(edges)[kept], rows.n_edges, labels, batches.design, batches.names
    )
    entities = harmonized_entities(rows.entities)
    path = output / edges_name(entities)
    missing = int((~made.estimable).sum())
    about = _about(batches, missing)
    moments = Moments(len(rows.names))
    before, after = (BatchMoments(len(made.batches), rows.n_edges) for _ in range(2))
    session = rows.entities.get("ses", "")
    with h5py.File(rows.path, "r", locking=False) as raw:
        kept_attributes = {key: raw.attrs[key] for key in _KEPT if key in raw.attrs}
        head = {
            "Description": f"{relationship(rows.entities)}, harmonised, a row per participant",
            "SourceEntities": dict(rows.entities),
            **kept_attributes,
            **about,
            # An attribute of HDF5 holds 64 KB; the sidecars of the means have all.
            "ParticipantsDropped": dict(list(batches.dropped.items())[:_MOST_NAMED]),
        }
        n_runs = int(raw["runs"][:][kept].sum())
        with edges_table(
            path, rows.names, rows.networks, len(kept), head, covariates, session
        ) as add:
            _harmonize_rows(raw, batches, made, add, (moments, before, after))
    effects = [_effect(one, made) for one in (before, after)]
    shared = {
        "Weighted": True,
        "Directed": False,
        "ValidDiagonal": False,
        "StorageFormat": "Full",
        "RunsOfAParticipant": "averaged first, in Fisher z",
        **{key: _of_attribute(value) for key, value in kept_attributes.items()},
        "NumberOfRuns": n_runs,
        "NumberOfParticipants": len(kept),
        **about,
        "BatchEffectBefore": effects[0].sidecar(),
        "BatchEffectAfter": effects[1].sidecar(),
        "SourceEntities": dict(rows.entities),
    }
    files = [path.relative_to(output), *_write_means(output, rows, moments, shared)]
    units = tuple(rows.units[k] for k in kept)
    own = replace(rows, entities=entities, units=units, mean_fd=rows.mean_fd[kept], path=path)
    # The least of so many edges is not expected to be the least value there can be.
    shares = (SHARES * (effects[0].edges - 1) + 0.5) / effects[0].edges
    chance = chance_eta_squared(len(made.batches), len(kept), shares)
    return Harmonised(own, batches, effects[0], effects[1], chance, missing, files)


def _harmonize_rows(
    raw: h5py.File,
    batches: Batches,
    made: Harmonisation,
    add: AddRow,
    watching: tuple[Moments, BatchMoments, BatchMoments],
) -> None:
    """Write row by row, and take each into the moments."""
    moments, before, after = watching
    n_regions = len(moments.n)
    above = np.triu_indices(n_regions, k=1)
    square = np.full((n_regions, n_regions), np.nan)
    ids = raw["participant_id"].asstr()[:]
    columns = [raw[name][:] for name in ("runs", "mean_fd", "minutes_kept")]
    positions = {label: k for k, label in enumerate(made.batches)}
    for k, label, covariates in zip(batches.kept, batches.labels, batches.design, strict=True):
        z = raw["z"][k : k + 1]
        harmonised = made.adjusted(z, label, covariates[None])[0]
        add(ids[k], harmonised, *(column[k] for column in columns))
        square[above] = harmonised
        square.T[above] = harmonised
        moments.add(square)
        # What has no estimate is in neither, so that both are of the same edges.
        before.add(positions[label], np.where(made.estimable, z[0], np.nan))
        after.add(positions[label], harmonised)


def _effect(moments: BatchMoments, made: Harmonisation) -> Effect:
    found = batch_differences(moments)
    known = np.isfinite(found.p)
    eta = found.eta_squared[known]
    means = np.where(moments.n[:, known] > 0, moments.mean[:, known], np.nan)
    return Effect(
        edges=int(known.sum()),
        share_significant=float((found.p[known] < _SIGNIFICANT).mean()) if len(eta) else np.nan,
        median_eta_squared=float(np.median(eta)) if len(eta) else np.nan,
        quantiles=np.quantile(eta, SHARES) if len(eta) else np.full(len(SHARES), np.nan),
        means={
            label: float(np.nanmean(own)) if np.isfinite(own).any() else np.nan
            for label, own in zip(made.batches, means, strict=True)
        },
    )


def _about(batches: Batches, missing: int) -> dict[str, Any]:
    """What all files of a harmonisation say of it."""
    return {
        "Harmonisation": METHOD,
        "BatchColumn": batches.column,
        "BatchCounts": batches.counts,
        "PreservedCovariates": list(batches.names),
        "NumberOfParticipantsDropped": len(batches.dropped),
        "ParticipantsDropped": dict(batches.dropped),
        "NumberOfEdgesNotHarmonised": missing,
    }


def _write_means(
    output: Path, rows: EdgeRows, moments: Moments, shared: Mapping[str, Any]
) -> list[Path]:
    """Write mean, standard deviation and number of participants of the harmonised edges."""
    z = f"{relationship(rows.entities)}, harmonised over {shared['BatchColumn']}"
    tables = {
        "mean": (moments.mean, f"{z}, mean over participants"),
        "std": (moments.std, f"{z}, standard deviation over participants (n - 1)"),
        "n": (moments.n, f"Number of participants behind each edge of the mean {z}"),
    }
    written = []
    for statistic, (values, what) in tables.items():
        name = matrix_name(harmonized_entities(rows.entities), statistic)
        path = output / f"{name}.tsv"
        unit = "participants" if statistic == "n" else PLAIN
        sidecar = {"RelationshipMeasure": what, **shared, **describe_matrix(unit)}
        write_json(path.with_suffix(".json"), sidecar)
        write_matrix(path, values, rows.names)
        written.append(path.relative_to(output))
    return written


def _of_attribute(value: str) -> Any:
    """An attribute as it was before it was written; see `edges.edges_table`."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else value
