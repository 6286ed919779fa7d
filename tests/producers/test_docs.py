"""Each command that the page on producers shows for a producer, on the producer's layout."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from producers.layouts import series, write_atlas, write_layout

from bids_labelx.app.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "producers.md"
SECTION = PAGE.read_text("utf-8").split("## Producers\n")[1].split("\n## ")[0]
# The layouts of the folders that the commands name.
LAYOUTS = {
    "fmriprep": "fmriprep_25",
    "fmripost_aroma": "fmripost_aroma",
    "tedana": "tedana_26",
    "nibabies": "nibabies_23_t2w",
    "xcp_d": "xcp_d_26",
    "spm": "spm",
    "fsl": "fsl",
    "afni": "afni",
}


def commands() -> list[str]:
    """All that begins like a command, in blocks and within the text."""
    text = SECTION.replace("\\\n", " ")
    return re.findall(r"^bids_labelx .*$", text, re.M) + re.findall(r"`(bids_labelx .*?)`", text)


def shown_files() -> dict[str, str]:
    """The blocks of the section by the name of a file that the text before them begins with."""
    pattern = r"`([a-z_]+\.(?:toml|json))`[^`]*?(?:`[^`]+`)?:\n\n```(?:toml|json)\n(.*?)```"
    return dict(re.findall(pattern, SECTION, re.S))


def test_the_page_has_a_command_for_each_layout_and_a_name_for_each_file() -> None:
    words = {word.rpartition("=")[2] for one in commands() for word in shlex.split(one)}
    assert words >= set(LAYOUTS) | shown_files().keys()
    assert len(shown_files()) == len(re.findall(r"^```(?:toml|json)$", SECTION, re.M))


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_page_works(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in shown_files().items():
        Path(name).write_text(content, "utf-8")
    program, folder, *rest = shlex.split(command)
    assert program == "bids_labelx"
    assert folder in LAYOUTS, f"write the layout of {folder} in this test"
    for word in [folder, *rest]:
        path = word.rpartition("=")[2]
        if path in LAYOUTS:
            write_layout(LAYOUTS[path], Path(path))
        elif path.endswith("_dseg.nii.gz"):
            write_atlas(Path(path))
    assert main([folder, *rest, "--nprocs", "1"]) == 0
    found = list(Path("OUT").rglob("*_timeseries.tsv"))
    assert found
    assert all(series(path).shape[1] == 3 for path in found)
