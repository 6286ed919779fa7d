"""The brain mask and the confounds table of a BOLD image: one and only one, or a reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bids_labelx.inputs.annex import absence, shown
from bids_labelx.inputs.matching import (
    File,
    Identity,
    Pool,
    find_owners,
    fitting,
    identity,
    label,
    listing,
    make_pool,
    near,
    nearest,
    run_label,
)
from bids_labelx.inputs.queries import Queries, Query, Removal, narrow


@dataclass(frozen=True)
class Companions:
    """What may belong to the BOLD images of a dataset.

    Attributes
    ----------
    root
        The dataset.
    queries
        What masks and tables have to be like.
    masks, tables
        All that there are.
    owners
        By table, the runs that it could belong to.
    """

    root: Path
    queries: Queries
    masks: Pool
    tables: Pool
    owners: Mapping[Path, Mapping[Identity, str]]


def gather(files: Iterable[File], queries: Queries, root: Path) -> Companions:
    """Sort out the files of a dataset, all of its BOLD images among them."""
    files = list(files)
    masks = make_pool(f for f in files if f.is_image and f.name.suffix in queries.mask.suffixes)
    suffixes = queries.confounds.suffixes
    tables = make_pool(f for f in files if not f.is_image and f.name.suffix in suffixes)
    images = [file for file in files if file.is_image and file.name.suffix == "bold"]
    return Companions(root, queries, masks, tables, find_owners(tables, images))


def find_mask(image: File, companions: Companions) -> tuple[Path | None, str]:
    """The nearest mask in the image's space, which several runs may share.

    Returns
    -------
    path : Path or None
    problem : str
        Why there is none.
    """
    fits = fitting(companions.masks, image)
    kept, removal = narrow(fits, companions.queries.mask.conditions)
    entities = {key: value for key, value in image.name.entities.items() if key != "desc"}
    what = _What("brain mask", companions.queries.mask, label(entities), companions.root)
    if not kept:
        return None, what.none(removal, near(companions.masks, image))
    return what.one_of(nearest(kept, image))


def find_confounds(image: File, companions: Companions) -> tuple[Path | None, str]:
    """The nearest confounds table, of those that can be no other run's.

    Returns
    -------
    path : Path or None
    problem : str
        Why there is none.
    """
    fits = fitting(companions.tables, image, same_grid=False)
    kept, removal = narrow(fits, companions.queries.confounds.conditions)
    run = run_label(image)
    what = _What("confounds table", companions.queries.confounds, run, companions.root)
    if not kept:
        return None, what.none(removal, near(companions.tables, image))
    own = identity(image.entities)
    mine = [table for table in kept if companions.owners[table.path].keys() == {own}]
    if not mine:
        return None, "\n".join(_not_mine(table, run, companions) for table in kept)
    return what.one_of(nearest(mine, image))


def _not_mine(table: File, run: str, companions: Companions) -> str:
    name = shown(table.path, companions.root)
    owners = sorted(companions.owners[table.path].values())
    if run not in owners:
        return f"no confounds table for {run}: {name} is that of {' and '.join(owners)}"
    return (
        f"no confounds table for {run}: {name} could belong to {', '.join(owners)}; each run "
        "needs its own, with the run's entities in its name"
    )


@dataclass(frozen=True)
class _What:
    """A kind of file that is looked for, and for which run."""

    kind: str
    query: Query
    run: str
    root: Path

    def one_of(self, found: Sequence[File]) -> tuple[Path | None, str]:
        """The only one, with its content there, or the reason against it."""
        if len(found) > 1:
            return None, (
                f"{len(found)} files could be the {self.kind} of {self.run}, one is expected:\n"
                + listing(found, self.root)
            )
        problem = absence(found[0].path, self.root)
        return (None, problem) if problem else (found[0].path, "")

    def none(self, removal: Removal | None, there: Sequence[File]) -> str:
        """Why no file is left: which condition removed the last, or that none fits."""
        text = f"no {self.kind} ({self.query.pattern}) for {self.run} in {self.root}"
        if removal is not None:
            have = f"those that fit have {removal.condition.key} {removal.there}"
            source = removal.condition.source
            return f"{text}: {have}" + (f", and {source} leaves none of them" if source else "")
        return f"{text}; there are\n{listing(there, self.root)}" if there else text
