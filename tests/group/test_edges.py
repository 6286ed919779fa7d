from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from bids_labelx.errors import CannotWriteError
from bids_labelx.group.edges import edges_file
from bids_labelx.group.mean_matrices import SubjectMatrix
from bids_labelx.group.rows import MatrixFile, Row, RowKey

COMBINATION = {"atlas": "A", "stat": "mean", "meas": "correlation", "desc": "simple"}
NAMES = ["a", "ü", "c"]
NAME = "group_atlas-A_meas-correlation_desc-simple_edges.h5"
ROWS: dict[RowKey, Row] = {
    ("01", "1"): {"mean_fd": 0.1, "minutes_kept": 2.0},
    ("01", "2"): {"mean_fd": 0.3, "minutes_kept": 3.0},
    ("02", "1"): {"mean_fd": None, "minutes_kept": None},
}


def subject(participant: str, *runs: str, seed: int) -> SubjectMatrix:
    z = np.random.default_rng(seed).normal(size=(3, 3))
    files = tuple(MatrixFile(participant, Path("x.tsv"), (participant, run)) for run in runs)
    return SubjectMatrix(participant, files, z)


def test_a_row_per_participant_and_a_column_per_edge(tmp_path: Path) -> None:
    first, second = subject("01", "1", "2", seed=0), subject("02", "1", seed=1)
    second.z[0, 2] = np.nan
    with edges_file(tmp_path, COMBINATION, NAMES, ROWS, 2) as add:
        add(first)
        add(second)
    with h5py.File(tmp_path / NAME) as file:
        assert file["participant_id"].asstr()[:].tolist() == ["sub-01", "sub-02"]
        pairs = zip(file["region_1"].asstr()[:], file["region_2"].asstr()[:], strict=True)
        assert list(pairs) == [("a", "ü"), ("a", "c"), ("ü", "c")]
        z = file["z"][:]
        assert z.dtype == np.float32
        for row, one in enumerate((first, second)):
            for edge, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)]):
                np.testing.assert_equal(z[row, edge], np.float32(one.z[i, j]))
        assert file["runs"][:].tolist() == [2, 1]
        np.testing.assert_allclose(file["mean_fd"][:], [0.2, np.nan])
        np.testing.assert_allclose(file["minutes_kept"][:], [5, np.nan])


def test_the_same_edges_give_the_same_bytes(tmp_path: Path) -> None:
    content = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        with edges_file(folder, COMBINATION, NAMES, ROWS, 2) as add:
            add(subject("01", "1", seed=0))
        content.append((folder / NAME).read_bytes())
    assert content[0] == content[1]


def test_what_goes_wrong_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyError),
        edges_file(tmp_path, COMBINATION, NAMES, ROWS, 2) as add,
    ):
        add(subject("03", "1", seed=0))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "closed").write_text("a file")
    with (
        pytest.raises(CannotWriteError, match=NAME),
        edges_file(tmp_path / "closed", COMBINATION, NAMES, ROWS, 2),
    ):
        pass


@pytest.mark.parametrize("n_participants", [50, 500])
def test_a_full_disk_is_one_message_and_nothing_is_left(
    small_disk: Path, n_participants: int
) -> None:
    names = [f"region {i}" for i in range(100)]

    def write() -> None:
        with edges_file(small_disk, COMBINATION, names, ROWS, n_participants) as add:
            for _ in range(n_participants):
                files = (MatrixFile("02", Path("x"), ("02", "1")),)
                add(SubjectMatrix("02", files, np.zeros((100, 100))))

    with pytest.raises(CannotWriteError, match=r"edges\.h5.*No space left on device"):
        write()
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize(("n_regions", "n_participants"), [(2, 1), (3, 500), (120, 30)])
def test_the_room_that_is_taken_is_enough_and_given_back(
    tmp_path: Path, n_regions: int, n_participants: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []
    monkeypatch.setattr("os.posix_fallocate", lambda _, start, size: taken.append(start + size))
    names = [f"région {i}" for i in range(n_regions)]
    files = (MatrixFile("02", Path("x"), ("02", "1")),)
    z = np.random.default_rng(0).normal(size=(n_regions, n_regions))
    with edges_file(tmp_path, COMBINATION, names, ROWS, n_participants) as add:
        for _ in range(n_participants):
            add(SubjectMatrix("02" * 20, files, z))
    assert (tmp_path / NAME).stat().st_size <= taken[0]
    monkeypatch.undo()
    content = (tmp_path / NAME).read_bytes()
    with edges_file(tmp_path, COMBINATION, names, ROWS, n_participants) as add:
        for _ in range(n_participants):
            add(SubjectMatrix("02" * 20, files, z))
    assert (tmp_path / NAME).read_bytes() == content
