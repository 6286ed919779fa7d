"""``group_atlas-…_strategies.tsv``: ratings of strategies, beside QC-FC.

Test-retest reliability, identifiability, separation of networks, QC-FC, loss of degrees of freedom
and prediction, of strategies of the same matrices otherwise, over the participants and runs
that all strategies have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bids_labelx.errors import Failure
from bids_labelx.group.chosen_columns import FEWEST_OF_LEVEL, FEWEST_PREDICTED, ChosenColumns
from bids_labelx.group.common_qcfc import qcfc_of
from bids_labelx.group.edge_rows import EdgeRows, Unit
from bids_labelx.group.edge_stack import EdgeStack, as_matrix
from bids_labelx.group.qcfc import distances_between, summarize
from bids_labelx.group.retest import FEWEST, Retest, retest_of_halves, retest_of_runs
from bids_labelx.group.rows import MOTION, MatrixFile, Row, RowKey, mean_motion
from bids_labelx.group.strategy_rows import degrees_left
from bids_labelx.measures.quality import NETWORKLESS
from bids_labelx.statistics.identifiability import discriminability, fingerprint, similarities
from bids_labelx.statistics.prediction import predict_level, predict_number, products_of
from bids_labelx.statistics.reliability import Intraclass, intraclass
from bids_labelx.statistics.separation import edges_within, segregation, separation

# Participants of a fold in which predictions are rated, where there are as many; and folds.
_FEWEST_IN_FOLD, _MOST_FOLDS = 5, 5


@dataclass(frozen=True)
class StrategyEdges:
    """The edges of one strategy, of all sessions.

    Attributes
    ----------
    entities
        Those that its combinations have in common.
    participants, sources
        Of each combination the edges with a row per participant, and the matrices behind each row:
        those of the runs that all strategies have.
    runs, run_files
        Of each combination the edges with a row per run, and the matrix of each row; empty where
        these were not kept.
    without
        Rows of participants that have no run in common.
    n_runs
        Of each row of participants how many runs it has, with those that other strategies lack.
    """

    entities: Mapping[str, str]
    participants: tuple[EdgeRows, ...]
    sources: tuple[Sequence[Sequence[MatrixFile]], ...]
    runs: tuple[EdgeRows, ...] = ()
    run_files: tuple[Sequence[MatrixFile], ...] = ()
    without: frozenset[Unit] = frozenset()
    n_runs: Mapping[Unit, int] = field(default_factory=dict)


@dataclass(frozen=True)
class RatedStrategies:
    """What is known of strategies of the same matrices otherwise.

    Attributes
    ----------
    entities
        Of each strategy, those of its row.
    rows
        Of each strategy; see `rating_columns.RATING_COLUMNS`.
    icc21
        Of each strategy ICC(2,1) of its edges, shape (n_regions, n_regions), NaN where there is
        none; empty where there are no repeats.
    names
        Of the regions.
    left_out
        Participants that some strategies have and others lack.
    broken
        Matrices whose time series could not be read, with what is wrong.
    without_halves
        Participants whose runs have no halves, with the reason.
    """

    entities: list[Mapping[str, str]]
    rows: list[Row]
    icc21: list[np.ndarray]
    names: tuple[str, ...]
    left_out: tuple[str, ...]
    broken: tuple[tuple[MatrixFile, Failure], ...] = ()
    without_halves: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class HowRated:
    """What strategies are rated with.

    Attributes
    ----------
    output
        The output dataset.
    rows
        Those of the quality table.
    scratch
        A folder for edges that are made on the way.
    motion
        What QC-FC is with: a key of `rows.MOTION`.
    chosen
        Covariates of QC-FC, and what is predicted.
    permutations, seed
        Of participants, for identification; of these and of folds.
    """

    output: Path
    rows: Mapping[RowKey, Row]
    scratch: Path
    motion: str = "fd"
    chosen: ChosenColumns = field(default_factory=ChosenColumns)
    permutations: int = 1000
    seed: int = 0


def rate_strategies(strategies: Sequence[StrategyEdges], how: HowRated) -> RatedStrategies:
    """Rate strategies on the participants and runs that all of them have."""
    units = [{u: None for one in own.participants for u in one.units} for own in strategies]
    unlike = frozenset[Unit]().union(*(own.without for own in strategies))
    common = [unit for unit in units[0] if unit not in unlike and all(unit in u for u in units)]
    by_participant: dict[str, list[Unit]] = {}
    for unit in common:
        by_participant.setdefault(unit.participant, []).append(unit)
    everybody = {unit.participant: None for own in units for unit in own}
    left_out = tuple(one for one in everybody if one not in by_participant)
    retest = _retest(strategies, list(by_participant), how)
    rows, icc21 = [], []
    for number, own in enumerate(strategies):
        row: Row = {key: value for key, value in own.entities.items() if key != "atlas"}
        row |= {"strategy": own.participants[0].strategy, "participants": len(by_participant)}
        runs = _count_runs(own, common)
        every = sum(own.n_runs[unit] for unit in common) if own.n_runs else runs
        row |= {"runs": runs, "runs_of_strategy": every}
        if retest and len(retest.participants) >= FEWEST:
            figures, edges = _repeated(retest, number, how)
            row |= figures
            icc21.append(as_matrix(edges, len(own.participants[0].names)))
        rows.append(row | _averaged(own, by_participant, how))
    entities = [own.entities for own in strategies]
    names = strategies[0].participants[0].names
    unread = (retest.broken, retest.without) if retest else ((), ())
    return RatedStrategies(entities, rows, icc21, names, left_out, *unread)


def _count_runs(own: StrategyEdges, units: Sequence[Unit]) -> int:
    """How many runs these rows are the averages of."""
    wanted = set(units)
    pairs = zip(own.participants, own.sources, strict=True)
    of_rows = (zip(rows.units, sources, strict=True) for rows, sources in pairs)
    return sum(len(files) for own in of_rows for unit, files in own if unit in wanted)


def _retest(
    strategies: Sequence[StrategyEdges], participants: Sequence[str], how: HowRated
) -> Retest | None:
    if len(participants) < FEWEST:
        return None
    if all(own.runs for own in strategies):
        runs = [list(zip(own.runs, own.run_files, strict=True)) for own in strategies]
        found = retest_of_runs(runs, participants)
        if found:
            return found
    sources = [list(zip(own.participants, own.sources, strict=True)) for own in strategies]
    return retest_of_halves(how.output, sources, participants, how.scratch)


def _repeated(retest: Retest, number: int, how: HowRated) -> tuple[Row, np.ndarray]:
    """Reliability and identifiability of a strategy, and ICC(2,1) of each edge."""
    shape = len(retest.participants), retest.repeats
    parts = []

    def watched() -> Iterator[np.ndarray]:
        for z in retest.stacks[number].blocks():
            parts.append(intraclass(z.reshape(*shape, -1)))
            yield z

    alike = similarities(watched())
    row: Row = {
        "retest": retest.kind,
        "participants_retest": shape[0],
        "repeats": retest.repeats,
    }
    for name in ("icc21", "icc31"):
        whole = [getattr(one, name) for one in parts]
        row |= _in_figures(name, *(_joined(whole, of) for of in ("value", "low", "high")))
    icc21 = _joined([one.icc21 for one in parts], "value")
    row["edges_retest"] = int(np.isfinite(icc21).sum())
    row["edges_compared"] = alike.edges
    # Two rows always correlate perfectly over two edges.
    if alike.edges > 2:
        found = fingerprint(alike.correlation, retest.repeats, how.permutations, how.seed)
        row |= {
            "fingerprint": found.accuracy,
            "fingerprint_chance": found.chance,
            "fingerprint_p": found.p if how.permutations else None,
            "discriminability": discriminability(alike.distance, retest.repeats),
        }
    return row, icc21


def _joined(parts: Sequence[Intraclass], of: str) -> np.ndarray:
    return np.concatenate([getattr(one, of) for one in parts])


def _in_figures(name: str, value: np.ndarray, low: np.ndarray, high: np.ndarray) -> Row:
    """Median and quartiles over edges, and the medians of both ends of the interval."""
    known = np.isfinite(value)
    if not known.any():
        return {}
    quartiles = np.percentile(value[known], (25, 50, 75))
    names = (f"{name}_{end}" for end in ("q1", "median", "q3"))
    return {
        **dict(zip(names, map(float, quartiles), strict=True)),
        f"{name}_low": float(np.nanmedian(low[known])),
        f"{name}_high": float(np.nanmedian(high[known])),
    }


def _averaged(
    own: StrategyEdges, by_participant: Mapping[str, Sequence[Unit]], how: HowRated
) -> Row:
    """What is of a participant's average over sessions: networks, QC-FC, cost, prediction."""
    if not by_participant:
        return {}
    first = own.participants[0]
    places = {
        unit: (source, row)
        for source, one in enumerate(own.participants)
        for row, unit in enumerate(one.units)
    }
    cells = {one: tuple(places[unit] for unit in units) for one, units in by_participant.items()}
    stack = EdgeStack(own.participants, tuple(cells.values()))
    runs = [
        [how.rows[file.row] for source, row in cell for file in own.sources[source][row]]
        for cell in cells.values()
    ]
    moved = [mean_motion(one, how.motion) for one in runs]
    motion = np.array([np.nan if one is None else one for one in moved])
    sessions = {unit.session for units in by_participant.values() for unit in units}
    session = next(iter(sessions)) if len(sessions) == 1 else ""
    units = [Unit(one, session) for one in by_participant]
    found: Row = {}
    if first.networks is not None:
        within = edges_within(first.networks, NETWORKLESS)
        contrast = separation(stack.blocks(), within)
        found |= {"within": _mean(contrast.within), "between": _mean(contrast.between)}
        found["segregation"] = segregation(contrast)
    found |= _qcfc(stack, motion, units, distances_between(first.points), how)
    lost = [row["volumes"] - degrees_left(row) for one in runs for row in one]
    found["mean_dof_lost"] = sum(lost) / len(lost)
    return found | _predicted(stack, motion, units, how)


def _mean(values: np.ndarray) -> float | None:
    """Over the participants that have one."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None


def _qcfc(
    stack: EdgeStack,
    motion: np.ndarray,
    units: Sequence[Unit],
    distances: np.ndarray,
    how: HowRated,
) -> Row:
    design = how.chosen.design([unit for unit, fd in zip(units, motion, strict=True) if fd == fd])
    known = np.flatnonzero(np.isfinite(motion))
    kept = np.isfinite(design).all(axis=1)
    r, n = qcfc_of(stack.of(known[kept].tolist()), motion[known[kept]], design[kept])
    size = len(stack.sources[0].names)
    counts = np.nan_to_num(as_matrix(n, size)).astype(np.int64) - design.shape[1]
    found = summarize(as_matrix(r, size), counts, distances)
    return {
        "participants_qcfc": int(kept.sum()),
        "covariates": ", ".join(how.chosen.covariates) or None,
        "motion": MOTION[how.motion][0],
        "median_abs_qcfc": found and found.median_abs,
        "share_significant": found and found.share_significant,
        "distance_dependence": found and found.distance_dependence,
    }


def _predicted(stack: EdgeStack, motion: np.ndarray, units: Sequence[Unit], how: HowRated) -> Row:
    """How well each criterion is predicted, motion regressed out of the edges."""
    found: Row = {}
    for column in how.chosen.criteria:
        criterion = how.chosen.criterion(column, units)
        kept = np.flatnonzero(np.isfinite(criterion.values) & np.isfinite(motion))
        values, of = criterion.values[kept], f"criterion_{column}_"
        found[f"{of}participants"] = len(kept)
        scores = ("auc", "balanced_accuracy") if criterion.levels else ("r", "r2")
        found |= dict.fromkeys(f"{of}{score}" for score in scores)
        counts = [int((values == level).sum()) for level in range(len(criterion.levels))]
        few = (
            len(kept) < FEWEST_PREDICTED or min(counts, default=FEWEST_OF_LEVEL) < FEWEST_OF_LEVEL
        )
        if few or np.ptp(values) == 0:
            continue
        products, edges = products_of(stack.of(kept.tolist()).blocks())
        if not edges:
            continue
        groups, confounds = np.arange(len(kept)), motion[kept][:, None]
        folds = int(np.clip(len(kept) // _FEWEST_IN_FOLD, 2, _MOST_FOLDS))
        asked: dict[str, int] = {"n_folds": folds, "seed": how.seed}
        if criterion.levels:
            score = predict_level(products, values > 0, groups, confounds, **asked)
            found |= {f"{of}auc": score.auc, f"{of}balanced_accuracy": score.balanced_accuracy}
        else:
            number = predict_number(products, values, groups, confounds, **asked)
            found |= {f"{of}r": number.r, f"{of}r2": number.r2}
    return found
