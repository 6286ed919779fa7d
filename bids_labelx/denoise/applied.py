"""What a strategy did to a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bids_labelx.denoise.columns import cosine_cutoff
from bids_labelx.extraction.clean import Cleaner
from bids_labelx.extraction.freedom import effective_degrees_of_freedom


@dataclass(frozen=True, kw_only=True)
class AppliedStrategy:
    """What a strategy did to a run.

    Attributes
    ----------
    columns
        Names of the confounds regressed out.
    regressors
        These, shape (n_volumes, n_columns), as they were in the tables, or filtered.
    cleaner
        What cleaned the run.
    removed
        The components that were removed from the image before, shape (n_volumes, n_components).
    effective_degrees_of_freedom
        See `bids_labelx.extraction.freedom.effective_degrees_of_freedom`.
    steps
        What cleaning did but standardising, in words and in order.
    motion
        The figures of `bids_labelx.measures.quality.motion_summary`.
    fd_source
        Where framewise displacement, not filtered, is from; None where it is not known.
    outliers
        A row per volume: kept or not, framewise displacement (filtered as well, where that
        censors), RMSD, DVARS, and by which rules not.
    warnings
        What was warned of while the run was cleaned.
    by_entry
        The columns that each entry of the strategy's list of columns took.
    files
        The tables that it took anything from.
    positions
        Of an image without the volumes that were censored before, where its volumes were among
        all, shape (n_volumes,).
    """

    columns: tuple[str, ...]
    regressors: np.ndarray
    cleaner: Cleaner
    removed: np.ndarray
    effective_degrees_of_freedom: float
    steps: tuple[str, ...]
    motion: Mapping[str, Any]
    fd_source: str | None
    outliers: pd.DataFrame
    warnings: tuple[str, ...] = ()
    by_entry: Mapping[str, list[str]] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    positions: np.ndarray | None = None

    @property
    def kept(self) -> np.ndarray:
        """The sample mask, bool of shape (n_volumes,)."""
        return self.cleaner.keep

    @property
    def regular(self) -> bool:
        """Whether the volumes kept follow each other without a gap."""
        positions = np.arange(len(self.kept)) if self.positions is None else self.positions
        return bool(np.diff(positions[self.kept]).max(initial=1) == 1)

    @property
    def n_kept(self) -> int:
        """Number of volumes kept."""
        return int(self.kept.sum())

    @property
    def degrees_of_freedom(self) -> int:
        """The nominal count.

        Volumes kept less the independent regressors, components that were removed from the image
        before, and what a band-pass filter takes.
        """
        return self.cleaner.degrees_of_freedom - self.removed.shape[1]

    @property
    def low_pass(self) -> float | None:
        """Cut-off above which a filter removed frequencies, in Hz; None without."""
        return self.cleaner.cutoffs[0]

    @property
    def high_pass(self) -> float | None:
        """The highest cut-off below which frequencies were removed, in Hz, by whatever did it."""
        cutoffs = [self.cleaner.cutoffs[1], cosine_cutoff(self.columns)]
        return max((cutoff for cutoff in cutoffs if cutoff is not None), default=None)

    @property
    def mean_removed(self) -> bool:
        """Whether the signals were left without their mean."""
        return self.cleaner.mean_removed or self.cleaner.standardize is not None

    def degrees_of_freedom_of(self, rows: np.ndarray) -> dict[str, Any]:
        """The degrees of freedom of some of the volumes kept, by their names in sidecars.

        Parameters
        ----------
        rows : array of indices
            Which of the volumes kept.
        """
        effective = effective_degrees_of_freedom(self.cleaner, removed=self.removed, rows=rows)
        return {
            "DegreesOfFreedom": round(self.degrees_of_freedom * len(rows) / self.n_kept),
            "EffectiveDegreesOfFreedom": round(effective, 3),
        }
