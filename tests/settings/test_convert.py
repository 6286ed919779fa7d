"""Converters of single values."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_labelx.settings.convert import atlas_parts, atlases, labels, path, whole


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("Schaefer:100", ("Schaefer:100", "", "")),
        ("a.nii.gz", ("", "a.nii.gz", "")),
        ("/x=y/a.nii", ("", "/x=y/a.nii", "")),
        ("A=a.nii.gz", ("A", "a.nii.gz", "")),
        ("A=a.nii.gz,b.tsv", ("A", "a.nii.gz", "b.tsv")),
        ("A=/x,y/a.nii,/x,y/b.tsv", ("A", "/x,y/a.nii", "/x,y/b.tsv")),
        ("A=/x=y/a.nii,b=c.tsv", ("A", "/x=y/a.nii", "b=c.tsv")),
        ("A=a.mgz,b.txt", ("A", "a.mgz", "b.txt")),
        ("derivative:desc-aseg", ("", "derivative:desc-aseg", "")),
        ("A=derivative:desc-aseg,b.tsv", ("A", "derivative:desc-aseg", "b.tsv")),
    ],
)
def test_the_parts_of_an_atlas_are_told_apart(spec: str, parts: tuple[str, str, str]) -> None:
    assert atlas_parts(spec) == parts


def test_a_file_that_is_there_decides_where_a_comma_belongs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.nii,b.tsv").touch()
    assert atlas_parts("A=a.nii,b.tsv") == ("A", "a.nii,b.tsv", "")
    (tmp_path / "image,1").touch()
    assert atlas_parts("A=image,1,t.tsv") == ("A", "image,1", "t.tsv")
    (tmp_path / "Schaefer").symlink_to("not/fetched")
    assert atlases("Schaefer") == (str(tmp_path / "Schaefer"),)
    assert atlases(["Schaefer:100", "A=x/../i.nii"]) == ("Schaefer:100", f"A={tmp_path}/i.nii")


def test_a_folder_above_a_link_is_that_above_where_it_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a/b")
    monkeypatch.chdir(tmp_path)
    assert path("link/../c") == tmp_path / "a" / "c"
    # All others stay as the user knows them.
    assert path("link/c") == tmp_path / "link" / "c"
    assert path("link/x/../c") == tmp_path / "link" / "c"
    assert path("a/../c") == tmp_path / "c"


def test_a_cohort_is_taken_as_fmriprep_writes_it_and_a_resolution_is_not() -> None:
    assert labels("space")(["MNIInfant:cohort-1", "T1w"]) == ("MNIInfant+1", "T1w")
    with pytest.raises(ValueError, match="--res 2"):
        labels("space")(["MNI152NLin6Asym:res-2"])


@pytest.mark.parametrize("value", [2**31, 10**400, "9" * 30])
def test_a_whole_number_beyond_any_count_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="a whole number from 1 to 2,147,483,647 is expected"):
        whole(1)(value)
