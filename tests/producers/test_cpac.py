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
from bids_labelx.errors import ExitCode

INPUTS = Path(__file__).parents[2] / "docs" / "howto" / "producers.md"
SECTION = INPUTS.read_text("utf-8").split("## C-PAC\n")[1].split("\n## ")[0]
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
    (line,) = re.findall(r"```bash\n(bids_labelx .*?)\n```", SECTION)
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


@pytest.mark.parametrize("session", [1, 2])
def test_sidecars_name_the_files_read_and_their_producer(
    done: tuple[Path, Layout], session: int
) -> None:
    root, layout = done
    sidecar = json.loads(outputs(root, layout, session, "cpac").with_suffix(".json").read_text())
    folder = f"{layout.folder.format(session)}/func"
    stem = f"sub-01_ses-{session}_task-rest_run-1"
    image = "desc-head" if layout is RBC else "desc-preproc"
    assert sidecar["Sources"] == [
        f"bids:preprocessed:{folder}/{stem}_space-{layout.space}_{image}_bold.nii.gz",
        f"bids:preprocessed:{folder}/{stem}_space-{layout.space}_desc-bold_mask.nii.gz",
        f"bids:preprocessed:{folder}/{stem}_{layout.regressors}",
        f"bids:preprocessed:{folder}/{stem}_{layout.motion}",
        "bids:atlas-slabs:slabs.nii.gz",
        "bids:atlas-slabs:slabs.tsv",
    ]
    assert list(sidecar["PreprocessedBy"]) == ["C-PAC 1.8.7"]
    assert sidecar["ConfoundRegressors"] == COLUMNS


@pytest.mark.parametrize("session", [1, 2])
def test_displacement_is_that_of_c_pacs_own_formula(
    done: tuple[Path, Layout], session: int
) -> None:
    root, layout = done
    steps = np.abs(np.diff(np.round(motion_parameters(session), 4), axis=0))
    # Power's, as C-PAC computes it of its file: degrees on a sphere of 50 mm, then mm.
    expected = steps[:, 3:].sum(axis=1) + 50 * np.pi / 180 * steps[:, :3].sum(axis=1)
    sidecar = json.loads(outputs(root, layout, session, "cpac").with_suffix(".json").read_text())
    assert sidecar["MeanFramewiseDisplacement"] == pytest.approx(expected.mean(), rel=1e-6)


def test_each_session_has_its_tables_and_nothing_else_is_written(
    done: tuple[Path, Layout],
) -> None:
    root, layout = done
    found = {path.relative_to(root / "OUT").as_posix() for path in (root / "OUT").rglob("*.tsv")}
    expected = {"descriptions.tsv"}
    for session in (1, 2):
        stem = f"sub-01/ses-{session}/func/sub-01_ses-{session}_task-rest_run-1"
        of_atlas = f"{stem}_space-{layout.space}_atlas-slabs"
        expected |= {f"{of_atlas}_dseg.tsv"}
        for name in ("raw", "cpac"):
            expected |= {
                f"{stem}_desc-{name}_outliers.tsv",
                f"{of_atlas}_stat-mean_desc-{name}_timeseries.tsv",
                f"{of_atlas}_stat-mean_meas-correlation_desc-{name}_relmat.tsv",
            }
    assert found == expected


@pytest.fixture
def rbc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_output(tmp_path, RBC)


def test_regressed_images_are_no_runs_unless_asked_for(
    rbc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (rbc / "cpac.json").write_text('{"mask": {"desc": "bold"}}')
    assert main(command(RBC)) == ExitCode.NO_RUNS
    told = capsys.readouterr().err
    assert "only images whose confounds C-PAC has regressed out (reg- 36Parameter, aComp" in told
    assert '--bids-filter-file ({"bold": {"reg": "36Parameter"}})' in told


def test_a_regressed_image_is_not_regressed_again(
    rbc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (rbc / "cpac.json").write_text('{"bold": {"reg": "36Parameter"}, "mask": {"desc": "bold"}}')
    assert main(command(RBC)) == ExitCode.SOME_FAILED
    assert "C-PAC's nuisance regression (reg-36Parameter in its name)" in capsys.readouterr().err
    start = "sub-01_ses-1_task-rest_run-1_space-MNI152NLin6ASym"
    written = {path.name for path in (rbc / "OUT").rglob(f"{start}*_timeseries.tsv")}
    assert {name.split("_stat-")[1] for name in written} == {"mean_desc-raw_timeseries.tsv"}


def test_volumes_of_a_regressed_image_can_be_censored(rbc: Path) -> None:
    (rbc / "cpac.json").write_text('{"bold": {"reg": "36Parameter"}, "mask": {"desc": "bold"}}')
    motion = (rbc / "cpac.toml").read_text().split("[[confounds.tables]]\n")[2]
    scrub = "[volumes.scrub]\nfd_threshold = 0.4\nmin_segment = 0\n"
    (rbc / "cpac.toml").write_text("[[confounds.tables]]\n" + motion.split("[clean]")[0] + scrub)
    assert main(command(RBC)) == 0
    series = {}
    for name in ("raw", "cpac"):
        (path,) = rbc.glob(f"OUT/sub-01/ses-1/func/*_reg-36Parameter_*_desc-{name}_timeseries.tsv")
        series[name] = pd.read_csv(path, sep="\t").to_numpy()
    steps = np.abs(np.diff(np.round(motion_parameters(1), 4), axis=0))
    displacement = steps[:, 3:].sum(axis=1) + 50 * np.pi / 180 * steps[:, :3].sum(axis=1)
    kept = np.append(True, displacement <= 0.4)
    assert 0 < kept.sum() < N_VOLUMES
    np.testing.assert_array_equal(series["cpac"], series["raw"][kept])


def test_a_regressed_image_is_known_by_its_sidecar_where_its_name_does_not_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_output(tmp_path, SINCE_186)
    (sidecar,) = tmp_path.rglob("*_ses-2_*_desc-preproc_bold.json")
    sidecar.write_text(json.dumps({"CpacProvenance": REGRESSED}))
    assert main(command(SINCE_186)) == ExitCode.SOME_FAILED
    told = capsys.readouterr().err
    assert "C-PAC's nuisance regression (CpacProvenance in its sidecar)" in told
    assert outputs(tmp_path, SINCE_186, 1, "cpac").exists()
    assert outputs(tmp_path, SINCE_186, 2, "raw").exists()
    assert not outputs(tmp_path, SINCE_186, 2, "cpac").exists()


def test_the_regressors_of_another_set_are_not_taken(
    rbc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strategy = (rbc / "cpac.toml").read_text()
    (rbc / "cpac.toml").write_text(strategy.replace("36Parameter", "GSR"))
    assert main(command(RBC)) == ExitCode.SOME_FAILED
    assert "no regressors table with reg-GSR" in capsys.readouterr().err
    (rbc / "cpac.toml").write_text(strategy.replace('entities = { reg = "36Parameter" }', ""))
    assert main([*command(RBC), "--overwrite"]) == ExitCode.SOME_FAILED
    told = capsys.readouterr().err
    assert "no regressors table (…_regressors.1D) for sub-01_ses-1_task-rest_run-1" in told
    assert "_reg-36Parameter_regressors.1D" in told


@pytest.mark.parametrize(
    ("folder", "advice"),
    [
        (".", "of C-PAC's output give {}/cpac_RBCv0"),
        ("cpac_RBCv0", "C-PAC writes none: put dataset_description.json into the folder"),
    ],
)
def test_without_a_description_c_pacs_folder_is_told_what_to_do(
    rbc: Path, capsys: pytest.CaptureFixture[str], folder: str, advice: str
) -> None:
    (rbc / "cpac_RBCv0" / "dataset_description.json").unlink()
    main([str(rbc / folder), *command(RBC)[1:]])
    assert advice.format(rbc) in capsys.readouterr().err
