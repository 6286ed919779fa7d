"""What the steps of a run pass to each other, and how it is stored between them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd

from bids_labelx.denoise import AppliedStrategy
from bids_labelx.errors import Failure
from bids_labelx.names import TableQuery
from bids_labelx.outputs.states import state_of


class SignalKey(NamedTuple):
    """Signals before denoising: the atlas by its position among the run's, and the statistic."""

    atlas: int
    statistic: str


class SeriesKey(NamedTuple):
    """Signals after a denoising strategy."""

    atlas: int
    statistic: str
    strategy: str


class MatrixKey(NamedTuple):
    """A connectivity matrix; `first` where it is of exactly so many volumes kept."""

    atlas: int
    statistic: str
    strategy: str
    measure: str
    first: int | None = None


@dataclass(frozen=True)
class RunSource:
    """What the steps of a run read, and know of it before they do.

    Attributes
    ----------
    bold
        The 4D image, the dense series, or the file of the left hemisphere.
    mask
        The image whose voxels above 0 count; None where all do.
    resample_mask
        Whether the mask may be on another grid than the run.
    confounds
        The confounds table; None where `missing_confounds` says why there is none.
    t_r
        Repetition time in seconds, where it is known.
    desc
        The ``desc-`` of the image, empty where it has none.
    beside
        The file of the right hemisphere, where there is one for each.
    areas
        By hemisphere, the file of the areas of its vertices, where these weight means.
    tables, missing_tables
        The tables that strategies take columns from beside the confounds, or why one is missing.
    producer
        The program that made the image, with its version; empty where nothing says so.
    """

    bold: Path
    mask: Path | None = None
    resample_mask: bool = False
    confounds: Path | None = None
    missing_confounds: str = ""
    t_r: float | None = None
    desc: str = "preproc"
    beside: Path | None = None
    areas: Mapping[str, Path] = field(default_factory=dict)
    tables: Mapping[TableQuery, Path] = field(default_factory=dict)
    missing_tables: Mapping[TableQuery, str] = field(default_factory=dict)
    producer: str = ""


@dataclass(frozen=True)
class AtlasOnGrid:
    """An atlas on the elements of runs: its labels (.npy), not masked, and its table."""

    labels: Path
    table: Path


@dataclass(frozen=True)
class Extracted:
    """Region signals of a run.

    Attributes
    ----------
    signals
        Arrays of shape (n_volumes, n_labels), NaN for missing labels.
    tables
        For each atlas its label table with coverage and status.
    mean_image : array of shape (n_elements,)
        Mean over volumes.
    """

    signals: Mapping[SignalKey, np.ndarray]
    tables: tuple[pd.DataFrame, ...]
    mean_image: np.ndarray


@dataclass(frozen=True)
class Denoised:
    """A run after every denoising strategy.

    Attributes
    ----------
    applied
        What each strategy did, by its name, in the order asked for.
    failures
        Of each other strategy why it could not be done.
    signals
        Arrays of shape (n_kept, n_labels), or (n_volumes, n_labels) where censored volumes keep
        their row.
    temporal_snr
        Mean over regions of the temporal signal-to-noise ratio over the volumes kept.
    """

    applied: Mapping[str, AppliedStrategy]
    failures: tuple[Failure, ...]
    signals: Mapping[SeriesKey, np.ndarray]
    temporal_snr: Mapping[SeriesKey, float | None]

    def kept_signals(self, key: SeriesKey) -> np.ndarray:
        """Signals of the volumes kept alone, shape (n_kept, n_labels)."""
        signals, kept = self.signals[key], self.applied[key.strategy].kept
        return signals[kept] if len(signals) == len(kept) else signals


@dataclass(frozen=True)
class Connected:
    """The matrices of a run.

    Attributes
    ----------
    matrices
        Arrays of shape (n_labels, n_labels).
    failures
        Of each other matrix why there is none.
    """

    matrices: Mapping[MatrixKey, np.ndarray]
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class RunResults:
    """All that was made of a run, for its files and figures.

    Attributes
    ----------
    labels
        For each atlas the labels on the run's grid, not masked.
    extracted, denoised
        Its signals before and after denoising.
    connected
        Its matrices.
    """

    labels: tuple[Path, ...]
    extracted: Extracted
    denoised: Denoised
    connected: Connected

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What could not be made of the run, and why."""
        return (*self.denoised.failures, *self.connected.failures)


@dataclass(frozen=True)
class Outcome:
    """How the work on a run, or one step of it, ended.

    Attributes
    ----------
    failures
        Empty where all is done.
    notes
        What a user should know of a run that is done, in words.
    strategies
        The names of those that were done.
    """

    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """The state of the run, as `bids_labelx.outputs.states` names it."""
        failed = {name for one in self.failures for name in one.strategies or ("all",)}
        return state_of(self.strategies, failed)


Record = TypeVar("Record")


def save_record(path: Path, record: object) -> str:
    """Store a record, whole or not at all, for the steps that follow; give the path as text."""
    unfinished = path.with_name(f"{path.name}.part")
    with unfinished.open("wb") as stream:
        pickle.dump(record, stream, protocol=pickle.HIGHEST_PROTOCOL)
    unfinished.replace(path)
    return str(path)


def load_record(path: str | Path, kind: type[Record]) -> Record:
    """Read a record that a step before has stored in the work folder.

    Raises
    ------
    TypeError
        Where something else is in the file.
    """
    with Path(path).open("rb") as stream:
        # The work folder is this user's own; nipype keeps its results there in the same way.
        record = pickle.load(stream)  # noqa: S301
    if not isinstance(record, kind):
        raise TypeError(f"{path}: expected {kind.__name__}, found {type(record).__name__}")
    return record
