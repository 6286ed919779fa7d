"""Many small participants, some broken, killed and restarted; every series against numpy's.

The participants, the faults and the direct computation are in `small_study` and `soak_judge`.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import small_study
from small_study import ATLASES, SmallRun
from soak_judge import (
    FAULTS,
    STRATEGIES,
    correlations,
    difference,
    expected_series,
    group_difference,
    read_table,
    reason_found,
)

PARTICIPANTS = 200
BROKEN = 0.05
# When these shares of the good participants have results the app is killed, the last time with
# all its processes.
KILLS = (0.2, 0.45, 0.7)
_TIMEOUT = 3600.0
# MB that the main process may differ by, whatever it does.
_MEMORY_SPREAD = 20


@dataclass
class Invocation:
    """One invocation of the app, watched from outside."""

    code: int | None = None
    said: str = ""
    # Seconds since its start, participants with results, MB of the main process.
    samples: list[tuple[float, int, float]] = field(default_factory=list)

    @property
    def memory(self) -> tuple[float, float]:
        """MB of the main process, mean over the first and the last third of its time."""
        values = [one[2] for one in self.samples if one[2]]
        third = max(len(values) // 3, 1)
        return float(np.mean(values[third : 2 * third])), float(np.mean(values[-third:]))

    @property
    def seconds_per_run(self) -> float:
        """From the first participant that was done in it to the last."""
        done = [one for one in self.samples if one[1] > self.samples[0][1]]
        runs = done[-1][1] - done[0][1] if done else 0
        last = next((t for t, n, _ in done if n == done[-1][1]), 0.0)
        return (last - done[0][0]) / runs if runs else float("nan")


def memory_of(process: int) -> float:
    """Resident memory in MB; 0 where the process is gone."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    sizes = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
    return int(sizes[0]) / 1024 if sizes else 0.0


def size_of(folder: Path) -> tuple[int, int]:
    """Bytes and inodes of a folder that may change meanwhile."""
    size = inodes = 0
    for root, folders, files in os.walk(folder):
        inodes += len(folders) + len(files)
        for name in files:
            try:
                size += os.lstat(os.path.join(root, name)).st_blocks * 512  # noqa: PTH118
            except OSError:
                continue
    return size, inodes


def count_done(out: Path) -> int:
    """Participants with a matrix of the last strategy."""
    pattern = f"sub-*/func/*atlas-{list(ATLASES)[-1]}*_desc-scrubbing5_relmat.tsv"
    return sum(1 for _ in out.glob(pattern))


def invoke(
    command: Sequence[str],
    out: Path,
    environment: Mapping[str, str],
    kill_at: int | None = None,
    *,
    whole: bool = False,
) -> Invocation:
    """Run the app; with `kill_at` it gets SIGKILL when so many participants have results.

    `whole`: so does every process of its group.
    """
    found, start = Invocation(), time.monotonic()
    log = out.parent / "said"
    with log.open("w") as stream:
        process = subprocess.Popen(
            command, stderr=stream, stdout=stream, env=dict(environment), start_new_session=True
        )
        while process.poll() is None:
            now, done = time.monotonic() - start, count_done(out)
            found.samples.append((now, done, memory_of(process.pid)))
            if kill_at is not None and done >= kill_at:
                if whole:
                    os.killpg(process.pid, signal.SIGKILL)
                process.kill()
            if now > _TIMEOUT:
                os.killpg(process.pid, signal.SIGKILL)
                raise SystemExit(f"no end after {_TIMEOUT:.0f} s: {' '.join(command)}")
            time.sleep(0.5)
    found.code, found.said = process.returncode, log.read_text()
    return found


def make_study(folder: Path, count: int) -> tuple[dict[str, SmallRun], dict[str, str]]:
    """Write dataset and atlases: the good runs by participant, and the fault of each other one."""
    study = folder / "study"
    small_study.write_dataset(study)
    small_study.write_atlases(folder / "atlases")
    n_broken = max(round(BROKEN * count), min(5, count // 4))
    broken_at = np.linspace(1, count - 2, n_broken).astype(int)
    kinds = [list(FAULTS)[k % len(FAULTS)] for k in range(n_broken)]
    faults = dict(zip(broken_at.tolist(), kinds, strict=True))
    good: dict[str, SmallRun] = {}
    broken: dict[str, str] = {}
    for number in range(count):
        label, run = f"{number:03d}", small_study.draw_run(number)
        paths = small_study.write_run(study, label, run)
        if number in faults:
            FAULTS[faults[number]].spoil(paths, run)
            broken[label] = faults[number]
        else:
            good[label] = run
    return good, broken


def wrong_results(out: Path, runs: Mapping[str, SmallRun], strategies: Sequence[str]) -> list[str]:
    """What of these participants is missing or not what numpy computes."""
    wrong = []
    for label, run in runs.items():
        for atlas in ATLASES:
            for strategy in strategies:
                start = out / f"sub-{label}" / "func" / f"sub-{label}_task-rest_space-"
                stem = f"{start}{small_study.SPACE}_atlas-{atlas}_stat-mean"
                series = expected_series(run, atlas, strategy)
                matrix = f"{stem}_meas-correlation_desc-{strategy}_relmat.tsv"
                for name, skip, expected in (
                    (f"{stem}_desc-{strategy}_timeseries.tsv", 0, series),
                    (matrix, 1, correlations(series)),
                ):
                    path = Path(name)
                    problem = "missing"
                    if path.is_file():
                        problem = difference(*read_table(path, skip), atlas, expected)
                    if problem:
                        wrong.append(f"{path.name}: {problem}")
    return wrong


def half_done(out: Path) -> list[str]:
    """Files that were never finished."""
    return [str(path) for path in out.rglob("*") if path.name.startswith((".tmp", ".part"))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the study, run, kill, restart, judge, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help=f"of {PARTICIPANTS} participants")
    parser.add_argument("--line", action="store_true", help="print one line of figures")
    parser.add_argument("--keep", metavar="DIR", help="use this folder, and leave all in it")
    options = parser.parse_args(arguments)
    folder = Path(options.keep or tempfile.mkdtemp(prefix="soak-"))
    try:
        rows, problems = soak(folder, max(round(options.share * PARTICIPANTS), 8))
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    if options.line:
        print("soak: " + "; ".join(f"{what} {value}" for what, value in rows.items()))
    else:
        print("| what | figure |\n|---|---|")
        print("\n".join(f"| {what} | {value} |" for what, value in rows.items()))
    for one in problems:
        print(f"wrong: {one}", file=sys.stderr)
    return 1 if problems else 0


def soak(folder: Path, count: int) -> tuple[dict[str, str], list[str]]:
    """Run the whole of it: the figures by what they are of, and what does not hold."""
    started = time.monotonic()
    good, broken = make_study(folder, count)
    out, work, temporary = (folder / name for name in ("out", "work", "tmp"))
    temporary.mkdir()
    environment = {**os.environ, "NO_ET": "1", "TMPDIR": str(temporary)}
    app = [sys.executable, "-m", "bids_labelx", str(folder / "study"), str(out)]
    command = [*app, "participant", "--atlas-dataset", str(folder / "atlases"), "--nprocs", "2"]
    command += ["--denoise", "none", "simple", "scrubbing.5", "--work-dir", str(work)]
    invocations, sizes = [], []
    for k, share in enumerate((*KILLS, None)):
        kill_at = None if share is None else max(round(share * len(good)), 1)
        last_kill = k == len(KILLS) - 1
        invocations.append(invoke(command, out, environment, kill_at, whole=last_kill))
        sizes.append(size_of(work))
    *killed, last = invocations
    problems = [
        f"killed invocation {k} ended with {one.code}"
        for k, one in enumerate(killed, 1)
        if one.code != -signal.SIGKILL
    ]
    if last.code != 1:
        problems.append(f"the last invocation ended with {last.code}, 1 is expected")
    again = invoke(command, out, environment)
    if again.code != 1:
        problems.append(f"the same command again ended with {again.code}, 1 is expected")
    problems += wrong_results(out, good, list(STRATEGIES))
    problems += _wrong_failures(out, last.said, broken)
    first, late = invocations[0].memory[0], last.memory[1]
    if late > 1.25 * first + _MEMORY_SPREAD:
        problems.append(f"the main process grows from {first:.0f} to {late:.0f} MB")
    problems += [f"left behind: {one}" for one in half_done(out)]
    problems += [f"left behind: {one}" for one in map(str, temporary.iterdir())]
    group = invoke([*app, "group"], out, environment)
    partly = {label for label, kind in broken.items() if FAULTS[kind].done}
    drawn = {label: small_study.draw_run(int(label)) for label in partly}
    for atlas in ATLASES:
        for strategy in STRATEGIES:
            extra = {a: run for a, run in drawn.items() if strategy in FAULTS[broken[a]].done}
            runs = dict(sorted({**good, **extra}.items()))
            if wrong := group_difference(out, atlas, strategy, runs):
                problems.append(f"group: {wrong}")
    named = group.said + (out / "group_qc.tsv").read_text(encoding="utf-8")
    problems += [f"group: sub-{one} is not named" for one in broken if f"sub-{one}" not in named]
    return _figures(good, broken, [*invocations, again], sizes, problems, started), problems


def _wrong_failures(out: Path, said: str, broken: Mapping[str, str]) -> list[str]:
    """Broken participants that are not named with their reason, or have results nevertheless."""
    wrong = []
    for label, kind in broken.items():
        fault = FAULTS[kind]
        if not reason_found(said, label, fault):
            wrong.append(f"sub-{label} ({kind}) is not named with its reason: {fault.said}")
        absent = [one for one in STRATEGIES if one not in fault.done]
        written = [
            path.name
            for one in absent
            for path in (out / f"sub-{label}").rglob(f"*_desc-{one}_timeseries.tsv")
        ]
        if written:
            wrong.append(f"sub-{label} ({kind}) has {', '.join(written)}")
        if fault.done:
            run = small_study.draw_run(int(label))
            wrong += wrong_results(out, {label: run}, fault.done)
    return wrong


def _figures(
    good: Mapping[str, SmallRun],
    broken: Mapping[str, str],
    invocations: Sequence[Invocation],
    sizes: Sequence[tuple[int, int]],
    problems: Sequence[str],
    started: float,
) -> dict[str, str]:
    *work, again = invocations
    first, last = work[0].memory[0], work[-1].memory[1]
    speeds = [one.seconds_per_run for one in work]
    series = len(good) * len(ATLASES) * len(STRATEGIES)
    kept, inodes = zip(*sizes, strict=True)
    return {
        "participants": f"{len(good) + len(broken)}, {len(broken)} broken in "
        f"{len(set(broken.values()))} ways",
        "series and matrices of good ones": f"{2 * series}",
        "kills": f"{len(KILLS)}",
        "wrong": f"{len(problems)}",
        "MB of the main process, early and late": f"{first:.0f} and {last:.0f}",
        "s per run, by invocation": ", ".join(
            # Too few runs at a time, or too fast ones, to be told apart.
            "–" if math.isnan(one) else f"{one:.2f}"
            for one in speeds
        ),
        "work folder after each, MB": ", ".join(f"{one / 2**20:.0f}" for one in kept),
        "its inodes per participant": f"{inodes[-1] / (len(good) + len(broken)):.0f}",
        "the same command again": f"{again.samples[-1][0]:.0f} s",
        "in all": f"{time.monotonic() - started:.0f} s",
    }


if __name__ == "__main__":
    sys.exit(main())
