"""The nipype graph of the participant level.

Each atlas is brought onto each grid once, by a node of its own, and shared by every run there. A
run is four nodes: ``label_reduce``, ``clean_signal``, ``connectivity`` and ``deliver``. With
``--clean-level voxel`` it is three: ``clean_signal`` reduces what it has cleaned.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.utility import Merge
from nipype.pipeline import engine as pe

from bids_labelx.atlas import Atlas
from bids_labelx.settings import Settings
from bids_labelx.workflow.deliver import Delivery, atlas_root
from bids_labelx.workflow.interfaces import (
    CleanSignal,
    CleanVoxels,
    Connect,
    Deliver,
    LabelReduce,
    ResampleAtlas,
)
from bids_labelx.workflow.plan import Grid, Plan, PlannedRun, record_paths


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
    grids: dict[tuple[str, Grid], pe.Workflow] = {}
    for planned in plan.runs:
        place = (planned.run.space, planned.grid)
        first = _first_node(settings)
        atlases = plan.atlases[planned.run.space]
        if place not in grids:
            grids[place] = _init_grid_wf(
                atlases, planned.grid, f"grid_{len(grids)}_wf", records / "atlases"
            )
        run_wf = _init_run_wf(settings, plan, planned, records)
        workflow.connect(
            [
                (
                    grids[place],
                    run_wf,
                    [
                        ("all_labels.out", f"{first}.labels"),
                        ("all_tables.out", f"{first}.tables"),
                        ("all_labels.out", "deliver.labels"),
                    ],
                )
            ]
        )
    return workflow


def _init_grid_wf(atlases: list[Atlas], grid: Grid, name: str, records: Path) -> pe.Workflow:
    """All atlases onto one grid: a ``resample_atlas`` for each, their results as lists."""
    workflow = pe.Workflow(name=name)
    labels = pe.Node(Merge(len(atlases)), name="all_labels", run_without_submitting=True)
    tables = pe.Node(Merge(len(atlases)), name="all_tables", run_without_submitting=True)
    for i, atlas in enumerate(atlases):
        # A workflow around it, so that the node has the same name for each atlas.
        inner = pe.Workflow(name=f"atlas_{i}_wf")
        node = pe.Node(
            ResampleAtlas(
                image=str(atlas.image),
                shape=grid.shape,
                affine=[list(row) for row in grid.affine],
                failed_record=str(records / f"{name}_{i}.json"),
            ),
            name="resample_atlas",
        )
        if atlas.table_path is not None:
            node.inputs.table = str(atlas.table_path)
        inner.add_nodes([node])
        workflow.connect(
            [
                (inner, labels, [("resample_atlas.labels", f"in{i + 1}")]),
                (inner, tables, [("resample_atlas.table", f"in{i + 1}")]),
            ]
        )
    return workflow


def _init_run_wf(
    settings: Settings, plan: Plan, planned: PlannedRun, records: Path
) -> pe.Workflow:
    run = planned.run
    atlases = tuple(plan.atlases[run.space])
    done, failed = map(str, record_paths(records, planned))
    extraction: dict[str, Any] = {
        "bold": str(run.bold),
        "mask": str(run.mask),
        "statistics": list(settings.statistic),
        "min_coverage": settings.min_coverage,
    }
    if settings.smoothing_fwhm is not None:
        extraction["smoothing_fwhm"] = settings.smoothing_fwhm
    denoising: dict[str, Any] = {
        "strategies": plan.strategies,
        "missing": run.missing.get("confounds", ""),
        "censor_output": settings.censor_output,
        "min_minutes": settings.min_minutes,
    }
    if run.confounds is not None:
        denoising["confounds"] = str(run.confounds)
    if planned.t_r is not None:
        denoising["t_r"] = planned.t_r
    connect = pe.Node(
        Connect(measures=list(settings.measures), failed_record=failed), name="connectivity"
    )
    deliver = pe.Node(
        Deliver(
            delivery=Delivery(
                output=settings.output_dir,
                planned=planned,
                atlases=atlases,
                atlas_roots=tuple(atlas_root(a, settings.atlas_dataset) for a in atlases),
                strategies=plan.strategies,
                statistics=settings.statistic,
                measures=settings.measures,
                min_coverage=settings.min_coverage,
                smoothing_fwhm=settings.smoothing_fwhm,
                clean_level=settings.clean_level,
                standardize_voxels=settings.standardize_voxels,
                censor_output=settings.censor_output,
            ),
            done_record=done,
            failed_record=failed,
        ),
        name="deliver",
    )
    workflow = pe.Workflow(name=f"{planned.key}_wf")
    if settings.clean_level == "voxel":
        clean = reduce = pe.Node(
            CleanVoxels(
                **extraction,
                **denoising,
                standardize_voxels=settings.standardize_voxels,
                failed_record=failed,
            ),
            name=_first_node(settings),
        )
    else:
        reduce = pe.Node(
            LabelReduce(**extraction, failed_record=failed), name=_first_node(settings)
        )
        clean = pe.Node(CleanSignal(**denoising, failed_record=failed), name="clean_signal")
        workflow.connect([(reduce, clean, [("signals", "signals")])])
    workflow.connect(
        [
            (clean, connect, [("cleaned", "cleaned"), ("denoising", "denoising")]),
            (reduce, deliver, [("signals", "signals"), ("tables", "tables")]),
            (clean, deliver, [("cleaned", "cleaned"), ("denoising", "denoising")]),
            (connect, deliver, [("matrices", "matrices")]),
        ]
    )
    return workflow


def _first_node(settings: Settings) -> str:
    """The node of a run that reads it: it takes the labels on the run's grid."""
    return "clean_signal" if settings.clean_level == "voxel" else "label_reduce"
