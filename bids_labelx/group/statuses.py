"""The state of each run and participant, as the page and the terminal say it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from bids_labelx.errors import Failure
from bids_labelx.group.quality_rows import row_state
from bids_labelx.group.rows import Row
from bids_labelx.outputs.failures import by_participant
from bids_labelx.outputs.states import DONE, FAILED, PARTLY_DONE, state_words

# Messages of one participant that its status has.
_MOST_SHOWN = 3

# What tells runs apart.
_RUN = ("participant_id", "session_id", "run")


def run_states(rows: Iterable[Row]) -> dict[tuple[str, ...], str]:
    """The state of each run: done and failed where all of its rows are.

    Parameters
    ----------
    rows
        Of the quality table.
    """
    of_runs: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for row in rows:
        of_runs[tuple(str(row[key]) for key in _RUN)].add(row_state(row))
    return {run: next(iter(own)) if len(own) == 1 else PARTLY_DONE for run, own in of_runs.items()}


def participant_statuses(
    participants: Sequence[str], rows: Iterable[Row], failures: Iterable[Failure]
) -> dict[str, str]:
    """The state of each participant in words, why, and how much of it is excluded.

    Parameters
    ----------
    participants
        Labels without ``sub-``.
    rows
        Of the quality table, with ``excluded``.
    failures
        What failed, is missing or broken.
    """
    of_participants: dict[str, list[Row]] = {f"sub-{one}": [] for one in participants}
    for row in rows:
        of_participants[row["participant_id"]].append(row)
    reasons = by_participant(failures)
    found = {}
    for name, own in of_participants.items():
        texts = list(dict.fromkeys(one.message for one in reasons.get(name[4:], ())))
        more = len(texts) - _MOST_SHOWN
        shown = [*texts[:_MOST_SHOWN], *([f"and {more:,} more, see runs"] if more > 0 else [])]
        excluded = [row.get("excluded", 0) for row in own]
        if any(excluded):
            shown.append(f"{sum(excluded)} of {len(own)} runs and strategies excluded")
        found[name] = "; ".join([_state_words(own, broken=bool(texts)), *shown])
    return found


def _state_words(rows: Sequence[Row], *, broken: bool) -> str:
    states = run_states(rows)
    if len(states) == 1:
        done = {row["strategy"] for row in rows if row_state(row) != FAILED}
        failed = {row["strategy"] for row in rows if row_state(row) != DONE}
        words = state_words(done, failed)
    else:
        whole = sum(state == DONE for state in states.values())
        words = f"{PARTLY_DONE} ({whole} of {len(states)} runs)"
        if len(set(states.values())) < 2:
            words = next(iter(states.values()), FAILED)
    # Something is broken that is known to be of no row.
    return PARTLY_DONE if broken and words == DONE else words
