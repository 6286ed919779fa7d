"""What values of a strategy, each right by itself, do not go together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Where a value stands: the keys above it and its own.
KeyPath = tuple[str, ...]

COMPCOR_MASKS = ("combined", "WM", "CSF", "temporal")


def wrong_together(content: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Values that are right each by itself but do not go together."""
    compcor = content.get("confounds", {}).get("compcor")
    if compcor is not None:
        keys = ("confounds", "compcor")
        if "masks" not in compcor:
            yield keys, f"confounds.compcor needs masks: {', '.join(COMPCOR_MASKS)}"
        if {"components", "variance"} <= compcor.keys():
            yield keys, "confounds.compcor takes components or variance, not both"
    confounds = content.get("confounds", {})
    for table in confounds.get("tables", ()):
        if problem := _table_problem(table):
            yield ("confounds", "tables"), f"confounds.tables {problem}"
    if sum("censored" in table for table in confounds.get("tables", ())) > 1:
        yield ("confounds", "tables"), "confounds.tables has censored twice, one is expected"
    if "motion_filter" in confounds:
        keys = ("confounds", "motion_filter")
        problem = _motion_filter_problem(confounds["motion_filter"])
        problem = problem or ("" if "motion" in confounds else "is of no use without motion")
        if problem:
            yield keys, f"confounds.motion_filter {problem}"
    scrub = content.get("volumes", {}).get("scrub")
    if scrub is not None:
        keys = ("volumes", "scrub")
        if not {"fd_threshold", "std_dvars_threshold"} & scrub.keys():
            yield keys, "volumes.scrub needs fd_threshold (mm), std_dvars_threshold, or both"
        problem = None
        if "motion_filter" in scrub:
            problem = _motion_filter_problem(scrub["motion_filter"])
            if "fd_threshold" not in scrub:
                problem = "is of no use without fd_threshold"
        if problem:
            yield (*keys, "motion_filter"), f"volumes.scrub.motion_filter {problem}"
    problem = clean_problem(content.get("clean", {}))
    if problem:
        yield ("clean",), f"clean: {problem}"


def _table_problem(table: Mapping[str, Any]) -> str | None:
    uses = [key for key in ("motion_source", "tedana", "censored") if key in table]
    if len(uses) > 1:
        return f"takes {' or '.join(uses)}, not both"
    if "censored" in table and {"columns", "first_volume"} & table.keys():
        return "with censored takes no columns and no first_volume"
    if "suffix" not in table and "tedana" not in table:
        return "needs suffix, the end of the file's name before the extension"
    if table.get("extension", ".tsv") not in (".tsv", ".1D") and "motion_source" not in table:
        return (
            f"has extension {table['extension']}: a text file without a header is read as motion "
            "parameters, with motion_source: fsl, spm, afni"
        )
    if not table.get("required", True) and "dataset" not in table:
        return "with required = false needs dataset, which --datasets need not name then"
    if not table.get("required", True) and {"tedana", "censored"} & table.keys():
        return (
            f"with {uses[0]} cannot have required = false: without the dataset nothing would "
            "stand in for it"
        )
    return None


def _motion_filter_problem(options: Mapping[str, Any]) -> str | None:
    low, high = options.get("band_stop_min"), options.get("band_stop_max")
    kind = options.get("type")
    if kind is None:
        return "needs type: notch, lp"
    if low is None:
        return "needs band_stop_min, in breaths per minute"
    if kind == "lp":
        return None if high is None else "of type lp takes band_stop_min only"
    if high is None:
        return "of type notch needs band_stop_max, in breaths per minute"
    return None if low < high else f"has band_stop_min {low} not below band_stop_max {high}"


def clean_problem(clean: Mapping[str, Any]) -> str | None:
    """Why these settings of cleaning do not go together, or None where they do."""
    kind = clean.get("filter") or "none"
    low, high = clean.get("low_pass"), clean.get("high_pass")
    cutoffs = [name for name in ("low_pass", "high_pass") if clean.get(name) is not None]
    if kind == "none" and cutoffs:
        return f"{' and '.join(cutoffs)} without a filter; allowed filter: butterworth, cosine"
    if kind == "butterworth" and not cutoffs:
        return "filter butterworth needs low_pass, high_pass, or both (Hz)"
    if kind == "cosine" and high is None:
        return "filter cosine needs high_pass (Hz), the lowest frequency to keep"
    if kind == "cosine" and low is not None:
        return "filter cosine removes slow drifts only and takes no low_pass"
    own = [key for key in ("butterworth", "censored_ends") if clean.get(key)]
    if own and kind != "butterworth":
        return f"{' and '.join(own)} with filter {kind}; allowed with filter butterworth"
    if low is not None and high is not None and high >= low:
        return f"high_pass {high} is not below low_pass {low}: no frequency is between them"
    return None
