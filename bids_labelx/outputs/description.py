"""What describes the output dataset as a whole."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bids_labelx._version import __version__
from bids_labelx.errors import BadDataError, LabelxError, UsageError
from bids_labelx.files import read_json, read_tsv, write_json, write_text, write_tsv
from bids_labelx.outputs.columns import TEXT, Columns, describe_columns
from bids_labelx.remote.mirror import uri_of

LOGGER = logging.getLogger("bids_labelx")

BIDS_VERSION = "1.11.1"
CODE_URL = "https://github.com/bids-labelx/bids_labelx"
# What the app writes into the output folder itself.
_WRITTEN = (
    *("sub-*", "group_*", "group.html", "descriptions.tsv", ".bidsignore"),
    "atlas-*_description.json",
)
_DESCRIPTIONS: Columns = {
    "desc_id": ("Entity desc- of file names", TEXT),
    "description": ("Denoising of the files with this label", TEXT),
}
# BIDS has no dseg with den- or hemi- in func/ yet. The validator knows two stars in a line.
BIDSIGNORE = (
    "*.html\nreport\nfigures\nlog\nstore\n*_timeseries.*\n*_relmat.*\n*_outliers.*\n*_den-*\n*_hemi-*\n"
    "group_*\n"
)


def check_output_folder(output: Path) -> None:
    """Refuse a folder with results of another program, of which some would be overwritten.

    Files that this app does not write, such as those that a scheduler logs to, may be there.

    Raises
    ------
    UsageError
        Where there are files that the app would write and that it did not write.
    """
    path = output / "dataset_description.json"
    if path.exists():
        content = _read(path)
        made = content.get("GeneratedBy")
        tools = [one for one in made if isinstance(one, dict)] if isinstance(made, list) else []
        made_by = [one.get("Name") for one in tools]
        if "bids_labelx" in made_by:
            return
        found = f"{path} is of {', '.join(map(str, made_by)) or content.get('Name') or 'another'}"
    else:
        # Links are judged by themselves, see `bids_labelx.outputs.place`.
        found_there = (one for pattern in _WRITTEN for one in output.glob(pattern))
        there = sorted(one.name for one in found_there if not one.is_symlink())
        if not there:
            return
        found = f"{output} has {', '.join(there[:3])} and no dataset_description.json"
    raise UsageError(
        f"OUTPUT_DIR {output} holds files that no run of bids_labelx wrote: {found}; choose an "
        "empty folder, or one with earlier results of bids_labelx, and give it after BIDS_DIR"
    )


def write_dataset_files(
    output: Path,
    *,
    sources: Mapping[Path, Mapping[str, Any]],
    links: Mapping[str, Path],
    descriptions: Mapping[str, str],
) -> None:
    """Write what describes the output dataset as a whole.

    `sources` are the datasets that were read, the first one first, with what their descriptions
    say.

    What an earlier invocation has written is kept: `links`, folders by the name that BIDS URIs
    call them by, `sources`, and `descriptions`, what each ``desc-`` label did, are added to.
    """
    path = output / "dataset_description.json"
    source, about = next(iter(sources.items()))
    before = _read(path)
    linked, listed = before.get("DatasetLinks"), before.get("SourceDatasets")
    origins = [_origin(*one) for one in sources.items()]
    origins += listed if isinstance(listed, list) else []
    name = about.get("Name") or source.name
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
        "SourceDatasets": [one for i, one in enumerate(origins) if one not in origins[:i]],
        "DatasetLinks": {
            **(linked if isinstance(linked, dict) else {}),
            **{name: uri_of(folder) for name, folder in links.items()},
        },
    }
    write_json(path, content)
    write_text(output / ".bidsignore", BIDSIGNORE)
    _write_descriptions(output / "descriptions.tsv", descriptions)


def _origin(root: Path, about: Mapping[str, Any]) -> dict[str, str]:
    doi = about.get("DatasetDOI")
    return {"URL": uri_of(root), **({"DOI": doi} if isinstance(doi, str) else {})}


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
        return read_json(path)
    except LabelxError:
        return {}


def _write_descriptions(path: Path, descriptions: Mapping[str, str]) -> None:
    known: dict[str, str] = {}
    if path.is_file():
        try:
            known = _descriptions_in(path)
        except LabelxError as error:
            LOGGER.warning("%s; it is left as it is, without this invocation's strategies", error)
            return
    rows = sorted({**known, **{f"desc-{k}": text for k, text in descriptions.items()}}.items())
    table = pd.DataFrame(rows, columns=list(_DESCRIPTIONS))
    columns = describe_columns(_DESCRIPTIONS, _DESCRIPTIONS)
    write_json(path.with_suffix(".json"), {"Description": "Labels of desc-", **columns})
    write_tsv(path, table)


def _descriptions_in(path: Path) -> dict[str, str]:
    table = read_tsv(path)
    if list(table) != list(_DESCRIPTIONS):
        raise BadDataError(
            f"{path}: has the columns {', '.join(map(str, table))}; "
            f"{' and '.join(_DESCRIPTIONS)} are expected; move it elsewhere"
        )
    return dict(zip(*(table[column] for column in _DESCRIPTIONS), strict=True))
