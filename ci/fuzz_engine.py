"""How `ci/fuzz` spoils files and judges what comes of it, in this process and for some seconds."""

from __future__ import annotations

import re
import signal
import struct
import time
import traceback
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.errors
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import strategies as st

from bids_labelx.errors import LabelxError

# Seconds after which a try counts as hanging, and tries or seconds that making a finding smaller
# may take.
HANGS = 20
SHRINK_TRIES, SHRINK_SECONDS = 300, 10
_PLACES = 2**20

# What is put into files: numbers, marks, letters and bytes that readers have stumbled over.
_NUMBERS = (
    *("0", "1", "-1", "2", "1e400", "-1e400", "1e300", "1e-320", "nan", "inf", "-inf", "Infinity"),
    *("NaN", "-0.0", "1_0", "0x10", "007", "99999999999999999999", "1,5", "٣", "²"),
)
_WORDS = (
    *("True", "true", "false", "null", "None", "n/a", "*", "é", "e\u0301", "🙂", "sub-02", "../x"),
    *("!!python/object/apply:os.getcwd []", "<!DOCTYPE a>", "&amp;", "&#0;", "[]", "{}", '""'),
)
_MARKS = (
    *("", " ", "\t", "\n", "\r", "\r\n", "\n\n", "\0", "\x1b", "\ufeff", "\u2028", "\u00a0"),
    *(",;:=#|%&*_-/\\()[]{}<>\"'"),
)
TOKENS = (
    *(text.encode() for text in (*_NUMBERS, *_WORDS, *_MARKS)),
    *(b"\xff", b"\xc3", b"\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b"),
    *(struct.pack("<h", one) for one in (0, 1, -1, 7, 255, 32767, -32768)),
    *(struct.pack("<f", one) for one in (0.0, -1.0, float("nan"), float("inf"), 1e38, 1e-40)),
)
_KINDS = ("flip", "byte", "overwrite", "insert", "repeat", "word", "copy", "cut", "end", "double")
_KINDS += ("swap", "drop line")

Case = tuple[str, bytes]
# Reads a spoilt file, by the name of the intact one; raises where that is refused, or absurd.
Attempt = Callable[[str, bytes], None]
# From an empty folder: the intact files by name, and what tries them.
Target = Callable[[Path], tuple[Mapping[str, bytes], Attempt]]


class Absurd(Exception):
    """A spoilt file was taken for what it is not."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind


class _Over(BaseException):
    """Time is over; no `Exception`, so that nothing on the way takes it for one of its own."""


class _Hangs(BaseException):
    """A try takes too long."""


@dataclass(frozen=True)
class Finding:
    """What came out that must not: its kind, in words, and the smallest file that shows it."""

    kind: str
    detail: str
    name: str
    content: bytes


@dataclass
class Report:
    """What was tried on a target and found."""

    tries: int = 0
    taken: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)


def spoilt(files: Mapping[str, bytes], most: int = 4) -> st.SearchStrategy[Case]:
    """Files with one to `most` edits; half of the edits are among the first 400 bytes."""
    place = st.integers(0, _PLACES - 1)
    edit = st.tuples(st.sampled_from(_KINDS), place, place, st.sampled_from(TOKENS), st.booleans())

    def make(name: str, edits: list[tuple[str, int, int, bytes, bool]]) -> Case:
        content = files[name]
        for kind, first, second, token, early in edits:
            reach = min(len(content), 400) if early else len(content)
            content = _edited(content, kind, first * reach // _PLACES, second, token)
        return name, content

    names = st.sampled_from(sorted(files))
    return st.builds(make, names, st.lists(edit, min_size=1, max_size=most))


def _edited(content: bytes, kind: str, at: int, number: int, token: bytes) -> bytes:
    before, after = content[:at], content[at:]
    if kind == "flip" and after:
        return before + bytes([after[0] ^ 1 << number % 8]) + after[1:]
    if kind == "byte" and after:
        return before + bytes([number % 256]) + after[1:]
    if kind == "overwrite":
        return before + token + after[len(token) :]
    if kind == "repeat":
        # Nesting and long lines: up to 130,000 times, mostly few.
        times = number % 8 if number % 16 else number // 8
        return before + token * times + after
    if kind == "cut":
        return before + after[1 + number % 64 :]
    if kind == "end":
        return before
    if kind == "double":
        return before + after[: 1 + number % 256] + after
    if kind in ("word", "copy"):
        words = list(re.finditer(rb"[\w.+/-]+", content))
        if words:
            word = words[at * len(words) // (len(content) + 1)]
            new = token if kind == "word" else words[number % len(words)][0]
            return content[: word.start()] + new + content[word.end() :]
    if kind in ("swap", "drop line"):
        lines = content.split(b"\n")
        one, other = before.count(b"\n"), number % len(lines)
        lines[one], lines[other] = lines[other], lines[one]
        return b"\n".join(lines if kind == "swap" else lines[:one] + lines[one + 1 :])
    return before + token + after


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise _Hangs

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def judge(attempt: Attempt, case: Case) -> Finding | bool:
    """Try a file: the finding, or whether it was taken (and not refused)."""
    name, content = case
    try:
        with _time_limit(HANGS), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            attempt(name, content)
    except LabelxError:
        return False
    except Absurd as error:
        return Finding(f"taken: {error.kind}", str(error), name, content)
    except _Hangs:
        return Finding(f"hangs: more than {HANGS} s", _place(), name, content)
    except Exception as error:
        kind = f"{type(error).__name__} in {_frame(error)}"
        return Finding(kind, f"{error}"[:300], name, content)
    return True


def _place() -> str:
    return traceback.format_exc(limit=-4)


def _frame(error: Exception) -> str:
    """The innermost function of the package that an error went through."""
    frames = list(traceback.extract_tb(error.__traceback__))
    own = [one for one in frames if "/bids_labelx/" in one.filename] or frames
    file = own[-1].filename.rpartition("/bids_labelx/")[2]
    return f"{file}, {own[-1].name}"


def search(
    target: Target,
    folder: Path,
    *,
    seconds: float,
    seed: int,
    tries: int | None = None,
    known: frozenset[str] = frozenset(),
    tell: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Try spoilt files for some seconds, and give what was found, each kind once.

    Parameters
    ----------
    target
        What is tried.
    folder
        An empty folder; ``last`` in it is what is being tried, should this process die of it.
    tries
        At most so many tries, where there is time for more.
    known
        Kinds of findings that are not looked for any more.
    tell
        Called about every second with what there is so far.

    Raises
    ------
    AssertionError
        Where an intact file is not taken: nothing could be said about spoilt ones.
    """
    files, attempt = target(folder)
    for case in files.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            attempt(*case)
    report, seen, number = Report(), set(known), 0
    clock = _Clock(seconds, tries, tell, report)
    while not clock.over():
        finding = _one_round(files, attempt, folder / "last", clock, seen, seed + number)
        if finding is not None:
            seen.add(finding.kind)
            report.findings.append(finding)
        number += 1
    tell(report)
    return report


class _Clock:
    """Keeps the report's time, and tells of it about once a second."""

    def __init__(
        self,
        seconds: float,
        tries: int | None,
        tell: Callable[[Report], None],
        report: Report,
    ) -> None:
        self.report = report
        self._start = self._told = time.monotonic()
        self._seconds, self._tries, self._tell = seconds, tries, tell

    def over(self) -> bool:
        """Whether the time is over, or there were as many tries as may be."""
        now = time.monotonic()
        self.report.seconds = now - self._start
        if now - self._told > 1:
            self._told = now
            self._tell(self.report)
        enough = self._tries is not None and self.report.tries >= self._tries
        return enough or self.report.seconds >= self._seconds


def _one_round(
    files: Mapping[str, bytes],
    attempt: Attempt,
    last: Path,
    clock: _Clock,
    seen: Collection[str],
    seed: int,
) -> Finding | None:
    """Some hundred tries: the first new kind of finding, made as small as can be, or None."""
    found: list[Finding] = []
    first_at: list[float] = []

    def one_try(case: Case) -> None:
        if clock.over() or len(found) > SHRINK_TRIES:
            raise _Over
        if found and time.monotonic() - first_at[0] > SHRINK_SECONDS:
            raise _Over
        last.write_bytes(case[0].encode() + b"\n" + case[1])
        clock.report.tries += 1
        outcome = judge(attempt, case)
        if not isinstance(outcome, Finding):
            clock.report.taken += outcome
        elif outcome.kind not in seen and (not found or outcome.kind == found[0].kind):
            found.append(outcome)
            first_at.append(time.monotonic())
            raise AssertionError(outcome.kind)

    options = hypothesis.settings(
        max_examples=500,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
    )
    looked = hypothesis.seed(seed)(options(hypothesis.given(spoilt(files))(one_try)))
    with suppress(_Over, AssertionError, hypothesis.errors.Flaky):
        looked()
    return min(found, key=lambda one: len(one.content), default=None)
