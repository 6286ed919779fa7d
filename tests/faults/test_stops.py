"""Stops, kills, processes that cannot be started, and a terminal that is gone."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bids_labelx.app.invocation import stoppable
from bids_labelx.app.participant import run_participants
from bids_labelx.errors import Stopped
from bids_labelx.participant import denoise_run
from bids_labelx.settings import Settings
from bids_labelx.workflow import processes

AddRun = Callable[..., Path]

# The command, with one function that does not return: a phase that a stop finds it in.
HANGING = """
import sys, time
from pathlib import Path
from bids_labelx.app import participant
from bids_labelx.app.cli import main
from bids_labelx.participant import denoise_run
from bids_labelx.report import participant_page

def hang(*_, **__):
    Path(sys.argv[2]).touch()
    time.sleep(120)

where = {
    "planning": (participant, "make_plan"),
    "node": (denoise_run, "denoise_signals"),
    "report": (participant_page, "write_participant_report"),
}[sys.argv[1]]
setattr(*where, hang)
sys.exit(main(sys.argv[3:]))
"""


def settings_for(root: Path, atlas_dataset: Path, **options: Any) -> Settings:
    given = {
        "output_dir": root.parent / "out",
        "denoise": ("none",),
        "connectivity": ("none",),
        "nprocs": 1,
        **options,
    }
    return Settings(
        bids_dir=root, analysis_level="participant", atlas_dataset=atlas_dataset, **given
    )


def arguments_for(root: Path, atlas_dataset: Path, *more: str) -> list[str]:
    given = [str(root), str(root.parent / "out"), "participant", "--denoise", "none"]
    return [*given, "--connectivity", "none", "--atlas-dataset", str(atlas_dataset), *more]


def children_of(session: int) -> list[int]:
    alive = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            rest = path.read_text().rpartition(")")[2].split()
            if int(rest[3]) == session and rest[0] != "Z":
                alive.append(int(path.parent.name))
    return alive


@pytest.mark.parametrize(
    ("where", "options", "number"),
    [
        ("planning", (), signal.SIGTERM),
        ("node", ("--nprocs", "1"), signal.SIGTERM),
        ("node", ("--nprocs", "1"), signal.SIGINT),
        ("node", ("--nprocs", "2"), signal.SIGTERM),
        ("node", ("--use-plugin", "linear.yml"), signal.SIGINT),
        ("report", (), signal.SIGTERM),
    ],
)
def test_a_stop_ends_the_app_within_seconds_in_every_phase_and_under_every_plugin(
    tmp_path: Path,
    add_run: AddRun,
    atlas_dataset: Path,
    where: str,
    options: tuple[str, ...],
    number: signal.Signals,
) -> None:
    add_run(tmp_path / "ds")
    (tmp_path / "linear.yml").write_text("plugin: Linear\n")
    there = tmp_path / "there"
    command = [sys.executable, "-c", HANGING, where, str(there)]
    command += arguments_for(tmp_path / "ds", atlas_dataset, *options)
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, start_new_session=True
    )
    while not there.exists():
        assert process.poll() is None
        time.sleep(0.05)
    sent = time.monotonic()
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert time.monotonic() - sent < 3
    assert process.returncode == 128 + number
    assert f"stopped by {number.name}" in told
    assert not children_of(process.pid)
    assert not list(tmp_path.rglob(".tmp-*"))


def test_a_stop_that_something_swallows_is_raised_again() -> None:
    def work() -> None:
        # As nipype does where it runs an interface.
        with suppress(BaseException):
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)

    started = time.monotonic()
    with pytest.raises(Stopped), stoppable():
        work()
    assert time.monotonic() - started < 3
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_stop_does_not_cut_short_what_it_brings_about() -> None:
    tidied = False

    def tidy() -> None:
        nonlocal tidied
        # Longer than until it would be raised again, and with an error on the way.
        with suppress(ZeroDivisionError):
            raise ZeroDivisionError
        time.sleep(0.6)
        tidied = True

    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(30)
        finally:
            tidy()

    with pytest.raises(Stopped), stoppable():
        work()
    assert tidied


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (signal.SIGKILL, "killed by SIGKILL, mostly for lack of memory"),
        (signal.SIGBUS, "killed by SIGBUS, a file became shorter while it was read"),
    ],
)
def test_a_node_that_is_killed_fails_its_run_alone_with_one_process_too(
    tmp_path: Path,
    add_run: AddRun,
    atlas_dataset: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    reason: str,
) -> None:
    for sub in ("01", "02"):
        add_run(tmp_path / "ds", f"sub-{sub}_task-rest")
    plain = denoise_run.denoise_signals

    def killed(extracted: Any, source: Any, *arguments: Any) -> Any:
        if "sub-01" in str(source.confounds):
            os.kill(os.getpid(), number)
        return plain(extracted, source, *arguments)

    monkeypatch.setattr(denoise_run, "denoise_signals", killed)
    settings = settings_for(tmp_path / "ds", atlas_dataset)
    assert run_participants(settings) == 1
    assert reason in capsys.readouterr().err
    assert not list(settings.output_dir.glob("sub-01/func/*timeseries.tsv"))
    assert list(settings.output_dir.glob("sub-02/func/*timeseries.tsv"))


def test_processes_that_cannot_be_started_for_a_moment_are_tried_again(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sub in ("01", "02"):
        add_run(tmp_path / "ds", f"sub-{sub}_task-rest")
    fork, refused = os.fork, 5

    def now_and_then() -> int:
        nonlocal refused
        refused -= 1
        if refused >= 0:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return fork()

    monkeypatch.setattr(os, "fork", now_and_then)
    assert run_participants(settings_for(tmp_path / "ds", atlas_dataset, nprocs=2)) == 0
    assert refused < 0


def test_processes_that_can_never_be_started_are_the_reason_told(
    tmp_path: Path,
    add_run: AddRun,
    atlas_dataset: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    add_run(tmp_path / "ds")

    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "fork", refuse)
    monkeypatch.setattr(processes, "_PATIENCE", 1.0)
    assert run_participants(settings_for(tmp_path / "ds", atlas_dataset)) == 1
    told = capsys.readouterr().err
    assert "no process or thread can be started" in told
    assert "Resource temporarily unavailable" in told


def test_where_no_thread_can_be_started_the_same_is_read_without(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_run(tmp_path / "ds")
    settings = settings_for(tmp_path / "ds", atlas_dataset)
    assert run_participants(settings) == 0
    (written,) = settings.output_dir.rglob("*timeseries.tsv")
    expected = written.read_bytes()
    written.unlink()

    def refuse(self: Any) -> None:  # noqa: ARG001
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert run_participants(settings_for(tmp_path / "ds", atlas_dataset, overwrite=True)) == 0
    assert written.read_bytes() == expected


@pytest.mark.parametrize("gone", ["2>&-", ">&- 2>&- <&-", "2>/dev/full", "2>&1 | true"])
def test_a_terminal_that_is_closed_full_or_gone_stops_nothing(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, gone: str
) -> None:
    bold = add_run(tmp_path / "ds")
    add_run(tmp_path / "ds", "sub-02_task-rest")
    bold.write_bytes(bold.read_bytes()[:-500])
    command = [sys.executable, "-m", "bids_labelx"]
    command += arguments_for(tmp_path / "ds", atlas_dataset, "--nprocs", "1")
    shell = 'set -o pipefail; "$@" ' + gone
    done = subprocess.run(["bash", "-c", shell, "bash", *command], check=False, timeout=120)
    # One run is broken: what is told of it is in the log.
    assert done.returncode == 1
    out = tmp_path / "out"
    assert {path.name for path in out.glob("*.html")} == {"sub-01.html", "sub-02.html"}
    assert list(out.glob("sub-02/func/*timeseries.tsv"))
    (log,) = out.glob("logs/*.log")
    assert "truncated" in log.read_text()


def test_a_list_that_cannot_be_written_to_a_full_disk_is_an_error() -> None:
    command = [sys.executable, "-m", "bids_labelx", "--list-denoise"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 73
    assert "disk full: standard output" in done.stderr
