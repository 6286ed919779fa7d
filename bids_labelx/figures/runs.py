"""Figures of one run: coverage, series before and after denoising, confounds, power."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from bids_labelx.figures.axis_names import MAX_NAMES, name_rows, shorten
from bids_labelx.figures.style import DPI, default_style
from bids_labelx.pictures.label_colours import NO_VALUE, PALETTE
from bids_labelx.pictures.run_data import network_order
from bids_labelx.words import counted

_PRESENT, _MISSING = PALETTE[4], PALETTE[5]
_BEFORE, _AFTER = "#5b6770", PALETTE[4]
_WIDTH = 9.0
_CARPET_RANGE = 2.0  # standard deviations


@dataclass(frozen=True)
class Cleaned:
    """A run's series denoised with a strategy.

    Attributes
    ----------
    strategy
        Its name.
    kept
        Volumes that it keeps, bool of shape (n_volumes,).
    series
        Of the volumes kept, shape (n_kept, n_regions); NaN for a missing region.
    """

    strategy: str
    kept: NDArray[np.bool_]
    series: NDArray[np.floating]


@default_style()
def plot_coverage(
    coverage: NDArray[np.floating],
    names: Sequence[str],
    missing: NDArray[np.bool_],
    *,
    threshold: float,
) -> Figure:
    """Draw a bar per label, in order of coverage.

    Parameters
    ----------
    coverage
        Share of each label's volume that is covered, shape (n_labels,); NaN counts as 0.
    names
        Of the labels; shown where there are up to 40.
    missing
        Whether a label has no signal, whatever the reason, shape (n_labels,).
    threshold
        The lowest coverage of a label that is not missing.
    """
    coverage = np.nan_to_num(np.asarray(coverage, dtype=float))
    order = np.argsort(coverage, kind="stable")
    count = len(order)
    named = count <= MAX_NAMES
    figure = Figure(figsize=(_WIDTH, 3.6 if named else 2.6), dpi=DPI, facecolor="white")
    axes = figure.add_axes((0.075, 0.42, 0.9, 0.48) if named else (0.075, 0.2, 0.9, 0.66))
    places = np.arange(count)
    for chosen, colour, hatch, text in (
        (~missing[order], _PRESENT, None, "present"),
        (missing[order], _MISSING, "////", "missing"),
    ):
        if not chosen.any():
            continue
        look: dict[str, Any] = {"facecolor": colour, "label": f"{text} ({int(chosen.sum())})"}
        if hatch:
            look |= {"hatch": hatch, "edgecolor": "white"}
        values = np.where(chosen, coverage[order], 0)
        if named:
            axes.bar(places[chosen], values[chosen], width=0.8, linewidth=0, **look)
        else:
            # One path for all bars keeps the file small.
            axes.stairs(values, np.arange(count + 1) - 0.5, fill=True, linewidth=0, **look)
    # A label without a covered voxel has no visible bar.
    empty = np.flatnonzero(coverage[order] == 0)
    axes.plot(empty, np.full(len(empty), 0.02), "x", color=_MISSING, markersize=4)
    axes.axhline(threshold, color="black", linewidth=1, linestyle="--")
    axes.set_xlim(-0.5, count - 0.5)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("share of volume covered")
    if named:
        axes.set_xticks(
            range(count),
            [shorten(names[i]) for i in order],
            rotation=90,
            fontsize=8,
            parse_math=False,
        )
    else:
        axes.set_xticks([])
        axes.set_xlabel(f"{counted(count, 'label')} in order of coverage")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(f"Coverage of the labels; threshold {threshold:g}", fontsize=10)
    axes.legend(loc="lower right", fontsize=8, framealpha=0.9)
    return figure


@default_style()
def plot_carpet(
    before: NDArray[np.floating],
    after: Sequence[Cleaned],
    *,
    networks: Sequence[str] | None,
    motion: Mapping[str, NDArray[np.floating]],
    thresholds: Mapping[str, float],
    t_r: float | None = None,
) -> Figure:
    """Draw the regions' series before and after each strategy, below the run's motion.

    Parameters
    ----------
    before
        Before denoising, shape (n_volumes, n_regions); NaN for a missing region.
    after
        By strategy.
    networks
        Of each region; see `bids_labelx.pictures.run_data.network_order`.
    motion
        Curves, by name with unit, each of shape (n_volumes,).
    thresholds
        Lines in these panels, by the same names.
    t_r
        Repetition time in seconds, for an axis in seconds at the top.

    Returns
    -------
    Figure
        From top to bottom the curves, the volumes that each strategy censors, and a carpet for
        ``before`` and each strategy: a row per region, z-scored over the kept volumes, and no
        value for censored volumes.
    """
    n_volumes, n_regions = before.shape
    order = network_order(networks, n_regions)
    carpets = [("before", np.ones(n_volumes, dtype=bool), before)]
    carpets += [(one.strategy, one.kept, one.series) for one in after]
    strip = [0.16 + 0.16 * len(after)] if after else []
    heights = [0.7] * len(motion) + strip + [1.5] * len(carpets)
    gap, top, bottom = 0.1, 0.1 if t_r is None else 0.5, 0.5
    height = sum(heights) + gap * (len(heights) - 1) + top + bottom
    figure = Figure(figsize=(_WIDTH, height), dpi=DPI, facecolor="white")
    rows, y = [], height - top
    for one in heights:
        y -= one
        rows.append(figure.add_axes((0.19, y / height, 0.75, one / height)))
        y -= gap
    for axes in rows:
        axes.set_xlim(-0.5, n_volumes - 0.5)
        axes.tick_params(length=2, width=0.6, labelsize=8, labelbottom=axes is rows[-1])
    for axes, (name, values) in zip(rows, motion.items(), strict=False):
        _draw_motion(axes, name, values, thresholds.get(name))
    if after:
        _draw_censored(rows[len(motion)], after)
    for axes, (name, kept, series) in zip(rows[-len(carpets) :], carpets, strict=True):
        _draw_carpet(axes, name, kept, series[:, order])
        if networks is not None:
            name_rows(axes, [networks[i] for i in order])
    rows[-1].set_xlabel("volume")
    rows[-1].xaxis.set_major_locator(MaxNLocator(10, integer=True))
    if t_r is not None:
        above = rows[0].secondary_xaxis("top")
        above.xaxis.set_major_formatter(FuncFormatter(lambda volume, _: f"{volume * t_r:.0f}"))
        above.set_xlabel("time (s)", fontsize=8)
        above.tick_params(length=2, width=0.6, labelsize=8)
    bar = figure.add_axes((0.95, bottom / height, 0.012, 1.5 / height))
    figure.colorbar(rows[-1].images[0], cax=bar)
    bar.yaxis.set_ticks_position("right")
    bar.tick_params(length=2, width=0.6, labelsize=7)
    bar.set_title("z", fontsize=8)
    return figure


def _draw_motion(
    axes: Axes, name: str, values: NDArray[np.floating], threshold: float | None
) -> None:
    axes.plot(values, color=_BEFORE, linewidth=0.8)
    if threshold is not None:
        axes.axhline(threshold, color=_MISSING, linewidth=0.8, linestyle="--")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(2))
    axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_censored(axes: Axes, after: Sequence[Cleaned]) -> None:
    """Draw a row per strategy, dark where a volume is censored."""
    censored = ~np.array([one.kept for one in after])
    axes.imshow(censored, aspect="auto", cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    names = [
        shorten(f"{one.strategy}: {int(row.sum())} censored")
        for one, row in zip(after, censored, strict=True)
    ]
    axes.set_yticks(range(len(after)), names, fontsize=7, parse_math=False)


def _draw_carpet(
    axes: Axes,
    name: str,
    kept: NDArray[np.bool_],
    series: NDArray[np.floating],
) -> None:
    whole = np.full((len(kept), series.shape[1]), np.nan)
    whole[kept] = series - series.mean(axis=0)
    spread = series.std(axis=0)
    shown = np.divide(whole, spread, out=np.zeros_like(whole), where=spread > 0)
    shown[np.isnan(whole)] = np.nan
    axes.imshow(
        np.ma.masked_invalid(shown.T),
        aspect="auto",
        cmap=colormaps["gray"].with_extremes(bad=NO_VALUE),
        vmin=-_CARPET_RANGE,
        vmax=_CARPET_RANGE,
        interpolation="nearest" if len(kept) < 800 else "antialiased",
    )
    axes.set_ylabel(shorten(name), fontsize=9, parse_math=False)
    axes.set_yticks([])


@default_style()
def plot_design(
    regressors: NDArray[np.floating], names: Sequence[str], kept: NDArray[np.bool_], *, title: str
) -> Figure:
    """Draw a strategy's regressors as columns, time running down, each z-scored.

    Parameters
    ----------
    regressors
        Shape (n_volumes, n_regressors).
    names
        Of the regressors; all are shown, whole.
    kept
        Volumes that the strategy keeps, shape (n_volumes,); the others are grey.
    title
        Title of the figure.
    """
    count = len(names)
    values = np.asarray(regressors, dtype=float)
    spread = values[kept].std(axis=0)
    shown = np.divide(
        values - values[kept].mean(axis=0), spread, out=np.zeros_like(values), where=spread > 0
    )
    shown[~kept] = np.nan
    width = max(3.2, 1.4 + 0.16 * count)
    longest = max(map(len, names), default=0)
    below = 0.3 + 0.075 * longest
    figure = Figure(figsize=(width, 3.0 + below), dpi=DPI, facecolor="white")
    height = 3.0 + below
    axes = figure.add_axes((0.8 / width, below / height, 1 - 0.95 / width, 2.6 / height))
    axes.imshow(
        np.ma.masked_invalid(shown),
        aspect="auto",
        cmap=colormaps["gray"].with_extremes(bad=NO_VALUE),
        vmin=-3,
        vmax=3,
        interpolation="none",
    )
    axes.set_xticks(range(count), names, rotation=90, fontsize=7, parse_math=False)
    axes.tick_params(length=2, width=0.6)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_ylabel("volume")
    axes.set_title(title, fontsize=9, parse_math=False)
    return figure


@default_style()
def plot_spectrum(
    frequencies: NDArray[np.floating],
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    *,
    band: tuple[float | None, float | None],
    title: str,
) -> Figure:
    """Draw the regions' power by frequency before and after a strategy.

    Parameters
    ----------
    frequencies
        In Hz, shape (n_frequencies,).
    before, after
        Share of power per Hz, mean over regions, the same shape; see
        `bids_labelx.measures.quality.power_spectrum`.
    band
        High-pass and low-pass cutoff of the strategy in Hz, None where it has none; shaded.
    title
        Title of the figure.
    """
    figure = Figure(figsize=(4.4, 3.2), dpi=DPI, facecolor="white")
    axes = figure.add_axes((0.17, 0.17, 0.79, 0.71))
    low, high = band
    if low is not None or high is not None:
        axes.axvspan(low or 0, high or frequencies[-1], color="#e8eef4", label="pass band")
    axes.semilogy(frequencies, before, color=_BEFORE, linewidth=1, linestyle=":", label="before")
    axes.semilogy(frequencies, after, color=_AFTER, linewidth=1.2, label="after")
    # Frequencies that a filter removed are zero but for rounding; they would set the scale.
    shown = np.concatenate([before, after])
    top = float(np.nanmax(shown, initial=1e-12))
    axes.set_ylim(top / 1e5, 2 * top)
    axes.set_xlim(0, frequencies[-1])
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("frequency (Hz)")
    axes.set_ylabel("share of power per Hz")
    axes.set_title(fill(title, 40), fontsize=9, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False)
    return figure
