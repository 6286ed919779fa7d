"""The nipype graph of the participant level.

Each atlas is resampled to each grid once, by a node of its own, and shared by every run there. A
run is four nodes: ``label_reduce``, ``clean_signal``, ``connectivity`` and ``deliver``. With
``--clean-level voxel`` it is three: ``clean_signal`` reduces what it has cleaned.
"""

from __future__ import annotations

import math
import traceback
from pathlib import Path
from typing import Any

from nipype.interfaces.utility import Merge
from nipype.pipeline import engine as pe

from bids_labelx.areas import find_places
from bids_labelx.atlases.atlas import Atlas
from bids_labelx.atlases.surface_labels import is_surface_atlas
from bids_labelx.errors import Failure
from bids_labelx.extraction.grayordinates import Grayordinates
from bids_labelx.extraction.space import Space
from bids_labelx.images import open_image
from bids_labelx.names import camel, digest
from bids_labelx.outputs.run_records import Invocation
from bids_labelx.outputs.states import FAILED
from bids_labelx.participant.deliver import Delivery
from bids_labelx.participant.fetched import how_to_fetch
from bids_labelx.participant.finished import inputs_digest
from bids_labelx.participant.plan import Plan, PlannedRun, confounds_files, record_paths
from bids_labelx.participant.records import Outcome, save_record
from bids_labelx.participant.unchanged import file_state
from bids_labelx.participant.weights import weights_on
from bids_labelx.settings import (
    ConnectivityOptions,
    DenoisingOptions,
    ExtractionOptions,
    LabelOptions,
    Settings,
)
from bids_labelx.workflow.interfaces import (
    CleanSignal,
    CleanVoxels,
    Connect,
    Deliver,
    LabelReduce,
    ResampleAtlas,
    versions,
)
from bids_labelx.workflow.memory import (
    clean_gb,
    connect_gb,
    deliver_gb,
    reduce_gb,
    resample_gb,
    weights_gb,
)


def init_bids_labelx_wf(
    settings: Settings, plan: Plan, invocation: Invocation, *, work_dir: Path, records: Path
) -> pe.Workflow:
    """The graph of all runs, whose nodes record in the folder `records` how these ended.

    A run whose nodes cannot be made is not in it, and has its record.
    """
    workflow = pe.Workflow(name="bids_labelx_wf", base_dir=str(work_dir))
    resampled: dict[str, pe.Workflow] = {}
    gathered: dict[tuple[str, ...], pe.Workflow] = {}
    used = versions()
    # The node that reads the run takes the labels on its grid.
    first = "clean_signal" if settings.clean_level == "voxel" else "label_reduce"
    for planned in plan.runs:
        names = tuple(_atlas_node(atlas, planned.grid) for atlas in planned.atlases)
        try:
            for name, atlas in zip(names, planned.atlases, strict=True):
                if name not in resampled:
                    resampled[name] = _init_atlas_wf(
                        settings, atlas, planned.grid, name, records, used
                    )
            run_wf = _init_run_wf(settings, plan, planned, invocation, records, used)
        # Whatever is odd about one run concerns no other.
        except Exception as error:
            failure = Failure.of(error, trace=traceback.format_exc())
            save_record(record_paths(records, planned)[FAILED], Outcome((failure,)))
            continue
        if names not in gathered:
            gathered[names] = _init_gather_wf(names)
            for i, name in enumerate(names, 1):
                outputs = [
                    ("resample_atlas.labels", f"all_labels.in{i}"),
                    ("resample_atlas.table", f"all_tables.in{i}"),
                    ("resample_atlas.seconds", f"all_seconds.in{i}"),
                ]
                workflow.connect([(resampled[name], gathered[names], outputs)])
        outputs = [
            ("all_labels.out", f"{first}.labels"),
            ("all_tables.out", f"{first}.tables"),
            ("all_labels.out", "deliver.labels"),
            ("all_seconds.out", "deliver.atlas_seconds"),
        ]
        workflow.connect([(gathered[names], run_wf, outputs)])
    return workflow


def atlas_records(records: Path, planned: PlannedRun) -> list[Path]:
    """Records of why resampling an atlas of this run failed."""
    names = [_atlas_node(atlas, planned.grid) for atlas in planned.atlases]
    return [records / "atlases" / f"{name}.pkl" for name in names]


def _atlas_node(atlas: Atlas, grid: Space) -> str:
    """A name that is the same in every invocation that resamples this atlas to this grid.

    Invocations may share a work folder.
    """
    return f"{camel(atlas.key)}_{digest(atlas.files, atlas.which, grid)}_wf"


def _init_atlas_wf(
    settings: Settings, atlas: Atlas, grid: Space, name: str, records: Path, used: str
) -> pe.Workflow:
    """One atlas resampled to one grid, in its own workflow: its node has one name everywhere."""
    memory = resample_gb(grid.n_elements, _elements_of(atlas), weights_on(atlas, grid.n_elements))
    meshes = find_places(grid, settings.surface_mesh) if isinstance(grid, Grayordinates) else {}
    node = pe.Node(
        ResampleAtlas(
            atlas=atlas,
            files=[file_state(path) for path in (*atlas.files, *meshes.values())],
            fetching=how_to_fetch(settings),
            meshes=meshes,
            grid=grid,
            options=settings.part(LabelOptions),
            threads=settings.omp_nthreads,
            versions=used,
            need_gb=memory,
            failed_record=str(records / "atlases" / f"{name}.pkl"),
        ),
        name="resample_atlas",
        mem_gb=memory,
        n_procs=settings.omp_nthreads,
    )
    workflow = pe.Workflow(name=name)
    workflow.add_nodes([node])
    return workflow


def _elements_of(atlas: Atlas) -> int:
    """Voxels of a label image; those of surfaces are few beside them."""
    if is_surface_atlas(atlas.image) or atlas.kind == "spheres":
        return 0
    return math.prod(open_image(atlas.image).shape[:3])


def _init_gather_wf(names: tuple[str, ...]) -> pe.Workflow:
    """The atlases of a run as lists: of labels, of tables, and of how long each took."""
    workflow = pe.Workflow(name=f"atlases_{digest(names)}_wf")
    for name in ("all_labels", "all_tables", "all_seconds"):
        node = pe.Node(Merge(len(names)), name=name, run_without_submitting=True)
        workflow.add_nodes([node])
    return workflow


def _init_run_wf(
    settings: Settings,
    plan: Plan,
    planned: PlannedRun,
    invocation: Invocation,
    records: Path,
    used: str,
) -> pe.Workflow:
    run = planned.run
    ended = {state: str(path) for state, path in record_paths(records, planned).items()}
    memory = _memory(settings, plan, planned)

    def node(interface: type, name: str, **inputs: Any) -> pe.Node:
        return pe.Node(
            interface(
                **inputs,
                fetching=how_to_fetch(settings),
                threads=settings.omp_nthreads,
                versions=used,
                need_gb=memory[name],
                failed_record=ended[FAILED],
            ),
            name=name,
            mem_gb=memory[name],
            n_procs=settings.omp_nthreads,
        )

    tables = [one for one in planned.files if Path(one.path) in confounds_files(run)]
    images = [one for one in planned.files if one not in tables]
    extraction = {
        "source": planned.source,
        "extraction": settings.part(ExtractionOptions),
        "promise": planned.promise,
    }
    denoising = {
        "source": planned.source,
        "strategies": plan.strategies,
        "denoising": settings.part(DenoisingOptions),
    }
    matrices = settings.part(ConnectivityOptions)
    connect = node(Connect, "connectivity", options=matrices, run=dict(planned.run.entities))
    delivery = Delivery(settings, planned, plan.strategies)
    deliver = node(
        Deliver,
        "deliver",
        delivery=delivery,
        invocation=invocation,
        inputs_digest=inputs_digest(planned),
        ended_records=ended,
    )
    workflow = pe.Workflow(name=f"{planned.key}_wf")
    if settings.clean_level == "voxel":
        both = {**extraction, **denoising, "files": images + tables}
        clean = reduce = node(CleanVoxels, "clean_signal", **both)
    else:
        reduce = node(LabelReduce, "label_reduce", **extraction, files=images)
        clean = node(CleanSignal, "clean_signal", **denoising, files=tables)
        workflow.connect(reduce, "extracted", clean, "extracted")
        workflow.connect(reduce, "seconds", deliver, "reduce_seconds")
    workflow.connect(
        [
            (clean, connect, [("denoised", "denoised")]),
            (reduce, deliver, [("extracted", "extracted")]),
            (clean, deliver, [("denoised", "denoised"), ("seconds", "clean_seconds")]),
            (connect, deliver, [("matrices", "matrices"), ("seconds", "connect_seconds")]),
        ]
    )
    return workflow


def _memory(settings: Settings, plan: Plan, planned: PlannedRun) -> dict[str, float]:
    """What the nodes of a run are expected to need, in GB."""
    voxels = planned.grid.n_elements
    labels = [plan.label_counts[atlas.key] for atlas in planned.atlases]
    raw = planned.n_volumes * sum(labels) * len(settings.statistic)
    series = raw * len(plan.strategies)
    kinds = len(settings.statistic) * len(plan.strategies)
    matrices = kinds * len(settings.measures) * (1 + len(settings.exact_volumes))
    voxel = settings.clean_level == "voxel"
    reduce = reduce_gb(
        voxels,
        planned.itemsize,
        len(labels),
        raw + series if voxel else raw,
        smoothed=settings.smoothing_fwhm is not None,
        voxels_cleaned=voxel,
    )
    weights = sum(weights_on(atlas, voxels) for atlas in planned.atlases)
    reduce += weights_gb(weights)
    return {
        "label_reduce": reduce,
        "clean_signal": reduce if voxel else clean_gb(raw + series),
        "connectivity": connect_gb(
            series,
            labels,
            matrices,
            shrunk=bool({"partial-correlation", "precision"} & set(settings.measures)),
        ),
        "deliver": deliver_gb(voxels, series, labels, matrices) + weights_gb(weights),
    }
