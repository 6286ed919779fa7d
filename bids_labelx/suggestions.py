"""Suggestions for a word that is not known: the known word that is spelled most like it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

# Known words that a message lists before it counts the others.
_MOST_LISTED = 20

# The share of letters that words have in common of which one is a typing error.
_NEARLY_SAME = 0.9


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is spelled most like `word`; None where none is like it.

    Upper and lower case do not count, nor do zeros before a number. A word with a letter or two
    mistyped comes first, then one that begins like a known one, or has one at its beginning, then
    one with some letters in common.

    >>> closest("36p", ["24P", "36P"]), closest("1", ["01", "11"]), closest("task", ["task-id"])
    ('36P', '01', 'task-id')
    """
    folded = {_folded(one): one for one in reversed(list(known))}
    wanted = _folded(word)
    if wanted in folded:
        return folded[wanted]
    if nearly := get_close_matches(wanted, folded, n=1, cutoff=_NEARLY_SAME):
        return folded[nearly[0]]
    begins = [one for one in folded if min(len(one), len(wanted)) > 2 and _same_start(one, wanted)]
    if near := get_close_matches(wanted, begins or folded, n=1, cutoff=0 if begins else 0.6):
        return folded[near[0]]
    # The beginning of a word with letters in another order: taks, of task-id.
    starts = {one[: len(wanted)]: one for one in folded}
    near = get_close_matches(wanted, starts, n=1, cutoff=0.7) if len(wanted) > 3 else []
    return folded[starts[near[0]]] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A part of a message that names the known word most like `word`; empty where none is.

    >>> did_you_mean("agee", ["age", "sex"]), did_you_mean("q", ["age"])
    (', did you mean age', '')
    """
    found = closest(word, known)
    return f", did you mean {found}" if found is not None else ""


def listed(known: Iterable[str]) -> str:
    """Known words in their order, those beyond the first twenty as a count."""
    words = list(known)
    more = len(words) - _MOST_LISTED
    return ", ".join(words[:_MOST_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def labels_not_there(wanted: Iterable[str], known: Iterable[str], where: object) -> str:
    """The message on participants that were asked for and are not there; empty if all are.

    >>> labels_not_there(["1", "02"], ["01", "02"], "/data")
    '--participant-label 1, did you mean 01: not in /data; there are 01, 02'
    """
    there = sorted(known)
    words = [f"{one}{did_you_mean(one, there)}" for one in wanted if one not in there]
    if not words:
        return ""
    listing = listed(there) or "none"
    return f"--participant-label {'; '.join(words)}: not in {where}; there are {listing}"


def _folded(word: str) -> str:
    return re.sub(r"(?<!\d)0+(?=\d)", "", word.casefold())


def _same_start(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
