"""What `ci/bench` reads, made from seeds: a run in three forms, atlases, datasets, results."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from isal import igzip
from scipy.spatial import cKDTree

from bids_labelx.outputs.pieces import store_of
from bids_labelx.outputs.run_records import recorded_file
from bids_labelx.outputs.store import append

T_R = 2.0
N_CONFOUNDS = 36
AFFINE = np.diag([2.0, 2, 2, 1])
SPACE = "space-MNI152NLin2009cAsym"

_Shape = tuple[int, int, int]

_DESCRIPTION = {
    "Name": "fMRIPrep",
    "BIDSVersion": "1.9.0",
    "DatasetType": "derivative",
    "GeneratedBy": [{"Name": "fMRIPrep", "Version": "24.1.1"}],
}


def make_data(
    folder: Path,
    shape: _Shape,
    n_volumes: int,
    n_labels: tuple[int, ...],
    n_subjects: int,
    n_results: int,
) -> None:
    """All of it: files for the masker, a dataset of one run, a study, names, results."""
    for name, labels in zip("abc", n_labels, strict=True):
        write_labels(folder / f"{name}.nii.gz", shape, labels)
    write_run(folder / "int16.nii.gz", shape, n_volumes, "<i2")
    write_run(folder / "float32.nii.gz", shape, n_volumes, "<f4")
    write_run(folder / "float32.nii", shape, n_volumes, "<f4")
    write_run(folder / "long.nii.gz", shape, 4 * n_volumes, "<i2")
    for name, length in (("confounds", n_volumes), ("long", 4 * n_volumes)):
        table = np.random.default_rng(1).standard_normal((length, N_CONFOUNDS)).cumsum(axis=0)
        np.save(folder / f"{name}.npy", table)

    dataset = folder / "dataset"
    add_participant(dataset, "01", folder / "int16.nii.gz", folder / "mask.nii.gz", n_volumes)
    (folder / "small").mkdir()
    small = (20, 24, 18)
    write_run(folder / "small" / "run.nii.gz", small, 60, "<i2")
    write_labels(folder / "small" / "labels.nii.gz", small, 50)
    for number in range(1, min(20, n_subjects) + 1):
        files = folder / "small" / "run.nii.gz", folder / "small" / "mask.nii.gz"
        add_participant(folder / "study", f"{number:02d}", *files, 60)
    make_tree(folder / "tree", n_subjects)
    write_labels(folder / "small" / "group.nii.gz", small, n_labels[1])
    make_results(folder / "results", folder, n_results)
    make_compact(folder / "compact", folder / "results")


def write_run(path: Path, shape: _Shape, n_volumes: int, dtype: str) -> None:
    """A head-like run: a brain with contrast, drift and noise, and a darker scalp around it."""
    rng = np.random.default_rng(0)
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    radius = sum(axis**2 for axis in axes)
    brain, head = radius < 0.75, radius < 0.88
    base = np.where(brain, 900 + 200 * np.cos(6 * axes[0]) * np.cos(5 * axes[1]), 300)
    spread = np.where(brain, 30, 15)
    header = nib.Nifti1Image(np.zeros((1, 1, 1, 1), dtype), AFFINE).header
    header.set_data_shape((*shape, n_volumes))
    header.set_zooms((2, 2, 2, T_R))
    header.set_xyzt_units("mm", "sec")
    header["vox_offset"] = 352
    start = io.BytesIO()
    header.write_to(start)
    with igzip.open(path, "wb") if path.suffix == ".gz" else path.open("wb") as stream:
        stream.write(start.getvalue())
        for t in range(n_volumes):
            noise = spread * rng.standard_normal(shape) + 10 * np.sin(t / 20)
            volume = np.where(head, base + noise, 0).astype(dtype)
            stream.write(volume.tobytes(order="F"))


def write_labels(path: Path, shape: _Shape, n_labels: int) -> None:
    """Labels as blobs, the nearest of random centres, and beside them the mask of the brain."""
    rng = np.random.default_rng(n_labels)
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    inside = sum(axis**2 for axis in axes) < 0.75
    points = np.column_stack([axis[inside] for axis in axes])
    centres = points[rng.choice(len(points), n_labels, replace=False)]
    labels = np.zeros(shape, np.int16)
    labels[inside] = cKDTree(centres).query(points)[1] + 1
    nib.save(nib.Nifti1Image(labels, AFFINE), path)
    mask = nib.Nifti1Image(inside.astype(np.uint8), AFFINE)
    nib.save(mask, path.with_name("mask.nii.gz"))


def add_participant(root: Path, label: str, bold: Path, mask: Path, n_volumes: int) -> None:
    """One run with mask, sidecar and confounds, as fMRIPrep names them; images are hard links."""
    func = root / f"sub-{label}" / "func"
    func.mkdir(parents=True)
    (root / "dataset_description.json").write_text(json.dumps(_DESCRIPTION))
    stem = f"sub-{label}_task-rest"
    os.link(bold, func / f"{stem}_{SPACE}_desc-preproc_bold.nii.gz")
    os.link(mask, func / f"{stem}_{SPACE}_desc-brain_mask.nii.gz")
    sidecar = func / f"{stem}_{SPACE}_desc-preproc_bold.json"
    sidecar.write_text(json.dumps({"RepetitionTime": T_R}))
    table = fmriprep_confounds(n_volumes)
    path = func / f"{stem}_desc-confounds_timeseries.tsv"
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")


def make_results(results: Path, folder: Path, n_participants: int) -> None:
    """What the participant level writes and records, of one participant and many like it.

    Each has a mean framewise displacement of its own, and one of twenty matrices, all in files of
    their own.
    """
    words = [folder / "study", results, "participant", "--participant-label", "01"]
    atlas = [
        "--atlas",
        f"b={folder / 'small' / 'group.nii.gz'}",
        "--atlas-space",
        "MNI152NLin2009cAsym",
    ]
    subprocess.run(
        [sys.executable, "-m", "bids_labelx", *words, *atlas], check=True, capture_output=True
    )
    first = results / "sub-01"
    (matrix,) = first.rglob("*_relmat.tsv")
    (sidecar,) = first.rglob("*_timeseries.json")
    measured = pd.read_csv(matrix, sep="\t", index_col=0)
    names = measured.index
    rng = np.random.default_rng(3)
    pool = []
    for number in range(min(20, n_participants)):
        r = pd.DataFrame(np.corrcoef(rng.standard_normal((len(names), 120))), names, names)
        pool.append(folder / f"matrix-{number}.tsv")
        # Labels that are missing in the run are missing in each.
        r = r.where(measured.notna().to_numpy())
        r.to_csv(pool[-1], sep="\t", float_format="%.9g", na_rep="n/a", index_label="name")
    content = json.loads(sidecar.read_text())
    (record,) = (results / "logs" / "runs").glob("sub-01_*.json")
    for number in range(2, n_participants + 1):
        label = f"sub-{number:02d}"
        for path in filter(Path.is_file, first.rglob("*")):
            where = results / label / path.relative_to(first)
            where = where.with_name(where.name.replace("sub-01", label))
            where.parent.mkdir(parents=True, exist_ok=True)
            if path == sidecar:
                content["MeanFramewiseDisplacement"] = rng.uniform(0.05, 0.5)
                where.write_text(json.dumps(content))
            else:
                shutil.copyfile(pool[number % len(pool)] if path == matrix else path, where)
        record_copy(results, record, label)


def make_compact(compact: Path, results: Path) -> None:
    """The same results in a compact output folder, as jobs of a participant each add to it."""
    labels = sorted(path.name for path in results.glob("sub-*") if path.is_dir())
    for label in labels:
        found = (results / label).rglob("*"), results.glob(f"{label}.html")
        own = [path for paths in found for path in paths if path.is_file()]
        own += results.glob(f"logs/*/{label}_*")
        append(store_of(compact), results, [path.relative_to(results) for path in own])
    for path in results.rglob("*"):
        shared = path.relative_to(results)
        if path.is_file() and not str(shared).startswith(("sub-", "logs/runs", "logs/.")):
            (compact / shared).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, compact / shared)


def record_copy(results: Path, record: Path, label: str) -> None:
    """Record the results of a participant as those of another are recorded."""
    content = json.loads(record.read_text().replace("sub-01", label))
    content["entities"]["sub"] = label.removeprefix("sub-")
    for name, file in content["files"].items():
        *about, _ = file[1:]
        content["files"][name] = recorded_file(results / name, *about)
    record.with_name(record.name.replace("sub-01", label)).write_text(json.dumps(content))


def fmriprep_confounds(n_volumes: int) -> pd.DataFrame:
    """Motion, tissue signals and cosines with fMRIPrep's names."""
    rng = np.random.default_rng(2)
    axes = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    columns = {}
    for name in (*axes, "csf", "white_matter", "global_signal"):
        series = 0.01 * rng.standard_normal(n_volumes).cumsum()
        change = np.diff(series, prepend=np.nan)
        columns |= {name: series, f"{name}_derivative1": change}
        columns |= {f"{name}_power2": series**2, f"{name}_derivative1_power2": change**2}
    for k in range(int(2 * n_volumes * T_R / 128)):
        columns[f"cosine{k:02d}"] = np.cos(
            np.pi * (k + 1) * (np.arange(n_volumes) + 0.5) / n_volumes
        )
    columns["framewise_displacement"] = np.abs(np.diff(columns["trans_x"], prepend=np.nan))
    return pd.DataFrame(columns)


_MNI = f"{SPACE}_res-2_"
_SPACES = ("", "space-T1w_", _MNI)
_IMAGE = (".json", ".nii.gz")
_ANAT = (
    *(f"{s}desc-preproc_T1w{end}" for s in ("", _MNI) for end in _IMAGE),
    *(f"{s}desc-brain_mask{end}" for s in ("", _MNI) for end in _IMAGE),
    *(f"{s}label-{tissue}_probseg.nii.gz" for s in ("", _MNI) for tissue in ("CSF", "GM", "WM")),
    *(f"from-{ends}_mode-image_xfm.h5" for ends in ("T1w_to-MNI6", "MNI6_to-T1w")),
    *(f"hemi-{side}_pial.surf.gii" for side in "LR"),
)
_FIGURES = (
    *("desc-about_T1w.html", "desc-summary_T1w.html", "desc-reconall_T1w.svg", "dseg.svg"),
    *(f"task-rest_desc-{d}_bold.svg" for d in ("carpetplot", "confoundcorr", "coreg", "rois")),
    "task-rest_desc-summary_bold.html",
)
_FUNC = (
    *(f"{s}desc-preproc_bold{end}" for s in _SPACES for end in _IMAGE),
    *(f"{s}desc-brain_mask{end}" for s in _SPACES for end in _IMAGE),
    *(f"{s}boldref.nii.gz" for s in _SPACES),
    *(f"desc-confounds_timeseries{end}" for end in (".json", ".tsv")),
    *(f"from-{ends}_mode-image_xfm.txt" for ends in ("boldref_to-T1w", "orig_to-boldref")),
    *(f"hemi-{side}_space-fsaverage5_bold.func.gii" for side in "LR"),
)


def make_tree(folder: Path, n_subjects: int) -> None:
    """Seventy empty files of each participant ``sub-0001``, ``sub-0002``, …, named by fMRIPrep."""
    folder.mkdir()
    (folder / "dataset_description.json").write_text(json.dumps(_DESCRIPTION))
    for number in range(1, n_subjects + 1):
        subject = f"sub-{number:04d}"
        for part in ("anat", "figures", "func"):
            (folder / subject / part).mkdir(parents=True)
        for name in _names(subject):
            content = '{"RepetitionTime": 2.0}' if name.endswith(".json") else ""
            (folder / name).write_text(content)


def _names(subject: str) -> Iterator[str]:
    """Paths of a participant's files within the dataset."""
    yield f"{subject}.html"
    yield from (f"{subject}/anat/{subject}_{name}" for name in _ANAT)
    yield from (f"{subject}/figures/{subject}_{name}" for name in _FIGURES)
    for task in ("rest", "nback"):
        yield from (f"{subject}/func/{subject}_task-{task}_{name}" for name in _FUNC)
