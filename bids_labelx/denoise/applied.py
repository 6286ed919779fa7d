"""What a strategy did to a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class AppliedStrategy:
    """What a strategy did to a run.

    Attributes
    ----------
    columns
        Names of the confounds regressed out.
    kept : bool array of shape (n_volumes,)
        The sample mask.
    degrees_of_freedom
        Volumes kept less the independent regressors and what a band-pass filter takes.
    motion
        The figures of `bids_labelx.measures.quality.motion_summary`.
    fd_source
        Where framewise displacement, not filtered, is from; None where it is not known.
    outliers
        A row per volume: kept or not, framewise displacement (filtered as well, where that
        censors), RMSD, DVARS, and by which rules not.
    """

    columns: tuple[str, ...]
    kept: np.ndarray
    degrees_of_freedom: int
    motion: Mapping[str, Any]
    fd_source: str | None
    outliers: pd.DataFrame

    @property
    def n_kept(self) -> int:
        """Number of volumes kept."""
        return int(self.kept.sum())
