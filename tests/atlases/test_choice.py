"""Atlases of runs, from the command line's words to the files that are written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tiny import AFFINE, N_VOLUMES, SHAPE, SPACE

from bids_labelx.app.participant import run_participants
from bids_labelx.errors import BadDataError, SpaceError, UsageError
from bids_labelx.participant.plan import make_plan
from bids_labelx.settings import Settings

AddRun = Callable[..., Path]
WriteImage = Callable[..., Path]
OWN = "derivative:desc-aparcaseg"
TABLE = (
    "index\tname\tcolor\n0\tUnknown\t#000000\n2\ttwo\t#ff0000\n77\tghost\t#00ff00\n5\tfive\t#00f\n"
)


@pytest.fixture(autouse=True)
def no_templateflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(tmp_path / "templateflow"))


def settings_for(root: Path, **options: Any) -> Settings:
    given = {"output_dir": root.parent / "out", "denoise": ("none",), "nprocs": 1, **options}
    return Settings(bids_dir=root, analysis_level="participant", **given)


@pytest.fixture
def own(tmp_path: Path, add_run: AddRun, write_image: WriteImage) -> Path:
    """Two participants with a run and a segmentation each, and one table for both."""
    root = tmp_path / "ds"
    for sub, value in (("01", 2), ("02", 5)):
        bold = add_run(root, f"sub-{sub}_task-rest", seed=int(sub))
        labels = np.zeros(SHAPE, np.int16)
        labels[2:4] = value
        write_image(bold.with_name(bold.name.replace("preproc_bold", "aparcaseg_dseg")), labels)
    (root / "desc-aparcaseg_dseg.tsv").write_text(TABLE)
    return root


def series_of(output: Path, sub: str, atlas: str = "aparcaseg") -> pd.DataFrame:
    (path,) = (output / f"sub-{sub}" / "func").glob(f"*_atlas-{atlas}_stat-mean_*_timeseries.tsv")
    return pd.read_csv(path, sep="\t", na_values=["n/a"])


def test_each_run_is_reduced_to_its_own_segmentation_with_the_columns_of_all(own: Path) -> None:
    settings = settings_for(own, atlas=(OWN,))
    assert run_participants(settings) == 0
    for sub, name in (("01", "two"), ("02", "five")):
        series = series_of(settings.output_dir, sub)
        assert list(series) == ["two", "ghost", "five"]
        (bold,) = (own / f"sub-{sub}").rglob("*_bold.nii.gz")
        expected = nib.load(bold).get_fdata()[2:4].reshape(-1, N_VOLUMES).mean(axis=0)
        np.testing.assert_allclose(series[name], expected, rtol=1e-6)
        assert series.drop(columns=name).isna().all().all()
        (labels,) = (settings.output_dir / f"sub-{sub}").rglob("*_dseg.tsv")
        table = pd.read_csv(labels, sep="\t").set_index("name")
        assert table.loc["ghost", "status"] == "absent-from-image"
        assert table.loc["two", "color"] == "#ff0000"
    sidecar = json.loads(labels.with_suffix(".json").read_text())
    assert sidecar["Sources"][-2:] == [
        f"bids:preprocessed:sub-02/func/sub-02_task-rest_space-{SPACE}_desc-aparcaseg_dseg.nii.gz",
        "bids:preprocessed:desc-aparcaseg_dseg.tsv",
    ]
    links = json.loads((settings.output_dir / "dataset_description.json").read_text())
    assert set(links["DatasetLinks"]) == {"preprocessed"}


def test_an_atlas_for_all_and_one_of_each_run_go_together(own: Path, atlas_dataset: Path) -> None:
    settings = settings_for(own, atlas=("Slabs", f"mine={OWN}"), atlas_dataset=atlas_dataset)
    assert run_participants(settings) == 0
    for sub in ("01", "02"):
        assert list(series_of(settings.output_dir, sub, "Slabs")) == ["nine", "two", "five"]
        assert list(series_of(settings.output_dir, sub, "mine")) == ["two", "ghost", "five"]


def test_a_run_without_segmentation_fails_alone(own: Path) -> None:
    (own / "sub-02/func").joinpath(
        f"sub-02_task-rest_space-{SPACE}_desc-aparcaseg_dseg.nii.gz"
    ).unlink()
    plan = make_plan(settings_for(own, atlas=(OWN,)))
    assert [planned.run.entities["sub"] for planned in plan.runs] == ["01"]
    (failure,) = plan.failures
    assert failure.entities["sub"] == "02"
    assert "desc-aparcaseg" in failure.message


def test_runs_in_a_space_without_any_segmentation_are_left_out(own: Path, add_run: AddRun) -> None:
    add_run(own, "sub-01_task-rest", space="T1w")
    plan = make_plan(settings_for(own, atlas=(OWN,)))
    assert [run.space for run in plan.skipped] == ["T1w"]
    assert len(plan.runs) == 2
    with pytest.raises(SpaceError, match="desc-aparcaseg"):
        make_plan(settings_for(own, atlas=(OWN,), space=("T1w",)))


def test_a_segmentation_without_a_table_is_refused_unless_one_is_given(own: Path) -> None:
    table = own.parent / "names.tsv"
    (own / "desc-aparcaseg_dseg.tsv").rename(table)
    plan = make_plan(settings_for(own, atlas=(OWN,)))
    assert not plan.runs
    assert all("no label table" in failure.message for failure in plan.failures)
    settings = settings_for(own, atlas=(f"own={OWN},{table}",))
    assert run_participants(settings) == 0
    (path,) = (settings.output_dir / "sub-01").rglob("*_dseg.json")
    assert json.loads(path.read_text())["Sources"][-1] == "bids:atlas-own:names.tsv"
    links = json.loads((settings.output_dir / "dataset_description.json").read_text())
    assert links["DatasetLinks"]["atlas-own"] == own.parent.as_uri()


def test_tables_of_two_runs_that_differ_are_refused(own: Path) -> None:
    for sub, names in (("01", "two"), ("02", "zwei")):
        image = next((own / f"sub-{sub}").rglob("*_dseg.nii.gz"))
        table = image.with_name(image.name.replace(".nii.gz", ".tsv"))
        table.write_text(f"index\tname\n2\t{names}\n5\tfive\n")
    plan = make_plan(settings_for(own, atlas=(OWN,)))
    assert len(plan.runs) == 1
    (failure,) = plan.failures
    assert "aparcaseg has other labels in" in failure.message


def test_a_label_that_the_table_lacks_fails_that_run(own: Path) -> None:
    (own / "desc-aparcaseg_dseg.tsv").write_text("index\tname\n2\ttwo\n")
    settings = settings_for(own, atlas=(OWN,))
    assert run_participants(settings) == 1
    assert (settings.output_dir / "sub-01").is_dir()
    assert "labels that the table lacks: 5" in (settings.output_dir / "sub-02.html").read_text()
    assert "table lacks" not in (settings.output_dir / "sub-01.html").read_text()


def test_labels_are_chosen_by_index_and_by_name_in_the_tables_order(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    bold = add_run(tmp_path / "ds")
    settings = settings_for(tmp_path / "ds", atlas_dataset=atlas_dataset, labels=("five", "9"))
    assert run_participants(settings) == 0
    series = series_of(settings.output_dir, "01", "Slabs")
    assert list(series) == ["nine", "five"]
    data = nib.load(bold).get_fdata()
    np.testing.assert_allclose(
        series["five"], data[2:4].reshape(-1, N_VOLUMES).mean(axis=0), rtol=1e-6
    )
    # The others are not in the image either.
    (image,) = (settings.output_dir / "sub-01").rglob("*_dseg.nii.gz")
    assert set(np.unique(np.asarray(nib.load(image).dataobj))) == {0, 5, 9}


def test_labels_that_no_atlas_knows_are_refused_together(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    add_run(tmp_path / "ds")
    settings = settings_for(
        tmp_path / "ds", atlas_dataset=atlas_dataset, labels=("fife", "5", "12")
    )
    with pytest.raises(
        UsageError, match=r"--labels fife, did you mean five; 12: in none of the atlases \(Slabs\)"
    ):
        make_plan(settings)


def test_an_atlas_that_knows_none_of_the_labels_is_named(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, write_image: WriteImage
) -> None:
    add_run(tmp_path / "ds")
    other = write_image(tmp_path / f"tpl-{SPACE}_atlas-Other_dseg.nii", np.ones(SHAPE, np.int16))
    settings = settings_for(
        tmp_path / "ds",
        atlas_dataset=atlas_dataset,
        atlas=("Slabs", str(other)),
        labels=("five",),
    )
    with pytest.raises(UsageError, match="--labels: none of them in Other"):
        make_plan(settings)


def test_a_background_of_another_value_is_no_label(
    tmp_path: Path, add_run: AddRun, write_image: WriteImage, labels: np.ndarray
) -> None:
    add_run(tmp_path / "ds")
    image = write_image(tmp_path / f"tpl-{SPACE}_atlas-B_dseg.nii", np.where(labels, labels, 255))
    rows = "index\tname\n2\ttwo\n5\tfive\n9\tnine\n"
    table = image.with_suffix(".tsv")
    table.write_text(rows)
    with pytest.raises(BadDataError, match="labels that the table lacks: 255"):
        make_plan(settings_for(tmp_path / "ds", atlas=(str(image),)))
    settings = settings_for(tmp_path / "ds", atlas=(str(image),), background_label=255)
    assert run_participants(settings) == 0
    assert list(series_of(settings.output_dir, "01", "B")) == ["two", "five", "nine"]
    table.write_text(rows + "0\tnought\n")
    with pytest.raises(BadDataError, match="0 is a label here"):
        make_plan(settings)


@pytest.mark.parametrize("clean_level", ["region", "voxel"])
def test_the_mask_is_the_runs_or_none_or_one_for_all(
    tmp_path: Path,
    add_run: AddRun,
    atlas_dataset: Path,
    write_image: WriteImage,
    labels: np.ndarray,
    clean_level: str,
) -> None:
    bold = add_run(tmp_path / "ds")
    data = nib.load(bold).get_fdata()
    # On a grid twice as fine: nearest neighbour has to bring it onto the run's.
    fine = np.zeros([2 * n for n in SHAPE], np.uint8)
    fine[:6] = 1
    affine = AFFINE @ np.diag([0.5, 0.5, 0.5, 1])
    affine[:3, 3] = AFFINE[:3, 3] - 0.5 * np.diag(affine)[:3]
    own = write_image(tmp_path / "masks" / f"space-{SPACE}_desc-half_mask.nii.gz", fine, affine)
    brain, half = np.ones(SHAPE, bool), np.zeros(SHAPE, bool)
    brain[0], half[:3] = False, True
    for mask, inside in (("brain", brain), ("none", np.ones(SHAPE, bool)), (own, half)):
        settings = settings_for(
            tmp_path / "ds",
            output_dir=tmp_path / f"out-{inside.sum()}",
            atlas_dataset=atlas_dataset,
            min_coverage=0.2,
            mask=mask,
            clean_level=clean_level,
        )
        assert run_participants(settings) == 0
        series = series_of(settings.output_dir, "01", "Slabs")
        for label, name in ((2, "two"), (5, "five"), (9, "nine")):
            here = (labels == label) & inside
            if here.sum() < 0.2 * (labels == label).sum():
                assert series[name].isna().all()
            else:
                np.testing.assert_allclose(series[name], data[here].mean(axis=0), rtol=1e-6)
    sidecar = next((settings.output_dir / "sub-01").rglob("*_timeseries.json"))
    sources = json.loads(sidecar.read_text())["Sources"]
    assert f"bids:mask:{own.name}" in sources
    assert not [source for source in sources if "desc-brain_mask" in source]


def test_a_mask_of_another_space_or_of_none_is_refused(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, write_image: WriteImage
) -> None:
    add_run(tmp_path / "ds")
    other = write_image(tmp_path / "space-T1w_mask.nii", np.ones(SHAPE, np.uint8))
    nowhere = write_image(tmp_path / "mask.nii", np.ones((3, 3, 3), np.uint8))
    same = write_image(tmp_path / "same.nii", np.ones(SHAPE, np.uint8))
    for mask, words in ((other, "is in T1w, the run in"), (nowhere, "its name says no space")):
        plan = make_plan(settings_for(tmp_path / "ds", atlas_dataset=atlas_dataset, mask=mask))
        (failure,) = plan.failures
        assert words in failure.message
    plan = make_plan(settings_for(tmp_path / "ds", atlas_dataset=atlas_dataset, mask=same))
    assert plan.runs[0].source.mask == same


def test_a_dry_run_says_what_would_be_read_and_writes_nothing(
    own: Path, add_run: AddRun, atlas_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_run(own, "sub-03_task-rest", space="T1w")
    next((own / "sub-02").rglob("*_mask.nii.gz")).unlink()
    settings = settings_for(own, atlas_dataset=atlas_dataset, dry_run=True)
    assert run_participants(settings) == 1
    assert not settings.output_dir.exists()
    text = capsys.readouterr().out
    stem = f"sub-01_task-rest_space-{SPACE}"
    for words in (
        f"sub-01/func/{stem}_desc-preproc_bold.nii.gz\n",
        f"    mask       sub-01/func/{stem}_desc-brain_mask.nii.gz\n",
        "    confounds  sub-01/func/sub-01_task-rest_desc-confounds_timeseries.tsv\n",
        "    atlas      Slabs: ",
        f"    writes     sub-01/func/{stem}_atlas-Slabs_stat-mean_desc-raw_timeseries.tsv\n",
        "cannot be done: sub-02/func/",
        "excluded: no atlas is in its space (T1w)",
        "1 run of 1 participant would be done",
    ):
        assert words in text
    # What it promises is what is written.
    written = {line.split()[1] for line in text.splitlines() if line.startswith("    writes")}
    assert run_participants(settings_for(own, atlas_dataset=atlas_dataset)) == 1
    there = {
        path.relative_to(settings.output_dir).as_posix()
        for path in (settings.output_dir / "sub-01" / "func").iterdir()
        if path.suffix != ".json"
    }
    assert there == written


def test_awkward_labels_and_names_come_through_unchanged(
    tmp_path: Path, add_run: AddRun, write_image: WriteImage
) -> None:
    bold = add_run(tmp_path / "ds")
    ids = [2**31 - 1, 7, 1175]
    names = ['<script>alert("x")</script>', 'a, "b"; c', "Région Ω"]
    data = np.zeros(SHAPE, np.float64)
    for i, value in enumerate(ids, 1):
        data[i] = value
    image = write_image(tmp_path / f"tpl-{SPACE}_atlas-Odd_dseg.nii.gz", data)
    rows = "".join(f"{value}\t{name}\n" for value, name in zip(ids, names, strict=True))
    table = tmp_path / f"tpl-{SPACE}_atlas-Odd_dseg.tsv"
    table.write_text(f"index\tname\n{rows}", encoding="utf-8")
    settings = settings_for(tmp_path / "ds", atlas=(str(image),))
    assert run_participants(settings) == 0
    series = series_of(settings.output_dir, "01", "Odd")
    assert list(series) == names
    values = nib.load(bold).get_fdata()
    for i, name in enumerate(names, 1):
        np.testing.assert_allclose(
            series[name], values[i].reshape(-1, N_VOLUMES).mean(axis=0), rtol=1e-6
        )
    (written,) = (settings.output_dir / "sub-01").rglob("*_dseg.nii.gz")
    assert set(np.unique(np.asarray(nib.load(written).dataobj))) == {0, *ids}
    (rows_written,) = (settings.output_dir / "sub-01").rglob("*_dseg.tsv")
    assert pd.read_csv(rows_written, sep="\t")["index"].tolist() == ids
    matrix = next((settings.output_dir / "sub-01").rglob("*_relmat.tsv"))
    assert pd.read_csv(matrix, sep="\t", index_col=0).columns.tolist() == names
    page = (settings.output_dir / "sub-01.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page


def test_every_status_of_a_label_has_its_reason(
    tmp_path: Path, add_run: AddRun, write_image: WriteImage
) -> None:
    # The mask leaves out the first slice; the atlas is twice as fine as the run.
    bold = add_run(tmp_path / "ds")
    data = nib.load(bold).get_fdata().astype(np.float32)
    data[3, 2:] = 0
    write_image(bold, data, t_r=2.0)
    fine = np.zeros([2 * n for n in SHAPE], np.int16)
    affine = AFFINE @ np.diag([0.5, 0.5, 0.5, 1])
    affine[:3, 3] = AFFINE[:3, 3] - 0.5 * np.diag(affine)[:3]
    fine[0:2] = 1
    fine[2:4] = 2
    fine[4:6] = 3
    fine[6:8] = 4
    # Half of the voxels of label 5 are outside the mask, all others inside.
    fine[0:4, :2] = 5
    # Between the centres of the run's voxels: gone on its grid.
    on_fine = np.argwhere(fine == 3)[:1]
    fine[tuple(on_fine.T)] = 6
    image = write_image(tmp_path / f"tpl-{SPACE}_atlas-S_dseg.nii", fine, affine)
    rows = "".join(f"{i}\tl{i}\n" for i in range(1, 8))
    image.with_suffix(".tsv").write_text(f"index\tname\n{rows}")
    settings = settings_for(tmp_path / "ds", atlas=(str(image),))
    assert run_participants(settings) == 0
    (written,) = (settings.output_dir / "sub-01").rglob("*_dseg.tsv")
    table = pd.read_csv(written, sep="\t", na_values=["n/a"]).set_index("name")
    assert table["status"].to_dict() == {
        "l1": "outside-mask",
        "l2": "ok",
        "l3": "ok",
        # Three of five rows have no data at all.
        "l4": "low-coverage",
        "l5": "ok",
        "l6": "lost-in-resampling",
        "l7": "absent-from-image",
    }
    assert table.loc["l5", "coverage"] == 0.5
    assert table.loc["l4", "coverage"] == pytest.approx(0.4)
    assert table["voxels_atlas"].tolist()[5:] == [1, 0]
    series = series_of(settings.output_dir, "01", "S")
    assert series.isna().all().to_dict() == {
        name: status != "ok" for name, status in table["status"].items()
    }
    np.testing.assert_allclose(series["l5"], data[1, 0].mean(axis=0), rtol=1e-6)


def test_ica_aroma_is_for_the_images_that_a_filter_file_chooses(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    bold = add_run(tmp_path / "ds")
    settings = settings_for(tmp_path / "ds", atlas_dataset=atlas_dataset, denoise=("icaaroma",))
    assert run_participants(settings) == 1
    report = (settings.output_dir / "sub-01.html").read_text()
    assert "this one is desc-preproc_bold" in report
    bold.rename(bold.with_name(bold.name.replace("preproc", "smoothAROMAnonaggr")))
    filters = tmp_path / "filters.json"
    filters.write_text(json.dumps({"bold": {"desc": "smoothAROMAnonaggr"}}))
    chosen = settings_for(
        tmp_path / "ds",
        atlas_dataset=atlas_dataset,
        output_dir=tmp_path / "chosen",
        denoise=("icaaroma",),
        bids_filter_file=filters,
    )
    assert run_participants(chosen) == 0
    assert len(series_of(chosen.output_dir, "01", "Slabs")) == N_VOLUMES - 1
