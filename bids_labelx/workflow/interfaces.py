"""Thin nipype interfaces to the functions of `bids_labelx.participant`.

An interface that fails leaves a record of why, so that the app can report, under every plugin,
which run failed for which reason.
"""

from __future__ import annotations

import tempfile
import time
import traceback
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)
from threadpoolctl import threadpool_limits

from bids_labelx._version import __version__
from bids_labelx.annex.fetching import Fetching, fetching
from bids_labelx.errors import Failure
from bids_labelx.outputs.compact import commit
from bids_labelx.outputs.run_records import record_path
from bids_labelx.participant import denoise_run, extract
from bids_labelx.participant.deliver import write_run
from bids_labelx.participant.facts import notes
from bids_labelx.participant.finished import record_run, remove_contradicting
from bids_labelx.participant.matrices import connect_run
from bids_labelx.participant.pictures import write_pictures
from bids_labelx.participant.records import (
    AtlasOnGrid,
    Connected,
    Denoised,
    Extracted,
    Outcome,
    RunResults,
    load_record,
    save_record,
)
from bids_labelx.participant.unchanged import FileState, check_unchanged
from bids_labelx.workflow.failures import failure_of
from bids_labelx.workflow.kept import settle

# Files of the user's are no File(exists=True): where one is gone, nipype would fail beyond a run.

_NUMERICAL = ("numpy", "scipy", "nibabel", "pandas", "scikit-learn", "isal")


def versions() -> str:
    """This package's version and those of the libraries that its numbers come from."""
    return f"{__version__} {[(name, version(name)) for name in _NUMERICAL]}"


class _RecordedInput(BaseInterfaceInputSpec):
    failed_record = traits.Str(nohash=True, desc="where to say why this failed")
    need_gb = traits.Float(0.0, usedefault=True, nohash=True, desc="memory declared for the node")
    files = traits.List(
        traits.Any,
        [],
        usedefault=True,
        hash_files=False,
        desc="FileState of what it reads: it runs again where one is another than in an earlier "
        "invocation, and fails where one changes during this one",
    )
    fetching = traits.Any(nohash=True, desc="Fetching: of files in git-annex; None for none")
    threads = traits.Int(1, usedefault=True, desc="of linear algebra")
    versions = traits.Str(desc="of the libraries: results of other ones are not taken")


class _RecordedOutput(TraitedSpec):
    seconds = traits.Float(desc="that it took")


class _Recorded(SimpleInterface):
    """Runs `_work` in the node's folder; says in a file why it failed."""

    failed: tuple[Exception, Failure] | None = None

    def _run_interface(self, runtime: Any) -> Any:
        start = time.monotonic()
        try:
            # Threaded linear algebra may sum in another order: the bytes would depend on cores.
            with threadpool_limits(self.inputs.threads), _content(self.inputs):
                check_unchanged(self.inputs.files)
                found = self._work(Path(runtime.cwd))
                settle(Path(runtime.cwd), map(Path, found.values()))
                self._results.update(found)
                check_unchanged(self.inputs.files)
        except Exception as error:
            failure = failure_of(error, self.inputs.need_gb, runtime.cwd)
            failure = replace(failure, trace=traceback.format_exc())
            # nipype raises an error of its own: who runs the node in this process finds it here.
            self.failed = error, failure
            if isdefined(self.inputs.failed_record):
                # Where the disk is full, the one who runs the node may still be told.
                with suppress(OSError):
                    save_record(Path(self.inputs.failed_record), Outcome((failure,)))
            raise
        self._results["seconds"] = time.monotonic() - start
        return runtime

    @abstractmethod
    def _work(self, folder: Path) -> dict[str, Any]:
        """Do the step in the node's folder; give the outputs by name."""


@contextmanager
def _content(inputs: Any) -> Iterator[None]:
    """Have the content of the files that a node reads, for as long as it does."""
    how = inputs.fetching if isdefined(inputs.fetching) else None
    # Plugins for clusters make plain tuples of named ones.
    with fetching(how and Fetching(*how)) as fetcher:
        if fetcher is not None:
            fetcher.acquire(Path(FileState(*one).path) for one in inputs.files)
        yield


class _ResampleInput(_RecordedInput):
    atlas = traits.Any(mandatory=True, desc="Atlas")
    grid = traits.Any(mandatory=True, desc="VolumeGrid or Grayordinates")
    options = traits.Any(mandatory=True, desc="LabelOptions")
    meshes = traits.Any(desc="dict of paths by structure, for the places of labels on surfaces")


class _ResampleOutput(_RecordedOutput):
    labels = File(desc="labels on the grid, not masked")
    table = File(desc="label table with voxels_atlas, voxels_in_view and voxels_grid")


class ResampleAtlas(_Recorded):
    """One atlas resampled to one grid."""

    input_spec = _ResampleInput
    output_spec = _ResampleOutput

    def _work(self, folder: Path) -> dict[str, Any]:
        inputs = self.inputs
        ending = ".npy" if inputs.atlas.kind == "labels" else ".npz"
        to = AtlasOnGrid(folder / f"labels{ending}", folder / "labels.tsv")
        meshes = inputs.meshes if isdefined(inputs.meshes) else None
        extract.resample_atlas(inputs.atlas, inputs.grid, inputs.options, to, meshes)
        return {"labels": str(to.labels), "table": str(to.table)}


class _RunInput(_RecordedInput):
    source = traits.Any(mandatory=True, desc="RunSource")


class _ReduceInput(_RunInput):
    labels = traits.List(File(exists=True), mandatory=True)
    tables = traits.List(File(exists=True), mandatory=True)
    extraction = traits.Any(mandatory=True, desc="ExtractionOptions")
    promise = traits.Any(
        nohash=True, desc="Promise: what it was planned with, where the series was not there"
    )


class _ReduceOutput(_RecordedOutput):
    extracted = File(desc="Extracted")


class LabelReduce(_Recorded):
    """One pass over a run: every atlas and statistic."""

    input_spec = _ReduceInput
    output_spec = _ReduceOutput

    def _work(self, folder: Path) -> dict[str, Any]:
        inputs = self.inputs
        _check_promise(inputs)
        extracted = extract.reduce_run(inputs.source, _atlases(inputs), inputs.extraction)
        return {"extracted": save_record(folder / "extracted.pkl", extracted)}


def _check_promise(inputs: Any) -> None:
    """See whether a series is what it was planned as before it was there."""
    if isdefined(inputs.promise) and inputs.promise is not None:
        inputs.promise.check()


def _atlases(inputs: Any) -> list[AtlasOnGrid]:
    pairs = zip(inputs.labels, inputs.tables, strict=True)
    return [AtlasOnGrid(Path(labels), Path(table)) for labels, table in pairs]


class _DenoiseInput(_RunInput):
    strategies = traits.Any(mandatory=True, desc="tuple of Strategy")
    denoising = traits.Any(mandatory=True, desc="DenoisingOptions")


class _CleanInput(_DenoiseInput):
    extracted = File(exists=True, mandatory=True)


class _CleanOutput(_RecordedOutput):
    denoised = File(desc="Denoised")


class CleanSignal(_Recorded):
    """Every denoising strategy on the region signals."""

    input_spec = _CleanInput
    output_spec = _CleanOutput

    def _work(self, folder: Path) -> dict[str, Any]:
        inputs = self.inputs
        extracted = load_record(inputs.extracted, Extracted)
        denoised = denoise_run.denoise_signals(
            extracted, inputs.source, inputs.strategies, inputs.denoising
        )
        return {"denoised": save_record(folder / "denoised.pkl", denoised)}


class _CleanVoxelsInput(_DenoiseInput, _ReduceInput):
    pass


class _CleanVoxelsOutput(_CleanOutput, _ReduceOutput):
    pass


class CleanVoxels(_Recorded):
    """Every denoising strategy on the labelled voxels, and what is left reduced to labels.

    One node and not two: between them would lie each strategy's copy of the run.
    """

    input_spec = _CleanVoxelsInput
    output_spec = _CleanVoxelsOutput

    def _work(self, folder: Path) -> dict[str, Any]:
        inputs = self.inputs
        _check_promise(inputs)
        with tempfile.TemporaryDirectory(prefix="voxels-", dir=folder) as scratch:
            extracted, denoised = denoise_run.denoise_voxels(
                inputs.source,
                _atlases(inputs),
                inputs.strategies,
                inputs.extraction,
                inputs.denoising,
                Path(scratch),
            )
        return {
            "extracted": save_record(folder / "extracted.pkl", extracted),
            "denoised": save_record(folder / "denoised.pkl", denoised),
        }


class _ConnectInput(_RecordedInput):
    denoised = File(exists=True, mandatory=True)
    options = traits.Any(mandatory=True, desc="ConnectivityOptions")
    run = traits.Any(mandatory=True, desc="dict of the run's entities")


class _ConnectOutput(_RecordedOutput):
    matrices = File(desc="Connected")


class Connect(_Recorded):
    """Matrices of the denoised signals."""

    input_spec = _ConnectInput
    output_spec = _ConnectOutput

    def _work(self, folder: Path) -> dict[str, Any]:
        denoised = load_record(self.inputs.denoised, Denoised)
        connected = connect_run(denoised, self.inputs.options, self.inputs.run)
        return {"matrices": save_record(folder / "matrices.pkl", connected)}


class _DeliverInput(_RecordedInput):
    delivery = traits.Any(mandatory=True, desc="Delivery")
    invocation = traits.Any(mandatory=True, nohash=True, desc="Invocation")
    inputs_digest = traits.Str(mandatory=True, nohash=True, desc="of the files that were read")
    labels = traits.List(File(exists=True), mandatory=True)
    extracted = File(exists=True, mandatory=True)
    denoised = File(exists=True, mandatory=True)
    matrices = File(exists=True, mandatory=True)
    ended_records = traits.Any(mandatory=True, nohash=True, desc="dict of paths by state")
    atlas_seconds = traits.List(traits.Float, nohash=True, desc="of resample_atlas")
    reduce_seconds = traits.Float(nohash=True)
    clean_seconds = traits.Float(nohash=True)
    connect_seconds = traits.Float(nohash=True)


class Deliver(_Recorded):
    """Files of a run, and the data of its page, into the output dataset.

    It always runs: that it ran before says nothing of the output folder of today.
    """

    input_spec = _DeliverInput
    output_spec = _RecordedOutput
    _always_run = True

    def _work(self, folder: Path) -> dict[str, Any]:  # noqa: ARG002
        results = RunResults(
            tuple(Path(path) for path in self.inputs.labels),
            load_record(self.inputs.extracted, Extracted),
            load_record(self.inputs.denoised, Denoised),
            load_record(self.inputs.matrices, Connected),
        )
        start = time.monotonic()
        written = write_run(self.inputs.delivery, results)
        remove_contradicting(self.inputs.delivery, self.inputs.invocation, written)
        between, reduced = time.monotonic(), self.inputs.reduce_seconds
        drawn = write_pictures(self.inputs.delivery, results)
        seconds = {
            "resample_atlas": sum(self.inputs.atlas_seconds),
            "label_reduce": reduced if isdefined(reduced) else None,
            "clean_signal": self.inputs.clean_seconds,
            "connectivity": self.inputs.connect_seconds,
            "files": between - start,
            "pictures": time.monotonic() - between,
        }
        record_run(
            self.inputs.delivery,
            self.inputs.invocation,
            self.inputs.inputs_digest,
            results,
            {**written, **drawn},
            seconds,
        )
        entities = self.inputs.delivery.planned.run.entities
        commit(
            self.inputs.delivery.settings.output_dir,
            entities["sub"],
            [*written, *drawn, record_path(entities)],
        )
        remarks = tuple(notes(self.inputs.delivery, results.denoised))
        outcome = Outcome(results.failures, remarks, tuple(results.denoised.applied))
        save_record(Path(self.inputs.ended_records[outcome.state]), outcome)
        return {}
