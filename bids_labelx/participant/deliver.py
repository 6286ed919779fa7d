"""From a run's results to files of the output dataset: tables, sidecars and images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from nibabel.affines import voxel_sizes
from nibabel.cifti2 import ParcelsAxis

from bids_labelx.atlases.atlas import Atlas
from bids_labelx.denoise import Strategy
from bids_labelx.extraction.grayordinates import Grayordinates
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.files import write_json, write_tsv
from bids_labelx.names import ATLAS_LINK, MASK_LINK, camel
from bids_labelx.outputs.label_images import run_label_files, write_label_files
from bids_labelx.outputs.parcels import (
    MATRIX,
    SERIES,
    parcels_of,
    write_parcel_matrix,
    write_parcel_series,
)
from bids_labelx.outputs.paths import bids_uri, outliers_path, output_path
from bids_labelx.outputs.probseg import write_maps
from bids_labelx.outputs.sidecars import (
    dseg_sidecar,
    outliers_sidecar,
    preprocessing_facts,
    probseg_sidecar,
    software_versions,
    timeseries_sidecar,
)
from bids_labelx.participant.deliver_xcpd import write_xcpd_run, xcpd_paths
from bids_labelx.participant.extract import read_mask
from bids_labelx.participant.matrices import (
    exact_rows,
    exact_sidecar,
    matrix_path,
    wanted_matrices,
    write_matrix,
)
from bids_labelx.participant.plan import PlannedRun
from bids_labelx.participant.records import Denoised, MatrixKey, RunResults, SeriesKey
from bids_labelx.participant.weights import read_labels, read_weights
from bids_labelx.settings import Settings

# The atlas and the strategy that a file is of; empty where it is of all of them.
About = tuple[str, str]


@dataclass(frozen=True)
class Delivery:
    """Where a run's results go, and what they are called."""

    settings: Settings
    planned: PlannedRun
    strategies: tuple[Strategy, ...]

    def entities(self, atlas: Atlas) -> dict[str, str]:
        """Entities of what is written of this run for one atlas."""
        return {**self.planned.run.entities, **atlas.entities}

    def sources(self, i: int, tables: Sequence[Path] = ()) -> list[str]:
        """BIDS URIs of the files behind the results of the atlas at position `i`.

        The image is the first; `tables` are those that the strategy took anything from.
        """
        run, mask, atlas = self.planned.run, self.planned.source.mask, self.planned.atlases[i]
        own = [*run.images, *([] if mask is None else [mask]), *tables]
        datasets = self.settings.dataset_folders
        return [
            *(_uri(path, datasets, MASK_LINK, path.parent) for path in own),
            *(_uri(path, datasets, _atlas_link(atlas), atlas.root) for path in atlas.files),
        ]


def planned_paths(delivery: Delivery, kept: Mapping[str, int]) -> list[Path]:
    """The tables, label images and matrices of a run, within the output dataset.

    `kept` has the number of volumes that each strategy keeps, as far as it is known.
    """
    paths: list[Path] = []
    for atlas in delivery.planned.atlases:
        dseg = dseg_path(delivery, atlas)
        paths += [*run_label_files(dseg, delivery.planned.grid), dseg]
        if atlas.kind == "maps":
            paths.append(probseg_path(delivery, atlas))
        for statistic, strategy in product(delivery.settings.statistic, delivery.strategies):
            n_kept = kept.get(strategy.name, delivery.planned.n_volumes)
            series = series_path(delivery, atlas, statistic, strategy)
            matrices = [
                _matrix_path(delivery, atlas, statistic, strategy, measure, number)
                for measure, number in wanted_matrices(delivery.settings, n_kept)
            ]
            paths += [series, *matrices]
            if delivery.settings.cifti_outputs and delivery.planned.run.on_surfaces:
                paths.append(series.with_suffix(SERIES))
                paths += [path.with_suffix(MATRIX) for path in matrices]
    if delivery.settings.output_names == "xcpd":
        paths += xcpd_paths(delivery.planned, delivery.strategies[0])
    entities = delivery.planned.run.entities
    return paths + [outliers_path(entities, strategy.label) for strategy in delivery.strategies]


def _matrix_path(
    delivery: Delivery,
    atlas: Atlas,
    statistic: str,
    strategy: Strategy,
    measure: str,
    number: int | None,
) -> Path:
    entities, chosen = delivery.entities(atlas), delivery.settings.exact_volumes_from
    return matrix_path(entities, statistic, strategy.label, measure, number, chosen)


def dataset_of(path: Path, datasets: Mapping[str, Path]) -> str | None:
    """The name of the dataset that a file is in; of one within another the inner one."""
    names = [name for name, root in datasets.items() if path.is_relative_to(root)]
    return max(names, key=lambda name: len(datasets[name].parts), default=None)


def _uri(path: Path, datasets: Mapping[str, Path], link: str, root: Path) -> str:
    """A file's BIDS URI: within the dataset where it lies in one, else within a link."""
    name = dataset_of(path, datasets)
    return bids_uri(link, root, path) if name is None else bids_uri(name, datasets[name], path)


def dataset_links(datasets: Mapping[str, Path], runs: Sequence[PlannedRun]) -> dict[str, Path]:
    """The roots of the BIDS URIs of all runs, by the link's name."""
    links = dict(datasets)
    for planned in runs:
        for atlas in planned.atlases:
            if any(dataset_of(path, datasets) is None for path in atlas.files):
                links[_atlas_link(atlas)] = atlas.root
        mask = planned.source.mask
        if mask is not None and dataset_of(mask, datasets) is None:
            links[MASK_LINK] = mask.parent
    return links


def _atlas_link(atlas: Atlas) -> str:
    return ATLAS_LINK + atlas.entities["atlas"]


def write_run(delivery: Delivery, results: RunResults) -> dict[Path, About]:
    """Write all tables, sidecars and label images of a run.

    Returns
    -------
    dict
        What each file is of, by its path within the output dataset.
    """
    output = delivery.settings.output_dir
    written: dict[Path, About] = {}
    exact = _exact_parts(delivery, results.denoised)
    versions = software_versions()
    sidecars: dict[int, tuple[Path, dict[str, Any]]] = {}
    for i, atlas in enumerate(delivery.planned.atlases):
        table = results.extracted.tables[i]
        written |= dict.fromkeys(
            _write_dseg(delivery, i, results.labels[i], table), (atlas.key, "")
        )
        names = table["name"].tolist()
        parcels = _parcels(delivery, results.labels[i], table)
        for statistic, strategy in done_strategies(delivery, results):
            path = series_path(delivery, atlas, statistic, strategy)
            key, about = SeriesKey(i, statistic, strategy.name), (atlas.key, strategy.name)
            applied = results.denoised.applied[strategy.name]
            series = pd.DataFrame(results.denoised.signals[key], columns=names)
            sidecar = timeseries_sidecar(
                delivery.settings,
                strategy,
                applied,
                statistic=statistic,
                atlas=atlas.key,
                t_r=delivery.planned.source.t_r,
                sources=delivery.sources(i, applied.files),
                sampling=_sampling(delivery.planned),
                versions=versions,
                kind=atlas.kind,
                elements="vertices and voxels" if delivery.planned.run.on_surfaces else "voxels",
                weights=_weights(delivery.planned),
                temporal_snr=results.denoised.temporal_snr.get(key),
                warnings=(*delivery.planned.warnings, *applied.warnings),
                preprocessed=preprocessing_facts(
                    delivery.planned.run.metadata, producers(delivery.planned, applied.files)
                ),
            )
            sidecars[i] = path, sidecar
            # The table last: where it is, its sidecar is too.
            write_json(output / path.with_suffix(".json"), sidecar)
            write_tsv(output / path, series)
            written |= dict.fromkeys((path, path.with_suffix(".json")), about)
            if parcels is not None:
                of_parcels = path.with_suffix(SERIES)
                t_r = delivery.planned.source.t_r
                write_parcel_series(output / of_parcels, series.to_numpy(), parcels, t_r)
                written[of_parcels] = about
            for measure, number in wanted_matrices(delivery.settings, applied.n_kept):
                matrix = results.connected.matrices.get(MatrixKey(*key, measure, number))
                if matrix is None:
                    continue
                to = _matrix_path(delivery, atlas, statistic, strategy, measure, number)
                write_matrix(
                    output,
                    to,
                    matrix,
                    names,
                    measure=measure,
                    series=sidecar,
                    sources=[bids_uri("", Path(), path)],
                    nodes=bids_uri("", Path(), dseg_path(delivery, atlas)),
                    more=exact[strategy.name, number],
                )
                written |= dict.fromkeys((to, to.with_suffix(".json")), about)
                if parcels is not None:
                    write_parcel_matrix(output / to.with_suffix(MATRIX), matrix, parcels)
                    written[to.with_suffix(MATRIX)] = about
    for strategy in delivery.strategies:
        if strategy.name in results.denoised.applied:
            path = outliers_path(delivery.planned.run.entities, strategy.label)
            table = results.denoised.applied[strategy.name].outliers
            write_json(output / path.with_suffix(".json"), outliers_sidecar(table))
            write_tsv(output / path, table)
            written |= dict.fromkeys((path, path.with_suffix(".json")), ("", strategy.name))
    if delivery.settings.output_names == "xcpd":
        # With one strategy and one statistic, a run without it has failed before.
        (one,) = delivery.strategies
        written |= write_xcpd_run(delivery.planned, one, results, output, sidecars)
    return written


def _parcels(delivery: Delivery, labels: Path, table: pd.DataFrame) -> ParcelsAxis | None:
    """The regions of a run on surfaces, where the user wants CIFTI-2 of them."""
    planned = delivery.planned
    if not delivery.settings.cifti_outputs or not isinstance(planned.grid, Grayordinates):
        return None
    return parcels_of(masked_labels(planned, labels), planned.grid, table)


def _weights(planned: PlannedRun) -> str:
    """What vertices and voxels count in means, for the sidecar; empty for a voxel grid."""
    if not planned.run.on_surfaces:
        return ""
    if not planned.source.areas:
        return "equal"
    files = ", ".join(path.name for path in planned.source.areas.values())
    return f"area of vertices in mm² ({files}), volume of voxels in mm³"


def _exact_parts(
    delivery: Delivery, denoised: Denoised
) -> dict[tuple[str, int | None], dict[str, Any]]:
    """What the sidecars of a strategy's matrices have besides, by the number of volumes."""
    settings, run = delivery.settings, delivery.planned.run.entities
    found: dict[tuple[str, int | None], dict[str, Any]] = {}
    for name, applied in denoised.applied.items():
        for number in dict.fromkeys(n for _, n in wanted_matrices(settings, applied.n_kept)):
            rows = exact_rows(settings, applied.n_kept, number, run)
            left = {} if rows is None else applied.degrees_of_freedom_of(rows)
            found[name, number] = {**exact_sidecar(settings, rows), **left}
    return found


def producers(planned: PlannedRun, tables: Sequence[Path]) -> dict[str, list[str]]:
    """By program and version, what it made of that which a strategy took from a run."""
    run = planned.run
    used = {run.bold: "image"}
    if planned.source.mask is not None:
        used[planned.source.mask] = "mask"
    for path in tables:
        used[path] = "confounds" if path == run.confounds else path.name.partition(".")[0]
    found: dict[str, list[str]] = defaultdict(list)
    for path, what in used.items():
        if path in run.producers:
            found[run.producers[path]].append(what)
    return dict(found)


def done_strategies(delivery: Delivery, results: RunResults) -> Iterator[tuple[str, Strategy]]:
    """Statistics × strategies, without the strategies that could not be done."""
    for statistic, strategy in product(delivery.settings.statistic, delivery.strategies):
        if strategy.name in results.denoised.applied:
            yield statistic, strategy


def _write_dseg(delivery: Delivery, i: int, labels: Path, table: pd.DataFrame) -> list[Path]:
    within = dseg_path(delivery, delivery.planned.atlases[i])
    path = delivery.settings.output_dir / within
    planned = delivery.planned
    sidecar = dseg_sidecar(
        table,
        sources=delivery.sources(i),
        sampling=_sampling(planned),
        min_coverage=delivery.settings.min_coverage,
        kind=planned.atlases[i].kind,
        label_resampling=(
            delivery.settings.label_resampling if isinstance(planned.grid, VolumeGrid) else None
        ),
    )
    write_json(path.with_suffix(".json"), sidecar)
    images = write_label_files(path, masked_labels(planned, labels), planned.grid, table)
    write_tsv(path, table)
    names = [path.with_suffix(".json").name, *(image.name for image in images), path.name]
    return [
        *(within.with_name(name) for name in names),
        *_write_probseg(delivery, i, labels),
    ]


def masked_labels(planned: PlannedRun, labels: Path) -> np.ndarray:
    """Labels inside the run's mask, shape (n_elements,)."""
    source = planned.source
    inside = read_mask(source.mask, planned.grid, resample=source.resample_mask)
    return np.where(inside, read_labels(labels), 0)


def _write_probseg(delivery: Delivery, i: int, labels: Path) -> list[Path]:
    """Write the maps of an atlas on the run's grid, inside its mask; nothing of other atlases."""
    planned, atlas = delivery.planned, delivery.planned.atlases[i]
    weights = read_weights(labels)
    if weights is None or not weights.fitted:
        return []
    assert isinstance(planned.grid, VolumeGrid)  # as planned
    path = probseg_path(delivery, atlas)
    inside = read_mask(planned.source.mask, planned.grid, resample=planned.source.resample_mask)
    maps = weights.maps.take(inside[weights.maps.elements])
    sidecar = probseg_sidecar(
        sources=delivery.sources(i),
        sampling=_sampling(planned),
        table=bids_uri("", Path(), dseg_path(delivery, atlas)),
    )
    beside = output_path(delivery.entities(atlas), "probseg", ".json")
    write_json(delivery.settings.output_dir / beside, sidecar)
    write_maps(delivery.settings.output_dir / path, maps, weights.columns, planned.grid)
    return [beside, path]


def _sampling(planned: PlannedRun) -> dict[str, Any]:
    """What BIDS wants to know of a file with a ``res-`` or ``den-`` entity."""
    run = planned.run
    found: dict[str, Any] = {}
    if "res" in run.entities:
        own = "The run's own grid"
        if isinstance(planned.grid, VolumeGrid):
            zooms = voxel_sizes(planned.grid.affine)
            own += ", " + " × ".join(f"{zoom:.4g}" for zoom in zooms) + " mm"
        found["Resolution"] = str(run.metadata.get("Resolution") or own)
    if "den" in run.entities:
        own = f"The run's own {planned.grid.n_elements} vertices and voxels"
        found["Density"] = str(run.metadata.get("Density") or own)
    if run.on_surfaces:
        # A text, or an object with one for each structure.
        reference = run.metadata.get("SpatialReference")
        whole = isinstance(reference, (str, dict)) and reference
        found["SpatialReference"] = whole or f"The surfaces of {run.space}"
    return found


def dseg_path(delivery: Delivery, atlas: Atlas) -> Path:
    """The label table of a run; the image and the sidecar are beside it."""
    return output_path(delivery.entities(atlas), "dseg", ".tsv")


def probseg_path(delivery: Delivery, atlas: Atlas) -> Path:
    """The maps of an atlas on the grid of a run."""
    return output_path(delivery.entities(atlas), "probseg", ".nii.gz")


def series_path(delivery: Delivery, atlas: Atlas, statistic: str, strategy: Strategy) -> Path:
    """The time series table of a run."""
    return output_path(
        delivery.entities(atlas), "timeseries", ".tsv", stat=camel(statistic), desc=strategy.label
    )
