"""The errors that a user can cause or mend, each with the exit code it ends the app with."""

from __future__ import annotations

import enum
import signal


class ExitCode(enum.IntEnum):
    """How the app ended, as the BIDS execution specification and ``sysexits.h`` number it."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> ExitCode:
        """A number with its meaning."""
        member = int.__new__(cls, code)
        member._value_, member.meaning = code, meaning
        return member

    DONE = 0, "done"
    SOME_FAILED = 1, "some runs failed; the others are written"
    NOT_BIDS = 16, "the input is not a BIDS dataset"
    NO_RUNS = 18, "the filters leave no run"
    USAGE = 64, "the options are wrong"
    BAD_DATA = 65, "a file holds wrong data"
    MISSING_INPUT = 66, "an input file is missing"
    INTERNAL_ERROR = 70, "internal error"
    CANNOT_WRITE = 73, "the output cannot be created"
    INTERRUPTED = 130, "stopped by Ctrl-C"
    TERMINATED = 143, "stopped by SIGTERM"


class LabelxError(Exception):
    """One clear message: which file, what was found, what was expected, what to do."""

    exit_code = ExitCode.SOME_FAILED


class NotBidsError(LabelxError):
    """The input folder is not a BIDS dataset."""

    exit_code = ExitCode.NOT_BIDS


class NoRunsError(LabelxError):
    """The filters leave no run."""

    exit_code = ExitCode.NO_RUNS


class UsageError(LabelxError):
    """The options are wrong."""

    exit_code = ExitCode.USAGE


class SpaceError(UsageError):
    """An atlas is not in the space of the runs, or nothing says which space it is in."""


class BadDataError(LabelxError):
    """A file is there, and what it holds is wrong."""

    exit_code = ExitCode.BAD_DATA


class MissingInputError(LabelxError):
    """A file that is needed is not there."""

    exit_code = ExitCode.MISSING_INPUT


class CannotWriteError(LabelxError):
    """The output cannot be created."""

    exit_code = ExitCode.CANNOT_WRITE


class Stopped(BaseException):
    """Somebody asked this process to end: a person by Ctrl-C, a scheduler by SIGTERM.

    No `Exception`, so that nothing on the way takes it for a failure of its own.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number
