"""Rejected components out of what tedana itself wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from producers.simulated_echoes import N_VOLUMES, PREFIX

from bids_labelx.denoise.tedana import read_tedana


@pytest.fixture(params=["flat", "nested/sub-01/func"])
def written(request: pytest.FixtureRequest, tedana_folder: Path) -> dict[str, Path]:
    """Files of a run of tedana, by their ``desc-``."""
    files = (tedana_folder / request.param).glob(f"{PREFIX}_desc-*.tsv")
    return {path.name.split("_desc-")[1].split("_")[0]: path for path in files}


def test_the_rejected_columns_are_those_of_tedanas_own_table(written: dict[str, Path]) -> None:
    found, remarks = read_tedana(written["ICA"], written["tedana"], "rejected")
    mixing, metrics = pd.read_table(written["ICA"]), pd.read_table(written["tedana"])
    rejected = metrics.loc[metrics["classification"] == "rejected", "Component"]
    assert 0 < len(rejected) < len(metrics)
    assert set(found) == set(rejected)
    np.testing.assert_allclose(found, mixing[list(found)], rtol=1e-12)
    assert (len(found), remarks) == (N_VOLUMES, ())


def test_orthogonalised_they_are_what_tedana_regresses_out(written: dict[str, Path]) -> None:
    found, _ = read_tedana(written["ICA"], written["tedana"], "rejected_orthogonalized")
    expected = pd.read_table(written["ICAOrth"])[list(found)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    plain, _ = read_tedana(written["ICA"], written["tedana"], "rejected")
    assert np.abs(found - plain).to_numpy().max() > 0.01
