"""Reading back what the participant level wrote: for reports and for the group level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bids_labelx.errors import BadDataError, LabelxError
from bids_labelx.files import read_json, read_tsv
from bids_labelx.names import build_name, parse_name

# Entities that distinguish the results of one run.
ATLAS_ENTITIES = ("atlas", "seg", "scale")
RESULT_ENTITIES = ("stat", "meas", "desc")


@dataclass(frozen=True)
class Series:
    """One time series of the output dataset, with what is beside it.

    Attributes
    ----------
    output
        The output dataset.
    path
        The time series table, within the output dataset.
    entities
        Those of its name.
    sidecar
        Its JSON.
    labels
        The label table of its run and atlas.
    """

    output: Path
    path: Path
    entities: Mapping[str, str]
    sidecar: Mapping[str, Any]
    labels: pd.DataFrame

    @property
    def run(self) -> dict[str, str]:
        """The entities of the run that it comes from."""
        return {
            k: v for k, v in self.entities.items() if k not in (*ATLAS_ENTITIES, *RESULT_ENTITIES)
        }

    @property
    def labels_path(self) -> Path:
        """The label table, within the output dataset."""
        return self.path.with_name(_dseg_name(self.entities))

    def matrices(self) -> list[Path]:
        """The matrices made of it, within the output dataset, sorted."""
        found = []
        for path in sorted((self.output / self.path).parent.glob("*_relmat.tsv")):
            entities = dict(parse_name(path).entities)
            entities.pop("meas", None)
            if entities == dict(self.entities):
                found.append(path.relative_to(self.output))
        return found


def participants_of(output: Path) -> list[str]:
    """Labels of the participants in an output dataset, sorted."""
    return sorted(p.name.removeprefix("sub-") for p in output.glob("sub-*") if p.is_dir())


def series_paths(output: Path, participant: str) -> list[Path]:
    """The time series tables of a participant, within the output dataset, sorted."""
    found = (output / f"sub-{participant}").glob("**/func/*_timeseries.tsv")
    return sorted(path.relative_to(output) for path in found)


def concatenated_matrices(
    output: Path, participant: str, *, exact: bool = False
) -> list[tuple[Path, dict[str, Any]]]:
    """The matrices of a participant over several runs, each with its sidecar, sorted.

    Paths are within the output dataset. Those of some of the volumes are among them with `exact`.
    """
    found = []
    for path in sorted((output / f"sub-{participant}").glob("**/func/*_relmat.json")):
        try:
            sidecar = read_json(path)
        except LabelxError:
            continue
        if "NumberOfRuns" in sidecar and (exact or "NumberOfVolumesUsed" not in sidecar):
            found.append((path.with_suffix(".tsv").relative_to(output), sidecar))
    return found


def read_series(output: Path, path: Path) -> Series:
    """A time series' sidecar and label table; the series itself stays on disk.

    Raises
    ------
    MissingInputError, BadDataError
        Where a file beside it is not there or not whole.
    """
    entities = parse_name(path).entities
    sidecar = read_json((output / path).with_suffix(".json"))
    lacking = {"NumberOfVolumes", "NumberOfVolumesKept", "DegreesOfFreedom"} - set(sidecar)
    if lacking:
        raise BadDataError(
            f"{output / path.with_suffix('.json')}: no {', '.join(sorted(lacking))}; "
            "run the participant level again"
        )
    labels_path = output / path.with_name(_dseg_name(entities))
    return Series(output, path, entities, sidecar, read_tsv(labels_path))


def _dseg_name(entities: Mapping[str, str]) -> str:
    kept = {key: value for key, value in entities.items() if key not in RESULT_ENTITIES}
    return build_name(kept, "dseg", ".tsv")
