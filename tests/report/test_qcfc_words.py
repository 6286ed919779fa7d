from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from bids_labelx.group.evidence import chance_median
from bids_labelx.report.qcfc_words import qcfc_in_words

NAN = float("nan")


def table(
    strategies: Sequence[str] = ("none", "simple", "scrub"), **columns: object
) -> pd.DataFrame:
    """A table of strategies in which all is well; columns replace its own."""
    n = len(strategies)
    usual = {
        "participants": [30, 30, 30],
        "median_abs_qcfc": [0.40, 0.30, 0.20],
        "share_significant": [0.5, 0.25, 0.0],
        "distance_dependence": [-0.3, 0.2, 0.05],
        "mean_dof_lost": [0, 34, 61.25],
        "modularity": [0.2, 0.3, 0.4],
    }
    return pd.DataFrame(
        {"strategy": strategies, **{k: v[:n] for k, v in usual.items()}, **columns}
    )


def sentence(found: Sequence[str], start: str) -> str:
    """The one that starts so."""
    (one,) = [text for text in found if text.startswith(start)]
    return one


def says(start: str, **columns: object) -> str:
    return sentence(qcfc_in_words(table(**columns)), start)  # type: ignore[arg-type]


def test_the_lowest_median_is_named_with_the_highest() -> None:
    assert says("Median |QC-FC|") == (
        "Median |QC-FC| over all edges is lowest with scrub (0.20) and highest with none (0.40)."
    )


@pytest.mark.parametrize(
    ("medians", "expected"),
    [
        ([0.40, 0.215, 0.20], "lowest with simple (0.21) and scrub (0.20), which are alike"),
        ([0.40, 0.22, 0.20], "lowest with scrub (0.20) and highest"),
        ([0.40, 0.20, 0.20], "lowest with simple (0.20) and scrub (0.20), which are alike"),
        ([0.40, 0.39, 0.20], "highest with none (0.40) and simple (0.39)."),
        ([0.21, 0.21, 0.20], "alike with all strategies (0.20 to 0.21, differences below 0.02)."),
        ([0.40, NAN, 0.20], "lowest with scrub (0.20) and highest with none (0.40)."),
        ([NAN, NAN, 0.20], "is 0.20 with scrub."),
    ],
)
def test_medians_that_hardly_differ_are_alike(medians: list[float], expected: str) -> None:
    assert expected in says("Median |QC-FC|", median_abs_qcfc=medians)


def test_a_strategy_without_qcfc_is_named() -> None:
    found = qcfc_in_words(table(median_abs_qcfc=[0.4, NAN, 0.2], share_significant=[0, NAN, 0]))
    assert "With simple there is no QC-FC." in found
    assert "with any strategy that has QC-FC" in sentence(found, "No edge goes")
    assert not [text for text in qcfc_in_words(table()) if "there is no QC-FC" in text]


def test_what_is_not_above_chance_is_told() -> None:
    chance = chance_median(30)
    text = says("Were motion", median_abs_qcfc=[0.4, chance, chance - 0.001])
    assert "about 0.13 with 30 participants" in text
    assert "That of simple and scrub is not above it and cannot be told from none." in text
    above = says("Were motion", median_abs_qcfc=[0.4, 0.3, chance + 0.001])
    assert "None of the strategies is below it." in above


@pytest.mark.parametrize(("edges", "told"), [([50] * 3, False), ([66, 49, 66], True)])
def test_few_edges_are_told(edges: list[int], told: bool) -> None:
    found = qcfc_in_words(table(edges=edges))
    expected = "There are no more than 49 edges with an r: the figures rest on little."
    assert (expected in found) == told
    assert any("rest on little" in text for text in found) == told


@pytest.mark.parametrize("most", [0, 1, 3])
def test_fewer_than_four_participants_have_no_qcfc(most: int) -> None:
    empty = [None] * 3
    found = qcfc_in_words(
        table(
            participants=[most] * 3,
            median_abs_qcfc=empty,
            share_significant=empty,
            distance_dependence=empty,
        )
    )
    assert found[0] == (
        f"There is no QC-FC: it takes 4 participants with a mean FD, and {most} "
        f"{'has' if most == 1 else 'have'} one."
    )
    # What needs no QC-FC is still said, and nothing else.
    assert [text.split()[0] for text in found[1:]] == ["A", "Modularity"]


def test_enough_participants_without_any_r_are_not_called_too_few() -> None:
    found = qcfc_in_words(table(median_abs_qcfc=[NAN] * 3))
    assert found[0].startswith("There is no QC-FC: no edge has a correlation with mean FD")


def test_different_participants_are_not_compared() -> None:
    found = qcfc_in_words(table(participants=[30, 30, 28]))
    assert "(none 30, simple 30 and scrub 28)" in found[0]
    assert "cannot be compared" in found[0]
    text = " ".join(found)
    for word in ("lowest", "highest with", "weakest", "strongest", "higher", "alike"):
        assert word not in text
    assert "is 0.40 with none, 0.30 with simple and 0.20 with scrub." in text
    assert "0.13 with 30 participants" in text
    assert f"{chance_median(28):.2f} with 28 participants" in text


def test_significant_edges_are_counted_where_their_number_is_known() -> None:
    start = "Edges that go with mean FD"
    assert says(start).endswith(": 50.0 % with none, 25.0 % with simple and no edge with scrub.")
    counted = says(start, edges=[2000, 2000, 2000])
    assert counted.endswith(
        ": 1,000 of 2,000 (50.0 %) with none, 500 of 2,000 (25.0 %) with simple and "
        "no edge with scrub."
    )


def test_no_significant_edge_is_no_proof_of_none() -> None:
    text = says("No edge goes", share_significant=[0.0, 0.0, 0.0])
    assert "with any strategy." in text
    assert "does not mean that there is none" in text


@pytest.mark.parametrize(
    ("rhos", "expected"),
    [
        ([-0.3, 0.2, 0.05], "is weakest with scrub (0.05) and strongest with none (−0.30)."),
        ([-0.3, 0.04, -0.05], "is weakest with simple (0.04) and scrub (−0.05) and strongest"),
        ([-0.1, 0.1, 0.1], "is alike in size with all strategies: none (−0.10), simple (0.10)"),
        ([NAN, 0.2, 0.05], "is weakest with scrub (0.05) and strongest with simple (0.20)."),
        ([NAN, 0.2, NAN], "is 0.20 with simple."),
    ],
)
def test_the_weakest_dependence_on_distance_is_by_size(rhos: list[float], expected: str) -> None:
    assert expected in says("The dependence", distance_dependence=rhos)


def test_unknown_distances_are_told() -> None:
    assert "is not known" in says("Whether QC-FC depends", distance_dependence=[NAN] * 3)


def test_the_cost_is_in_degrees_of_freedom_and_percent_of_known_volumes() -> None:
    start = "A run loses"
    assert says(start).endswith(": 0 with none, 34 with simple and 61.25 with scrub.")
    assert says(start, volumes=[200, 200, 200]).endswith(
        ": 0 with none, 34 (17 % of the volumes) with simple and "
        "61.25 (31 % of the volumes) with scrub."
    )
    assert says(start, mean_dof_lost=[5, 34, NAN], volumes=[np.nan, 200, 200]).endswith(
        ": 5 with none and 34 (17 % of the volumes) with simple."
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            [0.2, 0.3, 0.4],
            "0.20 without denoising, and higher with simple (0.30) and scrub (0.40).",
        ),
        ([0.2, 0.3, 0.1], "0.20 without denoising, and higher with simple (0.30) and lower with "),
        (
            [0.2, 0.21, 0.2],
            "0.20 without denoising, and alike with simple (0.21) and scrub (0.20).",
        ),
        ([0.2, NAN, 0.1], "0.20 without denoising, and lower with scrub (0.10)."),
        ([NAN, 0.3, 0.1], "is 0.30 with simple and 0.10 with scrub."),
        ([0.2, NAN, NAN], "is 0.20 with none."),
        ([-0.001, 0.1, 0.1], "is 0.00 without denoising"),
    ],
)
def test_modularity_is_compared_with_no_denoising(values: list[float], expected: str) -> None:
    assert expected in says("Modularity", modularity=values)


def test_without_none_modularity_is_only_told() -> None:
    found = qcfc_in_words(table(strategies=("a", "b", "c")))
    assert sentence(found, "Modularity").endswith("is 0.20 with a, 0.30 with b and 0.40 with c.")


def test_without_networks_there_is_no_modularity() -> None:
    assert "takes networks in the label table" in says(
        "There is no modularity", modularity=[None] * 3
    )


def test_one_strategy_is_the_best_of_none() -> None:
    text = " ".join(qcfc_in_words(table(strategies=("simple",))))
    assert "is 0.40 with simple." in text
    assert "lowest" not in text
    assert "weakest" not in text
