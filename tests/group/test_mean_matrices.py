from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_labelx.files import write_tsv
from bids_labelx.group.averaging import Averaging, combination_of
from bids_labelx.group.matrix_files import read_matrix
from bids_labelx.group.mean_matrices import (
    SubjectMatrix,
    matrix_name,
    matrix_sidecar,
    mean_matrix,
)
from bids_labelx.group.moments import Moments
from bids_labelx.group.rows import MatrixFile
from bids_labelx.names import parse_name

WriteRun = Callable[..., Path]

NAMES = ["a b", 'say "a"', "c", "n/a-like"]


def matrix_of(seed: int, n: int = 4) -> np.ndarray:
    values = np.corrcoef(np.random.default_rng(seed).standard_normal((n, 20)))
    return (values + values.T) / 2


def write_matrix(path: Path, values: np.ndarray, names: list[str] = NAMES) -> Path:
    table = pd.DataFrame(values, index=pd.Index(names, name="name"), columns=names)
    write_tsv(path, table, index=True)
    return path


def test_rounding_beyond_one_is_a_correlation(tmp_path: Path) -> None:
    path = write_matrix(tmp_path / "m.tsv", np.array([[1, 1.0000001], [1.0000001, 1]]), ["a", "b"])
    assert read_matrix(path, ["a", "b"])[0, 1] > 1
    mean, broken = mean_matrix(tmp_path, [MatrixFile("01", Path("m.tsv"), ())], ["a", "b"])
    assert not broken
    assert mean is not None
    assert mean.perfect[0, 1] == 1
    assert mean.n[0, 1] == 0


def test_a_matrix_with_values_of_a_region_without_signal_is_of_other_settings(
    tmp_path: Path,
) -> None:
    values = matrix_of(0, 3)
    values[1], values[:, 1] = np.nan, np.nan
    path = write_matrix(tmp_path / "m.tsv", values, ["a", "b", "c"]).relative_to(tmp_path)
    file = MatrixFile("01", path, ())
    for missing, text in (
        ([False, True, False], None),
        # A constant region has a signal and no correlation.
        ([False, False, False], None),
        ([False, True, True], "has values of c, which has no signal by the label table"),
    ):
        known = {path: np.array(missing)}
        _, broken = mean_matrix(tmp_path, [file], ["a", "b", "c"], missing=known)
        assert [text in failure.message for _, failure in broken if text] == [True] * bool(text)
        assert bool(broken) == bool(text)


def test_the_mean_is_that_of_the_files_edge_by_edge(write_run: WriteRun, tmp_path: Path) -> None:
    root = tmp_path / "out"
    lost = {1: [9, 9, 9, 9], 2: [9, 2, 9, 9], 3: [9, 9, -1, 9], 4: [9, 0, 9, 9]}
    for seed, covered in lost.items():
        run = {"sub": f"0{seed % 3}", "ses": f"s{seed}", "task": "rest", "atlas": "Small"}
        write_run(run, seed=seed, covered=covered)
    paths = sorted(path.relative_to(root) for path in root.rglob("*_relmat.tsv"))
    files = [MatrixFile(path.parts[0], path, ()) for path in paths]
    names = pd.read_csv(root / paths[0], sep="\t")["name"].tolist()

    mean, broken = mean_matrix(root, files, names)

    tables = [pd.read_csv(root / path, sep="\t", index_col=0, na_values="n/a") for path in paths]
    assert broken == []
    assert mean is not None
    assert (mean.runs, mean.participants) == (4, 3)
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            subjects: dict[str, list[float]] = {}
            for path, table in zip(paths, tables, strict=True):
                r = float(table.loc[a, b])
                if i != j and not np.isnan(r):
                    z = 0.5 * np.log((1 + r) / (1 - r))
                    subjects.setdefault(path.parts[0], []).append(z)
            values = [sum(z) / len(z) for z in subjects.values()]
            assert mean.n[i, j] == len(values)
            if not values:
                assert i == j
                assert np.isnan(mean.mean[i, j])
                continue
            middle = sum(values) / len(values)
            assert mean.mean[i, j] == pytest.approx(middle, rel=1e-12)
            if len(values) < 2:
                assert np.isnan(mean.std[i, j])
                continue
            squares = sum((z - middle) ** 2 for z in values)
            expected = (squares / (len(values) - 1)) ** 0.5
            assert mean.std[i, j] == pytest.approx(expected, rel=1e-12)
    # The two runs of sub-01 count as one.
    assert mean.n[np.triu_indices(4, 1)].tolist() == [2, 2, 3, 1, 2, 2]
    assert (np.isfinite(mean.std) == (mean.n > 1)).all()


def test_a_participant_is_shown_to_the_watchers_once_with_what_could_be_read(
    tmp_path: Path,
) -> None:
    for i in range(4):
        write_matrix(tmp_path / f"{i}.tsv", matrix_of(i))
    (tmp_path / "1.tsv").write_text("half")
    files = [MatrixFile(sub, Path(f"{i}.tsv"), ()) for i, sub in enumerate(["a", "a", "a", "b"])]
    seen: list[SubjectMatrix] = []
    mean, _ = mean_matrix(tmp_path, files, NAMES, [seen.append])
    assert mean is not None
    assert [(one.participant, list(one.files)) for one in seen] == [
        ("a", [files[0], files[2]]),
        ("b", [files[3]]),
    ]
    expected = (np.arctanh(matrix_of(0)[0, 1]) + np.arctanh(matrix_of(2)[0, 1])) / 2
    assert seen[0].z[0, 1] == pytest.approx(expected, abs=1e-8)


def test_a_small_spread_far_from_zero_keeps_its_digits() -> None:
    values = [1e6 + step for step in (0.0, 1e-3, 2e-3, 5e-3)]
    moments = Moments(1)
    for value in values:
        moments.add(np.array([[value]]))
    assert moments.std[0, 0] == pytest.approx(np.std(values, ddof=1), rel=1e-6)
    assert moments.n.tolist() == [[4]]


def test_broken_matrices_are_left_out_and_told(tmp_path: Path) -> None:
    good = [write_matrix(tmp_path / f"{i}.tsv", matrix_of(i)) for i in range(3)]
    good[1].write_text("half")
    files = [MatrixFile(f"0{i}", Path(f"{i}.tsv"), (f"row {i}",)) for i in range(3)]
    mean, broken = mean_matrix(tmp_path, files, NAMES)
    assert mean is not None
    assert mean.runs == 2
    expected = np.arctanh([matrix_of(0)[0, 1], matrix_of(2)[0, 1]]).mean()
    assert mean.mean[0, 1] == pytest.approx(expected, abs=1e-8)
    ((file, failure),) = broken
    assert file.row == ("row 1",)
    assert failure.entities == {"sub": "01"}
    assert failure.message.startswith(f"{tmp_path / '1.tsv'}: ")


def test_there_is_no_mean_of_broken_matrices_alone(tmp_path: Path) -> None:
    mean, broken = mean_matrix(tmp_path, [MatrixFile("01", Path("none.tsv"), ())], NAMES)
    assert mean is None
    assert len(broken) == 1


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (
            "sub-01_ses-a_task-rest_acq-x_dir-AP_run-1_space-MNI_atlas-A_seg-S_scale-3_res-2_"
            "stat-mean_meas-correlation_desc-simple_relmat.tsv",
            "group_ses-a_task-rest_acq-x_dir-AP_space-MNI_atlas-A_seg-S_scale-3_res-2_"
            "meas-correlation_desc-simple_stat-mean_relmat",
        ),
        (
            "sub-01_task-rest_atlas-A_stat-median_meas-partialCorrelation_desc-raw_relmat.tsv",
            "group_task-rest_atlas-A_meas-partialCorrelation_desc-rawMedian_stat-mean_relmat",
        ),
        (
            "sub-1_task-r_space-MNIInfant_cohort-2_atlas-A_stat-standardDeviation_"
            "meas-correlation_desc-simple_relmat.tsv",
            "group_cohort-2_task-r_space-MNIInfant_atlas-A_meas-correlation_"
            "desc-simpleStandardDeviation_stat-mean_relmat",
        ),
    ],
)
def test_a_mean_is_named_by_what_its_runs_have_in_common(source: str, name: str) -> None:
    combination = combination_of(parse_name(source).entities)
    assert matrix_name(combination, "mean") == name
    assert matrix_name(combination, "n") == name.replace("stat-mean_relmat", "stat-n_relmat")


def test_the_sidecar_says_what_was_averaged(tmp_path: Path) -> None:
    write_matrix(tmp_path / "m.tsv", matrix_of(0))
    mean, _ = mean_matrix(tmp_path, [MatrixFile("01", Path("m.tsv"), ())], NAMES)
    assert mean is not None
    entities = {"atlas": "A", "stat": "mean", "meas": "correlation", "desc": "simple"}
    sidecar = matrix_sidecar(entities, "mean", mean, NAMES)
    assert sidecar["RelationshipMeasure"] == (
        "Fisher z of the Pearson correlation, mean over participants"
    )
    assert sidecar["ValidDiagonal"] is False
    assert (sidecar["NumberOfRuns"], sidecar["NumberOfParticipants"]) == (1, 1)
    assert sidecar["SourceEntities"] == entities
    partial = matrix_sidecar({**entities, "meas": "partialCorrelation"}, "mean", mean, NAMES)
    assert "partial correlation (with Ledoit-Wolf" in partial["RelationshipMeasure"]
    number = matrix_sidecar(entities, "n", mean, NAMES)
    assert "Number of participants" in number["RelationshipMeasure"]
    assert (sidecar["AveragedOver"], sidecar["RunWeights"]) == (["run"], "equal")
    assert sidecar["NumberOfPerfectCorrelations"] == 0


def test_the_sidecar_of_qcfc_says_what_it_is_with(tmp_path: Path) -> None:
    write_matrix(tmp_path / "m.tsv", matrix_of(0))
    mean, _ = mean_matrix(tmp_path, [MatrixFile("01", Path("m.tsv"), ())], NAMES)
    assert mean is not None
    entities = {"atlas": "A", "stat": "mean", "meas": "correlation", "desc": "simple"}
    sidecar = matrix_sidecar(entities, "qcfc", mean, NAMES, "rmsd")
    assert sidecar["MotionMeasure"] == "mean_rmsd of group_qc.tsv"
    assert "and mean RMSD (QC-FC)" in sidecar["RelationshipMeasure"]
    assert "MotionMeasure" not in matrix_sidecar(entities, "mean", mean, NAMES)


def test_perfect_correlations_are_counted_by_run_and_named_those_of_most_runs_first(
    tmp_path: Path,
) -> None:
    files = []
    for run, pairs in enumerate(([(0, 1)], [(0, 1), (2, 3)], [])):
        values = matrix_of(run)
        for i, j in pairs:
            values[i, j] = values[j, i] = 1 - 2 * run
        write_matrix(tmp_path / f"{run}.tsv", values)
        files.append(MatrixFile("01", Path(f"{run}.tsv"), (str(run),)))
    weights = {("0",): 5.0, ("1",): 2.0, ("2",): 3.0}
    mean, broken = mean_matrix(tmp_path, files, NAMES, averaging=Averaging(weights=weights))
    assert not broken
    assert mean is not None
    assert mean.perfect[np.triu_indices(4, 1)].tolist() == [2, 0, 0, 0, 0, 1]
    assert mean.mean[0, 1] == pytest.approx(np.arctanh(matrix_of(2)[0, 1]), abs=1e-8)
    z = [np.arctanh(matrix_of(run)[2, 3]) for run in (0, 2)]
    assert mean.mean[2, 3] == pytest.approx(np.average(z, weights=[5, 3]), abs=1e-8)
    sidecar = matrix_sidecar({"meas": "correlation"}, "mean", mean, NAMES)
    assert sidecar["NumberOfPerfectCorrelations"] == 3
    assert sidecar["PairsWithPerfectCorrelations"] == [["a b", 'say "a"'], ["c", "n/a-like"]]
    assert sidecar["RunWeights"] == "effective degrees of freedom"
