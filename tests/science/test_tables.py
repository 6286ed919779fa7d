"""Tables whose rows do not fit their header: pandas shifts every column, we refuse the row."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bids_labelx.atlases.tables import read_table
from bids_labelx.denoise import read_confounds_table
from bids_labelx.errors import BadDataError
from bids_labelx.files import read_tsv
from bids_labelx.masker.confounds import load_confounds
from bids_labelx.masker.label_tables import label_table
from bids_labelx.measures.centroids import CENTROIDS
from bids_labelx.outputs.results import read_series
from bids_labelx.participant.extract import read_grid_table

HEADER = (
    *("index", "name", "voxels_atlas", "voxels_in_view", "voxels_grid", *CENTROIDS),
    *("coverage", "status", "trans_x"),
)
ROWS = [(i, 100 + i, 7, 6, 5, 1.5, 0, -3, 1, 1, round(0.1 * i, 6)) for i in range(1, 10)]


def text_of(first: Callable[[int], str], delimiter: str = "\t") -> str:
    """A table with what R's `write.table` puts before each row, for which is no heading."""
    rows = [first(row[0]) + delimiter.join(map(str, row)) for row in ROWS]
    return "\n".join([delimiter.join(HEADER), *rows]) + "\n"


def series_of(path: Path) -> Any:
    """A series whose label table is `path`."""
    path.with_name("sub-01_atlas-A_dseg.tsv").write_text(path.read_text())
    texts = dict.fromkeys(("Atlas", "Statistic", "DenoisingStrategy"), "a")
    counts = {"NumberOfVolumes": 9, "NumberOfVolumesKept": 9, "DegreesOfFreedom": 8}
    more = {"ConfoundRegressors": [], "RepetitionTime": 2, "SampleMask": [True] * 9}
    sidecar = {**texts, **counts, **more}
    sidecar_path = path.with_name("sub-01_atlas-A_stat-mean_desc-raw_timeseries.json")
    sidecar_path.write_text(json.dumps(sidecar))
    return read_series(path.parent, Path("sub-01_atlas-A_stat-mean_desc-raw_timeseries.tsv"))


def values_of(path: Path) -> np.ndarray:
    """What a masker takes of a file of confounds."""
    found = load_confounds(path)
    assert found is not None
    return found.values


READERS: dict[str, Callable[[Path], Any]] = {
    "a run's confounds": read_confounds_table,
    "an atlas' labels": read_table,
    "labels that were written": series_of,
    "labels on a grid": read_grid_table,
    "a masker's confounds": values_of,
    "a masker's labels": lambda path: label_table(np.arange(1, 10), 0, None, path),
    "any table": read_tsv,
    "any table of numbers": lambda path: read_tsv(path, numbers=True),
}


def test_pandas_takes_each_column_for_its_neighbour_where_the_last_heading_is_missing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(text_of(lambda _: "").replace("\ttrans_x", ""))
    shifted = pd.read_csv(path, sep="\t")
    assert shifted["index"].tolist() == [row[1] for row in ROWS]
    assert shifted["voxels_grid"].tolist() == [row[5] for row in ROWS]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("row", [1, 7])
def test_a_row_with_a_field_more_than_the_header_is_refused_by_number(
    tmp_path: Path, reader: str, row: int
) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(text_of(lambda i: "9\t" if i in (row, 9) else ""))
    message = rf"\.tsv.*line {row + 1}: 12 fields where the header has 11 \(row {row}\)"
    with pytest.raises((BadDataError, ValueError), match=message):
        READERS[reader](path)


@pytest.mark.parametrize("reader", READERS)
def test_a_row_that_is_cut_off_is_refused_by_number(tmp_path: Path, reader: str) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(text_of(lambda _: "").rpartition("\t")[0])
    with pytest.raises((BadDataError, ValueError), match=r"10 fields where .* has 11 \(row 9\)"):
        READERS[reader](path)


@pytest.mark.parametrize("reader", READERS)
def test_delimiters_at_the_end_of_a_row_shift_nothing(tmp_path: Path, reader: str) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(text_of(lambda _: ""))
    plain = READERS[reader](path)
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *(f"{row}\t" for row in rows)]) + "\n\n  \n")
    assert pd.read_csv(path, sep="\t")["index"].tolist()[0] == 101
    again = READERS[reader](path)
    if isinstance(plain, pd.DataFrame):
        pd.testing.assert_frame_equal(again, plain)
    else:
        assert np.array_equal(getattr(again, "labels", again), getattr(plain, "labels", plain))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("csf\tcsf\n1\t2\n")
    with pytest.raises(BadDataError, match=r"t\.tsv: .*2 columns are called csf"):
        read_confounds_table(path)


NUMBERS = np.random.default_rng(0).standard_normal((20, 3))


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("rp_bold.txt", {"fmt": "%16.7e"}),
        ("mcf.par", {"fmt": "%.8g", "delimiter": "  "}),
        ("plain.1D", {"fmt": "%.8f", "header": "written by 3dvolreg"}),
        ("plain.csv", {"delimiter": ","}),
        ("semicolons.csv", {"delimiter": ";"}),
        ("tabs.tsv", {"delimiter": "\t"}),
        ("heading.csv", {"delimiter": ",", "header": "a,b,c", "comments": ""}),
        ("heading.txt", {"header": "a b c", "comments": ""}),
    ],
)
@pytest.mark.parametrize("n_columns", [3, 1])
def test_text_files_of_confounds_hold_what_numpy_wrote(
    tmp_path: Path, name: str, how: dict[str, Any], n_columns: int
) -> None:
    values = NUMBERS[:, :n_columns]
    if n_columns == 1 and how.get("comments") == "":
        how = {**how, "header": "fd"}
    np.savetxt(tmp_path / name, values, **how)
    read = values_of(tmp_path / name)
    assert read is not None
    np.testing.assert_allclose(read, values, atol=1e-7)
    assert read.shape == values.shape


def test_row_numbers_without_a_heading_are_no_confound(tmp_path: Path) -> None:
    table = pd.DataFrame(NUMBERS, columns=list("abc"))
    table.to_csv(tmp_path / "c.csv")
    np.testing.assert_allclose(values_of(tmp_path / "c.csv"), NUMBERS)
