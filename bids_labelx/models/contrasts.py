"""Contrasts: from a column, a term or a linear combination to a weight for each column."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from bids_labelx.errors import UsageError
from bids_labelx.models.formulas import Columns
from bids_labelx.settings.convert import contrast_label, split_name
from bids_labelx.suggestions import did_you_mean

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Contrast:
    """A linear combination of a design's columns that is tested against zero.

    Attributes
    ----------
    name
        Letters and digits, as files are called.
    expression
        As it was typed.
    weights
        Of the columns, shape (n_columns,).
    remarks
        What has to be known of it.
    """

    name: str
    expression: str
    weights: np.ndarray
    remarks: tuple[str, ...] = ()


def contrast_of(typed: str, columns: Columns) -> Contrast:
    """The contrast that an argument of ``--contrast`` is in a design.

    Parameters
    ----------
    typed
        ``[NAME=]EXPR``: a column, a term of one column, or a combination of such with ``+ - * /``
        and numbers.
    columns
        Of the design.

    Raises
    ------
    UsageError
        Where it is none of them, with the columns that there are.
    """
    expression = split_name(typed)[1]
    label = contrast_label(typed)
    plain = _squeezed(expression)
    names = {_squeezed(one): j for j, one in enumerate(columns.names)}
    for j, column in enumerate(columns.names):
        for one in (*_terms_of(j, columns), column):
            # Factors in any order, and a covariate that is in C(…) as it is called itself.
            for order in permutations(re.split(r":(?![^\[]*\])", _squeezed(one))):
                names.setdefault(":".join(order), j)
                names.setdefault(re.sub(r"\bC\((\w+)\)", r"\1", ":".join(order)), j)
    several = {
        _squeezed(term): [columns.names[j] for j in at]
        for term, at in columns.terms.items()
        if len(at) > 1
    }
    several |= {
        found[1]: own
        for term, own in several.items()
        if (found := re.fullmatch(r"C\((\w+)\)", term))
    }
    if plain in several and plain not in names:
        raise UsageError(
            f"--contrast {typed!r}: {expression} has {len(several[plain])} columns, one is "
            f"expected; choose from {', '.join(several[plain])}, or a combination of them"
        )
    weights = np.zeros(len(columns.names))
    if plain in names:
        weights[names[plain]] = 1
    else:
        weights = _combined(plain, names, columns, typed)
    if not weights.any():
        raise UsageError(f"--contrast {typed!r}: all weights are 0, so there is nothing to test")
    return Contrast(label, expression, weights)


def _terms_of(column: int, columns: Columns) -> list[str]:
    """The term that this column is all of, if it is of one."""
    return [term for term, positions in columns.terms.items() if positions == (column,)]


def _squeezed(text: str) -> str:
    return re.sub(r"[\s`]", "", text)


def _levels(columns: Columns) -> dict[str, dict[str, int | None]]:
    """By factor what its levels are called in a contrast, and their columns.

    The reference, the one level without a column of its own, has None.
    """
    of = {name: j for j, name in enumerate(columns.names)}
    found = {}
    for factor, levels in columns.levels.items():
        own = {one: of.get(f"{factor}[T.{one}]") for one in levels}
        if list(own.values()).count(None) == 1:
            called = {factor, re.sub(r"^C\((\w+)\)$", r"\1", factor)}
            found[factor] = {
                _squeezed(f"{name}[{level}]"): j for name in called for level, j in own.items()
            }
    return found


def _combined(plain: str, names: dict[str, int], columns: Columns, typed: str) -> np.ndarray:
    """The weights of a linear combination.

    Levels of a factor are differences from its reference, so that their weights have to add up to
    0, as in ``sex[M] - sex[F]``.
    """
    factors, size = _levels(columns), len(columns.names)
    count = size
    for levels in factors.values():
        new = [one for one in levels if one not in names]
        names = {**names, **{one: count + k for k, one in enumerate(new)}}
        count += len(new)
    known = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    # No part of a longer name, as of a level that there is not.
    pattern = rf"(?<![\w.\]):])({known})(?![\w.\[(:])"
    text = re.sub(pattern, lambda found: f"_column[{names[found[1]]}]", plain)
    of_level = [one for one in columns.names if one.endswith(f"[T.{plain}]")]
    meant = f", did you mean {of_level[0]}" if len(of_level) == 1 else did_you_mean(plain, names)
    unknown = UsageError(
        f"--contrast {typed!r}{meant}: no column, term of one column or combination of them with "
        f"+ - * / and numbers; the columns are {', '.join(columns.names)}"
    )
    try:
        with np.errstate(all="ignore"):
            constant, weights = _linear(ast.parse(text, mode="eval").body, count)
    except (SyntaxError, ValueError, ZeroDivisionError):
        raise unknown from None
    if constant != 0 or not np.isfinite(weights).all():
        raise unknown
    for levels in factors.values():
        own = {one: weights[names[one]] for one in levels if names[one] >= size}
        if abs(sum(own.values())) > _ROUNDING * sum(map(abs, own.values())):
            raise unknown
        for one, weight in own.items():
            column = levels[one]
            if column is not None:
                weights[column] += weight
    return weights[:size] + 0.0  # No −0.


def _linear(node: ast.AST, count: int) -> tuple[float, np.ndarray]:
    """A number, and weights of columns, that an expression is the sum of."""
    none = np.zeros(count)
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return float(node.value), none
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "_column":
        none[int(ast.unparse(node.slice))] = 1
        return 0.0, none
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.UAdd, ast.USub)):
        sign = 1 if isinstance(node.op, ast.UAdd) else -1
        number, weights = _linear(node.operand, count)
        return sign * number, sign * weights
    if isinstance(node, ast.BinOp):
        (a, first), (b, second) = (_linear(one, count) for one in (node.left, node.right))
        if isinstance(node.op, ast.Add):
            return a + b, first + second
        if isinstance(node.op, ast.Sub):
            return a - b, first - second
        if isinstance(node.op, ast.Mult) and not (first.any() and second.any()):
            return a * b, a * second + b * first
        if isinstance(node.op, ast.Div) and not second.any():
            return a / b, first / b
    raise ValueError("not linear")
