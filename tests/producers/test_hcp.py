"""HCP pipelines: a simulated tree imported, and the participant level on what that gives."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hcp_tree import AFFINE, DENSE, SHAPE, T_R, add_hcp_run, results
from nilearn.signal import butterworth
from scipy.signal import detrend
from surfaces import write_dlabel

VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")
INPUTS = Path(__file__).parents[2] / "docs" / "howto" / "surfaces.md"
# 24 regressors and a band-pass leave few degrees of freedom of few volumes.
N_VOLUMES = 700
RUNS = {
    ("100307", "rfMRI_REST1_LR"): "sub-100307/func/sub-100307_task-rest_dir-LR_run-1",
    ("HCA6002236_V1_MR", "tfMRI_FACENAME_PA"): (
        "sub-HCA6002236/ses-V1/func/sub-HCA6002236_ses-V1_task-facename_dir-PA_run-1"
    ),
}
VOLUMES = "_space-MNI152NLin6Asym_res-2"
GRAYORDINATES = "_space-fsLR_den-91k"

pytestmark = pytest.mark.integration


def app(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "bids_labelx", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree, atlases, and what the commands of the page make of them; volumes besides."""
    root = tmp_path_factory.mktemp("hcp")
    for seed, (subject, run) in enumerate(RUNS):
        add_hcp_run(root / "HCP_1200", subject, run, seed=seed, n_volumes=N_VOLUMES)
    write_dlabel(root / "glasser.dlabel.nii", {"m": dense_labels()}, DENSE)
    atlas = root / "slabs_space-MNI152NLin6Asym_dseg.nii.gz"
    nib.save(nib.Nifti1Image(volume_labels(), AFFINE), atlas)
    atlas.with_name(atlas.name.replace(".nii.gz", ".tsv")).write_text(
        "index\tname\n1\tone\n2\ttwo\n3\tthree\n"
    )
    section = INPUTS.read_text("utf-8").split("## HCP pipelines\n")[1].split("\n## ")[0]
    commands = re.search(r"```bash\n(.*?)```", section, re.DOTALL)
    assert commands is not None
    for line in commands[1].splitlines():
        app(root, *shlex.split(line)[1:])
    options = ("--denoise", "none", "24P", "--space", "MNI152NLin6Asym")
    app(root, "hcp_bids", "OUT", "participant", *options, "--atlas", f"Slabs={atlas}")
    return root


def dense_labels() -> np.ndarray:
    return np.arange(DENSE.n_elements) % 3 + 1


def volume_labels() -> np.ndarray:
    return (np.arange(np.prod(SHAPE)).reshape(SHAPE) % 3 + 1).astype(np.int16)


def motion_of(folder: Path) -> np.ndarray:
    """24 regressors out of HCP's file by numpy: a series, its difference, and their squares."""
    motion = np.loadtxt(folder / "Movement_Regressors.txt")[:, :6]
    motion[:, 3:] *= np.pi / 180
    both = np.hstack([motion, np.diff(motion, axis=0, prepend=motion[:1])])
    return np.hstack([both, both**2])


def filtered(columns: np.ndarray) -> np.ndarray:
    """As the preset 24P has it."""
    return butterworth(
        detrend(columns, axis=0),
        sampling_rate=1 / T_R,
        low_pass=0.08,
        high_pass=0.01,
        order=2,
        padtype="constant",
        padlen=len(columns) - 1,
    )


def denoised(means: np.ndarray, motion: np.ndarray) -> np.ndarray:
    signals, regressors = filtered(means), filtered(motion)
    return signals - regressors @ np.linalg.lstsq(regressors, signals, rcond=None)[0]


def series(folder: Path, name: str) -> np.ndarray:
    return pd.read_csv(folder / "OUT" / name, sep="\t").to_numpy()


@pytest.mark.parametrize(("subject", "run"), RUNS)
@pytest.mark.parametrize("kind", ["volumes", "grayordinates"])
def test_the_series_are_those_of_numpy_from_hcps_own_files(
    folder: Path, subject: str, run: str, kind: str
) -> None:
    source = results(folder / "HCP_1200", subject, run)
    if kind == "volumes":
        start = f"{RUNS[subject, run]}_space-MNI152NLin6Asym_atlas-Slabs_res-2"
        data = nib.load(source / f"{run}.nii.gz").get_fdata()
        labels = np.where(nib.load(source / "brainmask_fs.2.nii.gz").get_fdata(), 1, 0)
        labels = labels * volume_labels()
        means = np.stack([data[labels == label].mean(axis=0) for label in (1, 2, 3)], axis=1)
    else:
        start = f"{RUNS[subject, run]}_space-fsLR_atlas-Glasser_den-91k"
        data = nib.load(source / f"{run}_Atlas_MSMAll.dtseries.nii").get_fdata()
        labels = dense_labels()
        means = np.stack([data[:, labels == label].mean(axis=1) for label in (1, 2, 3)], axis=1)
    raw = series(folder, f"{start}_stat-mean_desc-raw_timeseries.tsv")
    np.testing.assert_allclose(raw, means, rtol=1e-6)
    motion = motion_of(source)
    expected = denoised(means, motion)
    found = series(folder, f"{start}_stat-mean_desc-24P_timeseries.tsv")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * expected.std())
    # The regressors matter, or this would prove little.
    assert np.abs(filtered(means) - expected).max() > 0.1 * expected.std()


@pytest.mark.parametrize(("subject", "run"), RUNS)
def test_displacement_in_the_sidecar_counts_degrees_as_degrees(
    folder: Path, subject: str, run: str
) -> None:
    source = results(folder / "HCP_1200", subject, run)
    start = f"{RUNS[subject, run]}_space-fsLR_atlas-Glasser_den-91k"
    path = folder / "OUT" / f"{start}_stat-mean_desc-24P_timeseries.json"
    sidecar = json.loads(path.read_text())
    steps = np.abs(np.diff(np.loadtxt(source / "Movement_Regressors.txt")[:, :6], axis=0))
    moved = steps[:, :3].sum(axis=1) + 50 * np.pi / 180 * steps[:, 3:].sum(axis=1)
    assert sidecar["MeanFramewiseDisplacement"] == pytest.approx(moved.mean(), rel=1e-6)
    relative = np.loadtxt(source / "Movement_RelativeRMS.txt")
    assert sidecar["MeanRMSDisplacement"] == pytest.approx(relative[1:].mean(), rel=1e-6)
    assert sidecar["RepetitionTime"] == T_R
    assert sidecar["PreprocessedBy"] == {"HCP Pipelines": ["image", "confounds"]}


def test_references_of_the_structures_go_on_into_the_sidecars(folder: Path) -> None:
    for start in RUNS.values():
        source = folder / "hcp_bids" / f"{start}{GRAYORDINATES}_bold.json"
        dseg = folder / "OUT" / f"{start}_space-fsLR_atlas-Glasser_den-91k_dseg.json"
        references = [json.loads(path.read_text())["SpatialReference"] for path in (source, dseg)]
        assert references[0] == references[1]
        assert references[1]["VolumeReference"].endswith("_T1w.nii.gz")


def written(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if not path.is_dir() and not {"logs", "figures", "report"} & set(path.parts)
    }


def test_the_imported_files_are_those_of_the_layout_and_no_other(folder: Path) -> None:
    wanted = {".bidsignore", "dataset_description.json"}
    for start in RUNS.values():
        wanted |= {f"{start}_desc-confounds_timeseries.{end}" for end in ("tsv", "json")}
        for name in (f"{VOLUMES}_desc-preproc_bold", f"{VOLUMES}_desc-brain_mask"):
            wanted |= {f"{start}{name}.{end}" for end in ("nii.gz", "json")}
        wanted |= {f"{start}{GRAYORDINATES}_bold.{end}" for end in ("dtseries.nii", "json")}
    assert written(folder / "hcp_bids") == wanted


def test_the_participant_level_writes_all_files_and_no_other(folder: Path) -> None:
    wanted = {".bidsignore", "dataset_description.json", "descriptions.tsv", "descriptions.json"}
    wanted |= {"sub-100307.html", "sub-HCA6002236.html"}
    wanted |= {f"atlas-{label}_description.json" for label in ("Slabs", "Glasser")}
    for start in RUNS.values():
        for desc in ("raw", "24P"):
            wanted |= {f"{start}_desc-{desc}_outliers.{end}" for end in ("tsv", "json")}
        for space, tail, image in (
            ("_space-MNI152NLin6Asym_atlas-Slabs", "_res-2", "nii.gz"),
            ("_space-fsLR_atlas-Glasser", "_den-91k", "dlabel.nii"),
        ):
            stem = f"{start}{space}{tail}"
            wanted |= {f"{stem}_dseg.{end}" for end in (image, "tsv", "json")}
            for desc in ("raw", "24P"):
                for name in (
                    f"desc-{desc}_timeseries",
                    f"meas-correlation_desc-{desc}_relmat",
                ):
                    wanted |= {f"{stem}_stat-mean_{name}.{end}" for end in ("tsv", "json")}
    assert written(folder / "OUT") == wanted


@pytest.mark.skipif(not VALIDATOR.exists(), reason="bids-validator-deno is not installed")
def test_the_imported_dataset_is_valid(folder: Path) -> None:
    command = [VALIDATOR, folder / "hcp_bids", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert found["summary"]["totalFiles"] > 5
    assert [one for one in found["issues"]["issues"] if one["severity"] == "error"] == []
