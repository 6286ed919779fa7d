"""Numbers, counts and lists as text."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

SIGNIFICANT_DIGITS = 3


def as_text(value: Any) -> str:
    """A value of a table: a float with three significant digits, a missing value as ``n/a``."""
    if pd.isna(value):
        return "n/a"
    if not isinstance(value, float):
        return str(value)
    if value.is_integer() or math.isinf(value):
        return f"{value:.0f}"
    # Digits before the point are never rounded away.
    decimals = SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(abs(value)))
    return f"{value:.{max(decimals, 0)}f}"


def two_decimals(value: float) -> str:
    """A signed number with two decimals, zero without a sign."""
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text.replace("-", "−")


def counted(count: int, noun: str, plural: str = "") -> str:
    """A count and its noun in the singular or plural: ``1 run``, ``2,000 runs``."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def region_signals(statistic: str, strategy: str) -> str:
    """Region signals by statistic and strategy: ``mean region signals, denoised with 36P``."""
    denoised = "not denoised" if strategy == "none" else f"denoised with {strategy}"
    return f"{statistic.replace('_', ' ')} region signals, {denoised}"


def enumerated(words: Iterable[object]) -> str:
    """Words as in a sentence: ``a, b and c``."""
    *first, last = map(str, words)
    return f"{', '.join(first)} and {last}" if first else last
