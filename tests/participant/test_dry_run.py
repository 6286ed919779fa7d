"""``--dry-run`` says what a real run then does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tiny import AFFINE, N_VOLUMES

from bids_labelx.app.cli import main

STRATEGY = """
[confounds]
wm_csf = "basic"
[[confounds.tables]]
dataset = "aroma"
desc = "aroma"
suffix = "timeseries"
columns = [{ pattern = "^aroma_motion_.*", required = true }]
[volumes.scrub]
fd_threshold = 0.9
"""


@pytest.fixture
def both(
    tmp_path: Path,
    add_run: Callable[..., Path],
    atlas_dataset: Path,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[str, int, set[str], int, set[str]]]:
    """What --dry-run prints, its exit code and files, and those of the run itself."""
    for number in ("01", "02"):
        add_run(tmp_path / "ds", f"sub-{number}_task-rest", seed=int(number))
    func = tmp_path / "aroma" / "sub-01" / "func"
    func.mkdir(parents=True)
    about = {"Name": "a", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}
    (tmp_path / "aroma" / "dataset_description.json").write_text(json.dumps(about))
    table = pd.DataFrame({"aroma_motion_01": np.random.default_rng(0).random(N_VOLUMES)})
    table.to_csv(func / "sub-01_task-rest_desc-aroma_timeseries.tsv", sep="\t", index=False)
    (tmp_path / "mine.toml").write_text(STRATEGY)
    out = tmp_path / "out"

    def do(*options: str) -> tuple[str, int, set[str], int, set[str]]:
        arguments = [str(tmp_path / "ds"), str(out), "participant", "--nprocs", "1", *options]
        arguments += ["--atlas-dataset", str(atlas_dataset)]
        arguments += ["--datasets", f"aroma={tmp_path / 'aroma'}"]
        planned = main([*arguments, "--dry-run"])
        told = capsys.readouterr().out
        lines = [line.split() for line in told.splitlines()]
        named = {words[1] for words in lines if words[0] == "writes"}
        assert not out.exists()
        done = main(arguments)
        names = (one.relative_to(out).as_posix() for one in out.glob("sub-*/func/*"))
        return told, planned, named, done, {name for name in names if not name.endswith("json")}

    return do


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--denoise none simple", ["2 runs of 2 participants would be done", "0 runs cannot"]),
        # The table of one participant is missing.
        ("--denoise none MINE", ["denoise    none, mine", "denoise    none\n", "not done"]),
        ("--denoise MINE", ["1 run of 2 participants would be done", "1 run cannot be done"]),
        ("--denoise MINE --min-minutes 3", ["0 runs of", "0 tables", "--min-minutes asks for 3"]),
        ("--denoise none 36P", ["denoise    none\n", "36P needs columns that are missing"]),
        ("--denoise none simple --filter butterworth --low-pass 0.02", ["no degree of freedom"]),
        ("--denoise simple MINE --exact-volumes 38", ["denoise    simple, mine"]),
        ("--denoise denoised", ["is for images with desc- denoised", "0 runs of"]),
    ],
)
def test_files_and_exit_code_are_those_of_the_run(
    options: str, words: list[str], both: Callable[..., tuple], tmp_path: Path
) -> None:
    given = options.replace("MINE", str(tmp_path / "mine.toml")).split()
    told, planned, named, done, written = both(*given)
    assert named == written
    assert planned == done
    for one in words:
        assert one in told


def test_a_mask_of_another_grid_is_told_as_a_run_would(
    both: Callable[..., tuple], tmp_path: Path
) -> None:
    for path in (tmp_path / "ds").glob("sub-02/func/*_mask.nii.gz"):
        nib.save(nib.Nifti1Image(np.ones((7, 5, 4), np.uint8), AFFINE), path)
    told, planned, named, done, written = both("--denoise", "none")
    assert (planned, named) == (done, written) == (1, written)
    assert "1 run of 2 participants would be done" in told
    assert "the mask is on another grid than its run" in told
