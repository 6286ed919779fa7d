"""What is averaged within a participant, and how runs are weighted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bids_labelx.group.rows import MatrixFile, Row, RowKey
from bids_labelx.names import sort_entities

# Choices of --average-over, and the entity in which the matrices then differ. Echoes, parts,
# acquisitions and reconstructions are no runs: they have matrices of their own.
AVERAGE_OVER = {"run": "run", "session": "ses", "dir": "dir"}

# Entities of results, and those in which a run has several.
_NOT_OF_RUNS = ("space", "res", "den", "cohort", "atlas", "seg", "scale", "stat", "meas", "desc")

# Choices of --run-weights, and how a file calls them.
RUN_WEIGHTS = {"dof": "effective degrees of freedom", "equal": "equal"}


def combination_of(entities: Mapping[str, str], over: Sequence[str] = ("run",)) -> dict[str, str]:
    """Of a matrix' entities those that tell which mean it goes into, in BIDS order.

    Parameters
    ----------
    entities
        Those of its name.
    over
        Keys of `AVERAGE_OVER`.
    """
    differing = {"sub", *(AVERAGE_OVER[one] for one in over)}
    return sort_entities({key: value for key, value in entities.items() if key not in differing})


def separated(combinations: Sequence[Mapping[str, str]]) -> list[str]:
    """By which entities of runs there is more than one mean, those of `AVERAGE_OVER` as there.

    Parameters
    ----------
    combinations
        Entities of each mean; see `combination_of`.
    """
    keys = dict.fromkeys(key for one in combinations for key in one)
    differing = [key for key in keys if len({one.get(key) for one in combinations}) > 1]
    names = {entity: name for name, entity in AVERAGE_OVER.items()}
    return [names.get(key, key) for key in differing if key not in _NOT_OF_RUNS]


@dataclass(frozen=True)
class Averaging:
    """How the matrices of a participant are averaged in one combination.

    Attributes
    ----------
    over
        Keys of `AVERAGE_OVER`; empty where each matrix is by itself.
    weights
        Of each run, by its row; empty where all count equally.
    note
        Why runs count equally though other weights were asked for, in words; else empty.
    """

    over: tuple[str, ...] = ("run",)
    weights: Mapping[RowKey, float] = field(default_factory=dict)
    note: str = ""

    def weight(self, file: MatrixFile) -> float:
        """The weight of a matrix."""
        return self.weights[file.row] if self.weights else 1.0

    @property
    def weights_in_words(self) -> str:
        """What the weights are, as files and the page call it."""
        return RUN_WEIGHTS["dof" if self.weights else "equal"]

    def sidecar(self) -> dict[str, Any]:
        """What the files of a combination say of it."""
        return {
            "AveragedOver": list(self.over),
            "RunWeights": self.weights_in_words,
            **({"RunWeightsNote": self.note} if self.note else {}),
        }


def averaging(
    files: Sequence[MatrixFile], rows: Mapping[RowKey, Row], over: Sequence[str], weights: str
) -> Averaging:
    """How the matrices of one combination are averaged.

    Where a run's effective degrees of freedom are not known, all runs of the combination count
    equally: weights of two kinds would make participants differ for no reason of theirs.

    Parameters
    ----------
    files, rows
        The matrices of the combination, and the rows of the quality table.
    over
        Keys of `AVERAGE_OVER`.
    weights
        A key of `RUN_WEIGHTS`.
    """
    if weights == "equal":
        return Averaging(tuple(over))
    known = {file.row: rows[file.row].get("effective_degrees_of_freedom") for file in files}
    usable = {
        row: float(value)
        for row, value in known.items()
        if value is not None and math.isfinite(value) and value > 0
    }
    if len(usable) == len(known):
        return Averaging(tuple(over), usable)
    if max(Counter(file.participant for file in files).values()) == 1:
        return Averaging(tuple(over))  # one run each: there is nothing to weight
    return Averaging(
        tuple(over),
        note=f"runs count equally: {len(known) - len(usable):,} of {len(known):,} have no "
        "EffectiveDegreesOfFreedom in the JSON of their time series; run the participant level "
        "again",
    )
