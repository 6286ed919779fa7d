"""Matrices of exactly so many volumes: numpy's correlation of those that the sidecar lists."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bids_labelx.app.participant import run_participants
from bids_labelx.measures.connectivity import choose_volumes
from bids_labelx.settings import Settings


def test_every_volume_is_drawn_as_often_as_chance_has_it() -> None:
    n_kept, n, draws = 20, 8, 4000
    counts = np.zeros(n_kept)
    for seed in range(draws):
        counts[choose_volumes(n_kept, n, (seed, 5))] += 1
    share = n / n_kept
    # Six standard errors of a share.
    limit = 6 * np.sqrt(share * (1 - share) / draws)
    np.testing.assert_allclose(counts / draws, share, atol=limit)


@pytest.fixture
def run_app(
    tmp_path: Path, add_run: Callable[..., Path], atlas_dataset: Path
) -> Callable[..., dict[str, tuple[np.ndarray, dict[str, Any], pd.DataFrame]]]:
    """Run the app on two runs; matrices, sidecars and series by name."""
    for seed, run in enumerate(("run-1", "run-2")):
        add_run(tmp_path / "ds", f"sub-01_task-rest_{run}", seed=seed)

    def run_once(out: str, **options: Any) -> dict[str, Any]:
        settings = Settings(
            tmp_path / "ds",
            tmp_path / out,
            "participant",
            atlas_dataset=atlas_dataset,
            exact_volumes=(12, 30),
            exact_volumes_from="random",
            nprocs=1,
            denoise=("simple",),
            **options,
        )
        assert run_participants(settings) == 0
        found = {}
        for path in sorted((tmp_path / out).rglob("*Random*_relmat.tsv")):
            matrix = pd.read_csv(path, sep="\t", index_col=0).to_numpy()
            sidecar = json.loads(path.with_suffix(".json").read_text())
            (source, *_) = sidecar["Sources"]
            series = pd.read_csv(tmp_path / out / source.removeprefix("bids::"), sep="\t")
            found[path.name] = (matrix, sidecar, series)
        return found

    return run_once


def test_matrices_are_of_the_volumes_drawn_which_differ_between_runs_and_not_between_starts(
    run_app: Callable[..., Any],
) -> None:
    found = run_app("one", random_seed=3)
    assert len(found) == 4
    for name, (matrix, sidecar, series) in found.items():
        rows = sidecar["VolumesUsed"]
        assert len(set(rows)) == len(rows) == sidecar["NumberOfVolumesUsed"]
        assert f"Random{len(rows)}_" in name
        assert (sidecar["VolumeSelection"], sidecar["RandomSeed"]) == ("random", 3)
        np.testing.assert_allclose(matrix, np.corrcoef(series.to_numpy()[rows].T), atol=1e-5)
    drawn = {name: sidecar["VolumesUsed"] for name, (_, sidecar, _) in found.items()}
    assert len({tuple(rows) for rows in drawn.values()}) == 4
    again = run_app("two", random_seed=3)
    assert {name: one[1]["VolumesUsed"] for name, one in again.items()} == drawn
    other = run_app("three", random_seed=4)
    assert all(one[1]["VolumesUsed"] != drawn[name] for name, one in other.items())
