"""Confounds out of HCP's motion parameters, beside nipype, pandas and XCP-D's formula."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hcp_tree import N_VOLUMES, write_movement, write_rows
from nipype.algorithms.confounds import FramewiseDisplacement

from bids_labelx.denoise.hcp_motion import describe_hcp_confounds, hcp_confounds
from bids_labelx.errors import LabelxError

PARAMETERS = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]


@pytest.fixture
def movement(tmp_path: Path) -> np.ndarray:
    """What the file says: millimetres, then degrees, then the difference of each."""
    write_movement(tmp_path, np.random.default_rng(5), N_VOLUMES)
    return np.loadtxt(tmp_path / "Movement_Regressors.txt")


def by_nipype(parameters: np.ndarray, folder: Path) -> np.ndarray:
    np.savetxt(folder / "spm.txt", parameters)
    done = FramewiseDisplacement(
        in_file=str(folder / "spm.txt"),
        parameter_source="SPM",  # translations in mm, then rotations in radians
        out_file=str(folder / "fd.txt"),
    ).run()
    return np.loadtxt(done.outputs.out_file, skiprows=1)


def by_xcpd(parameters: np.ndarray) -> np.ndarray:
    """As `compute_fd` of release 26.1.1 has it: a sum of absolute differences, radius 50 mm."""
    steps = np.abs(parameters[:-1] - parameters[1:]) * [1, 1, 1, 50, 50, 50]
    return steps.sum(axis=1)


def test_framewise_displacement_is_that_of_nipype_and_xcpd_with_rotations_in_radians(
    movement: np.ndarray, tmp_path: Path
) -> None:
    found = hcp_confounds(tmp_path)["framewise_displacement"].to_numpy()
    radians = movement[:, :6] * np.array([1, 1, 1, *[np.pi / 180] * 3])
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], by_nipype(radians, tmp_path), rtol=1e-9)
    np.testing.assert_allclose(found[1:], by_xcpd(radians), rtol=1e-12)
    # Degrees taken for radians would be another number, in every volume.
    wrong = by_xcpd(movement[:, :6])
    assert (wrong > 5 * found[1:]).all()


def test_columns_are_fmripreps_and_expanded_as_pandas_does(
    movement: np.ndarray, tmp_path: Path
) -> None:
    found = hcp_confounds(tmp_path)
    expected = pd.DataFrame(movement[:, :6], columns=PARAMETERS)
    expected[PARAMETERS[3:]] = np.radians(expected[PARAMETERS[3:]])
    for name in PARAMETERS:
        expected[f"{name}_derivative1"] = expected[name].diff()
    for name in list(expected):
        expected[f"{name}_power2"] = expected[name] ** 2
    assert set(expected) < set(found)
    pd.testing.assert_frame_equal(found[list(expected)], expected, rtol=1e-12)


def test_differences_are_those_of_the_file_but_for_its_zeros_in_the_first_row(
    movement: np.ndarray, tmp_path: Path
) -> None:
    found = hcp_confounds(tmp_path)[[f"{name}_derivative1" for name in PARAMETERS]].to_numpy()
    assert (movement[0, 6:] == 0).all()
    assert np.isnan(found[0]).all()
    scale = np.array([1, 1, 1, *[np.pi / 180] * 3])
    np.testing.assert_allclose(found[1:], movement[1:, 6:] * scale, rtol=0, atol=2e-6)


@pytest.mark.usefixtures("movement")
def test_displacement_and_detrended_columns_come_from_their_files(tmp_path: Path) -> None:
    found = hcp_confounds(tmp_path)
    relative = np.loadtxt(tmp_path / "Movement_RelativeRMS.txt")
    assert np.isnan(found["rmsd"][0])
    np.testing.assert_array_equal(found["rmsd"][1:], relative[1:])
    detrended = np.loadtxt(tmp_path / "Movement_Regressors_dt.txt")
    np.testing.assert_array_equal(found["trans_y_detrended"], detrended[:, 1])
    np.testing.assert_array_equal(found["rot_z_detrended"], np.radians(detrended[:, 5]))
    np.testing.assert_array_equal(
        found["rot_x_derivative1_detrended"], np.radians(detrended[:, 9])
    )
    for name in ("Movement_RelativeRMS.txt", "Movement_Regressors_dt.txt"):
        (tmp_path / name).unlink()
    without = hcp_confounds(tmp_path)
    assert not [name for name in without if name == "rmsd" or "detrended" in name]
    pd.testing.assert_frame_equal(without, found[list(without)])


@pytest.mark.usefixtures("movement")
def test_every_column_is_described_with_its_unit(tmp_path: Path) -> None:
    about = describe_hcp_confounds()
    table = hcp_confounds(tmp_path)
    assert set(table) == set(about)
    assert about["rot_x_derivative1_power2"][1] == "rad^2"
    assert about["trans_x"][1] == about["framewise_displacement"][1] == "mm"


def drop_a_column(path: Path) -> None:
    write_rows(path, np.loadtxt(path)[:, :11])


def drop_a_row(path: Path) -> None:
    write_rows(path, np.loadtxt(path)[:-1])


def word(path: Path) -> None:
    path.write_text(path.read_text().replace("\n", " \n").replace("0.", "O.", 1))


def infinite(path: Path) -> None:
    rows = np.loadtxt(path)
    rows[3] = np.inf
    write_rows(path, np.atleast_2d(rows))


@pytest.mark.parametrize(
    ("file", "spoil", "told"),
    [
        ("Movement_Regressors.txt", Path.unlink, "Movement_Regressors.txt cannot be read"),
        ("Movement_Regressors.txt", drop_a_column, "line 1: 11 columns, where 12 are expected"),
        ("Movement_Regressors.txt", word, "a number is expected"),
        ("Movement_Regressors.txt", infinite, "row 4: a value that is no finite number"),
        ("Movement_Regressors.txt", lambda path: path.write_text("\n"), "an empty file"),
        ("Movement_Regressors_dt.txt", drop_a_row, f"59 rows, Movement_Regressors.txt has {60}"),
        ("Movement_Regressors_dt.txt", drop_a_column, "11 columns, where 12 are expected"),
        ("Movement_RelativeRMS.txt", lambda path: path.write_text("0\n"), "1 row, "),
        ("Movement_RelativeRMS.txt", lambda path: path.write_text("0 0\n"), "2 columns, where 1"),
    ],
)
@pytest.mark.usefixtures("movement")
def test_a_file_of_other_contents_is_refused_by_name(
    file: str, spoil: Callable[[Path], object], told: str, tmp_path: Path
) -> None:
    spoil(tmp_path / file)
    with pytest.raises(LabelxError) as caught:
        hcp_confounds(tmp_path)
    assert file in str(caught.value)
    assert told in str(caught.value)
