from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from group_site import content, harmonised
from modelled import modelled

from bids_labelx.group.exclusion import Limits
from bids_labelx.models.results import ModelResult
from bids_labelx.report.citations import as_plain
from bids_labelx.report.group_methods import group_methods
from bids_labelx.settings import Settings

NAMES = ("a", "b", "c", "d", "e", "f")
NETWORKS = ("X", "Y", "Y", "Z", "X", "Y")


def text_of(
    results: list[ModelResult] | None = None,
    apart: tuple[str, ...] = (),
    options: dict[str, Any] | None = None,
    **changes: Any,
) -> str:
    settings = Settings(
        bids_dir=Path("in"), output_dir=Path("out"), analysis_level="group", **(options or {})
    )
    return as_plain(group_methods(content(**changes), settings, results or [], apart))


def test_exclusion_is_told_by_its_limits_with_how_many_they_excluded() -> None:
    text = text_of(limits=Limits(max_mean_fd=0.25, min_minutes=5.0))
    assert "Results of 30 participants were combined with bids_labelx" in text
    excluded = int(content().quality["excluded"].sum())
    assert (
        "Runs with a mean framewise displacement above 0.25 mm or less than 5 min left after "
        f"censoring were excluded: {excluded} of 90 combinations of run, atlas and"
    ) in text
    assert "No run was excluded by a limit." in text_of(limits=Limits())


def test_averaging_is_told_with_weights_and_what_is_apart() -> None:
    text = text_of(apart=("task", "session"), options={"average_over": ("run", "session")})
    assert "within each participant over runs and sessions (weights: equal), and then" in text
    assert "There is a mean for each task and session." in text
    assert "within each participant" not in text_of(options={"average_over": ("none",)})
    assert "Fisher's z" not in text_of(matrices=[], harmonised=[])


def test_qcfc_is_told_with_its_covariates() -> None:
    assert "each edge with mean FD (Ciric et al., 2017)" in text_of()
    held = text_of(options={"qcfc_covariates": ("age", "sex")})
    assert "mean FD, with age and sex held constant (partial correlation) (Ciric" in held
    assert "QC-FC" not in text_of(evidence=[])


def test_reliability_is_told_as_far_as_it_was_assessed() -> None:
    text = text_of(options={"seed": 3})
    assert "reliability of edges over sessions was assessed by" in text
    assert "with a p value from 1,000 permutations of participants (seed 3)" in text
    assert "system segregation (Chan et al., 2014)" in text
    without = text_of(rated=[])
    assert "reliability" not in without.partition("References")[0]
    assert "Finn ES" not in without


def test_harmonisation_is_told_with_its_batches_and_what_was_preserved() -> None:
    assert (
        "Differences between the 2 batches of site (A: 5, B: 4) in the Fisher z of edges were "
        "removed with ComBat (Johnson et al., 2007; Fortin et al., 2018; Yu et al., 2018)"
    ) in text_of(harmonised=[harmonised(0), harmonised(1)])
    assert "Linear effects of age were preserved." in text_of(harmonised=[harmonised(0)])
    assert "No covariate was" in text_of(harmonised=[harmonised(0, names=())])
    assert "ComBat" not in text_of(harmonised=[])


def test_models_are_told_with_formula_contrast_permutations_and_threshold(tmp_path: Path) -> None:
    results = modelled(tmp_path, NAMES, NETWORKS, ("simple", "24P"), missing=1)
    text = text_of(results, options={"nbs_threshold": 2.5})
    assert (
        "Model A: the Fisher z of each edge was fitted by ordinary least squares with group, over "
        "22 rows of 22 participants. Contrasts: group (1 × group[T.patient])."
    ) in text
    assert text.count("200 permutations of the residuals of the model") == 1
    assert "(seed 0; Freedman and Lane, 1983; Winkler et al., 2014)" in text
    assert "(Zalesky et al., 2010), edges with |t| > 2.5 formed components" in text
    assert "constrained network-based statistic (Noble and Scheinost, 2020)" in text


def test_without_permutations_nothing_is_told_of_them(tmp_path: Path) -> None:
    text = text_of(modelled(tmp_path, NAMES, None, ("simple",), permutations=0))
    assert "There were no permutations, and so no family-wise p values." in text
    assert "Zalesky" not in text
    assert "Noble" not in text


@pytest.mark.parametrize("part", ["evidence", "rated", "harmonised", "matrices"])
def test_what_was_not_done_is_not_cited(part: str) -> None:
    text, _, listed = text_of(**{part: []}).partition("\n\nReferences\n\n")
    for entry in listed.split("\n\n"):
        assert entry.split()[0] in text
