"""Numbers, counts and lists as text."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from bids_labelx.words import (
    as_text,
    counted,
    enumerated,
    region_signals,
    two_decimals,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.123"),
        (6.5, "6.50"),
        (12345.6, "12346"),
        (3, "3"),
        (None, "n/a"),
        (pd.NA, "n/a"),
        ("x", "x"),
    ],
)
def test_cells_have_three_significant_digits(value: Any, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(("value", "text"), [(-0.001, "0.00"), (-0.256, "−0.26"), (1, "1.00")])
def test_zero_has_no_sign(value: float, text: str) -> None:
    assert two_decimals(value) == text


def test_one_is_singular_and_all_else_plural() -> None:
    assert [counted(n, "run") for n in (0, 1, 2000)] == ["0 runs", "1 run", "2,000 runs"]
    assert counted(1, "matrix", "matrices") == "1 matrix"
    assert counted(2, "matrix", "matrices") == "2 matrices"


def test_words_are_enumerated_as_in_a_sentence() -> None:
    assert [enumerated(words) for words in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]


def test_signals_say_their_statistic_and_how_they_were_denoised() -> None:
    assert region_signals("mean", "none") == "mean region signals, not denoised"
    assert region_signals("standard_deviation", "36P") == (
        "standard deviation region signals, denoised with 36P"
    )
