"""The files associated with a BOLD image: its brain mask and its confounds table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bids_labelx.content import display_path, missing_reason
from bids_labelx.inputs.matching import (
    File,
    FileGroups,
    Identity,
    best_matches,
    candidates,
    group_files,
    join_entities,
    list_paths,
    matching_files,
    parse_path,
    possible_runs,
    run_identity,
    run_label,
)
from bids_labelx.inputs.queries import Queries, Query, Removal, apply_conditions


@dataclass(frozen=True)
class AssociatedFiles:
    """All masks and confounds tables of a dataset.

    Attributes
    ----------
    root
        The dataset.
    queries
        The queries that masks and tables have to match.
    masks, tables
        The files.
    runs
        By table, the runs that it could belong to.
    """

    root: Path
    queries: Queries
    masks: FileGroups
    tables: FileGroups
    runs: Mapping[Path, Mapping[Identity, str]]


def collect_associated(files: Iterable[File], queries: Queries, root: Path) -> AssociatedFiles:
    """The masks and confounds tables among all files of a dataset."""
    files = list(files)
    masks = group_files(f for f in files if f.is_image and f.name.suffix in queries.mask.suffixes)
    suffixes = queries.confounds.suffixes
    tables = group_files(f for f in files if not f.is_image and f.name.suffix in suffixes)
    bold = (f for f in files if f.name.suffix in queries.bold.suffixes)
    images = [f for f in bold if f.is_image or f.is_surface]
    return AssociatedFiles(root, queries, masks, tables, possible_runs(tables, images))


def find_mask(image: File, associated: AssociatedFiles) -> tuple[Path | None, str]:
    """The best match among the masks in the image's space, or why there is none.

    Several runs may share it.
    """
    matching = matching_files(associated.masks, image)
    kept, removal = apply_conditions(matching, associated.queries.mask.conditions)
    entities = {key: value for key, value in image.name.entities.items() if key != "desc"}
    run, root = join_entities(entities), associated.root
    search = _Search("brain mask", associated.queries.mask, run, root)
    if not kept:
        advice = "--mask none does without one, --mask FILE gives one"
        return None, search.why_none(removal, candidates(associated.masks, image), advice)
    return search.only_one(best_matches(kept, image))


def find_confounds(image: File, associated: AssociatedFiles) -> tuple[Path | None, str]:
    """The best match among the confounds tables that cannot be another run's, or why none is."""
    matching = matching_files(associated.tables, image, same_grid=False)
    kept, removal = apply_conditions(matching, associated.queries.confounds.conditions)
    run = run_label(image)
    search = _Search("confounds table", associated.queries.confounds, run, associated.root)
    if not kept:
        packed = _packed_table(image, associated)
        advice = f"{packed.name} is not read; decompress it with gunzip" if packed else ""
        return None, search.why_none(removal, candidates(associated.tables, image), advice)
    own = run_identity(image.entities)
    certain = [table for table in kept if associated.runs[table.path].keys() == {own}]
    if not certain:
        return None, "\n".join(_not_its_own(table, run, associated) for table in kept)
    return search.only_one(best_matches(certain, image))


def _packed_table(image: File, associated: AssociatedFiles) -> Path | None:
    """A compressed confounds table beside an image, which would be its own."""
    suffixes = associated.queries.confounds.suffixes
    beside = [parse_path(path, associated.root) for path in image.path.parent.glob("*.tsv.gz")]
    tables = group_files(file for file in beside if file.name.suffix in suffixes)
    return next((file.path for file in matching_files(tables, image, same_grid=False)), None)


def _not_its_own(table: File, run: str, associated: AssociatedFiles) -> str:
    name = display_path(table.path, associated.root)
    runs = sorted(associated.runs[table.path].values())
    if run not in runs:
        return f"no confounds table for {run}: {name} is that of {' and '.join(runs)}"
    return (
        f"no confounds table for {run}: {name} could belong to {', '.join(runs)}; each run "
        "needs its own, with the run's entities in its name"
    )


@dataclass(frozen=True)
class _Search:
    """The kind of file to find and the run to find it for."""

    kind: str
    query: Query
    run: str
    root: Path

    def only_one(self, found: Sequence[File]) -> tuple[Path | None, str]:
        """The only file found, or why it cannot be used."""
        if len(found) > 1:
            return None, (
                f"{len(found)} files could be the {self.kind} of {self.run}, one is expected:\n"
                + list_paths(found, self.root)
            )
        problem = missing_reason(found[0].path, self.root)
        return (None, problem) if problem else (found[0].path, "")

    def why_none(self, removal: Removal | None, others: Sequence[File], advice: str = "") -> str:
        """Why no file was found: the condition that removed the last, or that none matches."""
        text = f"no {self.kind} ({self.query.pattern}) for {self.run} in {self.root}"
        text += f" ({advice})" if advice else ""
        if removal is not None:
            have = f"those that fit have {removal.condition.key} {removal.found}"
            source = removal.condition.source
            return f"{text}: {have}" + (f", and {source} leaves none of them" if source else "")
        return f"{text}; there are\n{list_paths(others, self.root)}" if others else text
