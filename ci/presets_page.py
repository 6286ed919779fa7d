"""The reference page of the denoising presets; ``ci/reference_pages.py`` writes it."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files
from typing import Any

_DOI = "https://doi.org/"
_CIRIC = f"[Ciric 2017]({_DOI}10.1016/j.neuroimage.2017.03.020)"
_FRISTON = f"[Friston 1996]({_DOI}10.1002/mrm.1910350312)"
_SATTERTHWAITE = f"[Satterthwaite 2013]({_DOI}10.1016/j.neuroimage.2012.08.052)"
_BEHZADI = f"[Behzadi 2007]({_DOI}10.1016/j.neuroimage.2007.04.042)"
_POWER = f"[Power 2012]({_DOI}10.1016/j.neuroimage.2011.10.018)"
_PRUIM = f"[Pruim 2015]({_DOI}10.1016/j.neuroimage.2015.02.064)"
_FOX = f"[Fox 2005]({_DOI}10.1073/pnas.0504136102)"

# Of each preset: the papers, and when to use it.
_USE = {
    "none": ("", "to see what denoising changes; for images that are already clean"),
    "simple": (_FOX, "default; little motion, task data, short runs"),
    "simple+gsr": (_FOX, "as `simple`, where a global signal of motion or breathing remains"),
    "scrubbing": (_POWER, "participants who move abruptly, runs of 5 minutes and more"),
    "scrubbing.2": (_POWER, "strict censoring, long runs"),
    "scrubbing.2+gsr": (_POWER, "as `scrubbing.2`, with the global signal"),
    "scrubbing.5": (_POWER, "participants who move abruptly; no DVARS threshold"),
    "scrubbing.5+gsr": (_POWER, "as `scrubbing.5`, with the global signal"),
    "acompcor50": (_BEHZADI, "noise from tissue components; takes many degrees of freedom"),
    "icaaroma": (_PRUIM, "images that ICA-AROMA has denoised"),
    "24P": (_FRISTON, "motion parameters alone; HCP data without tissue signals"),
    "27P": (_CIRIC, "moderate number of regressors, with the global signal"),
    "36P": (f"{_SATTERTHWAITE}, {_CIRIC}", "strong removal of motion without censoring"),
    "36P+scrubbing": (f"{_SATTERTHWAITE}, {_CIRIC}", "the same with censoring; long runs"),
    "acompcor": (_BEHZADI, "tissue components instead of tissue means, no global signal"),
    "acompcor_gsr": (_BEHZADI, "as `acompcor`, with the global signal"),
    "aroma": (_PRUIM, "fMRIPost-AROMA's components, regressed from fMRIPrep's images"),
    "aroma_gsr": (_PRUIM, "as `aroma`, with the global signal"),
    "gsr_only": (_CIRIC, "to see what the global signal alone does"),
    "denoised": ("", "images that XCP-D has denoised"),
}
_MOTION = {"basic": 6, "derivatives": 12, "power2": 12, "full": 24}
_SIGNALS = {"basic": 1, "derivatives": 2, "power2": 2, "full": 4}


def presets_page() -> str:
    """The documentation's page of presets, made from their files."""
    folder = files("bids_labelx.data") / "denoise"
    presets = {
        one.name.removesuffix(".toml"): tomllib.loads(one.read_text("utf-8"))
        for one in folder.iterdir()
        if one.name.endswith(".toml")
    }
    order = sorted(presets, key=lambda name: list(_USE).index(name))
    lines = [
        "# Presets of denoising",
        "",
        "`--denoise NAME` uses one. `bids_labelx --list-denoise` prints them. Each is a file in",
        "`bids_labelx/data/denoise`, which can be copied and changed: see",
        "[a strategy of your own](../howto/strategy-file.md), and",
        "[how to choose](../howto/strategy.md).",
        "",
        "Numbers are those of columns of the confounds table. File names have the letters and",
        "digits of a preset's name (`desc-simplegsr`); `none` is called `desc-raw`. All presets",
        "but `none` and `denoised` also remove the volumes that fMRIPrep marks as",
        "non-steady-state.",
        "",
        "## What each does",
        "",
        "| preset | confound regressors | filter | censoring |",
        "|---|---|---|---|",
    ]
    for name in order:
        cells = (regressors(presets[name]), _filter(presets[name]), _censoring(presets[name]))
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    lines += [
        "",
        "## When to use which, and whose it is",
        "",
        "| preset | use it for | whose it is | paper |",
        "|---|---|---|---|",
    ]
    for name in order:
        paper, use = _USE[name]
        source = re.sub(r"(--[a-z-]+(?: auto| [0-9.]+)?)", r"`\1`", presets[name]["source"])
        lines.append(f"| `{name}` | {use} | {source} | {paper} |")
    return "\n".join([*lines, "", *_denoised()]) + "\n"


def regressors(preset: dict[str, Any]) -> str:
    """The families of confounds with the number of columns of each."""
    confounds = preset.get("confounds", {})
    found = []
    if motion := confounds.get("motion"):
        found.append(f"{_MOTION[motion]} motion parameters")
    if tissues := confounds.get("wm_csf"):
        found.append(f"{2 * _SIGNALS[tissues]} of white matter and CSF")
    if whole := confounds.get("global_signal"):
        found.append(f"{_SIGNALS[whole]} of the global signal")
    if compcor := confounds.get("compcor"):
        masks = " and ".join(compcor["masks"])
        if "components" in compcor:
            found.append(f"{compcor['components']} aCompCor components each of {masks}")
        else:
            found.append(f"aCompCor components to {compcor['variance']:.0%} of variance, {masks}")
    for table in confounds.get("tables", ()):
        found += [f"`{one['pattern']}`" for one in table.get("columns", ())]
    return ", ".join(found) or "none"


def _filter(preset: dict[str, Any]) -> str:
    clean, found = preset.get("clean", {}), []
    if preset.get("confounds", {}).get("high_pass"):
        found.append("high-pass by cosine regressors (128 s)")
    if clean.get("filter") == "butterworth":
        order = clean["butterworth"]["order"]
        cuts = f"{clean['high_pass']} to {clean['low_pass']} Hz"
        found.append(f"Butterworth of order {order}, {cuts}")
    if clean.get("detrend"):
        found.append("linear detrending")
    return ", ".join(found) or "none"


def _censoring(preset: dict[str, Any]) -> str:
    scrub, found = preset.get("volumes", {}).get("scrub", {}), []
    if "fd_threshold" in scrub:
        found.append(f"FD > {scrub['fd_threshold']} mm")
    if "std_dvars_threshold" in scrub:
        found.append(f"standardised DVARS > {scrub['std_dvars_threshold']}")
    if scrub.get("min_segment"):
        found.append(f"segments < {scrub['min_segment']} volumes")
    tables = preset.get("confounds", {}).get("tables", ())
    found += ["volumes marked in XCP-D's outliers table" for one in tables if one.get("censored")]
    return ", ".join(found) or "none"


def _denoised() -> list[str]:
    """The images that were denoised before, from which nothing is regressed out twice."""
    text = (files("bids_labelx.data") / "denoised.toml").read_text("utf-8")
    lines = [
        "## Images that were denoised before",
        "",
        "A strategy that would regress out the same again is refused for these images:",
        "",
        "| denoised by | `desc-` of the images | refused are |",
        "|---|---|---|",
    ]
    for one in tomllib.loads(text)["images"]:
        names = ", ".join(f"`{desc}`" for desc in one.get("desc", ())) or (
            f"`{one['entity']}-` in the name, or the sidecar's `CpacProvenance`"
        )
        if one.get("all"):
            refused = "all regressors and filters"
        elif one.get("tedana"):
            refused = "the components that tedana rejected"
        else:
            refused = f"columns `{one['columns']}`"
        lines.append(f"| {one['by']} | {names} | {refused} |")
    return lines
