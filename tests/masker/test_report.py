"""`generate_report`: what the page of a masker shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from bids_labelx import MultiNiftiLabelsMasker, NiftiLabelsMasker

KINDS = [NiftiLabelsMasker, MultiNiftiLabelsMasker]


@pytest.mark.parametrize("kind", KINDS)
def test_the_report_shows_regions_parameters_and_a_picture(
    kind: Any, tmp_path: Path, labels_img: Any, make_run: Callable[..., Any]
) -> None:
    masker = kind(labels_img, labels=["left", "<script>alert(1)</script>", "up"], t_r=2.5)
    masker.fit(make_run())
    report = masker.generate_report()
    report.save_as_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "left" in page
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert 'id="contents">' in page
    assert "t_r" in page
    assert "2.5" in page
    assert "iframe" in report._repr_html_()


@pytest.mark.parametrize("kind", KINDS)
def test_before_fit_and_without_reports_the_page_says_so(
    kind: Any, labels_img: Any, make_run: Callable[..., Any]
) -> None:
    assert "has not been fitted" in str(kind(labels_img).generate_report())
    silent = kind(labels_img, reports=False).fit(make_run())
    assert "reports=False" in str(silent.generate_report())


def test_warnings_and_lost_labels_are_in_the_report(
    labels_img: Any, make_run: Callable[..., Any]
) -> None:
    inside = np.ones(labels_img.shape, np.uint8)
    inside[4:] = 0
    mask = nib.Nifti1Image(inside, labels_img.affine)
    values = make_run().get_fdata()
    values[0, 0, 0, 3] = np.nan
    run = nib.Nifti1Image(values, labels_img.affine)
    masker = NiftiLabelsMasker(labels_img, mask_img=mask).fit(run)
    with pytest.warns(UserWarning, match="Non-finite values detected"):
        masker.transform(run)
    page = str(masker.generate_report())
    assert "Non-finite values detected" in page
    assert page.count("yes") == 1
