from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from bids_labelx.errors import BadDataError
from bids_labelx.inputs.repetition_time import gifti_time, header_time, repetition_time
from bids_labelx.inputs.run import Run


def run_with(metadata: dict[str, Any]) -> Run:
    return Run(Path("/d/b.nii"), Path("/d"), {}, metadata, None, None, {})


def header_with(t_r: float, unit: str) -> float | None:
    header = nib.Nifti1Image(np.zeros((2, 2, 2, 3), np.int16), np.eye(4)).header
    header.set_zooms((1, 1, 1, t_r))
    header.set_xyzt_units("mm", unit)
    return header_time(header)


@pytest.mark.parametrize(
    ("metadata", "t_r", "unit", "wanted"),
    [
        ({"RepetitionTime": 2.0}, 2.0, "sec", 2.0),
        ({"RepetitionTime": 2.0}, 2000, "msec", 2.0),
        ({"RepetitionTime": 2.0}, 1.0, "unknown", 2.0),
        ({"RepetitionTime": 2.0004}, 2.0, "sec", 2.0004),
        ({}, 720, "msec", 0.72),
        ({}, 1.5, "sec", 1.5),
        ({}, 1.0, "unknown", None),
        ({}, 0.0, "sec", None),
    ],
)
def test_repetition_time_is_the_sidecars_else_the_headers_in_its_unit(
    metadata: dict[str, Any], t_r: float, unit: str, wanted: float | None
) -> None:
    found = repetition_time(run_with(metadata), header_with(t_r, unit))
    assert found == (None if wanted is None else pytest.approx(wanted))


@pytest.mark.parametrize("value", [0.0999, 20.01, 2000, 1e-9, float("inf"), float("nan")])
@pytest.mark.parametrize("metadata", [True, False])
def test_a_repetition_time_that_no_bold_run_has_is_refused_unless_it_is_given(
    value: float, metadata: bool
) -> None:
    run = run_with({"RepetitionTime": value} if metadata else {})
    header = header_with(0 if metadata or not value < np.inf else value, "sec")
    if not metadata and not value < np.inf:
        assert repetition_time(run, header) is None
        return
    with pytest.raises(BadDataError, match=r"positive number|0\.1 to 20 s .* --repetition-time"):
        repetition_time(run, header)
    assert repetition_time(run, header, 30.0) == 30


@pytest.mark.parametrize("value", [0.1, 20])
def test_the_ends_of_what_is_expected_are_expected(value: float) -> None:
    assert repetition_time(run_with({"RepetitionTime": value}), header_with(0, "sec")) == value
    header = header_with(value * 1e3, "msec")
    assert repetition_time(run_with({}), header) == pytest.approx(value)


def test_what_is_given_wins_and_what_it_wins_against_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = run_with({"RepetitionTime": 2.0})
    assert repetition_time(run, header_with(2.5, "sec"), 1.5) == 1.5
    assert "--repetition-time 1.5 s is used, the sidecar says 2.0 s" in caplog.text
    uneven = run_with({"VolumeTiming": [0, 2, 9]})
    assert repetition_time(uneven, header_with(2.0, "sec"), 1.5) is None


def test_volumes_with_a_timing_of_their_own_have_no_repetition_time() -> None:
    assert repetition_time(run_with({"VolumeTiming": [0, 2, 9]}), header_with(2.0, "sec")) is None


def test_a_sidecar_with_both_kinds_of_timing_is_refused() -> None:
    metadata = {"VolumeTiming": [0, 2, 9], "RepetitionTime": 2.0}
    with pytest.raises(BadDataError, match="both RepetitionTime and VolumeTiming"):
        repetition_time(run_with(metadata), header_with(2.0, "sec"))


def test_a_sidecar_and_a_header_that_disagree_are_refused() -> None:
    with pytest.raises(BadDataError, match=r"RepetitionTime 2\.0 s, the image's header 2\.5 s"):
        repetition_time(run_with({"RepetitionTime": 2.0}), header_with(2.5, "sec"))


@pytest.mark.parametrize("value", [0, -2, "2.0", [2], True, float("inf"), 10**400])
def test_a_repetition_time_that_is_no_positive_number_is_refused(value: object) -> None:
    with pytest.raises(BadDataError, match="positive number"):
        repetition_time(run_with({"RepetitionTime": value}), header_with(2.0, "sec"))


@pytest.mark.parametrize(
    ("step", "seconds"), [("1400", 1.4), ("0.72", 0.72), ("2", 2.0), ("100", 0.1), ("?", None)]
)
def test_the_time_step_of_gifti_is_in_milliseconds_or_seconds(
    step: str, seconds: float | None
) -> None:
    assert gifti_time({"TimeStep": step}) == seconds
    assert gifti_time({}) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2.0", 2.0), ("2000", 2.0), ("800.0", 0.8), ("0.8", 0.8), ("", None), ("two", None)],
)
def test_the_time_step_of_gifti_is_of_seconds_or_milliseconds(
    text: str, seconds: float | None
) -> None:
    assert gifti_time({"TimeStep": text}) == seconds


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "0"])
def test_a_time_step_of_gifti_that_is_no_time_says_nothing(text: str) -> None:
    assert gifti_time({"TimeStep": text}) is None
