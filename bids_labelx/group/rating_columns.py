"""Description and unit of each column of ``group_atlas-…_strategies.tsv``."""

from __future__ import annotations

from collections.abc import Iterable

from bids_labelx.group.columns import STRATEGY_COLUMNS
from bids_labelx.outputs.columns import PLAIN, TEXT, Columns

_ICC = "of the edges over participants and repeats (Shrout & Fleiss)"
_OF_EDGES = "over the edges that have one"


def _icc(name: str, label: str) -> Columns:
    what = f"{label} {_ICC}"
    ends = {"q1": "lower quartile", "median": "median", "q3": "upper quartile"}
    bounds = {"low": "lower", "high": "upper"}
    return {
        **{f"{name}_{key}": (f"{what}: {end} {_OF_EDGES}", PLAIN) for key, end in ends.items()},
        **{
            f"{name}_{key}": (
                f"{what}: median {_OF_EDGES} of the {end} end of the 95 % confidence interval",
                PLAIN,
            )
            for key, end in bounds.items()
        },
    }


RATING_COLUMNS: Columns = {
    "strategy": ("Denoising strategy", TEXT),
    "participants": ("Participants that all strategies have", "participants"),
    "runs": ("Runs of these that all strategies have: what all numbers are over", "runs"),
    "runs_of_strategy": (
        "Runs of these that the strategy has, with those that others lack",
        "runs",
    ),
    "retest": (
        "What the repeats of a participant are: sessions, runs, or the halves of runs",
        TEXT,
    ),
    "participants_retest": ("Participants with repeats", "participants"),
    "repeats": ("Repeats of each of them", "repeats"),
    **_icc("icc21", "ICC(2,1), absolute agreement,"),
    **_icc("icc31", "ICC(3,1), consistency,"),
    "edges_retest": ("Edges with an ICC(2,1)", "edges"),
    "edges_compared": (
        "Edges that all repeats of all participants have: what identification and "
        "discriminability are over",
        "edges",
    ),
    "fingerprint": (
        "Share of participants identified in one repeat by the correlation of their edges with "
        "those of another one, mean over ordered pairs of repeats",
        PLAIN,
    ),
    "fingerprint_chance": ("The same by chance: one over the participants with repeats", PLAIN),
    "fingerprint_p": (
        "Share of permutations of participants that identify as many, the observed order "
        "among them",
        PLAIN,
    ),
    "discriminability": (
        "Share of comparisons in which two repeats of a participant are nearer to each other than "
        "one of them is to another participant; 0.5 by chance",
        PLAIN,
    ),
    "within": ("Fisher z of edges within networks, mean over edges, then participants", PLAIN),
    "between": ("Fisher z of edges between networks, mean over edges, then participants", PLAIN),
    "segregation": (
        "(within - between) / within of means over edges, negative ones set to 0, and then over "
        "participants (system segregation); n/a where within is not above 0 by two standard "
        "errors",
        PLAIN,
    ),
    "participants_qcfc": (
        "Participants that all strategies have, with known motion and covariates",
        "participants",
    ),
    "covariates": ("Covariates that QC-FC holds constant (partial correlation)", TEXT),
    **{
        key: STRATEGY_COLUMNS[key]
        for key in (
            *("motion", "median_abs_qcfc", "share_significant", "distance_dependence"),
            "mean_dof_lost",
        )
    },
}

# Of the columns of what is predicted, by the end of their names; see `--criterion`.
CRITERION_SCORES: Columns = {
    "participants": ("Participants that the prediction of {} is over", "participants"),
    "r": ("Correlation between {} and its prediction from edges, out of fold", PLAIN),
    "r2": ("Share of the variance of {} that edges predict, out of fold", PLAIN),
    "auc": ("Area under the ROC curve of classifying {} by edges, out of fold", PLAIN),
    "balanced_accuracy": ("Balanced accuracy of classifying {} by edges, out of fold", PLAIN),
}
CRITERION = "criterion_"


def rating_columns(names: Iterable[str]) -> Columns:
    """`RATING_COLUMNS` and those of what is predicted, among a table's columns."""
    predicted = (name for name in names if name.startswith(CRITERION))
    ends = sorted(CRITERION_SCORES, key=len, reverse=True)
    found = {}
    for name in predicted:
        end = next(one for one in ends if name.endswith(f"_{one}"))
        text, unit = CRITERION_SCORES[end]
        found[name] = text.format(name.removeprefix(CRITERION).removesuffix(f"_{end}")), unit
    return {**RATING_COLUMNS, **found}
