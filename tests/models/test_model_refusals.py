"""Models that cannot be made are refused by name, before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from model_study import NAME, Study

LABELS = [f"{k:02d}" for k in range(1, 7)]
IDS = [f"sub-{label}" for label in LABELS]
AGE, SEX = [31, 25, 47, 52, 38, 29], list("FMFMFM")


@pytest.fixture
def study(tmp_path: Path, write_run: Callable[..., Path]) -> Study:
    """Six participants with age and sex."""
    made = Study(tmp_path, write_run)
    for seed, label in enumerate(LABELS):
        made.add(label, seed)
    made.table({"participant_id": IDS, "age": AGE, "sex": SEX, "one": 1, "half": [2, 1] * 3})
    return made


@pytest.mark.parametrize(
    ("model", "contrast", "words"),
    [
        ("agee + sex", "agee", "no column agee, did you mean age; it has age, sex, one, half"),
        ("age + sex[T.M]", "age", "sex[T.M] is no covariate"),
        ("age +", "age", "no formula"),
        ("z ~ age", "age", "the edges are the left side"),
        ("abs(age)", "age", "abs is no function of formulas; write np.abs"),
        ("log(sex)", "age", "cannot be evaluated"),
        ("log(age - 30)", "age", "log(age - 30) is not finite in all rows"),
        ("age + one", "age", "one is 1 in every row (of 6); a covariate that varies is needed"),
        ("age + C(one)", "age", "one is 1 in every row (of 6); two groups are needed"),
        (
            "age + C(age)",
            "age",
            "6 rows (participants or their runs) for 7 columns (Intercept, ",
        ),
        ("sex + half", "sex", "half is a combination of Intercept and sex (collinear)"),
        ("age + sex", "group", "the columns are Intercept, age, sex[T.M]"),
        ("age + sex", "M", "'M', did you mean sex[T.M]: no column"),
        ("age + sex", "agee", "'agee', did you mean age: no column"),
        ("C(half) + poly(age, 2)", "poly(age, 2)", "choose from poly(age, 2)[1], poly(age, 2)[2]"),
        ("age", "age - age", "all weights are 0"),
        ("age", "age * age", "no column, term of one column or combination"),
        ("participant_id + age", "age", "no row is left; 6 dropped: sub-01 (the only row"),
        ("session", "session", "no row is left; 6 dropped: sub-01 (session n/a)"),
    ],
)
def test_formulas_and_contrasts_are_refused_by_name(
    study: Study, capsys: pytest.CaptureFixture[str], model: str, contrast: str, words: str
) -> None:
    before = sorted(study.out.rglob("*"))
    assert study.group("--model", model, "--contrast", contrast) == 64
    assert words in capsys.readouterr().err
    assert sorted(study.out.rglob("*")) == before


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"participant_id": IDS[:-1], "age": AGE[:-1]}, "sub-06 not in it"),
        ({"participant_id": [*IDS, "06"], "age": [*AGE, 1]}, "2 rows of sub-06"),
        ({"subject": IDS, "age": AGE}, "no column participant_id, but subject, age"),
        ({"participant_id": IDS, "age": [*AGE[:-1], "?"]}, "column age has '?' for sub-06"),
        (
            {"participant_id": IDS, "age": [31, None, None, None, None, 25]},
            "2 rows (participants or their runs) for 2 columns (Intercept, age); there must be "
            "more rows than columns; 4 dropped: sub-02 (age",
        ),
        ({"participant_id": IDS, "age": None}, "no row is left; 6 dropped: sub-01 (age n/a)"),
    ],
    ids=["missing", "doubled", "no ids", "no number", "few", "none"],
)
def test_tables_are_refused_by_name(
    study: Study, capsys: pytest.CaptureFixture[str], table: dict[str, object], words: str
) -> None:
    file = study.table(table, "covariates.tsv")
    before = sorted(study.out.rglob("*"))
    asked = "--model", "age", "--contrast", "age", "--covariates", str(file)
    assert study.group(*asked) in (64, 65)
    assert words in capsys.readouterr().err
    assert sorted(study.out.rglob("*")) == before


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"participant_id": IDS[1:], "x": AGE[1:]}, "sub-01 not in it"),
        ({"participant_id": IDS, "x": SEX}, "column x has other values than numbers"),
        ({"participant_id": IDS}, "no column but those of ids"),
        ({"who": IDS, "x": AGE}, "no column participant_id, by which rows are told apart"),
        ({"participant_id": [*IDS, IDS[0]], "x": [*AGE, 1]}, "several rows of 01"),
        (
            {"participant_id": IDS, "x": AGE, "y": [2 * one for one in AGE]},
            "y is a combination of x (collinear)",
        ),
        ({"participant_id": IDS, "x": AGE, "y": 0}, "y is 0 in all rows (collinear)"),
    ],
    ids=["missing", "text", "empty", "no ids", "doubled", "collinear", "zero"],
)
def test_designs_are_refused_by_name(
    study: Study, capsys: pytest.CaptureFixture[str], table: dict[str, object], words: str
) -> None:
    file = study.table(table, "design.tsv")
    before = sorted(study.out.rglob("*"))
    assert study.group("--model", str(file), "--contrast", "x") in (64, 65)
    assert words in capsys.readouterr().err
    assert sorted(study.out.rglob("*")) == before


def test_one_group_only_is_refused(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(study.out.rglob("*"))
    women = "--participant-label", *LABELS[::2]
    assert study.group(*women, "--model", "sex", "--contrast", "sex") == 64
    assert "sex is F in every row (of 3); two groups are needed" in capsys.readouterr().err
    assert sorted(study.out.rglob("*")) == before


def test_blocks_in_which_nothing_can_be_permuted_are_refused(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(study.out.rglob("*"))
    asked = "--model", "sex", "--contrast", "sex", "--permutation-blocks", "sex"
    assert study.group(*asked) == 64
    assert "nothing can be permuted" in capsys.readouterr().err
    assert sorted(study.out.rglob("*")) == before


def test_no_table_is_needed_for_what_runs_have_themselves(study: Study) -> None:
    (study.bids / "participants.tsv").unlink()
    asked = "--model", "mean_fd", "--contrast", "mean_fd", "Intercept", "--permutations", "5"
    assert study.group(*asked) == 0
    assert f"{NAME}_model-A_contrast-meanFd_components.tsv" in study.models()


def test_a_model_of_some_combinations_alone_is_made_of_these_and_told(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, label in enumerate(LABELS[::2]):
        study.add(label, seed, strategy="24P")
    asked = "--model", "sex", "--contrast", "sex", "--permutations", "0"
    assert study.group(*asked) == 0
    other = NAME.replace("simple", "24P")
    told = f"not made: model A, of {other}: sex is F in every row (of 3)"
    assert told in capsys.readouterr().err
    assert all(name.startswith(NAME) for name in study.models())


def test_a_contrast_of_one_model_alone_is_made_of_it_and_told(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    models = "age", "B=age + sex"
    asked = "--model", *models, "--contrast", "age", "sex", "--permutations", "0"
    assert study.group(*asked) == 0
    found = {name.split("_stat-")[0] for name in study.models() if "_stat-" in name}
    ends = "A_contrast-age", "B_contrast-age", "B_contrast-sex"
    assert found == {f"{NAME}_model-{end}" for end in ends}
    assert f"not made: model A, contrast sex, of {NAME}: no column" in capsys.readouterr().err


def test_without_correlation_matrices_a_model_is_refused(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in study.out.rglob("*_relmat.tsv"):
        path.unlink()
    assert study.group("--model", "age", "--contrast", "age") == 64
    assert "there are no correlation matrices" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("separator", "called"), [(",", "commas"), (";", "semicolons")], ids=["commas", "semicolons"]
)
@pytest.mark.parametrize("option", ["--covariates", "--model"])
def test_tables_without_tabs_are_told_what_separates_them(
    study: Study, capsys: pytest.CaptureFixture[str], separator: str, called: str, option: str
) -> None:
    rows = [separator.join(map(str, row)) for row in zip(IDS, AGE, strict=True)]
    path = study.bids / "table.tsv"
    path.write_text("\n".join([separator.join(("participant_id", "age")), *rows]) + "\n")
    asked = (option, str(path)) if option == "--model" else ("--model", "age", option, str(path))
    assert study.group(*asked, "--contrast", "age") == 65
    assert f"its cells are separated by {called}" in capsys.readouterr().err


def test_a_design_in_another_format_is_refused(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study.group("--model", "design.csv", "--contrast", "age") == 64
    assert "a name that ends in .tsv" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--covariates", "--model"])
def test_ids_that_lost_their_zeros_are_recognised(
    study: Study, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    path = study.table({"participant_id": range(1, 7), "age": AGE}, "table.tsv")
    asked = (option, str(path)) if option == "--model" else ("--model", "age", option, str(path))
    assert study.group(*asked, "--contrast", "age") == 65
    assert "sub-1 is perhaps sub-01, whose zeros a spreadsheet" in capsys.readouterr().err
