"""The Boutiques descriptor, made from the parser: ``python -m bids_labelx.app.descriptor``."""

from __future__ import annotations

import argparse
import json
from typing import Any

from bids_labelx._version import __version__
from bids_labelx.app.options import build_parser
from bids_labelx.settings import (
    CENSOR_OUTPUT,
    CLEAN_LEVELS,
    CONCATENATE,
    CONNECTIVITY,
    FILTERS,
    LEVELS,
    STANDARDIZE,
    STATISTICS,
)

CHOICES = {
    "analysis_level": LEVELS,
    "statistic": STATISTICS,
    "clean_level": CLEAN_LEVELS,
    "filter": FILTERS,
    "standardize": STANDARDIZE,
    "censor_output": CENSOR_OUTPUT,
    "connectivity": CONNECTIVITY,
    "concatenate": CONCATENATE,
}

EXIT_CODES = {
    1: "some run failed, the others are written",
    16: "the input is not a BIDS dataset",
    18: "the filters leave no run",
    64: "the options are wrong",
    65: "a file holds wrong data",
    66: "an input file is missing",
    70: "an internal error",
    73: "the output cannot be created",
}

OUTPUTS = {
    "output_folder": ("The output dataset", "[OUTPUT_DIR]"),
    "participant_reports": ("A report per participant", "[OUTPUT_DIR]/sub-*.html"),
    "group_report": ("The group's report", "[OUTPUT_DIR]/group.html"),
    "group_qc": ("Quality of all runs", "[OUTPUT_DIR]/group_qc.tsv"),
    "group_coverage": ("Coverage per label", "[OUTPUT_DIR]/group_atlas-*_coverage.tsv"),
    "group_matrices": ("Mean matrices and runs per edge", "[OUTPUT_DIR]/group_*_relmat.tsv"),
}

# Options that do something else than run the app.
_ALONE = {"help", "version", "demo", "list_denoise", "bids_exec_spec", "fetch_atlas"}

_NUMBERS = {"SHARE", "MM", "VALUE", "HZ", "MINUTES"}


def make_descriptor() -> dict[str, Any]:
    """The descriptor as Boutiques' schema 0.5 wants it."""
    actions = [action for action in build_parser()._actions if action.dest not in _ALONE]
    keys = " ".join(f"[{action.dest.upper()}]" for action in actions)
    return {
        "name": "bids_labelx",
        "description": "One clean, named, checked signal per brain region, for every run of a "
        "dataset of preprocessed BOLD images.",
        "tool-version": __version__,
        "schema-version": "0.5",
        "command-line": f"bids_labelx {keys}",
        "container-image": {"type": "docker", "image": f"bids_labelx:{__version__}"},
        "inputs": [_input(action) for action in actions],
        "output-files": [
            {"id": name, "name": text, "path-template": path, "optional": name != "output_folder"}
            for name, (text, path) in OUTPUTS.items()
        ],
        "error-codes": [{"code": code, "description": what} for code, what in EXIT_CODES.items()],
        "suggested-resources": {"cpu-cores": 1, "ram": 2},
        "tags": {"domain": ["neuroinformatics", "fmri"]},
        "custom": {"BIDSAppSpecVersion": "0.1.0", "BIDSApplicationVersion": __version__},
    }


def _input(action: argparse.Action) -> dict[str, Any]:
    positional = not action.option_strings
    kind = "Number" if action.metavar in _NUMBERS else "String"
    if action.nargs == 0:
        kind = "Flag"
    if action.dest == "bids_dir":
        kind = "File"
    described: dict[str, Any] = {
        "id": action.dest,
        "name": action.dest,
        "type": kind,
        "value-key": f"[{action.dest.upper()}]",
        "optional": not positional,
    }
    if action.help:
        described["description"] = action.help
    if not positional:
        # Of a pair of flags, the one that says yes.
        flags = [name for name in action.option_strings if not name.startswith("--no-")]
        described["command-line-flag"] = flags[-1]
    if action.nargs == "+":
        described["list"] = True
    if action.dest in CHOICES:
        described["value-choices"] = list(CHOICES[action.dest])
    return described


def descriptor_text() -> str:
    """The descriptor as it stands in ``descriptor.json``."""
    return json.dumps(make_descriptor(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(descriptor_text(), end="")
