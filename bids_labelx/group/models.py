"""Group models that are asked for: which of them can be made of which combinations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bids_labelx.errors import LabelxError, UsageError
from bids_labelx.group.contrasts import Contrast, contrast_of
from bids_labelx.group.covariates import Covariates, read_covariates
from bids_labelx.group.designs import (
    PARTICIPANT,
    Design,
    DesignError,
    constant_within,
    make_design,
)
from bids_labelx.group.model_rows import ModelRows
from bids_labelx.settings.model_options import ModelOptions
from bids_labelx.statistics.exchange import draw_exchange


@dataclass(frozen=True)
class Planned:
    """A model of one combination, and the contrasts that are tested in it.

    Attributes
    ----------
    rows
        Of the combination.
    design
        Of the model.
    contrasts
        Those that the model has.
    """

    rows: ModelRows
    design: Design
    contrasts: tuple[Contrast, ...]


@dataclass
class Plans:
    """All models that can be made, and what cannot.

    Attributes
    ----------
    planned
        Combination by combination.
    notes
        Which combinations, models and contrasts do not go together, and why.
    """

    planned: list[Planned] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def plan_models(all_rows: Sequence[ModelRows], options: ModelOptions, bids_dir: Path) -> Plans:
    """Make the designs of all models for all combinations.

    Parameters
    ----------
    all_rows
        Of each combination.
    options
        What is asked for.
    bids_dir
        Where tables of covariates are.

    Raises
    ------
    UsageError
        Where a model or contrast is impossible in all combinations, with the reason in the first.
    LabelxError
        Where a table or formula cannot be read, or a table lacks a participant.
    """
    tables: list[Covariates] = []

    def covariates() -> Covariates:
        if not tables:
            tables.append(read_covariates(bids_dir, options.covariates))
        return tables[0]

    plans = Plans()
    # Of each model and contrast, by combination, why it is not made; none where it is.
    models: dict[str, dict[str, LabelxError | None]] = {name: {} for name in options.models}
    contrasts: dict[str, dict[str, LabelxError | None]] = {one: {} for one in options.contrast}
    for rows in all_rows:
        for name, source in options.models.items():
            where = f"model {name} of {rows.title}"
            try:
                design = make_design(name, source, rows, covariates, options.permutation_blocks)
            except DesignError as error:
                models[name][where] = error
                continue
            fitting = []
            for typed in options.contrast:
                try:
                    found = _contrast(typed, design)
                    check_exchange(design, found, options)
                    fitting.append(found)
                    contrasts[typed][where] = None
                except UsageError as error:
                    contrasts[typed][where] = error
            if fitting:
                models[name][where] = None
                plans.planned.append(Planned(rows, design, tuple(fitting)))
            else:
                # The first says what is wrong.
                models[name][where] = contrasts[options.contrast[0]][where]
    for of in (models, contrasts):
        for what, outcomes in of.items():
            failed = {where: error for where, error in outcomes.items() if error is not None}
            if failed and len(failed) == len(outcomes):
                raise next(iter(failed.values()))
            plans.notes += [
                f"not made: {_in(of, what, where)}: {e}" for where, e in failed.items()
            ]
    return plans


def _in(of: Mapping[str, object], what: str, where: str) -> str:
    return where if where.startswith(f"model {what} ") and what in of else f"{what} in {where}"


def _contrast(typed: str, design: Design) -> Contrast:
    """The contrast of a design; of one within participants only what differs within them."""
    found = contrast_of(typed, design.columns)
    flat = constant_within(design.columns.matrix, design.participants) & (found.weights != 0)
    if flat.any():
        named = ", ".join(np.array(design.columns.names)[flat])
        raise DesignError(
            f"--contrast {typed!r}: {named} does not differ within participants, whose intercepts "
            "the model has; test what does"
        )
    return found


def check_exchange(design: Design, contrast: Contrast, options: ModelOptions) -> None:
    """Refuse a contrast that nothing can be permuted for."""
    whole = options.permute_blocks == "whole"
    if whole and design.participants is not None:
        raise DesignError(
            f"--permute-blocks whole: rows of model {design.name} are permuted within "
            f"participants, as it has the term {PARTICIPANT}"
        )
    if not options.permutations:
        return
    try:
        draw_exchange(
            design.columns.matrix,
            contrast.weights,
            options.permutations,
            seed=options.seed,
            blocks=design.blocks,
            whole=whole,
            participants=design.participants,
        )
    except ValueError as error:
        raise DesignError(
            f"--contrast {contrast.expression!r} of model {design.name}: {error}"
        ) from None
