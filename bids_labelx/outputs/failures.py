"""What could not be done, remembered in the output dataset until it is: for reports and the group.

A file for each run, so that starts side by side do not meet in one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bids_labelx.files import write_json
from bids_labelx.names import build_name

_FOLDER = Path("logs", "failures")


@dataclass(frozen=True)
class Failure:
    """A run of which something could not be done.

    Attributes
    ----------
    entities
        Those of the run.
    atlases
        Those that it would have been reduced to, by name.
    problems
        By the strategy's name why it could not be done; the same reason for all strategies where
        it is the run's.
    trace
        Where in the code the run ended; empty where nothing is known of it.
    """

    entities: Mapping[str, str]
    atlases: tuple[str, ...]
    problems: Mapping[str, str]
    trace: str = ""

    @property
    def problem(self) -> str:
        """The reasons, each once, a line each."""
        return "\n".join(dict.fromkeys(self.problems.values()))

    def within(self, *folders: Path) -> Failure:
        """The same with paths within these folders, wherever these lie."""
        problems, trace = dict(self.problems), self.trace
        for folder in folders:
            problems = {k: text.replace(f"{folder}/", "") for k, text in problems.items()}
            trace = trace.replace(f"{folder}/", "")
        return Failure(self.entities, self.atlases, problems, trace)


def remember_failure(output: Path, failure: Failure, tried: Iterable[str]) -> None:
    """Write down what failed of the strategies tried, and forget what failed of them before.

    Parameters
    ----------
    output
        The output dataset.
    failure
        Without problems where all went well.
    tried
        Names of the strategies of this start.

    Raises
    ------
    CannotWriteError
    """
    path = output / _FOLDER / build_name(failure.entities, "bold", ".json")
    before = _read(path)
    kept = {} if before is None else dict(before.problems)
    for name in tried:
        kept.pop(name, None)
    problems = {**kept, **failure.problems}
    if not problems:
        path.unlink(missing_ok=True)
        return
    write_json(
        path,
        {
            "entities": dict(failure.entities),
            "atlases": list(failure.atlases),
            "problems": problems,
            "trace": failure.trace,
        },
    )


def read_failures(output: Path, participant: str | None = None) -> list[Failure]:
    """All failures in an output dataset, or a participant's (label without ``sub-``), sorted."""
    pattern = "sub-*_bold.json" if participant is None else f"sub-{participant}_*bold.json"
    found = (_read(path) for path in sorted((output / _FOLDER).glob(pattern)))
    return [failure for failure in found if failure is not None]


def _read(path: Path) -> Failure | None:
    """What a file says; None where there is none, or something else wrote it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Failure(
            dict(content["entities"]),
            tuple(content["atlases"]),
            dict(content["problems"]),
            content.get("trace", ""),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
