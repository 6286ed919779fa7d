"""The output dataset as a whole: what describes it, and what it was made with.

Several invocations may write into one folder at the same time. What they share is written under a
lock; all else has a name of its own.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment

from bids_labelx._version import __version__
from bids_labelx.atlases.atlas import Atlas
from bids_labelx.content import is_listed
from bids_labelx.denoise import Strategy
from bids_labelx.errors import CannotWriteError, LabelxError, Stopped, UsageError
from bids_labelx.files import (
    INVOCATION,
    TEMPORARY,
    cannot_write,
    disk_full,
    read_json,
    write_json,
    write_text,
)
from bids_labelx.inputs.datasets import DESCRIPTION
from bids_labelx.inputs.queries import read_queries
from bids_labelx.locks import (
    has_ended,
    locks_work,
    running_kernel,
    shown_alive,
    waited_lock,
)
from bids_labelx.names import FIRST_DATASET, parse_name
from bids_labelx.outputs.compact import output_of
from bids_labelx.outputs.description import write_dataset_files
from bids_labelx.outputs.paths import figure_path
from bids_labelx.outputs.pieces import STORE
from bids_labelx.outputs.results import concatenated_matrices, participants_with_results
from bids_labelx.outputs.run_records import (
    SECTIONS,
    Invocation,
    RunRecord,
    contradictions,
    read_record,
    record_paths_of,
)
from bids_labelx.outputs.xcpd import XCPD_FOLDER
from bids_labelx.participant.atlas_descriptions import write_atlas_descriptions
from bids_labelx.participant.deliver import dataset_links
from bids_labelx.participant.deliver_xcpd import start_xcpd_names
from bids_labelx.participant.matrices import exact_words, matrix_label
from bids_labelx.participant.plan import Plan
from bids_labelx.remote.mirror import place_of
from bids_labelx.report.accounts import Account, accounts_of, add_account
from bids_labelx.report.citations import write_methods_files
from bids_labelx.report.methods import methods_of
from bids_labelx.settings import Settings, content_settings, options_to_toml

LOGGER = logging.getLogger("bids_labelx")

_DAY = 86400.0

# Participants that are named one by one.
_MOST_NAMED = 10


def locked(output: Path, part: str = "") -> AbstractContextManager[None]:
    """Hold the lock of an output dataset, or of a part of it such as ``sub-01``.

    Raises
    ------
    CannotWriteError
        Where another invocation keeps it for minutes, or it cannot be made.
    """
    return waited_lock(output / "logs" / (f".lock-{part}" if part else ".lock"))


@contextmanager
def whole_files_only(output: Path, plan: Plan) -> Iterator[None]:
    """Show others that this invocation is alive; remove its unfinished files where it is stopped.

    Raises
    ------
    CannotWriteError
    """
    token = os.environ[INVOCATION]
    path = _alive_path(output, token)
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(shown_alive(path))
        except OSError as error:
            if disk_full(error):
                raise cannot_write(path, error) from None
            raise CannotWriteError(
                f"OUTPUT_DIR {output}: nothing can be written there ({error.strerror}); choose "
                "another folder, or change its permissions"
            ) from None
        try:
            yield
        except Stopped:
            for unfinished in _temporary(output, plan, f"{TEMPORARY}{token}-*"):
                unfinished.unlink(missing_ok=True)
            raise


def _alive_path(output: Path, token: str) -> Path:
    return output / "logs" / f".alive-{token}"


def _temporary(output: Path, plan: Plan, pattern: str) -> Iterator[Path]:
    """Files in the folders that the app writes to; those of other participants may be many."""
    yield from output.glob(pattern)
    folders = [f"sub-{label}" for label in plan.participants]
    for name in ("logs", STORE, *folders, *(f"{XCPD_FOLDER}/{one}" for one in folders)):
        yield from (output / name).rglob(pattern)


def _remove_leftovers(output: Path, plan: Plan) -> None:
    """Remove unfinished files of invocations that were killed on this machine, and old ones.

    On another machine, the lock of one that is alive may not be seen.
    """
    kernel = running_kernel()
    for path in _temporary(output, plan, f"{TEMPORARY}*"):
        found = re.match(rf"{re.escape(TEMPORARY)}({kernel}\.[0-9a-f]+)-", path.name)
        if (found and has_ended(_alive_path(output, found[1]))) or _is_old(path):
            path.unlink(missing_ok=True)
    for path in output.glob(f"logs/.alive-{kernel}.*"):
        # Not at once: unfinished files of other participants may be left.
        if _is_old(path) and has_ended(path):
            path.unlink(missing_ok=True)


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > _DAY
    except OSError:
        # Its invocation has just finished or removed it.
        return False


def prepare_output(settings: Settings, plan: Plan, invocation: Invocation) -> Path:
    """Write what describes the dataset; give the folder of logs.

    Raises
    ------
    UsageError
        Where it holds results of other settings, and is not to be overwritten.
    CannotWriteError
    """
    output, logs = settings.output_dir, settings.output_dir / "logs"
    with locked(output):
        if not locks_work(logs / ".lock"):
            LOGGER.warning(
                "%s: the file system knows no locks; lock files (.soft) are used, and are to be "
                "removed where an invocation was killed that held one",
                output,
            )
        _remove_leftovers(output_of(output) or output, plan)
        _update_record(settings, invocation.made_with, plan)
        write_dataset_files(
            output,
            sources=_described(settings),
            links=dataset_links(settings.dataset_folders, plan.runs),
            descriptions=_descriptions(settings, plan.strategies),
        )
        write_atlas_descriptions(output, plan.atlases)
        if settings.output_names == "xcpd":
            start_xcpd_names(output, plan.runs)
        write_text(logs / "settings.toml", options_to_toml(invocation.options))
    return logs


def _described(settings: Settings) -> dict[Path, dict[str, Any]]:
    """The folder of each dataset with its description; tedana's has none in this place."""
    roots = settings.dataset_folders.values()
    return {
        root: read_json(root / DESCRIPTION) if is_listed(root / DESCRIPTION) else {}
        for root in roots
    }


def write_methods(output: Path, plan: Plan, templates: Environment | None = None) -> None:
    """Write ``logs/CITATION.*``, the methods text, with what was done for the runs of this plan.

    Of other participants it says what it said before: their records may be very many.

    Raises
    ------
    CannotWriteError
    """
    records = [_record_of(output, one.run.entities) for one in plan.runs]
    with locked(output):
        path = output / "logs" / "methods.json"
        found: dict[str, Account] = {}
        folders = (one.name for one in output.glob("sub-*") if not one.suffix)
        if any(name.removeprefix("sub-") not in plan.participants for name in folders):
            for account in _accounts_before(path):
                add_account(found, account)
        for account in accounts_of(one for one in records if one is not None):
            add_account(found, account)
        write_json(path, {"accounts": [asdict(one) for one in found.values()]})
        write_methods_files(output / "logs", "CITATION", methods_of(found.values(), templates))


def _accounts_before(path: Path) -> list[Account]:
    """What earlier invocations did; nothing where the file is not there or broken."""
    try:
        return [Account(**one) for one in read_json(path)["accounts"]]
    except (LabelxError, KeyError, TypeError):
        return []


def _record_of(output: Path, entities: Mapping[str, str]) -> RunRecord | None:
    try:
        return read_record(output, entities)
    except LabelxError:
        return None


def _descriptions(settings: Settings, strategies: Sequence[Strategy]) -> dict[str, str]:
    """What each ``desc-`` label of the outputs did."""
    return {
        matrix_label(one.label, number, settings.exact_volumes_from): one.description
        + ("" if number is None else f"; of the volumes kept, {exact_words(settings, number)}")
        for one in strategies
        for number in (None, *settings.exact_volumes)
    }


def content_signature(settings: Settings, plan: Plan) -> dict[str, dict[str, Any]]:
    """All that decides what stands in a file of a given name.

    Returns
    -------
    dict
        ``settings`` by option, ``strategies`` by their ``desc-`` label, ``atlases`` by space and
        name.
    """
    description = settings.bids_dir / DESCRIPTION
    plain = content_settings(settings)
    if settings.exact_volumes_from != "random":
        del plain["random_seed"]
    if isinstance(settings.mask, Path):
        plain["mask"] = f"{settings.mask.name}, {_digest(settings.mask)}"
    if settings.surface_mesh:
        plain["surface_mesh"] = [
            f"{path.name}, {'a folder' if path.is_dir() else _digest(path)}"
            for path in settings.surface_mesh
        ]
    if settings.output_names == "xcpd":  # whose names do not say it
        plain["output_names xcpd's strategy"] = plan.strategies[0].label
    made = {
        "settings": {
            **{f"--{name.replace('_', '-')}": value for name, value in plain.items()},
            f"BIDS_DIR's {DESCRIPTION}": _digest(description),
            **_companions(settings),
            **_queried(settings),
        },
        "strategies": {
            one.label: {**one.confounds, **one.volumes, **one.clean} for one in plan.strategies
        },
        "atlases": {f"{one.space}, {one.key}": _source(one) for one in plan.atlases},
    }
    read: dict[str, dict[str, Any]] = json.loads(json.dumps(made))
    return read


def _companions(settings: Settings) -> dict[str, str]:
    """The description of each dataset beside the first, as far as it has one."""
    described = {one: root / DESCRIPTION for one, root in settings.dataset_folders.items()}
    return {
        f"--datasets {name}'s {DESCRIPTION}": _digest(path)
        for name, path in described.items()
        if name != FIRST_DATASET and is_listed(path)
    }


def _queried(settings: Settings) -> dict[str, list[str]]:
    """What images, masks and tables were asked for, as far as the names of outputs do not say."""
    queries = read_queries(settings.bids_filter_file, settings.dataset_folders)
    found = {}
    for what, query in (
        ("BOLD images", queries.bold),
        ("masks", queries.mask),
        ("confounds tables", queries.confounds),
    ):
        # An output is called by all entities of its image but this one.
        image = query is queries.bold
        found[what] = [str(one) for one in query.conditions if one.key == "desc" or not image]
        if query.dataset != FIRST_DATASET:
            found[what].append(f"dataset {query.dataset}")
    return found


def _source(atlas: Atlas) -> dict[str, str]:
    """What an atlas is made of; of segmentations that each run has its own of, the table."""
    entities = parse_name(atlas.image).entities
    own = f"each run's own, desc-{entities.get('desc')}" if "sub" in entities else None
    table = "none" if atlas.table_path is None else _digest(atlas.table_path)
    images = [atlas.image] if atlas.other is None else [atlas.image, atlas.other]
    if own is None:
        own = ", ".join([*map(_digest, images), *([f"map {atlas.which}"] if atlas.which else [])])
    kind = {} if atlas.kind == "labels" else {"kind": str(atlas.kind)}
    return {"image": own, "table": table, **kind}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _made_with(output: Path, path: Path) -> dict[str, Any]:
    """What earlier results were made with; out of the runs' records where the file is broken."""
    if not path.is_file():
        return {}
    try:
        return read_json(path)
    except LabelxError as error:
        LOGGER.warning("%s; it is made anew from logs/runs/", error)
    merged: dict[str, Any] = {section: {} for section in SECTIONS}
    for one in record_paths_of(output):
        record = _record_of(output, parse_name(one).entities)
        for made in record.invocations.values() if record else ():
            for section, known in merged.items():
                known.update(made.made_with.get(section, {}))
    return merged


def _remove_concatenated(output: Path, participant: str) -> None:
    """Remove a participant's matrices over several runs: they are of series to be replaced."""
    for path, _ in concatenated_matrices(output, participant, exact=True):
        figure = output / figure_path(path, ".svg")
        table = output / path
        for one in (table, table.with_suffix(".json"), figure, figure.with_suffix(".js")):
            one.unlink(missing_ok=True)


def _update_record(settings: Settings, now: Mapping[str, Any], plan: Plan) -> None:
    """Compare what the folder was made with, and add what is new."""
    path = settings.output_dir / "logs" / "contents.json"
    before = _made_with(settings.output_dir, path)
    found = contradictions(Invocation("", made_with=before), now)
    if found and not settings.overwrite:
        raise UsageError(
            f"{settings.output_dir} holds results of other settings, and files of both would "
            "look alike:\n" + "\n".join(found) + "\nchoose another OUTPUT_DIR; or --overwrite, "
            "which replaces the results of the runs asked for"
        )
    if found:
        for label in plan.participants:
            _remove_concatenated(settings.output_dir, label)
        known = participants_with_results(settings.output_dir)
        others = [label for label in known if label not in plan.participants]
        more = f" and {len(others) - _MOST_NAMED:,} more" if len(others) > _MOST_NAMED else ""
        named = ", ".join(others[:_MOST_NAMED]) + more
        LOGGER.warning(
            "settings differ from those of earlier results: %s%s",
            "; ".join(found),
            f"; participants that keep such results: {named}" if others else "",
        )
    version, folder = before.get("bids_labelx", __version__), before.get("bids_dir")
    if version != __version__:
        LOGGER.warning("earlier results here are of bids_labelx %s, not %s", version, __version__)
    if folder not in (None, own := place_of(settings.bids_dir)):
        LOGGER.warning("earlier results here are of %s, not %s", folder, own)
    roots = {name: place_of(root) for name, root in settings.dataset_folders.items()}
    del roots[FIRST_DATASET]
    folders: dict[str, str] = before.get("datasets", {})
    for name in sorted(folders.keys() & roots.keys()):
        if folders[name] != roots[name]:
            text = "earlier results here are of --datasets %s=%s, not %s: their Sources mean that"
            LOGGER.warning(text, name, folders[name], roots[name])
    merged = {section: {**before.get(section, {}), **now[section]} for section in SECTIONS}
    of = {"bids_dir": own, "datasets": {**folders, **roots}}
    write_json(path, {"bids_labelx": __version__, **of, **merged})
