"""What jobs of the plugin for Slurm request, refused jobs, a silent queue, and cancelling.

Stand-ins for Slurm's commands run the jobs, refuse them, or do not answer.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tiny import N_VOLUMES

from bids_labelx.app.participant import run_participants
from bids_labelx.settings import Settings
from bids_labelx.workflow import slurm

STEPS = ("label_reduce", "clean_signal", "connectivity", "deliver")

AddRun = Callable[..., Path]
Command = Callable[[str, str], None]


@pytest.mark.parametrize(
    ("given", "requested"),
    [
        ("", ["--mem=1500M", "--cpus-per-task=2"]),
        ("--time=10", ["--mem=1500M", "--cpus-per-task=2"]),
        ("--mem-per-cpu=2G", ["--cpus-per-task=2"]),
        ("-c 4", ["--mem=1500M"]),
        ("--mem=4G --cpus-per-task=1", []),
    ],
)
def test_a_job_requests_what_its_node_declares_unless_the_plugin_file_does(
    given: str, requested: list[str]
) -> None:
    assert slurm._requests(given, SimpleNamespace(mem_gb=1.5, n_procs=2)) == requested


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Puts a stand-in for a command on the PATH."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    def put(name: str, text: str) -> None:
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    return put


@pytest.fixture
def settings(tmp_path: Path, add_run: AddRun, atlas_dataset: Path) -> Settings:
    """Two runs, on Slurm."""
    for sub in ("01", "02"):
        add_run(tmp_path / "ds", f"sub-{sub}_task-rest")
    (tmp_path / "p.yml").write_text(
        "plugin: SLURM\nplugin_args: {retry_timeout: 0.01, max_tries: 1}\n"
    )
    return Settings(
        bids_dir=tmp_path / "ds",
        output_dir=tmp_path / "out",
        analysis_level="participant",
        atlas_dataset=atlas_dataset,
        denoise=("none",),
        connectivity=("none",),
        nipype_plugin_file=tmp_path / "p.yml",
        work_dir=tmp_path / "work",
    )


def test_jobs_that_run_are_waited_for_and_one_that_is_refused_fails_its_run(
    settings: Settings,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("bids_labelx.workflow.run._POLL_CLUSTER", 0.05)
    monkeypatch.setattr(slurm, "_POLL", 0.0)
    monkeypatch.setenv("LOGNAME", "ann")
    named = settings.bids_dir.with_name("named")
    # The job runs before sbatch returns, and is not in the queue any more.
    command(
        "sbatch",
        f'for script; do case "$script" in --job-name=*) echo "$script" >> {named};; esac; done\n'
        'case "$script" in *sub_02*) echo "sbatch: error: Too much memory" >&2; exit 1;; esac\n'
        'sh "$script" >/dev/null 2>&1\necho "Submitted batch job 12"',
    )
    command("squeue", "exit 0")
    assert run_participants(settings) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "Slurm refused the job: sbatch: error: Too much memory" in told
    assert "killed" not in told
    done = {path.name for path in settings.output_dir.glob("sub-*") if path.is_dir()}
    assert done == {"sub-01"}
    # The step comes first: squeue shows the first letters of a name.
    names = re.sub(r"_[0-9a-f]{12}_wf\.", "_DIGEST_wf.", named.read_text()).split()
    run = "task_rest_space_MNI152NLin2009cAsym_DIGEST_wf.bids_labelx_wf.ann"
    assert set(names) == {
        "--job-name=resample_atlas.Slabs_DIGEST_wf.bids_labelx_wf.ann",
        *(f"--job-name={step}.sub_01_{run}" for step in STEPS),
        f"--job-name=label_reduce.sub_02_{run}",
    }


def test_jobs_take_tables_of_other_datasets_as_this_process_does(
    settings: Settings, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("bids_labelx.workflow.run._POLL_CLUSTER", 0.05)
    monkeypatch.setattr(slurm, "_POLL", 0.0)
    command(
        "sbatch",
        'for script; do :; done\nsh "$script" >/dev/null 2>&1\necho "Submitted batch job $$"',
    )
    command("squeue", "exit 0")
    func = tmp_path / "aroma" / "sub-01" / "func"
    func.mkdir(parents=True)
    about = '{"Name": "a", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}'
    (tmp_path / "aroma" / "dataset_description.json").write_text(about)
    values = np.random.default_rng(0).random(N_VOLUMES - 3)
    pd.DataFrame({"one": values}).to_csv(func / "sub-01_task-rest_more.tsv", sep="\t", index=False)
    (tmp_path / "mine.toml").write_text(
        '[[confounds.tables]]\ndataset = "aroma"\nsuffix = "more"\nfirst_volume = 3\n'
        'columns = ["one"]\n'
    )
    there = replace(
        settings,
        denoise=("none", str(tmp_path / "mine.toml")),
        datasets=(f"aroma={tmp_path / 'aroma'}",),
    )
    here = replace(there, output_dir=tmp_path / "here", nipype_plugin_file=None, work_dir=None)
    # One participant has no such table.
    assert run_participants(there) == run_participants(here) == 1
    one, other = (
        {path.name: path.read_bytes() for path in out.glob("sub-*/func/*_timeseries.*")}
        for out in (there.output_dir, here.output_dir)
    )
    assert one == other
    assert sum("desc-mine" in name for name in one) == 2


def test_a_slurm_that_refuses_the_first_job_is_told_as_that(
    settings: Settings, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    command("sbatch", "echo 'sbatch: error: Invalid account' >&2; exit 1")
    command("squeue", "exit 0")
    assert run_participants(settings) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "ended early: Slurm refused the job: sbatch: error: Invalid account" in told
    assert "killed" not in told


def test_a_queue_that_does_not_answer_ends_the_graph_after_a_time_and_its_jobs_are_cancelled(
    settings: Settings,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("bids_labelx.workflow.run._POLL_CLUSTER", 0.05)
    for name, seconds in (("_POLL", 0.05), ("_ANSWER", 0.2), ("_PATIENCE", 1.0)):
        monkeypatch.setattr(slurm, name, seconds)
    command("sbatch", f'echo "$@" > {tmp_path}/given; echo "Submitted batch job 22"')
    # Asked for comments, as where jobs are to be cancelled, it answers.
    command(
        "squeue",
        'case "$*" in *%k*) ;; *) exec sleep 5;; esac\n'
        f"comment=$(sed 's/.*--comment=\\([a-z0-9]*\\).*/\\1/' {tmp_path}/given)\n"
        "echo 1 another; echo 22 $comment; echo 333 '(null)'",
    )
    command("scancel", f'echo "$@" >> {tmp_path}/cancelled')
    started = time.monotonic()
    assert run_participants(settings) == 1
    assert time.monotonic() - started < 60
    told = " ".join(capsys.readouterr().err.split())
    assert "Slurm's queue has not answered for" in told
    assert (tmp_path / "cancelled").read_text() == "22\n"
