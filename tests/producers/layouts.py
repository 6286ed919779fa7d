"""Datasets as their producers lay them out, with tiny images; and what is made of them.

``layouts/*.txt`` have the names of files that a producer writes for a run, folder by folder, below
the producer's name and version.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Collection, Iterable
from pathlib import Path
from urllib.parse import unquote

import nibabel as nib
import numpy as np
import pandas as pd
from surfaces import N_VERTICES, space_of, write_dtseries, write_func_gii
from tiny import AFFINE, N_VOLUMES, SHAPE, confounds_table

from bids_labelx.app.cli import main

FOLDER = Path(__file__).with_name("layouts")
T_R = 2.0
DENSE = space_of()
LABELS = np.zeros(SHAPE, np.int16)
LABELS[0:2], LABELS[2:4], LABELS[4:5] = 2, 5, 9
MASK = np.ones(SHAPE, np.uint8)
MASK[0] = 0
# What a run has of columns that ICA-AROMA writes.
AROMA = ["aroma_motion_01", "aroma_motion_04", "aroma_orth_motion_01", "aroma_orth_motion_04"]
# Those of tedana's decomposition.
COMPONENTS = ["ICA_00", "ICA_01", "ICA_02"]


def write_layout(name: str, root: Path) -> Path:
    """Write the files of a layout; each has the content that the end of its name asks for."""
    producer, *lines = (FOLDER / f"{name}.txt").read_text("utf-8").splitlines()
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset_description.json").write_text(json.dumps(description(producer)))
    folder = root
    for line in lines:
        if line.endswith("/"):
            folder = root / line
            folder.mkdir(parents=True, exist_ok=True)
        else:
            _write_file(folder / line)
    return root


def description(producer: str) -> dict[str, object]:
    """What a producer writes of itself, or somebody who made a dataset by hand."""
    if not producer:
        return {"Name": "by hand", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}
    tool, _, version = producer.partition(" ")
    about: dict[str, object] = {"Name": tool, "BIDSVersion": "1.4.0", "DatasetType": "derivative"}
    made = {"Name": tool, "Version": version}
    if version.startswith("20.0"):
        return {"Name": tool, "BIDSVersion": "1.1.1", "PipelineDescription": made}
    return {**about, "GeneratedBy": [made]}


def _write_file(path: Path) -> None:
    rng = np.random.default_rng(zlib.crc32(path.name.encode()))
    name = path.name
    if name.endswith(("_bold.nii.gz", "_bold.nii")):
        _write_image(path, rng.normal(100, 10, (*SHAPE, N_VOLUMES)).astype(np.float32))
    elif name.endswith("_mask.nii.gz"):
        # Only that of the run, of the brain, is the right one.
        right = "_task-" in name and "desc-brain" in name
        _write_image(path, MASK if right else 1 - MASK)
    elif name.endswith("_dseg.nii.gz"):
        _write_image(path, LABELS)
    elif name.endswith("_bold.dtseries.nii"):
        values = rng.normal(100, 9, (N_VOLUMES, DENSE.n_elements)).astype(np.float32)
        write_dtseries(path, values, DENSE, T_R)
    elif name.endswith(".func.gii"):
        write_func_gii(path, rng.normal(100, 9, (N_VOLUMES, N_VERTICES)), "2000")
    elif name.endswith((".par", ".1D")) or name.startswith("rp_"):
        np.savetxt(path, rng.normal(0, 0.02, (N_VOLUMES, 6)), fmt="%.6f")
    elif name.endswith(".tsv"):
        _table(name, rng).to_csv(path, sep="\t", index=False, na_rep="n/a")
    elif name.endswith(".json"):
        path.write_text(json.dumps({"RepetitionTime": T_R} if "_bold" in name else {}))
    else:
        path.touch()


def _write_image(path: Path, data: np.ndarray) -> None:
    image = nib.Nifti1Image(data, AFFINE)
    if data.ndim == 4:
        image.header.set_zooms((*image.header.get_zooms()[:3], T_R))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)


def _table(name: str, rng: np.random.Generator) -> pd.DataFrame:
    if "desc-confounds" in name:
        return confounds_table(rng)
    if name.endswith("_dseg.tsv"):
        return pd.DataFrame({"index": [9, 2, 5], "name": ["nine", "two", "five"]})
    if "tedana_metrics" in name:
        classes = ["accepted", "rejected", "rejected"]
        return pd.DataFrame({"Component": COMPONENTS, "classification": classes})
    if name.endswith("_outliers.tsv"):
        return pd.DataFrame({"framewise_displacement": np.arange(N_VOLUMES) % 9 == 5}).astype(int)
    if name.endswith("_motion.tsv"):
        return pd.DataFrame({"framewise_displacement": rng.random(N_VOLUMES)})
    if "ICA_mixing" in name:
        return pd.DataFrame(rng.standard_normal((N_VOLUMES, 3)), columns=COMPONENTS)
    columns = AROMA if "desc-aroma_timeseries" in name else ["component1", "component2"]
    return pd.DataFrame(rng.standard_normal((N_VOLUMES, len(columns))), columns=columns)


def write_atlas(path: Path) -> Path:
    """Write the labels of the layouts' grid as an atlas, with a table beside them."""
    _write_image(path, LABELS)
    table = pd.DataFrame({"index": [2, 5, 9], "name": ["two", "five", "nine"]})
    table.to_csv(path.with_name(path.name.replace(".nii.gz", ".tsv")), sep="\t", index=False)
    return path


def run_app(root: Path, out: Path, *arguments: object) -> int:
    """The participant level in this process; the exit code."""
    given = [root, out, "participant", *arguments, "--nprocs", "1"]
    return main(list(map(str, given)))


def read_files(out: Path, ending: str = "_timeseries.json") -> set[str]:
    """Files of datasets that outputs name as their sources, ``DATASET:PATH``."""
    found: set[str] = set()
    for path in out.rglob(f"sub-*{ending}"):
        found |= set(json.loads(path.read_text())["Sources"])
    uris = {unquote(uri) for uri in found if not uri.startswith("bids:atlas-")}
    return {uri.removeprefix("bids:") for uri in uris}


def written_files(out: Path) -> set[str]:
    """What an output folder holds, without logs and what is for pages."""
    return {
        path.relative_to(out).as_posix()
        for path in out.rglob("*")
        if not path.is_dir() and not {"logs", "figures", "report"} & set(path.parts)
    }


def expected_files(
    run: str, stems: Iterable[str], descs: Collection[str], labels: str = ".nii.gz"
) -> set[str]:
    """What is written for a run, by hand.

    Parameters
    ----------
    run
        The path and the entities of its tables.
    stems
        For each of its images and atlases the path and the entities of the series.
    descs
        The ``desc-`` of the strategies.
    labels
        The extension of label images.
    """
    participant = run.split("/")[0]
    names = {".bidsignore", "dataset_description.json", "descriptions.tsv", "descriptions.json"}
    names.add(f"{participant}.html")
    names |= {f"{run}_desc-{desc}_outliers.{end}" for desc in descs for end in ("tsv", "json")}
    for stem in stems:
        names |= {f"atlas-{one}_description.json" for one in re.findall("_atlas-([^_]+)", stem)}
        names |= {f"{stem}_dseg{end}" for end in (labels, ".tsv", ".json")}
        for desc in descs:
            for kind in (f"desc-{desc}_timeseries", f"meas-correlation_desc-{desc}_relmat"):
                names |= {f"{stem}_stat-mean_{kind}.{end}" for end in ("tsv", "json")}
    return names


def series(path: Path) -> np.ndarray:
    """The series that the app has written."""
    return pd.read_csv(path, sep="\t").to_numpy()


def means(bold: Path, mask: np.ndarray = MASK) -> np.ndarray:
    """The mean of each label's voxels in a mask by numpy, a row per volume."""
    data, labels = nib.load(bold).get_fdata(), np.where(mask, LABELS, 0)
    return np.stack([data[labels == label].mean(axis=0) for label in (2, 5, 9)], axis=1)


def regressed(signals: np.ndarray, regressors: np.ndarray) -> np.ndarray:
    """Signals without what least squares explain by regressors about their means, by numpy."""
    centred = regressors - regressors.mean(axis=0)
    about = signals - signals.mean(axis=0)
    return signals - centred @ np.linalg.lstsq(centred, about, rcond=None)[0]
