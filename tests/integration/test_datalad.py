"""Datasets of DataLad without content: what is fetched, what is dropped, and what fails."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from annexed import Annexed, annex, needs_datalad, told

from bids_labelx.app.cli import main
from bids_labelx.app.simulate import simulate

pytestmark = [pytest.mark.integration, needs_datalad]

SPACE = "space-MNI152NLin2009cAsym_res-2"
ASKED = ("01", "02")


def series(label: str, *words: str) -> str:
    return "_".join([f"sub-{label}", *words, SPACE, "desc-preproc_bold.nii.gz"])


FIRST = f"sub-01/ses-pre/func/{series('01', 'ses-pre', 'task-rest', 'run-1')}"
SECOND = f"sub-01/ses-pre/func/{series('01', 'ses-pre', 'task-rest', 'run-2')}"


@pytest.fixture(scope="session")
def plain(made_once: Callable[..., Path]) -> Path:
    """The simulated study, of which four participants are left."""

    def fill(folder: Path) -> None:
        simulate(folder)
        for path in (folder / "simulated").glob("sub-*"):
            if path.name not in {"sub-01", "sub-02", "sub-03", "sub-04"}:
                shutil.rmtree(path)

    return made_once("datalad-plain", fill)


@pytest.fixture(scope="session")
def from_disk(made_once: Callable[..., Path], plain: Path) -> Path:
    def fill(folder: Path) -> None:
        assert run(plain / "simulated", plain / "atlas", folder / "out") == 0

    return made_once("datalad-from-disk", fill) / "out"


@pytest.fixture
def study(plain: Path, tmp_path: Path) -> Annexed:
    return annex(plain / "simulated", tmp_path / "simulated", tmp_path / "store")


@pytest.fixture
def atlas(plain: Path) -> Path:
    return plain / "atlas"


def arguments(dataset: Path, atlas: Path, out: Path, *more: str) -> list[str]:
    return [str(dataset), str(out), "participant", "--atlas-dataset", str(atlas), "--nprocs", "2",
            "--participant-label", *ASKED, *more]  # fmt: skip


def run(dataset: Path, atlas: Path, out: Path, *more: str) -> int:
    return main(arguments(dataset, atlas, out, *more))


def results(out: Path) -> dict[str, bytes]:
    """All files but logs, pages, and what says where the input is."""
    inside = {path.relative_to(out): path for path in out.rglob("*") if path.is_file()}
    return {
        str(name): path.read_bytes()
        for name, path in inside.items()
        if name.parts[0] != "logs" and name.suffix != ".html"
        and name.name != "dataset_description.json"
    }  # fmt: skip


def needed(plain: Path, *labels: str) -> set[str]:
    """The files that runs of participants are made of, by hand: of each run all but these."""
    root = plain / "simulated"
    names = {"dataset_description.json", f"task-rest_{SPACE}_desc-preproc_bold.json"}
    for label in labels:
        for path in (root / f"sub-{label}").rglob("*"):
            is_kept = path.is_file() and path.parent.name == "func" and "boldref" not in path.name
            if is_kept and not path.name.endswith("mask.json"):
                names.add(path.relative_to(root).as_posix())
    return names


def test_get_fetches_what_the_runs_asked_for_need_and_nothing_else(
    study: Annexed, plain: Path, atlas: Path, from_disk: Path, tmp_path: Path
) -> None:
    assert study.here == set()
    assert run(study.root, atlas, tmp_path / "out", "--datalad", "get") == 0
    wanted = needed(plain, *ASKED)
    assert wanted <= study.here
    # Files of other participants that have the very content of one of them are here, too.
    assert study.keys(study.here) == study.keys(wanted)
    assert sorted(study.asked) == sorted(study.keys(wanted))
    assert results(tmp_path / "out") == results(from_disk)


def test_get_and_drop_leaves_what_was_there_and_nothing_else(
    study: Annexed, plain: Path, atlas: Path, from_disk: Path, tmp_path: Path
) -> None:
    before = {FIRST, f"sub-03/ses-pre/func/{series('03', 'ses-pre', 'task-rest')}"}
    study.get(*before)
    assert run(study.root, atlas, tmp_path / "out", "--datalad", "get+drop") == 0
    assert study.here == before
    assert study.marks == []
    assert {*study.asked} == study.keys(needed(plain, *ASKED)) - study.keys(before)
    assert results(tmp_path / "out") == results(from_disk)
    assert told(study.root, "git", "status", "--porcelain") == ""
