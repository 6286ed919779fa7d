"""The options and their parser, both made from the entries of dataclasses."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from bids_labelx._version import __version__
from bids_labelx.errors import ExitCode, UsageError
from bids_labelx.settings import Settings
from bids_labelx.settings.entry import Option, option, options_of

ALONE = "alone"
# The commands that are typed as words, too: ``bids_labelx check OUTPUT_DIR``.
CHECK, UNPACK = "check", "unpack"
_alone = partial(option, group=ALONE, level="")


@dataclass(frozen=True, kw_only=True)
class Commands:
    """The options that are no settings: what to do instead of a run, and where settings are."""

    skip_bids_validation: bool = option(
        False, group="which runs", help="accepted for compatibility; has no effect"
    )
    config_file: str | None = option(
        None,
        group="running",
        metavar="TOML",
        help="options from a settings.toml; the command line wins",
        level="both",
    )
    demo: str | None = _alone(
        None, metavar="DIR", help="simulate a dataset in DIR and run both levels on it"
    )
    check: str | None = _alone(
        None,
        metavar="OUTPUT_DIR",
        help="print what an output folder holds, what failed and what to do next, and stop; the "
        "same as bids_labelx check OUTPUT_DIR",
    )
    unpack: tuple[str, ...] | None = _alone(
        None,
        metavar="OUTPUT_DIR DEST",
        count=2,
        help="write what --compact made as plain files into DEST, a new folder, and stop; of "
        "--participant-label alone where it is given; the same as bids_labelx unpack "
        "OUTPUT_DIR DEST",
    )
    fetch_atlas: str | None = _alone(
        None,
        metavar="NAME[:SEG]",
        help="download an atlas into TemplateFlow's local folder (TEMPLATEFLOW_HOME), in --space "
        "or else in MNI152NLin2009cAsym; a run never downloads",
    )
    import_: tuple[str, ...] | None = _alone(
        None,
        metavar="KIND DIR BIDS_DIR",
        count=3,
        help="write BIDS_DIR, a BIDS dataset of links to the runs in DIR with sidecars and "
        "confounds; KIND is hcp: what the HCP pipelines write",
    )
    list_denoise: bool = _alone(False, help="print the denoising strategies and stop")
    bids_exec_spec: bool = _alone(False, help="print the Boutiques descriptor and stop")
    version: bool = _alone(False, action="version", help="print the version and stop")

    @property
    def instead_of_a_run(self) -> bool:
        """Whether something else than a run is asked for."""
        alone = [one.name for one in options_of(Commands) if one.group == ALONE]
        return any(getattr(self, name) is not None for name in alone)


def all_options() -> list[Option]:
    """All options and arguments, in the order in which they are declared."""
    return [*options_of(Settings), *options_of(Commands)]


def grouped_options() -> dict[str | None, list[Option]]:
    """All options by their group."""
    groups: dict[str | None, list[Option]] = {}
    for one in all_options():
        groups.setdefault(one.group, []).append(one)
    return groups


class _Parser(argparse.ArgumentParser):
    # What its action "version" prints.
    version = f"bids_labelx {__version__}"

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def build_parser() -> argparse.ArgumentParser:
    """The parser. Values are checked in `bids_labelx.settings`, all of them at once."""
    parser = _Parser(
        prog="bids_labelx",
        usage="bids_labelx BIDS_DIR OUTPUT_DIR {participant,group} [options]\n"
        "       bids_labelx check OUTPUT_DIR\n"
        "       bids_labelx unpack OUTPUT_DIR DEST\n"
        "       bids_labelx --demo DIR\n"
        "       bids_labelx --import hcp DIR BIDS_DIR",
        description="One clean, named, checked signal per brain region, for every run of a "
        "dataset of preprocessed BOLD images (fMRIPrep derivatives).",
        epilog="Exit codes: " + "; ".join(f"{code} {code.meaning}" for code in ExitCode) + ".",
        allow_abbrev=False,
    )
    for heading, options in grouped_options().items():
        target = parser if heading is None else parser.add_argument_group(heading)
        for one in options:
            names = [one.name] if heading is None else one.names
            target.add_argument(*names, **_arguments(one))
    return parser


def _arguments(one: Option) -> dict[str, Any]:
    """How `argparse` has an option declared."""
    found: dict[str, Any] = {"help": one.description.replace("%", "%%")}
    if one.group is None:
        # Optional for argparse only, so that a missing one is listed with the other mistakes.
        return {**found, "nargs": "?", "metavar": one.placeholder}
    found["dest"] = one.name
    if one.flag:
        pair = one.default is None
        # Without a default, so that the command line wins only over what it says.
        action = argparse.BooleanOptionalAction if pair else one.action or "store_true"
        return {**found, "action": action, **({} if one.action else {"default": None})}
    if one.count:
        names = tuple(one.placeholder.split())
        return {**found, "nargs": one.count, "metavar": names, "action": "extend"}
    if one.many:
        # Given twice, the values add up.
        found |= {"nargs": "+", "action": "extend"}
    return {**found, "metavar": one.placeholder}


def hyphenate(arguments: Sequence[str]) -> list[str]:
    """Long options with underscores, as BIDS Apps write them, turned into those with hyphens."""
    return [
        re.sub(r"^--[^=]+", lambda option: option.group().replace("_", "-"), argument)
        for argument in arguments
    ]
