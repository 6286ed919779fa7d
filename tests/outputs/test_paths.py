from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_labelx.errors import CannotWriteError
from bids_labelx.files import write_bytes, write_json, write_tsv
from bids_labelx.outputs.description import write_dataset_files
from bids_labelx.outputs.paths import (
    bids_uri,
    figure_path,
    outliers_path,
    output_path,
)

RUN = {"sub": "01", "ses": "a", "task": "rest", "run": "1", "space": "T1w", "res": "2"}
ATLAS = {**RUN, "atlas": "A", "seg": "G"}


def test_paths_are_those_of_the_design() -> None:
    folder = "sub-01/ses-a/func"
    start = f"{folder}/sub-01_ses-a_task-rest_run-1"
    assert (
        output_path(ATLAS, "timeseries", ".tsv", stat="mean", desc="simple").as_posix()
        == f"{start}_space-T1w_atlas-A_seg-G_res-2_stat-mean_desc-simple_timeseries.tsv"
    )
    assert (
        output_path(
            ATLAS, "relmat", ".tsv", stat="mean", meas="correlation", desc="raw"
        ).as_posix()
        == f"{start}_space-T1w_atlas-A_seg-G_res-2_stat-mean_meas-correlation_desc-raw_relmat.tsv"
    )
    assert output_path(ATLAS, "dseg", ".nii.gz").name.endswith("_atlas-A_seg-G_res-2_dseg.nii.gz")
    assert outliers_path(RUN, "raw").as_posix() == f"{start}_desc-raw_outliers.tsv"
    figure = figure_path(output_path(ATLAS, "dseg", ".tsv"), ".png")
    assert figure.parent == Path("sub-01/figures")
    assert figure.name.endswith("_dseg.png")


def test_without_a_session_there_is_no_folder_for_it() -> None:
    assert output_path({"sub": "1"}, "dseg", ".tsv").as_posix() == "sub-1/func/sub-1_dseg.tsv"


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_a_table_reads_back_the_same_float32(values: list[float]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.tsv")
        write_tsv(path, pd.DataFrame({"a": np.array(values, float)}))
        back = pd.read_csv(path, sep="\t")["a"].to_numpy()
    np.testing.assert_array_equal(back.astype(np.float32), np.array(values, np.float32))


def test_missing_values_are_written_as_na(tmp_path: Path) -> None:
    write_tsv(tmp_path / "t.tsv", pd.DataFrame({"a": [1.5, np.nan], "b": [None, "x"]}))
    assert (tmp_path / "t.tsv").read_text() == "a\tb\n1.5\tn/a\nn/a\tx\n"


def test_json_refuses_nan_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_json_reads_back_the_same(tmp_path: Path) -> None:
    content = {"a": [True, False], "b": {"c": 'é "q"'}, "d": None}
    write_json(tmp_path / "x.json", content)
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == content


def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.txt"
    write_bytes(path, b"old")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(CannotWriteError, match="No space left"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWriteError) as caught:
        write_bytes(tmp_path / "file" / "x.txt", b"")
    assert caught.value.exit_code == 73


def test_files_are_as_open_as_the_users_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "x", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


def test_bids_uris_are_relative_to_the_linked_dataset() -> None:
    uri = bids_uri("preprocessed", Path("/d"), Path("/d/sub-01/func/a+b c.nii"))
    assert uri == "bids:preprocessed:sub-01/func/a%2Bb%20c.nii"


def test_a_second_start_adds_links_and_descriptions(tmp_path: Path) -> None:
    source = tmp_path / "in"

    def start(links: dict[str, Path], descriptions: dict[str, str], *companions: Path) -> None:
        write_dataset_files(
            tmp_path / "out",
            sources={
                source: {"Name": "study", "DatasetDOI": "doi:10.1/x"},
                **{one: {} for one in companions},
            },
            links=links,
            descriptions=descriptions,
        )

    aroma = tmp_path / "aroma"
    start({"preprocessed": source, "aroma": aroma}, {"raw": "nothing"}, aroma)
    start({"preprocessed": source, "atlas-A": tmp_path / "atlas"}, {"simple": "some"})
    content = json.loads((tmp_path / "out" / "dataset_description.json").read_text())
    assert set(content["DatasetLinks"]) == {"preprocessed", "aroma", "atlas-A"}
    # Results of the first start are still there.
    assert content["SourceDatasets"] == [
        {"URL": source.as_uri(), "DOI": "doi:10.1/x"},
        {"URL": aroma.as_uri()},
    ]
    assert content["GeneratedBy"][0]["Name"] == "bids_labelx"
    table = pd.read_csv(tmp_path / "out" / "descriptions.tsv", sep="\t")
    assert table["desc_id"].tolist() == ["desc-raw", "desc-simple"]
