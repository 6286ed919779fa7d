"""Small derivatives datasets and atlases, and the real data where it is there."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

# Tests run in a process per core: more threads of linear algebra would wait for each other.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import hypothesis
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from tiny import AFFINE, N_VOLUMES, SHAPE, SPACE, confounds_table

from bids_labelx.atlases.atlas import Atlas
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.participant.extract import resample_atlas
from bids_labelx.participant.records import AtlasOnGrid
from bids_labelx.settings import LabelOptions, Settings

# A machine that is busy fails no test.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the repository; tests that want it skip without it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real data (shared/data beside the repository) is not there")
    return folder


@pytest.fixture(scope="session")
def write_image() -> Callable[..., Path]:
    """Write an array as NIfTI; folders are made."""

    def write(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE, t_r: float = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        image = nib.Nifti1Image(data, affine)
        if data.ndim == 4 and t_r:
            image.header.set_zooms((*image.header.get_zooms()[:3], t_r))
            image.header.set_xyzt_units("mm", "sec")
        nib.save(image, path)
        return path

    return write


@pytest.fixture(scope="session")
def add_run(write_image: Callable[..., Path]) -> Callable[..., Path]:
    """Add one run to a derivatives dataset, which is made if it is not there."""

    def add(
        root: Path,
        entities: str = "sub-01_task-rest",
        *,
        space: str | None = SPACE,
        seed: int = 0,
        confounds: pd.DataFrame | None = None,
        sidecar: bool = True,
    ) -> Path:
        rng = np.random.default_rng(seed)
        root.mkdir(parents=True, exist_ok=True)
        description = {"Name": "tiny", "BIDSVersion": "1.8.0", "DatasetType": "derivative"}
        (root / "dataset_description.json").write_text(json.dumps(description))
        parts = entities.split("_")
        session = [part for part in parts if part.startswith("ses-")]
        folder = root.joinpath(parts[0], *session, "func")
        spatial = f"{entities}_space-{space}" if space else entities
        data = (100 + 10 * rng.standard_normal((*SHAPE, N_VOLUMES))).astype(np.float32)
        mask = np.ones(SHAPE, np.uint8)
        mask[0] = 0
        bold = write_image(folder / f"{spatial}_desc-preproc_bold.nii.gz", data, t_r=2.0)
        write_image(folder / f"{spatial}_desc-brain_mask.nii.gz", mask)
        if sidecar:
            path = folder / f"{spatial}_desc-preproc_bold.json"
            path.write_text(json.dumps({"RepetitionTime": 2.0}))
        table = confounds_table(rng) if confounds is None else confounds
        path = folder / f"{entities}_desc-confounds_timeseries.tsv"
        table.to_csv(path, sep="\t", index=False, na_rep="n/a")
        return bold

    return add


def slabs() -> np.ndarray:
    data = np.zeros(SHAPE, np.int16)
    data[0:2], data[2:4], data[4:5] = 2, 5, 9
    return data


@pytest.fixture
def labels() -> np.ndarray:
    """Labels 2, 5 and 9 in slabs on the small grid."""
    return slabs()


@pytest.fixture(scope="session")
def write_atlas_dataset(write_image: Callable[..., Path]) -> Callable[[Path], Path]:
    """Write an atlas dataset with the atlas `Slabs` in the space of the small runs."""

    def write(root: Path) -> Path:
        stem = root / f"tpl-{SPACE}" / "anat" / f"tpl-{SPACE}_atlas-Slabs_res-01_dseg"
        write_image(stem.with_suffix(".nii.gz"), slabs())
        table = pd.DataFrame(
            {"index": [9, 2, 5], "name": ["nine", "two", "five"], "network": ["b", "a", "a"]}
        )
        table.to_csv(stem.with_suffix(".tsv"), sep="\t", index=False)
        return root

    return write


@pytest.fixture
def atlas_dataset(tmp_path: Path, write_atlas_dataset: Callable[[Path], Path]) -> Path:
    """An atlas dataset with the atlas `Slabs` in the space of the small runs."""
    return write_atlas_dataset(tmp_path / "atlases")


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A folder that is filled once, by whichever process of the tests comes first."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent

    def make(name: str, fill: Callable[[Path], object]) -> Path:
        folder = base / name
        with FileLock(base / f"{name}.lock"):
            if not (base / f"{name}.whole").exists():
                # Of a process that failed at it.
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                (base / f"{name}.whole").touch()
        return folder

    return make


@pytest.fixture(scope="session")
def done_once(
    made_once: Callable[..., Path],
    add_run: Callable[..., Path],
    write_atlas_dataset: Callable[[Path], Path],
) -> Callable[..., Settings]:
    """Do the participant level of a study, once for all who ask for the same one."""
    from bids_labelx.app.participant import run_participants

    def do(
        runs: tuple[str, ...], change: Callable[[Path], object] | None, options: dict[str, Any]
    ) -> Settings:
        def settings(root: Path) -> Settings:
            given = {"atlas_dataset": root / "atlases", "denoise": ("none", "simple"), "nprocs": 2}
            return Settings(root / "ds", root / "out", "participant", **{**given, **options})

        def fill(root: Path) -> None:
            for seed, run in enumerate(runs):
                add_run(root / "ds", run, seed=seed)
            if change is not None:
                change(root / "ds")
            write_atlas_dataset(root / "atlases")
            with redirect_stderr(StringIO()) as told:
                assert run_participants(settings(root)) == 0, told.getvalue()

        changed = change and (change.__module__, change.__qualname__)
        asked = repr((runs, changed, sorted(options.items())))
        digest = hashlib.sha256(asked.encode()).hexdigest()[:12]
        return settings(made_once(f"study-{digest}", fill))

    return do


@pytest.fixture
def finished(tmp_path: Path, done_once: Callable[..., Settings]) -> Callable[..., Settings]:
    """A study of these runs whose participant level is done: settings with a copy of the output.

    The input is everybody's, and to be changed by nobody but by `change`, before it is processed;
    with ``own_input``, it is a copy, too.
    """

    def give(
        *runs: str,
        change: Callable[[Path], object] | None = None,
        own_input: bool = False,
        **options: Any,
    ) -> Settings:
        made = done_once(runs, change, options)
        shutil.copytree(made.output_dir, tmp_path / "out", symlinks=True)
        made = replace(made, output_dir=tmp_path / "out")
        if not own_input:
            return made
        shutil.copytree(made.bids_dir, tmp_path / "ds")
        return replace(made, bids_dir=tmp_path / "ds")

    return give


@pytest.fixture
def on_grid(tmp_path: Path, write_image: Callable[..., Path], labels: np.ndarray) -> AtlasOnGrid:
    """The atlas of slabs with a row that has no voxels, on the small grid."""
    table = tmp_path / "atlas.tsv"
    table.write_text("index\tname\tnetwork\n9\tnine\tb\n2\ttwo\ta\n4\tghost\ta\n5\tfive\ta\n")
    image = write_image(tmp_path / "atlas.nii.gz", labels)
    atlas = Atlas({"atlas": "a"}, SPACE, image, table, tmp_path)
    to = AtlasOnGrid(tmp_path / "l.npy", tmp_path / "l.tsv")
    resample_atlas(atlas, VolumeGrid.of(SHAPE, AFFINE), LabelOptions(), to)
    return to


@pytest.fixture
def data() -> np.ndarray:
    return np.random.default_rng(0).normal(100, 10, (*SHAPE, N_VOLUMES)).astype(np.float32)


@pytest.fixture
def mask() -> np.ndarray:
    """Inside is all but half of the slab of label 2 and the slab of no label."""
    inside = np.ones(SHAPE, np.uint8)
    inside[0], inside[5] = 0, 0
    return inside


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's Chromium; what needs it is skipped where it or playwright is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="there is no playwright")
    known = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, known)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(known)} is on the path")
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@pytest.fixture(autouse=True)
def undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out static figures, which take most of the time, but in tests that ask for them.

    These are marked ``figures``. Others are drawn, and their files are empty.
    """
    drawn = request.node.get_closest_marker("figures") is not None
    rooms = ("app", "faults", "participant", "producers", "science", "workflow")
    if not drawn and request.path.parent.name in rooms:
        monkeypatch.setattr("bids_labelx.figures.style.render_figure", lambda *_: b"")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take longest, so that no process waits for one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("integration") is None)
