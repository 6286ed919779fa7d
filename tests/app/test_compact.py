"""Compact output folders: both levels and all commands give what they give on plain files."""

from __future__ import annotations

import filecmp
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from bids_labelx.app.check import run_check
from bids_labelx.app.cli import main
from bids_labelx.app.compact import run_unpack
from bids_labelx.app.group import run_group
from bids_labelx.app.participant import run_participants
from bids_labelx.errors import UsageError
from bids_labelx.settings import Settings

AddRun = Callable[..., Path]


@pytest.fixture
def settings(tmp_path: Path, add_run: AddRun, atlas_dataset: Path) -> Settings:
    """Three participants, of whom the first has two runs."""
    root = tmp_path / "derivatives"
    for seed, name in enumerate(("01_task-rest_run-1", "01_task-rest_run-2", "02_task-rest")):
        add_run(root, f"sub-{name}", seed=seed)
    add_run(root, "sub-03_task-rest", seed=3)
    return Settings(
        bids_dir=root,
        output_dir=tmp_path / "out",
        analysis_level="participant",
        atlas_dataset=atlas_dataset,
        denoise=("none", "simple"),
        nprocs=1,
    )


def files(folder: Path) -> dict[str, bytes]:
    """All files but logs and participants' pages, which say when they were made."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.parts[len(folder.parts)] not in ("logs", "store")
        if not (path.name.startswith("sub-") and path.suffix == ".html")
    }


def names(folder: Path) -> set[str]:
    """Of all files but logs of invocations and locks, which are called by time and process."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".log")
    return {str(path.relative_to(folder)) for path in found if not path.name.startswith(".lock")}


def unpacked(settings: Settings) -> Path:
    target = settings.output_dir.with_name("unpacked")
    shutil.rmtree(target, ignore_errors=True)
    assert run_unpack((str(settings.output_dir), str(target)), {}) == 0
    return target


def group_of(settings: Settings, **options: Any) -> Settings:
    return replace(settings, analysis_level="group", compact=False, **options)


def test_both_levels_write_the_same_bytes_as_on_plain_files(settings: Settings) -> None:
    output = settings.output_dir
    # Half of a label is outside of the masks: it is missing, which the group's page draws.
    options = {"report_figures": "all", "concatenate": "runs", "min_coverage": 0.6}
    settings = replace(settings, **options)
    level = group_of(settings, parquet=True)
    run_participants(settings)
    run_group(level)
    plain = output.rename(output.with_name("plain"))
    assert list(plain.glob("figures/group_*_lost.png"))
    run_participants(replace(settings, compact=True))
    run_group(level)
    assert not list(output.glob("sub-*"))
    assert not (output / "logs" / "runs").exists()
    again = unpacked(settings)
    assert files(again) == files(plain)
    assert names(again) == names(plain)
    shown = {name for name in names(plain) if "/" not in name and not name.startswith("sub-")}
    assert shown <= names(output)


def test_a_store_is_left_alone_by_what_is_done_already_and_answers_as_files_do(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    compact = replace(settings, compact=True)
    run_participants(compact)
    before = files(unpacked(settings))
    capsys.readouterr()
    # The folder stays compact without the option.
    assert run_participants(settings) == 0
    said = capsys.readouterr().err
    assert "4 runs finished before" in said
    assert f"reports: {settings.output_dir}/sub-*.html" in said
    assert files(unpacked(settings)) == before
    assert run_participants(replace(settings, reports_only=True)) == 0
    assert run_group(group_of(settings)) == 0
    assert run_check(settings.output_dir) == 0
    said = capsys.readouterr().out
    assert f"{settings.output_dir}: 3 participants; 4 runs: 4 done" in said
    assert "group level: up to date" in said


def test_a_changed_run_replaces_its_rows_and_a_failure_comes_and_goes(
    settings: Settings, add_run: AddRun
) -> None:
    root, output = settings.bids_dir, settings.output_dir
    compact = replace(settings, compact=True)
    run_participants(compact)
    bold = next((root / "sub-02").rglob("*_bold.nii.gz"))
    whole = bold.read_bytes()
    bold.write_bytes(whole[:-200])
    assert run_participants(compact) == 1
    record = "logs/failures/sub-02_task-rest_space-MNI152NLin2009cAsym_bold.json"
    assert record in names(unpacked(settings))
    assert run_check(output) == 1
    assert run_group(group_of(settings)) == 1
    add_run(root, "sub-02_task-rest", seed=7)
    assert run_participants(compact) == 0
    compacted = unpacked(settings)
    assert record not in names(compacted)

    plain = replace(settings, output_dir=output.with_name("plain"))
    run_participants(plain)
    kept = {name: content for name, content in files(compacted).items() if "group" not in name}
    assert kept == files(plain.output_dir)


def test_overwriting_with_other_settings_leaves_nothing_of_the_earlier_ones(
    settings: Settings,
) -> None:
    compact = replace(settings, compact=True, report_figures="all")
    run_participants(compact)
    other = replace(compact, min_coverage=0.9, denoise=("none",), overwrite=True)
    run_participants(other)
    compacted = unpacked(settings)
    plain = replace(settings, output_dir=settings.output_dir.with_name("plain"))
    run_participants(replace(plain, report_figures="all"))
    run_participants(replace(other, output_dir=plain.output_dir, compact=False))
    assert files(compacted) == files(plain.output_dir)
    assert names(compacted) == names(plain.output_dir)


def test_jobs_of_one_participant_each_at_the_same_time_give_one_dataset(
    settings: Settings,
) -> None:
    """Two of them are of one participant, whose page has both runs whoever is the last."""
    words = [sys.executable, "-m", "bids_labelx", settings.bids_dir, settings.output_dir]
    words += ["participant", "--atlas-dataset", settings.atlas_dataset, "--compact"]
    words += ["--denoise", "none", "simple", "--nprocs", "1"]
    chosen = [
        *(["--participant-label", "01", "--run-id", run] for run in "12"),
        *(["--participant-label", label] for label in ("02", "03")),
    ]
    jobs = [subprocess.Popen([*words, *one], stderr=subprocess.DEVNULL) for one in chosen]
    assert [job.wait(timeout=300) for job in jobs] == [0, 0, 0, 0]
    compacted = unpacked(settings)
    plain = replace(settings, output_dir=settings.output_dir.with_name("plain"))
    run_participants(plain)
    assert files(compacted) == files(plain.output_dir)
    page = (compacted / "sub-01.html").read_text("utf-8")
    assert "run-1" in page
    assert "run-2" in page
    accounts = (compacted / "logs" / "CITATION.md").read_bytes()
    assert accounts == (plain.output_dir / "logs" / "CITATION.md").read_bytes()


def test_pandas_reads_a_table_out_of_the_store(settings: Settings) -> None:
    run_participants(replace(settings, compact=True))
    wanted = [("sub", "==", "02"), ("suffix", "==", "timeseries"), ("extension", "==", ".tsv")]
    rows = pd.read_parquet(settings.output_dir / "store", filters=wanted)
    compacted = unpacked(settings)
    assert len(rows) == 2
    for row in rows.to_dict("records"):
        assert (compacted / row["path"]).read_bytes() == row["content"]


def test_one_participant_is_unpacked_without_the_others_and_the_group(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_participants(replace(settings, compact=True))
    run_group(group_of(settings))
    whole, one = unpacked(settings), tmp_path / "one"
    output = str(settings.output_dir)
    assert main(["unpack", output, str(one), "--participant-label", "sub-02"]) == 0
    assert {path.name for path in one.glob("*02*")} == {"sub-02", "sub-02.html"}
    assert not [*one.glob("*01*"), *one.glob("group*")]
    assert filecmp.cmp(one / "sub-02.html", whole / "sub-02.html", shallow=False)
    assert main(["unpack", output, str(one)]) == 64
    assert "is there and not an empty folder" in capsys.readouterr().err
    assert main(["unpack", output, str(tmp_path / "x"), "--participant-label", "04"]) == 18
    assert "--participant-label 04: not in" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_damaged_matrix_in_the_store_is_told_and_the_others_are_averaged(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tables of each run stay in a piece of their own.
    monkeypatch.setattr("bids_labelx.outputs.store._MERGED", 100)
    run_participants(replace(settings, compact=True))
    capsys.readouterr()
    _damage(settings.output_dir / "store", "relmat", "02")
    assert run_check(settings.output_dir) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "relmat.tsv: cannot be checked" in said
    assert "cannot be read as a part of the store" in said
    assert run_group(group_of(settings)) == 1
    rows = pd.read_csv(settings.output_dir / "group_qc.tsv", sep="\t", na_values="n/a")
    broken = rows[rows["problem"].notna()]
    assert set(broken["participant_id"]) == {"sub-02"}
    assert len(broken) == 2
    assert broken["problem"].str.contains("cannot be read as a part of the store").all()
    (sidecar,) = settings.output_dir.glob("group_*desc-simple_stat-mean_relmat.json")
    assert json.loads(sidecar.read_text())["NumberOfParticipants"] == 2


def _damage(store: Path, suffix: str, participant: str) -> None:
    """Change a byte of the tables with a suffix of a participant."""
    for piece in store.glob("*.parquet"):
        file = pq.ParquetFile(piece)
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group, columns=["sub", "suffix", "extension"]).to_pylist()
            if {"sub": participant, "suffix": suffix, "extension": ".tsv"} not in rows:
                continue
            about = file.metadata.row_group(group)
            parts = (about.column(number) for number in range(about.num_columns))
            (part,) = (one for one in parts if one.path_in_schema == "content")
            content = bytearray(piece.read_bytes())
            content[part.data_page_offset + part.total_compressed_size // 2] ^= 1
            piece.write_bytes(content)
            return
    raise AssertionError


def test_folders_with_files_and_a_store_are_refused(settings: Settings) -> None:
    run_participants(settings)
    with pytest.raises(UsageError, match="has results as plain files, such as sub-01"):
        run_participants(replace(settings, compact=True))
    (settings.output_dir / "store").mkdir()
    # A folder that has this name is not yet a store.
    assert run_participants(settings) == 0
    (settings.output_dir / "store" / ".sequence").write_text("1")
    for level in (settings, group_of(settings)):
        run = run_participants if level is settings else run_group
        with pytest.raises(UsageError, match=r"has a store .* and plain files of participants"):
            run(level)


def test_pyarrow_is_asked_for_before_anything_is_written(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'bids_labelx\[parquet\]'"):
        run_participants(replace(settings, compact=True))
    assert not settings.output_dir.exists()
