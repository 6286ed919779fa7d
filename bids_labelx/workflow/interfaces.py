"""Thin nipype faces of `bids_labelx.participant.extract` and `bids_labelx.participant.deliver`.

An interface that fails leaves a record of why, so that whoever started the graph can tell, under
every plugin, which run failed for which reason.
"""

from __future__ import annotations

import json
import tempfile
import time
import traceback
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)
from threadpoolctl import threadpool_limits

from bids_labelx.errors import Failure
from bids_labelx.participant import denoise_run, extract
from bids_labelx.participant.deliver import too_short, write_run
from bids_labelx.participant.figures import Results, draw_run
from bids_labelx.participant.outcome import Outcome, write_outcome


class _RecordedInput(BaseInterfaceInputSpec):
    failed_record = traits.Str(nohash=True, desc="where to say why this failed")
    threads = traits.Int(1, usedefault=True, desc="of linear algebra")


class _RecordedOutput(TraitedSpec):
    seconds = traits.Float(desc="that it took")


class _Recorded(SimpleInterface):
    """Runs `_work` in the node's folder; says in a file why it failed."""

    def _run_interface(self, runtime: Any) -> Any:
        start = time.monotonic()
        try:
            # Threaded linear algebra may sum in another order: the bytes would depend on cores.
            with threadpool_limits(self.inputs.threads):
                self._results.update(self._work(Path(runtime.cwd)))
        except Exception as error:
            if isdefined(self.inputs.failed_record):
                failure = Failure.of(error, trace=traceback.format_exc())
                write_outcome(Path(self.inputs.failed_record), Outcome((failure,)))
            raise
        self._results["seconds"] = time.monotonic() - start
        return runtime

    @abstractmethod
    def _work(self, folder: Path) -> dict[str, Any]:
        """Do the step in the node's folder; give the outputs by name."""


class _ResampleInput(_RecordedInput):
    image = File(exists=True, mandatory=True)
    table = File(exists=True)
    shape = traits.Tuple(traits.Int, traits.Int, traits.Int, mandatory=True)
    affine = traits.List(traits.List(traits.Float), mandatory=True)
    background = traits.Int(mandatory=True)
    wanted = traits.List(traits.Str, mandatory=True, desc="labels; all where it is empty")


class _ResampleOutput(_RecordedOutput):
    labels = File(desc="labels on the grid, not masked")
    table = File(desc="label table with voxels_atlas and voxels_grid")


class ResampleAtlas(_Recorded):
    """One atlas onto one grid."""

    input_spec = _ResampleInput
    output_spec = _ResampleOutput

    def _work(self, folder: Path) -> dict[str, Any]:
        labels, table = folder / "labels.nii", folder / "labels.tsv"
        own = Path(self.inputs.table) if isdefined(self.inputs.table) else None
        affine = np.array(self.inputs.affine)
        extract.resample_atlas(
            Path(self.inputs.image),
            own,
            self.inputs.shape,
            affine,
            labels,
            table,
            background=self.inputs.background,
            wanted=self.inputs.wanted,
        )
        return {"labels": str(labels), "table": str(table)}


class _ReduceInput(_RecordedInput):
    bold = File(exists=True, mandatory=True)
    mask = File(exists=True, desc="all voxels count unless given")
    resample_mask = traits.Bool(mandatory=True, desc="it may be on another grid")
    labels = traits.List(File(exists=True), mandatory=True)
    tables = traits.List(File(exists=True), mandatory=True)
    statistics = traits.List(traits.Str, mandatory=True)
    min_coverage = traits.Float(mandatory=True)
    smoothing_fwhm = traits.Float(desc="mm; not smoothed unless given")


class _ReduceOutput(_RecordedOutput):
    signals = File(desc="arrays of each atlas and statistic")
    tables = traits.List(File, desc="label tables with coverage and status")


class LabelReduce(_Recorded):
    """One pass over a run: every atlas and statistic."""

    input_spec = _ReduceInput
    output_spec = _ReduceOutput

    def _work(self, folder: Path) -> dict[str, Any]:
        arrays, tables = extract.reduce_run(**_extraction(self.inputs))
        return _save_extracted(folder, arrays, tables)


def _extraction(inputs: Any) -> dict[str, Any]:
    """Arguments of `extract.reduce_run`."""
    return {
        "bold": Path(inputs.bold),
        "mask": Path(inputs.mask) if isdefined(inputs.mask) else None,
        "resample_mask": inputs.resample_mask,
        "labels": [Path(path) for path in inputs.labels],
        "tables": [Path(path) for path in inputs.tables],
        "statistics": inputs.statistics,
        "min_coverage": inputs.min_coverage,
        "smoothing_fwhm": _given(inputs.smoothing_fwhm),
    }


def _given(value: Any) -> Any:
    """An input's value, or None where it was not given."""
    return value if isdefined(value) else None


def _save_extracted(
    folder: Path, arrays: extract.Arrays, tables: list[pd.DataFrame]
) -> dict[str, Any]:
    extract.save_arrays(folder / "signals.npz", arrays)
    paths = [folder / f"labels-{i}.tsv" for i in range(len(tables))]
    for path, table in zip(paths, tables, strict=True):
        table.to_csv(path, sep="\t", index=False)
    return {"signals": str(folder / "signals.npz"), "tables": [str(path) for path in paths]}


class _StrategiesInput(_RecordedInput):
    confounds = File(exists=True)
    missing = traits.Str(desc="why there are no confounds")
    strategies = traits.Any(mandatory=True, desc="tuple of Strategy")
    t_r = traits.Float(desc="repetition time in seconds")
    image_desc = traits.Str(mandatory=True, desc="the desc- of the BOLD image")
    censor_output = traits.Str(mandatory=True)
    min_minutes = traits.Float(mandatory=True)


class _CleanInput(_StrategiesInput):
    signals = File(exists=True, mandatory=True)


class _CleanOutput(_RecordedOutput):
    cleaned = File(desc="arrays of each atlas, statistic and strategy")
    denoising = File(desc="what each strategy did, or why it could not")


class CleanSignal(_Recorded):
    """Every denoising strategy on the region signals."""

    input_spec = _CleanInput
    output_spec = _CleanOutput

    def _work(self, folder: Path) -> dict[str, Any]:
        cleaned, report = denoise_run.clean_run(
            extract.load_arrays(Path(self.inputs.signals)), **_denoising(self.inputs)
        )
        return _save_cleaned(folder, cleaned, report)


def _denoising(inputs: Any) -> dict[str, Any]:
    """Arguments of `denoise_run.clean_run`."""
    return {
        "strategies": inputs.strategies,
        "confounds": Path(inputs.confounds) if isdefined(inputs.confounds) else None,
        "missing": inputs.missing,
        "t_r": _given(inputs.t_r),
        "image_desc": inputs.image_desc,
        "censor_output": inputs.censor_output,
        "min_minutes": inputs.min_minutes,
    }


def _save_cleaned(
    folder: Path, cleaned: extract.Arrays, report: Mapping[str, Any]
) -> dict[str, Any]:
    extract.save_arrays(folder / "cleaned.npz", cleaned)
    extract.save_record(folder / "denoising.json", report)
    return {"cleaned": str(folder / "cleaned.npz"), "denoising": str(folder / "denoising.json")}


class _CleanVoxelsInput(_StrategiesInput, _ReduceInput):
    standardize_voxels = traits.Bool(mandatory=True)


class _CleanVoxelsOutput(_CleanOutput, _ReduceOutput):
    pass


class CleanVoxels(_Recorded):
    """Every denoising strategy on the labelled voxels, and what is left reduced to labels.

    One node and not two: between them would lie each strategy's copy of the run.
    """

    input_spec = _CleanVoxelsInput
    output_spec = _CleanVoxelsOutput

    def _work(self, folder: Path) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="voxels-", dir=folder) as scratch:
            cleaned, arrays, tables, report = denoise_run.clean_and_reduce_run(
                **_extraction(self.inputs),
                **_denoising(self.inputs),
                standardize_voxels=self.inputs.standardize_voxels,
                scratch=Path(scratch),
            )
        return {
            **_save_extracted(folder, arrays, tables),
            **_save_cleaned(folder, cleaned, report),
        }


class _ConnectInput(_RecordedInput):
    cleaned = File(exists=True, mandatory=True)
    denoising = File(exists=True, mandatory=True)
    measures = traits.List(traits.Str, mandatory=True)
    exact_volumes = traits.List(traits.Int, mandatory=True)


class _ConnectOutput(_RecordedOutput):
    matrices = File(desc="arrays of each series and measure")


class Connect(_Recorded):
    """Matrices of the cleaned signals."""

    input_spec = _ConnectInput
    output_spec = _ConnectOutput

    def _work(self, folder: Path) -> dict[str, Any]:
        cleaned = extract.load_arrays(Path(self.inputs.cleaned))
        denoising = json.loads(Path(self.inputs.denoising).read_text(encoding="utf-8"))
        matrices = extract.connect_run(
            cleaned, self.inputs.measures, denoising, self.inputs.exact_volumes
        )
        extract.save_arrays(folder / "matrices.npz", matrices)
        return {"matrices": str(folder / "matrices.npz")}


class _DeliverInput(_RecordedInput):
    delivery = traits.Any(mandatory=True, desc="Delivery")
    labels = traits.List(File(exists=True), mandatory=True)
    tables = traits.List(File(exists=True), mandatory=True)
    signals = File(exists=True, mandatory=True)
    cleaned = File(exists=True, mandatory=True)
    matrices = File(exists=True, mandatory=True)
    denoising = File(exists=True, mandatory=True)
    done_record = traits.Str(mandatory=True, nohash=True)
    atlas_seconds = traits.List(traits.Float, nohash=True, desc="of resample_atlas")
    reduce_seconds = traits.Float(nohash=True)
    clean_seconds = traits.Float(nohash=True)
    connect_seconds = traits.Float(nohash=True)


class _DeliverOutput(_RecordedOutput):
    written = traits.List(traits.Str, desc="within the output dataset")


class Deliver(_Recorded):
    """Files and figures of a run, into the output dataset.

    It always runs: that it ran before says nothing of the output folder of today.
    """

    input_spec = _DeliverInput
    output_spec = _DeliverOutput
    _always_run = True

    def _work(self, folder: Path) -> dict[str, Any]:  # noqa: ARG002
        denoising = json.loads(Path(self.inputs.denoising).read_text(encoding="utf-8"))
        results = Results(
            labels=[Path(path) for path in self.inputs.labels],
            tables=[extract.read_grid_table(Path(path)) for path in self.inputs.tables],
            signals=extract.load_arrays(Path(self.inputs.signals)),
            cleaned=extract.load_arrays(Path(self.inputs.cleaned)),
            matrices=extract.load_arrays(Path(self.inputs.matrices)),
            denoising=denoising,
        )
        start = time.monotonic()
        written = write_run(
            self.inputs.delivery,
            labels=results.labels,
            tables=results.tables,
            cleaned=results.cleaned,
            matrices=results.matrices,
            denoising=denoising,
        )
        between = time.monotonic()
        written += draw_run(self.inputs.delivery, results)
        seconds = {
            "resample_atlas": sum(self.inputs.atlas_seconds),
            "label_reduce": _given(self.inputs.reduce_seconds),
            "clean_signal": self.inputs.clean_seconds,
            "connectivity": self.inputs.connect_seconds,
            "files": between - start,
            "figures": time.monotonic() - between,
        }
        failures = tuple(
            Failure.from_json(one["problem"]) for one in denoising.values() if "problem" in one
        )
        notes = tuple(too_short(self.inputs.delivery, denoising))
        write_outcome(Path(self.inputs.done_record), Outcome(failures, notes, seconds))
        return {"written": [str(path) for path in written]}
