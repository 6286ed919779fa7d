"""Logging: kept until there is a folder for the log, then into one file per invocation."""

from __future__ import annotations

import logging
import os
import platform
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from logging.handlers import MemoryHandler
from pathlib import Path

from rich.console import Console

from bids_labelx.files import cannot_write

LOGGER = logging.getLogger("bids_labelx")

_NIPYPE_LOGGERS = ("nipype.workflow", "nipype.interface", "nipype.utils")
_NIBABEL = logging.getLogger("nibabel.global")


def say(console: Console, text: str) -> None:
    """Print a text and log it."""
    console.print(text, markup=False)
    LOGGER.info(text)


class _Forwarded(logging.Handler):
    """Hands on to our log what another one is told."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record as one of ours, under its own name."""
        LOGGER.handle(record)


@contextmanager
def nibabel_logged() -> Iterator[None]:
    """Have in our log what nibabel remarks on headers, which it prints without a file's name.

    What cannot be used is told by us, with the name.
    """
    before = _NIBABEL.handlers, _NIBABEL.propagate
    _NIBABEL.handlers, _NIBABEL.propagate = [_Forwarded()], False
    try:
        yield
    finally:
        _NIBABEL.handlers, _NIBABEL.propagate = before


@contextmanager
def kept_records() -> Iterator[list[logging.LogRecord]]:
    """What is logged before there is a plan, and so a folder for the log."""
    handler = MemoryHandler(sys.maxsize, flushLevel=sys.maxsize)
    before = LOGGER.level
    LOGGER.setLevel(logging.INFO)
    LOGGER.addHandler(handler)
    try:
        yield handler.buffer
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(before)


def log_again(console: Console, records: Sequence[logging.LogRecord]) -> None:
    """Log what was kept, and print its warnings."""
    for record in records:
        LOGGER.handle(record)
    print_warnings(console, records)


def print_warnings(console: Console, records: Sequence[logging.LogRecord]) -> None:
    """Print the warnings of our own among what was logged."""
    for record in records:
        if record.levelno >= logging.WARNING and record.name == LOGGER.name:
            console.print(f"warning: {record.getMessage()}", markup=False, style="yellow")


@contextmanager
def log_file(folder: Path, verbose: int) -> Iterator[None]:
    """Our log and nipype's into one file per invocation; on the terminal only with ``-v``."""
    import nipype

    nipype.config.update_config({"logging": {"log_to_file": False}})
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    # Invocations of one second may be on several machines.
    who = f"{re.sub('[^A-Za-z0-9]', '-', platform.node())}_{os.getpid()}"
    path = folder / f"bids_labelx_{stamp}_{who}.log"
    try:
        handlers: list[logging.Handler] = [
            _LogFile(path, encoding="utf-8", errors="backslashreplace")
        ]
    except OSError as error:
        raise cannot_write(path, error) from None
    if verbose:
        handlers.append(logging.StreamHandler())
    loggers = [logging.getLogger(name) for name in ("bids_labelx", *_NIPYPE_LOGGERS)]
    before = [(list(one.handlers), one.level, one.propagate) for one in loggers]
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    for one in loggers:
        one.handlers, one.propagate = handlers, False
        one.setLevel(logging.DEBUG if verbose > 1 else logging.INFO)
    try:
        yield
    except BaseException as error:
        LOGGER.error("ended with %s: %s", type(error).__name__, error)
        raise
    finally:
        for one, (old, level, propagate) in zip(loggers, before, strict=True):
            one.handlers, one.propagate = old, propagate
            one.setLevel(level)
        for handler in handlers:
            # Where the disk is full, what is buffered cannot be written.
            with suppress(OSError):
                handler.close()


class _LogFile(logging.FileHandler):
    """A log file; the work goes on where its disk is full."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Do without this record."""
