"""The group level over results of another program: its messages, and who made what it reads."""

from __future__ import annotations

from bids_labelx.group.collect import Collected
from bids_labelx.others.opening import LaidOut
from bids_labelx.report.group_page import MadeBy


def told_of_other(other: LaidOut, collected: Collected) -> None:
    """Have all that went wrong, also in the rows, name the files of the program's own folder."""
    other.in_their_words(collected.failures)
    other.in_their_words(collected.problems)
    for row in collected.rows.values():
        if row.get("problem"):
            row["problem"] = other.told(str(row["problem"]))


def made_by(other: LaidOut) -> MadeBy:
    """Who made the time series, for the page and the methods text."""
    return MadeBy(other.program.name, other.version, other.program.reference)
