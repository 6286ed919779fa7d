"""Which rows may be exchanged under the null hypothesis, and in which orders.

Permutations are of rows, of rows within blocks, or of whole blocks; where a permutation would
change nothing, since the mean itself is tested, signs are flipped instead. See Winkler et al.
(2014, doi:10.1016/j.neuroimage.2014.01.060) on exchangeability blocks, exchangeable errors
(permutations) and independent and symmetric errors (sign flips).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

from bids_labelx.statistics.linear import ROUNDING, checked, is_estimable, split_design

# Of random numbers drawn at once, so that they take little memory; part of what a seed gives.
_ORDERS_AT_ONCE = 500
# What they may take in memory, and how many are listed one by one, which is slower.
_MOST_BYTES = 2**30
_MOST_LISTED = 1_000_000


@dataclass(frozen=True)
class Exchange:
    """Rearrangements of rows, of which the first is the identity.

    Attributes
    ----------
    kind
        ``permutations`` or ``sign flips``.
    unit
        Of each row, shape (n_rows,): rows of a unit stay together. Each row is one but with
        whole blocks.
    group
        Of each unit, shape (n_units,): units are exchanged within their group only.
    values
        Shape (n, n_units). Of permutations the unit whose residuals a unit gets; of sign flips
        1 or -1.
    possible
        How many rearrangements there are which give different statistics.
    every
        Whether these are all of them, each once.
    """

    kind: Literal["permutations", "sign flips"]
    unit: np.ndarray
    group: np.ndarray
    values: np.ndarray
    possible: int
    every: bool

    def __len__(self) -> int:
        """How many rearrangements there are, the identity included."""
        return len(self.values)


def draw_exchange(
    design: np.ndarray,
    weights: np.ndarray,
    n: int,
    *,
    seed: int,
    blocks: np.ndarray | None = None,
    whole: bool = False,
    participants: np.ndarray | None = None,
) -> Exchange:
    """Draw rearrangements of rows at random, or list all of them where there are no more than n.

    Above a million they are drawn even so.

    Parameters
    ----------
    design, weights, participants
        See `linear.fit`. With participants, rows are permuted within participants.
    n
        How many, the identity, which is the first, included.
    seed
        Of `numpy.random.default_rng`.
    blocks
        A label of each row, shape (n_rows,): rows are exchanged within their block.
    whole
        Blocks are exchanged as wholes instead, among those with as many rows: the first row of
        one with the first of another, and so on in the order of the rows.

    Raises
    ------
    ValueError
        Where the design does not determine the contrast, or no permutation changes what is
        tested, as of a contrast between blocks within which rows are exchanged; where n is below
        1, or so high that they take more than 1 GiB; where whole blocks are asked for without
        blocks or with participants.

    Notes
    -----
    Rows of one group with the same values in the design are alike: to exchange them changes no
    statistic, and `Exchange.possible` does not count it.

    Where the constant is spanned by the design and not by its nuisance part, as in a test of one
    sample or of paired differences, the contrast is about a mean, which no permutation changes.
    Signs are flipped then: of each row, or of whole blocks, whatever their size.

    Drawn at random, a rearrangement may come twice.
    """
    n_rows = len(design)
    _, design, weights, absorbed = checked(np.empty((n_rows, 0)), design, weights, participants)
    if n < 1:
        raise ValueError(f"{n} permutations: at least 1 is expected")
    if whole and (blocks is None or absorbed is not None):
        raise ValueError(
            "whole blocks are exchanged where there are blocks, and not where participants have "
            "intercepts of their own: rows are then exchanged within participants"
        )
    if blocks is not None and np.shape(blocks) != (n_rows,):
        raise ValueError(f"{np.size(blocks)} labels of blocks for {n_rows} rows")
    rng = np.random.default_rng(seed)
    if whole:
        unit = np.unique(np.asarray(blocks), return_inverse=True)[1]
        # Only those of a size are exchanged.
        group = np.bincount(unit)
    else:
        unit = np.arange(n_rows)
        labels = [one for one in (blocks, absorbed) if one is not None]
        numbers = [np.unique(np.asarray(one), return_inverse=True)[1] for one in labels]
        group = np.zeros(n_rows, int)
        for one in numbers:
            group = np.unique(group * n_rows + one, return_inverse=True)[1]
    if absorbed is None and _about_a_mean(design, weights):
        return _flips(unit, n, rng)
    if not is_estimable(design, weights, absorbed):
        raise ValueError("the rows of the design do not determine the contrast")
    # What stays the same whatever is exchanged: means of groups, of each place in whole blocks.
    fixed = group[unit] * n_rows + _place(unit)
    if not is_estimable(design, weights, np.unique(fixed, return_inverse=True)[1]):
        raise ValueError(
            "nothing can be permuted that changes the test: the contrast does not vary "
            + ("between blocks of a size" if whole else "within blocks")
            + f", or no more than the other columns do ({len(np.unique(group))} of these, "
            f"{n_rows} rows)"
        )
    kinds = _alike(design, unit)
    possible = _count(group, kinds)
    every = possible <= min(n, _MOST_LISTED)
    if not every:
        _check_memory("permutations", n, len(group), np.dtype(np.int32))
    values = _every(group, kinds, rng) if every else _random(group, n, rng)
    return Exchange("permutations", unit, group, values, possible, every)


@dataclass(frozen=True)
class Restriction:
    """How permutations apply to the rows that an edge has: see `restrict`.

    Attributes
    ----------
    group
        Of each unit, shape (n_units,): those with which the edge exchanges it; -1 where the edge
        has none of its rows.
    units
        Those that the edge has, by group, in ascending order within it.
    row
        Of each unit and place in it, which of the rows of the edge is there, -1 where none;
        shape (n_units, n_places).
    """

    group: np.ndarray
    units: np.ndarray
    row: np.ndarray


def restrict(exchange: Exchange, rows: np.ndarray) -> Restriction:
    """What permutations are for the rows that an edge has.

    A permutation puts all units of a group in an order. Those that the edge does not have are
    struck out of that order, and the others take in it the places that the edge has. So an edge
    with all rows gets the permutation itself, each edge a permutation of its own rows within
    their groups, the identity stays what it is, and what is drawn at random from all permutations
    is random among those of the edge. Whole blocks that have lost other rows than others are
    exchanged among those that have lost the same.

    Parameters
    ----------
    exchange
        Of the kind ``permutations``.
    rows
        Indices of the rows that the edge has, ascending, shape (n_these_rows,).
    """
    place = _place(exchange.unit)
    row = np.full((len(exchange.group), int(place.max()) + 1), -1)
    row[exchange.unit[rows], place[rows]] = np.arange(len(rows))
    has = row >= 0
    patterns = np.unique(has, axis=0, return_inverse=True)[1].reshape(-1)
    group = np.unique(
        np.where(has.any(axis=1), exchange.group * len(row) + patterns, -1), return_inverse=True
    )[1]
    # The struck out have the lowest number, if there are any.
    group -= int(not has.any(axis=1).all())
    units = np.argsort(group, kind="stable")[(group < 0).sum() :]
    # Small integers are sorted faster.
    return Restriction(group.astype(np.min_scalar_type(-len(row))), units, row)


def orders(exchange: Exchange, which: slice, restriction: Restriction) -> np.ndarray:
    """Some permutations, of the rows that an edge has.

    Returns
    -------
    numpy.ndarray
        Shape (n_which, n_these_rows): a permutation's residuals are ``residuals[order]``, where
        these have a row for each row of the edge.
    """
    values, row = exchange.values[which], restriction.row
    # Group by group in the order of the permutation, without what is struck out.
    values = values[:, np.argsort(exchange.group, kind="stable")]
    struck = len(row) - len(restriction.units)
    by_group = np.argsort(restriction.group[values], axis=1, kind="stable")[:, struck:]
    values = np.take_along_axis(values, by_group, axis=1)
    made = np.empty((len(values), int((row >= 0).sum())), np.intp)
    for place in row.T:
        there = place[restriction.units] >= 0
        made[:, place[restriction.units[there]]] = place[values[:, there]]
    return made


def signs(exchange: Exchange, which: slice, rows: np.ndarray) -> np.ndarray:
    """Sign flips of the rows that an edge has, shape (n_which, n_these_rows), 1 or -1."""
    return exchange.values[which][:, exchange.unit[rows]]


def _place(unit: np.ndarray) -> np.ndarray:
    """Which row of its unit each row is, from 0."""
    order = np.argsort(unit, kind="stable")
    counts = np.bincount(unit)
    place = np.empty(len(unit), int)
    place[order] = np.arange(len(unit)) - np.repeat(np.cumsum(counts) - counts, counts)
    return place


def _about_a_mean(design: np.ndarray, weights: np.ndarray) -> bool:
    """Whether the constant is spanned by the design, and not by its nuisance part."""
    split = split_design(design, weights, np.arange(len(design)), None)
    if split is None:
        return False
    left = split.residuals(np.ones((len(design), 1)))[:, 0]
    along = float(split.regressor @ left)
    size = math.sqrt(len(design))
    beyond = float(np.linalg.norm(left - along * split.regressor))
    return abs(along) > ROUNDING * size and beyond <= ROUNDING * size


def _alike(design: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """A number of each unit, the same for those whose rows have the same values."""
    # 0 and -0 are the same.
    design = design + 0.0
    seen: dict[bytes, int] = {}
    rows = np.split(np.argsort(unit, kind="stable"), np.cumsum(np.bincount(unit))[:-1])
    return np.array([seen.setdefault(design[own].tobytes(), len(seen)) for own in rows])


def _count(group: np.ndarray, kinds: np.ndarray) -> int:
    """Orders of units within groups that differ in kinds."""
    possible = 1
    for one in np.unique(group):
        own = kinds[group == one]
        possible *= math.factorial(len(own))
        for alike in np.unique(own, return_counts=True)[1]:
            possible //= math.factorial(int(alike))
    return possible


def _flips(unit: np.ndarray, n: int, rng: np.random.Generator) -> Exchange:
    n_units = int(unit.max()) + 1
    if n_units == 1:
        raise ValueError("the sign of a single row or block cannot be flipped to any effect")
    possible = 2**n_units
    every = possible <= min(n, _MOST_LISTED)
    if every:
        values = np.array(list(product((1, -1), repeat=n_units)), np.int8)
    else:
        _check_memory("sign flips", n, n_units, np.dtype(np.int8))
        values = 1 - 2 * rng.integers(0, 2, (n, n_units), np.int8)
        values[0] = 1
    group = np.zeros(n_units, int)
    return Exchange("sign flips", unit, group, values, possible, every)


def _check_memory(kind: str, n: int, n_units: int, of: np.dtype) -> None:
    """Refuse rearrangements that would not fit."""
    size = n_units * of.itemsize
    if n * size > _MOST_BYTES:
        whole = n * size / 2**30
        raise ValueError(
            f"{n:,} {kind} of {n_units:,} rows or blocks would take {whole:,.0f} GiB of memory; "
            f"ask for fewer, {_MOST_BYTES // size:,} at most: 10,000 give a p of 0.05 to "
            "within 0.005"
        )


def _random(group: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Orders at random, the identity first, shape (n, n_units)."""
    values = np.empty((n, len(group)), np.int32)
    by_group = np.argsort(group, kind="stable")
    for start in range(0, n, _ORDERS_AT_ONCE):
        keys = rng.random((min(_ORDERS_AT_ONCE, n - start), len(group)))
        # Units by group, and within it in the order of random numbers.
        values[start : start + len(keys), by_group] = np.argsort(keys + group, axis=1)
    values[0] = np.arange(len(group))
    return values


def _every(group: np.ndarray, kinds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An order for each arrangement of kinds, the identity first, shape (possible, n_units).

    Which of the orders with the same arrangement it is does not matter where an edge has all
    rows. Where it has not, it does, and so it is taken at random.
    """
    members = [np.flatnonzero(group == one) for one in np.unique(group)]
    made = [np.arange(len(group))]
    for choice in product(*[list(_arrangements(sorted(kinds[own]))) for own in members]):
        if all((kinds[own] == kind).all() for own, kind in zip(members, choice, strict=True)):
            continue
        order = np.empty(len(group), int)
        for own, arrangement in zip(members, choice, strict=True):
            # The residuals of the unit i go to a place of the kind arrangement[i].
            for kind in set(arrangement):
                places, takers = own[kinds[own] == kind], own[np.array(arrangement) == kind]
                order[places] = rng.permutation(takers)
        made.append(order)
    return np.array(made, np.int32)


def _arrangements(kinds: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Every distinct order of sorted numbers, in lexicographic order."""
    now = list(kinds)
    while True:
        yield tuple(now)
        rising = [i for i in range(len(now) - 1) if now[i] < now[i + 1]]
        if not rising:
            return
        last = rising[-1]
        swap = max(i for i in range(last + 1, len(now)) if now[i] > now[last])
        now[last], now[swap] = now[swap], now[last]
        now[last + 1 :] = reversed(now[last + 1 :])
