"""Connectivity over the concatenated runs of a session or participant: ``--concatenate``.

It is made of the time series that the runs have written, after all of them are done.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bids_labelx.errors import BadDataError, Failure, LabelxError
from bids_labelx.measures.connectivity import MEASURES, concatenate
from bids_labelx.names import build_name, grouping_entities
from bids_labelx.outputs.failures import has_failed, read_failures
from bids_labelx.outputs.paths import bids_uri, figure_path
from bids_labelx.outputs.results import Series, read_series, series_paths
from bids_labelx.participant.matrices import (
    exact_rows,
    exact_sidecar,
    matrix_path,
    matrix_picture,
    wanted_matrices,
    write_matrix,
)
from bids_labelx.participant.plan import Plan
from bids_labelx.participant.run_order import in_order
from bids_labelx.pictures.packing import write_script
from bids_labelx.pictures.run_data import results_data
from bids_labelx.report.page_contents import concatenated_script
from bids_labelx.settings import Settings

LOGGER = logging.getLogger("bids_labelx")


def concatenate_runs(settings: Settings, plan: Plan) -> list[Failure]:
    """Write the matrices over the concatenated runs of every participant of the plan.

    Gives the failures of the participants, which concern no single run.
    """
    level = settings.concatenate
    assert level is not None
    failures: list[Failure] = []
    labels = {strategy.label for strategy in plan.strategies}
    atlases = set(plan.all_atlas_names)
    for participant in sorted(plan.participants):
        known = read_failures(settings.output_dir, participant)
        groups: dict[tuple[tuple[str, str], ...], list[Series]] = defaultdict(list)
        for path in series_paths(settings.output_dir, participant):
            try:
                one = read_series(settings.output_dir, path)
            except LabelxError as error:
                failures.append(Failure.of(error, entities={"sub": participant}))
                continue
            atlas, strategy = one.sidecar["Atlas"], one.sidecar["DenoisingStrategy"]
            if has_failed(known, one.run, atlas, strategy):
                continue
            if one.entities["desc"] in labels and atlas in atlases:
                groups[tuple(grouping_entities(one.entities, level).items())].append(one)
        for common, series in groups.items():
            if dict(common) == dict(series[0].entities):
                # A run by itself, whose own matrix has this name.
                continue
            try:
                _write_concatenated(settings, dict(common), series)
            except LabelxError as error:
                failures.append(Failure.of(error, entities={"sub": participant}))
    return failures


def _write_concatenated(
    settings: Settings, entities: Mapping[str, str], series: Sequence[Series]
) -> None:
    name = build_name(entities, "relmat", "")
    series, order = in_order(series, settings.dataset_folders)
    first = series[0]
    for one in series[1:]:
        if one.labels["name"].tolist() != first.labels["name"].tolist():
            raise BadDataError(
                f"{one.path} has other regions than {first.path}: {one.labels_path} and "
                f"{first.labels_path} differ; run the participant level again"
            )
    names = first.labels["name"].tolist()
    kept = [one.kept_rows() for one in series]
    more: dict[str, Any] = {
        "NumberOfVolumesKept": sum(len(rows) for rows in kept),
        **{
            key: sum(one.sidecar[key] for one in series)
            for key in ("DegreesOfFreedom", "EffectiveDegreesOfFreedom")
        },
        "NumberOfRuns": len(series),
        "RunOrder": order,
        "MissingRuns": _missing(settings, series),
    }
    if more["MissingRuns"]:
        LOGGER.warning(
            "%s: concatenated without %s, which failed",
            name,
            ", ".join(more["MissingRuns"]),
        )
    periods = [one.sidecar["RepetitionTime"] for one in series]
    if len(set(periods)) > 1:
        listed = ", ".join("unknown" if one is None else f"{one:g}" for one in periods)
        text = (
            f"the runs have different repetition times ({listed} s); each volume counts the same, "
            "so that a minute of a run with a short one counts more"
        )
        more |= {"RepetitionTimes": periods, "Warnings": [text]}
        LOGGER.warning("%s: %s", name, text)
    try:
        whole = concatenate(kept)
    except ValueError as error:
        raise BadDataError(f"{name}: {error}") from error
    own = {key: value for key, value in entities.items() if key not in ("stat", "desc")}
    statistic, label = first.sidecar["Statistic"], entities["desc"]
    pictures: list[dict[str, Any]] = []
    for measure, number in wanted_matrices(settings, len(whole)):
        rows = exact_rows(settings, len(whole), number, entities)
        chosen = settings.exact_volumes_from
        path = matrix_path(own, statistic, label, measure, number, chosen)
        try:
            matrix = MEASURES[measure][0](whole if rows is None else whole[rows])
        except ValueError as error:
            raise BadDataError(f"{path}: {error}") from error
        write_matrix(
            settings.output_dir,
            path,
            matrix,
            names,
            measure=measure,
            series=first.sidecar,
            sources=[bids_uri("", Path(), one.path) for one in series],
            nodes=bids_uri("", Path(), first.labels_path),
            more={**more, **_share(more, rows, len(whole)), **exact_sidecar(settings, rows)},
        )
        if number is None:
            pictures.append(matrix_picture(matrix, first.labels, measure, path))
            # The static figure was of what was there before.
            (settings.output_dir / figure_path(path, ".svg")).unlink(missing_ok=True)
            script = concatenated_script(path)
    if pictures:
        strategy = first.sidecar["DenoisingStrategy"]
        content = results_data(
            first.sidecar["Atlas"], statistic, strategy, None, pictures, labels=first.labels
        )
        write_script(settings.output_dir / script, content)


def _share(more: Mapping[str, Any], rows: np.ndarray | None, n_volumes: int) -> dict[str, float]:
    """The degrees of freedom of some of the volumes, in proportion: the operators are gone."""
    if rows is None:
        return {}
    share = len(rows) / n_volumes
    return {
        "DegreesOfFreedom": round(more["DegreesOfFreedom"] * share),
        "EffectiveDegreesOfFreedom": round(more["EffectiveDegreesOfFreedom"] * share, 3),
    }


def _missing(settings: Settings, series: Sequence[Series]) -> list[str]:
    """Runs that failed and would have been concatenated with these."""
    level = settings.concatenate
    assert level is not None
    strategy = series[0].sidecar["DenoisingStrategy"]
    common = grouping_entities(series[0].run, level)
    # A run of which only a matrix failed has its series.
    present = [dict(one.run) for one in series]
    return [
        build_name(failure.entities, "bold", "")
        for failure in read_failures(settings.output_dir, series[0].run["sub"])
        if strategy in failure.strategies
        and grouping_entities(failure.entities, level) == common
        and dict(failure.entities) not in present
    ]
