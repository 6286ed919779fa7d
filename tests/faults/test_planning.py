"""One odd run at planning, at graph building or while it runs: named, and the others are done."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from tiny import SPACE

from bids_labelx.app.group import run_group
from bids_labelx.app.participant import run_participants
from bids_labelx.errors import Failure, NoRunsError
from bids_labelx.outputs.failures import read_failures
from bids_labelx.participant import extract
from bids_labelx.participant.finished import this_invocation
from bids_labelx.participant.plan import make_plan
from bids_labelx.settings import Settings
from bids_labelx.workflow.run import run_graph

AddRun = Callable[..., Path]


def settings_for(root: Path, **options: Any) -> Settings:
    given = {"denoise": ("simple",), "connectivity": ("none",), "nprocs": 1, **options}
    return Settings(root, root.parent / "out", "participant", **given)


def failures(output: Path) -> dict[str, Failure]:
    """Recorded failures by participant."""
    return {one.entities["sub"]: one for one in read_failures(output)}


def written(output: Path) -> set[str]:
    """Participants with a time series."""
    return {path.name.split("_")[0][4:] for path in output.rglob("*_timeseries.tsv")}


ODD_NAMES = (
    """it's <b>50%</b> "q"; a+b&c $HOME""".replace("/", "|"),
    "[a]*?{b}\\",
    "😀" + unicodedata.normalize("NFD", "é"),
    "x" * 90,
)


def test_runs_with_odd_names_are_done(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    root, out = tmp_path / "ds", tmp_path / "out"
    runs = [f"sub-{k}_task-{name}" for k, name in enumerate(ODD_NAMES)]
    runs += [f"sub-{name}_task-rest" for name in ODD_NAMES[:3]]
    for run in runs:
        add_run(root, run)
    settings = settings_for(root, atlas_dataset=atlas_dataset, denoise=("none",))
    assert run_participants(settings) == 0
    for run in runs:
        label = run.partition("_")[0]
        names = {path.name for path in (out / label / "func").iterdir()}
        assert f"{run}_desc-raw_outliers.tsv" in names
        assert f"{run}_space-{SPACE}_atlas-Slabs_stat-mean_desc-raw_timeseries.tsv" in names
        assert (out / f"{label}.html").is_file()


@pytest.mark.parametrize("kept", [False, True])
def test_a_name_that_is_no_utf8_is_named_and_the_others_are_done(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, kept: bool
) -> None:
    root = tmp_path / "ds"
    add_run(root, "sub-01_task-rest")
    for old, new in ((b"02", b"02"), (b"03", b"0\xe9")):
        # A task, and a participant's folder, in Latin-1.
        bold = add_run(root, f"sub-{old.decode()}_task-rest")
        for path in list(bold.parent.iterdir()):
            name = path.name.encode().replace(b"sub-" + old, b"sub-" + new)
            path.rename(path.with_name(os.fsdecode(name.replace(b"rest", b"r\xe9st"))))
        if new != old:
            (root / "sub-03").rename(root / os.fsdecode(b"sub-" + new))
    # The mask alone, which is found as the rest of its name fits.
    bold = add_run(root, "sub-04_task-rest")
    mask = bold.with_name(bold.name.replace("preproc_bold", "brain_mask"))
    mask.rename(mask.with_name(mask.name.replace("_desc", f"_{os.fsdecode(bytes([233]))}_desc")))
    for k in range(2):
        out = tmp_path / f"out{k}"
        database = tmp_path / "index" if kept else None
        settings = Settings(
            root,
            out,
            "participant",
            atlas_dataset=atlas_dataset,
            denoise=("none",),
            nprocs=1,
            bids_database_dir=database,
        )
        assert run_participants(settings) == 1
        assert written(out) == {"01"}
        said = {name: one.message for name, one in failures(out).items()}
        assert said.keys() == {"02", r"0\xe9", "04"}
        assert r"\udce9" in said.pop("04")
        assert all(r"task-r\xe9st" in text and "not UTF-8" in text for text in said.values())
        assert "not UTF-8" in (out / "sub-02.html").read_text()


def test_files_removed_between_plan_and_graph_fail_their_runs_by_name(
    tmp_path: Path, add_run: AddRun, labels: np.ndarray, write_image: Callable[..., Path]
) -> None:
    root = tmp_path / "ds"
    gone = {
        "bold": "sub-bold_task-rest_space-{}_desc-preproc_bold.nii.gz",
        "mask": "sub-mask_task-rest_space-{}_desc-brain_mask.nii.gz",
        "table": "sub-table_task-rest_desc-confounds_timeseries.tsv",
        "seg": "sub-seg_task-rest_space-{}_desc-seg_dseg.nii.gz",
    }
    for label in (*gone, "0good", "zgood", "written"):
        bold = add_run(root, f"sub-{label}_task-rest")
        write_image(bold.with_name(bold.name.replace("preproc_bold", "seg_dseg")), labels)
    (root / "desc-seg_dseg.tsv").write_text("index\tname\n2\ta\n5\tb\n9\tc\n")
    settings = settings_for(root, atlas=("derivative:desc-seg",))
    plan = make_plan(settings)
    assert len(plan.runs) == 7
    for label, name in gone.items():
        (root / f"sub-{label}" / "func" / name.format(SPACE)).unlink()
    (changed,) = (root / "sub-written").rglob("*_bold.nii.gz")
    changed.write_bytes(changed.read_bytes() + bytes(3))
    work = tmp_path / "work"
    work.mkdir()
    invocation = this_invocation(settings, plan)
    outcomes = run_graph(
        settings, plan, invocation, work=work, logs=tmp_path, console=Console(quiet=True)
    )
    said = {
        one.run.entities["sub"]: "".join(f.message for f in outcomes[one.key].failures)
        for one in plan.runs
    }
    assert written(tmp_path / "out") == {"0good", "zgood"}
    assert not said["0good"] + said["zgood"]
    for label, name in gone.items():
        assert name.format(SPACE) in said[label]
        assert "No such file" in said[label]
    assert "changed since the run was planned" in said["written"]
    assert changed.name in said["written"]


def test_files_removed_while_others_run_fail_their_runs_by_name(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, out = tmp_path / "ds", tmp_path / "out"
    first, *others = (add_run(root, f"sub-0{k}_task-rest") for k in range(1, 6))
    plain = extract.reduce_run

    def remove(source: Any, *rest: Any) -> Any:
        if source.bold == first:
            others[0].unlink()
            others[1].with_name(others[1].name.replace("preproc_bold", "brain_mask")).unlink()
            next(others[2].parent.glob("*_timeseries.tsv")).unlink()
        return plain(source, *rest)

    monkeypatch.setattr(extract, "reduce_run", remove)
    assert run_participants(settings_for(root, atlas_dataset=atlas_dataset)) == 1
    assert written(out) == {"01", "05"}
    said = {name: one.message for name, one in failures(out).items()}
    assert said.keys() == {"02", "03", "04"}
    for label, name in (("02", "_bold.nii.gz"), ("03", "_mask.nii.gz"), ("04", "_timeseries.tsv")):
        assert f"{name} cannot be read (No such file" in said[label]


@pytest.mark.parametrize(
    "where",
    [
        "bids_labelx.inputs.dataset.sidecars_of",
        "bids_labelx.participant.plan.repetition_time",
        "bids_labelx.workflow.graph._memory",
    ],
)
def test_an_error_that_nobody_expected_concerns_one_run_and_its_trace_is_in_the_log(
    tmp_path: Path,
    add_run: AddRun,
    atlas_dataset: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    root, out = tmp_path / "ds", tmp_path / "out"
    for label in ("01", "02", "03"):
        add_run(root, f"sub-{label}_task-rest")
    module, _, name = where.rpartition(".")
    plain = getattr(__import__(module, fromlist=[name]), name)

    def odd(*given: Any) -> Any:
        if any("sub-02" in str(given[k]) for k in (0, -1)):
            raise RecursionError("a hundred thousand brackets")
        return plain(*given)

    monkeypatch.setattr(where, odd)
    assert run_participants(settings_for(root, atlas_dataset=atlas_dataset)) == 1
    assert written(out) == {"01", "03"}
    (failure,) = failures(out).values()
    assert failure.entities["sub"] == "02"
    assert "RecursionError: a hundred thousand brackets" in failure.message
    (log,) = out.glob("logs/*.log")
    assert 'in odd\n    raise RecursionError("a hundred thousand brackets")' in log.read_text()


def test_one_odd_segmentation_concerns_its_run_alone(
    tmp_path: Path, add_run: AddRun, labels: np.ndarray, write_image: Callable[..., Path]
) -> None:
    root, out = tmp_path / "ds", tmp_path / "out"
    for label in ("01", "02"):
        bold = add_run(root, f"sub-{label}_task-rest")
        seg = write_image(bold.with_name(bold.name.replace("preproc_bold", "seg_dseg")), labels)
    table = b"index\tname\n2\ta\n5\tb\n9\tc\n"
    (root / "desc-seg_dseg.tsv").write_bytes(table)
    # Beside the image, and no table at all.
    seg.with_name(seg.name.replace(".nii.gz", ".tsv")).mkdir()
    assert run_participants(settings_for(root, atlas=("derivative:desc-seg",))) == 1
    assert written(out) == {"01"}
    assert failures(out).keys() == {"02"}


def test_a_folder_that_cannot_be_listed_fails_its_participant_until_it_can_be(
    tmp_path: Path,
    add_run: AddRun,
    atlas_dataset: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root, out = tmp_path / "ds", tmp_path / "out"
    add_run(root, "sub-01_task-rest")
    locked = add_run(root, "sub-02_ses-a_task-rest").parent
    settings = settings_for(root, atlas_dataset=atlas_dataset, denoise=("none",))
    scandir = os.scandir

    def refuse(folder: Any) -> Any:
        if not isinstance(folder, int) and Path(folder) == locked:
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        assert run_participants(settings) == 1
    assert written(out) == {"01"}
    failure = failures(out)["02"]
    assert failure.entities == {"sub": "02", "ses": "a"}
    assert failure.message.startswith("sub-02/ses-a/func: the folder cannot be read (Permission")
    assert "1 done, 0 partly done, 1 failed" in capsys.readouterr().err
    assert run_group(replace(settings, analysis_level="group")) == 1
    said = capsys.readouterr().err
    assert said.count("failed: ") == 1
    assert "missing or broken" not in said

    assert run_participants(settings) == 0
    assert written(out) == {"01", "02"}
    assert not failures(out)
    assert run_group(replace(settings, analysis_level="group")) == 0


def test_where_no_run_is_left_a_folder_that_cannot_be_listed_is_named(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = add_run(tmp_path / "ds", "sub-01_task-rest").parent
    scandir = os.scandir

    def refuse(folder: Any) -> Any:
        if not isinstance(folder, int) and Path(folder) == locked:
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(NoRunsError, match="func: the folder cannot be read"):
        run_participants(settings_for(tmp_path / "ds", atlas_dataset=atlas_dataset))
