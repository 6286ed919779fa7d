"""The rows of `ci/bench` on grayordinates and surfaces, beside Workbench, and their data.

Workbench is looked for on the path; without it these rows have no peer.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from bench_measure import Row, faster, memory, snippet
from nibabel.cifti2 import LabelAxis, SeriesAxis
from nibabel.gifti import GiftiDataArray, GiftiImage

from bids_labelx.extraction.cifti import brain_model_axis
from bids_labelx.extraction.grayordinates import BrainModel, Grayordinates
from bids_labelx.extraction.space import VolumeGrid

T_R = 0.8
# Of the 91k grayordinates: vertices of 32,492 a hemisphere without the medial wall, and voxels.
CORTEX = {"CORTEX_LEFT": 29696, "CORTEX_RIGHT": 29716}
MESH, VOXELS, GRID = 32492, 31870, (91, 109, 91)
HEMISPHERE = 10242  # of fsaverage5
N_CONFOUNDS = 36
STRATEGIES = (0, 6, 24, 36)
BAND = f"detrend=True, filter='butterworth', low_pass=0.1, high_pass=0.01, t_r={T_R}"

SETUP = f"""
import numpy as np, nibabel as nib, subprocess
from pathlib import Path
from bids_labelx.extraction.cifti import read_label_map
from bids_labelx.extraction.clean import clean
from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.headers import load_image
from bids_labelx.extraction.gifti import open_gifti, open_hemispheres
from bids_labelx.extraction.reduce import reduce_volumes
from bids_labelx.extraction.regions import find_regions
clean(np.random.default_rng(0).normal(size=(90, 2)), {BAND})
"""


def make_surface_data(
    folder: Path, n_volumes: int, n_gifti: int, n_labels: tuple[int, ...]
) -> None:
    """A dense series, atlases on its grayordinates, a GIFTI pair and confounds."""
    space = _grayordinates()
    rng = np.random.default_rng(5)
    axis = brain_model_axis(space)
    values = rng.standard_normal((n_volumes, space.n_elements), dtype=np.float32)
    values = values * 10 + 1000
    _save(folder / "run.dtseries.nii", values, SeriesAxis(0, T_R, n_volumes), axis, "SERIES")
    for name, count in zip("abc", n_labels, strict=True):
        labels = np.arange(space.n_elements) * count // space.n_elements + 1
        names = {0: ("???", (0.0,) * 4)} | {i: (f"r{i}", (0.5,) * 4) for i in range(1, count + 1)}
        maps = LabelAxis([name], [names])
        _save(folder / f"{name}.dlabel.nii", labels[None].astype(np.float32), maps, axis, "LABELS")
    for hemi in "LR":
        arrays = [
            GiftiDataArray(
                rng.standard_normal(HEMISPHERE, dtype=np.float32),
                intent="NIFTI_INTENT_TIME_SERIES",
            )
            for _ in range(n_gifti)
        ]
        nib.save(GiftiImage(darrays=arrays), folder / f"hemi-{hemi}_bold.func.gii")
    table = rng.standard_normal((n_volumes, N_CONFOUNDS)).cumsum(axis=0)
    np.save(folder / "surface_confounds.npy", table)


def _grayordinates() -> Grayordinates:
    models = [
        BrainModel(name, MESH, np.arange(count, dtype=np.int32)) for name, count in CORTEX.items()
    ]
    voxels = np.argwhere(np.ones(GRID, dtype=bool))[:: np.prod(GRID) // VOXELS][:VOXELS]
    models.append(BrainModel("OTHER", 0, voxels.astype(np.int32)))
    return Grayordinates(tuple(models), VolumeGrid.of(GRID, np.diag([2.0, 2, 2, 1])))


def _save(path: Path, values: np.ndarray, rows: Any, columns: Any, intent: str) -> None:
    image = nib.Cifti2Image(values, (rows, columns), dtype=np.float32)
    image.nifti_header.set_intent(f"NIFTI_INTENT_CONNECTIVITY_DENSE_{intent}")
    nib.save(image, path)


def surface_rows(folder: Path, size: Mapping[str, Any]) -> list[Row]:
    """One atlas, three atlases with four strategies, and a GIFTI pair."""
    run, program = str(folder / "run.dtseries.nii"), shutil.which("wb_command")
    what = f"dtseries 91,282 × {size['n_dense']:,}"
    images = [str(folder / f"{name}.dlabel.nii") for name in "abc"]
    parcellate = (
        f"def parcellate(image):\n"
        f"    subprocess.run([{program!r}, '-cifti-parcellate', {run!r}, image, 'COLUMN', "
        f"{str(folder / 'out.ptseries.nii')!r}], check=True)\n"
    )
    reduce = (
        f"data = open_run_data({run!r})\n"
        "regions = []\n"
        "for image in images:\n"
        "    labels, own, _ = read_label_map(image, load_image(image))\n"
        "    laid = data.space.lay_labels(labels.astype(np.int64), own)\n"
        "    regions.append(find_regions(laid, np.arange(1, laid.max() + 1)))\n"
        "reduced = reduce_volumes(data, regions, ['mean'], uncovered='exclude')\n"
    )
    clean = (
        f"    for count in {STRATEGIES}:\n"
        f"        clean(signals, confounds=table[:, :count] if count else None, {BAND})\n"
    )
    load = f"table = np.load({str(folder / 'surface_confounds.npy')!r})\n"
    several = load + f"images = {images}\n" + reduce
    several += "for signals in (one['mean'] for one in reduced.signals):\n" + clean
    theirs = load + f"for image in {images}:\n    parcellate(image)\n"
    theirs += f"    signals = np.asarray(nib.load({str(folder / 'out.ptseries.nii')!r}).dataobj)\n"
    theirs += "    signals = signals.astype(float)\n" + clean
    one = f"images = {images[1:2]}\n" + reduce
    paired = {hemi: str(folder / f"hemi-{hemi}_bold.func.gii") for hemi in "LR"}
    pair = (
        f"run = open_hemispheres({{k: open_gifti(Path(p)) for k, p in {paired}.items()}})\n"
        "regions = [find_regions(np.arange(run.n_elements) // 100 + 1, np.arange(1, 200))]\n"
        "reduce_volumes(run, regions, ['mean'], uncovered='exclude')"
    )
    held = f"images = [nib.load(p).agg_data() for p in {list(paired.values())}]"
    bars = (faster(1.5, "Workbench"), memory(350)) if program else (memory(350),)

    def peer(body: str) -> Any:
        return snippet(SETUP + parcellate, body) if program else None

    return [
        Row(
            f"{what}, one atlas",
            snippet(SETUP, one),
            peer(f"parcellate({images[1]!r})"),
            "Workbench",
            bars,
        ),
        Row(
            f"{what}, three atlases × four strategies",
            snippet(SETUP, several),
            peer(theirs),
            "Workbench",
            bars,
        ),
        Row(
            f"GIFTI pair of 10,242 × {size['n_gifti']}",
            snippet(SETUP, pair),
            snippet(SETUP, held),
            "nibabel",
            # Of the libraries; a hemisphere's file has 25 MB, its values have 27.
            (memory(200),),
        ),
    ]
