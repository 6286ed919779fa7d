"""The runs of a derivatives dataset, each with its mask, confounds and metadata.

pybids finds the files; entities are read from the path below the dataset's root. pybids itself
reads some of them (subject, session, datatype) from the whole absolute path, so a dataset under
``/data/sub-99/`` would get wrong ones.
"""

from __future__ import annotations

import functools
import json
import logging
import traceback
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bids_labelx.content import missing_reason
from bids_labelx.errors import (
    BadDataError,
    Failure,
    LabelxError,
    NoRunsError,
    message_of,
)
from bids_labelx.inputs.associated import (
    AssociatedFiles,
    collect_associated,
    find_mask,
    find_table,
)
from bids_labelx.inputs.datasets import (
    Dataset,
    Producers,
    described_in,
    described_producers,
    hint_at_datasets,
    producer_of,
    read_datasets,
)
from bids_labelx.inputs.hemispheres import pair_hemispheres
from bids_labelx.inputs.hints import other_images
from bids_labelx.inputs.listing import SEGMENTATIONS
from bids_labelx.inputs.matching import (
    File,
    FileGroups,
    Identity,
    misplaced,
    run_identity,
)
from bids_labelx.inputs.metadata import Listing, list_files, merged, read_metadata, sidecars_of
from bids_labelx.inputs.queries import (
    Condition,
    Queries,
    Query,
    Removal,
    apply_conditions,
    option_condition,
    read_queries,
    unmatched,
)
from bids_labelx.inputs.run import NATIVE, Run
from bids_labelx.inputs.segmentations import (
    Derivative,
    find_segmentation,
    group_segmentations,
    parse_derivative,
)
from bids_labelx.names import FIRST_DATASET, TableQuery, is_utf8, printable, sort_entities
from bids_labelx.settings import Settings
from bids_labelx.suggestions import closest

LOGGER = logging.getLogger("bids_labelx")


class FoundRuns(NamedTuple):
    """The runs of a dataset that settings select.

    Attributes
    ----------
    runs
        Sorted by path.
    unlisted
        Of each participant's folder that cannot be listed, a failure: it may hold further runs.
    """

    runs: list[Run]
    unlisted: list[Failure]


def find_runs(settings: Settings, tables: Collection[TableQuery] = ()) -> FoundRuns:
    """The runs of the dataset that the settings select.

    `tables` are those that strategies take columns from, beside the confounds.

    Raises
    ------
    NotBidsError
        Where a folder is no BIDS dataset.
    NoRunsError
        Where a participant does not exist, or a filter, which is named, leaves no run.
    UsageError, MissingInputError, BadDataError
        Where an argument for a segmentation or the filter file is wrong.
    """
    queries = read_queries(settings.bids_filter_file, settings.dataset_folders)
    derivatives = [one for spec in settings.atlas if (one := parse_derivative(spec))]
    also = [SEGMENTATIONS] if derivatives else []
    datasets = read_datasets(settings, queries, tables, also)
    of_images = datasets[queries.bold.dataset]
    unlisted = of_images.unlisted
    try:
        chosen = _select_bold(of_images, queries, settings)
    except NoRunsError as error:
        raise NoRunsError("\n".join([str(error), *(one.message for one in unlisted)])) from None
    done = {image.name.entities.get("sub") for image in chosen}
    if without := [label for label in settings.participant_label if label not in done]:
        named = ", ".join(f"sub-{label}" for label in without)
        LOGGER.warning("%s: no run that the options and the filter file select", named)
    # Consecutive runs share folders, of which each is listed once, not once a run.
    listing = functools.lru_cache(maxsize=32)(list_files)
    roots = {one.root for one in datasets.values()}
    described = functools.lru_cache(maxsize=32)(functools.partial(described_in, listing=listing))
    search = _Search(
        of_images.root,
        of_images.root if of_images.name == FIRST_DATASET else None,
        collect_associated(datasets, queries, tables),
        [(one, group_segmentations(one, of_images.files)) for one in derivatives],
        _images_by_run(datasets.values(), queries),
        listing,
        functools.lru_cache(maxsize=32)(
            functools.partial(described_producers, roots=roots, described=described)
        ),
    )
    return FoundRuns([_try_run(image, search) for image in chosen], unlisted)


class _Search(NamedTuple):
    """What the files of a run are found in.

    Attributes
    ----------
    root
        The dataset with the images.
    shown_from
        The folder that messages give the paths of images from, as `Pool.shown_from`.
    associated, segmentations
        The other files.
    images
        All BOLD images of them, by run.
    listing, describing
        Read a folder's JSON files, and what made its files.
    """

    root: Path
    shown_from: Path | None
    associated: AssociatedFiles
    segmentations: Sequence[tuple[Derivative, FileGroups]]
    images: Mapping[Identity, Sequence[tuple[Path, Path]]]
    listing: Listing
    describing: Callable[[Path], Producers]


def _images_by_run(
    datasets: Iterable[Dataset], queries: Queries
) -> dict[Identity, list[tuple[Path, Path]]]:
    """The BOLD images of each run, each with the folder of its dataset."""
    found: dict[Identity, list[tuple[Path, Path]]] = defaultdict(list)
    for dataset in datasets:
        for file in dataset.files:
            if file.name.suffix in queries.bold.suffixes and (file.is_image or file.is_surface):
                found[run_identity(file.entities)].append((file.path, dataset.root))
    return found


def _select_bold(dataset: Dataset, queries: Queries, settings: Settings) -> list[File]:
    """The BOLD images that the filter file and the options select, pairs of surfaces as one."""
    root = dataset.root
    bold = [file for file in dataset.files if file.name.suffix in queries.bold.suffixes]
    images = [file for file in bold if file.is_image]
    surfaces = [file for file in bold if file.is_surface]
    of_query = [
        apply_conditions(images, _conditions(queries.bold, settings)),
        apply_conditions(surfaces, _conditions(queries.surface, settings)),
    ]
    options = [
        option_condition(option, key, wanted, NATIVE if key == "space" else "")
        for option, key, wanted in (
            ("--session-label", "ses", settings.session_label),
            ("--task-id", "task", settings.task_id),
            ("--run-id", "run", settings.run_id),
            ("--echo-id", "echo", settings.echo_id),
            ("--space", "space", settings.space),
            ("--res", "res", settings.res),
        )
        if wanted
    ]
    found = [file for own, _ in of_query for file in own]
    kept, removal = apply_conditions(found, options)
    if not kept and removal is None:
        removal = next((one for _, one in of_query if one is not None), None)
    if not kept:
        any_reg = [one for one in _conditions(queries.bold, settings) if _is_asked(one, "reg")]
        regressed, _ = apply_conditions(images, [*any_reg, *options])
        if labels := sorted({file.entities.get("reg", "") for file in regressed}):
            raise NoRunsError(
                f"{root}: only images whose confounds C-PAC has regressed out (reg- "
                f"{', '.join(labels)}); choose them, for --denoise none, with "
                f'--bids-filter-file ({{"bold": {{"reg": "{labels[0]}"}}}})'
            )
    if removal is not None and removal.condition.source:
        raise NoRunsError(
            f"{removal.condition.source}{_meant(removal)} leaves no run of {root}: "
            f"those before this filter have {removal.found}"
        )
    if removal is not None and removal.condition.key == "echo":
        other = other_images(root)
        raise NoRunsError(
            f"{root}: no optimally combined image, only single echoes ({removal.found}); "
            "--echo-id chooses those to be done as runs of their own"
            + (f"; {other}" * bool(other))
        )
    if not kept:
        raise NoRunsError(_no_bold(root, [*images, *surfaces], queries.bold))
    for one in options:
        if without := unmatched(one, found):
            LOGGER.warning("%s: no run has %s", one.source.partition(" ")[0], ", ".join(without))
    return pair_hemispheres(kept, settings.hemi)


def _meant(removal: Removal) -> str:
    """The values that may have been meant by those that an option or the filter file asks for."""
    near = (closest(one, removal.found.split(", ")) for one in sorted(removal.condition.values))
    words = [one for one in near if one is not None]
    return f" (did you mean {' '.join(words)}?)" if words else ""


def _conditions(query: Query, settings: Settings) -> list[Condition]:
    """The conditions of a query for BOLD images, of which --echo-id replaces the default one."""
    return [one for one in query.conditions if not settings.echo_id or _is_asked(one, "echo")]


def _is_asked(condition: Condition, key: str) -> bool:
    """Whether a condition is no default one on this entity."""
    return condition.key != key or bool(condition.source)


def _no_bold(root: Path, images: Sequence[File], query: Query) -> str:
    text = f"{root}: no {query.pattern} among {len(images)} BOLD files of these participants"
    descs = sorted({desc for file in images if (desc := file.name.entities.get("desc"))})
    if descs:
        chosen = json.dumps({"bold": {"desc": descs[0] if len(descs) == 1 else "LABEL"}})
        return (
            f"{text}, but files with {', '.join(f'desc-{one}' for one in descs)}; say "
            f"which with --bids-filter-file, a file such as {chosen}"
        )
    if other := other_images(root):
        return f"{text}; {other}"
    return (
        f"{text}. The input is the folder of preprocessed derivatives, not the raw dataset"
        + hint_at_datasets(root)
    )


def _try_run(image: File, search: _Search) -> Run:
    """A run with its files; one of which nothing can be found out says why under ``bold``."""
    try:
        if is_utf8(str(image.path)):
            return _make_run(image, search)
        reason = "its path is not UTF-8 (the bytes are shown as \\x…); rename it"
    # Whatever is odd about one run concerns no other.
    except Exception as error:
        reason = message_of(error)
        where = printable(str(image.path))
        LOGGER.info("%s: cannot be looked into\n%s", where, traceback.format_exc())
    entities = {printable(k): printable(v) for k, v in _own_entities(image).items()}
    return Run(
        Path(printable(str(image.path))),
        search.root,
        entities,
        {},
        None,
        None,
        {"bold": reason, **{derivative.text: reason for derivative, _ in search.segmentations}},
    )


def _own_entities(image: File) -> dict[str, str]:
    entities = {key: value for key, value in image.name.entities.items() if key != "desc"}
    return sort_entities(entities)


def _make_run(image: File, search: _Search) -> Run:
    root, associated = search.root, search.associated
    # What is on surfaces has no mask.
    mask, no_mask = (None, "") if image.is_surface else find_mask(image, associated.masks)
    confounds, no_confounds = find_table(image, associated.confounds)
    missing = {
        "bold": _problem(image, root, search.shown_from),
        "mask": no_mask,
        "confounds": no_confounds,
    }
    metadata: dict[str, Any] = {}
    sidecars = sidecars_of(image.path, root, search.listing)
    try:
        metadata = merged(sidecars)
        if image.beside is not None:
            _check_alike(image, metadata, read_metadata(image.beside, root, search.listing))
    except LabelxError as error:
        missing["metadata"] = str(error)
    segmentations: dict[str, Path] = {}
    for derivative, groups in search.segmentations:
        path, missing[derivative.text] = find_segmentation(derivative, groups, image, root)
        if path is not None:
            segmentations[derivative.text] = path
    tables: dict[TableQuery, Path] = {}
    for query, pool in associated.tables.items():
        path, missing[str(query)] = find_table(image, pool)
        if path is not None:
            tables[query] = path
    elsewhere = {}
    if "RepetitionTime" not in metadata and "metadata" not in missing:
        elsewhere = _times_elsewhere(image, search)
    files = [one for one in (image.path, mask, confounds, *tables.values()) if one is not None]
    made_by = {one: producer_of(one, search.describing(one.parent)) for one in files}
    return Run(
        bold=image.path,
        root=root,
        entities=_own_entities(image),
        metadata=metadata,
        mask=mask,
        confounds=confounds,
        missing={key: reason for key, reason in missing.items() if reason},
        desc=image.name.entities.get("desc", ""),
        segmentations=segmentations,
        beside=image.beside,
        tables=tables,
        producers={one: producer for one, producer in made_by.items() if producer},
        sidecars=tuple(sidecars),
        times_elsewhere=elsewhere,
    )


def _times_elsewhere(image: File, search: _Search) -> dict[Path, Any]:
    """The repetition times that sidecars of other images of a run say."""
    found = {}
    for path, root in search.images.get(run_identity(image.entities), ()):
        if path != image.path:
            try:
                stated = read_metadata(path, root, search.listing).get("RepetitionTime")
            except LabelxError:
                # It is that of another image, which has a run of its own to fail.
                continue
            if stated is not None:
                found[path] = stated
    return found


def _check_alike(image: File, left: Mapping[str, Any], right: Mapping[str, Any]) -> None:
    """Refuse hemispheres whose sidecars say other repetition times."""
    said = [one.get("RepetitionTime") for one in (left, right)]
    if said[0] != said[1]:
        raise BadDataError(
            f"{image.path.name}: the sidecars of its hemispheres say RepetitionTime {said[0]} and "
            f"{said[1]}; correct the one that is wrong"
        )


def _problem(image: File, root: Path, shown_from: Path | None) -> str:
    """Why the BOLD file itself cannot be used, or an empty text; see `Pool.shown_from`."""
    if reason := misplaced(image, root, shown_from):
        return reason
    images = [image.path] if image.beside is None else [image.path, image.beside]
    reasons = (missing_reason(path, shown_from) for path in images)
    return image.problem or next(filter(None, reasons), "")
