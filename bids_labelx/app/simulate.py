"""Write a small simulated study with a known answer: an fMRIPrep-like dataset and an atlas."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_labelx._version import __version__
from bids_labelx.app.simulated_study import (
    ATLAS_GRID,
    BOLD_GRID,
    BOLD_SLOPE,
    LABELS,
    NETWORKS,
    REPETITION_TIME,
    RUNS,
    SPACE,
    T1_EFFECT,
    Anatomy,
    CubicGrid,
    Floats,
    Integers,
    SimulatedRun,
    artefact_weights,
    make_anatomy,
    own_correlation,
    region_names,
    regions_at,
    simulate_run,
    true_correlation,
)
from bids_labelx.app.simulated_surface import DENSITY, atlas_on_surfaces, series_on_surfaces
from bids_labelx.app.simulated_surface import SPACE as SURFACE

TIMING = {"RepetitionTime": REPETITION_TIME, "TaskName": "rest"}
RESOLUTION = {"Resolution": "6 mm isotropic, coarse so that the file is small"}

PARTICIPANTS = {
    "group": {
        "Description": "Group that was simulated",
        "Levels": {"control": "as truth.tsv", "patient": "as truth_group-patient.tsv"},
    },
    "scanner": {
        "Description": "Scanner that was simulated",
        "Levels": {"A": "as it is", "B": "adds a signal that all regions share"},
    },
}
DENSE = {"Density": "1,962 vertices a hemisphere, coarse so that the file is small"}


@dataclass(frozen=True)
class Demo:
    """Where a simulated study is: two datasets in one template space, and the right answer."""

    dataset: Path  # fMRIPrep-like derivatives
    atlas_dataset: Path  # a BIDS atlas dataset
    truth: Path  # TSV of true correlations, region names in its header and first column
    truth_of_patients: Path  # the same of patients
    space: str


def simulate(folder: Path, *, seed: int = 0) -> Demo:
    """Simulate 16 subjects, ten of them with two sessions each, and an atlas of 12 regions.

    One run is there on surfaces, too, with the atlas on these.

    ``simulated/``, ``atlas/``, ``truth.tsv`` and ``truth_group-patient.tsv`` are written in
    `folder`, which is made when missing. The same seed gives the same bytes in every file.

    Raises
    ------
    ValueError
        `seed` is negative.
    """
    truths = folder / "truth.tsv", folder / "truth_group-patient.tsv"
    demo = Demo(folder / "simulated", folder / "atlas", *truths, SPACE)
    weights = artefact_weights(np.random.default_rng([seed, 0]))
    names = region_names()
    truth = {group: true_correlation(group) for group in ("control", "patient")}
    for path, values in zip(truths, truth.values(), strict=True):
        _write_tsv(path, {"name": names, **dict(zip(names, values, strict=True))})
    _write_atlas(demo.atlas_dataset)
    anatomy = make_anatomy()
    _write_shared(demo.dataset, anatomy)
    for number, run in enumerate(RUNS, start=1):
        rng = np.random.default_rng([seed, number])
        own = truth[run.group]
        if run.individual:
            # The same in both sessions.
            own = own_correlation(np.random.default_rng([seed, 0, int(run.subject)]), own)
        bold, columns = simulate_run(rng, run, anatomy, own, weights)
        _write_run(demo.dataset, run, anatomy, bold, columns)
    return demo


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    _write(path, (json.dumps(content, indent=2) + "\n").encode())


def _write_tsv(path: Path, columns: Mapping[str, Any]) -> None:
    text = pd.DataFrame(dict(columns)).to_csv(
        sep="\t", index=False, na_rep="n/a", float_format="%.10g", lineterminator="\n"
    )
    _write(path, text.encode())


def _write_image(path: Path, data: npt.NDArray[Any], grid: CubicGrid, slope: float = 1.0) -> None:
    image = nib.Nifti1Image(data, grid.affine)
    image.set_sform(grid.affine, code="mni")
    image.set_qform(grid.affine, code="mni")
    image.header.set_xyzt_units("mm", "sec")
    image.header["pixdim"][4] = REPETITION_TIME  # of no meaning in a 3D image
    image.header.set_slope_inter(slope, 0)
    # No time and no file name in the gzip header: the same content, the same bytes.
    _write(path, gzip.compress(image.to_bytes(), compresslevel=6, mtime=0))


def _write_description(root: Path, name: str) -> None:
    description = {
        "Name": name,
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "License": "CC0-1.0",
        "GeneratedBy": [{"Name": "bids_labelx demo", "Version": __version__}],
    }
    _write_json(root / "dataset_description.json", description)


def _write_atlas(root: Path) -> None:
    """The atlas dataset: image, table, sidecars."""
    image = np.array([0, *LABELS], dtype=np.int16)[regions_at(ATLAS_GRID.positions)]
    table = {"index": LABELS, "name": region_names(), "network": np.repeat(NETWORKS, 4)}
    mesh = root / f"tpl-{SURFACE}/anat/tpl-{SURFACE}_atlas-Demo_den-{DENSITY}_dseg"
    _write(mesh.with_suffix(".dlabel.nii"), atlas_on_surfaces().to_bytes())
    _write_tsv(mesh.with_suffix(".tsv"), table)
    _write_json(mesh.with_suffix(".json"), DENSE)
    stem = root / f"tpl-{SPACE}/anat/tpl-{SPACE}_atlas-Demo_res-01_dseg"
    _write_image(stem.with_suffix(".nii.gz"), image, ATLAS_GRID)
    _write_tsv(stem.with_suffix(".tsv"), table)
    network = {"Description": "Network that the region belongs to"}
    _write_json(stem.with_suffix(".json"), {"Resolution": "3 mm isotropic", "network": network})
    about = {"Name": "Demo", "Description": "No anatomical meaning", "License": "CC0-1.0"}
    _write_json(root / "atlas-Demo_description.json", about)
    _write_description(root, "bids_labelx demo atlas")


def _write_shared(root: Path, anatomy: Anatomy) -> None:
    """What belongs to the whole dataset or a subject, not to one run."""
    _write_description(root, "bids_labelx simulated study")
    # Suffixes that fMRIPrep writes and that BIDS does not know yet.
    _write(root / ".bidsignore", b"*_timeseries.*\n*_boldref.*\n*_den-*\n")
    subjects = sorted({run.subject for run in RUNS})
    people = {run.subject: run for run in RUNS}
    _write_tsv(
        root / "participants.tsv",
        {
            "participant_id": [f"sub-{s}" for s in subjects],
            "group": [people[s].group for s in subjects],
            "scanner": [people[s].scanner for s in subjects],
        },
    )
    _write_json(root / "participants.json", PARTICIPANTS)
    _write_json(root / f"task-rest_space-{SPACE}_res-2_desc-preproc_bold.json", TIMING)
    for subject in subjects:
        stem = root / f"sub-{subject}/anat/sub-{subject}_space-{SPACE}_res-2_dseg"
        _write_image(stem.with_suffix(".nii.gz"), anatomy.tissue, BOLD_GRID)
        _write_json(stem.with_suffix(".json"), RESOLUTION)


def _write_run(
    root: Path, run: SimulatedRun, anatomy: Anatomy, bold: Integers, columns: Mapping[str, Floats]
) -> None:
    """The image, mask, reference and confounds of one run, with their sidecars."""
    folder = root / f"sub-{run.subject}/ses-{run.session}/func"
    standard = f"{run.stem}_space-{SPACE}_res-2"
    sidecar = {"SkullStripped": False, **RESOLUTION, **(TIMING if run.own_timing else {})}
    _write_image(folder / f"{standard}_desc-preproc_bold.nii.gz", bold, BOLD_GRID, BOLD_SLOPE)
    _write_json(folder / f"{standard}_desc-preproc_bold.json", sidecar)
    mask = (anatomy.tissue > 0).astype(np.uint8)
    _write_image(folder / f"{standard}_desc-brain_mask.nii.gz", mask, BOLD_GRID)
    _write_json(folder / f"{standard}_desc-brain_mask.json", {"Type": "Brain", **RESOLUTION})
    reference = np.rint(bold[..., len(T1_EFFECT) :].mean(axis=-1)).astype(np.int16)
    _write_image(folder / f"{standard}_boldref.nii.gz", reference, BOLD_GRID, BOLD_SLOPE)
    if run.surfaces:
        dense = folder / f"{run.stem}_space-{SURFACE}_den-{DENSITY}_bold"
        _write(dense.with_suffix(".dtseries.nii"), series_on_surfaces(bold).to_bytes())
        _write_json(dense.with_suffix(".json"), {**TIMING, **DENSE})
    confounds = folder / f"{run.stem}_desc-confounds_timeseries"
    _write_tsv(confounds.with_suffix(".tsv"), columns)
    methods = {name: {"Method": "Mean"} for name in ("global_signal", "csf", "white_matter")}
    _write_json(confounds.with_suffix(".json"), methods)
