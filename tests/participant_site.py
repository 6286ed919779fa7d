"""A participant's page with data that a test knows: runs, strategies, regions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from browsing import EVIL
from numpy.typing import NDArray

from bids_labelx.pictures.packing import write_script
from bids_labelx.pictures.panels import Panel, Plane, RegionGeometry
from bids_labelx.pictures.run_data import (
    atlas_data,
    matrix_data,
    results_data,
    signals_data,
    strategy_data,
)
from bids_labelx.report.assets import write_assets
from bids_labelx.report.pages import FigureFile, Part, RunSection, Table, participant_page

VOLUMES, T_R = 60, 2.5
NAMES = ["V1", EVIL, "M1 left, whose name goes on and on and on", "A1", "Lost", "S1"]
NETWORKS = ["Vis", "Vis", "Mot", "Aud", "Mot", "n/a"]
# As the page orders them: networks together, as the table has them first, and those without last.
ORDER = [0, 1, 2, 4, 3, 5]
COVERAGE = [1.0, 0.83, 0.57, 0.9, 0.12, 0.71]
LOST = 4
STRATEGIES = ["36P", "24P"]
RUNS = ["task-rest", "task-go"]
FD_THRESHOLD = 0.5
CELLS = np.kron(np.array([[0, 1, 1, 2], [3, 3, 0, 2], [4, 5, 5, 6]]), np.ones((5, 5), dtype=int))
PLANES = [Plane(0, -42.0, -20.0, 20.0, 15.0, -15.0), Plane(2, 10.0, -20.0, 20.0, 15.0, -15.0)]
ROWS = (
    ("sub-10", "1,200", "0.5", "fine"),
    ("sub-2", "n/a", "-1e-3", EVIL),
    ("sub-1", "−3", "not known", "fine"),
    ("Sub-3", "90", "–", ""),
)
TABLE = Table(("name", "voxels", "tSNR", "note"), ROWS, f"Coverage {EVIL}")
LONG = Table(
    ("participant", "FD"),
    tuple((f"sub-{i} {'control' if i % 2 else 'patient'}", f"{i / 7:.3f}") for i in range(400)),
    "Quality",
)
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360f8cf500f0003860180dfe1d28f0000000049454e44ae426082"
)


@dataclass(frozen=True)
class Data:
    """What the page of a run shows, before it is rounded."""

    fd: NDArray[np.floating]
    kept: dict[str, NDArray[np.bool_]]
    before: NDArray[np.floating]
    after: dict[str, NDArray[np.floating]]
    matrices: dict[str, NDArray[np.floating]]
    regressors: dict[str, NDArray[np.floating]]


def data_of(run: str) -> Data:
    """Data of one of `RUNS`; series as (n_volumes, n_regions), without a value in the lost one."""
    rng = np.random.default_rng(RUNS.index(run))
    fd = np.abs(rng.normal(0.2, 0.2, VOLUMES))
    fd[0], fd[7] = np.nan, 0.9
    kept = {"36P": ~(fd > FD_THRESHOLD), "24P": np.arange(VOLUMES) >= 2}
    before = rng.normal(size=(VOLUMES, len(NAMES)))
    before[:, LOST] = np.nan
    after, matrices = {}, {}
    for name in STRATEGIES:
        after[name] = (before + rng.normal(size=before.shape))[kept[name]]
        half = rng.uniform(-1, 1, (len(NAMES), len(NAMES)))
        matrix = (half + half.T) / 2
        np.fill_diagonal(matrix, 1)
        matrix[LOST], matrix[:, LOST] = np.nan, np.nan
        matrices[name] = matrix
    regressors = {
        name: rng.normal(size=VOLUMES)
        for name in ("trans_x", "global_signal_derivative1_power2", EVIL)
    }
    return Data(fd, kept, before, after, matrices, regressors)


def z_scored(series: NDArray[np.floating]) -> NDArray[np.floating]:
    """Columns by their mean and standard deviation, as a carpet has them."""
    return (series - series.mean(axis=0)) / series.std(axis=0)


def write_participant(folder: Path) -> Path:
    """Write ``sub-01.html`` and all it needs: two runs with data, one of them partly done, and
    one that failed.
    """
    write_assets(folder)
    figures = folder / "sub-01" / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    (figures / "static 1.png").write_bytes(PNG)
    contents = [_write_run(folder, run) for run in RUNS]
    concatenated = _write_concatenated(folder)
    table = Table(
        ("Strategy", "Atlas", "Statistic", "Warnings"),
        (("36P", "AAL", "mean", ""), ("24P", "AAL", "mean", "few minutes: 2.4")),
        f"Time series {EVIL}",
    )
    static = FigureFile("sub-01/figures/static 1.png", "A carpet", f"Carpet {EVIL}")
    parts = (
        Part("Strategies", tables=(table,), remarked=frozenset({1})),
        Part("Labels", tables=(TABLE, LONG)),
        Part("Figures", figures=(static,), static=True),
    )
    facts = (("Repetition time", "2.5 s"), (EVIL, EVIL * 10))
    runs = (
        RunSection(RUNS[0], "done", None, "", facts, parts, "done", contents[0]),
        RunSection(
            RUNS[1],
            "partly done",
            f"no {EVIL}",
            "",
            facts,
            parts,
            "partly done: 2 of 3",
            contents[1],
        ),
        RunSection(EVIL, "failed", f"line {EVIL}", f"File {EVIL}", (), ()),
    )
    over_runs = Table(("Atlas", "Runs"), (("AAL", "2"),), "Matrices over several runs")
    page = participant_page(
        "01",
        facts,
        runs,
        "How.\n\nWhy.",
        "0.1.0",
        contents={
            "participant": "sub-01",
            "strategies": STRATEGIES,
            "runs": contents,
            "concatenated": concatenated,
        },
        concatenated=(Part(tables=(over_runs,)),),
    )
    path = folder / "sub-01.html"
    path.write_text(page, encoding="utf-8")
    return path


def _labels() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "index": [10, 20, 30, 40, 50, 60],
            "name": NAMES,
            "network": NETWORKS,
            "coverage": COVERAGE,
            "status": ["outside-mask" if i == LOST else "ok" for i in range(len(NAMES))],
        }
    )


def covariance(data: Data, strategy: str) -> NDArray[np.floating]:
    """A second matrix of a strategy; strategies differ in the ends of their scales."""
    return data.matrices[strategy] * (3 if strategy == "36P" else 7)


def _matrices(data: Data, strategy: str) -> list[dict[str, Any]]:
    return [
        matrix_data(
            matrix, NETWORKS, measure=measure, words=words, file=Path("sub-01/func/a matrix.tsv")
        )
        for measure, words, matrix in (
            ("correlation", "Pearson correlation", data.matrices[strategy]),
            ("covariance", "covariance", covariance(data, strategy)),
        )
    ]


def _write_run(folder: Path, run: str) -> dict[str, Any]:
    data = data_of(run)
    # A path with signs that a link has to quote.
    start = Path("sub-01/figures", f"sub-01_{run} & 50%")
    strategies, results = {}, {}
    frequencies = np.linspace(0.01, 0.2, 20)
    for name in STRATEGIES:
        strategies[name] = f"{start}_desc-{name}_report.js"
        content = strategy_data(
            name,
            data.kept[name],
            t_r=T_R,
            motion={"FD (mm)": data.fd, "std. DVARS": data.fd + 1},
            thresholds={"FD (mm)": FD_THRESHOLD} if name == "36P" else {},
            regressors=data.regressors,
            confounds=data.regressors,
        )
        write_script(folder / strategies[name], content)
        results[name] = f"{start}_atlas-AAL_stat-mean_desc-{name}_report.js"
        content = results_data(
            "AAL",
            "mean",
            name,
            data.after[name],
            _matrices(data, name),
            spectrum=(frequencies, 1 / frequencies),
            band=(0.01, 0.1),
        )
        write_script(folder / results[name], content)
    panels = [
        Panel(title, 0, marks, CELLS, np.full(CELLS.shape, 90, dtype=np.uint8), plane)
        for title, marks, plane in zip(
            ("x = −42 mm", "z = 10 mm"), (("P", "A"), ("L", "R")), PLANES, strict=True
        )
    ]
    sizes = np.bincount(CELLS.ravel(), minlength=7)[1:]
    centres = np.array([[-42.0, 5.0, 10.0]] * len(NAMES))
    atlas = f"{start}_atlas-AAL_report.js"
    content = atlas_data(
        "AAL",
        _labels(),
        panels,
        RegionGeometry(sizes, sizes * 8.0, centres),
        threshold=0.5,
        element="voxel",
    )
    write_script(folder / atlas, content)
    signals = f"{start}_atlas-AAL_stat-mean_report.js"
    content = signals_data("AAL", "mean", data.before, (frequencies, 2 / frequencies))
    write_script(folder / signals, content)
    warnings = {"24P": ["few minutes: 2.4"]}
    statistics = {"mean": {"signals": signals, "results": results, "warnings": warnings}}
    return {
        "key": run,
        "state": "done",
        "strategies": strategies,
        "atlases": [{"name": "AAL", "src": atlas, "statistics": statistics}],
    }


def _write_concatenated(folder: Path) -> list[dict[str, Any]]:
    src = "sub-01/figures/sub-01_task-rest_atlas-AAL_stat-mean_desc-36P_report.js"
    content = results_data(
        "AAL", "mean", "36P", None, _matrices(data_of(RUNS[0]), "36P"), labels=_labels()
    )
    write_script(folder / src, content)
    return [{"atlas": "AAL", "statistic": "mean", "strategy": "36P", "runs": 2, "src": src}]
