"""When runs were acquired, as ``scans.tsv`` or the sidecars say it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import datetime, time
from pathlib import Path

from bids_labelx.files import read_tsv
from bids_labelx.inputs.matching import comparable, parse_path
from bids_labelx.inputs.metadata import read_metadata
from bids_labelx.names import SPATIAL, Name, parse_name

# In which a processed image differs from its source; the echoes of a run have one time.
_PROCESSED = (*SPATIAL, "desc", "echo", "part")


def acquisition_time(bold: Path, root: Path, others: Iterable[Path]) -> datetime | time | None:
    """When a BOLD image was acquired: date and time, or the time of the day alone.

    Of the first that says it: ``scans.tsv`` (``acq_time``) of the dataset at `root`, of the other
    datasets, and of the raw dataset that `root` is in the ``derivatives`` of; the sidecars'
    ``AcquisitionDateTime``, ``acq_time``, or ``AcquisitionTime``.

    Raises
    ------
    MissingInputError, BadDataError
        Where a table or sidecar cannot be read.
    """
    name = parse_path(bold, root).name
    for table in _scans_tables(name, root, others):
        if (found := _listed(table, name)) is not None:
            return found
    metadata = read_metadata(bold, root)
    for key in ("AcquisitionDateTime", "acq_time", "AcquisitionTime"):
        if (found := _parsed(metadata.get(key))) is not None:
            return found
    return None


def _scans_tables(name: Name, root: Path, others: Iterable[Path]) -> Iterator[Path]:
    """The ``scans.tsv`` that there are of a participant and session."""
    roots = [root, *others]
    if root.parent.name == "derivatives":
        roots.append(root.parent.parent)
    roots = list(dict.fromkeys(roots))
    parts = [f"{key}-{name.entities[key]}" for key in ("sub", "ses") if key in name.entities]
    for one in roots:
        table = one.joinpath(*parts, f"{'_'.join(parts)}_scans.tsv")
        if os.path.lexists(table):
            yield table


def _listed(table: Path, name: Name) -> datetime | time | None:
    """The earliest time in a ``scans.tsv`` of the images of a run."""
    scans = read_tsv(table)
    if not {"filename", "acq_time"} <= set(scans):
        return None
    own = _source(name)
    pairs = zip(scans["filename"], scans["acq_time"], strict=True)
    times = [_parsed(text) for file, text in pairs if _source(parse_name(file)) == own]
    return min((one for one in times if isinstance(one, datetime)), default=None)


def _source(name: Name) -> dict[str, str]:
    """What an image has in common with its source."""
    entities = comparable(name.entities)
    own = {key: value for key, value in entities.items() if key not in _PROCESSED}
    return {**own, "suffix": name.suffix}


def _parsed(text: object) -> datetime | time | None:
    """A date and time, or a time, out of ISO 8601; None where it is neither.

    What is said of a zone is left out: the times of a dataset are compared with each other alone.
    """
    for kind in (datetime, time):
        try:
            found = kind.fromisoformat(str(text).strip())
        except ValueError:
            continue
        # A date without a time is no order of runs.
        return found.replace(tzinfo=None) if ":" in str(text) else None
    return None
