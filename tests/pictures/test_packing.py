"""Packed numbers are those that were rounded, whatever shape, sign and gaps they have."""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from bids_labelx.errors import BadDataError, LabelxError
from bids_labelx.pictures.packing import (
    MOST_ROWS,
    as_base64,
    pack,
    pack_integers,
    pack_matrix,
    read_script,
    script,
    step_of,
    unpack,
    unpack_matrix,
    write_script,
)

_NUMBERS = st.one_of(st.floats(-12.5, 12.5), st.just(np.nan))


@settings(max_examples=200, deadline=None)
@given(
    arrays(float, array_shapes(max_dims=2, max_side=8, min_side=0), elements=_NUMBERS),
    st.booleans(),
)
def test_numbers_come_back_rounded_to_the_step(values: np.ndarray, delta: bool) -> None:
    found = unpack(pack(values, 0.1, delta=delta))
    assert found.shape == values.shape
    np.testing.assert_array_equal(np.isnan(found), np.isnan(values))
    np.testing.assert_array_equal(found, np.round(values, 1))


def test_packed_bytes_are_what_a_page_reads() -> None:
    packed = pack(np.array([[0.5, -0.25, np.nan]]), 0.01)
    assert (packed["type"], packed["shape"], packed["step"]) == ("int8", [1, 3], 0.01)
    assert list(np.frombuffer(packed["data"], "i1")) == [50, -25, -128]
    wide = pack([1.5, -300.0, np.nan], 0.01)
    assert wide["type"] == "int16"
    assert list(np.frombuffer(wide["data"], "<i2")) == [150, -30000, -32768]
    steps = pack([[1.0, 3.0, -2.0]], delta=True)
    assert list(np.frombuffer(steps["data"], "i1")) == [1, 2, -5]
    np.testing.assert_array_equal(unpack(pack_integers(np.array([0, 65535], "u2"))), [0, 65535])


def test_values_beyond_the_range_are_clipped_and_infinite_ones_are_missing() -> None:
    np.testing.assert_array_equal(unpack(pack([-99.0, 99.0], 0.1, delta=True)), [-12.7, 12.7])
    np.testing.assert_array_equal(unpack(pack([1e9, 0.0], 1.0)), [32767, 0])
    np.testing.assert_array_equal(unpack(pack([np.inf, 1.0])), [np.nan, 1])


@pytest.mark.parametrize(
    ("values", "step"),
    [([0.5, 0.1], 1e-3), ([123.0], 1.0), ([9999.0, np.nan], 10.0), ([0.0, np.nan], 1.0)],
    ids=["halves", "hundreds", "thousands", "nothing"],
)
def test_step_leaves_three_digits(values: list[float], step: float) -> None:
    assert step_of(np.array(values)) == pytest.approx(step)


def test_matrix_comes_back_in_the_order_of_its_rows() -> None:
    rng = np.random.default_rng(0)
    matrix = np.corrcoef(rng.standard_normal((7, 20)))
    matrix[2] = matrix[:, 2] = np.nan
    order = rng.permutation(7)
    packed = pack_matrix(matrix, order, step=0.01)
    assert (packed["size"], packed["block"], packed["order"]) == (7, 1, order.tolist())
    expected = [[round(matrix[i, j], 2) for j in order] for i in order]
    np.testing.assert_allclose(unpack_matrix(packed), expected, atol=1e-12)


def test_large_matrix_is_means_of_the_pairs_of_different_regions() -> None:
    count = 2 * MOST_ROWS + 1
    rng = np.random.default_rng(1)
    matrix = rng.uniform(-1, 1, (count, count))
    matrix = (matrix + matrix.T) / 2
    np.fill_diagonal(matrix, 1)
    matrix[5] = matrix[:, 5] = np.nan
    order = np.arange(count)[::-1]
    packed = pack_matrix(matrix, order, step=0.001)
    assert (packed["block"], packed["size"]) == (3, -(-count // 3))
    found = unpack_matrix(packed)
    for i, j in ((0, 0), (0, 1), (17, 203), (333, 333), (332, 0)):
        pairs = [
            matrix[a, b]
            for a in order[3 * i : 3 * i + 3]
            for b in order[3 * j : 3 * j + 3]
            if a != b and np.isfinite(matrix[a, b])
        ]
        expected = np.mean(pairs) if pairs else np.nan
        np.testing.assert_allclose(found[i, j], expected, atol=5.1e-4)


def test_script_is_read_back_and_has_no_other_text(tmp_path: Path) -> None:
    content = {
        "names": ["</script>", "ä\u2028"],
        "data": pack([1.0, 2.0]),
        "more": [{"of": pack_integers(np.arange(300, dtype="u2"))}, None, 1.5],
    }
    write_script(tmp_path / "sub-01" / "a.js", content)
    assert read_script(tmp_path / "sub-01" / "a.js") == content
    text = script(content).decode("utf-16-le")
    assert "names" not in text
    assert not re.search(r"[\ud800-\udfff]", text)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=70))
def test_units_are_the_bits_of_the_bytes(data: bytes) -> None:
    # A packed array of bytes that are any: what is deflated has every length modulo 15.
    content = {"of": pack_integers(np.frombuffer(data, "u1"))}
    text = script(content).decode("utf-16-le")
    units, count = re.fullmatch(
        r'\ufefflabelx\.take\("(.*)", (\d+)\);\n', text, re.DOTALL
    ).groups()
    bits = "".join(f"{ord(one) - 0x100:015b}" for one in units)
    raw = bytes(int(bits[8 * i : 8 * i + 8], 2) for i in range(int(count)))
    head, _, arrays = zlib.decompress(raw).partition(b"\0")
    assert json.loads(head)["of"]["shape"] == [len(data)]
    assert arrays == data


def test_bytes_in_a_page_are_deflated_in_base64() -> None:
    assert zlib.decompress(base64.b64decode(as_base64(b"abc" * 9))) == b"abc" * 9


@pytest.mark.parametrize(
    "text", [None, "", 'labelx.take("', '\ufefflabelx.take("ab", 3);\n'], ids=str
)
def test_broken_script_is_told_by_name(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "a.js"
    if text is not None:
        path.write_text(text, encoding="utf-16-le")
    with pytest.raises(LabelxError, match=r"a\.js") as caught:
        read_script(path)
    assert isinstance(caught.value, BadDataError)
