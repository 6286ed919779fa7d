"""Formulas of covariates as R has them, made into the columns of a design by formulaic."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from bids_labelx.errors import UsageError
from bids_labelx.models.expressions import names_in

INTERCEPT = "Intercept"

# Of what is left when a column is predicted by others, relative to the column, as R's lm has it.
_TOLERANCE = 1e-7


@dataclass(frozen=True)
class Columns:
    """The columns of a design.

    Attributes
    ----------
    matrix
        Shape (n_rows, n_columns), float64.
    names
        Of the columns.
    terms
        Which columns a term of the formula has, by position.
    centred
        What of the formula was centred: its mean over the rows was subtracted.
    levels
        Of each categorical factor of the formula.
    """

    matrix: np.ndarray
    names: tuple[str, ...]
    terms: Mapping[str, tuple[int, ...]]
    centred: tuple[str, ...] = ()
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def variables(formula: str) -> tuple[list[str], set[str]]:
    """The covariates that a formula names, and those of them that are in ``C(…)`` alone.

    Raises
    ------
    UsageError
        Where it cannot be read.
    """
    found: dict[str, None] = {}
    as_numbers: set[str] = set()
    for term in _parsed(formula):
        for factor in term.factors:
            if factor.eval_method.value == "lookup":
                found[factor.expr] = None
                as_numbers.add(factor.expr)
            elif factor.eval_method.value == "python":
                names, categorical = names_in(factor.expr, formula)
                found |= dict.fromkeys(names)
                as_numbers |= set(names) - categorical
    return list(found), set(found) - as_numbers


def formula_columns(formula: str, data: pd.DataFrame, absorbed: str = "") -> Columns:
    """The columns that a formula makes of covariates without missing values.

    Numeric covariates are centred where this changes no fitted value, as in models that have an
    intercept and all terms of lower order: without interactions it changes the intercept alone,
    with interactions the other terms are then at the mean of the covariate. Categorical ones are
    treatment-coded, the first level being the reference.

    Parameters
    ----------
    formula
        Its right side.
    data
        Columns of float64 or of categories, by the names of `variables`.
    absorbed
        A term whose columns, and with them the intercept, are left out; the others are as they
        would be beside it.

    Raises
    ------
    UsageError
        Where it cannot be evaluated.
    """
    terms = _parsed(formula)
    if absorbed:
        found = _without(formula, terms, absorbed, data)
        own = [j for j, name in enumerate(found.names) if name != INTERCEPT]
        names = tuple(found.names[j] for j in own)
        positions = {
            term: tuple(own.index(j) for j in at)
            for term, at in found.terms.items()
            if term != INTERCEPT
        }
        return Columns(found.matrix[:, own], names, positions, found.centred, found.levels)
    plain = _evaluated(formula, terms, data)
    kinds = {expr: kind.value for expr, (kind, _) in plain.model_spec.encoder_state.items()}
    numeric = {
        one.expr: one
        for term in terms
        for one in term.factors
        if kinds.get(one.expr) == "numerical"
    }
    wrapped = {
        expr: f"center({_written(one, inside=True)})"
        for expr, one in numeric.items()
        if _evaluated(formula, f"0 + {_written(one)}", data).shape[1] == 1
    }
    shorter = {longer: expr for expr, longer in wrapped.items()}
    pattern = "|".join(map(re.escape, sorted(shorter, key=len, reverse=True))) or r"(?!)"

    def shown(text: str) -> str:
        return re.sub(pattern, lambda found: shorter[found[0]], text)

    written = [
        ":".join(wrapped.get(one.expr, _written(one)) for one in term.factors) for term in terms
    ]
    made = _evaluated(formula, " + ".join(["0", *written]), data)
    if not spans(plain.to_numpy(float), made.to_numpy(float)):
        return _columns(plain, lambda text: text)
    return _columns(made, shown, tuple(wrapped))


def _without(formula: str, terms: list[Any], absorbed: str, data: pd.DataFrame) -> Columns:
    """The columns of a formula, with an intercept in place of a term."""
    others = [term for term in terms if str(term) not in ("1", absorbed)]
    if any(factor.expr == absorbed for term in others for factor in term.factors) or len(
        others
    ) == len([term for term in terms if str(term) != "1"]):
        raise UsageError(
            f"--model {formula!r}: {absorbed} is expected as a term of its own, in no interaction "
            "and no function"
        )
    if not others:
        raise UsageError(f"--model {formula!r}: there is no term beside {absorbed} to be tested")
    rest = [":".join(_written(one) for one in term.factors) for term in others]
    return formula_columns(" + ".join(["1", *rest]), data)


def dependent(columns: Columns) -> tuple[str, list[str]] | None:
    """The first column that is a linear combination of those before it, and which these are.

    Parameters
    ----------
    columns
        Of a design.

    Returns
    -------
    tuple or None
        The column's name, and the terms whose columns it is made of; none for one of zeros.
    """
    term_of = {j: term for term, positions in columns.terms.items() for j in positions}
    norms = np.linalg.norm(columns.matrix, axis=0)
    unit = columns.matrix / _lengths(columns.matrix)
    kept: list[int] = []
    for j, norm in enumerate(norms):
        if norm == 0:
            return columns.names[j], []
        weights = np.linalg.lstsq(unit[:, kept], unit[:, j], rcond=None)[0]
        if np.linalg.norm(unit[:, j] - unit[:, kept] @ weights) < _TOLERANCE:
            made_of = [kept[k] for k in np.flatnonzero(np.abs(weights) > _TOLERANCE)]
            return columns.names[j], list(dict.fromkeys(term_of[k] for k in made_of))
        kept.append(j)
    return None


def spans(matrix: np.ndarray, columns: np.ndarray) -> bool:
    """Whether columns are linear combinations of those of a matrix, both of shape (n_rows, …)."""
    matrix, columns = (one / _lengths(one) for one in (matrix, columns))
    weights = np.linalg.lstsq(matrix, columns, rcond=None)[0]
    return bool((np.linalg.norm(columns - matrix @ weights, axis=0) < _TOLERANCE).all())


def _lengths(columns: np.ndarray) -> np.ndarray:
    """Of columns; 1 of those that are zero."""
    norms = np.linalg.norm(columns, axis=0)
    return np.where(norms > 0, norms, 1)


def _parsed(formula: str) -> list[Any]:
    """The terms of a formula."""
    from formulaic import Formula
    from formulaic.formula import SimpleFormula
    from formulaic.parser import DefaultFormulaParser

    text = formula.strip().removeprefix("~")
    if re.search(r"(^|[\s+*:(-])\.($|[\s+*:)-])", text):
        raise UsageError(
            f"--model {formula!r}: . for all covariates is not read; name the covariates"
        )
    try:
        found = Formula(text)
    except Exception as error:
        raise UsageError(f"--model {formula!r}: no formula ({_plain(error)})") from None
    if power := _power_of_one(DefaultFormulaParser().get_ast(text)):
        raise UsageError(
            f"--model {formula!r}: {power} is {power.partition('**')[0]} alone in a formula, as "
            f"in R; write I({power})"
        )
    if not isinstance(found, SimpleFormula):
        raise UsageError(
            f"--model {formula!r}: the right side of one formula is expected, such as age + sex; "
            "the edges are the left side"
        )
    if not found:
        raise UsageError(f"--model {formula!r}: it has no term; 1 is a model of the mean alone")
    return list(found)


def _power_of_one(node: Any) -> str:
    """A power of a single term, which in a formula is that term; empty where there is none."""
    if not hasattr(node, "operator"):
        return ""
    if str(node.operator) in ("**", "^") and not hasattr(node.args[0], "operator"):
        return "**".join(map(str, node.args))
    return next(filter(None, map(_power_of_one, node.args)), "")


def _evaluated(formula: str, terms: Any, data: pd.DataFrame) -> Any:
    from formulaic import Formula

    try:
        with np.errstate(all="ignore"):
            made = Formula(terms).get_model_matrix(data, na_action="ignore")
    except Exception as error:
        raise UsageError(
            f"--model {formula!r}: cannot be evaluated ({_plain(error)}); names are covariates, "
            "powers are written I(age**2)"
        ) from None
    if not np.isfinite(made.to_numpy(float)).all():
        wrong = made.columns[~np.isfinite(made.to_numpy(float)).all(axis=0)]
        raise UsageError(f"--model {formula!r}: {wrong[0]} is not finite in all rows")
    return made


def _columns(made: Any, shown: Callable[[str], str], centred: tuple[str, ...] = ()) -> Columns:
    terms = {
        INTERCEPT if str(term) == "1" else shown(str(term)): tuple(at)
        for term, at in made.model_spec.term_indices.items()
    }
    levels = {
        expr: tuple(map(str, state["categories"]))
        for expr, (_, state) in made.model_spec.encoder_state.items()
        if "categories" in state
    }
    names = tuple(map(shown, made.columns))
    return Columns(made.to_numpy(float), names, terms, centred, levels)


def _written(factor: Any, *, inside: bool = False) -> str:
    """A factor as a formula has it, or as it is inside a function of one."""
    expr: str = factor.expr
    method = factor.eval_method.value
    if method == "lookup":
        return expr if expr.isidentifier() else f"`{expr}`"
    return f"{{{expr}}}" if method == "python" and not inside else expr


def _plain(error: Exception) -> str:
    """What a library says, without its colours, on one line."""
    text = re.sub(r"\x1b\[[0-9;]*m|[⧛⧚]", "", str(error))
    return " ".join(text.split())
