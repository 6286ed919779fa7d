"""The nipype graph of the participant level.

Each atlas is brought onto each grid once, by a node of its own, and shared by every run there. A
run is four nodes: ``label_reduce``, ``clean_signal``, ``connectivity`` and ``deliver``. With
``--clean-level voxel`` it is three: ``clean_signal`` reduces what it has cleaned.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from nipype.interfaces.utility import Merge
from nipype.pipeline import engine as pe

from bids_labelx.atlas import Atlas
from bids_labelx.names import camel
from bids_labelx.settings import Settings
from bids_labelx.workflow.deliver import make_delivery
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
                ]
                workflow.connect([(resampled[name], gathered[names], outputs)])
        run_wf = _init_run_wf(settings, plan, planned, records)
        outputs = [
            ("all_labels.out", f"{first}.labels"),
            ("all_tables.out", f"{first}.tables"),
            ("all_labels.out", "deliver.labels"),
        ]
        workflow.connect([(gathered[names], run_wf, outputs)])
    return workflow


def atlas_records(records: Path, planned: PlannedRun) -> list[Path]:
    """Where it says why an atlas of this run could not be brought onto its grid."""
    names = [_atlas_node(atlas, planned.grid) for atlas in planned.atlases]
    return [records / "atlases" / f"{name}.json" for name in names]


def _digest(*what: object) -> str:
    return hashlib.sha256(repr(what).encode()).hexdigest()[:12]


def _atlas_node(atlas: Atlas, grid: Grid) -> str:
    """A name that is the same in every start that brings this atlas onto this grid.

    Starts may share a work folder.
    """
    return f"{camel(atlas.key)}_{_digest(atlas.image, atlas.table_path, grid)}_wf"


def _init_atlas_wf(
    settings: Settings, atlas: Atlas, grid: Grid, name: str, records: Path
) -> pe.Workflow:
    """One atlas onto one grid, in a workflow of its own: its node has one name everywhere."""
    node = pe.Node(
        ResampleAtlas(
            image=str(atlas.image),
            shape=grid.shape,
            affine=[list(row) for row in grid.affine],
            background=settings.background_label,
            wanted=list(settings.labels),
            failed_record=str(records / "atlases" / f"{name}.json"),
        ),
        name="resample_atlas",
    )
    if atlas.table_path is not None:
        node.inputs.table = str(atlas.table_path)
    workflow = pe.Workflow(name=name)
    workflow.add_nodes([node])
    return workflow


def _init_gather_wf(names: tuple[str, ...]) -> pe.Workflow:
    """The atlases of a run as two lists, of labels and of tables."""
    workflow = pe.Workflow(name=f"atlases_{_digest(names)}_wf")
    for name in ("all_labels", "all_tables"):
        node = pe.Node(Merge(len(names)), name=name, run_without_submitting=True)
        workflow.add_nodes([node])
    return workflow


def _init_run_wf(
    settings: Settings, plan: Plan, planned: PlannedRun, records: Path
) -> pe.Workflow:
    run = planned.run
    done, failed = map(str, record_paths(records, planned))
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
            failed_record=failed,
        ),
        name="connectivity",
    )
    deliver = pe.Node(
        Deliver(
            delivery=make_delivery(settings, plan, planned),
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
