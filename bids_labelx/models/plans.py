"""Group models that are asked for: which of them can be made of which combinations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from bids_labelx.errors import LabelxError, UsageError
from bids_labelx.group.covariates import Covariates, read_covariates
from bids_labelx.models.absorbed import constant_within
from bids_labelx.models.contrasts import Contrast, contrast_of
from bids_labelx.models.designs import (
    PARTICIPANT,
    Design,
    DesignError,
    make_design,
)
from bids_labelx.models.harmonised import check_contrast, check_design
from bids_labelx.models.remarks import remarks_of_contrast
from bids_labelx.models.rows import ModelRows
from bids_labelx.settings.harmonisation_options import HarmonisationOptions
from bids_labelx.settings.model_options import ModelOptions
from bids_labelx.statistics.exchange import draw_exchange
from bids_labelx.statistics.permutation import lowest_p
from bids_labelx.words import counted

_ALPHA = 0.05


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
        Those that the model has, with the number of rearrangements that test each.
    """

    rows: ModelRows
    design: Design
    contrasts: tuple[tuple[Contrast, int], ...]


@dataclass(frozen=True)
class Plans:
    """All models that can be made, and what cannot.

    Attributes
    ----------
    planned
        Combination by combination.
    notes
        Which combinations, models and contrasts do not go together, and why.
    """

    planned: list[Planned]
    notes: list[str]


def plan_models(
    all_rows: Sequence[ModelRows],
    options: ModelOptions,
    bids_dir: Path,
    harmonised: HarmonisationOptions | None = None,
) -> Plans:
    """Make the designs of all models for all combinations.

    Parameters
    ----------
    all_rows
        Of each combination.
    options
        What is asked for.
    bids_dir
        Where tables of covariates are.
    harmonised
        Over which batches the edges are harmonised; None where they are not.

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

    if not all_rows:
        raise UsageError(
            "--model: there are no correlation matrices of two or more regions to be modelled; "
            "run the participant level with --connectivity correlation"
        )
    planned, tried = [], []
    for rows in all_rows:
        for name, source in options.models.items():
            try:
                design = make_design(name, source, rows, covariates, options.permutation_blocks)
            except DesignError as error:
                tried.append(_Tried(name, "", rows.title, error))
                continue
            check = None
            if harmonised is not None:
                check_design(design, harmonised, covariates())
                check = partial(
                    check_contrast,
                    design=design,
                    rows=rows,
                    options=harmonised,
                    covariates=covariates(),
                )
            own = [
                _try_contrast(typed, design, rows.title, options, check)
                for typed in options.contrast
            ]
            tried += [one for one, _ in own]
            found = tuple(contrast for _, contrast in own if contrast)
            # What is wrong with the first contrast, if none is possible.
            tried.append(_Tried(name, "", rows.title, None if found else own[0][0].error))
            if found:
                planned.append(Planned(rows, design, found))
    for name in options.models:
        _raise_if_never([one for one in tried if (one.model, one.contrast) == (name, "")])
    for typed in options.contrast:
        _raise_if_never([one for one in tried if one.contrast == typed])
    return Plans(planned, _notes(tried))


@dataclass(frozen=True)
class _Tried:
    """A model, or a contrast of it, of one combination: why it is impossible, if it is."""

    model: str
    contrast: str
    combination: str
    error: LabelxError | None


def _try_contrast(
    typed: str,
    design: Design,
    combination: str,
    options: ModelOptions,
    check: Callable[[Contrast], Contrast] | None,
) -> tuple[_Tried, tuple[Contrast, int] | None]:
    try:
        found = _contrast(typed, design)
        if check is not None:
            found = check(found)
        count, remarks = _exchanged(design, found, options)
        said = *found.remarks, *remarks_of_contrast(found, design.columns), *remarks
        found = replace(found, remarks=said)
    except UsageError as error:
        return _Tried(design.name, typed, combination, error), None
    return _Tried(design.name, typed, combination, None), (found, count)


def _raise_if_never(tried: Sequence[_Tried]) -> None:
    errors = [one.error for one in tried]
    if errors and errors[0] is not None and None not in errors:
        raise errors[0]


def _notes(tried: Sequence[_Tried]) -> list[str]:
    """What is not made of which combinations, those of one reason together."""
    of: dict[tuple[str, str], list[str]] = {}
    for one in tried:
        if one.error is not None:
            called = f"model {one.model}"
            reason = str(one.error).removeprefix(f"{called}: ")
            if one.contrast:
                called += f", contrast {one.contrast}"
                reason = reason.removeprefix(f"--contrast {one.contrast!r}: ")
            of.setdefault((called, reason), []).append(one.combination)
    more = {key: f" and {len(own) - 1:,} more" if len(own) > 1 else "" for key, own in of.items()}
    return [f"not made: {key[0]}, of {own[0]}{more[key]}: {key[1]}" for key, own in of.items()]


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


def _exchanged(
    design: Design, contrast: Contrast, options: ModelOptions
) -> tuple[int, tuple[str, ...]]:
    """The number of rearrangements, and whether they are too few for any p < 0.05.

    A contrast that nothing can be permuted for is refused.
    """
    whole = options.permute_blocks == "whole"
    if whole and design.participants is not None:
        raise DesignError(
            f"--permute-blocks whole: rows of model {design.name} are permuted within "
            f"participants, as it has the term {PARTICIPANT}"
        )
    if not options.permutations:
        return 0, ()
    try:
        exchange = draw_exchange(
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
    lowest = lowest_p(exchange, design.columns.matrix, contrast.weights, design.participants)
    if lowest < _ALPHA:
        return len(exchange), ()
    done = counted(len(exchange), exchange.kind.removesuffix("s"))
    todo = "all there are; more rows are needed" if exchange.every else "ask for more"
    return len(exchange), (
        f"no edge can have a family-wise p < {_ALPHA}: the lowest p of {done} is {lowest:.2g} "
        f"({todo})",
    )
