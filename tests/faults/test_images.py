"""Spoilt images, injected for real: refused by file and reason, or read as equal numbers."""

from __future__ import annotations

import gzip
import os
import re
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tiny import AFFINE, N_VOLUMES, SHAPE, SPACE

from bids_labelx.app.participant import run_participants
from bids_labelx.atlases.atlas import Atlas, read_atlas
from bids_labelx.errors import BadDataError, LabelxError
from bids_labelx.extraction.formats import open_run_data
from bids_labelx.images import read_data
from bids_labelx.outputs.failures import read_failures
from bids_labelx.settings import Settings

AddRun = Callable[..., Path]
WriteImage = Callable[..., Path]

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12345\n"
# Fields of a NIfTI-1 header: where they are, and how they are packed.
DIM0, DIM4, DATATYPE, VOX_OFFSET, SLOPE = (
    (40, "<h"),
    (48, "<h"),
    (70, "<h"),
    (108, "<f"),
    (112, "<ff"),
)
CODES, SROW_X = (252, "<hh"), (280, "<ffff")
# More voxels than any memory holds: 1000³ × 60.
HUGE = ((40, "<hhhhh"), (4, 1000, 1000, 1000, 60))


def labels_of(path: Path) -> np.ndarray:
    """The labels of an atlas of one file."""
    return read_atlas(Atlas({"atlas": "x"}, None, path, None, path.parent))[0]


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def rewrite(path: Path, data: bytes) -> Path:
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def patch(path: Path, field: tuple[int, str], *values: float) -> Path:
    """Write other values into an image's header."""
    data = bytearray(content(path))
    struct.pack_into(field[1], data, field[0], *values)
    return rewrite(path, bytes(data))


def flip(path: Path, share: float) -> Path:
    """Flip a bit of the file as it is stored, at this share of its length."""
    data = bytearray(path.read_bytes())
    data[int(share * len(data))] ^= 16
    path.write_bytes(data)
    return path


def fill(path: Path, volume: int, value: float) -> None:
    """Give all voxels of a volume one value."""
    image = nib.load(path)
    data = image.get_fdata(dtype=np.float32).copy()
    data[..., volume] = value
    nib.save(nib.Nifti1Image(data, image.affine, image.header), path)


def values(path: Path) -> np.ndarray:
    """All numbers of an image, as our reader gives them."""
    run = open_run_data(path)
    return np.concatenate([run.scale(raw) for _, raw in run.blocks(7)])


@pytest.fixture(params=[".nii", ".nii.gz"])
def bold(request: pytest.FixtureRequest, tmp_path: Path, write_image: WriteImage) -> Path:
    data = np.random.default_rng(0).normal(100, 9, (*SHAPE, N_VOLUMES)).astype(np.float32)
    return write_image(tmp_path / f"run{request.param}", data, t_r=2.0)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        (DIM4, 30, "more data than the header says, which are 30 volumes"),
        (DIM4, N_VOLUMES - 1, "more data than the header says"),
        (DIM4, 50, f"only {N_VOLUMES} of 50 volumes are whole"),
        (VOX_OFFSET, 0.0, "more data than the header says.*from byte 0 on.*vox_offset"),
        (VOX_OFFSET, 352.0 + 16, f"only {N_VOLUMES - 1} of {N_VOLUMES} volumes are whole"),
        (VOX_OFFSET, np.nan, "cannot be read as an image"),
        (VOX_OFFSET, -1e9, "more data|begin at byte|cannot be read"),
        (VOX_OFFSET, 1e30, "only 0 of|more than a compressed file"),
        (DATATYPE, 4, "more data than the header says.*int16.*data type"),
        (DATATYPE, 64, "only 20 of 40 volumes are whole"),
        (DATATYPE, 1, "cannot be read as an image"),
        (DIM0, 0, "expected a 3D or 4D image"),
        (DIM0, 3, "more data than the header says, which are 1 volumes"),
        (DIM0, 9000, "cannot be read as an image|expected a 3D"),
        (DIM4, -3, "the image is empty|cannot be read"),
    ],
)
def test_a_header_that_is_not_that_of_the_data_is_refused(
    bold: Path, field: tuple[int, str], value: float, said: str
) -> None:
    patch(bold, field, value)
    with pytest.raises((OSError, ValueError), match=rf"(?s)run\.nii.*({said})"):
        values(bold)


def test_zeros_after_the_data_are_padding_where_they_fill_up_a_sector(bold: Path) -> None:
    before, data = values(bold), content(bold)
    left = -len(data) % 512
    assert 1 < left < SHAPE[0] * SHAPE[1] * SHAPE[2] * 4
    rewrite(bold, data + bytes(left))
    np.testing.assert_array_equal(values(bold), before)
    others = (bytes(1), bytes(left - 1), bytes(left + 512), bytes(left - 1) + b"\1")
    # A byte too many moves all data by one; what comes after the last volume may be zero.
    shifted = data[:378] + b"\1" + data[378:-1] + b"\0"
    for wrong in [shifted, *(data + more for more in others)]:
        rewrite(bold, wrong)
        with pytest.raises(OSError, match="more data than the header says"):
            values(bold)


def test_extensions_before_the_data_are_skipped(bold: Path) -> None:
    before = values(bold)
    image = nib.load(bold)
    image = nib.Nifti1Image(image.get_fdata(dtype=np.float32).copy(), image.affine, image.header)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"made by hand" * 9))
    nib.save(image, bold)
    assert nib.load(bold).dataobj.offset > 352
    np.testing.assert_array_equal(values(bold), before)


@pytest.mark.parametrize("read", [values, read_data, labels_of])
def test_a_small_file_that_claims_a_huge_image_is_refused_before_memory_is_taken(
    bold: Path, read: Callable[[Path], Any]
) -> None:
    rewrite(bold, content(bold) + bytes(20 << 20))
    patch(bold, *HUGE[:1], *HUGE[1])
    tracemalloc.start()
    with pytest.raises((OSError, LabelxError), match=r"run\.nii.*(compressed file|only 0 of)"):
        read(bold)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


def test_what_compresses_best_is_no_bomb(tmp_path: Path, write_image: WriteImage) -> None:
    # Constant data come nearest to the limit of deflate, 1032 to 1.
    path = write_image(tmp_path / "run.nii.gz", np.zeros((64, 64, 64, 40), np.uint8))
    path.write_bytes(gzip.compress(content(path), 9))
    assert 64**3 * 40 / path.stat().st_size > 1000
    assert values(path).shape == (40, 64**3)


def test_a_nii_that_is_shortened_while_it_is_read_fails_and_kills_nobody(
    tmp_path: Path, write_image: WriteImage
) -> None:
    path = write_image(tmp_path / "run.nii", np.ones((32, 32, 32, 40), np.float32))
    blocks = open_run_data(path).blocks(1)
    next(blocks)
    os.truncate(path, 200_000)
    with pytest.raises(OSError, match=r"run\.nii: changed while it was read"):
        list(blocks)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_file_that_is_written_to_while_it_is_read_is_refused(
    tmp_path: Path, write_image: WriteImage, suffix: str
) -> None:
    data = np.random.default_rng(0).normal(size=(16, 16, 16, 40)).astype(np.float32)
    path = write_image(tmp_path / f"run{suffix}", data)
    run = open_run_data(path)
    blocks = run.blocks(1)
    next(blocks)
    with path.open("r+b") as stream:
        stream.seek(-100, os.SEEK_END)
        stream.write(b"\1" * 50)
    with pytest.raises(OSError, match=r"run\.nii.*changed while it was read"):
        list(blocks)
    # Its header was read before that, too.
    with pytest.raises(OSError, match=r"run\.nii.*changed while it was read"):
        next(run.blocks(1))


def test_a_file_that_another_one_replaces_is_read_on_as_it_was(bold: Path) -> None:
    expected = values(bold)
    blocks = open_run_data(bold).blocks(1)
    found = [next(blocks)[1].copy()]
    other = rewrite(bold.with_name(f"other{bold.name}"), b"no image")
    other.replace(bold)
    found += [raw.copy() for _, raw in blocks]
    np.testing.assert_array_equal(np.concatenate(found), expected)


@pytest.mark.parametrize("suffix", [".mgz", ".img.gz", ".hdr.gz"])
def test_a_flipped_byte_in_other_compressed_images_is_found_by_the_checksum(
    tmp_path: Path, suffix: str
) -> None:
    labels = np.random.default_rng(0).integers(0, 40, (9, 9, 9)).astype(np.int16)
    kind = nib.MGHImage if suffix == ".mgz" else nib.Nifti1Pair
    path = tmp_path / f"atlas{suffix}"
    nib.save(kind(labels, AFFINE), tmp_path / f"atlas{suffix.replace('hdr', 'img')}")
    good, refused = path.read_bytes(), []
    for share in np.linspace(0.02, 0.999, 60):
        path.write_bytes(good)
        flip(path, share)
        try:
            found = read_data(path)[0]
        except BadDataError as error:
            refused.append(str(error))
            continue
        np.testing.assert_array_equal(found, labels)
    assert len(refused) > 40
    assert all("atlas." in text for text in refused)


KINDS = {
    "BOLD": (np.float32, (*SHAPE, 12), values),
    "mask": (np.uint8, SHAPE, lambda path: read_data(path)[0]),
    "segmentation": (np.int16, SHAPE, lambda path: read_data(path)[0]),
    "atlas": (np.int32, SHAPE, labels_of),
}


@pytest.mark.parametrize("kind", KINDS)
def test_no_flip_and_no_truncation_of_a_compressed_image_gives_other_numbers(
    tmp_path: Path, write_image: WriteImage, kind: str
) -> None:
    dtype, shape, read = KINDS[kind]
    rng = np.random.default_rng(18)
    path = write_image(tmp_path / "image.nii.gz", rng.integers(0, 9, shape).astype(dtype))
    good, expected, refused = path.read_bytes(), read(path), []
    for _ in range(80):
        data = bytearray(good)
        if rng.random() < 0.7:
            data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        else:
            del data[rng.integers(len(data)) :]
        path.write_bytes(data)
        try:
            found = read(path)
        except (OSError, ValueError, LabelxError) as error:
            refused.append(str(error))
            continue
        # A name or time in the head of the gzip does not matter.
        np.testing.assert_array_equal(found, expected)
    assert len(refused) > 40
    assert all("image.nii.gz" in text for text in refused)


def settings_for(root: Path, **options: Any) -> Settings:
    given = {"denoise": ("none",), "connectivity": ("none",), "nprocs": 1, **options}
    return Settings(root, root.parent / "out", "participant", **given)


def mask_of(bold: Path) -> Path:
    return bold.with_name(bold.name.replace("preproc_bold", "brain_mask"))


# What is done to a run's image or mask, and what is said of it.
SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "more": (lambda p: patch(p, DIM4, 30), "preproc_bold.*more data than the header says"),
    "less": (lambda p: patch(p, DIM4, 60), "preproc_bold.*only 40 of 60 volumes are whole"),
    "offset": (lambda p: patch(p, VOX_OFFSET, 0), "preproc_bold.*more data than the header"),
    "type": (lambda p: patch(p, DATATYPE, 4), "preproc_bold.*more data than the header says"),
    "oddtype": (lambda p: patch(p, DATATYPE, 1), "preproc_bold.*cannot be read as an image"),
    "dim": (lambda p: patch(p, DIM0, 0), "preproc_bold.*expected a 3D or 4D image"),
    "intercept": (lambda p: patch(p, SLOPE, 1, np.nan), "preproc_bold.*cannot be read as an im"),
    "bomb": (lambda p: patch(p, HUGE[0], *HUGE[1]), "preproc_bold.*than a compressed file of"),
    "lfs": (lambda p: p.write_bytes(LFS), "preproc_bold.*git-lfs pointer"),
    "noaffine": (lambda p: patch(p, SROW_X, *[np.nan] * 4), "preproc_bold.*affine is not finite"),
    "flataffine": (lambda p: patch(p, SROW_X, 0, 0, 0, 0), "preproc_bold.*cannot be inverted"),
    "nowhere": (lambda p: patch(p, CODES, 0, 0), "preproc_bold.*neither sform nor qform"),
    "nan": (lambda p: fill(p, 7, np.nan), "preproc_bold.*volume 8 of 40 has no finite value"),
    "flip": (lambda p: flip(p, 0.5), "preproc_bold.*truncated or corrupt"),
    "maskflip": (lambda p: flip(mask_of(p), 0.8), "brain_mask.*(corrupt|cannot be read)"),
    "maskhead": (lambda p: flip(mask_of(p), 0.3), "brain_mask.*(corrupt|cannot be read)"),
    "masktype": (lambda p: patch(mask_of(p), DATATYPE, 1), "brain_mask.*cannot be read as an"),
    "masksmall": (
        lambda p: patch(mask_of(p), (40, "<hh"), 3, 3),
        "brain_mask.*more data than the",
    ),
    "maskbomb": (
        lambda p: patch(mask_of(p), *[HUGE[0]], 3, 1000, 1000, 1000, 1),
        "brain_mask.*th",
    ),
    "masklfs": (lambda p: mask_of(p).write_bytes(LFS), "brain_mask.*git-lfs pointer"),
    "maskaffine": (lambda p: patch(mask_of(p), SROW_X, *[np.inf] * 4), "brain_mask.*not finite"),
}


def test_a_spoilt_image_or_mask_fails_its_run_by_name_and_the_others_are_done(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    root, out = tmp_path / "ds", tmp_path / "out"
    for label, (spoil, _) in SPOILT.items():
        spoil(add_run(root, f"sub-{label}_task-rest"))
    for label in ("1good", "zgood"):
        add_run(root, f"sub-{label}_task-rest", seed=3)
    assert run_participants(settings_for(root, atlas_dataset=atlas_dataset)) == 1
    said = {one.entities["sub"]: one.message for one in read_failures(out)}
    assert said.keys() == SPOILT.keys()
    for label, (_, words) in SPOILT.items():
        assert f"sub-{label}_" in said[label]
        assert re.search(f"(?s){words}", said[label]), (label, said[label])
    written = {path.name.split("_")[0] for path in out.rglob("*_timeseries.tsv")}
    assert written == {"sub-1good", "sub-zgood"}
    assert not list(out.rglob(".tmp-*"))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda p: flip(p, 0.3), "cannot be read as an image|truncated or corrupt"),
        (lambda p: flip(p, 0.8), "cannot be read as an image|truncated or corrupt"),
        (lambda p: patch(p, DATATYPE, 1), "cannot be read as an image"),
        (lambda p: patch(p, DATATYPE, 2), "more data than the header says"),
        (lambda p: patch(p, HUGE[0], 3, 1000, 1000, 1000, 1), "than a compressed file of"),
        (lambda p: patch(p, SROW_X, 0, 0, 0, 0), "affine cannot be inverted"),
        (lambda p: p.write_bytes(LFS), "git-lfs pointer"),
    ],
)
def test_a_spoilt_atlas_or_mask_for_all_is_refused_before_anything_is_written(
    tmp_path: Path,
    add_run: AddRun,
    labels: np.ndarray,
    write_image: WriteImage,
    spoil: Callable[[Path], object],
    said: str,
) -> None:
    add_run(tmp_path / "ds")
    image = write_image(tmp_path / f"tpl-{SPACE}_atlas-A_dseg.nii.gz", labels)
    mask = write_image(tmp_path / f"space-{SPACE}_mask.nii.gz", labels)
    for path in (image, mask):
        good = path.read_bytes()
        spoil(path)
        settings = settings_for(tmp_path / "ds", atlas=(str(image),), mask=mask)
        with pytest.raises(LabelxError, match=f"(?s){path.name}.*({said})") as caught:
            run_participants(settings)
        assert caught.value.exit_code in (65, 66)
        assert not (tmp_path / "out").exists()
        path.write_bytes(good)


def test_a_spoilt_segmentation_fails_its_run_by_name_and_the_others_are_done(
    tmp_path: Path, add_run: AddRun, labels: np.ndarray, write_image: WriteImage
) -> None:
    root, out = tmp_path / "ds", tmp_path / "out"
    spoilt: dict[str, Callable[[Path], object]] = {
        "good": lambda _: None,
        "data": lambda p: flip(p, 0.9),
        "head": lambda p: flip(p, 0.25),
        "type": lambda p: patch(p, DATATYPE, 1),
        "more": lambda p: patch(p, DATATYPE, 2),
        "lfs": lambda p: p.write_bytes(LFS),
    }
    for label, spoil in spoilt.items():
        bold = add_run(root, f"sub-{label}_task-rest")
        name = bold.name.replace("preproc_bold", "seg_dseg")
        spoil(write_image(bold.with_name(name), labels))
    (root / "desc-seg_dseg.tsv").write_text("index\tname\n2\ta\n5\tb\n9\tc\n")
    assert run_participants(settings_for(root, atlas=("derivative:desc-seg",))) == 1
    said = {one.entities["sub"]: one.message for one in read_failures(out)}
    assert said.keys() == spoilt.keys() - {"good"}
    for label, text in said.items():
        assert f"sub-{label}_task-rest_space-{SPACE}_desc-seg_dseg.nii.gz" in text
    assert len(list(out.rglob("*_timeseries.tsv"))) == 1


def test_an_image_without_orientation_is_used_on_its_very_grid(
    tmp_path: Path, add_run: AddRun, labels: np.ndarray, write_image: WriteImage
) -> None:
    bold = add_run(tmp_path / "ds", space=None)
    image = write_image(tmp_path / "atlas-A_dseg.nii.gz", labels)
    for path in (bold, mask_of(bold), image):
        patch(path, CODES, 0, 0)
    settings = settings_for(tmp_path / "ds", atlas=(str(image),), atlas_space="native")
    assert run_participants(settings) == 0
    (series,) = (tmp_path / "out").rglob("*_timeseries.tsv")
    table = pd.read_csv(series, sep="\t")
    inside = (labels == 5) & (np.arange(SHAPE[0]) > 0)[:, None, None]
    expected = nib.load(bold).get_fdata()[inside].mean(axis=0)
    np.testing.assert_allclose(table["label5"], expected, rtol=1e-6)
