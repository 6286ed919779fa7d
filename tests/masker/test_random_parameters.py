"""Random combinations of parameters: signals and their inverse beside nilearn's, to 1e-6.

Runs are of float64 or whole numbers, as nilearn computes float32 ones in float32. What
docs/explanation/differences.md lists is not drawn; each point is judged by brute force elsewhere.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nilearn import maskers as oracle

import bids_labelx
from bids_labelx import nilearn_compat
from bids_labelx.extraction.regions import STATISTICS

SHAPE, N_VOLUMES, T_R = (9, 8, 7), 40, 2.0
AFFINES = {
    "diagonal": np.diag([3.0, 3.0, 4.0, 1.0]),
    "flipped": np.array([[-3.0, 0, 0, 12], [0, 3, 0, -9], [0, 0, 4, 5], [0, 0, 0, 1]]),
    "negative": np.diag([-3.0, -3.0, -4.0, 1.0]),
    "oblique": np.array(
        [[2.9, 0.4, 0.1, -10], [-0.4, 2.9, 0.3, 4], [0, -0.3, 4.0, 7], [0, 0, 0, 1]]
    ),
}
PROFILE = settings(
    max_examples=200, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)
SEEDS = st.integers(0, 1000)


def image_of(values: np.ndarray, affine: np.ndarray) -> Any:
    return nib.Nifti1Image(values, affine, dtype=values.dtype)


def near(affine: np.ndarray) -> np.ndarray:
    """Another grid at the same place."""
    moved = affine @ np.diag([0.9, 1.1, 1.05, 1.0])
    moved[:3, 3] += 0.7
    return moved


@st.composite
def runs(draw: st.DrawFn, affine: np.ndarray) -> tuple[tuple[str, Any], dict[str, Any]]:
    """An image in memory, as a file or a list of volumes; and parameters that hang on its type.

    Whole numbers are neither smoothed nor resampled, which nilearn does in float32 (difference 5).
    """
    rng = np.random.default_rng(draw(SEEDS))
    values = 800 + 20 * rng.standard_normal((*SHAPE, 1))
    values = values + 5 * rng.standard_normal((*SHAPE, N_VOLUMES)).cumsum(axis=-1)
    kind = draw(st.sampled_from(["f8", "f8", "f8", "i2", ">i2"]))
    image = image_of(values.astype(kind), affine)
    form = draw(st.sampled_from(["image", "image", "path", "list"]))
    if form == "list":
        image = [image_of(one, affine) for one in np.moveaxis(np.asarray(image.dataobj), -1, 0)]
    if kind != "f8":
        return (form, image), {"dtype": "float64"}
    return (form, image), {
        "dtype": draw(st.sampled_from([None, "float64"])),
        "high_variance_confounds": draw(st.booleans()),
        "smoothing_fwhm": draw(st.sampled_from([None, 5.0, 9.0])),
    }


@st.composite
def masks(draw: st.DrawFn, affine: np.ndarray, may_move: bool = True) -> Any:
    grid, shape = (
        (near(affine), (10, 8, 8)) if may_move and draw(st.booleans()) else (affine, SHAPE)
    )
    inside = np.random.default_rng(draw(SEEDS)).random(shape) < 0.85
    return image_of(inside.astype(np.uint8), grid)


@st.composite
def confounds(draw: st.DrawFn, walks: bool) -> Any:
    rng = np.random.default_rng(draw(SEEDS))
    table = 3 + rng.standard_normal((N_VOLUMES, draw(st.integers(1, 5))))
    if walks:
        table[:, 1:] = table[:, 1:].cumsum(axis=0)
    frame = pd.DataFrame(table, columns=[f"c{k}" for k in range(table.shape[1])])
    more = rng.standard_normal((N_VOLUMES, 2))
    return draw(st.sampled_from([table, frame, [table], [frame, more]]))


@st.composite
def kept_volumes(draw: st.DrawFn) -> Any:
    """Volumes to keep, as indices or booleans; of two that mirror each other one is kept."""
    left_out = draw(st.lists(st.integers(0, N_VOLUMES - 1), min_size=1, max_size=6, unique=True))
    left_out = [
        one
        for one in left_out
        if one <= N_VOLUMES - 1 - one or N_VOLUMES - 1 - one not in left_out
    ]
    keep = np.ones(N_VOLUMES, dtype=bool)
    keep[left_out] = False
    return keep if draw(st.booleans()) else np.flatnonzero(keep)


@st.composite
def cleaning(draw: st.DrawFn, of_run: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters of a masker, and arguments of `fit_transform`."""
    options: dict[str, Any] = {
        "standardize": draw(st.sampled_from([False, None, True, "zscore_sample", "psc"])),
        "detrend": draw(st.booleans()),
    }
    # Difference 3: the percentage is of another mean.
    if options["standardize"] != "psc" or options["detrend"]:
        options["standardize_confounds"] = draw(st.booleans())
    options |= of_run
    kind = draw(st.sampled_from(["none", "low", "high", "band", "cosine"]))
    # Difference 7: no confound may be like a cosine.
    if kind == "cosine":
        options["high_variance_confounds"] = False
    call: dict[str, Any] = {}
    if draw(st.booleans()):
        call["confounds"] = draw(confounds(walks=kind != "cosine"))
    if draw(st.booleans()):
        call["sample_mask"] = draw(kept_volumes())
    if kind == "none":
        return options, call
    options["t_r"] = T_R
    if kind in ("low", "band"):
        options["low_pass"] = draw(st.sampled_from([0.08, 0.1, 0.2]))
    if kind in ("high", "band", "cosine"):
        options["high_pass"] = draw(st.sampled_from([0.01, 0.02, 0.04]))
    if kind == "cosine":
        options["clean_args"] = {"filter": "cosine"}
    elif draw(st.booleans()):
        given = {
            "butterworth__order": draw(st.integers(1, 5)),
            "butterworth__padtype": draw(st.sampled_from(["odd", "even", "constant"])),
        }
        if draw(st.booleans()):
            given["butterworth__padlen"] = draw(st.integers(0, 30))
        options["clean_args"] = given
    return options, call


def assert_same(
    kind: str, run: Any, options: dict[str, Any], call: dict[str, Any], *, inverse: bool = True
) -> None:
    """Compare both of our classes of that name with nilearn's."""
    form, image = run
    with warnings.catch_warnings(), TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        if form == "path":
            path = Path(folder) / "run.nii.gz"
            nib.save(image, path)
            image = str(path)
        theirs = getattr(oracle, kind)(**options)
        expected = theirs.fit_transform(image, **call)
        for module in (bids_labelx, nilearn_compat):
            ours = getattr(module, kind)(**options)
            found = ours.fit_transform(image, **call)
            assert found.shape == expected.shape
            _assert_close(found, expected)
            if inverse:
                back = ours.inverse_transform(found).get_fdata()
                _assert_close(back, theirs.inverse_transform(expected).get_fdata())


def _assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    """To 1e-6 of how far values are from their mean."""
    scale = np.abs(expected - expected.mean(axis=0)).max() or 1
    np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=1e-6)


@PROFILE
@given(data=st.data())
def test_labels(data: st.DataObject) -> None:
    draw = data.draw
    affine = AFFINES[draw(st.sampled_from(sorted(AFFINES)))]
    run, of_run = draw(runs(affine))
    options, call = draw(cleaning(of_run))
    target = draw(st.sampled_from(["data", "labels", None]))
    moved = target is not None and "smoothing_fwhm" in of_run and draw(st.booleans())
    shape = (8, 9, 8) if moved else SHAPE
    blocks = np.random.default_rng(draw(SEEDS)).integers(0, 6, [-(-n // 2) for n in shape])
    numbers = np.array([0, 2, 5, 11, 120, 250])
    values = numbers[np.kron(blocks, np.ones((2, 2, 2), int))[: shape[0], : shape[1], : shape[2]]]
    kind = draw(st.sampled_from(["u1", "i2", "i4", "f4", "f8"]))
    labels = image_of(values.astype(kind), near(affine) if moved else affine)
    options |= {
        "labels_img": labels,
        "strategy": draw(st.sampled_from(sorted(STATISTICS))),
        "resampling_target": target,
        "keep_masked_labels": draw(st.booleans()),
    }
    # Difference 11: beyond the label image there is background.
    if not moved:
        options["background_label"] = draw(st.sampled_from([0, 5]))
    if draw(st.booleans()):
        options["mask_img"] = draw(
            masks(affine, target is not None and "smoothing_fwhm" in of_run)
        )
    assert_same("NiftiLabelsMasker", run, options, call)


@PROFILE
@given(data=st.data())
def test_maps(data: st.DataObject) -> None:
    draw = data.draw
    affine = AFFINES[draw(st.sampled_from(sorted(AFFINES)))]
    run, of_run = draw(runs(affine))
    options, call = draw(cleaning(of_run))
    target = draw(st.sampled_from(["data", "maps", "mask", None]))
    moved = target is not None and "smoothing_fwhm" in of_run and draw(st.booleans())
    shape = (8, 9, 8) if moved else SHAPE
    rng = np.random.default_rng(draw(SEEDS))
    n_maps = draw(st.integers(1, 5))
    overlap = draw(st.booleans())
    if overlap:
        axes = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
        centres = rng.uniform(0.2, 0.8, (n_maps, 3)) * shape
        apart = [sum((x - c) ** 2 for x, c in zip(axes, one, strict=True)) for one in centres]
        maps = np.stack([np.where(one < 9, np.exp(-one / 6), 0) for one in apart], axis=-1)
        maps[..., -1] *= draw(st.sampled_from([1, -1, 1e-3, 1e3]))
    else:
        owner = rng.integers(-1, n_maps, shape)
        maps = (owner[..., None] == np.arange(n_maps)) * rng.uniform(0.1, 1, (*shape, 1))
    # Nor are float32 maps resampled, or fitted to whole numbers.
    plain = "smoothing_fwhm" in of_run and not moved and target != "mask"
    kind = draw(st.sampled_from(["f8", "f4"])) if plain else "f8"
    grid = near(affine) if moved else affine
    options |= {
        "maps_img": image_of(maps.astype(kind), grid),
        "resampling_target": target,
        "allow_overlap": overlap or moved or target == "mask",
        "keep_masked_maps": draw(st.booleans()),
    }
    if target == "mask" or draw(st.booleans()):
        options["mask_img"] = draw(
            masks(affine, target is not None and "smoothing_fwhm" in of_run)
        )
    assert_same("NiftiMapsMasker", run, options, call)


@PROFILE
@given(data=st.data())
def test_spheres(data: st.DataObject) -> None:
    draw = data.draw
    affine = AFFINES[draw(st.sampled_from(sorted(AFFINES)))]
    run, of_run = draw(runs(affine))
    options, call = draw(cleaning(of_run))
    corners = np.array([[2, 2, 2], [6, 2, 2], [2, 5, 4], [6, 5, 4]])[: draw(st.integers(1, 4))]
    rng = np.random.default_rng(draw(SEEDS))
    places = corners + rng.uniform(-0.4, 0.4, corners.shape)
    # Difference 16: nilearn adds a voxel to small spheres.
    radius = draw(st.sampled_from([4.5, 6.0, 7.5]))
    options |= {
        "seeds": (places @ affine[:3, :3].T + affine[:3, 3]).tolist(),
        "radius": radius,
        "allow_overlap": radius > 4.5 or draw(st.booleans()),
    }
    if draw(st.booleans()):
        options["mask_img"] = draw(masks(affine))
    assert_same("NiftiSpheresMasker", run, options, call, inverse="mask_img" in options)
