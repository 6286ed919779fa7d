"""The section of the group page on harmonisation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from bids_labelx.group.harmonize import Harmonised
from bids_labelx.report.batch_pictures import harmonisation_picture
from bids_labelx.report.group_figure_files import GroupPart, all_but_strategy, atlas_of, where
from bids_labelx.report.harmonize_words import batches_in_words, harmonisation_in_words


def harmonisation_parts(
    output: Path, harmonised: Sequence[Harmonised], *, static: bool
) -> list[GroupPart]:
    """What was done, and for each set of combinations that differ in the strategy what changed.

    Parameters
    ----------
    output
        The output dataset.
    harmonised
        At least one; those that differ in the strategy only next to each other.
    static
        Whether to draw pictures into files as well.
    """
    first = harmonised[0].batches
    parts = [GroupPart(text=tuple(harmonisation_in_words(first.column, first.names)))]
    for entities, alike in groupby(
        harmonised, key=lambda one: all_but_strategy(one.edges.entities)
    ):
        own = list(alike)
        plain = {key: value for key, value in entities.items() if key != "harm"}
        parts.append(
            GroupPart(
                f"{atlas_of(plain)}: {where(plain)}",
                points=tuple(batches_in_words(own)),
                pictures=(harmonisation_picture(output, plain, own, static=static),),
                atlas=atlas_of(plain),
            )
        )
    return parts
