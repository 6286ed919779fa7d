"""What of a run, its atlases and its mask does not go together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nibabel.spatialimages import SpatialImage

from bids_labelx.atlases.atlas import Atlas, read_atlas
from bids_labelx.atlases.sources import space_of
from bids_labelx.errors import BadDataError, SpaceError
from bids_labelx.extraction.grayordinates import CORTEX, Grayordinates
from bids_labelx.extraction.space import Space, VolumeGrid
from bids_labelx.images import has_orientation, open_image
from bids_labelx.inputs.run import Run
from bids_labelx.settings import Settings


def check_volumes(
    run: Run, grid: VolumeGrid, atlases: Sequence[Atlas], mask: str | Path | None, series: Path
) -> None:
    """Refuse atlases and masks that cannot be laid on the run's grid.

    `series` is the run's image, or one on its grid.
    """
    image = open_image(series)
    for atlas in atlases:
        if atlas.kind == "spheres":
            continue  # A seed outside of the image is a label that is lost there.
        labels = open_image(atlas.image)
        _check_orientation(run, image, atlas.image, labels)
        _check_overlap(run, grid, atlas.image, labels)
    if isinstance(mask, Path):
        _check_mask_space(mask, run, grid)
        _check_orientation(run, image, mask, open_image(mask))
    elif mask == "brain" and run.mask is not None:
        open_image(run.mask)


def check_surfaces(run: Run, settings: Settings) -> None:
    """Refuse what is not done on surfaces.

    Raises
    ------
    BadDataError
    """
    if isinstance(settings.mask, Path):
        raise BadDataError(f"{run.name}: --mask {settings.mask} is of voxels, this run is not")
    if settings.smoothing_fwhm is not None:
        raise BadDataError(
            f"{run.name}: --smoothing-fwhm smooths volumes, not surfaces; smooth the run before "
            "(wb_command -cifti-smoothing)"
        )


def why_unfit(atlas: Atlas, space: Space, background: int) -> str:
    """Why labels on surfaces do not fit the elements of a run; empty where they do."""
    if atlas.kind != "labels":
        return f"{atlas.image}: {atlas.kind} are of voxels, and this run is on surfaces"
    labels, own, _ = read_atlas(atlas, background=background)
    try:
        space.lay_labels(labels, own)
    except (TypeError, ValueError) as error:
        return f"{atlas.image}: {error}"
    return ""


def vertices_by_hemisphere(run: Run, space: Grayordinates) -> dict[str, int]:
    """The number of vertices of the meshes by hemisphere."""
    known = {structure: hemi for hemi, structure in CORTEX.items()}
    other = sorted(space.meshes.keys() - known)
    if other:
        raise BadDataError(
            f"{run.name}: --element-weights area is for the cortex, it has {', '.join(other)}"
        )
    return {known[structure]: count for structure, count in space.meshes.items()}


def _check_mask_space(mask: Path, run: Run, grid: VolumeGrid) -> None:
    """A mask for many runs has to be in their space, by its name or by its very grid."""
    image = open_image(mask)
    space = space_of(mask)
    if space is None:
        if not grid.same(VolumeGrid.of(image.shape, image.affine)):
            raise SpaceError(
                f"{run.name}: --mask {mask} is on another grid and its name says no space "
                "(space- or tpl-), so it may not fit"
            )
    elif space != run.space:
        raise SpaceError(f"{run.name}: --mask {mask} is in {space}, the run in {run.space}")


def _check_overlap(run: Run, grid: VolumeGrid, atlas: Path, image: SpatialImage) -> None:
    theirs = VolumeGrid.of(image.shape, image.affine)
    if not theirs.boxes_overlap(grid):
        raise BadDataError(
            f"{run.name}: the atlas {atlas} lies wholly outside the image; it covers "
            f"{_box(theirs)}, the run {_box(grid)}"
        )


def _check_orientation(run: Run, bold: SpatialImage, other: Path, image: SpatialImage) -> None:
    """Refuse an atlas or mask on another grid where the place of one of the two is not known."""
    grid, theirs = (VolumeGrid.of(one.shape, one.affine) for one in (bold, image))
    for path, one in ((run.name, bold), (str(other), image)):
        if not has_orientation(one) and not grid.same(theirs):
            raise BadDataError(
                f"{path}: neither sform nor qform gives an orientation, so nothing says where its "
                f"voxels are; correct the header, or use it with an image on its very grid, which "
                f"{other if path == run.name else run.name} is not"
            )


def _box(grid: VolumeGrid) -> str:
    low, high = grid.bounding_box()
    return " × ".join(
        f"{axis} {a:.0f} to {b:.0f} mm" for axis, a, b in zip("xyz", low, high, strict=True)
    )
