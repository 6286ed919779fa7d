"""What a strategy did to a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from bids_labelx.extraction.clean import Cleaner
from bids_labelx.extraction.freedom import effective_degrees_of_freedom


@dataclass(frozen=True, kw_only=True)
class AppliedStrategy:
    """What a strategy did to a run.

    Attributes
    ----------
    columns
        Names of the confounds regressed out.
    kept : bool array of shape (n_volumes,)
        The sample mask.
    degrees_of_freedom
        The nominal count: volumes kept less the independent regressors, components that were
        removed from the image before, and what a band-pass filter takes.
    effective_degrees_of_freedom
        See `bids_labelx.extraction.freedom.effective_degrees_of_freedom`.
    low_pass, high_pass
        Cut-offs in Hz of what was filtered, by a filter or by cosine regressors; None without.
    mean_removed
        Whether the signals were left without their mean.
    steps
        What cleaning did but standardising, in words and in order.
    motion
        The figures of `bids_labelx.measures.quality.motion_summary`.
    fd_source
        Where framewise displacement, not filtered, is from; None where it is not known.
    outliers
        A row per volume: its position, kept or not, framewise displacement (filtered as well,
        where that censors), RMSD, DVARS, and by which rules not.
    warnings
        What was warned of while the run was cleaned.
    by_entry
        The columns that each entry of the strategy's list of columns took.
    cleaner, removed
        What cleaned the run, and the components that were removed from the image before.
    """

    columns: tuple[str, ...]
    kept: np.ndarray
    degrees_of_freedom: int
    effective_degrees_of_freedom: float
    low_pass: float | None
    high_pass: float | None
    mean_removed: bool
    steps: tuple[str, ...]
    motion: Mapping[str, Any]
    fd_source: str | None
    outliers: pd.DataFrame
    warnings: tuple[str, ...] = ()
    by_entry: Mapping[str, list[str]] = field(default_factory=dict)
    cleaner: Cleaner | None = None
    removed: np.ndarray | None = None

    @property
    def n_kept(self) -> int:
        """Number of volumes kept."""
        return int(self.kept.sum())

    def degrees_of_freedom_of(self, rows: np.ndarray) -> dict[str, Any]:
        """The degrees of freedom of some of the volumes kept, by their names in sidecars.

        Parameters
        ----------
        rows : array of indices
            Which of the volumes kept.
        """
        assert self.cleaner is not None
        effective = effective_degrees_of_freedom(self.cleaner, removed=self.removed, rows=rows)
        return {
            "DegreesOfFreedom": round(self.degrees_of_freedom * len(rows) / self.n_kept),
            "EffectiveDegreesOfFreedom": round(effective, 3),
        }
