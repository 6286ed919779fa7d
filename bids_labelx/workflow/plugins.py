"""Which nipype plugin runs the graph: the options and plugin files, and the class for a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.pipeline import plugins

from bids_labelx.errors import BadDataError, LabelxError, UsageError
from bids_labelx.files import parse_toml, read_text
from bids_labelx.settings import Settings
from bids_labelx.workflow.failures import with_failures
from bids_labelx.workflow.memory import available_gb
from bids_labelx.workflow.processes import ProcessPerNode

# nipype's plugins that run nodes on this machine, so that any temporary folder does as the work
# folder. `ProcessPerNode` does it for all of them.
LOCAL = ("Linear", "MultiProc", "LegacyMultiProc")

# More processes, or GB, than any machine has.
_MOST = 2**20


def plugin_class(name: str) -> Any:
    """The class of the nipype plugin of this name; see `read_plugin` for the names."""
    if name in LOCAL:
        return ProcessPerNode
    known = {one.removesuffix("Plugin") for one in dir(plugins) if one.endswith("Plugin")}
    # Those return when they have submitted their jobs, not when the jobs have ended.
    unsupported = {one for one in known if one.endswith("Graph")}
    if name in unsupported:
        raise ValueError(
            f"{name} is not supported; use {name.removesuffix('Graph')}, or a job array with a "
            "participant per task (docs/howto/slurm.md)"
        )
    if name not in known:
        names = ", ".join(sorted(known - unsupported))
        raise ValueError(f"{name} is no plugin of nipype's; there are {names}")
    if name == "SLURM":
        from bids_labelx.workflow.slurm import Slurm

        return Slurm
    return with_failures(getattr(plugins, f"{name}Plugin"))


def read_plugin(settings: Settings) -> tuple[str, dict[str, Any]]:
    """The name of the nipype plugin to run with, and its arguments.

    Raises
    ------
    MissingInputError, BadDataError, UsageError
        If the plugin file cannot be read or names no supported plugin, or if the plugin needs a
        shared work folder and there is none.
    """
    path = settings.nipype_plugin_file
    local = {"n_procs": settings.nprocs, "memory_gb": settings.mem_gb or available_gb()}
    if path is None:
        return "MultiProc", {**local, "raise_insufficient": False}
    try:
        plugin, arguments = _check_content(_parse(path))
        plugin_class(plugin)
    except LabelxError as error:
        raise type(error)(f"--nipype-plugin-file {error}") from None
    except ValueError as error:
        raise BadDataError(f"--nipype-plugin-file {path}: {error}") from None
    if plugin in LOCAL:
        arguments = {**local, **arguments}
        if plugin == "Linear":
            arguments = {**arguments, "n_procs": 1, "raise_insufficient": False}
    elif settings.work_dir is None:
        raise UsageError(
            f"--nipype-plugin-file: {plugin} needs --work-dir, a folder that all machines see"
        )
    return plugin, arguments


def _parse(path: Path) -> Any:
    text = read_text(path)
    if path.suffix == ".toml":
        return parse_toml(text)
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML ({error})") from None
    except RecursionError:
        raise ValueError("not YAML (its brackets are nested too deep)") from None


def _check_content(content: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(content, dict) or not isinstance(content.get("plugin"), str):
        raise ValueError(
            "a plugin's name under the key plugin is expected, and its arguments under "
            "plugin_args, as in fMRIPrep's plugin files"
        )
    unknown = set(content) - {"plugin", "plugin_args"}
    arguments = content.get("plugin_args") or {}
    if unknown or not isinstance(arguments, dict):
        raise ValueError(
            f"found {', '.join(sorted(map(str, unknown))) or 'plugin_args'}; "
            "the keys are plugin (text) and plugin_args (a table)"
        )
    for key, kinds, words in (
        ("n_procs", int, "a whole number of processes, 1 or more"),
        ("memory_gb", (int, float), "a number of GB above 0"),
    ):
        value = arguments.get(key, 1)
        # True is an integer in Python; nipype fails on any of these long after.
        if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value < _MOST:
            found = repr(value) if isinstance(value, (int, float)) else type(value).__name__
            raise ValueError(f"plugin_args: {key} is {found:.40}, {words} is expected")
    return content["plugin"], dict(arguments)
