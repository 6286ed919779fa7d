"""Too little memory: limits that are known, and runs that do not fit."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bids_labelx.app.participant import run_participants
from bids_labelx.participant import extract
from bids_labelx.settings import Settings
from bids_labelx.workflow.memory import memory_limits
from bids_labelx.workflow.plugins import read_plugin

AddRun = Callable[..., Path]


@pytest.fixture
def cgroup(tmp_path: Path) -> Callable[[str, dict[str, str]], dict[str, Path]]:
    """Stand-ins for /proc and /sys/fs/cgroup: the lines of the first, files of the second."""

    def make(lines: str, files: dict[str, str]) -> dict[str, Path]:
        (tmp_path / "proc" / "self").mkdir(parents=True)
        (tmp_path / "proc" / "self" / "cgroup").write_text(lines)
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return {"proc": tmp_path / "proc", "cgroup": tmp_path / "cgroup"}

    return make


@pytest.mark.parametrize(
    ("lines", "files", "gb"),
    [
        # Version 2: the own group has no limit, one above it has.
        (
            "0::/user/job/step\n",
            {"user/job/memory.max": "600000000\n", "user/job/step/memory.max": "max\n"},
            0.6,
        ),
        # In a container: named as on the host, mounted as the root.
        ("0::/\n", {"memory.max": "700000000\n"}, 0.7),
        (
            "4:memory:/docker/abc\n1:cpu:/\n",
            {"memory/memory.limit_in_bytes": "800000000\n"},
            0.8,
        ),
        # Version 1, where no limit is a very high one.
        (
            "4:memory:/slurm/job_1\n",
            {
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
                "memory/slurm/job_1/memory.limit_in_bytes": "500000000\n",
            },
            0.5,
        ),
        ("0::/\n", {"memory.max": "max\n"}, None),
    ],
)
def test_the_limit_of_a_control_group_is_found(
    cgroup: Any, lines: str, files: dict[str, str], gb: float | None
) -> None:
    found = memory_limits({}, **cgroup(lines, files)).get("cgroup")
    assert found == (None if gb is None else pytest.approx(gb))


@pytest.mark.parametrize(
    ("environ", "mb"),
    [
        ({"SLURM_MEM_PER_NODE": "400"}, 400),
        ({"SLURM_MEM_PER_CPU": "100", "SLURM_CPUS_ON_NODE": "3"}, 300),
        # As a container is given it where Slurm has set none.
        (
            {
                "SLURM_MEM_PER_NODE": "",
                "SLURM_MEM_PER_CPU": "100",
                "SLURM_CPUS_ON_NODE": "3",
            },
            300,
        ),
        # All of the node's.
        ({"SLURM_MEM_PER_NODE": "0"}, None),
        ({"SLURM_MEM_PER_CPU": "100"}, None),
    ],
)
def test_what_slurm_allotted_is_found(environ: dict[str, str], mb: int | None) -> None:
    found = memory_limits(environ).get("Slurm")
    assert found == (None if mb is None else pytest.approx(mb * 2**20 / 1e9))


def test_nodes_share_nine_tenths_of_what_is_allotted_unless_the_user_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "500")
    settings = Settings(tmp_path, tmp_path / "out", "participant")
    _, arguments = read_plugin(settings)
    assert arguments["memory_gb"] == pytest.approx(0.9 * 500 * 2**20 / 1e9)
    _, arguments = read_plugin(Settings(tmp_path, tmp_path / "o", "participant", mem_gb=7.0))
    assert arguments["memory_gb"] == 7


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="the size of a process is in /proc")
def test_a_run_that_does_not_fit_fails_with_need_and_limit_and_the_others_are_done(
    tmp_path: Path,
    add_run: AddRun,
    atlas_dataset: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for sub in ("01", "02"):
        add_run(tmp_path / "ds", f"sub-{sub}_task-rest")
    plain = extract.reduce_run

    def hungry(source: Any, *arguments: Any) -> Any:
        if "sub-01" in source.bold.name:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            most = pages * os.sysconf("SC_PAGE_SIZE") + 50_000_000
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
            np.ones(100_000_000, np.uint8)
        return plain(source, *arguments)

    monkeypatch.setattr(extract, "reduce_run", hungry)
    settings = Settings(
        bids_dir=tmp_path / "ds",
        output_dir=tmp_path / "out",
        analysis_level="participant",
        atlas_dataset=atlas_dataset,
        denoise=("none",),
        connectivity=("none",),
        nprocs=1,
    )
    assert run_participants(settings) == 1
    told = " ".join(capsys.readouterr().err.split())
    found = re.search(
        r"out of memory: about 0\.\d\d GB were expected to be needed, limits are "
        r".*GB \(ulimit -v, a process\)",
        told,
    )
    assert found, told
    assert list(settings.output_dir.glob("sub-02/func/*timeseries.tsv"))
    assert not list(settings.output_dir.glob("sub-01/func/*timeseries.tsv"))


@pytest.mark.parametrize("gb", [0.2, 0.35])
def test_a_limit_below_what_the_libraries_need_is_told_before_they_are_loaded(
    tmp_path: Path, gb: float
) -> None:
    command = [sys.executable, "-m", "bids_labelx", str(tmp_path), str(tmp_path / "out"), "group"]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (int(gb * 1e9), int(gb * 1e9)))

    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, preexec_fn=limit
    )
    assert done.returncode == 1
    assert f"out of memory: a process may address {gb:.2f} GB (ulimit -v)" in done.stderr
