"""Names of regions and networks at the axes of figures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from matplotlib.axes import Axes

from bids_labelx.measures.quality import NETWORKLESS

MAX_NAMES = 40
# The names that fit into a figure of the smaller size.
MAX_NAMES_SMALL = 20
MAX_NAME_LENGTH = 26
NO_NETWORK = "no network"


def name_regions(axes: Axes, names: Sequence[str], networks: Sequence[str] | None) -> None:
    """Name rows and columns of a matrix, with lines between networks where these are given.

    Up to 40 regions are all named. Of more, the networks are named, or else every n-th region.
    """
    count = len(names)
    blocks = _blocks(networks) if networks is not None else []
    for _, start, _ in blocks[1:]:
        axes.axhline(start - 0.5, color="black", linewidth=0.8)
        axes.axvline(start - 0.5, color="black", linewidth=0.8)

    if count <= MAX_NAMES:
        _set_ticks(axes, range(count), names)
        if blocks:
            _name_networks_above(axes, _legible(blocks, count))
    elif blocks:
        # At the left alone: columns are in the order of rows, and names take much room below.
        _set_ticks(axes, *_legible(blocks, count))
        axes.set_xticks([])
        axes.set_xlabel(f"{count} regions, by network", fontsize=9)
    else:
        step = next(s for s in (5, 10, 20, 50, 100, count) if count / s <= MAX_NAMES_SMALL)
        _set_ticks(axes, range(0, count, step), names[::step])
        axes.set_xlabel(f"{count} regions, one name in {step} shown", fontsize=9)


def name_rows(axes: Axes, networks: Sequence[str]) -> None:
    """Name networks at the left of rows ordered by them, with lines between networks."""
    blocks = _blocks([NO_NETWORK if one in NETWORKLESS else one for one in networks])
    if len(blocks) > MAX_NAMES:
        return
    for _, start, _ in blocks[1:]:
        axes.axhline(start - 0.5, color="#d55e00", linewidth=0.6)
    # A carpet is low: about eight names fit.
    middles, names = _legible(blocks, len(networks), room=8)
    axes.set_yticks(middles, [shorten(name) for name in names], fontsize=7, parse_math=False)


def _blocks(networks: Sequence[str]) -> list[tuple[str, int, int]]:
    """Neighbouring regions of one network: name, first row, and the row after the last."""
    blocks, start = [], 0
    for name, members in groupby(networks):
        stop = start + len(list(members))
        blocks.append((name, start, stop))
        start = stop
    return blocks


def _legible(
    blocks: list[tuple[str, int, int]], count: int, room: int = MAX_NAMES
) -> tuple[list[float], list[str]]:
    """Middle and name of each block, without the smaller ones whose names would overlap."""
    kept: list[tuple[float, str]] = []
    for name, start, stop in sorted(blocks, key=lambda block: block[1] - block[2]):
        middle = (start + stop - 1) / 2
        if all(abs(middle - other) >= count / room for other, _ in kept):
            kept.append((middle, name))
    kept.sort()
    return [middle for middle, _ in kept], [name for _, name in kept]


def _set_ticks(axes: Axes, positions: Sequence[float], names: Sequence[str]) -> None:
    short = [shorten(name) for name in names]
    size = 8.5 if len(short) <= MAX_NAMES_SMALL else 6.5
    axes.set_xticks(positions, short, rotation=90, fontsize=size, parse_math=False)
    axes.set_yticks(positions, short, fontsize=size, parse_math=False)
    axes.tick_params(length=2, width=0.6)


def _name_networks_above(axes: Axes, named: tuple[list[float], list[str]]) -> None:
    positions, names = named
    above = axes.secondary_xaxis("top")
    above.set_xticks(
        positions,
        [shorten(name) for name in names],
        rotation=60,
        rotation_mode="anchor",
        ha="left",
        va="center",
        fontsize=8,
        parse_math=False,
    )
    above.tick_params(length=0)
    above.spines[:].set_visible(False)


def shorten(name: str) -> str:
    """Remove the middle of a long name: regions of an atlas often differ at the end only."""
    if len(name) <= MAX_NAME_LENGTH:
        return name
    half = (MAX_NAME_LENGTH - 1) // 2
    return f"{name[: MAX_NAME_LENGTH - 1 - half]}…{name[-half:]}"
