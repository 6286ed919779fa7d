"""The cosines of fMRIPrep's tables, counted by the function of nipype that makes them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from nipype.algorithms.confounds import cosine_filter

from bids_labelx.denoise.columns import cosine_count, wanted_columns

T_R = np.round(np.arange(0.4, 3.55, 0.1), 1).tolist()
DUMMIES = range(7)


def made_by_nipype(n_volumes: int, t_r: float) -> int:
    """Columns of the regressors that CompCor hands to fMRIPrep, with its period of 128 s."""
    series = np.ones((1, n_volumes))
    _, regressors = cosine_filter(series, t_r, 128, remove_mean=True, failure_mode="NaN")
    return regressors.shape[1] if regressors.size else 0


@pytest.mark.parametrize("t_r", T_R)
def test_there_are_as_many_as_nipype_makes_of_the_volumes_in_steady_state(t_r: float) -> None:
    # Around each length at which there is one more, and somewhere.
    around = {int(seconds / t_r) + step for seconds in (64, 128, 192, 640) for step in (-1, 0, 1)}
    for n_volumes in sorted({*around, 16, 200}):
        assert cosine_count(n_volumes, t_r) == made_by_nipype(n_volumes, t_r), n_volumes


@pytest.mark.parametrize("t_r", T_R)
def test_a_table_without_any_is_refused_where_nipype_makes_some_and_only_there(
    t_r: float,
) -> None:
    seen = set()
    for dummies, step in itertools.product(DUMMIES, (-1, 0, 1, 7)):
        steady = int(128 / t_r) + step
        made = made_by_nipype(steady, t_r)
        flags = [f"non_steady_state_outlier{i:02d}" for i in range(dummies)]
        cosines = [f"cosine{i:02d}" for i in range(made)]
        found = {"n_volumes": steady + dummies, "t_r": t_r, "metadata": {}}
        assert wanted_columns({"high_pass": True}, flags + cosines, **found) == (cosines, [])
        assert bool(wanted_columns({"high_pass": True}, flags, **found).lacking) is (made > 0)
        seen.add(made > 0)
    assert seen == {True, False}
