"""What goes into the log, and what is shown on the terminal."""

from __future__ import annotations

import gzip
import logging
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bids_labelx.app.group import run_group
from bids_labelx.app.participant import run_participants
from bids_labelx.settings import Settings

# Where a NIfTI-1 header has the data type, and the width of a voxel.
DATATYPE, WIDTH = (70, "<h"), (80, "<f")


def patch(path: Path, field: tuple[int, str], value: float) -> None:
    data = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into(field[1], data, field[0], value)
    path.write_bytes(gzip.compress(data))


def test_what_nibabel_remarks_on_headers_is_in_the_log_and_not_on_the_terminal(
    tmp_path: Path,
    add_run: Callable[..., Path],
    atlas_dataset: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    nibabel = logging.getLogger("nibabel.global")
    # In the place of nibabel's own handler, which has the terminal from when it was loaded.
    terminal = logging.FileHandler(tmp_path / "terminal")
    monkeypatch.setattr(nibabel, "handlers", [terminal])
    patch(add_run(tmp_path / "ds", "sub-01_task-rest"), DATATYPE, 1)
    second = add_run(tmp_path / "ds", "sub-02_task-rest")
    patch(second.with_name(second.name.replace("preproc_bold", "brain_mask")), WIDTH, 0)
    settings = Settings(
        tmp_path / "ds",
        tmp_path / "out",
        "participant",
        atlas_dataset=atlas_dataset,
        denoise=("none",),
        min_coverage=0.9,
        nprocs=1,
    )
    assert run_participants(settings) == 1
    (log,) = settings.output_dir.glob("logs/*.log")
    # The one while the runs are planned, the other by a node's process, too.
    assert log.read_text().count("nibabel.global ERROR data code 1 not supported") == 1
    assert log.read_text().count("nibabel.global WARNING pixdim[1,2,3] should be non-zero") > 1
    for image in settings.output_dir.glob("sub-*/func/*_dseg.nii.gz"):
        patch(image, WIDTH, 0)
    assert run_group(replace(settings, analysis_level="group")) == 1
    assert list(settings.output_dir.glob("figures/group_*_lost.png"))
    shown = capsys.readouterr().err + (tmp_path / "terminal").read_text()
    assert "pixdim" not in shown
    assert "_bold.nii.gz: cannot be read as an image (data code 1 not supported)" in shown
    assert nibabel.handlers == [terminal]
    terminal.close()
