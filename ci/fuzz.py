"""Feed spoilt files to what reads them, a process per target, and print what came of it.

What is right is in `fuzz_targets`, `fuzz_regressors`, `fuzz_tables`, `fuzz_settings` and
`fuzz_folder`, the spoiling in `fuzz_engine`.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from fuzz_engine import HANGS, Finding, Report, Target, search
from fuzz_folder import outputs
from fuzz_regressors import motion, tedana, xcp_d
from fuzz_settings import filters, plugins, sidecars, strategies
from fuzz_tables import tables
from fuzz_targets import confounds, labels, stream

TARGETS: Mapping[str, Target] = {
    "stream": stream,
    "labels": labels,
    "confounds": confounds,
    "motion": motion,
    "tedana": tedana,
    "xcp_d": xcp_d,
    "strategies": strategies,
    "tables": tables,
    "filters": filters,
    "plugins": plugins,
    "sidecars": sidecars,
    "outputs": outputs,
}

# Memory that a try may take beside what the libraries have.
MEMORY = 2 * 2**30


@dataclass
class Total:
    """All that became of a target, over as many processes as it took."""

    tries: int = 0
    taken: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)

    def add(self, report: Report) -> None:
        """Add what one process found."""
        self.tries += report.tries
        self.taken += report.taken
        self.seconds += report.seconds
        self.findings += report.findings


def limit_memory() -> None:
    """What a bomb needs is refused by the system: a finding, and not the end of the machine."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def child(
    name: str,
    folder: Path,
    seconds: float,
    seed: int,
    tries: int | None,
    known: frozenset[str],
    to: Connection,
) -> None:
    """Search one target, in a process of its own."""
    logging.disable(logging.CRITICAL)
    sys.stderr = (folder / "stderr").open("w")
    place = folder / "work"
    place.mkdir()
    limit_memory()
    search(
        TARGETS[name],
        place,
        seconds=seconds,
        seed=seed,
        tries=tries,
        known=known,
        tell=to.send,
    )


def run_target(
    name: str, folder: Path, seconds: float, seed: int, tries: int | None = None
) -> Total:
    """Search one target for some seconds; a process that dies is a finding, and replaced.

    With `tries`, the search also ends after so many.
    """
    total, start, number = Total(), time.monotonic(), 0
    context = multiprocessing.get_context("fork")
    while (left := seconds - (time.monotonic() - start)) > 0:
        place = folder / f"{name}-{number}"
        place.mkdir()
        receiver, sender = context.Pipe(duplex=False)
        known = frozenset(one.kind for one in total.findings)
        more = None if tries is None else tries - total.tries
        of = (name, place, left, seed + 10_000 * number, more, known, sender)
        process = context.Process(target=child, args=of)
        process.start()
        sender.close()
        report, lost = Report(), False
        try:
            while receiver.poll(3 * HANGS):
                report = receiver.recv()
            lost = True
            process.kill()
        except EOFError:
            pass
        process.join()
        total.add(report)
        if lost or process.exitcode:
            # The try that it died of was not told.
            total.tries += 1
            finding = _death(place, process.exitcode, lost)
            if finding.kind not in {one.kind for one in total.findings}:
                total.findings.append(finding)
            if not finding.content:
                break
        if tries is not None and total.tries >= tries:
            break
        number += 1
    return total


def _death(place: Path, code: int | None, lost: bool) -> Finding:
    """What the last try of a process did that died or did not come back."""
    last = place / "work" / "last"
    if not last.exists():
        text = (place / "stderr").read_text()[-2000:]
        return Finding("the target cannot be started", text, "", b"")
    name, _, content = last.read_bytes().partition(b"\n")
    how = f"exit code {code}" if code is None or code >= 0 else signal.Signals(-code).name
    kind = "hangs, and cannot be interrupted" if lost else f"the process dies: {how}"
    return Finding(kind, (place / "stderr").read_text()[-500:], name.decode(), content)


def line(name: str, total: Total) -> str:
    """A row of the table."""
    minutes = f"{total.seconds / 60:.1f}"
    cells = (name, f"{total.tries:,}", f"{total.taken:,}", minutes, str(len(total.findings)))
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Search targets, print the table, and the findings below it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--minutes", type=float, default=1.0, help="for each target")
    parser.add_argument("--tries", type=int, help="at most so many for each target")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    unknown = set(options.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    print("| target | tries | taken | minutes | findings |\n|---|---|---|---|---|", flush=True)
    found: list[tuple[str, Finding]] = []
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for name in options.targets or TARGETS:
            total = run_target(
                name, Path(folder), 60 * options.minutes, options.seed, options.tries
            )
            print(line(name, total), flush=True)
            found += [(name, one) for one in total.findings]
    for name, one in found:
        shown = one.content if len(one.content) <= 1500 else one.content[:1500] + b"..."
        print(f"\n{name}: {one.kind}\n  {one.detail}\n  {one.name}: {shown!r}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
