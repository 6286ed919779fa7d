"""Output folders as the participant level leaves them, without running it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_labelx.files import write_json, write_tsv
from bids_labelx.measures.centroids import CENTROIDS
from bids_labelx.measures.connectivity import MEASURES
from bids_labelx.measures.quality import coverage_table
from bids_labelx.names import camel
from bids_labelx.outputs.paths import output_path

ATLAS = pd.DataFrame(
    {
        "index": [9170, 3, 1175, 20],
        "name": ["Vis_1", "Vis_2", 'Mot "1"', "Mot_2"],
        "network": ["Vis", "Vis", "Mot", "Mot"],
    }
)
RUN = {"sub": "01", "task": "rest", "space": "MNI", "atlas": "Small", "res": "2"}


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Write the outputs of one run, statistic and strategy; give the path of the time series."""

    def write(
        entities: Mapping[str, str] = RUN,
        *,
        root: Path = tmp_path / "out",
        atlas: pd.DataFrame = ATLAS,
        covered: Sequence[int] | None = None,
        seed: int = 0,
        statistic: str = "mean",
        strategy: str = "simple",
        measures: Sequence[str] = ("correlation",),
        **sidecar: object,
    ) -> Path:
        n = len(atlas)
        voxels = np.full(n, 10) if covered is None else np.array(covered)
        # -1: not a voxel on the grid.
        on_grid = np.where(voxels < 0, 0, 10)
        counted = atlas.assign(voxels_atlas=10, voxels_in_view=on_grid, voxels_grid=on_grid)
        counted[list(CENTROIDS)] = np.random.default_rng(5).normal(0, 50, (n, 3))
        voxels = np.maximum(voxels, 0)
        labels = coverage_table(
            counted, voxels_in_mask=voxels, voxels_covered=voxels, min_coverage=0.5
        )
        write_tsv(root / output_path(entities, "dseg", ".tsv"), labels)
        signals = np.random.default_rng(seed).standard_normal((30, n))
        signals[:, labels["status"] != "ok"] = np.nan
        names = atlas["name"].tolist()
        of = {"stat": camel(statistic), "desc": camel(strategy)}
        path = root / output_path(entities, "timeseries", ".tsv", **of)
        content = {
            "RepetitionTime": 2.0,
            "Atlas": entities["atlas"],
            "Statistic": statistic,
            "DenoisingStrategy": strategy,
            "ConfoundRegressors": [],
            "SampleMask": [False] * 2 + [True] * 30,
            "NumberOfVolumes": 32,
            "NumberOfVolumesKept": 30,
            "DegreesOfFreedom": 20,
            "MeanFramewiseDisplacement": 0.1 + seed / 100,
            **sidecar,
        }
        write_json(path.with_suffix(".json"), content)
        write_tsv(path, pd.DataFrame(signals, columns=names))
        for measure in measures:
            matrix = pd.DataFrame(MEASURES[measure][0](signals), index=names, columns=names)
            matrix.index.name = "name"
            place = root / output_path(entities, "relmat", ".tsv", meas=camel(measure), **of)
            write_tsv(place, matrix, index=True)
        return path

    return write
