"""What a participant's page draws of a run: rounded to what a screen shows, and packed.

`bids_labelx.figures.from_scripts` draws from the same data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_labelx.measures.quality import NETWORKLESS
from bids_labelx.pictures.label_colours import label_colours
from bids_labelx.pictures.packing import MOST_ROWS, pack, pack_integers, pack_matrix, unpack
from bids_labelx.pictures.panels import Panel, Plane, RegionGeometry

# Of z-scored series and regressors, in standard deviations; of correlations; of motion, in mm
# or as a ratio; of the logarithm of power.
_Z, _R, _MOTION, _POWER = 0.1, 0.01, 0.001, 0.01


def strategy_data(
    strategy: str,
    kept: NDArray[np.bool_],
    *,
    t_r: float | None,
    motion: Mapping[str, NDArray[np.floating]],
    thresholds: Mapping[str, float],
    regressors: Mapping[str, NDArray[np.floating]],
    confounds: Mapping[str, NDArray[np.floating]],
) -> dict[str, Any]:
    """What a strategy did to a run's volumes, and its regressors.

    Parameters
    ----------
    strategy
        Its name.
    kept
        Volumes that it keeps, shape (n_volumes,).
    t_r
        Repetition time in seconds, where it is known.
    motion, thresholds
        Curves by name with unit, each of shape (n_volumes,), and the thresholds of some of them.
    regressors, confounds
        By name, each of shape (n_volumes,): those regressed out, and those that are correlated
        with each other.
    """
    count = len(kept)
    values = np.array(list(regressors.values()), dtype=float).reshape(len(regressors), count)
    correlated = {}
    if confounds:
        matrix = correlate_confounds(np.column_stack(list(confounds.values())))
        upper = matrix[np.triu_indices(len(matrix))]
        correlated = {"names": list(confounds), "values": pack(upper, _R)}
    return {
        "kind": "strategy",
        "strategy": strategy,
        "volumes": count,
        "t_r": t_r,
        "kept": pack_integers(kept.astype("u1")),
        "motion": [
            {
                "name": name,
                "values": pack(curve, _MOTION),
                "threshold": thresholds.get(name),
            }
            for name, curve in motion.items()
        ],
        "names": list(regressors),
        "regressors": pack(z_scores(values, kept), _Z, delta=True),
        "confounds": correlated or None,
    }


def atlas_data(
    atlas: str,
    table: pd.DataFrame,
    panels: Sequence[Panel],
    geometry: RegionGeometry,
    *,
    threshold: float,
    element: str,
    note: str = "",
) -> dict[str, Any]:
    """The regions of an atlas on a run's grid: where they are, and how much of them has data.

    Parameters
    ----------
    atlas
        Its name.
    table
        The label table of the run, a row per region.
    panels, geometry
        Pictures of the whole atlas, whatever has data, and size and place of each region.
    threshold
        The lowest coverage of a region that is not missing.
    element
        What the grid is of: ``voxel``, or ``vertex``.
    note
        What is to be known of the pictures.
    """
    networks = networks_of(table)
    coloured = label_colours(panels, len(table), networks)
    return {
        "kind": "atlas",
        "atlas": atlas,
        "threshold": threshold,
        "element": element,
        "regions": {
            "index": table["index"].tolist(),
            "name": table["name"].tolist(),
            "network": networks,
            "coverage": _rounded(table["coverage"].to_numpy(float), 2),
            "status": table["status"].tolist(),
            "size": geometry.sizes.tolist(),
            "volume": None if geometry.volumes is None else _rounded(geometry.volumes, 0),
            "centre": [
                None if np.isnan(one).any() else [round(float(x), 1) for x in one]
                for one in geometry.centres
            ],
        },
        "order": network_order(networks, len(table)).tolist(),
        "networks": coloured.networks,
        "colours": coloured.colours,
        "meaning": coloured.note,
        "note": note,
        "panels": [panel_data(one) for one in panels],
    }


def panel_data(panel: Panel) -> dict[str, Any]:
    """A picture of regions, packed."""
    return {
        "title": panel.title,
        "row": panel.row,
        "marks": panel.marks,
        "regions": pack_integers(panel.regions.astype("u2")),
        "background": None if panel.background is None else pack_integers(panel.background),
        "plane": None if panel.plane is None else asdict(panel.plane),
    }


def panel_from(data: Mapping[str, Any]) -> Panel:
    """The picture that `panel_data` has packed."""
    return Panel(
        data["title"],
        data["row"],
        tuple(data["marks"]),
        unpack(data["regions"]).astype(np.intp),
        None if data["background"] is None else unpack(data["background"]),
        None if data["plane"] is None else Plane(**data["plane"]),
    )


def signals_data(
    atlas: str,
    statistic: str,
    series: NDArray[np.floating],
    spectrum: tuple[NDArray[np.floating], NDArray[np.floating]] | None,
) -> dict[str, Any]:
    """Region signals before denoising, shape (n_volumes, n_regions), and their power.

    `spectrum` has frequencies in Hz and the share of power per Hz.
    """
    return {
        "kind": "signals",
        "atlas": atlas,
        "statistic": statistic,
        "series": pack(z_scores(series.T), _Z, delta=True),
        "spectrum": _spectrum(spectrum),
    }


def results_data(
    atlas: str,
    statistic: str,
    strategy: str,
    series: NDArray[np.floating] | None,
    matrices: Sequence[Mapping[str, Any]],
    *,
    spectrum: tuple[NDArray[np.floating], NDArray[np.floating]] | None = None,
    band: tuple[float | None, float | None] = (None, None),
    labels: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Region signals after denoising, of the volumes kept, shape (n_kept, n_regions).

    Of concatenated runs there are `matrices` alone, see `matrix_data`, and their `labels`. `band`
    has the cut-offs of the strategy's high-pass and low-pass filter in Hz.
    """
    regions = {}
    if labels is not None:
        names = {"name": labels["name"].tolist(), "network": networks_of(labels)}
        regions = {"regions": names}
    return {
        **regions,
        "kind": "results",
        "atlas": atlas,
        "statistic": statistic,
        "strategy": strategy,
        "series": None if series is None else pack(z_scores(series.T), _Z, delta=True),
        "spectrum": _spectrum(spectrum),
        "band": list(band),
        "matrices": list(matrices),
    }


def matrix_data(
    matrix: NDArray[np.floating],
    networks: Sequence[str] | None,
    *,
    measure: str,
    words: str,
    file: Path,
) -> dict[str, Any]:
    """A matrix between regions, its rows ordered by network.

    Parameters
    ----------
    matrix
        Shape (n, n).
    networks
        See `network_order`.
    measure, words
        Its measure as an option names it, and in words.
    file
        The table of all its values, relative to the page.
    """
    correlation = "correlation" in measure
    packed = pack_matrix(
        matrix, network_order(networks, len(matrix)), step=_R if correlation else None
    )
    block = packed["block"]
    note = (
        f"Of {len(matrix):,} regions, more than {MOST_ROWS}, each cell is the mean over pairs of "
        f"{block} neighbouring regions; the file has every value."
    )
    return {
        "measure": measure,
        "words": words,
        **packed,
        "limits": (-1.0, 1.0) if correlation else symmetric_limits(matrix),
        "file": file.as_posix(),
        "note": note if block > 1 else "",
    }


def z_scores(
    series: NDArray[np.floating], kept: NDArray[np.bool_] | None = None
) -> NDArray[np.floating]:
    """Rows by their mean and standard deviation, of the columns kept; 0 without a spread."""
    values = np.asarray(series, dtype=float)
    chosen = values if kept is None else values[:, kept]
    if not chosen.size:
        return np.full(values.shape, np.nan)
    centred = values - chosen.mean(axis=1, keepdims=True)
    spread = chosen.std(axis=1, keepdims=True)
    scored = np.divide(centred, spread, out=np.zeros_like(values), where=spread > 0)
    scored[np.isnan(centred)] = np.nan
    return scored


def symmetric_limits(matrix: NDArray[np.floating]) -> tuple[float, float]:
    """Ends of a colour scale about zero: the 99th percentile of what is off the diagonal."""
    values = np.abs(matrix[~np.eye(len(matrix), dtype=bool)])
    values = values[np.isfinite(values)]
    high = float(np.percentile(values, 99)) if values.size else 0.0
    return (-high, high) if high > 0 else (-1.0, 1.0)


def network_order(networks: Sequence[str] | None, count: int) -> NDArray[np.intp]:
    """Positions of `count` regions, those of a network next to each other.

    Networks come in the order in which the table has them first, and regions of a network in the
    table's order; regions without one come last.
    """
    if networks is None:
        return np.arange(count)
    if len(networks) != count:
        raise ValueError(f"{len(networks)} networks for {count} regions")
    rank = {name: i for i, name in enumerate(dict.fromkeys(networks))}
    last = len(rank)
    keys = [last if name in NETWORKLESS else rank[name] for name in networks]
    return np.argsort(keys, kind="stable")


def networks_of(labels: pd.DataFrame) -> list[str] | None:
    """The network of each row of a label table, where it has that column."""
    return labels["network"].tolist() if "network" in labels else None


def correlate_confounds(values: NDArray[Any]) -> NDArray[np.floating]:
    """Pearson correlations between columns, over the rows in which all have a value.

    Parameters
    ----------
    values
        Shape (n_volumes, n_columns). A column with values in less than half of the rows is
        ignored, so that it does not reduce the others to few rows.

    Returns
    -------
    numpy.ndarray
        Shape (n_columns, n_columns); NaN for a constant or ignored column.
    """
    values = np.asarray(values, dtype=float)
    finite = np.isfinite(values)
    known = finite.mean(axis=0) >= 0.5
    rows = values[finite[:, known].all(axis=1)][:, known]
    r = np.full((values.shape[1],) * 2, np.nan)
    if len(rows) > 1:
        centred = rows - rows.mean(axis=0)
        norm = np.sqrt((centred**2).sum(axis=0))
        scale = np.outer(norm, norm)
        of_known = np.divide(
            centred.T @ centred, scale, out=np.full(scale.shape, np.nan), where=scale > 0
        )
        r[np.ix_(known, known)] = np.clip(of_known, -1, 1)
    return r


def _spectrum(
    spectrum: tuple[NDArray[np.floating], NDArray[np.floating]] | None,
) -> dict[str, Any] | None:
    if spectrum is None:
        return None
    frequencies, power = spectrum
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.log10(power)
    return {
        "frequencies": [float(f"{one:.4g}") for one in frequencies],
        # Frequencies that a filter removed are zero but for rounding.
        "power": pack(np.maximum(logarithm, -9.0), _POWER),
    }


def _rounded(values: NDArray[np.floating], decimals: int) -> list[float | None]:
    return [None if np.isnan(one) else round(float(one), decimals) for one in values]
