"""What the group level averages, with which weights, and what it leaves out; judge: numpy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_labelx.files import write_json, write_tsv
from bids_labelx.group.averaging import averaging
from bids_labelx.group.collect import collect
from bids_labelx.group.mean_matrices import MeanMatrix, mean_matrix
from bids_labelx.outputs.paths import output_path
from bids_labelx.outputs.results import participants_of


def write_run(root: Path, entities: Mapping[str, str], r: np.ndarray, dof: float | None) -> None:
    """The files of one run that the group level reads."""
    names = [f"r{i}" for i in range(len(r))]
    labels = pd.DataFrame({"index": range(1, len(r) + 1), "name": names})
    labels = labels.assign(coverage=1.0, status="ok", centroid_y=0.0, centroid_z=0.0)
    labels["centroid_x"] = labels["index"] * 4.0
    write_tsv(root / output_path(entities, "dseg", ".tsv"), labels)
    of = {"stat": "mean", "desc": "simple"}
    sidecar = {
        "RepetitionTime": 2.0,
        "Atlas": "A",
        "Statistic": "mean",
        "DenoisingStrategy": "simple",
        "ConfoundRegressors": [],
        "SampleMask": [True] * 300,
        "NumberOfVolumes": 300,
        "NumberOfVolumesKept": 300,
        "DegreesOfFreedom": 90,
        **({} if dof is None else {"EffectiveDegreesOfFreedom": dof}),
    }
    path = root / output_path(entities, "timeseries", ".tsv", **of)
    write_json(path.with_suffix(".json"), sidecar)
    write_tsv(path, pd.DataFrame(0.0, index=range(300), columns=names))
    matrix = pd.DataFrame(r, index=pd.Index(names, name="name"), columns=names)
    write_tsv(
        root / output_path(entities, "relmat", ".tsv", meas="correlation", **of),
        matrix,
        index=True,
    )


def random_matrix(seed: int, n_volumes: int = 30, n_regions: int = 4) -> np.ndarray:
    return np.corrcoef(np.random.default_rng(seed).standard_normal((n_regions, n_volumes)))


def averaged(
    root: Path, over: tuple[str, ...] = ("run",), weights: str = "dof"
) -> dict[str, MeanMatrix]:
    """The mean of each combination, by the entities that only some have."""
    collected = collect(root, participants_of(root), [], over)
    assert not collected.problems
    found = {}
    for one in collected.combinations.values():
        how = averaging(one.files, collected.rows, over, weights)
        mean, broken = mean_matrix(root, one.files, one.labels.names, (), how)
        assert not broken
        assert mean is not None
        told = [f"{k}-{v}" for k, v in one.entities.items() if k in ("ses", "acq", "dir", "echo")]
        found["_".join(told)] = mean
    return found


# Entities beside subject and task, seed of the matrix, and effective degrees of freedom.
RUNS = [
    ("01", "run-1", 1, 12.5),
    ("01", "run-2", 2, 80.0),
    ("01", "run-1_echo-1", 3, 50.0),
    ("01", "run-1_echo-2", 4, 50.0),
    ("01", "acq-mb_run-1", 5, 50.0),
    ("01", "dir-AP_run-1", 6, 20.0),
    ("01", "dir-PA_run-1", 7, 30.0),
    ("02", "run-1", 8, 60.0),
]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    for sub, more, seed, dof in RUNS:
        pairs = dict(one.split("-") for one in more.split("_"))
        write_run(
            tmp_path, {"sub": sub, "task": "rest", "atlas": "A", **pairs}, random_matrix(seed), dof
        )
    return tmp_path


EDGES = np.triu_indices(4, k=1)


def z_of(*seeds: int, weights: list[float] | None = None) -> np.ndarray:
    z = [np.arctanh(random_matrix(seed)[EDGES]) for seed in seeds]
    return np.asarray(np.average(z, axis=0, weights=weights))


@pytest.mark.parametrize("weights", ["dof", "equal"])
def test_runs_are_averaged_by_their_weights_and_nothing_else_is_a_run(
    output: Path, weights: str
) -> None:
    found = averaged(output, weights=weights)
    by_dof = weights == "dof"
    runs = z_of(1, 2, weights=[12.5, 80.0] if by_dof else None)
    expected = {
        "": (runs + z_of(8)) / 2,
        "echo-1": z_of(3),
        "echo-2": z_of(4),
        "acq-mb": z_of(5),
        "dir-AP": z_of(6),
        "dir-PA": z_of(7),
    }
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name].mean[EDGES], values, atol=1e-8)
        assert found[name].averaging.sidecar()["RunWeights"] == (
            "effective degrees of freedom" if by_dof else "equal"
        )


def test_directions_are_averaged_with_runs_where_that_is_asked_for(output: Path) -> None:
    found = averaged(output, ("run", "dir"))
    runs = z_of(1, 2, 6, 7, weights=[12.5, 80.0, 20.0, 30.0])
    np.testing.assert_allclose(found[""].mean[EDGES], (runs + z_of(8)) / 2, atol=1e-8)
    assert found.keys() == {"", "echo-1", "echo-2", "acq-mb"}
    assert (found[""].runs, found[""].participants) == (5, 2)


def test_runs_count_equally_where_one_has_no_effective_degrees_of_freedom(output: Path) -> None:
    entities = {"sub": "02", "task": "rest", "atlas": "A", "run": "1"}
    write_run(output, entities, random_matrix(8), None)
    found = averaged(output)[""]
    np.testing.assert_allclose(found.mean[EDGES], (z_of(1, 2) + z_of(8)) / 2, atol=1e-8)
    assert "1 of 3 have no EffectiveDegreesOfFreedom" in found.averaging.note


def test_weights_by_degrees_of_freedom_leave_the_least_variance(tmp_path: Path) -> None:
    n_regions, lengths = 80, (25, 225)
    for run, n in enumerate(lengths):
        entities = {"sub": "01", "task": "rest", "run": str(run), "atlas": "A"}
        # White noise: n - 1 effective degrees of freedom, and z of variance 1 / (n - 3).
        write_run(tmp_path, entities, random_matrix(run, n, n_regions), n - 1)
    edges = np.triu_indices(n_regions, k=1)
    variance = {
        weights: averaged(tmp_path, weights=weights)[""].mean[edges].var()
        for weights in ("dof", "equal")
    }
    short, long = (1 / (n - 3) for n in lengths)
    assert variance["equal"] == pytest.approx((short + long) / 4, rel=0.1)
    a, b = (n - 1 for n in lengths)
    expected = (a**2 * short + b**2 * long) / (a + b) ** 2
    assert variance["dof"] == pytest.approx(expected, rel=0.1)
    # Weights of inverse variance cannot be beaten.
    assert expected == pytest.approx(1 / (1 / short + 1 / long), rel=0.001)


def test_a_duplicated_region_changes_no_other_edge_and_is_told(tmp_path: Path) -> None:
    plain, twice = tmp_path / "plain", tmp_path / "twice"
    for seed, sub in enumerate(("01", "02")):
        entities = {"sub": sub, "task": "rest", "atlas": "A"}
        signals = np.random.default_rng(seed).standard_normal((30, 4))
        write_run(plain, entities, np.corrcoef(signals.T), 25.0)
        signals = np.column_stack([signals, signals[:, 1], -3 * signals[:, 2] + 7])
        write_run(twice, entities, np.corrcoef(signals.T), 25.0)
    expected, found = averaged(plain)[""], averaged(twice)[""]
    np.testing.assert_array_equal(found.mean[:4, :4], expected.mean)
    np.testing.assert_array_equal(found.std[:4, :4], expected.std)
    # The copies are regions like any other, but for the edge with the one they are of.
    np.testing.assert_allclose(found.mean[4, [0, 2, 3]], expected.mean[1, [0, 2, 3]], atol=1e-8)
    np.testing.assert_allclose(found.mean[5, [0, 1, 3]], -expected.mean[2, [0, 1, 3]], atol=1e-8)
    perfect = np.zeros((6, 6))
    perfect[[1, 4, 2, 5], [4, 1, 5, 2]] = 2
    np.testing.assert_array_equal(found.perfect, perfect)
    np.testing.assert_array_equal(np.isnan(found.mean), np.eye(6, dtype=bool) | (perfect > 0))
    np.testing.assert_array_equal(found.n == 0, np.isnan(found.mean))
