"""Sentences on what a denoising strategy did to runs, for the methods text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bids_labelx.denoise import Strategy
from bids_labelx.denoise.families import COSINE, MOTION, OTHER
from bids_labelx.denoise.strategies import described
from bids_labelx.report.accounts import Ranges
from bids_labelx.report.citations import cite, cite_within
from bids_labelx.words import counted, enumerated

_EXPANDED = {
    "basic": "",
    "derivatives": " and {their} first {derivatives}",
    "power2": " and {their} {squares}",
    "full": ", {their} first {derivatives}, and the squares of both",
    "some": ", or {their} derivatives or squares",
}
_SIGNALS = {
    "white_matter": "white matter",
    "csf": "CSF",
    "csf_wm": "white matter and CSF combined",
    "global_signal": "the whole brain (global signal)",
}
_MASKS = {
    "combined": "white matter and CSF combined",
    "WM": "white matter",
    "CSF": "CSF",
    "temporal": "the most variable voxels",
}
_COMPONENTS = {
    "ICA-AROMA": ("ICA-AROMA motion component", "ica_aroma"),
    "orthogonalised ICA-AROMA": ("orthogonalised ICA-AROMA motion component", "ica_aroma"),
    "tedana": ("tedana component", "tedana"),
}
# Regressors of no known family that are named.
_MOST_NAMED = 5


def span(found: Sequence[float], digits: str = "g") -> str:
    """A range in words: ``7``, or ``7 to 9``."""
    low, high = (
        f"{value:,}" if isinstance(value, int) else f"{value:{digits}}" for value in found
    )
    return low if low == high else f"{low} to {high}"


def _counted(found: Sequence[float], noun: str) -> str:
    """The same with a noun, in the plural unless the range is 1."""
    return f"{span(found)} {noun}{'' if tuple(found) == (1, 1) else 's'}"


def regressors_in_words(
    strategy: Strategy, counts: Ranges | None, others: Sequence[str] = ()
) -> list[str]:
    """Say which confounds were regressed out, by family.

    Parameters
    ----------
    strategy
        The strategy.
    counts
        The range of the number of regressors of each family over runs; None where the record of
        the runs does not have it.
    others
        Names of regressors of no known family.
    """
    if counts is None:
        if not strategy.confounds:
            return []
        return [f"Confounds regressed out: {described(strategy.confounds, {}, {})}."]
    parts = [_family(family, found, strategy, others) for family, found in counts.items()]
    if not parts:
        return ["No confounds were regressed out."]
    said = [f"The confound regressors were {enumerated(parts)}."]
    if "motion_filter" in strategy.confounds and any(f.startswith(MOTION) for f in counts):
        filtered = _filtered(strategy.confounds["motion_filter"])
        said.append(f"Motion parameters were filtered before ({filtered}).")
    return said


def _family(family: str, found: list[float], strategy: Strategy, others: Sequence[str]) -> str:
    name, _, expansion = family.rpartition(" ")
    if name == MOTION and expansion in _EXPANDED:
        sources = {"full": ["motion", "expansion"], "basic": []}.get(expansion, ["expansion"])
        parts = f"the six motion parameters{_expanded(expansion, 6)}"
        return f"{_counted(found, 'motion regressor')} ({parts}{_within(*sources)})"
    if name and all(one in _SIGNALS for one in name.split("+")):
        whose = [_SIGNALS[one] for one in name.split("+")]
        parts = f"the mean signal{'s' if len(whose) > 1 else ''} of {enumerated(whose)}"
        parts += _expanded(expansion, len(whose))
        source = _within("expansion") if expansion != "basic" else ""
        return f"{_counted(found, 'tissue regressor')} ({parts}{source})"
    if family == COSINE:
        cutoff = "high-pass filter with a cut-off of 128 s"
        return f"{_counted(found, 'discrete cosine function')} ({cutoff})"
    if family in ("aCompCor", "tCompCor"):
        how = _compcor(strategy.confounds.get("compcor"))
        return f"{_counted(found, f'{family} component')}{how}{_cited('compcor')}"
    if family in _COMPONENTS:
        noun, source = _COMPONENTS[family]
        return f"{_counted(found, noun)}{_cited(source)}"
    if family == OTHER:
        named = ", ".join(others[:_MOST_NAMED])
        more = ", …" if len(others) > _MOST_NAMED else ""
        listed = f" ({named}{more})" if named else ""
        return f"{_counted(found, 'further column')} of the tables{listed}"
    return _counted(found, f"{family} regressor")


def _cited(*keys: str) -> str:
    return f" {cite(*keys)}" if keys else ""


def _within(*keys: str) -> str:
    return f"; {cite_within(*keys)}" if keys else ""


def _expanded(expansion: str, count: int) -> str:
    one = count == 1
    words = {
        "their": "its" if one else "their",
        "derivatives": "derivative" if one else "derivatives",
        "squares": "square" if one else "squares",
    }
    return _EXPANDED[expansion].format(**words)


def _compcor(options: Mapping[str, Any] | None) -> str:
    """Which components of CompCor, where the strategy does not name columns."""
    if options is None:
        return ""
    masks = enumerated(_MASKS.get(one, one) for one in options["masks"])
    if "variance" in options:
        return f" that explain {100 * options['variance']:g} % of the variance in {masks}"
    if "components" in options:
        return f", the first {options['components']} of {masks}{_each(options)}"
    return f" of {masks}"


def _each(options: Mapping[str, Any]) -> str:
    return " each" if len(options["masks"]) > 1 else ""


def _filtered(options: Mapping[str, Any]) -> str:
    low, high = options.get("band_stop_min"), options.get("band_stop_max")
    if options["type"] == "notch":
        return f"notch filter, {low:g} to {high:g} breaths per minute"
    return f"low-pass filter, {low:g} breaths per minute"


def censoring_in_words(strategy: Strategy, ranges: Ranges) -> list[str]:
    """Say by which rules volumes were censored, and how many were kept of a run."""
    rules = list(_rules(strategy))
    text = f"{enumerated(rules)} were censored." if rules else ""
    said = [text[0].upper() + text[1:]] if text else []
    if {"NumberOfVolumes", "NumberOfVolumesKept"} <= ranges.keys():
        whole, kept = ranges["NumberOfVolumes"], ranges["NumberOfVolumesKept"]
        left = ""
        if "DegreesOfFreedom" in ranges:
            left = f", which left {_counted(ranges['DegreesOfFreedom'], 'degree')} of freedom"
        said.append(f"Of the {_counted(whole, 'volume')} of a run, {span(kept)} were kept{left}.")
    return said


def _rules(strategy: Strategy) -> Iterator[str]:
    """What is censored, in the plural."""
    dummies = strategy.volumes.get("non_steady_state")
    if dummies is True:
        yield "non-steady-state volumes at the start of the run"
    elif dummies:
        yield f"the first {counted(dummies, 'volume')}"
    scrub = strategy.volumes.get("scrub") or {}
    limits = []
    if "fd_threshold" in scrub:
        filtered = ""
        if "motion_filter" in scrub:
            filtered = f" of filtered motion parameters ({_filtered(scrub['motion_filter'])})"
        limits.append(f"a framewise displacement{filtered} above {scrub['fd_threshold']:g} mm")
    if "std_dvars_threshold" in scrub:
        limits.append(f"a standardised DVARS above {scrub['std_dvars_threshold']:g}")
    if limits:
        yield f"volumes with {' or '.join(limits)} {cite('scrub')}"
        if (shortest := scrub.get("min_segment", 5)) > 1:
            yield f"segments of fewer than {shortest} kept volumes"
    for table in strategy.confounds.get("tables", ()):
        if "censored" in table:
            yield f"volumes that another table marked (column {table['censored']})"
