"""Remarks on designs and contrasts that can be fitted, but may not be what is meant."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bids_labelx.models.contrasts import Contrast
from bids_labelx.models.formulas import INTERCEPT, Columns, spans
from bids_labelx.words import enumerated

# Distinct whole numbers that may be codes of categories.
_FEWEST, _MOST = 3, 6


def remarks_of_design(
    columns: Columns, numbers: Mapping[str, np.ndarray], *, within: bool
) -> tuple[str, ...]:
    """Remark designs without a constant, and slopes of what may be codes.

    Parameters
    ----------
    columns
        Of the design.
    numbers
        Values of the covariates that are modelled as numbers.
    within
        Whether participants have intercepts.
    """
    found = []
    if not within and not spans(columns.matrix, np.ones((len(columns.matrix), 1))):
        found.append(
            "there is no intercept: a mean Fisher z of 0 is taken for granted where all columns "
            "are 0, and effects have that of the mean in them; add a column of 1, or leave 0 out "
            "of the formula"
        )
    for name, values in numbers.items():
        distinct = np.unique(values)
        whole = bool((distinct == np.rint(distinct)).all())
        if whole and _FEWEST <= len(distinct) <= min(_MOST, len(values) // 2):
            codes = enumerated(f"{value:g}" for value in distinct)
            found.append(
                f"{name} has the values {codes} and is fitted as one slope; if these are "
                f"categories, write C({name})"
            )
    return tuple(found)


def remarks_of_contrast(contrast: Contrast, columns: Columns) -> tuple[str, ...]:
    """Remark contrasts of terms that an interaction makes simple effects.

    Parameters
    ----------
    contrast
        Of the design.
    columns
        Of the design.
    """
    found = []
    tested = {
        term: set(term.split(":"))
        for term, at in columns.terms.items()
        if term != INTERCEPT and contrast.weights[list(at)].any()
    }
    for term, factors in tested.items():
        for longer in columns.terms:
            others = [one for one in longer.split(":") if one not in factors]
            if factors < set(longer.split(":")) and longer not in tested:
                where = enumerated(_where(one, columns) for one in others)
                found.append(
                    f"{term} is in the interaction {longer}: what is tested is its effect "
                    f"{where}, and no main effect"
                )
    return tuple(found)


def _where(factor: str, columns: Columns) -> str:
    """At which value of a factor the terms below an interaction are."""
    if factor in columns.centred:
        return f"at the mean of {factor}"
    if factor not in columns.levels:
        return f"where {factor} is 0"
    coded = {f"{factor}[T.{level}]" for level in columns.levels[factor]} & {*columns.names}
    reference = [one for one in columns.levels[factor] if f"{factor}[T.{one}]" not in coded]
    return f"where {factor} is {reference[0]}" if coded else f"over the levels of {factor}"
