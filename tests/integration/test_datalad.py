"""Datasets of DataLad without content: what is fetched, what is dropped, and what fails."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import pytest
from annexed import Annexed, annex, annexed_copy, needs_datalad, told
from trees import files_of

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


@pytest.fixture(scope="session")
def pattern(made_once: Callable[..., Path], plain: Path) -> Annexed:
    """The study in DataLad, which no test touches."""

    def fill(folder: Path) -> None:
        annex(plain / "simulated", folder / "simulated", folder / "store")

    folder = made_once("datalad-pattern", fill)
    return Annexed(folder / "simulated", folder / "store")


@pytest.fixture
def study(pattern: Annexed, tmp_path: Path) -> Annexed:
    return annexed_copy(pattern, tmp_path / "simulated", tmp_path / "store")


@pytest.fixture
def atlas(plain: Path) -> Path:
    return plain / "atlas"


def arguments(dataset: Path, atlas: Path, out: Path, *more: str) -> list[str]:
    return [str(dataset), str(out), "participant", "--atlas-dataset", str(atlas), "--nprocs", "2",
            "--participant-label", *ASKED, *more]  # fmt: skip


def run(dataset: Path, atlas: Path, out: Path, *more: str) -> int:
    return main(arguments(dataset, atlas, out, *more))


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


def images(plain: Path) -> list[str]:
    """The series of the participants that are asked for."""
    root = plain / "simulated"
    found = (path.relative_to(root).as_posix() for path in root.rglob("*_bold.*nii*"))
    return [one for one in found if one[4:6] in ASKED]


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
    assert files_of(tmp_path / "out") == files_of(from_disk)


def test_get_and_drop_leaves_what_was_there_and_nothing_else(
    study: Annexed, plain: Path, atlas: Path, from_disk: Path, tmp_path: Path
) -> None:
    before = {FIRST, f"sub-03/ses-pre/func/{series('03', 'ses-pre', 'task-rest')}"}
    study.get(*before)
    assert run(study.root, atlas, tmp_path / "out", "--datalad", "get+drop") == 0
    assert study.here == before
    assert study.marks == []
    assert {*study.asked} == study.keys(needed(plain, *ASKED)) - study.keys(before)
    assert files_of(tmp_path / "out") == files_of(from_disk)
    assert told(study.root, "git", "status", "--porcelain") == ""


def test_the_same_command_again_does_nothing_and_fetches_no_series(
    study: Annexed, atlas: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(study.root, atlas, tmp_path / "out", "--datalad", "get+drop") == 0
    Path(f"{study.store}.asked").unlink()
    capsys.readouterr()
    assert run(study.root, atlas, tmp_path / "out", "--datalad", "get+drop") == 0
    assert "6 runs finished before" in capsys.readouterr().err
    # But for that which alone says what the surfaces are.
    mask = study.key(FIRST.replace("preproc_bold", "brain_mask"))
    images = [key for key in study.asked if key.endswith((".nii.gz", ".nii")) and key != mask]
    assert [key.endswith(".nii") for key in images] == [True]
    assert study.here == set()


@pytest.mark.parametrize("way", ["unlocked", "adjusted"])
def test_unlocked_files_give_the_same_and_are_pointers_again(
    way: str, study: Annexed, plain: Path, atlas: Path, from_disk: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if way == "unlocked":
        study.unlock()
    else:
        told(study.root, "git", "annex", "adjust", "--quiet", "--unlock")
    assert not (study.root / FIRST).is_symlink()
    out = tmp_path / "out"
    assert run(study.root, atlas, out, "--datalad", "get+drop") == 0
    assert files_of(out) == files_of(from_disk)
    assert study.here == set()
    assert (study.root / FIRST).read_text().startswith("/annex/objects/")
    assert {*study.asked} == study.keys(needed(plain, *ASKED))
    assert told(study.root, "git", "status", "--porcelain") == ""
    capsys.readouterr()
    # Pointers now and content then are one file.
    assert run(study.root, atlas, out, "--datalad", "get+drop") == 0
    assert "6 runs finished before" in capsys.readouterr().err


def test_voxels_denoised_first_are_fetched_by_their_node(
    study: Annexed, plain: Path, atlas: Path, tmp_path: Path
) -> None:
    more = ("--clean-level", "voxel", "--denoise", "24P")
    assert run(plain / "simulated", atlas, tmp_path / "disk", *more) == 0
    assert run(study.root, atlas, tmp_path / "out", *more, "--datalad", "get+drop") == 0
    assert files_of(tmp_path / "out") == files_of(tmp_path / "disk")
    assert study.here == set()


def test_an_atlas_dataset_of_datalad_is_fetched_as_far_as_it_is_used(
    study: Annexed, atlas: Path, from_disk: Path, tmp_path: Path
) -> None:
    labels = annex(atlas, tmp_path / "labels", tmp_path / "labels-store")
    assert run(study.root, labels.root, tmp_path / "out", "--datalad", "get+drop") == 0
    assert files_of(tmp_path / "out") == files_of(from_disk)
    assert labels.here == study.here == set()
    assert labels.marks == []
    assert labels.asked


def test_records_have_the_keys_of_what_was_read(
    study: Annexed, atlas: Path, tmp_path: Path
) -> None:
    assert run(study.root, atlas, tmp_path / "out", "--datalad", "get+drop") == 0
    record = json.loads(next(tmp_path.glob("out/logs/runs/sub-01_ses-pre*run-1*")).read_text())
    mask = FIRST.replace("preproc_bold", "brain_mask")
    table = "sub-01/ses-pre/func/sub-01_ses-pre_task-rest_run-1_desc-confounds_timeseries"
    names = {FIRST, mask, f"{table}.tsv", f"{table}.json"}
    assert record["annex"] == {name: study.key(name) for name in sorted(names)}


def test_what_no_remote_has_fails_its_run_with_the_reason_and_the_others_are_done(
    study: Annexed, atlas: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (study.store / study.key(FIRST)).unlink()
    assert run(study.root, atlas, tmp_path / "out", "--datalad", "get+drop") == 1
    said = capsys.readouterr().err
    assert "6 runs: 5 done, 0 partly done, 1 failed" in said
    flat = " ".join(said.split())
    assert f"{FIRST}: its content is not there and cannot be fetched: " in flat
    assert study.here == set()
    assert study.marks == []
    (failure,) = (tmp_path / "out/logs/failures").glob("*.json")
    assert "run-1" in failure.name


def test_a_store_that_is_gone_stops_what_every_run_needs(
    study: Annexed, atlas: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study.store.rename(tmp_path / "elsewhere")
    assert run(study.root, atlas, tmp_path / "out", "--datalad", "get") == 66
    assert "dataset_description.json: its content is not there and cannot be fetched" in (
        capsys.readouterr().err
    )


def test_a_store_that_is_gone_fails_the_run_that_needs_it_and_the_others_are_done(
    study: Annexed, atlas: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study.get(".")
    told(study.root, "git", "annex", "drop", "--quiet", FIRST)
    before = study.here
    study.store.rename(tmp_path / "elsewhere")
    assert run(study.root, atlas, tmp_path / "out", "--datalad", "get+drop") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "6 runs: 5 done, 0 partly done, 1 failed" in said
    assert said.count(f"{FIRST}: its content is not there and cannot be fetched: ") == 1
    assert study.here == before
    assert study.marks == []


def test_what_cannot_be_dropped_is_told_and_dropped_by_the_next_invocation(
    study: Annexed, atlas: Path, from_disk: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    # git-annex drops nothing that the store does not say it has.
    command = 'case "$ANNEX_KEY" in *.nii.gz) exit 1;; esac; ' + told(
        study.root, "git", "config", "annex.slow-checkpresent-hook"
    )
    before = told(study.root, "git", "config", "annex.slow-checkpresent-hook").strip()
    told(study.root, "git", "config", "annex.slow-checkpresent-hook", command.strip())
    out = tmp_path / "out"
    assert run(study.root, atlas, out, "--datalad", "get+drop") == 0
    assert "could not be dropped, and the same command tries again; of" in " ".join(
        capsys.readouterr().err.split()
    )
    left = study.here
    assert FIRST in left
    assert len(study.marks) == len(study.keys(left))
    told(study.root, "git", "config", "annex.slow-checkpresent-hook", before)
    assert run(study.root, atlas, out, "--datalad", "get+drop") == 0
    assert study.here == set()
    assert study.marks == []
    assert files_of(out) == files_of(from_disk)


@pytest.mark.parametrize(
    ("number", "unlocked"),
    [
        (signal.SIGTERM, False),
        (signal.SIGINT, False),
        (signal.SIGKILL, False),
        (signal.SIGTERM, True),
        (signal.SIGKILL, True),
    ],
)
def test_stopped_while_a_series_comes_nothing_is_left_or_the_next_drops_it(
    number: signal.Signals, unlocked: bool, study: Annexed, atlas: Path, from_disk: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    if unlocked:
        study.unlock()
    halted = study.halt(FIRST, SECOND)
    more = ("--datalad", "get+drop", "-w", str(tmp_path / "work"))
    out = tmp_path / "out"
    command = [sys.executable, "-m", "bids_labelx", *arguments(study.root, atlas, out, *more)]
    process = subprocess.Popen(command, start_new_session=True)
    deadline = time.monotonic() + 120
    while not halted.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.poll() is None
    if number == signal.SIGKILL:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    process.wait(timeout=60)
    study.go_on()
    if number == signal.SIGKILL:
        # Tables of all runs were there, and nobody could drop them.
        assert study.here
        assert study.marks
    else:
        assert process.returncode == 128 + number
        assert study.here == set()
        assert study.marks == []
    assert main(arguments(study.root, atlas, out, *more)) == 0
    assert study.here == set()
    assert study.marks == []
    assert files_of(out) == files_of(from_disk)
    assert told(study.root, "git", "status", "--porcelain") == ""
    # A kill leaves no lock of git behind, nor a copy of its index.
    assert list(study.root.glob(".git/*.lock")) == []
    assert list(study.root.glob(".git/bids_labelx/indexes/*")) == []


@pytest.mark.parametrize("how", ["get", "get+drop"])
def test_a_dry_run_leaves_nothing_and_says_how_much_would_be_fetched(
    how: str, study: Annexed, plain: Path, atlas: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert run(study.root, atlas, tmp_path / "out", "--datalad", how, "--dry-run") == 0
    said = capsys.readouterr().out
    # Of files with one content, one is fetched.
    sizes = {
        study.key(name): (plain / "simulated" / name).stat().st_size
        for name in needed(plain, *ASKED)
    }
    series = {key: size for key, size in sizes.items() if key in study.keys(images(plain))}
    small = {key: size for key, size in sizes.items() if key not in series}
    assert (
        f"{len(sizes)} files would be fetched, {sum(sizes.values()):,} bytes: "
        f"{len(series)} series of {sum(series.values()):,} bytes; and {len(small)} small files, "
        "which this dry run has fetched and drops"
    ) in said
    assert "bold.dtseries.nii\n    not known before its series is fetched" in said
    assert {*study.asked} == {*small}
    assert study.here == set()
    assert study.marks == []
    assert not (tmp_path / "out").exists()


def test_a_remote_that_sends_nothing_fails_its_run_with_the_time_and_the_others_are_done(
    study: Annexed, atlas: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study.halt(FIRST)
    more = ("--datalad", "get+drop", "--remote-timeout", "4")
    assert run(study.root, atlas, tmp_path / "out", *more) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "6 runs: 5 done, 0 partly done, 1 failed" in said
    assert said.count("no data came for 4 s") == 1
    assert f"{FIRST}: its content is not there and cannot be fetched: no data came" in said
    assert study.here == set()
    assert study.marks == []


def test_invocations_at_once_fetch_each_file_once_and_the_last_drops_it(
    study: Annexed, plain: Path, atlas: Path, from_disk: Path, tmp_path: Path
) -> None:
    labels = annex(atlas, tmp_path / "labels", tmp_path / "labels-store")
    kept = f"sub-02/ses-pre/func/{series('02', 'ses-pre', 'task-rest')}"
    study.get(kept)
    processes = []
    for number in range(2):
        given = arguments(study.root, labels.root, tmp_path / f"out{number}")
        command = [sys.executable, "-m", "bids_labelx", *given, "--datalad", "get+drop"]
        processes.append(subprocess.Popen(command))
    assert [one.wait(timeout=300) for one in processes] == [0, 0]
    for number in range(2):
        assert files_of(tmp_path / f"out{number}") == files_of(from_disk)
    assert study.here == {kept}
    assert labels.here == set()
    assert labels.marks == study.marks == []
    assert {*study.asked} == study.keys(needed(plain, *ASKED)) - {study.key(kept)}


def test_runs_on_surfaces_are_planned_by_the_first_of_them(
    plain: Path, atlas: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(plain / "simulated", tmp_path / "more")
    (dense,) = copy.rglob("*dtseries.nii")
    image = nib.load(dense)
    for label in ("01", "02"):
        name = dense.name.replace("sub-01", f"sub-{label}").replace("ses-post", "ses-pre")
        name = name.replace("task-rest", "task-rest_run-1") if label == "01" else name
        path = copy / f"sub-{label}" / "ses-pre" / "func" / name
        # Others than the first, by their content.
        nib.save(nib.Cifti2Image(image.get_fdata() + int(label), image.header), path)
        shutil.copy(dense.with_name(dense.name.replace(".dtseries.nii", ".json")),
                    path.with_name(path.name.replace(".dtseries.nii", ".json")))  # fmt: skip
    more = ("--space", "fsLR")
    assert run(copy, atlas, tmp_path / "disk", *more) == 0
    study = annex(copy, tmp_path / "simulated", tmp_path / "store")
    assert run(study.root, atlas, tmp_path / "out", *more, "--datalad", "get+drop") == 0
    assert files_of(tmp_path / "out") == files_of(tmp_path / "disk")
    asked = [key for key in study.asked if key.endswith(".nii")]
    # The first one for its header, and each for its data.
    assert len(asked) == 4
    assert len({*asked}) == 3


def test_a_series_on_another_grid_than_its_mask_fails_when_it_is_there(
    plain: Path, atlas: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(plain / "simulated", tmp_path / "odd")
    image = nib.load(copy / FIRST)
    moved = image.affine.copy()
    moved[0, 3] += 2
    nib.save(nib.Nifti1Image(image.dataobj.get_unscaled(), moved, image.header), copy / FIRST)
    study = annex(copy, tmp_path / "simulated", tmp_path / "store")
    assert run(study.root, atlas, tmp_path / "out", "--datalad", "get+drop") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "6 runs: 5 done, 0 partly done, 1 failed" in said
    assert f"{FIRST}: shape" in said
    assert "brain_mask.nii.gz says: shape" in said
    assert study.here == set()
    assert study.marks == []


def test_a_repetition_time_that_the_header_contradicts_fails_the_run_as_on_disk(
    plain: Path, atlas: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(plain / "simulated", tmp_path / "odd")
    image = nib.load(copy / FIRST)
    image.header["pixdim"][4] += 1
    nib.save(nib.Nifti1Image(image.dataobj.get_unscaled(), None, image.header), copy / FIRST)
    study = annex(copy, tmp_path / "simulated", tmp_path / "store")
    told_of = []
    for root, more in ((copy, ()), (study.root, ("--datalad", "get+drop"))):
        assert run(root, atlas, tmp_path / root.name / "out", *more) == 1
        told_of.append(capsys.readouterr().err.split("failed: ")[1].split("reports:")[0])
    assert "the sidecar says RepetitionTime" in told_of[0]
    assert told_of[0] == told_of[1]


def test_a_subdataset_is_installed_and_its_content_fetched(
    pattern: Annexed, atlas: Path, from_disk: Path, tmp_path: Path
) -> None:
    origin = annexed_copy(pattern, tmp_path / "origin", tmp_path / "store")
    told(tmp_path, "datalad", "-l", "error", "create", "above")
    above = tmp_path / "above"
    told(above, "datalad", "-l", "error", "clone", "-d", ".", str(origin.root), "fmriprep")
    told(above, "datalad", "-l", "error", "uninstall", "--nocheck", "fmriprep")
    told(origin.root, "git", "annex", "get", "--quiet")
    root = above / "fmriprep"
    assert list(root.iterdir()) == []
    assert run(root, atlas, tmp_path / "out", "--datalad", "get+drop") == 0
    assert files_of(tmp_path / "out") == files_of(from_disk)
    assert told(root, "git", "annex", "find", "--in", "here") == ""


def test_without_a_clone_that_can_be_written_to_it_says_so(
    study: Annexed, atlas: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Modes keep root from nothing.
    (study.root / ".git" / "bids_labelx").write_text("")
    assert run(study.root, atlas, tmp_path / "out", "--datalad", "get") == 66
    said = " ".join(capsys.readouterr().err.split())
    assert "fetching writes into the clone, so use one of your own" in said


def test_datasets_without_git_are_read_as_without_the_option(
    plain: Path, atlas: Path, from_disk: Path, tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in plain.rglob("*")}
    assert run(plain / "simulated", atlas, tmp_path / "out", "--datalad", "get+drop") == 0
    assert files_of(tmp_path / "out") == files_of(from_disk)
    assert {path: path.stat().st_mtime_ns for path in plain.rglob("*")} == before


def test_without_git_annex_it_stops_before_anything(
    plain: Path, atlas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(plain / "simulated", atlas, tmp_path / "out", "--datalad", "get") == 64
    assert "git-annex is not on the PATH" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_without_the_option_runs_fail_and_the_message_has_it(
    study: Annexed, atlas: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study.get("dataset_description.json")
    assert run(study.root, atlas, tmp_path / "out") != 0
    said = " ".join(capsys.readouterr().err.split())
    assert "fetch it with `git annex get " in said
    assert "or give --datalad get" in said
    assert study.here == {"dataset_description.json"}
    assert not (study.root / ".git" / "bids_labelx").exists()


def test_runs_without_a_mask_are_planned_by_their_own_headers(
    plain: Path, atlas: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(plain / "simulated", tmp_path / "copy")
    for mask in copy.rglob("*_mask.nii.gz"):
        mask.unlink()
    more = ("--mask", "none", "--space", "MNI152NLin2009cAsym")
    assert run(copy, atlas, tmp_path / "disk", *more) == 0
    study = annex(copy, tmp_path / "simulated", tmp_path / "store")
    more = (*more, "--datalad", "get+drop")
    assert run(study.root, atlas, tmp_path / "dry", *more, "--dry-run") == 0
    assert "5 series of" in capsys.readouterr().out
    assert run(study.root, atlas, tmp_path / "out", *more) == 0
    assert files_of(tmp_path / "out") == files_of(tmp_path / "disk")
    assert study.here == set()


def test_the_group_level_fetches_what_it_reads_and_drops_it(
    study: Annexed, plain: Path, from_disk: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    model = ["group", "--model", "~ 1", "--contrast", "Intercept"]
    outputs = {}
    for name, root in (("fetched", study.root), ("disk", plain / "simulated")):
        outputs[name] = shutil.copytree(from_disk, tmp_path / name)
        words = [str(root), str(outputs[name]), *model]
        if name == "fetched":
            assert main(words) != 0
            assert "or give --datalad get" in capsys.readouterr().err
            words += ["--datalad", "get+drop"]
        assert main(words) == 0
    read = {"dataset_description.json", "participants.tsv"}
    assert {*study.asked} == study.keys(read)
    assert study.here == set()
    assert study.marks == []
    assert files_of(outputs["fetched"]) == files_of(outputs["disk"])
