"""Rejected components as regressors; tests/producers/test_tedana.py has what tedana wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_labelx.denoise.tedana import read_tedana
from bids_labelx.errors import BadDataError, MissingInputError

CLASSES = {
    "ICA_00": "accepted",
    "ICA_01": "rejected",
    "ICA_02": "ignored",
    "ICA_03": "rejected",
    "ICA_04": "accepted",
}


@pytest.fixture
def mixing() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    series = rng.standard_normal((30, 5)) @ rng.standard_normal((5, 5))
    return pd.DataFrame(series, columns=list(CLASSES))


@pytest.fixture
def write(tmp_path: Path):
    """Write both tables; gives their paths."""

    def write(mixing: pd.DataFrame, classes=CLASSES) -> tuple[Path, Path]:
        paths = tmp_path / "mixing.tsv", tmp_path / "metrics.tsv"
        mixing.to_csv(paths[0], sep="\t", index=False)
        if isinstance(classes, dict):
            classes = pd.DataFrame(
                {"Component": list(classes), "kappa": 1, "classification": classes.values()}
            )
        classes.to_csv(paths[1], sep="\t", index=False)
        return paths

    return write


def test_rejected_components_are_regressors_as_they_are(mixing, write) -> None:
    # The rows of the metrics may be in another order than the columns.
    found, remarks = read_tedana(*write(mixing, dict(reversed(CLASSES.items()))), "rejected")
    pd.testing.assert_frame_equal(found, mixing[["ICA_01", "ICA_03"]])
    assert remarks == ()


def test_orthogonalised_they_share_nothing_with_the_accepted_ones(mixing, write) -> None:
    found, _ = read_tedana(*write(mixing), "rejected_orthogonalized")
    basis, _ = np.linalg.qr(mixing[["ICA_00", "ICA_04"]])
    rejected = mixing[["ICA_01", "ICA_03"]].to_numpy()
    expected = rejected - basis @ (basis.T @ rejected)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert list(found) == ["ICA_01", "ICA_03"]
    # Ignored ones are not protected.
    assert np.abs(found.to_numpy().T @ mixing["ICA_02"]).max() > 0.1


def test_the_size_of_accepted_components_makes_no_difference(mixing, write) -> None:
    expected, _ = read_tedana(*write(mixing), "rejected_orthogonalized")
    mixing["ICA_00"] *= 1e200
    found, _ = read_tedana(*write(mixing), "rejected_orthogonalized")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("regressors", ["rejected", "rejected_orthogonalized"])
def test_where_none_is_rejected_there_is_no_regressor_and_a_remark(
    regressors, mixing, write
) -> None:
    found, remarks = read_tedana(*write(mixing, dict.fromkeys(CLASSES, "accepted")), regressors)
    assert found.shape == (30, 0)
    (remark,) = remarks
    assert remark.endswith("metrics.tsv: no component of 5 is rejected, none is removed")


def test_all_rejected_are_all_removed(mixing, write) -> None:
    found, _ = read_tedana(*write(mixing, dict.fromkeys(CLASSES, "rejected")), "rejected")
    pd.testing.assert_frame_equal(found, mixing)


def test_all_rejected_cannot_be_orthogonalised(mixing, write) -> None:
    paths = write(mixing, dict.fromkeys(CLASSES, "rejected"))
    with pytest.raises(BadDataError, match=r"metrics\.tsv: no component of 5 is accepted.*look"):
        read_tedana(*paths, "rejected_orthogonalized")


def test_components_of_one_table_alone_are_named(mixing, write) -> None:
    classes = {**CLASSES, "ICA_05": "rejected"}
    with pytest.raises(BadDataError, match=r"ICA_04 only in .*mixing\.tsv; ICA_05 only in .*metr"):
        read_tedana(
            *write(mixing, {k: v for k, v in classes.items() if k != "ICA_04"}), "rejected"
        )
    with pytest.raises(BadDataError, match=r"those of metrics\.tsv: ICA_05 only in .*metrics\."):
        read_tedana(*write(mixing, classes), "rejected")


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({**CLASSES, "ICA_02": "provisional accept"}, "of ICA_02 is 'provisional accept'; expec"),
        ({**CLASSES, "ICA_02": "n/a"}, "of ICA_02 is 'n/a'; expected is one of accepted, reject"),
        (pd.DataFrame({"Component": ["ICA_00"]}), "no column classification; .* this one Compon"),
        (pd.DataFrame({"kappa": [1]}), "has no column Component and no classification"),
        (
            pd.DataFrame({"Component": ["ICA_00"] * 2, "classification": ["accepted"] * 2}),
            "more than one row for ICA_00",
        ),
    ],
)
def test_metrics_that_say_something_else_are_refused(classes, message, mixing, write) -> None:
    with pytest.raises(BadDataError, match=message):
        read_tedana(*write(mixing, classes), "rejected")


@pytest.mark.parametrize("value", ["n/a", "inf", "text"])
def test_values_that_are_no_numbers_are_refused(value, mixing, write) -> None:
    mixing = mixing.astype(object)
    mixing.loc[6, "ICA_03"] = value
    with pytest.raises(BadDataError, match=r"mixing\.tsv: column ICA_03, row 7 \(of 30\) is"):
        read_tedana(*write(mixing), "rejected")


def test_a_mixing_matrix_without_rows_is_refused(mixing, write) -> None:
    with pytest.raises(BadDataError, match=r"mixing\.tsv: has no rows"):
        read_tedana(*write(mixing[:0]), "rejected_orthogonalized")


def test_a_table_that_is_not_there_is_named(mixing, write) -> None:
    paths = write(mixing)
    paths[1].unlink()
    with pytest.raises(MissingInputError, match=r"metrics\.tsv"):
        read_tedana(*paths, "rejected")
