"""Downloading atlases into TemplateFlow's local folder: ``--fetch-atlas``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bids_labelx.atlases.refusals import segmentation_of
from bids_labelx.atlases.sources import MAPS
from bids_labelx.errors import MissingInputError, UsageError
from bids_labelx.names import parse_name


def fetch_atlas(spec: str, space: str) -> list[Path]:
    """Download an atlas and its tables with TemplateFlow's client, into its local folder.

    `spec` is ``NAME`` or ``NAME:SEG``, `space` the template, such as ``MNI152NLin2009cAsym``.
    Gives the paths of the images of every resolution, and of the tables.

    Raises
    ------
    UsageError
        Where TemplateFlow has no such atlas, with those that it has.
    MissingInputError
        Where it cannot be downloaded.
    """
    try:
        from templateflow import api
    except ImportError:
        raise MissingInputError(
            "--fetch-atlas needs TemplateFlow's client: pip install 'bids_labelx[templateflow]'"
        ) from None
    name, _, seg = spec.partition(":")
    template, _, cohort = space.partition("+")
    extensions = [".nii.gz", ".tsv"]
    suffixes = (MAPS,) if seg == MAPS else ("dseg", MAPS)
    listed = [p for one in suffixes for p in api.ls(template, suffix=one, extension=extensions)]
    atlases = {path: parse_name(path).entities for path in listed}
    atlases = {path: e for path, e in atlases.items() if "atlas" in e}
    if cohort:
        atlases = {path: e for path, e in atlases.items() if e.get("cohort") == cohort}
    wanted: dict[Path, Mapping[str, str]] = {}
    for suffix in suffixes:
        # Maps where there are no labels.
        if not any(map(_is_image, wanted)):
            wanted = {
                path: e
                for path, e in atlases.items()
                if e["atlas"] == name and parse_name(path).suffix == suffix
            }
        if seg and seg != MAPS:
            # A table without a segmentation is of all of them.
            wanted = {
                path: e
                for path, e in wanted.items()
                if seg in (segmentation_of(e) or ([] if _is_image(path) else [seg]))
            }
    if not any(map(_is_image, wanted)):
        specs = {":".join([e["atlas"], *segmentation_of(e)[:1]]) for e in atlases.values()}
        known = ", ".join(sorted(specs)) or "none"
        raise UsageError(f"--fetch-atlas {spec}: TemplateFlow has none in {space}; it has {known}")
    try:
        for path, entities in wanted.items():
            api.get(template, raise_empty=True, **_client_filters(path, entities))
    # The client raises the errors of its network library, and plain exceptions.
    except Exception as error:
        raise MissingInputError(f"--fetch-atlas {spec}: cannot be downloaded ({error})") from error
    return sorted(wanted)


def _is_image(path: Path) -> bool:
    return path.name.endswith(".nii.gz")


def _client_filters(path: Path, entities: Mapping[str, str]) -> dict[str, Any]:
    """The filters of TemplateFlow's client for one file; None is a file without the entity."""
    words = {"atlas": "atlas", "desc": "desc", "seg": "segmentation", "scale": "scale"}
    numbers = {"res": "resolution", "cohort": "cohort"}
    return {
        **{word: entities.get(key) for key, word in words.items()},
        **{word: int(entities[key]) if key in entities else None for key, word in numbers.items()},
        "suffix": parse_name(path).suffix,
        "extension": parse_name(path).extension,
    }
