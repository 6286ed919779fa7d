"""What is finished is not done again, and no folder holds results that contradict each other."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny import N_VOLUMES

from bids_labelx.app.participant import run_participants
from bids_labelx.outputs.run_records import read_record, read_records
from bids_labelx.settings import Settings, make_settings

AddRun = Callable[..., Path]
RUN = {"sub": "01", "task": "rest", "space": "MNI152NLin2009cAsym"}


@pytest.fixture
def settings(tmp_path: Path, add_run: AddRun, atlas_dataset: Path) -> Settings:
    for sub in ("01", "02"):
        add_run(tmp_path / "ds", f"sub-{sub}_task-rest", seed=int(sub))
    return Settings(
        tmp_path / "ds",
        tmp_path / "out",
        "participant",
        atlas_dataset=atlas_dataset,
        denoise=("none", "simple"),
        nprocs=2,
    )


def with_(settings: Settings, **changes: Any) -> Settings:
    return make_settings({**vars(settings), **changes})


def written(output: Path) -> dict[str, tuple[int, int]]:
    """When each result was written, and its inode: a file that is replaced has another."""
    return {
        path.relative_to(output).as_posix(): (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in output.glob("sub-*/func/*")
    }


def rewritten(before: dict[str, tuple[int, int]], output: Path) -> set[str]:
    """The participants of which a result was written again."""
    return {path[:6] for path, when in written(output).items() if before.get(path) != when}


def test_a_record_names_every_file_of_its_run_and_no_other(settings: Settings) -> None:
    assert run_participants(settings) == 0
    output = settings.output_dir
    record = read_record(output, RUN)
    assert record is not None
    there = {p.relative_to(output).as_posix(): p for p in (output / "sub-01").rglob("*.*")}
    assert {name: file.size for name, file in record.files.items()} == {
        name: path.stat().st_size for name, path in there.items()
    }
    about = {(file.atlas, file.strategy) for file in record.files.values()}
    assert about == {
        ("Slabs", ""),
        ("Slabs", "none"),
        ("Slabs", "simple"),
        ("", "none"),
        ("", "simple"),
    }
    kept = {name: one["NumberOfVolumesKept"] for name, one in record.done.items()}
    assert kept == {"none": 40, "simple": 39}  # the first is marked as non-steady-state


def test_what_is_finished_is_not_done_again(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    output = settings.output_dir
    assert run_participants(settings) == 0
    before = written(output)
    capsys.readouterr()
    assert run_participants(settings) == 0
    said = capsys.readouterr().err
    assert "2 runs finished before; --overwrite does them again" in said
    assert "2 runs: 2 done, 0 partly done, 0 failed" in said
    # Part of what is there is finished, too.
    assert run_participants(with_(settings, denoise=("simple",))) == 0
    assert rewritten(before, output) == set()
    # More is not.
    assert run_participants(with_(settings, denoise=("24P",), participant_label=("02",))) == 0
    assert rewritten(before, output) == {"sub-02"}
    assert run_participants(with_(settings, overwrite=True)) == 0
    assert rewritten(before, output) == {"sub-01", "sub-02"}


def touched(settings: Settings) -> None:
    bold = next(settings.bids_dir.glob("sub-01/func/*_desc-preproc_bold.nii.gz"))
    os.utime(bold, ns=(1, 1))


def another_sidecar(settings: Settings) -> None:
    sidecar = next(settings.bids_dir.glob("sub-01/func/*_desc-preproc_bold.json"))
    sidecar.write_text(sidecar.read_text().replace("{", '{"New": 1, ', 1))


def cut(settings: Settings) -> None:
    series = next(settings.output_dir.glob("sub-01/func/*desc-simple_timeseries.tsv"))
    series.write_bytes(series.read_bytes()[:100])


def removed(settings: Settings) -> None:
    next(settings.output_dir.glob("sub-01/func/*desc-raw_relmat.json")).unlink()


def spoilt_record(settings: Settings) -> None:
    next(settings.output_dir.glob("logs/runs/sub-01*")).write_text("{")


@pytest.mark.parametrize("change", [touched, another_sidecar, cut, removed, spoilt_record])
def test_a_run_whose_input_or_result_changed_is_done_again_and_no_other(
    settings: Settings, change: Callable[[Settings], None]
) -> None:
    output = settings.output_dir
    assert run_participants(settings) == 0
    before, whole = written(output), {p.name: p.read_bytes() for p in output.rglob("*relmat.*")}
    change(settings)
    assert run_participants(settings) == 0
    assert rewritten(before, output) == {"sub-01"}
    assert {p.name: p.read_bytes() for p in output.rglob("*relmat.*")} == whole


def test_overwriting_removes_what_shares_a_replaced_file(settings: Settings) -> None:
    output = settings.output_dir
    assert run_participants(settings) == 0
    other = with_(
        settings,
        min_coverage=0.95,
        denoise=("none",),
        overwrite=True,
        participant_label=("01",),
    )
    assert run_participants(other) == 0
    left = sorted(path.name for path in output.glob("sub-01/func/*"))
    assert any("desc-raw" in name for name in left)
    assert not any("desc-simple" in name for name in left)
    assert len(list(output.glob("sub-02/func/*desc-simple*"))) == 6
    first, second = read_records(output)
    assert sorted(Path(path).name for path in first.files if "/func/" in path) == left
    assert set(first.done) == {"none"}
    assert set(second.done) == {"none", "simple"}
    # The values and the table that says which regions have some.
    table = pd.read_csv(next(output.glob("sub-01/func/*dseg.tsv")), sep="\t")
    series = pd.read_csv(next(output.glob("sub-01/func/*_timeseries.tsv")), sep="\t")
    missing = table.loc[table["status"] != "ok", "name"].tolist()
    assert missing == series.columns[series.isna().all()].tolist()
    # What was left of before is not told of any more where it is gone.
    methods = (output / "sub-01.html").read_text()
    assert "Labels with less than 95 % of their volume" in methods
    assert "Denoising strategy “simple”" not in methods


def test_the_methods_text_is_of_all_results_that_are_there(settings: Settings) -> None:
    output = settings.output_dir
    for name in ("none", "24P"):
        assert run_participants(with_(settings, denoise=(name,))) == 0
    for path in (output / "logs" / "CITATION.md", output / "sub-01.html"):
        text = path.read_text()
        assert "Signals called “none” were not denoised" in text
        assert "Denoising strategy “24P”" in text
    # Of the other participant another strategy was asked for since.
    only = with_(settings, denoise=("simple",), participant_label=("02",))
    assert run_participants(only) == 0
    assert "“simple”" in (output / "logs" / "CITATION.md").read_text()
    assert "“24P”" in (output / "logs" / "CITATION.md").read_text()
    assert "“simple”" in (output / "sub-02.html").read_text()
    assert "“simple”" not in (output / "sub-01.html").read_text()


def test_a_run_that_fails_after_it_was_done_is_failed_and_the_page_says_of_when_results_are(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    output = settings.output_dir
    assert run_participants(settings) == 0
    bold = next(settings.bids_dir.glob("sub-01/func/*_desc-preproc_bold.nii.gz"))
    bold.write_bytes(bold.read_bytes()[:-50])
    capsys.readouterr()
    assert run_participants(settings) == 1
    assert "2 runs: 1 done, 0 partly done, 1 failed" in capsys.readouterr().err
    page = (output / "sub-01.html").read_text()
    assert "1 run: 0 done, 0 partly done, 1 failed" in page
    assert "what is shown below is from an earlier invocation" in page
    assert "<dt>From an earlier invocation</dt><dd>none, simple</dd>" in page
    # It is tried again, as it is not finished.
    assert run_participants(settings) == 1


def test_runs_are_done_again_where_another_program_made_a_table(
    settings: Settings, tmp_path: Path
) -> None:
    """tedana has a description beside the files of each run, of which `contents.json` is none."""
    func = {sub: tmp_path / "tedana" / f"sub-{sub}" / "func" for sub in ("01", "02")}

    def describe(sub: str, version: str) -> None:
        about = {"Name": "tedana", "GeneratedBy": [{"Name": "tedana", "Version": version}]}
        path = func[sub] / f"sub-{sub}_task-rest_dataset_description.json"
        path.write_text(json.dumps(about))

    for sub, folder in func.items():
        folder.mkdir(parents=True)
        values = np.random.default_rng(int(sub)).standard_normal((N_VOLUMES, 1))
        table = pd.DataFrame(values, columns=["one"])
        table.to_csv(folder / f"sub-{sub}_task-rest_more.tsv", sep="\t", index=False)
        describe(sub, "24.0.0")
    (tmp_path / "mine.toml").write_text(
        '[[confounds.tables]]\ndataset = "tedana"\nsuffix = "more"\ncolumns = ["one"]\n'
    )
    denoise = (str(tmp_path / "mine.toml"),)
    given = with_(settings, datasets=(f"tedana={tmp_path / 'tedana'}",), denoise=denoise)
    assert run_participants(given) == 0
    before = written(given.output_dir)
    assert run_participants(given) == 0
    assert rewritten(before, given.output_dir) == set()
    describe("02", "26.0.3")
    assert run_participants(given) == 0
    assert rewritten(before, given.output_dir) == {"sub-02"}
    (sidecar,) = given.output_dir.glob("sub-02/func/*_desc-mine_timeseries.json")
    assert "tedana 26.0.3" in json.loads(sidecar.read_text())["PreprocessedBy"]
