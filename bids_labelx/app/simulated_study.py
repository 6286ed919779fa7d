"""A small simulated study as arrays, with a known answer.

The first two subjects lie still but for a few jolts. Everything their artefacts are made of is in
the span of the confounds that the strategy ``simple`` regresses (24 motion parameters, white
matter, CSF, cosines), so cleaning brings the true correlations back, and leaving it out does not.
The others jerk their heads, each more often than the one before, and what a jerk does to the
signal of that volume no regressor follows: with ``simple`` regions correlate the more, the more a
subject moves, and only leaving these volumes out (``scrubbing.5``) helps.

All but the first two have correlations of their own, spread about those of their group. Eight of
them were scanned twice; half of these are patients, in whom two networks are connected otherwise,
and half were scanned on another scanner, which adds a signal to all regions. Patients and
controls, and both scanners, move alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from scipy.signal import lfilter
from scipy.stats import wishart

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.int16]

SPACE = "MNI152NLin2009cAsym"
REPETITION_TIME = 2.0  # seconds
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
# Of patients, between the first network and the last, where controls have -0.15.
PATIENTS_CORRELATION = 0.35
OWN_FREEDOM = 80  # degrees of the Wishart distribution by which individuals spread
OWN_JERKS = (4, 12, 4, 12)  # of a patient and a control each, so that groups move alike
SCANNER_SIGNAL = 0.45  # percent of baseline that scanner B adds to all regions, standard deviation
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
class CubicGrid:
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
BOLD_GRID = CubicGrid((30, 36, 30), 6.0, (-86.0, -124.0, -77.0))
ATLAS_GRID = CubicGrid((58, 70, 56), 3.0, (-85.5, -121.5, -74.5))


@dataclass(frozen=True)
class SimulatedRun:
    subject: str
    session: str
    run: str | None
    motion: float  # scale of the head motion
    jerks: int = 0  # volumes spoilt by sudden motion
    surfaces: bool = False  # also sampled on surfaces, see `simulated_surface`
    own_timing: bool = True  # False: RepetitionTime and TaskName are in the root's sidecar only
    group: str = "control"
    scanner: str = "A"
    individual: bool = False  # with true correlations of one's own

    @property
    def stem(self) -> str:
        run = f"_run-{self.run}" if self.run else ""
        return f"sub-{self.subject}_ses-{self.session}_task-rest{run}"


RUNS = (
    SimulatedRun("01", "pre", "1", 0.8),
    SimulatedRun("01", "pre", "2", 1.0),
    SimulatedRun("01", "post", None, 1.0, surfaces=True),
    SimulatedRun("02", "pre", None, 1.2),
    SimulatedRun("02", "post", None, 1.6, own_timing=False),
    *(
        SimulatedRun(f"{i:02d}", "pre", None, 0.8, jerks=3 * (i - 2), individual=True)
        for i in range(3, 9)
    ),
    *(
        SimulatedRun(
            f"{i:02d}",
            session,
            None,
            0.8,
            jerks=OWN_JERKS[(i - 9) // 2],
            group="patient" if i % 2 else "control",
            scanner="B" if i > 12 else "A",
            individual=True,
        )
        for i in range(9, 17)
        for session in ("pre", "post")
    ),
)


@dataclass(frozen=True)
class Anatomy:
    """What every run shares, on the BOLD grid."""

    baseline: Floats  # steady-state intensity, 0 outside the head
    tissue: Integers  # 0 outside the brain
    source: Integers  # the row of the signals (see `artefact_weights`) that a voxel shows


def region_names() -> list[str]:
    """Names of the 12 regions, in the order of the atlas table."""
    return [f"{side}H_{network}_{i}" for network in NETWORKS for side in "LR" for i in (1, 2)]


def true_correlation(group: str = "control") -> Floats:
    """Correlations that the regions' neural signals are drawn from, regions by regions."""
    between = NETWORK_CORRELATION.copy()
    if group == "patient":
        between[0, 2] = between[2, 0] = PATIENTS_CORRELATION
    truth = np.kron(between, np.ones((4, 4)))
    np.fill_diagonal(truth, 1.0)
    return truth


def own_correlation(rng: np.random.Generator, truth: Floats) -> Floats:
    """An individual's correlations, spread about the group's."""
    covariance = wishart(OWN_FREEDOM, truth).rvs(random_state=rng)
    size = np.sqrt(np.diag(covariance))
    return np.asarray(covariance / np.outer(size, size))


def _distance(mm: Floats, centre: npt.ArrayLike, axes: npt.ArrayLike) -> Floats:
    """Distance from an ellipsoid's centre, 1 on its surface; any shape of (..., 3) positions."""
    return np.linalg.norm((mm - np.asarray(centre)) / np.asarray(axes), axis=-1)


def _seeds() -> Floats:
    """Middles of the regions in table order, mm; (n_regions, 3)."""
    left = np.array(SEEDS)  # network, region, xyz
    both = np.stack([left, left * [-1, 1, 1]], axis=1).reshape(-1, 3)
    length = np.linalg.norm(both, axis=1, keepdims=True)
    return np.asarray(BRAIN_CENTRE + 0.85 * BRAIN_AXES * both / length)


def regions_at(mm: Floats) -> Integers:
    """Number of the region (from 1 in table order, 0 for none) at each position.

    They reach a little out of the brain, as a group atlas does: coverage is not just 1.
    """
    distance = np.linalg.norm(mm[..., None, :] - _seeds(), axis=-1)
    radius = _distance(mm, BRAIN_CENTRE, BRAIN_AXES)
    inside = (radius > 0.72) & (radius < 1.03) & (distance.min(axis=-1) < REGION_RADIUS)
    return np.where(inside, distance.argmin(axis=-1) + 1, 0).astype(np.int16)


def make_anatomy() -> Anatomy:
    """Tissues, regions and steady-state intensities of the head on the BOLD grid."""
    mm = BOLD_GRID.positions
    radius = _distance(mm, BRAIN_CENTRE, BRAIN_AXES)
    tissue = np.select([radius < 0.70, radius < 1.0], [WHITE, GREY], 0).astype(np.int16)
    for side in (-1, 1):
        tissue[_distance(mm, (side * 14, -18, 14), (9, 26, 13)) < 1] = CSF  # a ventricle
    intensity = np.array([0.0, 1000.0, 850.0, 1300.0])[tissue]
    intensity[(tissue == 0) & (radius < 1.12)] = 150.0  # what the skull leaves
    other = np.array([len(LABELS) + 3, 0, len(LABELS) + 1, len(LABELS) + 2])
    source = np.where(tissue == GREY, regions_at(mm), other[tissue])
    coil = 1 + 0.12 * np.cos(mm[..., 1] / 60) + 0.05 * mm[..., 2] / 80
    baseline = gaussian_filter(intensity, 0.5) * coil
    baseline[radius >= 1.12] = 0.0
    return Anatomy(baseline, tissue, source)


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


def artefact_weights(rng: np.random.Generator) -> Floats:
    """Percent of baseline that motion, drift, white matter and CSF add; (16, 4).

    Row 0 is unlabelled grey matter, rows 1 to 12 the regions, then white matter, CSF and the
    voxels outside the brain.
    """
    low, high = np.array([[0.5, 0.2, 0.2, 0.1], [1.6, 1.2, 1.0, 0.7]])
    grey = rng.uniform(low, high, size=(1 + len(LABELS), 4))
    return np.vstack([grey, [0.8, 0.5, 2.0, 0.0], [1.2, 0.5, 0.0, 4.0], [3.0, 0.0, 0.0, 0.0]])


def _image(rng: np.random.Generator, anatomy: Anatomy, percent: Floats) -> Integers:
    """The integers to store: signals, thermal noise and T1 effect, (x, y, z, volumes)."""
    head = anatomy.baseline > 0
    series = anatomy.baseline[head][:, None] * (1 + percent[anatomy.source[head]] / 100)
    series[:, : len(T1_EFFECT)] *= T1_EFFECT
    series += THERMAL_NOISE * rng.standard_normal(series.shape, dtype=np.float32)
    stored = np.zeros((*head.shape, N_VOLUMES), dtype=np.int16)
    stored[head] = np.rint(np.maximum(series, 0) / BOLD_SLOPE)
    return stored


def simulate_run(
    rng: np.random.Generator, run: SimulatedRun, anatomy: Anatomy, truth: Floats, weights: Floats
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
    if run.scanner == "B":
        percent[1 : len(truth) + 1] += SCANNER_SIGNAL * _band_limited(rng, 1)[:, 0]
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
