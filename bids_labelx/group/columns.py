"""Description and unit of each column of the group's tables."""

from __future__ import annotations

from collections.abc import Iterable

from bids_labelx.outputs.columns import LABEL_NAMES, PLAIN, TEXT, Columns

_OF_SIDECAR = " of its time series' sidecar"

QUALITY_COLUMNS: Columns = {
    "participant_id": ("Participant", TEXT),
    "session_id": ("Session", TEXT),
    "run": ("The other entities of the run's name", TEXT),
    "atlas": ("Atlas", TEXT),
    "strategy": ("Denoising strategy", TEXT),
    "state": (
        "done; partly done: a part of it, such as a matrix, failed, is missing or broken; failed: "
        "no time series, or none that the group level can use",
        TEXT,
    ),
    "volumes": ("Volumes of the run", "volumes"),
    "volumes_kept": ("Volumes left after censoring", "volumes"),
    "repetition_time": ("Repetition time of the run", "s"),
    "minutes_kept": ("Volumes kept times the repetition time", "min"),
    "mean_fd": (
        "Mean framewise displacement over all volumes, censored ones too, without a motion filter",
        "mm",
    ),
    "max_fd": ("Highest framewise displacement, over the same volumes", "mm"),
    "fd_threshold": (
        "The strategy's threshold of framewise displacement, 0.5 where it has none",
        "mm",
    ),
    "share_fd_above": ("Share of volumes with a framewise displacement above it", PLAIN),
    "mean_filtered_fd": ("Mean framewise displacement of filtered motion parameters", "mm"),
    "share_filtered_fd_above": (
        "Share of volumes whose filtered framewise displacement is above fd_threshold",
        PLAIN,
    ),
    "mean_rmsd": ("Mean root mean square displacement over all volumes", "mm"),
    "mean_std_dvars": ("Mean standardised DVARS over all volumes", PLAIN),
    "degrees_of_freedom": ("DegreesOfFreedom" + _OF_SIDECAR, PLAIN),
    "effective_degrees_of_freedom": ("EffectiveDegreesOfFreedom" + _OF_SIDECAR, PLAIN),
    "labels": ("Labels of the atlas", "labels"),
    "labels_lost": ("Labels without a signal in this run", "labels"),
    "min_coverage": (
        "Lowest coverage of a label; 0 for one that is absent from the image or the grid",
        PLAIN,
    ),
    "mean_tsnr": (
        "Mean over regions of the mean over the standard deviation in time of the region's signal "
        "before denoising",
        PLAIN,
    ),
    "excluded": ("1 if a limit of the group level excludes the run, else 0", PLAIN),
    "why": ("The limits that exclude it", TEXT),
    "problem": ("What failed, is missing or broken", TEXT),
}

COVERAGE_COLUMNS: Columns = {
    **LABEL_NAMES,
    "runs": ("Label tables that the row is over", "runs"),
    "mean_coverage": ("Mean over runs of the label's coverage", PLAIN),
    "min_coverage": ("Lowest coverage of the label in a run", PLAIN),
    "lost_in_runs": ("Runs in which the label has no signal", "runs"),
}

STRATEGY_COLUMNS: Columns = {
    "strategy": ("Denoising strategy", TEXT),
    "participants": ("Participants with a matrix and a known motion", "participants"),
    "participants_of_strategy": (
        "Participants of this strategy with a matrix and a known motion; QC-FC is over those that "
        "all strategies have",
        "participants",
    ),
    "covariates": ("Covariates that QC-FC holds constant (partial correlation)", TEXT),
    "participants_without_covariates": (
        "Participants that all strategies have, and that are left out of QC-FC as a covariate is "
        "missing",
        "participants",
    ),
    "motion": ("Column of group_qc.tsv that edges are correlated with", TEXT),
    "median_abs_qcfc": (
        "Median over edges of |r| between Fisher z and motion over participants (QC-FC)",
        PLAIN,
    ),
    "share_significant": (
        "Share of edges whose QC-FC has q < 0.05 (Benjamini-Hochberg)",
        PLAIN,
    ),
    "distance_dependence": (
        "Spearman's rho between QC-FC and the distance of the regions' centroids",
        PLAIN,
    ),
    "mean_dof_lost": ("Mean over runs of volumes less effective degrees of freedom", PLAIN),
    "modularity": (
        "Modularity of the mean matrix' positive edges, with the label table's networks as "
        "communities",
        PLAIN,
    ),
    "signed_modularity": ("The same of positive and negative edges", PLAIN),
}

# A column of the table of strategies that is not among them.
ENTITY = ("Entity of the matrices that the row is over", TEXT)

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


TRUST_COLUMNS: Columns = {
    "strategy": ("Denoising strategy", TEXT),
    "participants": ("Participants that all strategies have", "participants"),
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
    "fingerprint_chance": ("The same by guessing: one over the participants with repeats", PLAIN),
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
        "(within - between) / within of edges of which negative ones are set to 0, mean over "
        "participants (system segregation)",
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
    "r": ("Correlation of {} and what edges predict of it, out of fold", PLAIN),
    "r2": ("Share of the variance of {} that edges predict, out of fold", PLAIN),
    "auc": ("Area under the ROC curve of telling apart {} by edges, out of fold", PLAIN),
    "balanced_accuracy": ("Balanced accuracy of telling apart {} by edges, out of fold", PLAIN),
}
CRITERION = "criterion_"


def trust_columns(names: Iterable[str]) -> Columns:
    """`TRUST_COLUMNS` and those of what is predicted, among a table's columns."""
    predicted = (name for name in names if name.startswith(CRITERION))
    ends = sorted(CRITERION_SCORES, key=len, reverse=True)
    found = {}
    for name in predicted:
        end = next(one for one in ends if name.endswith(f"_{one}"))
        text, unit = CRITERION_SCORES[end]
        found[name] = text.format(name.removeprefix(CRITERION).removesuffix(f"_{end}")), unit
    return {**TRUST_COLUMNS, **found}
