"""The runs of a derivatives dataset, each with its mask, confounds and metadata.

pybids finds the files; entities are read from the path below the dataset's root. pybids itself
reads some of them (subject, session, datatype) from the whole absolute path, so a dataset under
``/data/sub-99/`` would get wrong ones.
"""

from __future__ import annotations

import functools
import logging
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
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
    described_producer,
    hint_at_datasets,
    producer_of,
    read_datasets,
)
from bids_labelx.inputs.hemispheres import pair_hemispheres
from bids_labelx.inputs.hints import other_images
from bids_labelx.inputs.index import SEGMENTATIONS
from bids_labelx.inputs.matching import (
    GIFTI,
    File,
    FileGroups,
    comparable,
    folder_entities,
    join_entities,
)
from bids_labelx.inputs.metadata import Listing, list_files, read_metadata
from bids_labelx.inputs.queries import (
    Condition,
    Queries,
    Query,
    apply_conditions,
    option_condition,
    read_queries,
)
from bids_labelx.inputs.segmentations import (
    Derivative,
    find_segmentation,
    group_segmentations,
    parse_derivative,
)
from bids_labelx.names import TableQuery, is_utf8, printable, sort_entities
from bids_labelx.settings import Settings

LOGGER = logging.getLogger("bids_labelx")

NATIVE = "native"


@dataclass(frozen=True)
class Run:
    """One preprocessed BOLD image with its associated files and metadata.

    Attributes
    ----------
    bold
        The 4D image, the dense series, or the file of the left hemisphere.
    root
        The folder of the dataset that the image is in.
    entities
        Those of the file name without ``desc``, short keys, in BIDS order.
    metadata
        The sidecars' content with BIDS inheritance.
    mask, confounds
        The brain mask on the BOLD's grid and the confounds table; None where `missing` says why.
    missing
        Why ``bold``, ``mask``, ``confounds``, ``metadata``, a segmentation (by its ``--atlas``
        argument) or another table (by its query as text) is missing: what was expected and what
        was found instead.
    desc
        The ``desc-`` entity of the image, empty where it has none.
    segmentations
        Segmentations in the run's own space, by the argument of ``--atlas`` that asks for them.
    beside
        The file of the right hemisphere, where there is one for each.
    tables
        The tables that strategies take columns from, beside the confounds.
    producers
        By file, the program and version that made it, where something says so.
    """

    bold: Path
    root: Path
    entities: Mapping[str, str]
    metadata: Mapping[str, Any]
    mask: Path | None
    confounds: Path | None
    missing: Mapping[str, str]
    desc: str = ""
    segmentations: Mapping[str, Path] = field(default_factory=dict)
    beside: Path | None = None
    tables: Mapping[TableQuery, Path] = field(default_factory=dict)
    producers: Mapping[Path, str] = field(default_factory=dict)

    @property
    def on_surfaces(self) -> bool:
        """Whether it is a series on surfaces or grayordinates, and not on a voxel grid."""
        return self.bold.name.endswith((".dtseries.nii", GIFTI))

    @property
    def images(self) -> list[Path]:
        """The files of the series."""
        return [self.bold] if self.beside is None else [self.bold, self.beside]

    @property
    def name(self) -> str:
        """The BOLD file's path within the dataset, for messages and sources."""
        return self.bold.relative_to(self.root).as_posix()

    @property
    def space(self) -> str:
        """The ``space-`` entity, with a cohort as ``MNIInfant+1``; ``native`` without one."""
        return comparable(self.entities).get("space", NATIVE)


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
    search = _Search(
        of_images.root,
        collect_associated(datasets, queries, tables),
        [(one, group_segmentations(one, of_images.files)) for one in derivatives],
        {name: one.root for name, one in datasets.items()},
        # Consecutive runs share folders, of which each is listed once, not once a run.
        functools.lru_cache(maxsize=8)(list_files),
        functools.lru_cache(maxsize=32)(described_producer),
    )
    return FoundRuns([_try_run(image, search) for image in chosen], unlisted)


class _Search(NamedTuple):
    """What the files of a run are found in.

    Attributes
    ----------
    root
        The dataset with the images.
    associated, segmentations
        The other files.
    roots
        The folders of all datasets.
    listing, describing
        Read a folder's JSON files, and the producer that its description names.
    """

    root: Path
    associated: AssociatedFiles
    segmentations: Sequence[tuple[Derivative, FileGroups]]
    roots: Mapping[str, Path]
    listing: Listing
    describing: Callable[[Path], str]


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
    kept, removal = apply_conditions([file for found, _ in of_query for file in found], options)
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
            f"{removal.condition.source} leaves no run of {root}: "
            f"those before this filter have {removal.found}"
        )
    if removal is not None and removal.condition.key == "echo":
        raise NoRunsError(
            f"{root}: no optimally combined image, only single echoes ({removal.found}); "
            "--echo-id chooses those to be done as runs of their own"
        )
    if not kept:
        raise NoRunsError(_no_bold(root, [*images, *surfaces], queries.bold))
    return pair_hemispheres(kept, settings.hemi)


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
        return f"{text}, but files with {', '.join(descs)}; say which with --bids-filter-file"
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
    missing = {"bold": _problem(image, root), "mask": no_mask, "confounds": no_confounds}
    metadata: dict[str, Any] = {}
    try:
        metadata = read_metadata(image.path, root, search.listing)
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
    files = [one for one in (image.path, mask, confounds, *tables.values()) if one is not None]
    roots = search.roots.values()
    made_by = {one: producer_of(one, roots, search.describing) for one in files}
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
    )


def _check_alike(image: File, left: Mapping[str, Any], right: Mapping[str, Any]) -> None:
    """Refuse hemispheres whose sidecars say other repetition times."""
    said = [one.get("RepetitionTime") for one in (left, right)]
    if said[0] != said[1]:
        raise BadDataError(
            f"{image.path.name}: the sidecars of its hemispheres say RepetitionTime {said[0]} and "
            f"{said[1]}; correct the one that is wrong"
        )


def _problem(image: File, root: Path) -> str:
    """Why the BOLD file itself cannot be used, or an empty text."""
    folders = folder_entities(image.path, root)
    if not folders.items() <= image.name.entities.items():
        return (
            f"{image.path.relative_to(root)} lies in the folder of {join_entities(folders)}, and "
            "its name says otherwise; move or rename it"
        )
    images = [image.path] if image.beside is None else [image.path, image.beside]
    reasons = (missing_reason(path, root) for path in images)
    return image.problem or next(filter(None, reasons), "")
