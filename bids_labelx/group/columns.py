"""Description and unit of each column of the group's tables."""

from __future__ import annotations

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
    "runs": ("Runs of these participants that all strategies have; QC-FC is over these", "runs"),
    "covariates": ("Covariates that QC-FC holds constant (partial correlation)", TEXT),
    "participants_without_covariates": (
        "Participants that all strategies have, and that QC-FC excludes because a covariate is "
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

_OVER = " over the rows of the table"
MODEL_COLUMNS: Columns = {
    "region_1": ("One region of the edge", TEXT),
    "region_2": ("The other one", TEXT),
    "region": ("Region, whose edges are averaged in each row of the model", TEXT),
    "network": ("Network of the region", TEXT),
    "network_1": ("Network of region_1; of a pair of networks one of them", TEXT),
    "network_2": ("Network of region_2; of a pair of networks the other one", TEXT),
    "beta": ("Contrast of the coefficients, in Fisher z per unit of the contrast", PLAIN),
    "t": ("Student's t of it", PLAIN),
    "p": ("Two-sided p, by PMethod; of a component the family-wise p of its size", PLAIN),
    "p_fdr": (f"p with the false discovery rate (Benjamini-Hochberg){_OVER}", PLAIN),
    "p_fwe": (f"Family-wise p of |t|{_OVER}, by permutation of the largest", PLAIN),
    "n": ("Rows of the model that have a value", "rows"),
    "dof": ("Residual degrees of freedom", PLAIN),
    "nbs_component": ("Number of the edge's component; n/a below the threshold", PLAIN),
    "nbs_p": ("Family-wise p of that component by its size (network-based statistic)", PLAIN),
    "edges": ("Edges of the component, or of the pair of networks", "edges"),
    "edges_positive": ("Those with a positive t", "edges"),
    "regions": ("Regions of the component", "regions"),
    "component": ("Number of the component, the largest first", PLAIN),
    "cnbs_t": (
        "Mean t of the edges of the pair (constrained network-based statistic)",
        PLAIN,
    ),
    "cnbs_p": ("Two-sided p of cnbs_t by permutation", PLAIN),
    "cnbs_p_fdr": (f"The same with the false discovery rate{_OVER}", PLAIN),
    "cnbs_p_fwe": (f"Family-wise p of |cnbs_t|{_OVER}, by permutation of the largest", PLAIN),
}

DESIGN_COLUMNS: Columns = {
    "participant_id": ("Participant", TEXT),
    "session_id": ("Session", TEXT),
    "run": ("Run", TEXT),
    "block": ("Block of exchangeability", TEXT),
}
# A column of a design that is not among them.
REGRESSOR = ("Regressor of the model", PLAIN)
