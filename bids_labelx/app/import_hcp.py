"""``--import hcp``: a BIDS derivatives dataset of links to the runs of the HCP pipelines.

Links are absolute: the dataset may be moved, and the HCP tree, which is the larger by far and
often read-only, stays where it is. Names are those of XCP-D's ingestion of HCP data.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nibabel.affines import voxel_sizes
from rich.console import Console
from rich.progress import track

from bids_labelx._version import __version__
from bids_labelx.content import missing_reason
from bids_labelx.denoise.hcp_motion import describe_hcp_confounds, hcp_confounds
from bids_labelx.errors import (
    BadDataError,
    CannotWriteError,
    Failure,
    LabelxError,
    MissingInputError,
    UsageError,
    exit_code,
)
from bids_labelx.extraction.grayordinates import Grayordinates
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.files import TEMPORARY, cannot_write, json_text, read_json, tsv_text, write_text
from bids_labelx.images import open_image
from bids_labelx.inputs.hcp import MSMALL, RESULTS, HcpRun, find_hcp_runs
from bids_labelx.inputs.run import Run
from bids_labelx.names import MESHES, is_utf8, printable, space_name
from bids_labelx.outputs.columns import describe_columns
from bids_labelx.outputs.description import BIDS_VERSION, CODE_URL
from bids_labelx.participant.opening import Header, read_headers
from bids_labelx.settings.convert import path as absolute
from bids_labelx.words import counted

KINDS = ("hcp",)
_IMPORTED = "bids_labelx import"
_VOLUME_SPACE = "MNI152NLin6Asym"
_TEMPLATES = "https://templateflow.s3.amazonaws.com"
_VOLUME_REFERENCE = f"{_TEMPLATES}/tpl-{_VOLUME_SPACE}/tpl-{_VOLUME_SPACE}_res-02_T1w.nii.gz"
_DENSITIES = {
    "91k": ("91,282 grayordinates: 32k vertices a hemisphere and voxels of 2 mm", "32k"),
    "170k": ("170,494 grayordinates: 59k vertices a hemisphere and voxels of 1.6 mm", "59k"),
}
# BIDS has no den- in func/ of derivatives, and no timeseries of desc-confounds.
_IGNORED = "*_den-*\n*_timeseries.*\n"

# Of the files of a run by name: the text of one that is written, the file that a link leads to.
_Files = dict[str, str | Path]


def run_import(values: Sequence[str], others: Mapping[str, Any]) -> int:
    """Import a tree into a dataset; gives the exit code.

    Parameters
    ----------
    values
        Kind of the tree, its folder, and that of the dataset.
    others
        Further options of the command line, of which but ``verbose`` none has an effect here.

    Raises
    ------
    UsageError
    CannotWriteError
    """
    root, target = _check(values, [*_words(others)])
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        runs, failures = find_hcp_runs(root)
    except OSError as error:
        raise UsageError(f"--import: {root} cannot be listed ({error.strerror})") from None
    if not runs and not failures:
        inside = (root / RESULTS).is_dir()
        advice = f"; give the folder above, {root.parent}" if inside else ""
        raise UsageError(f"--import: no SUBJECT/{RESULTS}/RUN with a run in {root}{advice}")
    _write_description(root, target)
    done = 0
    hidden = not console.is_terminal
    for run in track(runs, "importing", console=console, disable=hidden, transient=True):
        problems = list(_import_run(run, root, target))
        failures += problems
        done += not problems
    for failure in failures:
        console.print(f"failed: {failure.within(root).message}", markup=False, style="red")
    if unmasked := sum(run.volumes is not None and not run.masks for run in runs):
        what = counted(unmasked, "run")
        console.print(f"{what} without brainmask_fs.*.nii.gz: give --mask", markup=False)
    console.print(
        f"{counted(done, 'run')} imported into {printable(str(target))}, "
        f"{counted(len(failures), 'failure')}",
        markup=False,
    )
    return exit_code(failures)


def _words(options: Mapping[str, Any]) -> Iterator[str]:
    """What else was given, as it was typed or nearly so."""
    for name, value in options.items():
        if value is not None and name != "verbose":
            positional = name in ("bids_dir", "output_dir", "analysis_level")
            yield str(value) if positional else f"--{name.replace('_', '-')}"


def _check(values: Sequence[str], others: Sequence[str]) -> tuple[Path, Path]:
    """The folders of the tree and the dataset, where the values are right."""
    if len(values) != 3 or others:
        raise UsageError(
            "--import: KIND DIR BIDS_DIR and nothing else are expected, as in --import hcp "
            f"HCP_1200 hcp_bids; found {' '.join([*values, *others])}"
        )
    if values[0] not in KINDS:
        raise UsageError(f"--import {values[0]!r}: choose from {', '.join(KINDS)}")
    try:
        root, target = absolute(values[1]), absolute(values[2])
    except ValueError as error:
        raise UsageError(f"--import {error}") from None
    if not root.is_dir():
        raise UsageError(f"--import: there is no such folder as {root}")
    real, dataset = (Path(os.path.realpath(one)) for one in (root, target))
    if real == dataset or real in dataset.parents or dataset in real.parents:
        raise UsageError(
            f"--import: DIR {root} and BIDS_DIR {target} must not lie in each other; choose a "
            "folder elsewhere"
        )
    if os.path.lexists(target) and not _earlier_import(root, target):
        raise UsageError(
            f"--import: BIDS_DIR {target} holds something else than an import of {root}; choose "
            "an empty folder"
        )
    return root, target


def _earlier_import(root: Path, target: Path) -> bool:
    """Whether there is nothing but what an import of this tree has written."""
    description = target / "dataset_description.json"
    try:
        if not os.path.lexists(description):
            return all(one.name.startswith(TEMPORARY) for one in target.iterdir())
        found = read_json(description)
    except (OSError, LabelxError):
        return False
    made = found.get("GeneratedBy")
    names = (
        [one.get("Name") for one in made if isinstance(one, dict)]
        if isinstance(made, list)
        else []
    )
    return _IMPORTED in names and found.get("SourceDatasets") == [{"URL": root.as_uri()}]


def _description(root: Path) -> dict[str, Any]:
    return {
        "Name": f"HCP pipelines: {printable(root.name)}",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [
            {
                "Name": "HCP Pipelines",
                # No Version: nothing in the tree says it.
                "CodeURL": "https://github.com/Washington-University/HCPpipelines",
            },
            {"Name": _IMPORTED, "Version": __version__, "CodeURL": CODE_URL},
        ],
        "SourceDatasets": [{"URL": root.as_uri()}],
        "DatasetLinks": {"hcp": root.as_uri()},
    }


def _write_description(root: Path, target: Path) -> None:
    # An earlier one, perhaps of another version, stays.
    if not (target / "dataset_description.json").exists():
        write_text(target / "dataset_description.json", json_text(_description(root)))
    if not (target / ".bidsignore").exists():
        write_text(target / ".bidsignore", _IGNORED)


def _import_run(run: HcpRun, root: Path, target: Path) -> Iterator[Failure]:
    """Import the images of a run, each for itself; gives what of them cannot be."""
    try:
        if not is_utf8(str(run.folder.relative_to(root))):
            raise BadDataError(f"{run.folder}: the name is not UTF-8; rename it")
        images = dict(run.dense)
        if run.volumes is not None:
            images = {"": run.volumes, **images}
        if not images:
            raise MissingInputError(_no_image(run))
        table = hcp_confounds(run.folder)
        columns = describe_columns(map(str, table), describe_hcp_confounds())
        confounds: _Files = {
            run.name("timeseries", ".tsv", desc="confounds"): tsv_text(table),
            run.name("timeseries", ".json", desc="confounds"): json_text(columns),
        }
    except LabelxError as error:
        yield Failure.of(error, entities=run.entities)
        return
    for density, image in images.items():
        try:
            header = _header(image, root, len(table))
            if density:
                files = _dense_files(run, root, density, image, header)
            else:
                files = _volume_files(run, root, image, header)
            _place(target, {**confounds, **files})
        except CannotWriteError:
            raise
        except Exception as error:
            yield Failure.of(error, entities=run.entities)


def _no_image(run: HcpRun) -> str:
    name = run.folder.name
    cleaned = sorted(one.name for one in run.folder.glob("*_clean*.nii*"))
    found = f"; {cleaned[0]} has been denoised by FIX already" if cleaned else ""
    return f"{run.folder}: neither {name}.nii.gz nor {name}_Atlas.dtseries.nii is in it{found}"


def _header(image: Path, root: Path, n_rows: int) -> Header:
    """What an image says; refuses one that the motion parameters are not of."""
    if problem := missing_reason(image):
        raise MissingInputError(problem)
    header = read_headers(Run(image, root, {}, {}, None, None, {}))
    if header.n_volumes != n_rows:
        raise BadDataError(
            f"{image}: {counted(header.n_volumes, 'volume')}, Movement_Regressors.txt has "
            f"{counted(n_rows, 'row')}; the same number is expected"
        )
    if header.t_r is None or not 0 < header.t_r < float("inf"):
        raise BadDataError(f"{image}: its header has no repetition time in seconds; correct it")
    return header


def _volume_files(run: HcpRun, root: Path, image: Path, header: Header) -> _Files:
    assert isinstance(header.space, VolumeGrid)  # as of every NIfTI image
    sizes = [f"{size:.4g}" for size in voxel_sizes(header.space.affine)]
    sampling = {
        "Resolution": f"{' × '.join(sizes)} mm",
        "SpatialReference": _VOLUME_REFERENCE,
    }
    labels = {"space": _VOLUME_SPACE, "res": "x".join(dict.fromkeys(sizes)).replace(".", "p")}
    sidecar = {**_of_run(run, header), "SkullStripped": True, **sampling}
    sidecar["Sources"] = [_uri(image, root)]
    files: _Files = {run.name("bold", ".json", desc="preproc", **labels): json_text(sidecar)}
    mask = _mask_of(run, header.space)
    if mask is not None:
        about = {"Type": "Brain", **sampling, "Sources": [_uri(mask, root)]}
        files[run.name("mask", ".json", desc="brain", **labels)] = json_text(about)
        files[run.name("mask", ".nii.gz", desc="brain", **labels)] = mask
    # The run itself is last: without it, nothing of the others is used.
    files[run.name("bold", ".nii.gz", desc="preproc", **labels)] = image
    return files


def _mask_of(run: HcpRun, grid: VolumeGrid) -> Path | None:
    """The brain mask on the run's grid; None where there is no mask at all."""
    masks = run.masks
    for mask in masks:
        found = open_image(mask)
        if grid.same(VolumeGrid.of(found.shape, found.affine)):
            return mask
    if not masks:
        return None
    names = " and ".join(mask.name for mask in masks)
    raise BadDataError(f"{run.folder}: {names} on another grid than the run")


def _dense_files(run: HcpRun, root: Path, density: str, image: Path, header: Header) -> _Files:
    assert isinstance(header.space, Grayordinates)  # as of every dense series
    expected = MESHES[space_name("fsLR", density)]
    for structure, count in header.space.meshes.items():
        if count != expected:
            raise BadDataError(
                f"{image}: {structure} has {count:,} vertices, its name says {expected:,}"
            )
    words, mesh = _DENSITIES[density]
    surface = f"{_TEMPLATES}/tpl-fsLR/tpl-fsLR_den-{mesh}_hemi-{{}}_midthickness.surf.gii"
    sidecar = {
        **_of_run(run, header),
        # Before MSM, releases of HCP data had FreeSurfer's registration.
        "SurfaceRegistration": "MSMAll" if MSMALL in image.name else "MSMSulc or FreeSurfer",
        "Density": words,
        "SpatialReference": {
            "CIFTI_STRUCTURE_CORTEX_LEFT": surface.format("L"),
            "CIFTI_STRUCTURE_CORTEX_RIGHT": surface.format("R"),
            "VolumeReference": _VOLUME_REFERENCE,
        },
        "Sources": [_uri(image, root)],
    }
    labels = {"space": "fsLR", "den": density}
    return {
        run.name("bold", ".json", **labels): json_text(sidecar),
        run.name("bold", ".dtseries.nii", **labels): image,
    }


def _of_run(run: HcpRun, header: Header) -> dict[str, Any]:
    assert header.t_r is not None  # or `_header` has refused it
    # Headers have single precision: 0.72 s is 0.7200000286.
    return {"TaskName": run.entities["task"], "RepetitionTime": round(header.t_r, 6)}


def _uri(path: Path, root: Path) -> str:
    return f"bids:hcp:{quote(path.relative_to(root).as_posix())}"


def _place(target: Path, files: _Files) -> None:
    """Write files and links that are not there yet.

    Raises
    ------
    BadDataError
        Where one is there with other content; then none is written.
    """
    missing = {name: what for name, what in files.items() if not _is_there(target / name, what)}
    for name, what in missing.items():
        path = target / name
        if isinstance(what, str):
            write_text(path, what)
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(what)
        except OSError as error:
            raise cannot_write(path, error) from error


def _is_there(path: Path, what: str | Path) -> bool:
    if not os.path.lexists(path):
        return False
    try:
        if isinstance(what, Path):
            same = path.is_symlink() and path.readlink() == what
        else:
            same = path.is_file() and path.read_bytes() == what.encode()
    except OSError as error:
        raise BadDataError(f"{path} cannot be read ({error.strerror})") from None
    if not same:
        raise BadDataError(
            f"{path} is there and differs from what the HCP tree gives now; nothing is replaced: "
            "remove it, or import into an empty folder"
        )
    return True
