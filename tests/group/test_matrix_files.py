from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_labelx.errors import BadDataError
from bids_labelx.files import write_tsv
from bids_labelx.group.matrix_files import read_matrix

NAMES = ["a b", 'say "a"', "c", "n/a-like"]


def matrix_of(seed: int, n: int = 4) -> np.ndarray:
    values = np.corrcoef(np.random.default_rng(seed).standard_normal((n, 20)))
    return (values + values.T) / 2


def write_matrix(path: Path, values: np.ndarray, names: list[str] = NAMES) -> Path:
    table = pd.DataFrame(values, index=pd.Index(names, name="name"), columns=names)
    write_tsv(path, table, index=True)
    return path


def test_a_matrix_is_read_back_with_names_that_have_quotes_and_spaces(tmp_path: Path) -> None:
    values = matrix_of(0)
    values[1], values[:, 1] = np.nan, np.nan
    path = write_matrix(tmp_path / "m_relmat.tsv", values)
    assert '"say ""a"""' in path.read_text()
    np.testing.assert_allclose(read_matrix(path, NAMES), values, atol=1e-9)


def test_a_matrix_of_one_region_is_read(tmp_path: Path) -> None:
    path = write_matrix(tmp_path / "m_relmat.tsv", np.ones((1, 1)), ["a"])
    assert read_matrix(path, ["a"]).tolist() == [[1.0]]
    path.write_text("name\ta\na\t\n")
    with pytest.raises(BadDataError, match="0 values in row 1, 1 are expected"):
        read_matrix(path, ["a"])


def test_a_matrix_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    text = write_matrix(tmp_path / "whole.tsv", matrix_of(0)).read_bytes()
    path = tmp_path / "half.tsv"
    for end in range(len(text)):
        path.write_bytes(text[:end])
        with pytest.raises(BadDataError, match=r"half\.tsv: .*; run the participant level again"):
            read_matrix(path, NAMES)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\t0.5\t", "\tx\t", "not all values are numbers"),
        ("\t0.5\t", "\t\t", "not all values are numbers"),
        ("\t0.5\t", "\t1.5\t", "1.5 between A and B is no correlation"),
        ("\t0.5\t", "\t-inf\t", "-inf between A and B is no correlation"),
        ("\t0.5\t", "\t0.4\t", "not symmetric"),
        ("\t0.5\t", "\tn/a\t", "not symmetric"),
        ("A\t1\t", "A\t0\t", "0 on the diagonal for A, 1 or n/a is expected"),
        ("\t0.2\t1\n", "\t0.2\t0.9\n", "0.9 on the diagonal for C, 1 or n/a is expected"),
        ("\t0.5\t", "\t", "2 values in row 1, 3 are expected"),
        ("\t0.5\t", "\t0.5\t0.5\t", "4 values in row 1, 3 are expected"),
        ("name\tA\tB", "name\tB\tA", "region 1 is 'B' in the header, and 'A' in the label table"),
        ("\nB\t", "\nX\t", "region 2 is 'X' in the first column, and 'B' in the label table"),
        ("\nC\t0.1\t0.2\t1", "", "2 regions in the first column, the label table has 3"),
        ("\tC\n", "\n", "2 regions in the header, the label table has 3"),
    ],
)
def test_what_is_no_matrix_of_correlations_says_why(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "m_relmat.tsv"
    text = "name\tA\tB\tC\nA\t1\t0.5\t0.1\nB\t0.5\t1\t0.2\nC\t0.1\t0.2\t1\n"
    path.write_text(text)
    read_matrix(path, ["A", "B", "C"])
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(BadDataError, match=f"m_relmat.tsv: .*{message}"):
        read_matrix(path, ["A", "B", "C"])


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m_relmat.tsv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadDataError, match="not a text file in UTF-8"):
        read_matrix(path, ["A"])
    with pytest.raises(BadDataError, match="cannot be read"):
        read_matrix(tmp_path / "none.tsv", ["A"])
