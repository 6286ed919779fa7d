from __future__ import annotations

import numpy as np
import pandas as pd
import patsy
import pytest

from bids_labelx.errors import UsageError
from bids_labelx.models.contrasts import contrast_of
from bids_labelx.models.formulas import Columns, dependent, formula_columns, variables


@pytest.fixture
def data() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    sites = pd.Categorical(list("112233112233"), ["1", "2", "3"])
    sexes = pd.Categorical(list("FMFMFMMFMFMF"), ["F", "M"])
    numbers = rng.uniform(20, 60, (12, 3))
    return pd.DataFrame(numbers, columns=["age", "iq", "my var"]).assign(sex=sexes, site=sites)


@pytest.mark.parametrize(
    "formula",
    [
        *("1", "age", "0 + age", "sex", "0 + sex", "age + sex + C(site)", "age*sex", "age:sex"),
        *("sex*C(site)", "log(age)", "np.log(age) + iq", "age + I(age**2)", "age*iq", "sex/age"),
        *("(age + iq + sex)**2", "age - 1 + sex", "C(site, Treatment('2')) + age"),
    ],
)
def test_designs_span_what_those_of_patsy_span(data: pd.DataFrame, formula: str) -> None:
    ours = formula_columns(formula.replace("Treatment", "contr.treatment"), data).matrix
    theirs = np.asarray(patsy.dmatrix(formula.replace("np.", "").replace("log", "np.log"), data))
    assert ours.shape == theirs.shape
    both = np.hstack([ours, theirs])
    assert np.linalg.matrix_rank(both) == np.linalg.matrix_rank(theirs) == ours.shape[1]


def test_columns_are_called_as_in_the_formula_and_numbers_are_centred(data: pd.DataFrame) -> None:
    found = formula_columns("age*sex + `my var` + log(iq)", data)
    names = "Intercept", "age", "sex[T.M]", "my var", "log(iq)", "age:sex[T.M]"
    assert found.names == names
    assert found.terms == {
        "Intercept": (0,),
        "age": (1,),
        "sex": (2,),
        "my var": (3,),
        "log(iq)": (4,),
        "age:sex": (5,),
    }
    assert found.centred == ("age", "my var", "log(iq)")
    age, iq = data["age"] - data["age"].mean(), np.log(data["iq"])
    np.testing.assert_allclose(found.matrix[:, 1], age)
    np.testing.assert_allclose(found.matrix[:, 4], iq - iq.mean())
    np.testing.assert_allclose(found.matrix[:, 5], age * (data["sex"] == "M"))


@pytest.mark.parametrize("name", ["age (years)", "my-var", "2nd", "a:b", "x[1]", "größe"])
def test_columns_of_any_name_are_covariates(data: pd.DataFrame, name: str) -> None:
    data[name] = data["iq"]
    formula = f"`{name}` * sex"
    assert variables(formula) == ([name, "sex"], set())
    found = formula_columns(formula, data)
    assert found.names == ("Intercept", name, "sex[T.M]", f"{name}:sex[T.M]")
    assert found.centred == (name,)
    assert contrast_of(f"x={name}", found).weights.tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("formula", ["0 + age", "age:sex", "sex + age:iq"])
def test_nothing_is_centred_where_it_would_make_another_model(
    data: pd.DataFrame, formula: str
) -> None:
    assert formula_columns(formula, data).centred == ()


def test_levels_are_in_the_order_of_the_categories(data: pd.DataFrame) -> None:
    assert formula_columns("C(site)", data).names[1:] == ("C(site)[T.2]", "C(site)[T.3]")


@pytest.mark.parametrize(
    ("formula", "names", "categories"),
    [
        ("age + C(site)*sex", ["age", "site", "sex"], {"site"}),
        ("site + C(site)", ["site"], set()),
        ("log(age) + I(iq**2) + np.exp(x)", ["age", "iq", "x"], set()),
        ("C(`my site`) + center(age)", ["my site", "age"], {"my site"}),
        ("1", [], set()),
    ],
)
def test_the_covariates_of_a_formula_are_told(
    formula: str, names: list[str], categories: set[str]
) -> None:
    found, categorical = variables(formula)
    assert sorted(found) == sorted(names)
    assert categorical == categories


def test_a_combination_of_columns_is_named(data: pd.DataFrame) -> None:
    data["double"] = 2 * data["age"] + (data["sex"] == "M")
    found = dependent(formula_columns("iq + age + sex + double", data))
    assert found == ("double", ["Intercept", "age", "sex"])
    assert dependent(formula_columns("iq + age + sex", data)) is None


COLUMNS = Columns(
    np.zeros((1, 6)),
    ("Intercept", "age", "sex[T.M]", "C(site)[T.b]", "C(site)[T.c]", "age:sex[T.M]"),
    {"Intercept": (0,), "age": (1,), "sex": (2,), "C(site)": (3, 4), "age:sex": (5,)},
)


@pytest.mark.parametrize(
    ("typed", "name", "weights"),
    [
        ("age", "age", [0, 1, 0, 0, 0, 0]),
        ("sex", "sex", [0, 0, 1, 0, 0, 0]),
        ("sex [T.M]", "sexTM", [0, 0, 1, 0, 0, 0]),
        ("age : sex", "ageSex", [0, 0, 0, 0, 0, 1]),
        ("-age", "negAge", [0, -1, 0, 0, 0, 0]),
        ("sex:age", "sexAge", [0, 0, 0, 0, 0, 1]),
        ("sex[T.M]:age", "sexTMAge", [0, 0, 0, 0, 0, 1]),
        ("site[T.b] - site[T.c]", "siteTBSiteTC", [0, 0, 0, 1, -1, 0]),
        ("x=C(site)[T.b] - C(site)[T.c]", "x", [0, 0, 0, 1, -1, 0]),
        ("(C(site)[T.b] + C(site)[T.c]) / 2", "CSiteTBCSiteTC2", [0, 0, 0, 0.5, 0.5, 0]),
        ("at60=age * 2.5 + age:sex[T.M]", "at60", [0, 2.5, 0, 0, 0, 1]),
        ("m=Intercept - -3*sex", "m", [1, 0, 3, 0, 0, 0]),
    ],
)
def test_contrasts_are_weights_of_columns(typed: str, name: str, weights: list[float]) -> None:
    found = contrast_of(typed, COLUMNS)
    assert found.name == name
    assert found.weights.tolist() == weights


@pytest.mark.parametrize(
    "typed",
    [
        *("C(site)", "nope", "age2", "sex[T.F]", "C(site)[T.a]", "age + 1", "age * sex", "1"),
        *(
            "age / 0",
            "age - age",
            "age.real",
            "age +",
            "abs(age)",
            "age ** 2",
            "2 / age",
            "site",
            "1e400 * age",
        ),
    ],
)
def test_what_is_no_contrast_is_refused_with_the_columns(typed: str) -> None:
    with pytest.raises(UsageError, match=r"--contrast '.*(all weights are 0|C\(site\)\[T\.b\])"):
        contrast_of(typed, COLUMNS)


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        ("sex[M] - sex[F]", "sex[T.M]"),
        ("x=sex[F] - sex[M]", "x=0 - sex[T.M]"),
        ("site[1] - site[3]", "x=0 - C(site)[T.3]"),
        ("x=C(site)[2] - (site[1] + site[3]) / 2", "x=C(site)[T.2] - C(site)[T.3] / 2"),
    ],
)
def test_levels_can_be_compared_by_name(data: pd.DataFrame, typed: str, same: str) -> None:
    """As differences of what the model predicts for the levels."""
    columns = formula_columns("sex + C(site)", data)
    expected = contrast_of(same, columns).weights
    np.testing.assert_allclose(contrast_of(typed, columns).weights, expected)


@pytest.mark.parametrize("typed", ["sex[M]", "sex[M] + sex[F]", "site[1] - sex[F]", "site[4]"])
def test_a_level_by_itself_is_no_contrast(data: pd.DataFrame, typed: str) -> None:
    with pytest.raises(UsageError, match="the columns are Intercept"):
        contrast_of(typed, formula_columns("sex + C(site)", data))
