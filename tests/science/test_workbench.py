"""Means and matrices on grayordinates against Connectome Workbench, and against brute force."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_labelx.app.cli import main

DLABELS = {
    "Aparc": "tpl-fsLR_atlas-Aparc_den-32k_dseg.dlabel.nii",
    "Glasser": "tpl-fsLR_atlas-Glasser_den-32k_dseg.dlabel.nii",
    "GlasserSubcortical": "tpl-fsLR_atlas-GlasserSubcortical_den-91k_dseg.dlabel.nii",
}


@pytest.fixture(scope="module")
def surfaces(shared_data: Path) -> Path:
    folder = shared_data / "surfaces"
    if not folder.is_dir():
        pytest.skip("the real data on surfaces (shared/data/surfaces) are not there")
    return folder


@pytest.fixture(scope="module")
def output(surfaces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All real runs on fs_LR by all real atlases of dlabel files, not denoised."""
    output = tmp_path_factory.mktemp("surfaces") / "out"
    arguments = [surfaces / "fmriprep", output, "participant", "--space", "fsLR", "--atlas"]
    arguments += [f"{name}={surfaces}/atlases/tpl-fsLR/{file}" for name, file in DLABELS.items()]
    arguments += ["--denoise", "none", "--min-coverage", "0"]
    arguments += ["--work-dir", output.parent / "work"]
    assert main([*map(str, arguments)]) == 0
    return output


def run_workbench(*arguments: object) -> None:
    program = shutil.which("wb_command")
    if program is None:
        pytest.skip("wb_command of Connectome Workbench is not on the PATH")
    subprocess.run([program, *map(str, arguments)], check=True, capture_output=True)


def cases(surfaces: Path) -> list[tuple[Path, str]]:
    series = sorted((surfaces / "fmriprep").rglob("*_bold.dtseries.nii"))
    assert len(series) >= 2
    return [(path, name) for path in series for name in DLABELS]


def tables(output: Path, series: Path, atlas: str) -> tuple[pd.DataFrame, pd.DataFrame, Path]:
    """The time series, the label table and the matrix of a run."""
    stem = series.name.partition("_hemi-")[0].partition("_space-")[0]
    found = sorted(output.rglob(f"{stem}_*atlas-{atlas}_*stat-mean*_timeseries.tsv"))
    (path,) = found
    (labels,) = output.rglob(f"{stem}_*atlas-{atlas}_*dseg.tsv")
    (matrix,) = output.rglob(f"{stem}_*atlas-{atlas}_*_relmat.tsv")
    read = [pd.read_csv(one, sep="\t", na_values="n/a") for one in (path, labels)]
    return read[0], read[1], matrix


def columns_of(file: Path) -> list[str]:
    """The names of the parcels of a parcellated file."""
    return [str(name) for name in nib.load(file).header.get_axis(1).name]


def test_means_are_workbenchs_where_coverage_is_complete(
    surfaces: Path, output: Path, tmp_path: Path
) -> None:
    compared = 0
    for series, atlas in cases(surfaces):
        parcels = tmp_path / "x.ptseries.nii"
        image = surfaces / "atlases" / "tpl-fsLR" / DLABELS[atlas]
        run_workbench("-cifti-parcellate", series, image, "COLUMN", parcels)
        wanted = pd.DataFrame(nib.load(parcels).get_fdata(), columns=columns_of(parcels))
        found, labels, _ = tables(output, series, atlas)
        whole = labels.loc[labels["coverage"] == 1, "name"]
        assert len(whole) > 50
        # Workbench writes float32.
        np.testing.assert_allclose(found[whole], wanted[whole], rtol=1e-6, atol=0)
        compared += len(whole)
    assert compared > 1000


def test_means_are_those_over_the_covered_grayordinates(surfaces: Path, output: Path) -> None:
    """Each structure and index looked up for itself, with nibabel alone."""
    partly = 0
    for series, atlas in cases(surfaces):
        image = nib.load(surfaces / "atlases" / "tpl-fsLR" / DLABELS[atlas])
        values = image.get_fdata()[0].astype(int)
        names = image.header.get_axis(0).label[0]
        known = dict(zip(elements_of(image), values.tolist(), strict=True))
        run = nib.load(series)
        laid = np.array([known.get(element, 0) for element in elements_of(run)])
        data = run.get_fdata()
        covered = np.isfinite(data).all(axis=0) & (data != 0).any(axis=0)
        found, labels, _ = tables(output, series, atlas)
        assert [names[index][0] for index in labels["index"]] == labels["name"].tolist()
        for index, name, coverage in labels[["index", "name", "coverage"]].itertuples(index=False):
            own = covered & (laid == index)
            if not (values == index).any():
                assert np.isnan(coverage)
                continue
            assert coverage == pytest.approx(own.sum() / (values == index).sum(), abs=1e-6)
            partly += 0 < coverage < 1
            if own.any():
                np.testing.assert_allclose(found[name], data[:, own].mean(axis=1), rtol=1e-6)
            else:
                assert found[name].isna().all()
    assert partly


def elements_of(image: nib.Cifti2Image) -> list[tuple[str, tuple[int, ...]]]:
    axis = image.header.get_axis(1)
    parts = zip(axis.name, axis.surface_mask, axis.vertex, axis.voxel, strict=True)
    return [
        (str(name), (int(vertex),) if on_surface else tuple(voxel.tolist()))
        for name, on_surface, vertex, voxel in parts
    ]


def test_matrices_are_workbenchs_without_censoring(
    surfaces: Path, output: Path, tmp_path: Path
) -> None:
    for series, atlas in cases(surfaces):
        parcels, correlation = tmp_path / "x.ptseries.nii", tmp_path / "x.pconn.nii"
        image = surfaces / "atlases" / "tpl-fsLR" / DLABELS[atlas]
        run_workbench("-cifti-parcellate", series, image, "COLUMN", parcels)
        run_workbench("-cifti-correlation", parcels, correlation)
        names = columns_of(correlation)
        wanted = pd.DataFrame(nib.load(correlation).get_fdata(), names, names)
        _, labels, matrix = tables(output, series, atlas)
        found = pd.read_csv(matrix, sep="\t", na_values="n/a", index_col=0)
        assert found.index.tolist() == found.columns.tolist()
        whole = labels.loc[labels["coverage"] == 1, "name"]
        mine, theirs = (one.loc[whole, whole].to_numpy() for one in (found, wanted))
        off = ~np.eye(len(whole), dtype=bool)
        # Series of float32 around thousands, of which the deviations are tens.
        np.testing.assert_allclose(mine[off], theirs[off], atol=2e-4)


@pytest.fixture(scope="module")
def pairs(surfaces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real run and atlases that are pairs of files, one for each hemisphere."""
    output = tmp_path_factory.mktemp("pairs") / "out"
    atlases = surfaces / "atlases"
    gifti = atlases / "tpl-fsaverage" / "tpl-fsaverage_hemi-L_atlas-Patches_den-10k_dseg.label.gii"
    schaefer = atlases / "tpl-fsLR" / "tpl-fsLR_hemi-L_atlas-Schaefer400_den-32k_dseg.label.gii"
    for space, chosen in (
        ("fsaverage5", [f"Patches={gifti}", f"Annot={surfaces}/lh.patches.annot"]),
        ("fsLR", [f"Schaefer={schaefer}"]),
    ):
        arguments = [surfaces / "fmriprep", output, "participant", "--space", space, "--atlas"]
        arguments += [*chosen, "--atlas-space", space, "--denoise", "none", "--cifti-outputs"]
        assert main([*map(str, arguments)]) == 0
    return output


def test_series_of_pairs_of_files_are_workbenchs(
    surfaces: Path, pairs: Path, tmp_path: Path
) -> None:
    fsaverage = surfaces / "atlases" / "tpl-fsaverage"
    name = "tpl-fsaverage_hemi-{}_atlas-Patches_den-10k_dseg.label.gii"
    left, right = sorted(surfaces.rglob("*_space-fsaverage5_bold.func.gii"))
    dense, labels, parcels = (
        tmp_path / f"x.{kind}.nii" for kind in ("dtseries", "dlabel", "ptseries")
    )
    run_workbench(
        *("-cifti-create-dense-timeseries", dense, "-left-metric", left),
        *("-right-metric", right, "-timestep", 1.4),
    )
    run_workbench(
        *("-cifti-create-label", labels, "-left-label", fsaverage / name.format("L")),
        *("-right-label", fsaverage / name.format("R")),
    )
    run_workbench("-cifti-parcellate", dense, labels, "COLUMN", parcels)
    wanted = pd.DataFrame(nib.load(parcels).get_fdata(), columns=columns_of(parcels))
    for atlas in ("Patches", "Annot"):
        found, table, _ = tables(pairs, left, atlas)
        assert table["index"].tolist() == list(range(1, 151))
        whole = table.loc[table["coverage"] == 1, "name"]
        assert len(whole) > 100
        np.testing.assert_allclose(found[whole], wanted[whole], rtol=1e-6, atol=0)


def test_labels_of_a_gifti_pair_on_grayordinates_are_workbenchs(
    surfaces: Path, pairs: Path, tmp_path: Path
) -> None:
    folder = surfaces / "atlases" / "tpl-fsLR"
    name = "tpl-fsLR_hemi-{}_atlas-Schaefer400_den-32k_dseg.label.gii"
    labels, parcels = tmp_path / "x.dlabel.nii", tmp_path / "x.ptseries.nii"
    run_workbench(
        *("-cifti-create-label", labels, "-left-label", folder / name.format("L")),
        *("-right-label", folder / name.format("R")),
    )
    for series in sorted((surfaces / "fmriprep").rglob("*_bold.dtseries.nii")):
        # Workbench wants labels on the very grayordinates of the run.
        run_workbench(
            *("-cifti-create-dense-from-template", series, tmp_path / "y.dlabel.nii"),
            *("-cifti", labels),
        )
        run_workbench("-cifti-parcellate", series, tmp_path / "y.dlabel.nii", "COLUMN", parcels)
        wanted = pd.DataFrame(nib.load(parcels).get_fdata(), columns=columns_of(parcels))
        found, table, _ = tables(pairs, series, "Schaefer")
        whole = [
            name
            for name in table.loc[table["coverage"] == 1, "name"]
            if name in wanted  # a parcel that lies whole in the medial wall has no column
        ]
        assert len(whole) > 300
        np.testing.assert_allclose(found[whole], wanted[whole], rtol=1e-6, atol=0)


def test_workbench_reads_our_parcels_and_makes_the_same_matrix_of_our_series(
    pairs: Path, tmp_path: Path
) -> None:
    series = sorted(pairs.rglob("*_timeseries.ptseries.nii"))
    assert len(series) == 4
    for path in series:
        run_workbench("-file-information", path)
        run_workbench("-cifti-correlation", path, tmp_path / "x.pconn.nii")
        theirs = nib.load(tmp_path / "x.pconn.nii").get_fdata()
        (own,) = path.parent.glob(path.name.partition("_desc-")[0] + "*_relmat.pconn.nii")
        ours = nib.load(own).get_fdata()
        known = np.isfinite(ours) & ~np.eye(len(ours), dtype=bool)
        assert known.any()
        # Series and matrix are float32.
        np.testing.assert_allclose(theirs[known], ours[known], atol=2e-5)
