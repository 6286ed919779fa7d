"""How `ci/bench` measures: a row, its bars, and code or commands timed in fresh processes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass

# Runs a snippet and prints its seconds, the peak memory of its process in MB, and its seconds of
# processor. What is loaded
# by the first use of a filter is loaded before, for ours and the peer alike.
WRAPPER = """
import resource, sys, time, warnings
warnings.simplefilter("ignore")
{setup}
start, begun = time.perf_counter(), time.process_time()
{body}
seconds, cpu = time.perf_counter() - start, time.process_time() - begun
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, cpu)
"""


@dataclass(frozen=True)
class Measured:
    """Of a process: seconds, peak memory in MB, seconds of processor, KB that it wrote."""

    seconds: float
    memory: float
    cpu: float = 0.0
    size: float = 0.0


@dataclass(frozen=True)
class Bar:
    """A limit: what it is about, how it comes from ours, the peer and bare gunzip, its value."""

    what: str
    value: Callable[[Measured, Measured | None, Measured | None], float]
    limit: float
    at_most: bool = True

    def verdict(self, *sides: Measured | None) -> str:
        """The bar in words, with what was found."""
        assert sides[0] is not None
        found = self.value(sides[0], *sides[1:])  # type: ignore[arg-type]
        held = found <= self.limit if self.at_most else found >= self.limit
        words = "at most" if self.at_most else "at least"
        # Three significant digits, without an exponent.
        limit, value = (f"{float(f'{number:.3g}'):g}" for number in (self.limit, found))
        return f"{words} {self.what.format(limit)}: {value}, {'held' if held else '**not held**'}"


@dataclass(frozen=True)
class Row:
    """One row: the same work by us and by a peer, as snippets with their setup, or commands."""

    what: str
    ours: Callable[[], Measured]
    peer: Callable[[], Measured] | None = None
    peer_name: str = "nilearn"
    bars: tuple[Bar, ...] = ()
    gunzip: Callable[[], Measured] | None = None


def faster(times: float, than: str = "nilearn") -> Bar:
    """So many times faster than the peer."""
    return Bar(f"{{}} × {than}", lambda a, b, _: b.seconds / a.seconds, times, at_most=False)


def of_gunzip(times: float) -> Bar:
    """So many times the bare gunzip of the run."""
    return Bar("{} × gunzip", lambda a, _, c: a.seconds / c.seconds, times)


def lighter(share: float) -> Bar:
    """A share of the peer's memory."""
    return Bar("{} of its memory", lambda a, b, _: a.memory / b.memory, share)


def memory(limit: float) -> Bar:
    """Peak memory in MB."""
    return Bar("{} MB", lambda a, *_: a.memory, limit)


def seconds(limit: float) -> Bar:
    """Seconds from start to end."""
    return Bar("{} s", lambda a, *_: a.seconds, limit)


def processor_seconds(limit: float) -> Bar:
    """Seconds of processor, of all processes."""
    return Bar("{} s of processor", lambda a, *_: a.cpu, limit)


def snippet(setup: str, body: str) -> Callable[[], Measured]:
    """Time some code in a fresh process."""
    return code(WRAPPER.format(setup=setup, body=body))


def code(text: str) -> Callable[[], Measured]:
    """Run code in a fresh process.

    It prints on its last line seconds, peak memory in MB, and perhaps seconds of processor and
    the size of what it wrote in KB.
    """

    def measure() -> Measured:
        done = subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"a benchmark failed:\n{text}\n{done.stderr}")
        return Measured(*map(float, done.stdout.splitlines()[-1].split()))

    return measure


def command(*arguments: object) -> Callable[[], Measured]:
    """Time a command from start to end, its children included."""
    words = [sys.executable, *map(str, arguments)]
    # With bytecode, as an installed package has it.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

    def measure() -> Measured:
        with tempfile.TemporaryFile() as log:
            start = time.perf_counter()
            process = subprocess.Popen(words, stdout=log, stderr=log, env=environment)
            _, status, usage = os.wait4(process.pid, 0)
            taken = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                log.seek(0)
                raise SystemExit(f"{shlex.join(words)} failed:\n{log.read().decode()}")
        return Measured(taken, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime)

    return measure
