"""A run and an atlas with a row that has no voxels, on the small grid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiny import AFFINE, N_VOLUMES, SHAPE

from bids_labelx.workflow.steps import resample_atlas

WriteImage = Callable[..., Path]


@pytest.fixture
def on_grid(tmp_path: Path, write_image: WriteImage, labels: np.ndarray) -> tuple[Path, Path]:
    """The atlas of slabs with a row that has no voxels, on the small grid."""
    table = tmp_path / "atlas.tsv"
    table.write_text("index\tname\tnetwork\n9\tnine\tb\n2\ttwo\ta\n4\tghost\ta\n5\tfive\ta\n")
    image = write_image(tmp_path / "atlas.nii.gz", labels)
    resample_atlas(image, table, SHAPE, AFFINE, tmp_path / "l.nii", tmp_path / "l.tsv")
    return tmp_path / "l.nii", tmp_path / "l.tsv"


@pytest.fixture
def data() -> np.ndarray:
    return np.random.default_rng(0).normal(100, 10, (*SHAPE, N_VOLUMES)).astype(np.float32)


@pytest.fixture
def mask() -> np.ndarray:
    """Inside is all but half of the slab of label 2 and the slab of no label."""
    inside = np.ones(SHAPE, np.uint8)
    inside[0], inside[5] = 0, 0
    return inside


@pytest.fixture(autouse=True)
def undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the figures of runs, which take most of the time, but in tests that ask for them.

    These are marked ``figures``.
    """
    if request.node.get_closest_marker("figures") is None:
        monkeypatch.setattr("bids_labelx.workflow.interfaces.draw_run", lambda *_: [])
