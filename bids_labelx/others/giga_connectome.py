"""What giga_connectome 0.6 wrote: tables without names of regions, of which it has none."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from bids_labelx.errors import BadDataError, MissingInputError
from bids_labelx.files import read_json, read_tsv
from bids_labelx.measures.quality import OK, motion_summary
from bids_labelx.names import camel, parse_name
from bids_labelx.others.series import OtherSeries, sidecar_of

_MATRIX = "*_seg-*_meas-PearsonCorrelation_desc-denoise*_relmat.tsv"
_DISCARDED = (
    "NumberOfVolumesDiscardedByMotionScrubbing",
    "NumberOfVolumesDiscardedByNonsteadyStatesDetector",
)


def matrices(func: Path) -> list[Path]:
    """The matrices in a folder, sorted."""
    return sorted(func.glob(_MATRIX))


def about(matrix: Path) -> tuple[dict[str, str], str, str]:
    """Of a matrix the entities of its run, its atlas, and its denoising strategy."""
    own = _entities(matrix)
    run = {k: v for k, v in own.items() if k not in ("seg", "meas", "desc")}
    return run, own["seg"], own["desc"].removeprefix("denoise") or "denoise"


def read(_dataset: Path, matrix: Path, _atlases: dict[str, pd.DataFrame | None]) -> OtherSeries:
    """The series behind a matrix, with what is beside it; parameters as of `xcpd.read`.

    Raises
    ------
    MissingInputError, BadDataError
    """
    run, atlas, strategy = about(matrix)
    head = matrix.name.removesuffix("_relmat.tsv").replace("_meas-PearsonCorrelation", "")
    series = matrix.with_name(f"{head}_timeseries.tsv")
    described = matrix.with_name(f"{head.replace(f'_seg-{atlas}', '')}_timeseries.json")
    for path in (series, described):
        if not path.is_file():
            raise MissingInputError(
                f"{path}: is not there, beside {matrix.name}; fetch it, or run giga_connectome "
                "again"
            )
    signals, correlations = _numbers(series), _numbers(matrix)
    n_regions = signals.shape[1]
    if correlations.shape != (n_regions, n_regions):
        shape = " × ".join(map(str, correlations.shape))
        raise BadDataError(
            f"{matrix}: {shape} numbers, and {series.name} has {n_regions} regions; make both "
            "again with giga_connectome"
        )
    with np.errstate(invalid="ignore"):
        varies = np.isfinite(signals).all(axis=0) & (np.ptp(signals, axis=0) > 0)
    values = np.where(varies[:, None] & varies[None], correlations, np.nan)
    # With --calculate-intranetwork-average-correlation it is the mean within regions.
    np.fill_diagonal(values, np.where(varies, 1.0, np.nan))
    names = [str(place) for place in range(n_regions)]
    labels = pd.DataFrame({"index": range(n_regions), "name": names}).assign(
        coverage=np.nan, status=np.where(varies, OK, "outside-mask")
    )
    metadata = read_json(described)
    discarded = [_number(metadata.get(key)) or 0 for key in _DISCARDED]
    sampling = _number(metadata.get("SamplingFrequency"))
    sidecar = sidecar_of(
        atlas,
        strategy,
        volumes=len(signals) + int(sum(discarded)),
        kept=len(signals),
        mask=None,
        t_r=1 / sampling if sampling else None,
        motion=motion_summary(None)
        | {"MeanFramewiseDisplacement": _number(metadata.get("MeanFramewiseDisplacement"))},
    )
    entities = {**run, "atlas": atlas, "stat": "mean", "desc": camel(strategy)}
    return OtherSeries(entities, sidecar, labels, series, matrix, values)


def _entities(matrix: Path) -> dict[str, str]:
    """Those of a name; strategies such as ``scrubbing.2`` have a dot in them."""
    head = matrix.name.removesuffix("_relmat.tsv").replace(".", "+")
    found = parse_name(f"{head}_relmat.tsv").entities
    return {key: value.replace("+", ".") for key, value in found.items()}


def _numbers(path: Path) -> np.ndarray:
    """A table of giga_connectome, whose headings are the places of regions from 0."""
    table = read_tsv(path, numbers=True)
    if list(table) != [str(place) for place in range(table.shape[1])]:
        raise BadDataError(
            f"{path}: its headings are not 0, 1, 2 and so on, as giga_connectome 0.6 writes them"
        )
    try:
        return table.to_numpy(float)
    except ValueError as error:
        raise BadDataError(f"{path}: cannot be read as a table of numbers ({error})") from None


def _number(value: object) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)
    return float(value) if usable else None  # type: ignore[arg-type]


def notes(laid_out: Iterable[OtherSeries]) -> list[str]:
    """What a user has to know of the series."""
    atlases = sorted({one.sidecar["Atlas"] for one in laid_out})
    return [
        f"giga_connectome names no regions: those of {atlas} are called by their place in its "
        "tables, from 0, and matched by it"
        for atlas in atlases
    ]
