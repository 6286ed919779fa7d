"""The table of regions in a masker's report, and which voxels its picture shows."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_labelx import NiftiLabelsMasker
from bids_labelx.masker.page import region_table
from bids_labelx.pictures.packing import unpack

TABLE = pd.DataFrame({"index": [5, 2, 9170], "name": ["V1", "A1", "M1"]})
# 30 voxels each, and 30 of none.
CODED = np.repeat([0, 1, 3, 2], 30)
AFFINE = np.diag([2.0, 3, 4, 1])


def test_regions_keep_their_order_and_are_counted() -> None:
    coded = CODED.copy()
    coded[:2] = 3
    found = region_table(TABLE, coded, None, 24.0)
    assert found["index"].tolist() == [5, 2, 9170]
    assert found["name"].tolist() == ["V1", "A1", "M1"]
    assert found["voxels"].tolist() == [30, 30, 32]
    assert found["volume (mm³)"].tolist() == pytest.approx([720, 720, 768])


def test_shares_are_of_the_mask_s_voxels_and_only_voxels_inside_it_count() -> None:
    mask = np.zeros(120, dtype=bool)
    mask[:65] = True
    found = region_table(TABLE, CODED, mask, 24.0)
    assert found["voxels"].tolist() == [30, 0, 5]
    assert found["share of the mask (%)"].tolist() == pytest.approx([3000 / 65, 0, 500 / 65])
    assert found["missing"].tolist() == ["", "yes", ""]


def test_shares_without_a_mask_are_of_the_voxels_of_all_regions() -> None:
    found = region_table(TABLE[:2], CODED[CODED < 3], None, 24.0)
    assert found["share of all regions (%)"].tolist() == [50, 50]


def test_vertices_have_no_volume() -> None:
    found = region_table(TABLE, CODED, None, None)
    assert list(found) == ["index", "name", "vertices and voxels", *found.columns[3:]]
    assert not [name for name in found if "mm³" in name]


@pytest.mark.parametrize("mask", [None, np.zeros(120, bool)], ids=["no mask", "empty mask"])
def test_regions_that_are_all_missing_have_a_share_of_zero(mask: np.ndarray | None) -> None:
    found = region_table(TABLE, CODED * 0, mask, 24.0)
    assert found.iloc[:, 4].tolist() == [0, 0, 0]
    assert found["missing"].tolist() == ["yes"] * 3


def test_the_network_of_a_table_is_kept() -> None:
    found = region_table(TABLE.assign(network=["Vis", "Aud", "Mot"], x=1), CODED, None, 24.0)
    assert list(found)[:4] == ["index", "name", "network", "voxels"]


def drawn(page: str) -> tuple[list[np.ndarray], dict[str, Any]]:
    """The pixels of regions in the picture of a page, and its other contents."""
    text = page.partition('id="contents">')[2].partition("</script>")[0]
    content = json.loads(text)
    pixels = [one["regions"] for one in content["panels"]]
    return [unpack({**one, "data": zlib.decompress(b64decode(one["data"]))}) for one in pixels], (
        content
    )


@pytest.mark.parametrize("background", [0, -1, 7])
def test_the_picture_shows_the_table_s_regions_whatever_the_background(background: int) -> None:
    known = np.array([9, 3, 0 if background else 5])
    values = np.insert(known, 1, background)
    labels = np.broadcast_to(values[:, None, None], (4, 5, 6)).astype(np.int32)
    image = nib.Nifti1Image(labels, AFFINE)
    lut = pd.DataFrame({"index": known, "name": [f"region {one}" for one in known]})
    lut["network"] = ["a", "b", "a"]
    masker = NiftiLabelsMasker(image, lut=lut, background_label=background).fit()
    pixels, content = drawn(str(masker.generate_report()))
    # An axial slice; regions are numbered as in the table, which is sorted.
    order = sorted(known.tolist())
    expected = [0 if one == background else order.index(one) + 1 for one in values.tolist()]
    axial = pixels[-1]
    assert [np.unique(column).tolist() for column in axial.T] == [[one] for one in expected]
    networks = dict(zip(lut["index"], lut["network"], strict=True))
    legend = dict(content["networks"])
    assert content["colours"] == [legend[networks[one]] for one in order]


def test_the_picture_shows_what_the_mask_leaves_out_as_missing() -> None:
    labels = np.broadcast_to(np.array([1, 1, 2, 2])[:, None, None], (4, 5, 6)).astype(np.int32)
    inside = np.zeros(labels.shape, np.uint8)
    inside[:1] = 1
    masker = NiftiLabelsMasker(
        nib.Nifti1Image(labels, AFFINE), mask_img=nib.Nifti1Image(inside, AFFINE)
    ).fit()
    pixels, content = drawn(str(masker.generate_report()))
    assert np.unique(pixels[-1]).tolist() == [1, 2]
    assert content["lost"] == [0, 1]
