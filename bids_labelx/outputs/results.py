"""Reading back what the participant level wrote: for reports and for the group level."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bids_labelx.errors import BadDataError, LabelxError
from bids_labelx.files import read_json, read_tsv
from bids_labelx.names import build_name, parse_name

# Entities that distinguish the results of one run.
ATLAS_ENTITIES = ("atlas", "seg", "scale")
RESULT_ENTITIES = ("stat", "meas", "desc")

# The entities that a result has by its suffix, besides those of its run.
_RESULTS = {
    "timeseries": ("atlas", "stat", "desc"),
    "relmat": ("atlas", "stat", "meas", "desc"),
    "dseg": ("atlas",),
    "probseg": ("atlas",),
    "outliers": ("desc",),
}
# What the levels and the reports go by, of a time series' JSON and of its label table.
_KEYS = (
    *("Atlas", "Statistic", "DenoisingStrategy", "ConfoundRegressors", "RepetitionTime"),
    *("SampleMask", "NumberOfVolumes", "NumberOfVolumesKept", "DegreesOfFreedom"),
)
_COLUMNS = ("index", "name", "coverage", "status")
_EXTENSIONS = (
    *(".tsv", ".json", ".nii.gz", ".dlabel.nii", ".label.gii"),
    *(".ptseries.nii", ".pconn.nii"),
)


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
        return run_of(self.entities)

    @property
    def labels_path(self) -> Path:
        """The label table, within the output dataset."""
        return labels_path(self.path)

    def kept_rows(self) -> np.ndarray:
        """The volumes kept, shape (n_kept, n_regions), NaN for missing labels.

        Raises
        ------
        MissingInputError, BadDataError
            Where the table cannot be read, or does not match its sidecar and label table.
        """
        path = self.output / self.path
        table = read_tsv(path, numbers=True)
        try:
            values = table.to_numpy(float)
        except ValueError as error:
            raise BadDataError(f"{path}: cannot be read as a table of numbers ({error})") from None
        # Another program may not say which volumes of a run it left out.
        flags = self.sidecar["SampleMask"] or [True] * self.sidecar["NumberOfVolumesKept"]
        mask = np.array(flags, dtype=bool)
        names = self.labels["name"].tolist()
        if list(table) != names or len(table) not in (len(mask), int(mask.sum())):
            raise BadDataError(
                f"{path}: {table.shape[1]} columns and {len(table)} rows do not match its sidecar "
                "and label table; run the participant level again"
            )
        return values[mask] if len(table) == len(mask) else values

    def matrices(self) -> list[Path]:
        """The matrices made of it, within the output dataset, sorted."""
        found = sorted((self.output / self.path).parent.glob("*_relmat.tsv"))
        paths = (path.relative_to(self.output) for path in found)
        return [one for one in paths if is_result(one.name) and series_of(one) == self.path]


def participants_of(dataset: Path) -> list[str]:
    """Labels of the participants that have a folder in a dataset, sorted."""
    return sorted(p.name.removeprefix("sub-") for p in dataset.glob("sub-*") if p.is_dir())


def participants_with_results(output: Path) -> list[str]:
    """Labels of the participants with a result in an output dataset, sorted.

    A folder of another program among them has none.
    """
    return [one for one in participants_of(output) if any(_results(output, one))]


def series_paths(output: Path, participant: str) -> list[Path]:
    """The time series tables of a participant, within the output dataset, sorted."""
    return result_paths(output, participant, "timeseries")


def result_paths(output: Path, participant: str, suffix: str = "") -> list[Path]:
    """The results of a participant, within the output dataset, sorted.

    What is not called as this app calls its results is no result: hidden files, backups, files of
    other programs.

    Parameters
    ----------
    output
        The output dataset.
    participant
        Label without ``sub-``.
    suffix
        Only the tables with this suffix.
    """
    end = f"_{suffix}.tsv" if suffix else ""
    return sorted(one for one in _results(output, participant) if one.name.endswith(end))


def _results(output: Path, participant: str) -> Iterator[Path]:
    folder = output / f"sub-{participant}"
    for func in (folder / "func", *folder.glob("ses-*/func")):
        if func.is_dir():
            within = func.relative_to(output)
            names = (path.name for path in func.iterdir())
            own = (name for name in names if name.startswith(f"sub-{participant}_"))
            yield from (within / name for name in own if is_result(name))


def is_result(file: str) -> bool:
    """Whether a file has a name as this app gives its results."""
    name = parse_name(file)
    own = _RESULTS.get(name.suffix)
    return (
        own is not None
        and name.extension in _EXTENSIONS
        and all(name.entities.get(key, "").isalnum() for key in own)
        and build_name(name.entities, name.suffix, name.extension) == file
    )


def series_of(matrix: Path) -> Path:
    """The time series table that a matrix of all volumes of a run is made of."""
    entities = {k: v for k, v in parse_name(matrix).entities.items() if k != "meas"}
    return matrix.with_name(build_name(entities, "timeseries", ".tsv"))


def concatenated_matrices(
    output: Path, participant: str, *, exact: bool = False
) -> list[tuple[Path, dict[str, Any]]]:
    """The matrices of a participant over several runs, each with its sidecar, sorted.

    Paths are within the output dataset. Those of some of the volumes are among them with `exact`.
    """
    found = []
    for path in result_paths(output, participant, "relmat"):
        try:
            sidecar = read_json(output / path.with_suffix(".json"))
        except LabelxError:
            continue
        if "NumberOfRuns" in sidecar and (exact or "NumberOfVolumesUsed" not in sidecar):
            found.append((path, sidecar))
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
    _check_has(output / path.with_suffix(".json"), sidecar, _KEYS)
    labels = read_tsv(output / labels_path(path))
    _check_has(output / labels_path(path), labels, _COLUMNS)
    return Series(output, path, entities, sidecar, labels)


def _check_has(path: Path, there: Container[str], needed: Sequence[str]) -> None:
    lacking = [name for name in needed if name not in there]
    if lacking:
        raise BadDataError(f"{path}: no {', '.join(lacking)}; run the participant level again")


def run_of(entities: Mapping[str, str]) -> dict[str, str]:
    """Of the entities of a result those of its run."""
    of_result = (*ATLAS_ENTITIES, *RESULT_ENTITIES)
    return {key: value for key, value in entities.items() if key not in of_result}


def labels_path(series: Path) -> Path:
    """The label table of a time series' run and atlas, beside it."""
    entities = parse_name(series).entities
    kept = {key: value for key, value in entities.items() if key not in RESULT_ENTITIES}
    return series.with_name(build_name(kept, "dseg", ".tsv"))
