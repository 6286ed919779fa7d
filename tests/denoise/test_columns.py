"""Columns that groups stand for: CompCor by its JSON, ICA-AROMA, and users' own patterns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bids_labelx.denoise import read_confounds_metadata, read_confounds_table
from bids_labelx.denoise.columns import Wanted, columns_by_entry, wanted_columns


def wanted(
    confounds: dict[str, Any], there: list[str], metadata: dict[str, Any] | None = None
) -> Wanted:
    return wanted_columns(confounds, there, n_volumes=40, t_r=2.0, metadata=metadata or {})


def component(mask: str | None, cumulative: float, retained: bool = True) -> dict[str, Any]:
    about: dict[str, Any] = {"Retained": retained, "CumulativeVarianceExplained": cumulative}
    if mask is None:
        return {"Method": "tCompCor", **about}
    return {"Method": "aCompCor", "Mask": mask, **about}


# As JSON sorts keys: component 10 and 100 before component 9.
METADATA = {
    "a_comp_cor_10": component("combined", 0.5),
    "a_comp_cor_100": component("combined", 0.7),
    "a_comp_cor_11": component("combined", 0.6),
    "a_comp_cor_20": component("WM", 0.3),
    "a_comp_cor_21": component("WM", 0.55),
    "a_comp_cor_30": component("CSF", 0.6),
    "a_comp_cor_9": component("combined", 0.3),
    "csf": {"Method": "Mean"},
    "dropped_0": component("CSF", 0.9, retained=False),
    "t_comp_cor_00": component(None, 0.6),
}


def compcor(metadata: dict[str, Any] | None = METADATA, **options: Any) -> Wanted:
    return wanted({"compcor": options}, list(METADATA), metadata)


def test_components_end_with_the_one_that_reaches_the_variance() -> None:
    assert compcor(masks=["combined"], variance=0.5).columns == ["a_comp_cor_9", "a_comp_cor_10"]
    assert len(compcor(masks=["combined"], variance=0.51).columns) == 3
    assert len(compcor(masks=["combined"], variance=0.99).columns) == 4


def test_a_variance_that_the_first_component_reaches_takes_that_one() -> None:
    assert compcor(masks=["CSF"], variance=0.5).columns == ["a_comp_cor_30"]


@pytest.mark.parametrize("share", ["0.3", None, [], float("nan"), -0.1, 1.5])
def test_a_variance_that_is_no_share_is_refused_where_it_is_used(share: object) -> None:
    metadata = {"a_comp_cor_00": {**component("CSF", 0.6), "CumulativeVarianceExplained": share}}
    with pytest.raises(
        ValueError, match=r"a_comp_cor_00: CumulativeVarianceExplained is .*, a number from 0 to 1"
    ):
        compcor(metadata, masks=["CSF"], variance=0.5)
    assert compcor(metadata, masks=["CSF"], components=1).columns == ["a_comp_cor_00"]


def test_a_number_may_be_as_long_as_it_likes() -> None:
    long, short = f"a_comp_cor_{'9' * 5000}", "a_comp_cor_0010"
    metadata = {long: component("CSF", 0.9), short: component("CSF", 0.5)}
    assert compcor(metadata, masks=["CSF"]).columns == [short, long]


def test_all_components_come_in_order_of_their_number() -> None:
    names = [f"a_comp_cor_{number}" for number in (9, 10, 11, 100)]
    assert compcor(masks=["combined"]).columns == names


def test_components_are_counted_by_mask_and_those_not_retained_left_out() -> None:
    found = compcor(masks=["WM", "CSF"], components=1)
    assert found.columns == ["a_comp_cor_20", "a_comp_cor_30"]
    assert compcor(masks=["CSF"], components=5).columns == ["a_comp_cor_30"]


def test_temporal_components_go_by_their_method() -> None:
    assert compcor(masks=["temporal"]).columns == ["t_comp_cor_00"]


def test_compcor_without_json_or_without_a_mask_is_lacking() -> None:
    assert "no JSON beside the table" in compcor({}, masks=["WM"]).lacking[0]
    only_wm = {"a_comp_cor_20": METADATA["a_comp_cor_20"]}
    assert compcor(only_wm, masks=["WM", "CSF"]).lacking == [
        "components of CompCor, CSF (not in the JSON)"
    ]


def test_a_retained_component_that_the_table_lacks_is_lacking() -> None:
    found = wanted({"compcor": {"masks": ["CSF"]}}, ["csf"], METADATA)
    assert found.lacking == ["a_comp_cor_30"]


@pytest.mark.parametrize(
    ("stem", "first"),
    [
        ("test_desc-confounds_regressors", ["a_comp_cor_70", "a_comp_cor_57"]),
        ("test-v21_desc-confounds_timeseries", ["w_comp_cor_00", "c_comp_cor_00"]),
    ],
)
def test_tissue_components_of_old_and_new_tables(
    shared_data: Path, stem: str, first: list[str]
) -> None:
    path = shared_data / "confounds" / f"{stem}.tsv"
    there, metadata = list(read_confounds_table(path).columns), read_confounds_metadata(path)
    options = {"masks": ["WM", "CSF"], "components": 1}
    assert wanted({"compcor": options}, there, metadata) == Wanted(first, [])


def test_names_and_patterns_match_whole_names_and_each_column_once() -> None:
    there = ["csf", "csf_wm", "cosine00", "cosine01", "odd(name"]
    found = wanted({"columns": ["csf", r"^cosine\d+$", "cosine00", "odd(name"]}, there)
    assert found.columns == ["csf", "cosine00", "cosine01", "odd(name"]


def test_a_name_without_a_column_is_lacking_and_a_pattern_is_not() -> None:
    found = wanted({"columns": ["csf", "foo.*", "rmsd"]}, ["csf", "cosine00"])
    assert found == (["csf"], ["rmsd"])
    found = wanted({"columns": ["cosine"]}, ["csf", "cosine00"])
    assert found == ([], ["cosine (did you mean cosine00?)"])


def test_ica_aroma_takes_its_columns_or_leaves_them_to_the_image() -> None:
    there = ["aroma_motion_02", "aroma_motion_11", "csf"]
    assert wanted({"ica_aroma": "basic"}, there).columns == there[:2]
    assert wanted({"ica_aroma": "full"}, there) == Wanted([], [])
    assert wanted({"ica_aroma": "basic"}, ["csf"]).lacking == ["aroma_motion_01"]


@pytest.mark.parametrize(
    ("entry", "columns", "lacking"),
    [
        ("rmsd", [], ["rmsd"]),
        (r"^motion_outlier\d+$", [], []),
        ({"pattern": "rmsd"}, [], []),
        ({"pattern": "rmsd", "required": True}, [], ["any that matches 'rmsd'"]),
        ({"pattern": "c.f", "required": True}, ["csf", "c.f"], []),
        ({"name": "c.f"}, ["c.f"], []),
        ("c.f", ["c.f"], []),
        ({"name": "a.b"}, [], ["a.b"]),
        ({"name": "a.b", "required": False}, [], []),
        ({"name": "csf", "required": False}, ["csf"], []),
    ],
)
def test_a_missing_column_is_an_error_where_the_entry_or_its_kind_says_so(
    entry: Any, columns: list[str], lacking: list[str]
) -> None:
    there = ["csf", "c.f", "trans_x"]
    assert wanted({"columns": [entry]}, there) == (columns, lacking)
    (taken,) = columns_by_entry({"columns": [entry]}, there).values()
    assert taken == columns
