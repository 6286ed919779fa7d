"""The runs of a derivatives dataset, each with its mask, confounds and metadata.

pybids finds the files; entities are read from the path below the dataset's root. pybids itself
reads some of them (subject, session, datatype) from the whole absolute path, so a dataset under
``/data/sub-99/`` would get wrong ones.
"""

from __future__ import annotations

import functools
import logging
import os
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from bids_labelx.content import missing_reason
from bids_labelx.errors import (
    BadDataError,
    Failure,
    LabelxError,
    MissingInputError,
    NoRunsError,
    NotBidsError,
    message_of,
)
from bids_labelx.files import read_json
from bids_labelx.inputs.associated import (
    AssociatedFiles,
    collect_associated,
    find_confounds,
    find_mask,
)
from bids_labelx.inputs.hemispheres import pair_hemispheres
from bids_labelx.inputs.hints import other_images
from bids_labelx.inputs.index import SEGMENTATIONS, find_files, list_participants
from bids_labelx.inputs.matching import (
    GIFTI,
    File,
    FileGroups,
    comparable,
    folder_entities,
    join_entities,
    parse_path,
)
from bids_labelx.inputs.metadata import Listing, list_files, read_metadata
from bids_labelx.inputs.queries import (
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
from bids_labelx.names import is_utf8, printable, sort_entities
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
        The dataset's folder.
    entities
        Those of the file name without ``desc``, short keys, in BIDS order.
    metadata
        The sidecars' content with BIDS inheritance.
    mask, confounds
        The brain mask on the BOLD's grid and the confounds table; None where `missing` says why.
    missing
        Why ``bold``, ``mask``, ``confounds``, ``metadata`` or a segmentation (by its ``--atlas``
        argument) is missing: what was expected and what was found instead.
    desc
        The ``desc-`` entity of the image, empty where it has none.
    segmentations
        Segmentations in the run's own space, by the argument of ``--atlas`` that asks for them.
    beside
        The file of the right hemisphere, where there is one for each.
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


def find_runs(settings: Settings) -> FoundRuns:
    """The runs of the dataset that the settings select.

    Raises
    ------
    NotBidsError
        Where the folder is no BIDS dataset.
    NoRunsError
        Where a participant does not exist, or a filter, which is named, leaves no run.
    UsageError, MissingInputError, BadDataError
        Where an argument for a segmentation or the filter file is wrong.
    """
    root = settings.bids_dir
    check_dataset(root)
    _check_participants(root, settings.participant_label)
    queries = read_queries(settings.bids_filter_file)
    derivatives = [one for spec in settings.atlas if (one := parse_derivative(spec))]
    also = [*queries.also, *([SEGMENTATIONS] if derivatives else [])]
    found = find_files(root, settings.participant_label, settings.bids_database_dir, also)
    files = [parse_path(path, root) for path in found.files]
    unlisted = [_unlisted(*one, root) for one in found.unreadable.items()]
    try:
        chosen = _select_bold(files, queries, settings)
    except NoRunsError as error:
        raise NoRunsError("\n".join([str(error), *(one.message for one in unlisted)])) from None
    associated = collect_associated(files, queries, root)
    segmentations = [
        (derivative, group_segmentations(derivative, files)) for derivative in derivatives
    ]
    # Consecutive runs share folders, of which each is listed once, not once a run.
    listing = functools.lru_cache(maxsize=8)(list_files)
    runs = [_try_run(image, associated, segmentations, listing) for image in chosen]
    return FoundRuns(runs, unlisted)


def _unlisted(folder: Path, reason: str, root: Path) -> Failure:
    """The failure of a folder that cannot be listed."""
    text = f"{folder}: the folder cannot be read ({reason}), so runs in it are not done"
    return Failure(text, folder_entities(folder / "file", root))


def _select_bold(files: Sequence[File], queries: Queries, settings: Settings) -> list[File]:
    """The BOLD images that the filter file and the options select, pairs of surfaces as one."""
    root = settings.bids_dir
    bold = [file for file in files if file.name.suffix in queries.bold.suffixes]
    images = [file for file in bold if file.is_image]
    of_query = [
        apply_conditions(images, queries.bold.conditions),
        apply_conditions([file for file in bold if file.is_surface], queries.surface.conditions),
    ]
    options = [
        option_condition(option, key, wanted, NATIVE if key == "space" else "")
        for option, key, wanted in (
            ("--session-label", "ses", settings.session_label),
            ("--task-id", "task", settings.task_id),
            ("--run-id", "run", settings.run_id),
            ("--space", "space", settings.space),
            ("--res", "res", settings.res),
        )
        if wanted
    ]
    kept, removal = apply_conditions([file for found, _ in of_query for file in found], options)
    if not kept and removal is None:
        removal = next((one for _, one in of_query if one is not None), None)
    if removal is not None and removal.condition.source:
        raise NoRunsError(
            f"{removal.condition.source} leaves no run of {root}: "
            f"those before this filter have {removal.found}"
        )
    if not kept:
        known = [file for file in bold if file.is_image or file.is_surface]
        raise NoRunsError(_no_bold(root, known, queries.bold))
    return pair_hemispheres(kept, settings.hemi)


def check_dataset(root: Path) -> None:
    """Refuse a folder that is not a BIDS dataset, with a hint to one that is.

    Raises
    ------
    MissingInputError, NotBidsError
        Where there is no such folder, or no description in it.
    BadDataError
        Where the description is not JSON.
    """
    try:
        names = os.listdir(root)  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        raise MissingInputError(f"{root}: there is no such folder") from None
    except OSError as error:
        raise MissingInputError(f"{root}: the folder cannot be read ({error.strerror})") from None
    if "dataset_description.json" not in names:
        empty = (
            "; the folder is empty, as a DataLad subdataset is that was not installed (`datalad "
            f"get --no-data {root}`)"
        )
        raise NotBidsError(
            f"{root}: no dataset_description.json here, so this is not a BIDS dataset"
            + (_hint(root) if names else empty)
        )
    read_json(root / "dataset_description.json")


def _hint(root: Path) -> str:
    """The datasets in folders below."""
    found = sorted(
        path.parent
        for pattern in ("*", "derivatives/*")
        for path in root.glob(f"{pattern}/dataset_description.json")
    )
    return f"\ndid you mean {' or '.join(map(str, found))}?" if found else ""


def _no_bold(root: Path, images: Sequence[File], query: Query) -> str:
    text = f"{root}: no {query.pattern} among {len(images)} BOLD files of these participants"
    descs = sorted({desc for file in images if (desc := file.name.entities.get("desc"))})
    if descs:
        return f"{text}, but files with {', '.join(descs)}; say which with --bids-filter-file"
    if other := other_images(root):
        return f"{text}; {other}"
    return (
        f"{text}. The input is the folder of preprocessed derivatives, not the raw dataset"
        + _hint(root)
    )


def _check_participants(root: Path, wanted: Sequence[str]) -> None:
    found = list_participants(root)
    unknown = [label for label in wanted if label not in found]
    if unknown:
        raise NoRunsError(
            f"--participant-label: {', '.join(unknown)} not in {root}; "
            f"there are {', '.join(found) or 'none'}"
        )


def _try_run(
    image: File,
    associated: AssociatedFiles,
    segmentations: Sequence[tuple[Derivative, FileGroups]],
    listing: Listing,
) -> Run:
    """A run with its files; one of which nothing can be found out says why under ``bold``."""
    try:
        if is_utf8(str(image.path)):
            return _make_run(image, associated, segmentations, listing)
        reason = "its path is not UTF-8 (the bytes are shown as \\x…); rename it"
    # Whatever is odd about one run concerns no other.
    except Exception as error:
        reason = message_of(error)
        where = printable(str(image.path))
        LOGGER.info("%s: cannot be looked into\n%s", where, traceback.format_exc())
    entities = {printable(k): printable(v) for k, v in _own_entities(image).items()}
    return Run(
        Path(printable(str(image.path))),
        associated.root,
        entities,
        {},
        None,
        None,
        {"bold": reason, **{derivative.text: reason for derivative, _ in segmentations}},
    )


def _own_entities(image: File) -> dict[str, str]:
    entities = {key: value for key, value in image.name.entities.items() if key != "desc"}
    return sort_entities(entities)


def _make_run(
    image: File,
    associated: AssociatedFiles,
    segmentations: Sequence[tuple[Derivative, FileGroups]],
    listing: Listing,
) -> Run:
    root = associated.root
    # What is on surfaces has no mask.
    mask, no_mask = (None, "") if image.is_surface else find_mask(image, associated)
    confounds, no_confounds = find_confounds(image, associated)
    missing = {"bold": _problem(image, root), "mask": no_mask, "confounds": no_confounds}
    metadata: dict[str, Any] = {}
    try:
        metadata = read_metadata(image.path, root, listing)
        if image.beside is not None:
            _check_alike(image, metadata, read_metadata(image.beside, root, listing))
    except LabelxError as error:
        missing["metadata"] = str(error)
    found: dict[str, Path] = {}
    for derivative, groups in segmentations:
        path, missing[derivative.text] = find_segmentation(derivative, groups, image, root)
        if path is not None:
            found[derivative.text] = path
    return Run(
        bold=image.path,
        root=root,
        entities=_own_entities(image),
        metadata=metadata,
        mask=mask,
        confounds=confounds,
        missing={key: reason for key, reason in missing.items() if reason},
        desc=image.name.entities.get("desc", ""),
        segmentations=found,
        beside=image.beside,
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
