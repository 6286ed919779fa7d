"""The section of the group's page on models of edges."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from bids_labelx.group.mean_matrices import group_name
from bids_labelx.models.results import ModelResult
from bids_labelx.report.group_figure_files import GroupPart, all_but_strategy, atlas_of, where
from bids_labelx.report.model_pictures import model_pictures
from bids_labelx.report.model_words import edges_table, model_in_words


def model_parts(
    output: Path, results: Sequence[ModelResult], strategies: Sequence[str], *, static: bool
) -> list[GroupPart]:
    """A part for each contrast of each model, over the strategies.

    Parameters
    ----------
    output
        The output dataset.
    results
        Of all combinations, models and contrasts.
    strategies
        In the order in which they were typed.
    static
        Whether to draw figures as files of their own as well.
    """

    # Models and contrasts as they were typed.
    names = list(dict.fromkeys(one.name for one in results))

    def key(one: ModelResult) -> tuple[str, int]:
        return group_name(all_but_strategy(one.rows.entities), ""), names.index(one.name)

    ordered = sorted(results, key=lambda one: (*key(one), strategies.index(one.rows.strategy)))
    return [_part(output, list(own), static=static) for _, own in groupby(ordered, key)]


def _part(output: Path, results: Sequence[ModelResult], *, static: bool) -> GroupPart:
    first = results[0]
    entities = all_but_strategy(first.rows.entities)
    contrast = f"{first.contrast.name} in model {first.design.name}"
    files = [_file(one, "stat-t_relmat.tsv") for one in results]
    stem = group_name(entities, first.name)
    what = f"{contrast}, {atlas_of(entities)}"
    return GroupPart(
        f"{contrast}: {atlas_of(entities)}, {where(entities)}",
        points=tuple(model_in_words(results)),
        tables=(edges_table(results, f"Edges with the largest |t|, {what}"),),
        pictures=tuple(model_pictures(output, results, files, what, stem, static=static)),
        files=tuple(_file(one, "edges.tsv") for one in results),
        atlas=atlas_of(entities),
    )


def _file(one: ModelResult, end: str) -> str:
    return group_name(one.rows.entities, f"{one.name}_{end}")
