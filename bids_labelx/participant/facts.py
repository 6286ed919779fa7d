"""What is told of a run that is done: in its record, and to the user."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bids_labelx.atlases.described import atlas_description
from bids_labelx.denoise.families import count_families, other_regressors
from bids_labelx.measures.quality import OK
from bids_labelx.outputs.failures import by_kind
from bids_labelx.outputs.sidecars import interpolation_done
from bids_labelx.participant.deliver import Delivery, producers
from bids_labelx.participant.matrices import exact_words
from bids_labelx.participant.records import Denoised, RunResults

# Regressors of no known family that a record names.
_MOST_NAMED = 10


def done_facts(delivery: Delivery, denoised: Denoised) -> dict[str, dict[str, Any]]:
    """What each strategy did where it might have done otherwise, by its name; for the record."""
    facts = {}
    for name, applied in denoised.applied.items():
        strategy = next(one for one in delivery.strategies if one.name == name)
        facts[name] = {
            "NumberOfVolumes": len(applied.kept),
            "NumberOfVolumesKept": applied.n_kept,
            "Interpolation": interpolation_done(delivery.settings, strategy, applied),
            "LowPass": applied.low_pass,
            "HighPass": applied.high_pass,
            "RepetitionTime": delivery.planned.source.t_r,
            "DegreesOfFreedom": applied.degrees_of_freedom,
            "Regressors": count_families(applied.columns),
            "OtherRegressors": other_regressors(applied.columns)[:_MOST_NAMED],
            "PreprocessedBy": list(producers(delivery.planned, applied.files)),
            "SliceTimingCorrected": delivery.planned.run.metadata.get("SliceTimingCorrected"),
            "StartTime": delivery.planned.run.metadata.get("StartTime"),
            "Warnings": list(applied.warnings),
        }
    return facts


def atlas_facts(delivery: Delivery, results: RunResults) -> dict[str, dict[str, Any]]:
    """The coverage of each atlas in the run, and who made it, by its name; for the record."""
    facts = {}
    for atlas, table in zip(delivery.planned.atlases, results.extracted.tables, strict=True):
        coverage = table["coverage"].mean()
        facts[atlas.key] = {
            "Labels": len(table),
            "Missing": int((table["status"] != OK).sum()),
            "MeanCoverage": None if pd.isna(coverage) else round(float(coverage), 4),
            "Description": atlas_description(atlas),
        }
    return facts


def notes(delivery: Delivery, denoised: Denoised) -> list[str]:
    """What a user should know of a run that is done: warnings, and matrices that it lacks."""
    said = [(name, text) for name, one in denoised.applied.items() for text in one.warnings]
    warned = [f"{', '.join(names)}: {text}" for names, text in by_kind(said)]
    return [*delivery.planned.warnings, *warned] + [
        f"{name} keeps {one.n_kept} volumes: no matrix of {exact_words(delivery.settings, n)}"
        for name, one in denoised.applied.items()
        for n in delivery.settings.exact_volumes
        if n > one.n_kept
    ]
