"""Failure records: what of a run could not be done, kept in the output dataset until it is.

A file for each run, so that concurrent invocations do not write to the same one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bids_labelx.errors import Failure, LabelxError
from bids_labelx.files import read_json, write_json
from bids_labelx.names import build_name, parse_name

_FOLDER = Path("logs", "failures")


def record_failures(
    output: Path,
    entities: Mapping[str, str],
    failures: Sequence[Failure],
    *,
    strategies: Collection[str],
    atlases: Collection[str],
) -> None:
    """Record a run's failures, or that there are none, in place of earlier ones.

    Those with other `strategies` or other `atlases`, by name, than were tried now stay.

    Raises
    ------
    CannotWriteError
    """
    path = output / _FOLDER / build_name(entities, "bold", ".json")
    before = [left for one in _read(path) for left in _not_tried(one, strategies, atlases)]
    now = [*before, *failures]
    if now:
        write_json(path, {"failures": [one.to_json() for one in now]})
    else:
        path.unlink(missing_ok=True)


def _not_tried(
    failure: Failure, strategies: Collection[str], atlases: Collection[str]
) -> Iterator[Failure]:
    """What of an earlier failure still stands."""
    other_atlases = tuple(name for name in failure.atlases if name not in atlases)
    again = tuple(name for name in failure.strategies if name in strategies)
    others = tuple(name for name in failure.strategies if name not in strategies)
    if others:
        yield replace(failure, strategies=others)
    if again and other_atlases:
        yield replace(failure, strategies=again, atlases=other_atlases)


def read_failures(output: Path, participant: str | None = None) -> list[Failure]:
    """All failures in an output dataset, or a participant's (label without ``sub-``), sorted."""
    pattern = "sub-*_bold.json" if participant is None else f"sub-{participant}_*bold.json"
    paths = sorted((output / _FOLDER).glob(pattern))
    return [failure for path in paths for failure in _read(path)]


def read_failures_of(output: Path, entities: Mapping[str, str]) -> list[Failure]:
    """The failures of one run in an output dataset."""
    return _read(output / _FOLDER / build_name(entities, "bold", ".json"))


def has_failed(
    failures: Iterable[Failure], run: Mapping[str, str], atlas: str, strategy: str
) -> bool:
    """Whether a run failed with an atlas and a strategy, and not with some of its matrices only.

    What is there of it is from before then.
    """
    return any(
        dict(one.entities) == dict(run)
        and not one.measures
        and strategy in one.strategies
        and atlas in one.atlases
        for one in failures
    )


def subject_of(failure: Failure) -> str:
    """What a failure concerns: a run by its name, or a participant as ``sub-01``."""
    entities = failure.entities
    return build_name(entities, "bold" if len(entities) > 1 else "", "").removesuffix("_")


def by_kind(messages: Iterable[tuple[str, str]]) -> list[tuple[list[str], str]]:
    """Messages of one kind together: what they concern, each once, and the text of the first.

    Messages are of one kind where they differ in nothing but numbers and in the paths of the files
    of participants.

    Parameters
    ----------
    messages
        What each concerns, as from `subject_of`, and its text.
    """
    kinds: dict[str, tuple[dict[str, None], str]] = {}
    for subject, text in messages:
        paths = re.sub(r"[^\s\"']*sub-[^\s\"']*", "FILE", text)
        kind = re.sub(r"\d+(\.\d+)?", "N", paths)
        kinds.setdefault(kind, ({}, text))[0][subject] = None
    return [(list(subjects), message) for subjects, message in kinds.values()]


def by_participant(failures: Iterable[Failure]) -> dict[str, list[Failure]]:
    """Failures by participant, label without ``sub-``."""
    found: dict[str, list[Failure]] = {}
    for one in failures:
        found.setdefault(one.entities["sub"], []).append(one)
    return found


def failures_by_kind(failures: Iterable[Failure]) -> list[tuple[list[str], str]]:
    """Failures of one kind together; see `by_kind`."""
    return by_kind((subject_of(one), one.message) for one in failures)


def messages(failures: Iterable[Failure]) -> str:
    """What failures say, each message once, a line each."""
    return "\n".join(dict.fromkeys(one.message for one in failures))


def _read(path: Path) -> list[Failure]:
    """The failures in a file; none where there is no file.

    One that is broken is a failure of its run itself: what it said is not known.
    """
    try:
        return [Failure.from_json(one) for one in read_json(path)["failures"]]
    except (LabelxError, KeyError, TypeError, AttributeError):
        if not os.path.lexists(path):
            return []
        text = f"{path}: the record of what failed is broken; run the participant level again"
        return [Failure(text, parse_name(path).entities)]
