"""The options of group models: what edges are modelled by, and how that is tested."""

# ruff: noqa: RUF009 - what is called makes dataclass fields

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bids_labelx.settings import convert
from bids_labelx.settings.groups import statistics_option

if TYPE_CHECKING:
    from pathlib import Path

MODEL_ROWS = ("participant", "session", "run")


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which models of edges the group level fits, and by which permutations it tests them."""

    model: tuple[str, ...] = statistics_option(
        (),
        convert.models,
        metavar="[NAME=]FORMULA|DESIGN.tsv",
        help="models of the edges' Fisher z: formulas of covariates, such as 'age + sex + "
        "C(site)', or tables of participant_id and a column for each regressor; called A, B… "
        "unless named",
        unset="none",
    )
    contrast: tuple[str, ...] = statistics_option(
        (),
        convert.contrasts,
        metavar="[NAME=]EXPR",
        help="contrasts to test in the models: a column of the design or a term of one column, "
        "such as age or sex, or a linear combination of columns, such as "
        "'C(site)[T.b] - C(site)[T.c]'; Intercept for one sample",
    )
    covariates: Path | None = statistics_option(
        None,
        convert.path,
        metavar="FILE",
        help="table of covariates with participant_id and perhaps session_id",
        unset="participants.tsv and sessions.tsv of BIDS_DIR",
    )
    model_rows: str = statistics_option(
        "participant",
        choices=MODEL_ROWS,
        help="unit of analysis of the models: a participant, averaged over --average-over; a "
        "session; or a run; with several rows per participant the model needs the term "
        "participant_id",
    )
    permutations: int = statistics_option(
        1000,
        convert.whole(0),
        metavar="N",
        help="permutations for family-wise p values and components; 0 for none",
    )
    permutation_blocks: str | None = statistics_option(
        None,
        str,
        metavar="COLUMN",
        help="covariate whose values are blocks of exchangeability, such as site or family",
        unset="all rows are exchangeable",
    )
    permute_blocks: str = statistics_option(
        "within",
        choices=("within", "whole"),
        help="permute rows within blocks, or blocks of one size as a whole",
    )
    nbs_threshold: float = statistics_option(
        3.1,
        convert.above_zero("a value of t"),
        metavar="T",
        help="edges with a higher |t| form the components of the network-based statistic",
    )
    seed: int = statistics_option(
        0, convert.whole(0), metavar="SEED", help="seed of permutations and cross-validation folds"
    )
    qcfc_covariates: tuple[str, ...] = statistics_option(
        (),
        convert.words,
        metavar="COLUMN",
        help="covariates that QC-FC holds constant, such as age and sex (partial correlation)",
        unset="none",
    )
    criterion: tuple[str, ...] = statistics_option(
        (),
        convert.words,
        metavar="COLUMN",
        help="covariates to predict from the edges of each strategy: numbers, or two categories",
        unset="none",
    )

    @property
    def models(self) -> dict[str, str]:
        """The formula or file of each model by name: A, B and so on where none was given."""
        pairs = [convert.split_name(one) for one in self.model]
        taken = {name.upper() for name, _ in pairs}
        free = (one for one in string.ascii_uppercase if one not in taken)
        return {name or next(free): what for name, what in pairs}
