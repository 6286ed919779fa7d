"""Writing: BIDS names, sidecars, tables and images, each whole or not at all."""

from __future__ import annotations

import csv
import gzip
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nibabel as nib
import numpy as np
import pandas as pd

from bids_labelx import __version__
from bids_labelx.errors import CannotWriteError
from bids_labelx.names import SPATIAL, build_name

# How files begin that are not yet whole, followed by the start that they are of, which every
# process of it finds in this variable.
TEMPORARY, START = ".tmp-", "BIDS_LABELX_START"

BIDS_VERSION = "1.11.1"
CODE_URL = "https://github.com/bids-labelx/bids_labelx"
SOURCE_LINK = "preprocessed"

BIDSIGNORE = "*.html\nfigures\nlog\n*_timeseries.*\n*_relmat.*\n*_outliers.*\ngroup_*\n"

COLUMN_DESCRIPTIONS = {
    "voxels_atlas": "Voxels with this label in the atlas image as it is stored",
    "voxels_grid": "Voxels with this label on the grid of the run",
    "voxels_covered": "Voxels on the grid that are inside the brain mask and whose series is "
    "finite and not all zero",
    "coverage": "voxels_covered / voxels_grid",
    "status": "ok, or why the label has no signal: absent-from-image, lost-in-resampling, "
    "outside-mask, low-coverage",
}


def folder_of(entities: Mapping[str, str]) -> Path:
    """The folder of a run's outputs within the output dataset: ``sub-01/ses-a/func``."""
    session = [f"ses-{entities['ses']}"] if "ses" in entities else []
    return Path(f"sub-{entities['sub']}", *session, "func")


def output_path(
    entities: Mapping[str, str], suffix: str, extension: str, **more: str | None
) -> Path:
    """Where an output goes, within the output dataset.

    Parameters
    ----------
    entities
        Those of the source run, with those of the atlas where there is one.
    more
        ``stat``, ``meas``, ``desc``; None for what the name does not have.
    """
    added = {key: value for key, value in more.items() if value is not None}
    return folder_of(entities) / build_name({**entities, **added}, suffix, extension)


def figure_path(path: Path, extension: str) -> Path:
    """Where the figure of an output goes: ``sub-01/figures``, under the output's name."""
    return Path(path.parts[0], "figures", path.name.partition(".")[0] + extension)


def report_figure(
    entities: Mapping[str, str], suffix: str, extension: str, **more: str | None
) -> Path:
    """Where a figure of a run and atlas goes, within the output dataset; see `output_path`."""
    return figure_path(output_path(entities, suffix, extension, **more), extension)


def run_figure(
    entities: Mapping[str, str], suffix: str, extension: str, **more: str | None
) -> Path:
    """Where a figure of a run goes that its space and resolution have nothing to do with."""
    temporal = {key: value for key, value in entities.items() if key not in SPATIAL}
    return report_figure(temporal, suffix, extension, **more)


def outliers_path(entities: Mapping[str, str], desc: str) -> Path:
    """The outliers table: censoring is of the run, whatever its space and resolution."""
    temporal = {key: value for key, value in entities.items() if key not in SPATIAL}
    return output_path(temporal, "outliers", ".tsv", desc=desc)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, empty, to be filled; it is renamed to it at the end.

    Raises
    ------
    CannotWriteError
        Where the folder cannot be made or the file not be written; nothing is left behind.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        prefix = f"{TEMPORARY}{os.environ.get(START, '')}-"
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=prefix, delete=False) as handle:
            temporary = Path(handle.name)
        yield temporary
        # The temporary file is private; the output is as open as the user's umask allows.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    except OSError as error:
        raise CannotWriteError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all; see `whole_file`."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object, a line per key; NaN is refused, as JSON has none."""

    def text(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    lines = [f"  {text(key)}: {text(value)}" for key, value in content.items()]
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


def write_tsv(path: Path, table: pd.DataFrame, *, index: bool = False) -> None:
    """Write a BIDS table: tabs, ``n/a`` for what has no value.

    Numbers have nine significant digits, which is what reads back the same float32.
    """
    text = table.to_csv(
        sep="\t",
        index=index,
        na_rep="n/a",
        float_format="%.9g",
        lineterminator="\n",
        quoting=csv.QUOTE_MINIMAL,
    )
    write_text(path, text)


def write_labels(path: Path, labels: np.ndarray, affine: np.ndarray) -> None:
    """Write a label image, shape (x, y, z), as gzipped NIfTI; same labels, same bytes.

    The type is int16 where the values fit, else int32 or int64.
    """
    largest = int(labels.max(initial=0))
    kinds = (np.int16, np.int32, np.int64)
    kind = next(k for k in kinds if largest <= np.iinfo(k).max)
    image = nib.Nifti1Image(labels.astype(kind), affine, dtype=kind)
    image.header.set_xyzt_units("mm")
    # No time and no name in the gzip header: they would differ from start to start.
    write_bytes(path, gzip.compress(image.to_bytes(), compresslevel=6, mtime=0))


def bids_uri(link: str, root: Path, path: Path) -> str:
    """A BIDS URI to a file of a linked dataset: ``bids:preprocessed:sub-01/func/…``."""
    return f"bids:{link}:{quote(path.relative_to(root).as_posix())}"


def write_dataset_files(
    output: Path,
    *,
    source: Path,
    source_description: Mapping[str, Any],
    links: Mapping[str, Path],
    descriptions: Mapping[str, str],
) -> None:
    """Write what describes the output dataset as a whole.

    What is there from an earlier start is kept: links and descriptions are added to.

    Parameters
    ----------
    output
        The output dataset.
    source, source_description
        The input dataset and its ``dataset_description.json``.
    links
        Folders by the name that BIDS URIs call them by.
    descriptions
        What each ``desc-`` label did.
    """
    path = output / "dataset_description.json"
    doi = source_description.get("DatasetDOI")
    origin = {"URL": source.as_uri(), **({"DOI": doi} if doi else {})}
    before = _read(path).get("DatasetLinks", {})
    name = source_description.get("Name") or source.name
    content = {
        "Name": f"bids_labelx: regional time series of {name}",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [
            {
                "Name": "bids_labelx",
                "Version": __version__,
                "CodeURL": CODE_URL,
                **_container(os.environ),
            }
        ],
        "SourceDatasets": [origin],
        "DatasetLinks": {**before, **{name: folder.as_uri() for name, folder in links.items()}},
    }
    write_json(path, content)
    write_text(output / ".bidsignore", BIDSIGNORE)
    _write_descriptions(output / "descriptions.tsv", descriptions)


def _container(environment: Mapping[str, str]) -> dict[str, Any]:
    """The container that this runs in, as the image and its engine say it."""
    tag = environment.get("BIDS_LABELX_CONTAINER_TAG")
    if not tag:
        return {}
    engines = ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER")
    kind = "singularity" if any(name in environment for name in engines) else "docker"
    return {"Container": {"Type": kind, "Tag": tag}}


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _write_descriptions(path: Path, descriptions: Mapping[str, str]) -> None:
    known: dict[str, str] = {}
    if path.is_file():
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
        known = dict(zip(table["desc_id"], table["description"], strict=True))
    rows = sorted({**known, **{f"desc-{k}": text for k, text in descriptions.items()}}.items())
    write_tsv(path, pd.DataFrame(rows, columns=["desc_id", "description"]))


def first_twice(paths: Iterable[Path]) -> Path | None:
    """The first path that comes a second time."""
    seen: set[Path] = set()
    for path in paths:
        if path in seen:
            return path
        seen.add(path)
    return None
