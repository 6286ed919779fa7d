"""C-PAC's outputs, in the layouts of its releases, through the command line."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tiny import AFFINE, N_VOLUMES, SHAPE

from bids_labelx.app.cli import main

INPUTS = Path(__file__).parents[2] / "docs" / "inputs.md"
SECTION = INPUTS.read_text("utf-8").split("### C-PAC\n")[1].split("\n## ")[0].split("\n### ")[0]
# As C-PAC names them, in the order in which it writes them.
MOTION = ("RotY", "RotX", "RotZ", "Y", "X", "Z")
COLUMNS = [f"{one}{end}" for one in MOTION for end in ("", "Delay", "Sq", "DelaySq")]
COLUMNS += ["GlobalSignalMean0", "aCompCorDetrendPC0", "CerebrospinalFluidMean0"]
# What stands in sidecars: a list of steps in lists of steps.
BEFORE = [["bold:func_ingress", "desc-preproc_bold:func_slice_time"], ["TR:func_metadata_ingress"]]
REGRESSED = [
    [*BEFORE, "desc-confounds_timeseries:nuisance_regressors_generation_T1w_default"],
    "desc-preproc_bold:nuisance_regression_native",
]

pytestmark = pytest.mark.integration


class Layout(NamedTuple):
    """How a release calls folders and files."""

    pipeline: str
    folder: str  # of a participant's session
    space: str
    regressors: str
    motion: str


SINCE_186 = Layout(
    *("pipeline_NAME", "sub-01/ses-{}", "MNI152NLin6ASym"),
    *("desc-confounds_timeseries.1D", "desc-movementParameters_motion.1D"),
)
BEFORE_185 = Layout(
    *("cpac_cpac-default-pipeline", "sub-01_ses-{}", "template"),
    *("regressors.1D", "movement-parameters.1D"),
)
# The Reproducible Brain Charts: regressed in template space, by two sets of regressors.
RBC = SINCE_186._replace(pipeline="cpac_RBCv0", regressors="reg-36Parameter_regressors.1D")
LAYOUTS = {"since 1.8.6": SINCE_186, "before 1.8.5": BEFORE_185, "RBC": RBC}


def save(path: Path, data: np.ndarray) -> None:
    image = nib.Nifti1Image(data, AFFINE)
    if data.ndim == 4:
        image.header.set_zooms((3, 3, 3, 2))
        image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)


def labels() -> np.ndarray:
    return (np.arange(np.prod(SHAPE)).reshape(SHAPE) % 3 + 1).astype(np.int16)


def brain() -> np.ndarray:
    mask = np.ones(SHAPE, np.uint8)
    mask[0] = 0
    return mask


def motion_parameters(seed: int) -> np.ndarray:
    """Roll, pitch and yaw in degrees, dS, dL and dP in mm, as 3dvolreg writes them."""
    return np.random.default_rng(seed).normal(0, 0.1, (N_VOLUMES, 6)).cumsum(axis=0)


def regressors(seed: int) -> np.ndarray:
    columns = []
    for series in motion_parameters(seed).T:
        delay = np.append([0.0], series[:-1])
        columns += [series, delay, series**2, delay**2]
    rng = np.random.default_rng([seed, 1])
    columns += [rng.normal(mean, 3, N_VOLUMES) for mean in (900, 0, 1200)]
    return np.stack(columns, axis=1)


def write_regressors(path: Path, table: np.ndarray, names: Sequence[str] = COLUMNS) -> None:
    """As C-PAC's `gather_nuisance` does."""
    header = "# C-PAC 1.8.7\n# Nuisance regressors:\n# " + "\t".join(names) + "\n"
    rows = ["\t".join(f"{value:.18f}" for value in row) for row in table]
    path.write_text(header + "\n".join(rows) + "\n")


def write_session(root: Path, layout: Layout, session: int) -> Path:
    """The files in ``func`` of one session; what is of no interest is empty."""
    folder = root / layout.pipeline / layout.folder.format(session)
    func = folder / "func"
    func.mkdir(parents=True)
    (folder / "anat").mkdir()
    stem = f"sub-01_ses-{session}_task-rest_run-1"
    template = f"{stem}_space-{layout.space}"
    rng = np.random.default_rng([session, 2])
    image = rng.normal(1000, 10, (*SHAPE, N_VOLUMES)).astype(np.float32)
    bold = "desc-head" if layout is RBC else "desc-preproc"
    save(func / f"{template}_{bold}_bold.nii.gz", image)
    save(func / f"{stem}_desc-preproc_bold.nii.gz", image[::2])
    save(func / f"{template}_desc-mean_bold.nii.gz", image.mean(axis=3))
    save(func / f"{template}_desc-bold_mask.nii.gz", brain())
    save(func / f"{stem}_desc-brain_mask.nii.gz", brain()[::2])
    save(
        folder / "anat" / f"sub-01_ses-{session}_space-{layout.space}_desc-brain_mask.nii.gz",
        brain(),
    )
    write_regressors(func / f"{stem}_{layout.regressors}", regressors(session))
    np.savetxt(func / f"{stem}_{layout.motion}", motion_parameters(session), fmt="%9.4f")
    (func / f"{stem}_motion.tsv").write_text("Framewise displacement Jenkinson\tDVARS\n0\t0\n")
    atlas = f"{stem}_atlas-AAL_space-{layout.space}"
    (func / f"{atlas}_desc-Mean_timeseries.1D").write_text("#1\t2\n0\t0\n")
    if layout is RBC:
        for name in ("36Parameter", "aCompCor"):
            save(func / f"{template}_reg-{name}_desc-preproc_bold.nii.gz", image - 1000)
        write_regressors(func / f"{stem}_reg-aCompCor_regressors.1D", regressors(99))
    else:
        sidecar = func / f"{template}_{bold}_bold.json"
        sidecar.write_text(json.dumps({"CpacProvenance": BEFORE, "CpacVariant": {}}))
    return func


def write_output(root: Path, layout: Layout) -> Path:
    """Two sessions, and beside them the files of the page, fitted to the layout."""
    for session in (1, 2):
        write_session(root, layout, session)
    (about,) = re.findall(r"`(\{\"Name\".*?\]\})`", SECTION, re.DOTALL)
    (root / layout.pipeline / "dataset_description.json").write_text(about)
    save(root / "slabs.nii.gz", labels())
    (root / "slabs.tsv").write_text("index\tname\n1\tone\n2\ttwo\n3\tthree\n")
    (queries,) = re.findall(r"```json\n(.*?)```", SECTION, re.DOTALL)
    (strategy,) = re.findall(r"```toml\n(.*?)```", SECTION, re.DOTALL)
    if layout is RBC:
        queries = queries.replace('{"mask"', '{"bold": {"desc": "head"}, "mask"')
        strategy = strategy.replace('suffix = "timeseries"', 'suffix = "regressors"')
        strategy = strategy.replace('desc = "confounds"', 'entities = { reg = "36Parameter" }')
    if layout is BEFORE_185:
        strategy = re.sub("(?m)^desc = .*$", "", strategy)
        strategy = strategy.replace('suffix = "timeseries"', 'suffix = "regressors"')
        strategy = strategy.replace('suffix = "motion"', 'suffix = "movement-parameters"')
    (root / "cpac.json").write_text(queries)
    (root / "cpac.toml").write_text(strategy)
    return root


def command(layout: Layout) -> list[str]:
    """The command of the page."""
    (line,) = re.findall(r"```\n(bids_labelx .*?)\n```", SECTION)
    words = [one.replace("MNI152NLin6ASym", layout.space) for one in shlex.split(line)[1:]]
    return [layout.pipeline if one == SINCE_186.pipeline else one for one in words]


@pytest.fixture(scope="module", params=LAYOUTS)
def done(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Layout]:
    layout = LAYOUTS[request.param]
    root = write_output(tmp_path_factory.mktemp("cpac"), layout)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        assert main(command(layout)) == 0
    return root, layout


def outputs(root: Path, layout: Layout, session: int, denoising: str) -> Path:
    stem = f"sub-01_ses-{session}_task-rest_run-1_space-{layout.space}_atlas-slabs"
    folder = root / "OUT" / "sub-01" / f"ses-{session}" / "func"
    return folder / f"{stem}_stat-mean_desc-{denoising}_timeseries.tsv"


@pytest.mark.parametrize("session", [1, 2])
def test_series_are_what_least_squares_leave_of_the_images_means(
    done: tuple[Path, Layout], session: int
) -> None:
    root, layout = done
    func = root / layout.pipeline / layout.folder.format(session) / "func"
    desc = "head" if layout is RBC else "preproc"
    (path,) = func.glob(f"*_space-{layout.space}_desc-{desc}_bold.nii.gz")
    data, inside = nib.load(path).get_fdata(), np.where(brain(), labels(), 0)
    means = np.stack([data[inside == label].mean(axis=0) for label in (1, 2, 3)], axis=1)
    raw = pd.read_csv(outputs(root, layout, session, "raw"), sep="\t")
    assert list(raw) == ["one", "two", "three"]
    np.testing.assert_allclose(raw, means, rtol=1e-6)
    columns = regressors(session)
    columns = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    expected = means - columns @ np.linalg.lstsq(columns, means, rcond=None)[0]
    ours = pd.read_csv(outputs(root, layout, session, "cpac"), sep="\t")
    np.testing.assert_allclose(ours, expected, rtol=1e-6)
