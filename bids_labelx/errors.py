"""The errors that a user can cause or mend, each with the exit code it ends the app with.

The codes follow the BIDS execution specification, which takes them from ``sysexits.h``.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any


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


@dataclass(frozen=True)
class Failure:
    """Something of a run or a participant that could not be done, and why.

    Attributes
    ----------
    message
        Which file, what was found, what was expected, what to do.
    entities
        Those of the run; ``sub`` alone where it concerns a participant.
    strategies
        Names of the denoising strategies that a run could not be done with. What the group level
        finds broken or missing concerns no strategy, which tells it from a run's failure.
    atlases
        Names of the atlases that the run would have been reduced to.
    trace
        Where in the code it happened; empty where nothing is known of it.
    """

    message: str
    entities: Mapping[str, str] = field(default_factory=dict)
    strategies: tuple[str, ...] = ()
    atlases: tuple[str, ...] = ()
    trace: str = ""

    @classmethod
    def of(cls, error: Exception, **about: Any) -> Failure:
        """The failure that an error causes; a mistake in the code is named by its type.

        Parameters
        ----------
        error
            What was raised.
        about
            The other attributes.
        """
        expected = isinstance(error, LabelxError)
        return cls(str(error) if expected else f"{type(error).__name__}: {error}", **about)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Failure:
        """The failure that `to_json` made this of."""
        strategies, atlases = tuple(content["strategies"]), tuple(content["atlases"])
        entities = dict(content["entities"])
        return cls(content["message"], entities, strategies, atlases, content["trace"])

    def to_json(self) -> dict[str, Any]:
        """An object for a JSON file."""
        return asdict(self)

    def within(self, *folders: Path) -> Failure:
        """The same with paths relative to these folders."""
        message, trace = self.message, self.trace
        for folder in folders:
            message, trace = (text.replace(f"{folder}/", "") for text in (message, trace))
        return replace(self, message=message, trace=trace)


def exit_code(failures: Sequence[Failure]) -> int:
    """The exit code of an app that could not do these and did the rest."""
    return LabelxError.exit_code if failures else 0
