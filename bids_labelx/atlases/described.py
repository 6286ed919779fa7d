"""Who made an atlas, as the descriptions beside it say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bids_labelx.atlases.atlas import Atlas
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
    if "sub" in parse_name(atlas.image).entities:
        return {}
    folders = [atlas.image.parent, *atlas.image.parents][:_DEPTH]
    for folder in dict.fromkeys(folders):
        own = folder / f"atlas-{atlas.entities['atlas']}_description.json"
        if own.is_file():
            return _known(_read(own))
        if (folder / _DATASET).is_file():
            found = _read(folder / _DATASET)
            return _known(found) if found.get("DatasetType") == "atlas" else {}
    return {}


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
