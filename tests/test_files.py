"""Tables as text and as numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from bids_labelx.errors import BadDataError, MissingInputError
from bids_labelx.files import as_numbers, read_tsv, tsv_text


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], []),
        (["1", " 2.5 ", "-1e3"], [1, 2.5, -1000]),
        (["n/a", "", "NaN", "4"], [np.nan, np.nan, np.nan, 4]),
    ],
)
def test_numbers_are_read_and_what_is_missing_is_nan(
    texts: list[str], expected: list[float]
) -> None:
    found = as_numbers(texts)
    assert found.dtype == float
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("text", ["oops", "1_0", "0x10", "1,5", "True"])
def test_a_column_with_something_else_stays_text(text: str) -> None:
    assert as_numbers(["1", text, "n/a"]).tolist() == ["1", text, None]
    assert as_numbers(["1", text]).tolist() == ["1", text]


def test_text_stays_as_it_is_without_quotes_around_it(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes(b'\xef\xbb\xbf"name"\tx\t\r\nNA\t"a ""b"""\t1\r\n007\t"c\t2\r\n\r\n')
    table = read_tsv(path)
    assert table.to_dict("list") == {"name": ["NA", "007"], "x": ['a "b"', '"c']}


def test_a_table_that_is_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"none\.tsv cannot be read"):
        read_tsv(tmp_path / "none.tsv")
    (tmp_path / "t.tsv").write_bytes(b"a\tb\n\xff\t1\n")
    with pytest.raises(BadDataError, match=r"t\.tsv, line 2: not UTF-8"):
        read_tsv(tmp_path / "t.tsv")
    (tmp_path / "t.tsv").write_text("\n \n")
    with pytest.raises(BadDataError, match=r"t\.tsv: .*an empty file"):
        read_tsv(tmp_path / "t.tsv")


_CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


@settings(max_examples=200, deadline=None)
@given(
    arrays(
        float,
        array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=4),
        elements=st.floats(width=64),
    ),
    st.data(),
    st.booleans(),
)
def test_table_of_numbers_is_written_as_pandas_writes_it(
    values: np.ndarray, data: st.DataObject, index: bool
) -> None:
    rows, columns = values.shape
    names = data.draw(st.lists(_CELLS, min_size=rows, max_size=rows))
    header = data.draw(st.lists(_CELLS, min_size=columns, max_size=columns))
    table = pd.DataFrame(values, index=pd.Index(names, name="name", dtype=object), columns=header)
    expected = table.to_csv(
        sep="\t", index=index, na_rep="n/a", float_format="%.9g", lineterminator="\n"
    )
    assert tsv_text(table, index=index) == expected
