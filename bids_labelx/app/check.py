"""``check OUTPUT_DIR``: what an output folder holds, what failed, and what to do next.

It reads the records of runs and of failures. Nothing is written.
"""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rich.console import Console
from rich.progress import track

from bids_labelx.app.compact import check_kind, viewed
from bids_labelx.errors import Failure, LabelxError, MissingInputError, NoRunsError, exit_code
from bids_labelx.files import read_json
from bids_labelx.group.account import account_of, record_names
from bids_labelx.group.missing import participants_without_output
from bids_labelx.names import FIRST_DATASET, build_name, parse_name
from bids_labelx.outputs.failures import by_participant, failures_by_kind, read_failures
from bids_labelx.outputs.results import is_result, run_of
from bids_labelx.outputs.run_records import Invocation, strategies_as_typed
from bids_labelx.outputs.states import DONE, state_of, states_in_words
from bids_labelx.suggestions import listed
from bids_labelx.words import counted

_GROUP_TABLE, _GROUP_PAGE = "group_qc.tsv", "group.html"
# Runs of which one message is told that are named beside it.
_MOST_NAMED = 3
# Kinds of failures that are told.
_MOST_TOLD = 20


@dataclass
class _Holdings:
    """What the records say of an output folder.

    Attributes
    ----------
    states
        How many runs are in each state.
    atlases, strategies
        Names of those that there are files of.
    invocations
        Those that wrote the files, by key.
    problems
        What is missing or broken.
    newer
        Participants with a record that is newer than the group level's table.
    """

    states: Counter[str] = field(default_factory=Counter)
    atlases: set[str] = field(default_factory=set)
    strategies: set[str] = field(default_factory=set)
    invocations: dict[str, Invocation] = field(default_factory=dict)
    problems: list[Failure] = field(default_factory=list)
    newer: list[str] = field(default_factory=list)


def run_check(output: Path) -> int:
    """Print what an output folder holds.

    Returns
    -------
    int
        0 where all recorded runs are done and their files are there, else 1.

    Raises
    ------
    MissingInputError, NoRunsError
        Where there is no such folder, or nothing of the participant level in it.
    """
    if not output.is_dir():
        raise MissingInputError(f"{output}: there is no such folder")
    check_kind(output)
    with viewed(output) as inside:
        return _check(inside)


def _check(output: Path) -> int:
    """What `run_check` does, on an output folder of plain files."""
    records, failures = record_names(output), read_failures(output)
    failed = by_participant(failures)
    participants = sorted({*records, *failed})
    if not participants:
        raise NoRunsError(
            f"{output}: no record of the participant level in it; give the OUTPUT_DIR of an "
            "earlier invocation, or run the participant level first"
        )
    found = _Holdings()
    console = Console(stderr=True)
    hidden = not console.is_terminal
    for one in track(
        participants, "reading records", console=console, disable=hidden, transient=True
    ):
        _add(found, output, one, records.get(one, []), failed.get(one, []))
    wrong = [one.within(output) for one in (*failures, *found.problems)]
    print(
        "\n".join(
            [*_held(output, found, participants), *_told(wrong), *_next(output, found, wrong)]
        )
    )
    return exit_code(wrong)


def _add(
    found: _Holdings,
    output: Path,
    participant: str,
    records: Sequence[Path],
    failures: Sequence[Failure],
) -> None:
    """Add what the records of a participant say."""
    account = account_of(output, participant, records, failures)
    found.atlases |= {one.atlas for one in account.recorded.values()} - {""}
    found.strategies |= {one.strategy for one in account.recorded.values()} - {""}
    found.invocations |= {one.key: one for one in account.invocations}
    found.problems += account.problems
    done: dict[str, set[str]] = defaultdict(set)
    for path, file in account.recorded.items():
        if path.name.endswith("_timeseries.tsv") and is_result(path.name):
            done[_run(run_of(parse_name(path).entities))].add(file.strategy)
    failed: dict[str, set[str]] = defaultdict(set)
    for one in failures:
        if "task" in one.entities:
            run, strategies = _run(one.entities), one.strategies or ("",)
            failed[run].update(strategies)
            if not one.measures:
                # What is there of it is from before.
                done[run] -= set(strategies)
    for gap in account.gaps:
        failed[_run(gap.entities)].update(gap.strategies)
    for run in {*done, *failed}:
        found.states[state_of(done[run], failed[run])] += 1
    table = output / _GROUP_TABLE
    if table.is_file() and any(path.stat().st_mtime > table.stat().st_mtime for path in records):
        found.newer.append(participant)


def _run(entities: Mapping[str, str]) -> str:
    return build_name(entities, "bold", "")


def _held(output: Path, found: _Holdings, participants: Sequence[str]) -> Iterator[str]:
    """What there is, in lines."""
    yield f"{output}: {counted(len(participants), 'participant')}; {states_in_words(found.states)}"
    yield f"  atlases: {listed(sorted(found.atlases)) or 'none'}"
    strategies = strategies_as_typed(found.invocations.values(), sorted(found.strategies))
    yield f"  denoising strategies: {listed(strategies) or 'none'}"
    if last := _latest(found):
        yield f"  last run finished: {last.finished} UTC, by: {last.command}"
    if not (output / _GROUP_TABLE).is_file():
        yield "  group level: not run"
    elif found.newer:
        newer = listed(f"sub-{one}" for one in found.newer)
        yield f"  group level: older than the results of {newer}"
    else:
        page = output / _GROUP_PAGE
        yield f"  group level: up to date{f', see {page}' if page.is_file() else ''}"


def _latest(found: _Holdings) -> Invocation | None:
    return max(found.invocations.values(), key=lambda one: one.finished, default=None)


def _told(wrong: Sequence[Failure]) -> Iterator[str]:
    """What failed, is missing or broken, each kind once."""
    kinds = failures_by_kind(wrong)
    for runs, message in kinds[:_MOST_TOLD]:
        named = ", ".join(runs[:_MOST_NAMED])
        more = len(runs) - _MOST_NAMED
        named += f" and {more:,} more" if more > 0 else ""
        indented = message.replace("\n", "\n    ")
        yield f"failed: {named}\n    {indented}"
    if len(kinds) > _MOST_TOLD:
        yield f"failed: {counted(len(kinds) - _MOST_TOLD, 'further kind')} of failures"


def _next(output: Path, found: _Holdings, wrong: Sequence[Failure]) -> Iterator[str]:
    """What to do next, in lines."""
    root = _input_of(output)
    last = _latest(found)
    if wrong:
        again = f":\n    {last.command}" if last else ""
        yield (
            "next: remove the causes named above, then run the participant level again; runs that "
            f"are done are kept{again}"
        )
    known = {*record_names(output), *by_participant(wrong)}
    absent = participants_without_output(root, known) if root else []
    if absent:
        yield (
            f"next: {listed(f'sub-{one}' for one in absent)} of {root} "
            f"{'is' if len(absent) == 1 else 'are'} not in this folder; run the participant level "
            "for them, unless they are excluded on purpose"
        )
    if found.states[DONE] and (found.newer or not (output / _GROUP_TABLE).is_file()):
        words = ["bids_labelx", str(root or "BIDS_DIR"), str(output), "group"]
        yield f"next: run the group level:\n    {shlex.join(words)}"
    if not wrong and not absent and (output / _GROUP_TABLE).is_file() and not found.newer:
        yield "nothing is left to do"


def _input_of(output: Path) -> Path | None:
    """The folder of the dataset that the results are of, where it is still there."""
    try:
        links = read_json(output / "dataset_description.json").get("DatasetLinks")
    except LabelxError:
        return None
    link = links.get(FIRST_DATASET) if isinstance(links, dict) else None
    on_disk = isinstance(link, str) and link.startswith("file:")
    root = Path(unquote(urlsplit(link).path)) if on_disk else None
    return root if root and root.is_dir() else None
