"""The files associated with a BOLD image: its brain mask, its confounds, and other tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bids_labelx.content import display_path, missing_reason
from bids_labelx.inputs.datasets import Dataset
from bids_labelx.inputs.hints import motion_file
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
    misplaced,
    parse_path,
    possible_runs,
    run_identity,
    run_label,
)
from bids_labelx.inputs.queries import (
    NO_BRAIN_MASK,
    Queries,
    Query,
    Removal,
    apply_conditions,
    table_query,
)
from bids_labelx.names import FIRST_DATASET, TableQuery

CONFOUNDS = "confounds table"


@dataclass(frozen=True)
class Pool:
    """All files of a dataset that may be of one kind.

    Attributes
    ----------
    kind
        What they are, in words.
    query
        What one has to match.
    root
        The dataset.
    files
        The files.
    runs
        By table, the runs that it could belong to.
    unreadable
        Folders of the dataset that cannot be listed, with the reason.
    """

    kind: str
    query: Query
    root: Path
    files: FileGroups
    runs: Mapping[Path, Mapping[Identity, str]] = field(default_factory=dict)
    unreadable: Mapping[Path, str] = field(default_factory=dict)

    @property
    def shown_from(self) -> Path | None:
        """The folder that messages give paths from; of another dataset they give whole ones."""
        return self.root if self.query.dataset == FIRST_DATASET else None


@dataclass(frozen=True)
class AssociatedFiles:
    """The masks and tables of all datasets: brain masks, confounds, and what strategies name."""

    masks: Pool
    confounds: Pool
    tables: Mapping[TableQuery, Pool]


def collect_associated(
    datasets: Mapping[str, Dataset], queries: Queries, tables: Collection[TableQuery] = ()
) -> AssociatedFiles:
    """The masks and tables among all files of the datasets."""
    images = [
        file
        for one in datasets.values()
        for file in one.files
        if file.name.suffix in queries.bold.suffixes and (file.is_image or file.is_surface)
    ]

    def pool(kind: str, query: Query, own: Collection[tuple[str, str]] = ()) -> Pool:
        dataset = datasets[query.dataset]
        files = [one for one in dataset.files if one.name.suffix in query.suffixes]
        files = [_without(own, one) for one in files if set(own) <= one.entities.items()]
        root, unreadable = dataset.root, dataset.unreadable
        if query is queries.mask:
            masks = [
                file
                for file in files
                if file.is_image and file.name.entities.get("desc") != NO_BRAIN_MASK
            ]
            return Pool(kind, query, root, group_files(masks), {}, unreadable)
        groups = group_files(file for file in files if not (file.is_image or file.is_surface))
        return Pool(kind, query, root, groups, possible_runs(groups, images), unreadable)

    return AssociatedFiles(
        pool("brain mask", queries.mask),
        pool(CONFOUNDS, queries.confounds),
        {one: pool(_kind(one), table_query(one), one.entities) for one in tables},
    )


def _kind(wanted: TableQuery) -> str:
    own = " ".join(f"{key}-{label}" for key, label in wanted.entities)
    return f"{wanted.suffix} table" + (f" with {own}" if own else "")


def _without(own: Collection[tuple[str, str]], file: File) -> File:
    """A file without the entities that its run need not have, as it is matched."""
    kept = {key: label for key, label in file.entities.items() if key not in dict(own)}
    return replace(file, entities=kept)


def find_mask(image: File, masks: Pool) -> tuple[Path | None, str]:
    """The best match among the masks in the image's space, or why there is none.

    Several runs may share it.
    """
    matching = matching_files(masks.files, image)
    kept, removal = apply_conditions(matching, masks.query.conditions)
    entities = {key: value for key, value in image.name.entities.items() if key != "desc"}
    run = join_entities(entities)
    if not kept:
        advice = "--mask none does without one, --mask FILE gives one"
        return None, _why_none(masks, run, removal, candidates(masks.files, image), advice)
    return _only_one(masks, run, best_matches(kept, image))


def find_table(image: File, tables: Pool) -> tuple[Path | None, str]:
    """The best match among the tables that cannot be another run's, or why none is."""
    matching = matching_files(tables.files, image, same_grid=False)
    kept, removal = apply_conditions(matching, tables.query.conditions)
    run = run_label(image)
    if not kept:
        packed = _packed_table(image, tables)
        advice = f"{packed.name} is not read; decompress it with gunzip" if packed else ""
        if not advice and tables.kind == CONFOUNDS:
            advice = motion_file(image, tables.root)
        return None, _why_none(tables, run, removal, candidates(tables.files, image), advice)
    own = run_identity(image.entities)
    certain = [table for table in kept if tables.runs[table.path].keys() == {own}]
    if not certain:
        return None, "\n".join(_not_its_own(table, run, tables) for table in kept)
    return _only_one(tables, run, best_matches(certain, image))


def _packed_table(image: File, tables: Pool) -> Path | None:
    """A compressed table where the image's own would be."""
    if not image.path.is_relative_to(tables.root):
        return None
    found = [parse_path(path, tables.root) for path in image.path.parent.glob("*.tsv.gz")]
    groups = group_files(file for file in found if file.name.suffix in tables.query.suffixes)
    return next((file.path for file in matching_files(groups, image, same_grid=False)), None)


def _not_its_own(table: File, run: str, tables: Pool) -> str:
    name = display_path(table.path, tables.shown_from)
    runs = sorted(tables.runs[table.path].values())
    if run not in runs:
        return f"no {tables.kind} for {run}: {name} is that of {' and '.join(runs)}"
    return (
        f"no {tables.kind} for {run}: {name} could belong to {', '.join(runs)}; each run "
        "needs its own, with the run's entities in its name"
    )


def _only_one(pool: Pool, run: str, found: Sequence[File]) -> tuple[Path | None, str]:
    """The only file found, or why it cannot be used."""
    if len(found) > 1:
        return None, (
            f"{len(found)} files could be the {pool.kind} of {run}, one is expected:\n"
            + list_paths(found, pool.shown_from)
        )
    problem = misplaced(found[0], pool.root, pool.shown_from)
    problem = problem or missing_reason(found[0].path, pool.shown_from) or ""
    return (None, problem) if problem else (found[0].path, "")


def _why_none(
    pool: Pool, run: str, removal: Removal | None, others: Sequence[File], advice: str = ""
) -> str:
    """Why no file was found: the condition that removed the last, or that none matches."""
    text = f"no {pool.kind} ({pool.query.pattern}) for {run} in {pool.root}"
    text += f" ({advice})" if advice else ""
    if pool.unreadable:
        folders = ", ".join(map(str, pool.unreadable))
        text += f"; it may be in {folders}, which cannot be read"
    if removal is not None:
        have = f"those that fit have {removal.condition.key} {removal.found}"
        source = removal.condition.source
        return f"{text}: {have}" + (f", and {source} leaves none of them" if source else "")
    return f"{text}; there are\n{list_paths(others, pool.shown_from)}" if others else text
