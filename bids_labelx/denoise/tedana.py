"""Components that tedana rejected, as regressors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from bids_labelx.errors import BadDataError
from bids_labelx.files import read_tsv

if TYPE_CHECKING:
    import pandas as pd

TEDANA_REGRESSORS = ("rejected", "rejected_orthogonalized")

# Until release 23 there were ignored ones: too weak to be judged, they stay in the data.
_CLASSES = ("accepted", "rejected", "ignored")
_MOST_NAMED = 10


class TedanaRegressors(NamedTuple):
    """Regressors, a column for each rejected component, and what is to be told about them."""

    table: pd.DataFrame
    remarks: tuple[str, ...]


def read_tedana(
    mixing: Path, metrics: Path, regressors: Literal["rejected", "rejected_orthogonalized"]
) -> TedanaRegressors:
    """The rejected components of a run.

    Parameters
    ----------
    mixing
        ``desc-ICA_mixing.tsv``: a column per component, a row per volume.
    metrics
        ``desc-tedana_metrics.tsv`` of the same run: a row per component, with the columns
        ``Component`` and ``classification``.
    regressors
        ``rejected``: the components as they are. ``rejected_orthogonalized``: what least squares
        leave of them after the accepted ones, so that what both share stays in the data; that is
        what ``tedana --tedort`` regresses out.

    Returns
    -------
    TedanaRegressors
        float64, named as in the mixing table and in its order. Without a rejected component the
        table has rows and no columns, and there is a remark.

    Raises
    ------
    MissingInputError, BadDataError
        Where a table cannot be read; the two are not of the same components; a classification is
        unknown, or a value no finite number; or nothing is accepted to orthogonalise against.
    """
    series = read_tsv(mixing, numbers=True)
    if not len(series):
        raise BadDataError(f"{mixing}: has no rows; a mixing matrix has one per volume")
    classes = _classification(metrics)
    _refuse_other_components(mixing, list(series.columns), metrics, list(classes))
    values = _finite(mixing, series)
    of_class = {
        wanted: [at for at, name in enumerate(series.columns) if classes[name] == wanted]
        for wanted in _CLASSES
    }
    accepted, rejected = of_class["accepted"], of_class["rejected"]
    remarks = []
    if not rejected:
        remarks.append(f"{metrics}: no component of {len(classes)} is rejected, none is removed")
    chosen = values[:, rejected]
    if regressors == "rejected_orthogonalized" and rejected:
        if not accepted:
            raise BadDataError(
                f"{metrics}: no component of {len(classes)} is accepted, so that there is "
                'nothing to orthogonalise the rejected ones against; tedana = "rejected" '
                "removes them as they are, but look at tedana's report of this run before"
            )
        kept = values[:, accepted]
        # Of columns of very different sizes least squares would neglect the small ones.
        kept = kept / np.maximum(np.abs(kept).max(axis=0), np.finfo(float).tiny)
        chosen = chosen - kept @ np.linalg.lstsq(kept, chosen, rcond=None)[0]
    table = series.iloc[:, rejected].astype(float)
    table.loc[:, :] = chosen
    return TedanaRegressors(table, tuple(remarks))


def _classification(metrics: Path) -> dict[str, str]:
    """The class of each component."""
    table = read_tsv(metrics)
    lacking = [name for name in ("Component", "classification") if name not in table]
    if lacking:
        raise BadDataError(
            f"{metrics}: has no column {' and no '.join(lacking)}; tedana's table of metrics has "
            f"Component and classification, this one {_named(list(table.columns))}"
        )
    names = [str(name).strip() for name in table["Component"]]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadDataError(
            f"{metrics}: has more than one row for {_named(twice)}; one is expected"
        )
    classes = dict(zip(names, map(str, table["classification"]), strict=True))
    for name, found in classes.items():
        if found not in _CLASSES:
            raise BadDataError(
                f"{metrics}: classification of {name} is {found!r:.40}; expected is one of "
                f"{', '.join(_CLASSES)}"
            )
    return classes


def _refuse_other_components(
    mixing: Path, columns: list[str], metrics: Path, components: list[str]
) -> None:
    only = {
        mixing: [name for name in columns if name not in components],
        metrics: [name for name in components if name not in columns],
    }
    if any(only.values()):
        places = [f"{_named(names)} only in {path}" for path, names in only.items() if names]
        raise BadDataError(
            f"{mixing}: its components are not those of {metrics.name}: {'; '.join(places)}. Both "
            "have to be written by one invocation of tedana; take them from there"
        )


def _finite(mixing: Path, series: pd.DataFrame) -> np.ndarray:
    import pandas as pd

    values = series.apply(pd.to_numeric, errors="coerce").to_numpy(float)
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        row, column = wrong[0]
        raise BadDataError(
            f"{mixing}: column {series.columns[column]}, row {row + 1} (of {len(series)}) is "
            f"{series.iloc[row, column]!s:.40}, a number is expected"
        )
    return values


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
