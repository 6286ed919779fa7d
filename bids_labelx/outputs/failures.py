"""Failure records: what of a run could not be done, kept in the output dataset until it is.

A file for each run, so that concurrent invocations do not write to the same one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bids_labelx.errors import Failure
from bids_labelx.files import write_json
from bids_labelx.names import build_name

_FOLDER = Path("logs", "failures")


def record_failures(
    output: Path,
    entities: Mapping[str, str],
    failures: Sequence[Failure],
    tried: Collection[str],
) -> None:
    """Record a run's failures, or that there are none, in place of earlier ones.

    Those with other strategies than the names `tried` in this invocation stay.

    Raises
    ------
    CannotWriteError
    """
    path = output / _FOLDER / build_name(entities, "bold", ".json")
    before = [
        replace(one, strategies=tuple(name for name in one.strategies if name not in tried))
        for one in _read(path)
    ]
    now = [*(one for one in before if one.strategies), *failures]
    if now:
        write_json(path, {"failures": [one.to_json() for one in now]})
    else:
        path.unlink(missing_ok=True)


def read_failures(output: Path, participant: str | None = None) -> list[Failure]:
    """All failures in an output dataset, or a participant's (label without ``sub-``), sorted."""
    pattern = "sub-*_bold.json" if participant is None else f"sub-{participant}_*bold.json"
    paths = sorted((output / _FOLDER).glob(pattern))
    return [failure for path in paths for failure in _read(path)]


def subject_of(failure: Failure) -> str:
    """What a failure concerns: a run by its name, or a participant as ``sub-01``."""
    entities = failure.entities
    return build_name(entities, "bold" if len(entities) > 1 else "", "").removesuffix("_")


def by_subject(failures: Iterable[Failure]) -> dict[str, list[Failure]]:
    """Failures by what they concern."""
    found: dict[str, list[Failure]] = {}
    for one in failures:
        found.setdefault(subject_of(one), []).append(one)
    return found


def messages(failures: Iterable[Failure]) -> str:
    """What failures say, each message once, a line each."""
    return "\n".join(dict.fromkeys(one.message for one in failures))


def _read(path: Path) -> list[Failure]:
    """The failures in a file; none where there is no file, or something else wrote it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [Failure.from_json(one) for one in content["failures"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
