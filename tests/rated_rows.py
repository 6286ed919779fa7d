"""Rows of rated strategies, for tests of words and pictures."""

from __future__ import annotations

from typing import Any

from bids_labelx.group.rows import Row


def row(strategy: str, **changes: object) -> Row:
    """A row in which all is known."""
    usual = {
        "strategy": strategy,
        "participants": 30,
        "retest": "sessions",
        "participants_retest": 24,
        "repeats": 2,
        "icc21_q1": 0.3,
        "icc21_median": 0.4,
        "icc21_q3": 0.5,
        "icc21_low": 0.1,
        "icc21_high": 0.7,
        "icc31_median": 0.45,
        "fingerprint": 0.5,
        "fingerprint_chance": 1 / 24,
        "fingerprint_p": 0.001,
        "discriminability": 0.8,
        "within": 0.5,
        "between": 0.1,
        "segregation": 0.8,
        "median_abs_qcfc": 0.2,
    }
    return usual | changes


ROWS: list[dict[str, Any]] = [
    {
        **row("simple", criterion_age_r=0.25, criterion_age_r2=0.1),
        "icc31_q1": 0.2,
        "icc31_q3": 0.6,
    },
    {**row("scrub", segregation=None, criterion_age_r=-0.1), "icc31_q1": -0.1, "icc31_q3": 0.4},
]
