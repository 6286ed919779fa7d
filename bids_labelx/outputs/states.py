"""Done, partly done or failed: one word for the state of a run in terminal, pages and tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping

DONE, PARTLY_DONE, FAILED = "done", "partly done", "failed"
STATES = (DONE, PARTLY_DONE, FAILED)


def state_of(done: Collection[str], failed: Collection[str]) -> str:
    """The state of a run: one of `STATES`.

    Parameters
    ----------
    done
        Names of the strategies that it has results of.
    failed
        Names of those that could not be done. One that is among both lacks a part, a matrix say.
    """
    if not failed:
        return DONE if done else FAILED
    return PARTLY_DONE if done else FAILED


def state_words(done: Collection[str], failed: Collection[str]) -> str:
    """The state with how many strategies are done: ``partly done (2 of 4 strategies)``.

    Parameters as of `state_of`; the strategies are counted only where some are wholly done.
    """
    state = state_of(done, failed)
    whole = set(done) - set(failed)
    if state != PARTLY_DONE or not whole:
        return state
    return f"{state} ({len(whole)} of {len({*done, *failed})} strategies)"


def states_in_words(counts: Mapping[str, int]) -> str:
    """How many runs are in each state: ``3 runs: 2 done, 1 partly done, 0 failed``."""
    total = sum(counts.values())
    listed = ", ".join(f"{counts.get(state, 0):,} {state}" for state in STATES)
    return f"{total:,} run{'' if total == 1 else 's'}: {listed}"
