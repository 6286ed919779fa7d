from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from bids_labelx.outputs.results import Series
from bids_labelx.report.run_tables import (
    facts_of,
    missing_labels_table,
    strategy_table,
)

SIDECAR = {
    "Atlas": "A",
    "Statistic": "mean",
    "DenoisingStrategy": "simple",
    "ConfoundRegressors": ["a", "b"],
    "Sources": ["bids:preprocessed:sub-01/func/sub-01_bold.nii.gz"],
    "RepetitionTime": 2.0,
    "NumberOfVolumes": 90,
    "NumberOfVolumesKept": 60,
    "DegreesOfFreedom": 57,
    "MeanFramewiseDisplacement": 0.1234,
    "MaxFramewiseDisplacement": None,
    "ShareFramewiseDisplacementAbove": 0.25,
    "FramewiseDisplacementThreshold": 0.3,
    "MeanStdDVARS": 1.5,
    "MeanTemporalSNR": 41.26,
}


def one_of(
    output: Path, run: str, coverage: list[str], status: list[str], atlas: str = "A", **more: Any
) -> Series:
    """A series of three labels, of which the second has two networks' worth of voxels."""
    entities = {"sub": "01", "run": run, "atlas": atlas, "stat": "mean", "desc": "simple"}
    path = (
        Path("sub-01/func")
        / f"sub-01_run-{run}_atlas-{atlas}_stat-mean_desc-simple_timeseries.tsv"
    )
    labels = pd.DataFrame(
        {
            "index": ["3", "7", "9"],
            "name": ["three", "seven", "nine"],
            "network": ["x", "y", "x"],
            "voxels_atlas": ["4", "3", "1"],
            "voxels_in_view": ["4", "2", "1"],
            "voxels_grid": ["4", "2", "0"],
            "voxels_covered": ["4", "1", "0"],
            "coverage": coverage,
            "status": status,
        }
    )
    one = Series(output, path, entities, {**SIDECAR, "Atlas": atlas, **more}, labels)
    image = np.zeros((3, 4, 2), dtype=np.int16)
    image[0], image[1, 0, :] = 0, 7
    image[2, :, 0] = 3
    (output / path).parent.mkdir(parents=True, exist_ok=True)
    target = output / one.labels_path.with_suffix(".nii.gz")
    nib.save(nib.Nifti1Image(image, np.diag([2.0, 2, 3, 1])), target)
    return one


GOOD = ["1", "0.9", "0.8"]
OK = ["ok"] * 3


def test_facts_have_grid_time_and_motion_with_their_units(tmp_path: Path) -> None:
    facts = dict(facts_of(one_of(tmp_path, "1", GOOD, OK)))
    assert facts == {
        "Source": "sub-01/func/sub-01_bold.nii.gz",
        "Grid": "3 × 4 × 2 voxels of 2 × 2 × 3 mm",
        "Volumes": "90",
        "Repetition time": "2 s",
        "Duration": "3.0 min",
        "Mean framewise displacement": "0.123 mm",
        "Maximum framewise displacement": "unknown",
        "Volumes with FD > 0.3 mm": "25.0 %",
        "Mean standardised DVARS": "1.5",
    }


def test_facts_say_which_dataset_and_program_the_image_is_of(tmp_path: Path) -> None:
    made = {"PreprocessedBy": {"fMRIPrep 25.1.1": ["mask"], "tedana 26.0.3": ["image", "x"]}}
    sources = {"Sources": ["bids:tedana:sub-01_desc-denoised_bold.nii.gz"]}
    facts = dict(facts_of(one_of(tmp_path, "1", GOOD, OK, **made, **sources)))
    assert facts["Source"] == "sub-01_desc-denoised_bold.nii.gz (dataset tedana)"
    assert facts["Preprocessed with"] == "tedana 26.0.3"


def test_a_strategy_has_what_it_kept_and_cost(tmp_path: Path) -> None:
    status = ["ok", "ok", "low-coverage"]
    both = [
        one_of(tmp_path, "1", GOOD, status),
        one_of(tmp_path, "2", GOOD, status, Warnings=["few data", "no column"]),
    ]
    table, remarked = strategy_table(both)
    assert remarked == {1}
    assert table.caption == "Time series: mean"
    several, _ = strategy_table([*both, one_of(tmp_path, "3", GOOD, OK, Statistic="median")])
    assert [row[2] for row in several.rows] == ["mean", "mean", "median"]
    assert table.rows[1][-1] == "few data; no column"
    assert dict(zip(table.header, table.rows[0], strict=True)) == {
        "Strategy": "simple",
        "Atlas": "A",
        "Volumes kept": "60 of 90",
        "Minutes kept": "2.0",
        "Regressors": "2",
        "Effective degrees of freedom": "–",
        "Nominal degrees of freedom": "57",
        "Temporal SNR": "41.3",
        "Missing labels": "1 of 3",
        "Lowest coverage": "0.80",
        "Warnings": "",
    }


def test_missing_labels_are_listed_with_the_reason(tmp_path: Path) -> None:
    assert missing_labels_table(one_of(tmp_path, "1", GOOD, OK)) == ()
    one = one_of(tmp_path, "1", ["1", "0.25", "n/a"], ["ok", "low-coverage", "lost-in-resampling"])
    (table,) = missing_labels_table(one)
    assert table.rows == (
        ("seven", "7", "low-coverage", "3", "2", "2", "1", "0.25"),
        ("nine", "9", "lost-in-resampling", "1", "1", "0", "0", "n/a"),
    )
