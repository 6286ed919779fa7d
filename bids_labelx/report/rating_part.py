"""The group page's section of rated strategies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bids_labelx.group.coverage_sums import coverage_name
from bids_labelx.group.ratings import RatedStrategies
from bids_labelx.report.group_figure_files import GroupPart, all_but_strategy, atlas_of, where
from bids_labelx.report.group_tables import ratings_table
from bids_labelx.report.rating_pictures import rating_picture
from bids_labelx.report.rating_words import ratings_in_words


def rated_parts(
    output: Path, rated: Sequence[RatedStrategies], *, static: bool
) -> list[GroupPart]:
    """A part for each atlas, measure and so on, with sentences, figure and table."""
    text = (
        "Test-retest reliability of the edges of each strategy over sessions, runs or halves of "
        "runs of the same participants (intraclass correlation), identification of participants "
        "by their edges, and separation of the networks of the label table. All strategies are "
        "rated on the same participants. No single measure shows which strategy is best, and "
        "none shows that reliable signal is neural."
    )
    parts = []
    for one in rated:
        entities = all_but_strategy(one.entities[0])
        what = f"{atlas_of(entities)}: {where(entities)}"
        picture = rating_picture(output, one, static=static)
        parts.append(
            GroupPart(
                what,
                points=tuple(ratings_in_words(one)),
                pictures=(picture,) if picture else (),
                tables=(ratings_table(pd.DataFrame(one.rows), f"Reliability, {what}"),),
                files=(coverage_name(entities).replace("_coverage.", "_strategies."),),
                atlas=atlas_of(entities),
            )
        )
    first = GroupPart(text=(text if parts else "There is no matrix to rate strategies by.",))
    return [first, *parts]
