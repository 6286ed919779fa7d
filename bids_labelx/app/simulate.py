"""A small simulated study, with a known answer: an fMRIPrep-like dataset and an atlas.

The first two subjects lie still but for a few jolts. Everything their artefacts are made of is in
the span of the confounds that the strategy ``simple`` regresses (24 motion parameters, white
matter, CSF, cosines), so cleaning brings the true correlations back, and leaving it out does not.
The others jerk their heads, each more often than the one before, and what a jerk does to the
signal of that volume no regressor follows: with ``simple`` regions correlate the more, the more a
subject moves, and only leaving these volumes out (``scrubbing.5``) helps.
"""

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
from scipy.ndimage import gaussian_filter
from scipy.signal import lfilter

from bids_labelx._version import __version__

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.int16]

SPACE = "MNI152NLin2009cAsym"
REPETITION_TIME = 2.0  # seconds
TIMING = {"RepetitionTime": REPETITION_TIME, "TaskName": "rest"}
RESOLUTION = {"Resolution": "6 mm isotropic, coarse for the sake of a small file"}
N_VOLUMES = 200
T1_EFFECT = (1.30, 1.10)  # intensity of the volumes before the steady state
HIGH_PASS_PERIOD = 128.0  # seconds
HEAD_RADIUS = 50.0  # millimetres, the sphere of Power et al. (2012)
JERK_SHARED = 0.6  # of the variance of what a jerk does, what all regions have in common
JERK_REACH = 40.0  # mm over which the rest gets less alike by e
JERK_SIZE = 6.0  # percent of baseline, standard deviation over jerks
THERMAL_NOISE = 12.0  # standard deviation per voxel; grey matter is at about 1000
BOLD_SLOPE = 0.5  # units per stored integer, so that readers must apply the header's scaling

BRAIN_CENTRE = np.array([0.0, -18.0, 10.0])  # mm
BRAIN_AXES = np.array([68.0, 84.0, 62.0])  # mm, half lengths
GREY, WHITE, CSF = 1, 2, 3  # fMRIPrep's numbers for tissues

NETWORKS = ("Visual", "Motor", "Default")
NETWORK_CORRELATION = np.array([[0.70, 0.10, -0.15], [0.10, 0.65, -0.10], [-0.15, -0.10, 0.60]])
# Directions of the two left regions of each network from the centre; the right ones mirror them.
SEEDS = (
    ((-0.35, -0.85, 0.40), (-0.45, -0.80, -0.40)),
    ((-0.45, -0.10, 0.88), (-0.95, -0.05, 0.10)),
    ((-0.40, 0.75, 0.52), (-0.50, 0.75, -0.35)),
)
REGION_RADIUS = 27.0  # mm around the region's seed
LABELS = (3, 7, 11, 12, 20, 26, 35, 41, 102, 117, 140, 205)

PARAMETERS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
MOTION_STEP = np.array([0.015, 0.02, 0.025, 3e-4, 2e-4, 2e-4])  # per volume, mm and radians


@dataclass(frozen=True)
class Demo:
    """Where a simulated study is: two datasets in one template space, and the right answer."""

    dataset: Path  # fMRIPrep-like derivatives
    atlas_dataset: Path  # a BIDS atlas dataset
    truth: Path  # TSV of true correlations, region names in its header and first column
    space: str


@dataclass(frozen=True)
class _Grid:
    """A grid of cubic voxels along the axes of the template."""

    shape: tuple[int, int, int]
    size: float  # mm
    origin: tuple[float, float, float]  # centre of the first voxel, mm

    @property
    def affine(self) -> Floats:
        return nib.affines.from_matvec(np.eye(3) * self.size, self.origin)

    @property
    def positions(self) -> Floats:
        """Millimetres of every voxel centre, shape (x, y, z, 3)."""
        return np.moveaxis(np.indices(self.shape), 0, -1) * self.size + np.array(self.origin)


# Offset from each other such that no BOLD voxel lies halfway between two atlas voxels.
BOLD_GRID = _Grid((30, 36, 30), 6.0, (-86.0, -124.0, -77.0))
ATLAS_GRID = _Grid((58, 70, 56), 3.0, (-85.5, -121.5, -74.5))


@dataclass(frozen=True)
class _Run:
    subject: str
    session: str
    run: str | None
    motion: float  # scale of the head motion
    jerks: int = 0  # volumes spoilt by sudden motion
    own_timing: bool = True  # False: RepetitionTime and TaskName are in the root's sidecar only

    @property
    def stem(self) -> str:
        run = f"_run-{self.run}" if self.run else ""
        return f"sub-{self.subject}_ses-{self.session}_task-rest{run}"


RUNS = (
    _Run("01", "pre", "1", 0.8),
    _Run("01", "pre", "2", 1.0),
    _Run("01", "post", None, 1.0),
    _Run("02", "pre", None, 1.2),
    _Run("02", "post", None, 1.6, own_timing=False),
    *(_Run(f"{i:02d}", "pre", None, 0.8, jerks=3 * (i - 2)) for i in range(3, 9)),
)


@dataclass(frozen=True)
class _Anatomy:
    """What every run shares, on the BOLD grid."""

    baseline: Floats  # steady-state intensity, 0 outside the head
    tissue: Integers  # 0 outside the brain
    source: Integers  # the row of the signals (see `_artefact_weights`) that a voxel shows


def simulate(folder: Path, *, seed: int = 0) -> Demo:
    """Simulate eight subjects, the first two with two sessions each, and an atlas of 12 regions.

    The same seed gives the same bytes in every file.

    Parameters
    ----------
    folder : Path
        Made when missing; ``simulated/``, ``atlas/`` and ``truth.tsv`` are written in it.
    seed : int
        A number from zero on.

    Raises
    ------
    ValueError
        `seed` is negative.
    """
    demo = Demo(folder / "simulated", folder / "atlas", folder / "truth.tsv", SPACE)
    weights = _artefact_weights(np.random.default_rng([seed, 0]))
    names, truth = region_names(), true_correlation()
    _write_tsv(demo.truth, {"name": names, **dict(zip(names, truth, strict=True))})
    _write_atlas(demo.atlas_dataset)
    anatomy = _anatomy()
    _write_shared(demo.dataset, anatomy)
    for number, run in enumerate(RUNS, start=1):
        rng = np.random.default_rng([seed, number])
        bold, columns = _simulate_run(rng, run, anatomy, truth, weights)
        _write_run(demo.dataset, run, anatomy, bold, columns)
    return demo


def region_names() -> list[str]:
    """Names of the 12 regions, in the order of the atlas table."""
    return [f"{side}H_{network}_{i}" for network in NETWORKS for side in "LR" for i in (1, 2)]


def true_correlation() -> Floats:
    """Correlations that the regions' neural signals are drawn from, regions by regions."""
    truth = np.kron(NETWORK_CORRELATION, np.ones((4, 4)))
    np.fill_diagonal(truth, 1.0)
    return truth


def _distance(mm: Floats, centre: npt.ArrayLike, axes: npt.ArrayLike) -> Floats:
    """Distance from an ellipsoid's centre, 1 on its surface; any shape of (..., 3) positions."""
    return np.linalg.norm((mm - np.asarray(centre)) / np.asarray(axes), axis=-1)


def _seeds() -> Floats:
    """Middles of the regions in table order, mm; (n_regions, 3)."""
    left = np.array(SEEDS)  # network, region, xyz
    both = np.stack([left, left * [-1, 1, 1]], axis=1).reshape(-1, 3)
    length = np.linalg.norm(both, axis=1, keepdims=True)
    return np.asarray(BRAIN_CENTRE + 0.85 * BRAIN_AXES * both / length)


def _regions(mm: Floats) -> Integers:
    """Number of the region (from 1 in table order, 0 for none) at each position.

    They reach a little out of the brain, as a group atlas does: coverage is not just 1.
    """
    distance = np.linalg.norm(mm[..., None, :] - _seeds(), axis=-1)
    radius = _distance(mm, BRAIN_CENTRE, BRAIN_AXES)
    inside = (radius > 0.72) & (radius < 1.03) & (distance.min(axis=-1) < REGION_RADIUS)
    return np.where(inside, distance.argmin(axis=-1) + 1, 0).astype(np.int16)


def _anatomy() -> _Anatomy:
    """Tissues, regions and steady-state intensities of the head on the BOLD grid."""
    mm = BOLD_GRID.positions
    radius = _distance(mm, BRAIN_CENTRE, BRAIN_AXES)
    tissue = np.select([radius < 0.70, radius < 1.0], [WHITE, GREY], 0).astype(np.int16)
    for side in (-1, 1):
        tissue[_distance(mm, (side * 14, -18, 14), (9, 26, 13)) < 1] = CSF  # a ventricle
    intensity = np.array([0.0, 1000.0, 850.0, 1300.0])[tissue]
    intensity[(tissue == 0) & (radius < 1.12)] = 150.0  # what the skull leaves
    other = np.array([len(LABELS) + 3, 0, len(LABELS) + 1, len(LABELS) + 2])
    source = np.where(tissue == GREY, _regions(mm), other[tissue])
    coil = 1 + 0.12 * np.cos(mm[..., 1] / 60) + 0.05 * mm[..., 2] / 80
    baseline = gaussian_filter(intensity, 0.5) * coil
    baseline[radius >= 1.12] = 0.0
    return _Anatomy(baseline, tissue, source)


def _band_limited(rng: np.random.Generator, n_series: int) -> Floats:
    """White noise kept between 0.008 and 0.2 Hz, expected variance 1; (volumes, series)."""
    spectrum = np.fft.rfft(rng.standard_normal((N_VOLUMES, n_series)), axis=0)
    frequency = np.fft.rfftfreq(N_VOLUMES, REPETITION_TIME)
    kept = (frequency > 0.008) & (frequency < 0.2)
    share = 2 * np.count_nonzero(kept) / N_VOLUMES
    return np.fft.irfft(spectrum * kept[:, None], N_VOLUMES, axis=0) / np.sqrt(share)


def _motion(rng: np.random.Generator, scale: float) -> Floats:
    """Rigid-body parameters (mm, radians): wandering, with a few jolts; (volumes, 6)."""
    steps = rng.standard_normal((N_VOLUMES, 6)) * MOTION_STEP * scale
    jolts = rng.choice(np.arange(10, N_VOLUMES - 10), size=4, replace=False)
    steps[jolts] += rng.choice([-1, 1], size=(4, 6)) * MOTION_STEP * 8 * scale
    return np.asarray(lfilter([1.0], [1.0, -0.95], steps, axis=0))


def _jerk(rng: np.random.Generator, parameters: Floats, n: int) -> tuple[Floats, Floats]:
    """Nod for one volume, `n` times: the parameters with it, and what it does to the signal.

    Returns
    -------
    parameters
        (volumes, 6).
    spoilt
        Percent of baseline by volume and region, (volumes, n_regions): normal numbers which are
        the more alike, the closer two regions are, so that none of the confounds follows them.
    """
    spoilt = np.zeros((N_VOLUMES, len(LABELS)))
    # Scrubbing leaves six volumes between two, which is enough for it.
    volumes = 8 * (1 + rng.permutation(N_VOLUMES // 8 - 1)[:n])
    nods = rng.choice([-1, 1], size=(n, 6)) * np.array([0.2, 0.3, 0.4, 4e-3, 2e-3, 2e-3])
    moved = parameters.copy()
    moved[volumes] += nods
    seeds = _seeds()
    near = np.exp(-np.linalg.norm(seeds[:, None] - seeds, axis=-1) / JERK_REACH)
    alike = JERK_SHARED + (1 - JERK_SHARED) * near
    spoilt[volumes] = rng.standard_normal((n, len(LABELS))) @ np.linalg.cholesky(alike).T
    return moved, spoilt * JERK_SIZE


def _expand(name: str, series: Floats) -> dict[str, Floats]:
    """A confound with its derivative and the squares of both, named as fMRIPrep names them."""
    derivative = np.r_[np.nan, np.diff(series)]
    return {
        name: series,
        f"{name}_derivative1": derivative,
        f"{name}_derivative1_power2": derivative**2,
        f"{name}_power2": series**2,
    }


def _cosines() -> dict[str, Floats]:
    """Discrete cosines of periods from 128 s on, zero before the steady state."""
    n = N_VOLUMES - len(T1_EFFECT)
    orders = np.arange(1, int(2 * n * REPETITION_TIME // HIGH_PASS_PERIOD) + 1)
    basis = np.sqrt(2 / n) * np.cos(np.pi / n * np.outer(orders, np.arange(n) + 0.5))
    padded = np.pad(basis, ((0, 0), (len(T1_EFFECT), 0)))
    return {f"cosine{i:02d}": column for i, column in enumerate(padded)}


def _mixture(rng: np.random.Generator, columns: Mapping[str, Floats]) -> Floats:
    """A random combination of columns, standardised over the steady state."""
    steady = slice(len(T1_EFFECT), None)
    matrix = np.nan_to_num(np.column_stack(list(columns.values())))
    matrix = (matrix - matrix[steady].mean(axis=0)) / matrix[steady].std(axis=0)
    mixed = matrix @ rng.standard_normal(matrix.shape[1])
    return (mixed - mixed[steady].mean()) / mixed[steady].std()


def _artefact_weights(rng: np.random.Generator) -> Floats:
    """Percent of baseline that motion, drift, white matter and CSF add; (16, 4).

    Row 0 is unlabelled grey matter, rows 1 to 12 the regions, then white matter, CSF and the
    voxels outside the brain.
    """
    low, high = np.array([[0.5, 0.2, 0.2, 0.1], [1.6, 1.2, 1.0, 0.7]])
    grey = rng.uniform(low, high, size=(1 + len(LABELS), 4))
    return np.vstack([grey, [0.8, 0.5, 2.0, 0.0], [1.2, 0.5, 0.0, 4.0], [3.0, 0.0, 0.0, 0.0]])


def _image(rng: np.random.Generator, anatomy: _Anatomy, percent: Floats) -> Integers:
    """The integers to store: signals, thermal noise and T1 effect, (x, y, z, volumes)."""
    head = anatomy.baseline > 0
    series = anatomy.baseline[head][:, None] * (1 + percent[anatomy.source[head]] / 100)
    series[:, : len(T1_EFFECT)] *= T1_EFFECT
    series += THERMAL_NOISE * rng.standard_normal(series.shape, dtype=np.float32)
    stored = np.zeros((*head.shape, N_VOLUMES), dtype=np.int16)
    stored[head] = np.rint(np.maximum(series, 0) / BOLD_SLOPE)
    return stored


def _simulate_run(
    rng: np.random.Generator, run: _Run, anatomy: _Anatomy, truth: Floats, weights: Floats
) -> tuple[Integers, dict[str, Floats]]:
    """The stored integers (x, y, z, volumes) of a run and the columns of its confounds table."""
    parameters, spoilt = _jerk(rng, _motion(rng, run.motion), run.jerks)
    motion: dict[str, Floats] = {}
    for name, series in zip(PARAMETERS, parameters.T, strict=True):
        motion |= _expand(name, series)
    cosines = _cosines()
    mixtures = [_mixture(rng, motion), _mixture(rng, cosines)]
    percent = weights @ np.column_stack([*mixtures, _band_limited(rng, 2)]).T
    percent[0] += _band_limited(rng, 1)[:, 0]
    percent[1 : len(truth) + 1] += np.linalg.cholesky(truth) @ _band_limited(rng, len(truth)).T
    percent[1 : len(truth) + 1] += spoilt.T
    stored = _image(rng, anatomy, percent)

    # Measured on the image as written, so that the table is true of the file beside it.
    brain = stored[anatomy.tissue > 0] * BOLD_SLOPE
    tissue = anatomy.tissue[anatomy.tissue > 0]
    columns = _expand("global_signal", brain.mean(axis=0))
    columns |= _expand("csf", brain[tissue == CSF].mean(axis=0))
    columns |= _expand("white_matter", brain[tissue == WHITE].mean(axis=0))
    columns |= _dvars(brain) | _framewise_displacement(parameters) | cosines
    for volume in range(len(T1_EFFECT)):
        columns[f"non_steady_state_outlier{volume:02d}"] = np.eye(1, N_VOLUMES, volume)[0]
    return stored, columns | motion


def _framewise_displacement(parameters: Floats) -> dict[str, Floats]:
    """Framewise displacement (mm) of Power et al. (2012), n/a for the first volume."""
    to_mm = np.array([1, 1, 1, HEAD_RADIUS, HEAD_RADIUS, HEAD_RADIUS])
    return {"framewise_displacement": np.r_[np.nan, np.abs(np.diff(parameters, axis=0)) @ to_mm]}


def _dvars(brain: Floats) -> dict[str, Floats]:
    """DVARS, as it is and over what a voxel's AR(1) noise makes it (Nichols, 2013)."""
    dvars = np.sqrt((np.diff(brain, axis=1) ** 2).mean(axis=0))
    low, high = np.percentile(brain, [25, 75], axis=1)
    centred = brain - brain.mean(axis=1, keepdims=True)
    ar1 = (centred[:, 1:] * centred[:, :-1]).sum(axis=1) / (centred**2).sum(axis=1)
    expected = np.sqrt(2 * (1 - ar1)) * (high - low) / 1.349
    return {"std_dvars": np.r_[np.nan, dvars / expected.mean()], "dvars": np.r_[np.nan, dvars]}


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


def _write_image(path: Path, data: npt.NDArray[Any], grid: _Grid, slope: float = 1.0) -> None:
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
    image = np.array([0, *LABELS], dtype=np.int16)[_regions(ATLAS_GRID.positions)]
    table = {"index": LABELS, "name": region_names(), "network": np.repeat(NETWORKS, 4)}
    stem = root / f"tpl-{SPACE}/anat/tpl-{SPACE}_atlas-Demo_res-01_dseg"
    _write_image(stem.with_suffix(".nii.gz"), image, ATLAS_GRID)
    _write_tsv(stem.with_suffix(".tsv"), table)
    network = {"Description": "Network that the region belongs to"}
    _write_json(stem.with_suffix(".json"), {"Resolution": "3 mm isotropic", "network": network})
    about = {"Name": "Demo", "Description": "No anatomical meaning", "License": "CC0-1.0"}
    _write_json(root / "atlas-Demo_description.json", about)
    _write_description(root, "bids_labelx demo atlas")


def _write_shared(root: Path, anatomy: _Anatomy) -> None:
    """What belongs to the whole dataset or a subject, not to one run."""
    _write_description(root, "bids_labelx simulated study")
    # Suffixes that fMRIPrep writes and that BIDS does not know yet.
    _write(root / ".bidsignore", b"*_timeseries.*\n*_boldref.*\n")
    subjects = sorted({run.subject for run in RUNS})
    _write_tsv(root / "participants.tsv", {"participant_id": [f"sub-{s}" for s in subjects]})
    _write_json(root / f"task-rest_space-{SPACE}_res-2_desc-preproc_bold.json", TIMING)
    for subject in subjects:
        stem = root / f"sub-{subject}/anat/sub-{subject}_space-{SPACE}_res-2_dseg"
        _write_image(stem.with_suffix(".nii.gz"), anatomy.tissue, BOLD_GRID)
        _write_json(stem.with_suffix(".json"), RESOLUTION)


def _write_run(
    root: Path, run: _Run, anatomy: _Anatomy, bold: Integers, columns: Mapping[str, Floats]
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
    confounds = folder / f"{run.stem}_desc-confounds_timeseries"
    _write_tsv(confounds.with_suffix(".tsv"), columns)
    methods = {name: {"Method": "Mean"} for name in ("global_signal", "csf", "white_matter")}
    _write_json(confounds.with_suffix(".json"), methods)
