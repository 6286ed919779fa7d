"""The progress of the graph: a bar on a terminal, lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bids_labelx.outputs.states import DONE, STATES, states_in_words

_SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def show_progress(console: Console, total: int, records: Path) -> Iterator[Callable[..., None]]:
    """Show how many runs have ended, of `total`; gives a function that updates it.

    It counts the records that runs leave in `records`, whatever the plugin.
    """

    def counts() -> dict[str, int]:
        return {s: len(list(records.glob(f"*.{s.replace(' ', '-')}.pkl"))) for s in STATES}

    if not console.is_terminal:
        yield _lines(console, total, counts)
        return
    columns = (
        TextColumn("runs"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]}"),
        TimeRemainingColumn(),
    )
    # No thread of its own: workers are forked while it shows.
    with Progress(*columns, console=console, auto_refresh=False) as bar:
        task = bar.add_task("runs", total=total, failed="")

        def update(*_: Any) -> None:
            found = counts()
            text = ", ".join(f"{n} {s}" for s, n in found.items() if n and s != DONE)
            bar.update(task, completed=sum(found.values()), failed=text, refresh=True)

        yield update


def _lines(
    console: Console, total: int, counts: Callable[[], dict[str, int]]
) -> Callable[..., None]:
    """Print a line every 30 s in which a run has ended."""
    started = last = time.monotonic()
    shown: dict[str, int] = {}

    def update(*_: Any) -> None:
        nonlocal last, shown
        now = time.monotonic()
        if now - last < _SECONDS_BETWEEN_LINES:
            return
        found = counts()
        if found == shown:
            return
        last, shown = now, found
        ended = sum(found.values())
        left = (now - started) / ended * (total - ended) if ended else 0
        console.print(
            f"{states_in_words(found)}; {total - ended:,} left, about {left / 60:.0f} min to go",
            markup=False,
        )

    return update
