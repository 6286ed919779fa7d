"""Expressions in formulas, such as ``log(age)``: what is allowed, and their covariates.

A formula comes from whoever wrote the command or settings file, and expressions are evaluated: so
only known functions are, with numbers, names and arithmetic, and all else is refused by name.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from bids_labelx.errors import UsageError

# Of one argument each, in `np` as well as, where formulas have them, by themselves.
_OF_NUMPY = frozenset(
    [
        "abs",
        "absolute",
        "arctan",
        "arctanh",
        "cbrt",
        "cos",
        "exp",
        "exp2",
        "expm1",
        "log",
        "log10",
        "log1p",
        "log2",
        "sign",
        "sin",
        "sqrt",
        "square",
        "tanh",
    ]
)
_PLAIN = frozenset(("exp", "exp10", "exp2", "log", "log10", "log2"))
# Of formulaic: coding, splines, polynomials and scaling.
_TRANSFORMS = frozenset(
    [
        "C",
        "I",
        "bs",
        "cc",
        "center",
        "cr",
        "cs",
        "poly",
        "scale",
        "standardize",
        "Diff",
        "Helmert",
        "Poly",
        "Sum",
        "Treatment",
    ]
)
_ALLOWED = (
    *(ast.Expression, ast.Call, ast.Name, ast.Attribute, ast.Constant, ast.keyword, ast.List),
    *(ast.Tuple, ast.BinOp, ast.UnaryOp, ast.Compare, ast.operator, ast.unaryop, ast.cmpop),
    ast.expr_context,
)


def names_in(expression: str, formula: str) -> tuple[Sequence[str], set[str]]:
    """The covariates in an expression, and those that are categories in it.

    Parameters
    ----------
    expression
        A factor of a formula; names in backticks may have any character.
    formula
        For messages.

    Raises
    ------
    UsageError
        Where it cannot be read, or has what formulas may not have.
    """
    text, quoted = _without_quotes(expression)
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise UsageError(f"--model {formula!r}: no formula ({said})") from None
    _check(tree, formula)
    functions = {id(one.func) for one in ast.walk(tree) if isinstance(one, ast.Call)}
    modules = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Attribute)}

    def names(node: ast.AST) -> list[str]:
        return [
            quoted.get(one.id, one.id)
            for one in ast.walk(node)
            if isinstance(one, ast.Name) and id(one) not in functions | modules
        ]

    calls = [one for one in ast.walk(tree) if isinstance(one, ast.Call)]
    inside = [one for one in calls if ast.unparse(one.func) == "C" and one.args]
    return names(tree), {name for one in inside for name in names(one.args[0])}


def _without_quotes(expression: str) -> tuple[str, dict[str, str]]:
    """An expression with names in place of those in backticks, and what they stand for."""
    names: dict[str, str] = {}

    def name(found: re.Match[str]) -> str:
        names[f"_quoted{len(names)}"] = found[1]
        return f"_quoted{len(names) - 1}"

    return re.sub(r"`([^`]+)`", name, expression), names


def _check(tree: ast.AST, formula: str) -> None:
    called = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            raise UsageError(
                f"--model {formula!r}: {ast.unparse(node)} is no covariate; brackets are in names "
                f"of columns of the design, write {ast.unparse(node.value)}"
            )
        if isinstance(node, ast.Call):
            called.add(id(node.func))
            _check_call(node, formula)
        allowed = isinstance(node, _ALLOWED)
        if isinstance(node, ast.Attribute):
            allowed = _is_call_or_coding(node, called)
        elif isinstance(node, ast.BinOp):
            allowed = not _is_large(node)
        if not allowed:
            raise UsageError(
                f"--model {formula!r}: {ast.unparse(node)} is nothing that formulas have; they "
                "have names of covariates, numbers, arithmetic and functions such as log(age)"
            )


def _check_call(node: ast.Call, formula: str) -> None:
    name = ast.unparse(node.func)
    module, _, plain = name.rpartition(".")
    of_numbers = (module == "np" and plain in _OF_NUMPY) or name in _PLAIN
    if of_numbers and (len(node.args) != 1 or node.keywords):
        # A second one is where numpy writes the result.
        raise UsageError(f"--model {formula!r}: {ast.unparse(node)}: {name} takes one argument")
    if not (of_numbers or name in _TRANSFORMS or _is_coding(module, plain)):
        near = f"; write np.{name}" if name in _OF_NUMPY else ""
        raise UsageError(
            f"--model {formula!r}: {name} is no function of formulas{near}; there are "
            f"{', '.join(sorted(_TRANSFORMS | _PLAIN))}, contr.… and np.… with "
            f"{', '.join(sorted(_OF_NUMPY))}"
        )


def _is_coding(module: str, plain: str) -> bool:
    return module == "contr" and not plain.startswith("_")


def _is_call_or_coding(node: ast.Attribute, called: set[int]) -> bool:
    """Whether this is the function of a call, which is checked there, or one of contrasts."""
    return id(node) in called or _is_coding(ast.unparse(node.value), node.attr)


def _is_large(node: ast.BinOp) -> bool:
    """Whether this may take any time or memory: powers of numbers, and multiples of texts."""
    sides = (node.left, node.right)
    if isinstance(node.op, ast.Pow) and not any(
        isinstance(one, ast.Name) for one in ast.walk(node.left)
    ):
        return True
    return any(
        isinstance(one, (ast.List, ast.Tuple))
        or (isinstance(one, ast.Constant) and not isinstance(one.value, (int, float)))
        for one in sides
    )
