"""A repetition time in milliseconds claims no hours of data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import pandas as pd
import pytest
from tiny import N_VOLUMES

from bids_labelx.app.group import run_group
from bids_labelx.app.participant import run_participants
from bids_labelx.settings import Settings

# 39 of the 40 volumes are kept, of 2 s each.
MINUTES = (N_VOLUMES - 1) * 2 / 60


@pytest.mark.parametrize("by", ["header", "sidecar"])
def test_minutes_are_those_of_plausible_runs_and_of_what_is_given(
    tmp_path: Path, add_run: Callable[..., Path], atlas_dataset: Path, by: str
) -> None:
    root = tmp_path / "ds"
    add_run(root, "sub-02_task-rest")
    bold = add_run(root, "sub-01_task-rest", sidecar=by == "sidecar")
    image = nib.load(bold)
    image.header.set_zooms((*image.header.get_zooms()[:3], 2000.0 if by == "header" else 0.0))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, bold)
    if by == "sidecar":
        sidecar = bold.with_name(bold.name.replace(".nii.gz", ".json"))
        sidecar.write_text('{"RepetitionTime": 2000}')

    def minutes(**options: Any) -> list[float]:
        out = tmp_path / f"out{len(options)}"
        settings = Settings(
            root, out, "participant", atlas_dataset=atlas_dataset, nprocs=1, **options
        )
        assert run_participants(settings) == (0 if options else 1)
        run_group(Settings(root, out, "group"))
        table = pd.read_csv(out / "group_qc.tsv", sep="\t", na_values="n/a")
        assert len(table) == 2
        return table["minutes_kept"].dropna().tolist()

    assert minutes() == pytest.approx([MINUTES])
    assert minutes(repetition_time=2.0) == pytest.approx([MINUTES, MINUTES])
