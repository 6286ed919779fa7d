"""The Boutiques descriptor: ``python -m bids_labelx.app.descriptor > descriptor.json``."""

from __future__ import annotations

import json
from typing import Any

from bids_labelx._version import __version__
from bids_labelx.app.options import ALONE, grouped_options
from bids_labelx.errors import ExitCode
from bids_labelx.settings.entry import Option

OUTPUTS = {
    "output_folder": ("The output dataset", "[OUTPUT_DIR]"),
    "participant_reports": ("A report per participant", "[OUTPUT_DIR]/sub-*.html"),
    "group_report": ("The group's report", "[OUTPUT_DIR]/group.html"),
    "group_qc": ("Quality of all runs", "[OUTPUT_DIR]/group_qc.tsv"),
    "group_coverage": ("Coverage per label", "[OUTPUT_DIR]/group_atlas-*_coverage.tsv"),
    "group_matrices": ("Mean matrices and runs per edge", "[OUTPUT_DIR]/group_*_relmat.tsv"),
}


def make_descriptor() -> dict[str, Any]:
    """The descriptor as Boutiques' schema 0.5 wants it."""
    groups = grouped_options().items()
    options = [one for heading, rows in groups if heading != ALONE for one in rows]
    keys = " ".join(f"[{one.name.upper()}]" for one in options)
    return {
        "name": "bids_labelx",
        "description": "One clean, named, checked signal per brain region, for every run of a "
        "dataset of preprocessed BOLD images.",
        "tool-version": __version__,
        "schema-version": "0.5",
        "command-line": f"bids_labelx {keys}",
        "container-image": {"type": "docker", "image": f"bids_labelx:{__version__}"},
        "inputs": [_input(one) for one in options],
        "output-files": [
            {"id": name, "name": text, "path-template": path, "optional": name != "output_folder"}
            for name, (text, path) in OUTPUTS.items()
        ],
        "error-codes": [{"code": code, "description": code.meaning} for code in ExitCode if code],
        "suggested-resources": {"cpu-cores": 1, "ram": 2},
        "tags": {"domain": ["neuroinformatics", "fmri"]},
        "custom": {"BIDSAppSpecVersion": "0.1.0", "BIDSApplicationVersion": __version__},
    }


def _input(one: Option) -> dict[str, Any]:
    kind = "Flag" if one.flag else "Number" if one.number else "String"
    described: dict[str, Any] = {
        "id": one.name,
        "name": one.name,
        "type": "File" if one.name == "bids_dir" else kind,
        "value-key": f"[{one.name.upper()}]",
        "optional": one.group is not None,
        "description": one.description,
    }
    if one.group is not None:
        described["command-line-flag"] = one.shown
    if one.many:
        described["list"] = True
    if one.choices:
        described["value-choices"] = list(one.choices)
    return described


def descriptor_text() -> str:
    """The descriptor as it stands in ``descriptor.json``."""
    return json.dumps(make_descriptor(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(descriptor_text(), end="")
