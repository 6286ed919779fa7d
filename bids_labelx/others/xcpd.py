"""What XCP-D wrote: versions 0.10 to 26, whose files of an atlas have ``seg-`` or ``atlas-``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bids_labelx.errors import BadDataError, LabelxError, MissingInputError
from bids_labelx.files import read_json, read_tsv
from bids_labelx.measures.quality import FD_THRESHOLD, OK, motion_summary
from bids_labelx.names import SPATIAL, build_name, camel, parse_name
from bids_labelx.others.series import OtherSeries, count_rows, header, sidecar_of

_MATRIX = "*_stat-pearsoncorrelation_relmat.tsv"
# Where it keeps its atlases; the second one since version 26.
_ATLASES = ("atlases", "sourcedata/atlases")
_NETWORKS = ("network", "network_label")
# Where it says neither which nuisance regression nor that there was none.
_STRATEGY = "XCP-D"


def matrices(func: Path) -> list[Path]:
    """The matrices of runs in a folder, sorted; not those of concatenated runs.

    XCP-D calls what it made of several runs as them, without ``run-`` and ``dir-``.
    """
    found = [path for path in sorted(func.glob(_MATRIX)) if "desc" not in _entities(path)]
    single = {_without_run(path) for path in found if "run" in _entities(path)}
    return [one for one in found if "run" in _entities(one) or _without_run(one) not in single]


def about(matrix: Path) -> tuple[dict[str, str], str, str]:
    """Of a matrix the entities of its run, its atlas, and its denoising strategy."""
    own = _entities(matrix)
    atlas = own.get("atlas") or own.get("seg", "")
    run = {k: v for k, v in own.items() if k not in ("atlas", "seg", "stat")}
    regression = _metadata(matrix).get("NuisanceParameters")
    name = Path(regression).stem if isinstance(regression, str) else ""
    return run, atlas, name or _STRATEGY


def read(dataset: Path, matrix: Path, atlases: dict[str, pd.DataFrame | None]) -> OtherSeries:
    """The series behind a matrix, with what is beside it.

    Parameters
    ----------
    dataset
        XCP-D's folder.
    matrix
        One of `matrices`.
    atlases
        The tables that were read already, by atlas; added to.

    Raises
    ------
    MissingInputError, BadDataError
    """
    run, atlas, strategy = about(matrix)
    series = _beside(matrix, "timeseries", stat="mean")
    names = header(series)
    found = header(matrix)[1:]
    if found != names:
        raise BadDataError(
            f"{matrix}: {len(found)} regions, not the {len(names)} of {series.name}, or in "
            "another order; make both again with XCP-D"
        )
    if atlas not in atlases:
        atlases[atlas] = _atlas_table(dataset, atlas)
    labels = _labels(matrix, series, names, atlases[atlas])
    rows = count_rows(series)
    kept, threshold = _kept(matrix, rows)
    sidecar = sidecar_of(
        atlas,
        strategy,
        volumes=len(kept),
        kept=int(kept.sum()),
        mask=kept.tolist(),
        t_r=_repetition_time(matrix),
        motion=_motion(matrix, threshold),
    )
    entities = {**run, "atlas": atlas, "stat": "mean", "desc": camel(strategy)}
    return OtherSeries(entities, sidecar, labels, series, matrix)


def _labels(
    matrix: Path, series: Path, names: list[str], atlas: pd.DataFrame | None
) -> pd.DataFrame:
    """The label table of a run: coverage and atlas, matched by the names of regions."""
    path = _beside(matrix, "bold", stat="coverage")
    coverage = read_tsv(path)
    lacking = [column for column in ("Node", "coverage") if column not in coverage]
    if lacking:
        raise BadDataError(
            f"{path}: no column {' or '.join(lacking)}, with which XCP-D says what is covered"
        )
    by_name = coverage.set_index("Node")["coverage"]
    unknown = sorted(set(names) ^ set(by_name.index))
    if unknown or len(by_name) != len(names):
        raise BadDataError(
            f"{path}: {len(by_name)} regions, {series.name} has {len(names)}"
            + (f"; {unknown[0]} is in one of them alone" if unknown else "")
            + "; make both again with XCP-D"
        )
    shares = pd.to_numeric(by_name.reindex(names), errors="coerce").to_numpy(float)
    with series.open(encoding="utf-8") as file:
        file.readline()
        first = file.readline().rstrip("\r\n").split("\t")
    if len(first) != len(names):
        raise BadDataError(
            f"{series}: {len(first)} values in row 1, {len(names)} are expected; make it again "
            "with XCP-D"
        )
    # A region that XCP-D leaves out has no value in any row.
    missing = np.array([cell in ("n/a", "", "nan", "NaN") for cell in first])
    status = np.where(~missing, OK, np.where(shares > 0, "low-coverage", "outside-mask"))
    table = pd.DataFrame({"index": range(1, len(names) + 1), "name": names})
    if atlas is not None:
        absent = [name for name in names if name not in atlas.index]
        if absent:
            raise BadDataError(
                f"{series}: region {absent[0]} is not in the table of its atlas in the folder "
                f"({len(absent)} such regions)"
            )
        own = atlas.loc[names]
        table["index"] = own["index"].tolist()
        for column in [one for one in _NETWORKS if one in own][:1]:
            table["network"] = own[column].tolist()
    return table.assign(coverage=shares, status=status)


def _atlas_table(dataset: Path, atlas: str) -> pd.DataFrame | None:
    """The table of an atlas by the names of its regions; None where the folder has none."""
    found = (path for one in _ATLASES for path in sorted((dataset / one).rglob("*_dseg.tsv")))
    path = next((one for one in found if _entities(one).get("atlas") == atlas), None)
    if path is None:
        return None
    table = read_tsv(path)
    lacking = [column for column in ("index", "name") if column not in table]
    if lacking:
        raise BadDataError(f"{path}: no column {' or '.join(lacking)}")
    if table["name"].duplicated().any():
        twice = table["name"][table["name"].duplicated()].iloc[0]
        raise BadDataError(f"{path}: region {twice} has two rows")
    return table.set_index("name")


def _kept(matrix: Path, rows: int) -> tuple[np.ndarray, float]:
    """Which volumes are kept, and the threshold of FD in mm; without censoring all of them."""
    path = _of_run(matrix, "outliers", ".tsv")
    if not path.is_file():
        return np.ones(rows, dtype=bool), FD_THRESHOLD
    table = read_tsv(path, numbers=True)
    if "framewise_displacement" not in table:
        raise BadDataError(f"{path}: no column framewise_displacement, 1 for censored volumes")
    kept = table["framewise_displacement"].to_numpy() == 0
    if rows not in (len(kept), int(kept.sum())):
        raise BadDataError(
            f"{matrix}: its series has {rows} rows; {path.name} has {len(kept)} volumes of which "
            f"{int(kept.sum())} are kept"
        )
    described = _json(path.with_suffix(".json")).get("framewise_displacement")
    limit = described.get("Threshold") if isinstance(described, dict) else None
    if isinstance(limit, int | float) and limit > 0:
        return kept, float(limit)
    return kept, FD_THRESHOLD


def _motion(matrix: Path, threshold: float) -> dict[str, float | None]:
    """Motion over all volumes; its ``framewise_displacement`` is without a motion filter."""
    path = _of_run(matrix, "motion", ".tsv")
    if path.is_file():
        return motion_summary(read_tsv(path, numbers=True), threshold)
    figures = motion_summary(None)
    spatial = {k: v for k, v in _entities(matrix).items() if k not in ("atlas", "seg", "stat")}
    quality = matrix.with_name(build_name({**spatial, "desc": "linc"}, "qc", ".tsv"))
    if quality.is_file():
        table = read_tsv(quality, numbers=True)
        if "mean_fd" in table and len(table):
            value = float(table["mean_fd"].iloc[0])
            figures["MeanFramewiseDisplacement"] = value if math.isfinite(value) else None
    return figures


def _repetition_time(matrix: Path) -> float | None:
    value = _metadata(matrix).get("RepetitionTime")
    return float(value) if isinstance(value, int | float) and value > 0 else None


def _metadata(matrix: Path) -> Mapping[str, Any]:
    """What the JSON of the denoised run and that of the series say."""
    own = _entities(matrix)
    spatial = {k: v for k, v in own.items() if k not in ("atlas", "seg", "stat")}
    denoised = build_name({**spatial, "desc": "denoised"}, "bold", ".json")
    series = _renamed(matrix, "timeseries", ".json", stat="mean")
    return {**_json(matrix.with_name(denoised)), **_json(series)}


def _json(path: Path) -> dict[str, Any]:
    """What a JSON file says; nothing where there is none that can be read."""
    try:
        return read_json(path)
    except LabelxError:
        return {}


def _of_run(matrix: Path, suffix: str, extension: str) -> Path:
    """A file of the run, which has neither atlas nor space in its name."""
    dropped = (*SPATIAL, "atlas", "seg", "stat")
    entities = {k: v for k, v in _entities(matrix).items() if k not in dropped}
    return matrix.with_name(build_name(entities, suffix, extension))


def _beside(matrix: Path, suffix: str, *, stat: str) -> Path:
    """A table of the same run and atlas, which has to be there."""
    path = _renamed(matrix, suffix, ".tsv", stat=stat)
    if not path.is_file():
        raise MissingInputError(
            f"{path}: is not there, beside {matrix.name}; fetch it, or run XCP-D again"
        )
    return path


def _renamed(matrix: Path, suffix: str, extension: str, *, stat: str) -> Path:
    """As XCP-D orders entities, whatever the order is: the end of the name alone differs."""
    head = matrix.name.removesuffix("_stat-pearsoncorrelation_relmat.tsv")
    return matrix.with_name(f"{head}_stat-{stat}_{suffix}{extension}")


def _entities(path: Path) -> dict[str, str]:
    return dict(parse_name(path).entities)


def _without_run(path: Path) -> frozenset[tuple[str, str]]:
    return frozenset((k, v) for k, v in _entities(path).items() if k not in ("run", "dir"))


def notes(laid_out: Iterable[OtherSeries]) -> list[str]:
    """What a user has to know of the series."""
    by_place = {
        one.sidecar["Atlas"]
        for one in laid_out
        if "network" not in one.labels
        and one.labels["index"].tolist() == list(range(1, len(one.labels) + 1))
    }
    return [
        f"of atlas {atlas} no networks are known, and its regions are numbered as they stand"
        for atlas in sorted(by_place)
    ]
