"""Runs on surfaces: the files of both hemispheres as one run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bids_labelx.inputs.matching import GIFTI, File
from bids_labelx.names import Name


def pair_hemispheres(images: Iterable[File], wanted: str | None = None) -> list[File]:
    """Give the images with those of two hemispheres as one, in the order of their paths.

    A pair has no ``hemi-`` any more. An image without its other half has a `File.problem`.

    Parameters
    ----------
    images
        The BOLD images chosen, of any kind.
    wanted
        The one hemisphere that is asked for, ``L`` or ``R``; its runs keep their ``hemi-``.
    """
    alone: list[File] = []
    halves: dict[object, dict[str, File]] = {}
    for image in images:
        hemi = image.name.entities.get("hemi", "")
        if image.name.extension != GIFTI:
            alone.append(image)
        elif hemi not in ("L", "R"):
            text = f"{image.path.name}: expected hemi-L or hemi-R in the name"
            alone.append(replace(image, problem=text))
        elif wanted is not None:
            alone += [image] if hemi == wanted else []
        else:
            rest = sorted(item for item in image.name.entities.items() if item[0] != "hemi")
            halves.setdefault((image.path.parent, *rest), {})[hemi] = image
    pairs = [_pair(found) for found in halves.values()]
    return sorted([*alone, *pairs], key=lambda image: str(image.path))


def _pair(found: dict[str, File]) -> File:
    image = found.get("L") or found["R"]
    entities = {key: value for key, value in image.name.entities.items() if key != "hemi"}
    name = Name(entities, image.name.suffix, image.name.extension)
    own = {key: value for key, value in image.entities.items() if key != "hemi"}
    if len(found) == 2:
        return replace(image, name=name, entities=own, beside=found["R"].path)
    (hemi,) = found
    other = image.path.name.replace(f"hemi-{hemi}", "hemi-R" if hemi == "L" else "hemi-L")
    problem = f"{image.path.name}: {other} is not beside it; --hemi {hemi} does this one alone"
    return replace(image, name=name, entities=own, problem=problem)
