"""The errors that a user can cause or mend, each with the exit code it ends the app with."""

from __future__ import annotations

import enum
import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


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
    measures
        The connectivity measures whose matrices could not be made; empty where it concerns all
        results of the strategies.
    trace
        Where in the code it happened; empty where nothing is known of it.
    """

    message: str
    entities: Mapping[str, str] = field(default_factory=dict)
    strategies: tuple[str, ...] = ()
    atlases: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    trace: str = ""

    def __post_init__(self) -> None:
        """Spell bytes of files' names that are no UTF-8: records and reports are."""
        for name in ("message", "trace"):
            text = getattr(self, name).encode(errors="backslashreplace").decode()
            object.__setattr__(self, name, text)

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
        return cls(message_of(error), **about)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Failure:
        """The failure that `to_json` made this of."""
        return cls(
            message=content["message"],
            entities=dict(content["entities"]),
            strategies=tuple(content["strategies"]),
            atlases=tuple(content["atlases"]),
            measures=tuple(content.get("measures", ())),
            trace=content["trace"],
        )

    def to_json(self) -> dict[str, Any]:
        """An object for a JSON file."""
        return asdict(self)

    def within(self, *folders: Path) -> Failure:
        """The same with paths relative to these folders."""
        message, trace = self.message, self.trace
        for folder in folders:
            message, trace = (text.replace(f"{folder}/", "") for text in (message, trace))
        return replace(self, message=message, trace=trace)


def message_of(error: Exception) -> str:
    """What an error says; a mistake in the code is named by its type."""
    return str(error) if isinstance(error, LabelxError) else f"{type(error).__name__}: {error}"


def exit_code(failures: Sequence[Failure]) -> ExitCode:
    """The exit code of an app that could not do these and did the rest."""
    return ExitCode.SOME_FAILED if failures else ExitCode.DONE
