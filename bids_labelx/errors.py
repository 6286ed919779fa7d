"""The errors that a user can cause or mend, each with the exit code it ends the app with.

The codes follow the BIDS execution specification, which takes them from ``sysexits.h``.
"""

from __future__ import annotations

import signal


class LabelxError(Exception):
    """One clear message: which file, what was found, what was expected, what to do."""

    exit_code = 1


class NotBidsError(LabelxError):
    """The input folder is not a BIDS dataset."""

    exit_code = 16


class NoRunsError(LabelxError):
    """The filters leave no run."""

    exit_code = 18


class UsageError(LabelxError):
    """The options are wrong."""

    exit_code = 64


class SpaceError(UsageError):
    """An atlas is not in the space of the runs, or nothing says which space it is in."""


class BadDataError(LabelxError):
    """A file is there, and what it holds is wrong."""

    exit_code = 65


class MissingInputError(LabelxError):
    """A file that is needed is not there."""

    exit_code = 66


class CannotWriteError(LabelxError):
    """The output cannot be created."""

    exit_code = 73


class Stopped(BaseException):
    """Somebody asked this process to end: a person by Ctrl-C, a scheduler by SIGTERM.

    No `Exception`, so that nothing on the way takes it for a failure of its own.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number
