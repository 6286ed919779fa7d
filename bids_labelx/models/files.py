"""Files of group models: matrices, tables and what they say of themselves."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bids_labelx.files import write_json, write_tsv
from bids_labelx.group.columns import DESIGN_COLUMNS, MODEL_COLUMNS, REGRESSOR
from bids_labelx.group.mean_matrices import group_name, relationship
from bids_labelx.models.designs import Design
from bids_labelx.models.results import ModelResult, component_p
from bids_labelx.models.rows import ModelRows
from bids_labelx.outputs.columns import PLAIN, describe_columns, describe_matrix
from bids_labelx.outputs.sidecars import software_versions
from bids_labelx.settings.model_options import ModelOptions

_CENTRED = (
    "the mean over the rows was subtracted from these; without interactions this changes the "
    "intercept alone; with interactions, other terms are effects at the mean of the covariate, or "
    "in the reference group of a category, and no main effects"
)
_INTERCEPTS = (
    "each participant has an intercept, which is absorbed: rows are deviations from their "
    "participant's mean, and only differences within participants are tested"
)
_MEANS = (
    "where rows lack edges, the mean of a row is its term in an additive model of rows and edges, "
    "at the average of all edges; where none are missing, the plain mean"
)
_EXCHANGED = (
    "residuals of the nuisance part of the model are rearranged (Freedman and Lane, 1983); where "
    "the contrast is about a mean, signs are flipped; the data as they are count as one; an edge "
    "with fewer rows enters with the t that has its p with the degrees of freedom of the others"
)
_BY_T = "Student's t distribution"
_BY_PERMUTATION = (
    "share of permutations with an absolute t as large, since rows of a block are not independent"
)


def write_design(output: Path, rows: ModelRows, design: Design, options: ModelOptions) -> Path:
    """Write the design of a model with its JSON; the path is within the output dataset."""
    units: dict[str, list[str | None]] = {
        "participant_id": [f"sub-{unit.participant}" for unit in design.units],
        "session_id": [f"ses-{unit.session}" if unit.session else None for unit in design.units],
        "run": [unit.run or None for unit in design.units],
    }
    ids = pd.DataFrame({name: own for name, own in units.items() if any(own)})
    if design.blocks is not None:
        ids["block"] = design.blocks
    columns = [_apart(name, {*ids}) for name in design.columns.names]
    table = pd.concat([ids, pd.DataFrame(design.columns.matrix, columns=columns)], axis=1)
    path = output / design_name(rows, design)
    about = {"Description": "Design of a model of edges", **design_sidecar(rows, design, options)}
    described = describe_columns(table.columns, DESIGN_COLUMNS, REGRESSOR)
    write_json(path.with_suffix(".json"), {**about, **described})
    write_tsv(path, table)
    return path.relative_to(output)


def design_name(rows: ModelRows, design: Design) -> str:
    """The name of the table of a design."""
    return group_name(rows.entities, f"model-{design.name}_design.tsv")


def _apart(name: str, taken: Container[object]) -> str:
    """A column's name, if need be told apart from those of ids."""
    return f"{name} (regressor)" if name in taken else name


def write_result(output: Path, result: ModelResult) -> list[Path]:
    """Write the matrices and tables of one contrast, each with its JSON.

    Returns
    -------
    list of pathlib.Path
        Within the output dataset.
    """
    about = result_sidecar(result)
    written = []
    names = result.rows.names
    for statistic, (what, values) in _matrices(result).items():
        name = group_name(result.rows.entities, f"{result.name}_stat-{statistic}_relmat.tsv")
        table = pd.DataFrame(
            result.matrix(values), index=pd.Index(names, name="name"), columns=list(names)
        )
        unit = "rows" if statistic == "n" else PLAIN
        sidecar = {
            "RelationshipMeasure": f"{relationship(result.rows.entities)}: {what}",
            "Weighted": True,
            "Directed": False,
            "ValidDiagonal": False,
            "StorageFormat": "Full",
            **about,
            **describe_matrix(unit),
        }
        write_json((output / name).with_suffix(".json"), sidecar)
        write_tsv(output / name, table, index=True)
        written.append(Path(name))
    for kind, what, table in _tables(result):
        name = group_name(result.rows.entities, f"{result.name}_{kind}.tsv")
        described = describe_columns(table.columns, MODEL_COLUMNS)
        means = {"MeanOverEdges": _MEANS} if kind in ("regions", "networks") else {}
        sidecar = {"Description": what, **means, **about, **described}
        write_json((output / name).with_suffix(".json"), sidecar)
        write_tsv(output / name, table)
        written.append(Path(name))
    return written


def _matrices(result: ModelResult) -> dict[str, tuple[str, np.ndarray]]:
    """What each matrix is of, and its values."""
    own, permuted = result.edges.fit, result.edges.permuted
    found = {
        "beta": ("contrast of the coefficients", own.beta),
        "t": ("t of the contrast", own.t),
        "p": ("two-sided p, not corrected", result.edges.p),
        "pfdr": ("p with the false discovery rate over edges", result.edges.p_fdr),
        "n": ("rows of the model that have the edge", own.n.astype(float)),
    }
    if permuted is not None:
        found["pfwe"] = ("family-wise p over edges, of the largest |t|", permuted.p_fwe)
    return found


def _tables(result: ModelResult) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Suffix, description and content of each table."""
    names = np.array(result.rows.names, dtype=object)
    networks = result.rows.networks
    of_region = None if networks is None else np.array(networks, dtype=object)
    permuted = result.edges.permuted
    first, second = np.triu_indices(len(names), k=1)
    ends: dict[str, Any] = {"region_1": names[first], "region_2": names[second]}
    if of_region is not None:
        ends |= {"network_1": of_region[first], "network_2": of_region[second]}
    tested = _tested(result.edges, None if permuted is None else permuted.p_fwe)
    nbs: dict[str, Any] = {}
    if permuted is not None:
        number = permuted.components.of_edge.astype(float)
        number[number == 0] = np.nan
        nbs = {"nbs_component": number, "nbs_p": component_p(permuted.components)}
    yield "edges", "A contrast of each edge", pd.DataFrame({**ends, **tested, **nbs})
    own = {"region": names} if of_region is None else {"region": names, "network": of_region}
    what = "A contrast of the mean Fisher z of all edges of a region"
    regions = _tested(result.regions, result.regions.p_fwe)
    yield "regions", what, pd.DataFrame({**own, **regions})
    if result.pairs is not None and result.networks is not None:
        pairs = {
            "network_1": [one for one, _ in result.pairs.names],
            "network_2": [two for _, two in result.pairs.names],
            "edges": result.pairs.counts,
        }
        test = _tested(result.networks, result.networks.p_fwe)
        cnbs: dict[str, Any] = {}
        if permuted is not None and permuted.networks is not None:
            of = permuted.networks
            cnbs = {"cnbs_t": of.t, "cnbs_p": of.p, "cnbs_p_fdr": of.p_fdr}
            cnbs["cnbs_p_fwe"] = of.p_fwe
        what = "A contrast of the mean Fisher z of the edges within and between networks"
        yield "networks", what, pd.DataFrame({**pairs, **test, **cnbs})
    if permuted is not None:
        what = "Components of the network-based statistic"
        yield "components", what, _components(result, first, second)


def _components(result: ModelResult, first: np.ndarray, second: np.ndarray) -> pd.DataFrame:
    found = result.components
    assert found is not None
    numbers = range(1, len(found.sizes) + 1)
    edges = [np.flatnonzero(found.of_edge == number) for number in numbers]
    t = result.edges.fit.t
    return pd.DataFrame(
        {
            "component": list(numbers),
            "edges": found.sizes.astype(int),
            "regions": [len({*first[own], *second[own]}) for own in edges],
            "edges_positive": [int((t[own] > 0).sum()) for own in edges],
            "p": found.p,
        }
    )


def _tested(of: Any, p_fwe: np.ndarray | None) -> dict[str, np.ndarray]:
    """The columns that all tables of tests have."""
    found = {"beta": of.fit.beta, "t": of.fit.t, "p": of.p, "p_fdr": of.p_fdr}
    if p_fwe is not None:
        found["p_fwe"] = p_fwe
    return {**found, "n": of.fit.n, "dof": of.fit.dof}


def result_sidecar(result: ModelResult) -> dict[str, Any]:
    """What the files of one contrast say of it."""
    names, weights = result.design.columns.names, result.contrast.weights
    about = {
        **design_sidecar(result.rows, result.design, result.options),
        "Contrast": result.contrast.expression,
        "ContrastWeights": dict(zip(names, weights.tolist(), strict=True)),
    }
    if remarks := [*result.design.remarks, *result.contrast.remarks]:
        about["Remarks"] = remarks
    permuted = result.edges.permuted
    if permuted is None:
        return about | {"PMethod": _BY_T, "Permutations": 0}
    exchange = permuted.exchange
    return about | {
        "PMethod": _BY_PERMUTATION if result.options.permute_blocks == "whole" else _BY_T,
        "Permutations": len(exchange),
        "PermutationsRequested": result.options.permutations,
        "PermutationKind": exchange.kind,
        "PermutationMethod": _EXCHANGED,
        "PermutationsPossible": exchange.possible if exchange.possible < 2**53 else "over 2^53",
        "PermutationsExhaustive": exchange.every,
        "LowestPossibleP": permuted.lowest_p,
        "Exchangeability": _exchangeability(result.design, result.options),
        "Seed": result.options.seed,
        "NBSThreshold": result.options.nbs_threshold,
        "NBSComponentSize": "edges",
    }


def _exchangeability(design: Design, options: ModelOptions) -> str:
    if design.blocks is not None and options.permute_blocks == "whole":
        return f"blocks of equal size as wholes, by {options.permutation_blocks}"
    within = ["participants"] if design.participants is not None else []
    within += [f"blocks of {options.permutation_blocks}"] if design.blocks is not None else []
    return f"rows within {' and '.join(within)}" if within else "all rows"


def design_sidecar(rows: ModelRows, design: Design, options: ModelOptions) -> dict[str, Any]:
    """What the files of one model say of it."""
    is_table = design.source.lower().endswith(".tsv")
    source = {"Design": Path(design.source).name} if is_table else {"Formula": design.source}
    within = design.participants is not None
    # Edges of single runs are in no file that stays.
    files = [one.path.name for one in rows.parts if one.path.suffix == ".h5"]
    return {
        "Model": design.name,
        **source,
        "DenoisingStrategy": rows.strategy,
        **({"EdgesFiles": files} if files else {}),
        **({"CovariatesTable": design.table} if design.table else {}),
        "Estimation": "ordinary least squares of Fisher z, for each edge over the rows with it",
        "DesignColumns": list(design.columns.names),
        "CentredCovariates": list(design.columns.centred),
        **({"Centring": _CENTRED} if design.columns.centred else {}),
        **({"ParticipantIntercepts": _INTERCEPTS} if within else {}),
        **({"AbsorbedColumns": list(design.absorbed)} if design.absorbed else {}),
        "ModelRows": options.model_rows,
        **_averaged(rows),
        "NumberOfRows": len(design.units),
        "NumberOfParticipants": design.n_participants,
        "DesignTable": design_name(rows, design),
        "DroppedRows": dict(design.dropped),
        "MeanFDIsCovariate": design.motion,
        **({"Remarks": list(design.remarks)} if design.remarks else {}),
        "SoftwareVersions": {**software_versions(), "formulaic": version("formulaic")},
        "SourceEntities": dict(rows.entities),
    }


def _averaged(rows: ModelRows) -> dict[str, Any]:
    """How the rows were averaged, as the file of edges says."""
    path = rows.parts[0].path if rows.parts else None
    if path is None or path.suffix != ".h5":
        return {"AveragedOver": []}
    import h5py

    with h5py.File(path, "r", locking=False) as file:
        found = {
            key: file.attrs[key] for key in ("AveragedOver", "RunWeights") if key in file.attrs
        }
    if "AveragedOver" in found:
        found["AveragedOver"] = json.loads(found["AveragedOver"])
    return found
