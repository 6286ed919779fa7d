from __future__ import annotations

import os
from pathlib import Path

import pytest
from bidsschematools.schema import load_schema

from bids_labelx import names
from bids_labelx.names import (
    ENTITY_ORDER,
    build_name,
    camel,
    digest,
    is_utf8,
    natural,
    parse_name,
    printable,
    sort_entities,
)


def test_a_name_is_taken_apart_without_its_folders() -> None:
    name = parse_name(Path("/data/sub-99/ses-a/perf/sub-01_task-rest_desc-preproc_bold.nii.gz"))
    assert dict(name.entities) == {"sub": "01", "task": "rest", "desc": "preproc"}
    assert (name.suffix, name.extension) == ("bold", ".nii.gz")


def test_taking_apart_and_putting_together_gives_the_same_name() -> None:
    text = "sub-01_ses-a_task-rest_acq-x_dir-AP_run-1_echo-2_space-T1w_res-2_desc-preproc_bold.nii"
    name = parse_name(text)
    assert build_name(name.entities, name.suffix, name.extension) == text


def test_entities_are_put_into_bids_order_with_stat_and_meas_before_desc() -> None:
    mixed = dict.fromkeys(
        ("desc", "res", "meas", "atlas", "sub", "seg", "stat", "space", "run"), "x"
    )
    wanted = ["sub", "run", "space", "atlas", "seg", "res", "stat", "meas", "desc"]
    assert list(sort_entities(mixed)) == wanted


def test_the_order_of_entities_is_that_of_bids_schema() -> None:
    schema = load_schema()
    official = [schema.objects.entities[name]["name"] for name in schema.rules.entities]
    assert [key for key in ENTITY_ORDER if key not in ("stat", "meas")] == official
    assert ENTITY_ORDER[-3:] == ("stat", "meas", "desc")


def test_an_unknown_entity_stays_behind_the_one_before_it() -> None:
    # As fMRIPrep and C-PAC have them: hash- and reg- are none of BIDS' entities.
    source = "sub-1_task-rest_run-2_hash-4f_reg-36P_space-MNI_res-2_bold"
    entities = parse_name(f"{source}.nii.gz").entities
    assert build_name(entities, "bold", "") == source
    more = {"sub": "1", "task": "a", "hash": "4f", "space": "x", "atlas": "A", "desc": "b"}
    name = build_name({**more, "stat": "mean"}, "timeseries", ".tsv")
    assert name == "sub-1_task-a_hash-4f_space-x_atlas-A_stat-mean_desc-b_timeseries.tsv"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("simple", "simple"),
        ("simple+gsr", "simpleGsr"),
        ("scrubbing.5", "scrubbing5"),
        ("36P", "36P"),
        ("standard_deviation", "standardDeviation"),
        ("partial-correlation", "partialCorrelation"),
    ],
)
def test_camel_gives_a_label_of_letters_and_digits(text: str, label: str) -> None:
    assert camel(text) == label


def test_numbers_in_names_sort_as_numbers() -> None:
    names = ["run-10", "run-1_echo-2", "run-2", "run-1", "a2"]
    assert sorted(names, key=natural) == ["a2", "run-1", "run-1_echo-2", "run-2", "run-10"]


def test_bytes_of_a_name_that_are_no_utf8_are_spelt() -> None:
    name = os.fsdecode(b"sub-\xe9\xc3\xa9")
    assert not is_utf8(name)
    assert printable(name) == r"sub-\xe9é"
    assert is_utf8(printable(name))
    assert printable("sub-é") == "sub-é"


def test_a_digest_tells_values_apart() -> None:
    assert digest("a", 1) == digest("a", 1)
    assert len({digest("a", 1), digest("a1"), digest("a", "1"), digest(("a", 1))}) == 4
    assert digest(os.fsdecode(b"\xe9")) != digest("é")


@pytest.mark.parametrize(
    ("space", "den", "name"),
    [
        ("fsLR", "91k", "fsLR"),
        ("fsLR", "32k", "fsLR"),
        ("fsLR", "", "fsLR"),
        ("fsLR", "170k", "fsLR59k"),
        ("fsLR", "59k", "fsLR59k"),
        ("fsLR", "164k", "fsLR164k"),
        ("fsaverage", "10k", "fsaverage5"),
        ("fsaverage", "41k", "fsaverage6"),
        ("fsaverage", "164k", "fsaverage"),
        ("fsaverage5", "", "fsaverage5"),
        ("fsaverage5", "10k", "fsaverage5"),
        ("fsnative", "", "fsnative"),
        ("MNI152NLin2009cAsym", "2", "MNI152NLin2009cAsym"),
    ],
)
def test_a_space_on_surfaces_is_one_mesh(space: str, den: str, name: str) -> None:
    assert names.space_name(space, den) == name


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("lh.aparc.annot", "rh.aparc.annot"),
        ("sub-1_hemi-L_bold.func.gii", "sub-1_hemi-R_bold.func.gii"),
        ("S1200.L.midthickness.32k.surf.gii", "S1200.R.midthickness.32k.surf.gii"),
        ("a_lh.label.gii", "a_rh.label.gii"),
        ("aparc_left.label.gii", "aparc_right.label.gii"),
        ("L_a.label.gii", "R_a.label.gii"),
        ("sub-R_hemi-L_x.label.gii", "sub-R_hemi-R_x.label.gii"),
    ],
)
def test_hemispheres_are_told_apart_by_the_name(left: str, right: str) -> None:
    assert names.other_hemisphere(left) == right
    assert names.other_hemisphere(right) == left
    assert (names.hemisphere_of(left), names.hemisphere_of(right)) == ("L", "R")


@pytest.mark.parametrize("name", ["atlas.label.gii", "Left.label.gii", "hemi-LR_x.gii"])
def test_a_name_may_say_no_hemisphere(name: str) -> None:
    assert names.other_hemisphere(name) == ""
    assert names.hemisphere_of(name) == ""
