"""The participant level on tiny runs on surfaces and grayordinates."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from surfaces import (
    LEFT,
    N_VERTICES,
    RIGHT,
    space_of,
    write_dlabel,
    write_dscalar,
    write_dtseries,
    write_func_gii,
    write_label_gii,
    write_mesh,
    write_shape_gii,
)
from tiny import N_VOLUMES, confounds_table

from bids_labelx.app.group import run_group
from bids_labelx.app.participant import run_participants
from bids_labelx.errors import LabelxError, NoRunsError
from bids_labelx.meshes import sphere
from bids_labelx.outputs.failures import read_failures
from bids_labelx.pictures.packing import read_script
from bids_labelx.settings import Settings

SPACE = space_of()
# The same structures in another order, with another medial wall, and without the voxels.
OTHER = space_of({RIGHT: (0, 1, 2, 3, 4, 5, 9, 11), LEFT: (0, 1, 2, 3, 10, 11)})
DENSE = "space-fsLR_den-91k_bold.dtseries.nii"
PAIR = "hemi-{}_space-fsaverage5_bold.func.gii"


def data_for(n_elements: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(100, 9, (N_VOLUMES, n_elements)).astype(np.float32)


def func(root: Path, sub: str = "01") -> Path:
    """The folder of a participant, with confounds, in a dataset."""
    folder = root / f"sub-{sub}" / "func"
    folder.mkdir(parents=True, exist_ok=True)
    description = {"Name": "tiny", "BIDSVersion": "1.8.0", "DatasetType": "derivative"}
    (root / "dataset_description.json").write_text(json.dumps(description))
    table = confounds_table(np.random.default_rng(int(sub)))
    table.to_csv(
        folder / f"sub-{sub}_task-rest_desc-confounds_timeseries.tsv",
        sep="\t",
        index=False,
        na_rep="n/a",
    )
    return folder


def add_dense(root: Path, sub: str = "01", **how: Any) -> Path:
    path = func(root, sub) / f"sub-{sub}_task-rest_{DENSE}"
    return write_dtseries(path, data_for(SPACE.n_elements, int(sub)), SPACE, **how)


def add_pair(root: Path, sub: str = "01", hemispheres: str = "LR", step: str = "2000") -> None:
    for hemi in hemispheres:
        path = func(root, sub) / f"sub-{sub}_task-rest_{PAIR.format(hemi)}"
        write_func_gii(path, data_for(N_VERTICES, ord(hemi)), step)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "ds"


@pytest.fixture
def dlabel(tmp_path: Path) -> Path:
    labels = np.arange(OTHER.n_elements) % 3 + 1
    return write_dlabel(
        tmp_path / "tpl-fsLR_atlas-Other_den-32k_dseg.dlabel.nii", {"m": labels}, OTHER
    )


@pytest.fixture
def gii(tmp_path: Path) -> Path:
    for hemi in "LR":
        path = tmp_path / f"tpl-fsaverage_hemi-{hemi}_atlas-Pair_den-10k_dseg.label.gii"
        write_label_gii(path, np.arange(N_VERTICES) % 3, {1: f"{hemi}a", 2: f"{hemi}b"})
    return tmp_path / "tpl-fsaverage_hemi-L_atlas-Pair_den-10k_dseg.label.gii"


def settings_for(root: Path, *atlas: object, **options: Any) -> Settings:
    given = {"denoise": ("none",), "output_dir": root.parent / "out", "nprocs": 1, **options}
    return Settings(
        bids_dir=root, analysis_level="participant", atlas=tuple(map(str, atlas)), **given
    )


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", na_values="n/a")


def failures(settings: Settings) -> list[str]:
    return [one.message for one in read_failures(settings.output_dir)]


def test_labels_are_laid_by_structure_and_vertex_and_means_are_brute_force(
    root: Path, dlabel: Path
) -> None:
    bold = add_dense(root)
    settings = settings_for(root, dlabel, cifti_outputs=True)
    run_participants(settings)
    stem = "sub-01_task-rest_space-fsLR_atlas-Other_den-91k"
    (found,) = settings.output_dir.rglob(f"{stem}_stat-mean_desc-raw_timeseries.tsv")
    places = {
        (model.structure, int(vertex)): position
        for model, part in zip(SPACE.models, SPACE.slices, strict=True)
        if model.is_surface
        for position, vertex in enumerate(model.indices, part.start)
    }
    labels = np.zeros(SPACE.n_elements, int)
    at = 0
    for model in OTHER.models:
        for vertex in model.indices:
            if (model.structure, int(vertex)) in places:
                labels[places[model.structure, int(vertex)]] = at % 3 + 1
            at += 1
    data = data_for(SPACE.n_elements, 1).astype(float)
    wanted = np.stack([data[:, labels == label].mean(axis=1) for label in (1, 2, 3)], axis=1)
    np.testing.assert_allclose(read(found), wanted, rtol=1e-7)
    (table,) = settings.output_dir.rglob(f"{stem}_dseg.tsv")
    assert read(table)["voxels_grid"].tolist() == [(labels == i).sum() for i in (1, 2, 3)]
    assert table.with_suffix(".dlabel.nii").exists()
    assert list(settings.output_dir.rglob(f"{stem}*timeseries.ptseries.nii"))
    sidecar = json.loads(found.with_suffix(".json").read_text())
    assert sidecar["RepetitionTime"] == 2.0
    assert any(uri.endswith(bold.name) for uri in sidecar["Sources"])


def test_a_pair_is_one_run_and_each_hemisphere_can_be_done_alone(root: Path, gii: Path) -> None:
    add_pair(root)
    settings = settings_for(root, gii, space=("fsaverage5",))
    run_participants(settings)
    start = "sub-01_task-rest_*space-fsaverage5_atlas-Pair"
    (series,) = settings.output_dir.rglob(f"{start}*timeseries.tsv")
    assert "hemi-" not in series.name
    assert read(series).columns.tolist() == ["La", "Lb", "Ra", "Rb"]
    left = settings_for(root, gii, hemi="L", output_dir=root.parent / "left")
    run_participants(left)
    (alone,) = left.output_dir.rglob("*timeseries.tsv")
    assert "hemi-L" in alone.name
    np.testing.assert_array_equal(read(alone)[["La", "Lb"]], read(series)[["La", "Lb"]])


def test_a_hemisphere_without_the_other_fails_by_name_and_others_are_done(
    root: Path, gii: Path
) -> None:
    add_pair(root, "01", "L")
    add_pair(root, "02")
    settings = settings_for(root, gii)
    run_participants(settings)
    (text,) = failures(settings)
    assert "sub-01_task-rest_hemi-R_space-fsaverage5_bold.func.gii is not beside it" in text
    assert "--hemi L" in text
    assert not list((settings.output_dir / "sub-01").rglob("*timeseries.tsv"))
    assert list((settings.output_dir / "sub-02").rglob("*timeseries.tsv"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def other_step(path: Path) -> None:
    path.with_name(path.name.replace(".dtseries.nii", ".json")).write_text(
        json.dumps({"RepetitionTime": 1.5})
    )


def scalars(path: Path) -> None:
    write_dscalar(path, data_for(SPACE.n_elements), SPACE)


def nifti(path: Path) -> None:
    import nibabel as nib

    nib.save(nib.Nifti1Image(np.ones((2, 2, 2, 5), np.float32), np.eye(4)), path)


def other_mesh(path: Path) -> None:
    space = space_of(n_vertices=99)
    write_dtseries(path, data_for(space.n_elements), space)


def impossible(path: Path) -> None:
    space = space_of({LEFT: (0, 12)})
    write_dtseries(path, data_for(2), space)


def spoilt(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"<Matrix>", b"<Matr1x>"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (cut, "grayordinates are whole, the file is truncated"),
        (other_step, "the sidecar says RepetitionTime 1.5 s, the image's header 2 s"),
        (scalars, "found scalar maps (dscalar)"),
        (nifti, "its name says CIFTI, and it is Nifti"),
        (other_mesh, "a mesh of 12 vertices in the labels and a mesh of 99 vertices in the run"),
        (impossible, "CORTEX_LEFT has an index outside of a mesh of 12 vertices"),
        (spoilt, "cannot be read as an image"),
    ],
)
def test_a_bad_run_is_one_clear_failure_and_the_others_are_done(
    root: Path, dlabel: Path, spoil: Callable[[Path], None], words: str
) -> None:
    bad = add_dense(root, "01")
    add_dense(root, "02")
    spoil(bad)
    settings = settings_for(root, dlabel)
    run_participants(settings)
    (text,) = failures(settings)
    assert words in text
    assert bad.name in text
    assert not list((settings.output_dir / "sub-01").rglob("*.tsv"))
    assert list((settings.output_dir / "sub-02").rglob("*timeseries.tsv"))


def test_without_a_space_those_are_done_in_whose_space_an_atlas_is(
    root: Path, dlabel: Path, gii: Path, add_run: Callable[..., Path]
) -> None:
    add_run(root)
    add_dense(root)
    add_pair(root)
    for atlas, space in ((dlabel, "fsLR"), (gii, "fsaverage5")):
        settings = settings_for(root, atlas, output_dir=root.parent / space)
        run_participants(settings)
        (series,) = settings.output_dir.rglob("*timeseries.tsv")
        assert f"space-{space}_" in series.name
        assert not failures(settings)


@pytest.mark.parametrize("space", ["fsaverage", "fsaverage5"])
def test_fsaverage_with_a_density_is_asked_for_by_either_name(
    root: Path, gii: Path, space: str
) -> None:
    add_pair(root)
    for path in (root / "sub-01" / "func").glob("*.gii"):
        path.rename(path.with_name(path.name.replace("fsaverage5", "fsaverage_den-10k")))
    settings = settings_for(root, gii, space=(space,))
    run_participants(settings)
    (series,) = settings.output_dir.rglob("*timeseries.tsv")
    assert "space-fsaverage_" in series.name
    assert "den-10k" in series.name


def test_an_atlas_of_another_space_is_refused_with_both_meshes(root: Path, gii: Path) -> None:
    add_dense(root)
    with pytest.raises(LabelxError, match=r"fsaverage5 \(10242 .* in fsLR \(32492"):
        run_participants(settings_for(root, gii))


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "logs" not in path.parts and path.suffix != ".html"
    }


def test_the_same_input_gives_the_same_bytes_and_the_level_of_cleaning_the_same_means(
    root: Path, dlabel: Path, tmp_path: Path
) -> None:
    add_dense(root)
    outs = [tmp_path / name for name in ("a", "b", "voxel")]
    for out, level in zip(outs, ("region", "region", "voxel"), strict=True):
        options = {"denoise": ("simple",), "output_dir": out, "clean_level": level}
        run_participants(settings_for(root, dlabel, work_dir=tmp_path / "work", **options))
    assert files(outs[0]) == files(outs[1])
    first, third = (read(next(out.rglob("*timeseries.tsv"))) for out in (outs[0], outs[2]))
    np.testing.assert_allclose(first, third, atol=1e-6)


def test_smoothing_of_surfaces_is_refused_for_each_run(root: Path, dlabel: Path) -> None:
    add_dense(root)
    settings = settings_for(root, dlabel, smoothing_fwhm=6.0)
    run_participants(settings)
    (text,) = failures(settings)
    assert "--smoothing-fwhm smooths volumes, not surfaces" in text


def test_the_group_level_takes_runs_on_surfaces(root: Path, dlabel: Path, gii: Path) -> None:
    for sub in ("01", "02", "03"):
        add_dense(root, sub)
        add_pair(root, sub)
    settings = settings_for(root, dlabel, gii)
    for atlas, out in ((dlabel, "dense"), (gii, "pair")):
        settings = settings_for(root, atlas, output_dir=root.parent / out)
        run_participants(settings)
        run_group(Settings(bids_dir=root, output_dir=settings.output_dir, analysis_level="group"))
        assert not failures(settings)
        own = {path.name for path in settings.output_dir.glob("*relmat.tsv")}
        own |= {path.name for path in settings.output_dir.glob("group/**/*relmat.tsv")}
        assert own, sorted(map(str, settings.output_dir.rglob("*")))


def test_an_atlas_on_another_mesh_fails_alone_and_is_shown_by_a_dry_run(
    root: Path, gii: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_pair(root)
    wider = space_of({LEFT: (0, 1, 2), RIGHT: (4, 5)}, n_vertices=20)
    other = write_dlabel(root.parent / "wide.dlabel.nii", {"m": np.array([1, 1, 2, 2, 1])}, wider)
    settings = settings_for(
        root, gii, f"Wide={other}", space=("fsaverage5",), atlas_space="fsaverage5"
    )
    assert run_participants(replace(settings, dry_run=True)) == 1
    shown = capsys.readouterr().out
    assert "CORTEX_LEFT has a mesh of 20 vertices in the labels and a mesh of 12" in shown
    assert "atlas-Wide" not in shown
    assert run_participants(settings) == 1
    (failure,) = read_failures(settings.output_dir)
    assert failure.atlases == ("Wide",)
    assert "0 done, 1 partly done, 0 failed" in capsys.readouterr().err
    assert list(settings.output_dir.rglob("*atlas-Pair_*timeseries.tsv"))
    assert not list(settings.output_dir.rglob("*atlas-Wide*"))
    assert run_group(replace(settings, analysis_level="group")) == 1
    table = read(settings.output_dir / "group_qc.tsv").set_index("atlas")["state"]
    assert table.to_dict() == {"Pair": "done", "Wide": "failed"}


def test_means_are_weighted_by_area_where_that_is_asked_for(root: Path, gii: Path) -> None:
    add_pair(root)
    areas = {}
    for hemi, factor in (("L", 1.0), ("R", 3.0)):
        areas[hemi] = np.arange(1, N_VERTICES + 1) * factor
        path = root.parent / f"x.{hemi}.va.shape.gii"
        write_shape_gii(path, areas[hemi])
    meshes = tuple(root.parent / f"x.{hemi}.va.shape.gii" for hemi in "LR")
    for level in ("region", "voxel"):
        settings = settings_for(
            root,
            gii,
            element_weights="area",
            surface_mesh=meshes,
            clean_level=level,
            output_dir=root.parent / level,
        )
        assert run_participants(settings) == 0
        (path,) = settings.output_dir.rglob("*_timeseries.tsv")
        found = read(path)
        for hemi in "LR":
            values = data_for(N_VERTICES, ord(hemi)).astype(float)
            own = np.arange(N_VERTICES) % 3 == 1
            wanted = values[:, own] @ areas[hemi][own] / areas[hemi][own].sum()
            np.testing.assert_allclose(found[f"{hemi}a"], wanted, rtol=1e-6)
        weights = json.loads(path.with_suffix(".json").read_text())["ElementWeights"]
        assert "x.L.va.shape.gii, x.R.va.shape.gii" in weights
        said = (settings.output_dir / "logs" / "CITATION.md").read_text()
        assert "each vertex counting by its area in the mean" in said


def test_runs_on_surfaces_are_concatenated_and_reported_again(
    root: Path, gii: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for run in ("1", "2"):
        folder = func(root)
        for hemi in "LR":
            name = f"sub-01_task-rest_run-{run}_{PAIR.format(hemi)}"
            write_func_gii(folder / name, data_for(N_VERTICES, int(run)), "2000")
    settings = settings_for(root, gii, concatenate="runs")
    assert run_participants(settings) == 0
    (matrix,) = settings.output_dir.rglob("sub-01_task-rest_space-fsaverage5_*_relmat.tsv")
    found = read(matrix).set_index("name").to_numpy(float)
    rows = []
    for run in (1, 2):
        values = data_for(N_VERTICES, run).astype(float)
        parts = [np.arange(N_VERTICES) % 3 == label for label in (1, 2)]
        means = np.stack([values[:, part].mean(axis=1) for part in parts] * 2, axis=1)
        rows.append((means - means.mean(axis=0)) / means.std(axis=0, ddof=1))
    np.testing.assert_allclose(found, np.corrcoef(np.concatenate(rows).T), atol=1e-6)
    capsys.readouterr()
    assert run_participants(settings) == 0
    assert "2 runs finished before" in capsys.readouterr().err
    assert run_participants(replace(settings, reports_only=True)) == 0
    page = (settings.output_dir / "sub-01.html").read_text()
    assert "24 vertices" in page
    text = (settings.output_dir / "logs" / "CITATION.md").read_text()
    assert "matched to runs on surfaces and grayordinates by structure and vertex" in text
    assert "resampled" not in text
    assert "brain mask" not in text


@pytest.mark.figures
def test_where_no_mesh_is_known_the_page_says_that_nothing_is_drawn(
    root: Path, gii: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(tmp_path / "none"))
    add_pair(root)
    settings = settings_for(root, gii)
    assert run_participants(settings) == 0
    found = settings.output_dir.glob("sub-01/figures/*_atlas-*report.js")
    (path,) = (one for one in found if "_stat-" not in one.name)
    content = read_script(path)
    assert content["note"] == "Not drawn: no mesh of the surfaces is known (--surface-mesh)."
    assert content["panels"] == []
    assert content["regions"]["name"]


def test_surfaces_alone_and_an_atlas_of_a_volume_are_no_runs(
    root: Path, atlas_dataset: Path
) -> None:
    add_dense(root)
    add_pair(root)
    with pytest.raises(NoRunsError, match=r"on surfaces alone, such as sub-01/.*\.dlabel\.nii"):
        run_participants(settings_for(root, atlas_dataset=atlas_dataset))


def test_regions_have_places_where_a_mesh_of_the_cortex_is_given(root: Path, gii: Path) -> None:
    for number in range(1, 6):
        for hemi in "LR":
            name = f"sub-{number:02d}_task-rest_{PAIR.format(hemi)}"
            values = data_for(N_VERTICES, 10 * number + ord(hemi))
            write_func_gii(func(root, f"{number:02d}") / name, values, "2000")
    meshes = {}
    for hemi in "LR":
        mesh = sphere(N_VERTICES, hemi, "fsLR")
        assert mesh is not None
        meshes[hemi] = mesh.coordinates * [0.5, 1, 0.7] + [60 if hemi == "R" else -60, 0, 0]
        path = root.parent / f"x.{hemi}.midthickness.surf.gii"
        write_mesh(path, meshes[hemi], mesh.triangles)
    settings = settings_for(
        root,
        gii,
        surface_mesh=tuple(root.parent / f"x.{hemi}.midthickness.surf.gii" for hemi in "LR"),
    )
    group = replace(settings, analysis_level="group")
    assert run_participants(replace(settings, surface_mesh=())) == 0
    table = next(settings.output_dir.rglob("*_dseg.tsv"))
    assert read(table)["centroid_x"].isna().all()
    assert run_group(group) == 0
    (qcfc,) = settings.output_dir.glob("group_*_qcfc.tsv")
    assert read(qcfc)["distance_dependence"].isna().all()
    page = (settings.output_dir / "group.html").read_text()
    assert "Regions on surfaces have places where --surface-mesh" in page
    assert run_participants(replace(settings, overwrite=True)) == 0
    found = read(table).set_index("name")[["centroid_x", "centroid_y", "centroid_z"]]
    for hemi in "LR":
        for label, name in ((1, "a"), (2, "b")):
            wanted = meshes[hemi][np.arange(N_VERTICES) % 3 == label].mean(axis=0)
            np.testing.assert_allclose(found.loc[hemi + name], wanted, atol=1e-3)
    assert run_group(group) == 0
    assert read(qcfc)["distance_dependence"].notna().all()


def test_a_filter_file_chooses_among_images_and_a_map_among_several(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = add_dense(root)
    denoised = plain.with_name(plain.name.replace("_bold", "_desc-denoised_bold"))
    write_dtseries(denoised, data_for(SPACE.n_elements, 7), SPACE)
    maps = {name: np.arange(SPACE.n_elements) % n + 1 for name, n in (("one", 2), ("two", 3))}
    atlas = write_dlabel(root.parent / "maps.dlabel.nii", maps, SPACE)
    with pytest.raises(LabelxError, match="2 maps; say which with FILE#MAP: 1 'one', 2 'two'"):
        run_participants(settings_for(root, f"A={atlas}", atlas_space="fsLR"))
    for desc, which, seed in (("denoised", "two", 7), (None, "1", 1)):
        filters = root.parent / "filter.json"
        filters.write_text(json.dumps({"bold": {"desc": desc, "extension": ".dtseries.nii"}}))
        settings = settings_for(
            root,
            f"A={atlas}#{which}",
            atlas_space="fsLR",
            bids_filter_file=filters,
            output_dir=root.parent / which,
        )
        assert run_participants(replace(settings, dry_run=True)) == 0
        shown = capsys.readouterr().out
        assert f"maps.dlabel.nii#{which}, its own label table" in shown
        assert "all vertices and voxels count" in shown
        assert run_participants(settings) == 0
        (path,) = settings.output_dir.rglob("*_timeseries.tsv")
        labels = maps["two" if which == "two" else "one"]
        data = data_for(SPACE.n_elements, seed).astype(float)
        wanted = [data[:, labels == label].mean(axis=1) for label in np.unique(labels)]
        np.testing.assert_allclose(read(path), np.transpose(wanted), rtol=1e-6)


def test_an_atlas_of_one_hemisphere_is_warned_of_and_the_other_has_no_labels(
    root: Path, gii: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_pair(root)
    gii.with_name(gii.name.replace("hemi-L", "hemi-R")).unlink()
    settings = settings_for(root, gii)
    assert run_participants(settings) == 0
    assert "the file of the other hemisphere is not beside it" in capsys.readouterr().err
    (path,) = settings.output_dir.rglob("*_timeseries.tsv")
    assert list(read(path)) == ["La", "Lb"]
    (right,) = settings.output_dir.rglob("*hemi-R*_dseg.label.gii")
    assert not nib.load(right).darrays[0].data.any()


def test_a_mask_of_voxels_is_refused_for_runs_on_surfaces(
    root: Path, dlabel: Path, write_image: Callable[..., Path]
) -> None:
    add_dense(root)
    mask = write_image(root.parent / "mask.nii.gz", np.ones((4, 3, 3), np.uint8))
    settings = settings_for(root, dlabel, mask=mask)
    assert run_participants(settings) == 1
    (text,) = failures(settings)
    assert f"--mask {mask} is of voxels, this run is not" in text
    assert not list(settings.output_dir.rglob("*_timeseries.tsv"))


def test_hemispheres_with_other_repetition_times_are_refused(root: Path, gii: Path) -> None:
    add_pair(root, "01")
    add_pair(root, "02")
    for hemi, t_r in (("L", 2.0), ("R", 2.5)):
        sidecar = func(root, "02") / f"sub-02_task-rest_{PAIR.format(hemi)}"
        sidecar = sidecar.with_name(sidecar.name.replace(".func.gii", ".json"))
        sidecar.write_text(json.dumps({"RepetitionTime": t_r}))
    settings = settings_for(root, gii)
    assert run_participants(settings) == 1
    (text,) = failures(settings)
    assert "sidecars of its hemispheres say RepetitionTime 2.0 and 2.5" in text
    assert list((settings.output_dir / "sub-01").rglob("*_timeseries.tsv"))


def test_of_several_densities_of_an_atlas_the_one_with_voxels_is_taken(
    root: Path, tmp_path: Path
) -> None:
    add_dense(root)
    atlases = tmp_path / "atlases"
    stem = atlases / "tpl-fsLR" / "tpl-fsLR_atlas-Both"
    write_dlabel(
        stem.with_name(stem.name + "_den-32k_dseg.dlabel.nii"),
        {"m": np.ones(OTHER.n_elements, int)},
        OTHER,
    )
    whole = stem.with_name(stem.name + "_den-91k_dseg.dlabel.nii")
    labels = np.where(np.arange(SPACE.n_elements) < SPACE.slices[2].start, 1, 2)
    write_dlabel(whole, {"m": labels}, SPACE)
    # On another mesh, and so an atlas of another space.
    write_dlabel(
        stem.with_name(stem.name + "_den-164k_dseg.dlabel.nii"),
        {"m": np.ones(3, int)},
        space_of({LEFT: (0, 1, 2)}, n_vertices=40),
    )
    description = {"Name": "a", "BIDSVersion": "1.11.1", "DatasetType": "derivative"}
    (atlases / "dataset_description.json").write_text(json.dumps(description))
    settings = settings_for(root, atlas_dataset=atlases)
    assert run_participants(settings) == 0
    (path,) = settings.output_dir.rglob("*_timeseries.tsv")
    sources = json.loads(path.with_suffix(".json").read_text())["Sources"]
    assert any(uri.endswith(whole.name) for uri in sources)
    data = data_for(SPACE.n_elements, 1).astype(float)
    wanted = np.stack([data[:, labels == label].mean(axis=1) for label in (1, 2)], axis=1)
    np.testing.assert_allclose(read(path), wanted, rtol=1e-6)


def test_a_mesh_that_cannot_be_read_stops_before_anything_is_written(
    root: Path, gii: Path
) -> None:
    add_pair(root)
    path = root.parent / "x.L.midthickness.surf.gii"
    for told in ("there is no such file", "cannot be read as a mesh"):
        settings = settings_for(root, gii, surface_mesh=(path,))
        with pytest.raises(LabelxError, match=told):
            run_participants(settings)
        assert not settings.output_dir.exists()
        path.write_text("no XML")
