"""Recorded outcome of a run, which tells whoever started its nodes, under every plugin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bids_labelx.errors import Failure


@dataclass(frozen=True)
class Outcome:
    """How the work on a run ended.

    Attributes
    ----------
    failures
        Empty where all is done.
    notes
        What a user should know of a run that is done, in words.
    seconds
        What each step took; None for one that was not, empty where the run was not done.
    """

    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float | None] = field(default_factory=dict)


def write_outcome(path: Path, outcome: Outcome) -> None:
    """Write an outcome, or that of one of a run's nodes, as JSON."""
    path.write_text(json.dumps(asdict(outcome)), encoding="utf-8")


def read_outcome(path: Path) -> Outcome:
    """An outcome as `write_outcome` wrote it."""
    content = json.loads(path.read_text(encoding="utf-8"))
    failures = tuple(Failure.from_json(one) for one in content["failures"])
    return Outcome(failures, tuple(content["notes"]), content["seconds"])
