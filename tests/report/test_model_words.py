from __future__ import annotations

from pathlib import Path

import numpy as np
from modelled import modelled

from bids_labelx.report.group_models import model_parts
from bids_labelx.report.model_words import MOST_LISTED, edges_table, model_in_words

NAMES = ("a", "b", "c", "d", "e", "f")
NETWORKS = ("X", "Y", "Y", "Z", "X", "Y")


def test_what_was_tested_is_said_with_rows_freedom_and_permutations(tmp_path: Path) -> None:
    results = modelled(tmp_path, NAMES, NETWORKS, ("simple",), effect=2.5, missing=1)
    said = model_in_words(results)
    assert said[0] == (
        "Model A: Fisher z of each edge by group. Contrast group: 1 × group[T.patient]; t and p "
        "are two-sided."
    )
    # 22 rows and two columns.
    assert said[1] == (
        "22 rows, 20 degrees of freedom. Not in the model: sub-22: group n/a; sub-23: group n/a."
    )
    assert said[2] == (
        "200 permutations of residuals (Freedman & Lane, 1983, seed 0); the lowest possible p is "
        "0.005."
    )
    fit, permuted = results[0].edges.fit, results[0].edges.permuted
    assert permuted is not None
    found = said[3]
    assert found.startswith(
        f"simple: {(permuted.p_fwe < 0.05).sum()} of 15 edges with family-wise"
    )
    k = int(np.abs(fit.t).argmax())
    pairs = [(i, j) for i in range(6) for j in range(i + 1, 6)]
    i, j = pairs[k]
    assert f"largest |t| {fit.t[k]:.2f} at {NAMES[i]} – {NAMES[j]}" in found
    assert f"|t| > 3.1: {permuted.components.sizes[0]} edges, p" in found
    assert "pairs of networks with p < 0.05 (constrained NBS): " in found
    assert "The model has no mean_fd" in said[4]
    assert len(said) == 5


def test_strategies_are_told_apart_and_choosing_among_them_is_warned_of(tmp_path: Path) -> None:
    results = modelled(tmp_path, NAMES, NETWORKS, ("simple", "24P"), nbs_threshold=9.0)
    said = model_in_words(results)
    simple = next(one for one in said if one.startswith("simple: "))
    assert "none of 15 edges with family-wise p < 0.05 (0 with false discovery" in simple
    assert "no edge with |t| > 9, and so no component" in simple
    assert "no pair of networks with p < 0.05" in simple
    assert any(one.startswith("24P: ") for one in said)
    assert said[-1].startswith("Each strategy is corrected separately")


def test_without_permutations_and_networks_nothing_is_said_of_them(tmp_path: Path) -> None:
    said = model_in_words(modelled(tmp_path, NAMES, None, ("simple",), permutations=0))
    assert said[2].startswith("There are no permutations")
    assert "component" not in said[3]
    assert "networks" not in said[3]


def test_the_table_lists_the_largest_t_of_each_strategy(tmp_path: Path) -> None:
    results = modelled(tmp_path, NAMES, NETWORKS, ("simple", "24P"), effect=2.5)
    table = edges_table(results, "Edges")
    assert [row[1] for row in table.rows] == ["simple"] * MOST_LISTED + ["24P"] * MOST_LISTED
    for k, one in enumerate(results):
        shown = [row[3] for row in table.rows[k * MOST_LISTED : (k + 1) * MOST_LISTED]]
        largest = sorted(one.edges.fit.t, key=lambda t: -abs(t))[:MOST_LISTED]
        assert shown == [f"{t:.2f}".replace("-", "−") for t in largest]


def test_models_are_in_the_order_in_which_they_were_typed(tmp_path: Path) -> None:
    typed = {"model": ("A2=group", "A=group"), "contrast": ("z=group", "b=group")}
    results = modelled(tmp_path, NAMES, NETWORKS, ("simple", "24P"), permutations=0, **typed)
    parts = model_parts(tmp_path, results, ["24P", "simple"], static=False)
    titles = [one.heading.partition(":")[0] for one in parts]
    assert titles == [f"{c} in model {m}" for m in ("A2", "A") for c in ("z", "b")]
