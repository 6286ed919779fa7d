"""Models of harmonised edges: what they need, and what they cannot tell any more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bids_labelx.errors import UsageError
from bids_labelx.group.batches import coded, labels_of
from bids_labelx.group.covariates import Covariates
from bids_labelx.models.contrasts import Contrast
from bids_labelx.models.designs import MOTION, OF_UNITS, Design, demeaned
from bids_labelx.models.formulas import spans, variables
from bids_labelx.models.rows import ModelRows
from bids_labelx.settings.harmonisation_options import HarmonisationOptions
from bids_labelx.statistics.linear import is_estimable


def check_design(design: Design, options: HarmonisationOptions, covariates: Covariates) -> None:
    """Refuse a model of harmonised edges without the batch, or with what was not preserved.

    ComBat estimates the preserved effects beside those of the batches; a model without the
    batches does not count what this costs, and its p are too small (Nygaard et al., 2016,
    doi:10.1093/biostatistics/kxv027). A model of the mean alone needs none.

    Parameters
    ----------
    design
        Of the model.
    options
        With the batch and what is preserved.
    covariates
        The table of participants.

    Raises
    ------
    UsageError
        With what to type.
    """
    batch = str(options.batch)
    is_table = design.source.lower().endswith(".tsv")
    if not is_table:
        known = {batch, *options.preserve, MOTION, *OF_UNITS}
        if lacking := [one for one in variables(design.source)[0] if one not in known]:
            named = " ".join(lacking)
            raise UsageError(
                f"model {design.name}: the edges are harmonised over {batch}, and the effect of "
                f"{', '.join(lacking)} is not preserved, so that a part of it is removed; write "
                f"--preserve {' '.join([*options.preserve, named])}"
            )
    if np.ptp(design.columns.matrix, axis=0).max() == 0:
        return
    parts = (design.columns.matrix, _indicators(design, batch, covariates))
    if spans(*(demeaned(one, design.participants) for one in parts)):
        return
    numeric = covariates.of(design.units, [batch])[batch].dtype == float
    term = batch if batch.isidentifier() else f"`{batch}`"
    term = f"C({term})" if numeric else term
    todo = (
        f"add columns of {batch} to it"
        if is_table
        else f"write --model '{design.source} + {term}'"
    )
    raise UsageError(
        f"model {design.name}: the edges are harmonised over {batch}, and {design.source} does "
        f"not have the term {term}; its p would be too small, as what harmonisation has estimated "
        f"would not be counted (doi:10.1093/biostatistics/kxv027); {todo}"
    )


def check_contrast(
    contrast: Contrast,
    design: Design,
    rows: ModelRows,
    options: HarmonisationOptions,
    covariates: Covariates,
) -> Contrast:
    """Refuse a contrast of what was removed; remark one of what was not preserved.

    Parameters
    ----------
    contrast, design, rows
        Of a model.
    options, covariates
        See `check_design`.

    Raises
    ------
    UsageError
        Where the contrast is between batches.
    """
    batch = str(options.batch)
    indicators = _indicators(design, batch, covariates)
    matrix, weights = design.columns.matrix, contrast.weights
    groups = np.zeros(len(matrix), int)
    if design.participants is not None:
        groups = np.unique(design.participants, return_inverse=True)[1]
    beside = np.hstack([matrix, indicators])
    padded = np.concatenate([weights, np.zeros(indicators.shape[1])])
    if is_estimable(matrix, weights, groups) and not is_estimable(beside, padded, groups):
        raise UsageError(
            f"--contrast {contrast.expression!r}: it is a difference between batches "
            f"({batch}), which harmonisation removes from the edges; test it without --harmonize"
        )
    if design.participants is not None:
        return contrast
    table = covariates.of(design.units, [one for one in options.preserve if one != MOTION])
    if MOTION in options.preserve:
        table[MOTION] = rows.mean_fd[design.rows]
    kept = np.hstack([indicators, coded(table)[1]])
    lost = [
        name
        for j, name in enumerate(design.columns.names)
        if weights[j] and not spans(kept, matrix[:, [j]])
    ]
    if not lost:
        return contrast
    remark = (
        f"harmonisation did not preserve {', '.join(lost)}, and removes a part of the effect: "
        "beta is too near to 0"
    )
    return replace(contrast, remarks=(*contrast.remarks, remark))


def _indicators(design: Design, batch: str, covariates: Covariates) -> np.ndarray:
    """A column for each batch, 1 in its rows."""
    labels = np.array(labels_of(covariates, design.units, batch))
    return (labels[:, np.newaxis] == np.unique(labels)).astype(float)
