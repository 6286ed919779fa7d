"""One time series that another program extracted, and its files as the group level reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bids_labelx.errors import BadDataError, CannotWriteError, MissingInputError
from bids_labelx.files import read_text, tsv_text, write_json, write_text, write_tsv
from bids_labelx.measures.centroids import CENTROIDS
from bids_labelx.names import build_name
from bids_labelx.outputs.results import labels_path


@dataclass(frozen=True)
class OtherSeries:
    """A time series with its matrix, as another program wrote them.

    Attributes
    ----------
    entities
        Of the series as this app would name it, ``atlas``, ``stat`` and ``desc`` among them.
    sidecar
        What this app would say of it; None for what the program does not say.
    labels
        Its label table: ``index``, ``name``, perhaps ``network``, and ``coverage``, ``status``.
    series, matrix
        Its files.
    correlations
        The matrix where the group level cannot read the file as it is; None where it can.
    """

    entities: Mapping[str, str]
    sidecar: Mapping[str, Any]
    labels: pd.DataFrame
    series: Path
    matrix: Path
    correlations: np.ndarray | None = None


def sidecar_of(
    atlas: str,
    strategy: str,
    *,
    volumes: int,
    kept: int,
    mask: Sequence[bool] | None,
    t_r: float | None,
    motion: Mapping[str, float | None],
) -> dict[str, Any]:
    """The sidecar of a series, with None for what is unknown of all programs.

    Parameters
    ----------
    atlas, strategy
        Their names.
    volumes, kept
        Numbers of volumes.
    mask
        Which of the volumes are kept, where it is known.
    t_r
        Repetition time in s.
    motion
        As from `measures.quality.motion_summary`.
    """
    return {
        # These may lack what our own have to say.
        "ResultsOf": "another program",
        "Atlas": atlas,
        "Statistic": "mean",
        "DenoisingStrategy": strategy,
        "ConfoundRegressors": None,
        "RepetitionTime": t_r,
        "SampleMask": None if mask is None else list(mask),
        "NumberOfVolumes": volumes,
        "NumberOfVolumesKept": kept,
        "DegreesOfFreedom": None,
        **motion,
    }


def lay_out(one: OtherSeries, folder: Path) -> dict[Path, Path]:
    """Put the files of a series where the group level looks for its own; nothing is copied.

    Returns
    -------
    dict
        The file that each path within `folder` stands for.

    Raises
    ------
    CannotWriteError, BadDataError
    """
    sub, ses = one.entities["sub"], one.entities.get("ses")
    func = Path(f"sub-{sub}", *([f"ses-{ses}"] if ses else []), "func")
    series = func / build_name(one.entities, "timeseries", ".tsv")
    matrix = func / build_name({**one.entities, "meas": "correlation"}, "relmat", ".tsv")
    table = one.labels.assign(**dict.fromkeys(CENTROIDS, np.nan))
    last = ["coverage", "status"]
    labels = tsv_text(table[[*table.columns.drop(last), *last]])
    shared = folder / labels_path(series)
    if shared.is_file() and read_text(shared) != labels:
        raise BadDataError(
            f"{one.series}: its regions, or its regions without a signal are others than those of "
            "another strategy of the same run and atlas"
        )
    try:
        (folder / func).mkdir(parents=True, exist_ok=True)
        (folder / series).symlink_to(one.series.absolute())
        if one.correlations is None:
            (folder / matrix).symlink_to(one.matrix.absolute())
    except OSError as error:
        raise CannotWriteError(f"{error.filename2 or folder}: {error.strerror}") from None
    if one.correlations is not None:
        names = one.labels["name"].tolist()
        index = pd.Index(names, name="name")
        values = pd.DataFrame(one.correlations, index=index, columns=names)
        write_tsv(folder / matrix, values, index=True)
    write_text(shared, labels)
    write_json((folder / series).with_suffix(".json"), dict(one.sidecar))
    return {
        series: one.series,
        matrix: one.matrix,
        labels_path(series): one.matrix,
        series.with_suffix(".json"): one.series,
    }


def header(path: Path) -> list[str]:
    """The cells of a table's first line.

    Raises
    ------
    MissingInputError, BadDataError
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            line = file.readline()
    except OSError as error:
        raise MissingInputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise BadDataError(f"{path}: is no text ({error.reason})") from None
    return line.rstrip("\r\n").split("\t")


def count_rows(path: Path) -> int:
    """The number of rows of a table below its header."""
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip()) - 1
