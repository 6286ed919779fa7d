"""Motion parameters of FSL, SPM and AFNI, beside nipype's reading of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from nipype.algorithms.confounds import FramewiseDisplacement
from nipype.utils.misc import normalize_mc_params
from tiny import MOTION

from bids_labelx.denoise import Strategy, read_strategies, select
from bids_labelx.denoise.motion import framewise_displacement
from bids_labelx.denoise.motion_files import MOTION_SOURCES, read_motion_file
from bids_labelx.errors import BadDataError, MissingInputError

PARAMETERS = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
ONE_ROW = "0.1 0.2 0.3 0.4 0.5 0.6\n"


@pytest.fixture
def parameters() -> np.ndarray:
    """Twelve volumes, each column unlike the others."""
    rng = np.random.default_rng(8)
    return rng.normal(scale=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], size=(12, 6)).round(6)


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str, name: str = "motion.txt") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def text_of(parameters: np.ndarray, delimiter: str = "  ") -> str:
    return "".join(delimiter.join(f"{value:.6f}" for value in row) + "\n" for row in parameters)


@pytest.mark.parametrize("source", MOTION_SOURCES)
def test_order_and_units_are_those_that_nipype_knows(source, parameters, write) -> None:
    table = read_motion_file(write(text_of(parameters)), source)
    expected = [normalize_mc_params(row.copy(), source.upper()) for row in parameters]
    np.testing.assert_allclose(table[PARAMETERS], expected, rtol=1e-12)


def test_columns_of_afni_by_hand(write) -> None:
    # 3dvolreg -help: roll (I-S axis), pitch (R-L), yaw (A-P), in degrees; dS, dL, dP in mm.
    table = read_motion_file(write("180 90 45 1 2 3\n"), "afni")
    found = table.loc[0, PARAMETERS].to_dict()
    quarter = np.pi / 4
    assert found == pytest.approx(
        {"trans_x": 2, "trans_y": 3, "trans_z": 1}
        | {"rot_x": 2 * quarter, "rot_y": quarter, "rot_z": 4 * quarter}
    )


@pytest.mark.parametrize("source", MOTION_SOURCES)
def test_displacement_is_that_of_fmriprep(source, parameters, write, tmp_path) -> None:
    path = write(text_of(parameters))
    interface = FramewiseDisplacement(
        in_file=str(path), parameter_source=source.upper(), out_file=str(tmp_path / "fd.txt")
    )
    interface.run()
    expected = np.loadtxt(tmp_path / "fd.txt", skiprows=1)
    found = framewise_displacement(read_motion_file(path, source)[PARAMETERS].to_numpy())
    np.testing.assert_allclose(found[1:], expected, rtol=1e-9)
    assert np.isnan(found[0])


def test_displacement_is_that_of_fsl_motion_outliers(parameters, write) -> None:
    # Its --fd: three times the mean of the absolute differences of translations, and the same of
    # rotations times 50 mm; it puts a 0 before, where we have NaN.
    moved = np.abs(parameters[1:] - parameters[:-1])
    expected = 3 * (50 * moved[:, :3]).mean(axis=1) + 3 * moved[:, 3:].mean(axis=1)
    table = read_motion_file(write(text_of(parameters)), "fsl")
    found = framewise_displacement(table[PARAMETERS].to_numpy())
    np.testing.assert_allclose(found[1:], expected, rtol=1e-9)


def test_expansions_are_those_of_fmriprep(parameters, write) -> None:
    table = read_motion_file(write(text_of(parameters)), "spm")
    expected = pd.DataFrame(parameters, columns=PARAMETERS)
    for name in PARAMETERS:
        expected[f"{name}_derivative1"] = expected[name].diff()
    for name in list(expected):
        expected[f"{name}_power2"] = expected[name] ** 2
    assert list(table) == MOTION
    pd.testing.assert_frame_equal(table, expected[MOTION])


def test_a_strategy_takes_its_motion_and_censors_by_its_displacement(parameters, write) -> None:
    table = read_motion_file(write(text_of(parameters * 0.01)), "spm")
    fd = framewise_displacement(parameters * 0.01)
    limit = float(np.sort(fd[1:])[-3])
    scrub = {"fd_threshold": limit, "min_segment": 0}
    strategy = Strategy("own", "", {"motion": "full"}, {"scrub": scrub})
    chosen = select(strategy, table, len(table), source="rp.txt", t_r=2.0)
    assert sorted(chosen.columns) == sorted(MOTION)
    assert (~chosen.kept).sum() == 2
    (preset,) = read_strategies(["24P"])
    assert len(select(preset, table, len(table), source="rp.txt", t_r=2.0).columns) == 24


@pytest.mark.parametrize("delimiter", ["  ", "\t", ",", ", ", " \t"])
def test_delimiters_and_comments_make_no_difference(delimiter, parameters, write) -> None:
    plain = read_motion_file(write(text_of(parameters)), "afni")
    text = "# 3dvolreg -1Dfile\n  # roll pitch yaw\n" + text_of(parameters, delimiter)
    text = text.replace("\n", " \r\n") + "\n"
    other = read_motion_file(write(text, "motion.1D"), "afni")
    pd.testing.assert_frame_equal(other, plain)


@pytest.mark.parametrize(
    ("source", "text", "message"),
    [
        ("fsl", "", r"motion\.txt: has no rows; motion parameters have one per volume"),
        ("afni", "# roll pitch yaw\n", "has no rows"),
        ("fsl", ONE_ROW + "1 2 3 4 5\n", r"line 2: 5 columns, MCFLIRT's \.par has 6: rot_x"),
        ("spm", "1 2 3 4 5 6 7\n", r"line 1: 7 columns, SPM's rp_\*\.txt has 6: trans_x"),
        ("afni", "0 1 2 3 4 5 6 7 8\n", "-dfile, give the one of -1Dfile"),
        (
            "fsl",
            "rot_x rot_y rot_z trans_x trans_y trans_z\n" + ONE_ROW,
            r"line 1: has a header \(rot_x rot_y.*\); .*A \.tsv with a header needs no motion_sou",
        ),
        ("spm", ONE_ROW + "0 0 0 x 0 0\n", "line 2: column 4 is 'x', a number is expected"),
        ("spm", ONE_ROW + "0 0 0 0 NaN 0\n", "line 2: column 5 is 'NaN', a number"),
        ("spm", "n/a 0 0 0 0 0\n", "line 1: column 1 is 'n/a', a number"),
        ("spm", "nan 0 0 0 0 0\n", "line 1: column 1 is 'nan', a number"),
        ("spm", "0 0 0 0 0 inf\n", "line 1: column 6 is 'inf', a number"),
        ("spm", "1_0 0 0 0 0 0\n", "column 1 is '1_0', a number"),
        ("spm", "1\u0663 0 0 0 0 0\n", "column 1 is '1\u0663', a number"),
        ("spm", "1,,0,0,0,0\n", "line 1: column 2 is '', a number"),
        (
            "fsl",
            ONE_ROW + "\n0 -7.5 0 0 0 0\n",
            r"line 3: column 2, rot_y by motion_source = .fsl. \(MCFLIRT's \.par\), is -7\.5; "
            r"expected is a rotation in radians, at most 6\.283\. Perhaps the numbers are in degr",
        ),
        ("spm", "0 0 0 0 0 10\n", "column 6, rot_z .* is 10; expected is a rotation in radians"),
        ("afni", "0 361 0 0 0 0\n", "rot_x .* is 361; expected is a rotation in degrees, at mo"),
        ("spm", "0 -1200 0 0 0 0\n", "trans_y .* is -1200; expected is a translation in mm"),
    ],
)
def test_other_files_are_refused(source, text, message, write) -> None:
    with pytest.raises(BadDataError, match=message):
        read_motion_file(write(text), source)


def test_seven_millimetres_and_seven_degrees_are_possible(write) -> None:
    assert read_motion_file(write("7 7 7 0 0 0\n"), "spm")["trans_x"].tolist() == [7]
    assert read_motion_file(write("7 7 7 0 0 0\n"), "afni")["rot_z"][0] == pytest.approx(0.122173)


def test_a_file_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(MissingInputError, match=r"none\.par"):
        read_motion_file(tmp_path / "none.par", "fsl")
