"""What to tell of an atlas that is not found, is not the only one, or is in another space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bids_labelx.atlases.atlas import Atlas
from bids_labelx.names import MESHES, parse_name
from bids_labelx.suggestions import closest, did_you_mean, listed
from bids_labelx.templateflow import templateflow_home

# Where atlases by name are looked up: a folder and the atlases of that name in it.
Places = Sequence[tuple[Path, Sequence[Atlas]]]


def atlas_entities(entities: Mapping[str, str]) -> dict[str, str]:
    """The entities of an atlas; the ``desc-`` of TemplateFlow's files is BIDS' ``seg-``."""
    kept = {key: entities[key] for key in ("atlas", "seg", "scale") if key in entities}
    if "atlas" in kept and "desc" in entities:
        kept.setdefault("seg", entities["desc"])
    return kept


def segmentation_of(entities: Mapping[str, str]) -> list[str]:
    """The values that SEG in NAME:SEG may have for an atlas."""
    own = atlas_entities(entities)
    return [own[key] for key in ("seg", "scale") if key in own]


def spec_of(atlas: Atlas) -> str:
    """An atlas as ``--atlas`` takes it: NAME or NAME:SEG."""
    words = segmentation_of(atlas.entities)
    return atlas.entities["atlas"] + (f":{words[0]}" if words else "")


def several_fit(spec: str, atlases: Sequence[Atlas]) -> str:
    """Each of the atlases as it is to be typed, where one was asked for."""
    counts = Counter(map(spec_of, atlases))
    words = sorted(
        spec_of(one) if counts[spec_of(one)] == 1 else f"{one.entities['atlas']}={one.image}"
        for one in atlases
    )
    lines = "\n".join(f"--atlas {word}" for word in words)
    return f"--atlas {spec}: several fit, say which\n{lines}"


def none_downloaded(atlases: Sequence[Atlas]) -> str:
    """That several atlases fit, of which none was downloaded, and how one is."""
    words = listed(sorted({spec_of(one) for one in atlases}))
    space = atlases[0].space
    return (
        f"several fit, and the content of none is here; say which and fetch it before a run, with"
        f"\nbids_labelx --fetch-atlas NAME:SEG --space {space}\nThere are {words}"
    )


def not_found(spec: str, places: Places, dataset: Path | None) -> str:
    """Where an atlas was looked up, what is there, and what may have been meant."""
    if Path(spec).is_dir():
        return (
            f"--atlas {spec}: a folder, an image or the name of an atlas is expected; if it is a "
            f"BIDS atlas dataset (with tpl-… in it), give --atlas-dataset {spec}"
        )
    if not places:
        return (
            f"--atlas {spec}: no such file, and no --atlas-dataset nor TemplateFlow folder "
            f"({templateflow_home()}) to look this name up in"
        )
    found: list[str] = []
    known: dict[str, None] = {}
    for folder, atlases in places:
        if folder == dataset:
            names = sorted({spec_of(atlas) for atlas in atlases})
            found.append(f"not in {folder}; there are {listed(names) or 'none'}")
        else:
            names = sorted(_specs_in_names(folder, spec))
            found.append(f"not in TemplateFlow's folder {folder}")
        known |= dict.fromkeys(names)
    return f"--atlas {spec}{did_you_mean(spec, known)}: " + "; ".join(found)


def _specs_in_names(home: Path, spec: str) -> set[str]:
    """Atlases that TemplateFlow's folder has by their names, as one types them.

    With a segmentation only where one was asked for, or the atlas has the name asked for.
    """
    found = set()
    wanted = spec.partition(":")[0].casefold()
    for path in home.glob("tpl-*/tpl-*_atlas-*.nii.gz"):
        entities = parse_name(path).entities
        if "atlas" in entities:
            words = segmentation_of(entities)
            with_seg = words and (":" in spec or entities["atlas"].casefold() == wanted)
            found.add(entities["atlas"] + (f":{words[0]}" if with_seg else ""))
    return found


def none_in_space(dataset: Path | None, space: str) -> str:
    """No atlas of a dataset is in a space; with the folders in it that may be meant."""
    below = sorted({one.parent for one in dataset.glob("*/tpl-*/")}) if dataset else []
    meant = f"; did you mean {' or '.join(map(str, below))}" if below else ""
    return f"no atlas in space {space}{meant}"


def file_not_found(path: Path, kind: str) -> str:
    """A file that is not there, with the one beside it that its name is most like."""
    try:
        beside = [one.name for one in path.parent.iterdir() if one.is_file()]
    except OSError:
        return f"--atlas: there is no {kind} {path}, and no folder {path.parent}"
    near = closest(path.name, beside)
    meant = f", did you mean {path.with_name(near)}" if near else ""
    return f"--atlas: there is no {kind} {path}{meant}"


def named_in_other_space(spec: str, atlases: Iterable[Atlas], space: str) -> str:
    """What to do about an atlas by name that is in other spaces than the runs."""
    spaces = sorted({str(atlas.space) for atlas in atlases})
    return (
        f"--atlas {spec}: the atlas is in {', '.join(spaces)}, the runs are in {space}. Take one "
        f"in {space} (if TemplateFlow has it: bids_labelx --fetch-atlas {spec} --space {space}), "
        f"or runs in {spaces[0]}, if the dataset has them (--space {spaces[0]}); --atlas-space "
        f"{space} is for labels that fit the runs although their names say otherwise"
    )


def file_in_other_space(atlas: Atlas, own: str, space: str, others: Iterable[Atlas]) -> str:
    """Which file to take in place of one that is in another space than the runs.

    Parameters
    ----------
    atlas
        The atlas.
    own, space
        Its space, and that of the runs.
    others
        Atlases that are in that space, of which one may be the same atlas.
    """
    if (own in MESHES) != (space in MESHES):
        kinds = ("surface", "volume") if own in MESHES else ("volume", "surface")
        return (
            f"{atlas.image}: the labels are in {_with_mesh(own)}, a {kinds[0]}, the runs in "
            f"{_with_mesh(space)}, a {kinds[1]}"
        )
    same = [one for one in others if atlas_entities(one.entities) == dict(atlas.entities)]
    if same:
        take = f"Take the same atlas in {_with_mesh(space)}: --atlas {same[0].image}"
    else:
        template = space.replace("+", "_cohort-")
        take = (
            f"Take the file of this atlas in {_with_mesh(space)}, with tpl-{template} or "
            f"space-{space} in its name, or runs in {own}, if the dataset has them (--space {own})"
        )
    return (
        f"{atlas.image}: the labels are in {_with_mesh(own)}, the runs in {_with_mesh(space)}. "
        f"{take}; --atlas-space {space} is for labels that fit the runs although their name says "
        "otherwise"
    )


def _with_mesh(space: str) -> str:
    """A space with the number of vertices of its mesh, where it is one of surfaces."""
    return f"{space} ({MESHES[space]} vertices a hemisphere)" if space in MESHES else space
