"""Group models on the command line: checked before anything is written, then fitted and told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bids_labelx.group.collect import Collected
from bids_labelx.group.edge_rows import EdgeRows
from bids_labelx.group.write import record_files
from bids_labelx.models.files import write_design, write_result
from bids_labelx.models.plans import plan_models
from bids_labelx.models.results import ModelResult, fit_models
from bids_labelx.models.rows import merge_rows, planned_rows
from bids_labelx.settings import Settings
from bids_labelx.words import counted

ALPHA = 0.05
_SECONDS_BETWEEN_LINES = 30


@dataclass
class Modelled:
    """What was written of the models, and is to be shown."""

    files: list[Path] = field(default_factory=list)
    results: list[ModelResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_models(collected: Collected, settings: Settings) -> None:
    """Refuse models, contrasts and tables that do not go with the participants' results.

    Raises
    ------
    LabelxError
        See `plan_models`. Nothing has been written then.
    """
    if settings.model:
        combinations = collected.combinations.values()
        rows = planned_rows(combinations, collected.rows, settings.model_rows)
        plan_models(rows, settings, settings.bids_dir, settings if settings.harmonize else None)


def write_models(
    console: Console, output: Path, edges: Sequence[EdgeRows], settings: Settings
) -> Modelled:
    """Fit all models to all combinations, and write the results.

    Parameters
    ----------
    console
        Where progress is shown.
    output
        The output dataset.
    edges
        Of participants, harmonised ones too; of single runs for ``--model-rows run``.
    settings
        With the models.

    Raises
    ------
    LabelxError
        Where no model can be made of what could be read; no file of a model is written then.
    """
    made = Modelled()
    if not settings.model:
        return made
    harmonised = settings if settings.harmonize else None
    rows = merge_rows(edges, settings.model_rows)
    plans = plan_models(rows, settings, settings.bids_dir, harmonised)
    made.notes += plans.notes
    with _progress(console, settings) as show:
        for planned in plans.planned:
            if not planned.design.motion:
                made.notes.append(
                    f"model {planned.design.name}: mean_fd is no covariate; differences in motion "
                    "may show as differences in connectivity"
                )
            for name in planned.design.shadowed:
                made.notes.append(
                    f"model {planned.design.name}: {name} is that of the rows, and not the "
                    "table's column of that name; give that another name to use it"
                )
            made.notes += [f"model {planned.design.name}: {one}" for one in planned.design.remarks]
            made.notes += [
                f"model {planned.design.name}, contrast {contrast.name}: {one}"
                for contrast, _ in planned.contrasts
                for one in contrast.remarks
            ]
            if planned.design.absorbed:
                named = ", ".join(planned.design.absorbed)
                made.notes.append(
                    f"model {planned.design.name}: the intercepts of participants have {named} "
                    "already, as it does not differ within them: it is not estimated"
                )
            made.files.append(write_design(output, planned.rows, planned.design, settings))
            for result in fit_models(planned, settings, settings.nprocs, show):
                made.files += write_result(output, result)
                made.results.append(result)
                record_files(output, made.files)
    made.notes = list(dict.fromkeys(made.notes))
    return made


def told(result: ModelResult) -> str:
    """The result of a contrast, in a line."""
    design = result.design
    found = result.surviving()[1]
    edges = counted(int(np.isfinite(result.edges.fit.t).sum()), "edge")
    by_rate = f"{int((result.edges.p_fdr < ALPHA).sum()):,}"
    rows = (
        f"{counted(len(design.units), 'row')} of {counted(design.n_participants, 'participant')}"
    )
    if design.dropped:
        rows += f", {len(design.dropped):,} dropped"
    permuted = result.edges.permuted
    survive = f"{by_rate} of {edges} with false discovery rate q < {ALPHA}"
    if permuted is not None:
        done = counted(len(permuted.exchange), permuted.exchange.kind.removesuffix("s"))
        survive = (
            f"{len(found):,} of {edges} with family-wise p < {ALPHA}, {by_rate} with false "
            f"discovery rate q < {ALPHA}; {done}"
        )
    what = result.name.replace("_", ", ").replace("-", " ")
    return f"{result.rows.title}, {what}: {rows}; {survive}"


@contextmanager
def _progress(
    console: Console, settings: Settings
) -> Iterator[Callable[[str, int, int], None] | None]:
    """A bar of the permutations of each contrast; elsewhere than on a terminal, lines."""
    if not settings.permutations:
        yield None
        return
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = (
        TextColumn("permutations, model {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=settings.permutations)

        def show(title: str, total: int, done: int) -> None:
            # Done are more and more, but in the first step of a contrast.
            if done <= bar.tasks[0].completed:
                bar.reset(task, description=title, total=total)
            bar.update(task, description=title, total=total, completed=done)

        yield show


def _lines(console: Console) -> Callable[[str, int, int], None]:
    """Print a line now and then, none of what is quickly done."""
    last = time.monotonic()

    def show(title: str, total: int, done: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_LINES:
            last = now
            console.print(f"model {title}: {done:,} of {total:,} permutations", markup=False)

    return show
