"""Tables whose columns are named in a comment, as C-PAC writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bids_labelx.denoise.named_1d import read_named_1d
from bids_labelx.denoise.strategies import read_strategies
from bids_labelx.errors import BadDataError

NAMES = ["RotY", "GlobalSignalMean0", "/my files/custom.1D"]
HEAD = "# C-PAC 1.8.7\n# Nuisance regressors:\n# "


def write(path: Path, values: np.ndarray, head: str) -> Path:
    np.savetxt(path, values, fmt="%.18f", delimiter="\t", header=head, comments="")
    return path


def values(n_rows: int = 128) -> np.ndarray:
    drawn = np.random.default_rng(3).standard_normal((n_rows, 3))
    drawn[:, 1] = 900 + 5 * drawn[:, 1]
    return drawn


def test_columns_have_the_names_of_the_last_comment(tmp_path: Path) -> None:
    path = write(tmp_path / "a.1D", values(), HEAD + "\t".join(NAMES))
    table = read_named_1d(path)
    assert list(table) == NAMES
    np.testing.assert_array_equal(table, np.loadtxt(path))


def test_names_may_be_between_blanks(tmp_path: Path) -> None:
    path = tmp_path / "a.1D"
    path.write_text("# a  b\n 1.5   n/a\n\n-2e-3 4\n")
    table = read_named_1d(path)
    assert table.to_dict("list") == {
        "a": [1.5, -0.002],
        "b": [pytest.approx(np.nan, nan_ok=True), 4],
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has no rows"),
        ("# a\tb\n", "has no rows"),
        ("1 2\n3 4\n", "line 1: 2 columns, no comment with names in the line before"),
        ("# Ingressed nuisance regressors:\n1 2\n", "line 2: 2 columns, 3 names"),
        ("# a b\n1 2\n3\n", "line 3: 1 fields, but there are 2 columns"),
        ("# a a\n1 2\n", "the columns a are there twice"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "a.1D"
    path.write_text(text)
    with pytest.raises(BadDataError, match=problem):
        read_named_1d(path)


def band_pass(columns: np.ndarray) -> np.ndarray:
    spectrum = np.fft.rfft(columns - columns.mean(axis=0), axis=0)
    spectrum[:3] = spectrum[26:] = 0
    return np.fft.irfft(spectrum, len(columns), axis=0)


def test_rows_that_c_pac_took_for_its_header_are_refused(tmp_path: Path) -> None:
    raw = values()
    partly = np.vstack([raw[:2], band_pass(raw[2:])])
    path = write(tmp_path / "a.1D", partly, HEAD + "\t".join(NAMES))
    with pytest.raises(BadDataError, match="first two rows of GlobalSignalMean0 are not filtered"):
        read_named_1d(path)
    for name, whole in (("b", raw), ("c", band_pass(raw))):
        assert len(read_named_1d(write(tmp_path / name, whole, HEAD + "\t".join(NAMES)))) == 128


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('extension = ".txt"', "has extension .txt: a text file without a header"),
        ("entities = { reg = 3 }", "entities is .*a table of entities with their labels"),
        ('suffix = "movement_parameters"', "suffix is .*letters, digits and hyphens"),
    ],
)
def test_strategy_files_say_what_a_table_may_be(tmp_path: Path, line: str, problem: str) -> None:
    suffix = "" if line.startswith("suffix") else 'suffix = "regressors"\n'
    path = tmp_path / "mine.toml"
    path.write_text(f"[[confounds.tables]]\n{suffix}{line}\n")
    with pytest.raises(BadDataError, match=problem):
        read_strategies([str(path)])
