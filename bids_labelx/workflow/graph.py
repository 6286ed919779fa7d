"""The nipype graph of the participant level.

Each atlas is brought onto each grid once, by a node of its own, and shared by every run there. A
run is four nodes: ``label_reduce``, ``clean_signal``, ``connectivity`` and ``deliver``. With
``--clean-level voxel`` it is three: ``clean_signal`` reduces what it has cleaned.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

from nipype.interfaces.utility import Merge
from nipype.pipeline import engine as pe

from bids_labelx.atlases.atlas import Atlas
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.images import open_image
from bids_labelx.names import camel
from bids_labelx.participant.deliver import Delivery
from bids_labelx.participant.plan import Plan, PlannedRun, record_paths
from bids_labelx.settings import Settings
from bids_labelx.workflow.interfaces import (
    CleanSignal,
    CleanVoxels,
    Connect,
    Deliver,
    LabelReduce,
    ResampleAtlas,
)
from bids_labelx.workflow.memory import (
    clean_gb,
    connect_gb,
    deliver_gb,
    reduce_gb,
    resample_gb,
)


def init_bids_labelx_wf(
    settings: Settings, plan: Plan, *, work_dir: Path, records: Path
) -> pe.Workflow:
    """The graph of all runs.

    Parameters
    ----------
    settings, plan
        What to do.
    work_dir
        Where nodes work.
    records
        Where runs leave word of how they ended.
    """
    workflow = pe.Workflow(name="bids_labelx_wf", base_dir=str(work_dir))
    resampled: dict[str, pe.Workflow] = {}
    gathered: dict[tuple[str, ...], pe.Workflow] = {}
    first = _first_node(settings)
    for planned in plan.runs:
        names = tuple(_atlas_node(atlas, planned.grid) for atlas in planned.atlases)
        for name, atlas in zip(names, planned.atlases, strict=True):
            if name not in resampled:
                resampled[name] = _init_atlas_wf(settings, atlas, planned.grid, name, records)
        if names not in gathered:
            gathered[names] = _init_gather_wf(names)
            for i, name in enumerate(names, 1):
                outputs = [
                    ("resample_atlas.labels", f"all_labels.in{i}"),
                    ("resample_atlas.table", f"all_tables.in{i}"),
                    ("resample_atlas.seconds", f"all_seconds.in{i}"),
                ]
                workflow.connect([(resampled[name], gathered[names], outputs)])
        run_wf = _init_run_wf(settings, plan, planned, records)
        outputs = [
            ("all_labels.out", f"{first}.labels"),
            ("all_tables.out", f"{first}.tables"),
            ("all_labels.out", "deliver.labels"),
            ("all_seconds.out", "deliver.atlas_seconds"),
        ]
        workflow.connect([(gathered[names], run_wf, outputs)])
    return workflow


def atlas_records(records: Path, planned: PlannedRun) -> list[Path]:
    """Where it says why an atlas of this run could not be brought onto its grid."""
    names = [_atlas_node(atlas, planned.grid) for atlas in planned.atlases]
    return [records / "atlases" / f"{name}.json" for name in names]


def _digest(*what: object) -> str:
    return hashlib.sha256(repr(what).encode()).hexdigest()[:12]


def _atlas_node(atlas: Atlas, grid: VolumeGrid) -> str:
    """A name that is the same in every start that brings this atlas onto this grid.

    Starts may share a work folder.
    """
    return f"{camel(atlas.key)}_{_digest(atlas.image, atlas.table_path, grid)}_wf"


def _init_atlas_wf(
    settings: Settings, atlas: Atlas, grid: VolumeGrid, name: str, records: Path
) -> pe.Workflow:
    """One atlas onto one grid, in a workflow of its own: its node has one name everywhere."""
    node = pe.Node(
        ResampleAtlas(
            image=str(atlas.image),
            shape=grid.shape,
            affine=[list(row) for row in grid.rows],
            background=settings.background_label,
            wanted=list(settings.labels),
            threads=settings.omp_nthreads,
            failed_record=str(records / "atlases" / f"{name}.json"),
        ),
        name="resample_atlas",
        mem_gb=resample_gb(grid.n_elements, math.prod(open_image(atlas.image).shape)),
        n_procs=settings.omp_nthreads,
    )
    if atlas.table_path is not None:
        node.inputs.table = str(atlas.table_path)
    workflow = pe.Workflow(name=name)
    workflow.add_nodes([node])
    return workflow


def _init_gather_wf(names: tuple[str, ...]) -> pe.Workflow:
    """The atlases of a run as lists: of labels, of tables, and of how long each took."""
    workflow = pe.Workflow(name=f"atlases_{_digest(names)}_wf")
    for name in ("all_labels", "all_tables", "all_seconds"):
        node = pe.Node(Merge(len(names)), name=name, run_without_submitting=True)
        workflow.add_nodes([node])
    return workflow


def _init_run_wf(
    settings: Settings, plan: Plan, planned: PlannedRun, records: Path
) -> pe.Workflow:
    run = planned.run
    done, failed = map(str, record_paths(records, planned))
    memory = _memory(settings, plan, planned)
    threads = {"n_procs": settings.omp_nthreads}
    extraction: dict[str, Any] = {
        "bold": str(run.bold),
        "resample_mask": planned.resample_mask,
        "statistics": list(settings.statistic),
        "min_coverage": settings.min_coverage,
    }
    if planned.mask is not None:
        extraction["mask"] = str(planned.mask)
    if settings.smoothing_fwhm is not None:
        extraction["smoothing_fwhm"] = settings.smoothing_fwhm
    denoising: dict[str, Any] = {
        "strategies": plan.strategies,
        "missing": run.missing.get("confounds", ""),
        "image_desc": run.desc,
        "censor_output": settings.censor_output,
        "min_minutes": settings.min_minutes,
    }
    if run.confounds is not None:
        denoising["confounds"] = str(run.confounds)
    if planned.t_r is not None:
        denoising["t_r"] = planned.t_r
    connect = pe.Node(
        Connect(
            measures=list(settings.measures),
            exact_volumes=list(settings.exact_volumes),
            threads=settings.omp_nthreads,
            failed_record=failed,
        ),
        name="connectivity",
        mem_gb=memory["connectivity"],
        **threads,
    )
    deliver = pe.Node(
        Deliver(
            delivery=Delivery(settings, planned, plan.strategies),
            done_record=done,
            threads=settings.omp_nthreads,
            failed_record=failed,
        ),
        name="deliver",
        mem_gb=memory["deliver"],
        **threads,
    )
    workflow = pe.Workflow(name=f"{planned.key}_wf")
    if settings.clean_level == "voxel":
        clean = reduce = pe.Node(
            CleanVoxels(
                **extraction,
                **denoising,
                standardize_voxels=settings.standardize_voxels,
                threads=settings.omp_nthreads,
                failed_record=failed,
            ),
            name=_first_node(settings),
            mem_gb=memory["reduce"],
            **threads,
        )
    else:
        reduce = pe.Node(
            LabelReduce(**extraction, threads=settings.omp_nthreads, failed_record=failed),
            name=_first_node(settings),
            mem_gb=memory["reduce"],
            **threads,
        )
        clean = pe.Node(
            CleanSignal(**denoising, threads=settings.omp_nthreads, failed_record=failed),
            name="clean_signal",
            mem_gb=memory["clean"],
            **threads,
        )
        workflow.connect(
            [
                (reduce, clean, [("signals", "signals")]),
                (reduce, deliver, [("seconds", "reduce_seconds")]),
            ]
        )
    workflow.connect(
        [
            (clean, connect, [("cleaned", "cleaned"), ("denoising", "denoising")]),
            (reduce, deliver, [("signals", "signals"), ("tables", "tables")]),
            (clean, deliver, [("cleaned", "cleaned"), ("denoising", "denoising")]),
            (clean, deliver, [("seconds", "clean_seconds")]),
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
    return {
        "reduce": reduce_gb(
            voxels,
            planned.itemsize,
            len(labels),
            raw + series if voxel else raw,
            smoothed=settings.smoothing_fwhm is not None,
            voxels_cleaned=voxel,
        ),
        "clean": clean_gb(raw + series),
        "connectivity": connect_gb(
            series,
            labels,
            matrices,
            shrunk=bool({"partial-correlation", "precision"} & set(settings.measures)),
        ),
        "deliver": deliver_gb(voxels, series, labels, matrices),
    }


def _first_node(settings: Settings) -> str:
    """The node of a run that reads it: it takes the labels on the run's grid."""
    return "clean_signal" if settings.clean_level == "voxel" else "label_reduce"
