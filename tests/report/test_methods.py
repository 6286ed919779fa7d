from __future__ import annotations

from typing import Any

import pytest

from bids_labelx.denoise import read_strategies
from bids_labelx.report.methods import MethodsStrategy, methods_text


def text_of(*names: str, **options: Any) -> str:
    strategies = [
        MethodsStrategy(one.name, one.description, {**one.confounds, **one.volumes}, one.clean)
        for one in read_strategies(names)
    ]
    given = {"atlases": ["A"], "statistics": ["mean"], "measures": ["correlation"], **options}
    return methods_text(strategies=strategies, min_coverage=0.5, **given)


@pytest.mark.parametrize(
    ("name", "cited"),
    [
        ("none", set()),
        ("simple", {"Friston"}),
        ("scrubbing.5", {"Friston", "Power"}),
        ("acompcor50", {"Friston", "Behzadi"}),
        ("icaaroma", {"Pruim"}),
        ("36P", {"Friston", "Lindquist"}),
        ("36P+scrubbing", {"Friston", "Lindquist", "Power"}),
    ],
)
def test_the_papers_behind_a_strategy_are_cited_and_no_others(name: str, cited: set[str]) -> None:
    _, _, references = text_of(name).partition("\n\nReferences\n\n")
    authors = {line.split()[0] for line in references.split("\n\n")}
    assert authors == {"Gorgolewski", "Yarkoni", *cited}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "where it is inside the brain mask and its series is finite"),
        ({"mask": "none"}, "where its series is finite"),
        ({"mask": "grey_mask.nii"}, "where it is inside the mask grey_mask.nii and its series"),
        ({"labels": ("5", "nine")}, "Of these, 5 and nine were taken."),
        ({"exact_volumes": (100, 200)}, "Matrices of the first 100 and 200 volumes kept"),
        ({"concatenate": "runs"}, "over all runs of a session, each run was brought to zero mean"),
        ({"concatenate": "sessions"}, "over all runs of a participant"),
        ({"smoothing_fwhm": 6.0}, "smoothed with a Gaussian of 6 mm FWHM"),
        ({"standardize_voxels": True, "clean_level": "voxel"}, "Each denoised voxel was brought"),
    ],
)
def test_what_was_chosen_is_said(options: dict[str, Any], said: str) -> None:
    assert said in text_of("simple", **options)
    if options:
        assert said not in text_of("simple")
