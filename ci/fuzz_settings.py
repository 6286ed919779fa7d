"""The readers of what a user writes, and of JSON, that `ci/fuzz` feeds with spoilt files."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import small_study
import yaml
from fuzz_engine import Attempt
from fuzz_targets import COMPCOR, OWN, confounds_columns, plain_text, require, run_strategies
from small_study import N_VOLUMES, T_R

from bids_labelx.denoise import (
    read_confounds_metadata,
    read_confounds_table,
    read_strategies,
    select,
)
from bids_labelx.inputs.matching import parse_path
from bids_labelx.inputs.metadata import read_metadata
from bids_labelx.inputs.queries import apply_conditions, read_queries
from bids_labelx.inputs.repetition_time import header_time, repetition_time
from bids_labelx.inputs.run import Run
from bids_labelx.settings import make_settings

# Strategy files

_STRATEGY = """
name = "all of it"
description = "what there is"
source = "mine"
[confounds]
first_row = "zero"
high_pass = true
motion = "full"
wm_csf = "power2"
compcor = { masks = ["combined"], components = 3 }
columns = ["std_dvars", "^cosine0[0-9]$", { pattern = "^x", required = false }]
motion_filter = { type = "notch", band_stop_min = 3, band_stop_max = 5 }
[volumes]
non_steady_state = 2
scrub = { fd_threshold = 0.5, std_dvars_threshold = 1.5, min_segment = 3 }
[clean]
filter = "butterworth"
low_pass = 0.1
high_pass = 0.01
detrend = true
standardize = "zscore_sample"
standardize_confounds = true
interpolation = "spline"
censored_ends = "cut"
butterworth = { order = 2, padtype = "constant", padlen = "run" }
"""


def strategies(folder: Path) -> tuple[Mapping[str, bytes], Attempt]:
    """Strategy files, TOML and JSON; what they ask for is done to a run."""
    table = folder / "confounds.tsv"
    table.write_text(small_study.table_text(confounds_columns()))
    table.with_suffix(".json").write_text(json.dumps(COMPCOR))
    content = tomllib.loads(_STRATEGY)
    cosine = {"confounds": {"motion": "basic"}, "clean": {"filter": "cosine", "high_pass": 0.008}}
    files = {
        "all.toml": _STRATEGY.encode(),
        "own.toml": OWN.encode(),
        "all.json": json.dumps(content, indent=1).encode(),
        "cosine.json": json.dumps(cosine).encode(),
    }

    def attempt(name: str, content: bytes) -> None:
        path = folder / name
        path.write_bytes(content)
        (strategy,) = read_strategies([path])
        text = plain_text(content)
        asked = json.loads(text) if name.endswith("json") else tomllib.loads(text)
        known = {"name", "description", "source", "confounds", "volumes", "clean"}
        require(asked.keys() <= known, "an unknown key", asked.keys())
        require(strategy.name == asked.get("name", path.stem), "another name", strategy.name)
        for part in ("confounds", "volumes"):
            expected = {k: v for k, v in asked.get(part, {}).items() if v is not False}
            require(dict(getattr(strategy, part)) == expected, f"other {part}", expected)
        clean = {k: v for k, v in asked.get("clean", {}).items() if v != "none"}
        require(dict(strategy.clean) == clean, "other cleaning", clean)
        numbers = list(_numbers(asked))
        require(np.isfinite(np.array(numbers, float)).all(), "a number that is none", numbers)
        run_strategies(folder, table, [strategy])

    return files, attempt


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, Mapping):
        for one in value.values():
            yield from _numbers(one)
    elif isinstance(value, list):
        for one in value:
            yield from _numbers(one)
    elif isinstance(value, int | float):
        yield value


# Filter files

_FILTERS = {
    "bold.json": {"bold": {"task": "rest", "space": ["MNI", None], "run": 1, "desc": "preproc"}},
    "any.json": {"bold": {"session": "*", "echo": None}, "mask": {"desc": "brain"}, "t1w": {}},
    "more.json": {"confounds": {"suffix": "timeseries"}, "bold": {"run": [1, "02"], "acq": ["a"]}},
}
_NAMES = (
    "sub-01_task-rest_run-1_space-MNI_desc-preproc_bold.nii.gz",
    "sub-01_task-rest_run-02_desc-preproc_bold.nii.gz",
    "sub-01_ses-a_task-nback_acq-a_space-T1w_desc-preproc_bold.nii",
    "sub-02_ses-b_task-rest_echo-1_run-2_desc-optcom_bold.nii.gz",
    "sub-02_ses-b_task-rest_acq-b_run-001_space-MNI_res-2_desc-preproc_bold.nii.gz",
)
_SHORT = {"session": "ses", "subject": "sub", "acquisition": "acq", "description": "desc"}
_SHORT |= {"resolution": "res", "direction": "dir", "reconstruction": "rec", "density": "den"}
_DEFAULTS = {"suffix": ["bold"], "extension": [".nii", ".nii.gz"], "desc": ["preproc"]}


def filters(folder: Path) -> tuple[Mapping[str, bytes], Attempt]:
    """Files for ``--bids-filter-file``; which of five images they select."""
    images = [parse_path(folder / name, folder) for name in _NAMES]

    def attempt(name: str, content: bytes) -> None:
        path = folder / name
        path.write_bytes(content)
        queries = read_queries(path)
        kept, _ = apply_conditions(images, queries.bold.conditions)
        asked = json.loads(content.decode("utf-8-sig")).get("bold", {})
        asked = {_SHORT.get(key, key): value for key, value in asked.items()}
        defaults = {key: one for key, one in _DEFAULTS.items() if key not in asked}
        wanted = [n for n in _NAMES if _selected(n, {**defaults, **asked})]
        found = [one.path.name for one in kept]
        require(found == wanted, "another selection", f"{asked} {found} {wanted}")

    return {name: json.dumps(one).encode() for name, one in _FILTERS.items()}, attempt


def _selected(name: str, asked: Mapping[str, Any]) -> bool:
    stem, _, extension = name.partition(".")
    *parts, suffix = stem.split("_")
    entities = dict(part.split("-") for part in parts)
    entities |= {"suffix": suffix, "extension": f".{extension}", "datatype": "func"}

    def plain(key: str, value: Any) -> str:
        text = str(value)
        if key == "extension":
            return "." + text.removeprefix(".")
        text = text.removeprefix(f"{key}-")
        indices = ("run", "echo", "flip", "inv", "split", "chunk")
        return str(int(text)) if key in indices and text.isdecimal() else text

    for key, value in asked.items():
        values = value if isinstance(value, list) else [value]
        own = entities.get(key)
        if own is None:
            if None not in values:
                return False
        elif "*" not in values and plain(key, own) not in [
            plain(key, one) for one in values if one is not None
        ]:
            return False
    return True


# Plugin files

_PLUGINS = {
    "multi.yml": "plugin: MultiProc\nplugin_args:\n  n_procs: 2\n  memory_gb: 4.5\n"
    "  raise_insufficient: false\n",
    "linear.yaml": "plugin: Linear\n",
    "slurm.yml": 'plugin: SLURM\nplugin_args: {sbatch_args: "--time=1:00:00", max_jobs: 20}\n',
    "multi.toml": 'plugin = "MultiProc"\n[plugin_args]\nn_procs = 2\nmemory_gb = 3.0\n',
}


def plugins(folder: Path) -> tuple[Mapping[str, bytes], Attempt]:
    """Files for ``--nipype-plugin-file``; plugins that work on this machine are made, too."""
    from bids_labelx.workflow.plugins import LOCAL, plugin_class, read_plugin

    def attempt(name: str, content: bytes) -> None:
        path = folder / name
        path.write_bytes(content)
        given = {"bids_dir": folder, "output_dir": folder / "out", "work_dir": folder / "work"}
        given |= {"analysis_level": "participant", "atlas": ["a.nii"], "nipype_plugin_file": path}
        plugin, arguments = read_plugin(make_settings(given))
        text = plain_text(content)
        asked = tomllib.loads(text) if name.endswith("toml") else yaml.safe_load(text)
        require(plugin == asked["plugin"], "another plugin", plugin)
        # Linear runs one node at a time, whatever is said.
        own = ("n_procs", "raise_insufficient") if plugin == "Linear" else ()
        asked_for = asked.get("plugin_args") or {}
        said = {key: value for key, value in asked_for.items() if key not in own}
        taken = {key: arguments.get(key) for key in said}
        require(repr(taken) == repr(said), "other arguments", f"{arguments} {asked_for}")
        if plugin in LOCAL:
            plugin_class(plugin)(plugin_args=arguments)
            processes = arguments.get("n_procs", 1)
            whole = isinstance(processes, int) and not isinstance(processes, bool)
            require(whole and 0 < processes <= 2**20, "no number of processes", processes)
            memory = arguments.get("memory_gb", 1)
            require(0 < memory < float("inf"), "no amount of memory", memory)

    return {name: text.encode() for name, text in _PLUGINS.items()}, attempt


# Sidecars


def sidecars(folder: Path) -> tuple[Mapping[str, bytes], Attempt]:
    """The JSON beside images and confounds tables."""
    study = folder / "study"
    small_study.write_dataset(study)
    run = small_study.draw_run(1)
    paths = small_study.write_run(study, "01", run)
    header = nib.Nifti1Image(np.zeros((2, 2, 2, 2), np.int16), np.eye(4)).header
    table = paths["confounds"]
    table.write_text(small_study.table_text(confounds_columns()))
    columns = read_confounds_table(table)
    (share,) = read_strategies(["acompcor50"])
    bold = {
        "RepetitionTime": 2.0,
        "TaskName": "rest",
        "SliceTiming": [0, 1.0],
        "SkullStripped": True,
    }
    files = {
        "bold.json": json.dumps(bold).encode(),
        "confounds.json": json.dumps(COMPCOR, indent=1).encode(),
    }

    def attempt(name: str, content: bytes) -> None:
        if name == "bold.json":
            paths["sidecar"].write_bytes(content)
            _check_timing(read_metadata(paths["bold"], study), content)
            return
        table.with_suffix(".json").write_bytes(content)
        metadata = read_confounds_metadata(table)
        expected = _strict_json(content)
        require(repr(metadata) == repr(expected), "other metadata", metadata)
        chosen = select(share, columns, N_VOLUMES, source=str(table), t_r=T_R, metadata=metadata)
        for column in chosen.columns:
            if "comp_cor" in column:
                about = expected[column]
                fits = about["Method"] == "aCompCor" and about["Mask"] in ("combined", "WM", "CSF")
                require(fits and about.get("Retained", True), "another component", column)

    def _check_timing(metadata: Mapping[str, Any], content: bytes) -> None:
        expected = _strict_json(content)
        require(repr(dict(metadata)) == repr(expected), "other metadata", metadata)
        of = Run(paths["bold"], study, {"sub": "01"}, metadata, None, None, {})
        seconds = repetition_time(of, header_time(header))
        said = expected.get("RepetitionTime")
        if expected.get("VolumeTiming") is not None:
            require(seconds is None, "a repetition time beside VolumeTiming", seconds)
        elif said is None:
            require(seconds is None, "a repetition time that nothing says", seconds)
        else:
            require(not isinstance(said, bool) and said == seconds, "another time", said)
            require(0.1 <= seconds <= 20, "an absurd repetition time", seconds)

    return files, attempt


def _strict_json(content: bytes) -> Any:
    """JSON of which no key says two things."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        for key, value in pairs:
            require(repr(value) == repr(found[key]), "JSON with a key twice", key)
        return found

    return json.loads(content.decode("utf-8-sig"), object_pairs_hook=once)
