"""The command line: arguments in, exit code out. Heavy imports wait until they are needed."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NoReturn

from bids_labelx.app.arguments import arrange
from bids_labelx.app.invocation import import_pybids, stoppable, without_users_settings
from bids_labelx.app.options import Commands, build_parser
from bids_labelx.app.remote_datasets import mirrored, refuse_secrets
from bids_labelx.app.streams import lasting_streams
from bids_labelx.errors import ExitCode, LabelxError, Stopped, UsageError
from bids_labelx.settings import make_settings, read_options
from bids_labelx.settings.convert import path
from bids_labelx.workflow.memory import check_address_space, limits_in_words

_FIRST_USE = """\
bids_labelx extracts one denoised signal per brain region from each preprocessed BOLD run.

Try it on a small simulated dataset, which it writes into DIR:
  bids_labelx --demo DIR
Process fMRIPrep derivatives with an atlas (a label image), then summarise all participants:
  bids_labelx BIDS_DIR OUTPUT_DIR participant --atlas IMAGE --denoise 36P
  bids_labelx BIDS_DIR OUTPUT_DIR group
See what would be done with --dry-run, and afterwards what was done and what failed:
  bids_labelx check OUTPUT_DIR
bids_labelx --help lists the options, bids_labelx --list-denoise the denoising strategies."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the app.

    Parameters
    ----------
    arguments
        The command line without the program's name; that of the process by default.

    Returns
    -------
    int
        The exit code, see the end of ``--help``.
    """
    with lasting_streams():
        return _main(sys.argv[1:] if arguments is None else arguments)


def run_and_exit() -> NoReturn:
    """Run the app as the command of a process, which it ends."""
    code = main()
    # The interpreter would look through all objects at its end, which takes a tenth of the time of
    # a small run.
    gc.freeze()
    sys.exit(code)


def _main(given: Sequence[str]) -> int:
    verbose = any(re.fullmatch(r"-v+|--verbose", argument) for argument in given)
    try:
        with stoppable():
            if not given:
                print(_FIRST_USE, file=sys.stderr)
                return ExitCode.USAGE
            refuse_secrets(given)
            words, problems = arrange(given)
            options, unknown = build_parser().parse_known_args(words)
            unknown = [f"{word}: there is no such option or argument" for word in unknown]
            code = _run(vars(options), (*problems, *unknown))
            sys.stdout.flush()
            return code
    except LabelxError as error:
        if verbose:
            sys.excepthook(type(error), error, error.__traceback__)
        print(f"bids_labelx: error: {_indent(str(error))}", file=sys.stderr)
        return error.exit_code
    except Stopped as stop:
        print(
            f"bids_labelx: stopped by {stop}; the files written are complete. With --work-dir "
            "the same command resumes here",
            file=sys.stderr,
        )
        return stop.exit_code
    except KeyboardInterrupt:
        print("bids_labelx: interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except Exception as error:
        if verbose:
            sys.excepthook(type(error), error, error.__traceback__)
        if isinstance(error, MemoryError):
            print(
                f"bids_labelx: error: out of memory; {limits_in_words()}. Raise the limit, or do "
                "less at once: fewer runs with --participant-label, fewer --permutations",
                file=sys.stderr,
            )
            return ExitCode.SOME_FAILED
        print(
            f"bids_labelx: internal error: {type(error).__name__}: {_indent(str(error))}\n"
            "This is a mistake in bids_labelx, not in your data. With -v it shows where.",
            file=sys.stderr,
        )
        return ExitCode.INTERNAL_ERROR


def _run(options: dict[str, Any], problems: tuple[str, ...]) -> int:
    commands = Commands(**{one.name: options.pop(one.name, None) for one in fields(Commands)})
    if problems and commands.instead_of_a_run:
        raise UsageError("\n".join(problems))
    if commands.list_denoise:
        from bids_labelx.denoise import describe_presets

        print(describe_presets())
        return ExitCode.DONE
    if commands.bids_exec_spec:
        from bids_labelx.app.descriptor import descriptor_text

        print(descriptor_text(), end="")
        return ExitCode.DONE
    if commands.demo is not None:
        with without_users_settings(options.get("omp_nthreads") or 1):
            from bids_labelx.app.demo import run_demo

        try:
            return run_demo(path(commands.demo), options)
        except ValueError as error:
            raise UsageError(f"--demo {error}") from None
    if commands.import_ is not None:
        with without_users_settings():
            from bids_labelx.app.import_hcp import run_import

        return run_import(commands.import_, options)
    if commands.check is not None:
        from bids_labelx.app.check import run_check

        return run_check(path(commands.check))
    if commands.unpack is not None:
        from bids_labelx.app.compact import run_unpack

        return run_unpack(commands.unpack, options)
    if commands.fetch_atlas is not None:
        from bids_labelx.atlases.fetch import fetch_atlas

        for space in options["space"] or ["MNI152NLin2009cAsym"]:
            print("\n".join(map(str, fetch_atlas(commands.fetch_atlas, space))))
        return ExitCode.DONE
    if commands.config_file is not None:
        from pathlib import Path

        given = {name: value for name, value in options.items() if value is not None}
        options = {**read_options(Path(commands.config_file)), **given}
    settings = make_settings(options, problems)
    check_address_space()
    if settings.analysis_level == "group":
        with without_users_settings():
            from bids_labelx.app.group import run_group

            with mirrored(settings) as local:
                return run_group(local)
    with without_users_settings(settings.omp_nthreads):
        # Looking for garbage among modules takes a sixth of the time that they take to load.
        gc.disable()
        try:
            from bids_labelx.app.participant import run_participants

            import_pybids()
            gc.freeze()
        finally:
            gc.enable()
        with mirrored(settings) as local:
            return run_participants(local)


def _indent(message: str) -> str:
    """Continuation lines set in, so that one error reads as one."""
    return message.replace("\n", "\n  ")
