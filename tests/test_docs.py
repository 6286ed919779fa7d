"""What the documentation shows works."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny import confounds_table

from bids_labelx.denoise import read_strategies
from bids_labelx.group.averaging import Averaging
from bids_labelx.group.columns import COVERAGE_COLUMNS, QUALITY_COLUMNS, STRATEGY_COLUMNS
from bids_labelx.group.coverage_sums import CoverageSums
from bids_labelx.group.exclusion import Limits, mark_excluded
from bids_labelx.group.mean_matrices import MeanMatrix, SubjectMatrix, matrix_sidecar
from bids_labelx.group.quality_rows import add_series, quality_table
from bids_labelx.group.rating_columns import CRITERION_SCORES, RATING_COLUMNS
from bids_labelx.group.rows import MatrixFile, Row, RowKey
from bids_labelx.group.strategy_rows import StrategySums
from bids_labelx.measures.quality import coverage_table
from bids_labelx.names import ENTITY_ORDER
from bids_labelx.outputs.columns import LABEL_COLUMNS, LABEL_NAMES, OUTLIER_COLUMNS
from bids_labelx.outputs.results import Series
from bids_labelx.outputs.sidecars import dseg_sidecar, relmat_sidecar, timeseries_sidecar
from bids_labelx.participant.denoise_run import denoise_signals
from bids_labelx.participant.records import Extracted, RunSource, SignalKey
from bids_labelx.settings import DenoisingOptions, Settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGE = DOCS / "howto" / "strategy-file.md"
NUMBERS = DOCS / "explanation" / "numbers.md"
RATINGS = DOCS / "explanation" / "ratings.md"


def test_the_strategy_on_the_page_is_one(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    (tmp_path / "mine.toml").write_text(example[1], encoding="utf-8")
    (strategy,) = read_strategies([str(tmp_path / "mine.toml")])
    assert strategy.name == "mine"
    assert strategy.confounds["columns"][:2] == ["rmsd", r"^motion_outlier\d+$"]
    assert strategy.clean["low_pass"] == pytest.approx(0.08)


def test_every_column_and_key_is_on_the_page_of_numbers(tmp_path: Path) -> None:
    """Where it fails: say in explanation/numbers.md what the new figure is, and is not."""
    known = set(re.findall(r"`([A-Za-z_0-9]+)`", NUMBERS.read_text(encoding="utf-8")))
    lacking = {
        file: sorted(names - known) for file, names in _written(tmp_path).items() if names - known
    }
    assert lacking == {}


def test_every_column_of_a_table_has_a_description_of_its_own(tmp_path: Path) -> None:
    written = _written(tmp_path)
    entities = set(ENTITY_ORDER)
    for file, known in (
        ("group_qc.tsv", QUALITY_COLUMNS),
        ("coverage.tsv", COVERAGE_COLUMNS),
        ("qcfc.tsv", STRATEGY_COLUMNS),
        ("outliers.tsv", OUTLIER_COLUMNS),
        ("dseg.tsv", {**LABEL_NAMES, **LABEL_COLUMNS}),
    ):
        assert written[file] - entities - known.keys() == set(), file
        assert all(description for description, _ in known.values())


def test_every_column_by_which_strategies_are_rated_is_on_the_page_of_ratings() -> None:
    """Where it fails: say in explanation/ratings.md what the new figure is, and is not."""
    known = set(re.findall(r"`([a-z_0-9]+)…?`", RATINGS.read_text("utf-8")))
    figures = {re.sub("^(icc[0-9]+_).*", r"\1", name) for name in RATING_COLUMNS}
    of = {"participants": "age", "r": "age", "r2": "age", "auc": "sex", "balanced_accuracy": "sex"}
    figures |= {f"criterion_{of[end]}_{end}" for end in CRITERION_SCORES}
    assert sorted(figures - known) == []
    assert all(text for text, _ in RATING_COLUMNS.values())


def _written(folder: Path) -> dict[str, set[str]]:
    """What the files of a run and a group have, of a strategy that has all of it."""
    table = confounds_table(np.random.default_rng(0))
    table["rmsd"] = 0.1
    table.to_csv(folder / "confounds.tsv", sep="\t", index=False, na_rep="n/a")
    (folder / "all.toml").write_text(
        "[volumes.scrub]\nfd_threshold = 1e6\nstd_dvars_threshold = 1e6\n"
        'motion_filter = { type = "lp", band_stop_min = 6 }\n'
    )
    strategies = read_strategies([str(folder / "all.toml")])
    labels = coverage_table(
        pd.DataFrame(
            {"index": [1, 2], "name": ["a", "b"], "voxels_atlas": 9, "voxels_grid": 9}
        ).assign(voxels_in_view=9),
        voxels_in_mask=np.array([9, 9]),
        voxels_covered=np.array([9, 9]),
        min_coverage=0.5,
    )
    signals = np.random.default_rng(1).normal(100, 1, (len(table), 2))
    extracted = Extracted({SignalKey(0, "mean"): signals}, (labels,), np.ones((2, 2, 2)))
    source = RunSource(folder / "bold.nii", confounds=folder / "confounds.tsv", t_r=0.8)
    applied = denoise_signals(extracted, source, strategies, DenoisingOptions()).applied["all"]
    series = timeseries_sidecar(
        Settings(folder, folder, "participant"),
        strategies[0],
        applied,
        statistic="mean",
        atlas="A",
        t_r=0.8,
        sources=[],
        sampling={"Resolution": "2 mm"},
        versions={},
    )
    rows: dict[RowKey, Row] = {}
    entities = {"sub": "01", "task": "rest", "atlas": "A", "stat": "mean", "desc": "all"}
    key = add_series(rows, Series(folder, Path("x.tsv"), entities, series, labels.astype(str)))
    mark_excluded(rows.values(), Limits())
    square = np.zeros((2, 2))
    mean = MeanMatrix(square, square, square, 1, 1, square, Averaging(note="equal"))
    sums = StrategySums(rows, 2)
    sums.add(SubjectMatrix("01", (MatrixFile("01", Path("x"), key),), square))
    coverage = CoverageSums(labels.astype(str))
    coverage.add(labels.astype(str), np.ones(2), folder)
    dseg = dseg_sidecar(
        labels,
        sources=[],
        sampling={"Resolution": "2 mm"},
        min_coverage=0.5,
        label_resampling="nearest",
    )
    return {
        "dseg.tsv": set(labels),
        "dseg.json": set(dseg) - {"Description"},
        "outliers.tsv": set(applied.outliers),
        "timeseries.json": set(series),
        "relmat.json": {*relmat_sidecar("r", series, sources=[]), "NodeFiles"},
        "group_qc.tsv": set(quality_table(rows)),
        "coverage.tsv": set(coverage.table()),
        "group relmat.json": set(matrix_sidecar({"meas": "correlation"}, "qcfc", mean, "ab")),
        "qcfc.tsv": set(sums.row({"atlas": "A"}, mean, None, square)),
    }
