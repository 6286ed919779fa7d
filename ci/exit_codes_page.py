"""The reference page of the exit codes; ``ci/reference_pages.py`` writes it."""

from __future__ import annotations

from bids_labelx.errors import ExitCode

# What to do next.
_NEXT = {
    ExitCode.DONE: "Open `sub-*.html` or `group.html`.",
    ExitCode.SOME_FAILED: "Run `bids_labelx check`; see [when a run failed](../howto/failed.md).",
    ExitCode.NOT_BIDS: "Name the folder that has a `dataset_description.json`.",
    ExitCode.NO_RUNS: "The message names the filter that removed the last run.",
    ExitCode.USAGE: "All mistakes are listed at once. Nothing has been written.",
    ExitCode.BAD_DATA: "The message names the file and the line. Correct it.",
    ExitCode.MISSING_INPUT: "The message names the file. Correct the path, or fetch the file.",
    ExitCode.INTERNAL_ERROR: "Repeat with `-v`, and report the bug with the `logs` folder.",
    ExitCode.CANNOT_WRITE: "Check space and permissions of the folder in the message.",
    ExitCode.INTERRUPTED: "With `--work-dir` the same command continues.",
    ExitCode.TERMINATED: "With `--work-dir` the same command continues.",
}


def exit_codes_page() -> str:
    """The documentation's page of exit codes."""
    lines = [
        "# Exit codes",
        "",
        "Numbers are those of the BIDS execution specification and of `sysexits.h`.",
        "",
        "| exit code | meaning | what to do |",
        "|---|---|---|",
    ]
    lines += [f"| {code} | {code.meaning} | {_NEXT[code]} |" for code in ExitCode]
    return "\n".join(lines) + "\n"
