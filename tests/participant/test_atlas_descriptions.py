"""The description of every atlas used, at the root of the output dataset."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bids_labelx.app.participant import run_participants
from bids_labelx.atlases.atlas import Atlas
from bids_labelx.participant.atlas_descriptions import describe_atlas
from bids_labelx.report.citations import read_bibliography
from bids_labelx.settings import Settings

AddRun = Callable[..., Path]
OWN = {
    "Name": "Slabs of a box",
    "License": "CC0",
    "Authors": ["Jane Doe"],
    "SampleSize": 20,
    "Species": "Human",
}


@pytest.fixture
def settings(tmp_path: Path, add_run: AddRun, atlas_dataset: Path) -> Settings:
    add_run(tmp_path / "ds", "sub-01_task-rest", seed=1)
    return Settings(
        tmp_path / "ds",
        tmp_path / "out",
        "participant",
        atlas_dataset=atlas_dataset,
        denoise=("none",),
        nprocs=1,
    )


def description(settings: Settings, label: str = "Slabs") -> dict[str, Any]:
    assert run_participants(settings) == 0
    return json.loads((settings.output_dir / f"atlas-{label}_description.json").read_text())


def made(folder: Path, name: str) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    image = folder / f"atlas-{name}_dseg.nii.gz"
    atlas = Atlas({"atlas": name}, None, image, None, folder)
    return describe_atlas(name, [atlas], read_bibliography())


def test_the_atlas_own_description_is_taken_whole(settings: Settings, atlas_dataset: Path) -> None:
    (atlas_dataset / "atlas-Slabs_description.json").write_text(json.dumps(OWN))
    assert description(settings) == OWN


def test_what_bids_requires_is_added_to_a_description_that_lacks_it(
    settings: Settings, atlas_dataset: Path
) -> None:
    (atlas_dataset / "atlas-Slabs_description.json").write_text('{"Species": "Human"}')
    own = {"Name": "Slabs", "License": "not known", "Species": "Human"}
    assert description(settings) == own


def test_of_a_dataset_of_an_atlas_its_description_is_taken(
    settings: Settings, atlas_dataset: Path
) -> None:
    about = {"Name": "Boxes", "BIDSVersion": "1.11.0", "License": "CC-BY", "Authors": ["A", "B"]}
    path = atlas_dataset / "dataset_description.json"
    path.write_text(json.dumps({**about, "DatasetType": "atlas"}))
    found = description(settings)
    assert {key: found[key] for key in ("Name", "License", "Authors")} == {
        key: about[key] for key in ("Name", "License", "Authors")
    }
    assert "BIDSVersion" not in found


def test_nothing_is_made_up_of_an_unknown_atlas(tmp_path: Path) -> None:
    found = made(tmp_path / "plain", "Mine")
    assert (found["Name"], found["License"]) == ("Mine", "not known")
    assert not {"Authors", "ReferencesAndLinks"} & set(found)


def test_a_known_atlas_has_its_authors_and_reference(tmp_path: Path) -> None:
    found = made(tmp_path / "plain", "Gordon")
    # Gordon et al. 2016, Cerebral Cortex.
    assert found["ReferencesAndLinks"] == ["https://doi.org/10.1093/cercor/bhu239"]
    assert found["Authors"][0] == "Evan M. Gordon"


def test_the_segmentation_of_a_participant_is_called_individual(tmp_path: Path) -> None:
    image = tmp_path / "sub-01_desc-aparcaseg_dseg.nii.gz"
    atlas = Atlas({"atlas": "aparcaseg"}, None, image, None, tmp_path)
    found = describe_atlas("aparcaseg", [atlas], read_bibliography())
    assert found["LevelType"] == "individual"
