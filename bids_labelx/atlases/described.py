"""What the descriptions beside an atlas say of it, and who made it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bids_labelx.atlases.atlas import Atlas
from bids_labelx.content import is_listed
from bids_labelx.errors import LabelxError
from bids_labelx.files import read_json
from bids_labelx.names import parse_name

_DATASET = "dataset_description.json"
# The fields of BIDS that say whom to cite.
_FIELDS = ("Name", "Authors", "ReferencesAndLinks", "DatasetDOI")
# An image is at most so far below the root of its dataset.
_DEPTH = 5


def atlas_description(atlas: Atlas) -> dict[str, Any]:
    """What BIDS descriptions say of the authors of an atlas, by field.

    ``atlas-<label>_description.json`` counts, in the folder of the image or in one above within
    the dataset; where there is none, the description of a dataset of the type ``atlas``. Of
    segmentations of a participant's own anatomy there is none.
    """
    own = own_description(atlas)
    return _known(own) if own is not None else _known(dataset_description(atlas))


def own_description(atlas: Atlas) -> Mapping[str, Any] | None:
    """The whole ``atlas-<label>_description.json`` of an atlas; None where there is none.

    One that cannot be read is empty.
    """
    name = f"atlas-{atlas.entities['atlas']}_description.json"
    path = next((one / name for one in _folders(atlas) if is_listed(one / name)), None)
    return None if path is None else _read(path)


def dataset_description(atlas: Atlas) -> Mapping[str, Any]:
    """The description of the atlas' dataset, if that is of the type ``atlas``; else empty."""
    folders = _folders(atlas)
    found = _read(folders[-1] / _DATASET) if folders else {}
    return found if found.get("DatasetType") == "atlas" else {}


def is_individual(atlas: Atlas) -> bool:
    """Whether it is the segmentation of a participant's own anatomy."""
    return "sub" in parse_name(atlas.image).entities


def _folders(atlas: Atlas) -> list[Path]:
    """From that of the image up to the root of its dataset, where a description may be."""
    if is_individual(atlas):
        return []
    found: list[Path] = []
    for folder in dict.fromkeys([atlas.image.parent, *atlas.image.parents][:_DEPTH]):
        found.append(folder)
        if is_listed(folder / _DATASET):
            break
    return found


def _read(path: Path) -> Mapping[str, Any]:
    try:
        return read_json(path)
    except LabelxError:
        # No result depends on it.
        return {}


def _known(content: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with the types that BIDS gives them."""
    found: dict[str, Any] = {}
    for name in _FIELDS:
        value = content.get(name)
        if isinstance(value, str) and value.strip():
            found[name] = value.strip()
        elif isinstance(value, list):
            texts = [one.strip() for one in value if isinstance(one, str) and one.strip()]
            found |= {name: texts} if texts else {}
    return found
