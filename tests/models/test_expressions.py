"""Formulas evaluate no code but known functions of covariates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_labelx.errors import UsageError
from bids_labelx.models.formulas import formula_columns, variables

AGE = np.array([21.0, 34, 56, 23])


@pytest.mark.parametrize(
    "formula",
    [
        *("I(np.savetxt('{0}', age) or age)", "I(age.to_csv('{0}'))", "{{age.to_csv('{0}')}}"),
        *("I(open('{0}', 'w'))", "I(np.lib.npyio.savetxt('{0}', age))", "np.log(age, age)"),
        *("log(age, out=age)", "I((lambda: age)())", "I([age for age in age])", "I(f'{{age}}')"),
        *("C(age, contr._x)", "Q('age')", "I(age.values)", "I(2**3**9)", "I('x' * 9)", "abs(age)"),
        *("hashed(age)", "lag(age)", "I(age if age else age)", "I(age := 1)", "I(C.x(age))"),
    ],
)
def test_all_but_known_functions_is_refused(tmp_path: Path, formula: str) -> None:
    file = tmp_path / "written"
    with pytest.raises(UsageError, match="--model"):
        variables(formula.format(file))
    assert not file.exists()


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("np.sqrt(age)", np.sqrt(AGE)),
        ("log(age + 1)", np.log(AGE + 1)),
        ("I(age**2 - 3*age)", AGE**2 - 3 * AGE),
        ("I(-age / 2)", -AGE / 2),
        ("I(np.abs(age - 30) > 5)", np.abs(AGE - 30) > 5),
        ("scale(age)", (AGE - AGE.mean()) / AGE.std(ddof=1)),
        ("exp(`my age` / 10)", np.exp(AGE / 10)),
    ],
)
def test_known_functions_are_those_of_numpy(formula: str, expected: np.ndarray) -> None:
    assert variables(formula)[0] == ["my age" if "`" in formula else "age"]
    data = pd.DataFrame({"age": AGE, "my age": AGE})
    found = formula_columns(f"0 + {formula}", data).matrix[:, -1]
    np.testing.assert_allclose(found, expected)


def test_a_function_that_is_missing_is_told_with_those_there_are() -> None:
    with pytest.raises(
        UsageError, match=r"sqrt is no function of formulas; write np\.sqrt; there"
    ):
        variables("sqrt(age)")


@pytest.mark.parametrize(
    ("formula", "meant"),
    [("age**2", "age**2"), ("sex + age^2", "age**2"), ("log(age)**2", "log(age)**2")],
)
def test_a_power_of_one_term_is_refused_with_what_is_meant(formula: str, meant: str) -> None:
    with pytest.raises(UsageError) as caught:
        variables(formula)
    assert str(caught.value).endswith(f"alone in a formula, as in R; write I({meant})")


def test_a_power_of_several_terms_has_their_interactions() -> None:
    assert variables("(age + sex)**2") == (["age", "sex"], set())
