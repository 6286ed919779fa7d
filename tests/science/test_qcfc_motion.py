"""One figure of motion for all strategies; the judge is scipy on the confounds tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr
from tiny import confounds_table

from bids_labelx.app.group import run_group
from bids_labelx.app.participant import run_participants
from bids_labelx.settings import Settings

SUBJECTS = ("01", "02", "03", "04", "05")
# None of them censors a volume: the series are the same, and only what motion is differs.
SCRUB = {
    "table": {"fd_threshold": 1e6},
    "lowpass": {
        "fd_threshold": 1e6,
        "motion_filter": {"type": "lp", "band_stop_min": 6},
    },
    "notch": {
        "fd_threshold": 1e6,
        "motion_filter": {"type": "notch", "band_stop_min": 8, "band_stop_max": 12},
    },
}


@pytest.fixture
def settings(
    tmp_path: Path,
    add_run: Callable[..., Path],
    atlas_dataset: Path,
) -> Settings:
    """Five participants, done with strategies that differ in their rule of motion alone."""
    for seed, sub in enumerate(SUBJECTS):
        rng = np.random.default_rng(seed)
        table = confounds_table(rng)
        # Filtering takes away more of one participant's motion than of another's.
        table["framewise_displacement"] *= 1 + seed % 3
        table["rmsd"] = rng.uniform(0, 0.3, len(table))
        table.loc[0, "rmsd"] = np.nan
        add_run(tmp_path / "ds", f"sub-{sub}_task-rest", seed=seed, confounds=table)
    files = []
    for name, scrub in SCRUB.items():
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps({"volumes": {"scrub": scrub}}))
    settings = Settings(
        tmp_path / "ds",
        tmp_path / "out",
        "participant",
        atlas_dataset=atlas_dataset,
        denoise=tuple(map(str, files)),
        nprocs=1,
    )
    assert run_participants(settings) == 0
    return replace(settings, analysis_level="group")


def confounds(settings: Settings, column: str) -> list[float]:
    """Mean over all volumes of each participant's column, the first without a value."""
    paths = sorted(settings.bids_dir.rglob("*_desc-confounds_timeseries.tsv"))
    return [float(pd.read_csv(path, sep="\t")[column].iloc[1:].mean()) for path in paths]


def judged(settings: Settings, moved: list[float]) -> dict[tuple[str, str], float]:
    """QC-FC by scipy, on the participants' own matrices."""
    paths = sorted(settings.output_dir.glob("sub-*/func/*_desc-table_relmat.tsv"))
    tables = [pd.read_csv(path, sep="\t", index_col=0) for path in paths]
    pairs = (("nine", "two"), ("nine", "five"), ("two", "five"))
    return {
        (a, b): pearsonr([np.arctanh(table.loc[a, b]) for table in tables], moved).statistic
        for a, b in pairs
    }


def test_equal_series_have_equal_qcfc_whatever_the_strategys_rule_of_motion(
    settings: Settings,
) -> None:
    output = settings.output_dir
    for path in output.glob("sub-*/func/*_desc-table_timeseries.tsv"):
        for other in ("lowpass", "notch"):
            twin = path.with_name(path.name.replace("-table_", f"-{other}_"))
            assert twin.read_bytes() == path.read_bytes()
    for motion, column in (("fd", "framewise_displacement"), ("rmsd", "rmsd")):
        assert run_group(replace(settings, qcfc_motion=motion)) == 0
        tables = {
            name: next(output.glob(f"group_*_desc-{name}_stat-qcfc_relmat.tsv")) for name in SCRUB
        }
        assert len({path.read_bytes() for path in tables.values()}) == 1
        found = pd.read_csv(tables["notch"], sep="\t", index_col=0, na_values="n/a")
        expected = judged(settings, confounds(settings, column))
        for (a, b), r in expected.items():
            assert found.loc[a, b] == pytest.approx(r, abs=1e-6)
        rows = pd.read_csv(output / "group_atlas-Slabs_qcfc.tsv", sep="\t")
        assert rows["motion"].unique().tolist() == [f"mean_{motion}"]
        median = np.median(np.abs(list(expected.values())))
        assert rows["median_abs_qcfc"].tolist() == pytest.approx([median] * 3, abs=1e-6)


def test_the_filtered_displacement_is_a_figure_beside_and_excludes_nobody(
    settings: Settings,
) -> None:
    fd = confounds(settings, "framewise_displacement")
    limit = float(np.median(fd))
    assert run_group(replace(settings, max_mean_fd=limit)) == 0
    table = pd.read_csv(settings.output_dir / "group_qc.tsv", sep="\t")
    for name, rows in table.groupby("strategy"):
        assert rows["mean_fd"].tolist() == pytest.approx(fd)
        assert rows["excluded"].tolist() == [int(one > limit) for one in fd]
        # Means of the motion that is left after a filter say another order.
        assert rows["mean_filtered_fd"].isna().all() == (name == "table")
    sidecar = json.loads(next(settings.output_dir.rglob("*notch_timeseries.json")).read_text())
    assert sidecar["MeanFilteredFramewiseDisplacement"] != sidecar["MeanFramewiseDisplacement"]
