from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from bids_labelx.errors import CannotWriteError
from bids_labelx.group.edge_rows import EdgeRows, Unit, edges_of_runs, motion_of, unit_of_run
from bids_labelx.group.rows import MatrixFile

NAMES = ("a", "b", "c", "d")
FILES = [
    MatrixFile("01", Path("sub-01/ses-x/func/sub-01_ses-x_task-r_run-1_relmat.tsv"), ("a",)),
    MatrixFile("02", Path("sub-02/func/sub-02_task-r_relmat.tsv"), ("b",)),
]


def matrix_of(seed: int) -> np.ndarray:
    return np.corrcoef(np.random.default_rng(seed).standard_normal((4, 20)))


def rows_of(path: Path, units: tuple[Unit, ...]) -> EdgeRows:
    nowhere = np.full((4, 3), np.nan)
    return EdgeRows({}, "simple", NAMES, None, nowhere, units, np.zeros(len(units)), path)


def test_the_edges_of_runs_are_fisher_z_of_the_upper_triangle_row_by_row(tmp_path: Path) -> None:
    first, second = matrix_of(0), matrix_of(1)
    second[0, 2] = second[2, 0] = np.nan
    with edges_of_runs(tmp_path / "runs.float32", 4) as (add, files):
        add(FILES[0], first)
        add(FILES[1], second)
    assert files == FILES
    rows = rows_of(tmp_path / "runs.float32", tuple(map(unit_of_run, files)))
    assert rows.units == (Unit("01", "x", "1"), Unit("02"))
    assert rows.n_edges == 6
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    expected = [
        [0.5 * np.log((1 + m[i, j]) / (1 - m[i, j])) for i, j in pairs] for m in (first, second)
    ]
    np.testing.assert_allclose(rows.read(), expected, rtol=1e-6)
    np.testing.assert_allclose(rows.read(slice(1, 4)), [row[1:4] for row in expected], rtol=1e-6)


def test_the_edges_of_participants_are_read_from_their_file(tmp_path: Path) -> None:
    z = np.random.default_rng(2).standard_normal((3, 6)).astype(np.float32)
    with h5py.File(tmp_path / "group_edges.h5", "w") as file:
        file["z"] = z
    rows = rows_of(tmp_path / "group_edges.h5", (Unit("01"), Unit("02"), Unit("03")))
    np.testing.assert_array_equal(rows.read(), z)
    np.testing.assert_array_equal(rows.read(slice(4, None)), z[:, 4:])


def test_a_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(CannotWriteError, match=r"none/runs\.float32"),
        edges_of_runs(tmp_path / "none/runs.float32", 4),
    ):
        pass


def test_motion_is_the_mean_over_the_runs_behind_a_row() -> None:
    rows = {("a",): {"mean_fd": 0.1}, ("b",): {"mean_fd": 0.3}, ("c",): {"mean_fd": None}}
    a, b, c = (MatrixFile("01", Path("m.tsv"), key) for key in rows)
    np.testing.assert_allclose(motion_of([[a, b], [c], [b, c]], rows), [0.2, np.nan, 0.3])
