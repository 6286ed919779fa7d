from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bids_labelx.errors import BadDataError, LabelxError, UsageError
from bids_labelx.group.chosen_columns import ChosenColumns
from bids_labelx.group.covariates import read_covariates
from bids_labelx.group.edge_rows import Unit

N = 14
UNITS = [Unit(f"{i:02d}") for i in range(N)]


def chosen(folder: Path, *, covariates: str = "", criteria: str = "") -> ChosenColumns:
    """Of a table in which age differs, site has three values, one participant lacks its sex."""
    path = folder / "participants.tsv"
    rows = ["participant_id\tage\tsex\tsite\tonly\tnone\trare\ttwice"]
    for i in range(N):
        sex = "n/a" if i == 5 else "FM"[i % 2]
        rare, site = "no" if i else "yes", "abc"[i % 3]
        rows.append(f"sub-{i:02d}\t{20 + i * i}\t{sex}\t{site}\t7\tn/a\t{rare}\t{40 + 2 * i * i}")
    path.write_text("\n".join(rows) + "\n")
    return ChosenColumns(
        read_covariates(folder), tuple(covariates.split()), tuple(criteria.split())
    )


def residuals(design: np.ndarray, y: np.ndarray) -> np.ndarray:
    whole = np.column_stack((np.ones(len(y)), design))
    return np.asarray(y - whole @ np.linalg.lstsq(whole, y, rcond=None)[0])


def test_the_design_spans_the_covariates_coded_by_hand(tmp_path: Path) -> None:
    found = chosen(tmp_path, covariates="age sex site").design(UNITS)
    known = np.arange(N) != 5
    assert np.isnan(found[5]).all()
    by_hand = np.array(
        [[20 + i * i, i % 2, i % 3 == 1, i % 3 == 2] for i in range(N)], dtype=float
    )[known]
    assert found.shape == (N, 4)
    y = np.random.default_rng(0).normal(0, 1, known.sum())
    np.testing.assert_allclose(residuals(found[known], y), residuals(by_hand, y), atol=1e-10)


def test_a_covariate_that_others_contain_takes_no_column(tmp_path: Path) -> None:
    assert chosen(tmp_path, covariates="age twice").design(UNITS).shape == (N, 1)
    # Nor does one that is constant in the participants of a comparison.
    assert chosen(tmp_path, covariates="age sex").design(UNITS[0:5:2]).shape == (3, 1)
    assert ChosenColumns().design(UNITS).shape == (N, 0)


def test_a_criterion_is_numbers_or_two_levels(tmp_path: Path) -> None:
    columns = chosen(tmp_path, criteria="age sex")
    age = columns.criterion("age", UNITS)
    assert age.levels == ()
    np.testing.assert_array_equal(age.values, [20 + i * i for i in range(N)])
    sex = columns.criterion("sex", UNITS)
    assert sex.levels == ("F", "M")
    np.testing.assert_array_equal(sex.values, [np.nan if i == 5 else i % 2 for i in range(N)])


def test_columns_that_can_be_used_are_accepted(tmp_path: Path) -> None:
    chosen(tmp_path, covariates="age sex site", criteria="age sex").check(UNITS)
    ChosenColumns().check(UNITS)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"covariates": "agee"}, UsageError, "no column agee, did you mean age"),
        ({"criteria": "iq"}, UsageError, "no column iq; it has age, sex"),
        ({"covariates": "only"}, BadDataError, "--qcfc-covariates only has 7 for all"),
        ({"covariates": "none"}, BadDataError, "--qcfc-covariates none has no value"),
        ({"criteria": "only"}, BadDataError, "--criterion only has 7 for all"),
        ({"criteria": "site"}, BadDataError, r"--criterion site has 3 values \(a, b, c\)"),
        ({"criteria": "rare"}, BadDataError, "--criterion rare: 13 of no and 1 of yes"),
    ],
    ids=[
        "typo",
        "absent",
        "constant",
        "empty",
        "constant criterion",
        "three levels",
        "rare level",
    ],
)
def test_columns_that_cannot_be_used_are_refused_by_name(
    tmp_path: Path, options: dict[str, str], kind: type[LabelxError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        chosen(tmp_path, **options).check(UNITS)


def test_a_participant_without_a_row_and_too_few_participants_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match=r"participants\.tsv: sub-77 not in it"):
        chosen(tmp_path, covariates="age").check([*UNITS, Unit("77")])
    with pytest.raises(BadDataError, match="age is known of 9 participants"):
        chosen(tmp_path, criteria="age").check(UNITS[:9])
