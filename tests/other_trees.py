"""Folders as XCP-D and giga_connectome write them, by pandas and after their documentation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

SUBJECTS = [f"{n:02d}" for n in range(1, 13)]
NAMES = ["LH_Vis_1", "LH_Vis_2", "RH_Default_1", "RH_Default_2", "RH_Limbic_1"]
NETWORKS = ["Vis", "Vis", "Default", "Default", "Limbic"]
VOLUMES = 60


def dataset(root: Path) -> Path:
    """A BIDS_DIR: a description and a table of participants alone."""
    root.mkdir(parents=True)
    about = {"Name": "raw", "BIDSVersion": "1.10.0", "DatasetType": "derivative"}
    (root / "dataset_description.json").write_text(json.dumps(about))
    rng = np.random.default_rng(3)
    table = pd.DataFrame(
        {
            "participant_id": [f"sub-{one}" for one in SUBJECTS],
            "age": rng.integers(20, 70, len(SUBJECTS)),
            "site": ["a", "b"] * (len(SUBJECTS) // 2),
        }
    )
    table.to_csv(root / "participants.tsv", sep="\t", index=False)
    for one in SUBJECTS:
        (root / f"sub-{one}").mkdir()
    return root


def describe(root: Path, name: str, version: str) -> None:
    root.mkdir(parents=True, exist_ok=True)
    about = {
        "Name": name,
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": name, "Version": version}],
    }
    (root / "dataset_description.json").write_text(json.dumps(about))


def signals(rng: np.random.Generator) -> np.ndarray:
    common = rng.normal(size=(VOLUMES, 1))
    return rng.normal(size=(VOLUMES, len(NAMES))) + common * rng.uniform(0.2, 1, len(NAMES))


def xcpd(
    root: Path, version: str = "26.1.1", *, interpolated: bool = False, runs: tuple[str, ...] = ()
) -> Path:
    """XCP-D's folder: region 5 of sub-03 is not covered; with runs, concatenated ones as well."""
    old = version.startswith("0.")
    describe(root, "xcp_d", version)
    atlas = root / ("atlases/atlas-Own" if old else "sourcedata/atlases/tpl-MNI152NLin6Asym")
    atlas.mkdir(parents=True)
    name = "atlas-Own_dseg.tsv" if old else "tpl-MNI152NLin6Asym_atlas-Own_res-01_dseg.tsv"
    # Other values than places, and another order than in the series.
    lut = pd.DataFrame(
        {"index": [10, 20, 30, 40, 50], "name": NAMES, "network_label": NETWORKS}
    ).iloc[::-1]
    lut.to_csv(atlas / name, sep="\t", index=False)
    key = "seg" if old else "atlas"
    for number, sub in enumerate(SUBJECTS):
        rng = np.random.default_rng(number)
        func = root / f"sub-{sub}" / "func"
        func.mkdir(parents=True)
        for run in (*runs, "") if runs else ("",):
            head = f"sub-{sub}_task-rest" + (f"_run-{run}" if run else "")
            here = func / f"{head}_space-MNI152NLin6Asym_{key}-Own"
            fd = rng.gamma(2, 0.05 + 0.01 * number, VOLUMES)
            fd[0] = 0
            outliers = (fd > 0.3).astype(int)
            motion = pd.DataFrame({"framewise_displacement": fd, "rmsd": fd / 2})
            motion["framewise_displacement_filtered"] = fd / 3
            motion.to_csv(func / f"{head}_motion.tsv", sep="\t", index=False)
            flagged = pd.DataFrame({"framewise_displacement": outliers})
            flagged.to_csv(func / f"{head}_outliers.tsv", sep="\t", index=False)
            (func / f"{head}_outliers.json").write_text(
                json.dumps({"framewise_displacement": {"Threshold": 0.3}})
            )
            about = {"RepetitionTime": 2.0, "NuisanceParameters": "36P"}
            json_path = func / f"{head}_space-MNI152NLin6Asym_desc-denoised_bold.json"
            json_path.write_text(json.dumps(about))
            series = pd.DataFrame(signals(rng), columns=NAMES)
            coverage = pd.Series([1, 0.9, 1, 0.75, 1.0], index=NAMES, name="coverage")
            if sub == "03":
                series["RH_Limbic_1"] = np.nan
                coverage["RH_Limbic_1"] = 0.25
            kept = series[outliers == 0]
            written = series if interpolated else kept
            written.to_csv(f"{here}_stat-mean_timeseries.tsv", sep="\t", na_rep="n/a", index=False)
            described = {"na_rep": "n/a", "sep": "\t", "index_label": "Node"}
            coverage.to_frame().to_csv(f"{here}_stat-coverage_bold.tsv", **described)
            kept.corr().to_csv(f"{here}_stat-pearsoncorrelation_relmat.tsv", **described)
    return root


def giga(root: Path, version: str = "0.6.0") -> Path:
    """giga_connectome's folder: two strategies, and means within regions on the diagonal."""
    describe(root, "giga_connectome", version)
    for number, sub in enumerate(SUBJECTS):
        rng = np.random.default_rng(number)
        func = root / f"sub-{sub}" / "ses-1" / "func"
        func.mkdir(parents=True)
        for strategy in ("Simple", "Scrubbing.2"):
            head, desc = f"sub-{sub}_ses-1_task-rest", f"desc-denoise{strategy}"
            series = signals(rng).astype(np.float32)
            matrix = np.corrcoef(series.T).astype(np.float32)
            np.fill_diagonal(matrix, 0.4)
            atlas = "seg-Schaefer20185Parcels"
            name = func / f"{head}_{atlas}_{desc}_timeseries.tsv"
            pd.DataFrame(series).to_csv(name, sep="\t", index=False)
            name = func / f"{head}_{atlas}_meas-PearsonCorrelation_{desc}_relmat.tsv"
            pd.DataFrame(matrix).to_csv(name, sep="\t", index=False)
            about = {
                "ConfoundRegressors": ["trans_x"],
                "NumberOfVolumesDiscardedByMotionScrubbing": 7,
                "NumberOfVolumesDiscardedByNonsteadyStatesDetector": 3,
                "MeanFramewiseDisplacement": float(rng.uniform(0.05, 0.4)),
                "SamplingFrequency": 0.5,
            }
            (func / f"{head}_{desc}_timeseries.json").write_text(json.dumps(about))
    return root
