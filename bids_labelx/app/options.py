"""The options and their parser."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import NoReturn

from bids_labelx._version import __version__
from bids_labelx.errors import UsageError
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


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def build_parser() -> argparse.ArgumentParser:
    """The parser. Values are checked in `bids_labelx.settings`, all of them at once."""
    parser = _Parser(
        prog="bids_labelx",
        usage="bids_labelx BIDS_DIR OUTPUT_DIR {participant,group} [options]\n"
        "       bids_labelx --demo DIR",
        description="One clean, named, checked signal per brain region, for every run of a "
        "dataset of preprocessed BOLD images (fMRIPrep derivatives).",
        epilog="Exit codes: 0 done; 1 some run failed, the others are written; 16 not a BIDS "
        "dataset; 18 the filters leave no run; 64 usage; 65 bad data; 66 missing input; "
        "73 the output cannot be created.",
        allow_abbrev=False,
    )
    # Optional for argparse only, so that a missing one is listed with the other mistakes.
    parser.add_argument("bids_dir", nargs="?", metavar="BIDS_DIR", help="the derivatives dataset")
    parser.add_argument("output_dir", nargs="?", metavar="OUTPUT_DIR", help="where results go")
    parser.add_argument(
        "analysis_level",
        nargs="?",
        metavar="{" + ",".join(LEVELS) + "}",
        help="participant: extract from each run; group: one table over what participants wrote",
    )

    which = parser.add_argument_group("which runs")
    which.add_argument(
        "--participant-label", nargs="+", metavar="LABEL", help="with or without sub-"
    )
    which.add_argument("--session-label", nargs="+", metavar="LABEL", help="with or without ses-")
    which.add_argument("-t", "--task-id", nargs="+", metavar="TASK")
    which.add_argument("-r", "--run-id", nargs="+", metavar="RUN")
    which.add_argument(
        "--space", nargs="+", metavar="SPACE", help="'native' stands for files without space-"
    )
    which.add_argument("--res", nargs="+", metavar="RES")
    which.add_argument(
        "--bids-filter-file",
        metavar="JSON",
        help="entities of bold, mask and confounds, in the form of fMRIPrep's; null and * mean "
        "none and any",
    )
    which.add_argument(
        "--skip-bids-validation",
        action="store_true",
        help="taken for the sake of scripts; the input is never validated",
    )
    which.add_argument(
        "--bids-database-dir",
        metavar="DIR",
        help="keep the index of BIDS_DIR here for later starts; it is made again where the "
        "dataset has changed (default: not kept)",
    )

    atlas = parser.add_argument_group("atlas")
    atlas.add_argument(
        "--atlas",
        nargs="+",
        metavar="SPEC",
        help="IMAGE, NAME=IMAGE, NAME=IMAGE,TABLE; or NAME[:SEG] looked up in --atlas-dataset and "
        "in TemplateFlow's local folder; or derivative:desc-LABEL, each run's own segmentation; "
        "without it, all atlases of --atlas-dataset in the run's space",
    )
    atlas.add_argument("--atlas-dataset", metavar="DIR", help="a BIDS atlas dataset (tpl-…)")
    atlas.add_argument(
        "--atlas-space", metavar="SPACE", help="the space the atlases are in, whatever names say"
    )
    atlas.add_argument(
        "--labels",
        nargs="+",
        metavar="LABEL",
        help="these only, by index or name (default: all of each atlas)",
    )
    atlas.add_argument(
        "--background-label",
        metavar="INDEX",
        help="a value of the image that is no label, like 0 (default: 0)",
    )
    atlas.add_argument(
        "--min-coverage",
        metavar="SHARE",
        help="a label with a smaller share of its voxels covered is n/a (default: 0.5)",
    )

    signal = parser.add_argument_group("signal")
    signal.add_argument(
        "--statistic", nargs="+", metavar="NAME", help=f"{', '.join(STATISTICS)} (default: mean)"
    )
    signal.add_argument(
        "--mask",
        metavar="brain|none|FILE",
        help="voxels inside the run's brain mask, all voxels, or those inside this image "
        "(default: brain)",
    )
    signal.add_argument(
        "--smoothing-fwhm",
        metavar="MM",
        help="smooth volumes with a Gaussian of this full width at half maximum (default: not)",
    )
    signal.add_argument(
        "--clean-level",
        metavar="{" + ",".join(CLEAN_LEVELS) + "}",
        help="region: reduce voxels to labels, then clean; voxel: clean every labelled voxel "
        "first, which is the same for mean and sum and takes longer (default: region)",
    )
    signal.add_argument(
        "--standardize-voxels",
        action="store_true",
        default=None,
        help="with --clean-level voxel: bring each cleaned voxel to zero mean and unit variance "
        "before its label's are reduced",
    )
    signal.add_argument(
        "--denoise",
        nargs="+",
        metavar="NAME",
        help="denoising strategies, see --list-denoise, or FILE.toml or FILE.json of your own "
        "(default: simple)",
    )
    for option, metavar, text in (
        ("--fd-threshold", "MM", "framewise displacement above which volumes are scrubbed"),
        ("--std-dvars-threshold", "VALUE", "standardised DVARS above which they are"),
        ("--dummy-scans", "N|auto", "leave out the first N volumes, or those marked as dummies"),
        ("--filter", "{" + ",".join(FILTERS) + "}", "temporal filter"),
        ("--low-pass", "HZ", "remove what is faster"),
        ("--high-pass", "HZ", "remove what is slower"),
        ("--standardize", "{" + ",".join(STANDARDIZE) + "}", "bring signals to one scale"),
    ):
        signal.add_argument(option, metavar=metavar, help=f"{text} (default: the strategy's)")
    signal.add_argument(
        "--detrend",
        action=argparse.BooleanOptionalAction,
        help="remove linear trends (default: the strategy's)",
    )
    signal.add_argument(
        "--censor-output",
        metavar="{" + ",".join(CENSOR_OUTPUT) + "}",
        help="censored volumes have no row, rows of n/a, or are interpolated between those kept "
        "(default: drop)",
    )
    signal.add_argument(
        "--min-minutes",
        metavar="MINUTES",
        help="refuse a strategy that keeps less of a run; at the group level, leave the run out "
        "(default: 0)",
    )

    group = parser.add_argument_group("group level: runs that enter no mean")
    group.add_argument(
        "--max-mean-fd", metavar="MM", help="those with a higher mean framewise displacement"
    )
    group.add_argument(
        "--min-coverage-share",
        metavar="SHARE",
        help="those in which a smaller share of an atlas' labels is left (default: 0)",
    )

    connectivity = parser.add_argument_group("connectivity")
    connectivity.add_argument(
        "--connectivity",
        nargs="+",
        metavar="MEASURE",
        help=f"{', '.join(CONNECTIVITY)} (default: correlation)",
    )

    connectivity.add_argument(
        "--exact-volumes",
        nargs="+",
        metavar="N",
        help="also matrices of the first N volumes kept, for runs that have as many",
    )
    connectivity.add_argument(
        "--concatenate",
        metavar="{" + ",".join(CONCATENATE) + "}",
        help="also one matrix over all runs of a session, or over all sessions of a participant; "
        "each run is brought to zero mean and unit variance before",
    )

    alone = parser.add_argument_group("alone")
    alone.add_argument(
        "--demo", metavar="DIR", help="simulate a dataset in DIR and run both levels on it"
    )
    alone.add_argument(
        "--fetch-atlas",
        metavar="NAME[:SEG]",
        help="download an atlas into TemplateFlow's local folder (TEMPLATEFLOW_HOME), in the "
        "space that --space says (default: MNI152NLin2009cAsym); a run never downloads",
    )
    alone.add_argument("--list-denoise", action="store_true", help="print the strategies and stop")
    alone.add_argument(
        "--bids-exec-spec", action="store_true", help="print the Boutiques descriptor and stop"
    )
    alone.add_argument("--version", action="version", version=f"bids_labelx {__version__}")

    running = parser.add_argument_group("running")
    running.add_argument(
        "-w", "--work-dir", metavar="DIR", help="kept between starts (default: a temporary one)"
    )
    running.add_argument(
        "--nprocs", metavar="N", help="processes at once (default: the CPUs there are)"
    )
    running.add_argument(
        "--mem-gb", metavar="GB", help="memory for all processes together (default: 90 %% of it)"
    )
    running.add_argument(
        "--omp-nthreads",
        metavar="N",
        help="threads of a process for linear algebra (default: 1; with more, last digits may "
        "depend on the machine)",
    )
    running.add_argument(
        "--nipype-plugin-file",
        "--use-plugin",
        metavar="YAML|TOML",
        help="the nipype plugin that runs the graph, in fMRIPrep's form: plugin and plugin_args",
    )
    running.add_argument(
        "--dry-run",
        action="store_true",
        default=None,
        help="say what would be done with what, and stop",
    )
    running.add_argument(
        "--reports-only",
        action="store_true",
        default=None,
        help="write the participants' reports again from what is in OUTPUT_DIR, and stop",
    )
    running.add_argument(
        "--overwrite",
        action="store_true",
        default=None,
        help="replace results in OUTPUT_DIR that were made with other settings",
    )
    running.add_argument("--stop-on-first-crash", action="store_true", default=None)
    running.add_argument(
        "--config-file", metavar="TOML", help="options from a settings.toml; the command line wins"
    )
    running.add_argument("-v", "--verbose", action="count", help="say more; show tracebacks")
    return parser


def hyphenate(arguments: Sequence[str]) -> list[str]:
    """Long options with underscores, as BIDS Apps write them, turned into those with hyphens."""
    return [
        re.sub(r"^--[^=]+", lambda option: option.group().replace("_", "-"), argument)
        for argument in arguments
    ]
