"""``atlas-<label>_description.json``, which BIDS wants in a dataset with files of an atlas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bids_labelx.atlases.atlas import Atlas
from bids_labelx.atlases.described import dataset_description, is_individual, own_description
from bids_labelx.files import write_json
from bids_labelx.report.citations import Reference, known_citations, read_bibliography

# BIDS requires a licence of the description of an atlas; nothing is made up where none is known.
_NO_LICENSE = "not known"

# The fields that mean the same of a dataset of the type atlas and of the atlas itself.
_OF_DATASET = ("Name", "License", "Authors", "Funding", "ReferencesAndLinks")


def write_atlas_descriptions(output: Path, atlases: Sequence[Atlas]) -> None:
    """Write a description of every atlas, at the root of the output dataset.

    Raises
    ------
    CannotWriteError
    """
    by_label: dict[str, list[Atlas]] = {}
    for atlas in atlases:
        by_label.setdefault(atlas.entities["atlas"], []).append(atlas)
    bibliography = read_bibliography()
    for label, those in by_label.items():
        path = output / f"atlas-{label}_description.json"
        write_json(path, describe_atlas(label, those, bibliography))


def describe_atlas(
    label: str, atlases: Sequence[Atlas], bibliography: Mapping[str, Reference]
) -> dict[str, Any]:
    """The description of an atlas, of which several segmentations may be used.

    What the atlas' own says counts, whole; what it lacks of that which BIDS requires is added.
    Without one, it is made of the description of the atlas' dataset and of the references that
    are known for an atlas of this name.
    """
    own = next((found for one in atlases if (found := own_description(one))), None)
    if own is not None:
        return {"Name": label, "License": _NO_LICENSE, **own}
    about = next((found for one in atlases if (found := dataset_description(one))), {})
    found = {key: about[key] for key in _OF_DATASET if about.get(key)}
    keys = dict.fromkeys(key for one in atlases for key in known_citations("atlas", one.key))
    references = [bibliography[key] for key in keys]
    if is_individual(atlases[0]):
        found["LevelType"] = "individual"
    if references:
        found.setdefault("Authors", _authors(references[0]))
        found.setdefault("ReferencesAndLinks", list(_links(references)))
    return {
        "Name": label,
        "License": _NO_LICENSE,
        "Description": "Written by bids_labelx: no description is beside the atlas",
        **found,
    }


def _authors(reference: Reference) -> list[str]:
    """Authors of a reference by name, given names first."""
    names = (name.strip("{}") for name in str(reference["author"]).split(" and "))
    turned = (" ".join(reversed(name.split(", ", 1))) for name in names)
    return ["et al." if name == "others" else name for name in turned]


def _links(references: Iterable[Reference]) -> Iterable[str]:
    for one in references:
        doi = one.get("doi")
        yield f"https://doi.org/{doi}" if doi else str(one.get("url") or one["title"])
