"""Results under XCP-D's names, read as programs that read XCP-D's folders do."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny import N_VOLUMES, confounds_table

from bids_labelx.app.participant import run_participants
from bids_labelx.errors import UsageError
from bids_labelx.settings import Settings, make_settings

AddRun = Callable[..., Path]
SPACE = "MNI152NLin2009cAsym"
FUNC = "derivatives/xcp_d/sub-01/func"
RUN = "sub-01_task-rest"
OF_ATLAS = f"{RUN}_space-{SPACE}_atlas-Slabs"
DUMMIES = 3
STRATEGY = """
[confounds]
motion = "basic"
wm_csf = "basic"
[volumes.scrub]
fd_threshold = 0.8
std_dvars_threshold = 0.9
min_segment = 1
"""
PARAMETERS = ["rot_x", "rot_y", "rot_z", "trans_x", "trans_y", "trans_z"]


@pytest.fixture
def confounds() -> pd.DataFrame:
    table = confounds_table(np.random.default_rng(5))
    table["rmsd"] = np.random.default_rng(6).random(N_VOLUMES)
    return table


@pytest.fixture
def settings(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, confounds: pd.DataFrame
) -> Settings:
    add_run(tmp_path / "ds", RUN, seed=1, confounds=confounds)
    (tmp_path / "mine.toml").write_text(STRATEGY)
    return Settings(
        tmp_path / "ds",
        tmp_path / "out",
        "participant",
        atlas_dataset=atlas_dataset,
        denoise=(str(tmp_path / "mine.toml"),),
        dummy_scans=DUMMIES,
        output_names="xcpd",
        nprocs=1,
    )


def with_(settings: Settings, **changes: Any) -> Settings:
    return make_settings({**vars(settings), **changes})


def done(settings: Settings) -> Path:
    assert run_participants(settings) == 0
    return settings.output_dir / FUNC


def table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", na_values="n/a")


# Three readers, as programs have them that read XCP-D's folders.


def brain_graph(root: Path, sub: str, atlas: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names of nodes, their matrix and coverage: one file of each, found by its name."""
    (matrix,) = root.glob(f"sub-{sub}/**/func/*_atlas-{atlas}_stat-pearsoncorrelation_relmat.tsv")
    found = pd.read_table(matrix, index_col="Node", na_values="n/a")
    (coverage,) = root.glob(f"sub-{sub}/**/func/*_atlas-{atlas}_stat-coverage_bold.tsv")
    share = pd.read_table(coverage, index_col="Node")["coverage"]
    assert list(found.index) == list(found.columns) == list(share.index)
    return list(found), found.to_numpy(float), share.to_numpy(float)


def dynamic_run(root: Path, run: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Series, which of the run's volumes they are of, and the repetition time."""
    func = root / run.split("_")[0] / "func"
    (series,) = func.glob(f"{run}_*_stat-mean_timeseries.tsv")
    censored = pd.read_table(func / f"{run}_outliers.tsv")["framewise_displacement"].to_numpy()
    values = pd.read_table(series, na_values="n/a").to_numpy(float)
    if len(values) == len(censored):
        values = values[censored == 0]
    period = json.loads(series.with_suffix(".json").read_text())["RepetitionTime"]
    return values, np.flatnonzero(censored == 0), period


def brain_charts(root: Path) -> pd.DataFrame:
    """A row per run: quality, and its edges by the names of their nodes."""
    rows = []
    for path in sorted(root.rglob("*_desc-linc_qc.tsv")):
        quality = pd.read_table(path, na_values="n/a", dtype={"sub": str}).iloc[0].to_dict()
        start = path.name.split("_space-")[0]
        (matrix,) = path.parent.glob(f"{start}_*_relmat.tsv")
        edges = pd.read_table(matrix, na_values="n/a").melt("Node")
        quality |= {f"{a}~{b}": value for a, b, value in edges.itertuples(index=False) if a < b}
        rows.append(quality)
    return pd.DataFrame(rows)


def test_a_reader_of_matrices_finds_nodes_correlations_and_coverage(settings: Settings) -> None:
    func = done(settings)
    names, matrix, coverage = brain_graph(func.parents[1], "01", "Slabs")
    series = table(func / f"{OF_ATLAS}_stat-mean_timeseries.tsv")
    assert list(series) == names
    np.testing.assert_allclose(matrix, series.corr().to_numpy(), atol=1e-7)
    labels = table(next((settings.output_dir / "sub-01/func").glob("*_dseg.tsv")))
    own = labels.set_index("name").loc[names]
    shares = own["voxels_in_view"] / own["voxels_atlas"]
    shares *= own["voxels_covered"] / own["voxels_grid"]
    np.testing.assert_allclose(coverage, shares.fillna(0), atol=1e-8)


@pytest.mark.parametrize("rows", ["drop", "interpolate"])
def test_a_reader_of_series_finds_those_of_the_volumes_kept(
    settings: Settings, confounds: pd.DataFrame, rows: str
) -> None:
    func = done(with_(settings, censor_output=rows))
    values, volumes, period = dynamic_run(func.parents[1], RUN)
    fd, dvars = confounds["framewise_displacement"], confounds["std_dvars"]
    bad = ((fd > 0.8) | (dvars > 0.9)).to_numpy()[DUMMIES:]
    ours = next((settings.output_dir / "sub-01/func").glob("*_timeseries.json"))
    kept = np.array(json.loads(ours.read_text())["SampleMask"])
    assert bad.any()
    np.testing.assert_array_equal(kept[DUMMIES:], ~bad)
    np.testing.assert_array_equal(volumes, np.flatnonzero(kept[DUMMIES:]))
    assert len(values) == kept.sum()
    assert period == json.loads(ours.read_text())["RepetitionTime"]


def test_a_reader_of_quality_finds_motion_and_edges(
    settings: Settings, confounds: pd.DataFrame
) -> None:
    func = done(settings)
    (row,) = brain_charts(func.parents[1]).to_dict("records")
    fd, rmsd = (confounds[name].iloc[DUMMIES:] for name in ("framewise_displacement", "rmsd"))
    good = table(func / f"{RUN}_outliers.tsv")["framewise_displacement"].to_numpy() == 0
    assert (row["sub"], row["task"], row["space"]) == ("01", "rest", SPACE)
    expected = {
        "mean_fd": fd.mean(),
        "mean_fd_post_censoring": fd[good].mean(),
        "mean_relative_rms": rmsd[good].mean(),
        "max_relative_rms": rmsd[good].max(),
        "num_dummy_volumes": DUMMIES,
        "num_censored_volumes": (~good).sum(),
        "num_retained_volumes": good.sum(),
    }
    assert {key: row[key] for key in expected} == pytest.approx(expected, rel=1e-7)
    # What bids_labelx does not measure is not made up.
    assert np.isnan([row["mean_dvars_initial"], row["norm_dice"]]).all()
    n_nodes = table(func / f"{OF_ATLAS}_stat-coverage_bold.tsv").shape[0]
    assert len([key for key in row if "~" in key]) == n_nodes * (n_nodes - 1) / 2


def test_motion_and_design_are_those_of_the_confounds_table(
    settings: Settings, confounds: pd.DataFrame
) -> None:
    func = done(settings)
    motion = table(func / f"{RUN}_motion.tsv")
    assert list(motion) == [*PARAMETERS, "rmsd", "framewise_displacement"]
    after = confounds.iloc[DUMMIES:].reset_index(drop=True)
    np.testing.assert_allclose(motion, after[list(motion)], rtol=1e-7)
    design = table(func / f"{RUN}_desc-preproc_design.tsv")
    assert set(design) == {"csf", "white_matter", *PARAMETERS}
    np.testing.assert_allclose(design, after[list(design)], rtol=1e-7)


def test_filtered_motion_has_columns_of_its_own(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "filtered.toml").write_text(
        '[confounds]\nmotion = "basic"\n[volumes.scrub]\nfd_threshold = 100000\nmin_segment = 1\n'
        '[volumes.scrub.motion_filter]\ntype = "lp"\nband_stop_min = 6\n'
    )
    func = done(
        with_(
            settings,
            denoise=(str(tmp_path / "filtered.toml"),),
            dummy_scans=0,
        )
    )
    motion = table(func / f"{RUN}_motion.tsv")
    filtered = [f"{name}_filtered" for name in PARAMETERS]
    fd = ["framewise_displacement", "framewise_displacement_filtered"]
    assert list(motion) == [*PARAMETERS, *filtered, "rmsd", *fd]
    moved = motion[filtered].diff().abs()
    moved.iloc[:, :3] *= 50
    np.testing.assert_allclose(motion[fd[1]][1:], moved.sum(axis=1)[1:], rtol=1e-5)


def test_every_sidecar_says_whose_names_these_are(settings: Settings) -> None:
    func = done(settings)
    for path in func.glob("*.tsv"):
        sidecar = json.loads(path.with_suffix(".json").read_text())
        assert "XCP-D 26.1" in sidecar["OutputNames"], path.name
        if path.name.endswith(("_motion.tsv", "_outliers.tsv", "_bold.tsv", "_qc.tsv")):
            columns = set(table(path)) - {"sub", "task", "space"}
            assert columns <= set(sidecar)
    description = json.loads((func.parents[1] / "dataset_description.json").read_text())
    (made_by,) = description["GeneratedBy"]
    assert made_by["Name"] == "bids_labelx"
    assert "26.1" in made_by["Description"]


def test_xcpds_own_description_of_names_finds_every_file(settings: Settings) -> None:
    given = os.environ.get("XCPD_BIDS_CONFIG")
    if given is None:
        package = pytest.importorskip("xcp_d", reason="xcp_d is not installed")
        given = str(Path(package.__file__).parent / "data" / "xcp_d_bids_config2.json")
    from bids.layout import BIDSLayout
    from bids.layout.writing import build_path

    root = done(settings).parents[1]
    layout = BIDSLayout(
        root, config=["bids", "derivatives", given], validate=False, is_derivative=True
    )
    wanted = {
        "timeseries": {"statistic": "mean", "atlas": "Slabs"},
        "relmat": {"statistic": "pearsoncorrelation", "atlas": "Slabs"},
        "bold": {"statistic": "coverage", "atlas": "Slabs"},
        "motion": {},
        "outliers": {},
        "design": {"desc": "preproc"},
        "qc": {"desc": "linc"},
    }
    patterns = json.loads(Path(given).read_text())["default_path_patterns"]
    for suffix, entities in wanted.items():
        found = layout.get(subject="01", task="rest", suffix=suffix, extension=".tsv", **entities)
        assert len(found) == 1, suffix
        # The name is also the one that XCP-D builds of these entities.
        named = {key: value for key, value in found[0].get_entities().items() if key != "datatype"}
        built = build_path({**named, "datatype": "func"}, patterns)
        assert built == Path(found[0].path).relative_to(root).as_posix()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"denoise": ("none", "simple")}, "have no strategy"),
        ({"statistic": ("mean", "median")}, "are means"),
        ({"connectivity": ("covariance",)}, "are correlations"),
        ({"censor_output": "nan"}, "no rows of n/a"),
    ],
)
def test_what_xcpds_names_cannot_tell_is_refused(
    settings: Settings, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        with_(settings, **change)
    assert caught.value.exit_code == 64


def test_another_strategy_in_the_same_folder_is_refused(settings: Settings) -> None:
    before = done(settings) / f"{RUN}_outliers.tsv"
    content = before.read_bytes()
    with pytest.raises(UsageError, match="output-names"):
        run_participants(with_(settings, denoise=("simple",)))
    assert before.read_bytes() == content


def test_runs_that_differ_in_resolution_alone_are_refused(
    settings: Settings, tmp_path: Path
) -> None:
    func = tmp_path / "ds" / "sub-01" / "func"
    for path in list(func.glob(f"*_space-{SPACE}_*")):
        name = path.name.replace(f"_space-{SPACE}", f"_space-{SPACE}_res-2")
        (func / name).write_bytes(path.read_bytes())
    with pytest.raises(UsageError, match="no res- and den-"):
        run_participants(settings)
    assert not list(settings.output_dir.rglob("*_relmat.tsv"))


def test_a_compact_output_has_no_files_to_read(settings: Settings) -> None:
    pytest.importorskip("pyarrow")
    with pytest.raises(UsageError, match="is compact"):
        run_participants(with_(settings, compact=True))


def test_finished_runs_are_not_done_again_and_lost_tables_are(settings: Settings) -> None:
    func = done(settings)
    lost, other = func / f"{RUN}_motion.tsv", func / f"{RUN}_outliers.tsv"
    inode = other.stat().st_ino
    done(settings)
    assert other.stat().st_ino == inode
    lost.unlink()
    done(settings)
    assert lost.is_file()


def test_a_strategy_without_regressors_has_no_design(settings: Settings) -> None:
    func = done(with_(settings, denoise=("none",), dummy_scans=None))
    assert not list(func.glob("*_design.*"))
    assert len(table(func / f"{RUN}_outliers.tsv")) == N_VOLUMES
