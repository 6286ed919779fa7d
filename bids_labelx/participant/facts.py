"""What is told of a run that is done: in its record, and to the user."""

from __future__ import annotations

from typing import Any

from bids_labelx.outputs.failures import by_kind
from bids_labelx.outputs.sidecars import interpolation_done
from bids_labelx.participant.deliver import Delivery, producers
from bids_labelx.participant.matrices import exact_words
from bids_labelx.participant.records import Denoised


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
            "PreprocessedBy": list(producers(delivery.planned, applied.files)),
            "SliceTimingCorrected": delivery.planned.run.metadata.get("SliceTimingCorrected"),
            "StartTime": delivery.planned.run.metadata.get("StartTime"),
            "Warnings": list(applied.warnings),
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
