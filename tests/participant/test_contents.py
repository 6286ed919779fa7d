"""One output folder for several starts: what differs is said, what is shared is whole."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from tiny import SHAPE

from bids_labelx.app.participant import run_participants
from bids_labelx.errors import CannotWriteError, UsageError
from bids_labelx.outputs.run_records import Invocation, contradictions
from bids_labelx.participant.contents import content_signature, locked
from bids_labelx.participant.plan import make_plan
from bids_labelx.settings import Settings, make_settings, read_options

AddRun = Callable[..., Path]


@pytest.fixture
def settings(tmp_path: Path, add_run: AddRun, atlas_dataset: Path) -> Settings:
    for sub in ("01", "02"):
        add_run(tmp_path / "ds", f"sub-{sub}_task-rest", seed=int(sub))
    return Settings(
        tmp_path / "ds",
        tmp_path / "out",
        "participant",
        atlas_dataset=atlas_dataset,
        denoise=("none",),
        nprocs=1,
    )


def with_(settings: Settings, **changes: Any) -> Settings:
    return make_settings({**vars(settings), **changes})


def files(folder: Path) -> dict[str, bytes]:
    """All outputs but logs and reports."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "logs" not in path.parts and path.suffix not in (".html", ".png")
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"min_coverage": 0.3}, r"--min-coverage was 0\.5, is 0\.3"),
        ({"smoothing_fwhm": 4}, r"--smoothing-fwhm was not set, is 4\.0"),
        ({"labels": ("five",)}, r'--labels was \[\], is \["five"\]'),
        ({"mask": "none"}, '--mask was "brain", is "none"'),
        ({"clean_level": "voxel"}, '--clean-level was "region", is "voxel"'),
        ({"censor_output": "nan"}, '--censor-output was "drop", is "nan"'),
    ],
)
def test_other_settings_are_refused_with_what_differs(
    settings: Settings, change: dict[str, Any], said: str
) -> None:
    assert run_participants(settings) == 0
    before = files(settings.output_dir)
    with pytest.raises(UsageError, match=rf"other settings(.|\n)*{said}(.|\n)*--overwrite"):
        run_participants(with_(settings, **change))
    assert files(settings.output_dir) == before


def test_a_seed_is_a_difference_between_draws_and_between_nothing_else(
    settings: Settings,
) -> None:
    first = with_(settings, exact_volumes=(10,), exact_volumes_from="random", random_seed=1)
    plan = make_plan(first)
    drawn = content_signature(first, plan)
    other = content_signature(with_(first, random_seed=2), plan)
    assert contradictions(Invocation("", made_with=drawn), other) == ["--random-seed was 1, is 2"]
    without = content_signature(with_(first, exact_volumes_from="first", random_seed=0), plan)
    assert contradictions(Invocation("", made_with=drawn), without) == []
    assert contradictions(Invocation("", made_with=without), other) == []


def test_a_strategy_changed_on_the_command_line_is_another(settings: Settings) -> None:
    first = with_(settings, denoise=("simple", "none"))
    assert run_participants(first) == 0
    said = r'strategy simple: standardize was not set, is "zscore"'
    with pytest.raises(UsageError, match=said):
        run_participants(with_(first, standardize="zscore"))
    # `none` is the same, as it is never changed.
    assert run_participants(with_(first, denoise=("none", "24P"), standardize="zscore")) == 0


def test_an_atlas_of_the_same_name_with_another_image_or_table_is_another(
    settings: Settings, atlas_dataset: Path
) -> None:
    assert run_participants(settings) == 0
    image = next(atlas_dataset.rglob("*_dseg.nii.gz"))
    data = np.asarray(nib.load(image).dataobj).copy()
    data[0, 0, 0] = 9
    nib.save(nib.Nifti1Image(data, nib.load(image).affine), image)
    with pytest.raises(UsageError, match=r"atlas MNI152NLin2009cAsym, Slabs: image was"):
        run_participants(settings)


def test_a_mask_of_the_same_name_with_other_voxels_is_another(
    settings: Settings, tmp_path: Path, write_image: Callable[..., Path]
) -> None:
    mask = write_image(tmp_path / "mask.nii", np.ones(SHAPE, np.uint8))
    assert run_participants(with_(settings, mask=mask)) == 0
    write_image(mask, np.tri(5, 4, dtype=np.uint8)[np.newaxis].repeat(6, axis=0))
    with pytest.raises(UsageError, match=r"--mask was .mask\.nii, "):
        run_participants(with_(settings, mask=mask))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"bold": {"desc": "denoised"}}, r"BOLD images was .*preproc.*, is .*denoised"),
        ({"mask": {"desc": "grey"}}, r"masks was .*brain.*, is .*grey"),
        ({"confounds": {"desc": "other"}}, r"confounds tables was .*is .*other"),
    ],
)
def test_other_images_masks_or_confounds_for_the_same_runs_are_refused(
    settings: Settings, tmp_path: Path, content: dict[str, Any], said: str
) -> None:
    # Names of outputs do not say which it was.
    for path in sorted(settings.bids_dir.rglob("*desc-*")):
        for old, new in (("preproc", "denoised"), ("brain", "grey"), ("confounds", "other")):
            if f"desc-{old}" in path.name:
                copy = path.with_name(path.name.replace(f"desc-{old}", f"desc-{new}"))
                copy.write_bytes(path.read_bytes())
    assert run_participants(settings) == 0
    filters = tmp_path / "filters.json"
    filters.write_text(json.dumps(content))
    with pytest.raises(UsageError, match=said):
        run_participants(with_(settings, bids_filter_file=filters))
    # A filter that only chooses among the runs is no difference.
    filters.write_text(json.dumps({"bold": {"task": "rest", "desc": "preproc"}}))
    assert run_participants(with_(settings, bids_filter_file=filters)) == 0


def test_another_segmentation_of_the_runs_under_the_same_name_is_refused(
    settings: Settings, write_image: Callable[..., Path]
) -> None:
    for bold in sorted(settings.bids_dir.rglob("*_bold.nii.gz")):
        for desc in ("aseg", "aparcaseg"):
            image = bold.with_name(bold.name.replace("preproc_bold", f"{desc}_dseg"))
            write_image(image, np.ones(SHAPE, np.int16))
            table = settings.bids_dir / f"desc-{desc}_dseg.tsv"
            table.write_text("index\tname\n1\tone\n")
    own = with_(settings, atlas_dataset=None, atlas=("A=derivative:desc-aseg",))
    assert run_participants(own) == 0
    with pytest.raises(UsageError, match=r"desc-aseg.*, is .*desc-aparcaseg"):
        run_participants(with_(own, atlas=("A=derivative:desc-aparcaseg",)))


def test_more_strategies_statistics_atlases_and_participants_are_no_difference(
    settings: Settings, tmp_path: Path, write_image: Callable[..., Path]
) -> None:
    assert run_participants(with_(settings, participant_label=("01",))) == 0
    other = write_image(
        tmp_path / "tpl-MNI152NLin2009cAsym_atlas-Other_dseg.nii", np.ones(SHAPE, np.int16)
    )
    more = with_(
        settings,
        denoise=("simple",),
        statistic=("median",),
        atlas=("Slabs", str(other)),
        connectivity=("covariance",),
    )
    assert run_participants(more) == 0
    descriptions = pd.read_csv(settings.output_dir / "descriptions.tsv", sep="\t")
    assert descriptions["desc_id"].tolist() == ["desc-raw", "desc-simple"]
    links = json.loads((settings.output_dir / "dataset_description.json").read_text())
    assert set(links["DatasetLinks"]) == {"preprocessed", "atlas-Slabs", "atlas-Other"}
    assert run_participants(settings) == 0


def test_overwriting_replaces_and_says_what_stays(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_participants(settings) == 0
    other = with_(settings, min_coverage=0.9, overwrite=True, participant_label=("01",))
    assert run_participants(other) == 0
    told = capsys.readouterr().err
    assert "--min-coverage was 0.5, is 0.9" in told
    assert "participants that keep such results: 02" in told
    (sidecar,) = (settings.output_dir / "sub-01").rglob("*_timeseries.json")
    assert json.loads(sidecar.read_text())["MinCoverage"] == 0.9
    fresh = with_(other, output_dir=tmp_path / "fresh")
    assert run_participants(fresh) == 0
    of_one = {k: v for k, v in files(settings.output_dir).items() if k.startswith("sub-01")}
    expected = {k: v for k, v in files(fresh.output_dir).items() if k.startswith("sub-01")}
    assert of_one == expected
    # From now on these are the folder's settings.
    with pytest.raises(UsageError, match=r"--min-coverage was 0\.9, is 0\.5"):
        run_participants(settings)


def test_another_version_and_another_folder_are_told(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_participants(settings) == 0
    path = settings.output_dir / "logs" / "contents.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "bids_labelx": "0.0.1", "bids_dir": "/elsewhere"}))
    assert run_participants(settings) == 0
    told = capsys.readouterr().err
    assert "earlier results here are of bids_labelx 0.0.1" in told
    assert "earlier results here are of /elsewhere" in told


def test_another_folder_of_a_dataset_beside_the_first_is_told(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "other"):
        shutil.copytree(settings.bids_dir, tmp_path / name)
    one, other = ((f"more={tmp_path / name}",) for name in ("one", "other"))
    assert run_participants(with_(settings, datasets=one)) == 0
    assert run_participants(with_(settings, datasets=one)) == 0
    assert "earlier results" not in capsys.readouterr().err
    assert run_participants(with_(settings, datasets=other)) == 0
    told = capsys.readouterr().err
    assert f"of --datasets more={tmp_path / 'one'}, not {tmp_path / 'other'}" in told
    # An invocation without it forgets nothing.
    assert run_participants(settings) == 0
    assert run_participants(with_(settings, datasets=one)) == 0
    assert f"more={tmp_path / 'other'}, not" in capsys.readouterr().err


def test_a_start_from_the_saved_settings_gives_the_same_bytes(
    settings: Settings, tmp_path: Path
) -> None:
    rich = with_(
        settings,
        denoise=("simple", "none"),
        statistic=("mean", "median"),
        connectivity=("partial-correlation",),
        exact_volumes=(10, 20),
        low_pass=0.1,
        high_pass=0.01,
        filter="butterworth",
        min_coverage=0.2,
        smoothing_fwhm=4,
    )
    run_participants(rich)
    options = read_options(rich.output_dir / "logs" / "settings.toml")
    again = make_settings({**options, "output_dir": tmp_path / "again"})
    assert {**vars(again), "output_dir": 0} == {**vars(rich), "output_dir": 0}
    run_participants(again)
    assert files(again.output_dir) == files(rich.output_dir)
    assert len(files(rich.output_dir)) > 20


def start(settings: Settings, ready: Any, codes: Any) -> None:
    ready.wait()
    codes.put(run_participants(settings))


def test_two_starts_at_the_same_moment_give_what_one_after_the_other_gives(
    settings: Settings, tmp_path: Path
) -> None:
    # Each brings a participant and a strategy of its own: what they share has to be merged.
    parts = [
        with_(settings, participant_label=(sub,), denoise=(name,), connectivity=("none",))
        for sub, name in (("01", "none"), ("02", "simple"))
    ]
    for part in parts:
        assert run_participants(part) == 0
    expected = files(settings.output_dir)
    assert {"desc-raw", "desc-simple"} <= set(
        pd.read_csv(settings.output_dir / "descriptions.tsv", sep="\t")["desc_id"]
    )
    context = multiprocessing.get_context("fork")
    for i in range(20):
        output = tmp_path / f"both-{i}"
        ready, codes = context.Barrier(2), context.Queue()
        both = {"output_dir": output, "work_dir": tmp_path / f"work-{i}"}
        processes = [
            context.Process(target=start, args=(with_(part, **both), ready, codes))
            for part in parts
        ]
        for process in processes:
            process.start()
        assert [codes.get(timeout=120) for _ in processes] == [0, 0]
        for process in processes:
            process.join()
        assert files(output) == expected
        record = json.loads((output / "logs" / "contents.json").read_text())
        assert set(record["strategies"]) == {"raw", "simple"}
        assert len(list((output / "logs").glob("*.log"))) == 2


def test_a_lock_that_is_never_released_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bids_labelx.locks._PATIENCE", 0.1)
    (tmp_path / "logs").mkdir()
    with (
        FileLock(tmp_path / "logs" / ".lock"),
        pytest.raises(CannotWriteError, match=r"\.lock: another invocation holds this lock"),
        locked(tmp_path),
    ):
        pass


@pytest.mark.filterwarnings("ignore:flock not supported")
def test_a_file_system_without_locks_is_served_by_a_file_that_is_there_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", refuse)
    monkeypatch.setattr("bids_labelx.locks._PATIENCE", 0.1)
    with (
        locked(tmp_path),
        pytest.raises(CannotWriteError, match="another invocation holds this lock"),
        locked(tmp_path),
    ):
        pass
    with locked(tmp_path):
        pass


def test_a_cut_record_of_the_settings_is_made_anew_and_still_guards_the_results(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_participants(settings) == 0
    logs = settings.output_dir / "logs"
    whole = (logs / "contents.json").read_bytes()
    for name in ("contents.json", "methods.json"):
        (logs / name).write_bytes((logs / name).read_bytes()[:50])
    with pytest.raises(UsageError, match=r"--min-coverage was 0\.5, is 0\.3"):
        run_participants(with_(settings, min_coverage=0.3))
    capsys.readouterr()
    assert run_participants(settings) == 0
    assert "contents.json: not valid JSON" in capsys.readouterr().err
    assert (logs / "contents.json").read_bytes() == whole
    assert "“none”" in (logs / "CITATION.md").read_text()
