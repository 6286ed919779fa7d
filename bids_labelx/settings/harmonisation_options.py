"""The options of harmonisation, and of tables for other programs."""

from __future__ import annotations

from dataclasses import dataclass

from bids_labelx.settings import convert
from bids_labelx.settings.groups import statistics_option


@dataclass(frozen=True, kw_only=True)
class HarmonisationOptions:
    """Whether batches, such as scanners, are harmonised, and which, and how edges are written."""

    harmonize: str | None = statistics_option(
        None,
        convert.lower_choice(("combat",)),
        metavar="combat",
        help="also write edges and means harmonised over the batches of --batch, and fit models "
        "to those; the original ones are kept",
        unset="edges are not harmonised",
    )
    batch: str | None = statistics_option(
        None,
        str,
        metavar="COLUMN",
        help="covariate whose values are the batches that --harmonize removes, such as site",
    )
    preserve: tuple[str, ...] = statistics_option(
        (),
        convert.words,
        metavar="COLUMN",
        help="covariates whose effects --harmonize preserves: numbers linearly, texts as "
        "categories",
    )
    parquet: bool = statistics_option(
        False,
        help="also write each table of edges, and one of all regions' signals, as Parquet files; "
        "needs pyarrow",
    )
