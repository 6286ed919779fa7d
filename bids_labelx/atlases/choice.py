"""The atlases of each run: those in its space, and its own segmentations."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bids_labelx.atlases.atlas import Atlas, read_atlas_table
from bids_labelx.atlases.sources import check_names, find_atlases
from bids_labelx.atlases.surface_labels import is_half
from bids_labelx.atlases.tables import read_table, select_labels
from bids_labelx.errors import BadDataError, NoRunsError, SpaceError, UsageError, message_of
from bids_labelx.inputs.run import Run
from bids_labelx.inputs.segmentations import Derivative, parse_derivative, segmentation_table
from bids_labelx.settings import Settings
from bids_labelx.suggestions import did_you_mean

LOGGER = logging.getLogger("bids_labelx")

# By the name of the atlas, its label table and where that is from.
_Tables = dict[str, tuple[Path, pd.DataFrame]]


@dataclass(frozen=True)
class AtlasChoice:
    """The atlases chosen with ``--atlas``.

    Attributes
    ----------
    names
        By space, the names of the atlases of its runs; spaces without an atlas are excluded.
    of_run
        By BOLD image, the atlases of a run.
    problems
        By BOLD image, why a run lacks one of its atlases.
    labels
        By name, the number of labels, or of those chosen, of an atlas.
    """

    names: Mapping[str, tuple[str, ...]]
    of_run: Mapping[Path, tuple[Atlas, ...]]
    problems: Mapping[Path, str]
    labels: Mapping[str, int]


def choose_atlases(settings: Settings, runs: Sequence[Run]) -> AtlasChoice:
    """The atlases of each run, with their label tables checked.

    A dataset often has its runs in several spaces. Without ``--space``, spaces that no atlas is
    in are excluded; if all are, it is an error.

    Raises
    ------
    LabelxError
        For a problem of every run.
    """
    parsed = {spec: parse_derivative(spec) for spec in settings.atlas}
    derivatives = [one for one in parsed.values() if one is not None]
    specs = [spec for spec, one in parsed.items() if one is None]
    shared: dict[str, list[Atlas]] = {}
    errors: list[SpaceError] = []
    for space in sorted({run.space for run in runs}):
        try:
            for one in derivatives:
                _require_segmentation(one, [run for run in runs if run.space == space])
            only_own = derivatives and not specs
            where = (settings.atlas_dataset, space, settings.atlas_space)
            shared[space] = [] if only_own else find_atlases(specs, *where)
        except SpaceError as error:
            if settings.space:
                raise
            errors.append(error)
    if not shared:
        text = "\n".join(map(str, errors))
        if all(run.on_surfaces for run in runs):
            raise NoRunsError(
                f"{settings.bids_dir}: there are runs on surfaces alone, such as {runs[0].name}, "
                "and no atlas on these; give one as .dlabel.nii, .label.gii or .annot, or have "
                f"volumes preprocessed (fMRIPrep's --output-spaces MNI152NLin2009cAsym)\n{text}"
            )
        raise SpaceError(text)
    tables: _Tables = {}
    for atlas in {
        (one.image, one.which): one for group in shared.values() for one in group
    }.values():
        _refuse_statistics(atlas, settings.statistic)
        table = read_atlas_table(atlas, settings.background_label)
        if is_half(atlas.image, atlas.other):
            LOGGER.warning(
                "%s: the file of the other hemisphere is not beside it, so its labels are of one",
                atlas.image,
            )
        _add_table(tables, atlas.key, atlas.table_path or atlas.image, table)
    of_run: dict[Path, tuple[Atlas, ...]] = {}
    problems: dict[Path, str] = {}
    for run in (run for run in runs if run.space in shared):
        try:
            own = [_own_atlas(one, run, settings, tables) for one in derivatives]
        # Whatever is odd about one run concerns no other.
        except Exception as error:
            problems[run.bold] = f"{run.name}: {message_of(error)}"
            LOGGER.info("%s: its atlases cannot be chosen\n%s", run.name, traceback.format_exc())
            continue
        of_run[run.bold] = (*shared[run.space], *own)
        check_names(of_run[run.bold])
    labels = _count_labels(settings.labels, tables)
    names = {
        space: (*(atlas.key for atlas in group), *(one.name for one in derivatives))
        for space, group in shared.items()
    }
    return AtlasChoice(names, of_run, problems, labels)


def _refuse_statistics(atlas: Atlas, statistics: Sequence[str]) -> None:
    """Refuse statistics that maps do not have: their signals are fits to whole volumes."""
    others = [one for one in statistics if one != "mean"]
    if atlas.kind == "maps" and others:
        raise UsageError(
            f"--statistic {' '.join(others)}: {atlas.key} has maps, whose signals are the least "
            "squares fit of all maps to every volume, called mean; other statistics are of labels "
            "and spheres, so give these atlases in an invocation of their own"
        )


def _require_segmentation(derivative: Derivative, runs: Sequence[Run]) -> None:
    """Refuse a space if none of its runs has such a segmentation."""
    if not any(derivative.text in run.segmentations for run in runs):
        raise SpaceError(runs[0].missing[derivative.text])


def _own_atlas(derivative: Derivative, run: Run, settings: Settings, tables: _Tables) -> Atlas:
    if derivative.text not in run.segmentations:
        raise BadDataError(run.missing[derivative.text])
    image = run.segmentations[derivative.text]
    path = derivative.table or segmentation_table(run.root, image)
    if path is None:
        raise BadDataError(
            f"--atlas {derivative.text}: {image} has no label table, so its regions have no names "
            f"that hold for every run; give one with --atlas {derivative.name}=derivative:…,TABLE"
        )
    if derivative.name not in tables or tables[derivative.name][0] != path:
        table = read_table(path, background=settings.background_label)
        try:
            _add_table(tables, derivative.name, path, table)
        except UsageError as error:
            raise BadDataError(str(error)) from None
    root = run.root if path.is_relative_to(run.root) else path.parent
    return Atlas({"atlas": derivative.name}, run.space, image, path, root)


def _add_table(tables: _Tables, key: str, path: Path, table: pd.DataFrame) -> None:
    """Add the table of an atlas, and refuse one with other rows than the first of that name.

    All time series of an atlas have the same columns, in every space and run.
    """
    other, known = tables.setdefault(key, (path, table))
    columns = ["index", "name"]
    if known[columns].to_numpy().tolist() != table[columns].to_numpy().tolist():
        raise UsageError(
            f"--atlas: {key} has other labels in {path} than in {other}; all runs need one table. "
            "Give it with NAME=IMAGE,TABLE, or choose runs of one kind with --space"
        )


def _count_labels(words: Sequence[str], tables: _Tables) -> dict[str, int]:
    """The number of labels chosen of each atlas.

    Labels in no atlas are refused, and atlases without any of the labels.
    """
    if not words:
        return {key: len(table) for key, (_, table) in tables.items()}
    chosen = {key: select_labels(table, words) for key, (_, table) in tables.items()}
    nowhere = [word for word in words if all(word in missed for _, missed in chosen.values())]
    empty = [key for key, (kept, _) in chosen.items() if kept.empty]
    problems = []
    if nowhere:
        names = [name for _, table in tables.values() for name in table["name"]]
        asked = "; ".join(f"{word}{did_you_mean(word, names)}" for word in nowhere)
        problems.append(
            f"--labels {asked}: in none of the atlases ({', '.join(chosen)}); "
            "a label is given by its index or its exact name"
        )
    if empty:
        problems.append(f"--labels: none of them in {', '.join(empty)}; remove that atlas")
    if problems:
        raise UsageError("\n".join(problems))
    return {key: len(kept) for key, (kept, _) in chosen.items()}
