"""BIDS' own validator on what is written: of the demo, and of real data of several kinds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")
SPACE = "MNI152NLin2009cAsym"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not VALIDATOR.exists(), reason="bids-validator-deno is not installed"),
]


def app(*arguments: object, code: int = 0) -> None:
    command = [sys.executable, "-m", "bids_labelx", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr


def errors(output: Path) -> list[dict]:
    done = subprocess.run(
        [VALIDATOR, output, "--format", "json"], capture_output=True, text=True, check=False
    )
    found = json.loads(done.stdout)
    # It did look at the dataset.
    assert found["summary"]["totalFiles"] > 5
    return [issue for issue in found["issues"]["issues"] if issue["severity"] == "error"]


def test_the_demo_is_valid(demo: tuple[Path, str]) -> None:
    assert errors(demo[0] / "bids_labelx") == []


def test_two_participants_several_atlases_strategies_and_measures_are_valid(
    shared_data: Path, tmp_path: Path
) -> None:
    output = tmp_path / "bids_labelx"
    common = (shared_data / "real-fmriprep-like", output)
    options = ("--atlas-dataset", shared_data / "atlases" / "atlas-dataset")
    strategies = ("--denoise", "none", "simple", "scrubbing.5", "--space", SPACE)
    measures = ("--connectivity", "correlation", "partial-correlation", "covariance")
    # sub-02 has no motion columns, so two of its strategies are refused.
    app(*common, "participant", *options, *strategies, *measures, code=1)
    app(*common, "group", code=1)
    app(*common, "group", "--allow-missing")
    assert errors(output) == []


def test_sessions_and_runs_together_are_valid(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "real-fmriprep-like"
    dataset = tmp_path / "sessions"
    for session in ("a", "b"):
        folder = dataset / "sub-01" / f"ses-{session}" / "func"
        folder.mkdir(parents=True)
        for path in sorted((source / "sub-01" / "func").iterdir()):
            name = path.name.replace("sub-01_", f"sub-01_ses-{session}_")
            (folder / name).symlink_to(path)
    (dataset / "dataset_description.json").symlink_to(source / "dataset_description.json")
    output = tmp_path / "bids_labelx"
    options = ("--atlas-dataset", shared_data / "atlases" / "atlas-dataset", "--atlas", "AAL")
    app(dataset, output, "participant", *options, "--space", SPACE, "--concatenate", "sessions")
    app(dataset, output, "group")
    assert len(list((output / "sub-01" / "func").glob("*_relmat.tsv"))) == 1
    assert len(list(output.glob("sub-01/ses-*/func/*_timeseries.tsv"))) == 2
    assert errors(output) == []


def test_native_runs_with_the_first_volumes_are_valid(shared_data: Path, tmp_path: Path) -> None:
    haxby = shared_data / "haxby-12runs"
    image = haxby / "atlas" / "atlas-HarvardOxfordCort_res-25mm_dseg.nii.gz"
    output = tmp_path / "bids_labelx"
    options = ("--atlas", image, "--atlas-space", "native", "--exact-volumes", "100")
    options += ("--denoise", "none")
    app(haxby, output, "participant", *options, "--concatenate", "runs", "--statistic", "median")
    app(haxby, output, "group")
    assert errors(output) == []
