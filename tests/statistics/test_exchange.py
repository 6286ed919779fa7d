"""What may be exchanged, how often and into which orders."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from itertools import permutations, product
from math import comb, factorial

import numpy as np
import pytest
from scipy.stats import chisquare

from bids_labelx.statistics.exchange import Exchange, draw_exchange, orders, restrict, signs

ALL = slice(None)


def two_groups(n: int, first: int) -> np.ndarray:
    return np.column_stack([np.ones(n), np.arange(n) < first]).astype(float)


def covariate(n: int) -> np.ndarray:
    """Intercept and a number, different for each row."""
    return np.column_stack([np.ones(n), np.random.default_rng(n).normal(size=n)])


def all_orders(exchange: Exchange, rows: np.ndarray | None = None) -> np.ndarray:
    rows = np.arange(len(exchange.unit)) if rows is None else rows
    return orders(exchange, ALL, restrict(exchange, rows))


def slow_order(order: np.ndarray, group: np.ndarray, rows: list[int]) -> list[int]:
    """Within each group what an edge does not have is struck out of the order."""
    moved = {}
    for one in np.unique(group):
        places = [i for i in rows if group[i] == one]
        takers = [int(order[i]) for i in np.flatnonzero(group == one) if order[i] in rows]
        moved.update(zip(places, takers, strict=True))
    return [rows.index(moved[i]) for i in rows]


def test_the_first_is_the_identity_and_each_is_an_order_of_all_rows() -> None:
    found = all_orders(draw_exchange(covariate(20), [0, 1], 50, seed=1))
    np.testing.assert_array_equal(found[0], np.arange(20))
    np.testing.assert_array_equal(np.sort(found, axis=1), np.tile(np.arange(20), (50, 1)))


def test_a_seed_gives_the_same_and_another_seed_others() -> None:
    first, again, other = (
        draw_exchange(covariate(20), [0, 1], 50, seed=seed).values for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_orders_drawn_are_equally_likely() -> None:
    found = draw_exchange(covariate(4), [0, 1], 23, seed=0)
    assert found.possible == 24
    # One more and all of them are listed: so draw many times.
    seen = Counter(
        tuple(order)
        for seed in range(300)
        for order in draw_exchange(covariate(4), [0, 1], 23, seed=seed).values[1:]
    )
    assert len(seen) == 24
    assert chisquare(list(seen.values())).pvalue > 0.001


@pytest.mark.parametrize(("n", "first"), [(6, 3), (7, 2), (8, 1)])
def test_two_groups_are_listed_once_in_each_division(n: int, first: int) -> None:
    exchange = draw_exchange(two_groups(n, first), [0, 1], 1000, seed=0)
    assert exchange.every
    assert len(exchange) == exchange.possible == comb(n, first)
    np.testing.assert_array_equal(exchange.values[0], np.arange(n))
    divisions = {frozenset(order[:first].tolist()) for order in all_orders(exchange)}
    assert len(divisions) == comb(n, first)


def test_zeros_of_either_sign_are_alike() -> None:
    design = two_groups(6, 3)
    design[4, 1] = -0.0
    assert draw_exchange(design, [0, 1], 1000, seed=0).possible == comb(6, 3)


def test_a_covariate_has_every_order_once() -> None:
    exchange = draw_exchange(covariate(5), [0, 1], factorial(5), seed=0)
    assert exchange.every
    assert {tuple(order) for order in all_orders(exchange)} == set(permutations(range(5)))


def test_one_less_than_all_is_drawn_at_random() -> None:
    exchange = draw_exchange(covariate(5), [0, 1], factorial(5) - 1, seed=0)
    assert not exchange.every
    assert (len(exchange), exchange.possible) == (119, 120)


def test_rows_stay_in_their_blocks() -> None:
    blocks = np.random.default_rng(3).permutation(np.repeat(["x", "y", "z"], [4, 5, 6]))
    exchange = draw_exchange(covariate(15), [0, 1], 200, seed=0, blocks=blocks)
    found = all_orders(exchange)
    np.testing.assert_array_equal(found, exchange.values)
    assert (blocks[found] == blocks).all()
    for row in range(15):
        assert set(found[:, row]) == set(np.flatnonzero(blocks == blocks[row]))


def test_blocks_are_listed_in_all_combinations_of_their_orders() -> None:
    """Two of three and one of two: three times two divisions."""
    design = np.column_stack([np.ones(5), [1, 1, 0, 1, 0]])
    blocks = np.array([0, 0, 0, 1, 1])
    exchange = draw_exchange(design, [0, 1], 100, seed=0, blocks=blocks)
    assert (exchange.every, exchange.possible) == (True, 6)
    found = {frozenset(order[design[:, 1] == 1].tolist()) for order in all_orders(exchange)}
    pairs = product([(0, 1), (0, 2), (1, 2)], [(3,), (4,)])
    assert found == {frozenset(first + second) for first, second in pairs}


def test_rows_are_exchanged_within_participants_that_have_intercepts_and_blocks() -> None:
    participants = np.repeat(["a", "b", "c"], 4)
    day = np.tile([0, 0, 1, 1], 3)
    columns = covariate(12)[:, 1:]
    found = all_orders(
        draw_exchange(columns, [1], 60, seed=0, participants=participants, blocks=day)
    )
    assert (participants[found] == participants).all()
    assert (day[found] == day).all()
    assert len({tuple(order) for order in found}) > 20


def test_whole_blocks_move_together_among_those_of_a_size() -> None:
    blocks = np.array([0, 1, 0, 2, 1, 2, 3, 3, 3, 4, 4, 4])
    found = all_orders(
        draw_exchange(covariate(12), [0, 1], 100, seed=0, blocks=blocks, whole=True)
    )
    rows = [np.flatnonzero(blocks == one) for one in range(5)]
    for order in found:
        taken = [order[own].tolist() for own in rows]
        assert sorted(taken[:3]) == sorted(own.tolist() for own in rows[:3])
        assert sorted(taken[3:]) == sorted(own.tolist() for own in rows[3:])
    assert len({tuple(order) for order in found}) == factorial(3) * factorial(2)


def test_whole_blocks_that_are_alike_are_counted_once() -> None:
    blocks = np.repeat(np.arange(6), 2)
    design = np.column_stack([np.ones(12), np.repeat([0, 0, 1, 1, 1, 1], 2)])
    exchange = draw_exchange(design, [0, 1], 100, seed=0, blocks=blocks, whole=True)
    assert (exchange.every, len(exchange)) == (True, comb(6, 2))


@pytest.mark.parametrize("n", [10, 100], ids=["drawn", "listed"])
def test_signs_are_flipped_for_a_mean(n: int) -> None:
    exchange = draw_exchange(np.ones((6, 1)), [1], n, seed=0)
    assert exchange.kind == "sign flips"
    found = signs(exchange, ALL, np.arange(6))
    assert found.shape == (min(n, 64), 6)
    assert set(np.unique(found)) == {-1, 1}
    np.testing.assert_array_equal(found[0], 1)
    if exchange.every:
        assert len({tuple(one) for one in found}) == 64


MEANS = {
    "with a covariate": (covariate(8), [1, 0]),
    "of one of two groups": (np.repeat(np.eye(2), 4, axis=0), [1, 0]),
    "of both groups": (np.repeat(np.eye(2), 4, axis=0), [0.5, 0.5]),
}


@pytest.mark.parametrize("what", MEANS)
def test_signs_are_flipped_where_the_contrast_is_about_a_mean(what: str) -> None:
    design, weights = MEANS[what]
    assert draw_exchange(design, weights, 10, seed=0).kind == "sign flips"


DIFFERENCES = {
    "a covariate": (covariate(8), [0, 1]),
    "two groups without an intercept": (np.repeat(np.eye(2), 4, axis=0), [1, -1]),
    "a regressor through the origin": (covariate(8)[:, 1:], [1]),
}


@pytest.mark.parametrize("what", DIFFERENCES)
def test_rows_are_permuted_where_it_is_not(what: str) -> None:
    design, weights = DIFFERENCES[what]
    assert draw_exchange(design, weights, 10, seed=0).kind == "permutations"


def test_whole_blocks_have_one_sign() -> None:
    blocks = np.array([0, 1, 0, 2, 1, 1])
    exchange = draw_exchange(np.ones((6, 1)), [1], 10, seed=0, blocks=blocks, whole=True)
    found = signs(exchange, ALL, np.arange(6))
    assert (len(found), exchange.every) == (8, True)
    np.testing.assert_array_equal(found, found[:, [0, 1, 0, 3, 1, 1]])


@pytest.mark.parametrize(
    ("design", "weights", "options", "words"),
    [
        (two_groups(6, 3), [0, 1], {"blocks": [0, 0, 0, 1, 1, 1]}, "within blocks.*2 of these"),
        (
            np.column_stack([two_groups(6, 3), [1, 5, 2, 4, 3, 8]]),
            [0, 1, 0],
            {"blocks": [0, 0, 0, 1, 1, 1]},
            "within blocks",
        ),
        (
            np.column_stack([np.ones(6), [0, 1, 0, 1, 0, 1], [3, 3, 5, 5, 4, 4]]),
            [0, 1, 0],
            {"blocks": [0, 0, 1, 1, 2, 2], "whole": True},
            "between blocks of a size.*1 of these",
        ),
        (
            covariate(6),
            [0, 1],
            {"blocks": [0, 1, 1, 2, 2, 2], "whole": True},
            "between blocks of a size",
        ),
        (covariate(6)[:, 1:], [1], {"participants": list("abcdef")}, "do not determine"),
        (np.ones((6, 2)), [0, 1], {}, "do not determine"),
        (np.ones((4, 1)), [1], {"blocks": [0] * 4, "whole": True}, "single row or block"),
        (covariate(6), [0, 1], {"whole": True}, "where there are blocks"),
        (
            covariate(6),
            [0, 1],
            {"blocks": [0, 0, 1, 1, 2, 2], "whole": True, "participants": list("aabbcc")},
            "within participants",
        ),
        (covariate(6), [0, 1], {"blocks": [1, 2]}, "2 labels of blocks for 6 rows"),
        (covariate(6), [0, 1], {"n": 0}, "at least 1"),
    ],
    ids=[
        "site is the contrast",
        "site is the contrast beside age",
        "sessions are the contrast beside age",
        "blocks of three sizes",
        "a row for each participant",
        "twice the same column",
        "one block",
        "whole without blocks",
        "whole with participants",
        "labels",
        "none",
    ],
)
def test_what_cannot_be_exchanged_is_refused(
    design: np.ndarray, weights: list[float], options: dict, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        draw_exchange(design, weights, **{"n": 10, "seed": 0, **options})


def test_missing_rows_are_struck_out_of_each_order_within_its_block() -> None:
    blocks = np.array([0, 1, 0, 1, 0, 1, 0, 1, 1])
    exchange = draw_exchange(covariate(9), [0, 1], 50, seed=0, blocks=blocks)
    rows = [0, 1, 2, 5, 6, 8]
    found = all_orders(exchange, np.array(rows))
    for order, whole in zip(found, all_orders(exchange), strict=True):
        assert order.tolist() == slow_order(whole, blocks, rows)


@pytest.mark.parametrize("n", [100, 10], ids=["listed", "drawn"])
def test_orders_of_the_rows_that_are_left_are_equally_likely(n: int) -> None:
    """Two groups of three of which the second has lost a row: ten divisions of five rows."""
    rows, seen = np.arange(5), Counter()
    for seed in range(200):
        exchange = draw_exchange(two_groups(6, 3), [0, 1], n, seed=seed)
        # The identity is always there, and so not drawn; but in a list it is one of all.
        found = all_orders(exchange, rows)[0 if exchange.every else 1 :]
        seen.update(frozenset(order[:3].tolist()) for order in found)
    assert len(seen) == 10
    assert chisquare(list(seen.values())).pvalue > 0.001


def test_whole_blocks_with_missing_rows_are_exchanged_with_those_that_have_the_same() -> None:
    """Blocks of two sessions: 0, 1, 2 keep both, 3 and 4 the second; 5 has none."""
    blocks = np.repeat(np.arange(6), 2)
    rows = np.array([0, 1, 2, 3, 4, 5, 7, 9])
    exchange = draw_exchange(covariate(12), [0, 1], 200, seed=0, blocks=blocks, whole=True)
    found = all_orders(exchange, rows)
    np.testing.assert_array_equal(found[0], np.arange(8))
    assert (np.sort(found[:, 6:], axis=1) == [6, 7]).all()
    assert len({tuple(order) for order in found[:, 6:]}) == 2
    pairs = {tuple(order) for order in found[:, :6]}
    assert pairs == {
        tuple(np.concatenate([[2 * one, 2 * one + 1] for one in order]))
        for order in permutations(range(3))
    }


def test_signs_of_missing_rows_are_struck_out() -> None:
    exchange = draw_exchange(np.ones((6, 1)), [1], 10, seed=0)
    np.testing.assert_array_equal(
        signs(exchange, ALL, np.array([1, 4])), exchange.values[:, [1, 4]]
    )


@pytest.mark.parametrize(
    ("n", "design", "words"),
    [
        (10**8, np.column_stack([np.ones(20), np.arange(20)]), "100,000,000 permutations of 20"),
        (2 * 10**9, np.column_stack([np.ones(16), np.arange(16)]), "at most: 10,000 give"),
        (10**8, np.ones((40, 1)), "100,000,000 sign flips of 40 rows"),
    ],
    ids=["permutations", "more", "flips"],
)
def test_more_than_fit_into_memory_are_refused_at_once(
    n: int, design: np.ndarray, words: str
) -> None:
    tracemalloc.start()
    with pytest.raises(ValueError, match=words):
        draw_exchange(design, np.eye(design.shape[1])[-1], n, seed=0)
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()
