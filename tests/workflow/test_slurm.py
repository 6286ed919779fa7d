"""What jobs of the plugin for Slurm request, and that those of a stopped graph are cancelled."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bids_labelx.errors import Stopped
from bids_labelx.workflow.slurm import slurm_arguments


class OneNode:
    """A workflow with one node, of 1.5 GB and two processors."""

    def __init__(self) -> None:
        self.node = SimpleNamespace(mem_gb=1.5, n_procs=2, plugin_args={})

    def list_node_names(self) -> list[str]:
        return ["node"]

    def get_node(self, _: str) -> Any:
        return self.node


@pytest.mark.parametrize(
    ("given", "requested"),
    [
        ("", "--mem=1500M --cpus-per-task=2"),
        ("--time=10", "--mem=1500M --cpus-per-task=2"),
        ("--mem-per-cpu=2G", "--cpus-per-task=2"),
        ("-c 4", "--mem=1500M"),
        ("--mem=4G --cpus-per-task=1", None),
    ],
)
def test_a_job_requests_what_its_node_declares_unless_the_plugin_file_does(
    given: str, requested: str | None
) -> None:
    workflow = OneNode()
    with slurm_arguments(workflow, {"sbatch_args": given, "max_tries": 3}) as arguments:
        assert arguments["max_tries"] == 3
        assert arguments["sbatch_args"].startswith(f"{given} --comment=bidslabelx".strip())
    assert workflow.node.plugin_args.get("sbatch_args") == requested


def test_a_stop_cancels_the_jobs_with_our_comment_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Stand-ins: squeue lists another's job and ours, scancel writes down what it is given.
    for name, text in (
        ("squeue", "echo 1 another; echo 22 $COMMENT; echo 333 '(null)'"),
        ("scancel", f'echo "$@" >> {tmp_path}/cancelled'),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def run(arguments: dict[str, Any]) -> None:
        monkeypatch.setenv("COMMENT", arguments["sbatch_args"].removeprefix("--comment="))
        raise Stopped(signal.SIGTERM)

    with pytest.raises(Stopped), slurm_arguments(OneNode(), {}) as arguments:
        run(arguments)
    assert (tmp_path / "cancelled").read_text() == "22\n"
