"""Denoising strategies: from a preset or a user's file and a confounds table to regressors and
a sample mask.

A strategy is data, not code (``data/denoise/*.toml``): groups of confounds with their options,
which volumes to censor, and how signals are filtered.
"""

from bids_labelx.denoise.applied import AppliedStrategy
from bids_labelx.denoise.confounds import read_confounds_metadata, read_confounds_table
from bids_labelx.denoise.denoising import Denoising, lacking_columns, select
from bids_labelx.denoise.images import check_image, denoised_by, earlier_regression
from bids_labelx.denoise.overrides import override
from bids_labelx.denoise.steps import cleaning_steps
from bids_labelx.denoise.strategies import (
    Strategy,
    describe_presets,
    preset_names,
    read_strategies,
)
from bids_labelx.denoise.tables import Joined, join_tables, table_queries, with_datasets

__all__ = [
    "AppliedStrategy",
    "Denoising",
    "Joined",
    "Strategy",
    "check_image",
    "cleaning_steps",
    "denoised_by",
    "describe_presets",
    "earlier_regression",
    "join_tables",
    "lacking_columns",
    "override",
    "preset_names",
    "read_confounds_metadata",
    "read_confounds_table",
    "read_strategies",
    "select",
    "table_queries",
    "with_datasets",
]
