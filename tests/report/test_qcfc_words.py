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
        "motion": ["mean_fd"] * 3,
        "median_abs_qcfc": [0.40, 0.30, 0.20],
        "share_significant": [0.5, 0.25, 0.0],
        "distance_dependence": [-0.3, 0.2, 0.05],
        "mean_dof_lost": [0, 34, 61.25],
        "modularity": [0.2, 0.3, 0.4],
        "signed_modularity": [0.1, 0.3, 0.5],
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
        "Median |QC-FC| over all edges is lowest for scrub (0.20) and highest for none (0.40)."
    )


@pytest.mark.parametrize(
    ("medians", "expected"),
    [
        ([0.40, 0.215, 0.20], "lowest for simple (0.21) and scrub (0.20), which are similar"),
        ([0.40, 0.22, 0.20], "lowest for scrub (0.20) and highest"),
        ([0.40, 0.20, 0.20], "lowest for simple (0.20) and scrub (0.20), which are similar"),
        ([0.40, 0.39, 0.20], "highest for none (0.40) and simple (0.39)."),
        ([0.21, 0.21, 0.20], "similar for all strategies (0.20 to 0.21, differences below 0.02)."),
        ([0.40, NAN, 0.20], "lowest for scrub (0.20) and highest for none (0.40)."),
        ([NAN, NAN, 0.20], "is 0.20 for scrub."),
    ],
)
def test_medians_that_hardly_differ_are_similar(medians: list[float], expected: str) -> None:
    assert expected in says("Median |QC-FC|", median_abs_qcfc=medians)


def test_a_strategy_without_qcfc_is_named() -> None:
    found = qcfc_in_words(table(median_abs_qcfc=[0.4, NAN, 0.2], share_significant=[0, NAN, 0]))
    assert "There is no QC-FC for simple." in found
    assert "for any strategy with QC-FC." in sentence(found, "No edge is")
    assert not [text for text in qcfc_in_words(table()) if "There is no QC-FC" in text]


def test_what_is_not_above_chance_is_told() -> None:
    chance = chance_median(30)
    text = says("If motion", median_abs_qcfc=[0.4, chance, chance - 0.001])
    assert "about 0.13 with 30 participants" in text
    assert "The median of simple and scrub is not above it." in text
    above = says("If motion", median_abs_qcfc=[0.4, 0.3, chance + 0.001])
    assert "All strategies are above it." in above


@pytest.mark.parametrize(("edges", "told"), [([50] * 3, False), ([66, 49, 66], True)])
def test_few_edges_are_told(edges: list[int], told: bool) -> None:
    found = qcfc_in_words(table(edges=edges))
    expected = "Only 49 edges with an r: interpret with caution."
    assert (expected in found) == told
    assert any("with caution" in text for text in found) == told


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
        f"There is no QC-FC: it needs 4 participants with a mean FD, and there "
        f"{'is' if most == 1 else 'are'} {most}."
    )
    # What needs no QC-FC is still said, and nothing else.
    assert [text.split()[0] for text in found[1:]] == ["Mean", "Modularity", "Signed", "Both"]


def test_motion_is_called_by_its_name() -> None:
    other = ["mean_rmsd"] * 3
    uneven = qcfc_in_words(table(motion=other, participants_of_strategy=[30, 31, 32]))
    assert "with a mean RMSD; by themselves they have none 30" in uneven[0]
    assert "correlated with mean RMSD after" in says("Edges significantly", motion=other)
    without = qcfc_in_words(table(motion=other, median_abs_qcfc=[NAN] * 3))
    assert without[0].endswith("all have the same mean RMSD.")


def test_enough_participants_without_any_r_are_not_called_too_few() -> None:
    found = qcfc_in_words(table(median_abs_qcfc=[NAN] * 3))
    assert found[0].startswith("There is no QC-FC: no edge has a correlation with mean FD")


def test_strategies_of_other_participants_are_compared_on_those_that_all_have() -> None:
    found = qcfc_in_words(table(participants=[28] * 3, participants_of_strategy=[30, 30, 28]))
    assert found[0].startswith(
        "QC-FC is over the 28 participants that all strategies have with a mean FD; by themselves "
        "they have none 30, simple 30 and scrub 28."
    )
    assert sentence(found, "Median |QC-FC|").endswith(
        "is lowest for scrub (0.20) and highest for none (0.40)."
    )
    assert f"{chance_median(28):.2f} with 28 participants" in sentence(found, "If motion")
    # Modularity is of all participants of a strategy.
    for start in ("Modularity", "Signed"):
        text = sentence(found, start)
        assert "without denoising" not in text
        assert "for none" in text


def test_covariates_that_are_held_constant_are_told_and_lower_what_chance_gives() -> None:
    held: dict[str, object] = {
        "participants": [12] * 3,
        "participants_of_strategy": [13] * 3,
        "covariates": ["age, sex"] * 3,
        "participants_without_covariates": [1] * 3,
        "covariate_columns": [2] * 3,
    }
    found = qcfc_in_words(table(**held))
    assert found[0] == (
        "QC-FC is a partial correlation that holds age and sex constant (Ciric et al., 2017), "
        "over the 12 participants that all strategies have with a mean FD and these covariates; "
        "1 other without a covariate excluded."
    )
    expected = f"about {chance_median(10):.2f} with 12 participants"
    assert expected in sentence(found, "If motion")
    few = {**held, "participants": [5] * 3, "median_abs_qcfc": [NAN] * 3}
    without = qcfc_in_words(table(**few))
    assert without[1].startswith("There is no QC-FC: it needs 6 participants with a mean FD")


def test_significant_edges_are_counted_where_their_number_is_known() -> None:
    start = "Edges significantly correlated with mean FD"
    assert says(start).endswith(": 50.0 % for none, 25.0 % for simple and none for scrub.")
    counted = says(start, edges=[2000, 2000, 2000])
    assert counted.endswith(
        ": 1,000 of 2,000 (50.0 %) for none, 500 of 2,000 (25.0 %) for simple and none for scrub."
    )


def test_no_significant_edge_is_no_proof_of_none() -> None:
    text = says("No edge is", share_significant=[0.0, 0.0, 0.0])
    assert "for any strategy." in text
    assert "weaker ones may exist" in text


@pytest.mark.parametrize(
    ("rhos", "expected"),
    [
        ([-0.3, 0.2, 0.05], "is weakest for scrub (0.05) and strongest for none (−0.30)."),
        ([-0.3, 0.04, -0.05], "is weakest for simple (0.04) and scrub (−0.05) and strongest"),
        ([-0.1, 0.1, 0.1], "is of similar size for all strategies: none (−0.10), simple (0.10)"),
        ([NAN, 0.2, 0.05], "is weakest for scrub (0.05) and strongest for simple (0.20)."),
        ([NAN, 0.2, NAN], "is 0.20 for simple."),
    ],
)
def test_the_weakest_dependence_on_distance_is_by_size(rhos: list[float], expected: str) -> None:
    assert expected in says("The dependence", distance_dependence=rhos)


def test_unknown_distances_are_told() -> None:
    assert "is unknown" in says("Whether QC-FC depends", distance_dependence=[NAN] * 3)


def test_the_cost_is_in_degrees_of_freedom_and_percent_of_known_volumes() -> None:
    start = "Mean loss of degrees of freedom per run"
    assert says(start).endswith(": 0 for none, 34 for simple and 61.25 for scrub.")
    assert says(start, volumes=[200, 200, 200]).endswith(
        ": 0 for none, 34 (17 % of the volumes) for simple and "
        "61.25 (31 % of the volumes) for scrub."
    )
    assert says(start, mean_dof_lost=[5, 34, NAN], volumes=[np.nan, 200, 200]).endswith(
        ": 5 for none and 34 (17 % of the volumes) for simple."
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            [0.2, 0.3, 0.4],
            "0.20 without denoising, and higher for simple (0.30) and scrub (0.40).",
        ),
        ([0.2, 0.3, 0.1], "0.20 without denoising, and higher for simple (0.30) and lower for "),
        (
            [0.2, 0.21, 0.2],
            "0.20 without denoising, and similar for simple (0.21) and scrub (0.20).",
        ),
        ([0.2, NAN, 0.1], "0.20 without denoising, and lower for scrub (0.10)."),
        ([NAN, 0.3, 0.1], "is 0.30 for simple and 0.10 for scrub."),
        ([0.2, NAN, NAN], "is 0.20 for none."),
        ([-0.001, 0.1, 0.1], "is 0.00 without denoising"),
    ],
)
def test_modularity_is_compared_with_no_denoising(values: list[float], expected: str) -> None:
    assert expected in says("Modularity", modularity=values)
    assert expected in says("Signed modularity", signed_modularity=values)


def test_the_words_warn_of_modularity_after_a_shift() -> None:
    assert says("Both rise").endswith(
        "do not compare strategies with and without it by modularity."
    )


def test_without_none_modularity_is_only_told() -> None:
    found = qcfc_in_words(table(strategies=("a", "b", "c")))
    assert sentence(found, "Modularity").endswith("is 0.20 for a, 0.30 for b and 0.40 for c.")


def test_without_networks_there_is_no_modularity() -> None:
    assert "needs networks in the label table" in says(
        "There is no modularity", modularity=[None] * 3
    )


def test_one_strategy_is_the_best_of_none() -> None:
    text = " ".join(qcfc_in_words(table(strategies=("simple",))))
    assert "is 0.40 for simple." in text
    assert "lowest" not in text
    assert "weakest" not in text
